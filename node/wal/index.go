package wal

import (
	"sort"

	"github.com/raftlab/raftlab/raft"
)

// place is a frame's: the segment's number and the offset in it.
type place uint64

func placeOf(segment uint32, off int64) place { return place(segment)<<32 | place(uint32(off)) }

func (p place) segment() uint32 { return uint32(p >> 32) }
func (p place) offset() int64   { return int64(uint32(p)) }

// stride is how far apart, in bytes of log, the points of an index are: a read
// passes over at most this much before it is where it wants to be, and a point
// of 16 bytes stands for this much log.
const stride = 16 << 10

// index finds the frame that an entry is in. It is sparse: from a point's frame
// on, the frames of that segment hold the entries from point.first up to the
// next point's first, in order and without one that was dropped later.
type index struct {
	points []point
	next   raft.Index // the last entry's index + 1, or where the next is to be; 0 stands for 1
}

type point struct {
	first raft.Index // of the frame's entries
	at    place
}

// add notes a frame with the entries first ≤ i < next, written behind all
// others. What the log had from first on is dropped.
func (x *index) add(first, next raft.Index, at place) {
	drops := first < x.next
	if drops {
		x.points = x.points[:x.search(first)]
	}
	if n := len(x.points); n == 0 || drops || x.points[n-1].at.segment() != at.segment() ||
		at.offset()-x.points[n-1].at.offset() >= stride {
		x.points = append(x.points, point{first: first, at: at})
	}
	x.next = next
}

// drop forgets the frames of the segments before this one.
func (x *index) drop(segment uint32) {
	n := sort.Search(len(x.points), func(k int) bool { return x.points[k].at.segment() >= segment })
	x.points = append([]point(nil), x.points[n:]...)
}

// search returns the number of points whose first is below i.
func (x *index) search(i raft.Index) int {
	return sort.Search(len(x.points), func(k int) bool { return x.points[k].first >= i })
}

// find returns where to start reading for entry i, and the index up to which
// that goes well. The entry must be in the log.
func (x *index) find(i raft.Index) (place, raft.Index) {
	k := x.search(i + 1)
	if k == len(x.points) {
		return x.points[k-1].at, x.next
	}
	return x.points[k-1].at, x.points[k].first
}
