package raft

// peer is what a leader knows of one other server (Figure 2: nextIndex and
// matchIndex, "volatile state on leaders").
//
// Probing looks for the point where the logs agree: one AppendEntries at a
// time, next stays where it is until the follower answers. Replicating is
// optimistic: every AppendEntries moves next behind what it carries, and more
// follow without waiting for answers (thesis §10.2.1's pipelining). A refusal
// leads back to probing. When what the peer needs next is dropped from the log,
// it is sent the snapshot, a chunk at a time (§7), and probed behind it.
//
// match < next ≤ last+1 always holds.
type peer struct {
	id    NodeID
	next  Index // nextIndex: the next entry to send
	match Index // matchIndex: the follower's durable log agrees up to here

	flow   Flow
	asked  bool     // probing: an AppendEntries is under way
	flight flight   // replicating
	snap   transmit // sending a snapshot

	// told is the highest commit index the follower can know of if all that was
	// sent to it arrived.
	told Index
	beat bool // an AppendEntries is due, whatever there is to send

	lastAck Time   // when it last answered in this term
	round   uint64 // the newest round it answered
}

// transmit is how far a snapshot has been sent to a peer.
type transmit struct {
	meta   SnapshotMeta
	offset int64 // all before it has arrived
	asked  bool  // the chunk at offset is under way
	sent   int64 // so much of it has left, at least once
	at     Time  // when it left
}

// begin forgets what was known of the peer: this node leads since now, or the
// peer joins.
func (p *peer) begin(next Index, now Time) {
	p.match, p.told, p.beat, p.lastAck, p.round = 0, 0, false, now, 0
	p.probe(next)
}

// probe starts looking for the point of agreement at next. What was under way
// is of no more interest.
func (p *peer) probe(next Index) {
	p.next = max(next, p.match+1)
	p.flow = FlowProbe
	p.asked = false
	p.told = min(p.told, p.next-1)
	p.flight.clear()
	p.snap = transmit{}
}

// replicate ends the search: the logs agree up to next-1.
func (p *peer) replicate() {
	p.flow = FlowReplicate
	p.asked = false
}

// transmit starts to send the snapshot that meta speaks of.
func (p *peer) transmit(meta SnapshotMeta) {
	p.flow = FlowSnapshot
	p.flight.clear()
	p.snap = transmit{meta: meta}
}

// acked takes note that the follower's durable log agrees up to match.
func (p *peer) acked(match Index) {
	p.match = max(p.match, match)
	p.next = max(p.next, match+1)
	p.flight.ackedUpTo(match)
}

// flight is the AppendEntries with entries that are under way to a peer and
// unanswered, oldest first, in a ring.
type flight struct {
	ring  []sent
	head  int
	count int
	bytes int
}

// sent is one AppendEntries under way.
type sent struct {
	last  Index // of its entries
	bytes int
}

func newFlight(most int) flight { return flight{ring: make([]sent, most)} }

func (f *flight) full(maxBytes int) bool {
	return f.count == len(f.ring) || f.bytes >= maxBytes
}

func (f *flight) add(last Index, bytes int) {
	f.ring[(f.head+f.count)%len(f.ring)] = sent{last: last, bytes: bytes}
	f.count++
	f.bytes += bytes
}

// ackedUpTo lets go of what an answer up to match makes known. Answers may be
// lost: a later one stands for those before it.
func (f *flight) ackedUpTo(match Index) {
	for f.count > 0 && f.ring[f.head].last <= match {
		f.bytes -= f.ring[f.head].bytes
		f.head = (f.head + 1) % len(f.ring)
		f.count--
	}
}

func (f *flight) clear() { f.head, f.count, f.bytes = 0, 0, 0 }
