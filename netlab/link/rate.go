package link

import (
	"fmt"
	"time"

	"github.com/raftlab/raftlab/raft"
)

// Rate is how fast a link takes bytes, as a token bucket in lab time: Bytes
// tokens come in each second, the bucket has room for Burst of them, and a frame
// goes when there is one for each of its bytes. A frame larger than the bucket
// goes once so many have come in since the frame before. With Burst 0 every
// frame takes its bytes' time.
type Rate struct {
	Bytes int64 // a second
	Burst int64
}

// rateMax is more than any machine's memory moves, and keeps the sums in range.
const rateMax = 1 << 40

func (Rate) Verb() string { return "throttle" }

func (r Rate) args() string {
	if r.Burst == 0 {
		return Size(r.Bytes) + "/s"
	}
	return Size(r.Bytes) + "/s --burst " + Size(r.Burst)
}

func (r Rate) validate() error {
	switch {
	case r.Bytes < 1 || r.Bytes > rateMax:
		return fmt.Errorf("a rate of %d bytes a second: it is between 1 and %d; a cut stops everything", r.Bytes, int64(rateMax))
	case r.Burst < 0 || r.Burst > rateMax:
		return fmt.Errorf("a burst of %d bytes: it is between 0 and %d", r.Burst, int64(rateMax))
	}
	return nil
}

func (Rate) kind() uint64 { return drawRate }

const second = uint64(time.Second)

// judge keeps the bucket as the time at which it will be full again less the
// time it takes to fill it: when all that was sent is through. That is exact: what
// a division leaves over is kept.
func (r Rate) judge(c *call) {
	s, rate := c.s, uint64(r.Bytes)
	fill := raft.Time(min(float64(r.Burst)*float64(second)/float64(rate), float64(queueMax)))
	if full := c.f.Left - fill; !s.begun || s.end < full {
		s.begun, s.end, s.rest = true, full, 0
	}
	work := uint64(c.f.Bytes)*second + s.rest
	s.end += raft.Time(work / rate)
	s.rest = work % rate
	s.end = min(s.end, c.f.Left+raft.Time(queueMax))
	if s.end > c.v.Due {
		c.v.Due = s.end
		s.hits.Acted++
	}
}

// queueMax bounds how far ahead of the clock a throttled link can be busy.
const queueMax = 365 * DelayMax

func (r Rate) equal(o Effect) bool { return o == Effect(r) }
