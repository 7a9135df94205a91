package link

import (
	"github.com/raftlab/raftlab/raft"
)

// Rules are all faults set on one directed link. The zero Rules let every frame
// through at once. Two equal Rules are the same rules.
type Rules struct {
	Wall  Wall
	Cut   Cut
	Loss  Loss
	Delay Delay
}

// Validate says what is wrong with rules that make no sense.
func (r Rules) Validate() error {
	if err := r.Loss.validate(); err != nil {
		return err
	}
	return r.Delay.validate()
}

// Frame is what a verdict may depend on.
type Frame struct {
	From, To raft.NodeID
	Number   uint64 // on its link, from 1
	Bytes    int    // as it is on the wire
	Left     raft.Time
}

// Reason says why a frame does not arrive; empty when it does.
type Reason string

// Verdict is what becomes of a frame.
type Verdict struct {
	Drop Reason
	// Due is when it arrives, or when it would have, were it not dropped.
	Due raft.Time
}

// State is what a link's next verdict needs to know of those before it. The
// zero State is that of a link that has carried nothing.
type State struct {
	// LastDue is the latest Due of a frame that was let through. A link is a TCP
	// connection: no frame overtakes another.
	LastDue raft.Time
}

// Judge decides what happens to f as it enters the link, and returns the state
// to judge the next one with.
func Judge(r Rules, seed uint64, f Frame, s State) (Verdict, State) {
	v := Verdict{Due: f.Left}
	r.Wall.judge(&v)
	r.Cut.judge(&v)
	r.Loss.judge(seed, &f, &v)
	r.Delay.judge(seed, &f, &v)

	v.Due = max(v.Due, s.LastDue)
	if v.Drop == "" {
		s.LastDue = v.Due
	}
	return v, s
}

// JudgeArrival decides again, at the moment a frame would arrive: what stands
// across the link by then stops what is still under way. Chance has had its say
// when the frame entered.
func JudgeArrival(r Rules) Reason {
	var v Verdict
	r.Wall.judge(&v)
	r.Cut.judge(&v)
	return v.Drop
}

// drop gives a reason, unless there is one already: the first layer that stops
// a frame is why it was lost.
func (v *Verdict) drop(why Reason) {
	if v.Drop == "" {
		v.Drop = why
	}
}
