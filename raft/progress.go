package raft

// peer is what a leader knows of one follower (Figure 2: nextIndex and
// matchIndex, "volatile state on leaders").
//
// A peer is either probed or replicated to. Probing looks for the point where
// the logs agree: one AppendEntries at a time, next stays where it is until
// the follower answers. Replicating is optimistic: every AppendEntries moves
// next behind what it carries, and more follow without waiting for answers
// (thesis §10.2.1's pipelining). A refusal leads back to probing.
//
// match < next ≤ last+1 always holds.
type peer struct {
	id    NodeID
	next  Index // nextIndex: the next entry to send
	match Index // matchIndex: the follower's durable log agrees up to here

	probing bool
	asked   bool // a probe is under way

	flight flight

	// told is the highest commit index the follower can know of if all that was
	// sent to it arrived.
	told Index
	beat bool // a heartbeat is due

	lastAck Time
}

// probe starts looking for the point of agreement at next. What was under way
// is of no more interest.
func (p *peer) probe(next Index) {
	p.next = max(next, p.match+1)
	p.probing = true
	p.asked = false
	p.told = min(p.told, p.next-1)
	p.flight.clear()
}

// replicate ends the search: the logs agree up to next-1.
func (p *peer) replicate() {
	p.probing = false
	p.asked = false
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
