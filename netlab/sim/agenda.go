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

// agenda is a heap of four children a node: half as deep as one of two, which
// counts when every event is pushed and popped once.
type agenda struct {
	heap []event
	seq  uint64
}

const arity = 4

// push puts an event in and returns its number, which tells it from all others.
func (a *agenda) push(e event) uint64 {
	a.seq++
	e.seq = a.seq
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

func (a *agenda) pop() event {
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
