package node

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// replica is the core and what it acts on. What stands below "the loop's" is
// touched by the goroutine in run and by nobody else.
type replica struct {
	id    raft.NodeID
	dir   string
	token string // expected in the hello of Raft links
	log   *slog.Logger

	clock     *clock.Clock
	wal       *wal.WAL
	disk      *disk
	inbox     *inbox
	lab       *labConn
	telemetry *telemetry
	peers     map[raft.NodeID]*peer // changed by the loop alone, with the gate's mu, which others read it with
	gate      gate
	heap      heapLimit

	// The loop's.
	unsafe      raft.Unsafe
	heartbeat   raft.Duration
	electionMax raft.Duration
	background  sync.WaitGroup // what the loop started and does not wait for
	connect     func(*peer)    // starts its run
	core        *raft.Node
	store       *kv.Store // nil while loading is not
	loading     *loading  // nil but while a snapshot becomes the state machine
	applied     raft.Index
	snapshots   snapshots
	pending     pendingQueue
	reads       readQueue
	lastSync    uint64                 // the newest write given to the disk
	persisted   uint64                 // the newest the core was told is durable
	book        map[raft.NodeID]string // client addresses, told in redirects
	wasHeld     bool
	shown       showing
	rest        resting
	steps       stepping
	witness     deed.Witness

	in        batch // what this turn took; kept for its memory, as are the next ones
	commands  [][]byte
	proposers []*request
	touched   []*client
	outcomes  []outcome
}

// run owns the core until ctx is done or the disk fails. Clients that wait are
// told before it returns.
func (r *replica) run(ctx context.Context) error {
	alarm := newAlarm()
	defer alarm.stop()
	defer r.flushReplies()
	defer r.abandonReads()
	defer r.abandon()
	defer r.snapshots.stop()
	defer r.stopLoading()
	r.awaitState(ctx)
	for {
		if err := r.turn(); err != nil {
			return err
		}
		alarm.set(r.nextWake(time.Now()))
		select {
		case <-ctx.Done():
			return nil
		case <-r.inbox.wake:
			// Let everyone who can run bring what it has. Without this the
			// scheduler would run the loop right after the first of many readers,
			// and every request would be a batch of its own.
			runtime.Gosched()
		case <-alarm.timer.C:
			alarm.rang()
		}
	}
}

// turn takes all that waits, lets the core work on it, and carries out what
// the core then owes. While the clock is held, only orders and the address
// book are taken: messages, requests, timers and even the disk's word wait for
// its release, or for an order to take one of them in.
func (r *replica) turn() error {
	// In this order: a hold that comes between the two shows its own time.
	held := r.clock.Held()
	now := r.clock.Now()
	r.inbox.take(&r.in, held)
	defer r.in.clear()
	if r.in.failed != nil {
		return r.in.failed
	}
	if r.in.peers != nil {
		r.address(r.in.peers)
	}
	if !held {
		if err := r.feed(now); err != nil {
			return err
		}
	}
	if len(r.in.orders) > 0 {
		for i := range r.in.orders {
			r.obey(now, &r.in.orders[i], held)
		}
		if err := r.drain(); err != nil {
			return err
		}
	}
	if len(r.steps.orders) > 0 {
		if err := r.step(); err != nil {
			return err
		}
		now = r.clock.Now()
	}
	r.flushReplies()
	r.show(now, held)
	return nil
}

// feed gives the core what came in, in the order that lets one Ready answer
// most of it: the disk's word and the peers' first, because they may commit;
// the clients' last.
func (r *replica) feed(now raft.Time) error {
	r.hearDisk(now, r.in.durable)
	r.release() // what the disk did while the clock stood
	for i := range r.in.messages {
		if err := r.core.Step(now, r.in.messages[i]); err != nil {
			r.log.Warn("a message breaks the protocol", "peer", uint64(r.in.messages[i].From),
				"term", uint64(r.in.messages[i].Term), "error", err)
		}
		r.shown.touched()
	}
	if now >= r.core.Deadline() {
		r.core.Tick(now)
		r.shown.touched()
	}
	if err := r.takeRequests(now); err != nil {
		return err
	}
	if err := r.drain(); err != nil {
		return err
	}
	r.compact(now)
	if r.store != nil {
		r.store.Settle(settleStep)
	}
	return nil
}

// hearDisk takes in what the disk has done: what is durable, unless that is 0,
// and the snapshots that were loaded or written.
func (r *replica) hearDisk(now raft.Time, durable uint64) {
	if durable > 0 {
		r.core.Persisted(now, durable)
		r.persisted = durable
		r.load(durable)
		r.shown.changed()
		if r.disk.lies() {
			r.shown.news = true // what it answers for, before it is lost
		}
	}
	r.takeState()
	r.takeWritten(now)
	r.takeOrdered(now)
}

// drain carries out what the core owes, until it owes nothing.
func (r *replica) drain() error {
	for r.core.HasReady() {
		rd := r.core.Ready()
		if rd.Err != nil {
			return &DiskError{Node: r.id, Dir: r.dir, Op: "read", Err: rd.Err}
		}
		if len(rd.Events) > 0 {
			r.witness.Ready(&rd)
			r.telemetry.note(rd.Events)
			r.shown.noted(rd.Events)
		}
		r.shown.changed()
		// The followers first: theirs is the longer way to a majority, and this
		// node's own disk works while the frames travel (thesis §10.2.1).
		for i := range rd.Messages {
			r.send(&rd.Messages[i])
		}
		if len(rd.Messages) > 0 {
			r.flushPeers()
		}
		if err := r.persist(&rd); err != nil {
			return err
		}
		if r.loading != nil {
			r.loading.committed = append(r.loading.committed, rd.Committed...)
		} else {
			r.apply(rd.Committed)
		}
		r.telemetry.did(&r.witness)
		r.hearOf(rd.Reads)
		r.serveReads()
	}
	if r.pending.len() > 0 {
		if p := r.pending.front(); r.core.Role() != raft.Leader || p.term != r.core.Term() {
			r.abandon()
		}
	}
	return nil
}

// persist gives the disk what a Ready wants written, and the messages that
// wait for it.
func (r *replica) persist(rd *raft.Ready) error {
	for i := range rd.Chunks {
		if err := r.wal.WriteChunk(rd.Chunks[i]); err != nil {
			return &DiskError{Node: r.id, Dir: r.dir, Op: "write", Snapshot: true, Err: err}
		}
		r.moved(len(rd.Chunks[i].Data))
	}
	if rd.Sync != 0 {
		r.lastSync = rd.Sync
	}
	if rd.Install != nil {
		r.replaceState(rd.Install.Meta, rd.Sync)
	}
	if len(rd.AfterSync) > 0 {
		r.gate.wait(r.lastSync, rd.AfterSync)
	}
	if rd.Sync != 0 {
		r.wal.Append(rd.Sync, rd.Install, rd.State, rd.Entries)
		r.moved(dataBytes(rd.Entries))
	} else if len(rd.AfterSync) > 0 {
		r.release() // nothing more to come that would let them go
	}
	return nil
}

// apply applies committed entries and answers the clients who wait for them.
//
// It runs here and not beside the loop: applying an entry takes well under a
// microsecond, handing a batch of them to another goroutine and its results
// back takes several, and on a busy machine tens.
func (r *replica) apply(entries []raft.Entry) {
	if len(entries) == 0 {
		return
	}
	now := r.clock.Now()
	for i := range entries {
		e := &entries[i]
		var result kv.Result
		var took deed.Effect
		if e.Kind == raft.EntryCommand {
			result = r.store.Apply(e.Index, e.Term, e.Data)
			took = effect(r.store.Took())
		}
		r.witness.Apply(now, e, took)
		r.applied = e.Index
		r.snapshots.count(e)
		if r.pending.len() == 0 {
			continue
		}
		if p := r.pending.front(); p.index == e.Index {
			r.pending.pop()
			r.answer(&p, e, &result)
		}
	}
	r.core.Applied(r.applied)
}

// answer tells a client what became of its request, whose index entry e has.
func (r *replica) answer(p *pending, e *raft.Entry, result *kv.Result) {
	if p.term != e.Term {
		r.reply(p.conn, &wire.Reply{ID: p.id, Code: wire.CodeUnknown, Term: r.core.Term(), Error: lostText})
		return
	}
	if r.tooMuch(p.conn, result.Value) {
		r.reply(p.conn, &wire.Reply{ID: p.id, Code: wire.CodeBusy, Term: r.core.Term(), Error: unreadText})
		return
	}
	r.reply(p.conn, &wire.Reply{
		ID: p.id, Code: result.Code, Index: result.Index, Term: result.Term,
		Found: result.Found, Value: result.Value, Error: result.Error,
	})
}

// tooMuch tells whether one more large value would cut off a client that has
// many to read. What is read can be read again.
func (r *replica) tooMuch(c *client, value []byte) bool {
	return len(value) > largeValue && c.out.waiting() > clientBusy
}

const (
	lostText   = "the node lost its leadership, or stops, before the entry was committed"
	unreadText = "replies are waiting to be read"
)

// abandon answers everyone whose entry's fate this node cannot tell any more.
// The entries may yet be committed by another leader; a retry under the same
// session and number is safe.
func (r *replica) abandon() {
	for r.pending.len() > 0 {
		p := r.pending.front()
		r.pending.pop()
		r.reply(p.conn, &wire.Reply{ID: p.id, Code: wire.CodeUnknown, Term: r.core.Term(), Error: lostText})
	}
}

// takeRequests turns the clients' requests into one proposal, and asks the core about
// their reads.
func (r *replica) takeRequests(now raft.Time) error {
	if len(r.in.requests) == 0 {
		return nil
	}
	leads := r.core.Role() == raft.Leader
	bytes := r.pending.bytes + r.reads.bytes
	for i := range r.in.requests {
		q := &r.in.requests[i]
		switch {
		case q.bad != "":
			r.refuse(q, wire.CodeBad, q.bad)
		case q.from.out.waiting() > clientBusy:
			r.refuse(q, wire.CodeBusy, unreadText)
		case q.read == wire.ReadStale:
			r.readStale(q)
		case !leads && q.read != wire.ReadIndex:
			r.redirect(q.from, q.id)
		case q.from.pending+q.from.asked >= pendingPerClient:
			r.refuse(q, wire.CodeBusy, "as many requests of this connection wait as this node takes of one")
		case r.pending.len()+len(r.commands)+r.reads.count >= pendingLimit || bytes >= pendingBytes:
			r.refuse(q, wire.CodeBusy, "as many requests wait as this node takes")
		case q.read == wire.ReadIndex:
			bytes += len(q.key)
			r.reads.add(freshIndex, q)
		case q.read == wire.ReadLease:
			bytes += len(q.key)
			r.reads.add(freshLease, q)
		default:
			bytes += len(q.command)
			q.from.asked++
			r.commands = append(r.commands, q.command)
			r.proposers = append(r.proposers, q)
		}
	}
	r.askReads(now)
	return r.propose(now)
}

// propose gives the core the commands this turn brought.
func (r *replica) propose(now raft.Time) error {
	if len(r.commands) == 0 {
		return nil
	}
	first, err := r.core.Propose(now, raft.EntryCommand, r.commands...)
	handsOver := errors.Is(err, raft.ErrTransferring)
	if err != nil && !handsOver {
		return err // it leads, so nothing else is in the way
	}
	term := r.core.Term()
	for i, q := range r.proposers {
		q.from.asked = 0
		if handsOver {
			r.refuse(q, wire.CodeBusy, "the leader is handing over to another node")
			continue
		}
		r.pending.push(pending{index: first + raft.Index(i), term: term, conn: q.from, id: q.id, bytes: len(q.command)})
	}
	clear(r.commands)
	clear(r.proposers)
	r.commands, r.proposers = r.commands[:0], r.proposers[:0]
	return nil
}

// nextWake is when, in real time, the loop wants a turn even if nothing comes in.
func (r *replica) nextWake(now time.Time) (time.Time, bool) {
	at, ok := r.shown.wake()
	// A deadline that is past when the clock is held would bring turn after
	// turn in which it may not be served.
	if wait, comes := r.clock.Until(r.core.Deadline()); comes && !r.wasHeld {
		if t := now.Add(wait); !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	if t, wants := r.rest.wake(); wants && (!ok || t.Before(at)) {
		at, ok = t, true
	}
	return at, ok
}

// alarm is a timer that is moved only when it would ring too late. Deadlines
// move away all the time (every heartbeat moves one); ringing early now and
// then costs less than moving a timer each time.
type alarm struct {
	timer *time.Timer
	at    time.Time
	armed bool
}

func newAlarm() *alarm {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &alarm{timer: t}
}

func (a *alarm) set(at time.Time, ok bool) {
	if !ok || a.armed && !at.Before(a.at) {
		return
	}
	a.at, a.armed = at, true
	a.timer.Reset(time.Until(at))
}

func (a *alarm) rang() { a.armed = false }
func (a *alarm) stop() { a.timer.Stop() }
