package raft

// CheckQuorum (thesis §6.2): a leader that no majority answers steps down, so
// that its clients look for another, and so that it does not go on where only
// its own messages get through.

// contact is when a leader next looks whether a majority answers.
type contact struct{ checkAt Time }

// startQuorumCheck begins a reign: everybody counts as heard.
func (n *Node) startQuorumCheck() {
	n.quorum.checkAt = Never
	if n.cfg.CheckQuorum {
		n.quorum.checkAt = n.now + Time(n.cfg.ElectionMax)
	}
}

// hearsQuorum steps down unless a majority has answered within an election
// timeout, and reports whether this node still leads.
func (n *Node) hearsQuorum() bool {
	heard := quorumReached(n.config, n.times, n.lastHeard)
	n.quorum.checkAt = heard + Time(n.cfg.ElectionMax)
	if n.now < n.quorum.checkAt {
		return true
	}
	n.stepDown(Event{Reason: ReasonQuorumLost, Nodes: n.those(func(id NodeID) bool {
		return n.lastHeard(id)+Time(n.cfg.ElectionMax) > n.now
	})})
	return false
}

// lastHeard is when id last answered this leader, which hears itself.
func (n *Node) lastHeard(id NodeID) Time {
	if id == n.cfg.ID {
		return n.now
	}
	return n.peer(id).lastAck
}
