package raft

// Commitment (§5.3, §5.4.2).

// advanceCommit is the leader's commit rule: "if there exists an N such that
// N > commitIndex, a majority of matchIndex[i] ≥ N, and log[N].term ==
// currentTerm: set commitIndex = N" (Figure 2). The leader counts for what is
// on its own disk, like everybody (thesis §10.2.1).
func (n *Node) advanceCommit() {
	n.reached = append(n.reached[:0], n.log.durable)
	for k := range n.peers {
		n.reached = append(n.reached, n.peers[k].match)
	}
	reached := quorumIndex(n.reached)
	if reached <= n.log.commit {
		return
	}
	// Only entries of the leader's current term commit by counting replicas
	// (§5.4.2): one of an earlier term may yet be replaced, though a majority has
	// it (Figure 8). It commits with the first of the current term after it.
	if term := n.log.mustTerm(reached); term != n.hard.Term {
		if reached > n.held {
			n.held = reached
			n.event(Event{Kind: EventCommitHeld, Index: reached, LogTerm: term, Nodes: n.holders(reached)})
		}
		return
	}
	n.commitTo(reached, n.cfg.ID)
}

// commitTo raises commitIndex to index if it is lower, on word of leader. It
// never goes back.
func (n *Node) commitTo(index Index, leader NodeID) {
	if index <= n.log.commit {
		return
	}
	e := Event{Kind: EventCommitted, First: n.log.commit + 1, Index: index, LogTerm: n.log.mustTerm(index)}
	if n.role == Leader {
		e.Nodes = n.holders(index)
		if len(n.peers) > 0 {
			n.tellSoon()
		}
	} else {
		e.Peer = leader
	}
	n.log.commit = index
	n.event(e)
}

// holders lists the servers known to have entry i on disk, ascending.
func (n *Node) holders(i Index) []NodeID {
	from, k := len(n.out.ids), 0
	for _, id := range n.voters {
		reached := n.log.durable
		if id != n.cfg.ID {
			reached = n.peers[k].match
			k++
		}
		if reached >= i {
			n.out.ids = append(n.out.ids, id)
		}
	}
	return n.out.ids[from:len(n.out.ids):len(n.out.ids)]
}
