package clock

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftlab/raftlab/raft"
)

const second = raft.Time(time.Second)

func TestClockRunsAtItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Setting{At: 5 * second, Rate: 0.1})
		time.Sleep(10 * time.Second)
		if got, want := c.Now(), 6*second; got != want {
			t.Errorf("after 10 s at 0.1 from 5 s: %v, want %v", got, want)
		}
		if d, ok := c.Until(7 * second); !ok || d != 10*time.Second {
			t.Errorf("Until(7 s) = %v, %v, want 10s, true", d, ok)
		}
		time.Sleep(10 * time.Second)
		if got, want := c.Now(), 7*second; got != want {
			t.Errorf("after the wait Until gave: %v, want %v", got, want)
		}
	})
}

func TestHeldClockStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Setting{Rate: 1})
		time.Sleep(time.Second)
		changed := c.Changed()
		s := c.Adjust(1, true)
		if s.At != second {
			t.Errorf("hold at %v, want %v", s.At, second)
		}
		select {
		case <-changed:
		default:
			t.Error("hold woke nobody")
		}
		time.Sleep(time.Hour)
		if got := c.Now(); got != second {
			t.Errorf("held for an hour: %v, want %v", got, second)
		}
		if _, ok := c.Until(2 * second); ok {
			t.Error("Until says a held clock gets there")
		}
		c.Adjust(2, false)
		time.Sleep(time.Second)
		if got := c.Now(); got != 3*second {
			t.Errorf("a second at rate 2 after release: %v, want %v", got, 3*second)
		}
	})
}

// A node hears of a hold a little late, so the lab names a time the node has
// passed already. It must stand, not jump back.
func TestClockNeverGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Setting{Rate: 1})
		time.Sleep(2 * time.Second)
		c.Now()
		c.Set(Setting{At: second, Rate: 1})
		if got := c.Now(); got != 2*second {
			t.Errorf("set back: %v, want it to stand at %v", got, 2*second)
		}
		if d, ok := c.Until(3 * second); !ok || d != 2*time.Second {
			t.Errorf("Until(3 s) = %v, %v, want 2s, true", d, ok)
		}
		time.Sleep(2 * time.Second)
		if got := c.Now(); got != 3*second {
			t.Errorf("after it caught up: %v, want %v", got, 3*second)
		}
	})
}

// A step moves a held clock, never one that runs, and never back.
func TestClockAdvancesWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Setting{At: second, Rate: 2})
		if c.Advance(5 * second) {
			t.Error("a running clock let itself be moved")
		}
		if got := c.Now(); got != second {
			t.Errorf("it shows %v, want %v", got, second)
		}
		c.Adjust(2, true)
		changed := c.Changed()
		if !c.Advance(3*second) || c.Now() != 3*second {
			t.Errorf("moved to %v, want %v", c.Now(), 3*second)
		}
		select {
		case <-changed:
		default:
			t.Error("the move woke nobody")
		}
		if !c.Advance(2*second) || c.Now() != 3*second {
			t.Errorf("moved back to %v, want it to stay at %v", c.Now(), 3*second)
		}
		if got, want := c.Setting(), (Setting{At: 3 * second, Rate: 2, Held: true}); got != want {
			t.Errorf("setting %+v, want %+v", got, want)
		}
		c.Adjust(2, false)
		time.Sleep(time.Second)
		if got := c.Now(); got != 5*second {
			t.Errorf("a second at rate 2 after it: %v, want %v", got, 5*second)
		}
	})
}

// One that runs by another time knows nothing of the machine's.
func TestClockRunsByAnotherTime(t *testing.T) {
	at := time.Unix(0, 0)
	c := NewOn(func() time.Time { return at }, Setting{Rate: 2})
	at = at.Add(time.Second)
	if got, want := c.Now(), 2*second; got != want {
		t.Errorf("after a second at rate 2: %v, want %v", got, want)
	}
	if d, ok := c.Until(6 * second); !ok || d != 2*time.Second {
		t.Errorf("Until(6 s) = %v, %v, want 2s, true", d, ok)
	}
	c.Adjust(1, true)
	at = at.Add(time.Hour)
	if got, want := c.Now(), 2*second; got != want {
		t.Errorf("held for an hour: %v, want %v", got, want)
	}
}
