package wal

import (
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/raftlab/raftlab/raft"
)

// dropSample is a log of three segments, whose second begins behind entry 4.
func dropSample(t *testing.T, opts Options) *testLog {
	t.Helper()
	opts.segmentSize = 1 << 10
	l := openLog(t, t.TempDir(), opts)
	l.put(hs(3, 2), nil)
	fillTwoSegments(t, l)
	fillSegments(t, l, 3)
	return l
}

// reopen closes the log and opens it again.
func (l *testLog) reopen(opts Options) *testLog {
	l.t.Helper()
	l.close()
	opts.segmentSize = 1 << 10
	return openLog(l.t, l.dir, opts)
}

// The log forgets whole segments, with their part of the index, and knows its
// hard state and where it begins when it is opened again.
func TestDroppedEntriesAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := newDisk().options()
		l := dropSample(t, opts)
		size, points, last := l.Size(), len(l.index.points), l.last
		first := l.WAL.segments[0].size
		if err := l.take(10, 1); err != nil {
			t.Fatal(err)
		}
		l.DropThrough(3) // not all of the first segment
		synctest.Wait()
		l.want(l.read(1))
		l.DropThrough(10)
		synctest.Wait()
		if got := l.Size(); got != size-first {
			t.Errorf("Size() = %d, want %d without %d", got, size, first)
		}
		if got := len(l.index.points); got >= points {
			t.Errorf("the index has %d points, it had %d", got, points)
		}
		for _, lo := range []raft.Index{1, 4} {
			if _, err := l.Entries(lo, lo+1, 1); !errors.Is(err, ErrDropped) {
				t.Errorf("Entries from %d: %v, want ErrDropped", lo, err)
			}
		}
		if got, err := l.Entries(4, 4, 1); err != nil || len(got) > 0 {
			t.Errorf("no entries from 4 on: %v, %v", got, err)
		}
		rest := l.read(5)
		for range 2 {
			l = l.reopen(opts)
			want := model{state: *hs(3, 2), base: 4, baseTerm: 1, entries: rest, snapshot: metaOf(10, 1)}
			if !want.is(l.found.Restored, l.read(5)) || l.found.LastIndex != last || len(l.found.Notes) > 0 {
				t.Fatalf("recovered %+v, want %+v", l.found, want.restored())
			}
		}
		// Those who look on from outside see the same.
		var scanned []raft.Entry
		r, err := Scan(l.dir, 1, 7, func(page []raft.Entry) error { scanned = append(scanned, page...); return nil })
		if err != nil || r.Base != 4 || !sameSnapshot(r.Snapshot, metaOf(10, 1)) || !equal(scanned, rest[:2]) {
			t.Errorf("Scan = %+v, %v, %v, want entries 5 and 6 of a log behind 4", r, scanned, err)
		}
	})
}

// read returns all entries from lo on.
func (l *testLog) read(lo raft.Index) []raft.Entry {
	l.t.Helper()
	got, err := l.Entries(lo, l.last+1, 1<<30)
	if err != nil {
		l.t.Fatal(err)
	}
	return got
}

// While two snapshots are kept, the log reaches back to the older one.
func TestDropLeavesWhatTheOlderSnapshotNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := dropSample(t, newDisk().options())
		l.DropThrough(1 << 40)
		synctest.Wait()
		l.want(l.read(1)) // there is no snapshot at all
		for _, step := range []struct{ take, base raft.Index }{{3, 0}, {10, 0}, {11, 4}, {12, 4}, {l.last, 4}} {
			if err := l.take(step.take, 1); err != nil {
				t.Fatal(err)
			}
			l.DropThrough(step.take)
			synctest.Wait()
			if l.base != step.base {
				t.Errorf("with a snapshot of %d the log is behind %d, want %d", step.take, l.base, step.base)
			}
		}
	})
}

// A segment that begins with overwriting what was in the one before is not what
// a log can begin with.
func TestLogDoesNotBeginWithAnOverwrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := newDisk().options()
		opts.segmentSize = 1 << 10
		l := openLog(t, t.TempDir(), opts)
		for i := raft.Index(1); i <= 5; i++ {
			if err := l.wait(l.put(nil, large(i, 1, 100))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if err := l.wait(l.put(nil, large(4, 2, 800))); err != nil { // in the next segment
			t.Fatal(err)
		}
		if n := len(l.WAL.segments); n != 2 || l.WAL.segments[1].lowest != 4 || l.WAL.segments[1].base != 5 {
			t.Fatalf("%d segments, %+v", n, l.WAL.segments)
		}
		l.put(nil, ents(5, 2, 2, 2))
		if err := l.take(6, 2); err != nil {
			t.Fatal(err)
		}
		l.DropThrough(6)
		synctest.Wait()
		if len(l.WAL.segments) != 2 {
			t.Fatal("the segment before the overwrite is dropped")
		}
		fillSegments(t, l, 3)
		i := l.last
		if err := l.take(i, 1); err != nil {
			t.Fatal(err)
		}
		if err := l.wait(l.put(nil, large(i+1, 1, 10))); err != nil {
			t.Fatal(err)
		}
		if err := l.take(i+1, 1); err != nil {
			t.Fatal(err)
		}
		l.DropThrough(i)
		synctest.Wait()
		if n := len(l.WAL.segments); n != 1 {
			t.Fatalf("%d segments are left", n)
		}
	})
}

// A process may end between the removal of two segments. The one that is the
// first then may begin with an overwrite, as long as a later one does not.
func TestRemovalMayEndInTheMiddle(t *testing.T) {
	segments := [][][]put{
		{{{hs(1, 1), ents(1, 1, 1, 1, 1)}}},
		{{{hs(2, 0), ents(3, 2, 2)}}, {{nil, ents(2, 2, 2, 2, 2)}}},
		{{{nil, ents(6, 2)}}},
	}
	s := makeSample(t, segments...)
	snapshot := func(dir string, i raft.Index, term raft.Term) {
		overwrite(t, snapshotPath(dir, i, term), fileOf(metaOf(i, term)))
	}
	t.Run("a later one is a beginning", func(t *testing.T) {
		dir := t.TempDir()
		s.write(t, dir)
		snapshot(dir, 5, 2)
		if err := os.Remove(segmentPath(dir, 1)); err != nil {
			t.Fatal(err)
		}
		l := openLog(t, dir, Options{})
		want := model{state: *hs(2, 0), base: 5, baseTerm: 2, entries: ents(6, 2), snapshot: metaOf(5, 2)}
		if !want.is(l.found.Restored, l.read(6)) {
			t.Errorf("recovered %+v, want %+v", l.found, want.restored())
		}
	})
	t.Run("none is", func(t *testing.T) {
		dir := t.TempDir()
		s.write(t, dir)
		snapshot(dir, 5, 2)
		for _, n := range []uint32{1, 3} {
			if err := os.Remove(segmentPath(dir, n)); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err := Open(dir, Options{})
		var damage *DamageError
		if !errors.As(err, &damage) || damage.Reason != "entry 3 follows one that is not there, as this segment is the first" &&
			damage.Reason != "entry 2 follows one that is not there, as this segment is the first" {
			t.Errorf("Open: %v, want a DamageError", err)
		}
	})
}

// A file that cannot be removed takes room and no more. It is tried again, and
// said if that does not help; no later one is removed before it.
func TestSegmentThatCannotBeRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		stuck := &stuckNames{names: d, suffix: "00000001.wal"}
		opts := d.options()
		opts.names = stuck
		l := dropSample(t, opts)
		stuck.on.Store(true)
		last := l.last
		for _, i := range []raft.Index{last - 1, last} {
			if err := l.take(i, 1); err != nil {
				t.Fatal(err)
			}
		}
		l.DropThrough(last)
		synctest.Wait()
		if got := glob(t, l.dir, "*.wal"); len(got) != 3 && len(got) != 4 || l.base == 0 {
			t.Errorf("the directory has %v, the log is behind %d", got, l.base)
		}
		stuck.on.Store(false)
		l.DropThrough(last)
		synctest.Wait()
		if got := glob(t, l.dir, "0000000[12].wal"); len(got) > 0 {
			t.Errorf("the directory has %v still", got)
		}
		l.close()

		l = dropSample(t, opts)
		stuck.on.Store(true)
		if err := l.take(10, 1); err != nil {
			t.Fatal(err)
		}
		l.DropThrough(10)
		if err := l.wait(l.put(nil, ents(l.last+1, 1))); err != nil {
			t.Errorf("the log does not go on: %v", err)
		}
		synctest.Wait()
		if err := l.Close(); !errors.Is(err, syscall.EACCES) {
			t.Errorf("Close: %v, want EACCES", err)
		}
		stuck.on.Store(false)
		l = openLog(t, l.dir, opts)
		l.want(l.read(1)) // it is there, so it is read
	})
}

// stuckNames is a disk that does not remove some files.
type stuckNames struct {
	names
	suffix string
	on     atomic.Bool
}

func (s *stuckNames) remove(path string) error {
	if s.on.Load() && strings.HasSuffix(path, s.suffix) {
		return &os.PathError{Op: "remove", Path: path, Err: syscall.EACCES}
	}
	return s.names.remove(path)
}

// Whoever reads while segments and snapshots go gets what was there, or is told
// that it is dropped; and no file is open when it is removed.
func TestReadersBesideDrops(t *testing.T) {
	dir := t.TempDir()
	watch := &openFiles{open: make(map[string]int)}
	opts := newDisk().options()
	opts.segmentSize = 4 << 10
	watch.names, watch.under = opts.names, opts.OpenFile
	opts.names, opts.OpenFile = watch, watch.openFile
	l := openLog(t, dir, opts)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	var low, high, snap atomic.Uint64 // of what may be asked for
	for seed := range uint64(2) {
		readers.Go(func() {
			for r := rand.New(rand.NewPCG(seed, 0)); ; {
				select {
				case <-stop:
					return
				default:
				}
				lo := 1 + low.Load() + uint64(r.IntN(50))
				lo -= min(lo-1, uint64(r.IntN(100))) // what is about to go
				hi := min(lo+uint64(r.IntN(100)), high.Load()+1)
				if lo > hi {
					continue
				}
				got, err := l.Entries(raft.Index(lo), raft.Index(hi), 5000)
				if err != nil && !errors.Is(err, ErrDropped) {
					t.Errorf("Entries(%d, %d): %v", lo, hi, err)
					return
				}
				for i, e := range got {
					if !equal(got[i:i+1], ents(raft.Index(lo)+raft.Index(i), e.Term)) {
						t.Errorf("entries from %d: %v", lo, got)
						return
					}
				}
				i := raft.Index(snap.Load())
				b, _, err := l.SnapshotChunk(i, 0, 1<<20)
				if err != nil && !errors.Is(err, raft.ErrNoSnapshot) || err == nil && string(b) != string(fileOf(metaOf(i, 1))[:len(b)]) {
					t.Errorf("chunk of snapshot %d: %d bytes, %v", i, len(b), err)
					return
				}
			}
		})
	}
	for last := raft.Index(0); last < 3000; {
		for range 20 {
			last += 3
			l.put(nil, ents(last-2, 1, 1, 1))
			high.Store(uint64(last))
		}
		if err := l.take(last-10, 1); err != nil {
			t.Error(err)
			break
		}
		low.Store(snap.Load())
		snap.Store(uint64(last - 10))
		l.DropThrough(last - 10)
	}
	close(stop)
	readers.Wait()
	l.close()
	if l.base < 1000 || len(watch.removed) < 20 {
		t.Errorf("the log is behind %d, %d files were removed: nothing was tested", l.base, len(watch.removed))
	}
	if len(watch.busy) > 0 {
		t.Errorf("removed while open: %v", watch.busy)
	}
}

// openFiles notes which files are removed or renamed while they are open, as some
// systems don't allow.
type openFiles struct {
	names
	under OpenFile

	mu      sync.Mutex
	open    map[string]int
	removed []string
	busy    []string
}

func (o *openFiles) openFile(path string, flag int) (File, error) {
	f, err := o.under(path, flag)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open[path]++
	return &openedFile{f, path, o}, nil
}

func (o *openFiles) check(path string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.removed = append(o.removed, path)
	if o.open[path] > 0 {
		o.busy = append(o.busy, path)
	}
}

func (o *openFiles) remove(path string) error {
	o.check(path)
	return o.names.remove(path)
}

func (o *openFiles) rename(from, to string) error {
	o.check(from)
	return o.names.rename(from, to)
}

type openedFile struct {
	File
	path string
	of   *openFiles
}

func (f *openedFile) Close() error {
	f.of.mu.Lock()
	f.of.open[f.path]--
	f.of.mu.Unlock()
	return f.File.Close()
}
