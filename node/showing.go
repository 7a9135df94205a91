package node

import (
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// States are spaced in real time: they are for eyes, whatever the rate of the
// lab clock. The first after a pause goes at once.
const (
	changeSpacing = 8 * time.Millisecond
	// touchSpacing is for changes that only move timers and progress, as every
	// heartbeat does. They wait for a turn that comes anyway, but no longer than
	// touchWait: an idle node is not to wake up just to tell that it did.
	touchSpacing = 40 * time.Millisecond
	touchWait    = 100 * time.Millisecond
)

// showing decides when the lab is shown the node's state.
type showing struct {
	last  time.Time // when it was shown last
	news  bool      // something changed since that is worth a look of its own
	major bool      // something changed since
	minor bool      // a timer or a peer's progress changed since
}

func (s *showing) changed() { s.major = true }
func (s *showing) touched() { s.minor = true }

// noted takes note of what the core did. Roles, votes and truncations are rare,
// and there are those who wait for just that moment: they are shown at once.
func (s *showing) noted(events []raft.Event) {
	for i := range events {
		switch events[i].Kind {
		case raft.EventRole, raft.EventVoteGiven, raft.EventTruncated:
			s.news = true
		}
	}
}

// due tells whether the state is to be shown in a turn at this time.
func (s *showing) due(real time.Time) bool {
	return s.news || s.major && real.Sub(s.last) >= changeSpacing || s.minor && real.Sub(s.last) >= touchSpacing
}

// wake is when a turn is wanted to show the state, if nothing else brings one.
func (s *showing) wake() (time.Time, bool) {
	switch {
	case s.major:
		return s.last.Add(changeSpacing), true
	case s.minor:
		return s.last.Add(touchWait), true
	}
	return time.Time{}, false
}

// show tells the lab the state if it is due; at once when the clock has just
// been held, and after an order. Outcomes of orders follow it.
func (r *replica) show(now raft.Time, held bool) {
	real := time.Now()
	if len(r.in.damaged) > 0 {
		r.telemetry.refused(now, r.in.damaged)
		r.shown.changed()
	}
	if r.shown.due(real) || held != r.wasHeld || len(r.outcomes) > 0 {
		r.telemetry.show(r.state(now, held))
		for _, o := range r.outcomes {
			r.telemetry.answer(o)
		}
		clear(r.outcomes)
		r.outcomes = r.outcomes[:0]
		r.lab.tellNow(r.telemetry)
		r.shown = showing{last: real}
	}
	r.wasHeld = held
	if r.rest.passed(real) {
		r.giveBack()
	}
}

// runsShown bounds the terms a state tells of: after elections without end a
// log has more runs than a report can hold, and nobody looks at the old ones.
const runsShown = 1024

func newest(runs []raft.TermRun) []raft.TermRun {
	return runs[max(0, len(runs)-runsShown):]
}

func (r *replica) state(now raft.Time, held bool) *wire.State {
	s := r.core.Status()
	state := &wire.State{
		At: now, Held: held,
		Role: s.Role, Term: s.Term, Vote: s.Vote, Leader: s.Leader,
		Last: s.LastIndex, LastTerm: s.LastTerm, Durable: s.Durable, Commit: s.Commit, Applied: r.applied,
		TimerStart: s.TimerStart, TimerEnd: s.TimerEnd,
		Base: s.Base, Runs: newest(s.Runs), Votes: s.Votes, Peers: s.Peers,
		Config: s.Config, ConfigIndex: s.ConfigIndex, Target: s.Target, TransferTo: s.TransferTo, LeaseEnd: s.LeaseEnd,
		SnapshotIndex: s.Snapshot.Index, SnapshotTerm: s.Snapshot.Term, Snapshotting: r.snapshots.writing != nil,
		Pending: r.pending.len() + r.reads.count, DataBytes: r.wal.Size(),
	}
	if r.snapshots.newest.Index == s.Snapshot.Index {
		state.SnapshotBytes = r.snapshots.size
	}
	return state
}
