package raft

// The roles and how they change (§5.2, Figure 4; PreVote: thesis §9.6). The
// become functions are the only ones that change the role.

// becomeFollower takes this node into term as a follower of leader, 0 when
// none is known yet. A new term comes with a new vote.
func (n *Node) becomeFollower(term Term, leader NodeID) {
	changed := n.role != Follower || term != n.hard.Term || leader != n.leader
	if term != n.hard.Term {
		n.hard = HardState{Term: term}
	}
	if n.role == Leader {
		// What ran was the heartbeat timer. A candidate's election timer goes on:
		// only a leader's word or a vote given starts it anew (§5.2).
		n.startElectionTimer()
		n.tellAt, n.telling = Never, false
	}
	n.role = Follower
	n.leader = leader
	n.retryAt = Never
	if changed {
		n.event(Event{Kind: EventRole, Role: Follower, Peer: leader})
	}
}

// becomePreCandidate asks the others whether they would vote for this node in
// the next term, and leaves its own term alone (thesis §9.6).
func (n *Node) becomePreCandidate() {
	n.role = PreCandidate
	n.leader = 0
	n.startElectionTimer()
	n.event(Event{Kind: EventRole, Role: PreCandidate})
	n.startBallot()
}

// becomeCandidate starts an election: increment currentTerm, vote for self,
// reset the election timer, ask all other servers (Figure 2, candidates).
func (n *Node) becomeCandidate() {
	n.hard = HardState{Term: n.hard.Term + 1, Vote: n.cfg.ID}
	n.role = Candidate
	n.leader = 0
	n.startElectionTimer()
	n.event(Event{Kind: EventRole, Role: Candidate})
	n.startBallot()
}

// becomeLeader starts a reign: nextIndex just after the own last entry,
// matchIndex 0 (Figure 2), and a no-op at the start of the term, which commits
// what earlier leaders left (§8) and tells everyone who leads (§5.2).
func (n *Node) becomeLeader() {
	n.event(Event{Kind: EventElected, Nodes: n.granters()})
	n.role = Leader
	n.leader = n.cfg.ID
	n.retryAt = Never
	n.held = 0
	for k := range n.peers {
		p := &n.peers[k]
		p.match, p.told, p.beat, p.lastAck = 0, 0, false, n.now
		p.probe(n.log.last + 1)
	}
	n.startHeartbeatTimer()
	n.event(Event{Kind: EventRole, Role: Leader, Peer: n.cfg.ID})
	n.log.append(Entry{Index: n.log.last + 1, Term: n.hard.Term, Kind: EntryNoop})
	n.event(Event{Kind: EventAppended, First: n.log.last, Index: n.log.last, LogTerm: n.hard.Term})
}

// startElectionTimer draws a new election timeout (§5.2).
func (n *Node) startElectionTimer() {
	spread := int64(n.cfg.ElectionMax-n.cfg.ElectionMin) + 1
	wait := n.cfg.ElectionMin + Duration(n.rand.Int64N(spread))
	n.timer = timer{start: n.now, end: n.now + Time(wait)}
}

// electionTimeout is a follower's or candidate's timer running out: no leader
// was heard and no vote given for as long. forced skips PreVote.
func (n *Node) electionTimeout(forced bool) {
	n.event(Event{Kind: EventTimeout, Span: Duration(n.now - n.timer.start), Forced: forced})
	if n.cfg.PreVote && !forced {
		n.becomePreCandidate()
		return
	}
	n.becomeCandidate()
}

// startBallot opens a vote with this node's own and asks the others.
func (n *Node) startBallot() {
	clear(n.ballots)
	n.ballots[n.voter(n.cfg.ID)] = ballotGranted
	n.askSilentVoters()
	n.tally()
}

// askSilentVoters sends RequestVote to all who have not answered. It is
// repeated for as long as somebody is silent: RPCs are retried (§5.5).
func (n *Node) askSilentVoters() {
	n.retryAt = Never
	pre := n.role == PreCandidate
	for k, b := range n.ballots {
		if b != ballotSilent {
			continue
		}
		m := Message{From: n.cfg.ID, To: n.voters[k], Term: n.hard.Term, Body: &RequestVote{
			PreVote: pre, LastLogIndex: n.log.last, LastLogTerm: n.log.lastTerm(),
		}}
		if pre {
			m.Term++
			n.send(m)
		} else {
			// A candidate that forgot its term in a crash could stand in it a second
			// time, with another log, and count votes given to the first.
			n.sendWhenStored(m, n.log.last)
		}
		n.retryAt = n.now + Time(n.cfg.Heartbeat)
	}
}

// handleRequestVote decides on a vote (Figure 2, RequestVote receiver) or on a
// pre-vote, which binds nobody (thesis §9.6).
func (n *Node) handleRequestVote(m *Message, v *RequestVote) {
	refusal := n.refuseVote(m, v)
	if refusal.Reason != 0 {
		refusal.Kind, refusal.Peer, refusal.PreVote = EventVoteRefused, m.From, v.PreVote
		n.event(refusal)
		n.answer(m.From, n.hard.Term, &RequestVoteReply{PreVote: v.PreVote})
		return
	}
	if !v.PreVote {
		n.hard.Vote = m.From
		n.startElectionTimer()
	}
	n.event(Event{Kind: EventVoteGiven, Peer: m.From, Index: v.LastLogIndex, LogTerm: v.LastLogTerm, PreVote: v.PreVote})
	// A pre-vote's grant repeats the term asked about, to which it belongs.
	n.answer(m.From, m.Term, &RequestVoteReply{PreVote: v.PreVote, Granted: true})
}

// refuseVote says why a vote is refused; Reason is 0 when it is given.
func (n *Node) refuseVote(m *Message, v *RequestVote) Event {
	switch {
	case m.Term < n.hard.Term:
		return Event{Reason: ReasonOldTerm}
	case m.Term == n.hard.Term && n.hard.Vote != 0 && n.hard.Vote != m.From:
		return Event{Reason: ReasonVoted, Other: n.hard.Vote}
	case v.PreVote && n.hearsLeader():
		return Event{Reason: ReasonLeaderKnown, Other: n.leader}
	case !n.log.upToDate(v.LastLogIndex, v.LastLogTerm):
		return Event{Reason: ReasonLogNewer, Index: v.LastLogIndex, LogTerm: v.LastLogTerm, Own: n.log.last, OwnTerm: n.log.lastTerm()}
	}
	return Event{}
}

// hearsLeader reports whether a leader was heard within the minimum election
// timeout (thesis §4.2.3): then there is no need of another. A leader hears itself.
func (n *Node) hearsLeader() bool {
	if n.role == Leader {
		return true
	}
	return n.leader != 0 && n.now < n.heardAt+Time(n.cfg.ElectionMin)
}

// handleRequestVoteReply counts an answer to the vote that is open, and to no
// other: one of an earlier term, or of the other kind of ballot, is late.
func (n *Node) handleRequestVoteReply(m *Message, r *RequestVoteReply) {
	switch {
	case r.PreVote && n.role != PreCandidate, !r.PreVote && n.role != Candidate:
		return
	case r.PreVote && r.Granted && m.Term != n.hard.Term+1:
		return
	case !r.PreVote && m.Term != n.hard.Term:
		return
	}
	voter := n.voter(m.From)
	answer := ballotRefused
	if r.Granted {
		answer = ballotGranted
	}
	// Asked twice, a voter may refuse first and grant then; what it granted holds.
	if n.ballots[voter] >= answer {
		return
	}
	n.ballots[voter] = answer
	n.event(Event{Kind: EventVoteCounted, Peer: m.From, Granted: r.Granted, PreVote: r.PreVote})
	n.tally()
}

// tally ends a ballot that is won. One that is lost or split ends with the
// election timer (§5.2). Like everybody's, the candidate's own vote counts once
// it is on disk; others are only asked then, so this matters to a cluster of one.
func (n *Node) tally() {
	switch {
	case !voteWon(n.ballots):
	case n.role == PreCandidate:
		n.becomeCandidate()
	case n.out.durable == n.hard:
		n.becomeLeader()
	}
}

// granters lists who voted for this node, ascending.
func (n *Node) granters() []NodeID {
	from := len(n.out.ids)
	for k, b := range n.ballots {
		if b == ballotGranted {
			n.out.ids = append(n.out.ids, n.voters[k])
		}
	}
	return n.out.ids[from:len(n.out.ids):len(n.out.ids)]
}
