package link

// Hold: a frame waits, whatever its due time, until somebody lets it go or
// drops it, or the fault is gone. Frames behind it pass it.
type Hold struct{}

func (Hold) Verb() string    { return "frame hold" }
func (Hold) args() string    { return "" }
func (Hold) validate() error { return nil }
func (Hold) kind() uint64    { return drawHold }

func (Hold) judge(c *call) {
	c.v.Hold, c.v.HoldEnd, c.v.Fault = true, c.s.fault.Match.Until, c.s.fault.ID
	c.s.hits.Acted++
}

func (Hold) equal(o Effect) bool { return o == Effect(Hold{}) }
