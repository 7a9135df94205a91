package raft

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestQuorumReached(t *testing.T) {
	three, five := []NodeID{1, 2, 3}, []NodeID{1, 2, 3, 4, 5}
	tests := []struct {
		name    string
		config  Configuration
		reached []Index // by S1, S2, …
		want    Index
	}{
		{"one server decides alone", Configuration{Voters: []NodeID{1}}, []Index{7}, 7},
		{"two must agree", Configuration{Voters: []NodeID{1, 2}}, []Index{7, 3}, 3},
		{"the middle one of three", Configuration{Voters: three}, []Index{9, 5, 7}, 7},
		{"of four, three must have it", Configuration{Voters: []NodeID{1, 2, 3, 4}}, []Index{9, 8, 5, 1}, 5},
		{"slowest two of five do not hold us back", Configuration{Voters: five}, []Index{9, 0, 8, 0, 7}, 7},
		{"three new servers of five hold everything back", Configuration{Voters: five}, []Index{9, 0, 8, 0, 0}, 0},
		{"learners count for nothing", Configuration{Voters: three, Learners: []NodeID{4, 5}}, []Index{9, 2, 3, 9, 9}, 3},
		{"joint, the new majority is behind", Configuration{Voters: five, VotersOld: three}, []Index{9, 9, 4, 2, 1}, 4},
		{"joint, the old majority is behind", Configuration{Voters: []NodeID{3, 4, 5}, VotersOld: three}, []Index{1, 2, 9, 9, 9}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := quorumReached(&tt.config, make([]Index, 0, 5), func(id NodeID) Index { return tt.reached[id-1] })
			if got != tt.want {
				t.Errorf("quorumReached(%v, %v) = %d, want %d", tt.config, tt.reached, got, tt.want)
			}
		})
	}
}

// isQuorum is the definition, counted out: more than half of the voters, and
// while c is joint more than half of the old voters, too (§6).
func isQuorum(c Configuration, servers []NodeID) bool {
	moreThanHalf := func(of []NodeID) bool {
		n := 0
		for _, id := range of {
			if slices.Contains(servers, id) {
				n++
			}
		}
		return 2*n > len(of)
	}
	return moreThanHalf(c.Voters) && (len(c.VotersOld) == 0 || moreThanHalf(c.VotersOld))
}

// TestQuorumReachedOracle asks, for every value, who has reached it: the
// highest that a quorum has is the answer.
func TestQuorumReachedOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfiguration(t)
		var values [13]Index // by ID
		for id := range values {
			values[id] = Index(rapid.Uint64Range(0, 9).Draw(t, "value"))
		}
		want := Index(0)
		for i := Index(1); i <= 9; i++ {
			var there []NodeID
			for id, v := range values {
				if v >= i {
					there = append(there, NodeID(id))
				}
			}
			if isQuorum(c, there) {
				want = i
			}
		}
		if got := quorumReached(&c, make([]Index, 0, 13), func(id NodeID) Index { return values[id] }); got != want {
			t.Fatalf("quorumReached(%v, %v) = %d, want %d", c, values, got, want)
		}
	})
}

// TestQuorumOfOracle compares with the definition, and holds what a quorum is
// for: two of one configuration always meet (§5.2), and so do one of C_old,new
// and one of C_old or C_new, whatever the two are (§6).
func TestQuorumOfOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		joint := Configuration{Voters: drawServers(t, 1, 7, "new"), VotersOld: drawServers(t, 1, 7, "old")}
		configs := []Configuration{joint, {Voters: joint.VotersOld}, {Voters: joint.Voters}}
		a := drawServers(t, 0, 12, "these")
		var b []NodeID // all the others
		for id := NodeID(1); id <= 12; id++ {
			if !slices.Contains(a, id) {
				b = append(b, id)
			}
		}
		wins := func(c Configuration, servers []NodeID) bool {
			got := quorumOf(&c, func(id NodeID) bool { return slices.Contains(servers, id) })
			if want := isQuorum(c, servers); got != want {
				t.Fatalf("quorumOf(%v, %v) = %v, want %v", c, servers, got, want)
			}
			return got
		}
		for _, c := range configs {
			if wins(joint, a) && wins(c, b) {
				t.Fatalf("%v is a quorum of %v, and the others, %v, of %v", a, joint, b, c)
			}
		}
	})
}
