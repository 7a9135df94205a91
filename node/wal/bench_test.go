package wal

import (
	"fmt"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// BenchmarkGroupSync appends batches of entries of 290 bytes with one to three
// Appends waiting, as a node under load does.
func BenchmarkGroupSync(b *testing.B) {
	for _, n := range []int{1, 10, 64, 250} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			const ahead = 3
			window := make(chan struct{}, ahead)
			var done uint64
			syncs := 0
			w, _, err := Open(b.TempDir(), Options{OnDurable: func(sync uint64, err error) {
				if err != nil {
					panic(err)
				}
				syncs++
				for ; done < sync; done++ {
					<-window
				}
			}})
			if err != nil {
				b.Fatal(err)
			}
			data := make([]byte, 290)
			for i := range data {
				data[i] = byte(i*7 + 1)
			}
			entries := make([]raft.Entry, n)
			next := raft.Index(1)
			b.SetBytes(int64(n * len(data)))
			b.ReportAllocs()
			sync := uint64(0)
			for b.Loop() {
				for i := range entries {
					entries[i] = raft.Entry{Index: next, Term: 1, Kind: raft.EntryCommand, Data: data}
					next++
				}
				window <- struct{}{}
				sync++
				w.Append(sync, nil, entries)
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(syncs)/b.Elapsed().Seconds(), "syncs/s")
			b.ReportMetric(float64(next)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
