package link

import (
	"fmt"
	"slices"
)

// Rules are all that is set on one directed link. The zero Rules let every
// frame through at once.
type Rules struct {
	Wall Wall
	// Faults may stand in any order; among those of one effect the order counts
	// for what they draw. It is shared, not copied, so whoever changes rules makes
	// another slice, as With and Without do.
	Faults []Fault
}

// Fault is one thing that is set on a link.
type Fault struct {
	ID     uint64 // the lab's name for it, 0 for none; a verdict depends on it in no way
	Match  Match  // the frames it looks at
	Effect Effect // what it does to them
}

// Effect is one of Cut, Blackhole, Reset, Loss, Corrupt, Duplicate, Reorder,
// Rate, Delay and Hold.
type Effect interface {
	// Verb is the effect's word on the command line.
	Verb() string
	// args are the words behind the verb and the links, as somebody would type them.
	args() string
	// validate says what is wrong with numbers that make no sense.
	validate() error
	// kind is what the effect draws for, and names it.
	kind() uint64
	// judge changes the verdict on a frame that the fault looks at.
	judge(c *call)
	equal(Effect) bool
}

// Validate says what is wrong with rules that make no sense.
func (r Rules) Validate() error {
	for i := range r.Faults {
		if err := r.Faults[i].Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Validate says what is wrong with a fault that makes no sense.
func (f *Fault) Validate() error {
	if f.Effect == nil {
		return fmt.Errorf("a fault without an effect")
	}
	if err := f.Effect.validate(); err != nil {
		return err
	}
	return f.Match.validate()
}

// Equal tells whether two rules are the same, with their faults in the same
// order and under the same ids.
func (r Rules) Equal(o Rules) bool {
	return r.Wall == o.Wall && slices.EqualFunc(r.Faults, o.Faults, Fault.Equal)
}

// Equal tells whether two faults are the same, id and all.
func (f Fault) Equal(o Fault) bool {
	return f.ID == o.ID && f.Match == o.Match && f.Effect.equal(o.Effect)
}

// Replaces tells whether f takes the place of o on a link: it has the same
// effect on the same frames, whatever the numbers.
func (f Fault) Replaces(o Fault) bool {
	return f.Effect.kind() == o.Effect.kind() && f.Match.sameFrames(o.Match)
}

// With returns r with f, in the place of the fault it replaces if there is one.
func (r Rules) With(f Fault) Rules {
	if i := slices.IndexFunc(r.Faults, f.Replaces); i >= 0 {
		r.Faults = slices.Clone(r.Faults)
		r.Faults[i] = f
		return r
	}
	r.Faults = append(slices.Clip(r.Faults), f)
	return r
}

// Without returns r without the faults that drop picks.
func (r Rules) Without(drop func(Fault) bool) Rules {
	if !slices.ContainsFunc(r.Faults, drop) {
		return r
	}
	r.Faults = slices.DeleteFunc(slices.Clone(r.Faults), drop)
	if len(r.Faults) == 0 {
		r.Faults = nil
	}
	return r
}

// Find returns the effect E that rules have on all frames, and whether they
// have one: what a link's row in a table shows.
func Find[E Effect](r Rules) (E, bool) {
	for _, f := range r.Faults {
		if e, ok := f.Effect.(E); ok && f.Match.everything() {
			return e, true
		}
	}
	var none E
	return none, false
}

// Is tells whether a fault has the effect E.
func Is[E Effect](f Fault) bool {
	_, ok := f.Effect.(E)
	return ok
}
