package link

import "fmt"

// DroppedByLoss is the reason of a frame that was lost by chance.
const DroppedByLoss Reason = "loss"

// Loss is the share of frames that get lost, 0 to 1, each on its own.
type Loss float64

func (l Loss) validate() error {
	if l >= 0 && l <= 1 {
		return nil
	}
	return fmt.Errorf("a loss of %v is no share: it is between 0 (nothing) and 1 (everything)", float64(l))
}

func (l Loss) judge(seed uint64, f *Frame, v *Verdict) {
	if l > 0 && share(draw(seed, f, drawLoss)) < float64(l) {
		v.drop(DroppedByLoss)
	}
}
