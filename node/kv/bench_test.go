package kv

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

var stateMB = flag.Int("kv.state", 20, "MB of keys and values in the snapshot benchmarks")

func BenchmarkApplyPut(b *testing.B) {
	for _, clients := range []int{1, 256} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) { benchmarkApplyPut(b, clients, false) })
	}
	b.Run("frozen", func(b *testing.B) { benchmarkApplyPut(b, 256, true) })
}

func benchmarkApplyPut(b *testing.B, clients int, frozen bool) {
	s := New()
	value := make([]byte, 256)
	keys := make([][]byte, 10_000)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key%05d", i)
	}
	if frozen {
		for i, key := range keys {
			s.Apply(raft.Index(i+1), 1, AppendCommand(nil, &Command{Op: wire.OpPut, Key: key, Value: value}))
		}
		defer s.Freeze().Release()
	}
	var data []byte
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		c := Command{Op: wire.OpPut, Session: 1<<60 + uint64(i%clients), Seq: uint64(i/clients) + 1, Key: keys[i%len(keys)], Value: value}
		c.Acked = max(c.Seq, 33) - 33
		data = AppendCommand(data[:0], &c)
		i++
		if r := s.Apply(raft.Index(i), 1, data); r.Code != wire.CodeOK {
			b.Fatal(r.Error)
		}
	}
}

// largeStore holds -kv.state MB in pairs of 16 and 256 bytes, and 256 sessions.
func largeStore(b *testing.B) (s *Store, load *load) {
	b.Helper()
	load = newLoad(*stateMB * 1_000_000 / (16 + 256))
	s = New()
	for i := range load.keys {
		load.apply(b, s, i)
	}
	return s, load
}

// load is puts of 256 clients to so many keys.
type load struct {
	keys  int
	index int
	value []byte
	data  []byte
}

func newLoad(keys int) *load { return &load{keys: keys, value: make([]byte, 256)} }

func (l *load) apply(b *testing.B, s *Store, key int) {
	c := Command{Op: wire.OpPut, Session: uint64(l.index%256) + 1, Seq: uint64(l.index/256) + 1, Key: fmt.Appendf(nil, "key%013d", key), Value: l.value}
	c.Acked = max(c.Seq, 33) - 33
	l.data = AppendCommand(l.data[:0], &c)
	l.index++
	if r := s.Apply(raft.Index(l.index), 1, l.data); r.Code != wire.CodeOK {
		b.Fatal(r.Error)
	}
}

// BenchmarkSnapshotWhileApplying freezes a store of -kv.state MB and writes it
// while 50 000 commands a second are applied, to keys all over. It reports how
// long commands took, alone and beside a snapshot and its taking back (the
// collector and the scheduler of a busy machine are in both); how long Freeze,
// WriteTo and Release took; and how much more memory is in use when the last
// byte is written, before the frozen state is released.
//
//	go test ./node/kv -run '^$' -bench SnapshotWhileApplying -benchtime 3x -kv.state 200
func BenchmarkSnapshotWhileApplying(b *testing.B) {
	const every = 20 * time.Microsecond
	s, load := largeStore(b)
	random := rand.New(rand.NewPCG(1, 1))
	// until applies commands at their time until done, and appends how long they took.
	until := func(took []time.Duration, done func() bool) []time.Duration {
		for next := time.Now(); !done(); next = next.Add(every) {
			for time.Until(next) > 0 {
				runtime.Gosched()
			}
			began := time.Now()
			load.apply(b, s, random.IntN(load.keys))
			took = append(took, time.Since(began))
		}
		return took
	}
	alone, beside := make([]time.Duration, 0, 1<<20), make([]time.Duration, 0, 1<<20)
	var freeze, release, write time.Duration
	var size, changed, extra int64
	for b.Loop() {
		for !s.Settle(1000) {
		}
		end := time.Now().Add(300 * time.Millisecond)
		alone = until(alone, func() bool { return time.Now().After(end) })

		before := heap()
		began := time.Now()
		f := s.Freeze()
		freeze = max(freeze, time.Since(began))
		written := make(chan error, 1)
		go func() {
			began := time.Now()
			n, err := f.WriteTo(io.Discard)
			write = max(write, time.Since(began))
			size = n
			written <- err
		}()
		beside = until(beside, func() bool { return len(written) > 0 })
		if err := <-written; err != nil {
			b.Fatal(err)
		}
		changed = max(changed, int64(len(s.pairs.over)))
		extra = max(extra, heap()-before)
		began = time.Now()
		f.Release()
		release = max(release, time.Since(began))
		beside = until(beside, func() bool { return s.Settle(0) })
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(size)/1e6, "snapshot-MB")
	b.ReportMetric(float64(write.Milliseconds()), "write-ms")
	b.ReportMetric(micros(freeze), "freeze-µs")
	b.ReportMetric(micros(release), "release-µs")
	for name, took := range map[string][]time.Duration{"alone": alone, "beside": beside} {
		slices.Sort(took)
		b.ReportMetric(micros(took[len(took)-1]), "max-"+name+"-µs")
		b.ReportMetric(micros(took[len(took)*999/1000]), "p999-"+name+"-µs")
	}
	b.ReportMetric(float64(changed), "changed-keys")
	b.ReportMetric(float64(extra)/1e6, "extra-heap-MB")
}

func micros(d time.Duration) float64 { return float64(d.Microseconds()) }

// heap is what is in use once the collector has been by.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkFreeze is the pause that a snapshot begins with, at most: as many
// sessions as are remembered.
func BenchmarkFreeze(b *testing.B) {
	s := New()
	for i := range maxSessions * 8 {
		c := Command{Op: wire.OpPut, Session: uint64(i%maxSessions) + 1, Seq: uint64(i/maxSessions) + 1, Key: []byte("k")}
		if r := s.Apply(raft.Index(i+1), 1, AppendCommand(nil, &c)); r.Code != wire.CodeOK {
			b.Fatal(r.Error)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Freeze().Release()
	}
}

func BenchmarkRestore(b *testing.B) {
	s, _ := largeStore(b)
	f := s.Freeze()
	snapshot := written(b, f)
	b.SetBytes(int64(len(snapshot)))
	b.ReportAllocs()
	for b.Loop() {
		restored(b, snapshot, maxSessions, maxAnswers)
	}
}
