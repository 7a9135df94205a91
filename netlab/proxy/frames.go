package proxy

import (
	"sync"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// Frame is what is on record of one frame. All times are of the lab clock.
type Frame struct {
	ID       uint64 // counted up over all links
	From, To raft.NodeID
	Number   uint64 // on its link, from 1
	Kind     wire.Kind
	Term     raft.Term
	Bytes    int // on the wire, its length bytes included
	Left     raft.Time
	Due      raft.Time
	Done     bool        // it has Arrived, or it was Dropped for a Reason; else it waits
	Arrived  raft.Time   // the receiver's connection took it; 0 while it waits or when dropped
	Dropped  raft.Time   // 0 unless dropped
	Reason   link.Reason // empty unless dropped
	Fault    uint64      // the id of the fault that dropped it or holds it; 0 for none
	Held     bool        // it waits until somebody lets it go
	Damaged  bool        // a byte of it is changed on the way
	Injected bool        // somebody put it in by hand
	// CopyOf is the frame that this one repeats, 0 for a frame that a node sent.
	// A copy has an id of its own, and the number of that frame.
	CopyOf  uint64
	Summary wire.Summary
}

func (f *Frame) arrived(at raft.Time) { f.Done, f.Arrived = true, at }

func (f *Frame) dropped(at raft.Time, why link.Reason) { f.Done, f.Dropped, f.Reason = true, at, why }

// Cursor is a reader's place in the records of frames.
type Cursor uint64

// frameLog keeps the last records: one when a frame begins to wait and one
// when it arrived or was dropped; a frame that does not wait has only the
// second.
type frameLog struct {
	mu      sync.Mutex
	records []Frame // the record n is at n modulo the length
	next    uint64
}

func (g *frameLog) add(frames []Frame) {
	if len(frames) == 0 {
		return
	}
	g.mu.Lock()
	for i := range frames {
		g.records[g.next%uint64(len(g.records))] = frames[i]
		g.next++
	}
	g.mu.Unlock()
}

// Cursor returns the place behind the last record: what a new reader starts from.
func (p *Proxy) Cursor() Cursor {
	p.frames.mu.Lock()
	defer p.frames.mu.Unlock()
	return Cursor(p.frames.next)
}

// Frames appends to dst the records from place c on, oldest first, and returns
// the place behind them. A frame that waits is on record at once, and again,
// under the same ID, when it arrives or is dropped. At most limit records are
// appended, the latest; missed tells how many before them were left out, or are
// no longer kept.
func (p *Proxy) Frames(dst []Frame, c Cursor, limit int) (frames []Frame, next Cursor, missed uint64) {
	g := &p.frames
	g.mu.Lock()
	defer g.mu.Unlock()
	first := min(uint64(c), g.next)
	have := g.next - first
	take := min(have, uint64(max(limit, 0)), uint64(len(g.records)))
	for n := g.next - take; n < g.next; n++ {
		dst = append(dst, g.records[n%uint64(len(g.records))])
	}
	return dst, Cursor(g.next), have - take
}

// lastWord is the latest record of a frame, if there still is one.
func (p *Proxy) lastWord(id uint64) (Frame, bool) {
	g := &p.frames
	g.mu.Lock()
	defer g.mu.Unlock()
	have := min(g.next, uint64(len(g.records)))
	for n := g.next; n > g.next-have; n-- {
		if f := &g.records[(n-1)%uint64(len(g.records))]; f.ID == id {
			return *f, true
		}
	}
	return Frame{}, false
}

// frameList is room for the records of one batch.
type frameList struct{ list []Frame }

var frameLists = sync.Pool{New: func() any { return new(frameList) }}

func takeFrames() *frameList { return frameLists.Get().(*frameList) }

func (s *frameList) release() { frameLists.Put(s) }
