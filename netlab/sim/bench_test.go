package sim

import (
	"fmt"
	"testing"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

func benchCluster(b *testing.B, n int) *World {
	w := New(Options{Seed: 1})
	var voters []raft.NodeID
	for id := raft.NodeID(1); id <= raft.NodeID(n); id++ {
		voters = append(voters, id)
		if err := w.Add(id); err != nil {
			b.Fatal(err)
		}
	}
	for _, id := range voters {
		if _, err := w.Start(id, NodeConfig{Raft: raft.Config{
			Members: raft.Configuration{Voters: voters}, Heartbeat: 50 * ms, ElectionMin: 150 * ms, ElectionMax: 300 * ms,
			TellCommitAfter: 6 * ms, PreVote: true, CheckQuorum: true, IgnoreVotes: true, Transfer: true, Seed: uint64(id),
		}}); err != nil {
			b.Fatal(err)
		}
	}
	w.Run(2 * second)
	return w
}

// BenchmarkIdle is a second of an idle cluster's life.
func BenchmarkIdle(b *testing.B) {
	for _, n := range []int{3, 5, 9, 21, 51} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := benchCluster(b, n)
			b.ReportAllocs()
			for b.Loop() {
				w.Run(w.Now() + second)
			}
			b.ReportMetric(1e9/(float64(b.Elapsed().Nanoseconds())/float64(b.N)), "virtual/real")
		})
	}
}

// BenchmarkLoad is a second under 1000 writes.
func BenchmarkLoad(b *testing.B) {
	w := benchCluster(b, 5)
	c := w.NewClient(ClientOptions{Session: 1, Seed: 1, Nodes: func() []raft.NodeID { return []raft.NodeID{1, 2, 3, 4, 5} }})
	value := make([]byte, 256)
	done := 0
	var write func()
	write = func() {
		c.Do(wire.Request{Op: wire.OpPut, Key: []byte("x"), Value: value}, 0, func(wire.Reply, error) { done++ })
		w.At(w.Now()+ms, write)
	}
	write()
	b.ReportAllocs()
	for b.Loop() {
		w.Run(w.Now() + second)
	}
	b.ReportMetric(1e9/(float64(b.Elapsed().Nanoseconds())/float64(b.N)), "virtual/real")
	b.ReportMetric(float64(done)/float64(b.N), "writes/op")
}
