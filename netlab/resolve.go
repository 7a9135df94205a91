package netlab

import (
	"slices"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// resolve finds the nodes that words name at this moment. fits tells which
// nodes the operation makes sense for: groups name only those, and random
// picks among them; a node named by its number is taken as it is. With lab.mu
// held.
func (l *lab) resolve(words []string, fits func(*NodeStatus) bool) ([]*member, error) {
	parsed, err := ParseNodes(words)
	if err != nil {
		return nil, err
	}
	var out []*member
	for _, w := range parsed {
		found, err := l.resolveWord(w, fits)
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			if !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	return out, nil
}

// nobody is the error of a word for a group of nodes when it names none.
type nobody struct {
	word NodeWord
	told *Error
}

func (n *nobody) Error() string { return n.told.Message }
func (n *nobody) Unwrap() error { return n.told }

func (l *lab) resolveWord(w NodeWord, fits func(*NodeStatus) bool) ([]*member, error) {
	if w.Group == "" {
		m := l.member(w.ID)
		if m == nil {
			return nil, Errorf(ExitUsage, "node %d is not in this lab", w.ID).
				WithHint(`"raftlab status" lists its nodes: %s`, numbers(l.ids()))
		}
		return []*member{m}, nil
	}
	leader, config := l.leader(), l.configuration()
	var out []*member
	switch w.Group {
	case WordLeader:
		if leader == 0 {
			return nil, Errorf(ExitConflict, "there is no leader now").WithHint(`"raftlab wait leader" waits for one`)
		}
		return []*member{l.member(leader)}, nil
	case WordFollowers:
		for _, m := range l.members {
			if m.id != leader && m.status.State != StateDead && m.status.Role == RoleFollower && config.Voter(m.id) && fits(&m.status) {
				out = append(out, m)
			}
		}
		if len(out) == 0 {
			return nil, &nobody{w, Errorf(ExitConflict, "no node is a follower this could be done to").WithHint("raftlab status")}
		}
	case WordLearners:
		for _, m := range l.members {
			if slices.Contains(config.Learners, m.id) && fits(&m.status) {
				out = append(out, m)
			}
		}
		if len(out) == 0 {
			return nil, &nobody{w, Errorf(ExitConflict, "no node is a learner this could be done to").WithHint("raftlab status")}
		}
	case WordDead:
		for _, m := range l.members {
			if m.status.State == StateDead && fits(&m.status) {
				out = append(out, m)
			}
		}
		if len(out) == 0 {
			return nil, &nobody{w, Errorf(ExitConflict, "no node is dead").WithHint("raftlab status")}
		}
	default:
		for _, m := range l.members {
			if fits(&m.status) {
				out = append(out, m)
			}
		}
		if len(out) == 0 {
			return nil, &nobody{w, Errorf(ExitConflict, "no node is left that this could be done to").WithHint("raftlab status")}
		}
		if w.Group == WordRandom {
			out = []*member{out[l.random.IntN(len(out))]}
		}
	}
	return out, nil
}

// leader is the leader of the highest term among the nodes that run and claim
// to lead, 0 when none does. With lab.mu held.
func (l *lab) leader() int {
	id, term := 0, uint64(0)
	for _, m := range l.members {
		if s := &m.status; s.State == StateUp && s.Role == RoleLeader && (id == 0 || s.Term > term) {
			id, term = m.id, s.Term
		}
	}
	return id
}

func (l *lab) ids() []int {
	out := make([]int, len(l.members))
	for i, m := range l.members {
		out[i] = m.id
	}
	return out
}

func anyNode(*NodeStatus) bool { return true }

// ends is a directed link.
type ends struct{ from, to int }

// before orders links.
func (e ends) before(f ends) bool { return e.from < f.from || e.from == f.from && e.to < f.to }

// resolveLinks finds the directed links that the words of LINKS name. With
// lab.mu held.
func (l *lab) resolveLinks(words []string) ([]ends, error) {
	parsed, err := ParseLinks(words)
	if err != nil {
		return nil, err
	}
	from, err := l.resolveWord(parsed.From, anyNode)
	if err != nil {
		return nil, err
	}
	to, err := l.resolveWord(parsed.To, anyNode)
	if err != nil {
		return nil, err
	}
	var out []ends
	add := func(e ends) {
		if e.from != e.to && !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	for _, a := range from {
		for _, b := range to {
			add(ends{a.id, b.id})
			if parsed.Both {
				add(ends{b.id, a.id})
			}
		}
	}
	if len(out) == 0 {
		return nil, Errorf(ExitConflict, "no link leads from S%d to itself", from[0].id).WithHint("%s", linksHint)
	}
	return out, nil
}

// resolveSides finds the sides of a partition, the unnamed nodes as one more.
// With lab.mu held.
func (l *lab) resolveSides(sides [][]string) (link.Sides, error) {
	var named [][]raft.NodeID
	taken := make(map[int]bool)
	for _, words := range sides {
		members, err := l.resolve(words, anyNode)
		if err != nil {
			return nil, err
		}
		var side []raft.NodeID
		for _, m := range members {
			if taken[m.id] {
				return nil, twoSides(names([]int{m.id}))
			}
			side = append(side, raft.NodeID(m.id))
		}
		for _, m := range members {
			taken[m.id] = true
		}
		named = append(named, side)
	}
	if len(named) == 0 {
		return nil, Errorf(ExitUsage, "a partition names no node").WithHint("%s", sidesHint)
	}
	split, err := link.Split(nodeIDs(l.ids()), named)
	if err != nil {
		return nil, Errorf(ExitUsage, "%v", err).WithHint("%s", sidesHint)
	}
	if len(split) < 2 {
		return nil, Errorf(ExitUsage, "with all %d nodes on one side there is nothing to part", len(l.members)).WithHint("%s", sidesHint)
	}
	return split, nil
}
