package link

// DroppedByCut is the reason of a frame that a cut stopped.
const DroppedByCut Reason = "cut"

// Cut: nothing passes. What is under way when it comes is stopped, too.
type Cut struct{}

func (Cut) Verb() string        { return "cut" }
func (Cut) args() string        { return "" }
func (Cut) validate() error     { return nil }
func (Cut) kind() uint64        { return drawCut }
func (Cut) judge(c *call)       { c.drop(DroppedByCut) }
func (Cut) equal(o Effect) bool { return o == Effect(Cut{}) }
