package node

import (
	"slices"
	"sync"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// inboxLimit bounds the bytes of Raft messages, and those of requests, that
// wait for the loop. Past it, whoever brings more waits, and so, through TCP,
// does the sender. While the clock is held this is where things pile up.
const inboxLimit = 4 << 20

// An inbox is where everything the loop is to know waits for it. Putting
// something in wakes the loop at most once for all that is in.
type inbox struct {
	wake chan struct{} // one slot

	mu     sync.Mutex
	room   sync.Cond // with mu: something was taken, or the inbox closed
	closed bool
	in     batch
}

// A batch is what waited in an inbox.
type batch struct {
	messages     []raft.Message
	numbers      []uint64 // of their frames, as their senders count them
	messageBytes int
	requests     []request
	requestBytes int
	durable      uint64 // highest sync the disk has done
	failed       error  // why the node cannot go on: its disk, mostly
	orders       []order
	peers        []wire.Peer // a new address book, nil when unchanged
	damaged      []damaged   // at most one of each peer
}

// damaged is how many frames of a peer were refused: they are not as they were sent.
type damaged struct {
	from   raft.NodeID
	frames uint64
}

// order is one Order of the lab and the id its Outcome repeats.
type order struct {
	id uint64
	wire.Order
	done   bool // what it takes beside the loop is done,
	failed error
}

func newInbox() *inbox {
	b := &inbox{wake: make(chan struct{}, 1)}
	b.room.L = &b.mu
	return b
}

// poke makes the loop take a turn.
func (b *inbox) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// putMessages hands over messages that arrived together, and the numbers of
// their frames; the slices stay the caller's. It waits for room and reports false
// when the inbox has closed.
func (b *inbox) putMessages(ms []raft.Message, numbers []uint64, bytes int) bool {
	b.mu.Lock()
	for b.in.messageBytes > inboxLimit && !b.closed {
		b.room.Wait()
	}
	b.in.messages = append(b.in.messages, ms...)
	b.in.numbers = append(b.in.numbers, numbers...)
	b.in.messageBytes += bytes
	open := !b.closed
	b.mu.Unlock()
	b.poke()
	return open
}

// putRequests is putMessages for clients' requests.
func (b *inbox) putRequests(rs []request, bytes int) bool {
	b.mu.Lock()
	for b.in.requestBytes > inboxLimit && !b.closed {
		b.room.Wait()
	}
	b.in.requests = append(b.in.requests, rs...)
	b.in.requestBytes += bytes
	open := !b.closed
	b.mu.Unlock()
	b.poke()
	return open
}

// putDurable says that the disk has done everything up to sync.
func (b *inbox) putDurable(sync uint64) {
	b.mu.Lock()
	b.in.durable = max(b.in.durable, sync)
	b.mu.Unlock()
	b.poke()
}

// putFailure ends the node; the first one counts.
func (b *inbox) putFailure(err error) {
	b.mu.Lock()
	if b.in.failed == nil {
		b.in.failed = err
	}
	b.mu.Unlock()
	b.poke()
}

func (b *inbox) putOrder(o order) {
	b.mu.Lock()
	b.in.orders = append(b.in.orders, o)
	b.mu.Unlock()
	b.poke()
}

func (b *inbox) putPeers(peers []wire.Peer) {
	b.mu.Lock()
	b.in.peers = peers
	b.mu.Unlock()
	b.poke()
}

// putDamaged says that a frame of a peer was refused.
func (b *inbox) putDamaged(from raft.NodeID) {
	b.mu.Lock()
	i := slices.IndexFunc(b.in.damaged, func(d damaged) bool { return d.from == from })
	if i < 0 {
		i = len(b.in.damaged)
		b.in.damaged = append(b.in.damaged, damaged{from: from})
	}
	b.in.damaged[i].frames++
	b.mu.Unlock()
	b.poke()
}

// take swaps what waits for the empty batch *into. While the clock is held it
// gives only what the lab asks and knows, and a failure.
func (b *inbox) take(into *batch, held bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if held {
		into.orders, b.in.orders = b.in.orders, into.orders
		into.peers, b.in.peers = b.in.peers, nil
		into.failed = b.in.failed
		into.damaged, b.in.damaged = b.in.damaged, nil
		return
	}
	waited := b.in.messageBytes > inboxLimit || b.in.requestBytes > inboxLimit
	*into, b.in = b.in, *into
	if waited {
		b.room.Broadcast()
	}
}

// close lets go everyone who waits for room.
func (b *inbox) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.room.Broadcast()
}

// clear empties a batch and keeps its memory, unless it is a lot of it.
func (b *batch) clear() {
	const keep = 4096
	clear(b.messages) // drop what they point at
	clear(b.requests)
	if cap(b.messages) > keep {
		b.messages, b.numbers = nil, nil
	}
	if cap(b.requests) > keep {
		b.requests = nil
	}
	*b = batch{messages: b.messages[:0], numbers: b.numbers[:0], requests: b.requests[:0], orders: b.orders[:0]}
}
