package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/raftlab/raftlab/raft"
)

// Inspection is what [Inspect] found.
type Inspection struct {
	raft.Restored
	Empty bool // there is no log in the directory
	// Notes are what [Open] would put right, one sentence each: a torn tail, a
	// damaged snapshot that is not needed.
	Notes []string
	// States are the hard states that the segments still tell of, in the order they
	// were written.
	States []raft.HardState
}

// Inspect reads the log in dir without changing anything, its hard states and
// snapshots included, and calls f with the entries lo ≤ index < hi as [Scan] does. Errors
// are those of [Open]; a log that a process has open is [ErrInUse].
func Inspect(dir string, lo, hi raft.Index, f func([]raft.Entry) error) (Inspection, error) {
	if err := idle(dir); err != nil {
		return Inspection{}, err
	}
	var seen []raft.HardState
	m, err := loadAs(dir, openFile, func(s raft.HardState) {
		if n := len(seen); n == 0 || seen[n-1] != s {
			seen = append(seen, s)
		}
	})
	if err != nil {
		return Inspection{}, err
	}
	found := Inspection{Restored: m.restored, Empty: len(m.segments) == 0, States: seen}
	for _, c := range m.cut {
		found.Notes = append(found.Notes, fmt.Sprintf("%s ends at offset %d with a torn tail of %d bytes: a write that was interrupted before it was acknowledged, as far as the disk can tell",
			filepath.Base(m.segments[c.segment].path), c.from, c.to-c.from))
	}
	for _, r := range m.remarks {
		found.Notes = append(found.Notes, "on its next start the node will say: "+r)
	}
	r := reader{open: openFile}
	defer r.close()
	for lo = max(lo, m.restored.Base+1); ; {
		page, err := m.read(&r, lo, hi, scanBytes)
		if err != nil || len(page) == 0 {
			return found, err
		}
		if err := f(page); err != nil {
			return found, err
		}
		lo = page[len(page)-1].Index + 1
	}
}

// idle returns [ErrInUse] when a process has the log in dir open.
func idle(dir string) error {
	path := filepath.Join(dir, "lock")
	if _, err := os.Stat(path); err != nil {
		return nil // nobody ever had: that dir can be read is found out by reading it
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	switch ok, err := lock.TryRLock(); {
	case err != nil:
		return fmt.Errorf("lock log %s: %w", dir, err)
	case !ok:
		return fmt.Errorf("log %s is %w", dir, ErrInUse)
	}
	return lock.Close()
}

// ReadSnapshot opens the newest snapshot in dir that is whole, as
// [WAL.OpenSnapshot] does, of a log that nobody has open.
func ReadSnapshot(dir string) (raft.SnapshotMeta, io.ReadCloser, error) {
	all, _, err := listSnapshots(dir)
	if err != nil {
		return raft.SnapshotMeta{}, nil, err
	}
	for k := len(all) - 1; k >= 0; k-- {
		s, err := verifySnapshot(all[k], openFile)
		var damage *DamageError
		if errors.As(err, &damage) {
			continue // Inspect has said whether that is a loss
		}
		if err != nil {
			return raft.SnapshotMeta{}, nil, err
		}
		f, err := openFile(s.path, os.O_RDONLY)
		if err != nil {
			return raft.SnapshotMeta{}, nil, fmt.Errorf("read snapshot: %w", err)
		}
		return s.meta, &storedSnapshot{snapshotReader{snapfile: s, file: f, next: int64(len(s.header))}}, nil
	}
	return raft.SnapshotMeta{}, nil, fmt.Errorf("read snapshot: %w", raft.ErrNoSnapshot)
}

type storedSnapshot struct{ snapshotReader }

func (s *storedSnapshot) Close() error { return s.file.Close() }
