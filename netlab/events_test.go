package netlab

import (
	"testing"

	"github.com/raftlab/raftlab/raft"
)

func TestEventStore(t *testing.T) {
	s := newEventStore(4)
	if got, gone := s.after(0, 10); len(got) != 0 || gone != 0 {
		t.Fatalf("an empty store tells %v, %d gone", got, gone)
	}
	for i := range 6 {
		at := raft.Time(i * 10)
		if id := s.add(stored{Event: Event{LabNS: int64(at) - 1, Text: "x"}}, at); id != uint64(i+1) {
			t.Fatalf("event %d has id %d", i+1, id)
		}
	}
	ids := func(list []Event) (out []uint64) {
		for _, e := range list {
			out = append(out, e.ID)
		}
		return out
	}
	for _, c := range []struct {
		name        string
		after       uint64
		limit       int
		first, last uint64
		gone        uint64
	}{
		{"all that is kept, and how many are not", 0, 10, 3, 6, 2},
		{"what comes after one", 4, 10, 5, 6, 0},
		{"the oldest of it first", 2, 2, 3, 4, 0},
		{"one that is gone is told", 1, 10, 3, 6, 1},
		{"nothing after the last", 6, 10, 0, 0, 0},
		{"nothing after one to come", 99, 10, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, gone := s.after(c.after, c.limit)
			if gone != c.gone {
				t.Errorf("after(%d) says %d are gone, want %d", c.after, gone, c.gone)
			}
			if c.last == 0 && len(list) == 0 {
				return
			}
			if len(list) == 0 || list[0].ID != c.first || list[len(list)-1].ID != c.last {
				t.Errorf("after(%d, %d) = %v, want %d..%d", c.after, c.limit, ids(list), c.first, c.last)
			}
		})
	}
	for _, c := range []struct {
		since int64
		want  uint64
	}{{0, 2}, {30, 3}, {31, 4}, {50, 5}, {51, 6}} {
		if got := s.since(c.since); got != c.want {
			t.Errorf("since(%d) = %d, want %d", c.since, got, c.want)
		}
	}
}

// A fact becomes a sentence when it is read, and stays what it was.
func TestFactsBecomeSentences(t *testing.T) {
	s, five := newEventStore(10), &raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4, 5}}
	facts := []raft.Event{
		{Kind: raft.EventElected, At: 7, Term: 3, Nodes: []raft.NodeID{1, 3, 5}},
		{Kind: raft.EventAppended, Term: 3, First: 4, Index: 6, LogTerm: 3, Peer: 1},
		{Kind: raft.EventCommitted, Term: 3, First: 4, Index: 6, LogTerm: 3, Nodes: []raft.NodeID{1, 3, 5}},
		{Kind: raft.EventCommitted, Term: 3, First: 4, Index: 6, LogTerm: 3, Peer: 1},
	}
	for i := range facts {
		s.add(factEvent(3, &facts[i], five, testTime), 0)
	}
	list, _ := s.after(0, 10)
	for i, want := range []struct {
		kind  string
		minor bool
		text  string
	}{
		{EventElected, false, "won term 3 with the votes of S1 S3 S5 (3 of 5)"},
		{EventAppend, true, "appends entries 4-6 from S1"},
		{EventCommit, false, "committed 4-6: stored on S1 S3 S5 (3 of 5)"},
		{EventCommit, true, "learns that 4-6 are committed"},
	} {
		e := list[i]
		if e.Kind != want.kind || e.Minor != want.minor || e.Text != want.text || e.Rule == "" || e.Node != 3 {
			t.Errorf("event %d = %+v, want %+v of S3 with its rule", i, e, want)
		}
	}
	if list[0].LabNS != 7 || list[0].Schema != SchemaEvent {
		t.Errorf("event = %+v, want lab time 7 and its schema", list[0])
	}
}
