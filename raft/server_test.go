package raft_test

import (
	"fmt"
	"math"

	"github.com/raftlab/raftlab/raft"
)

// server is what a real one puts around a Node: a disk, a state machine and a
// life that crashes end. Whoever drives it says when the disk is done and what
// becomes of its messages.
type server struct {
	id   raft.NodeID
	cfg  raft.Config
	node *raft.Node // nil while it is down
	disk disk
	life int // how many times it was started

	writes  []write  // on their way to the disk, oldest first
	part    snapshot // what has arrived of a leader's snapshot; lost in a crash
	machine machine
	applied []applied // since it was born
	born    birth
}

// applied is an entry, what came of it, and the state machine's digest then.
type applied struct {
	raft.Entry
	result
	digest uint64
}

// birth is how a state machine began: empty, or as a snapshot says.
type birth struct {
	meta   raft.SnapshotMeta
	digest uint64
}

// write is what one Ready wants persisted, and what leaves then.
type write struct {
	sync    uint64
	install *snapshot
	keepLog bool
	state   *raft.HardState
	entries []raft.Entry
	after   []raft.Message
}

// snapshot is one on disk, or on its way there.
type snapshot struct {
	meta raft.SnapshotMeta
	data []byte
}

// start brings the server up with what its disk holds.
func (s *server) start(now raft.Time) error {
	s.disk.recover()
	node, err := raft.New(s.cfg, &s.disk, s.disk.restored(), now)
	if err != nil {
		return fmt.Errorf("start %v: %w", s.id, err)
	}
	s.node = node
	s.life++
	s.reset()
	if snap := s.disk.newest(); snap.meta.Index > 0 {
		s.become(snap)
	}
	return nil
}

// crash takes the server down. Of the writes on their way, whole ones and then
// torn pieces of the next one may have reached the disk without a word.
func (s *server) crash(whole, torn int) {
	for _, w := range s.writes[:whole] {
		s.disk.write(w, allPieces)
	}
	if whole < len(s.writes) {
		s.disk.write(s.writes[whole], torn)
	}
	s.node = nil
	s.reset()
}

// reset empties the memory.
func (s *server) reset() {
	s.writes, s.part, s.applied, s.born = nil, snapshot{}, nil, birth{}
	s.machine = machine{forgetful: s.cfg.Unsafe.Has(raft.UnsafeNoSessions)}
}

// become makes the state machine what snap says.
func (s *server) become(snap snapshot) {
	if err := s.machine.restore(snap.data); err != nil {
		panic(fmt.Sprintf("%v: snapshot of entry %d: %v", s.id, snap.meta.Index, err))
	}
	s.applied, s.born = nil, birth{snap.meta, s.machine.digest}
}

// take does a Ready's duties up to the disk's and returns what leaves at once.
func (s *server) take(r raft.Ready) []raft.Message {
	for _, c := range r.Chunks {
		if c.Offset == 0 {
			s.part = snapshot{meta: c.Meta}
		}
		if c.Meta.Index != s.part.meta.Index || c.Offset != int64(len(s.part.data)) {
			panic(fmt.Sprintf("%v: chunk %d of snapshot %d, it has %d bytes of snapshot %d", s.id, c.Offset, c.Meta.Index, len(s.part.data), s.part.meta.Index))
		}
		s.part.data = append(s.part.data, c.Data...)
	}
	w := write{sync: r.Sync, state: r.State, entries: r.Entries, after: r.AfterSync}
	if r.Install != nil {
		if r.Install.Meta.Index != s.part.meta.Index || r.Sync == 0 {
			panic(fmt.Sprintf("%v: install snapshot %d by write %d, what has arrived is of %d", s.id, r.Install.Meta.Index, r.Sync, s.part.meta.Index))
		}
		w.install, w.keepLog = &snapshot{r.Install.Meta, s.part.data}, r.Install.KeepLog
		s.become(*w.install)
		s.part = snapshot{}
	}
	leaving := r.Messages
	switch {
	case r.Sync > 0:
		s.writes = append(s.writes, w)
	case len(s.writes) > 0:
		last := &s.writes[len(s.writes)-1]
		last.after = append(last.after[:len(last.after):len(last.after)], r.AfterSync...)
	case len(leaving) == 0:
		leaving = r.AfterSync
	default:
		leaving = append(leaving, r.AfterSync...)
	}
	for _, e := range r.Committed {
		result := s.machine.apply(e)
		s.applied = append(s.applied, applied{e, result, s.machine.digest})
	}
	return leaving
}

// sync makes the oldest n writes durable, as one, and returns what leaves then.
func (s *server) sync(now raft.Time, n int) (leaving []raft.Message) {
	for _, w := range s.writes[:n] {
		s.disk.write(w, allPieces)
		if leaving == nil {
			leaving = w.after
		} else {
			leaving = append(leaving[:len(leaving):len(leaving)], w.after...)
		}
	}
	newest := s.writes[n-1].sync
	s.writes = s.writes[n:]
	s.node.Persisted(now, newest)
	return leaving
}

// snapshotTaken makes a snapshot of the server's own durable. The node may
// forget its log up to through; the disk forgets as much, or less of it.
func (s *server) snapshotTaken(now raft.Time, snap snapshot, through, drop raft.Index) {
	if snap.meta.Index <= s.node.Status().Snapshot.Index {
		return // a leader's, which is on disk or on its way there, has overtaken it
	}
	s.disk.keep(snap)
	s.node.SnapshotTaken(now, snap.meta, through)
	s.disk.drop(min(drop, s.node.Status().Base))
}

// disk is a server's stable storage.
type disk struct {
	state     raft.HardState
	snapshots []snapshot // the newest two, oldest first
	base      raft.Index // the entry before the log's first
	baseTerm  raft.Term
	entries   []raft.Entry
	reads     int   // how often entries were asked back
	fails     error // what every read gives, when set
}

// allPieces of a write are those of one that is not torn.
const allPieces = math.MaxInt

// write does as many pieces of w as the disk gets to, in this order: the term,
// which may be new to entries and snapshot; with a log that goes, the snapshot,
// and then the log does; the entries; with a log that stays, the snapshot, which
// is then never ahead of it.
func (d *disk) write(w write, pieces int) {
	if w.state != nil && pieces > 0 {
		d.state = *w.state
		pieces--
	}
	if w.install != nil && !w.keepLog && pieces > 0 {
		d.keep(*w.install)
		if pieces--; pieces > 0 {
			d.base, d.baseTerm, d.entries = w.install.meta.Index, w.install.meta.Term, nil
			pieces--
		}
	}
	entries := w.entries[:min(pieces, len(w.entries))]
	if len(entries) > 0 {
		keep := entries[0].Index - 1
		if keep < d.base || keep > d.last() {
			panic(fmt.Sprintf("entry %d is written, the log is %d to %d", entries[0].Index, d.base+1, d.last()))
		}
		d.entries = append(d.entries[:keep-d.base], entries...)
	}
	if w.install != nil && w.keepLog && pieces > len(entries) {
		d.keep(*w.install)
	}
}

// keep puts snap beside the newest there is, so that a leader that is sending
// that one can go on.
func (d *disk) keep(snap snapshot) {
	d.snapshots = append(d.snapshots[max(0, len(d.snapshots)-1):len(d.snapshots):len(d.snapshots)], snap)
}

// drop forgets the log's entries up to i, for which a snapshot stands.
func (d *disk) drop(i raft.Index) {
	i = min(i, d.last())
	if i <= d.base {
		return
	}
	d.baseTerm = d.entries[i-d.base-1].Term
	d.entries = d.entries[i-d.base:]
	d.base = i
}

// recover is what a disk's log goes through when its server comes back: if it
// does not lead up to the newest snapshot, which may be on disk earlier than
// entries it stands for, it begins behind that.
func (d *disk) recover() {
	meta := d.newest().meta
	if meta.Index <= d.base {
		return
	}
	if term, ok := d.term(meta.Index); !ok || term != meta.Term {
		d.base, d.baseTerm, d.entries = meta.Index, meta.Term, nil
	}
}

// newest is the newest snapshot, one of entry 0 when there is none.
func (d *disk) newest() snapshot {
	if len(d.snapshots) == 0 {
		return snapshot{}
	}
	return d.snapshots[len(d.snapshots)-1]
}

func (d *disk) last() raft.Index { return d.base + raft.Index(len(d.entries)) }

// term is the term of entry i, if the log has it.
func (d *disk) term(i raft.Index) (raft.Term, bool) {
	switch {
	case i == d.base:
		return d.baseTerm, true
	case i < d.base || i > d.last():
		return 0, false
	}
	return d.entries[i-d.base-1].Term, true
}

// stores reports whether the disk has entry i of term, or a snapshot that
// stands for what was committed there.
func (d *disk) stores(i raft.Index, term raft.Term) bool {
	if i <= d.newest().meta.Index {
		return true
	}
	own, ok := d.term(i)
	return ok && own == term
}

func (d *disk) restored() raft.Restored {
	r := raft.Restored{
		HardState: d.state, Snapshot: d.newest().meta,
		Base: d.base, BaseTerm: d.baseTerm, Runs: runsOf(d.entries), LastIndex: d.last(),
	}
	for _, e := range d.entries {
		if e.Kind == raft.EntryConfig {
			r.Configs = append(r.Configs, e)
		}
	}
	return r
}

func runsOf(entries []raft.Entry) (runs []raft.TermRun) {
	for _, e := range entries {
		if len(runs) == 0 || runs[len(runs)-1].Term != e.Term {
			runs = append(runs, raft.TermRun{First: e.Index, Term: e.Term})
		}
	}
	return runs
}

// Entries implements raft.Storage.
func (d *disk) Entries(lo, hi raft.Index, maxBytes int) ([]raft.Entry, error) {
	if d.fails != nil {
		return nil, d.fails
	}
	if lo <= d.base || hi-1 > d.last() {
		return nil, fmt.Errorf("entries %d to %d are asked back, %d to %d are persisted", lo, hi-1, d.base+1, d.last())
	}
	d.reads++
	bytes, k := 0, lo
	for ; k < hi; k++ {
		bytes += len(d.entries[k-d.base-1].Data)
		if k > lo && bytes > maxBytes {
			break
		}
	}
	return append([]raft.Entry(nil), d.entries[lo-d.base-1:k-d.base-1]...), nil
}

// SnapshotChunk implements raft.Storage.
func (d *disk) SnapshotChunk(index raft.Index, offset int64, maxBytes int) (data []byte, done bool, err error) {
	if d.fails != nil {
		return nil, false, d.fails
	}
	for _, s := range d.snapshots {
		if s.meta.Index != index {
			continue
		}
		if offset > int64(len(s.data)) {
			return nil, false, fmt.Errorf("byte %d of snapshot %d is asked for, it has %d", offset, index, len(s.data))
		}
		rest := s.data[offset:]
		n := min(maxBytes, len(rest))
		return rest[:n:n], n == len(rest), nil
	}
	return nil, false, fmt.Errorf("snapshot %d: %w", index, raft.ErrNoSnapshot)
}
