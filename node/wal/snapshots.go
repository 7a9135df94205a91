package wal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/raftlab/raftlab/raft"
)

const (
	snapshotSuffix = ".snap"
	partSuffix     = ".part" // of a leader's snapshot that is arriving

	// snapshotsKept is how many are kept: a transfer under way survives one that is
	// taken meanwhile, and a newest one that turns out damaged can be replaced.
	snapshotsKept = 2

	// syncStep is how much of a snapshot is written between syncs: no more than
	// this stands in the disk's queue before a sync of the log.
	syncStep = 4 << 20
)

// snapshotPath is the path of the snapshot that ends with entry index of term.
// That they are in its name says what is lost when the file is damaged.
func snapshotPath(dir string, index raft.Index, term raft.Term) string {
	return filepath.Join(dir, fmt.Sprintf("%08d-%d%s", index, term, snapshotSuffix))
}

// snapshotName is what a file's name says of the snapshot in it.
type snapshotName struct {
	path  string
	index raft.Index
	term  raft.Term
}

// listSnapshots returns the snapshots in dir by their names, the oldest first,
// and the paths of those that were not finished.
func listSnapshots(dir string) (all []snapshotName, unfinished []string, err error) {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		if strings.HasSuffix(path, snapshotSuffix+newSuffix) || strings.HasSuffix(path, partSuffix) {
			unfinished = append(unfinished, path)
			continue
		}
		s := snapshotName{path: path}
		if n, err := fmt.Sscanf(f.Name(), "%d-%d"+snapshotSuffix, &s.index, &s.term); err == nil && n == 2 &&
			s.index > 0 && snapshotPath(dir, s.index, s.term) == path {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b snapshotName) int {
		return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(a.term, b.term))
	})
	return all, unfinished, nil
}

// openSnapshot opens a snapshot's file and reads its header and end. The caller
// closes the file.
func openSnapshot(name snapshotName, open OpenFile) (*snapfile, File, error) {
	info, err := os.Stat(name.path)
	if err != nil {
		return nil, nil, fmt.Errorf("read snapshot: %w", err)
	}
	f, err := open(name.path, os.O_RDONLY)
	if err != nil {
		return nil, nil, fmt.Errorf("read snapshot: %w", err)
	}
	s, err := readSnapfile(f, name.path, info.Size())
	if err == nil && (s.meta.Index != name.index || s.meta.Term != name.term) {
		err = &DamageError{File: name.path, Offset: 16, Reason: fmt.Sprintf("the snapshot is of entry %d of term %d by its header", s.meta.Index, s.meta.Term)}
	}
	if err != nil {
		f.Close() // read only: nothing can be lost
		return nil, nil, err
	}
	return s, f, nil
}

// verifySnapshot reads all of a snapshot and checks it.
func verifySnapshot(name snapshotName, open OpenFile) (*snapfile, error) {
	s, f, err := openSnapshot(name, open)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only: nothing can be lost
	return s, s.verify(f)
}

// snapshots are those that are kept.
type snapshots struct {
	dir   string
	open  OpenFile
	names names

	mu     sync.Mutex
	kept   []*snapshot // the oldest first
	doomed []string    // paths of those that are to be removed
	taking bool        // one is being written
	closed bool
}

// snapshot is one of them.
type snapshot struct {
	snapshotName
	layout  *snapfile // of file
	file    File      // what chunks are read from; nil until one is asked for
	readers int       // of OpenSnapshot
	gone    bool      // to be removed when nobody reads it
}

// chunk is [WAL.SnapshotChunk].
func (s *snapshots) chunk(index raft.Index, off int64, maxBytes int) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false, ErrClosed
	}
	k := slices.IndexFunc(s.kept, func(k *snapshot) bool { return k.index == index })
	if k < 0 {
		return nil, false, fmt.Errorf("read snapshot of entry %d: %w", index, raft.ErrNoSnapshot)
	}
	snap := s.kept[k]
	if snap.file == nil {
		layout, f, err := openSnapshot(snap.snapshotName, s.open)
		if err != nil {
			return nil, false, err
		}
		snap.layout, snap.file = layout, f
	}
	return snap.layout.chunk(snap.file, off, maxBytes)
}

// openNewest opens the newest one for a reader more.
func (s *snapshots) openNewest() (*snapshot, *snapfile, File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, nil, ErrClosed
	}
	if len(s.kept) == 0 {
		return nil, nil, nil, fmt.Errorf("read snapshot: %w", raft.ErrNoSnapshot)
	}
	snap := s.kept[len(s.kept)-1]
	layout, f, err := openSnapshot(snap.snapshotName, s.open)
	if err == nil {
		snap.readers++
	}
	return snap, layout, f, err
}

// last is the index of the newest one, 0 when there is none. The caller has the lock.
func (s *snapshots) last() raft.Index {
	if len(s.kept) == 0 {
		return 0
	}
	return s.kept[len(s.kept)-1].index
}

// first is the index of the oldest one, 0 when there is none: as far back as
// that the log is needed.
func (s *snapshots) first() raft.Index {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) == 0 {
		return 0
	}
	return s.kept[0].index
}

// put gives the verified and synced file at path its name and makes that
// durable. What is not to be kept any more awaits removal.
func (s *snapshots) put(path string, name snapshotName) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if last := s.last(); name.index <= last {
		return fmt.Errorf("there is one of entry %d: %w", last, ErrSuperseded)
	}
	if err := s.names.rename(path, name.path); err != nil {
		return err
	}
	if err := s.names.syncDir(s.dir); err != nil {
		return err
	}
	s.kept = append(s.kept, &snapshot{snapshotName: name})
	for len(s.kept) > snapshotsKept {
		old := s.kept[0]
		s.kept = slices.Delete(s.kept, 0, 1)
		if old.file != nil {
			old.file.Close() // read only: nothing can be lost
			old.file = nil
		}
		old.gone = true
		if old.readers == 0 {
			s.doomed = append(s.doomed, old.path)
		}
	}
	return nil
}

// nextDoomed returns the path of a snapshot to be removed, "" when there is none.
func (s *snapshots) nextDoomed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.doomed) == 0 || s.closed {
		return ""
	}
	return s.doomed[0]
}

// removed says that the next doomed one is removed.
func (s *snapshots) removed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doomed = s.doomed[1:]
}

// shut ends reading for good.
func (s *snapshots) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, snap := range s.kept {
		if snap.file != nil {
			snap.file.Close() // read only: nothing can be lost
		}
	}
}
