package link

import (
	"cmp"
	"slices"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// Frame is what a verdict may depend on.
type Frame struct {
	From, To raft.NodeID
	Number   uint64 // on its link, from 1
	Bytes    int    // as it is on the wire
	Left     raft.Time

	// What it says, for faults that look at some frames only.
	Kind        wire.Kind
	Term        raft.Term
	First, Last raft.Index // the entries it is about, see Indexes; 0 for none
}

// Reason says why a frame does not arrive; empty when it does.
type Reason string

// Verdict is what becomes of a frame.
type Verdict struct {
	Drop Reason
	// Due is when it arrives, or when it would have, were it not dropped or held.
	Due raft.Time
	// Fault is the id of what dropped or held it; 0 for the wall.
	Fault uint64
	// Hold: it waits, whatever its due time, until somebody lets it go, or until
	// HoldEnd, when that is not 0.
	Hold    bool
	HoldEnd raft.Time
	// Free: it keeps no order. Frames before it and behind it may pass it and be passed by it.
	Free bool
	// Copies are how many more times it arrives, each After behind the one
	// before it: in order when After is 0, else free.
	Copies int
	After  raft.Duration
	// Damage is 0, or what Damage is given to change a byte of it.
	Damage uint64
	// Reset: it broke the connection, and is dropped with what is under way.
	Reset bool
}

// Link is one directed link as verdicts see it: its rules, and what they have
// to know of the frames before. The zero Link has no rules and has carried
// nothing. It is not safe for concurrent use.
type Link struct {
	rules Rules
	steps []step // of the faults, in the order they act
	rates bool   // one of them is a Rate

	// lastDue is the latest due time of a frame that was let through in order. A
	// link is a TCP connection: no frame overtakes another but by a Reorder.
	lastDue raft.Time

	call call
}

// step is one fault of a link and what it remembers.
type step struct {
	fault   Fault
	purpose uint64

	seen uint64 // frames that Kinds, Way, Term, From, To and Until let through
	hits Hits

	begun bool
	bad   bool      // Loss in bursts: frames are being lost
	end   raft.Time // Rate: when what was sent before is through
	rest  uint64    // Rate: nanoseconds left over by that, in parts of Rate.Bytes
}

// Hits are what one fault did.
type Hits struct {
	Matched uint64 // frames it looked at
	Acted   uint64 // of those, frames it did something to
}

// rank is the order in which effects act. What stops a frame comes before what
// slows it, so that a frame that is lost takes no room on a throttled link; a
// frame is transmitted, which Rate makes slow, before it travels, which Delay
// makes slow; what depends on its flight comes last.
var rank = [...]int{
	drawCut: 0, drawBlackhole: 1, drawReset: 2, drawLoss: 3, drawHold: 4,
	drawRate: 5, drawDelay: 6, drawReorder: 7, drawDuplicate: 8, drawCorrupt: 9,
}

// Rules returns what is set.
func (l *Link) Rules() Rules { return l.rules }

// SetRules sets the rules from the next frame on. A fault that stays as it is
// goes on counting where it was.
func (l *Link) SetRules(r Rules) {
	old := l.steps
	l.rules = r
	l.steps, l.rates = nil, false
	place := make(map[uint64]int)
	for _, f := range r.Faults {
		kind := f.Effect.kind()
		s := step{fault: f}
		if i := slices.IndexFunc(old, func(o step) bool { return o.fault.Effect != nil && f.Equal(o.fault) }); i >= 0 {
			s = old[i]
			old[i] = step{} // of two that are equal each has its own
		}
		s.purpose = purpose(kind, place[kind])
		place[kind]++
		l.steps = append(l.steps, s)
		l.rates = l.rates || Is[Rate](f)
	}
	slices.SortStableFunc(l.steps, func(a, b step) int {
		return cmp.Compare(rank[a.fault.Effect.kind()], rank[b.fault.Effect.kind()])
	})
}

// Restart tells that the link's connection is another one: what comes need not
// come behind what was under way.
func (l *Link) Restart() { l.lastDue = 0 }

// call is one fault's look at one frame. A link has one, which it uses for all:
// what is handed to an Effect is kept on the heap, and links carry many frames.
type call struct {
	seed uint64
	f    Frame
	v    Verdict
	s    *step
}

func (c *call) draw(use uint64) uint64 { return draw(c.seed, &c.f, c.s.purpose|use) }

// chance tells whether an event of this probability happens to the frame.
func (c *call) chance(p float64) bool {
	return p > 0 && (p >= 1 || share(c.draw(useEffect)) < p)
}

// drop gives a reason and counts.
func (c *call) drop(why Reason) {
	c.v.Drop, c.v.Fault = why, c.s.fault.ID
	c.s.hits.Acted++
}

// Judge decides what happens to f as it enters the link.
func (l *Link) Judge(seed uint64, f *Frame) Verdict {
	v := l.JudgeAlone(seed, f)
	if v.Free || v.Hold {
		return v
	}
	v.Due = max(v.Due, l.lastDue)
	if v.Drop == "" {
		l.lastDue = v.Due
	}
	return v
}

// JudgeAlone is Judge for a link without an order of its own: one that carries
// several streams, of which each keeps its own.
func (l *Link) JudgeAlone(seed uint64, f *Frame) Verdict {
	v := Verdict{Due: f.Left}
	if l.rules.Wall {
		v.Drop = DroppedAtWall
	}
	if len(l.steps) > 0 {
		l.call.seed, l.call.f, l.call.v = seed, *f, v
		l.judge(&l.call)
		v = l.call.v
	}
	return v
}

func (l *Link) judge(c *call) {
	for i := range l.steps {
		c.s = &l.steps[i]
		if c.v.Drop != "" {
			// Nobody sees it any more, but when it was due is still told.
			if d, ok := c.s.fault.Effect.(Delay); ok && c.s.fault.Match.uncounted(&c.f) {
				c.v.Due += raft.Time(d.flight(c))
			}
			continue
		}
		if !c.picks() {
			continue
		}
		c.s.hits.Matched++
		c.s.fault.Effect.judge(c)
	}
}

// JudgeArrival decides again, at the moment a frame would arrive: what stands
// across the link by then stops what is still under way. Chance and counts have
// had their say when the frame entered. Of a verdict only Drop and Fault are set.
// It counts nothing; CountStopped does, for who carries it out.
func (l *Link) JudgeArrival(now raft.Time, f *Frame) (v Verdict) {
	if l.rules.Wall {
		v.Drop = DroppedAtWall
		return v
	}
	for i := range l.steps {
		s := &l.steps[i]
		if rank[s.fault.Effect.kind()] > rank[drawBlackhole] {
			break // the steps are in that order
		}
		if m := &s.fault.Match; m.uncounted(f) && m.lasts(now) {
			v.Drop, v.Fault = DroppedByCut, s.fault.ID
			if Is[Blackhole](s.fault) {
				v.Drop = DroppedInBlackhole
			}
			break
		}
	}
	return v
}

// CountStopped counts a frame that JudgeArrival had a fault stop.
func (l *Link) CountStopped(fault uint64) {
	for i := range l.steps {
		if s := &l.steps[i]; fault != 0 && s.fault.ID == fault {
			s.hits.Matched++
			s.hits.Acted++
		}
	}
}

// Open tells whether no fault and no wall can stop a frame at its arrival.
func (l *Link) Open() bool {
	return !bool(l.rules.Wall) && (len(l.steps) == 0 || rank[l.steps[0].fault.Effect.kind()] > rank[drawBlackhole])
}

// Plain tells whether no fault is set, so that Pass says all.
func (l *Link) Plain() bool { return len(l.steps) == 0 }

// Weighs tells whether a verdict may depend on how many bytes a frame has.
func (l *Link) Weighs() bool { return l.rates }

// Pass is Judge for a link that is Plain, of a frame that left then: nearly all
// frames of nearly all labs.
func (l *Link) Pass(left raft.Time) (due raft.Time, why Reason) {
	due = max(left, l.lastDue)
	if l.rules.Wall {
		return due, DroppedAtWall
	}
	l.lastDue = due
	return due, ""
}

// Hits adds what each fault with an id did on this link to those in into.
func (l *Link) Hits(into map[uint64]Hits) {
	for i := range l.steps {
		s := &l.steps[i]
		if s.fault.ID == 0 {
			continue
		}
		sum := into[s.fault.ID]
		sum.Matched += s.hits.Matched
		sum.Acted += s.hits.Acted
		into[s.fault.ID] = sum
	}
}
