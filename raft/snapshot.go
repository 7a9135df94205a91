package raft

import (
	"errors"
	"fmt"
)

// Snapshots (§7). The caller takes them, of its state machine and at its own
// time; the log then forgets what they stand for. A follower that lags behind
// what the leader's log still has is sent the leader's snapshot in chunks
// (Figure 13), one under way at a time.

// SnapshotMeta says what a snapshot of the state machine after entry i stands
// for. i is applied, and not below the newest snapshot. Index is 0 when no
// snapshot can be taken: there is nothing in it, or this node, which has joined
// a cluster that runs, has not come to an entry yet that tells who is in it.
func (n *Node) SnapshotMeta(i Index) SnapshotMeta {
	term, ok := n.log.term(i)
	if !ok || i == 0 || i < n.log.snapshot.Index {
		return SnapshotMeta{}
	}
	config := n.log.configUpTo(i).config
	if len(config.Voters) == 0 {
		return SnapshotMeta{}
	}
	return SnapshotMeta{Index: i, Term: term, Config: config.Clone()}
}

// SnapshotTaken says that the snapshot that meta, from [Node.SnapshotMeta],
// speaks of is on stable storage, and that the log may forget the entries up to
// through. Those after it, up to the snapshot's index, spare followers that lag a
// little behind the snapshot. Said again of the newest snapshot, it lets the log
// forget more; it is ignored when there is a newer one already.
func (n *Node) SnapshotTaken(now Time, meta SnapshotMeta, through Index) {
	if n.err != nil || meta.Index < n.log.snapshot.Index {
		return
	}
	if meta.Index > n.log.applied || through > meta.Index {
		panic(fmt.Sprintf("raft: a snapshot of entry %d is taken and entries up to %d are to be forgotten, applied are those up to %d",
			meta.Index, through, n.log.applied))
	}
	n.advance(now)
	if meta.Index > n.log.snapshot.Index {
		n.log.took(meta)
		n.event(Event{Kind: EventSnapshotTaken, Index: meta.Index, LogTerm: meta.Term})
	}
	// What is committed here needn't be on this disk yet.
	if through = min(through, n.log.durable); through > n.log.base && n.log.storage != nil {
		n.log.compact(through)
		n.event(Event{Kind: EventCompacted, Index: through, LogTerm: n.log.baseTerm})
	}
}

// receipt is the leader's snapshot that is arriving.
type receipt struct {
	from NodeID
	term Term // the leader's
	meta SnapshotMeta
	next int64 // the offset that is wanted next
}

// handleInstallSnapshot takes in a chunk (Figure 13, InstallSnapshot receiver).
// The numbers are Figure 13's.
func (n *Node) handleInstallSnapshot(m *Message, s *InstallSnapshot) {
	reply := &InstallSnapshotReply{Index: s.Meta.Index, Offset: s.Offset}
	// 1. Refuse an old term.
	if m.Term < n.hard.Term {
		n.answer(m.From, n.hard.Term, reply)
		return
	}
	reply.Round = s.Round
	n.followLeader(m)
	// All it stands for is committed here: the leader's news are old.
	if s.Meta.Index <= n.log.commit {
		n.receiving = receipt{}
		reply.Done = true
		n.sendWhenStored(Message{From: n.cfg.ID, To: m.From, Term: n.hard.Term, Body: reply}, s.Meta.Index)
		return
	}
	r := &n.receiving
	// A first chunk that comes when more is here already means that the leader has
	// begun anew: it had forgotten this node, which was no member for a while.
	anew := s.Offset == 0 && r.next > int64(len(s.Data))
	if anew || r.from != m.From || r.term != m.Term || r.meta.Index != s.Meta.Index || r.meta.Term != s.Meta.Term {
		*r = receipt{}
		// 2. Create a new snapshot file with the first chunk, but not before the last
		// one, if it is complete, is handed out.
		if s.Offset == 0 && n.out.install == nil {
			*r = receipt{from: m.From, term: m.Term, meta: s.Meta}
			n.event(Event{Kind: EventSnapshotReceived, Peer: m.From, Index: s.Meta.Index, LogTerm: s.Meta.Term})
		}
	}
	if r.from == 0 || s.Offset != r.next {
		reply.Next = r.next // a chunk went lost, or came twice
		n.answer(m.From, n.hard.Term, reply)
		return
	}
	// 3. Write the data at the offset. 4. Reply, and wait for more unless done.
	n.out.chunks = append(n.out.chunks, SnapshotChunk{Meta: s.Meta, Offset: s.Offset, Data: s.Data})
	r.next += int64(len(s.Data))
	reply.Next = r.next
	if !s.Done {
		n.answer(m.From, n.hard.Term, reply)
		return
	}
	n.installSnapshot(m.From, s.Meta)
	reply.Done = true
	n.sendWhenStored(Message{From: n.cfg.ID, To: m.From, Term: n.hard.Term, Body: reply}, s.Meta.Index)
}

// installSnapshot takes a snapshot that is complete into use (Figure 13, steps
// 5 to 8).
func (n *Node) installSnapshot(leader NodeID, meta SnapshotMeta) {
	n.receiving = receipt{}
	// 6. If the log has an entry of the snapshot's last index and term, what
	// follows it stays. 7. Else all of the log goes.
	keep := n.log.matches(meta.Index, meta.Term)
	if !keep {
		n.out.truncated(n.log.commit + 1)
	}
	n.log.install(meta, keep)
	n.out.install = &Install{Meta: meta, KeepLog: keep}
	n.event(Event{Kind: EventSnapshotInstalled, Peer: leader, Index: meta.Index, LogTerm: meta.Term, Granted: keep})
	n.adoptConfig()
}

// sendChunk sends p the chunk it is to get next, and again when no answer came
// for an election timeout. In between its heartbeats are AppendEntries about
// nothing.
func (n *Node) sendChunk(p *peer) {
	if p.snap.asked && n.now < p.snap.at+Time(n.cfg.ElectionMax) {
		if p.beat {
			n.sendAppend(p, 0, nil)
		}
		return
	}
	data, done, err := n.log.storage.SnapshotChunk(p.snap.meta.Index, p.snap.offset, n.cfg.MaxChunkBytes)
	if errors.Is(err, ErrNoSnapshot) && p.snap.meta.Index < n.log.snapshot.Index {
		// A newer one took its place: begin with that.
		p.transmit(n.log.snapshot)
		n.event(Event{Kind: EventSnapshotSent, Peer: p.id, Index: p.snap.meta.Index, LogTerm: p.snap.meta.Term})
		data, done, err = n.log.storage.SnapshotChunk(p.snap.meta.Index, 0, n.cfg.MaxChunkBytes)
	}
	if err != nil {
		n.stop(&StorageError{Snapshot: p.snap.meta.Index, Err: err})
		return
	}
	p.snap.asked, p.snap.at = true, n.now
	p.snap.sent = max(p.snap.sent, p.snap.offset+int64(len(data)))
	p.beat = false
	n.send(Message{From: n.cfg.ID, To: p.id, Term: n.hard.Term, Body: &InstallSnapshot{
		Meta: p.snap.meta, Offset: p.snap.offset, Data: data, Done: done, Round: n.reads.round,
	}})
}

// handleInstallSnapshotReply goes on where the follower is.
func (n *Node) handleInstallSnapshotReply(m *Message, r *InstallSnapshotReply) {
	p := n.replying(m, r.Round)
	if p == nil || p.flow != FlowSnapshot || r.Index != p.snap.meta.Index {
		return
	}
	switch {
	case r.Done:
		index := p.snap.meta.Index
		p.acked(index)
		p.probe(index + 1)
		n.event(Event{Kind: EventSnapshotDone, Peer: p.id, Index: index})
		n.progressed(p)
	case p.snap.asked && r.Offset == p.snap.offset && r.Next <= p.snap.sent:
		p.snap.offset, p.snap.asked = r.Next, false
	}
}
