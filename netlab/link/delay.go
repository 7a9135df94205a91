package link

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/raftlab/raftlab/raft"
)

// DelayMax bounds how long a frame can take.
const DelayMax = raft.Duration(24 * time.Hour)

// Delay is how long a frame is under way, in lab time, each frame on its own:
// Mean on average, spread by Jitter as Distribution says. What would come out
// below zero is zero, so that a Jitter over Mean piles up there, and nothing takes
// longer than DelayMax.
//
// Frames keep their order: one that draws less than the frame before it arrives
// right behind that one.
type Delay struct {
	Mean         raft.Duration
	Jitter       raft.Duration
	Distribution Distribution
	// Values are what Table draws from, each as likely as any other: to make one
	// twice as likely, give it twice. What was measured is drawn as it was
	// measured; nothing is made up between two values.
	Values []raft.Duration
}

// TableMax bounds how many values a table of delays has.
const TableMax = 256

func (Delay) Verb() string { return "slow" }

// Moments are the mean and the spread as a link's row shows them: Mean and
// Jitter, and of a table the mean of its values and their standard deviation.
func (d Delay) Moments() (mean, jitter raft.Duration) {
	if d.Distribution != Table {
		return d.Mean, d.Jitter
	}
	var sum, squares float64
	n := float64(len(d.Values))
	for _, v := range d.Values {
		sum += float64(v)
	}
	for _, v := range d.Values {
		squares += (float64(v) - sum/n) * (float64(v) - sum/n)
	}
	return raft.Duration(math.Round(sum / n)), raft.Duration(math.Round(math.Sqrt(squares / n)))
}

func (d Delay) args() string {
	if d.Distribution == Table {
		values := make([]string, len(d.Values))
		for i, v := range d.Values {
			values[i] = time.Duration(v).String()
		}
		return Table.String() + " " + strings.Join(values, ",")
	}
	s := time.Duration(d.Mean).String()
	if d.Jitter != 0 {
		s += "~" + time.Duration(d.Jitter).String()
	}
	if d.Distribution != Uniform {
		s += " " + d.Distribution.String()
	}
	return s
}

func (d Delay) validate() error {
	if err := checkDelay("delay", d.Mean); err != nil {
		return err
	}
	if err := checkDelay("jitter", d.Jitter); err != nil {
		return err
	}
	switch {
	case d.Distribution >= distributions:
		return fmt.Errorf("a distribution that there is not: there are %s", strings.Join(DistributionNames(), ", "))
	case d.Distribution == Table && (d.Mean != 0 || d.Jitter != 0):
		return fmt.Errorf("a table of delays with a delay or a jitter beside it: its values are all there is")
	case d.Distribution == Table && len(d.Values) == 0:
		return fmt.Errorf("a table of delays without a value")
	case len(d.Values) > TableMax:
		return fmt.Errorf("a table of %d delays: it has %d at most", len(d.Values), TableMax)
	case d.Distribution != Table && len(d.Values) > 0:
		return fmt.Errorf("a %v delay with a table of values: only %v draws from one", d.Distribution, Table)
	case d.Mean == 0 && d.Jitter != 0 && d.Distribution != Uniform && d.Distribution != Normal:
		return fmt.Errorf("%v delays of 0 with a jitter of %v: nothing would be left of them", d.Distribution, time.Duration(d.Jitter))
	}
	for _, v := range d.Values {
		if err := checkDelay("delay in a table", v); err != nil {
			return err
		}
	}
	return nil
}

func checkDelay(what string, d raft.Duration) error {
	if d >= 0 && d <= DelayMax {
		return nil
	}
	return fmt.Errorf("a %s of %v: it is between 0 and %v", what, time.Duration(d), time.Duration(DelayMax))
}

func (Delay) kind() uint64 { return drawDelay }

func (d Delay) judge(c *call) {
	flight := d.flight(c)
	c.v.Due += raft.Time(flight)
	if flight > 0 {
		c.s.hits.Acted++
	}
}

// flight is how long this frame takes.
func (d *Delay) flight(c *call) raft.Duration {
	var flight raft.Duration
	switch {
	case d.Distribution == Table:
		flight = d.Values[below(c.draw(useEffect), uint64(len(d.Values)))]
	case d.constant():
		flight = d.Mean
	case d.Distribution == Uniform:
		width := 2*uint64(d.Jitter) + 1
		flight = d.Mean + raft.Duration(below(c.draw(useEffect), width)) - d.Jitter
	default:
		flight = d.spread(share(c.draw(useEffect)))
	}
	return min(max(flight, 0), DelayMax)
}

// constant: every frame takes Mean.
func (d *Delay) constant() bool {
	switch d.Distribution {
	case Uniform, Normal:
		return d.Jitter == 0
	}
	return d.Mean == 0
}

func (d Delay) equal(o Effect) bool {
	e, ok := o.(Delay)
	return ok && d.Mean == e.Mean && d.Jitter == e.Jitter && d.Distribution == e.Distribution && slices.Equal(d.Values, e.Values)
}
