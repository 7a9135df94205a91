package check

import (
	"math/bits"
)

// maxLost is how many operations of a key may have an outcome that is not
// known and may still matter.
const maxLost = 64

// maxConfigs bounds a set of configurations.
const maxConfigs = 1 << 12

// configuration is one state that a key may be in. What came of a lost
// operation nobody knows: it has taken effect, or will, or never does. So it is
// none of those that are to be put in order; it may take effect on its own
// between any two of these, once, after it was called.
type configuration struct {
	reg  register
	used uint64 // the lost operations that have taken effect, a bit each
	born int64  // when the last of these was called
}

// covers tells that c can do all that o can: it is the same, with more left to
// come.
func (c *configuration) covers(o *configuration) bool {
	return (c.reg == o.reg || c.reg.unknown) && c.used&^o.used == 0 && c.born <= o.born
}

// configs are all states that a key may be in, none covered by another.
type configs []configuration

func (s configs) add(c configuration) configs {
	for i := range s {
		if s[i].covers(&c) {
			return s
		}
	}
	kept := s[:0]
	for i := range s {
		if !c.covers(&s[i]) {
			kept = append(kept, s[i])
		}
	}
	return append(kept, c)
}

func (s configs) equal(o configs) bool {
	if len(s) != len(o) {
		return false
	}
	for i := range s {
		found := false
		for k := range o {
			found = found || s[i] == o[k]
		}
		if !found {
			return false
		}
	}
	return true
}

// after returns the states that an operation leads to, when lost ones may take
// effect before it. There are none when it cannot have been answered as it was.
// It changes nothing. ok is false when there are too many.
func (s configs) after(op *Operation, lost []*Operation) (out configs, ok bool) {
	last := op.end()
	todo := append(make(configs, 0, len(s)+1), s...)
	seen := configs(nil)
	if len(lost) > 0 {
		seen = append(seen, s...)
	}
	for len(todo) > 0 {
		c := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if c.born < last { // else a lost one that has taken effect was called later
			if reg, fits := c.reg.step(&op.Request, op.answer()); fits {
				out = out.add(configuration{reg, c.used, c.born})
			}
			if op.straddles {
				out = out.add(c) // it had taken effect before anybody looked
			}
		}
		if c.reg.unknown {
			continue // whatever took effect is a state it may be in anyway
		}
		for free := ^c.used & mask(len(lost)); free != 0; free &= free - 1 {
			i := bits.TrailingZeros64(free)
			m := lost[i]
			if m.Called >= last || twin(lost[:i], m, c.used) {
				continue
			}
			reg, _ := c.reg.step(&m.Request, nil)
			if reg == c.reg {
				continue // it may as well come later
			}
			next := configuration{reg, c.used | 1<<i, max(c.born, m.Called)}
			before := len(seen)
			covered := false
			for k := 0; k < before && !covered; k++ {
				covered = seen[k].covers(&next)
			}
			if covered {
				continue
			}
			if len(seen) >= maxConfigs {
				return nil, false
			}
			seen = append(seen, next)
			todo = append(todo, next)
		}
	}
	return out, len(out) <= maxConfigs
}

// twin tells that one of those before m, which did not take effect, asks for the
// same: that one may as well go first.
func twin(before []*Operation, m *Operation, used uint64) bool {
	for i, o := range before {
		if used&(1<<i) == 0 && o.Request == m.Request && o.Called <= m.Called {
			return true
		}
	}
	return false
}

func mask(n int) uint64 {
	if n >= 64 {
		return ^uint64(0)
	}
	return 1<<n - 1
}
