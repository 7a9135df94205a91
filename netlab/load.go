package netlab

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

const (
	loadRate, loadRateMax       = 50, 1e6
	loadClients, loadClientsMax = 8, 256
	loadKeys, loadKeysMax       = 10, 1_000_000

	// loadPatience is how long a background write is retried, in lab time,
	// before it counts as failed.
	loadPatience = 10 * time.Second
	// loadSample is how often the rate is measured.
	loadSample = 250 * time.Millisecond
)

// workload is the lab's background writer, when one runs.
type workload struct {
	mu   sync.Mutex
	now  *writers
	last *writers // the one before, which has ended or is ending
}

// writers are clients that put keys at a common rate on the lab clock: held,
// they stand.
type writers struct {
	rate     float64
	clients  int
	until    raft.Time // raft.Never: until stopped
	done     atomic.Uint64
	failed   atomic.Uint64
	perSec   atomic.Uint64 // over the last second, in real time
	cancel   context.CancelFunc
	finished chan struct{} // closed when all clients are

	mu    sync.Mutex
	turns uint64    // given out
	base  uint64    // the turn that was due at start
	start raft.Time // all others are, at the rate, after that
}

// status is what runs now, and how what ran last came out; nil when there is none.
func (w *workload) status() (now, last *LoadStatus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now.status(), w.last.status()
}

func (w *writers) status() *LoadStatus {
	if w == nil {
		return nil
	}
	s := &LoadStatus{Rate: w.rate, Clients: w.clients, Done: w.done.Load(), Failed: w.failed.Load(), PerSec: float64(w.perSec.Load())}
	if w.until != raft.Never {
		s.UntilNS = int64(w.until)
	}
	return s
}

// endLoad stops what runs and waits for it.
func (l *lab) endLoad() *writers {
	w := &l.workload
	w.mu.Lock()
	n := w.now
	if n != nil {
		w.now, w.last = nil, n
	}
	w.mu.Unlock()
	if n != nil {
		n.cancel()
		l.attend(n.finished)
	}
	return n
}

// load starts and stops background writes.
func (l *lab) load(ctx context.Context, op *Op) (*OpResult, error) {
	if op.Stop {
		return l.stopLoad(op), nil
	}
	w, keys, err := newWriters(op)
	if err != nil {
		return nil, err
	}
	w.start = l.clock.Now()
	if op.For > 0 {
		w.until = w.start + raft.Time(op.For)
	}
	before := l.endLoad()
	writing, cancel := context.WithCancel(l.ctx)
	w.cancel = cancel
	l.workload.mu.Lock()
	if l.workload.now != nil || l.ctx.Err() != nil {
		l.workload.mu.Unlock()
		cancel()
		return nil, Errorf(ExitConflict, "somebody else has just started background writes").WithHint("raftlab load stop")
	}
	l.workload.now = w
	l.workload.mu.Unlock()
	l.spawn(func() { l.runLoad(writing, w, keys) })

	res := &OpResult{Text: fmt.Sprintf("background writes: %g a second of lab time by %d clients over %d keys", w.rate, w.clients, keys)}
	if op.For > 0 {
		res.Text += fmt.Sprintf(", for %v", op.For)
	}
	if before != nil {
		res.note(fmt.Sprintf("they replace those before: %s", before.score()))
	}
	if l.clock.Held() {
		res.note(`the lab clock is held: they begin with "raftlab release"`)
	}
	l.mu.Lock()
	res.Event = l.event(Event{Kind: EventClient, Text: res.Text, Line: op.Line})
	l.mu.Unlock()
	if !op.Await {
		return res, nil
	}
	if err := l.await(ctx, wake{on: channels{w.finished}}); err != nil && !isClosed(w.finished) {
		return nil, Errorf(ExitTimeout, "load: nobody waits for it any more: %v", err).WithHint("raftlab load stop")
	}
	res.Text = "background writes are over: " + w.score()
	return res, nil
}

func (l *lab) stopLoad(op *Op) *OpResult {
	w := l.endLoad()
	if w == nil {
		return &OpResult{Text: "no background writes run"}
	}
	res := &OpResult{Text: "background writes stopped: " + w.score()}
	l.mu.Lock()
	defer l.mu.Unlock()
	res.Event = l.event(Event{Kind: EventClient, Text: res.Text, Line: op.Line})
	return res
}

func (w *writers) score() string {
	return fmt.Sprintf("%d done, %d failed", w.done.Load(), w.failed.Load())
}

func newWriters(op *Op) (w *writers, keys int, err error) {
	w = &writers{rate: op.Rate, clients: op.Clients, until: raft.Never, finished: make(chan struct{})}
	keys = op.Keys
	if w.rate == 0 {
		w.rate = loadRate
	}
	if w.clients == 0 {
		w.clients = loadClients
	}
	if keys == 0 {
		keys = loadKeys
	}
	switch {
	case !(w.rate > 0 && w.rate <= loadRateMax):
		return nil, 0, Errorf(ExitUsage, "background writes come more than 0 and at most %g times a second, not %g", float64(loadRateMax), w.rate).WithHint("raftlab load --rate 50")
	case w.clients < 0 || w.clients > loadClientsMax:
		return nil, 0, Errorf(ExitUsage, "background writes have 1 to %d clients, not %d", loadClientsMax, w.clients).WithHint("raftlab load --clients 8")
	case keys < 0 || keys > loadKeysMax:
		return nil, 0, Errorf(ExitUsage, "background writes go to 1 to %d keys, not %d", loadKeysMax, keys).WithHint("raftlab load --keys 10")
	case op.For < 0:
		return nil, 0, Errorf(ExitUsage, "background writes cannot last %v", op.For).WithHint("raftlab load --for 30s")
	}
	return w, keys, nil
}

// runLoad writes until ctx or the load's time ends.
func (l *lab) runLoad(ctx context.Context, w *writers, keys int) {
	defer close(w.finished)
	defer w.cancel()
	measured, stop := context.WithCancel(ctx)
	defer stop()
	var ends []chan struct{}
	beside := func(f func()) {
		end := make(chan struct{})
		ends = append(ends, end)
		l.spawn(func() {
			defer close(end)
			f()
		})
	}
	for i := range w.clients {
		beside(func() { l.writeLoad(ctx, w, fmt.Sprintf("load %d", i+1), keys) })
	}
	beside(func() { l.meterLoad(measured, w) })
	for i, end := range ends {
		if i == w.clients { // the meter's
			stop()
		}
		l.attend(end)
	}
	// When its time ran out nobody has taken it away yet.
	l.workload.mu.Lock()
	over := l.workload.now == w
	if over {
		l.workload.now, l.workload.last = nil, w
	}
	l.workload.mu.Unlock()
	if over && l.ctx.Err() == nil {
		l.mu.Lock()
		l.event(Event{Kind: EventClient, Text: "background writes are over: " + w.score()})
		l.mu.Unlock()
	}
}

// writeLoad is one client's part.
func (l *lab) writeLoad(ctx context.Context, w *writers, who string, keys int) {
	c := l.newClient(l.clients.Add(1), l.clientNodes)
	defer c.Close()
	for {
		turn, ok := l.nextTurn(ctx, w)
		if !ok {
			return
		}
		timed, cancel := l.withinLab(ctx, loadPatience)
		_, err := l.history.do(timed, who, c, wire.Request{
			Op:    wire.OpPut,
			Key:   strconv.AppendUint([]byte("load"), turn%uint64(keys)+1, 10),
			Value: strconv.AppendUint(nil, turn, 10),
		})
		cancel()
		switch {
		case err == nil:
			w.done.Add(1)
		case ctx.Err() == nil:
			w.failed.Add(1)
		}
	}
}

// nextTurn waits for the next turn; false when there is none.
func (l *lab) nextTurn(ctx context.Context, w *writers) (turn uint64, ok bool) {
	turn, due := w.take(l.clock.Now())
	return turn, l.reach(ctx, min(due, w.until)) && l.clock.Now() < w.until
}

// take gives out the next turn and when it is due, at the load's rate on the lab
// clock. When the clients cannot keep up it waits for them, and what they missed
// is not caught up with.
func (w *writers) take(now raft.Time) (turn uint64, due raft.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	turn = w.turns
	w.turns++
	due = w.start + raft.Time(float64(turn-w.base)*float64(time.Second)/w.rate)
	if now-due > raft.Time(time.Second) {
		w.start, w.base, due = now, turn, now
	}
	return turn, due
}

// meterLoad measures the rate.
func (l *lab) meterLoad(ctx context.Context, w *writers) {
	var samples [int(time.Second/loadSample) + 1]uint64 // the last second's, oldest first
	for l.await(ctx, wake{after: loadSample}) == nil {
		if l.clock.Held() {
			continue // it stays as it was
		}
		copy(samples[:], samples[1:])
		samples[len(samples)-1] = w.done.Load()
		w.perSec.Store(samples[len(samples)-1] - samples[0])
		l.mu.Lock()
		l.touchLab()
		l.mu.Unlock()
	}
}
