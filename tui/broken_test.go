package tui

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/raftlab/raftlab/netlab"
)

// brokenPromise is split with a rule switched off and what came of it.
func brokenPromise() (netlab.Update, netlab.Update) {
	first, second := split()
	first.Status.Unsafe = []string{"forget-vote"}
	second.Events = append(second.Events, netlab.Event{
		ID: 7, LabNS: 42_300 * msNS, Kind: netlab.EventViolation, Node: 1, Peer: 2, Term: 7, Rule: "Figure 3, §5.2",
		Text: "Election Safety: at most one leader can be elected in a given term (Figure 3, §5.2). S1 leads term 7 (since 00:41.900), and so does S2 (since 00:42.300, frame 4711).",
	})
	second.Lab.LastEvent = 7
	second.Lab.Violations = []netlab.Violation{
		{Property: "OneVoteATerm", Name: "One vote a term", Term: 7, Nodes: []int{1, 2, 3}, LabNS: 42_290 * msNS, Message: "One vote a term: each server will vote for at most one candidate in a given term (§5.2). In term 7 S3 voted for S1, and for S2.", Text: "In term 7 S3 voted for S1, and for S2.", Event: 6, Before: []uint64{1}},
		{
			Property: "ElectionSafety", Name: "Election Safety", Term: 7, Nodes: []int{1, 2}, LabNS: 42_300 * msNS, Frame: 4711, Event: 7, Before: []uint64{1, 2},
			Message: second.Events[len(second.Events)-1].Text, Text: "S1 leads term 7 (since 00:41.900), and so does S2 (since 00:42.300, frame 4711).",
		},
	}
	return first, second
}

// What is broken stands in the second line of every size, whatever is looked at,
// with the key that tells more.
func TestBrokenPromiseIsABanner(t *testing.T) {
	for w := minW; w <= 250; w++ {
		lines := strings.Split(draw(scene(brokenPromise), look{w: w, h: 24, ascii: true, color: Color256}, nil), "\n")
		if line := ansi.Strip(lines[1]); !strings.Contains(line, "!! ELECTION SAFETY BROKEN: ") || !strings.HasSuffix(strings.TrimRight(line, " "), "! tells all 2") {
			t.Fatalf("%d columns: the second line is %q", w, line)
		}
	}
	card := ansi.Strip(draw(scene(brokenPromise), look{w: 40, h: 12, ascii: true}, nil))
	if !strings.Contains(card, "!! ELECTION SAFETY BROKEN") {
		t.Errorf("the card says\n%s", card)
	}
}

func TestBrokenPromisesAreTold(t *testing.T) {
	var text []string
	draw(scene(brokenPromise), look{w: 100, h: 30, ascii: true}, func(p *picture) { text = p.brokenText(90) })
	got := strings.Join(text, "\n")
	for _, want := range []string{
		"!! Election Safety: at most one leader can be elected in a given term (Figure 3, §5.2).",
		"at 00:42.300, term 7, S1 S2, frame 4711; before it:",
		"00:41.502 net partition {2 4}",
		"!! One vote a term:",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if first, second := strings.Index(got, "Election Safety"), strings.Index(got, "One vote"); first > second {
		t.Error("the newest does not come first")
	}
}
