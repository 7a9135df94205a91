package netlab

import (
	"time"

	"github.com/raftlab/raftlab/raft"
)

// Why a node gave up the leadership of the term it is in.
const (
	SteppedDownQuorum  = "quorum"  // no majority answered it (thesis §6.2)
	SteppedDownRemoved = "removed" // the configuration has it no more (§6)
)

// newNodeStatus is a node of which nothing is known.
func newNodeStatus(id int) NodeStatus {
	return NodeStatus{
		ID: id, State: StateDead, Role: RoleFollower, FirstIndex: 1,
		Voters: []int{}, VotersOld: []int{}, Learners: []int{}, Log: []TermRun{},
	}
}

// picture is the status without the links' counters. With lab.mu held. What
// the slices inside nodes share with the lab is never changed in place.
func (l *lab) picture() *Status {
	s := &Status{
		Schema: SchemaStatus, Lab: l.name, Engine: l.engine.name(), Version: Version(),
		Seed: l.config.Seed, Profile: l.config.Profile,
		Timing: Timing{
			HeartbeatNS: int64(l.config.Heartbeat), ElectionMinNS: int64(l.config.ElectionMin),
			ElectionMaxNS: int64(l.config.ElectionMax), PreVote: l.config.PreVote, CheckQuorum: l.config.CheckQuorum,
			IgnoreVotes: l.config.IgnoreVotes, Transfer: l.config.Transfer, SnapshotBytes: l.config.SnapshotBytes,
		},
		Unsafe: append([]string{}, l.config.Unsafe...), Nodes: []NodeStatus{}, Links: []LinkStatus{},
	}
	c := l.change()
	s.Term, s.Leader, s.Commit, s.Quorum, s.Config, s.Clock = c.Term, c.Leader, c.Commit, c.Quorum, c.Config, c.Clock
	s.Partition, s.Load, s.LoadLast, s.Violations, s.LastEvent = c.Partition, c.Load, c.LoadLast, c.Violations, c.LastEvent
	s.Faults, s.Undo, s.Restart = c.Faults, c.Undo, c.Restart
	s.Breaks, s.Chaos, s.Linearizability = c.Breaks, c.Chaos, c.Linearizability
	for _, m := range l.members {
		s.Nodes = append(s.Nodes, m.shown(raft.Time(c.Clock.LabNS)))
	}
	return s
}

// change is the part of the status that is of the lab as a whole. With lab.mu
// held.
func (l *lab) change() *LabChange {
	setting := l.clock.Setting()
	c := &LabChange{
		Leader:    l.leader(),
		Restart:   l.policy,
		Config:    l.configuration(),
		Clock:     ClockStatus{LabNS: int64(setting.At), Rate: setting.Rate, Held: setting.Held, Driven: l.config.Sim == SimDriven, Break: l.breaks.stopped},
		Breaks:    l.breaks.status(),
		Partition: sideInts(l.faults.sides),
		Faults:    append(l.faults.status(l.network.hits()), l.nodeFaults()...), Undo: l.undoLine(),
		Violations: l.violated(), LastEvent: l.events.last,
	}
	c.Quorum = majority(len(c.Config.Voters))
	c.Load, c.LoadLast = l.workload.status()
	c.Chaos = l.nemesis.status()
	c.Linearizability = l.stood
	for _, m := range l.members {
		c.Term, c.Commit = max(c.Term, m.status.Term), max(c.Commit, m.status.Commit)
	}
	return c
}

// linkStatus is every directed link: what is set on it, and what it did.
// Ascending by ends. With lab.mu held.
func (l *lab) linkStatus() []LinkStatus {
	out := make([]LinkStatus, len(l.faults.links))
	did := l.network.links()
	for i, f := range l.faults.links {
		c := &did[i]
		out[i] = LinkStatus{
			From: f.from, To: f.to, Set: f.text, Held: c.Waiting, OnHold: c.Held,
			Sent: c.Sent, Copies: c.Copies, Delivered: c.Delivered, Dropped: c.Dropped, FlightNS: int64(c.Flight),
		}
		linkFigures(&f.rules, &out[i])
	}
	return out
}

func millis(d raft.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// status is the picture of everything.
func (l *lab) status() *Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wholeStatus()
}

// wholeStatus is status for who has lab.mu.
func (l *lab) wholeStatus() *Status {
	s := l.picture()
	s.Links = l.linkStatus()
	return s
}
