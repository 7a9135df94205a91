package proxy

import (
	"sync"

	"github.com/raftlab/raftlab/raft"
)

// queue holds the frames of a link that wait in order: in the order they left,
// which is also that of their due times. The zero queue is empty; an empty queue
// holds no memory. A frame may be taken out of the middle; the first one is
// always there.
type queue struct {
	first, last *segment
	bytes       int // of the frames, and what it costs to keep them
}

// item is a frame that waits. Its record is made anew from its bytes.
type item struct {
	id, number uint64
	left, due  raft.Time
	from, to   int   // its bytes in the segment
	rare       *rare // nil for nearly all
	gone       bool  // it was taken out
}

// rare is what few frames have.
type rare struct {
	copyOf uint64
	damage uint64
}

// itemCost is what a frame costs beside its bytes: an item, and some.
const itemCost = 80

// segment holds consecutive frames.
type segment struct {
	buf   []byte
	items []item
	start int // items before it are done
	next  *segment
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

// takeSegment returns an empty segment with room for size bytes at least.
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
	s.buf, s.items, s.start, s.next = s.buf[:0], s.items[:0], 0, nil
	switch cap(s.buf) {
	case segmentSmall:
		smallSegments.Put(s)
	case segmentLarge:
		largeSegments.Put(s)
	}
}

func (q *queue) empty() bool { return q.first == nil }

// head is the frame that is due first; there must be one.
func (q *queue) head() *item { return &q.first.items[q.first.start] }

// push puts a frame behind the others, and a copy of its bytes.
func (q *queue) push(f *Frame, raw []byte, damage uint64) {
	s := q.last
	if s == nil || cap(s.buf)-len(s.buf) < len(raw) {
		s = takeSegment(s == nil, len(raw))
		if q.last == nil {
			q.first = s
		} else {
			q.last.next = s
		}
		q.last = s
	}
	from := len(s.buf)
	s.buf = append(s.buf, raw...)
	it := item{id: f.ID, number: f.Number, left: f.Left, due: f.Due, from: from, to: len(s.buf)}
	if f.CopyOf != 0 || damage != 0 {
		it.rare = &rare{copyOf: f.CopyOf, damage: damage}
	}
	s.items = append(s.items, it)
	q.bytes += len(raw) + itemCost
}

// due returns the first frames that are due by now and lie side by side, and
// their bytes. Both stay as they are until those frames are popped.
func (q *queue) due(now raft.Time) (items []item, raw []byte) {
	if q.empty() {
		return nil, nil
	}
	s := q.first
	end := s.start
	for end < len(s.items) && s.items[end].due <= now && !s.items[end].gone {
		end++
	}
	if end == s.start {
		return nil, nil
	}
	return s.items[s.start:end], s.buf[s.items[s.start].from:s.items[end-1].to]
}

// pop takes the first n frames away, which due returned.
func (q *queue) pop(n int) {
	s := q.first
	for i := s.start; i < s.start+n; i++ {
		q.bytes -= s.items[i].to - s.items[i].from + itemCost
	}
	s.start += n
	q.trim()
}

// trim lets go what stands before the first frame that is still there.
func (q *queue) trim() {
	for s := q.first; s != nil; s = q.first {
		for s.start < len(s.items) && s.items[s.start].gone {
			s.start++
		}
		if s.start < len(s.items) {
			return
		}
		q.first = s.next
		if q.first == nil {
			q.last = nil
		}
		s.release()
	}
}

// each visits the frames but the first skip of them, with their bytes, until
// visit returns false. take may be called on the one that is visited.
func (q *queue) each(skip int, visit func(it *item, raw []byte) bool) {
	for s := q.first; s != nil; s = s.next {
		for i := s.start; i < len(s.items); i++ {
			it := &s.items[i]
			switch {
			case it.gone:
			case skip > 0:
				skip--
			case !visit(it, s.buf[it.from:it.to]):
				return
			}
		}
	}
}

// take takes a frame out. Who took those it wanted calls trim, unless somebody
// is at work on the first ones, who does it then.
func (q *queue) take(it *item) {
	it.gone, it.rare = true, nil
	q.bytes -= it.to - it.from + itemCost
}
