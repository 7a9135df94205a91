package netlab

import (
	"fmt"

	"github.com/raftlab/raftlab/netlab/explain"
	"github.com/raftlab/raftlab/raft"
)

// View is the part of the status that [explain.Headline] speaks of.
func (s *Status) View() explain.View {
	shut := make(map[[2]int]bool)
	for _, l := range s.Links {
		if l.Cut || l.Wall {
			shut[[2]int{l.From, l.To}] = true
		}
	}
	v := explain.View{
		Now:    raft.Time(s.Clock.LabNS),
		Held:   s.Clock.Held,
		Config: s.Config.raft(), ConfigIndex: raft.Index(s.Config.Index), Committed: s.Config.Committed,
		Unsafe: s.Unsafe,
		Break:  s.Clock.breakText(),
		Open:   func(a, b raft.NodeID) bool { return !shut[[2]int{int(a), int(b)}] },
	}
	if t := s.Config.Target; t != nil {
		v.Target = &raft.Configuration{Voters: nodeIDs(t.Voters), Learners: nodeIDs(t.Learners)}
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		e := explain.Node{
			ID: raft.NodeID(n.ID), Dead: n.State == StateDead, Paused: n.State == StatePaused,
			Role: roleOf(n.Role), Term: raft.Term(n.Term), Leader: raft.NodeID(n.Leader),
			Last: raft.Index(n.LastIndex), LastTerm: raft.Term(n.LastTerm), Commit: raft.Index(n.Commit),
			TimerEnd: raft.Time(n.TimerEndNS), Since: raft.Time(n.StateNS),
			TransferTo: raft.NodeID(n.TransferTo), SnapshotBytes: n.SnapshotSize, LostQuorum: n.SteppedDown == SteppedDownQuorum,
		}
		for _, b := range n.Votes {
			e.Votes = append(e.Votes, raft.Vote{From: raft.NodeID(b.From), Granted: b.Granted})
		}
		for _, p := range n.Peers {
			e.Peers = append(e.Peers, raft.Progress{
				ID: raft.NodeID(p.ID), Match: raft.Index(p.Match), Flow: flowOf(p.Flow),
				SnapshotIndex: raft.Index(p.SnapshotIndex), SnapshotOffset: p.SnapshotOffset,
			})
		}
		v.Nodes = append(v.Nodes, e)
	}
	return v
}

// breakText is "breakpoint 1, two-leaders: S1 leads term 2, S4 leads term 3"; ""
// when no breakpoint holds the clock.
func (c *ClockStatus) breakText() string {
	if c.Break == nil {
		return ""
	}
	return fmt.Sprintf("breakpoint %d, %s: %s", c.Break.ID, c.Break.Cond, c.Break.Seen)
}

func flowOf(name string) raft.Flow {
	switch name {
	case raft.FlowReplicate.String():
		return raft.FlowReplicate
	case raft.FlowSnapshot.String():
		return raft.FlowSnapshot
	}
	return raft.FlowProbe
}

func roleOf(name string) raft.Role {
	switch name {
	case RoleLeader:
		return raft.Leader
	case RoleCandidate:
		return raft.Candidate
	case RolePreCandidate:
		return raft.PreCandidate
	}
	return raft.Follower
}
