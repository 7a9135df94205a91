package sim

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// NodeConfig is what a server is started with. ID and, with a Seed of 0, Seed
// of Raft are the World's to fill in.
type NodeConfig struct {
	Raft raft.Config
	// SnapshotBytes is how large the log may grow before a snapshot is taken; 0 is never.
	SnapshotBytes int64
	// DoubleApply has the state machine take every so many commands twice; 0 is
	// never. It is a mistake that no rule of Raft forbids, for tests of the checks.
	DoubleApply uint64
}

// server is a process around a core.
type server struct {
	w    *World
	id   raft.NodeID
	out  []*lane // to each other server, by its number; nil for none
	disk disk
	own  clock.Drift

	cfg    NodeConfig
	life   int // how many times it was started
	paused bool
	dirty  bool

	// While it runs:
	core     *raft.Node
	store    *kv.Store
	applied  raft.Index
	part     snapshot // what has arrived of a leader's snapshot
	gate     []gated  // messages that wait for the disk
	lastSync uint64   // the newest write given to the disk
	synced   uint64   // the newest the core was told is durable
	heard    uint64   // a paused server's: what the disk has done meanwhile
	tickAt   raft.Time
	tick     uint64         // number of the event for it on the agenda
	inbox    []raft.Message // a paused server's
	asked    []ask          // a paused server's
	pending  []pending      // proposals of clients, by index
	reads    reads
	saves    saves
	commands uint64    // how many the state machine has taken
	result   kv.Result // of the last entry; the watcher is given it, so it is not made anew for each
	witness  deed.Witness
}

// gated is a message that leaves when a write is durable.
type gated struct {
	sync uint64
	m    raft.Message
}

func newServer(w *World, id raft.NodeID) *server { return &server{w: w, id: id, tickAt: raft.Never} }

func (s *server) running() bool { return s.core != nil }

// dead tells whether frames find nobody.
func (s *server) dead() bool { return s.core == nil }

// now is what the server's own clock shows. It does not go back: the core takes
// an earlier time as the last one.
func (s *server) now() raft.Time {
	if s.own == (clock.Drift{}) {
		return s.w.now
	}
	return s.own.Own(s.w.now)
}

// Running tells whether a server runs, be it paused.
func (w *World) Running(id raft.NodeID) bool {
	s := w.server(id)
	return s != nil && s.running()
}

// Start starts a server with what its disk holds. notes say what was found there
// that is worth telling. The error is a configuration that makes no sense, or
// damage.
func (w *World) Start(id raft.NodeID, c NodeConfig) (notes []string, err error) {
	s := w.server(id)
	switch {
	case s == nil:
		return nil, errUnknown(id)
	case s.running():
		return nil, fmt.Errorf("sim: %v runs already", id)
	}
	if s.disk.fault.Fault == wire.DiskFull {
		return nil, fmt.Errorf("the disk is full: open the log of %v: no space left on device; free some space, then restart %v: nothing acknowledged is lost", s.id, s.id)
	}
	if err := s.disk.damage(); err != nil {
		return nil, fmt.Errorf("open the log of %v: %w", id, err)
	}
	if s.disk.torn {
		s.disk.torn = false
		notes = append(notes, fmt.Sprintf("cut a torn record off the end of the log: it ends at entry %d", s.disk.last()))
	}
	s.disk.recover()
	s.cfg = c
	s.cfg.Raft.ID = id
	restored := s.disk.restored()
	core, err := raft.New(s.cfg.Raft, &s.disk.image, restored, s.now())
	if err != nil {
		return nil, err
	}
	s.core = core
	s.life++
	s.paused = false
	s.store = kv.New()
	s.store.SetUnsafe(s.cfg.Raft.Unsafe)
	s.applied, s.part, s.gate, s.lastSync, s.synced, s.heard, s.commands = 0, snapshot{}, nil, 0, 0, 0, 0
	s.tickAt, s.tick, s.inbox, s.asked, s.pending, s.reads = raft.Never, 0, nil, nil, nil, reads{}
	s.saves = saves{limit: c.SnapshotBytes}
	if w.watch != nil {
		s.witness.Reset()
		s.witness.Started(s.now(), &restored, s.cfg.Raft.Members)
		s.witness.Stored(s.now(), s.disk.entries)
	}
	if newest := s.disk.newest(); newest.meta.Index > 0 {
		if err := s.become(newest); err != nil {
			s.end()
			return nil, fmt.Errorf("load the snapshot of %v: %w", id, err)
		}
	}
	s.settle()
	return notes, nil
}

// become makes the state machine what a snapshot says (§7).
func (s *server) become(snap snapshot) error {
	store, err := kv.Restore(bytes.NewReader(snap.data))
	if err != nil {
		return fmt.Errorf("the snapshot of entry %d: %w", snap.meta.Index, err)
	}
	s.store = store
	s.store.SetUnsafe(s.cfg.Raft.Unsafe)
	s.applied = snap.meta.Index
	s.saves.taken(snap.meta, int64(len(snap.data)), s.saves.total, snap.meta.Index)
	return nil
}

// Kill ends a server as a power cut does: what was not synced is lost, and so is
// what a disk that lies has in its cache.
func (w *World) Kill(id raft.NodeID) {
	s := w.server(id)
	if s == nil || !s.running() {
		return
	}
	s.end()
	d := &s.disk
	if d.real != nil {
		d.image, d.real = *d.real, nil
		d.entries = slices.Clip(d.entries) // frames under way have what was behind
	}
}

// Stop ends a server in good order: it writes what waits for its disk, and a
// cache is written back.
func (w *World) Stop(id raft.NodeID) {
	s := w.server(id)
	if s == nil || !s.running() {
		return
	}
	d := &s.disk
	switch d.fault.Fault {
	case wire.DiskFail, wire.DiskFull: // it cannot be written
	default:
		for i := range d.queue {
			d.store(&d.queue[i])
		}
	}
	d.real = nil
	s.end()
}

// end ends what runs. Clients' connections break.
func (s *server) end() {
	if !s.running() {
		return
	}
	s.core, s.store = nil, nil
	s.disk.queue, s.disk.syncing, s.disk.event = nil, 0, 0
	s.testify()
	s.hangUp()
	s.saves.fail(s, "it has ended")
	s.w.touch(s)
}

// fail ends a server whose disk fails.
func (s *server) fail(why string) {
	life := s.life
	s.end()
	s.disk.real = nil // the power stays on, and a cache is written back
	if s.w.watch != nil {
		s.w.watch.Ended(s.id, life, why)
	}
}

// Pause stops a server where it is (SIGSTOP): what comes for it waits.
func (w *World) Pause(id raft.NodeID) {
	if s := w.server(id); s != nil && s.running() {
		s.paused = true
	}
}

// Resume lets a paused server go on. It takes in what has come meanwhile, and
// its timers that have run out.
func (w *World) Resume(id raft.NodeID) {
	s := w.server(id)
	if s == nil || !s.running() || !s.paused {
		return
	}
	s.paused = false
	life := s.life
	if s.heard > s.synced {
		s.persisted(s.heard)
	}
	inbox, asked := s.inbox, s.asked
	s.inbox, s.asked = nil, nil
	for i := range inbox {
		if s.life == life && s.running() {
			s.receive(&inbox[i])
		}
	}
	for i := range asked {
		if s.life == life && s.running() {
			s.take(&asked[i])
		} else {
			asked[i].done(nil)
		}
	}
	if s.life == life && s.running() {
		s.settle()
	}
}

// SetClock has a server's own clock run beside the lab's as d says.
func (w *World) SetClock(id raft.NodeID, d clock.Drift) error {
	s := w.server(id)
	if s == nil {
		return errUnknown(id)
	}
	s.own = d
	s.tickAt = raft.Never // what it was set to is another lab time now
	if s.running() {
		s.plan()
	}
	w.touch(s)
	return nil
}

// receive takes a message in, or keeps it for a server that is paused.
func (s *server) receive(m *raft.Message) {
	if s.paused {
		s.inbox = append(s.inbox, *m)
		return
	}
	if err := s.core.Step(s.now(), *m); err != nil {
		// A core that has stopped says so again; a message no core sends does not come.
		_ = err
	}
	s.settle()
}

// timer is when a deadline may have come. Deadlines move away all the time, as
// every heartbeat moves one; the event stays, and looks again.
func (s *server) timer(event uint64) {
	if s.tick != event || s.core == nil {
		return
	}
	s.tickAt = raft.Never
	if s.paused {
		return // it looks when it is resumed
	}
	now := s.now()
	if at, timer := s.core.Due(); at <= now {
		s.w.did.Kind, s.w.did.Node, s.w.did.Timer = TimedOut, s.id, timer
		s.core.TickOne(now)
		s.settle()
		return
	}
	s.plan()
}

// plan has the agenda look at the next deadline.
func (s *server) plan() {
	at := s.core.Deadline()
	if at == raft.Never || s.paused {
		return
	}
	if s.own != (clock.Drift{}) {
		at = s.own.Lab(at)
	}
	if at >= s.tickAt {
		return
	}
	s.tickAt = at
	s.tick = s.w.agenda.push(event{at: max(at, s.w.now), kind: deadline, ref: uint32(s.id), life: uint32(s.life)})
}

// persisted tells the core that a write is durable, and lets out what waited for it.
func (s *server) persisted(sync uint64) {
	s.synced = sync
	s.core.Persisted(s.now(), sync)
	n := 0
	for n < len(s.gate) && s.gate[n].sync <= sync {
		s.post(&s.gate[n].m)
		n++
	}
	if n > 0 {
		left := copy(s.gate, s.gate[n:])
		clear(s.gate[left:])
		s.gate = s.gate[:left]
	}
	s.settle()
}

// post gives a message to the link to its receiver, if there is one: a server
// that was removed may still be in somebody's configuration.
func (s *server) post(m *raft.Message) {
	if uint64(m.To) < uint64(len(s.out)) && s.out[m.To] != nil {
		s.w.send(s.out[m.To], m)
	}
}

// settle carries out what the core owes, until it owes nothing.
func (s *server) settle() {
	s.w.touch(s)
	for s.core != nil && s.core.HasReady() {
		rd := s.core.Ready()
		if rd.Err != nil {
			s.fail(fmt.Sprintf("read the log of %v: %v", s.id, rd.Err))
			return
		}
		if len(rd.Events) > 0 && s.w.watch != nil {
			s.witness.Ready(&rd)
			s.w.watch.Did(s.id, s.life, rd.Events)
		}
		for i := range rd.Messages {
			s.post(&rd.Messages[i])
		}
		if !s.persist(&rd) {
			return
		}
		s.apply(rd.Committed)
		s.testify()
		s.hear(rd.Reads)
	}
	if s.core == nil {
		return
	}
	s.serveReads()
	if len(s.pending) > 0 && (s.core.Role() != raft.Leader || s.pending[0].term != s.core.Term()) {
		s.abandon()
	}
	s.compact()
	s.plan()
}

// persist gives the disk what a Ready wants written, and keeps the messages that
// wait for it. It returns false when the server has ended.
func (s *server) persist(rd *raft.Ready) bool {
	for _, c := range rd.Chunks {
		if c.Offset == 0 {
			s.part = snapshot{meta: c.Meta}
		}
		s.part.data = append(s.part.data, c.Data...)
	}
	if rd.Sync == 0 && len(rd.AfterSync) == 0 {
		return true
	}
	if rd.Sync != 0 {
		w := write{sync: rd.Sync, state: rd.State, entries: rd.Entries}
		s.lastSync = rd.Sync
		if rd.Install != nil {
			w.install, w.keepLog = &snapshot{rd.Install.Meta, s.part.data}, rd.Install.KeepLog
			s.part = snapshot{}
			s.saves.overtaken()
			if err := s.become(*w.install); err != nil {
				s.fail(fmt.Sprintf("load the snapshot of %v: %v", s.id, err))
				return false
			}
			s.core.Applied(s.applied)
		}
		if err := s.put(w); err != nil {
			s.fail(err.Error())
			return false
		}
	}
	if s.lastSync == s.synced {
		for i := range rd.AfterSync {
			s.post(&rd.AfterSync[i])
		}
		return true
	}
	for i := range rd.AfterSync {
		s.gate = append(s.gate, gated{s.lastSync, rd.AfterSync[i]})
	}
	return true
}

// apply gives committed entries to the state machine, and answers the clients
// who wait for them.
func (s *server) apply(entries []raft.Entry) {
	if len(entries) == 0 {
		return
	}
	for i := range entries {
		e, result := &entries[i], &s.result
		*result = kv.Result{}
		if e.Kind == raft.EntryCommand {
			*result = s.store.Apply(e.Index, e.Term, e.Data)
			if s.commands++; s.cfg.DoubleApply > 0 && s.commands%s.cfg.DoubleApply == 0 {
				s.tell(e, result)
				*result = s.again(e)
			}
		}
		s.applied = e.Index
		s.saves.count(e)
		s.tell(e, result)
		if len(s.pending) > 0 && s.pending[0].index == e.Index {
			p := s.pending[0]
			s.pending = s.pending[1:]
			s.answer(&p, e, result)
		}
	}
	s.core.Applied(s.applied)
}

// tell tells what came of an entry.
func (s *server) tell(e *raft.Entry, r *kv.Result) {
	if s.w.watch == nil {
		return
	}
	var effect deed.Effect
	if e.Kind == raft.EntryCommand {
		switch t := s.store.Took(); {
		case t.Repeated:
			effect.Is = deed.Repeated
		case t.Session != 0:
			effect = deed.Effect{Is: deed.TookEffect, Session: t.Session, Seq: t.Seq}
		}
	}
	s.witness.Apply(s.now(), e, effect)
	s.w.watch.Applied(s.id, s.life, e, r)
}

// testify hands on what was done.
func (s *server) testify() {
	if s.w.watch == nil {
		return
	}
	if deeds := s.witness.Deeds(); len(deeds) > 0 {
		s.w.watch.Deeds(s.id, deeds)
		s.witness.Reset()
	}
}

// again applies an entry a second time, past the sessions that are to prevent
// just that.
func (s *server) again(e *raft.Entry) kv.Result {
	s.store.SetUnsafe(s.cfg.Raft.Unsafe | raft.UnsafeNoSessions)
	defer s.store.SetUnsafe(s.cfg.Raft.Unsafe)
	return s.store.Apply(e.Index, e.Term, e.Data)
}
