package sim

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// When a server takes a snapshot (§7) and how much of the log it leaves is as in
// package node: one that is taken because the log has grown to its limit leaves
// the newest 1/keptShare of the limit; while a peer is being sent one the log may
// grow to patienceShare times the limit.
const (
	keptShare     = 4
	patienceShare = 4
	marksPerLimit = 16
	appliedCost   = 16 // of an entry in the log beside its data
)

// saves knows the newest snapshot and when the next is due.
type saves struct {
	limit  int64
	newest raft.SnapshotMeta
	size   int64
	total  int64 // bytes of all entries applied since the start
	since  int64 // the total that the newest stands for
	marks  []mark
	retry  raft.Time

	now    *saving // the one on its way to the disk
	orders []order // wait for the next one
}

// mark says what the total was with entry index.
type mark struct {
	index raft.Index
	total int64
}

// saving is a snapshot on its way to the disk.
type saving struct {
	snapshot
	total   int64
	through raft.Index // the log is let go up to here when it is durable
	orders  []order
	event   uint64
}

// order is somebody who asked for a snapshot.
type order func(index raft.Index, bytes int64, err error)

func (v *saves) count(e *raft.Entry) {
	v.total += int64(len(e.Data)) + appliedCost
	if v.limit == 0 {
		return
	}
	last := v.since
	if n := len(v.marks); n > 0 {
		last = max(last, v.marks[n-1].total)
	}
	if v.total-last >= v.limit/marksPerLimit {
		v.marks = append(v.marks, mark{e.Index, v.total})
	}
}

func (v *saves) due() bool    { return v.limit > 0 && v.total-v.since >= v.limit }
func (v *saves) urgent() bool { return (v.total-v.since)/patienceShare >= v.limit }

// tail is the last entry that may leave the log while its newest part is kept, 0
// for none.
func (v *saves) tail() (through raft.Index) {
	for _, m := range v.marks {
		if m.total > v.total-v.limit/keptShare {
			break
		}
		through = m.index
	}
	return through
}

func (v *saves) taken(meta raft.SnapshotMeta, size, total int64, through raft.Index) {
	v.newest, v.size, v.since = meta, size, total
	v.marks = slices.DeleteFunc(v.marks, func(m mark) bool { return m.index <= through })
}

// overtaken gives up what is on its way: a leader's snapshot is newer.
func (v *saves) overtaken() {
	if v.now != nil {
		v.orders = append(v.now.orders, v.orders...)
		v.now = nil
	}
}

// fail tells everyone who waits that no snapshot comes.
func (v *saves) fail(s *server, why string) {
	v.overtaken()
	orders := v.orders
	v.orders = nil
	for _, done := range orders {
		done(0, 0, fmt.Errorf("%v takes no snapshot: %s", s.id, why))
	}
}

// compact takes a snapshot when the log has grown to its limit, or for those
// who have asked.
func (s *server) compact() {
	v := &s.saves
	if v.now != nil {
		return
	}
	if len(v.orders) > 0 {
		s.takeOrdered()
		return
	}
	if !v.due() || s.now() < v.retry {
		return
	}
	if !v.urgent() && s.beingSent() != 0 || !s.save(v.tail(), nil) {
		v.retry = s.now() + raft.Time(s.cfg.Raft.Heartbeat)
	}
}

// beingSent is the entry of the oldest snapshot that is being sent to a peer
// which answers, 0 for none.
func (s *server) beingSent() (oldest raft.Index) {
	for _, p := range s.core.Status().Peers {
		if p.Flow == raft.FlowSnapshot && raft.Duration(s.now()-p.LastAck) < s.cfg.Raft.ElectionMax && (oldest == 0 || p.SnapshotIndex < oldest) {
			oldest = p.SnapshotIndex
		}
	}
	return oldest
}

// save begins a snapshot of what is applied. It reports false when the core
// knows no configuration to put into it.
func (s *server) save(through raft.Index, orders []order) bool {
	meta := s.core.SnapshotMeta(s.applied)
	if meta.Index == 0 {
		return false
	}
	var data bytes.Buffer
	frozen := s.store.Freeze()
	if _, err := frozen.WriteTo(&data); err != nil {
		panic(fmt.Sprintf("sim: %v: %v", s.id, err)) // memory takes everything
	}
	frozen.Release()
	v := &s.saves
	v.now = &saving{snapshot: snapshot{meta, data.Bytes()}, total: v.total, through: through, orders: orders}
	takes := s.w.sync
	if s.disk.fault.Fault == wire.DiskSlow {
		takes = max(takes, s.disk.drawDelay())
	}
	v.now.event = s.w.agenda.push(event{at: s.w.now + raft.Time(takes), kind: saved, ref: uint32(s.id), life: uint32(s.life)})
	return true
}

// heardSnapshot is when a snapshot that the server takes is on its disk.
func (s *server) heardSnapshot(event uint64) {
	v := &s.saves
	n := v.now
	if n == nil || n.event != event || s.core == nil {
		return
	}
	if s.disk.fault.Fault == wire.DiskFull {
		s.fail(fmt.Sprintf("the disk is full: write the snapshot of %v: no space left on device; free some space, then restart %v: nothing acknowledged is lost", s.id, s.id))
		return
	}
	v.now = nil
	s.w.did.Kind, s.w.did.Node = Wrote, s.id
	s.disk.keep(n.snapshot)
	if s.disk.real != nil {
		s.disk.real.keep(n.snapshot) // only syncs of the log are lied about
	}
	through := n.through
	if sent := s.beingSent(); sent != 0 && len(n.orders) == 0 && !v.urgent() {
		through = min(through, sent) // who gets that one needs the log behind it next
	}
	v.taken(n.meta, int64(len(n.data)), n.total, through)
	s.letGo(through)
	for _, done := range n.orders {
		done(v.newest.Index, v.size, nil)
	}
	s.settle()
}

// letGo drops the log up to through, which the newest snapshot stands for.
func (s *server) letGo(through raft.Index) {
	s.core.SnapshotTaken(s.now(), s.saves.newest, through)
	base := s.core.Status().Base
	s.disk.drop(base)
	if s.disk.real != nil {
		s.disk.real.drop(base)
	}
}

// takeOrdered takes the snapshot that somebody waits for.
func (s *server) takeOrdered() {
	v := &s.saves
	orders := v.orders
	v.orders = nil
	var err error
	switch {
	case s.applied == 0:
		err = fmt.Errorf("%v has applied nothing yet, so there is nothing to take a snapshot of", s.id)
	case s.applied > v.newest.Index:
		if s.save(s.applied, orders) {
			return
		}
		err = fmt.Errorf("%v has not come to an entry yet that tells who is in the cluster: take the snapshot when it has", s.id)
	case s.core.Status().Base >= v.newest.Index:
		err = fmt.Errorf("%v has applied nothing since its newest snapshot, which is of entry %d", s.id, v.newest.Index)
	default: // it left some of the log, which an order does not
		s.letGo(v.newest.Index)
	}
	for _, done := range orders {
		if err != nil {
			done(0, 0, err)
		} else {
			done(v.newest.Index, v.size, nil)
		}
	}
}

// Snapshot has a server take a snapshot of all that it has applied, and lets go
// of the log that it stands for. done is called when it is on the disk, or with
// why there is none.
func (w *World) Snapshot(id raft.NodeID, done func(index raft.Index, bytes int64, err error)) {
	s := w.server(id)
	switch {
	case s == nil:
		done(0, 0, errUnknown(id))
		return
	case s.core == nil || s.paused:
		done(0, 0, errors.New("it does not run"))
		return
	}
	if n := s.saves.now; n != nil && n.meta.Index == s.applied {
		n.through = n.meta.Index
		n.orders = append(n.orders, done)
		return
	}
	s.saves.orders = append(s.saves.orders, done)
	s.settle()
}
