package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/raftlab/raftlab/raft"
)

// tally is how many servers of each set of voters there are: of one set, or
// while the configuration is joint of the old and of the new (§6).
type tally struct {
	sets []set
	noun string // what they are together: "nodes" where every node is a voter
}

type set struct{ have, of int }

// majority is how many of a set decide: more than half (§5.2).
func (s set) majority() int { return s.of/2 + 1 }

// count counts the voters for which holds is true.
func (v View) count(holds func(Node) bool) tally {
	t := tally{noun: "nodes"}
	for _, n := range v.Nodes {
		if !v.Config.Voter(n.ID) {
			t.noun = "voters"
		}
	}
	one := func(voters []raft.NodeID) set {
		s := set{of: len(voters)}
		for _, n := range v.Nodes {
			if slices.Contains(voters, n.ID) && holds(n) {
				s.have++
			}
		}
		return s
	}
	if v.Config.Joint() {
		t.sets = append(t.sets, one(v.Config.VotersOld))
	}
	t.sets = append(t.sets, one(v.Config.Voters))
	return t
}

// won reports whether t makes a decision: a majority of every set.
func (t tally) won() bool {
	return len(t.sets) > 0 && !slices.ContainsFunc(t.sets, func(s set) bool { return s.have < s.majority() })
}

// under reports whether u has more than t of what decides.
func (t tally) under(u tally) bool {
	lack := func(t tally) (n int) {
		for _, s := range t.sets {
			n += max(0, s.majority()-s.have)
		}
		return n
	}
	a, b := lack(t), lack(u)
	return b < a || a == b && u.have() > t.have()
}

// have is how many there are, of the new voters while joint.
func (t tally) have() int { return t.sets[len(t.sets)-1].have }

// String is "2 of 5 nodes", or "2 of 3 old and 1 of 5 new voters".
func (t tally) String() string { return t.of(t.noun) }

func (t tally) of(noun string) string {
	last := t.sets[len(t.sets)-1]
	text := fmt.Sprintf("%d of %d", last.have, last.of)
	if len(t.sets) > 1 {
		text = fmt.Sprintf("%d of %d old and %s new", t.sets[0].have, t.sets[0].of, text)
		if noun == "nodes" {
			noun = "voters"
		}
	}
	return strings.TrimSuffix(text+" "+noun, " ")
}

// short is t without a noun.
func (t tally) short() string { return t.of("") }

// needed is "3 are", "2 and 3 are": what decides.
func (t tally) needed() string { return t.bare() + " are" }

func (t tally) bare() string {
	var each []string
	for _, s := range t.sets {
		each = append(each, fmt.Sprint(s.majority()))
	}
	return strings.Join(each, " and ")
}
