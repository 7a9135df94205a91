package proxy

import (
	"container/heap"
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/raft"
)

// schedule wakes whoever asks for it, links whose first waiting frame is due
// most of all: one heap, one alarm, one goroutine for all of them. A sleeper's
// own lock may be held when it is called; it never calls one while it holds its
// own.
type schedule struct {
	clock *clock.Clock
	alarm *alarm

	mu     sync.Mutex
	wakes  wakes
	lead   lead
	rings  time.Time // what the alarm is set to
	fired  time.Time // when it last looked for what is due
	awake  bool      // it has stayed awake since
	due    []*wake   // scratch of fire
	closed bool
}

// wake is a place in the schedule.
type wake struct {
	due   raft.Time
	place int    // in the heap
	kick  func() // is called when due has come, once for each set
}

func newWake(kick func()) wake { return wake{place: notScheduled, kick: kick} }

const notScheduled = -1

func newSchedule(c *clock.Clock) (*schedule, error) {
	a, err := newAlarm()
	if err != nil {
		return nil, err
	}
	return &schedule{clock: c, alarm: a}, nil
}

// set has w woken at due, which may be past, and not at the time set before.
func (s *schedule) set(w *wake, due raft.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.place != notScheduled {
		if w.due == due {
			return
		}
		w.due = due
		heap.Fix(&s.wakes, w.place)
	} else {
		w.due = due
		heap.Push(&s.wakes, w)
	}
	if w.place == 0 {
		s.arm(time.Now())
	}
}

// forget takes w out.
func (s *schedule) forget(w *wake) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.place != notScheduled {
		heap.Remove(&s.wakes, w.place)
	}
}

// follow makes waits start over when the clock is set, until ctx ends.
func (s *schedule) follow(ctx context.Context) {
	for {
		changed := s.clock.Changed()
		s.restart()
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// restart waits anew: the clock was set.
func (s *schedule) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arm(time.Now())
}

// arm sets the alarm for what is due first, and tells whether that is
// so soon that it is not worth sleeping. On a held clock nothing is due, not even
// what was due before it was held: to wait for that would be to spin.
func (s *schedule) arm(now time.Time) (soon bool) {
	if s.closed || len(s.wakes) == 0 || s.clock.Held() {
		return false
	}
	wait, comes := s.clock.Until(s.wakes[0].due)
	if !comes {
		return false
	}
	early := s.lead.allowed(now)
	if s.awake && wait <= early {
		return true
	}
	wait = max(wait-early, 0)
	s.rings = now.Add(wait)
	s.alarm.set(wait)
	return false
}

func (s *schedule) run() error {
	for {
		if err := s.alarm.wait(); err != nil {
			if errors.Is(err, os.ErrClosed) {
				return nil
			}
			return err
		}
		s.rang()
		for s.fire() {
			// Deliveries that were started go first.
			runtime.Gosched()
		}
	}
}

// rang takes note of how late the alarm was.
func (s *schedule) rang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.lead.rang(now.Sub(s.rings))
	s.awake, s.fired = true, now
}

// fire wakes all that are due, and tells whether to stay awake for the next.
func (s *schedule) fire() bool {
	s.mu.Lock()
	now := time.Now()
	s.lead.spent(now.Sub(s.fired))
	s.fired = now
	if lab := s.clock.Setting(); !lab.Held {
		for len(s.wakes) > 0 && s.wakes[0].due <= lab.At {
			s.due = append(s.due, heap.Pop(&s.wakes).(*wake))
		}
	}
	s.awake = s.arm(now)
	stay, due := s.awake, s.due
	s.mu.Unlock()

	for i, w := range due {
		w.kick()
		due[i] = nil
	}
	s.due = due[:0]
	return stay
}

func (s *schedule) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.alarm.close()
}

// wakes is a heap by due time.
type wakes []*wake

func (w wakes) Len() int           { return len(w) }
func (w wakes) Less(i, j int) bool { return w[i].due < w[j].due }

func (w wakes) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].place, w[j].place = i, j
}

func (w *wakes) Push(x any) {
	k := x.(*wake)
	k.place = len(*w)
	*w = append(*w, k)
}

func (w *wakes) Pop() any {
	old := *w
	k := old[len(old)-1]
	old[len(old)-1] = nil
	*w = old[:len(old)-1]
	k.place = notScheduled
	return k
}
