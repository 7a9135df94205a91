package raft

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestQuorumIndex(t *testing.T) {
	tests := []struct {
		name    string
		reached []Index
		want    Index
	}{
		{"one server decides alone", []Index{7}, 7},
		{"two must agree", []Index{7, 3}, 3},
		{"the middle one of three", []Index{9, 5, 7}, 7},
		{"of four, three must have it", []Index{9, 8, 5, 1}, 5},
		{"slowest two of five do not hold us back", []Index{9, 0, 8, 0, 7}, 7},
		{"three new servers of five hold everything back", []Index{9, 0, 8, 0, 0}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := quorumIndex(slices.Clone(tt.reached)); got != tt.want {
				t.Errorf("quorumIndex(%v) = %d, want %d", tt.reached, got, tt.want)
			}
		})
	}
}

// TestQuorumIndexOracle counts, for every index, who has reached it: the
// highest with more than half is the answer.
func TestQuorumIndexOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reached := rapid.SliceOfN(rapid.Map(rapid.Uint8Range(0, 20), func(i uint8) Index { return Index(i) }), 1, 9).Draw(t, "reached")
		want := Index(0)
		for i := Index(1); i <= 20; i++ {
			count := 0
			for _, r := range reached {
				if r >= i {
					count++
				}
			}
			if 2*count > len(reached) {
				want = i
			}
		}
		if got := quorumIndex(slices.Clone(reached)); got != want {
			t.Fatalf("quorumIndex(%v) = %d, want %d", reached, got, want)
		}
	})
}

// TestVoteWonOracle compares with counting by hand, and two winners never have
// disjoint voters: that is what makes a majority a majority (§5.2).
func TestVoteWonOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "voters")
		a, b := make([]ballot, n), make([]ballot, n)
		grantedA := 0
		for k := range n {
			switch rapid.IntRange(0, 3).Draw(t, "vote") {
			case 0:
				a[k] = ballotGranted
				grantedA++
			case 1:
				b[k] = ballotGranted
			case 2:
				a[k], b[k] = ballotRefused, ballotRefused
			}
		}
		if got, want := voteWon(a), 2*grantedA > n; got != want {
			t.Fatalf("voteWon(%v) = %v, want %v", a, got, want)
		}
		if voteWon(a) && voteWon(b) {
			t.Fatalf("%v and %v both win with disjoint voters", a, b)
		}
	})
}
