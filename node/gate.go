package node

import (
	"sync"

	"github.com/raftlab/raftlab/raft"
)

// gate keeps the messages that wait for the disk (Figure 2: "updated on stable
// storage before responding to RPCs"). They leave from the disk's own
// goroutine, so that an answer need not wait for a turn of the loop.
//
// A message may so leave after the core has moved on to another term. That is
// as if the network had kept it a while: it says what was true of this node's
// disk, in the term it names, and it was promised before any later vote.
type gate struct {
	mu      sync.Mutex
	durable uint64
	queue   []gated
}

type gated struct {
	sync uint64
	m    raft.Message
}

// wait keeps ms until the write sync is durable.
func (g *gate) wait(sync uint64, ms []raft.Message) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range ms {
		g.queue = append(g.queue, gated{sync, ms[i]})
	}
}

// synced is the disk's word that all up to sync is durable, or that it failed.
// It comes from the disk's goroutine.
func (r *replica) synced(sync uint64, err error) {
	if err != nil {
		r.inbox.putFailure(&DiskError{Node: r.id, Dir: r.dir, Op: "write", Err: err})
		return
	}
	r.gate.mu.Lock()
	r.gate.durable = max(r.gate.durable, sync)
	r.gate.mu.Unlock()
	r.release()
	r.inbox.putDurable(sync)
}

// release sends the messages whose write is durable, unless the clock is held;
// then the first turn after the hold does, or a step.
func (r *replica) release() {
	if !r.clock.Held() {
		r.letOut()
	}
}

// letOut sends the messages whose write is durable.
func (r *replica) letOut() {
	g := &r.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		return
	}
	n := 0
	for n < len(g.queue) && g.queue[n].sync <= g.durable {
		r.send(&g.queue[n].m)
		n++
	}
	if n == 0 {
		return
	}
	left := copy(g.queue, g.queue[n:])
	clear(g.queue[left:])
	g.queue = g.queue[:left]
	r.flushPeers()
}

// ready tells whether messages wait whose write is durable.
func (g *gate) ready() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.queue) > 0 && g.queue[0].sync <= g.durable
}

func (r *replica) flushPeers() {
	for _, p := range r.peers {
		p.out.flush()
	}
}
