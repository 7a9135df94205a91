package wal

import (
	"io"
	"sync"

	"github.com/raftlab/raftlab/raft"
)

// OpenSnapshot opens the newest snapshot and returns what it stands for, the
// size of its file in bytes, and what the state machine gave. What is read is
// checked: r's error is a *[DamageError] when a part of it has rotted, and it
// ends with io.EOF only when all was there. Without a snapshot the error wraps
// [raft.ErrNoSnapshot]. The caller closes r.
func (w *WAL) OpenSnapshot() (meta raft.SnapshotMeta, size int64, r io.ReadCloser, err error) {
	snap, layout, f, err := w.snapshots.openNewest()
	if err != nil {
		return raft.SnapshotMeta{}, 0, nil, err
	}
	return layout.meta, layout.size, &openedSnapshot{
		snapshotReader: snapshotReader{snapfile: layout, file: f, next: int64(len(layout.header))},
		wal:            w, snap: snap,
	}, nil
}

// SnapshotChunk returns the bytes of the file of the snapshot of index from
// offset on, as [raft.Storage] has it. They are checked before: damage is a
// *[DamageError] and is sent to nobody.
func (w *WAL) SnapshotChunk(index raft.Index, offset int64, maxBytes int) (data []byte, done bool, err error) {
	return w.snapshots.chunk(index, offset, maxBytes)
}

// openedSnapshot is what [WAL.OpenSnapshot] hands out.
type openedSnapshot struct {
	snapshotReader
	wal  *WAL
	snap *snapshot
	once sync.Once
	err  error
}

func (r *openedSnapshot) Close() error {
	r.once.Do(func() {
		r.err = r.file.Close()
		all := &r.wal.snapshots
		all.mu.Lock()
		r.snap.readers--
		last := r.snap.gone && r.snap.readers == 0
		if last {
			all.doomed = append(all.doomed, r.snap.path)
		}
		all.mu.Unlock()
		if last {
			r.wal.clean()
		}
	})
	return r.err
}
