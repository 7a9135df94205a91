package netlab

import (
	"fmt"
	"slices"
	"strings"
)

// DescribePartition says what a partition into sides does to the lab s shows:
// "{2 4} | {1 3 5}: S1 keeps its quorum, S2 S4 lose theirs". Sides name every
// node once.
func DescribePartition(sides [][]int, s *Status) string {
	groups := make([]string, len(sides))
	var strong, weak []int // nodes on the side with a quorum, and elsewhere
	for i, side := range sides {
		groups[i] = "{" + numbers(side) + "}"
		decides := s.decides(func(id int) bool {
			n := s.node(id)
			return n != nil && n.State == StateUp && slices.Contains(side, id)
		})
		if decides {
			strong = append(strong, side...)
		} else {
			weak = append(weak, side...)
		}
	}
	slices.Sort(strong)
	slices.Sort(weak)
	text := strings.Join(groups, " | ") + ": "
	lose, cannot := "lose theirs", "cannot"
	if len(weak) == 1 {
		lose = "loses its own"
	}
	switch {
	case len(strong) == 0 && s.Config.Joint():
		return text + fmt.Sprintf("no side has the running nodes of both quorums, %d of %s and %d of %s",
			majority(len(s.Config.VotersOld)), names(s.Config.VotersOld), majority(len(s.Config.Voters)), names(s.Config.Voters))
	case len(strong) == 0:
		return text + fmt.Sprintf("no side has the %d running nodes of a quorum", s.Quorum)
	case len(weak) == 0:
		return text + "nobody is parted"
	case slices.Contains(strong, s.Leader):
		return text + fmt.Sprintf("S%d keeps its quorum, %s %s", s.Leader, names(weak), lose)
	case s.Leader != 0:
		return text + fmt.Sprintf("S%d leads on, without a quorum; %s can elect another", s.Leader, names(strong))
	}
	return text + fmt.Sprintf("%s can elect a leader, %s %s", names(strong), names(weak), cannot)
}

// decides reports whether the nodes that has names are enough for a decision.
// A status that says nothing of a configuration is of a lab that never changed it.
func (s *Status) decides(has func(id int) bool) bool {
	if len(s.Config.Voters) > 0 {
		return s.Config.Decides(has)
	}
	n := 0
	for i := range s.Nodes {
		n += count(has(s.Nodes[i].ID))
	}
	return n >= s.Quorum
}

// node returns the status of one node, nil when the lab has no such node.
func (s *Status) node(id int) *NodeStatus {
	for i := range s.Nodes {
		if s.Nodes[i].ID == id {
			return &s.Nodes[i]
		}
	}
	return nil
}
