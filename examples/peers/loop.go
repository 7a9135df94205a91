package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

const (
	flight     = 100 * time.Microsecond // of every message
	valueBytes = 256                    // of every proposal
	never      = time.Duration(math.MaxInt64)

	electionWithin = time.Minute // virtual; more than that is a mistake in the loop

	// A node's storage is cut down to keepEntries once it holds twice as many: far
	// more than are under way to a follower in a network without faults.
	keepEntries = 4096
)

// A timing is how often a node is told that time passes, and what that makes of
// its timeouts. Election timeouts are drawn from [Election, 2·Election) ticks.
type timing struct {
	Name      string
	Tick      time.Duration
	Heartbeat int // ticks
	Election  int // ticks
}

func (t timing) heartbeat() time.Duration { return time.Duration(t.Heartbeat) * t.Tick }

func (t timing) elections() (lo, hi time.Duration) {
	return time.Duration(t.Election) * t.Tick, time.Duration(2*t.Election-1) * t.Tick
}

var timings = []timing{
	{"fine", 10 * time.Millisecond, 5, 15},
	{"coarse", 50 * time.Millisecond, 1, 3},
	{"etcd", 100 * time.Millisecond, 1, 10},
}

// counts are what has happened so far.
type counts struct {
	Ticks     uint64
	Messages  uint64 // that arrived
	Proposals uint64
	Applied   uint64 // entries, by all nodes together
	Elections uint64 // won
}

// cluster is a number of nodes in virtual time: no goroutines, no wall clock.
// The next thing to happen is a tick, a proposal or the arrival of a message.
type cluster struct {
	timing timing
	nodes  []*node
	leader *node // nil until one is elected
	now    time.Duration
	counts counts

	flying queue

	// Nodes tick one after the other, spread evenly over the length of a tick.
	tickAt time.Duration
	ticker int

	proposeAt    time.Duration // never before elect is done
	proposeEvery time.Duration // 0: nobody proposes
	value        []byte
}

type node struct {
	raw     *raft.RawNode
	storage *raft.MemoryStorage
	applied uint64
}

// letter is a message under way.
type letter struct {
	at time.Duration
	m  raftpb.Message
}

// newCluster makes n nodes that have not voted yet. rate is how many proposals
// come in a second of virtual time, from the first election on.
//
// The core draws its election timeouts from crypto/rand.Reader. That is a variable,
// so the sequence is made this seed's; one cluster runs at a time.
func newCluster(n int, t timing, rate float64, seed uint64) (*cluster, error) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	rand.Reader = mathrand.NewChaCha8(key)

	c := &cluster{timing: t, proposeAt: never, value: make([]byte, valueBytes)}
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
			ID: uint64(id + 1), HeartbeatTick: t.Heartbeat, ElectionTick: t.Election,
			Storage: storage, Applied: start.Metadata.Index,
			MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 64,
			PreVote: true, CheckQuorum: true, Logger: silent{},
		})
		if err != nil {
			return nil, fmt.Errorf("start node %d: %w", id+1, err)
		}
		c.nodes = append(c.nodes, &node{raw: raw, storage: storage, applied: start.Metadata.Index})
	}
	return c, nil
}

// elect goes on until there is a leader whose first entry all nodes have applied.
func (c *cluster) elect() error {
	for c.leader == nil || c.counts.Applied < uint64(len(c.nodes)) {
		if c.now > electionWithin {
			return fmt.Errorf("no leader within %v of virtual time", electionWithin)
		}
		if err := c.run(c.now + c.timing.Tick); err != nil {
			return err
		}
	}
	if c.proposeEvery > 0 {
		c.proposeAt = c.now
	}
	return nil
}

// run does all that happens before until.
func (c *cluster) run(until time.Duration) error {
	tick := c.timing.Tick / time.Duration(len(c.nodes))
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
			c.now = until
			return nil
		}
		c.now = at
		var n *node
		switch {
		case arrive:
			m := c.flying.take().m
			n = c.nodes[m.To-1]
			c.counts.Messages++
			if err := n.raw.Step(m); err != nil {
				return fmt.Errorf("node %d takes %v: %w", m.To, m.Type, err)
			}
		case propose:
			n = c.leader
			c.counts.Proposals++
			c.proposeAt += c.proposeEvery
			if err := n.raw.Propose(c.value); err != nil {
				return fmt.Errorf("propose: %w", err)
			}
		default:
			n = c.nodes[c.ticker]
			c.ticker = (c.ticker + 1) % len(c.nodes)
			c.tickAt += tick
			c.counts.Ticks++
			n.raw.Tick()
		}
		if err := c.drain(n); err != nil {
			return err
		}
	}
}

// drain does what a node asks for. Its storage takes no time, and its messages
// leave at once.
func (c *cluster) drain(n *node) error {
	for n.raw.HasReady() {
		r := n.raw.Ready()
		if r.SoftState != nil && r.RaftState == raft.StateLeader {
			c.leader = n
			c.counts.Elections++
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
			c.flying.add(letter{c.now + flight, r.Messages[i]})
		}
		if k := len(r.CommittedEntries); k > 0 {
			n.applied = r.CommittedEntries[k-1].Index
			c.counts.Applied += uint64(k)
		}
		n.raw.Advance(r)
		if err := n.compact(); err != nil {
			return err
		}
	}
	return nil
}

// compact drops entries that nobody needs any more, so that memory stays flat.
func (n *node) compact() error {
	first, err := n.storage.FirstIndex()
	if err != nil || n.applied < first+2*keepEntries {
		return err
	}
	return n.storage.Compact(n.applied - keepEntries)
}

// queue holds letters in the order of their arrival, which is that of their
// departure: every one flies for as long as any other.
type queue struct {
	ring    []letter // its length is a power of two
	head, n int
}

func (q *queue) first() *letter { return &q.ring[q.head] }

func (q *queue) add(l letter) {
	if q.n == len(q.ring) {
		bigger := make([]letter, max(64, 2*len(q.ring)))
		k := copy(bigger, q.ring[q.head:])
		copy(bigger[k:], q.ring[:q.head])
		q.ring, q.head = bigger, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = l
	q.n++
}

func (q *queue) take() letter {
	l := q.ring[q.head]
	q.ring[q.head] = letter{} // what it carried may go
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return l
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
