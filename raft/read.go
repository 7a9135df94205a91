package raft

// Reads without an entry in the log (§8, thesis §6.4). A leader that was
// overtaken does not know it yet, so before it serves a read it learns from a
// majority that it still led when the read came. That takes a round: whatever
// it sends carries the number of its newest round, whoever answers repeats it,
// and once a majority has repeated a number, the leader led when that round
// began. All reads that wait share the next one.

// readQueue is what a leader knows of rounds and of who waits for one.
type readQueue struct {
	round     uint64 // the newest that has begun
	confirmed uint64 // the newest that a majority has answered
	begun     []roundBegun
	leaseFrom Time // when the newest confirmed one began
	leaseGone bool // somebody was told to stand: the lease is over for this reign
	waiting   []waitingRead
}

// roundBegun is a round that is not confirmed yet.
type roundBegun struct {
	round uint64
	at    Time
}

// openRoundsMost bounds the rounds that are remembered. A leader without a majority gets there.
const openRoundsMost = 64

// waitingRead is a read to be confirmed, of this node's reader id or of follower
// from's inquiry id.
type waitingRead struct {
	from  NodeID // 0: this node's own
	id    uint64
	index Index  // commitIndex when it came
	round uint64 // it waits for this one; 0: for an entry of the leader's own term to commit
}

// inquiry is what a follower asks its leader on behalf of its readers, one
// ReadIndex at a time: those who come meanwhile share the next.
type inquiry struct {
	id      uint64 // of the ReadIndex under way, and of the last one when none is
	readers []uint64
	next    []uint64
	againAt Time // when it is asked again; Never when none is under way
}

// Read asks for an index that makes a read of the state machine linearizable
// (thesis §6.4). The answer comes in [Ready].Reads under the same id, which is
// the caller's to choose. With lease, a leader whose lease holds answers at once:
// that counts on no clock of the cluster running a tenth faster than the
// leader's, on Config.IgnoreVotes, and on nobody calling [Node.Campaign] (thesis
// §6.4.1). Without, a follower asks its leader.
//
// The error is ErrNotLeader when no leader is known, and for lease on every
// node but the leader; or what stopped the node.
func (n *Node) Read(now Time, lease bool, id uint64) error {
	switch {
	case n.err != nil:
		return n.err
	case n.leader == 0 || lease && n.role != Leader:
		return ErrNotLeader
	}
	n.advance(now)
	switch {
	case n.role != Leader:
		n.asking.next = append(n.asking.next, id)
		if n.asking.againAt == Never {
			n.startInquiry()
		}
	case n.cfg.Unsafe.Has(UnsafeStaleReads):
		n.out.reads = append(n.out.reads, Read{ID: id, Index: n.log.commit, OK: true})
	case lease && n.leads() && n.now < n.leaseEnd():
		n.out.reads = append(n.out.reads, Read{ID: id, Index: n.log.commit, OK: true})
		n.event(Event{Kind: EventLeaseRead, Index: n.log.commit, Span: Duration(n.leaseEnd() - n.now)})
	default:
		n.awaitRound(waitingRead{id: id})
	}
	return nil
}

// leads reports whether this leader has committed an entry of its own term:
// only then is its commitIndex known to be as new as any leader's before it (§8).
func (n *Node) leads() bool { return n.log.mustTerm(n.log.commit) == n.hard.Term }

// awaitRound queues a read.
func (n *Node) awaitRound(r waitingRead) {
	n.reads.waiting = append(n.reads.waiting, r)
	n.releaseReads()
}

// releaseReads gives reads that waited for the term's first commit their index
// and round.
func (n *Node) releaseReads() {
	if len(n.reads.waiting) == 0 || !n.leads() {
		return
	}
	for k := range n.reads.waiting {
		if r := &n.reads.waiting[k]; r.round == 0 {
			r.index, r.round = n.log.commit, n.reads.round+1
		}
	}
}

// owesRound reports whether reads wait for a round that is not under way yet.
// The next begins when the last is confirmed; should that take long, because
// frames are lost, a heartbeat begins it.
func (n *Node) owesRound() bool {
	w := n.reads.waiting
	return len(w) > 0 && w[len(w)-1].round > n.reads.round && n.reads.confirmed == n.reads.round
}

// beginRound begins a round: what is sent from now on tells, when it is
// answered, that this node led now.
func (n *Node) beginRound() {
	if len(n.reads.begun) == openRoundsMost {
		return
	}
	n.reads.round++
	n.reads.begun = append(n.reads.begun, roundBegun{round: n.reads.round, at: n.now})
	for k := range n.peers {
		n.peers[k].beat = true
	}
	n.confirmRounds() // a voter alone is a majority
}

// answered takes note that p, in this term, repeated a round.
func (n *Node) answered(p *peer, round uint64) {
	p.lastAck = n.now
	if round > p.round && round <= n.reads.round {
		p.round = round
		if round > n.reads.confirmed {
			n.confirmRounds()
		}
	}
}

// confirmRounds serves the reads whose round a majority has answered.
func (n *Node) confirmRounds() {
	// Of a large cluster most answers come before a majority's: a count tells.
	have := 1 // this node
	for k := range n.peers {
		if n.peers[k].round > n.reads.confirmed {
			have++
		}
	}
	if have < majority(len(n.config.Voters)) {
		return
	}
	confirmed := quorumReached(n.config, n.rounds, n.answeredRound)
	if confirmed <= n.reads.confirmed {
		return
	}
	n.reads.confirmed = confirmed
	done := 0
	for done < len(n.reads.begun) && n.reads.begun[done].round <= confirmed {
		n.reads.leaseFrom = n.reads.begun[done].at
		done++
	}
	n.reads.begun = n.reads.begun[:copy(n.reads.begun, n.reads.begun[done:])]

	kept, served := n.reads.waiting[:0], Index(0)
	for _, r := range n.reads.waiting {
		switch {
		case r.round == 0 || r.round > confirmed:
			kept = append(kept, r)
			continue
		case r.from == 0:
			n.out.reads = append(n.out.reads, Read{ID: r.id, Index: r.index, OK: true})
		default:
			n.send(Message{From: n.cfg.ID, To: r.from, Term: n.hard.Term, Body: &ReadIndexReply{ID: r.id, Index: r.index}})
		}
		served = max(served, r.index)
	}
	n.reads.waiting = kept
	if served > 0 {
		n.event(Event{Kind: EventReadConfirmed, Index: served, Nodes: n.those(func(id NodeID) bool { return n.answeredRound(id) >= confirmed })})
	}
}

// answeredRound is the newest round that id answered. A leader answers itself.
func (n *Node) answeredRound(id NodeID) uint64 {
	if id == n.cfg.ID {
		return n.reads.round
	}
	return n.peer(id).round
}

// leaseEnd is until when no other can have been elected: whoever answered the
// newest confirmed round votes for nobody within the minimum election timeout
// of it (§6). A tenth is left for clocks that run faster than this one. A leader
// that has told another to stand has given its lease away, and may not know when
// the other hears of it (thesis §6.4.1).
func (n *Node) leaseEnd() Time {
	if !n.cfg.IgnoreVotes || n.reads.leaseGone || n.reads.confirmed == 0 {
		return 0
	}
	return n.reads.leaseFrom + Time(n.cfg.ElectionMin-n.cfg.ElectionMin/10)
}

// failReads tells the readers of a leader that it leads no more. Followers
// notice by themselves.
func (n *Node) failReads() {
	for _, r := range n.reads.waiting {
		if r.from == 0 {
			n.out.reads = append(n.out.reads, Read{ID: r.id})
		}
	}
	n.reads.waiting = nil
}

// handleReadIndex takes a follower's inquiry. It has one under way at a time.
func (n *Node) handleReadIndex(m *Message, r *ReadIndex) {
	if n.role != Leader || m.Term != n.hard.Term {
		return
	}
	for k := range n.reads.waiting {
		if w := &n.reads.waiting[k]; w.from == m.From {
			if w.id == r.ID {
				return // asked again
			}
			n.reads.waiting = append(n.reads.waiting[:k], n.reads.waiting[k+1:]...)
			break
		}
	}
	n.awaitRound(waitingRead{from: m.From, id: r.ID})
}

// startInquiry asks the leader for all readers that wait.
func (n *Node) startInquiry() {
	n.asking.id++
	n.asking.readers, n.asking.next = n.asking.next, n.asking.readers[:0]
	n.askLeader()
}

// askLeader sends the inquiry, which is repeated until it is answered (§5.5).
func (n *Node) askLeader() {
	n.send(Message{From: n.cfg.ID, To: n.leader, Term: n.hard.Term, Body: &ReadIndex{ID: n.asking.id}})
	n.asking.againAt = n.now + Time(n.cfg.ElectionMin)
}

// handleReadIndexReply serves this node's readers as the leader allows.
func (n *Node) handleReadIndexReply(m *Message, r *ReadIndexReply) {
	if m.Term != n.hard.Term || m.From != n.leader || r.ID != n.asking.id || n.asking.againAt == Never {
		return
	}
	for _, id := range n.asking.readers {
		n.out.reads = append(n.out.reads, Read{ID: id, Index: r.Index, OK: true})
	}
	n.asking.readers = n.asking.readers[:0]
	n.asking.againAt = Never
	if len(n.asking.next) > 0 {
		n.startInquiry()
	}
}

// failInquiries tells this node's readers that the leader they waited for is
// gone, or another.
func (n *Node) failInquiries() {
	for _, ids := range [...][]uint64{n.asking.readers, n.asking.next} {
		for _, id := range ids {
			n.out.reads = append(n.out.reads, Read{ID: id})
		}
	}
	n.asking.readers, n.asking.next = n.asking.readers[:0], n.asking.next[:0]
	n.asking.againAt = Never
}
