package netlab

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/raftlab/raftlab/netlab/proxy"
	"github.com/raftlab/raftlab/netlab/sim"
	did "github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// tellEvery is how long, in real time, what a node has done may wait until the lab
// is told: a process waits as long. What many wait for is told at once.
const tellEvery = 8 * time.Millisecond

// framesOfSim is how many records of frames a simulated network keeps.
const framesOfSim = framesKept

// simulation is the engine of a lab whose nodes, disks and network are simulated
// in virtual time ([sim.World]). All of it belongs to the lab's one thread.
type simulation struct {
	lab    *lab
	tasks  *coroutines
	inline bool // who asks is the thread
	world  *sim.World
	nodes  map[raft.NodeID]*simNode // the lives that go on

	doubleApply uint64 // see EnvDoubleApply

	tellAt  int64 // real time by which the lab is to be told what is new; ever when nothing is
	urgent  bool  // at once
	touched []raft.NodeID
	failed  []*simNode // that have ended by themselves, and nobody was told yet
}

// EnvDoubleApply plants a mistake in the nodes of simulated labs: their state
// machines take every so many commands twice. It is for tests of the checks, which
// have to find a bug that is no rule of Raft broken.
const EnvDoubleApply = "RAFTLAB_TEST_DOUBLE_APPLY"

// newSimulation returns the engine of l, and its tasks. frames is how many
// records of frames are kept: none make it faster, and nothing can be done to
// single frames then.
func newSimulation(l *lab, driven bool, frames int) *simulation {
	s := &simulation{lab: l, nodes: make(map[raft.NodeID]*simNode), tellAt: ever}
	s.doubleApply, _ = strconv.ParseUint(os.Getenv(EnvDoubleApply), 10, 64) // what is no number plants nothing
	s.tasks = newCoroutines(s, driven)
	s.world = sim.New(sim.Options{Seed: mix(l.config.Seed, seedWorld), Record: frames, Watch: (*simWatch)(s)})
	return s
}

func (*simulation) name() string { return EngineSim }

func (s *simulation) open() (wires, error) { return &simWires{s: s}, nil }

func (s *simulation) run(context.Context) error {
	s.tasks.run(s.tasks.idle)
	return nil
}

func (s *simulation) end() {
	for _, id := range s.running() {
		// It runs, so it lets itself be ended.
		_ = s.nodes[raft.NodeID(id)].terminate()
	}
}

// hangUp lets the thread end, and whoever asks for anything from now on hears that.
func (s *simulation) hangUp() error {
	s.tasks.close()
	return nil
}

func (*simulation) close() {}

// running are the nodes that run, ascending.
func (s *simulation) running() []int {
	s.lab.mu.Lock()
	defer s.lab.mu.Unlock()
	var ids []int
	for _, m := range s.lab.members {
		if s.nodes[raft.NodeID(m.id)] != nil {
			ids = append(ids, m.id)
		}
	}
	return ids
}

// step lets the world do its next thing.
func (s *simulation) step() sim.Did {
	did, _ := s.world.Step()
	if s.urgent || s.watched() {
		s.tell()
	} else if s.tellAt == ever && s.world.AnyDirty() {
		s.tellAt = s.tasks.passed.Load() + int64(tellEvery)
	}
	return did
}

// watched tells whether every change is to be looked at.
func (s *simulation) watched() bool {
	s.lab.mu.Lock()
	defer s.lab.mu.Unlock()
	return len(s.lab.breaks.list) > 0 && s.world.AnyDirty()
}

// catchUp has the world be at the time of the lab clock.
func (s *simulation) catchUp() {
	now := s.lab.clock.Now()
	if next, any := s.world.Next(); any {
		now = min(now, next)
	}
	s.world.Advance(now)
}

// tell tells the lab what nodes have done that it has not heard of. It reports
// whether there was anything.
func (s *simulation) tell() (any bool) {
	s.urgent, s.tellAt = false, ever
	s.touched = s.world.Dirty(s.touched[:0])
	for _, id := range s.touched {
		if n := s.nodes[id]; n != nil {
			n.tell()
			any = true
		}
	}
	for len(s.failed) > 0 {
		n := s.failed[0]
		s.failed = s.failed[1:]
		n.tell()
		n.over()
		any = true
	}
	s.lab.mu.Lock()
	s.lab.tellViolations()
	s.lab.mu.Unlock()
	if any {
		s.tasks.stirred = true
	}
	return any
}

// simWatch is told what happens in the world.
type simWatch simulation

func (s *simWatch) Did(id raft.NodeID, _ int, events []raft.Event) {
	n := s.nodes[id]
	for i := range events {
		n.facts.Add(&events[i])
		switch events[i].Kind {
		case raft.EventRole, raft.EventVoteGiven, raft.EventTruncated: // as node.showing has it
			s.urgent = true
		}
	}
}

// Deeds are checked at once: nothing that a node does is lost on its way.
func (s *simWatch) Deeds(id raft.NodeID, deeds []did.Deed) {
	n := s.nodes[id]
	if s.lab.checks.witness(int(id), n, deeds, &n.m.own) {
		s.urgent = true
	}
}

func (*simWatch) Applied(raft.NodeID, int, *raft.Entry, *kv.Result) {}
func (*simWatch) Landed(*sim.Frame)                                 {}

// Sent shows the checks the messages that say who leads or who votes for whom.
func (s *simWatch) Sent(from, to raft.NodeID, frame uint64, m *raft.Message) {
	f := proxy.Frame{ID: frame, From: from, To: to, Kind: wire.KindOf(m.Body), Term: m.Term, Left: s.world.Now()}
	if f.Kind == wire.KindVoteReply {
		f.Summary = wire.Summarize(m.Body)
	}
	if s.lab.checks.saw(&f) {
		s.urgent = true
	}
}

func (s *simWatch) Refused(id, from raft.NodeID) {
	n := s.nodes[id]
	if n == nil {
		return
	}
	at := n.own(s.lab.clock.Now())
	if k := len(n.damaged); k > 0 && n.damaged[k-1].From == from {
		n.damaged[k-1].Frames++
	} else {
		n.damaged = append(n.damaged, wire.Damaged{At: at, From: from, Frames: 1})
	}
	s.urgent = true
}

func (s *simWatch) Ended(id raft.NodeID, _ int, why string) {
	n := s.nodes[id]
	n.fatal = why
	n.child.exit = why
	delete(s.nodes, id)
	s.failed = append(s.failed, n)
	s.urgent = true
}

// The disks of a simulated lab hold entries and snapshots, and no files.

func (s *simulation) hasData(id int) (bool, error) { return s.world.HasData(raft.NodeID(id)), nil }

func (s *simulation) wipe(id int) error { return s.world.Wipe(raft.NodeID(id)) }

func (s *simulation) forget(id int) error {
	s.world.Forget(raft.NodeID(id))
	return nil
}

func (s *simulation) preload(id int, state raft.HardState, entries []raft.Entry) error {
	return s.world.Preload(raft.NodeID(id), state, entries)
}

func (s *simulation) scan(id int, from, end raft.Index, page func([]raft.Entry) error) (raft.Restored, error) {
	if !s.world.HasData(raft.NodeID(id)) {
		return raft.Restored{}, fs.ErrNotExist
	}
	to := end - 1
	if end > math.MaxInt64/2 {
		to = 0
	}
	entries, base, last, snapshot, err := s.world.Log(raft.NodeID(id), from, to)
	if err != nil {
		return raft.Restored{}, err
	}
	found := raft.Restored{LastIndex: last, Base: base, Snapshot: snapshot}
	if len(entries) == 0 || end <= from {
		return found, nil
	}
	return found, page(entries)
}

func (s *simulation) flip(m *member, op *Op, _ uint64) (string, error) {
	if op.Offset != nil || op.File != "" {
		return "", Errorf(ExitConflict, "the disk of S%d is simulated: it holds entries, not files, so none of them has a byte to flip a bit of", m.id).WithHint("raftlab disk %d flip --index 7", m.id)
	}
	index, err := s.world.Flip(raft.NodeID(m.id), raft.Index(op.Index))
	if err != nil {
		return "", Errorf(ExitConflict, "no bit is flipped: %v", err).WithHint("raftlab log %d", m.id)
	}
	return fmt.Sprintf("a bit of entry %d is flipped", index), nil
}
