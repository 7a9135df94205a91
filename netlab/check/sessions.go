package check

import (
	"fmt"

	"github.com/raftlab/raftlab/raft"
)

// sessions remember which commands of which client's session took effect
// (thesis §6.3).
type sessions struct {
	byID   map[uint64]*session
	last   *session // asked about last
	recent []effectAt
	next   int
}

// session is the numbers of one session's commands that took effect: all up to
// floor are not told from each other any more.
type session struct {
	id     uint64
	floor  uint64
	ranges []seqRange // ascending, not touching
}

type seqRange struct{ lo, hi uint64 }

// effectAt is a command that took effect, for the sentence if it does so again.
type effectAt struct {
	session, seq uint64
	index        raft.Index
}

const (
	sessionsMost = 1 << 14
	rangesMost   = 512
	recentMost   = 1 << 14
)

func newSessions() sessions {
	return sessions{byID: make(map[uint64]*session)}
}

// remember keeps where a command took effect.
func (s *sessions) remember(e effectAt) {
	if len(s.recent) < recentMost {
		s.recent = append(s.recent, e)
		return
	}
	s.recent[s.next] = e
	s.next = (s.next + 1) % recentMost
}

// where is the entry at which a command took effect, 0 when that is not known any more.
func (s *sessions) where(id, seq uint64) raft.Index {
	for _, e := range s.recent {
		if e.session == id && e.seq == seq {
			return e.index
		}
	}
	return 0
}

// effect looks at a command that took effect with an entry that nobody had
// applied before.
func (c *Checker) effect(v *view, at raft.Time, i raft.Index, term raft.Term, id, seq uint64) {
	t := &c.sessions
	s := t.last
	if s == nil || s.id != id {
		s = t.byID[id]
		if s == nil {
			if len(t.byID) >= sessionsMost {
				clear(t.byID)
				c.notCompared(ExactlyOnce, 0, at, 1, "sessions of clients, too many to remember")
			}
			s = &session{id: id}
			t.byID[id] = s
		}
		t.last = s
	}
	switch took, known := s.take(seq); {
	case !known:
		c.notCompared(ExactlyOnce, 0, at, 1, "commands with numbers too long past")
	case took:
		c.checked[ExactlyOnce]++
		t.remember(effectAt{id, seq, i})
	default:
		c.checked[ExactlyOnce]++
		c.violation(Violation{
			Property: ExactlyOnce, Term: term, Index: i, Nodes: []raft.NodeID{v.id}, At: at,
		}, contradiction{index: raft.Index(seq), a: raft.NodeID(id)}, func() string {
			before := "an earlier entry"
			if w := t.where(id, seq); w > 0 {
				before = fmt.Sprintf("entry %d", w)
			}
			return fmt.Sprintf("Command %d of session %d took effect with %s, and again with entry %d (%v).", seq, id, before, i, v.id)
		})
	}
}

// take marks a number. took is false when it was marked before, known when it
// cannot be told.
func (s *session) take(seq uint64) (took, known bool) {
	if seq <= s.floor {
		return false, false
	}
	k := len(s.ranges)
	for k > 0 && s.ranges[k-1].lo > seq {
		k--
	}
	// The range before k begins at seq or before, the one at k behind it.
	if k > 0 && s.ranges[k-1].hi >= seq {
		return false, true
	}
	joinsLower := k > 0 && s.ranges[k-1].hi+1 == seq
	joinsUpper := k < len(s.ranges) && s.ranges[k].lo == seq+1
	switch {
	case joinsLower && joinsUpper:
		s.ranges[k-1].hi = s.ranges[k].hi
		s.ranges = append(s.ranges[:k], s.ranges[k+1:]...)
	case joinsLower:
		s.ranges[k-1].hi = seq
	case joinsUpper:
		s.ranges[k].lo = seq
	default:
		s.ranges = append(s.ranges, seqRange{})
		copy(s.ranges[k+1:], s.ranges[k:])
		s.ranges[k] = seqRange{seq, seq}
		if len(s.ranges) > rangesMost {
			s.floor = s.ranges[0].hi
			s.ranges = append(s.ranges[:0], s.ranges[1:]...)
		}
	}
	return true, true
}
