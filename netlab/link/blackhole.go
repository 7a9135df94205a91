package link

// DroppedInBlackhole is the reason of a frame that vanished in a black hole.
const DroppedInBlackhole Reason = "blackhole"

// Blackhole: all that comes is taken and none of it arrives. To frames that is
// what a Cut is; of a stream of bytes, which a cut makes stand, nothing is left.
type Blackhole struct{}

func (Blackhole) Verb() string        { return "blackhole" }
func (Blackhole) args() string        { return "" }
func (Blackhole) validate() error     { return nil }
func (Blackhole) kind() uint64        { return drawBlackhole }
func (Blackhole) judge(c *call)       { c.drop(DroppedInBlackhole) }
func (Blackhole) equal(o Effect) bool { return o == Effect(Blackhole{}) }
