package sim

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// Why a frame is dropped that the link's rules let through.
const (
	// DroppedDeadNode: the server it was for does not run.
	DroppedDeadNode link.Reason = "dead node"
	// DroppedRemovedNode: one of the link's ends was taken out of the network.
	DroppedRemovedNode link.Reason = "removed node"
	// DroppedByHand: somebody asked for it.
	DroppedByHand link.Reason = "by hand"
)

// Frame is what is on record of one frame. All times are of the lab clock.
type Frame struct {
	ID       uint64 // counted up over all links
	From, To raft.NodeID
	Number   uint64 // on its link, from 1
	Kind     wire.Kind
	Term     raft.Term
	Bytes    int // as on a wire, its length bytes included
	Left     raft.Time
	Due      raft.Time
	Done     bool // it has Arrived, or it was Dropped for a Reason; else it waits
	Arrived  raft.Time
	Dropped  raft.Time
	Reason   link.Reason // empty unless dropped
	Fault    uint64      // the id of the fault that dropped it or holds it; 0 for none
	Held     bool        // it waits until somebody lets it go
	Damaged  bool        // a byte of it is changed on the way
	Injected bool        // somebody put it in by hand
	CopyOf   uint64      // the frame that it repeats; it has that one's number
	Summary  wire.Summary
}

// LinkCounters tell what one directed link has done so far.
type LinkCounters struct {
	From, To  raft.NodeID
	Sent      uint64 // frames that left the sender
	Copies    uint64 // frames that the network made: duplicates, and those put in by hand
	Delivered uint64
	Dropped   uint64
	Waiting   int           // Sent or Copies, and neither delivered nor dropped yet
	Held      int           // of those, the ones that wait until somebody lets them go
	Flight    raft.Duration // median of the last frames delivered under these rules; 0 when there is none
}

// Action is what can be done to one frame that waits.
type Action uint8

// The actions.
const (
	Drop    Action = iota + 1 // it never arrives
	Hold                      // it waits until it is released or dropped, whatever rules say
	Release                   // it goes now, past all others
)

// lane is one directed link.
type lane struct {
	w         *World
	from, to  raft.NodeID
	link      link.Link
	number    uint64
	sent      uint64
	copies    uint64
	delivered uint64
	dropped   uint64
	held      int
	flights   [32]raft.Duration // of the last frames delivered
	since     raft.Time         // when the rules were set; flights are of frames that left since
	known     uint64            // how many those were
}

// flight is the median of the last frames' flights.
func (l *lane) flight() raft.Duration {
	n := min(l.known, uint64(len(l.flights)))
	if n == 0 {
		return 0
	}
	sorted := l.flights
	slices.Sort(sorted[:n])
	return sorted[n/2]
}

// flight is a frame under way.
type flight struct {
	lane   *lane // nil for a place that is free
	m      raft.Message
	id     uint64
	number uint64
	copyOf uint64
	fault  uint64
	left   raft.Time
	due    raft.Time
	seq    uint64 // of its event; 0 when nothing will let it go by itself
	damage bool
	held   bool
	byHand bool // held by hand

	injected bool // put in by hand
}

func (w *World) connect(from, to raft.NodeID) {
	s := w.servers[from]
	for int(to) >= len(s.out) {
		s.out = append(s.out, nil)
	}
	l := &lane{w: w, from: from, to: to}
	s.out[to] = l
	w.lanes = append(w.lanes, l)
	slices.SortFunc(w.lanes, func(a, b *lane) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
}

// disconnect takes a server's links away, and what is under way on them.
func (w *World) disconnect(id raft.NodeID) {
	for ref := range w.flights {
		if f := &w.flights[ref]; f.lane != nil && (f.lane.from == id || f.lane.to == id) {
			w.drop(uint32(ref), DroppedRemovedNode, 0)
		}
	}
	w.lanes = slices.DeleteFunc(w.lanes, func(l *lane) bool { return l.from == id || l.to == id })
	for _, o := range w.ids {
		if s := w.servers[o]; int(id) < len(s.out) {
			s.out[id] = nil
		}
	}
}

// send gives a message to the network.
func (w *World) send(l *lane, m *raft.Message) {
	l.number++
	l.sent++
	w.frames++
	if w.watch != nil {
		w.watch.Sent(l.from, l.to, w.frames, m)
	}
	if l.link.Plain() {
		due, why := l.link.Pass(w.now)
		ref := w.place()
		f := &w.flights[ref]
		f.lane, f.m, f.id, f.number, f.left, f.due = l, *m, w.frames, l.number, w.now, due+raft.Time(w.flight)
		if why != "" {
			w.drop(ref, why, 0)
			return
		}
		w.launch(ref)
		return
	}
	f := flight{lane: l, m: *m, id: w.frames, number: l.number, left: w.now}
	lf := w.linkFrame(&f)
	v := l.link.Judge(w.seed, &lf)
	f.due, f.fault = v.Due+raft.Time(w.flight), v.Fault
	if v.Reset {
		w.Reset(l.from, l.to)
	}
	if v.Drop != "" {
		w.turnAway(&f, v.Drop, v.Fault)
		return
	}
	f.fault = 0
	if v.Hold {
		f.held, f.fault = true, v.Fault
		f.due = max(f.due, v.HoldEnd)
	}
	original := f
	f.damage = v.Damage != 0
	if f.held && v.HoldEnd == 0 {
		w.park(&f)
	} else {
		w.fly(&f)
	}
	for n := range v.Copies {
		c := original
		w.frames++
		l.copies++
		c.id, c.copyOf = w.frames, original.id
		c.due += raft.Time(n+1) * raft.Time(v.After)
		if c.held && v.HoldEnd == 0 {
			w.park(&c)
		} else {
			w.fly(&c)
		}
	}
}

// linkFrame is what rules may depend on of a frame.
func (w *World) linkFrame(f *flight) link.Frame {
	kind, s := wire.KindOf(f.m.Body), wire.Summarize(f.m.Body)
	lf := link.Frame{
		From: f.lane.from, To: f.lane.to, Number: f.number, Left: f.left, Kind: kind, Term: f.m.Term,
	}
	if f.lane.link.Weighs() {
		lf.Bytes = w.size(f)
	}
	lf.First, lf.Last = link.Indexes(kind, &s)
	return lf
}

// size is how many bytes a frame has on a wire.
func (w *World) size(f *flight) int {
	b, err := wire.AppendMessage(w.scratch[:0], f.number, &f.m)
	if err != nil {
		panic(fmt.Sprintf("sim: %v to %v: %v", f.lane.from, f.lane.to, err)) // a core's own message
	}
	w.scratch = b
	return len(b)
}

// place is a place for a frame that is under way, empty.
func (w *World) place() uint32 {
	if n := len(w.spare); n > 0 {
		ref := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return ref
	}
	w.flights = append(w.flights, flight{})
	return uint32(len(w.flights) - 1)
}

// launch lets a frame go to its receiver.
func (w *World) launch(ref uint32) {
	f := &w.flights[ref]
	f.seq = w.agenda.push(event{at: f.due, kind: arrival, ref: ref})
	if f.held {
		f.lane.held++
	}
	w.record(f)
}

// fly lets a frame go to its receiver that has no place yet.
func (w *World) fly(f *flight) {
	ref := w.place()
	w.flights[ref] = *f
	w.launch(ref)
}

// park keeps a frame until somebody lets it go.
func (w *World) park(f *flight) {
	w.flights[w.place()] = *f
	f.lane.held++
	w.record(f)
}

// free gives a flight's place back.
func (w *World) free(ref uint32) {
	w.flights[ref] = flight{}
	w.spare = append(w.spare, ref)
}

// turnAway drops a frame as it enters.
func (w *World) turnAway(f *flight, why link.Reason, fault uint64) {
	f.lane.dropped++
	w.finish(f, why, fault)
}

// drop drops a frame that is under way.
func (w *World) drop(ref uint32, why link.Reason, fault uint64) {
	f := &w.flights[ref]
	if f.held {
		f.lane.held--
	}
	f.lane.dropped++
	w.finish(f, why, fault)
	w.free(ref)
}

// land is when a frame is due.
func (w *World) land(ref uint32, seq uint64) {
	f := &w.flights[ref]
	if f.lane == nil || f.seq != seq {
		return // it was dropped, or is held
	}
	l := f.lane
	w.did.Node, w.did.From, w.did.Frame = l.to, l.from, f.id
	if why, fault := w.stopped(f); why != "" {
		w.did.Kind = Lost
		w.drop(ref, why, fault)
		return
	}
	w.did.Kind = Arrived
	if f.held { // for a time that is over
		l.held--
	}
	if f.left >= l.since {
		l.flights[l.known%uint64(len(l.flights))] = raft.Duration(w.now - f.left)
		l.known++
	}
	l.delivered++
	w.finish(f, "", 0)
	m, damaged := f.m, f.damage
	w.free(ref) // what comes of it may need the place
	if damaged {
		// One changed byte is what the checksum always finds.
		if w.watch != nil {
			w.watch.Refused(l.to, l.from)
		}
		return
	}
	w.servers[l.to].receive(&m)
}

// stopped tells why a frame that is due does not arrive, empty when it does.
func (w *World) stopped(f *flight) (link.Reason, uint64) {
	if !f.lane.link.Open() {
		lf := w.linkFrame(f)
		if v := f.lane.link.JudgeArrival(w.now, &lf); v.Drop != "" {
			f.lane.link.CountStopped(v.Fault)
			return v.Drop, v.Fault
		}
	}
	if s := w.servers[f.lane.to]; s == nil || s.dead() {
		return DroppedDeadNode, 0
	}
	return "", 0
}

// frame is the record of a flight.
func (w *World) frame(f *flight) Frame {
	return Frame{
		ID: f.id, From: f.lane.from, To: f.lane.to, Number: f.number,
		Kind: wire.KindOf(f.m.Body), Term: f.m.Term, Bytes: w.size(f), Left: f.left, Due: f.due,
		Fault: f.fault, Held: f.held, Damaged: f.damage, Injected: f.injected, CopyOf: f.copyOf,
		Summary: wire.Summarize(f.m.Body),
	}
}

// onRecord is a record and what the frame says, so that it can be sent again.
type onRecord struct {
	Frame
	m raft.Message
}

func (w *World) keep(r *Frame, m *raft.Message) {
	w.records[w.told%uint64(len(w.records))] = onRecord{*r, *m}
	w.told++
}

// record puts a frame that begins to wait on record.
func (w *World) record(f *flight) {
	if len(w.records) > 0 {
		r := w.frame(f)
		w.keep(&r, &f.m)
	}
}

// finish puts a frame on record that has arrived, or was dropped.
func (w *World) finish(f *flight, why link.Reason, fault uint64) {
	if len(w.records) == 0 {
		return
	}
	r := w.frame(f)
	r.Held, r.Fault, r.Done = false, fault, true
	if why == "" {
		r.Arrived = w.now
	} else {
		r.Dropped, r.Reason = w.now, why
	}
	w.keep(&r, &f.m)
	if w.watch != nil {
		w.watch.Landed(&r)
	}
}

// Reset breaks the connections of one directed link: what is under way is lost.
// The link works on.
func (w *World) Reset(from, to raft.NodeID) {
	l := w.lane(from, to)
	if l == nil {
		return
	}
	for ref := range w.flights {
		if f := &w.flights[ref]; f.lane == l {
			w.drop(uint32(ref), link.DroppedByReset, 0)
		}
	}
	l.link.Restart()
}

// setRules sets the rules, and lets go what no fault holds any more.
func (l *lane) setRules(now raft.Time, r link.Rules) {
	l.link.SetRules(r)
	l.since, l.known = now, 0 // how long frames took says nothing under other rules
	if l.held == 0 {
		return
	}
	holds := make(map[uint64]bool)
	for _, f := range r.Faults {
		if link.Is[link.Hold](f) {
			holds[f.ID] = true
		}
	}
	w := l.w
	for _, ref := range w.inOrder(func(f *flight) bool { return f.lane == l && f.held && !f.byHand && !holds[f.fault] }) {
		w.release(ref, w.now)
	}
}

// inOrder are the frames under way that fit, by id.
func (w *World) inOrder(fits func(*flight) bool) []uint32 {
	var refs []uint32
	for ref := range w.flights {
		if f := &w.flights[ref]; f.lane != nil && fits(f) {
			refs = append(refs, uint32(ref))
		}
	}
	slices.SortFunc(refs, func(a, b uint32) int { return cmp.Compare(w.flights[a].id, w.flights[b].id) })
	return refs
}

// release lets a frame go at a time, whatever held it.
func (w *World) release(ref uint32, at raft.Time) {
	f := &w.flights[ref]
	if f.held {
		f.lane.held--
	}
	f.held, f.byHand, f.fault, f.due = false, false, 0, at
	f.seq = w.agenda.push(event{at: at, kind: arrival, ref: ref})
	w.record(f)
}

// Links appends the counters of all links to dst, by From and then To.
func (w *World) Links(dst []LinkCounters) []LinkCounters {
	for _, l := range w.lanes {
		dst = append(dst, LinkCounters{
			From: l.from, To: l.to, Sent: l.sent, Copies: l.copies, Delivered: l.delivered, Dropped: l.dropped,
			Waiting: int(l.sent + l.copies - l.delivered - l.dropped), Held: l.held, Flight: l.flight(),
		})
	}
	return dst
}

// Hits tells what each fault with an id did, on all links that have it.
func (w *World) Hits() map[uint64]link.Hits {
	hits := make(map[uint64]link.Hits)
	for _, l := range w.lanes {
		l.link.Hits(hits)
	}
	return hits
}

// Held appends all frames that wait in the network to dst: those that go by
// themselves, in that order, then those that are held, by id.
func (w *World) Held(dst []Frame) []Frame {
	start := len(dst)
	for ref := range w.flights {
		if f := &w.flights[ref]; f.lane != nil {
			dst = append(dst, w.frame(f))
		}
	}
	slices.SortFunc(dst[start:], func(a, b Frame) int {
		switch {
		case a.Held != b.Held && a.Held:
			return 1
		case a.Held != b.Held:
			return -1
		case a.Held:
			return cmp.Compare(a.ID, b.ID)
		}
		return cmp.Or(cmp.Compare(a.Due, b.Due), cmp.Compare(a.ID, b.ID))
	})
	return dst
}

// Cursor is the place behind the last record of a frame.
func (w *World) Cursor() uint64 { return w.told }

// Frames appends to dst the records from place c on, oldest first, and returns
// the place behind them. A frame that waits is on record at once, and again,
// under the same ID, when it arrives or is dropped. At most limit records are
// appended, the latest; missed tells how many before them were left out, or are
// no longer kept.
func (w *World) Frames(dst []Frame, c uint64, limit int) (frames []Frame, next, missed uint64) {
	first := min(c, w.told)
	have := w.told - first
	take := min(have, uint64(max(limit, 0)), uint64(len(w.records)))
	for n := w.told - take; n < w.told; n++ {
		dst = append(dst, w.records[n%uint64(len(w.records))].Frame)
	}
	return dst, w.told, have - take
}

// lastWord is the latest record of a frame, if there still is one.
func (w *World) lastWord(id uint64) (onRecord, bool) {
	have := min(w.told, uint64(len(w.records)))
	for n := w.told; n > w.told-have; n-- {
		if f := &w.records[(n-1)%uint64(len(w.records))]; f.ID == id {
			return *f, true
		}
	}
	return onRecord{}, false
}

// FrameAction drops, holds or releases a frame that waits, in whatever order it
// would have gone. One that is released arrives with the next Step, but passes no
// wall and no cut.
func (w *World) FrameAction(id uint64, a Action) error {
	refs := w.inOrder(func(f *flight) bool { return f.id == id })
	if len(refs) == 0 {
		return w.notWaiting(id)
	}
	ref := refs[0]
	f := &w.flights[ref]
	switch a {
	case Drop:
		w.drop(ref, DroppedByHand, 0)
	case Hold:
		if !f.held {
			f.lane.held++
		}
		f.held, f.byHand, f.seq = true, true, 0
		w.record(f)
	case Release:
		w.release(ref, w.now)
	default:
		return fmt.Errorf("a frame can be dropped, held or released, nothing else")
	}
	return nil
}

// Deliver releases a frame as Release does, at once: when it returns the frame
// has arrived or was dropped, which the record tells.
func (w *World) Deliver(id uint64) (Frame, error) {
	refs := w.inOrder(func(f *flight) bool { return f.id == id })
	if len(refs) == 0 {
		return Frame{}, w.notWaiting(id)
	}
	ref := refs[0]
	f := &w.flights[ref]
	if f.held {
		f.lane.held--
	}
	f.held, f.byHand, f.fault, f.due, f.seq = false, false, 0, w.now, 0
	record := w.frame(f)
	record.Done = true
	w.did = Did{At: w.now}
	w.land(ref, 0)
	if w.did.Kind == Arrived {
		record.Arrived = w.now
	} else if last, ok := w.lastWord(id); ok {
		record = last.Frame
	}
	return record, nil
}

// Inject sends a frame of the last ones again, whatever became of it, and
// returns the id of the copy. It is due at once, and chance and delays have no
// say in it.
func (w *World) Inject(id uint64) (uint64, error) {
	known, ok := w.lastWord(id)
	if ok && known.CopyOf != 0 {
		id = known.CopyOf
	}
	if !ok {
		return 0, fmt.Errorf("frame %d is not on record any more: the last %d are", id, len(w.records))
	}
	l := w.lane(known.From, known.To)
	if l == nil {
		return 0, fmt.Errorf("send frame %d again: there is no link %v to %v", id, known.From, known.To)
	}
	w.frames++
	l.copies++
	w.fly(&flight{lane: l, m: known.m, id: w.frames, copyOf: id, injected: true, left: w.now, due: w.now})
	return w.frames, nil
}

func (w *World) notWaiting(id uint64) error {
	if id == 0 || id > w.frames {
		return fmt.Errorf("there is no frame %d: the last one is %d", id, w.frames)
	}
	f, known := w.lastWord(id)
	switch {
	case known && f.Reason != "":
		return fmt.Errorf("frame %d is not under way any more: it was dropped (%s)", id, f.Reason)
	case known && f.Done:
		return fmt.Errorf("frame %d is not under way any more: it has arrived", id)
	}
	return fmt.Errorf("frame %d is not under way any more", id)
}
