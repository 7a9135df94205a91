package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/raftlab/raftlab/raft"
	etcd "go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// BenchmarkPropose proposes commands of 256 bytes to the leader of three
// servers, as many in one message as the name says, and drains until all three have
// applied them. Disks are done at once and the network takes no time: what remains
// are the cores. ns/op and allocs/op are for all of a batch, ns/command for one.
func BenchmarkPropose(b *testing.B) {
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("%d/etcd", batch), func(b *testing.B) { benchPropose(b, newEtcdTrio(b), batch) })
		b.Run(fmt.Sprintf("%d/raftlab", batch), func(b *testing.B) { benchPropose(b, newRaftlabTrio(b), batch) })
	}
}

// trio is three servers, the first of which leads.
type trio interface {
	propose(b *testing.B, values [][]byte) // and drains
	applied() [3]uint64                    // indexes
}

func benchPropose(b *testing.B, t trio, batch int) {
	values := make([][]byte, batch)
	for i := range values {
		values[i] = make([]byte, valueBytes)
	}
	before := t.applied()
	b.ReportAllocs()
	for b.Loop() {
		t.propose(b, values)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/command")
	for i, after := range t.applied() {
		if got, want := after-before[i], uint64(b.N*batch); got != want {
			b.Errorf("server %d has applied %d commands of %d", i+1, got, want)
		}
	}
}

type etcdTrio struct {
	nodes [3]*etcdNode
	inbox []raftpb.Message
}

func newEtcdTrio(b *testing.B) *etcdTrio {
	c, err := newEtcdLoop(3, timing{10 * time.Millisecond, 5, 15}, 0, 1)
	if err != nil {
		b.Fatal(err)
	}
	t := &etcdTrio{nodes: [3]*etcdNode(c.nodes)}
	if err := t.nodes[0].raw.Campaign(); err != nil {
		b.Fatal(err)
	}
	t.drain(b)
	if t.nodes[0].raw.BasicStatus().RaftState != etcd.StateLeader {
		b.Fatal("no leader")
	}
	return t
}

func (t *etcdTrio) propose(b *testing.B, values [][]byte) {
	m := raftpb.Message{Type: raftpb.MsgProp, From: 1, Entries: make([]raftpb.Entry, len(values))} // which it keeps
	for i, v := range values {
		m.Entries[i].Data = v
	}
	if err := t.nodes[0].raw.Step(m); err != nil {
		b.Fatal(err)
	}
	t.drain(b)
}

func (t *etcdTrio) drain(b *testing.B) {
	for busy := true; busy; {
		busy = false
		for _, n := range t.nodes {
			for n.raw.HasReady() {
				busy = true
				r := n.raw.Ready()
				if !etcd.IsEmptyHardState(r.HardState) {
					if err := n.storage.SetHardState(r.HardState); err != nil {
						b.Fatal(err)
					}
				}
				if err := n.storage.Append(r.Entries); err != nil {
					b.Fatal(err)
				}
				t.inbox = append(t.inbox, r.Messages...)
				if k := len(r.CommittedEntries); k > 0 {
					n.applied = r.CommittedEntries[k-1].Index
				}
				n.raw.Advance(r)
				if err := n.compact(); err != nil {
					b.Fatal(err)
				}
			}
		}
		for _, m := range t.inbox {
			busy = true
			if err := t.nodes[m.To-1].raw.Step(m); err != nil {
				b.Fatal(err)
			}
		}
		t.inbox = t.inbox[:0]
	}
}

func (t *etcdTrio) applied() (at [3]uint64) {
	for i, n := range t.nodes {
		at[i] = n.applied
	}
	return at
}

type raftlabTrio struct {
	nodes [3]*raft.Node
	now   raft.Time
	at    [3]uint64
	inbox []raft.Message
}

func newRaftlabTrio(b *testing.B) *raftlabTrio {
	t := new(raftlabTrio)
	for i := range t.nodes {
		n, err := raft.New(raft.Config{
			ID: raft.NodeID(i + 1), Members: raft.Configuration{Voters: []raft.NodeID{1, 2, 3}},
			Heartbeat: heartbeat, ElectionMin: electionMin, ElectionMax: electionMax,
			PreVote: true, CheckQuorum: true, IgnoreVotes: true, Transfer: true, MaxCachedBytes: 1 << 20,
		}, forgotten{}, raft.Restored{}, 0)
		if err != nil {
			b.Fatal(err)
		}
		t.nodes[i] = n
	}
	if err := t.nodes[0].Campaign(0); err != nil {
		b.Fatal(err)
	}
	t.drain(b)
	if t.nodes[0].Role() != raft.Leader {
		b.Fatal("no leader")
	}
	return t
}

func (t *raftlabTrio) propose(b *testing.B, values [][]byte) {
	t.now += 1000
	if _, err := t.nodes[0].Propose(t.now, raft.EntryCommand, values...); err != nil {
		b.Fatal(err)
	}
	t.drain(b)
}

func (t *raftlabTrio) drain(b *testing.B) {
	for busy := true; busy; {
		busy = false
		for i, n := range t.nodes {
			for n.HasReady() {
				busy = true
				r := n.Ready()
				t.inbox = append(t.inbox, r.Messages...)
				if r.Sync > 0 {
					n.Persisted(t.now, r.Sync)
				}
				t.inbox = append(t.inbox, r.AfterSync...)
				if k := len(r.Committed); k > 0 {
					t.at[i] = uint64(r.Committed[k-1].Index)
					n.Applied(r.Committed[k-1].Index)
				}
			}
		}
		for _, m := range t.inbox {
			busy = true
			if err := t.nodes[m.To-1].Step(t.now, m); err != nil {
				b.Fatal(err)
			}
		}
		t.inbox = t.inbox[:0]
	}
}

func (t *raftlabTrio) applied() [3]uint64 { return t.at }
