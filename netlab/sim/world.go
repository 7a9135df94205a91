package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/raft"
)

// Options are what a World is made with.
type Options struct {
	// Seed is what all that chance decides is drawn from.
	Seed uint64
	// Flight is how long a frame takes on a link without faults, Sync how long a
	// sync of a sound disk takes; 0 is 100 µs for each, about what they take on
	// one machine.
	Flight, Sync raft.Duration
	// Record is how many records of frames are kept. With 0 none is made, which
	// saves much of the time that a frame costs; then nothing can be done to single
	// frames but to wait for them.
	Record int
	// Watch is told what happens; nil for nobody.
	Watch Watcher
}

const (
	flightDefault = raft.Duration(100_000)
	syncDefault   = raft.Duration(100_000)
)

// Watcher is told what happens as it happens, on the simulation's thread. It
// must not call the World, and what it is given is valid during the call only.
// Lives count from 1 and tell a server's incarnations apart.
type Watcher interface {
	// Did tells what a server's core did. Its times are those of the server's own
	// clock.
	Did(id raft.NodeID, life int, events []raft.Event)
	// Deeds tells the same for who checks it: what became of a server's log, votes
	// and state machine, complete and in order, from its start on.
	Deeds(id raft.NodeID, deeds []deed.Deed)
	// Applied tells that a server's state machine has taken an entry, and what came of it.
	Applied(id raft.NodeID, life int, e *raft.Entry, r *kv.Result)
	// Sent tells that a message leaves a server, as a frame with this id.
	Sent(from, to raft.NodeID, frame uint64, m *raft.Message)
	// Landed tells that a frame has arrived or was dropped. Without Options.Record
	// it is not called.
	Landed(f *Frame)
	// Refused tells that a server took nothing in of a frame that was damaged on
	// its way.
	Refused(id, from raft.NodeID)
	// Ended tells that a server has ended by itself, and why.
	Ended(id raft.NodeID, life int, why string)
}

// World is a cluster in virtual time. It is not safe for use by several
// goroutines at once.
type World struct {
	seed   uint64
	flight raft.Duration
	sync   raft.Duration
	watch  Watcher
	rand   *rand.Rand

	now    raft.Time
	agenda agenda
	did    Did

	servers []*server            // by ID, nil for one that is not there; 0 is nobody
	left    map[raft.NodeID]disk // of servers that were removed
	ids     []raft.NodeID
	dirty   []raft.NodeID

	lanes   []*lane // by from and then to
	flights []flight
	spare   []uint32   // of flights
	frames  uint64     // how many there were; the last one's id
	records []onRecord // a ring by told
	told    uint64     // how many records there were
	scratch []byte

	calls     []func()
	spareCall []uint32
}

// New returns a World without servers, at time 0.
func New(o Options) *World {
	w := &World{
		seed: o.Seed, flight: o.Flight, sync: o.Sync, watch: o.Watch,
		rand:    rand.New(rand.NewPCG(o.Seed, 0x73696d)),
		servers: make([]*server, 1),
		records: make([]onRecord, o.Record),
	}
	if w.flight <= 0 {
		w.flight = flightDefault
	}
	if w.sync <= 0 {
		w.sync = syncDefault
	}
	return w
}

// Now is the lab time.
func (w *World) Now() raft.Time { return w.now }

// Did is one thing that has happened.
type Did struct {
	At    raft.Time
	Kind  What
	Node  raft.NodeID // whom it happened to; 0 for an alarm
	From  raft.NodeID // Arrived, Lost: the frame's sender
	Frame uint64      // Arrived, Lost: its id
	Timer raft.Timer  // TimedOut
}

// What tells what has happened.
type What uint8

const (
	// Nothing: an alarm of the caller's own, or what was to happen has no more
	// reason to.
	Nothing What = iota
	// Arrived: a frame has come to its receiver.
	Arrived
	// Lost: a frame was dropped where it was to arrive.
	Lost
	// TimedOut: a server's timer has run out.
	TimedOut
	// Wrote: a server heard that its disk is done.
	Wrote
	// Asked: a client's request has come to a server, Answered: the answer to the client.
	Asked
	Answered
)

// Next is when the next thing happens; false when nothing ever will.
func (w *World) Next() (raft.Time, bool) {
	at, any := w.agenda.next()
	return max(at, w.now), any
}

// Step lets the next thing happen, and says what it was; false when there is none.
func (w *World) Step() (Did, bool) {
	if _, any := w.agenda.next(); !any {
		return Did{At: w.now}, false
	}
	e := w.agenda.pop()
	w.now = max(w.now, e.at)
	w.did = Did{At: w.now}
	switch e.kind {
	case arrival:
		w.land(e.ref, e.seq)
	case deadline:
		if s := w.servers[e.ref]; s != nil && s.life == int(e.life) {
			s.timer(e.seq)
		}
	case written:
		if s := w.servers[e.ref]; s != nil && s.life == int(e.life) {
			s.heardDisk(e.seq)
		}
	case saved:
		if s := w.servers[e.ref]; s != nil && s.life == int(e.life) {
			s.heardSnapshot(e.seq)
		}
	case call:
		f := w.calls[e.ref]
		w.calls[e.ref] = nil
		w.spareCall = append(w.spareCall, e.ref)
		f()
	}
	return w.did, true
}

// Run lets everything happen up to a time, which is then now.
func (w *World) Run(until raft.Time) {
	for {
		if at, any := w.agenda.next(); !any || at > until {
			break
		}
		w.Step()
	}
	w.now = max(w.now, until)
}

// Advance moves time on to t, at which or before which nothing is to happen.
func (w *World) Advance(t raft.Time) {
	if at, any := w.Next(); any && at < t {
		panic(fmt.Sprintf("sim: advance from %d to %d, something is to happen at %d", w.now, t, at))
	}
	w.now = max(w.now, t)
}

// At has f called at a time, or at once, which is after all that happens now,
// when that is past.
func (w *World) At(t raft.Time, f func()) {
	n := len(w.spareCall)
	var ref uint32
	if n > 0 {
		ref = w.spareCall[n-1]
		w.spareCall = w.spareCall[:n-1]
		w.calls[ref] = f
	} else {
		ref = uint32(len(w.calls))
		w.calls = append(w.calls, f)
	}
	w.agenda.push(event{at: max(t, w.now), kind: call, ref: ref})
}

// Add makes a server, which does not run, with links from and to all others. One
// that was there before has what it left on its disk.
func (w *World) Add(id raft.NodeID) error {
	if id == 0 || id > idMax {
		return fmt.Errorf("sim: servers are 1 to %d, not %d", idMax, id)
	}
	if w.server(id) != nil {
		return fmt.Errorf("sim: %v is there already", id)
	}
	for int(id) >= len(w.servers) {
		w.servers = append(w.servers, nil)
	}
	s := newServer(w, id)
	s.disk = w.left[id]
	delete(w.left, id)
	w.servers[id] = s
	for _, o := range w.ids {
		w.connect(id, o)
		w.connect(o, id)
	}
	i, _ := slices.BinarySearch(w.ids, id)
	w.ids = slices.Insert(w.ids, i, id)
	return nil
}

// idMax bounds the servers' numbers.
const idMax = 1 << 10

// Remove ends a server and its links, with all that is under way on them. What
// is on its disk stays, until Forget.
func (w *World) Remove(id raft.NodeID) error {
	s := w.server(id)
	if s == nil {
		return errUnknown(id)
	}
	w.Kill(id)
	w.disconnect(id)
	if !s.disk.empty() {
		if w.left == nil {
			w.left = make(map[raft.NodeID]disk)
		}
		w.left[id] = disk{image: s.disk.image}
	}
	w.servers[id] = nil
	w.ids = slices.DeleteFunc(w.ids, func(o raft.NodeID) bool { return o == id })
	return nil
}

// Forget deletes what a server that was removed has left on its disk.
func (w *World) Forget(id raft.NodeID) { delete(w.left, id) }

func (w *World) server(id raft.NodeID) *server {
	if uint64(id) >= uint64(len(w.servers)) {
		return nil
	}
	return w.servers[id]
}

func errUnknown(id raft.NodeID) error { return fmt.Errorf("sim: there is no %v", id) }

// touch marks a server as changed.
func (w *World) touch(s *server) {
	if !s.dirty {
		s.dirty = true
		w.dirty = append(w.dirty, s.id)
	}
}

// Dirty are the servers whose state may have changed since this was asked last,
// in the order they did.
func (w *World) Dirty(dst []raft.NodeID) []raft.NodeID {
	for _, id := range w.dirty {
		if s := w.server(id); s != nil && s.dirty {
			s.dirty = false
			dst = append(dst, id)
		}
	}
	w.dirty = w.dirty[:0]
	return dst
}

// AnyDirty tells whether Dirty has something to say.
func (w *World) AnyDirty() bool { return len(w.dirty) > 0 }

// lane is the link between two servers, nil when there is none.
func (w *World) lane(from, to raft.NodeID) *lane {
	if s := w.server(from); s != nil && uint64(to) < uint64(len(s.out)) {
		return s.out[to]
	}
	return nil
}

// SetRules sets the faults of one directed link, from the next frame on. What
// is under way keeps its due time, but a wall or a cut stops it, and what a fault
// held goes on once that is no more.
func (w *World) SetRules(from, to raft.NodeID, r link.Rules) error {
	l := w.lane(from, to)
	if l == nil {
		return fmt.Errorf("sim: there is no link %v to %v", from, to)
	}
	if err := r.Validate(); err != nil {
		return err
	}
	l.setRules(w.now, r)
	return nil
}
