package raft

// Log replication (§5.3): the follower's side, then the leader's.

// handleAppendEntries takes in what a leader sends (Figure 2, AppendEntries
// receiver). The numbers are Figure 2's.
func (n *Node) handleAppendEntries(m *Message, a *AppendEntries) {
	// 1. Refuse an old term.
	if m.Term < n.hard.Term {
		n.refuseAppend(m, a, Event{Reason: ReasonOldTerm})
		return
	}
	n.followLeader(m)

	// 2. Refuse unless the log has the entry before the new ones. What a snapshot
	// stands for is committed, so the logs agree there (Leader Completeness, §5.4).
	entries, lastNew := a.Entries, a.PrevLogIndex+Index(len(a.Entries))
	if a.PrevLogIndex < n.log.base {
		entries = entries[min(n.log.base-a.PrevLogIndex, Index(len(entries))):]
	} else {
		prevTerm, ok := n.log.term(a.PrevLogIndex)
		switch {
		case !ok:
			n.refuseAppend(m, a, Event{Reason: ReasonLogShort, Own: n.log.last})
			return
		case prevTerm != a.PrevLogTerm && !n.cfg.Unsafe.Has(UnsafeSkipLogCheck):
			n.refuseAppend(m, a, Event{Reason: ReasonLogConflict, OwnTerm: prevTerm})
			return
		}
	}
	// 3. and 4. Delete what conflicts, append what is new.
	n.takeEntries(m.From, max(lastNew-Index(len(entries)), n.log.base), entries)

	// 5. Follow the leader's commitIndex, but only as far as the logs are known to
	// agree: behind the last new entry there may be others' entries still.
	if n.cfg.Unsafe.Has(UnsafeCommitUnmatched) {
		n.commitTo(min(a.LeaderCommit, n.log.last), m.From)
	} else {
		n.commitTo(min(a.LeaderCommit, lastNew), m.From)
	}

	match := lastNew
	if len(a.Entries) == 0 {
		// A heartbeat is answered at once, with what is on disk already.
		match = min(match, n.log.durable)
	}
	r := n.out.appendReplies.take()
	*r = AppendEntriesReply{Success: true, Match: match, PrevLogIndex: a.PrevLogIndex, Round: a.Round}
	n.answerLog(m.From, r, match)
}

// followLeader is what every word of a leader of the current term does: whoever
// stood against it gives up, and the election timer starts anew (§5.2).
func (n *Node) followLeader(m *Message) {
	if n.role != Follower || n.leader != m.From {
		n.becomeFollower(m.Term, m.From)
	}
	n.heardAt = n.now
	n.startElectionTimer()
}

// takeEntries brings the log in line with the leader's entries. Only a real
// conflict deletes anything (§5.3): entries the log has already may be old
// news, overtaken by more recent ones that follow them.
//
// prev is the index before the first of them.
func (n *Node) takeEntries(leader NodeID, prev Index, entries []Entry) {
	if !n.cfg.Unsafe.Has(UnsafeTruncateAlways) {
		for len(entries) > 0 && n.log.matches(entries[0].Index, entries[0].Term) {
			entries = entries[1:]
			prev++
		}
		if len(entries) == 0 {
			return
		}
	}
	if first, last := prev+1, n.log.last; first <= last {
		n.out.truncated(first)
		oldTerm := n.log.lastTerm()
		n.log.truncate(first)
		n.event(Event{Kind: EventTruncated, Peer: leader, First: first, Index: last, LogTerm: oldTerm})
	}
	for _, e := range entries {
		n.log.append(e)
	}
	if len(entries) > 0 {
		n.event(Event{Kind: EventAppended, Peer: leader, First: entries[0].Index, Index: n.log.last, LogTerm: n.log.lastTerm()})
	}
	n.adoptConfig()
}

// refuseAppend answers with what lets the leader walk back a term at a time
// (§5.3): the conflicting entry's term and the first index of that term.
func (n *Node) refuseAppend(m *Message, a *AppendEntries, why Event) {
	why.Kind, why.Peer, why.Index, why.LogTerm = EventAppendRefused, m.From, a.PrevLogIndex, a.PrevLogTerm
	n.event(why)
	r := n.out.appendReplies.take()
	*r = AppendEntriesReply{PrevLogIndex: a.PrevLogIndex}
	if why.Reason != ReasonOldTerm {
		// To one of an old term the round is not repeated: if its sender leads the
		// newer term by now, it would take it for one of its own.
		r.Round = a.Round
	}
	switch why.Reason {
	case ReasonLogShort:
		r.ConflictIndex = n.log.last + 1
	case ReasonLogConflict:
		r.ConflictTerm = why.OwnTerm
		r.ConflictIndex = n.log.firstOfTerm(a.PrevLogIndex)
	}
	n.answer(m.From, n.hard.Term, r)
}

// replying returns the peer that answers this leader in its term, and takes note
// of the answer; nil when m answers an earlier leader, or is from a server that
// is in the configuration no more.
func (n *Node) replying(m *Message, round uint64) *peer {
	if n.role != Leader || m.Term != n.hard.Term {
		return nil
	}
	p := n.peer(m.From)
	if p != nil {
		n.answered(p, round)
	}
	return p
}

// handleAppendEntriesReply learns how far a follower has come.
func (n *Node) handleAppendEntriesReply(m *Message, r *AppendEntriesReply) {
	p := n.replying(m, r.Round)
	if p == nil {
		return
	}
	if !r.Success {
		// One about the term alone was for this node's last reign: it has caught up
		// with that term since, and leads it.
		if r.ConflictIndex != 0 {
			n.backUp(p, r)
		}
		return
	}
	if p.flow == FlowProbe && (r.Match >= p.next-1 || r.PrevLogIndex == p.next-1) {
		p.replicate()
	}
	if r.Match > p.match {
		p.acked(r.Match)
		if p.flow == FlowSnapshot && p.next > n.log.base {
			p.probe(p.next) // it has come so far by itself: a late answer says so
		}
		n.progressed(p)
	}
	if n.role == Leader && n.trailsCommit(p) {
		n.tellSoon()
	}
}

// progressed draws the consequences of a higher matchIndex. Afterwards this
// node may lead no more: the commit may be that of a configuration without it.
func (n *Node) progressed(p *peer) {
	n.caughtUp(p)
	n.handOverTo(p)
	n.advanceCommit()
}

// backUp moves nextIndex back after a refusal (§5.3). A refusal counts only if
// it answers the newest question: while probing, that is the one at next-1;
// while replicating, any above match, the first of which says that an
// AppendEntries went lost. All others are late.
func (n *Node) backUp(p *peer, r *AppendEntriesReply) {
	asked := r.PrevLogIndex
	switch {
	case p.flow == FlowSnapshot:
		return // it is not asked about the log
	case asked == p.next-1:
		if asked <= p.match {
			// The follower has lost what it had acknowledged: its disk was wiped. It
			// starts over, and no longer counts for what it lost.
			p.match = 0
		}
	case p.flow != FlowReplicate || asked <= p.match || asked >= p.next:
		return
	}
	p.probe(min(n.agreementBelow(r), asked))
	n.event(Event{Kind: EventBackedUp, Peer: p.id, Index: p.next})
}

// agreementBelow returns the next index to try after a refusal: behind the
// leader's own last entry of the conflicting term if it has that term, else at
// the follower's first of it. One step a term, not one an entry (§5.3).
func (n *Node) agreementBelow(r *AppendEntriesReply) Index {
	if r.ConflictTerm == 0 || r.PrevLogIndex <= n.log.base {
		return r.ConflictIndex
	}
	k := n.log.lastUpTo(r.PrevLogIndex, r.ConflictTerm)
	if n.log.mustTerm(k) == r.ConflictTerm {
		return k + 1
	}
	return min(k+1, r.ConflictIndex)
}

// heartbeat sends every peer an AppendEntries, with nothing in it unless
// entries wait (§5.2). Its prevLogIndex is the last entry sent so far, so a
// follower that missed one refuses, and the loss is repaired within a
// heartbeat.
func (n *Node) heartbeat() {
	n.beginRound()
	for k := range n.peers {
		n.peers[k].beat = true
	}
	n.startHeartbeatTimer()
	n.checkNewcomers()
	n.handOver()
}

// startHeartbeatTimer starts the wait for the next heartbeat. A leader without
// peers has nobody to send it to.
func (n *Node) startHeartbeatTimer() {
	n.timer = timer{start: n.now, end: Never}
	if len(n.peers) > 0 {
		n.timer.end = n.now + Time(n.cfg.Heartbeat)
	}
}

// owesAppend reports whether something is to be sent to p now.
func (n *Node) owesAppend(p *peer) bool {
	return p.beat || n.maySend(p) || n.owesCommit(p)
}

// maySend reports whether entries, a probe or a chunk wait for p and may leave.
func (n *Node) maySend(p *peer) bool {
	switch {
	case p.flow == FlowSnapshot:
		return !p.snap.asked
	case p.next <= n.log.base:
		return true
	case p.flow == FlowProbe:
		return !p.asked
	}
	return p.next <= n.log.last && !p.flight.full(n.cfg.MaxInflightBytes)
}

// owesCommit reports whether p is to be told of a new commitIndex by itself.
func (n *Node) owesCommit(p *peer) bool { return n.telling && n.trailsCommit(p) }

// trailsCommit reports whether p has not been told of all it has that is
// committed. While entries are under way to it, that does not count: more will
// follow them, or their answers will bring us here again.
func (n *Node) trailsCommit(p *peer) bool {
	return p.flow == FlowReplicate && p.flight.count == 0 && min(n.log.commit, p.next-1) > p.told
}

// tellSoon has followers told of a commit after Config.TellCommitAfter, by an
// AppendEntries of its own if until then no entry has come to carry it.
func (n *Node) tellSoon() {
	switch {
	case n.cfg.TellCommitAfter == 0:
		n.telling = true
	case n.tellAt == Never:
		n.tellAt = n.now + Time(n.cfg.TellCommitAfter)
	}
}

// sendAppends sends p all it is owed. It runs when a Ready is taken, not when
// entries are proposed, so entries that came together travel together.
func (n *Node) sendAppends(p *peer) {
	if p.next <= n.log.base && p.flow != FlowSnapshot {
		// What it needs is dropped: the snapshot stands for it (§7).
		p.transmit(n.log.snapshot)
		n.event(Event{Kind: EventSnapshotSent, Peer: p.id, Index: p.snap.meta.Index, LogTerm: p.snap.meta.Term})
	}
	if p.flow == FlowSnapshot {
		n.sendChunk(p)
		return
	}
	for n.maySend(p) {
		var entries []Entry
		var bytes int
		var stored bool
		if p.next <= n.log.last {
			var err error
			entries, bytes, stored, err = n.log.read(p.next, n.log.last, n.cfg.MaxAppendBytes)
			if err != nil {
				n.stop(err)
				return
			}
		}
		n.sendAppend(p, p.next-1, entries)
		if p.flow == FlowProbe {
			p.asked = true
			return
		}
		p.next += Index(len(entries))
		p.flight.add(p.next-1, bytes)
		if stored {
			break // the disk is asked once a Ready for each peer; others wait too
		}
	}
	if p.beat || n.owesCommit(p) {
		n.sendAppend(p, p.next-1, nil)
	}
}

// sendAppend sends one AppendEntries, from behind prev on.
func (n *Node) sendAppend(p *peer, prev Index, entries []Entry) {
	a := AppendEntries{Entries: entries, LeaderCommit: n.log.commit, Round: n.reads.round}
	if prev > 0 {
		a.PrevLogIndex, a.PrevLogTerm = prev, n.log.mustTerm(prev)
	}
	p.told = max(p.told, min(n.log.commit, prev+Index(len(entries))))
	p.beat = false
	n.send(Message{From: n.cfg.ID, To: p.id, Term: n.hard.Term, Body: n.out.append(a)})
}
