package proxy

import (
	"bytes"
	"container/heap"

	"github.com/raftlab/raftlab/raft"
)

// apart holds the frames of a link that wait outside its order: those that are
// held, by a fault or by hand, and those that may be passed and pass others. The
// zero apart is empty.
type apart struct {
	all   map[uint64]*loose // by id
	due   looseHeap         // those that go by themselves
	held  int
	bytes int // of the frames, and what it costs to keep them
}

// loose is one of them.
type loose struct {
	frame  Frame
	raw    []byte // its own
	damage uint64
	due    raft.Time // when it goes, were it not held
	byHand bool      // held by hand: no change of rules lets it go
	place  int       // in the heap, or notScheduled

	told chan<- Frame // has room for what became of it; nil when nobody waits
}

// looseCost is what such a frame costs beside its bytes.
const looseCost = 512

func newLoose(f *Frame, raw []byte, damage uint64) *loose {
	return &loose{frame: *f, raw: bytes.Clone(raw), damage: damage, due: f.Due, place: notScheduled}
}

// free makes it a frame that is not held and due, but not before now. Its link
// does not have it then.
func (x *loose) free(now raft.Time) {
	x.frame.Held, x.frame.Fault, x.byHand = false, 0, false
	x.frame.Due = max(x.due, now)
}

// add takes a frame in. It goes when it is due, unless it is held for good.
func (a *apart) add(x *loose, goes bool) {
	if a.all == nil {
		a.all = make(map[uint64]*loose)
	}
	a.all[x.frame.ID] = x
	a.bytes += len(x.raw) + looseCost
	if x.frame.Held {
		a.held++
	}
	if goes {
		heap.Push(&a.due, x)
	}
}

// take takes a frame out.
func (a *apart) take(x *loose) {
	delete(a.all, x.frame.ID)
	if len(a.all) == 0 {
		a.all = nil
	}
	a.bytes -= len(x.raw) + looseCost
	if x.frame.Held {
		a.held--
	}
	if x.place != notScheduled {
		heap.Remove(&a.due, x.place)
	}
}

// first is the frame that goes first, nil when none does by itself.
func (a *apart) first() *loose {
	if len(a.due) == 0 {
		return nil
	}
	return a.due[0]
}

// looseHeap is a heap by due time, and by id among equals.
type looseHeap []*loose

func (h looseHeap) Len() int { return len(h) }

func (h looseHeap) Less(i, j int) bool {
	a, b := &h[i].frame, &h[j].frame
	return a.Due < b.Due || a.Due == b.Due && a.ID < b.ID
}

func (h looseHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *looseHeap) Push(v any) {
	x := v.(*loose)
	x.place = len(*h)
	*h = append(*h, x)
}

func (h *looseHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	x.place = notScheduled
	return x
}
