package link

import (
	"fmt"
	"time"

	"github.com/raftlab/raftlab/raft"
)

// Duplicate makes a share of the frames arrive twice. The copy comes right
// behind its frame, or After later, and then others may come between. Copies are
// made at the far end: they take no room on a throttled link, and no fault looks
// at them.
type Duplicate struct {
	Share float64
	After raft.Duration
}

func (Duplicate) Verb() string { return "duplicate" }

func (d Duplicate) args() string {
	if d.After == 0 {
		return Percent(d.Share)
	}
	return fmt.Sprintf("%s --after %v", Percent(d.Share), time.Duration(d.After))
}

func (d Duplicate) validate() error {
	if err := checkShare("duplication", d.Share); err != nil {
		return err
	}
	return checkDelay("pause before the copy", d.After)
}

func (Duplicate) kind() uint64 { return drawDuplicate }

func (d Duplicate) judge(c *call) {
	if c.chance(d.Share) {
		c.v.Copies++
		c.v.After = max(c.v.After, d.After)
		c.s.hits.Acted++
	}
}

func (d Duplicate) equal(o Effect) bool { return o == Effect(d) }
