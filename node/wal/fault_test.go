package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/raftlab/raftlab/raft"
)

// inUse tells a segment in use from one that is being made.
func inUse(path string) bool { return !strings.HasSuffix(path, newSuffix) }

// A failed write or sync is said once. Nothing is acknowledged after it, not
// even when the disk takes everything again: what a failed sync left behind is
// not known. Each case runs in a bubble, which also shows that Close leaves no
// goroutine behind.
func TestNothingIsAcknowledgedAfterAFailure(t *testing.T) {
	tests := []struct {
		name string
		fail func(d *disk, once func(string) error)
		err  error
		says string
	}{
		{"a sync fails", func(d *disk, once func(string) error) { d.onSync = once }, syscall.EIO, "sync log "},
		{"a write fails", func(d *disk, once func(string) error) { d.onWrite = once }, syscall.EIO, "write log "},
		{"the disk is full", func(d *disk, once func(string) error) { d.onWrite = once }, syscall.ENOSPC, "write log "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir, d := t.TempDir(), newDisk()
				l := openLog(t, dir, d.options())
				if err := l.wait(l.put(hs(1, 1), ents(1, 1, 1))); err != nil {
					t.Fatal(err)
				}
				var failed atomic.Bool
				synctest.Wait() // the log is at rest: nobody reads the hooks
				tt.fail(d, func(path string) error {
					if !failed.Swap(true) {
						return &os.PathError{Op: "write", Path: path, Err: tt.err}
					}
					return nil
				})
				err := l.wait(l.put(nil, ents(3, 1)))
				if !errors.Is(err, tt.err) || !strings.HasPrefix(err.Error(), tt.says+segmentPath(dir, 1)) {
					t.Fatalf("OnDurable says %v, want %q … %v", err, tt.says, tt.err)
				}
				for i := range 3 {
					l.put(nil, ents(raft.Index(4+i), 1))
					synctest.Wait()
				}
				if err := l.Close(); !errors.Is(err, tt.err) {
					t.Errorf("Close: %v, want %v", err, tt.err)
				}
				if l.durable != 1 || len(l.errs) != 1 {
					t.Errorf("acknowledged up to %d and %d errors, want 1 and one error", l.durable, len(l.errs))
				}
			})
		})
	}
}

// After a failed sync the kernel may show pages that the disk does not have.
// What recovery reads is written again, as a whole group, before it is relied on.
func TestLastGroupIsWrittenAgainWhenTheLogOpens(t *testing.T) {
	var from, to int64
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		l := openLog(t, dir, d.options())
		d.hold(true)
		first := l.put(hs(1, 1), ents(1, 1))
		synctest.Wait()
		l.put(nil, ents(2, 1))
		l.put(nil, ents(3, 1))
		d.pass()
		if err := l.wait(first); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // in the sync of the second group
		from = l.off
		d.hold(false)
		if err := l.wait(l.sync); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		to = l.off
	})
	d := newDisk()
	synced := 0
	d.onSync = func(path string) error {
		synced++
		if w := d.files[path]; len(w) != 1 || w[0].off != from || w[0].off+int64(len(w[0].new)) != to || string(w[0].old) != string(w[0].new) {
			return fmt.Errorf("synced after writing %+v", w)
		}
		return nil
	}
	w, _, err := Open(dir, d.options())
	if err != nil {
		t.Fatal(err)
	}
	if synced != 1 || len(d.files) > 0 {
		t.Errorf("%d syncs, want 1; not synced: %v", synced, d.files)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// Entries reads what is durable, what is on its way to the disk and what waits,
// each dropping what an earlier one has from some index on.
func TestEntriesSeesQueuedOverwrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		l := openLog(t, t.TempDir(), d.options())
		if err := l.wait(l.put(nil, ents(1, 1, 1, 1, 1, 1, 1))); err != nil {
			t.Fatal(err)
		}
		d.hold(true)
		l.put(nil, ents(5, 2, 2, 2))
		synctest.Wait() // it is on its way
		l.want(append(ents(1, 1, 1, 1, 1), ents(5, 2, 2, 2)...))
		l.put(nil, ents(3, 3))
		l.want(append(ents(1, 1, 1), ents(3, 3)...))
		l.put(nil, ents(4, 3))
		l.put(nil, ents(4, 4))
		want := append(ents(1, 1, 1), ents(3, 3, 4)...)
		l.want(want)
		d.pass()
		synctest.Wait() // the first of them is durable
		l.want(want)
		d.hold(false)
		if err := l.wait(l.sync); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		l.want(want)
	})
}

func TestUnsyncedAppendsAreLostOnKill(t *testing.T) {
	dir, d := t.TempDir(), newDisk()
	l := openLog(t, dir, d.options())
	if err := l.wait(l.put(hs(1, 1), ents(1, 1))); err != nil {
		t.Fatal(err)
	}
	reached, stuck := make(chan struct{}), make(chan struct{})
	d.onWrite = func(path string) error { close(reached); <-stuck; return errOff }
	l.put(nil, ents(2, 1))
	<-reached
	l.put(hs(2, 0), ents(2, 2, 2))
	l.want(append(ents(1, 1), ents(2, 2, 2)...)) // it reads what it has queued
	if r, log, err := read(dir); err != nil || !(model{state: *hs(1, 1), entries: ents(1, 1)}).is(r, log) {
		t.Errorf("the disk holds %+v, %v, %v, want only what was synced", r, log, err)
	}
	close(stuck)
	l.Close()
}

// What waits while the disk is busy goes out together.
func TestAppendsThatWaitShareOneSync(t *testing.T) {
	dir, d := t.TempDir(), newDisk()
	l := openLog(t, dir, d.options())
	var syncs atomic.Int32
	reached, stuck := make(chan struct{}), make(chan struct{})
	d.onSync = func(string) error {
		if syncs.Add(1) == 1 {
			close(reached)
			<-stuck
		}
		return nil
	}
	l.put(nil, ents(1, 1))
	<-reached
	for i := range 100 {
		l.put(nil, ents(raft.Index(2+i), 1))
	}
	close(stuck)
	if err := l.wait(l.sync); err != nil {
		t.Fatal(err)
	}
	if n := syncs.Load(); n != 2 {
		t.Errorf("101 appends took %d syncs, want 2", n)
	}
}

// fillSegments appends until the log is in its nth segment.
func fillSegments(t *testing.T, l *testLog, n int) {
	t.Helper()
	for len(l.WAL.segments) < n {
		if err := l.wait(l.put(nil, large(l.last+1, 1, 100))); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // until the next segment is made, and OnDurable has returned
	}
}

func TestSegmentsFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		opts := Options{OpenFile: newDisk().open, segmentSize: 1 << 10}
		l := openLog(t, dir, opts)
		fillSegments(t, l, 4)
		all, err := l.Entries(1, l.last+1, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range all {
			if !equal([]raft.Entry{e}, large(raft.Index(i+1), 1, 100)) {
				t.Fatalf("entry %d is %+v", i+1, e)
			}
		}
		var size int64
		for n := range uint32(4) {
			info, err := os.Stat(segmentPath(dir, n+1))
			if err != nil {
				t.Fatal(err)
			}
			if want := int64(1024) << (2 * n); info.Size() < want || info.Size() > want+256 {
				t.Errorf("segment %d has %d bytes, want %d", n+1, info.Size(), want)
			}
			size += info.Size()
		}
		if got := l.Size(); got != size {
			t.Errorf("Size() = %d, want %d", got, size)
		}
		l.close()
		l = openLog(t, dir, opts)
		l.want(all)
		if got := l.Size(); got != size {
			t.Errorf("Size() after reopening = %d, want %d", got, size)
		}
	})
}

// An Append of more than a frame takes is several frames, and one entry may be
// larger than a segment.
func TestLargeAppendsComeBack(t *testing.T) {
	dir := t.TempDir()
	opts := Options{OpenFile: newDisk().open, segmentSize: 8 << 10}
	l := openLog(t, dir, opts)
	var all []raft.Entry
	for i := range 3000 {
		all = append(all, large(raft.Index(i+1), raft.Term(i/700+1), 290)...)
	}
	all = append(all, large(3001, 9, 3<<20)...)
	all = append(all, ents(3002, 9, 9)...)
	l.put(hs(9, 1), all)
	l.want(all)
	if err := l.wait(l.sync); err != nil {
		t.Fatal(err)
	}
	l.want(all)
	l.put(nil, ents(2500, 10))
	all = append(all[:2499:2499], ents(2500, 10)...)
	l.want(all)
	l.close()
	l = openLog(t, dir, opts)
	l.want(all)
	for lo := raft.Index(1); lo <= 2500; lo += 97 {
		got, err := l.Entries(lo, 2501, 1000)
		if err != nil || len(got) == 0 || !equal(got, all[lo-1:][:len(got)]) {
			t.Fatalf("Entries from %d: %v, %v", lo, got, err)
		}
	}
}

// The index in memory stands for the log's bytes, not for its entries.
func TestIndexOfAMillionEntriesIsSmall(t *testing.T) {
	const size = 352 // a frame with one entry of 290 bytes
	var x index
	off, segment := int64(segmentHeader), uint32(1)
	for i := range raft.Index(1e6) {
		if off+size > segmentSizeMax {
			off, segment = segmentHeader, segment+1
		}
		x.add(i+1, i+2, placeOf(segment, off))
		off += size
	}
	if bytes := len(x.points) * 16; bytes > 400<<10 {
		t.Errorf("%d bytes for a million entries, want at most 400 KiB", bytes)
	}
}

// Whoever reads while the log is overwritten gets entries of one log, be it the
// one before or after, or is told that they are gone.
func TestReadersBesideOverwrites(t *testing.T) {
	l := openLog(t, t.TempDir(), Options{OpenFile: newDisk().open, segmentSize: 4 << 10})
	stop := make(chan struct{})
	var readers sync.WaitGroup
	defer readers.Wait()
	defer close(stop)
	for seed := range uint64(2) {
		readers.Go(func() {
			for r := rand.New(rand.NewPCG(seed, 0)); ; {
				select {
				case <-stop:
					return
				default:
				}
				lo := 1 + raft.Index(r.IntN(100))
				got, err := l.Entries(lo, lo+raft.Index(r.IntN(100)), 2000)
				if err != nil {
					continue // the log is shorter at the moment
				}
				for i, e := range got {
					if !equal(got[i:i+1], ents(lo+raft.Index(i), e.Term)) || i > 0 && e.Term < got[i-1].Term {
						t.Errorf("entries from %d: %v", lo, got)
						return
					}
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(9, 9))
	last, term := 0, raft.Term(1)
	for range 3000 {
		from := last + 1
		if r.IntN(8) == 0 {
			from, term = 1+r.IntN(last+1), term+1
		}
		last = from + r.IntN(8)
		terms := make([]raft.Term, last-from+1)
		for i := range terms {
			terms[i] = term
		}
		sync := l.put(nil, ents(raft.Index(from), terms...))
		if r.IntN(4) == 0 {
			if err := l.wait(sync); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// When there is no room to make a segment ahead, the one in use grows for as
// long as it can: the disk is full only when what must be written does not fit.
func TestLogGoesOnWhileTheNextSegmentCannotBeMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, d := t.TempDir(), newDisk()
		var full atomic.Bool
		full.Store(true)
		d.onWrite = func(path string) error {
			if !inUse(path) && full.Load() && filepath.Base(path) != "00000001.wal.new" {
				return syscall.ENOSPC
			}
			return nil
		}
		opts := Options{OpenFile: d.open, segmentSize: 1 << 10}
		l := openLog(t, dir, opts)
		for range 50 {
			if err := l.wait(l.put(nil, large(l.last+1, 1, 100))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if n := len(l.WAL.segments); n != 1 {
			t.Fatalf("%d segments, want 1", n)
		}
		full.Store(false)
		fillSegments(t, l, 2)
		all, err := l.Entries(1, l.last+1, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		l.close()
		openLog(t, dir, opts).want(all)
		if left, _ := filepath.Glob(filepath.Join(dir, "*"+newSuffix)); len(left) > 0 {
			t.Errorf("left behind %v", left)
		}
	})
}

// Close does not wait until the next segment is whole, and leaves nothing of it.
func TestCloseGivesUpTheNextSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, d := t.TempDir(), newDisk()
		l := openLog(t, dir, d.options())
		synctest.Wait()
		stuck := make(chan struct{})
		d.onSync = func(path string) error {
			if !inUse(path) {
				<-stuck
			}
			return nil
		}
		if err := l.wait(l.put(nil, large(1, 1, segmentSizeMin*2/3))); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // making the next segment has come to its first sync
		go func() {
			synctest.Wait() // Close has come to waiting for it
			close(stuck)
		}()
		l.close()
		if found, _ := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix+"*")); len(found) != 1 {
			t.Errorf("found %v, want the first segment only", found)
		}
		if _, err := l.Entries(1, 2, 1); !errors.Is(err, ErrClosed) {
			t.Errorf("Entries after Close: %v, want ErrClosed", err)
		}
		openLog(t, dir, newDisk().options()).want(large(1, 1, segmentSizeMin*2/3))
	})
}

func TestUnfinishedSegmentIsRemoved(t *testing.T) {
	dir := t.TempDir()
	if err := Create(dir, *hs(1, 1), ents(1, 1)); err != nil {
		t.Fatal(err)
	}
	path := segmentPath(dir, 2) + newSuffix
	if err := os.WriteFile(path, make([]byte, 100), 0o644); err != nil {
		t.Fatal(err)
	}
	openLog(t, dir, Options{}).want(ents(1, 1))
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", path, err)
	}
}

// Damage that appears while the log is open is found when it is read back.
func TestDamageIsFoundWhenReadBack(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir, Options{})
	if err := l.wait(l.put(nil, large(1, 1, 1000))); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(segmentPath(dir, 1), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{'x'}, 500); err != nil {
		t.Fatal(err)
	}
	first := segmentHeader + frameSize(opOpeningSize)
	var damage *DamageError
	if _, err := l.Entries(1, 2, 1<<20); !errors.As(err, &damage) || damage.File != f.Name() || damage.Offset != first {
		t.Errorf("Entries: %v, want a DamageError at %d", err, first)
	}
}

func TestAppendsThatCannotBe(t *testing.T) {
	tests := []struct {
		name    string
		entries []raft.Entry
		says    string
	}{
		{"a gap behind the log", ents(4, 1), "wal: append entry 4 to a log that is behind entry 0 and ends at 2"},
		{"index 0", ents(0, 1), "wal: append entry 0 to a log that is behind entry 0 and ends at 2"},
		{"a gap inside", append(ents(3, 1), ents(5, 1)...), "wal: append entry 5 behind entry 3"},
		{"a gap where the term changes", append(ents(3, 1), ents(5, 2)...), "wal: append entry 5 behind entry 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := openLog(t, t.TempDir(), Options{})
			l.put(nil, ents(1, 1, 1))
			defer func() {
				if got := recover(); got != tt.says {
					t.Errorf("panic %v, want %q", got, tt.says)
				}
			}()
			l.put(nil, tt.entries)
		})
	}
}

func TestCreateDoesNotReplaceALog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "S1", "data")
	if err := Create(dir, *hs(6, 0), ents(1, 1, 1, 4)); err != nil {
		t.Fatal(err)
	}
	if r, log, err := read(dir); err != nil || !(model{state: *hs(6, 0), entries: ents(1, 1, 1, 4)}).is(r, log) {
		t.Errorf("Read = %+v, %v, %v", r, log, err)
	}
	if err := Create(dir, *hs(7, 0), nil); !errors.Is(err, ErrExists) {
		t.Errorf("second Create: %v, want ErrExists", err)
	}
}

func TestReadOfNoLogIsEmpty(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "wiped")
	if r, log, err := read(dir); err != nil || !(model{}).is(r, log) {
		t.Errorf("Read = %+v, %v, %v, want nothing", r, log, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Read made %s", dir)
	}
}

func TestRangesAreBounded(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir, Options{})
	for i := range 10 {
		l.put(nil, large(raft.Index(i+1), 1, 100))
	}
	if err := l.wait(l.sync); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		lo, hi   raft.Index
		maxBytes int
		want     int // entries; -1 is an error
	}{
		{"all", 1, 11, 1 << 20, 10},
		{"none", 4, 4, 1 << 20, 0},
		{"none at the end", 11, 11, 1 << 20, 0},
		{"as many as fit", 3, 11, 350, 3},
		{"what fits exactly", 3, 11, 300, 3},
		{"the first one even when it does not fit", 3, 11, 0, 1},
		{"behind the end", 3, 12, 1 << 20, -1},
		{"before the start", 0, 3, 1 << 20, -1},
		{"upside down", 5, 4, 1 << 20, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := l.Entries(tt.lo, tt.hi, tt.maxBytes)
			if (err != nil) != (tt.want < 0) || err == nil && len(got) != tt.want {
				t.Fatalf("Entries(%d, %d, %d) = %d entries, %v, want %d", tt.lo, tt.hi, tt.maxBytes, len(got), err, tt.want)
			}
			for i, e := range got {
				if e.Index != tt.lo+raft.Index(i) {
					t.Errorf("entry %d is number %d", e.Index, i)
				}
			}
			if tt.want > 0 {
				last := got[len(got)-1].Index
				var scanned []raft.Entry
				if _, err := Scan(dir, tt.lo, last+1, func(page []raft.Entry) error {
					scanned = append(scanned, page...)
					return nil
				}); err != nil || !equal(scanned, got) {
					t.Errorf("Scan = %v, %v, want %v", scanned, err, got)
				}
			}
		})
	}
}
