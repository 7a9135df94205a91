package netlab

import "math/bits"

// linkSet is a set of directed links. The zero linkSet is empty; two sets of
// the same links are equal.
type linkSet [NodesMax + 1]uint32 // by from, a bit for each to

// everything are all links that any lab could have.
var everything = func() (s linkSet) {
	for from := range s {
		s[from] = ^uint32(0)
	}
	return s
}()

func setOf(list []ends) (s linkSet) {
	for _, e := range list {
		s.add(e)
	}
	return s
}

func (s *linkSet) add(e ends)      { s[e.from] |= 1 << e.to }
func (s *linkSet) has(e ends) bool { return s[e.from]>>e.to&1 != 0 }
func (s *linkSet) empty() bool     { return *s == linkSet{} }

func (s *linkSet) len() (n int) {
	for _, to := range s {
		n += bits.OnesCount32(to)
	}
	return n
}

// minus are the links of s that are not in t.
func (s linkSet) minus(t linkSet) linkSet {
	for from := range s {
		s[from] &^= t[from]
	}
	return s
}

// or are the links that one of them has.
func (s linkSet) or(t linkSet) linkSet {
	for from := range s {
		s[from] |= t[from]
	}
	return s
}

// and are the links that both have.
func (s linkSet) and(t linkSet) linkSet {
	for from := range s {
		s[from] &= t[from]
	}
	return s
}

// without is s without the links to and from a node.
func (s linkSet) without(id int) linkSet {
	s[id] = 0
	for from := range s {
		s[from] &^= 1 << id
	}
	return s
}

// list are the links of s, ascending.
func (s *linkSet) list() []ends {
	var out []ends
	for from, tos := range s {
		for ; tos != 0; tos &= tos - 1 {
			out = append(out, ends{from, bits.TrailingZeros32(tos)})
		}
	}
	return out
}
