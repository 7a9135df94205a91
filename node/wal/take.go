package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/raftlab/raftlab/raft"
)

// SnapshotWriter takes in the state machine's bytes for a new snapshot. It is
// used by one goroutine, which may be another than the one that appends.
// After an error only Abort, or Commit, which then aborts, makes sense.
type SnapshotWriter struct {
	wal    *WAL
	name   snapshotName
	path   string // while it is unfinished
	file   File
	blocks *blockWriter
	err    error // of Write
	ended  bool
}

// TakeSnapshot begins a snapshot of what meta, which [raft.Node.SnapshotMeta]
// gave, stands for. One is taken at a time. The error wraps [ErrSuperseded]
// when there is one already that goes as far.
func (w *WAL) TakeSnapshot(meta raft.SnapshotMeta) (*SnapshotWriter, error) {
	s := &SnapshotWriter{wal: w, name: snapshotName{path: snapshotPath(w.dir, meta.Index, meta.Term), index: meta.Index, term: meta.Term}}
	s.path = s.name.path + newSuffix
	if err := s.begin(&meta); err != nil {
		return nil, fmt.Errorf("take a snapshot of entry %d: %w", meta.Index, err)
	}
	return s, nil
}

func (s *SnapshotWriter) begin(meta *raft.SnapshotMeta) error {
	if meta.Index == 0 {
		return errors.New("there is no such entry")
	}
	if err := meta.Config.Validate(); err != nil {
		return fmt.Errorf("its configuration makes no sense: %w", err)
	}
	all := &s.wal.snapshots
	all.mu.Lock()
	defer all.mu.Unlock()
	switch last := all.last(); {
	case all.closed:
		return ErrClosed
	case meta.Index <= last:
		return fmt.Errorf("there is one of entry %d: %w", last, ErrSuperseded)
	case all.taking:
		return errors.New("another one is being written")
	}
	f, err := all.open(s.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	all.taking = true
	s.file, s.blocks = f, newBlockWriter(f, meta)
	return nil
}

// Write adds to the snapshot.
func (s *SnapshotWriter) Write(p []byte) (int, error) {
	if s.ended {
		return 0, fmt.Errorf("write snapshot: %w", os.ErrClosed)
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.blocks.Write(p)
	if err != nil {
		s.err = fmt.Errorf("write snapshot %s: %w", filepath.Base(s.path), err)
	}
	return n, s.err
}

// Commit ends the snapshot, and makes it the newest. When it returns, the
// snapshot is durable, and so is the log as far as the snapshot goes: falling
// back from it to an older one loses nothing. It returns the size of the file.
//
// Nothing has changed when there is an error. It wraps [ErrSuperseded] when a
// newer snapshot was installed meanwhile.
func (s *SnapshotWriter) Commit() (size int64, err error) {
	if s.ended {
		return 0, fmt.Errorf("commit snapshot: %w", os.ErrClosed)
	}
	if err = s.err; err == nil {
		if size, err = s.seal(); err == nil {
			// Behind the flush the log on disk is ahead of the snapshot, always.
			err = s.wal.flush()
		}
		if closing := s.file.Close(); err == nil {
			err = closing
		}
		if err == nil {
			err = s.wal.snapshots.put(s.path, s.name)
			s.wal.clean()
		}
		if err != nil {
			err = fmt.Errorf("commit snapshot of entry %d: %w", s.name.index, err)
		}
	} else {
		s.file.Close() // it is removed
	}
	s.end(err == nil)
	return size, err
}

// seal brings all of the snapshot to the disk, and reads it back: the log is
// going to be dropped on the strength of it.
func (s *SnapshotWriter) seal() (int64, error) {
	size, err := s.blocks.finish()
	if err != nil {
		return 0, err
	}
	file, err := readSnapfile(s.file, s.path, size)
	if err != nil {
		return 0, err
	}
	return size, file.verify(s.file)
}

// Abort gives the snapshot up. After Commit it does nothing.
func (s *SnapshotWriter) Abort() {
	if !s.ended {
		s.file.Close() // it is removed
		s.end(false)
	}
}

func (s *SnapshotWriter) end(kept bool) {
	s.ended = true
	if !kept {
		// Open removes what this does not. The name is its own only if the last
		// step failed, and then nobody knows of the file.
		s.wal.snapshots.names.remove(s.path)
	}
	s.wal.snapshots.mu.Lock()
	s.wal.snapshots.taking = false
	s.wal.snapshots.mu.Unlock()
}
