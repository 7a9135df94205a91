package check

import (
	"encoding/binary"
	"fmt"

	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/raft"
)

// What servers store: Leader Append-Only, Log Matching, configurations (§5.3, §6).

// stored takes entries of one term into a server's log, and compares them.
func (c *Checker) stored(v *view, d *deed.Deed) {
	n := raft.Index(len(d.Digests) / deed.DigestBytes)
	if n == 0 || d.First == 0 || d.Term == 0 {
		return
	}
	if v.role == raft.Leader && !v.restart {
		c.checked[LeaderAppendOnly] += uint64(n)
		if d.First <= v.log.last {
			c.overwritten(v, d.At, d.First, d.First+n-1)
		}
	}
	if d.First <= v.commit && !v.restart {
		c.wentBack(v, d.At, d.First, d.Term, "stores other entries from %d on")
	}
	prev, known := v.log.term(d.First - 1)
	if !v.restart {
		v.dropConfigs(d.First)
	}
	v.log.add(d.First, d.Term, n)
	c.match(v, d, prev, known)
}

// match: "if two logs contain an entry with the same index and term, then the
// logs are identical in all entries up through the given index" (§5.3). By
// induction it is enough that such entries are the same and follow the same term.
func (c *Checker) match(v *view, d *deed.Deed, prev raft.Term, known bool) {
	if d.Term > termMost {
		c.notCompared(LogMatching, v.id, d.At, uint64(len(d.Digests)/deed.DigestBytes), "terms beyond what is remembered")
		return
	}
	term, lost := uint32(d.Term), uint64(0)
	fresh := entrySlot{term: term, prev: uint32(prev), by: uint16(v.id)}
	if !known {
		fresh.flags = slotNoPrev
	}
	for k, i := 0, d.First; k < len(d.Digests); k, i = k+deed.DigestBytes, i+1 {
		fresh.digest = binary.LittleEndian.Uint32(d.Digests[k:])
		s, gone := c.entries.at(i, d.Term)
		switch {
		case gone:
			lost++
		case s == nil:
			c.matchOther(v, d, i, fresh)
		case s.term == 0:
			gen := s.gen
			*s = fresh
			s.gen = gen
			if v.restart && i <= v.preloaded {
				s.flags |= slotGiven
			}
		case s.digest != fresh.digest || s.prev != fresh.prev:
			c.mismatch(v, d, i, s, fresh)
		}
		if k == 0 {
			fresh.prev, fresh.flags = term, 0
		}
	}
	c.checked[LogMatching] += uint64(len(d.Digests)/deed.DigestBytes) - lost
	if lost > 0 {
		c.notCompared(LogMatching, v.id, d.At, lost, "entries stored that are too old to be compared")
	}
}

// matchOther compares an entry whose index another term has in the ring.
func (c *Checker) matchOther(v *view, d *deed.Deed, i raft.Index, fresh entrySlot) {
	k := entryKey{i, d.Term}
	s, ok := c.entries.other(k)
	if !ok {
		if v.restart && i <= v.preloaded {
			fresh.flags |= slotGiven
		}
		if n := c.entries.keep(k, fresh); n > 0 {
			c.notCompared(LogMatching, 0, d.At, uint64(n), "entries of logs that were given up, too many to remember")
		}
		return
	}
	if s.digest != fresh.digest || s.prev != fresh.prev {
		c.mismatch(v, d, i, &s, fresh)
		c.entries.others[k] = s
	}
}

// mismatch tells of two entries of the same index and term that differ.
func (c *Checker) mismatch(v *view, d *deed.Deed, i raft.Index, s *entrySlot, fresh entrySlot) {
	switch {
	case s.digest != fresh.digest:
	case fresh.flags&slotNoPrev != 0:
		return
	case s.flags&slotNoPrev != 0: // now it is
		s.prev = fresh.prev
		s.flags &^= slotNoPrev
		return
	}
	other := raft.NodeID(s.by)
	if s.flags&slotGiven != 0 && v.restart && i <= v.preloaded {
		c.notCompared(LogMatching, v.id, d.At, 1, "the logs that were preloaded contradict each other")
		return
	}
	if s.flags&slotGiven != 0 {
		c.Expect(fmt.Sprintf("The log of %v was preloaded with entries of term %d, which was then led anew: that need not end well.", other, d.Term))
	}
	c.violation(Violation{
		Property: LogMatching, Term: d.Term, Index: i, Nodes: []raft.NodeID{v.id, other}, At: d.At,
	}, contradiction{term: d.Term, a: v.id, b: other}, func() string {
		if s.digest != fresh.digest {
			return fmt.Sprintf("Entry %d of term %d is one thing on %v (digest %08x) and another on %v (%08x).", i, d.Term, other, s.digest, v.id, fresh.digest)
		}
		return fmt.Sprintf("Entry %d of term %d follows an entry of term %d on %v and one of term %d on %v.", i, d.Term, s.prev, other, fresh.prev, v.id)
	})
}

// truncated takes entries out of a server's log.
func (c *Checker) truncated(v *view, d *deed.Deed) {
	if v.role == raft.Leader {
		c.overwritten(v, d.At, d.First, d.Index)
	}
	if d.First <= v.commit {
		c.wentBack(v, d.At, d.First, d.Term, "deletes entries from %d on")
	}
	v.dropConfigs(d.First)
	v.log.cut(d.First)
}

// overwritten: "a leader never overwrites or deletes entries in its log; it only
// appends new entries" (§5.3).
func (c *Checker) overwritten(v *view, at raft.Time, first, last raft.Index) {
	c.violation(Violation{
		Property: LeaderAppendOnly, Term: v.term, Index: first, Nodes: []raft.NodeID{v.id}, At: at,
	}, contradiction{term: v.term, a: v.id}, func() string {
		end := v.log.last
		return fmt.Sprintf("%v leads term %d with a log up to entry %d, and deletes or overwrites entries %d to %d.", v.id, v.term, end, first, last)
	})
}

// wentBack tells that entries are given up that the server has called committed.
func (c *Checker) wentBack(v *view, at raft.Time, first raft.Index, term raft.Term, what string) {
	before := v.commit
	v.commit = first - 1
	c.violation(Violation{
		Property: CommitMonotonic, Term: term, Index: first, Nodes: []raft.NodeID{v.id}, At: at,
	}, contradiction{term: term, a: v.id}, func() string {
		return fmt.Sprintf("%v has called entries up to %d committed, and in term %d "+what+".", v.id, before, v.term, first)
	})
}

// dropConfigs forgets the configurations of entries from i on.
func (v *view) dropConfigs(i raft.Index) {
	for k := len(v.configs); k > 0 && v.configs[k-1].index >= i; k-- {
		v.configs = v.configs[:k-1]
	}
}

// configured takes note of a configuration that joined a log. A leader makes one
// only behind one that is committed, or whose majorities it shares (§6): of those
// that are not committed, and of the last that is, each may be the newest
// somewhere. Only who made it is asked: a follower may know less of what is committed.
func (c *Checker) configured(v *view, d *deed.Deed) {
	if d.Config == nil {
		return
	}
	if k := len(v.configs); k > 0 && d.Index <= v.configs[k-1].index {
		return // a snapshot has a newer one
	}
	next := configAt{d.Index, d.Config.Clone()}
	if v.role == raft.Leader && !v.restart && d.Term == v.term {
		c.checked[ConfigurationSafety]++
		c.follows(v, d.At, next)
	}
	v.configs = append(v.configs, next)
	// Those before the newest that is committed do not count any more, and of a
	// log that never commits there are few.
	for len(v.configs) > 1 && v.configs[1].index <= v.commit || len(v.configs) > configsMost {
		v.configs = v.configs[1:]
	}
}

// configsMost bounds the configurations of one log that are remembered.
const configsMost = 64

func (c *Checker) follows(v *view, at raft.Time, next configAt) {
	for k := len(v.configs) - 1; k >= 0; k-- {
		before := v.configs[k]
		if len(before.Voters) == 0 {
			return // it joined, and does not know who was in
		}
		if !overlap(before.Configuration, next.Configuration) {
			c.violation(Violation{
				Property: ConfigurationSafety, Term: v.term, Index: next.index, Nodes: []raft.NodeID{v.id}, At: at,
			}, contradiction{term: v.term, index: next.index, a: v.id}, func() string {
				return fmt.Sprintf("%v makes %v the configuration with entry %d while %v (entry %d) may still count: a majority of one need not meet a majority of the other.",
					v.id, next.Configuration, next.index, before.Configuration, before.index)
			})
			return
		}
		if before.index <= v.commit {
			return
		}
	}
}

// overlap reports whether every majority of a meets every majority of b: there
// is a set of voters of each whose majorities must have a server in common.
func overlap(a, b raft.Configuration) bool {
	for _, x := range [...][]raft.NodeID{a.Voters, a.VotersOld} {
		for _, y := range [...][]raft.NodeID{b.Voters, b.VotersOld} {
			if len(x) > 0 && len(y) > 0 && majoritiesMeet(x, y) {
				return true
			}
		}
	}
	return false
}

// majoritiesMeet reports whether a majority of x and one of y always share a
// server. Both are taken from whom the other set does not have as far as that goes.
func majoritiesMeet(x, y []raft.NodeID) bool {
	both := 0
	for _, id := range x {
		for _, other := range y {
			if id == other {
				both++
			}
		}
	}
	needX := max(0, len(x)/2+1-(len(x)-both))
	needY := max(0, len(y)/2+1-(len(y)-both))
	return needX+needY > both
}
