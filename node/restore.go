package node

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/raft"
)

// loadPatience is how long, in real time, a node that starts waits for its
// state machine before it serves without: a large one takes seconds, in which the
// cluster can already have its vote and its disk.
const loadPatience = time.Second

// loading is a snapshot on its way from the disk into a state machine, which
// the node is without meanwhile. The core goes on.
type loading struct {
	meta raft.SnapshotMeta
	sync uint64 // the write that puts it into its place
	// committed are the entries behind it that the core has handed out since.
	committed []raft.Entry
	cancel    context.CancelFunc // nil until its write is durable
	done      chan loaded        // closed empty when it cannot be loaded, which ends the node
}

type loaded struct {
	store *kv.Store
	size  int64
}

// replaceState lets go of the state machine: that of a snapshot takes its place
// (§7: "reset state machine using snapshot contents"), which can be read once
// the write sync is durable.
func (r *replica) replaceState(meta raft.SnapshotMeta, sync uint64) {
	l := &loading{meta: meta, sync: sync, done: make(chan loaded, 1)}
	r.stopLoading()
	r.loading, r.store = l, nil
	r.snapshots.stop()
}

// load begins to read the snapshot if it is in its place.
func (r *replica) load(durable uint64) {
	l := r.loading
	if l == nil || l.cancel != nil || l.sync > durable {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	r.background.Go(func() {
		defer close(l.done)
		store, size, err := r.readSnapshot(ctx, l.meta)
		switch {
		case ctx.Err() != nil: // nobody waits for it
		case err != nil:
			r.inbox.putFailure(&DiskError{Node: r.id, Dir: r.dir, Op: "load", Snapshot: true, Err: err})
		default:
			l.done <- loaded{store, size}
			r.inbox.poke()
		}
	})
}

// readSnapshot makes a state machine of the newest snapshot on disk.
func (r *replica) readSnapshot(ctx context.Context, want raft.SnapshotMeta) (store *kv.Store, size int64, err error) {
	meta, size, file, err := r.wal.OpenSnapshot()
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	if meta.Index != want.Index || meta.Term != want.Term {
		return nil, 0, fmt.Errorf("the newest snapshot is of entry %d of term %d, that of entry %d of term %d was to be loaded",
			meta.Index, meta.Term, want.Index, want.Term)
	}
	defer r.heap.expect(size)()
	store, err = kv.Restore(&stoppableReader{ctx, file})
	if err != nil {
		return nil, 0, fmt.Errorf("the snapshot of entry %d: %w", meta.Index, err)
	}
	return store, size, nil
}

// awaitState waits a moment for the state machine that the node starts with.
func (r *replica) awaitState(ctx context.Context) {
	if r.loading == nil {
		return
	}
	r.load(0)
	timer := time.NewTimer(loadPatience)
	defer timer.Stop()
	select {
	case got, ok := <-r.loading.done:
		if ok {
			r.loadedState(got)
		}
	case <-timer.C:
	case <-ctx.Done():
	}
}

// takeState goes on with the snapshot's state machine if it is there.
func (r *replica) takeState() {
	if r.loading == nil {
		return
	}
	select {
	case got, ok := <-r.loading.done:
		if ok {
			r.loadedState(got)
		}
	default:
	}
}

// stopLoading gives up what is being loaded.
func (r *replica) stopLoading() {
	if r.loading != nil && r.loading.cancel != nil {
		r.loading.cancel()
	}
}

// loadedState puts a state machine in its place and applies what has waited for it.
func (r *replica) loadedState(got loaded) {
	l := r.loading
	l.cancel()
	r.loading = nil
	r.store, r.applied = got.store, l.meta.Index
	r.store.SetUnsafe(r.unsafe)
	r.core.Applied(r.applied)
	r.snapshots.taken(l.meta, got.size, r.snapshots.total, l.meta.Index)
	r.moved(int(got.size))
	r.shown.changed()
	r.apply(l.committed)
	r.telemetry.did(&r.witness)
	r.serveReads()
}

// stoppableReader ends when its context does. Between pieces it lets the loop
// run, which on one processor would have to wait for a time slice to end.
type stoppableReader struct {
	ctx context.Context
	io.Reader
}

func (s *stoppableReader) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	runtime.Gosched()
	return s.Reader.Read(b)
}
