package tui

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/check"
)

// That rules of Raft are switched off is said in words at every size, whatever
// else there is to say, and so is that a promise is broken.
func TestUnsafeIsLoudAtEverySize(t *testing.T) {
	for _, rules := range [][]string{{"vote-twice"}, {"commit-old-terms", "vote-stale-logs", "vote-twice", "forget-vote", "skip-log-check"}} {
		lab := func() (netlab.Update, netlab.Update) {
			first, second := split()
			first.Status.Unsafe, first.Status.Lab = rules, "a-lab-with-a-name-that-is-much-too-long-for-any-title"
			second.Lab.Violations = []netlab.Violation{{Property: "Election Safety", Message: "two leaders in term 7"}}
			second.Lab.Config = netlab.ConfigStatus{Index: 44, Voters: []int{1, 2, 3}, VotersOld: []int{1, 2, 3, 4, 5}}
			return first, second
		}
		for w := 20; w <= 250; w++ {
			h := 24
			lines := strings.Split(draw(scene(lab), look{w: w, h: h, ascii: true, color: Color256}, nil), "\n")
			head := ansi.Strip(lines[0])
			if w < minW {
				head = ansi.Strip(strings.Join(lines[:6], "\n"))
			}
			if !strings.Contains(head, "!! UNSAFE") || w >= minW && (!strings.Contains(head, "BROKEN") || !strings.Contains(head, "00:42.312")) {
				t.Fatalf("%d columns: the title is %q", w, head)
			}
			if w == 250 && !strings.Contains(head, strings.Join(rules, ",")) {
				t.Errorf("%d columns: the title does not name the rules: %q", w, head)
			}
		}
	}
}

// A cut stands in the title at every size, beside a partition too: without it a
// link that carries nothing looks like a fault of Raft.
func TestTitleNamesCuts(t *testing.T) {
	split := func() (netlab.Update, netlab.Update) {
		first, second := split()
		first.Status.Links[0].Cut = true
		for i := range second.Links {
			second.Links[i].Cut = second.Links[i].From == 1 && second.Links[i].To == 2
		}
		return first, second
	}
	for _, w := range []int{80, 120, 200} {
		picture := ansi.Strip(draw(scene(split), look{w: w, h: 24, ascii: true}, nil))
		title, _, _ := strings.Cut(picture, "\n")
		if !strings.Contains(title, "SPLIT 3|2") || !strings.Contains(title, "1 CUT") {
			t.Errorf("%d columns: %q names no partition or no cut", w, title)
		}
	}
}

// A simulated lab says so, and what clients were told is judged where there is room
// to say it.
func TestTitleTellsOfSimulationAndHistory(t *testing.T) {
	lab := func() (netlab.Update, netlab.Update) {
		first, second := split()
		first.Status.Engine = netlab.EngineSim
		second.Lab.Linearizability = &netlab.Standing{Verdict: check.VerdictOK, Judged: 1312}
		return first, second
	}
	for _, w := range []int{80, 120, 200} {
		picture := ansi.Strip(draw(scene(lab), look{w: w, h: 24, ascii: true}, nil))
		title, _, _ := strings.Cut(picture, "\n")
		if w > 80 && !strings.Contains(title, "SIM") || w == 200 && !strings.Contains(title, "1312 operations linearizable") {
			t.Errorf("%d columns: the title is %q", w, title)
		}
	}
	for _, x := range []struct {
		standing *netlab.Standing
		want     string
	}{
		{nil, ""},
		{&netlab.Standing{Verdict: check.VerdictOK, Judged: 1}, "1 operation linearizable"},
		{&netlab.Standing{Verdict: check.VerdictUnknown, Judged: 3, NotJudged: 2}, "3 of 5 operations judged"},
		{&netlab.Standing{Verdict: check.VerdictViolated, Judged: 3}, ""},
	} {
		if got := standingText(x.standing); got != x.want {
			t.Errorf("%+v is told as %q, want %q", x.standing, got, x.want)
		}
	}
}
