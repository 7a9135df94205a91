package proxy

import (
	"container/heap"
	"errors"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/raft"
)

// schedule wakes links when their first waiting frame is due: one heap, one
// alarm, one goroutine for all of them. A lane's mu may be held when it is
// called; it never calls a lane while it holds its own.
type schedule struct {
	clock *clock.Clock
	alarm *alarm

	mu     sync.Mutex
	lanes  wakes
	lead   lead
	rings  time.Time // what the alarm is set to
	fired  time.Time // when it last looked for what is due
	awake  bool      // it has stayed awake since
	due    []*lane   // scratch of fire
	closed bool
}

// wake is a lane's place in the schedule.
type wake struct {
	due   raft.Time
	place int // in the heap
}

const notScheduled = -1

func newSchedule(c *clock.Clock) (*schedule, error) {
	a, err := newAlarm()
	if err != nil {
		return nil, err
	}
	return &schedule{clock: c, alarm: a}, nil
}

// add wakes l at due, which may be past. l must not be scheduled already.
func (s *schedule) add(l *lane, due raft.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.wake.due = due
	heap.Push(&s.lanes, l)
	if l.wake.place == 0 {
		s.arm(time.Now())
	}
}

// restart waits anew: the clock was set.
func (s *schedule) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arm(time.Now())
}

// arm sets the alarm for the lane that is due first, and tells whether that is
// so soon that it is not worth sleeping. On a held clock nothing is due, not even
// what was due before it was held: to wait for that would be to spin.
func (s *schedule) arm(now time.Time) (soon bool) {
	if s.closed || len(s.lanes) == 0 || s.clock.Held() {
		return false
	}
	wait, comes := s.clock.Until(s.lanes[0].wake.due)
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

// fire starts the delivery of every lane that is due, and tells whether to
// stay awake for the next.
func (s *schedule) fire() bool {
	s.mu.Lock()
	now := time.Now()
	s.lead.spent(now.Sub(s.fired))
	s.fired = now
	if lab := s.clock.Setting(); !lab.Held {
		for len(s.lanes) > 0 && s.lanes[0].wake.due <= lab.At {
			s.due = append(s.due, heap.Pop(&s.lanes).(*lane))
		}
	}
	s.awake = s.arm(now)
	stay, due := s.awake, s.due
	s.mu.Unlock()

	for i, l := range due {
		l.kick()
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

// wakes is a heap of lanes by when they are due.
type wakes []*lane

func (w wakes) Len() int           { return len(w) }
func (w wakes) Less(i, j int) bool { return w[i].wake.due < w[j].wake.due }

func (w wakes) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].wake.place, w[j].wake.place = i, j
}

func (w *wakes) Push(x any) {
	l := x.(*lane)
	l.wake.place = len(*w)
	*w = append(*w, l)
}

func (w *wakes) Pop() any {
	old := *w
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*w = old[:len(old)-1]
	l.wake.place = notScheduled
	return l
}
