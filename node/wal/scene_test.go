package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// fataler is a [testing.TB] or a rapid.T.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// A scene is a log, its disk, and what the log should hold: of several states,
// any since the last one that was acknowledged.
type scene struct {
	t    testing.TB
	dir  string
	d    *disk
	opts Options
	l    *testLog

	history []moment
	dropped raft.Index // entries up to it may be dropped
}

// moment is a state, and the number of the Append with which it was reached, 0
// when that has none: the state is one on the way to the next.
type moment struct {
	model
	sync uint64
}

func newScene(t testing.TB, segmentSize int64) *scene {
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, dir: dir, d: newDisk(), history: []moment{{}}}
	s.opts = s.d.options()
	s.opts.segmentSize = segmentSize
	s.l = openLog(t, dir, s.opts)
	return s
}

func (s *scene) now() model { return s.history[len(s.history)-1].model }

func (s *scene) reached(m model, sync uint64) { s.history = append(s.history, moment{m, sync}) }

// append puts, and installs unless install is nil.
func (s *scene) append(install *raft.Install, state *raft.HardState, entries []raft.Entry) {
	m := s.now()
	switch {
	case install == nil:
		m = m.append(state, entries)
	case install.KeepLog:
		m = m.append(state, entries)
		s.reached(m, 0)
		m = m.install(*install)
	default:
		m = m.append(state, nil)
		s.reached(m, 0)
		m = m.install(*install)
		s.reached(m, 0)
		m = m.append(nil, entries)
		s.dropped = max(s.dropped, install.Meta.Index)
	}
	s.l.sync++
	s.l.Append(s.l.sync, install, state, entries)
	s.reached(m, s.l.sync)
}

// acknowledged forgets the states before the last that was acknowledged.
func (s *scene) acknowledged() {
	s.l.mu.Lock()
	done := s.l.durable
	s.l.mu.Unlock()
	for k := len(s.history) - 1; k > 0; k-- {
		if sync := s.history[k].sync; sync != 0 && sync <= done {
			s.history = slices.Clone(s.history[k:])
			return
		}
	}
}

// take takes a snapshot of entry i. When it returns nil, that and all before is durable.
func (s *scene) take(i raft.Index) error {
	m := s.now()
	meta := raft.SnapshotMeta{Index: i, Term: m.term(i), Config: configOf(i)}
	m = m.took(meta)
	w, err := s.l.TakeSnapshot(meta)
	if err != nil {
		return err
	}
	s.reached(m, 0)
	content := contentOf(meta)
	for r := rand.New(rand.NewPCG(uint64(i), 0)); len(content) > 0; {
		n := min(len(content), 1+r.IntN(40<<10))
		if _, err := w.Write(content[:n]); err != nil {
			w.Abort()
			return err
		}
		content = content[n:]
	}
	if _, err := w.Commit(); err != nil {
		return err
	}
	s.history = []moment{{m, s.l.sync}}
	return nil
}

// receive writes the chunks of a leader's snapshot.
func (s *scene) receive(meta raft.SnapshotMeta, chunk int) error {
	file := fileOf(meta)
	for off := 0; off < len(file); off += chunk {
		if err := s.l.WriteChunk(raft.SnapshotChunk{Meta: meta, Offset: int64(off), Data: file[off:min(off+chunk, len(file))]}); err != nil {
			return err
		}
	}
	return nil
}

func (s *scene) drop(i raft.Index) {
	s.dropped = max(s.dropped, i)
	s.l.DropThrough(i)
}

// restart opens the log again and checks what it finds.
func (s *scene) restart(t fataler) {
	t.Helper()
	scanned, log, err := read(s.dir)
	if err != nil {
		t.Fatalf("Scan: %v", err)
	}
	s.l = openLog(s.t, s.dir, s.opts)
	s.l.background.Wait()
	for path := range s.d.files {
		t.Fatalf("Open relies on %s that it has not synced", path)
	}
	found := s.l.found.Restored
	got, err := s.l.Entries(found.Base+1, found.LastIndex+1, 1<<30)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if !modelOf(scanned, log).is(found, got) {
		t.Fatalf("Scan found %+v, Open %+v", scanned, found)
	}
	k := slices.IndexFunc(s.history, func(m moment) bool { return m.is(found, got) })
	if k < 0 {
		t.Fatalf("recovered %+v, none of the %d states since the last acknowledged one, %+v", s.l.found, len(s.history), s.history[0].restored())
	}
	s.history = []moment{{s.history[k].model, 0}}
	if unfinished, _, err := leftovers(s.dir); err != nil || len(unfinished) > 0 {
		t.Fatalf("left behind %v, %v", unfinished, err)
	}
	s.readSnapshots(t)
}

// leftovers are files that Open should have removed.
func leftovers(dir string) (unfinished []string, snapshots []snapshotName, err error) {
	_, a, err := listSegments(dir)
	if err != nil {
		return nil, nil, err
	}
	snapshots, b, err := listSnapshots(dir)
	for ; len(snapshots) > snapshotsKept; snapshots = snapshots[1:] {
		b = append(b, snapshots[0].path)
	}
	return append(a, b...), snapshots, err
}

// readSnapshots reads those that are kept, the newest as a state machine does.
func (s *scene) readSnapshots(t fataler) {
	t.Helper()
	m := s.now()
	meta, size, r, err := s.l.OpenSnapshot()
	if m.snapshot.Index == 0 {
		if !errors.Is(err, raft.ErrNoSnapshot) {
			t.Fatalf("OpenSnapshot: %v, want ErrNoSnapshot", err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	content, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatalf("%v", err)
	}
	if !sameSnapshot(meta, m.snapshot) || size != int64(len(fileOf(meta))) || !bytes.Equal(content, contentOf(meta)) {
		t.Fatalf("snapshot %+v of %d bytes, want %+v", meta, size, m.snapshot)
	}
	for _, meta := range []raft.SnapshotMeta{m.snapshot, m.older} {
		if meta.Index == 0 {
			continue
		}
		want := fileOf(meta)
		draw := rand.New(rand.NewPCG(uint64(meta.Index), 1))
		var got []byte
		for done := false; !done; {
			var b []byte
			n := 1 + draw.IntN(200<<10)
			if b, done, err = s.l.SnapshotChunk(meta.Index, int64(len(got)), n); err != nil || len(b) == 0 || len(b) > n {
				t.Fatalf("chunk of %d bytes at %d: %d bytes, %v, %v", n, len(got), len(b), done, err)
			}
			got = append(got, b...)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("the chunks of snapshot %d are not its file", meta.Index)
		}
	}
}

// contentOf is the state machine that meta stands for: it takes no block, or some.
func contentOf(meta raft.SnapshotMeta) []byte {
	r := rand.New(rand.NewPCG(uint64(meta.Index), uint64(meta.Term)))
	sizes := []int{0, 1, 1000, blockData - 1, blockData, blockData + 1, 3*blockData + 500}
	b := make([]byte, sizes[int(meta.Index)%len(sizes)])
	for i := 0; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return b
}

var files sync.Map // of snapshots, by index and term

// fileOf is the file of the snapshot of meta, whose configuration is that of its
// index.
func fileOf(meta raft.SnapshotMeta) []byte {
	key := [2]uint64{uint64(meta.Index), uint64(meta.Term)}
	if b, ok := files.Load(key); ok {
		return b.([]byte)
	}
	f := new(memory)
	defer func() { files.Store(key, f.b) }()
	w := newBlockWriter(f, &meta)
	if _, err := w.Write(contentOf(meta)); err != nil {
		panic(err)
	}
	if _, err := w.finish(); err != nil {
		panic(err)
	}
	return f.b
}

// configOf is a configuration that differs from its neighbours'.
func configOf(i raft.Index) raft.Configuration {
	c := raft.Configuration{Voters: []raft.NodeID{1, 2, raft.NodeID(3 + i%5)}}
	if i%3 == 0 {
		c.VotersOld = []raft.NodeID{1}
	}
	if i%2 == 0 {
		c.Learners = []raft.NodeID{9, 300}
	}
	return c
}

// memory is a file.
type memory struct{ b []byte }

func (m *memory) ReadAt(b []byte, off int64) (int, error) {
	return bytes.NewReader(m.b).ReadAt(b, off)
}

func (m *memory) WriteAt(b []byte, off int64) (int, error) {
	if off != int64(len(m.b)) {
		return 0, fmt.Errorf("write at %d of %d", off, len(m.b))
	}
	m.b = append(m.b, b...)
	return len(b), nil
}

func (m *memory) Sync() error  { return nil }
func (m *memory) Close() error { return nil }
