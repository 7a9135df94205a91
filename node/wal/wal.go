package wal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gofrs/flock"

	"github.com/raftlab/raftlab/raft"
)

// Options are what Open needs beside the directory. The zero value is usable.
type Options struct {
	// OnDurable is called after each sync with the highest number of an Append
	// that is now durable; all before it are too. If the disk fails it is called
	// once with 0 and the error, and never again. It is called from the log's own
	// goroutine, which writes nothing meanwhile, and must not call Close.
	OnDurable func(sync uint64, err error)

	// OpenFile opens segments and snapshots; nil is the disk as it is.
	OpenFile OpenFile

	names names // nil is the disk as it is
	// segmentSize is the first segment's; 0 is segmentSizeMin.
	segmentSize int64
}

// Recovered is what Open found.
type Recovered struct {
	raft.Restored
	Notes []string // what is worth saying, one sentence each: "cut a torn tail of 96 bytes …"
}

// WAL is an open log. Its methods may be called from any goroutine.
type WAL struct {
	dir  string
	opts Options
	lock *flock.Flock

	mu       sync.Mutex
	queue    []*group // what is appended, in order; the last takes more
	spare    []*group // empty ones
	points   []queuedPoint
	index    index // of what is durable
	segments []segment
	base     raft.Index // entries are read behind it
	last     raft.Index // of the log with everything queued
	drops    uint64     // how often an Append has dropped entries
	failed   error      // why nothing is written any more
	closed   bool
	through  raft.Index // entries up to it may be forgotten
	doomed   []segment  // off the log, to be removed
	dirty    bool       // there may be something to remove
	cleaning bool       // somebody is at it
	cleanErr error      // why the last thing that was to be removed is still there

	wake chan struct{} // has a value when there may be something to write
	stop chan struct{} // closed by Close
	done chan struct{} // closed when run has ended
	size atomic.Int64  // of all segments

	reader     reader
	snapshots  snapshots
	background sync.WaitGroup // who removes

	arriving sync.Mutex // guards the leader's snapshot that is arriving
	part     *part      // nil when none is
	parts    int        // how many there were
	shut     bool       // none is to come any more

	closing sync.Once
	closeBy error // what Close returns

	// The fields below belong to the goroutine of run.

	file   File    // of the segment in use,
	seg    segment // which is this, the last of segments
	mask   *mask   // its
	off    int64   // where the next group goes in it
	out    []byte  // the group that is written, as it goes to the disk
	lead   int64   // how much of out is a frame that begins the segment
	frame  uint64  // number of the last durable frame
	now    opening // what the next segment would begin with
	refill int64   // where in the segment in use making the next one starts
	making bool    // the next segment is being made, or is made and waits in next
	next   chan made
}

// queuedPoint says that the entries from first on, up to the next point's
// first, are in this frame and those behind it.
type queuedPoint struct {
	first raft.Index
	group *group
	frame int
}

// made is what came of making a segment.
type made struct {
	segment segment
	file    File
	err     error
}

// Open opens the log in dir, making both if there is none, and recovers what
// is there. A damaged log is a *[DamageError], one of another format a
// *[VersionError]; a second opener's error wraps [ErrInUse].
func Open(dir string, opts Options) (*WAL, Recovered, error) {
	if opts.OpenFile == nil {
		opts.OpenFile = openFile
	}
	if opts.names == nil {
		opts.names = osNames{}
	}
	if opts.segmentSize == 0 {
		opts.segmentSize = segmentSizeMin
	}
	if err := makeDir(dir); err != nil {
		return nil, Recovered{}, fmt.Errorf("open log: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		return nil, Recovered{}, fmt.Errorf("lock log %s: %w", dir, err)
	case !ok:
		return nil, Recovered{}, fmt.Errorf("log %s is %w", dir, ErrInUse)
	}
	w, found, err := open(dir, opts)
	if err != nil {
		return nil, Recovered{}, errors.Join(err, lock.Close())
	}
	w.lock = lock
	go w.run()
	w.clean() // what a process before this did not come to remove
	return w, found, nil
}

func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// open reads and repairs the log in dir, which is locked, and returns it
// ready to run.
func open(dir string, opts Options) (*WAL, Recovered, error) {
	m, err := load(dir, opts.OpenFile)
	if err != nil {
		return nil, Recovered{}, err
	}
	notes, err := m.tidy(dir, opts.names)
	if err != nil {
		return nil, Recovered{}, fmt.Errorf("open log: %w", err)
	}
	if len(m.segments) == 0 {
		s, err := createSegment(dir, 1, opts.segmentSize, &opts, nil)
		if err != nil {
			return nil, Recovered{}, err
		}
		m.segments = []segment{s}
	} else if err := m.repair(opts.OpenFile); err != nil {
		return nil, Recovered{}, err
	}

	log := &m.restored
	w := &WAL{
		dir: dir, opts: opts,
		queue: []*group{new(group)},
		index: m.index, segments: m.segments[:m.tail+1], base: log.Base, last: log.LastIndex,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		reader:    reader{open: opts.OpenFile},
		snapshots: snapshots{dir: dir, open: opts.OpenFile, names: opts.names},
		off:       m.end, frame: m.frame, next: make(chan made, 1),
		now: opening{state: log.HardState, base: log.LastIndex, term: lastTerm(log)},
	}
	for _, name := range m.kept {
		w.snapshots.kept = append(w.snapshots.kept, &snapshot{snapshotName: name})
	}
	if m.restart {
		// It takes effect with what is written next. Until then it is found like this again.
		w.queue[0].restart = &opening{restart: true, base: log.Base, term: log.BaseTerm}
	}
	for _, s := range m.segments {
		w.size.Add(s.size)
	}
	for i := range w.segments {
		w.segments[i].final = w.segments[i].size
	}
	w.segments[m.tail].final = m.end
	w.use(w.segments[m.tail])
	if w.file, err = opts.OpenFile(w.seg.path, os.O_RDWR); err != nil {
		return nil, Recovered{}, fmt.Errorf("open log: %w", err)
	}
	if m.tail+1 < len(m.segments) {
		ahead := made{segment: m.segments[m.tail+1]}
		if ahead.file, err = opts.OpenFile(ahead.segment.path, os.O_RDWR); err != nil {
			return nil, Recovered{}, errors.Join(fmt.Errorf("open log: %w", err), w.file.Close())
		}
		w.making = true
		w.next <- ahead
	}
	return w, Recovered{Restored: m.restored, Notes: append(m.notes(), notes...)}, nil
}

// tidy removes what nobody needs, and makes all names that were found durable:
// a process that was killed may have changed them and not come to that.
func (m *image) tidy(dir string, names names) (notes []string, err error) {
	_, segments, err := listSegments(dir)
	if err != nil {
		return nil, err
	}
	_, snapshots, err := listSnapshots(dir)
	if err != nil {
		return nil, err
	}
	for _, path := range snapshots {
		why := "a snapshot whose writing was interrupted"
		if strings.HasSuffix(path, partSuffix) {
			why = "a leader's snapshot that did not arrive whole, or was not installed"
		}
		notes = append(notes, fmt.Sprintf("removed %s: %s", filepath.Base(path), why))
	}
	for _, path := range slices.Concat(segments, snapshots, m.surplus) {
		if err := names.remove(path); err != nil {
			return nil, err
		}
	}
	return notes, names.syncDir(dir)
}

// Create makes a log in dir that holds state and entries, which start at index
// 1, and returns when it is durable. If there is a log its error wraps [ErrExists].
func Create(dir string, state raft.HardState, entries []raft.Entry) error {
	segments, _, err := listSegments(dir)
	if err != nil {
		return err
	}
	snapshots, _, err := listSnapshots(dir)
	if err != nil {
		return err
	}
	if len(segments) > 0 || len(snapshots) > 0 {
		return fmt.Errorf("make log %s: %w", dir, ErrExists)
	}
	w, _, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	w.Append(1, nil, &state, entries)
	return w.Close()
}

// Append queues what is to be persisted: install, state and entries, the first
// and second unless nil. The entries' indexes follow each other, and the first may
// overwrite: what the log has from there on is dropped. It copies what it is
// given and never waits for the disk. OnDurable tells when it is durable; sync
// is counted up by the caller.
//
// With install, the snapshot that WriteChunk has written is verified and becomes
// the newest. With KeepLog the log is left as it is; else all of it is dropped,
// and entries go on behind the snapshot. Should it not be whole or not be the one,
// the log fails, as it does when the disk does: the leader has been told that it
// arrived.
//
// After a failure, and after Close, Append does nothing: what is appended then
// never becomes durable.
func (w *WAL) Append(sync uint64, install *raft.Install, state *raft.HardState, entries []raft.Entry) {
	for i := 1; i < len(entries); i++ {
		if a, b := entries[i-1].Index, entries[i].Index; b != a+1 {
			panic(fmt.Sprintf("wal: append entry %d behind entry %d", b, a))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil || w.closed {
		return
	}
	switch {
	case install == nil:
		w.enqueue(sync, state, entries)
	case install.KeepLog:
		// The log first, so that a crash does not leave a snapshot that is ahead of it.
		w.enqueue(0, state, entries)
		w.enqueueInstall(install)
		w.enqueue(sync, nil, nil)
	default:
		// The term first, which may be the snapshot's.
		w.enqueue(0, state, nil)
		g := w.enqueueInstall(install)
		g.restart = &opening{restart: true, base: install.Meta.Index, term: install.Meta.Term}
		w.base, w.last = install.Meta.Index, install.Meta.Index
		w.points = w.points[:0]
		w.drops++
		w.enqueue(sync, nil, entries)
	}
	w.signal()
}

// enqueue adds to the last group. The caller has the lock.
func (w *WAL) enqueue(sync uint64, state *raft.HardState, entries []raft.Entry) {
	g := w.queue[len(w.queue)-1]
	if sync != 0 {
		g.sync, g.any = sync, true
	}
	if len(entries) > 0 {
		first := entries[0].Index
		if first <= w.base || first > w.last+1 {
			panic(fmt.Sprintf("wal: append entry %d to a log that is behind entry %d and ends at %d", first, w.base, w.last))
		}
		if first <= w.last {
			w.drops++
		}
		n := len(w.points)
		for n > 0 && w.points[n-1].first >= first {
			n--
		}
		w.points = w.points[:n]
	}
	for i := g.add(state, entries); i < len(g.frames); i++ {
		g.any = true
		if f := g.frames[i].first; f != 0 {
			w.points = append(w.points, queuedPoint{first: f, group: g, frame: i})
		}
	}
	if len(entries) > 0 {
		w.last = entries[len(entries)-1].Index
	}
}

// enqueueInstall begins a group with an installation. The caller has the lock.
func (w *WAL) enqueueInstall(in *raft.Install) *group {
	g := w.queue[len(w.queue)-1]
	if g.any {
		g = w.emptyGroup()
		w.queue = append(w.queue, g)
	}
	g.install = &install{meta: in.Meta, part: w.takePart(in.Meta)}
	g.any = true
	return g
}

// emptyGroup returns a group to fill. The caller has the lock.
func (w *WAL) emptyGroup() *group {
	n := len(w.spare)
	if n == 0 {
		return new(group)
	}
	g := w.spare[n-1]
	w.spare = w.spare[:n-1]
	return g
}

func (w *WAL) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Entries returns the entries lo ≤ index < hi, queued ones included: at least
// the first of them, then as many as fit into maxBytes of Data. It copies them.
// The error wraps [ErrDropped] when the log does not begin before lo.
func (w *WAL) Entries(lo, hi raft.Index, maxBytes int) ([]raft.Entry, error) {
	var out []raft.Entry
	var drops uint64
	for budget := max(maxBytes, 0); budget >= 0; {
		w.mu.Lock()
		switch {
		case w.closed:
			w.mu.Unlock()
			return nil, ErrClosed
		case len(out) == 0 && (lo < 1 || lo > hi || hi > w.last+1):
			last := w.last
			w.mu.Unlock()
			return nil, fmt.Errorf("read entries %d to %d of a log that ends at %d", lo, hi, last)
		case len(out) == 0 && lo <= w.base && lo < hi:
			w.mu.Unlock()
			return nil, fmt.Errorf("read entries %d to %d: %w", lo, hi, ErrDropped)
		case lo == hi, len(out) > 0 && (w.drops != drops || lo <= w.base): // else what follows may be of another log than out
			w.mu.Unlock()
			return out, nil
		}
		drops = w.drops
		n := len(w.points)
		for n > 0 && w.points[n-1].first > lo {
			n--
		}
		end := hi
		if n < len(w.points) {
			end = min(end, w.points[n].first)
		}
		var err error
		if n > 0 {
			p := w.points[n-1]
			f := p.group.frames[p.frame]
			end = min(end, f.next)
			out, budget, err = take(out, p.group.buf[f.start+headerSize:f.body], lo, end, budget)
			w.mu.Unlock()
		} else {
			at, limit := w.index.find(lo)
			end = min(end, limit)
			s := w.segments[at.segment()-w.segments[0].number]
			w.mu.Unlock()
			out, budget, err = w.reader.entries(out, s, at.offset(), lo, end, budget)
		}
		if err != nil {
			return nil, fmt.Errorf("read entries %d to %d: %w", lo, hi, err)
		}
		lo = end
	}
	return out, nil
}

// Size returns how many bytes the log takes on disk, space made ahead included,
// snapshots not.
func (w *WAL) Size() int64 { return w.size.Load() }

// Close writes what is queued, waits until it is durable and closes the log. A
// snapshot that is being written ends before it. Its error is the failure that
// ended the log, if one did.
func (w *WAL) Close() error {
	w.closing.Do(func() {
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
		close(w.stop)
		w.signal()
		<-w.done
		w.background.Wait()

		w.reader.shut()
		w.snapshots.shut()
		errs := []error{w.failed, w.cleanErr, w.endParts(), w.file.Close()}
		if w.making {
			if m := <-w.next; m.err == nil {
				errs = append(errs, m.file.Close())
			}
		}
		w.closeBy = errors.Join(append(errs, w.lock.Close())...)
	})
	return w.closeBy
}

// endParts gives up leaders' snapshots that are arriving, or that a log that
// has failed did not install.
func (w *WAL) endParts() error {
	var errs []error
	for _, g := range w.queue {
		if g.install != nil && g.install.part != nil {
			g.install.part.settle() // it was not installed: nothing relies on it
			errs = append(errs, g.install.part.file.Close())
		}
	}
	w.arriving.Lock()
	defer w.arriving.Unlock()
	w.shut = true
	return errors.Join(append(errs, w.dropPart())...)
}

// run writes group after group until Close.
func (w *WAL) run() {
	defer close(w.done)
	for {
		g := w.take()
		if g == nil {
			return
		}
		err := w.write(g)
		if err != nil {
			w.fail(g, err)
			<-w.stop
			return
		}
		sync, removes := g.sync, g.install != nil || g.restart != nil
		w.settle(g)
		if removes {
			w.clean()
		}
		if sync != 0 {
			w.tell(sync, nil)
		}
		w.prepare()
	}
}

// fail ends the log: g was not written, nor is what waits behind it.
func (w *WAL) fail(g *group, err error) {
	w.mu.Lock()
	w.failed = err
	waiting := g.flushed
	for _, q := range w.queue {
		waiting = append(waiting, q.flushed...)
	}
	w.mu.Unlock()
	for _, c := range waiting {
		c <- err
	}
	w.tell(0, err)
}

func (w *WAL) tell(sync uint64, err error) {
	if w.opts.OnDurable != nil {
		w.opts.OnDurable(sync, err)
	}
}

// flush returns when all that was appended before is durable.
func (w *WAL) flush() error {
	w.mu.Lock()
	if w.failed != nil || w.closed {
		defer w.mu.Unlock()
		return cmp.Or(w.failed, ErrClosed)
	}
	g := w.queue[len(w.queue)-1]
	done := make(chan error, 1)
	g.flushed, g.any = append(g.flushed, done), true
	w.signal()
	w.mu.Unlock()
	return <-done
}

// take waits for something to write. It returns nil when the log is closed and
// all is written.
func (w *WAL) take() *group {
	for {
		w.mu.Lock()
		if g := w.queue[0]; g.any {
			w.queue = append(w.queue[:0], w.queue[1:]...)
			if len(w.queue) == 0 {
				w.queue = append(w.queue, w.emptyGroup())
			}
			w.mu.Unlock()
			return g
		}
		closed := w.closed
		w.mu.Unlock()
		if closed {
			return nil
		}
		<-w.wake
	}
}

// write brings a group to the disk: one write, one sync.
func (w *WAL) write(g *group) error {
	if g.install != nil {
		if err := w.installSnapshot(g.install); err != nil {
			return err
		}
	}
	w.out, w.lead = w.out[:0], 0
	switch {
	case g.restart != nil:
		if err := w.restart(); err != nil {
			return err
		}
	case len(g.frames) == 0:
		return nil
	case w.off+int64(len(g.buf)) > w.seg.size:
		if err := w.rotate(); err != nil {
			return err
		}
	}
	number := w.frame + 1
	if w.off == segmentHeader {
		o := w.now
		if g.restart != nil {
			o = *g.restart
			o.state = w.now.state
		}
		var first group
		first.addOpening(o)
		w.out = first.seal(w.out, &w.seg, w.mask, w.off, number, w.frame)
		w.lead = int64(len(w.out))
		number++
	}
	w.out = g.seal(w.out, &w.seg, w.mask, w.off+w.lead, number, w.frame)
	if _, err := w.file.WriteAt(w.out, w.off); err != nil {
		return fmt.Errorf("write log %s: %w", w.seg.path, err)
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("sync log %s: %w", w.seg.path, err)
	}
	return nil
}

// rotate goes on to the next segment if it is made. If not, the one in use
// grows: that costs slower syncs, waiting would cost more.
func (w *WAL) rotate() error {
	select {
	case m := <-w.next:
		w.making = false
		if m.err != nil {
			// The disk may have no room for a whole segment and still have some
			// for what is to be written. Try again later.
			if w.off > segmentLimit {
				return m.err
			}
			w.refill = w.off + w.opts.segmentSize
			return nil
		}
		return w.advance(m)
	default:
	}
	return nil
}

// restart goes on to a segment that nothing is in yet, for the log to start
// anew: all before it can be removed then.
func (w *WAL) restart() error {
	if w.off == segmentHeader {
		return nil
	}
	var m made
	if w.making {
		m = <-w.next
		w.making = false
	}
	if m.file == nil { // none was being made, or there was no room then
		m = w.makeSegment(w.seg.number+1, w.opts.segmentSize)
	}
	if m.err != nil {
		return m.err
	}
	return w.advance(m)
}

// advance goes on to the segment m.
func (w *WAL) advance(m made) error {
	w.mu.Lock()
	w.segments = append(w.segments, m.segment)
	w.mu.Unlock()
	old := w.file
	w.file, w.off = m.file, segmentHeader
	w.use(m.segment)
	if err := old.Close(); err != nil {
		return fmt.Errorf("close log segment: %w", err)
	}
	return nil
}

// use makes s, the last of the segments, the one in use.
func (w *WAL) use(s segment) {
	w.seg, w.mask, w.refill = s, newMask(s.salt), s.size/2
}

// settle notes where a group that is now durable is to be found, and makes its
// memory that of a later one.
func (w *WAL) settle(g *group) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.segments[len(w.segments)-1]
	if w.lead > 0 {
		s.opened, s.base = true, w.now.base
		w.frame++
	}
	if o := g.restart; o != nil {
		s.restart, s.base = true, o.base
		w.index = index{next: o.base + 1}
		w.now.base, w.now.term = o.base, o.term
	}
	for i := range g.frames {
		if f := &g.frames[i]; f.first != 0 {
			w.index.add(f.first, f.next, placeOf(s.number, w.off+w.lead+int64(f.start)))
			s.wrote(f.first)
		}
	}
	n := 0
	for n < len(w.points) && w.points[n].group == g {
		n++
	}
	w.points = append(w.points[:0], w.points[n:]...)
	w.frame += uint64(len(g.frames))
	w.off += int64(len(w.out))
	s.final = w.off
	if w.off > s.size {
		w.size.Add(w.off - s.size)
		s.size, w.seg.size = w.off, w.off
	}
	if g.stated {
		w.now.state = g.state
	}
	if g.last != 0 {
		w.now.base, w.now.term = g.last, g.term
	}
	for _, c := range g.flushed {
		c <- nil
	}
	if cap(w.out) > 1<<20 {
		w.out = nil
	}
	g.reset()
	w.spare = append(w.spare, g)
}

// prepare starts making the next segment when the one in use is half full.
func (w *WAL) prepare() {
	if w.making || w.off <= w.refill {
		return
	}
	w.making = true
	size := min(max(4*w.seg.size, w.opts.segmentSize), segmentSizeMax)
	number := w.seg.number + 1
	go func() { w.next <- w.makeSegment(number, size) }()
}

// makeSegment makes a segment and opens it.
func (w *WAL) makeSegment(number uint32, size int64) (m made) {
	if m.segment, m.err = createSegment(w.dir, number, size, &w.opts, w.stop); m.err == nil {
		m.file, m.err = w.opts.OpenFile(m.segment.path, os.O_RDWR)
	}
	if m.err == nil {
		w.size.Add(m.segment.size)
	}
	return m
}
