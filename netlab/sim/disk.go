package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// image is what is on a disk: the log, its hard state, and the newest two
// snapshots. Its slices are never changed in place, so a copy of it stays as it is.
type image struct {
	state     raft.HardState
	snapshots []snapshot // oldest first
	base      raft.Index // the entry before the log's first
	baseTerm  raft.Term
	entries   []raft.Entry
	bytes     int64      // of all entries
	damaged   raft.Index // an entry of which a bit is flipped, 0 for none
	torn      bool       // the last write got there in part
}

// snapshot is one on disk, or on its way there.
type snapshot struct {
	meta raft.SnapshotMeta
	data []byte
}

// write is what one Ready wants persisted.
type write struct {
	sync    uint64
	install *snapshot
	keepLog bool
	state   *raft.HardState
	entries []raft.Entry
}

// disk is a server's. What the server reads is image; a disk that lies has less
// on it, which is all that a power cut leaves.
type disk struct {
	image
	real *image // of a disk that has lied: what is on it

	fault wire.Disk
	rand  *rand.Rand

	queue   []write // what waits for a sync, oldest first
	syncing int     // how many of them the sync under way is for, 0 when none is
	event   uint64  // its number on the agenda, 0 when nothing will end it
}

// entryCost is what an entry counts as on disk beside its data.
const entryCost = 24

// store puts a write on the disk.
func (d *image) store(w *write) {
	if w.state != nil {
		d.state = *w.state
	}
	if w.install != nil && !w.keepLog {
		d.base, d.baseTerm, d.entries, d.bytes = w.install.meta.Index, w.install.meta.Term, nil, 0
		d.keep(*w.install)
	}
	if len(w.entries) > 0 {
		keep := w.entries[0].Index - 1
		if keep < d.base || keep > d.last() {
			panic(fmt.Sprintf("sim: entry %d is written, the log is %d to %d", keep+1, d.base+1, d.last()))
		}
		at := int(keep - d.base)
		for _, e := range d.entries[at:] {
			d.bytes -= int64(len(e.Data)) + entryCost
		}
		for _, e := range w.entries {
			d.bytes += int64(len(e.Data)) + entryCost
		}
		if at < len(d.entries) {
			d.entries = slices.Clip(d.entries[:at]) // an older image may have what was there
		}
		d.entries = append(d.entries, w.entries...)
	}
	if w.install != nil && w.keepLog {
		d.keep(*w.install)
	}
}

// keep puts a snapshot beside the newest there is, so that a leader that is
// sending that one can go on.
func (d *image) keep(s snapshot) {
	d.snapshots = append(slices.Clip(d.snapshots[max(0, len(d.snapshots)-1):]), s)
}

// drop forgets the log's entries up to i, for which a snapshot stands.
func (d *image) drop(i raft.Index) {
	i = min(i, d.last())
	if i <= d.base {
		return
	}
	n := int(i - d.base)
	for _, e := range d.entries[:n] {
		d.bytes -= int64(len(e.Data)) + entryCost
	}
	d.baseTerm = d.entries[n-1].Term
	d.entries = slices.Clone(d.entries[n:]) // what is dropped is to be let go of
	d.base = i
}

// recover is what a disk's log goes through when its server comes back: one that
// does not lead up to the newest snapshot begins behind that.
func (d *image) recover() {
	meta := d.newest().meta
	if meta.Index <= d.base {
		return
	}
	if term, ok := d.term(meta.Index); !ok || term != meta.Term {
		d.base, d.baseTerm, d.entries, d.bytes = meta.Index, meta.Term, nil, 0
	}
}

// newest is the newest snapshot, one of entry 0 when there is none.
func (d *image) newest() snapshot {
	if len(d.snapshots) == 0 {
		return snapshot{}
	}
	return d.snapshots[len(d.snapshots)-1]
}

func (d *image) last() raft.Index { return d.base + raft.Index(len(d.entries)) }

// term is the term of entry i, if the log has it.
func (d *image) term(i raft.Index) (raft.Term, bool) {
	switch {
	case i == d.base:
		return d.baseTerm, true
	case i < d.base || i > d.last():
		return 0, false
	}
	return d.entries[i-d.base-1].Term, true
}

// empty tells whether nothing was ever written.
func (d *image) empty() bool {
	return d.state == raft.HardState{} && len(d.snapshots) == 0 && d.last() == 0
}

func (d *image) restored() raft.Restored {
	r := raft.Restored{
		HardState: d.state, Snapshot: d.newest().meta, Base: d.base, BaseTerm: d.baseTerm, LastIndex: d.last(),
	}
	for _, e := range d.entries {
		if n := len(r.Runs); n == 0 || r.Runs[n-1].Term != e.Term {
			r.Runs = append(r.Runs, raft.TermRun{First: e.Index, Term: e.Term})
		}
		if e.Kind == raft.EntryConfig {
			r.Configs = append(r.Configs, e)
		}
	}
	return r
}

// Entries implements [raft.Storage].
func (d *image) Entries(lo, hi raft.Index, maxBytes int) ([]raft.Entry, error) {
	if lo <= d.base || hi-1 > d.last() {
		return nil, fmt.Errorf("entries %d to %d are asked back, %d to %d are persisted", lo, hi-1, d.base+1, d.last())
	}
	bytes, k := 0, lo
	for ; k < hi; k++ {
		bytes += len(d.entries[k-d.base-1].Data)
		if k > lo && bytes > maxBytes {
			break
		}
	}
	if d.damaged != 0 && lo <= d.damaged && d.damaged < k {
		return nil, d.damage()
	}
	return d.entries[lo-d.base-1 : k-d.base-1 : k-d.base-1], nil
}

// damage says what is wrong with the log, nil when nothing is.
func (d *image) damage() error {
	if d.damaged == 0 {
		return nil
	}
	return fmt.Errorf("entry %d is damaged: its checksum does not fit", d.damaged)
}

// SnapshotChunk implements [raft.Storage].
func (d *image) SnapshotChunk(index raft.Index, offset int64, maxBytes int) (data []byte, done bool, err error) {
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

// size is how many bytes are on the disk.
func (d *image) size() (n int64) {
	n = d.bytes
	for _, s := range d.snapshots {
		n += int64(len(s.data))
	}
	return n
}

// put gives the disk something to write. The error says why it cannot be
// written, and that the server ends.
func (s *server) put(w write) error {
	d := &s.disk
	if d.fault.Fault == wire.DiskFull {
		return fmt.Errorf("the disk is full: write the log of %v: no space left on device; free some space, then restart %v: nothing acknowledged is lost", s.id, s.id)
	}
	d.queue = append(d.queue, w)
	if d.syncing == 0 {
		s.beginSync()
	}
	return nil
}

// beginSync has the disk make durable all that waits.
func (s *server) beginSync() {
	d := &s.disk
	d.syncing, d.event = len(d.queue), 0
	if d.syncing == 0 {
		return
	}
	takes := s.w.sync
	switch d.fault.Fault {
	case wire.DiskSlow:
		takes = max(takes, d.drawDelay())
	case wire.DiskTorn:
		s.tear()
		return
	}
	d.event = s.w.agenda.push(event{at: s.w.now + raft.Time(takes), kind: written, ref: uint32(s.id), life: uint32(s.life)})
}

// drawDelay draws how long a sync of a slow disk takes.
func (d *disk) drawDelay() raft.Duration {
	takes := d.fault.Delay
	if j := int64(d.fault.Jitter); j > 0 {
		takes += raft.Duration(d.rand.Int64N(2*j+1) - j)
	}
	return max(takes, 0)
}

// tear has what is being written come to the disk in part. Its sync does not
// end: the power fails while it is under way, which is a kill. What is there by
// then is found when the server starts: whole records, and a torn one, which is
// cut off.
func (s *server) tear() {
	d := &s.disk
	torn := d.image
	torn.entries = slices.Clip(torn.entries) // what comes behind is not the server's
	writes := d.queue[:d.syncing]
	whole := d.rand.IntN(len(writes))
	for i := range writes[:whole] {
		torn.store(&writes[i])
	}
	w := writes[whole]
	if w.install == nil && len(w.entries) > 0 {
		w.entries = w.entries[:d.rand.IntN(len(w.entries))]
		torn.store(&w) // hard state and entries are records of one log, in this order
	}
	torn.torn = true
	d.real = &torn
}

// heardDisk is when a sync is done: its number on the agenda tells it from one
// that was given up.
func (s *server) heardDisk(event uint64) {
	d := &s.disk
	if d.syncing == 0 || d.event != event {
		return
	}
	s.w.did.Kind, s.w.did.Node = Wrote, s.id
	if d.fault.Fault == wire.DiskFail {
		// What the sync was for is not on the disk, and the system has forgotten it:
		// to ask again would say that all is well.
		s.fail(fmt.Sprintf("write the log of %v: sync: input/output error", s.id))
		return
	}
	s.durable()
}

// durable takes the disk's word that what it was at is done.
func (s *server) durable() {
	d := &s.disk
	if d.fault.Fault == wire.DiskLie && d.real == nil {
		was := d.image
		d.real = &was
	}
	for i := range d.queue[:d.syncing] {
		d.store(&d.queue[i])
	}
	newest := d.queue[d.syncing-1].sync
	n := copy(d.queue, d.queue[d.syncing:])
	clear(d.queue[n:])
	d.queue, d.syncing = d.queue[:n], 0
	if !s.running() || s.paused {
		s.heard = max(s.heard, newest)
	} else {
		s.persisted(newest)
	}
	if s.core != nil && d.syncing == 0 {
		s.beginSync()
	}
}

// SetDisk makes a server's disk another. A sync under way goes on as one of the
// new disk; what a disk that has lied has in its cache is on the disk when this
// returns, unless it goes on lying.
func (w *World) SetDisk(id raft.NodeID, fault wire.Disk) error {
	s := w.server(id)
	if s == nil {
		return errUnknown(id)
	}
	if !fault.Valid() {
		return fmt.Errorf("a disk that is %q, with %d and %d ns, is none there is", fault.Fault, fault.Delay, fault.Jitter)
	}
	d := &s.disk
	if fault.Fault != wire.DiskLie {
		d.real = nil
	}
	d.fault = fault
	d.rand = rand.New(rand.NewPCG(fault.Seed, 0))
	if d.syncing > 0 {
		s.beginSync()
	}
	w.touch(s)
	return nil
}

// Flip turns a bit of an entry around: whoever reads it finds out. With index 0
// the entry is drawn. It returns which.
func (w *World) Flip(id raft.NodeID, index raft.Index) (raft.Index, error) {
	s := w.server(id)
	if s == nil {
		return 0, errUnknown(id)
	}
	d := &s.disk
	switch {
	case d.damaged != 0:
		return 0, fmt.Errorf("the log of %v is damaged already, in entry %d", id, d.damaged)
	case len(d.entries) == 0:
		return 0, fmt.Errorf("the log of %v holds no entry that a bit could be flipped in", id)
	case index == 0:
		index = d.base + 1 + raft.Index(w.rand.Uint64N(uint64(len(d.entries))))
	case index <= d.base:
		return 0, fmt.Errorf("entry %d is not in %v's log any more: a snapshot stands for it", index, id)
	case index > d.last():
		return 0, fmt.Errorf("%v's log ends at entry %d: it has no entry %d", id, d.last(), index)
	}
	d.damaged = index
	if d.real != nil && index <= d.real.last() {
		d.real.damaged = index
	}
	return index, nil
}

// Rest lets a server's sound disk finish at once what it is at: of a held lab a
// step is over when there is nothing left to do.
func (w *World) Rest(id raft.NodeID) {
	s := w.server(id)
	for s != nil && s.core != nil && s.disk.syncing > 0 && s.disk.fault.Fault != wire.DiskSlow && s.disk.event != 0 {
		s.heardDisk(s.disk.event)
	}
}

// HasData tells whether anything is on a server's disk, or was left there by one
// that was removed.
func (w *World) HasData(id raft.NodeID) bool {
	s := w.server(id)
	if s == nil {
		_, left := w.left[id]
		return left
	}
	return !s.disk.empty()
}

// Preload writes what a server finds when it is started for the first time.
func (w *World) Preload(id raft.NodeID, state raft.HardState, entries []raft.Entry) error {
	s := w.server(id)
	switch {
	case s == nil:
		return errUnknown(id)
	case s.core != nil || !s.disk.empty():
		return fmt.Errorf("sim: %v has a log already", id)
	}
	s.disk.store(&write{state: &state, entries: entries})
	return nil
}

// Wipe deletes what is on a server's disk, which must not run.
func (w *World) Wipe(id raft.NodeID) error {
	s := w.server(id)
	switch {
	case s == nil:
		return errUnknown(id)
	case s.core != nil:
		return fmt.Errorf("sim: %v runs", id)
	}
	s.disk.image, s.disk.real = image{}, nil
	w.touch(s)
	return nil
}
