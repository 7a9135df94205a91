package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

func appended(at raft.Time, first, last raft.Index) raft.Event {
	return raft.Event{Kind: raft.EventAppended, At: at, Term: 2, LogTerm: 2, First: first, Index: last}
}

func committed(at raft.Time, first, last raft.Index, nodes ...raft.NodeID) raft.Event {
	return raft.Event{Kind: raft.EventCommitted, At: at, Term: 2, LogTerm: 2, First: first, Index: last, Nodes: nodes}
}

// lines are facts in a form to compare: time, what, stretch, nodes.
func lines(facts []wire.Fact) string {
	var b strings.Builder
	for _, f := range facts {
		name := map[raft.EventKind]string{
			raft.EventAppended: "append", raft.EventCommitted: "commit", raft.EventTimeout: "timeout",
			raft.EventReadConfirmed: "read", raft.EventLeaseRead: "lease",
		}[f.Kind]
		fmt.Fprintf(&b, "%d %s %d-%d", f.At, name, f.First, f.Index)
		if len(f.Nodes) > 0 {
			fmt.Fprintf(&b, " %v", f.Nodes)
		}
		b.WriteString("; ")
	}
	return strings.TrimSuffix(b.String(), "; ")
}

func confirmed(at raft.Time, index raft.Index, nodes ...raft.NodeID) raft.Event {
	return raft.Event{Kind: raft.EventReadConfirmed, At: at, Term: 2, Index: index, Nodes: nodes}
}

func leased(at raft.Time, index raft.Index, span raft.Duration) raft.Event {
	return raft.Event{Kind: raft.EventLeaseRead, At: at, Term: 2, Index: index, Span: span}
}

func TestFactsMerge(t *testing.T) {
	otherTerm := appended(2, 4, 4)
	otherTerm.Term, otherTerm.LogTerm = 3, 3
	otherPeer := appended(2, 4, 4)
	otherPeer.Peer = 3
	tests := []struct {
		name   string
		events []raft.Event
		want   string
	}{
		{"appends that follow each other become one", []raft.Event{appended(1, 1, 3), appended(2, 4, 4)}, "1 append 1-4"},
		{"a gap keeps them apart", []raft.Event{appended(1, 1, 3), appended(2, 5, 5)}, "1 append 1-3; 2 append 5-5"},
		{"another term keeps them apart", []raft.Event{appended(1, 1, 3), otherTerm}, "1 append 1-3; 2 append 4-4"},
		{"another leader keeps them apart", []raft.Event{appended(1, 1, 3), otherPeer}, "1 append 1-3; 2 append 4-4"},
		{
			"load becomes one append and one commit, with those who have the last entry",
			[]raft.Event{
				appended(1, 1, 3), committed(2, 1, 2, 1, 2, 3), appended(3, 4, 6), committed(4, 3, 5, 1, 3),
				appended(5, 7, 9), committed(6, 6, 9, 1, 2),
			},
			"1 append 1-9; 2 commit 1-9 [S1 S2]",
		},
		{
			"a commit never comes to stand before the append of its entries",
			[]raft.Event{committed(1, 1, 2, 1), appended(2, 3, 4), committed(3, 3, 4, 1, 2)},
			"1 commit 1-2 [S1]; 2 append 3-4; 3 commit 3-4 [S1 S2]",
		},
		{
			"reads become one of each kind, with the newest index and those who confirmed it",
			[]raft.Event{confirmed(1, 5, 1, 2), leased(2, 5, 70), confirmed(3, 6, 1, 3), leased(4, 6, 60)},
			"1 read 0-6 [S1 S3]; 2 lease 0-6",
		},
		{
			"reads amid writes become one as well",
			[]raft.Event{
				appended(1, 1, 3), committed(2, 1, 2, 1, 2), confirmed(3, 2, 1, 2), appended(4, 4, 6), committed(5, 3, 5, 1, 3),
				confirmed(6, 5, 1, 3), appended(7, 7, 7), committed(8, 6, 7, 1, 2), confirmed(9, 7, 1, 2),
			},
			"1 append 1-7; 2 commit 1-7 [S1 S2]; 3 read 0-7 [S1 S2]",
		},
		{
			"a read never comes to stand before the commit it saw",
			[]raft.Event{confirmed(1, 2, 1, 2), appended(2, 3, 3), committed(3, 3, 3, 1, 2), confirmed(4, 3, 1, 2)},
			"1 read 0-2 [S1 S2]; 2 append 3-3; 3 commit 3-3 [S1 S2]; 4 read 0-3 [S1 S2]",
		},
		{
			"anything else keeps reads apart",
			[]raft.Event{leased(1, 2, 50), {Kind: raft.EventTimeout, At: 2}, leased(3, 2, 50)},
			"1 lease 0-2; 2 timeout 0-0; 3 lease 0-2",
		},
		{
			"anything else keeps what is before it from what is after it",
			[]raft.Event{appended(1, 1, 1), {Kind: raft.EventTimeout, At: 2}, appended(3, 2, 2)},
			"1 append 1-1; 2 timeout 0-0; 3 append 2-2",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tel := newTelemetry()
			for i := range tt.events {
				tel.note(tt.events[i : i+1])
			}
			r, _ := tel.take()
			if got := lines(r.Facts); got != tt.want {
				t.Errorf("facts are %q, want %q", got, tt.want)
			}
		})
	}
}

// The core uses the memory of its events again.
func TestFactsAreNotTheCores(t *testing.T) {
	tel := newTelemetry()
	nodes := []raft.NodeID{1, 2}
	tel.note([]raft.Event{committed(1, 1, 1, nodes...)})
	nodes[0] = 9
	events := []raft.Event{committed(2, 2, 2, nodes...)}
	tel.note(events)
	nodes[1] = 8
	r, _ := tel.take()
	if got, want := lines(r.Facts), "1 commit 1-2 [S9 S2]"; got != want {
		t.Errorf("facts are %q, want %q", got, want)
	}
}

func TestTakenFactsStayAsTheyAre(t *testing.T) {
	tel := newTelemetry()
	tel.note([]raft.Event{appended(1, 1, 1)})
	first, _ := tel.take()
	tel.note([]raft.Event{appended(2, 2, 2)})
	second, _ := tel.take()
	if got, want := lines(first.Facts)+" | "+lines(second.Facts), "1 append 1-1 | 2 append 2-2"; got != want {
		t.Errorf("facts are %q, want %q", got, want)
	}
}

// States are for eyes: only the newest counts, and how many nobody saw.
func TestStatesReplaceEachOther(t *testing.T) {
	tel := newTelemetry()
	for i := range 3 {
		tel.show(&wire.State{Commit: raft.Index(i)})
	}
	r, _ := tel.take()
	if r.State.Commit != 2 || r.State.Dropped != 2 {
		t.Errorf("state %+v, want commit 2, dropped 2", r.State)
	}
}

// Of damaged frames the lab is told how many came from whom since it was told last.
func TestDamagedFramesAddUp(t *testing.T) {
	tel := newTelemetry()
	tel.refused(5, []damaged{{from: 2, frames: 1}, {from: 3, frames: 4}})
	tel.refused(6, []damaged{{from: 2, frames: 2}})
	r, _ := tel.take()
	if want := []wire.Damaged{{At: 5, From: 2, Frames: 3}, {At: 5, From: 3, Frames: 4}}; !slices.Equal(r.Damaged, want) {
		t.Errorf("%+v, want %+v", r.Damaged, want)
	}
	if r, _ := tel.take(); r != nil {
		t.Errorf("%+v, want nothing more", r)
	}
}

func TestOutcomesFollowTheFactsTheyCaused(t *testing.T) {
	tel := newTelemetry()
	tel.answer(outcome{id: 7})
	tel.note([]raft.Event{{Kind: raft.EventTimeout}})
	tel.end(&DiskError{Op: "open", Err: &wal.DamageError{File: "f"}})
	if r, o := tel.take(); r == nil || len(r.Facts) != 1 || o != nil {
		t.Fatalf("first %+v, %+v, want the fact", r, o)
	}
	if r, o := tel.take(); r != nil || o == nil || o.id != 7 {
		t.Fatalf("then %+v, %+v, want the outcome", r, o)
	}
	if r, o := tel.take(); r == nil || !strings.Contains(r.Fatal, "log is damaged: f") || !r.Lasting || o != nil {
		t.Fatalf("then %+v, %+v, want the last word", r, o)
	}
	if r, o := tel.take(); r != nil || o != nil {
		t.Fatalf("then %+v, %+v, want nothing", r, o)
	}
}

func TestManyFactsTakeSeveralReports(t *testing.T) {
	tel := newTelemetry()
	const n = 2*factsPerReport + 1
	for i := range n {
		tel.note([]raft.Event{{Kind: raft.EventTimeout, At: raft.Time(i)}})
	}
	tel.show(&wire.State{})
	var at raft.Time
	for reports := 1; ; reports++ {
		r, _ := tel.take()
		for _, f := range r.Facts {
			if f.At != at {
				t.Fatalf("fact %d in place of fact %d", f.At, at)
			}
			at++
		}
		if r.State != nil {
			if at != n || reports != 3 {
				t.Errorf("the state came with report %d after %d facts, want 3 after %d", reports, at, n)
			}
			return
		}
	}
}
