package wal

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/raftlab/raftlab/raft"
)

// ErrDropped is wrapped by the error of reading entries that a snapshot stands for.
var ErrDropped = errors.New("dropped, a snapshot stands for them")

// DropThrough lets the log forget the entries up to i: the Base of the core's
// [raft.Status] after [raft.Node.SnapshotTaken]. What goes is whole segments, in
// the background; nothing goes that the older of the snapshots kept does not
// stand for, so that it and the log replace a newer one that turns out damaged.
//
// A segment that cannot be removed only takes room. The next DropThrough tries
// again; if that is the last word, Close says so.
func (w *WAL) DropThrough(i raft.Index) {
	i = min(i, w.snapshots.first())
	w.mu.Lock()
	w.through = max(w.through, i)
	w.mu.Unlock()
	w.clean()
}

// clean starts removing what is not needed any more, unless that is going on.
func (w *WAL) clean() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dirty = true
	if !w.cleaning && !w.closed {
		w.cleaning = true
		w.background.Go(w.runClean)
	}
}

// runClean removes until nothing is left to be removed. It removes the oldest
// segment first, durably, before the next: the disk never has a log with a gap.
func (w *WAL) runClean() {
	for {
		w.mu.Lock()
		w.dropSegments()
		if w.closed || !w.dirty && len(w.doomed) == 0 {
			w.cleaning = false
			w.mu.Unlock()
			return
		}
		w.dirty = false
		doomed := w.doomed
		w.mu.Unlock()

		err := w.removeSnapshots()
		for _, s := range doomed {
			if err != nil {
				break
			}
			w.reader.forget(s.number)
			if err = w.removeFile(s.path); err == nil {
				w.size.Add(-s.size)
				w.mu.Lock()
				w.doomed = w.doomed[1:]
				w.mu.Unlock()
			}
		}
		w.mu.Lock()
		w.cleanErr = err
		if err != nil {
			w.cleaning = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
	}
}

func (w *WAL) removeSnapshots() error {
	for path := w.snapshots.nextDoomed(); path != ""; path = w.snapshots.nextDoomed() {
		if err := w.removeFile(path); err != nil {
			return err
		}
		w.snapshots.removed()
	}
	return nil
}

func (w *WAL) removeFile(path string) error {
	// It is not there when removing it went well and syncing the directory did not.
	err := w.opts.names.remove(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = w.opts.names.syncDir(w.dir)
	}
	if err != nil {
		return fmt.Errorf("remove what the log needs no more: %w", err)
	}
	return nil
}

// dropSegments takes the segments that may go off the log. The caller has the lock.
func (w *WAL) dropSegments() {
	n := w.droppable()
	if n == 0 {
		return
	}
	w.doomed = append(w.doomed, w.segments[:n]...)
	w.segments = append([]segment(nil), w.segments[n:]...)
	w.base = max(w.base, w.segments[0].base)
	w.index.drop(w.segments[0].number)
}

// droppable returns how many of the oldest segments may go: all before the one
// with which the log started anew, and all before one that begins behind what
// may be forgotten. In that one and after it no entry may overwrite one from
// before it, or recovery would find it without a predecessor.
func (w *WAL) droppable() int {
	lowest := raft.Index(1<<64 - 1)
	if len(w.points) > 0 {
		lowest = w.points[0].first
	}
	for k := len(w.segments) - 1; k > 0; k-- {
		s := &w.segments[k]
		if !s.opened {
			continue
		}
		if s.lowest != 0 {
			lowest = min(lowest, s.lowest)
		}
		if s.restart || s.base <= w.through && lowest > s.base {
			return k
		}
	}
	return 0
}
