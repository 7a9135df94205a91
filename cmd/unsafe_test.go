package cmd

import (
	"slices"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

func TestUnsafeRulesAreReadByName(t *testing.T) {
	for _, tc := range []struct {
		name  string
		words []string
		want  []string
		err   string
	}{
		{"none", nil, nil, ""},
		{"with commas and spaces, in raft's order, each once", []string{"no-noop,vote-twice", "vote-twice stale-reads"}, []string{"vote-twice", "stale-reads", "no-noop"}, ""},
		{"in capitals", []string{"Forget-Vote"}, []string{"forget-vote"}, ""},
		{"a slip", []string{"vote-twise"}, nil, `there is no unsafe rule "vote-twise"; did you mean vote-twice?`},
		{"nothing like it", []string{"x"}, nil, `there is no unsafe rule "x"`},
		{"a call for help", []string{"vote-twice,help"}, nil, errUnsafeHelp.Error()},
	} {
		got, err := parseUnsafe(tc.words)
		if !slices.Equal(got, tc.want) || errText(err) != tc.err {
			t.Errorf("%s: parseUnsafe(%q) = %q, %v; want %q, %q", tc.name, tc.words, got, err, tc.want, tc.err)
		}
	}
}

func TestUnsafeHelpListsEveryRule(t *testing.T) {
	var out, errs strings.Builder
	if code := Run(t.Context(), []string{"up", "--unsafe", "help"}, strings.NewReader(""), &out, &errs); code != 0 || errs.Len() > 0 {
		t.Fatalf("exits %d, says %q", code, errs.String())
	}
	golden(t, "unsafe.txt", out.String())
	for _, r := range raft.UnsafeRules() {
		if !strings.Contains(out.String(), "\n"+r.Name+" ") {
			t.Errorf("%s is not listed", r.Name)
		}
	}
}

func TestUnsafeRulesAreCompletedInALine(t *testing.T) {
	for _, tc := range []struct {
		typed string
		want  []string
	}{
		{"vote", []string{"vote-stale-logs", "vote-twice"}},
		{"no-noop,vote-t", []string{"no-noop,vote-twice"}},
		{"vote-twice,vote-", []string{"vote-twice,vote-stale-logs"}},
	} {
		var got []string
		for _, c := range completeWords(t.Context(), "", []string{"up", "--unsafe", tc.typed}) {
			got = append(got, c.word)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%q becomes %q, want %q", tc.typed, got, tc.want)
		}
	}
}

func TestEventsHelpNamesEveryKind(t *testing.T) {
	help := strings.Join(strings.Fields(eventsVerb().about), " ")
	if want := "The kinds are " + strings.Join(eventKinds, " ") + "."; !strings.Contains(help, want) {
		t.Errorf("the help of events does not say %q", want)
	}
}
