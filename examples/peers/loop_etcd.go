package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// A node's storage is cut down to keepEntries once it holds twice as many: far
// more than are under way to a follower in a network without faults.
const keepEntries = 4096

// A timing is how often a RawNode is told that time passes, and what that makes
// of its timeouts. Election timeouts are drawn from [election, 2·election) ticks.
type timing struct {
	tick      time.Duration
	heartbeat int // ticks
	election  int // ticks
}

// etcdLoop is a cluster of RawNodes. The next thing to happen is a tick, a
// proposal or the arrival of a message.
type etcdLoop struct {
	timing timing
	nodes  []*etcdNode
	leader *etcdNode // nil until one is elected
	at     time.Duration
	did    counts

	flying queue[raftpb.Message]

	// Nodes tick one after the other, spread evenly over the length of a tick.
	tickAt time.Duration
	ticker int

	proposeAt    time.Duration // never before the load begins
	proposeEvery time.Duration // 0: nobody proposes
	value        []byte
}

type etcdNode struct {
	raw     *raft.RawNode
	storage *raft.MemoryStorage
	applied uint64
}

// newEtcdLoop makes n nodes that have not voted yet. rate is how many proposals
// come in a second of virtual time, from the first election on.
//
// The core draws its election timeouts from crypto/rand.Reader. That is a variable,
// so the sequence is made this seed's; one cluster runs at a time.
func newEtcdLoop(n int, t timing, rate float64, seed uint64) (*etcdLoop, error) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	rand.Reader = mathrand.NewChaCha8(key)

	c := &etcdLoop{timing: t, tickAt: t.tick, proposeAt: never, value: make([]byte, valueBytes)}
	if rate > 0 {
		c.proposeEvery = time.Duration(float64(time.Second) / rate)
	}
	start := raftpb.Snapshot{Metadata: raftpb.SnapshotMetadata{Index: 1, Term: 1}}
	for id := range n {
		start.Metadata.ConfState.Voters = append(start.Metadata.ConfState.Voters, uint64(id+1))
	}
	for id := range n {
		storage := raft.NewMemoryStorage()
		if err := storage.ApplySnapshot(start); err != nil {
			return nil, fmt.Errorf("start node %d: %w", id+1, err)
		}
		raw, err := raft.NewRawNode(&raft.Config{
			ID: uint64(id + 1), HeartbeatTick: t.heartbeat, ElectionTick: t.election,
			Storage: storage, Applied: start.Metadata.Index,
			MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 64,
			PreVote: true, CheckQuorum: true, Logger: silent{},
		})
		if err != nil {
			return nil, fmt.Errorf("start node %d: %w", id+1, err)
		}
		c.nodes = append(c.nodes, &etcdNode{raw: raw, storage: storage, applied: start.Metadata.Index})
	}
	return c, nil
}

func (c *etcdLoop) now() time.Duration { return c.at }
func (c *etcdLoop) counts() counts     { return c.did }

func (c *etcdLoop) propose() {
	if c.proposeEvery > 0 {
		c.proposeAt = c.at
	}
}

func (c *etcdLoop) run(until time.Duration) error {
	tick := c.timing.tick / time.Duration(len(c.nodes))
	for {
		at := c.tickAt
		propose := c.proposeAt < at
		if propose {
			at = c.proposeAt
		}
		arrive := c.flying.n > 0 && c.flying.first().at <= at
		if arrive {
			at = c.flying.first().at
		}
		if at >= until {
			c.at = until
			return nil
		}
		c.at = at
		var n *etcdNode
		switch {
		case arrive:
			m := c.flying.take()
			n = c.nodes[m.To-1]
			c.did.Messages++
			if err := n.raw.Step(m); err != nil {
				return fmt.Errorf("node %d takes %v: %w", m.To, m.Type, err)
			}
		case propose:
			n = c.leader
			c.did.Proposals++
			c.proposeAt += c.proposeEvery
			if err := n.raw.Propose(c.value); err != nil {
				return fmt.Errorf("propose: %w", err)
			}
		default:
			n = c.nodes[c.ticker]
			c.ticker = (c.ticker + 1) % len(c.nodes)
			c.tickAt += tick
			c.did.Timers++
			n.raw.Tick()
		}
		if err := c.drain(n); err != nil {
			return err
		}
	}
}

// drain does what a node asks for. Its storage takes no time, and its messages
// leave at once.
func (c *etcdLoop) drain(n *etcdNode) error {
	for n.raw.HasReady() {
		r := n.raw.Ready()
		if r.SoftState != nil && r.RaftState == raft.StateLeader {
			c.leader = n
			c.did.Elections++
		}
		if !raft.IsEmptyHardState(r.HardState) {
			if err := n.storage.SetHardState(r.HardState); err != nil {
				return err
			}
		}
		if len(r.Entries) > 0 {
			if err := n.storage.Append(r.Entries); err != nil {
				return err
			}
		}
		for i := range r.Messages {
			c.flying.add(c.at+flight, r.Messages[i])
		}
		if k := len(r.CommittedEntries); k > 0 {
			n.applied = r.CommittedEntries[k-1].Index
			c.did.Applied += uint64(k)
		}
		n.raw.Advance(r)
		if err := n.compact(); err != nil {
			return err
		}
	}
	return nil
}

// compact drops entries that nobody needs any more, so that memory stays flat.
func (n *etcdNode) compact() error {
	first, err := n.storage.FirstIndex()
	if err != nil || n.applied < first+2*keepEntries {
		return err
	}
	return n.storage.Compact(n.applied - keepEntries)
}

// silent is a logger that costs nothing, but for what must not happen.
type silent struct{}

func (silent) Debug(...any)            {}
func (silent) Debugf(string, ...any)   {}
func (silent) Info(...any)             {}
func (silent) Infof(string, ...any)    {}
func (silent) Warning(...any)          {}
func (silent) Warningf(string, ...any) {}
func (silent) Error(...any)            {}
func (silent) Errorf(string, ...any)   {}

func (silent) Fatal(v ...any)                 { panic(fmt.Sprint(v...)) }
func (silent) Fatalf(format string, v ...any) { panic(fmt.Sprintf(format, v...)) }
func (silent) Panic(v ...any)                 { panic(fmt.Sprint(v...)) }
func (silent) Panicf(format string, v ...any) { panic(fmt.Sprintf(format, v...)) }
