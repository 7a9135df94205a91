package wal

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

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

const snapshotBytes = 200 << 20 // a large state machine

// takeLarge takes a snapshot of snapshotBytes, in pieces as a state machine
// gives them.
func takeLarge(b *testing.B, w *WAL, i raft.Index) {
	b.Helper()
	out, err := w.TakeSnapshot(metaOf(i, 1))
	if err != nil {
		b.Fatal(err)
	}
	piece := make([]byte, 64<<10)
	for k := range piece {
		piece[k] = byte(k * 7)
	}
	for n := 0; n < snapshotBytes; n += len(piece) {
		if _, err := out.Write(piece); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := out.Commit(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSnapshot writes, reads, sends and receives a snapshot of 200 MB, and
// opens a log that has one.
func BenchmarkSnapshot(b *testing.B) {
	open := func(b *testing.B, dir string, durable func(uint64, error)) *WAL {
		b.Helper()
		w, _, err := Open(dir, Options{OnDurable: durable})
		if err != nil {
			b.Fatal(err)
		}
		return w
	}
	fill := func(w *WAL, last raft.Index) {
		w.Append(1, nil, nil, ents(1, slices.Repeat([]raft.Term{1}, int(last))...))
	}
	b.Run("write", func(b *testing.B) {
		w := open(b, b.TempDir(), nil)
		defer w.Close()
		fill(w, 1000)
		b.SetBytes(snapshotBytes)
		for i := raft.Index(1); b.Loop(); i++ {
			takeLarge(b, w, i)
		}
	})
	dir := b.TempDir()
	w := open(b, dir, nil)
	fill(w, 1)
	takeLarge(b, w, 1)
	b.Run("read", func(b *testing.B) {
		b.SetBytes(snapshotBytes)
		for b.Loop() {
			_, _, r, err := w.OpenSnapshot()
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
			r.Close()
		}
	})
	b.Run("chunks", func(b *testing.B) {
		b.SetBytes(snapshotBytes)
		b.ReportAllocs()
		for b.Loop() {
			for off, done := int64(0), false; !done; {
				var data []byte
				var err error
				if data, done, err = w.SnapshotChunk(1, off, 1<<20); err != nil {
					b.Fatal(err)
				}
				off += int64(len(data))
			}
		}
	})
	b.Run("receive", func(b *testing.B) {
		durable := make(chan error, 1)
		b.SetBytes(snapshotBytes)
		for b.Loop() {
			to := open(b, b.TempDir(), func(_ uint64, err error) { durable <- err })
			for off, done := int64(0), false; !done; {
				var data []byte
				var err error
				if data, done, err = w.SnapshotChunk(1, off, 1<<20); err != nil {
					b.Fatal(err)
				}
				if err := to.WriteChunk(raft.SnapshotChunk{Meta: metaOf(1, 1), Offset: off, Data: data}); err != nil {
					b.Fatal(err)
				}
				off += int64(len(data))
			}
			asked := time.Now()
			to.Append(1, &raft.Install{Meta: metaOf(1, 1)}, nil, nil)
			if err := <-durable; err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(time.Since(asked).Milliseconds()), "install-ms")
			to.Close()
		}
	})
	w.Close()
	b.Run("open", func(b *testing.B) {
		b.SetBytes(snapshotBytes)
		for b.Loop() {
			open(b, dir, nil).Close()
		}
	})
}

// BenchmarkGroupSyncBesideSnapshot appends while a snapshot is being written.
func BenchmarkGroupSyncBesideSnapshot(b *testing.B) {
	durable := make(chan error, 1)
	w, _, err := Open(b.TempDir(), Options{OnDurable: func(_ uint64, err error) { durable <- err }})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	w.Append(1, nil, nil, ents(1, slices.Repeat([]raft.Term{1}, 1000)...))
	<-durable
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := raft.Index(1); ; i++ {
			select {
			case <-stop:
				return
			default:
				takeLarge(b, w, i)
			}
		}
	}()
	entries := large(1001, 1, 290)
	var slowest time.Duration
	for sync := uint64(2); b.Loop(); sync++ {
		asked := time.Now()
		w.Append(sync, nil, nil, entries)
		if err := <-durable; err != nil {
			b.Fatal(err)
		}
		slowest = max(slowest, time.Since(asked))
		entries[0].Index++
	}
	b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-ms")
	close(stop)
	<-stopped
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
