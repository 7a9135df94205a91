package wal

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/raftlab/raftlab/raft"
)

// verdict is what is found where a frame should be.
type verdict uint8

const (
	whole   verdict = iota
	blank           // nothing was written here
	torn            // a write began and did not get to its end
	damaged         // a write was complete and is not any more
)

// found is what examine saw.
type found struct {
	verdict
	header        // of a whole frame
	body   []byte // of a whole frame; valid until the next is looked at
	reason string // what is damaged
}

// examine looks at where the frame at off of segment s should be.
func examine(w *window, s *segment, off int64) (found, error) {
	b, err := w.view(off, headerSize)
	switch {
	case err != nil:
		return found{}, err
	case isZero(b):
		return found{verdict: blank}, nil
	case len(b) < headerSize || b[headerSize-1] == 0:
		return found{verdict: torn}, nil
	}
	h, ok := parseHeader(b, s.seed, off)
	if !ok {
		return found{verdict: damaged, reason: "a frame header's checksum is wrong"}, nil
	}
	// The length is bounded by the file before anything is allocated for it.
	size := frameSize(int64(h.length))
	if off+size > s.size {
		return found{verdict: torn}, nil
	}
	b, err = w.view(off, int(size))
	switch {
	case err != nil:
		return found{}, err
	case int64(len(b)) < size:
		return found{verdict: torn}, nil
	case sum(b[headerSize:]) == h.sum:
		return found{verdict: whole, header: h, body: w.unmask(b[headerSize:][:h.length], off+headerSize)}, nil
	case b[size-1] == 0 || hasBlankSector(b, off):
		return found{verdict: torn}, nil
	}
	return found{verdict: damaged, reason: fmt.Sprintf("the checksum of frame %d is wrong, and no part of it is blank as an interrupted write leaves it", h.number)}, nil
}

// hasBlankSector tells whether one of the sectors that b, from off on, covers
// is all zeros.
func hasBlankSector(b []byte, off int64) bool {
	for i := (sectorSize - off%sectorSize) % sectorSize; i+sectorSize <= int64(len(b)); i += sectorSize {
		if isZero(b[i : i+sectorSize]) {
			return true
		}
	}
	return false
}

func isZero(b []byte) bool {
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}

// image is what a directory holds, as recovery reads it.
type image struct {
	segments []segment // the oldest first, without a gap in the numbers
	restored raft.Restored
	index    index
	frame    uint64 // number of the last frame
	first    uint32 // number of the segment that the log begins with

	tail  int   // position in segments of the one that the last frame is in
	end   int64 // where the next frame goes in it
	group int64 // where the last group begins in it
	cut   []stretch

	kept    []snapshotName // the snapshots to be kept, the oldest first; the newest is whole
	surplus []string       // paths of other snapshots
	restart bool           // the log is to start anew behind the snapshot
	remarks []string       // what else is worth saying
}

// stretch is a part of a segment that belongs to a write that did not complete.
type stretch struct {
	segment  int // position in image.segments
	from, to int64
}

// load reads the log in dir. It changes nothing on disk.
func load(dir string, open OpenFile) (*image, error) { return loadAs(dir, open, nil) }

// loadAs is load that tells stated of every hard state on the way, unless that is nil.
func loadAs(dir string, open OpenFile, stated func(raft.HardState)) (*image, error) {
	numbers, _, err := listSegments(dir)
	if err != nil {
		return nil, err
	}
	snapshots, _, err := listSnapshots(dir)
	if err != nil {
		return nil, err
	}
	l := &loader{image: &image{end: segmentHeader, group: segmentHeader}, open: open, stated: stated}
	defer l.close()
	for _, n := range numbers {
		if err := l.add(dir, n); err != nil {
			return nil, err
		}
	}
	switch {
	case len(numbers) > 0:
		if err := l.read(); err != nil {
			return nil, err
		}
		if l.headless != nil {
			return nil, l.headless
		}
	case len(snapshots) > 0:
		return nil, &DamageError{File: segmentPath(dir, 1), Reason: "the file is missing, and a snapshot is there"}
	}
	if err := l.reconcile(snapshots); err != nil {
		return nil, err
	}
	return l.image, nil
}

// loader reads an image. It has one segment open at a time.
type loader struct {
	*image
	open   OpenFile
	stated func(raft.HardState)
	path   string // of the segment that win looks at, "" for none
	win    window

	// headless, unless nil, is where the first segment overwrites what was before it.
	// That is no log to begin with, but a later segment may be.
	headless *DamageError
}

// add takes in a segment's header.
func (l *loader) add(dir string, number uint32) error {
	path := segmentPath(dir, number)
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	f, err := l.open(path, os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	defer f.Close() // read only: nothing can be lost
	s, err := loadSegment(path, number, f, info.Size())
	l.segments = append(l.segments, s)
	return err
}

// look points the window at a segment.
func (l *loader) look(s *segment) error {
	if l.path == s.path {
		return nil
	}
	l.close()
	f, err := l.open(s.path, os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	l.path, l.win.step = s.path, int(min(s.size, zeroStep))
	l.win.reset(f, s.path, newMask(s.salt))
	return nil
}

func (l *loader) close() {
	if l.path != "" {
		l.path = ""
		l.win.file.Close() // read only: nothing can be lost
	}
}

// read takes in frame after frame. Where they end it settles whether that is
// the log's end, a torn tail or damage.
func (l *loader) read() error {
	for {
		at, off := l.tail, l.end
		f, err := l.step(at, off)
		if err == nil && f.verdict == blank && at+1 < len(l.segments) {
			// The segment may have been left for the next one.
			at, off = at+1, segmentHeader
			f, err = l.step(at, off)
		}
		first := &l.segments[0]
		switch {
		case err != nil:
			return err
		case f.verdict != damaged && f.verdict != whole && !first.opened && first.number > 1:
			return &DamageError{File: first.path, Offset: segmentHeader,
				Reason: "its first frame is missing or incomplete, but the segments before it were removed because of it"}
		case f.verdict == damaged:
			return &DamageError{File: l.segments[at].path, Offset: off, Reason: f.reason}
		case f.verdict == blank:
			return l.settle(l.tail, l.end)
		case f.verdict == torn:
			return l.settle(at, off)
		}
	}
}

// step takes in the frame at off of the segment at position at, if it is whole.
func (l *loader) step(at int, off int64) (found, error) {
	s := &l.segments[at]
	if err := l.look(s); err != nil {
		return found{}, err
	}
	f, err := examine(&l.win, s, off)
	if err != nil || f.verdict != whole {
		return f, err
	}
	if s == &l.segments[0] && off == segmentHeader && s.number > 1 && f.number > 0 {
		l.frame = f.number - 1 // the frames before it were in segments that are removed
	}
	if f.number != l.frame+1 {
		return f, &DamageError{File: l.segments[l.tail].path, Offset: l.end,
			Reason: fmt.Sprintf("frame %d is missing, %s goes on with frame %d", l.frame+1, filepath.Base(s.path), f.number)}
	}
	// A group lies in one segment, so the first frame of a segment starts one.
	if f.durable > l.frame || at != l.tail && f.durable != l.frame {
		return f, &DamageError{File: s.path, Offset: off, Reason: fmt.Sprintf("frame %d says that frame %d was the last durable one", f.number, f.durable)}
	}
	if off == segmentHeader {
		err = l.begin(f.body, s)
	} else {
		err = l.apply(f.body, s, off)
	}
	if err != nil {
		return f, &DamageError{File: s.path, Offset: off, Reason: fmt.Sprintf("frame %d makes no sense: %v", f.number, err)}
	}
	if f.durable == l.frame {
		l.group = off
	}
	l.frame = f.number
	l.tail, l.end = at, off+frameSize(int64(f.length))
	return f, nil
}

// begin takes in the first frame of segment s.
func (l *loader) begin(b []byte, s *segment) error {
	r, log := body{b: b}, &l.restored
	if more, err := r.next(); err != nil || !more || r.is != opOpening {
		return cmp.Or(err, errors.New("it does not say how the segment begins"))
	}
	o := r.opening
	if more, err := r.next(); err != nil || more {
		return cmp.Or(err, errors.New("it says more than how the segment begins"))
	}
	first := s == &l.segments[0]
	if o.base+1 == 0 {
		return fmt.Errorf("it begins behind entry %d", o.base)
	}
	if !first && o.state != log.HardState {
		return fmt.Errorf("it begins with term %d and vote %v, the log before has term %d and vote %v", o.state.Term, o.state.Vote, log.HardState.Term, log.HardState.Vote)
	}
	if !first && !o.restart && (o.base != log.LastIndex || o.term != lastTerm(log)) {
		return fmt.Errorf("it begins behind entry %d of term %d, the log before ends at entry %d of term %d", o.base, o.term, log.LastIndex, lastTerm(log))
	}
	if first || o.restart || l.headless != nil {
		*log = raft.Restored{HardState: o.state, Base: o.base, BaseTerm: o.term, LastIndex: o.base}
		l.index, l.headless, l.first = index{next: o.base + 1}, nil, s.number
	}
	s.opened, s.restart, s.base = true, o.restart, o.base
	l.tell(o.state)
	return nil
}

func (l *loader) tell(s raft.HardState) {
	if l.stated != nil {
		l.stated(s)
	}
}

// lastTerm is the term of the log's last entry.
func lastTerm(log *raft.Restored) raft.Term {
	if n := len(log.Runs); n > 0 {
		return log.Runs[n-1].Term
	}
	return log.BaseTerm
}

// apply takes in the body of a frame at off of segment s.
func (l *loader) apply(b []byte, s *segment, off int64) error {
	r := body{b: b}
	log := &l.restored
	var first raft.Index
	for {
		more, err := r.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if r.is == opOpening {
			return errors.New("it says how a segment begins")
		}
		if r.is == opState {
			log.HardState = r.state
			l.tell(r.state)
			continue
		}
		i := r.entry.Index
		if i > log.LastIndex+1 || first != 0 && i != log.LastIndex+1 {
			return fmt.Errorf("entry %d behind entry %d", i, log.LastIndex)
		}
		if first == 0 {
			first = i
			if i <= log.Base {
				// What it follows was in a segment that is removed, and so this one was
				// to be.
				log.Base, log.BaseTerm = i-1, 0
				l.headless = &DamageError{File: s.path, Offset: off,
					Reason: fmt.Sprintf("entry %d follows one that is not there, as this segment is the first", i)}
			}
			for n := len(log.Runs); n > 0 && log.Runs[n-1].First >= i; n-- {
				log.Runs = log.Runs[:n-1]
			}
			for n := len(log.Configs); n > 0 && log.Configs[n-1].Index >= i; n-- {
				log.Configs = log.Configs[:n-1]
			}
		}
		if n := len(log.Runs); n == 0 || log.Runs[n-1].Term != r.entry.Term {
			log.Runs = append(log.Runs, raft.TermRun{First: i, Term: r.entry.Term})
		}
		if r.entry.Kind == raft.EntryConfig {
			e := r.entry
			e.Data = bytes.Clone(e.Data)
			log.Configs = append(log.Configs, e)
		}
		log.LastIndex = i
	}
	if first != 0 {
		s.wrote(first)
		l.index.add(first, log.LastIndex+1, placeOf(s.number, off))
	}
	return nil
}

// settle decides what it means that the log has no further frame, and that at
// off of the segment at position at there is none or a torn one. What a write
// that did not complete has left behind is to be cut. Where a frame further on
// says that the missing one was durable, it would be lost by that.
func (l *loader) settle(at int, off int64) error {
	missing := l.frame + 1
	for i := l.tail; i < len(l.segments); i++ {
		from := int64(segmentHeader)
		if i == l.tail {
			from = l.end
		}
		to, proof, err := l.sweep(i, from, missing)
		if err != nil {
			return err
		}
		if proof != 0 {
			return &DamageError{File: l.segments[at].path, Offset: off,
				Reason: fmt.Sprintf("frame %d is missing or incomplete, but frame %d says it was durable", missing, proof)}
		}
		if to > from {
			l.cut = append(l.cut, stretch{segment: i, from: from, to: to})
		}
	}
	return nil
}

// sweep looks at everything from off on. It returns the end of the last byte
// that is not zero, and the number of a frame whose header says that frame
// missing was durable, 0 if there is none.
func (l *loader) sweep(at int, from int64, missing uint64) (end int64, proof uint64, err error) {
	s := &l.segments[at]
	if err := l.look(s); err != nil {
		return 0, 0, err
	}
	end = from
	for off := from; off < s.size; {
		b, err := l.win.view(off, int(min(s.size-off, zeroStep)))
		if err != nil {
			return 0, 0, err
		}
		if len(b) == 0 {
			break // the file became shorter since its size was asked
		}
		if !isZero(b) {
			end = off + int64(len(bytes.TrimRight(b, "\x00")))
			for i := 0; i+headerSize <= len(b); i += frameAlign {
				h, ok := parseHeader(b[i:], s.seed, off+int64(i))
				if ok && h.durable >= missing {
					return 0, h.number, nil
				}
			}
		}
		off += int64(len(b))
	}
	return end, 0, nil
}

// notes says what repair is about to cut.
func (m *image) notes() []string {
	var notes []string
	for _, c := range m.cut {
		notes = append(notes, fmt.Sprintf("cut a torn tail of %d bytes at offset %d of %s: a write that was interrupted before it was acknowledged, as far as the disk can tell",
			c.to-c.from, c.from, filepath.Base(m.segments[c.segment].path)))
	}
	return append(notes, m.remarks...)
}

// repair makes the disk be what load took it for.
func (m *image) repair(open OpenFile) error {
	for _, c := range m.cut {
		if err := m.rewrite(c, open, true); err != nil {
			return fmt.Errorf("cut the torn tail of log %s: %w", m.segments[c.segment].path, err)
		}
	}
	// The last group may have been read from the page cache without ever having
	// been synced, and after a failed sync Linux takes pages for written that are
	// not. So it is written once more; every group before it was followed by
	// one, hence synced.
	last := stretch{segment: m.tail, from: m.group, to: m.end}
	if err := m.rewrite(last, open, false); err != nil {
		return fmt.Errorf("sync log %s: %w", m.segments[m.tail].path, err)
	}
	return nil
}

// rewrite writes a stretch with zeros or with its own bytes, and syncs.
func (m *image) rewrite(c stretch, open OpenFile, zero bool) error {
	path := m.segments[c.segment].path
	f, err := open(path, os.O_RDWR)
	if err != nil {
		return err
	}
	err = func() error {
		w := window{step: int(min(c.to-c.from, zeroStep))}
		w.reset(f, path, nil)
		for off := c.from; off < c.to; {
			b := zeros[:min(c.to-off, zeroStep)]
			if !zero {
				if b, err = w.view(off, len(b)); err != nil {
					return err
				}
				if len(b) == 0 {
					return io.ErrUnexpectedEOF
				}
			}
			n, err := f.WriteAt(b, off)
			if err != nil {
				return err
			}
			off += int64(n)
		}
		return f.Sync()
	}()
	return errors.Join(err, f.Close())
}
