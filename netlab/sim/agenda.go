package sim

import "github.com/raftlab/raftlab/raft"

// kind is what an event of the agenda is about.
type kind uint8

const (
	arrival  kind = iota // a frame is due at its receiver
	deadline             // a server's next timer may have come
	written              // a server's disk has done what it was at
	saved                // a snapshot that a server takes is on its disk
	call                 // somebody wants to be called: a client, an alarm
)

// event is something that is to happen. Of those of the same time the one that
// was put in first happens first.
type event struct {
	at   raft.Time
	seq  uint64
	kind kind
	ref  uint32 // of a flight, a server or a call
	life uint32 // of the server, whose events end with it
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// agenda is what is to happen, in the order it will.
//
// Nearly all of it is put in for soon, and behind all else that was: frames on
// links without faults, syncs of sound disks, clients' requests. That stands in a
// row. The rest is in a heap of four children a node, half as deep as one of two.
type agenda struct {
	row  row
	heap []event
	seq  uint64
	now  raft.Time // of the last event taken out
}

const (
	arity = 4
	// soon is how far ahead an event in the row may be: one of another day would
	// have all others go to the heap until it comes.
	soon = raft.Time(1_000_000)
)

// row is a ring of events in their order.
type row struct {
	ring    []event // as many as a power of two
	head, n int
}

func (r *row) first() *event { return &r.ring[r.head] }
func (r *row) last() *event  { return &r.ring[(r.head+r.n-1)&(len(r.ring)-1)] }

func (r *row) push(e event) {
	if r.n == len(r.ring) {
		bigger := make([]event, max(64, 2*r.n))
		k := copy(bigger, r.ring[r.head:])
		copy(bigger[k:], r.ring[:r.head])
		r.ring, r.head = bigger, 0
	}
	r.ring[(r.head+r.n)&(len(r.ring)-1)] = e
	r.n++
}

func (r *row) pop() event {
	e := r.ring[r.head]
	r.head = (r.head + 1) & (len(r.ring) - 1)
	r.n--
	return e
}

// next is when the first event is; false when there is none.
func (a *agenda) next() (at raft.Time, any bool) {
	switch {
	case a.rowFirst():
		return a.row.first().at, true
	case len(a.heap) > 0:
		return a.heap[0].at, true
	}
	return raft.Never, false
}

// rowFirst tells whether the first of all events is in the row.
func (a *agenda) rowFirst() bool {
	return a.row.n > 0 && (len(a.heap) == 0 || a.row.first().before(&a.heap[0]))
}

// push puts an event in and returns its number, which tells it from all others.
func (a *agenda) push(e event) uint64 {
	a.seq++
	e.seq = a.seq
	if e.at <= a.now+soon && (a.row.n == 0 || e.at >= a.row.last().at) {
		a.row.push(e)
		return e.seq
	}
	a.heap = append(a.heap, e)
	h := a.heap
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / arity
		if !e.before(&h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
	return e.seq
}

// pop takes the first event out, of which there must be one.
func (a *agenda) pop() event {
	var e event
	if a.rowFirst() {
		e = a.row.pop()
	} else {
		e = a.popHeap()
	}
	a.now = e.at
	return e
}

func (a *agenda) popHeap() event {
	h := a.heap
	first, n := h[0], len(h)-1
	e := h[n]
	a.heap = h[:n]
	if n == 0 {
		return first
	}
	h = h[:n]
	i := 0
	for {
		child := i*arity + 1
		if child >= n {
			break
		}
		least := child
		for c := child + 1; c < min(child+arity, n); c++ {
			if h[c].before(&h[least]) {
				least = c
			}
		}
		if !h[least].before(&e) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = e
	return first
}
