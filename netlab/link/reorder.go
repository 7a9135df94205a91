package link

import (
	"fmt"
	"time"

	"github.com/raftlab/raftlab/raft"
)

// Reorder lets a share of the frames out of their order. Such a frame takes By
// longer than it would have, holds up nobody meanwhile, and need not wait for
// those before it: frames that left after it pass it, and where delays are drawn
// it may pass others. By 0 is as long again as its delay makes it, and
// reorderLeast at least.
type Reorder struct {
	Share float64
	By    raft.Duration
}

// reorderLeast is longer than the pause between two frames of a busy link.
const reorderLeast = raft.Duration(10 * time.Millisecond)

func (Reorder) Verb() string { return "reorder" }

func (r Reorder) args() string {
	if r.By == 0 {
		return Percent(r.Share)
	}
	return fmt.Sprintf("%s --by %v", Percent(r.Share), time.Duration(r.By))
}

func (r Reorder) validate() error {
	if err := checkShare("reordering", r.Share); err != nil {
		return err
	}
	return checkDelay("delay of reordered frames", r.By)
}

func (Reorder) kind() uint64 { return drawReorder }

func (r Reorder) judge(c *call) {
	if !c.chance(r.Share) {
		return
	}
	by := r.By
	if by == 0 {
		by = max(raft.Duration(c.v.Due-c.f.Left), reorderLeast)
	}
	c.v.Free = true
	c.v.Due += raft.Time(by)
	c.s.hits.Acted++
}

func (r Reorder) equal(o Effect) bool { return o == Effect(r) }
