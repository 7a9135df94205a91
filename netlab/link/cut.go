package link

// DroppedByCut is the reason of a frame that a cut stopped.
const DroppedByCut Reason = "cut"

// Cut is true when the link carries nothing.
type Cut bool

func (c Cut) judge(v *Verdict) {
	if c {
		v.drop(DroppedByCut)
	}
}
