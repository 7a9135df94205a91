package sim

import (
	"errors"
	"fmt"
	"strings"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// runsShown bounds the terms a state tells of.
const runsShown = 1024

// State is what a server that runs tells of itself, as a node of a lab reports
// it; nil when it does not run. Its times are those of the server's own clock.
func (w *World) State(id raft.NodeID) *wire.State {
	n := w.server(id)
	if n == nil || n.core == nil {
		return nil
	}
	s := n.core.Status()
	state := &wire.State{
		At: n.now(), Role: s.Role, Term: s.Term, Vote: s.Vote, Leader: s.Leader,
		Last: s.LastIndex, LastTerm: s.LastTerm, Durable: s.Durable, Commit: s.Commit, Applied: n.applied,
		TimerStart: s.TimerStart, TimerEnd: s.TimerEnd,
		Base: s.Base, Runs: s.Runs[max(0, len(s.Runs)-runsShown):], Votes: s.Votes, Peers: s.Peers,
		Config: s.Config, ConfigIndex: s.ConfigIndex, Target: s.Target, TransferTo: s.TransferTo, LeaseEnd: s.LeaseEnd,
		SnapshotIndex: s.Snapshot.Index, SnapshotTerm: s.Snapshot.Term, Snapshotting: n.saves.now != nil,
		Pending: len(n.pending) + len(n.reads.asked) + len(n.reads.waiting), DataBytes: n.disk.size(),
	}
	if n.saves.newest.Index == s.Snapshot.Index {
		state.SnapshotBytes = n.saves.size
	}
	return state
}

// Core is a server's consensus state, nil when it does not run. Who looks at it
// must not change it.
func (w *World) Core(id raft.NodeID) *raft.Node {
	if s := w.server(id); s != nil {
		return s.core
	}
	return nil
}

// Stored is what a server has on its disk: hard state, log and snapshot, as they
// would be found if it started now after a power cut.
func (w *World) Stored(id raft.NodeID) (state raft.HardState, base raft.Index, entries []raft.Entry, snapshot raft.SnapshotMeta, err error) {
	s := w.server(id)
	if s == nil {
		return state, 0, nil, snapshot, errUnknown(id)
	}
	d := s.disk.image
	if s.disk.real != nil {
		d = *s.disk.real
	}
	d.recover()
	return d.state, d.base, d.entries, d.newest().meta, d.damage()
}

// Log is a server's log from entry from up to to, to 0 being the last: a running
// one's as it has it, of one that does not run what is on its disk. base is the
// entry before the log's first.
func (w *World) Log(id raft.NodeID, from, to raft.Index) (entries []raft.Entry, base, last raft.Index, snapshot raft.SnapshotMeta, err error) {
	s := w.server(id)
	if s == nil {
		return nil, 0, 0, snapshot, errUnknown(id)
	}
	// What a running server has is on its disk or waits for it.
	d := s.disk.image
	d.entries = d.entries[:len(d.entries):len(d.entries)]
	if s.core != nil {
		for i := range s.disk.queue {
			d.store(&s.disk.queue[i])
		}
	}
	base, last, snapshot = d.base, d.last(), d.newest().meta
	if to == 0 || to > last {
		to = last
	}
	from = max(from, base+1)
	if from > to {
		return nil, base, last, snapshot, nil
	}
	if d.damaged != 0 {
		err = d.damage()
	}
	return d.entries[from-base-1 : to-base], base, last, snapshot, err
}

// Pairs is a running server's state machine.
func (w *World) Pairs(id raft.NodeID) (pairs []wire.Pair, applied raft.Index, err error) {
	s := w.server(id)
	if s == nil || s.core == nil {
		return nil, 0, fmt.Errorf("%v does not run", id)
	}
	return s.store.Pairs(), s.applied, nil
}

// Elect has a server stand for election now. An error is a sentence for people,
// as are those of the other orders.
func (w *World) Elect(id raft.NodeID) error {
	return w.order(id, func(s *server) error { return s.core.Campaign(s.now()) })
}

// Transfer has a leader hand over (thesis §3.10).
func (w *World) Transfer(id, to raft.NodeID) error {
	return w.order(id, func(s *server) error { return s.core.TransferLeadership(s.now(), to) })
}

// ChangeMembers has a leader change the configuration (§6).
func (w *World) ChangeMembers(id raft.NodeID, next raft.Configuration) error {
	return w.order(id, func(s *server) error { return s.core.ChangeMembers(s.now(), next) })
}

func (w *World) order(id raft.NodeID, do func(*server) error) error {
	s := w.server(id)
	if s == nil || s.core == nil || s.paused {
		return fmt.Errorf("%v does not run", id)
	}
	err := s.refusal(do(s))
	s.settle()
	return err
}

// refusal is the sentence for why the core does not do what was ordered.
func (s *server) refusal(err error) error {
	switch leader := s.core.Leader(); {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader) && leader == 0:
		return fmt.Errorf("%v does not lead, and knows no leader of term %d", s.id, s.core.Term())
	case errors.Is(err, raft.ErrNotLeader):
		return fmt.Errorf("%v does not lead, %v does in term %d", s.id, leader, s.core.Term())
	case errors.Is(err, raft.ErrLeader):
		return fmt.Errorf("%v leads term %d already", s.id, s.core.Term())
	case errors.Is(err, raft.ErrTransferring):
		return fmt.Errorf("%v is handing over to %v: try again in a moment", s.id, s.core.Status().TransferTo)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "raft: "))
}
