package link

import (
	"slices"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

func TestSplit(t *testing.T) {
	five, gaps := []raft.NodeID{1, 2, 3, 4, 5}, []raft.NodeID{2, 3, 7}
	tests := []struct {
		name  string
		nodes []raft.NodeID
		sides [][]raft.NodeID
		want  Sides
		err   string
	}{
		{"unnamed nodes form one more side", five, [][]raft.NodeID{{2, 4}}, Sides{{2, 4}, {1, 3, 5}}, ""},
		{"any number of sides, and the rest", five, [][]raft.NodeID{{2, 1}, {3, 4}}, Sides{{1, 2}, {3, 4}, {5}}, ""},
		{"everyone alone", five, [][]raft.NodeID{{1}, {2}, {3}, {4}, {5}}, Sides{{1}, {2}, {3}, {4}, {5}}, ""},
		{"everyone on one side", five, [][]raft.NodeID{{1, 2, 3, 4, 5}}, Sides{{1, 2, 3, 4, 5}}, ""},
		{"no side is no partition", five, nil, nil, ""},
		{"twice on one side", five, [][]raft.NodeID{{2, 2}}, nil, "node 2 is named twice"},
		{"on two sides", five, [][]raft.NodeID{{1, 2}, {2, 3}}, nil, "node 2 is named twice"},
		{"a node that is not there", five, [][]raft.NodeID{{6}}, nil, "node 6 is not one of the 5 nodes"},
		{"nobody", five, [][]raft.NodeID{{0}}, nil, "node 0 is not one of the 5 nodes"},
		{"an empty side", five, [][]raft.NodeID{{1}, {}}, nil, "a side without a node"},
		{"numbers may be left out", gaps, [][]raft.NodeID{{7}}, Sides{{7}, {2, 3}}, ""},
		{"a number that is left out", gaps, [][]raft.NodeID{{4}}, nil, "node 4 is not one of the 3 nodes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Split(tt.nodes, tt.sides)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("Split(%v, %v): %v, want %q", tt.nodes, tt.sides, err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(got, tt.want, func(a, b []raft.NodeID) bool { return slices.Equal(a, b) }) {
				t.Errorf("Split(%v, %v) = %v, want %v", tt.nodes, tt.sides, got, tt.want)
			}
		})
	}
}

// A wall stands between two nodes exactly when they are on different sides,
// both ways alike.
func TestWallStandsBetweenSides(t *testing.T) {
	sides, err := Split([]raft.NodeID{1, 2, 3, 4, 5}, [][]raft.NodeID{{2, 4}, {3}})
	if err != nil {
		t.Fatal(err)
	}
	side := map[raft.NodeID]int{2: 1, 4: 1, 3: 2, 1: 3, 5: 3}
	for a := raft.NodeID(1); a <= 5; a++ {
		for b := raft.NodeID(1); b <= 5; b++ {
			if got, want := sides.Between(a, b), Wall(side[a] != side[b]); got != want {
				t.Errorf("Between(%d, %d) = %v, want %v", a, b, got, want)
			}
		}
	}
	if Sides(nil).Between(1, 2) {
		t.Error("a wall in a whole network")
	}
}

// A node that is removed is on no side any more.
func TestSidesWithout(t *testing.T) {
	for _, tt := range []struct {
		name  string
		sides Sides
		id    raft.NodeID
		want  Sides
	}{
		{"the others stay where they are", Sides{{2, 4}, {1, 3, 5}}, 4, Sides{{2}, {1, 3, 5}}},
		{"a side of its own is gone", Sides{{2}, {4}, {1, 3, 5}}, 4, Sides{{2}, {1, 3, 5}}},
		{"one side is no partition", Sides{{2}, {1, 3, 5}}, 2, nil},
		{"one that is on no side", Sides{{2}, {1, 3}}, 7, Sides{{2}, {1, 3}}},
		{"no partition", nil, 1, nil},
	} {
		if got := tt.sides.Without(tt.id); !slices.EqualFunc(got, tt.want, func(a, b []raft.NodeID) bool { return slices.Equal(a, b) }) {
			t.Errorf("%s: %v without %d is %v, want %v", tt.name, tt.sides, tt.id, got, tt.want)
		}
	}
}
