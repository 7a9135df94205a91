package netlab

import (
	"context"
	"sync"
	"time"

	"github.com/raftlab/raftlab/raft"
)

// tasks is how the lab's work goes on side by side, and how it waits. Everything
// in this package that waits for something does it by these, so that a lab whose
// time is virtual can decide who goes on when.
type tasks interface {
	// spawn runs f beside who calls it. finish waits for all that were spawned.
	spawn(f func())
	finish()

	// await parks its caller until one of the things in w has come: nil; or until
	// ctx has ended: its cause; or until the lab does: errStopping.
	await(ctx context.Context, w wake) error
	// attend parks its caller until done is closed, also while the lab ends.
	attend(done <-chan struct{})

	// request runs f as a task for somebody outside, and returns when it has ended.
	// The error is errStopping, when nothing is run any more.
	request(ctx context.Context, f func()) error

	// within returns a context that ends after a real time, withinLab one that
	// ends after about a lab time.
	within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
	withinLab(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)

	// now is real time: what passes for it in a lab whose time is virtual.
	now() time.Time
}

// wake is what somebody waits for: whichever of it comes first.
type wake struct {
	on    channels
	at    raft.Time     // lab time, as the clock is set now; 0 is none
	after time.Duration // real time; 0 is none
}

// channels wake somebody when they are closed or have something to receive;
// those that are nil never do.
type channels [3]<-chan struct{}

// goroutines are the tasks of a lab in real time.
type goroutines struct{ lab *lab }

func (g goroutines) spawn(f func()) { g.lab.running.Go(f) }
func (g goroutines) finish()        { g.lab.running.Wait() }

func (g goroutines) await(ctx context.Context, w wake) error {
	var alarm <-chan time.Time
	wait, rings := w.after, w.after > 0
	if w.at != 0 {
		if d, comes := g.lab.clock.Until(w.at); comes && (!rings || d < wait) {
			wait, rings = d, true
		}
	}
	if rings {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-w.on[0]:
	case <-w.on[1]:
	case <-w.on[2]:
	case <-alarm:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-g.lab.ctx.Done():
		return errStopping
	}
	return nil
}

func (goroutines) request(_ context.Context, f func()) error {
	f()
	return nil
}

func (goroutines) attend(done <-chan struct{}) { <-done }

func (goroutines) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}

// withinLab looks at the lab clock seldom and in real time: its end is to end
// what hangs, not to be exact.
func (g goroutines) withinLab(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	deadline := g.lab.clock.Now() + raft.Time(d)
	var mu sync.Mutex
	var timer *time.Timer
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(d, func() {
		mu.Lock()
		defer mu.Unlock()
		if g.lab.clock.Now() >= deadline {
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

func (goroutines) now() time.Time { return time.Now() }

// turn is a lock whose holder may wait for other tasks: who comes meanwhile waits
// as tasks do, and gets it in the order of coming.
type turn struct {
	tasks tasks

	mu    sync.Mutex
	taken bool
	next  []chan struct{}
}

func (t *turn) Lock() {
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return
	}
	mine := make(chan struct{})
	t.next = append(t.next, mine)
	t.mu.Unlock()
	t.tasks.attend(mine)
}

func (t *turn) TryLock() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken {
		return false
	}
	t.taken = true
	return true
}

func (t *turn) Unlock() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.next) == 0 {
		t.taken = false
		return
	}
	close(t.next[0])
	t.next = t.next[1:]
}

// isClosed tells whether what a channel stands for has come: nothing is ever sent
// on it.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
