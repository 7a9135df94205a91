package client

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/raftlab/raftlab/node/wire"
)

// byNumber orders requests as they were started.
func byNumber(a, b *op) int { return cmp.Compare(a.number, b.number) }

// op is one request from Start to its end. It belongs to the Client's lock.
type op struct {
	number  uint64 // the order of Start
	request wire.Request
	done    func(wire.Reply, error)
	started time.Time
	watch   *watch // over its context; nil when that never ends

	session *session // whose Seq it has; nil before it was first sent
	conn    *conn    // where it is under way; nil while it waits
	// unsure tells that it was sent and the connection ended, or the node could
	// not say, before there was an answer. A refusal later on says nothing about
	// that time.
	unsure bool

	ended bool
	reply wire.Reply
	err   error
}

// alone tells that its node answers without asking others: that it does says
// nothing about what waits for a majority.
func (o *op) alone() bool {
	return o.request.Op == wire.OpGet && (o.request.Read == wire.ReadStale || o.request.Read == wire.ReadLease)
}

// anywhere tells that any node may answer it.
func (o *op) anywhere() bool {
	return o.request.Op == wire.OpGet && (o.request.Read == wire.ReadStale || o.request.Read == wire.ReadIndex)
}

func (o *op) write() bool { return o.request.Op != wire.OpGet }

func (o *op) what() string {
	return fmt.Sprintf("%v %q", o.request.Op, clip(o.request.Key))
}

func clip(key []byte) string {
	const most = 64
	if len(key) > most {
		return string(key[:most]) + "..."
	}
	return string(key)
}

// session numbers the writes of a Client (thesis §6.3).
type session struct {
	id   uint64
	next uint64 // Seq of the next write
	// opened tells that the state machine has answered a write of this session.
	// Until then only the first is sent: another one before it in the log would
	// be of a session nobody knows.
	opened bool
	acked  uint64              // every Seq up to here has ended
	ended  map[uint64]struct{} // those beyond it that have ended
}

func newSession(id uint64) *session {
	return &session{id: id, next: 1, ended: make(map[uint64]struct{})}
}

// end notes that the client never asks for the answer of seq again.
func (s *session) end(seq uint64) {
	if seq != s.acked+1 {
		s.ended[seq] = struct{}{}
		return
	}
	s.acked++
	for len(s.ended) > 0 {
		if _, ok := s.ended[s.acked+1]; !ok {
			return
		}
		delete(s.ended, s.acked+1)
		s.acked++
	}
}

// queue holds the requests that wait to be sent, in the order of Start.
type queue struct {
	ops    []*op
	head   int
	mixed  bool // some came back and may be out of order
	ghosts int  // ended while they waited; they are passed over
}

func (q *queue) push(o *op) {
	if q.head > 0 && len(q.ops) == cap(q.ops) {
		q.compact()
	}
	if n := len(q.ops); n > q.head && q.ops[n-1].number > o.number {
		q.mixed = true
	}
	q.ops = append(q.ops, o)
}

// ghost notes that a waiting request has ended.
func (q *queue) ghost() {
	q.ghosts++
	if q.ghosts > 64 && q.ghosts > (len(q.ops)-q.head)/2 {
		q.compact()
	}
}

// compact drops what is behind head and what has ended.
func (q *queue) compact() {
	kept := q.ops[:0]
	for _, o := range q.ops[q.head:] {
		if !o.ended {
			kept = append(kept, o)
		}
	}
	clear(q.ops[len(kept):])
	q.ops, q.head, q.ghosts = kept, 0, 0
}

// first returns the oldest request that waits, nil when none does.
func (q *queue) first() *op {
	if q.mixed {
		q.compact()
		slices.SortFunc(q.ops, byNumber)
		q.mixed = false
	}
	for q.head < len(q.ops) {
		if o := q.ops[q.head]; !o.ended {
			return o
		}
		q.pop()
		q.ghosts--
	}
	return nil
}

// pop drops the first.
func (q *queue) pop() {
	q.ops[q.head] = nil
	q.head++
	if q.head == len(q.ops) {
		q.ops, q.head = q.ops[:0], 0
	}
}
