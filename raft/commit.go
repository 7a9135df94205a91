package raft

// Commitment (§5.3, §5.4.2).

// advanceCommit is the leader's commit rule: "if there exists an N such that
// N > commitIndex, a majority of matchIndex[i] ≥ N, and log[N].term ==
// currentTerm: set commitIndex = N" (Figure 2). The leader counts for what is
// on its own disk, like everybody (thesis §10.2.1), and not at all once the
// configuration does not have it (§6).
func (n *Node) advanceCommit() {
	reached := quorumReached(n.config, n.counts, n.storedBy)
	if reached <= n.log.commit {
		return
	}
	// Only entries of the leader's current term commit by counting replicas
	// (§5.4.2): one of an earlier term may yet be replaced, though a majority has
	// it (Figure 8). It commits with the first of the current term after it.
	if term := n.log.mustTerm(reached); term != n.hard.Term && !n.cfg.Unsafe.Has(UnsafeCommitOldTerms) {
		if reached > n.held {
			n.held = reached
			n.event(Event{Kind: EventCommitHeld, Index: reached, LogTerm: term, Nodes: n.holders(reached)})
		}
		return
	}
	n.commitTo(reached, n.cfg.ID)
	n.releaseReads()
	n.followConfig()
}

// storedBy is how far id is known to have the log on its disk, 0 for a server
// this leader does not know.
func (n *Node) storedBy(id NodeID) Index {
	if id == n.cfg.ID {
		return n.log.durable
	}
	if p := n.peer(id); p != nil {
		return p.match
	}
	return 0
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
	for k := range n.log.configs {
		if c := &n.log.configs[k]; e.First <= c.index && c.index <= index {
			n.event(Event{Kind: EventConfigCommitted, Index: c.index, Config: c.config})
		}
	}
	if n.role != Leader && n.timer.end != Never && !n.mayStand() {
		n.startElectionTimer() // which stops it: this node is out
	}
}

// holders lists the servers known to have entry i on disk, ascending.
func (n *Node) holders(i Index) []NodeID {
	return n.those(func(id NodeID) bool { return n.storedBy(id) >= i })
}

// those lists the members that fit, ascending.
func (n *Node) those(fit func(NodeID) bool) []NodeID {
	from := len(n.out.ids)
	for _, id := range n.members {
		if fit(id) {
			n.out.ids = append(n.out.ids, id)
		}
	}
	return n.out.ids[from:len(n.out.ids):len(n.out.ids)]
}
