package wire

import (
	"slices"

	"github.com/raftlab/raftlab/raft"
)

// Facts collects what a node tells its lab, with stretches of appends, of commits
// and of reads merged. The zero value holds none.
//
// Appends and commits follow each other in turns under load, so an append also
// joins one that stands before the last commit: it only says earlier that entries
// are there. A commit never joins one that stands before an append, because it
// could then speak of entries that are not there yet, nor does a read join one that
// stands before a commit. A fact that is lengthened keeps the time it began, so
// times ascend along the facts.
type Facts struct {
	list []Fact
	// 1 + the positions of the facts that a following one may join, 0 for none.
	appended, committed int
	read                [2]int // confirmed by a round, on the lease
}

// Len is how many there are.
func (t *Facts) Len() int { return len(t.list) }

// Take returns the first facts, no more than limit, and forgets them. None that
// follows joins one that was taken.
func (t *Facts) Take(limit int) []Fact {
	out := t.list[:min(limit, len(t.list)):min(limit, len(t.list))]
	*t = Facts{list: t.list[len(out):]}
	if len(t.list) == 0 {
		t.list = nil
	}
	return out
}

// Add adds one fact, or lengthens one that is there. What e refers to is the
// caller's.
func (t *Facts) Add(e *raft.Event) {
	switch e.Kind {
	case raft.EventAppended:
		if f := t.at(t.appended); f != nil && joins(f, e) {
			f.Index = e.Index
			return
		}
		t.list = append(t.list, *e)
		t.appended = len(t.list)
	case raft.EventCommitted:
		if f := t.at(t.committed); f != nil && t.committed > t.appended && joins(f, e) {
			f.Index = e.Index
			// Who stores the last entry of a stretch stores all of it.
			f.Nodes = append(f.Nodes[:0], e.Nodes...)
			return
		}
		t.list = append(t.list, *e)
		t.committed = len(t.list)
	case raft.EventReadConfirmed, raft.EventLeaseRead:
		read := &t.read[0]
		if e.Kind == raft.EventLeaseRead {
			read = &t.read[1]
		}
		if f := t.at(*read); f != nil && *read > t.committed && f.Term == e.Term {
			f.First, f.Index, f.Span = e.First, e.Index, e.Span
			f.Nodes = append(f.Nodes[:0], e.Nodes...)
			return
		}
		t.list = append(t.list, *e)
		*read = len(t.list)
	default:
		t.list = append(t.list, *e)
		*t = Facts{list: t.list}
	}
	last := &t.list[len(t.list)-1]
	last.Nodes = slices.Clone(last.Nodes)
}

// at is the fact at a position, nil for none.
func (t *Facts) at(position int) *Fact {
	if position == 0 {
		return nil
	}
	return &t.list[position-1]
}

// joins tells whether e goes on where f ends, and is the same but for that.
func joins(f *Fact, e *raft.Event) bool {
	return f.Index+1 == e.First && f.Term == e.Term && f.LogTerm == e.LogTerm && f.Peer == e.Peer
}
