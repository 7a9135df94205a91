// Package clock is the lab clock: the only time that nodes and the network
// know. It runs at any rate, stands when held, and never goes back. The lab
// owns one and tells it to the nodes, each of which follows on a Clock of its
// own.
package clock

import (
	"math"
	"sync"
	"time"

	"github.com/raftlab/raftlab/raft"
)

// Setting is what a clock is told: at lab time At it runs at Rate seconds of
// lab time for each second, or stands when Held. Rate is kept while held.
type Setting struct {
	At   raft.Time `msgpack:"at"`
	Rate float64   `msgpack:"rate"`
	Held bool      `msgpack:"held"`
}

// Clock is a lab clock. Its methods may be called from any goroutine.
type Clock struct {
	source  func() time.Time // what it runs by
	mu      sync.Mutex
	setting Setting
	base    time.Time // when setting took effect
	last    raft.Time // the latest time ever shown
	changed chan struct{}
}

// New returns a clock with this setting, from now on.
func New(s Setting) *Clock { return NewOn(time.Now, s) }

// NewOn returns a clock that runs by another time than that of the machine: the
// real time of its methods is what source tells, which never goes back.
func NewOn(source func() time.Time, s Setting) *Clock {
	return &Clock{source: source, setting: s, base: source(), last: s.At, changed: make(chan struct{})}
}

// Now returns the lab time. It never goes back, also not when Set names an
// earlier time: then it stands until the clock has caught up.
func (c *Clock) Now() raft.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() raft.Time {
	if !c.setting.Held {
		t := c.setting.At + raft.Time(float64(c.source().Sub(c.base))*c.setting.Rate)
		c.last = max(c.last, t)
	}
	return c.last
}

// Set changes the clock from this instant on and wakes everyone who waits on
// Changed.
func (c *Clock) Set(s Setting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now()
	c.setting, c.base = s, c.source()
	if s.At > c.last {
		c.last = s.At
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// Adjust changes rate and hold at the clock's own present time and returns
// the setting that tells other clocks the same.
func (c *Clock) Adjust(rate float64, held bool) Setting {
	c.mu.Lock()
	s := Setting{At: c.now(), Rate: rate, Held: held}
	c.setting, c.base = s, c.source()
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	return s
}

// Advance moves a held clock on to t, if that is later than what it shows, and
// tells whether it is held. One that runs is left alone.
func (c *Clock) Advance(t raft.Time) (held bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.setting.Held {
		return false
	}
	if t > c.last {
		c.setting.At, c.last = t, t
		close(c.changed)
		c.changed = make(chan struct{})
	}
	return true
}

// Setting returns the present setting, with At as of now.
func (c *Clock) Setting() Setting {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Setting{At: c.now(), Rate: c.setting.Rate, Held: c.setting.Held}
}

// Held tells whether the clock stands.
func (c *Clock) Held() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.setting.Held
}

// Until returns how long to wait in real time until lab time t, and whether
// that time comes at all as the clock is set now. The wait is 0 when t is
// past. Whoever waits starts over when Changed is closed.
func (c *Clock) Until(t raft.Time) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if t <= now {
		return 0, true
	}
	if c.setting.Held || t == raft.Never {
		return 0, false
	}
	// From the setting, not from now: now may stand still until the setting
	// has caught up with a time shown before.
	at := float64(t-c.setting.At)/c.setting.Rate - float64(c.source().Sub(c.base))
	if at >= math.MaxInt64 {
		return 0, false
	}
	return time.Duration(math.Ceil(max(at, 0))), true
}

// Changed returns a channel that is closed when the clock is next set.
func (c *Clock) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}
