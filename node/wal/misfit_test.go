package wal

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/raftlab/raftlab/raft"
)

// What recovery makes of snapshots and logs that do not fit together. The log
// has entries 1 to 4 in one segment and 5 to 12 in the next.
func TestSnapshotsAndLogsThatDoNotFit(t *testing.T) {
	flip := func(b []byte) []byte { b[20] ^= 1; return b }
	compacted := func(w *world) { // snapshots 4 and 8, the log from behind 4 on at least
		w.take(4, true)
		w.take(8, true)
	}
	tests := []misfit{
		{name: "nothing is wrong", do: compacted, last: 8, base: 4},
		{name: "the newest is damaged, the older is not", do: compacted,
			spoil: func(w *world) { w.spoil(snapshotPath(w.dir, 8, 1), flip) }, last: 4, base: 4,
			note: "removed 00000008-1.snap, which is damaged at offset 16: the snapshot header's checksum is wrong; the log says the same from 00000004-1.snap on"},
		{name: "the only one is damaged, the log is whole",
			do:    func(w *world) { w.take(4, false) },
			spoil: func(w *world) { w.spoil(snapshotPath(w.dir, 4, 1), flip) },
			note:  "removed 00000004-1.snap, which is damaged at offset 16: the snapshot header's checksum is wrong; the log says the same from its first entry on"},
		{name: "the only one is damaged, the log is dropped",
			do:    func(w *world) { w.take(4, true) },
			spoil: func(w *world) { w.spoil(snapshotPath(w.dir, 4, 1), flip) },
			err:   "00000004-1.snap at offset 16: the snapshot header's checksum is wrong, and what is left of the log and of older snapshots does not say the same"},
		{name: "both are damaged", do: compacted,
			spoil: func(w *world) {
				w.spoil(snapshotPath(w.dir, 4, 1), flip)
				w.spoil(snapshotPath(w.dir, 8, 1), flip)
			},
			err: "00000008-1.snap at offset 16: the snapshot header's checksum is wrong, and what is left of the log and of older snapshots does not say the same"},
		{name: "the newest is cut short", do: compacted,
			spoil: func(w *world) { w.spoil(snapshotPath(w.dir, 8, 1), func(b []byte) []byte { return b[:10] }) }, last: 4, base: 4,
			note: "removed 00000008-1.snap, which is damaged at offset 0: the file has 10 bytes, a snapshot at least 60; the log says the same from 00000004-1.snap on"},
		{name: "the newest is another one", do: compacted,
			spoil: func(w *world) { overwrite(w.t, snapshotPath(w.dir, 8, 1), fileOf(metaOf(9, 1))) }, last: 4, base: 4,
			note: "removed 00000008-1.snap, which is damaged at offset 16: the snapshot is of entry 9 of term 1 by its header; the log says the same from 00000004-1.snap on"},
		{name: "the newest is of another format", do: compacted,
			spoil: func(w *world) {
				w.spoil(snapshotPath(w.dir, 8, 1), func(b []byte) []byte { b[8] = 9; sealVersion(b); return b })
			},
			err: "00000008-1.snap is of format 9, this program reads format 1"},
		{name: "all snapshots are gone", do: compacted,
			spoil: func(w *world) { w.remove(snapshotPath(w.dir, 4, 1)); w.remove(snapshotPath(w.dir, 8, 1)) },
			err:   "00000002.wal at offset 64: the log begins behind entry 4, and there is no snapshot that goes so far"},
		{name: "the log is gone", do: compacted,
			spoil: func(w *world) {
				for _, path := range glob(w.t, w.dir, "*.wal") {
					w.remove(path)
				}
			},
			err: "00000001.wal at offset 0: the file is missing, and a snapshot is there"},
		{name: "the first segment lost its beginning", do: compacted,
			spoil: func(w *world) {
				w.spoil(segmentPath(w.dir, 2), func(b []byte) []byte { clear(b[segmentHeader:]); return b })
			},
			err: "00000002.wal at offset 64: its first frame is missing or incomplete, but the segments before it were removed because of it"},
		{name: "an installed one is damaged, the older one is not: what it stands for is nowhere else",
			do: func(w *world) {
				w.take(8, false)
				w.l.receive(metaOf(20, 2))
				if err := w.l.wait(w.l.install(raft.Install{Meta: metaOf(20, 2)}, nil, nil)); err != nil {
					w.t.Fatal(err)
				}
			},
			spoil: func(w *world) { w.spoil(snapshotPath(w.dir, 20, 2), flip) },
			err:   "00000020-2.snap at offset 16: the snapshot header's checksum is wrong, and what is left of the log and of older snapshots does not say the same"},
		{name: "a damaged one that the log does not go as far as",
			do:    func(w *world) { w.take(8, false) },
			spoil: func(w *world) { overwrite(w.t, snapshotPath(w.dir, 20, 2), []byte("x")) },
			err:   "00000020-2.snap at offset 0: the file has 1 bytes, a snapshot at least 60, and what is left of the log and of older snapshots does not say the same"},
		{name: "a snapshot that was put in its place before the log was dropped: the log is shorter",
			spoil: func(w *world) { overwrite(w.t, snapshotPath(w.dir, 20, 2), fileOf(metaOf(20, 2))) }, last: 20, base: 20,
			note: "dropped entries 1 to 12: 00000020-2.snap, whose installation was interrupted, replaces them"},
		{name: "a snapshot that was put in its place before the log was dropped: the log is another one",
			spoil: func(w *world) { overwrite(w.t, snapshotPath(w.dir, 9, 2), fileOf(metaOf(9, 2))) }, last: 9, base: 9,
			note: "dropped entries 1 to 12: 00000009-2.snap, whose installation was interrupted, replaces them"},
		{name: "names that are no snapshots'", do: compacted, last: 8, base: 4,
			spoil: func(w *world) {
				for _, name := range []string{"9-1.snap", "00000009-1.snapshot", "00000009.snap", "00000000-1.snap", "x00000009-1.snap"} {
					overwrite(w.t, filepath.Join(w.dir, name), []byte("x"))
				}
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { synctest.Test(t, tt.test) })
	}
}

// misfit is a case of TestSnapshotsAndLogsThatDoNotFit.
type misfit struct {
	name  string
	do    func(w *world) // while the log is open
	spoil func(w *world)
	last  raft.Index // of the snapshot that counts
	base  raft.Index
	note  string
	err   string // behind the directory
}

// world is a log in its directory.
type world struct {
	t   testing.TB
	dir string
	l   *testLog
}

// spoil changes a file.
func (w *world) spoil(path string, how func([]byte) []byte) {
	w.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	overwrite(w.t, path, how(b))
}

func (w *world) remove(path string) {
	w.t.Helper()
	if err := os.Remove(path); err != nil {
		w.t.Fatal(err)
	}
}

// take takes a snapshot, and drops what may be dropped.
func (w *world) take(i raft.Index, drop bool) {
	w.t.Helper()
	if err := w.l.take(i, 1); err != nil {
		w.t.Fatal(err)
	}
	if drop {
		w.l.DropThrough(i)
		w.l.background.Wait()
	}
}

func (tt misfit) test(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	opts := newDisk().options()
	opts.segmentSize = 1 << 10
	w.l = openLog(t, w.dir, opts)
	w.l.put(hs(2, 1), nil)
	fillTwoSegments(t, w.l)
	if tt.do != nil {
		tt.do(w)
	}
	w.l.close()
	if tt.spoil != nil {
		tt.spoil(w)
	}
	before := listing(t, w.dir)
	scanned, log, scanErr := read(w.dir)
	if !slices.Equal(listing(t, w.dir), before) {
		t.Error("Scan changed the directory")
	}
	l, err := tryOpen(t, w.dir, opts)
	if tt.err != "" {
		for _, err := range []error{err, scanErr} {
			if err == nil || !strings.HasSuffix(err.Error(), w.dir+string(filepath.Separator)+tt.err) {
				t.Errorf("error %v, want %s", err, tt.err)
			}
		}
		if !slices.Equal(listing(t, w.dir), before) {
			t.Error("Open refused the log and changed the directory")
		}
		return
	}
	if err != nil || scanErr != nil {
		t.Fatalf("Open: %v, Scan: %v", err, scanErr)
	}
	found := l.found.Restored
	got, err := l.Entries(found.Base+1, found.LastIndex+1, 1<<20)
	if err != nil || !modelOf(scanned, log).is(found, got) {
		t.Errorf("Scan found %+v, Open %+v, %v", scanned, found, err)
	}
	if found.Snapshot.Index != tt.last || found.Base != tt.base || found.HardState != *hs(2, 1) {
		t.Errorf("recovered %+v, want snapshot %d and a log behind %d", found, tt.last, tt.base)
	}
	if got := strings.Join(l.found.Notes, "; "); got != tt.note {
		t.Errorf("notes %q, want %q", got, tt.note)
	}
	// It goes on from there.
	more := ents(found.LastIndex+1, 9)
	if err := l.wait(l.put(nil, more)); err != nil {
		t.Fatal(err)
	}
	l.close()
	l = openLog(t, w.dir, opts)
	if again := modelOf(found, got).append(nil, more); len(l.found.Notes) > 0 {
		t.Errorf("the second time: %q", l.found.Notes)
	} else if got, err := l.Entries(l.found.Base+1, l.found.LastIndex+1, 1<<20); err != nil || !again.is(l.found.Restored, got) {
		t.Errorf("after one more entry: %+v, %v", l.found, err)
	}
}

// fillTwoSegments makes the log be entries 1 to 4 in a segment of 1024 bytes and
// 5 to 12 in the next.
func fillTwoSegments(t *testing.T, l *testLog) {
	t.Helper()
	for i := raft.Index(1); i <= 12; i++ {
		size := 100
		if i == 5 {
			size = 600
		}
		if err := l.wait(l.put(nil, large(i, 1, size))); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // until the next segment is made
	}
	if n := len(l.WAL.segments); n != 2 || l.WAL.segments[1].base != 4 {
		t.Fatalf("the log has %d segments", n)
	}
}

func glob(t testing.TB, dir, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// listing is what a directory holds: names, sizes, checksums.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	for _, path := range glob(t, dir, "*.*") {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(filepath.Base(path), len(b), sum(b)))
	}
	return out
}
