package script

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// known is a command line of four verbs.
func known(args []string) error {
	switch args[0] {
	case "up", "kill", "put", "wait", "expect":
		return nil
	}
	return fmt.Errorf("unknown command %q; did you mean kill?", args[0])
}

func TestParse(t *testing.T) {
	s, err := Parse("a.lab", strings.NewReader(`
# Two words about it
# and more

up -n 3
say  "Hello" # world
wait leader --timeout 20s
expect leader == 3 within 2s
expect kv("a for b") == "1 within 2"
expect 'S1.term == 1' for 500ms
put greeting "good day" it\'s
! kill 9
sleep 1.5s
`), known)
	if err != nil {
		t.Fatal(err)
	}
	if s.Title != "Two words about it" {
		t.Errorf("Title = %q", s.Title)
	}
	want := [][]string{
		{"up", "-n", "3"},
		{"say", `"Hello" # world`},
		{"wait", "leader", "--timeout", "20s"},
		{"expect", "leader == 3", "within", "2s"},
		{"expect", `kv("a for b") == "1 within 2"`},
		{"expect", "S1.term == 1", "for", "500ms"},
		{"put", "greeting", "good day", "it's"},
		{"kill", "9"},
		{"sleep", "1.5s"},
	}
	for i, line := range s.Lines {
		if !reflect.DeepEqual(line.Args, want[i]) {
			t.Errorf("line %d: %q, want %q", line.Number, line.Args, want[i])
		}
		if line.Fails != (i == 7) {
			t.Errorf("line %d: Fails = %v", line.Number, line.Fails)
		}
	}
	if s.Lines[0].Number != 5 {
		t.Errorf("first line is number %d, want 5", s.Lines[0].Number)
	}
}

func TestTyposNameFileLineAndWhatWasExpected(t *testing.T) {
	for src, want := range map[string]string{
		"up -n 3\n\nkil 3":                      `x.lab:3: unknown command "kil"; did you mean kill?`,
		"sleep long":                            "x.lab:1: sleep long: expected a length of time, such as 500ms or 2s",
		"sleep -1s":                             "x.lab:1: sleep -1s: expected a length of time, such as 500ms or 2s",
		"expect leader = 3":                     `x.lab:1: condition "leader = 3", column 8:`,
		"expect leader == 3 within 2":           "x.lab:1: expect … within 2: expected a length of time, such as 500ms or 2s",
		"expect":                                "x.lab:1: condition \"\", column 1: it is empty",
		"wait leader --timeout":                 "x.lab:1: expected --timeout D at the end, such as --timeout 5s",
		"put x 'one":                            "x.lab:1: a quote ' is not closed",
		`put x \`:                               "x.lab:1: nothing behind the last backslash",
		"!":                                     "x.lab:1: nothing behind ! or try; expected a line that must or may fail",
		"try":                                   "x.lab:1: nothing behind ! or try; expected a line that must or may fail",
		"try sleep 1s":                          "x.lab:1: sleep cannot fail; expected a command behind ! and try",
		"! try kill 3":                          "x.lab:1: a line that may fail cannot be one that must; expected ! or try",
		"try ! kill 3":                          "x.lab:1: a line that may fail cannot be one that must; expected ! or try",
		"! say no":                              "x.lab:1: say cannot fail; expected a command behind ! and try",
		"# only words":                          "x.lab:1: the scenario has no lines; expected commands such as: up -n 3",
		"":                                      "x.lab:1: the scenario has no lines; expected commands such as: up -n 3",
		"up\n" + strings.Repeat("x", maxLine+1): "x.lab:2: the line is longer than 65536 bytes",
	} {
		_, err := Parse("x.lab", strings.NewReader(src), known)
		var at *Error
		if !errors.As(err, &at) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.30q:\n got %v\nwant %s", src, err, want)
		}
	}
}

// stage records what is played on it; commands fail as told.
type stage struct {
	log   []string
	fails map[string]error
}

func (s *stage) Exec(_ context.Context, args []string) error {
	s.log = append(s.log, strings.Join(args, " "))
	return s.fails[args[0]]
}

func (s *stage) Say(_ context.Context, text string) error {
	s.log = append(s.log, "say: "+text)
	return nil
}

func (s *stage) Sleep(_ context.Context, d time.Duration) error {
	s.log = append(s.log, "sleep: "+d.String())
	return nil
}

func TestRun(t *testing.T) {
	conflict := netlab.Errorf(netlab.ExitConflict, "node 3 is dead already")
	usage := netlab.Errorf(netlab.ExitUsage, "kill needs a node")
	tests := []struct {
		name, src string
		fails     map[string]error
		log       []string
		err       string
		code      int
	}{
		{"steps run in order", "up\nsay hi\nsleep 1s\nput x 1", nil, []string{"up", "say: hi", "sleep: 1s", "put x 1"}, "", 0},
		{"a failing step ends it", "up\nkill 3\nput x 1", map[string]error{"kill": conflict}, []string{"up", "kill 3"}, "t.lab:2: kill 3: node 3 is dead already", netlab.ExitConflict},
		{"! is content with a failure", "! kill 3\nput x 1", map[string]error{"kill": conflict}, []string{"kill 3", "put x 1"}, "", 0},
		{"! is not content with success", "! kill 3", nil, []string{"kill 3"}, "t.lab:1: ! kill 3: it worked, and was expected to fail", netlab.ExitCheck},
		{"try is content with a failure", "try kill 3\nput x 1", map[string]error{"kill": conflict}, []string{"kill 3", "put x 1"}, "", 0},
		{"try is content with success", "try kill 3\nput x 1", nil, []string{"kill 3", "put x 1"}, "", 0},
		{"try does not hide a wrong call", "try kill 3", map[string]error{"kill": usage}, []string{"kill 3"}, "t.lab:1: try kill 3: kill needs a node", netlab.ExitUsage},
		{"! does not hide a wrong call", "! kill 3", map[string]error{"kill": usage}, []string{"kill 3"}, "t.lab:1: ! kill 3: kill needs a node", netlab.ExitUsage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Parse("t.lab", strings.NewReader(tt.src), known)
			if err != nil {
				t.Fatal(err)
			}
			st := &stage{fails: tt.fails}
			err = Run(context.Background(), s, st, nil)
			if !reflect.DeepEqual(st.log, tt.log) {
				t.Errorf("played %q, want %q", st.log, tt.log)
			}
			if tt.err == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var told *netlab.Error
			if err == nil || err.Error() != tt.err || !errors.As(err, &told) || told.Code != tt.code {
				t.Errorf("err = %v, want %s with code %d", err, tt.err, tt.code)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("up -n 3\nwait leader --timeout 2s\nexpect leader == 3 within 2s\n! kill 'S 3'\nsay x\nsleep 1s")
	f.Add("expect 'a' for \\")
	f.Fuzz(func(t *testing.T, src string) {
		s, err := Parse("f.lab", strings.NewReader(src), func([]string) error { return nil })
		if err != nil {
			return
		}
		for _, line := range s.Lines {
			if len(line.Args) == 0 {
				t.Fatalf("line %d has no words: %q", line.Number, line.Text)
			}
		}
	})
}
