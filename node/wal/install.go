package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/raftlab/raftlab/raft"
)

// part is a leader's snapshot that is arriving.
type part struct {
	meta raft.SnapshotMeta
	path string
	file File
	size int64

	unsynced int64
	syncing  chan error // has the result of a sync that runs beside; nil when there is none
}

// WriteChunk adds a piece to a leader's snapshot, which is written aside until
// [WAL.Append] installs it. A chunk with Offset 0 begins anew; any other goes on
// where the one before ended, or it is an error. Nothing is durable by it.
func (w *WAL) WriteChunk(c raft.SnapshotChunk) error {
	w.arriving.Lock()
	defer w.arriving.Unlock()
	if err := w.writeChunk(&c); err != nil {
		return fmt.Errorf("write snapshot of entry %d of term %d: %w", c.Meta.Index, c.Meta.Term, err)
	}
	return nil
}

func (w *WAL) writeChunk(c *raft.SnapshotChunk) error {
	if c.Offset == 0 {
		if err := w.beginPart(c.Meta); err != nil {
			return err
		}
	}
	p := w.part
	switch {
	case p == nil:
		return fmt.Errorf("bytes from %d on came, and none before", c.Offset)
	case !sameSnapshot(p.meta, c.Meta):
		return fmt.Errorf("bytes from %d on came while the one of entry %d of term %d was arriving", c.Offset, p.meta.Index, p.meta.Term)
	case c.Offset != p.size:
		return fmt.Errorf("bytes from %d on came after %d", c.Offset, p.size)
	}
	if _, err := p.file.WriteAt(c.Data, p.size); err != nil {
		return err
	}
	p.size += int64(len(c.Data))
	p.unsynced += int64(len(c.Data))
	return p.syncAhead()
}

func sameSnapshot(a, b raft.SnapshotMeta) bool {
	return a.Index == b.Index && a.Term == b.Term && a.Config.Equal(b.Config)
}

// beginPart makes an empty part for the snapshot of meta.
func (w *WAL) beginPart(meta raft.SnapshotMeta) error {
	if err := w.dropPart(); err != nil {
		return err
	}
	if w.shut {
		return ErrClosed
	}
	// The number keeps it apart from one of the same name that is being installed.
	w.parts++
	p := &part{meta: meta, path: fmt.Sprintf("%s.%d%s", snapshotPath(w.dir, meta.Index, meta.Term), w.parts, partSuffix)}
	var err error
	if p.file, err = w.opts.OpenFile(p.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC); err != nil {
		return err
	}
	w.part = p
	return nil
}

// dropPart gives up what has arrived.
func (w *WAL) dropPart() error {
	p := w.part
	if p == nil {
		return nil
	}
	w.part = nil
	p.settle() // a sync that failed does not matter any more
	return errors.Join(p.file.Close(), w.opts.names.remove(p.path))
}

// takePart hands over what has arrived, nil when it is no snapshot of meta.
func (w *WAL) takePart(meta raft.SnapshotMeta) *part {
	w.arriving.Lock()
	defer w.arriving.Unlock()
	p := w.part
	if p == nil || !sameSnapshot(p.meta, meta) {
		return nil
	}
	w.part = nil
	return p
}

// syncAhead starts a sync when much was written since the last, so that little
// is left for the one that the log has to wait for. It does not wait itself.
func (p *part) syncAhead() error {
	if p.unsynced < syncStep {
		return nil
	}
	if p.syncing != nil {
		select {
		case err := <-p.syncing:
			p.syncing = nil
			if err != nil {
				return err
			}
		default:
			return nil
		}
	}
	p.unsynced = 0
	done := make(chan error, 1)
	p.syncing = done
	go func() { done <- p.file.Sync() }()
	return nil
}

// settle waits for a sync that runs beside.
func (p *part) settle() error {
	if p.syncing == nil {
		return nil
	}
	err := <-p.syncing
	p.syncing = nil
	return err
}

// install is a snapshot to be put in its place.
type install struct {
	meta raft.SnapshotMeta
	part *part // nil when it has not arrived
}

// installSnapshot verifies the snapshot and puts it in its place, all durable.
func (w *WAL) installSnapshot(in *install) error {
	p := in.part
	if p == nil {
		return fmt.Errorf("install snapshot of entry %d of term %d: it has not arrived", in.meta.Index, in.meta.Term)
	}
	name := snapshotName{path: snapshotPath(w.dir, in.meta.Index, in.meta.Term), index: in.meta.Index, term: in.meta.Term}
	err := p.settle()
	if err == nil {
		err = p.verify()
	}
	if err == nil {
		err = p.file.Sync()
	}
	if closing := p.file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = w.snapshots.put(p.path, name)
	}
	if err != nil {
		return fmt.Errorf("install snapshot %s: %w", filepath.Base(name.path), err)
	}
	return nil
}

// verify tells whether all of the snapshot that it should be has arrived.
func (p *part) verify() error {
	s, err := readSnapfile(p.file, p.path, p.size)
	if err != nil {
		return err
	}
	if !sameSnapshot(s.meta, p.meta) {
		return &DamageError{File: p.path, Offset: 16, Reason: fmt.Sprintf("the snapshot is of entry %d of term %d and members %v by its header", s.meta.Index, s.meta.Term, s.meta.Config)}
	}
	return s.verify(p.file)
}
