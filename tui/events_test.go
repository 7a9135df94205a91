package tui

import (
	"slices"
	"testing"

	"github.com/raftlab/raftlab/netlab"
)

// What all nodes say of one thing is one row, where the first said it; what only
// looks alike stays apart.
func TestEchoesAreOneRow(t *testing.T) {
	p := &picture{lab: &labState{}, ui: &uiState{}}
	event := func(node int, ms int64, term uint64, text, line string) {
		id := uint64(len(p.lab.events) + 1)
		p.lab.addEvents([]netlab.Event{{ID: id, LabNS: ms * msNS, Kind: netlab.EventRole, Node: node, Term: term, Text: text, Line: line}})
	}
	event(1, 10, 2, "follows S3 in term 2", "")
	event(2, 12, 2, "follows S3 in term 2", "")
	event(4, 11, 2, "is leader", "")
	event(5, 14, 2, "follows S3 in term 2", "")
	event(2, 15, 2, "follows S3 in term 2", "") // once more
	event(7, 16, 3, "follows S3 in term 2", "")
	event(8, 17, 2, "follows S3 in term 2", "elect 8")
	event(9, 2000, 2, "follows S3 in term 2", "")
	type got struct {
		node int
		also []int
	}
	check := func(want []got) {
		t.Helper()
		var rows []got
		for _, r := range p.eventRows(20) {
			rows = append(rows, got{r.Node, r.also})
		}
		if !slices.EqualFunc(rows, want, func(a, b got) bool { return a.node == b.node && slices.Equal(a.also, b.also) }) {
			t.Errorf("rows %v, want %v", rows, want)
		}
	}
	check([]got{{9, nil}, {8, nil}, {7, nil}, {2, nil}, {4, nil}, {1, []int{2, 5}}})
	p.ui.showMinor = true
	check([]got{{9, nil}, {8, nil}, {7, nil}, {2, nil}, {5, nil}, {2, nil}, {4, nil}, {1, nil}})
}
