package node

import (
	"errors"
	"slices"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// While the clock is held, a node moves only as its lab orders: it takes one
// thing in, a timer that has come, a message, the disk's word, a client's
// request, does what follows from it, and answers when its disk has nothing left
// to do. All of that happens at one instant of the lab clock.

// stepping is the orders of that kind that were not answered yet.
type stepping struct {
	orders    []order
	taken     bool // what the first of them says is taken in
	fruitless bool // and was a request of which nothing came
}

var (
	errReleased = errors.New("the clock was released meanwhile: who is not held takes no steps")
	errRuns     = errors.New("the clock runs, and only who is held is taken through steps")
)

// orderStep begins a step. Its outcome comes when all that follows from it is
// done. The lab says that the clock is held before it orders steps; the turn that
// takes the order may have begun before that.
func (r *replica) orderStep(o *order) error {
	switch {
	case o.Step == nil || o.Step.Take > wire.TakeRequest:
		return errors.New("an order to step that does not say what to take in")
	case !r.clock.Held():
		return errRuns
	}
	r.steps.orders = append(r.steps.orders, *o)
	return nil
}

// step goes on with the steps that were ordered, as far as it can without
// waiting for a message or the disk. Either will bring another turn.
func (r *replica) step() error {
	s := &r.steps
	for len(s.orders) > 0 {
		o := &s.orders[0]
		if !r.clock.Advance(o.Step.At) {
			r.stepped(nil, errReleased)
			continue
		}
		now := r.clock.Now()
		if o.Step.Take == wire.TakeNothing {
			if !r.diskIdle() {
				return nil
			}
			r.stepped(r.waiting(), nil)
			continue
		}
		if !s.taken {
			took, err := r.takeOne(now, o.Step)
			if err != nil {
				return err
			}
			if s.taken = took; !took {
				return nil
			}
		}
		rests, err := r.workOn(now)
		if err != nil {
			return err
		}
		if !rests {
			return nil
		}
		r.stepped(r.waiting(), nil)
	}
	return nil
}

// stepped answers the first of the orders.
func (r *replica) stepped(w *wire.Waiting, err error) {
	s := &r.steps
	r.outcome(s.orders[0].id, wire.Outcome{Waiting: w}, err)
	s.orders = slices.Delete(s.orders, 0, 1)
	s.taken, s.fruitless = false, false
}

// takeOne takes in what a step names, and reports whether it was there.
func (r *replica) takeOne(now raft.Time, s *wire.Step) (bool, error) {
	r.shown.changed()
	switch s.Take {
	case wire.TakeTimer:
		r.core.TickOne(now)
	case wire.TakeMessage:
		m, ok := r.inbox.takeMessage(s.From, s.Number)
		if !ok {
			return false, nil
		}
		if err := r.core.Step(now, m); err != nil {
			r.log.Warn("a message breaks the protocol", "peer", uint64(m.From), "term", uint64(m.Term), "error", err)
		}
	case wire.TakeRequest:
		q, ok := r.inbox.takeRequest()
		if !ok {
			return true, nil // its client has gone with it
		}
		before := r.pending.len() + r.reads.count
		r.in.requests = append(r.in.requests[:0], q)
		if err := r.takeRequests(now); err != nil {
			return false, err
		}
		r.steps.fruitless = r.pending.len()+r.reads.count == before
	}
	return true, nil
}

// workOn does what follows from what was taken in, and reports whether that is
// all: nothing is on its way to the disk or from it.
func (r *replica) workOn(now raft.Time) (rests bool, err error) {
	r.hearDisk(now, r.inbox.takeDurable())
	if err := r.drain(); err != nil {
		return false, err
	}
	r.letOut()
	r.compact(now)
	if r.store != nil {
		r.store.Settle(settleStep)
	}
	// A slow disk is done when the clock has come so far, which is another step.
	log, other, _ := r.disk.stalled(now)
	return (r.persisted == r.lastSync || log) && (r.snapshots.writing == nil || other || log) && r.loading == nil, nil
}

// diskIdle tells whether the disk has done all it was given, whether or not
// the core has heard of it.
func (r *replica) diskIdle() bool {
	log, other, _ := r.disk.stalled(r.clock.Now())
	if max(r.persisted, r.inbox.durable()) < r.lastSync && !log {
		return false
	}
	if w := r.snapshots.writing; w != nil && len(w.done) == 0 && !other && !log {
		return false
	}
	return r.loading == nil || r.loading.cancel == nil || len(r.loading.done) > 0
}

// waiting is what waits for a node that is held.
func (r *replica) waiting() *wire.Waiting {
	w := &wire.Waiting{At: r.clock.Now(), Fruitless: r.steps.fruitless}
	w.Due, w.Timer = r.core.Due()
	if _, _, due := r.disk.stalled(w.At); due < w.Due {
		w.Due, w.Sync = due, true
	}
	w.Disk = r.inbox.durable() > r.persisted || r.gate.ready() ||
		r.snapshots.writing != nil && len(r.snapshots.writing.done) > 0 ||
		r.loading != nil && len(r.loading.done) > 0
	r.inbox.describe(w)
	for id, p := range r.peers {
		w.Sent = append(w.Sent, wire.LinkEnd{To: id, Number: p.sent()})
	}
	slices.SortFunc(w.Sent, func(a, b wire.LinkEnd) int { return int(a.To) - int(b.To) })
	return w
}

// takeMessage takes one message out: the oldest from this sender with this
// number. With 0 for either, whoever's or whichever.
func (b *inbox) takeMessage(from raft.NodeID, number uint64) (m raft.Message, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := 0
	for i < len(b.in.messages) && (from != 0 && b.in.messages[i].From != from || number != 0 && b.in.numbers[i] != number) {
		i++
	}
	if i == len(b.in.messages) {
		return m, false
	}
	m = b.in.messages[i]
	// How many of the bytes are its own is not known; the last one takes all.
	b.in.messageBytes -= b.in.messageBytes / len(b.in.messages)
	b.in.messages = slices.Delete(b.in.messages, i, i+1)
	b.in.numbers = slices.Delete(b.in.numbers, i, i+1)
	b.room.Broadcast()
	return m, true
}

// takeRequest takes the oldest request out.
func (b *inbox) takeRequest() (q request, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.in.requests) == 0 {
		return q, false
	}
	q = b.in.requests[0]
	b.in.requestBytes -= b.in.requestBytes / len(b.in.requests)
	b.in.requests = slices.Delete(b.in.requests, 0, 1)
	b.room.Broadcast()
	return q, true
}

// takeDurable takes the disk's word out, 0 for none.
func (b *inbox) takeDurable() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	sync := b.in.durable
	b.in.durable = 0
	return sync
}

// durable is the disk's word that waits, 0 for none.
func (b *inbox) durable() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.in.durable
}

// describe says what waits.
func (b *inbox) describe(w *wire.Waiting) {
	b.mu.Lock()
	var first raft.Message
	var number uint64
	if w.Messages = len(b.in.messages); w.Messages > 0 {
		first, number = b.in.messages[0], b.in.numbers[0]
	}
	if w.Requests = len(b.in.requests); w.Requests > 0 {
		w.Request = b.in.requests[0].String()
	}
	b.mu.Unlock()
	if w.Messages > 0 {
		w.Message = describeMessage(&first, number)
	}
}

// describeMessage says what the network says of a frame.
func describeMessage(m *raft.Message, number uint64) *wire.WaitingMessage {
	d := &wire.WaitingMessage{From: m.From, Number: number, Kind: wire.KindOf(m.Body), Term: m.Term}
	// It came as a frame and was decoded, so it goes into one, too.
	if frame, err := wire.AppendMessage(nil, number, m); err == nil {
		_, d.Summary, _ = wire.Peek(frame[4:])
	}
	return d
}

// String is like "put x=1", "get x".
func (q *request) String() string {
	switch {
	case q.bad != "":
		return "a request that makes no sense"
	case q.command != nil:
		return kv.Describe(q.command)
	}
	return kv.Describe(kv.AppendCommand(nil, &wire.Request{Op: wire.OpGet, Key: q.key}))
}
