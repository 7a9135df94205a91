package link

import (
	"fmt"
	"slices"

	"github.com/raftlab/raftlab/raft"
)

// DroppedAtWall is the reason of a frame that a partition stopped.
const DroppedAtWall Reason = "wall"

// Wall is true when a partition stands between the link's ends.
type Wall bool

// Sides is a partition: the nodes of a side can talk to each other and to
// nobody else. No sides is no partition.
type Sides [][]raft.NodeID

// Split makes a partition of nodes, which are ascending. Those that no side
// names form one more side, the last. It is an error to name a node twice, to
// name one that is not there, or to leave a side empty.
func Split(nodes []raft.NodeID, sides [][]raft.NodeID) (Sides, error) {
	named := make(map[raft.NodeID]bool)
	var split Sides
	for _, side := range sides {
		if len(side) == 0 {
			return nil, fmt.Errorf("a side without a node")
		}
		for _, id := range side {
			if !slices.Contains(nodes, id) {
				return nil, fmt.Errorf("node %d is not one of the %d nodes", id, len(nodes))
			}
			if named[id] {
				return nil, fmt.Errorf("node %d is named twice", id)
			}
			named[id] = true
		}
		split = append(split, slices.Sorted(slices.Values(side)))
	}
	var rest []raft.NodeID
	for _, id := range nodes {
		if !named[id] {
			rest = append(rest, id)
		}
	}
	if len(rest) > 0 && len(split) > 0 {
		split = append(split, rest)
	}
	return split, nil
}

// Between tells whether the wall stands between two nodes.
func (s Sides) Between(a, b raft.NodeID) Wall {
	return s.side(a) != s.side(b)
}

// Without returns s without a node. A side of that node alone is gone, and of
// fewer than two sides is no partition.
func (s Sides) Without(id raft.NodeID) Sides {
	var left Sides
	for _, side := range s {
		rest := slices.DeleteFunc(slices.Clone(side), func(n raft.NodeID) bool { return n == id })
		if len(rest) > 0 {
			left = append(left, rest)
		}
	}
	if len(left) < 2 {
		return nil
	}
	return left
}

// side is where id is; the nodes that no side names are on one, too.
func (s Sides) side(id raft.NodeID) int {
	return slices.IndexFunc(s, func(side []raft.NodeID) bool { return slices.Contains(side, id) })
}
