package check

import (
	"cmp"
	"math/bits"
	"slices"
)

const (
	// maxOpen is how many operations of a key may be open at once for a sweep.
	maxOpen = 16
	// maxSweep bounds the states a sweep has in hand, and so its time.
	maxSweep = 1 << 13
)

// sweep goes through a window's calls and returns in their order and keeps
// track of every state the key can be in: for each choice of open operations that
// have taken effect already, the states that this may have led to. An
// operation takes effect before it returns, so what has not by then falls away.
// It is all states that a window may end with, which porcupine does not say, and
// the first return that no order explains, for a sentence.
//
// gaveUp tells that there was too much to keep track of. culprit is the
// operation with whose return no state was left, nil when the window is in order.
func sweep(start configs, ops, lost []*Operation) (end configs, culprit *Operation, gaveUp bool) {
	type edge struct {
		at   int64
		op   *Operation
		back bool
	}
	edges := make([]edge, 0, 2*len(ops))
	for _, op := range ops {
		edges = append(edges, edge{op.Called, op, false}, edge{op.end(), op, true})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })

	var open [maxOpen]*Operation
	states := map[uint32]configs{0: start}
	for _, e := range edges {
		if !e.back {
			slot := slices.Index(open[:], nil)
			if slot < 0 {
				return nil, nil, true
			}
			open[slot] = e.op
			continue
		}
		bit := uint32(1) << slices.Index(open[:], e.op)
		var ok bool
		if states, ok = settle(states, &open, bit, lost); !ok {
			return nil, nil, true
		}
		open[bits.TrailingZeros32(bit)] = nil
		if len(states) == 0 {
			return nil, e.op, false
		}
	}
	return states[0], nil, false
}

// settle returns the states in which the operation of bit has taken effect,
// perhaps after other open ones, without its bit.
func settle(states map[uint32]configs, open *[maxOpen]*Operation, bit uint32, lost []*Operation) (map[uint32]configs, bool) {
	out := make(map[uint32]configs, len(states))
	if s, only := states[0]; only && len(states) == 1 && alone(open, bit) {
		next, ok := s.after(open[bits.TrailingZeros32(bit)], lost)
		if len(next) > 0 {
			out[0] = next
		}
		return out, ok
	}
	merge := func(into map[uint32]configs, key uint32, more configs) {
		s := into[key]
		for _, c := range more {
			s = s.add(c)
		}
		into[key] = s
	}
	// By how many have taken effect, so that a set is complete when it is its turn.
	layers := make([][]uint32, maxOpen+1)
	todo := make(map[uint32]configs, len(states))
	for done, s := range states {
		if done&bit != 0 {
			merge(out, done&^bit, s)
			continue
		}
		layers[bits.OnesCount32(done)] = append(layers[bits.OnesCount32(done)], done)
		todo[done] = append(configs(nil), s...)
	}
	total := len(todo)
	for n := range layers {
		slices.Sort(layers[n]) // the same work in the same order every time
		for _, done := range layers[n] {
			for slot, op := range open {
				one := uint32(1) << slot
				if op == nil || done&one != 0 {
					continue
				}
				next, ok := todo[done].after(op, lost)
				switch {
				case !ok:
					return nil, false
				case len(next) == 0:
				case one == bit:
					merge(out, done, next)
				default:
					if _, known := todo[done|one]; !known {
						layers[n+1] = append(layers[n+1], done|one)
					}
					before := len(todo[done|one])
					merge(todo, done|one, next)
					if total += len(todo[done|one]) - before; total > maxSweep {
						return nil, false
					}
				}
			}
		}
	}
	return out, true
}

// alone tells that no operation is open but the one of bit: most are alone.
func alone(open *[maxOpen]*Operation, bit uint32) bool {
	for slot, op := range open {
		if op != nil && bit != 1<<slot {
			return false
		}
	}
	return true
}
