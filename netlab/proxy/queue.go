package proxy

import (
	"sync"

	"github.com/raftlab/raftlab/raft"
)

// queue holds the frames of a link that wait, in the order they left, which is
// also that of their due times. The zero queue is empty and holds no memory.
type queue struct {
	items []item
	start int // items before it are done
	bytes int // of the frames, and what it costs to keep them
	last  *segment
}

// item is a frame that waits. Its record is made anew from its bytes.
type item struct {
	id, number uint64
	left, due  raft.Time
	segment    *segment
	from, to   int // its bytes in the segment
}

func (it *item) raw() []byte { return it.segment.buf[it.from:it.to] }

// itemCost is what a frame costs beside its bytes; about the size of item.
const itemCost = 64

// segment holds the bytes of consecutive frames.
type segment struct {
	buf  []byte
	live int // items that are here
}

// A link that keeps a few heartbeats needs little, one that keeps a stream of
// entries much.
const (
	segmentSmall = 4 << 10
	segmentLarge = 64 << 10
)

var (
	smallSegments = sync.Pool{New: func() any { return &segment{buf: make([]byte, 0, segmentSmall)} }}
	largeSegments = sync.Pool{New: func() any { return &segment{buf: make([]byte, 0, segmentLarge)} }}
)

func takeSegment(first bool, size int) *segment {
	switch {
	case first && size <= segmentSmall:
		return smallSegments.Get().(*segment)
	case size <= segmentLarge:
		return largeSegments.Get().(*segment)
	}
	return &segment{buf: make([]byte, 0, size)}
}

func (s *segment) release() {
	s.buf = s.buf[:0]
	switch cap(s.buf) {
	case segmentSmall:
		smallSegments.Put(s)
	case segmentLarge:
		largeSegments.Put(s)
	}
}

func (q *queue) empty() bool { return q.start == len(q.items) }

// head is the frame that is due first; there must be one.
func (q *queue) head() *item { return q.at(0) }

func (q *queue) at(i int) *item { return &q.items[q.start+i] }

// push puts a frame behind the others, and a copy of its bytes.
func (q *queue) push(f *Frame, raw []byte) {
	s := q.last
	if s == nil || cap(s.buf)-len(s.buf) < len(raw) {
		s = takeSegment(q.empty(), len(raw))
		q.last = s
	}
	from := len(s.buf)
	s.buf = append(s.buf, raw...)
	s.live++
	if q.start > 64 && q.start > len(q.items)/2 {
		q.items = q.items[:copy(q.items, q.items[q.start:])]
		q.start = 0
	}
	q.items = append(q.items, item{
		id: f.ID, number: f.Number, left: f.Left, due: f.Due,
		segment: s, from: from, to: len(s.buf),
	})
	q.bytes += len(raw) + itemCost
}

// due returns how many of the first frames are due by now and lie side by
// side, and their bytes, which stay as they are until those frames are popped.
func (q *queue) due(now raft.Time) (int, []byte) {
	n := 0
	for i := q.start; i < len(q.items); i++ {
		it := &q.items[i]
		if it.due > now || it.segment != q.items[q.start].segment {
			break
		}
		n++
	}
	if n == 0 {
		return 0, nil
	}
	return n, q.head().segment.buf[q.head().from:q.at(n-1).to]
}

// pop takes the first n frames away. They lie in one segment.
func (q *queue) pop(n int) {
	s := q.head().segment
	for i := range n {
		it := q.at(i)
		q.bytes -= it.to - it.from + itemCost
		it.segment = nil
	}
	q.start += n
	s.live -= n
	if q.empty() {
		q.last = nil
		q.start = 0
		q.items = q.items[:0]
		if cap(q.items) > 1024 {
			q.items = nil
		}
	}
	if s.live == 0 && s != q.last {
		s.release()
	}
}
