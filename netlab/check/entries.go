package check

import (
	"math"
	"math/bits"

	"github.com/raftlab/raftlab/raft"
)

// entryTable remembers entries by index and term: what they are, and the term of
// the entry before. One entry of each of the last indexes is in a ring, where it
// is found without a search; those that have the same index and another term
// are few, and beside it.
type entryTable struct {
	ring   []entrySlot
	shift  uint // the ring has 1<<shift slots
	most   int
	others map[entryKey]entrySlot
}

// entrySlot is one entry. A term of 0 is none.
type entrySlot struct {
	gen    uint32 // index >> shift
	term   uint32
	prev   uint32 // term of the entry before
	digest uint32
	by     uint16 // who stored it first
	flags  uint16
}

const (
	slotGiven  = 1 << iota // it was written by hand
	slotNoPrev             // the term of the entry before is not known
)

type entryKey struct {
	index raft.Index
	term  raft.Term
}

// othersMost bounds the entries that share their index with one of the ring.
const othersMost = 1 << 14

// ringFirst is how many slots a ring begins with.
const ringFirst = 1 << 9

// termMost is the highest term that fits a slot. Nobody gets there.
const termMost = math.MaxUint32

func newEntryTable(most int) entryTable {
	n := min(ringFirst, most)
	return entryTable{
		ring: make([]entrySlot, n), shift: uint(bits.TrailingZeros(uint(n))), most: most,
		others: make(map[entryKey]entrySlot),
	}
}

// at returns the slot of entry (i, term), to be filled if it is new. lost tells
// that it may have been known and is not remembered any more.
func (t *entryTable) at(i raft.Index, term raft.Term) (s *entrySlot, lost bool) {
	for {
		s = &t.ring[i&raft.Index(len(t.ring)-1)]
		gen := uint32(i >> t.shift)
		switch {
		case s.term == uint32(term) && s.gen == gen:
			return s, false
		case s.term == 0:
			s.gen = gen
			return s, false
		case s.gen == gen:
			return nil, false // among the others
		case s.gen > gen:
			return nil, true
		case len(t.ring) < t.most:
			t.grow()
		default:
			*s = entrySlot{gen: gen}
			return s, false
		}
	}
}

// grow makes room for four times as many indexes.
func (t *entryTable) grow() {
	old, shift := t.ring, t.shift
	n := min(4*len(old), t.most)
	t.ring, t.shift = make([]entrySlot, n), uint(bits.TrailingZeros(uint(n)))
	for k := range old {
		if old[k].term == 0 {
			continue
		}
		i := raft.Index(old[k].gen)<<shift | raft.Index(k)
		s := &t.ring[i&raft.Index(n-1)]
		*s = old[k]
		s.gen = uint32(i >> t.shift)
	}
}

// other returns what is known of an entry that shares its index, and whether
// anything is.
func (t *entryTable) other(k entryKey) (entrySlot, bool) {
	s, ok := t.others[k]
	return s, ok
}

// keep remembers such an entry. It returns how many were forgotten for it.
func (t *entryTable) keep(k entryKey, s entrySlot) (forgotten int) {
	if len(t.others) >= othersMost {
		forgotten = len(t.others)
		clear(t.others)
	}
	t.others[k] = s
	return forgotten
}

// appliedTable remembers what was applied at each of the last indexes.
type appliedTable struct {
	ring  []appliedSlot
	shift uint
	most  int
}

// appliedSlot is one entry that was applied. A term of 0 is none.
type appliedSlot struct {
	gen    uint32
	term   uint32
	digest uint32
	by     uint16
	effect uint8
}

func newAppliedTable(most int) appliedTable {
	n := min(ringFirst, most)
	return appliedTable{ring: make([]appliedSlot, n), shift: uint(bits.TrailingZeros(uint(n))), most: most}
}

// at returns the slot of entry i, to be filled when its term is 0; nil when i is
// not remembered any more.
func (t *appliedTable) at(i raft.Index) *appliedSlot {
	for {
		s := &t.ring[i&raft.Index(len(t.ring)-1)]
		gen := uint32(i >> t.shift)
		switch {
		case s.term == 0:
			s.gen = gen
			return s
		case s.gen == gen:
			return s
		case s.gen > gen:
			return nil
		case len(t.ring) < t.most:
			t.grow()
		default:
			*s = appliedSlot{gen: gen}
			return s
		}
	}
}

func (t *appliedTable) grow() {
	old, shift := t.ring, t.shift
	n := min(4*len(old), t.most)
	t.ring, t.shift = make([]appliedSlot, n), uint(bits.TrailingZeros(uint(n)))
	for k := range old {
		if old[k].term == 0 {
			continue
		}
		i := raft.Index(old[k].gen)<<shift | raft.Index(k)
		s := &t.ring[i&raft.Index(n-1)]
		*s = old[k]
		s.gen = uint32(i >> t.shift)
	}
}
