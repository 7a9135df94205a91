package link

// DroppedByReset is the reason of a frame that was lost with its connection.
const DroppedByReset Reason = "reset"

// Reset: a frame breaks the connection, at both ends, and is lost with all
// that is under way. The ends connect anew.
type Reset struct{}

func (Reset) Verb() string    { return "reset" }
func (Reset) args() string    { return "" }
func (Reset) validate() error { return nil }
func (Reset) kind() uint64    { return drawReset }

func (Reset) judge(c *call) {
	c.drop(DroppedByReset)
	c.v.Reset = true
}

func (Reset) equal(o Effect) bool { return o == Effect(Reset{}) }
