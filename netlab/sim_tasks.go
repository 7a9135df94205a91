package netlab

import (
	"context"
	"iter"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftlab/raftlab/raft"
)

// A simulated lab has one thread. Its tasks are coroutines, of which exactly one
// runs at a time, until it waits. When none can go on, the thread lets the world do
// its next thing, or moves time on to what somebody waits for, whichever comes
// first. So a run depends on nothing but what is asked of it.
//
// Real time, where tasks speak of it, is virtual, too: it passes as the thread
// says, and the lab clock runs by it. How far it may pass tells the two ways apart
// to run such a lab. A paced one keeps up with the machine's time. A driven one
// stands, unless somebody outside waits for something: then it goes as fast as it
// can.

// coroutines are the tasks of a simulated lab, and its thread.
type coroutines struct {
	sim    *simulation
	driven bool
	epoch  time.Time    // what real time begins with
	passed atomic.Int64 // real time since then, in ns

	list    []*task // those that have not ended, in the order they came
	current *task
	asked   int     // how many of them somebody outside waits for
	ending  []*task // of those, ones that have ended, and nobody was told yet
	alarms  []*alarm
	stirred bool  // somebody may be able to go on
	soonest int64 // when somebody can at the latest, as the clock is set; -1 when not known

	limit int64     // paced: how far real time may pass by now
	wall  time.Time // paced: the machine's, as limit has it

	bell   chan struct{}
	mu     sync.Mutex
	inbox  []*task // what others want done
	closed bool    // nothing more is
}

// task is something that is done between waits.
type task struct {
	f     func()
	next  func() (struct{}, bool)
	yield func(struct{}) bool
	done  chan struct{} // closed when somebody who asked for it may know that it has ended; nil when nobody did

	// What it waits for.
	wake  wake
	ended <-chan struct{} // of a context; nil when it does not end by any, nor with the lab
	until int64           // real time
}

// alarm ends a context.
type alarm struct {
	until int64     // real time
	at    raft.Time // lab time, if not 0
	end   context.CancelCauseFunc
}

const (
	ever = math.MaxInt64
	// paceLag is how far a machine may fall behind before what it cannot do in time
	// is not done later, but makes the lab slower than it should be.
	paceLag = 50 * time.Millisecond
)

func newCoroutines(s *simulation, driven bool) *coroutines {
	c := &coroutines{sim: s, driven: driven, epoch: time.Unix(0, 0).UTC(), soonest: -1, bell: make(chan struct{}, 1)}
	if !driven {
		c.wall = time.Now()
		c.epoch = c.wall
	}
	return c
}

func (c *coroutines) now() time.Time { return c.epoch.Add(time.Duration(c.passed.Load())) }

// spawn has a task begin when the thread comes to it. Only tasks and the thread
// call it.
func (c *coroutines) spawn(f func()) { c.begin(&task{f: f}) }

func (c *coroutines) begin(t *task) {
	t.next, _ = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		t.f()
	})
	t.until = c.passed.Load()
	c.list = append(c.list, t)
	c.stirred = true
}

// finish has nothing to wait for: the thread ends after the last task.
func (c *coroutines) finish() {}

func (c *coroutines) await(ctx context.Context, w wake) error {
	t := c.current
	t.wake, t.ended, t.until = w, ctx.Done(), ever
	if t.ended == nil {
		t.ended = c.sim.lab.ctx.Done()
	}
	if w.after > 0 {
		t.until = c.passed.Load() + int64(w.after)
	}
	t.yield(struct{}{})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c.sim.lab.ctx.Err() != nil:
		return errStopping
	}
	return nil
}

func (c *coroutines) attend(done <-chan struct{}) {
	if isClosed(done) {
		return
	}
	t := c.current
	t.wake, t.ended, t.until = wake{on: channels{done}}, nil, ever
	t.yield(struct{}{})
}

func (c *coroutines) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return c.alarmed(ctx, &alarm{until: c.passed.Load() + int64(d)})
}

func (c *coroutines) withinLab(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return c.alarmed(ctx, &alarm{until: ever, at: c.sim.lab.clock.Now() + raft.Time(d)})
}

func (c *coroutines) alarmed(ctx context.Context, a *alarm) (context.Context, context.CancelFunc) {
	ctx, a.end = context.WithCancelCause(ctx)
	c.alarms = append(c.alarms, a)
	return ctx, func() {
		a.end(context.Canceled)
		c.alarms = slices.DeleteFunc(c.alarms, func(o *alarm) bool { return o == a })
	}
}

// request has the thread do f as a task and returns when it has ended, and all
// else that was to be done at that moment. It is called from outside.
func (c *coroutines) request(ctx context.Context, f func()) error {
	t := &task{f: f, done: make(chan struct{})}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return errStopping
	}
	c.inbox = append(c.inbox, t)
	c.mu.Unlock()
	c.ring()
	// Who gives up does that by ending the context that f waits with.
	defer context.AfterFunc(ctx, c.ring)()
	if c.sim.inline {
		c.run(func() bool { return isClosed(t.done) })
	}
	<-t.done
	return nil
}

// close lets the thread end after the last task.
func (c *coroutines) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.ring()
}

// ring has the thread look up.
func (c *coroutines) ring() {
	select {
	case c.bell <- struct{}{}:
	default:
	}
}

// idle tells whether nothing more is to be done, ever.
func (c *coroutines) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed && len(c.list) == 0 && len(c.inbox) == 0
}

// run is the thread, until over says so.
func (c *coroutines) run(over func() bool) {
	for {
		select {
		case <-c.bell:
			c.answerBell()
		default:
		}
		if c.stirred {
			c.stirred = false
			c.goOn()
			continue
		}
		at, what := c.comes()
		if at > c.passed.Load() {
			// All that there was to do at this moment is done. Who asked for some of it
			// sees the lab as it is now.
			if (len(c.ending) > 0 || c.driven && c.asked == 0) && c.sim.tell() {
				continue
			}
			c.release()
			if over() {
				return
			}
			if !c.allowed(at) {
				c.rest(at)
				continue
			}
			c.passed.Store(at)
		}
		switch what {
		case worldComes:
			c.sim.step()
		default:
			if c.sim.tellAt <= c.passed.Load() {
				c.sim.tell()
			}
			c.ringAlarms()
			c.stirred = true
		}
	}
}

func (c *coroutines) answerBell() {
	c.mu.Lock()
	inbox := c.inbox
	c.inbox = nil
	c.mu.Unlock()
	for _, t := range inbox {
		c.asked++
		c.begin(t)
	}
	c.stirred = true
}

// release tells those who asked for something that it is done.
func (c *coroutines) release() {
	for _, t := range c.ending {
		close(t.done)
	}
	c.asked -= len(c.ending)
	c.ending = c.ending[:0]
}

// goOn lets those tasks go on that can, in the order they came, until none can.
func (c *coroutines) goOn() {
	for again := true; again; {
		again = false
		for i := 0; i < len(c.list); i++ {
			t := c.list[i]
			if !c.ready(t) {
				continue
			}
			if !again {
				c.sim.catchUp()
				again = true
			}
			c.current = t
			_, waits := t.next()
			c.current = nil
			if waits {
				continue
			}
			if t.done != nil {
				c.ending = append(c.ending, t)
			}
			t.next = nil
		}
		if again {
			c.list = slices.DeleteFunc(c.list, func(t *task) bool { return t.next == nil })
		}
	}
	c.stirred = false
	c.soonest = -1
}

// ready tells whether a task can go on.
func (c *coroutines) ready(t *task) bool {
	if t.next == nil {
		return false
	}
	for _, ch := range t.wake.on {
		if ch == nil {
			continue
		}
		select {
		case <-ch:
			return true
		default:
		}
	}
	if t.ended != nil && (isClosed(t.ended) || isClosed(c.sim.lab.ctx.Done())) {
		return true
	}
	return t.until <= c.passed.Load() || t.wake.at != 0 && t.wake.at <= c.sim.lab.clock.Now()
}

// What comes next.
type nextKind uint8

const (
	worldComes nextKind = iota
	taskComes
)

// comes is the real time of what happens next: in the world, or to somebody who
// waits for a time.
func (c *coroutines) comes() (at int64, what nextKind) {
	passed := c.passed.Load()
	if c.soonest < 0 {
		c.soonest = c.soon(passed)
	}
	at, what = min(c.soonest, c.sim.tellAt), taskComes
	if next, any := c.sim.world.Next(); any {
		if d, comes := c.sim.lab.clock.Until(next); comes && passed+int64(d) <= at && !c.sim.lab.clock.Held() {
			return passed + int64(d), worldComes
		}
	}
	return at, what
}

func (c *coroutines) soon(passed int64) int64 {
	at := int64(ever)
	consider := func(real int64, lab raft.Time) {
		at = min(at, real)
		if lab == 0 {
			return
		}
		if d, comes := c.sim.lab.clock.Until(lab); comes {
			at = min(at, passed+int64(d))
		}
	}
	for _, t := range c.list {
		consider(t.until, t.wake.at)
	}
	for _, a := range c.alarms {
		consider(a.until, a.at)
	}
	return max(at, passed)
}

// ringAlarms ends the contexts whose time has come.
func (c *coroutines) ringAlarms() {
	passed, now := c.passed.Load(), c.sim.lab.clock.Now()
	c.alarms = slices.DeleteFunc(c.alarms, func(a *alarm) bool {
		if a.until > passed && (a.at == 0 || a.at > now) {
			return false
		}
		a.end(context.DeadlineExceeded)
		return true
	})
}

// allowed tells whether real time may pass up to at.
func (c *coroutines) allowed(at int64) bool {
	if c.driven {
		return c.asked > 0 && at != ever
	}
	wall := time.Now()
	c.limit += int64(wall.Sub(c.wall))
	c.wall = wall
	if at != ever {
		c.limit = min(c.limit, at+int64(paceLag))
	}
	return at <= c.limit
}

// rest waits until something can happen, which is at a real time, or somebody
// asks for something.
func (c *coroutines) rest(at int64) {
	if c.driven {
		<-c.bell
		c.answerBell()
		return
	}
	var alarm <-chan time.Time
	if at != ever {
		timer := time.NewTimer(time.Duration(at - c.limit))
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-c.bell:
		if !c.allowed(at) {
			c.passed.Store(c.limit)
		}
		c.answerBell()
	case <-alarm:
	}
}
