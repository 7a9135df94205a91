package raft_test

import (
	"fmt"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// benchCluster is servers with disks that are done at once and a network that
// takes no time: what remains is the core.
type benchCluster struct {
	nodes []*raft.Node
	now   raft.Time
	inbox []raft.Message
}

func newBenchCluster(b *testing.B, servers int) *benchCluster {
	c := &benchCluster{}
	var members raft.Configuration
	for k := range servers {
		members.Voters = append(members.Voters, raft.NodeID(k+1))
	}
	for k := range servers {
		cfg := raft.Config{
			ID: raft.NodeID(k + 1), Members: members,
			Heartbeat: 50 * ms, ElectionMin: 150 * ms, ElectionMax: 300 * ms, MaxCachedBytes: 1 << 20,
		}
		node, err := raft.New(cfg, noStorage{}, raft.Restored{}, 0)
		if err != nil {
			b.Fatal(err)
		}
		c.nodes = append(c.nodes, node)
	}
	if err := c.nodes[0].Campaign(0); err != nil {
		b.Fatal(err)
	}
	c.drain(b)
	if c.nodes[0].Role() != raft.Leader {
		b.Fatal("no leader")
	}
	return c
}

// noStorage: nobody is slow here, so nobody asks.
type noStorage struct{}

func (noStorage) SnapshotChunk(raft.Index, int64, int) ([]byte, bool, error) {
	return nil, false, raft.ErrNoSnapshot
}

func (noStorage) Entries(lo, hi raft.Index, _ int) ([]raft.Entry, error) {
	return nil, fmt.Errorf("entries %d to %d asked back", lo, hi-1)
}

// drain does all that the nodes ask for.
func (c *benchCluster) drain(b *testing.B) {
	for busy := true; busy; {
		busy = false
		for _, n := range c.nodes {
			for n.HasReady() {
				busy = true
				r := n.Ready()
				c.inbox = append(c.inbox, r.Messages...)
				if r.Sync > 0 {
					n.Persisted(c.now, r.Sync)
				}
				c.inbox = append(c.inbox, r.AfterSync...)
				if k := len(r.Committed); k > 0 {
					n.Applied(r.Committed[k-1].Index)
				}
			}
		}
		for _, m := range c.inbox {
			busy = true
			if err := c.nodes[m.To-1].Step(c.now, m); err != nil {
				b.Fatal(err)
			}
		}
		c.inbox = c.inbox[:0]
	}
}

// BenchmarkPropose proposes commands of 256 bytes, as many at a time as the
// name says, and drains until all three servers have applied them. ns/op and
// allocs/op are for all of a batch, ns/command for one.
func BenchmarkPropose(b *testing.B) {
	for _, batch := range []int{1, 8, 64, 512} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			c := newBenchCluster(b, 3)
			data := make([][]byte, batch)
			for k := range data {
				data[k] = make([]byte, 256)
			}
			b.ReportAllocs()
			for b.Loop() {
				c.now += 1000
				if _, err := c.nodes[0].Propose(c.now, raft.EntryCommand, data...); err != nil {
					b.Fatal(err)
				}
				c.drain(b)
			}
			if n := c.nodes[2]; n.Commit() != c.nodes[0].LastIndex() {
				b.Fatalf("the last follower has committed %d of %d", n.Commit(), c.nodes[0].LastIndex())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/command")
		})
	}
}

// BenchmarkHeartbeat is one heartbeat of a leader to its followers and back.
// ns/message is for one frame on its way.
func BenchmarkHeartbeat(b *testing.B) {
	for _, servers := range []int{3, 5, 21, 51} {
		b.Run(fmt.Sprint(servers), func(b *testing.B) {
			c := newBenchCluster(b, servers)
			b.ReportAllocs()
			for b.Loop() {
				c.now = c.nodes[0].Deadline()
				c.nodes[0].Tick(c.now)
				c.drain(b)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*2*(servers-1)), "ns/message")
		})
	}
}

// BenchmarkElection is a whole election of three, with its no-op committed.
func BenchmarkElection(b *testing.B) {
	c := newBenchCluster(b, 3)
	b.ReportAllocs()
	for k := 1; b.Loop(); k++ {
		if err := c.nodes[k%3].Campaign(c.now); err != nil {
			b.Fatal(err)
		}
		c.drain(b)
	}
}
