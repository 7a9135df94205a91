package netlab

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftlab/raftlab/node/clock"
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

// end stops what runs and waits for it.
func (w *workload) end() *writers {
	w.mu.Lock()
	n := w.now
	if n != nil {
		w.now, w.last = nil, n
	}
	w.mu.Unlock()
	if n != nil {
		n.cancel()
		<-n.finished
	}
	return n
}

// load starts and stops background writes.
func (l *lab) load(_ context.Context, op *Op) (*OpResult, error) {
	if op.Stop {
		return l.stopLoad(op), nil
	}
	w, keys, err := newWriters(op)
	if err != nil {
		return nil, err
	}
	if op.For > 0 {
		w.until = l.clock.Now() + raft.Time(op.For)
	}
	before := l.workload.end()
	ctx, cancel := context.WithCancel(l.ctx)
	w.cancel = cancel
	l.workload.mu.Lock()
	if l.workload.now != nil || l.ctx.Err() != nil {
		l.workload.mu.Unlock()
		cancel()
		return nil, Errorf(ExitConflict, "somebody else has just started background writes").WithHint("raftlab load stop")
	}
	l.workload.now = w
	l.workload.mu.Unlock()
	go l.runLoad(ctx, w, keys)

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
	defer l.mu.Unlock()
	res.Event = l.event(Event{Kind: EventClient, Text: res.Text, Line: op.Line})
	return res, nil
}

func (l *lab) stopLoad(op *Op) *OpResult {
	w := l.workload.end()
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
	turns := make(chan uint64)
	var clients, meter sync.WaitGroup
	for range w.clients {
		c := l.newClient(l.clients.Add(1), l.clientAddrs)
		clients.Go(func() {
			defer c.Close()
			for turn := range turns {
				timed, cancel := withLabTimeout(ctx, l.clock, loadPatience)
				_, err := c.Do(timed, wire.Request{
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
		})
	}
	measured, stop := context.WithCancel(ctx)
	meter.Go(func() { l.meterLoad(measured, w) })
	w.pace(ctx, l.clock, turns)
	close(turns)
	clients.Wait()
	stop()
	meter.Wait()
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

// pace gives out turns at the load's rate on the lab clock. When the clients
// cannot keep up it waits for them, and what they missed is not caught up with.
func (w *writers) pace(ctx context.Context, c *clock.Clock, turns chan<- uint64) {
	gap := float64(time.Second) / w.rate
	start, base := c.Now(), uint64(0)
	for n := uint64(0); ; n++ {
		due := start + raft.Time(float64(n-base)*gap)
		for {
			changed, now := c.Changed(), c.Now()
			if now >= w.until || due >= w.until && now >= due {
				return
			}
			if now >= due {
				if now-due > raft.Time(time.Second) {
					start, base = now, n
				}
				break
			}
			var alarm <-chan time.Time
			if d, ok := c.Until(min(due, w.until)); ok {
				alarm = time.After(d)
			}
			select {
			case <-alarm:
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
		select {
		case turns <- n:
		case <-ctx.Done():
			return
		}
	}
}

// meterLoad measures the rate.
func (l *lab) meterLoad(ctx context.Context, w *writers) {
	tick := time.NewTicker(loadSample)
	defer tick.Stop()
	var samples [int(time.Second/loadSample) + 1]uint64 // the last second's, oldest first
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
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

// withLabTimeout returns a context that ends when d of lab time has passed.
func withLabTimeout(ctx context.Context, c *clock.Clock, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	deadline := c.Now() + raft.Time(d)
	var mu sync.Mutex
	var timer *time.Timer
	mu.Lock()
	defer mu.Unlock()
	// Looked at seldom and in real time: it is to end what hangs, not to be exact.
	timer = time.AfterFunc(d, func() {
		mu.Lock()
		defer mu.Unlock()
		if c.Now() >= deadline {
			cancel(context.DeadlineExceeded)
			return
		}
		if ctx.Err() == nil {
			timer.Reset(time.Second)
		}
	})
	return ctx, func() {
		timer.Stop()
		cancel(context.Canceled)
	}
}
