package wal

import (
	"fmt"
	"path/filepath"
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
				w.Append(sync, nil, nil, entries)
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(syncs)/b.Elapsed().Seconds(), "syncs/s")
			b.ReportMetric(float64(next)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// BenchmarkOpen opens a new log, and one of a million entries in 360 MB.
func BenchmarkOpen(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			w, _, err := Open(filepath.Join(b.TempDir(), "log"), Options{})
			if err != nil {
				b.Fatal(err)
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("million", func(b *testing.B) {
		dir := b.TempDir()
		fillMillion(b, dir)
		for b.Loop() {
			w, _, err := Open(dir, Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(16*len(w.index.points)), "index-bytes")
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkEntries reads 1 MiB at a time, as a leader does for one that lags.
func BenchmarkEntries(b *testing.B) {
	dir := b.TempDir()
	fillMillion(b, dir)
	w, _, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	lo := raft.Index(1)
	for b.Loop() {
		e, err := w.Entries(lo, 1e6+1, 1<<20)
		if err != nil {
			b.Fatal(err)
		}
		if lo += raft.Index(len(e)); lo > 1e6 {
			lo = 1
		}
	}
}

// fillMillion makes a log of a million entries of 290 bytes, ten an Append.
func fillMillion(b *testing.B, dir string) {
	b.Helper()
	w, _, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 290)
	entries := make([]raft.Entry, 10)
	for next, sync := raft.Index(1), uint64(1); next <= 1e6; sync++ {
		for i := range entries {
			entries[i] = raft.Entry{Index: next, Term: 1, Kind: raft.EntryCommand, Data: data}
			next++
		}
		w.Append(sync, nil, nil, entries)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}
