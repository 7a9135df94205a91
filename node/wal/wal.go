package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

	// OpenFile opens segments; nil is the disk as it is.
	OpenFile OpenFile

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
	queue    *group // takes what is appended
	spare    *group // will be the next queue; nil while it is on its way to the disk
	points   []queuedPoint
	index    index // of what is durable
	segments []segment
	last     raft.Index // of the log with everything queued
	drops    uint64     // how often an Append has dropped entries
	failed   error      // why nothing is written any more
	closed   bool

	wake chan struct{} // has a value when there may be something to write
	stop chan struct{} // closed by Close
	done chan struct{} // closed when run has ended
	size atomic.Int64  // of all segments

	reader reader

	closing sync.Once
	closeBy error // what Close returns

	// The fields below belong to the goroutine of run.

	file   File      // of the segment in use, the last of segments
	off    int64     // where the next group goes in it
	frame  uint64    // number of the last durable frame
	refill int64     // where in the segment in use making the next one starts
	making bool      // the next segment is being made, or is made and waits in next
	next   chan made // has the next segment when it is made
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
	_, unfinished, err := listSegments(dir)
	if err != nil {
		return nil, Recovered{}, err
	}
	m, err := load(dir, opts.OpenFile)
	if err != nil {
		return nil, Recovered{}, err
	}
	for _, path := range unfinished {
		if err := os.Remove(path); err != nil {
			return nil, Recovered{}, fmt.Errorf("open log: %w", err)
		}
	}
	if len(m.segments) == 0 {
		s, err := createSegment(dir, 1, opts.segmentSize, opts.OpenFile, nil)
		if err != nil {
			return nil, Recovered{}, err
		}
		m.segments = []segment{s}
	} else if err := m.repair(opts.OpenFile); err != nil {
		return nil, Recovered{}, err
	}

	w := &WAL{
		dir: dir, opts: opts,
		queue: new(group), spare: new(group),
		index: m.index, segments: m.segments[:m.tail+1], last: m.restored.LastIndex,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		reader: reader{open: opts.OpenFile},
		off:    m.end, frame: m.frame, next: make(chan made, 1),
	}
	for _, s := range m.segments {
		w.size.Add(s.size)
	}
	for i := range w.segments {
		w.segments[i].final = w.segments[i].size
	}
	w.segments[m.tail].final = m.end
	s := m.segments[m.tail]
	if w.file, err = opts.OpenFile(s.path, os.O_RDWR); err != nil {
		return nil, Recovered{}, fmt.Errorf("open log: %w", err)
	}
	w.refill = s.size / 2
	if m.tail+1 < len(m.segments) {
		ahead := made{segment: m.segments[m.tail+1]}
		if ahead.file, err = opts.OpenFile(ahead.segment.path, os.O_RDWR); err != nil {
			return nil, Recovered{}, errors.Join(fmt.Errorf("open log: %w", err), w.file.Close())
		}
		w.making = true
		w.next <- ahead
	}
	return w, Recovered{Restored: m.restored, Notes: m.notes()}, nil
}

// Create makes a log in dir that holds state and entries, which start at index
// 1, and returns when it is durable. If there is a log its error wraps [ErrExists].
func Create(dir string, state raft.HardState, entries []raft.Entry) error {
	numbers, _, err := listSegments(dir)
	if err != nil {
		return err
	}
	if len(numbers) > 0 {
		return fmt.Errorf("make log %s: %w", dir, ErrExists)
	}
	w, _, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	w.Append(1, &state, entries)
	return w.Close()
}

// Append queues what is to be persisted: state unless nil, and entries, whose
// indexes follow each other and whose first may overwrite: what the log has
// from there on is dropped. It copies what it is given and never waits for the
// disk. OnDurable tells when it is durable; sync is counted up by the caller.
//
// After a failure, and after Close, it does nothing: what is appended then
// never becomes durable.
func (w *WAL) Append(sync uint64, state *raft.HardState, entries []raft.Entry) {
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
	g := w.queue
	g.sync, g.any = sync, true
	if len(entries) > 0 {
		first := entries[0].Index
		if first == 0 || first > w.last+1 {
			panic(fmt.Sprintf("wal: append entry %d to a log that ends at %d", first, w.last))
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
		if f := g.frames[i].first; f != 0 {
			w.points = append(w.points, queuedPoint{first: f, group: g, frame: i})
		}
	}
	if len(entries) > 0 {
		w.last = entries[len(entries)-1].Index
	}
	w.signal()
}

func (w *WAL) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Entries returns the entries lo ≤ index < hi, queued ones included: at least
// the first of them, then as many as fit into maxBytes of Data. It copies them.
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
		case lo == hi, len(out) > 0 && w.drops != drops: // else what follows may be of another log than out
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
			s := w.segments[at.segment()-1]
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

// Size returns how many bytes the log takes on disk, space made ahead included.
func (w *WAL) Size() int64 { return w.size.Load() }

// Close writes what is queued, waits until it is durable and closes the log.
// Its error is the failure that ended the log, if one did.
func (w *WAL) Close() error {
	w.closing.Do(func() {
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
		close(w.stop)
		w.signal()
		<-w.done

		w.reader.shut()
		errs := []error{w.failed, w.file.Close()}
		if w.making {
			if m := <-w.next; m.err == nil {
				errs = append(errs, m.file.Close())
			}
		}
		w.closeBy = errors.Join(append(errs, w.lock.Close())...)
	})
	return w.closeBy
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
			w.mu.Lock()
			w.failed = err
			w.mu.Unlock()
			w.tell(0, err)
			<-w.stop
			return
		}
		sync := g.sync
		w.settle(g)
		w.tell(sync, nil)
		w.prepare()
	}
}

func (w *WAL) tell(sync uint64, err error) {
	if w.opts.OnDurable != nil {
		w.opts.OnDurable(sync, err)
	}
}

// take waits for something to write. It returns nil when the log is closed and
// all is written.
func (w *WAL) take() *group {
	for {
		w.mu.Lock()
		if g := w.queue; g.any {
			w.queue, w.spare = w.spare, nil
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
	if len(g.buf) == 0 {
		return nil
	}
	s := w.segments[len(w.segments)-1]
	if w.off+int64(len(g.buf)) > s.size {
		if err := w.rotate(); err != nil {
			return err
		}
		s = w.segments[len(w.segments)-1]
	}
	g.seal(w.frame, s.seed, w.off)
	if _, err := w.file.WriteAt(g.buf, w.off); err != nil {
		return fmt.Errorf("write log %s: %w", s.path, err)
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("sync log %s: %w", s.path, err)
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
		old := w.file
		w.mu.Lock()
		w.segments = append(w.segments, m.segment)
		w.mu.Unlock()
		w.file, w.off, w.refill = m.file, segmentHeader, m.segment.size/2
		if err := old.Close(); err != nil {
			return fmt.Errorf("close log segment: %w", err)
		}
	default:
	}
	return nil
}

// settle notes where a group that is now durable is to be found, and makes its
// memory the next queue's.
func (w *WAL) settle(g *group) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.segments[len(w.segments)-1]
	for i := range g.frames {
		if f := &g.frames[i]; f.first != 0 {
			w.index.add(f.first, f.next, placeOf(s.number, w.off+int64(f.start)))
		}
	}
	n := 0
	for n < len(w.points) && w.points[n].group == g {
		n++
	}
	w.points = append(w.points[:0], w.points[n:]...)
	w.frame += uint64(len(g.frames))
	w.off += int64(len(g.buf))
	s.final = w.off
	if w.off > s.size {
		w.size.Add(w.off - s.size)
		s.size = w.off
	}
	g.reset()
	w.spare = g
}

// prepare starts making the next segment when the one in use is half full.
func (w *WAL) prepare() {
	if w.making || w.off <= w.refill {
		return
	}
	w.making = true
	s := w.segments[len(w.segments)-1]
	size := min(max(4*s.size, w.opts.segmentSize), segmentSizeMax)
	go func() {
		var m made
		if m.segment, m.err = createSegment(w.dir, s.number+1, size, w.opts.OpenFile, w.stop); m.err == nil {
			m.file, m.err = w.opts.OpenFile(m.segment.path, os.O_RDWR)
		}
		if m.err == nil {
			w.size.Add(m.segment.size)
		}
		w.next <- m
	}()
}
