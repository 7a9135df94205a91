package raft

import "fmt"

// outbox collects what the next Ready hands out, and keeps account of what
// earlier ones gave to the disk.
type outbox struct {
	afterSync []Message // the caller keeps them until the disk is done

	chunks  []SnapshotChunk
	install *Install

	configured Index // entry of the configuration reported last

	// writes are the Readys on their way to the disk, oldest first; sync is the
	// number of the newest. durable is the hard state that has arrived there.
	writes  []write
	sync    uint64
	durable HardState

	// Two sets of these take turns: the caller reads one while the other fills.
	messages, messagesOut []Message
	events, eventsOut     []Event
	ids, idsOut           []NodeID // what Event.Nodes points into
	reads, readsOut       []Read

	appends       slab[AppendEntries]
	appendReplies slab[AppendEntriesReply]
	newestAppend  *AppendEntries // of the Ready that is being made
}

// write is one Ready on its way to the disk.
type write struct {
	sync  uint64
	state HardState
	last  Index // the log up to here is durable with it
}

// slab hands out values from arrays, so that many small ones cost few
// allocations. An array lives as long as any value of it, so they are short.
type slab[T any] struct{ rest []T }

func (s *slab[T]) take() *T {
	if len(s.rest) == 0 {
		s.rest = make([]T, 16)
	}
	v := &s.rest[0]
	s.rest = s.rest[1:]
	return v
}

// append returns a body that says what a says. Mostly all followers are sent the
// same: then it is one for all of them, since nobody changes it.
func (o *outbox) append(a AppendEntries) *AppendEntries {
	if b := o.newestAppend; b != nil && b.PrevLogIndex == a.PrevLogIndex && b.PrevLogTerm == a.PrevLogTerm && b.LeaderCommit == a.LeaderCommit &&
		b.Round == a.Round && len(b.Entries) == len(a.Entries) && (len(a.Entries) == 0 || &b.Entries[0] == &a.Entries[0]) {
		return b
	}
	o.newestAppend = o.appends.take()
	*o.newestAppend = a
	return o.newestAppend
}

// handOut cuts *queue off for the caller, who may keep it, and leaves the rest
// of the array to be filled next.
func handOut(queue *[]Message) []Message {
	const room = 32
	q := *queue
	if len(q) == 0 {
		return nil
	}
	if *queue = q[len(q):]; cap(*queue) < room/4 {
		*queue = make([]Message, 0, room)
	}
	return q[:len(q):len(q)]
}

// truncated takes note that the log was cut from index i on: writes on their
// way reach the disk, but what they hold from i on is no longer this log.
func (o *outbox) truncated(i Index) {
	for k := range o.writes {
		o.writes[k].last = min(o.writes[k].last, i-1)
	}
}

// event reports one step. At and Term are filled in.
func (n *Node) event(e Event) {
	e.At = n.now
	if e.Term == 0 {
		e.Term = n.hard.Term
	}
	n.out.events = append(n.out.events, e)
}

// send lets m leave with the next Ready, whatever the disk does.
func (n *Node) send(m Message) { n.out.messages = append(n.out.messages, m) }

// sendWhenStored lets m leave once the current term and vote, and the log up
// to index, are on stable storage.
func (n *Node) sendWhenStored(m Message, index Index) {
	if n.out.durable == n.hard && index <= n.log.durable || n.cfg.Unsafe.Has(UnsafeAckBeforeFsync) {
		n.send(m)
		return
	}
	n.out.afterSync = append(n.out.afterSync, m)
}

// answer replies once the term and vote it speaks of are stored (Figure 2:
// "updated on stable storage before responding to RPCs").
func (n *Node) answer(to NodeID, term Term, body Body) {
	n.sendWhenStored(Message{From: n.cfg.ID, To: to, Term: term, Body: body}, 0)
}

// answerLog replies once the log up to index is stored as well. An
// acknowledgement stands for those before it, so of several that wait for the
// same write only the last leaves.
func (n *Node) answerLog(to NodeID, r *AppendEntriesReply, index Index) {
	if k := len(n.out.afterSync) - 1; k >= 0 {
		waits := &n.out.afterSync[k]
		if before, ok := waits.Body.(*AppendEntriesReply); ok && before.Success && before.Match <= r.Match &&
			waits.To == to && waits.Term == n.hard.Term && index > n.log.durable {
			waits.Body = r
			return
		}
	}
	n.sendWhenStored(Message{From: n.cfg.ID, To: to, Term: n.hard.Term, Body: r}, index)
}

// stop ends the node: it cannot do its part without its log.
func (n *Node) stop(err error) { n.err = err }

// HasReady reports whether [Node.Ready] has something to say.
func (n *Node) HasReady() bool {
	if n.err != nil || len(n.out.messages) > 0 || len(n.out.afterSync) > 0 || len(n.out.events) > 0 ||
		len(n.out.reads) > 0 || len(n.out.chunks) > 0 || n.out.install != nil || n.hard != n.stored || n.log.offered < n.log.last || n.mayHandCommitted() {
		return true
	}
	if n.role == Leader {
		if n.owesRound() {
			return true
		}
		for k := range n.peers {
			if n.owesAppend(&n.peers[k]) {
				return true
			}
		}
	}
	return false
}

// Ready takes what the caller now owes the node.
func (n *Node) Ready() Ready {
	if n.role == Leader && n.err == nil {
		if n.owesRound() {
			n.beginRound()
		}
		for k := range n.peers {
			n.sendAppends(&n.peers[k])
		}
		n.telling = false
	}
	var r Ready
	if n.err == nil {
		r.Committed = n.handCommitted()
	}
	if n.err != nil {
		return Ready{Err: n.err}
	}
	n.handWrites(&r)
	if len(n.out.writes) == 0 { // all is stored, so nothing has to wait
		n.out.messages = append(n.out.messages, n.out.afterSync...)
		n.out.afterSync = n.out.afterSync[:0]
	}
	r.AfterSync = handOut(&n.out.afterSync)
	r.Chunks, n.out.chunks = n.out.chunks, nil
	r.Messages, r.Reads, r.Events = n.out.messages, n.out.reads, n.out.events
	clear(n.out.messagesOut) // the entries they carry are let go of
	n.out.messages, n.out.messagesOut = n.out.messagesOut[:0], n.out.messages
	n.out.newestAppend = nil
	n.out.reads, n.out.readsOut = n.out.readsOut[:0], n.out.reads
	n.out.events, n.out.eventsOut = n.out.eventsOut[:0], n.out.events
	n.out.ids, n.out.idsOut = n.out.idsOut[:0], n.out.ids
	return r
}

// handWrites puts into r what the disk was not told of yet.
func (n *Node) handWrites(r *Ready) {
	if n.hard != n.stored {
		state := n.hard
		r.State = &state
		n.stored = n.hard
	}
	if n.log.offered < n.log.last {
		r.Entries = n.log.unoffered()
		n.log.offered = n.log.last
	}
	r.Install, n.out.install = n.out.install, nil
	if r.State == nil && r.Entries == nil && r.Install == nil {
		return
	}
	n.out.sync++
	r.Sync = n.out.sync
	n.out.writes = append(n.out.writes, write{sync: r.Sync, state: n.stored, last: n.log.offered})
}

// Persisted says that the disk has all up to and including the Ready of this
// Sync.
func (n *Node) Persisted(now Time, sync uint64) {
	if n.err != nil {
		return
	}
	if sync > n.out.sync {
		panic(fmt.Sprintf("raft: write %d reported durable, %d was the last handed out", sync, n.out.sync))
	}
	n.advance(now)
	done := 0
	for done < len(n.out.writes) && n.out.writes[done].sync <= sync {
		n.out.durable = n.out.writes[done].state
		n.log.durable = max(n.log.durable, n.out.writes[done].last)
		done++
	}
	n.out.writes = n.out.writes[:copy(n.out.writes, n.out.writes[done:])]
	switch {
	case done == 0:
	case n.role == Leader:
		n.advanceCommit()
	case n.role == Candidate:
		n.tally()
	}
	n.log.trim()
}

// mayHandCommitted reports whether committed entries wait to be handed out.
// While all that is not applied yet is in memory, they are handed out as they
// are. Else they wait until the caller has applied what it was given, or made its
// state machine of a snapshot, so that catching up takes a bounded piece of
// memory however long that lasts.
func (n *Node) mayHandCommitted() bool {
	l := n.log
	if l.handed >= l.commit { // above it in a loose log that was cut
		return false
	}
	return l.applied+1 >= l.first || l.handed == l.applied
}

func (n *Node) handCommitted() []Entry {
	if !n.mayHandCommitted() {
		return nil
	}
	lo, limit := n.log.handed+1, n.cfg.MaxAppendBytes
	if lo >= n.log.first {
		limit = int(^uint(0) >> 1)
	}
	entries, _, _, err := n.log.read(lo, n.log.commit, limit)
	if err != nil {
		n.stop(err)
		return nil
	}
	n.log.handed += Index(len(entries))
	return entries
}

// Applied says that the state machine has applied all entries up to and
// including i.
func (n *Node) Applied(i Index) {
	if i > n.log.handed {
		panic(fmt.Sprintf("raft: entry %d reported applied, %d was the last handed out", i, n.log.handed))
	}
	n.log.applied = max(n.log.applied, i)
	n.log.trim()
}
