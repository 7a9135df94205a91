package wal

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/raftlab/raftlab/raft"
)

func metaOf(i raft.Index, term raft.Term) raft.SnapshotMeta {
	return raft.SnapshotMeta{Index: i, Term: term, Config: configOf(i)}
}

// take takes a snapshot of entry i.
func (l *testLog) take(i raft.Index, term raft.Term) error {
	meta := metaOf(i, term)
	w, err := l.TakeSnapshot(meta)
	if err != nil {
		return err
	}
	if _, err := w.Write(contentOf(meta)); err != nil {
		return err
	}
	_, err = w.Commit()
	return err
}

// receive writes a leader's snapshot aside, in one piece.
func (l *testLog) receive(meta raft.SnapshotMeta) {
	l.t.Helper()
	if err := l.WriteChunk(raft.SnapshotChunk{Meta: meta, Data: fileOf(meta)}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *testLog) install(in raft.Install, state *raft.HardState, entries []raft.Entry) uint64 {
	l.sync++
	l.Append(l.sync, &in, state, entries)
	return l.sync
}

// ls lists the snapshots in dir and what is left of unfinished ones.
func ls(t testing.TB, dir string) []string {
	t.Helper()
	all, unfinished, err := listSnapshots(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, s := range all {
		names = append(names, filepath.Base(s.path))
	}
	for _, path := range unfinished {
		names = append(names, filepath.Base(path))
	}
	return names
}

// check reads a whole snapshot file as it is read to be installed.
func check(f File, size int64) error {
	s, err := readSnapfile(f, "file", size)
	if err != nil {
		return err
	}
	return s.verify(f)
}

// A bit that is wrong anywhere in a snapshot, or an end that is missing, is
// found, with the place where what is checked at once begins.
func TestEveryBitOfASnapshotIsChecked(t *testing.T) {
	for _, i := range []raft.Index{7, 8, 9, 12, 13} { // 0, 1, 1000 bytes, a block and one more, several
		meta := metaOf(i, 3)
		file := fileOf(meta)
		s, err := readSnapfile(&memory{file}, "file", int64(len(file)))
		if err != nil || !sameSnapshot(s.meta, meta) {
			t.Fatalf("read %+v, %v, want %+v", s, err, meta)
		}
		step := 1
		if len(file) > 5000 {
			step = 37
		}
		for off := 0; off < len(file); off += step {
			bad := slices.Clone(file)
			bad[off] ^= 1 << (off % 8)
			want := s.unitStart(int64(off))
			if want == 0 && off >= 16 {
				want = 16
			}
			var damage *DamageError
			if err := check(&memory{bad}, int64(len(bad))); !errors.As(err, &damage) || damage.Offset != want {
				t.Fatalf("byte %d of %d wrong: %v, want damage at %d", off, len(file), err, want)
			}
			if err := check(&memory{file[:off]}, int64(off)); !errors.As(err, &damage) {
				t.Fatalf("only %d bytes of %d: %v, want a DamageError", off, len(file), err)
			}
			// A file that was right when it was opened and is not any more.
			if _, _, err := s.chunk(&memory{bad}, int64(off), 1); !errors.As(err, &damage) || damage.Offset != s.unitStart(int64(off)) {
				t.Fatalf("chunk with byte %d wrong: %v, want damage at %d", off, err, s.unitStart(int64(off)))
			}
			if _, _, err := s.chunk(&memory{file[:off]}, int64(off), 1); !errors.As(err, &damage) {
				t.Fatalf("chunk of a file that lost what is behind %d: %v, want a DamageError", off, err)
			}
		}
	}
}

// Blocks of another place, or of another snapshot, are no blocks, right as they are.
func TestBlocksAreTiedToTheirPlace(t *testing.T) {
	meta := metaOf(13, 3)
	file := fileOf(meta)
	head := len(appendSnapshotHeader(nil, &meta))
	swapped := slices.Concat(file[:head], file[head+blockSize:][:blockSize], file[head:][:blockSize], file[head+2*blockSize:])
	later := metaOf(13, 4)
	other := slices.Concat(appendSnapshotHeader(nil, &later), file[head:])
	for name, b := range map[string][]byte{"two blocks changed places": swapped, "blocks of another snapshot": other} {
		var damage *DamageError
		if err := check(&memory{b}, int64(len(b))); !errors.As(err, &damage) {
			t.Errorf("%s: %v, want a DamageError", name, err)
		}
	}
}

// countingFile counts the bytes that are read.
type countingFile struct {
	memory
	read int
}

func (f *countingFile) ReadAt(b []byte, off int64) (int, error) {
	f.read += len(b)
	return f.memory.ReadAt(b, off)
}

// A leader sends a snapshot in chunks of any size. However large they are, it
// reads each block once; and those that are smaller than a block, a block each.
func TestChunksReadWhatTheySend(t *testing.T) {
	file := fileOf(metaOf(13, 3))
	for _, size := range []int{blockSize, blockSize + 1000, 2 * blockSize, 1 << 20} {
		f := &countingFile{memory: memory{file}}
		s, err := readSnapfile(f, "file", int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		f.read = 0
		var got []byte
		for done := false; !done; {
			var b []byte
			if b, done, err = s.chunk(f, int64(len(got)), size); err != nil || len(b) == 0 || len(b) > size {
				t.Fatalf("%d bytes of at most %d, %v", len(b), size, err)
			}
			got = append(got, b...)
		}
		if !bytes.Equal(got, file) || f.read > len(file) {
			t.Errorf("chunks of %d: read %d bytes to send %d, right: %v", size, f.read, len(file), bytes.Equal(got, file))
		}
		if b, done, err := s.chunk(f, int64(len(file)), size); len(b) > 0 || !done || err != nil {
			t.Errorf("chunk at the end: %d bytes, %v, %v", len(b), done, err)
		}
		for _, off := range []int64{-1, int64(len(file)) + 1} {
			if _, _, err := s.chunk(f, off, size); err == nil {
				t.Errorf("chunk at %d of %d: no error", off, len(file))
			}
		}
	}
}

// A damaged block is sent to nobody; the others are.
func TestRottenBlockIsNotSent(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir, Options{})
	l.put(hs(1, 1), ents(1, slices.Repeat([]raft.Term{1}, 13)...))
	if err := l.take(13, 1); err != nil {
		t.Fatal(err)
	}
	path := snapshotPath(dir, 13, 1)
	b := slices.Clone(fileOf(metaOf(13, 1)))
	head := int64(len(appendSnapshotHeader(nil, &raft.SnapshotMeta{Config: configOf(13)})))
	b[head+blockSize+77]++
	overwrite(t, path, b)
	if data, _, err := l.SnapshotChunk(13, head, blockSize); err != nil || len(data) != blockSize {
		t.Errorf("the block before: %d bytes, %v", len(data), err)
	}
	var damage *DamageError
	for _, off := range []int64{head + blockSize, head + blockSize + 1000} {
		if data, _, err := l.SnapshotChunk(13, off, 1<<20); data != nil || !errors.As(err, &damage) || damage.File != path || damage.Offset != head+blockSize {
			t.Errorf("chunk at %d: %d bytes, %v, want damage at %d", off, len(data), err, head+blockSize)
		}
	}
	_, _, r, err := l.OpenSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); !errors.As(err, &damage) || len(got) > blockData {
		t.Errorf("read %d bytes, %v, want a DamageError after one block at most", len(got), err)
	}
}

func TestChunksThatDoNotFit(t *testing.T) {
	a, b := metaOf(20, 2), metaOf(20, 3)
	other := a
	other.Config = configOf(21)
	type chunk = raft.SnapshotChunk
	tests := []struct {
		name   string
		before []chunk
		chunk  chunk
		says   string
	}{
		{"the first is missing", nil, chunk{Meta: a, Offset: 5}, "bytes from 5 on came, and none before"},
		{"a gap", []chunk{{Meta: a, Data: []byte("abc")}}, chunk{Meta: a, Offset: 4}, "bytes from 4 on came after 3"},
		{"twice the same", []chunk{{Meta: a, Data: []byte("abc")}, {Meta: a, Offset: 3, Data: []byte("d")}}, chunk{Meta: a, Offset: 3}, "bytes from 3 on came after 4"},
		{"another snapshot", []chunk{{Meta: b, Data: []byte("abc")}}, chunk{Meta: a, Offset: 3}, "bytes from 3 on came while the one of entry 20 of term 3 was arriving"},
		{"another configuration", []chunk{{Meta: other, Data: []byte("abc")}}, chunk{Meta: a, Offset: 3}, "bytes from 3 on came while the one of entry 20 of term 2 was arriving"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := openLog(t, t.TempDir(), Options{})
			for _, c := range tt.before {
				if err := l.WriteChunk(c); err != nil {
					t.Fatal(err)
				}
			}
			want := "write snapshot of entry 20 of term 2: " + tt.says
			if err := l.WriteChunk(tt.chunk); err == nil || err.Error() != want {
				t.Errorf("WriteChunk: %v, want %s", err, want)
			}
		})
	}
}

// What is to be installed and is not there, or not right, ends the log before
// anything of the Append takes effect but the term.
func TestInstallOfWhatDidNotArrive(t *testing.T) {
	meta := metaOf(20, 2)
	file := fileOf(meta)
	rotten := slices.Clone(file)
	rotten[len(rotten)/2] ^= 1
	other := metaOf(20, 3)
	tests := []struct {
		name  string
		meta  raft.SnapshotMeta
		bytes []byte
		says  string
		part  bool
	}{
		{"nothing came", meta, nil, "install snapshot of entry 20 of term 2: it has not arrived", false},
		{"another one came", other, fileOf(other), "install snapshot of entry 20 of term 2: it has not arrived", false},
		{"the end is missing", meta, file[:len(file)-1], "install snapshot 00000020-2.snap: log is damaged", true},
		{"a byte is wrong", meta, rotten, "install snapshot 00000020-2.snap: log is damaged", true},
		{"it is another one by its header", meta, fileOf(other), "install snapshot 00000020-2.snap: log is damaged", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			l := openLog(t, dir, Options{})
			before := l.put(hs(1, 1), ents(1, 1, 1))
			if tt.bytes != nil {
				if err := l.WriteChunk(raft.SnapshotChunk{Meta: tt.meta, Data: tt.bytes}); err != nil {
					t.Fatal(err)
				}
			}
			err := l.wait(l.install(raft.Install{Meta: meta}, hs(2, 2), ents(21, 2)))
			if err == nil || !strings.HasPrefix(err.Error(), tt.says) {
				t.Fatalf("OnDurable says %v, want %q", err, tt.says)
			}
			if err := l.Close(); err == nil || l.durable > before {
				t.Errorf("Close: %v, durable up to %d, want an error and %d", err, l.durable, before)
			}
			l = openLog(t, dir, Options{})
			want := model{state: *hs(2, 2), entries: ents(1, 1, 1)}
			if log, err := l.Entries(1, 3, 1<<20); err != nil || !want.is(l.found.Restored, log) {
				t.Errorf("recovered %+v, %v, %v, want %+v", l.found, log, err, want)
			}
			if got := ls(t, dir); len(got) > 0 || len(l.found.Notes) > 0 != tt.part {
				t.Errorf("left behind %v, notes %q", got, l.found.Notes)
			}
		})
	}
}

// Neither the sync of a large snapshot nor its verification is waited for by who
// appends. What is appended meanwhile becomes durable behind it, in order.
func TestAppendsDoNotWaitForAnInstallation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, d := t.TempDir(), newDisk()
		l := openLog(t, dir, d.options())
		if err := l.wait(l.put(hs(1, 1), ents(1, 1, 1))); err != nil {
			t.Fatal(err)
		}
		l.receive(metaOf(20, 2))
		d.hold(true)
		installed := l.install(raft.Install{Meta: metaOf(20, 2)}, hs(2, 0), ents(21, 2))
		l.put(nil, ents(22, 2, 2))
		if err := l.WriteChunk(raft.SnapshotChunk{Meta: metaOf(20, 2), Data: []byte("again")}); err != nil {
			t.Fatal(err)
		}
		if got, err := l.Entries(21, 24, 1<<20); err != nil || !equal(got, ents(21, 2, 2, 2)) {
			t.Errorf("Entries before it is installed: %v, %v", got, err)
		}
		if _, err := l.Entries(1, 2, 1); !errors.Is(err, ErrDropped) {
			t.Errorf("Entries that are replaced: %v, want ErrDropped", err)
		}
		synctest.Wait()
		if l.durable >= installed {
			t.Errorf("durable up to %d while no sync returns", l.durable)
		}
		d.hold(false)
		if err := l.wait(l.sync); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got, err := l.Entries(21, 24, 1<<20); err != nil || !equal(got, ents(21, 2, 2, 2)) {
			t.Errorf("Entries behind it: %v, %v", got, err)
		}
		l.close()
		if got := ls(t, dir); !slices.Equal(got, []string{"00000020-2.snap"}) {
			t.Errorf("the directory has %v", got)
		}
		l = openLog(t, dir, d.options())
		if got, _, err := l.SnapshotChunk(20, 0, 1<<20); err != nil || !bytes.Equal(got, fileOf(metaOf(20, 2))) {
			t.Errorf("the snapshot is another one: %v", err)
		}
	})
}

// A new server's log begins with a snapshot.
func TestInstallIntoAnEmptyLog(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir, Options{})
	l.receive(metaOf(20, 2))
	if err := l.wait(l.install(raft.Install{Meta: metaOf(20, 2)}, nil, nil)); err != nil {
		t.Fatal(err)
	}
	l.close()
	l = openLog(t, dir, Options{})
	if want := (model{}).install(raft.Install{Meta: metaOf(20, 2)}); !want.is(l.found.Restored, nil) || len(l.found.Notes) > 0 {
		t.Errorf("recovered %+v, want %+v", l.found, want.restored())
	}
	if err := l.wait(l.put(nil, ents(21, 2))); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshotsThatAreNotTaken(t *testing.T) {
	l := openLog(t, t.TempDir(), Options{})
	l.put(hs(1, 1), ents(1, 1, 1, 1, 1))
	if err := l.take(2, 1); err != nil {
		t.Fatal(err)
	}
	nobody := metaOf(3, 1)
	nobody.Config = raft.Configuration{}
	for _, tt := range []struct {
		name string
		meta raft.SnapshotMeta
		says string
	}{
		{"of nothing", raft.SnapshotMeta{}, "take a snapshot of entry 0: there is no such entry"},
		{"of the same entry", metaOf(2, 1), "take a snapshot of entry 2: there is one of entry 2: superseded"},
		{"of an older entry", metaOf(1, 1), "take a snapshot of entry 1: there is one of entry 2: superseded"},
		{"of no cluster", nobody, "take a snapshot of entry 3: its configuration makes no sense: no voter is left"},
	} {
		if _, err := l.TakeSnapshot(tt.meta); err == nil || err.Error() != tt.says {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.says)
		}
	}
	w, err := l.TakeSnapshot(metaOf(3, 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.TakeSnapshot(metaOf(4, 1)); err == nil || err.Error() != "take a snapshot of entry 4: another one is being written" {
		t.Errorf("a second one at a time: %v", err)
	}
	w.Abort()
	if got := ls(t, l.dir); !slices.Equal(got, []string{"00000002-1.snap"}) {
		t.Errorf("after Abort the directory has %v", got)
	}
	w.Abort()
	if _, err := w.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Write after Abort: %v", err)
	}
	if _, err := w.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Commit after Abort: %v", err)
	}
	if w, err = l.TakeSnapshot(metaOf(4, 1)); err != nil {
		t.Fatal(err)
	}
	l.receive(metaOf(20, 2))
	if err := l.wait(l.install(raft.Install{Meta: metaOf(20, 2)}, nil, nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(); !errors.Is(err, ErrSuperseded) {
		t.Errorf("Commit behind a newer one: %v, want ErrSuperseded", err)
	}
	if w, err = l.TakeSnapshot(metaOf(21, 2)); err != nil {
		t.Fatal(err)
	}
	l.close()
	if _, err := w.Commit(); !errors.Is(err, ErrClosed) {
		t.Errorf("Commit after Close: %v, want ErrClosed", err)
	}
	if got := ls(t, l.dir); !slices.Equal(got, []string{"00000002-1.snap", "00000020-2.snap"}) {
		t.Errorf("the directory has %v", got)
	}
	for _, err := range []error{
		func() error { _, err := l.TakeSnapshot(metaOf(22, 2)); return err }(),
		func() error { _, _, _, err := l.OpenSnapshot(); return err }(),
		func() error { _, _, err := l.SnapshotChunk(20, 0, 1); return err }(),
		l.WriteChunk(raft.SnapshotChunk{Meta: metaOf(22, 2)}),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v, want ErrClosed", err)
		}
	}
}

// A snapshot takes effect only when the log is durable as far as it goes: else
// it could be the only thing that has an entry, and then rot.
func TestSnapshotWaitsForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, d := t.TempDir(), newDisk()
		l := openLog(t, dir, d.options())
		if err := l.wait(l.put(hs(1, 1), ents(1, 1, 1, 1))); err != nil {
			t.Fatal(err)
		}
		w, err := l.TakeSnapshot(metaOf(4, 1))
		if err != nil {
			t.Fatal(err)
		}
		d.hold(true)
		l.put(nil, ents(4, 1))
		synctest.Wait() // the log is in its sync
		committed := make(chan error)
		go func() { _, err := w.Commit(); committed <- err }()
		d.pass() // one of the two
		synctest.Wait()
		if got := ls(t, dir); !slices.Equal(got, []string{"00000004-1.snap.new"}) {
			t.Errorf("before the log is durable the directory has %v", got)
		}
		d.hold(false)
		if err := <-committed; err != nil {
			t.Fatal(err)
		}
		if l.durable != l.sync || !slices.Equal(ls(t, dir), []string{"00000004-1.snap"}) {
			t.Errorf("durable up to %d of %d, the directory has %v", l.durable, l.sync, ls(t, dir))
		}
	})
}

// A snapshot that cannot be written leaves nothing behind, and the log goes on.
// A log that has failed takes no snapshot.
func TestSnapshotThatCannotBeWritten(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(d *disk, f func(string) error)
	}{
		{"the disk is full", func(d *disk, f func(string) error) { d.onWrite = f }},
		{"the sync fails", func(d *disk, f func(string) error) { d.onSync = f }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, d := t.TempDir(), newDisk()
			var path atomic.Value // what fails
			path.Store(".snap.new")
			tt.fail(d, func(p string) error {
				if strings.HasSuffix(p, path.Load().(string)) {
					return &os.PathError{Op: "write", Path: p, Err: syscall.ENOSPC}
				}
				return nil
			})
			l := openLog(t, dir, d.options())
			l.put(hs(1, 1), ents(1, slices.Repeat([]raft.Term{1}, 14)...))
			if err := l.take(13, 1); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("snapshot: %v, want ENOSPC", err)
			}
			if got := ls(t, dir); len(got) > 0 {
				t.Errorf("left behind %v", got)
			}
			if err := l.wait(l.put(nil, ents(15, 1))); err != nil {
				t.Errorf("the log behind it: %v", err)
			}
			path.Store(".wal")
			l.put(nil, ents(16, 1))
			if err := l.take(13, 1); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("snapshot of a log that fails: %v, want ENOSPC", err)
			}
			if got := ls(t, dir); len(got) > 0 {
				t.Errorf("left behind %v", got)
			}
		})
	}
}

// A transfer under way survives one new snapshot. Who still reads one that is
// let go gets it to its end, and then it is removed.
func TestTwoSnapshotsAreKept(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir, Options{})
	l.put(hs(1, 1), ents(1, slices.Repeat([]raft.Term{1}, 30)...))
	if err := l.take(5, 1); err != nil {
		t.Fatal(err)
	}
	meta, size, r, err := l.OpenSnapshot()
	if err != nil || !sameSnapshot(meta, metaOf(5, 1)) || size != int64(len(fileOf(meta))) {
		t.Fatalf("OpenSnapshot: %+v, %d, %v", meta, size, err)
	}
	if err := l.take(13, 1); err != nil {
		t.Fatal(err)
	}
	for _, i := range []raft.Index{5, 13} {
		if b, done, err := l.SnapshotChunk(i, 0, 1<<20); err != nil || !done || !bytes.Equal(b, fileOf(metaOf(i, 1))) {
			t.Errorf("chunk of %d: %d bytes, %v, %v", i, len(b), done, err)
		}
	}
	if err := l.take(20, 1); err != nil {
		t.Fatal(err)
	}
	l.background.Wait()
	if _, _, err := l.SnapshotChunk(5, 0, 1); !errors.Is(err, raft.ErrNoSnapshot) {
		t.Errorf("chunk of one that is let go: %v, want ErrNoSnapshot", err)
	}
	if got := ls(t, dir); len(got) != 3 {
		t.Errorf("the directory has %v, one of them is being read", got)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, contentOf(metaOf(5, 1))) {
		t.Errorf("read %d bytes of it, %v", len(got), err)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	l.background.Wait()
	if got := ls(t, dir); !slices.Equal(got, []string{"00000013-1.snap", "00000020-1.snap"}) {
		t.Errorf("the directory has %v", got)
	}
}

func TestUnfinishedSnapshotsAreRemovedAndSaid(t *testing.T) {
	dir := t.TempDir()
	if err := Create(dir, *hs(1, 1), ents(1, 1)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"00000001-1.snap.new", "00000007-1.snap.3.part"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if r, _, err := read(dir); err != nil || r.LastIndex != 1 || len(ls(t, dir)) != 2 {
		t.Errorf("Scan: %+v, %v, and it left %v", r, err, ls(t, dir))
	}
	l := openLog(t, dir, Options{})
	want := []string{
		"removed 00000001-1.snap.new: a snapshot whose writing was interrupted",
		"removed 00000007-1.snap.3.part: a leader's snapshot that did not arrive whole, or was not installed",
	}
	if !slices.Equal(l.found.Notes, want) || len(ls(t, dir)) > 0 {
		t.Errorf("notes %q, want %q; left behind %v", l.found.Notes, want, ls(t, dir))
	}
}

// Close gives up a snapshot that is arriving, and says nothing of it later.
func TestCloseGivesUpWhatIsArriving(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir, Options{})
	big := make([]byte, syncStep)
	for i := range 3 { // a sync runs beside
		if err := l.WriteChunk(raft.SnapshotChunk{Meta: metaOf(3, 1), Offset: int64(i * len(big)), Data: big}); err != nil {
			t.Fatal(err)
		}
	}
	l.close()
	if got := ls(t, dir); len(got) > 0 {
		t.Errorf("left behind %v", got)
	}
}

// A sync of what arrives that fails is not forgotten: a later one may well
// succeed without it.
func TestFailedSyncOfWhatArrivesIsSaid(t *testing.T) {
	dir, d := t.TempDir(), newDisk()
	var failed atomic.Bool
	d.onSync = func(path string) error {
		if strings.HasSuffix(path, partSuffix) && !failed.Swap(true) {
			return syscall.EIO
		}
		return nil
	}
	l := openLog(t, dir, d.options())
	meta := metaOf(13, 1)
	f := new(memory)
	w := newBlockWriter(f, &meta)
	if _, err := w.Write(make([]byte, syncStep+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.finish(); err != nil {
		t.Fatal(err)
	}
	if err := l.WriteChunk(raft.SnapshotChunk{Meta: meta, Data: f.b}); err != nil {
		t.Fatal(err)
	}
	if err := l.wait(l.install(raft.Install{Meta: meta}, nil, nil)); !errors.Is(err, syscall.EIO) {
		t.Errorf("OnDurable says %v, want EIO", err)
	}
	l.Close()
	if r, _, err := read(dir); err != nil || r.Snapshot.Index != 0 {
		t.Errorf("the disk has %+v, %v", r, err)
	}
}
