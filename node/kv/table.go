package kv

import (
	"math"
	"slices"
	"strings"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// pair is what a key stands for. The bytes of value are never changed: answers
// and readers share them.
type pair struct {
	value []byte
	index raft.Index // of the entry that set it
}

// table holds the pairs. base is all there is, until the table is frozen:
// then nothing of base changes, so that another goroutine may read it, and
// over takes what is set and deleted meanwhile. Thawed, base takes back what
// is in over, a little at a time: all at once would be a pause of as many
// changes as came while a snapshot was written.
type table struct {
	base   map[string]*pair
	frozen bool
	over   map[string]*change // nil when base is all there is
	first  *change            // what is in over, in the order it came
	last   *change
}

// change is what became of a key since the table was frozen.
type change struct {
	key  string
	pair *pair // nil: it was deleted
	next *change
}

func newTable() table { return table{base: make(map[string]*pair)} }

// find returns the pair of key, nil when there is none.
func (t *table) find(key []byte) *pair {
	if t.over != nil {
		if c := t.over[string(key)]; c != nil {
			return c.pair
		}
	}
	return t.base[string(key)]
}

// set gives key, whose pair is p or nil for a new one, a value that nobody
// else changes.
func (t *table) set(p *pair, key, value []byte, index raft.Index) {
	if t.over != nil && t.overlay(key, &pair{value, index}) {
		return
	}
	if p == nil {
		p = new(pair)
		t.base[string(key)] = p
	}
	p.value, p.index = value, index
}

// delete deletes key, whose pair is p.
func (t *table) delete(p *pair, key []byte) {
	if p == nil || t.over != nil && t.overlay(key, nil) {
		return
	}
	delete(t.base, string(key))
}

// overlay puts a change into over if it has to be there: because nothing of
// base may change, or because base has yet to take back an earlier change of
// the key.
func (t *table) overlay(key []byte, p *pair) bool {
	if c := t.over[string(key)]; c != nil {
		c.pair = p
		return true
	}
	if !t.frozen {
		return false
	}
	c := &change{key: string(key), pair: p}
	t.over[c.key] = c
	if t.first == nil {
		t.first = c
	} else {
		t.last.next = c
	}
	t.last = c
	return true
}

// freeze leaves base as it is until thaw.
func (t *table) freeze() {
	t.settle(math.MaxInt)
	t.frozen, t.over = true, make(map[string]*change)
}

// thaw lets base change again.
func (t *table) thaw() { t.frozen = false }

// settle lets base take back at most n changes, and tells whether it has all.
func (t *table) settle(n int) bool {
	if t.over == nil || t.frozen {
		return t.over == nil
	}
	for ; n > 0 && t.first != nil; n-- {
		c := t.first
		t.first = c.next
		delete(t.over, c.key)
		if c.pair != nil {
			t.base[c.key] = c.pair
		} else {
			delete(t.base, c.key)
		}
	}
	if t.first != nil {
		return false
	}
	t.over, t.last = nil, nil
	return true
}

// sorted returns all keys in order with what they stand for.
func (t *table) sorted() []wire.Pair {
	pairs := make([]wire.Pair, 0, len(t.base)+len(t.over))
	for key, p := range t.base {
		if t.over[key] == nil {
			pairs = append(pairs, wire.Pair{Key: key, Value: string(p.value), Index: p.index})
		}
	}
	for key, c := range t.over {
		if c.pair != nil {
			pairs = append(pairs, wire.Pair{Key: key, Value: string(c.pair.value), Index: c.pair.index})
		}
	}
	slices.SortFunc(pairs, func(a, b wire.Pair) int { return strings.Compare(a.Key, b.Key) })
	return pairs
}
