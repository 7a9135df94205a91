package node

import "github.com/raftlab/raftlab/raft"

// pendingLimit and pendingBytes bound what a leader has proposed for clients
// and not yet applied. A leader without a majority gets there. pendingPerClient
// leaves room for others when one connection asks for all it can get.
const (
	pendingLimit     = 16 << 10
	pendingBytes     = 64 << 20
	pendingPerClient = pendingLimit / 4
)

// pending is a client's request whose entry waits to be committed.
type pending struct {
	index raft.Index
	term  raft.Term
	conn  *client
	id    uint64
	bytes int
}

// pendingQueue holds the requests a leader has proposed, in the order of their
// entries: proposals of one term have ascending indexes.
type pendingQueue struct {
	items []pending
	head  int
	bytes int
}

func (q *pendingQueue) len() int { return len(q.items) - q.head }

func (q *pendingQueue) push(p pending) {
	if len(q.items) == cap(q.items) && q.head >= (len(q.items)+1)/2 && q.head > 0 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, p)
	q.bytes += p.bytes
	p.conn.pending++
}

// front is the oldest request; there must be one.
func (q *pendingQueue) front() pending { return q.items[q.head] }

// pop drops the oldest request.
func (q *pendingQueue) pop() {
	q.items[q.head].conn.pending--
	q.bytes -= q.items[q.head].bytes
	q.items[q.head] = pending{}
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
}
