package proxy

import (
	"cmp"
	"net"
	"slices"
	"sync"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// lengthBytes stand before every frame and say how long it is.
const lengthBytes = 4

// Why a frame is dropped that the link's rules let through.
const (
	// DroppedDeadNode: the process it was for does not run.
	DroppedDeadNode link.Reason = "dead node"
	// DroppedNoConnection: the node it was for could not be reached.
	DroppedNoConnection link.Reason = "no connection"
	// DroppedConnectionLost: the connection broke while the frame was handed over.
	DroppedConnectionLost link.Reason = "connection lost"
	// DroppedByHand: somebody asked for it.
	DroppedByHand link.Reason = "by hand"
)

// lane is one directed link.
//
// At any time at most one goroutine writes to it, the one that set busy: the
// reader on the straight way, or a delivery. While it writes or dials it does
// not hold mu, so that rules and addresses can change at once. Frames that wait
// are always somebody's: the writer's when busy, else the schedule's.
type lane struct {
	proxy      *Proxy
	from, to   raft.NodeID
	runDeliver func() // deliver, made once so that starting it allocates nothing

	mu     sync.Mutex
	link   link.Link // its rules and what they remember
	number uint64    // of the last frame that left
	led    raft.Term // newest in which the sender has said on this link that it leads
	counts counts
	queue  queue    // what waits in order
	apart  apart    // what waits outside it
	urgent []*loose // what goes now, whatever the clock says
	busy   bool
	closed bool

	// While somebody writes:
	hand     []Frame     // what is being handed over; those that are dropped already do not count
	fromHead int         // how many of them are the first of the queue
	barred   link.Reason // why it is not to arrive any more; empty while it is
	barredBy uint64      // the fault that says so

	in      *inbound      // the sender's connection, nil when there is none
	opened  uint64        // of the latest in there was
	turn    chan struct{} // full while somebody reads for this link
	stalled bool          // in does not read: more than the backlog waits
	room    chan struct{} // tells a stalled reader that there is room again

	addr string // where the receiver listens; empty when it is dead
	out  *outbound

	wake wake // the schedule's
}

func newLane(p *Proxy, from, to raft.NodeID) *lane {
	l := &lane{proxy: p, from: from, to: to, turn: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	l.runDeliver = l.deliver
	l.wake = newWake(l.kick)
	return l
}

// setRules sets the rules. What a fault holds that is no more goes on; what is
// being handed over and may not arrive any more is stopped where it is.
func (l *lane) setRules(r link.Rules) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.link.SetRules(r)
	l.counts.anew(l.proxy.clock.Now())
	l.freeHeld(r)
	l.bar()
}

// freeHeld lets go what no fault holds any more. With mu held.
func (l *lane) freeHeld(r link.Rules) {
	if l.apart.held == 0 {
		return
	}
	holds := make(map[uint64]bool)
	for _, f := range r.Faults {
		if link.Is[link.Hold](f) {
			holds[f.ID] = true
		}
	}
	now := l.proxy.clock.Now()
	var freed []*loose
	for _, x := range l.apart.all {
		if x.frame.Held && !x.byHand && !holds[x.frame.Fault] {
			freed = append(freed, x)
		}
	}
	slices.SortFunc(freed, func(a, b *loose) int { return cmp.Compare(a.frame.ID, b.frame.ID) })
	for _, x := range freed {
		l.apart.take(x)
		x.free(now)
		l.apart.add(x, true)
		l.proxy.frames.add([]Frame{x.frame})
	}
	l.plan()
}

// bar stops what is being handed over if the rules now say that none of it is
// to arrive: a node that does not read must not find, when it reads again, what
// was on its way to it before a wall was put up. What the node's connection took
// has arrived; the rest ends with the connection. With mu held.
func (l *lane) bar() {
	if len(l.hand) == 0 || l.barred != "" || l.link.Open() {
		return
	}
	now := l.proxy.clock.Now()
	var why link.Verdict
	for i := range l.hand {
		if l.hand[i].Reason != "" {
			continue
		}
		f := linkFrame(&l.hand[i])
		if why = l.link.JudgeArrival(now, &f); why.Drop == "" {
			return
		}
	}
	l.barred, l.barredBy = why.Drop, why.Fault
	if l.out != nil {
		l.out.close()
		l.out = nil
	}
}

// setAddr sets where the receiver is from now on and gives up the connection
// to where it was.
func (l *lane) setAddr(addr string) {
	l.mu.Lock()
	l.addr = addr
	out := l.out
	l.out = nil
	l.mu.Unlock()
	if out != nil {
		out.close()
	}
}

func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.setAddr("")
	l.disconnect(net.ErrClosed)
}

// waits tells how much waits, in bytes. With mu held.
func (l *lane) waits() int { return l.queue.bytes + l.apart.bytes }

// admit takes the frames that one read brought, in the order they came, and
// hands on those that are due at once. raw holds the bytes of all of them, one
// after the other; admit may move them about.
func (l *lane) admit(frames []Frame, raw []byte) {
	p := l.proxy
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return // read before the connection was closed: nobody's any more
	}
	j := judging{frames: frames, raw: raw, rests: l.queue.empty() && !l.busy}
	l.judge(&j)
	l.counts.sent += uint64(len(frames))
	passed := frames[:j.passed]
	// A frame that waits is put on record before anybody can deliver it.
	p.frames.add(frames[j.passed:j.kept])
	if j.packed > 0 {
		out := l.begin(passed, 0)
		l.mu.Unlock()
		n, err := l.write(out, raw[:j.packed])
		l.mu.Lock()
		l.settle(passed, n, err)
		l.idle()
	} else if !l.busy && (j.rests || j.apart) {
		l.plan()
	}
	p.frames.add(passed)
	if j.reset {
		l.breakUp()
	}
	l.mu.Unlock()
}

// begin makes the caller the one who writes. It returns the connection there
// is. With mu held.
func (l *lane) begin(hand []Frame, fromHead int) *outbound {
	l.busy = true
	l.hand, l.fromHead = hand, fromHead
	l.barred, l.barredBy = "", 0
	return l.out
}

// judging is what judge works on and finds.
type judging struct {
	frames []Frame
	raw    []byte // of all of them, side by side
	rests  bool   // nobody writes and nothing waits in order

	// The first passed of the frames need not wait: they are dropped, or go
	// straight, and the bytes of the latter are then the first packed of raw. Those
	// up to kept wait in order, behind the first that has to, unless they are
	// dropped. Those apart are on record already and no more among the frames.
	passed, kept int
	packed       int
	apart        bool // there are some apart
	reset        bool // one broke the connection
}

// judge decides about frames as they enter. With mu held.
func (l *lane) judge(j *judging) {
	p, frames := l.proxy, j.frames
	first := p.ids.Add(uint64(len(frames))) - uint64(len(frames)) + 1
	p.tape.keep(first, len(frames), j.raw)
	clock := p.clock.Setting()
	now, straight := clock.At, j.rests && !clock.Held
	plain := l.link.Plain()
	var v link.Verdict
	offset := 0
	for i := range frames {
		f := &frames[i]
		l.number++
		f.ID, f.Number, f.Left = first+uint64(i), l.number, now
		if p.watch != nil {
			l.show(f)
		}
		if plain {
			v.Due, v.Drop = l.link.Pass(now)
		} else {
			lf := linkFrame(f)
			v = l.link.Judge(p.seed, &lf)
			if j.reset {
				v = link.Verdict{Drop: link.DroppedByReset, Due: v.Due}
			}
			j.reset = j.reset || v.Reset
		}
		f.Due, f.Fault = v.Due, v.Fault
		raw := j.raw[offset : offset+f.Bytes]
		offset += f.Bytes

		if v.Drop == "" && (v.Hold || v.Free) {
			l.setApart(f, raw, &v)
			j.apart = true
			continue
		}
		straight = straight && (v.Drop != "" || v.Due <= now)
		if v.Drop == "" && straight && l.addr == "" {
			v.Drop = DroppedDeadNode
		}
		switch {
		case v.Drop != "":
			f.dropped(now, v.Drop)
			l.counts.dropped++
		case !straight:
			f.Damaged = v.Damage != 0
			l.queue.push(f, raw, v.Damage)
		default:
			packed := j.raw[j.packed : j.packed+f.Bytes]
			if &packed[0] != &raw[0] {
				copy(packed, raw)
			}
			raw = packed
			j.packed += f.Bytes
		}
		if v.Drop == "" && v.Copies > 0 {
			l.copies(f, raw, &v)
			j.apart = j.apart || v.After > 0
		}
		if v.Drop == "" && v.Damage != 0 && straight {
			f.Damaged = true
			link.Damage(raw[lengthBytes:], v.Damage)
		}
		if j.kept != i {
			frames[j.kept] = *f
		}
		j.kept++
		if straight {
			j.passed = j.kept
		}
		if v.Drop == "" && v.Copies > 0 && v.After == 0 {
			straight = false // the copy is in the queue, and comes first
		}
	}
}

// show has the frame watched if it says who leads or who votes. With mu held.
func (l *lane) show(f *Frame) {
	switch f.Kind {
	case wire.KindAppend, wire.KindHeartbeat, wire.KindSnapshot:
		if f.Term == l.led {
			return
		}
		l.led = f.Term
	case wire.KindVote:
	case wire.KindVoteReply:
		if !f.Summary.OK {
			return
		}
	default:
		return
	}
	l.proxy.watch(f)
}

// linkFrame is what rules may depend on of a frame.
func linkFrame(f *Frame) link.Frame {
	lf := link.Frame{From: f.From, To: f.To, Number: f.Number, Bytes: f.Bytes, Left: f.Left, Kind: f.Kind, Term: f.Term}
	lf.First, lf.Last = link.Indexes(f.Kind, &f.Summary)
	return lf
}

// setApart puts a frame, and its copies, among those that wait outside the
// link's order. With mu held.
func (l *lane) setApart(f *Frame, raw []byte, v *link.Verdict) {
	goes := true
	if v.Hold {
		f.Held, goes = true, v.HoldEnd != 0
	}
	add := func(f *Frame, damage uint64) {
		x := newLoose(f, raw, damage)
		x.frame.Due = max(f.Due, v.HoldEnd)
		x.frame.Damaged = damage != 0
		l.apart.add(x, goes)
		l.proxy.frames.add([]Frame{x.frame})
	}
	add(f, v.Damage)
	for n := range v.Copies {
		c := l.copyOf(f, v, n)
		add(&c, 0)
	}
}

// copies puts the copies of a frame behind it. With mu held.
func (l *lane) copies(f *Frame, raw []byte, v *link.Verdict) {
	for n := range v.Copies {
		c := l.copyOf(f, v, n)
		if v.After > 0 {
			l.apart.add(newLoose(&c, raw, 0), true)
		} else {
			l.queue.push(&c, raw, 0)
		}
		l.proxy.frames.add([]Frame{c})
	}
}

// copyOf is the record of the n-th copy that a verdict makes of a frame.
func (l *lane) copyOf(f *Frame, v *link.Verdict, n int) Frame {
	c := *f
	c.ID, c.CopyOf, c.Damaged = l.proxy.ids.Add(1), f.ID, false
	c.Due += raft.Time(n+1) * raft.Time(v.After)
	l.counts.copies++
	return c
}

// recall appends to dst the records of frames from the queue, made anew from
// their bytes, which lie side by side in raw.
func (l *lane) recall(dst []Frame, items []item, raw []byte) []Frame {
	for i := range items {
		it := &items[i]
		size := it.to - it.from
		// It was looked at when it came, and is still the same.
		h, s, _ := wire.Peek(raw[lengthBytes:size])
		raw = raw[size:]
		f := Frame{
			ID: it.id, From: l.from, To: l.to, Number: it.number,
			Kind: h.Kind, Term: h.Term, Bytes: size, Summary: s,
			Left: it.left, Due: it.due,
		}
		if r := it.rare; r != nil {
			f.CopyOf, f.Damaged = r.copyOf, r.damage != 0
		}
		dst = append(dst, f)
	}
	return dst
}

// plan has the schedule wake the link for what goes next. With mu held, and
// nobody writing.
func (l *lane) plan() {
	if due, any := l.nextDue(); any {
		l.proxy.schedule.set(&l.wake, due)
	}
}

// nextDue is when the first frame is due that goes by itself. With mu held.
func (l *lane) nextDue() (due raft.Time, any bool) {
	if !l.queue.empty() {
		due, any = l.queue.head().due, true
	}
	if x := l.apart.first(); x != nil && (!any || x.frame.Due < due) {
		due, any = x.frame.Due, true
	}
	return due, any
}

// idle ends a turn of writing and leaves what waits to the schedule.
func (l *lane) idle() {
	l.busy, l.hand, l.fromHead = false, nil, 0
	switch {
	case l.closed:
		l.abandon(DroppedRemovedNode)
	case len(l.urgent) > 0:
		l.start()
	default:
		l.plan()
	}
}

// start begins a delivery. With mu held, the link open, and nobody writing.
func (l *lane) start() {
	l.begin(nil, 0)
	l.proxy.conns.Add(1)
	go l.runDeliver()
}

// kick starts a delivery; the schedule has let go of the lane.
func (l *lane) kick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.busy: // it sees to what waits when it is done
	case l.closed:
		l.abandon(DroppedRemovedNode)
	default:
		l.start()
	}
}

// overfull tells whether the reader has to wait, and leaves word that it does.
func (l *lane) overfull() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stalled = l.waits() > l.proxy.backlog
	return l.stalled
}

// makeRoom tells a reader that waits when there is room again. With mu held.
func (l *lane) makeRoom() {
	if l.stalled && l.waits() <= l.proxy.backlog/2 {
		l.stalled = false
		select {
		case l.room <- struct{}{}:
		default: // a reader that went away left it there
		}
	}
}
