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
	// A leader of the current term: whoever stood against it gives up (§5.2).
	if n.role != Follower || n.leader != m.From {
		n.becomeFollower(m.Term, m.From)
	}
	n.heardAt = n.now
	n.startElectionTimer()

	// 2. Refuse unless the log has the entry before the new ones.
	prevTerm, ok := n.log.term(a.PrevLogIndex)
	switch {
	case !ok:
		n.refuseAppend(m, a, Event{Reason: ReasonLogShort, Own: n.log.last})
		return
	case prevTerm != a.PrevLogTerm:
		n.refuseAppend(m, a, Event{Reason: ReasonLogConflict, OwnTerm: prevTerm})
		return
	}
	// 3. and 4. Delete what conflicts, append what is new.
	n.takeEntries(m.From, a.Entries)

	// 5. Follow the leader's commitIndex, but only as far as the logs are known to
	// agree: behind the last new entry there may be others' entries still.
	lastNew := a.PrevLogIndex + Index(len(a.Entries))
	n.commitTo(min(a.LeaderCommit, lastNew), m.From)

	match := lastNew
	if len(a.Entries) == 0 {
		// A heartbeat is answered at once, with what is on disk already.
		match = min(match, n.log.durable)
	}
	r := n.out.appendReplies.take()
	*r = AppendEntriesReply{Success: true, Match: match, PrevLogIndex: a.PrevLogIndex}
	n.answerLog(m.From, r, match)
}

// takeEntries brings the log in line with the leader's entries. Only a real
// conflict deletes anything (§5.3): entries the log has already may be old
// news, overtaken by more recent ones that follow them.
func (n *Node) takeEntries(leader NodeID, entries []Entry) {
	for len(entries) > 0 && n.log.matches(entries[0].Index, entries[0].Term) {
		entries = entries[1:]
	}
	if len(entries) == 0 {
		return
	}
	if first, last := entries[0].Index, n.log.last; first <= last {
		n.out.truncated(first)
		oldTerm := n.log.lastTerm()
		n.log.truncate(first)
		n.event(Event{Kind: EventTruncated, Peer: leader, First: first, Index: last, LogTerm: oldTerm})
	}
	for _, e := range entries {
		n.log.append(e)
	}
	n.event(Event{Kind: EventAppended, Peer: leader, First: entries[0].Index, Index: n.log.last, LogTerm: n.log.lastTerm()})
}

// refuseAppend answers with what lets the leader walk back a term at a time
// (§5.3): the conflicting entry's term and the first index of that term.
func (n *Node) refuseAppend(m *Message, a *AppendEntries, why Event) {
	why.Kind, why.Peer, why.Index, why.LogTerm = EventAppendRefused, m.From, a.PrevLogIndex, a.PrevLogTerm
	n.event(why)
	r := n.out.appendReplies.take()
	*r = AppendEntriesReply{PrevLogIndex: a.PrevLogIndex}
	switch why.Reason {
	case ReasonLogShort:
		r.ConflictIndex = n.log.last + 1
	case ReasonLogConflict:
		r.ConflictTerm = why.OwnTerm
		r.ConflictIndex = n.log.firstOfTerm(a.PrevLogIndex)
	}
	n.answer(m.From, n.hard.Term, r)
}

// handleAppendEntriesReply learns how far a follower has come.
func (n *Node) handleAppendEntriesReply(m *Message, r *AppendEntriesReply) {
	if n.role != Leader || m.Term != n.hard.Term {
		return // an answer to a leader of an earlier term
	}
	p := n.peer(m.From)
	p.lastAck = n.now
	if !r.Success {
		// One about the term alone was for this node's last reign: it has caught up
		// with that term since, and leads it.
		if r.ConflictIndex != 0 {
			n.backUp(p, r)
		}
		return
	}
	if p.probing && (r.Match >= p.next-1 || r.PrevLogIndex == p.next-1) {
		p.replicate()
	}
	if r.Match > p.match {
		p.acked(r.Match)
		n.advanceCommit()
	}
	if n.trailsCommit(p) {
		n.tellSoon()
	}
}

// backUp moves nextIndex back after a refusal (§5.3). A refusal counts only if
// it answers the newest question: while probing, that is the one at next-1;
// while replicating, any above match, the first of which says that an
// AppendEntries went lost. All others are late.
func (n *Node) backUp(p *peer, r *AppendEntriesReply) {
	asked := r.PrevLogIndex
	switch {
	case asked == p.next-1:
		if asked <= p.match {
			// The follower has lost what it had acknowledged: its disk was wiped. It
			// starts over, and no longer counts for what it lost.
			p.match = 0
		}
	case p.probing || asked <= p.match || asked >= p.next:
		return
	}
	p.probe(min(n.agreementBelow(r), asked))
	n.event(Event{Kind: EventBackedUp, Peer: p.id, Index: p.next})
}

// agreementBelow returns the next index to try after a refusal: behind the
// leader's own last entry of the conflicting term if it has that term, else at
// the follower's first of it. One step a term, not one an entry (§5.3).
func (n *Node) agreementBelow(r *AppendEntriesReply) Index {
	if r.ConflictTerm == 0 {
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
	for k := range n.peers {
		n.peers[k].beat = true
	}
	n.startHeartbeatTimer()
}

// startHeartbeatTimer starts the wait for the next heartbeat. A cluster of one
// has nobody to send it to.
func (n *Node) startHeartbeatTimer() {
	n.timer = timer{start: n.now, end: Never}
	if len(n.peers) > 0 {
		n.timer.end = n.now + Time(n.cfg.Heartbeat)
	}
}

// owesAppend reports whether an AppendEntries is to be sent to p now.
func (n *Node) owesAppend(p *peer) bool {
	return p.beat || n.maySendEntries(p) || n.owesCommit(p)
}

// maySendEntries reports whether entries wait for p and may leave.
func (n *Node) maySendEntries(p *peer) bool {
	if p.probing {
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
	return !p.probing && p.flight.count == 0 && min(n.log.commit, p.next-1) > p.told
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
	for n.maySendEntries(p) {
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
		n.sendAppend(p, entries)
		if p.probing {
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
		n.sendAppend(p, nil)
	}
}

// sendAppend sends one AppendEntries from next on.
func (n *Node) sendAppend(p *peer, entries []Entry) {
	prev := p.next - 1
	a := n.out.appends.take()
	*a = AppendEntries{PrevLogIndex: prev, PrevLogTerm: n.log.mustTerm(prev), Entries: entries, LeaderCommit: n.log.commit}
	p.told = max(p.told, min(n.log.commit, prev+Index(len(entries))))
	p.beat = false
	n.send(Message{From: n.cfg.ID, To: p.id, Term: n.hard.Term, Body: a})
}
