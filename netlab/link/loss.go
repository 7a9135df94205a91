package link

import (
	"fmt"
	"math"
	"strconv"
)

// DroppedByLoss is the reason of a frame that was lost by chance.
const DroppedByLoss Reason = "loss"

// Loss is by chance. Share is the part of the frames that get lost, 0 to 1.
//
// Without Burst each frame is lost on its own. With it frames are lost one
// after the other, Burst of them on average, which is 1 at least, and Share in
// the long run: the model of Gilbert and Elliott ("Capacity of a burst-noise
// channel", 1960; "Estimates of error rates for codes on burst-noise channels",
// 1963), a chain of two states, in one of which all frames pass and in the other
// none does.
type Loss struct {
	Share float64
	Burst float64
}

func (Loss) Verb() string { return "lose" }

func (l Loss) args() string {
	if l.Burst == 0 {
		return Percent(l.Share)
	}
	return Percent(l.Share) + " --burst " + strconv.FormatFloat(l.Burst, 'g', -1, 64)
}

func (l Loss) validate() error {
	if err := checkShare("loss", l.Share); err != nil {
		return err
	}
	switch {
	case l.Burst == 0:
	case !(l.Burst >= 1 && l.Burst <= burstMax):
		return fmt.Errorf("bursts of %g frames: a burst is 1 to %g of them", l.Burst, float64(burstMax))
	case l.begins() > 1:
		// One frame passes between two bursts at least.
		return fmt.Errorf("a loss of %s in bursts of %g frames: at most %s can be lost in such bursts",
			Percent(l.Share), l.Burst, Percent(math.Floor(l.Burst/(l.Burst+1)*1e4)/1e4))
	}
	return nil
}

const burstMax = 1e6

// begins is the probability that a burst begins behind a frame that passed:
// what makes Share stationary, since a burst ends behind each of its frames with
// the probability 1/Burst.
func (l Loss) begins() float64 { return l.Share / (1 - l.Share) / l.Burst }

func (Loss) kind() uint64 { return drawLoss }

func (l Loss) judge(c *call) {
	if l.Burst == 0 {
		if c.chance(l.Share) {
			c.drop(DroppedByLoss)
		}
		return
	}
	s := c.s
	switch {
	case !s.begun:
		// As if it had been so for long.
		s.begun, s.bad = true, c.chance(l.Share)
	case s.bad:
		s.bad = c.chance(1 - 1/l.Burst)
	default:
		s.bad = c.chance(l.begins())
	}
	if s.bad {
		c.drop(DroppedByLoss)
	}
}

func (l Loss) equal(o Effect) bool { return o == Effect(l) }
