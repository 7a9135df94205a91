package main

import (
	"fmt"
	"time"

	"github.com/raftlab/raftlab/raft"
)

// raftlab's own timing, as a lab has it that is told nothing.
const (
	heartbeat   = raft.Duration(50 * time.Millisecond)
	electionMin = raft.Duration(150 * time.Millisecond)
	electionMax = raft.Duration(300 * time.Millisecond)
)

// raftlabLoop is a cluster of raftlab's cores. The next thing to happen is a
// node's timer, a proposal or the arrival of a message.
type raftlabLoop struct {
	nodes  []*raft.Node
	leader *raft.Node // nil until one is elected
	at     time.Duration
	did    counts

	flying queue[raft.Message]

	// No node wants the time before dueAt. Most deadlines move away long before
	// they come, so which is the first is looked up only when dueAt has come.
	dueAt time.Duration

	proposeAt    time.Duration // never before the load begins
	proposeEvery time.Duration // 0: nobody proposes
	value        []byte
}

// newRaftlabLoop makes n nodes that have not voted yet.
func newRaftlabLoop(n int, rate float64, seed uint64) (*raftlabLoop, error) {
	c := &raftlabLoop{proposeAt: never, value: make([]byte, valueBytes)}
	if rate > 0 {
		c.proposeEvery = time.Duration(float64(time.Second) / rate)
	}
	var members raft.Configuration
	for id := range n {
		members.Voters = append(members.Voters, raft.NodeID(id+1))
	}
	for _, id := range members.Voters {
		core, err := raft.New(raft.Config{
			ID: id, Members: members, Seed: seed,
			Heartbeat: heartbeat, ElectionMin: electionMin, ElectionMax: electionMax,
			TellCommitAfter: heartbeat / 8, PreVote: true, CheckQuorum: true, IgnoreVotes: true, Transfer: true, MaxCachedBytes: 1 << 20,
		}, forgotten{}, raft.Restored{}, 0)
		if err != nil {
			return nil, fmt.Errorf("start node %v: %w", id, err)
		}
		c.nodes = append(c.nodes, core)
	}
	return c, nil
}

// forgotten is the log behind what a node keeps in memory. Nobody is slow here,
// so nobody asks for it.
type forgotten struct{}

func (forgotten) Entries(lo, hi raft.Index, _ int) ([]raft.Entry, error) {
	return nil, fmt.Errorf("entries %d to %d asked back", lo, hi-1)
}

func (forgotten) SnapshotChunk(raft.Index, int64, int) ([]byte, bool, error) {
	return nil, false, raft.ErrNoSnapshot
}

func (c *raftlabLoop) now() time.Duration { return c.at }
func (c *raftlabLoop) counts() counts     { return c.did }

func (c *raftlabLoop) propose() {
	if c.proposeEvery > 0 {
		c.proposeAt = c.at
	}
}

func (c *raftlabLoop) run(until time.Duration) error {
	for {
		at := min(c.dueAt, c.proposeAt)
		arrive := c.flying.n > 0 && c.flying.first().at <= at
		if arrive {
			at = c.flying.first().at
		}
		if at >= until {
			c.at = until
			return nil
		}
		c.at = at
		var n *raft.Node
		switch {
		case arrive:
			m := c.flying.take()
			n = c.nodes[m.To-1]
			c.did.Messages++
			if err := n.Step(raft.Time(at), m); err != nil {
				return fmt.Errorf("node %v takes a message: %w", m.To, err)
			}
		case c.proposeAt == at:
			n = c.leader
			c.did.Proposals++
			c.proposeAt += c.proposeEvery
			if _, err := n.Propose(raft.Time(at), raft.EntryCommand, c.value); err != nil {
				return fmt.Errorf("propose: %w", err)
			}
		default:
			if n = c.due(); n == nil {
				continue
			}
			c.did.Timers++
			n.Tick(raft.Time(at))
		}
		c.drain(n)
	}
}

// due is a node whose time has come, nil when none has; then dueAt is when the
// first will.
func (c *raftlabLoop) due() *raft.Node {
	c.dueAt = never
	var first *raft.Node
	for _, n := range c.nodes {
		if d := time.Duration(n.Deadline()); d < c.dueAt {
			c.dueAt, first = d, n
		}
	}
	if c.dueAt > c.at {
		return nil
	}
	return first
}

// drain does what a node asks for. Its disk takes no time, and its messages leave
// at once.
func (c *raftlabLoop) drain(n *raft.Node) {
	for n.HasReady() {
		r := n.Ready()
		for i := range r.Events {
			if r.Events[i].Kind == raft.EventElected {
				c.leader = n
				c.did.Elections++
			}
		}
		if r.Sync > 0 {
			n.Persisted(raft.Time(c.at), r.Sync)
		}
		for _, m := range r.Messages {
			c.flying.add(c.at+flight, m)
		}
		for _, m := range r.AfterSync {
			c.flying.add(c.at+flight, m)
		}
		if k := len(r.Committed); k > 0 {
			c.did.Applied += uint64(k)
			n.Applied(r.Committed[k-1].Index)
		}
	}
	c.dueAt = min(c.dueAt, time.Duration(n.Deadline()))
}
