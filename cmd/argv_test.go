package cmd

import (
	"slices"
	"strings"
	"testing"
)

func TestFlagsAreFoundWhereverTheyStand(t *testing.T) {
	for _, tc := range []struct{ name, line, want string }{
		{"a flag behind arguments", "partition 2 4 --json", "partition --json -- 2 4"},
		{"between arguments", "partition 2 --json 4", "partition --json -- 2 4"},
		{"before the verb", "--lab x partition 2", "partition --lab=x -- 2"},
		{"a value in the next word", "up -n 5", "up --nodes=5 --"},
		{"a value behind =", "up --nodes=5", "up --nodes=5 --"},
		{"a value with an =", "up --preload 1=11", "up --preload=1=11 --"},
		{"a short value without a space", "up -n5", "up --nodes=5 --"},
		{"a short output", "status -ojson 3", "status --output=json -- 3"},
		{"short flags in one word", "events -fq", "events --follow --quiet --"},
		{"the last of them with a value", "events -fo json", "events --follow --output=json --"},
		{"a value that starts with a dash", "up --seed -5", "up --seed=-5 --"},
		{"words of partition", "partition 1,2 / 3 4", "partition -- 1,2 / 3 4"},
		{"words of links", "cut 2 to 4 -q", "cut --quiet -- 2 to 4"},
		{"a negative number", "put x -5", "put -- x -5"},
		{"a negative fraction", "put x -.5", "put -- x -.5"},
		{"a lone dash", "put x -", "put -- x -"},
		{"everything behind --", "put -- --json -q", "put -- --json -q"},
		{"a flag before --", "put --json -- -a b", "put --json -- -a b"},
		{"-- before the verb", "-- put a b", "put -- a b"},
		{"an empty argument", "put x ''", "put -- x "},
		{"a verb below a verb", "bench load -n 3", "bench load --nodes=3 --"},
		{"flags between the two", "bench --json load", "bench load --json --"},
		{"help for a verb", "partition 2 --help", "help -- partition"},
		{"help for a verb below a verb", "bench load -h --json", "help --json -- bench load"},
		{"nothing", "", "help --"},
		{"help alone", "-h", "help --"},
		{"version as a flag", "--version --json", "version --json --"},
		{"a word like a verb", "kill leader kill", "kill -- leader kill"},
		{"a word like the library's own command", "partition h help", "partition -- h help"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, err := parseLine(verbs(), words(tc.line))
			if err != nil {
				t.Fatalf("parseLine(%q): %v", tc.line, err)
			}
			if got := strings.Join(l.words(), " "); got != tc.want {
				t.Errorf("parseLine(%q) = %q, want %q", tc.line, got, tc.want)
			}
		})
	}
}

func TestWrongFlagsAreErrors(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"status --jsn", "unknown flag --jsn of status; did you mean --json?"},
		{"--lba x status", "unknown flag --lba; did you mean --lab?"},
		{"status -lab x", "unknown flag -lab of status; did you mean --lab?"},
		{"put a b --replace", "unknown flag --replace of put"},
		{"status --json=yes", `--json takes no value, got "yes"`},
		{"up --nodes", "--nodes needs a value: how many nodes, 1 to 21"},
		{"up --nodes -- 3", "--nodes needs a value: how many nodes, 1 to 21"},
		{"events -fx", "unknown flag -fx of events"},
		{"stauts", `unknown command "stauts"; did you mean status?`},
		{"xyzzy", `unknown command "xyzzy"`},
		{"bench lod", `bench has no "lod", only: load, proxy, sim; did you mean load?`},
	} {
		_, err := parseLine(verbs(), words(tc.line))
		if err == nil || err.Error() != tc.want {
			t.Errorf("parseLine(%q): %v, want %s", tc.line, err, tc.want)
		}
	}
}

func TestErrorsAreJSONWhenTheLineAsksForIt(t *testing.T) {
	for _, tc := range []struct {
		line, env string
		want      bool
	}{
		{"kill --json", "", true},
		{"kill -o json", "", true},
		{"kill -ojsonl", "", true},
		{"kill --output=json", "", true},
		{"kill -o table", "json", false},
		{"kill", "json", true},
		{"put -- --json x", "", false},
		{"kill", "", false},
	} {
		if got := wantsJSON(words(tc.line), tc.env); got != tc.want {
			t.Errorf("wantsJSON(%q, %q) = %v", tc.line, tc.env, got)
		}
	}
}

func TestEveryVerbCanBeExplained(t *testing.T) {
	for _, v := range flat(verbs()) {
		switch {
		case v.usage == "" || strings.HasSuffix(v.usage, "."):
			t.Errorf("%s: usage is %q", v.title(), v.usage)
		case !slices.Contains(categories(), v.category):
			t.Errorf("%s: category %q is not shown", v.title(), v.category)
		case v.hidden:
		case len(v.examples) == 0:
			t.Errorf("%s has no example", v.title())
		}
		for _, e := range v.examples {
			checkExample(t, v, e)
		}
	}
}

// checkExample holds an example's flags and number of arguments to the table.
func checkExample(t *testing.T, v *verb, e example) {
	line, ok := strings.CutPrefix(e.line, "raftlab ")
	if !ok {
		return // a line of another program that calls raftlab
	}
	line, _, _ = strings.Cut(line, " | ")
	l, err := parseLine(verbs(), words(line))
	if err == nil {
		err = countArgs(l.verb, l.args)
	}
	if err != nil {
		t.Errorf("%s: example %q: %v", v.title(), e.line, err)
	}
}

func flat(all []*verb) []*verb {
	var out []*verb
	for _, v := range all {
		out = append(append(out, v), flat(v.subs)...)
	}
	return out
}

// words splits at spaces and joins what stands between single quotes.
func words(line string) []string {
	var out []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

func TestNearest(t *testing.T) {
	known := []string{"partition", "put", "pause", "status", "json", "events", "o"}
	for _, tc := range []struct{ word, want string }{
		{"partitoin", "partition"},
		{"part", "partition"},
		{"stauts", "status"},
		{"jsn", "json"},
		{"pit", "put"},
		{"q", ""},
		{"frobnicate", ""},
		{"", ""},
	} {
		if got := nearest(tc.word, known); got != tc.want {
			t.Errorf("nearest(%q) = %q, want %q", tc.word, got, tc.want)
		}
	}
}

func TestQuotedWordsAreReadBackAlike(t *testing.T) {
	for _, tc := range []struct{ word, want string }{
		{"leader", "leader"},
		{"2->4", "'2->4'"},
		{"two words", "'two words'"},
		{"it's", `'it'\''s'`},
		{"", "''"},
		{"20ms~5ms", "20ms~5ms"},
	} {
		if got := quoteWord(tc.word); got != tc.want {
			t.Errorf("quoteWord(%q) = %s, want %s", tc.word, got, tc.want)
		}
	}
}
