package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// A snapshot that is taken because the log has grown to its limit leaves the
// newest 1/keptShare of the limit in the log, so that a follower a little behind
// needs no snapshot. While a peer is being sent one, the log may grow to
// patienceShare times the limit before the next is taken.
const (
	keptShare     = 4
	patienceShare = 4
	marksPerLimit = 16
)

// settleStep is how many of the changes that were made beside a frozen store
// are taken back in one turn.
const settleStep = 256

// entryCost is what an entry counts as in the log beside its data.
const entryCost = 16

// snapshots knows the newest snapshot and when the next is due (§7).
type snapshots struct {
	limit int64 // bytes of log after which one is taken, 0 for never

	newest raft.SnapshotMeta // on disk
	size   int64             // of the newest, in bytes

	total int64  // bytes of all entries applied since the start
	since int64  // the total that the newest stands for
	marks []mark // of entries that may still be in the log, ascending

	writing *writing  // the one on its way to the disk, nil for none
	orders  []uint64  // wait for the next one
	retry   raft.Time // when to look again whether a peer is being sent one
}

// mark says what the total was with entry index.
type mark struct {
	index raft.Index
	total int64
}

// writing is a snapshot on its way to the disk.
type writing struct {
	meta    raft.SnapshotMeta
	total   int64      // when it was begun
	through raft.Index // the log is let go up to here when it is durable
	orders  []uint64   // whose outcome it is
	frozen  *kv.Frozen
	cancel  context.CancelFunc
	done    chan written // nothing comes when it cannot be written, which ends the node
	stale   bool         // a newer one of the leader's takes its place
}

type written struct {
	durable bool // else it was given up
	size    int64
}

// count adds an entry that was applied.
func (s *snapshots) count(e *raft.Entry) {
	s.total += int64(len(e.Data)) + entryCost
	if s.limit == 0 {
		return
	}
	last := s.since
	if n := len(s.marks); n > 0 {
		last = max(last, s.marks[n-1].total)
	}
	if s.total-last >= s.limit/marksPerLimit {
		s.marks = append(s.marks, mark{e.Index, s.total})
	}
}

// due tells whether the log has grown to its limit.
func (s *snapshots) due() bool { return s.limit > 0 && s.total-s.since >= s.limit }

// urgent tells whether the log has grown so far that nothing is waited for.
func (s *snapshots) urgent() bool { return (s.total-s.since)/patienceShare >= s.limit }

// tail is the last entry that may leave the log while its newest part is kept, 0
// for none.
func (s *snapshots) tail() raft.Index {
	var through raft.Index
	for _, m := range s.marks {
		if m.total > s.total-s.limit/keptShare {
			break
		}
		through = m.index
	}
	return through
}

// taken notes the newest snapshot: all that was counted up to total is in it.
func (s *snapshots) taken(meta raft.SnapshotMeta, size, total int64, through raft.Index) {
	s.newest, s.size, s.since = meta, size, total
	s.marks = slices.DeleteFunc(s.marks, func(m mark) bool { return m.index <= through })
}

// stop gives up what is being written.
func (s *snapshots) stop() {
	if s.writing != nil {
		s.writing.stale = true
		s.writing.cancel()
	}
}

// compact takes a snapshot when the log has grown to its limit. The time for it
// is bad while a peer is being sent one: it might need the next one as well, for
// the entries that this one takes from it.
func (r *replica) compact(now raft.Time) {
	s := &r.snapshots
	if s.writing != nil || r.store == nil || !s.due() || now < s.retry {
		return
	}
	if !s.urgent() && r.beingSent(now) != 0 {
		s.retry = now + raft.Time(r.heartbeat)
		return
	}
	if !r.takeSnapshot(s.tail(), nil) {
		s.retry = now + raft.Time(r.heartbeat)
	}
}

// beingSent is the entry of the oldest snapshot that is being sent to a peer
// which answers, 0 for none.
func (r *replica) beingSent(now raft.Time) raft.Index {
	var oldest raft.Index
	for _, p := range r.core.Status().Peers {
		if p.Flow == raft.FlowSnapshot && raft.Duration(now-p.LastAck) < r.electionMax && (oldest == 0 || p.SnapshotIndex < oldest) {
			oldest = p.SnapshotIndex
		}
	}
	return oldest
}

// takeSnapshot begins a snapshot of what is applied. The store goes on taking
// commands while it is written. It reports false when the core knows no
// configuration to put into it.
func (r *replica) takeSnapshot(through raft.Index, orders []uint64) bool {
	meta := r.core.SnapshotMeta(r.applied)
	if meta.Index == 0 {
		return false
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &writing{
		meta: meta, total: r.snapshots.total, through: through, orders: orders,
		frozen: r.store.Freeze(), cancel: cancel, done: make(chan written, 1),
	}
	r.snapshots.writing = w
	r.shown.changed()
	r.background.Go(func() {
		defer r.inbox.poke()
		size, err := r.writeSnapshot(ctx, w)
		switch {
		case err == nil:
			w.done <- written{durable: true, size: size}
		case ctx.Err() != nil, errors.Is(err, wal.ErrSuperseded):
			w.done <- written{}
		default:
			r.inbox.putFailure(&DiskError{Node: r.id, Dir: r.dir, Op: "write", Snapshot: true, Err: err})
		}
	})
	return true
}

func (r *replica) writeSnapshot(ctx context.Context, w *writing) (size int64, err error) {
	file, err := r.wal.TakeSnapshot(w.meta)
	if err != nil {
		return 0, err
	}
	if _, err = w.frozen.WriteTo(&stoppableWriter{ctx, file}); err == nil {
		err = ctx.Err()
	}
	if err != nil {
		file.Abort()
		return 0, err
	}
	return file.Commit()
}

// takeWritten goes on with the snapshot that was being written if it is
// durable: the log that it stands for may go.
func (r *replica) takeWritten(now raft.Time) {
	s := &r.snapshots
	w := s.writing
	if w == nil {
		return
	}
	var got written
	select {
	case got = <-w.done:
	default:
		return
	}
	w.cancel()
	w.frozen.Release()
	s.writing = nil
	r.shown.changed()
	if w.stale || !got.durable {
		s.orders = append(w.orders, s.orders...)
		return
	}
	through := w.through
	if sent := r.beingSent(now); sent != 0 && len(w.orders) == 0 && !s.urgent() {
		through = min(through, sent) // who gets that one needs the log behind it next
	}
	s.taken(w.meta, got.size, w.total, through)
	r.moved(int(got.size))
	r.letGo(now, through)
	for _, id := range w.orders {
		r.snapshotOutcome(id, nil)
	}
}

// letGo drops the log up to through, which the newest snapshot stands for.
func (r *replica) letGo(now raft.Time, through raft.Index) {
	r.core.SnapshotTaken(now, r.snapshots.newest, through)
	r.wal.DropThrough(r.core.Status().Base) // what is not on this disk yet stays a while
}

// orderSnapshot takes a snapshot for an order, as soon as the one that may be
// under way is durable, and lets go of all the log it stands for. The outcome
// comes when it is durable, unless there is an error.
func (r *replica) orderSnapshot(now raft.Time, id uint64, held bool) error {
	s := &r.snapshots
	if held {
		return errors.New("the clock is held, and nothing gets to a disk meanwhile: release it, then take the snapshot")
	}
	if w := s.writing; w != nil && !w.stale && w.meta.Index == r.applied {
		w.through = w.meta.Index
		w.orders = append(w.orders, id)
		return nil
	}
	s.orders = append(s.orders, id)
	r.takeOrdered(now)
	return nil
}

// takeOrdered takes the snapshot that orders wait for, unless another one is
// under way, or the state machine is.
func (r *replica) takeOrdered(now raft.Time) {
	s := &r.snapshots
	if len(s.orders) == 0 || s.writing != nil || r.store == nil {
		return
	}
	orders := s.orders
	s.orders = nil
	var err error
	switch {
	case r.applied == 0:
		err = fmt.Errorf("%v has applied nothing yet, so there is nothing to take a snapshot of", r.id)
	case r.applied > s.newest.Index:
		if r.takeSnapshot(r.applied, orders) {
			return
		}
		err = fmt.Errorf("%v has not come to an entry yet that tells who is in the cluster: take the snapshot when it has", r.id)
	case r.core.Status().Base >= s.newest.Index:
		err = fmt.Errorf("%v has applied nothing since its newest snapshot, which is of entry %d", r.id, s.newest.Index)
	default: // it left some of the log, which an order does not
		r.letGo(now, s.newest.Index)
	}
	for _, id := range orders {
		r.snapshotOutcome(id, err)
	}
}

func (r *replica) snapshotOutcome(id uint64, err error) {
	r.outcome(id, wire.Outcome{Snapshot: r.snapshots.newest.Index, Bytes: r.snapshots.size}, err)
}

// stoppableWriter is to a snapshot that is written what [stoppableReader] is to
// one that is read.
type stoppableWriter struct {
	ctx context.Context
	io.Writer
}

func (s *stoppableWriter) Write(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	runtime.Gosched()
	return s.Writer.Write(b)
}
