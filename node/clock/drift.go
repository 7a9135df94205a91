package clock

import (
	"math"

	"github.com/raftlab/raftlab/raft"
)

// Drift is how a node's own clock runs beside the lab's: at lab time From it
// shows Shows, and from then on it runs Rate times as fast. The zero value is a
// clock that shows lab time.
type Drift struct {
	From, Shows raft.Time
	Rate        float64 // 0 stands for 1
}

func (d Drift) rate() float64 {
	if d.Rate == 0 {
		return 1
	}
	return d.Rate
}

// Own is what the clock shows at a lab time.
func (d Drift) Own(lab raft.Time) raft.Time {
	if d.rate() == 1 {
		return lab + (d.Shows - d.From)
	}
	return d.Shows + raft.Time(math.Floor(float64(lab-d.From)*d.Rate))
}

// Lab is the earliest lab time at which the clock shows own, and Never for Never.
func (d Drift) Lab(own raft.Time) raft.Time {
	switch {
	case own == raft.Never:
		return own
	case d.rate() == 1:
		return own - (d.Shows - d.From)
	}
	lab := d.From + raft.Time(math.Ceil(float64(own-d.Shows)/d.Rate))
	for d.Own(lab) < own { // what was rounded away
		lab++
	}
	return lab
}

// Setting is what a clock that drifts is to be told when the lab's is set to s.
func (d Drift) Setting(s Setting) Setting {
	return Setting{At: d.Own(s.At), Rate: s.Rate * d.rate(), Held: s.Held}
}
