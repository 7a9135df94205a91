package link

import (
	"fmt"
	"time"

	"github.com/raftlab/raftlab/raft"
)

// DelayMax bounds how long a frame can take.
const DelayMax = raft.Duration(24 * time.Hour)

// Delay is how long a frame is under way, in lab time: uniformly distributed
// over Mean ± Jitter, both ends included, each frame on its own. What would
// come out below zero is zero, so that a Jitter over Mean piles up there.
//
// Frames keep their order: one that draws less than the frame before it arrives
// right behind that one.
type Delay struct {
	Mean   raft.Duration
	Jitter raft.Duration
}

func (d Delay) validate() error {
	for _, x := range []struct {
		name  string
		value raft.Duration
	}{{"delay", d.Mean}, {"jitter", d.Jitter}} {
		if x.value < 0 || x.value > DelayMax {
			return fmt.Errorf("a %s of %v: it is between 0 and %v",
				x.name, time.Duration(x.value), time.Duration(DelayMax))
		}
	}
	return nil
}

func (d Delay) judge(seed uint64, f *Frame, v *Verdict) {
	flight := d.Mean
	if d.Jitter > 0 {
		width := 2*uint64(d.Jitter) + 1
		flight += raft.Duration(below(draw(seed, f, drawDelay), width)) - d.Jitter
	}
	v.Due += raft.Time(max(flight, 0))
}
