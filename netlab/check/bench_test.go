package check

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/raft"
)

// BenchmarkLoad is what the checks of a busy cluster of three cost a lab, an
// entry: each server stores it, calls it committed and applies it, a hundred at a
// time, and all of that is read from bytes. One put of a client is one entry.
func BenchmarkLoad(b *testing.B) {
	const batch = 100
	c := New(Config{})
	config := raft.Configuration{Voters: []raft.NodeID{1, 2, 3}}
	for id := raft.NodeID(1); id <= 3; id++ {
		c.Deed(id, &deed.Deed{Kind: deed.Started, Config: &config, Nodes: []raft.NodeID{0}})
		c.Deed(id, &deed.Deed{Kind: deed.Became, Term: 1, Role: raft.Follower})
	}
	c.Deed(1, &deed.Deed{Kind: deed.Elected, Term: 1, Nodes: []raft.NodeID{1, 2}})
	c.Deed(1, &deed.Deed{Kind: deed.Became, Term: 1, Role: raft.Leader})
	digests := bytes.Repeat([]byte{1, 2, 3, 4}, batch)
	effects := bytes.Repeat([]byte{byte(deed.TookEffect)}, batch)
	var told, commands []byte
	var seqs [8]uint64
	var r deed.Reader
	var d deed.Deed
	first := raft.Index(1)
	b.ReportAllocs()
	for b.Loop() {
		commands = commands[:0]
		for k := range raft.Index(batch) {
			who := uint64(first+k) / 10 % 8 // eight clients, ten commands of each at a time
			commands = binary.LittleEndian.AppendUint64(commands, (who+1)<<40)
			seqs[who]++
			commands = binary.LittleEndian.AppendUint64(commands, seqs[who])
		}
		told = deed.Append(told[:0], &deed.Deed{Kind: deed.Stored, Term: 1, First: first, Digests: digests}, 0)
		told = deed.Append(told, &deed.Deed{Kind: deed.Committed, Term: 1, First: first, Index: first + batch - 1, LogTerm: 1}, 0)
		told = deed.Append(told, &deed.Deed{Kind: deed.Applied, LogTerm: 1, First: first, Digests: digests, Effects: effects, Commands: commands}, 0)
		for id := raft.NodeID(1); id <= 3; id++ {
			r.Reset(told)
			for r.More() {
				if err := r.Next(&d); err != nil {
					b.Fatal(err)
				}
				c.Deed(id, &d)
			}
		}
		first += batch
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/put")
	if len(c.Violations()) > 0 {
		b.Fatal(c.Violations()[0].Message())
	}
}

// BenchmarkHeartbeat is a frame that says what is known.
func BenchmarkHeartbeat(b *testing.B) {
	c := New(Config{})
	b.ReportAllocs()
	for b.Loop() {
		c.Leads(0, 1, 2, 3)
	}
}
