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
		n.endReign()
	}
	if leader != n.leader {
		n.failInquiries() // what was asked of another leader
	}
	n.role = Follower
	n.leader = leader
	n.retryAt = Never
	if changed {
		n.event(Event{Kind: EventRole, Role: Follower, Peer: leader})
	}
}

// endReign lets go of what only a leader has.
func (n *Node) endReign() {
	n.leader = 0
	// What ran was the heartbeat timer. A candidate's election timer goes on:
	// only a leader's word or a vote given starts it anew (§5.2).
	n.startElectionTimer()
	n.tellAt, n.telling = Never, false
	n.quorum.checkAt = Never
	n.handing = handover{until: Never}
	n.dropChange(ReasonLeadershipLost)
	n.failReads()
}

// stepDown ends a reign for another reason than a higher term.
func (n *Node) stepDown(e Event) {
	e.Kind = EventSteppedDown
	n.event(e)
	n.becomeFollower(n.hard.Term, 0)
}

// becomePreCandidate asks the others whether they would vote for this node in
// the next term, and leaves its own term alone (thesis §9.6).
func (n *Node) becomePreCandidate() {
	n.role = PreCandidate
	n.leader = 0
	n.forced = false
	n.failInquiries()
	n.startElectionTimer()
	n.event(Event{Kind: EventRole, Role: PreCandidate})
	n.startBallot()
}

// becomeCandidate starts an election: increment currentTerm, vote for self,
// reset the election timer, ask all other servers (Figure 2, candidates). forced
// tells that it was told to.
func (n *Node) becomeCandidate(forced bool) {
	n.hard = HardState{Term: n.hard.Term + 1, Vote: n.cfg.ID}
	n.role = Candidate
	n.leader = 0
	n.forced = forced
	n.failInquiries()
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
	n.receiving = receipt{}
	for k := range n.peers {
		n.peers[k].begin(n.log.last+1, n.now)
	}
	n.reads = readQueue{round: n.reads.round, confirmed: n.reads.round}
	n.startHeartbeatTimer()
	n.startQuorumCheck()
	n.event(Event{Kind: EventRole, Role: Leader, Peer: n.cfg.ID})
	if n.cfg.Unsafe.Has(UnsafeNoNoop) {
		n.heartbeat()
		return
	}
	n.appendOwn(EntryNoop, nil)
}

// appendOwn appends an entry that no client asked for.
func (n *Node) appendOwn(kind EntryKind, data []byte) {
	n.log.append(Entry{Index: n.log.last + 1, Term: n.hard.Term, Kind: kind, Data: data})
	n.event(Event{Kind: EventAppended, First: n.log.last, Index: n.log.last, LogTerm: n.hard.Term})
	if kind == EntryConfig {
		n.adoptConfig()
	}
}

// mayStand reports whether this node stands for election: when it is a voter of
// its newest configuration, or of one before that, back to the newest it knows to
// be committed. "A server that is not part of its own latest configuration should
// still start new elections, as it might still be needed until the C_new entry is
// committed" (thesis §4.2.2): the voters of C_new may not have it yet, and then
// lose against the longer logs of C_old. Its own vote counts only where it is a voter.
func (n *Node) mayStand() bool {
	if n.votes && n.config == n.log.config().config {
		return true
	}
	for k := len(n.log.configs) - 1; ; k-- {
		at := &n.log.configs[k]
		if at.config.Voter(n.cfg.ID) {
			return true
		}
		if k == 0 || at.index <= n.log.commit {
			return false
		}
	}
}

// startElectionTimer draws a new election timeout (§5.2). The timer of a server
// that stands for no election stands still.
func (n *Node) startElectionTimer() {
	if !n.mayStand() {
		n.timer = timer{start: n.now, end: Never}
		return
	}
	wait := n.cfg.ElectionMin
	if !n.cfg.Unsafe.Has(UnsafeFixedTimeouts) {
		wait += Duration(n.rand.Int64N(int64(n.cfg.ElectionMax-n.cfg.ElectionMin) + 1))
	}
	n.timer = timer{start: n.now, end: n.now + Time(wait)}
}

// electionTimeout is a follower's or candidate's timer running out: no leader
// was heard and no vote given for as long. With why.Forced somebody told it to,
// and it does not ask first.
func (n *Node) electionTimeout(why Event) {
	why.Kind, why.Role, why.Span = EventTimeout, n.role, Duration(n.now-n.timer.start)
	n.event(why)
	if n.cfg.PreVote && !why.Forced {
		n.becomePreCandidate()
		return
	}
	n.becomeCandidate(why.Forced)
}

// startBallot opens a vote with this node's own and asks the others.
func (n *Node) startBallot() {
	clear(n.ballots)
	if own := n.member(n.cfg.ID); own >= 0 {
		n.ballots[own] = ballotGranted
	}
	n.askSilentVoters()
	n.tally()
}

// askSilentVoters sends RequestVote to all voters who have not answered. It is
// repeated for as long as somebody is silent: RPCs are retried (§5.5).
func (n *Node) askSilentVoters() {
	n.retryAt = Never
	pre := n.role == PreCandidate
	for k, id := range n.members {
		if n.ballots[k] != ballotSilent || !n.config.Voter(id) {
			continue
		}
		m := Message{From: n.cfg.ID, To: id, Term: n.hard.Term, Body: &RequestVote{
			PreVote: pre, Transfer: n.forced, LastLogIndex: n.log.last, LastLogTerm: n.log.lastTerm(),
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

// ignoresVote reports whether m asks for a vote that is not even considered,
// nor its term adopted: "if a server receives a RequestVote request within the
// minimum election timeout of hearing from a current leader, it does not update
// its term or grant its vote" (§6). So a server that was removed, and hears
// nobody, disturbs nobody. A pre-vote asks for nothing and is answered.
func (n *Node) ignoresVote(m *Message) bool {
	v, ok := m.Body.(*RequestVote)
	if !ok || v.PreVote || v.Transfer || !n.cfg.IgnoreVotes || m.Term < n.hard.Term || !n.heardLeader() {
		return false
	}
	n.event(Event{Kind: EventVoteRefused, Peer: m.From, Reason: ReasonLeaderHeard, Other: n.leader})
	return true
}

// heardLeader reports whether a leader was heard within the minimum election
// timeout, be it of an earlier term. A leader hears itself.
func (n *Node) heardLeader() bool {
	return n.role == Leader || n.now < n.heardAt+Time(n.cfg.ElectionMin)
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
	case m.Term == n.hard.Term && n.hard.Vote != 0 && n.hard.Vote != m.From && !n.cfg.Unsafe.Has(UnsafeVoteTwice):
		return Event{Reason: ReasonVoted, Other: n.hard.Vote}
	case v.PreVote && n.leader != 0 && n.heardLeader():
		return Event{Reason: ReasonLeaderKnown, Other: n.leader}
	case !n.log.upToDate(v.LastLogIndex, v.LastLogTerm) && !n.cfg.Unsafe.Has(UnsafeVoteStaleLogs):
		return Event{Reason: ReasonLogNewer, Index: v.LastLogIndex, LogTerm: v.LastLogTerm, Own: n.log.last, OwnTerm: n.log.lastTerm()}
	}
	return Event{}
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
	voter := n.member(m.From)
	if voter < 0 {
		return // of a configuration that is no more
	}
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
	case !quorumOf(n.config, n.granted):
	case n.role == PreCandidate:
		n.becomeCandidate(false)
	case n.out.durable == n.hard || n.cfg.Unsafe.Has(UnsafeAckBeforeFsync):
		n.becomeLeader()
	}
}

// granted reports whether id voted for this node.
func (n *Node) granted(id NodeID) bool { return n.ballots[n.member(id)] == ballotGranted }

// granters lists who voted for this node, ascending.
func (n *Node) granters() []NodeID { return n.those(n.granted) }
