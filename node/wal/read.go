package wal

import (
	"fmt"
	"os"
	"sync"

	"github.com/raftlab/raftlab/raft"
)

// reader reads entries back from segments. It keeps the last one open.
type reader struct {
	open OpenFile

	mu     sync.Mutex
	shutBy error  // why nothing is read any more
	gone   uint32 // segments up to this number are dropped
	number uint32 // of the segment that win looks at, 0 for none
	final  int64  // the segment's when it was last looked at
	win    window
}

// entries appends to out the entries lo ≤ i < hi whose frames start in segment
// s at off, as many as fit into budget beside out's first. It returns what is
// left of the budget; when that is negative the next entry did not fit.
func (r *reader) entries(out []raft.Entry, s segment, off int64, lo, hi raft.Index, budget int) ([]raft.Entry, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.look(s); err != nil {
		return nil, 0, err
	}
	for lo < hi && budget >= 0 {
		b, size, err := r.frame(s, off)
		if err != nil {
			return nil, 0, err
		}
		if out, budget, err = take(out, b, lo, hi, budget); err != nil {
			return nil, 0, &DamageError{File: s.path, Offset: off, Reason: err.Error()}
		}
		off += size
		if n := len(out); n > 0 && out[n-1].Index >= lo {
			lo = out[n-1].Index + 1
		}
	}
	return out, budget, nil
}

// look points the window at s. Of what it has read before, it keeps what was
// final then: the rest was blank, and may not be any more.
func (r *reader) look(s segment) error {
	if r.shutBy != nil {
		return r.shutBy
	}
	if s.number <= r.gone {
		return ErrDropped
	}
	if r.number != s.number {
		r.close()
		f, err := r.open(s.path, os.O_RDONLY)
		if err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		r.number, r.win.step = s.number, 64<<10
		r.win.reset(f, s.path, newMask(s.salt))
	}
	r.win.keep(r.final)
	r.final = s.final
	return nil
}

func (r *reader) close() {
	if r.number != 0 {
		r.number = 0
		r.win.file.Close() // read only: nothing can be lost
	}
}

// forget closes segment number, and opens none up to it any more: an open file
// cannot be removed on every system.
func (r *reader) forget(number uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = max(r.gone, number)
	if r.number <= r.gone {
		r.close()
	}
}

// shut ends reading for good.
func (r *reader) shut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.close()
	r.shutBy = ErrClosed
}

// frame returns the body of the frame at off and the frame's size. It was
// whole once, so anything else is damage.
func (r *reader) frame(s segment, off int64) ([]byte, int64, error) {
	damaged := func(reason string) ([]byte, int64, error) {
		return nil, 0, &DamageError{File: s.path, Offset: off, Reason: reason}
	}
	b, err := r.win.view(off, headerSize)
	if err != nil {
		return nil, 0, err
	}
	if len(b) < headerSize {
		return damaged("a frame that was durable is missing")
	}
	h, ok := parseHeader(b, s.seed, off)
	if !ok {
		return damaged("the header of a frame that was durable is wrong")
	}
	size := frameSize(int64(h.length))
	if b, err = r.win.view(off, int(size)); err != nil {
		return nil, 0, err
	}
	if int64(len(b)) < size || sum(b[headerSize:]) != h.sum {
		return damaged(fmt.Sprintf("the checksum of frame %d is wrong, it was right before", h.number))
	}
	return r.win.unmask(b[headerSize:][:h.length], off+headerSize), size, nil
}

// take appends to out the entries lo ≤ i < hi of a body, as many as fit into
// budget beside out's first. The copies of a body's Data share one allocation,
// and nothing that is not handed out.
func take(out []raft.Entry, b []byte, lo, hi raft.Index, budget int) ([]raft.Entry, int, error) {
	from, total := len(out), 0
	for r := (body{b: b}); ; {
		more, err := r.next()
		if err != nil {
			return nil, 0, err
		}
		if !more || r.is == opEntries && r.entry.Index >= hi {
			break
		}
		if r.is != opEntries || r.entry.Index < lo {
			continue
		}
		n := len(r.entry.Data)
		budget -= n
		if budget < 0 && len(out) > 0 {
			break
		}
		out = append(out, r.entry)
		total += n
		if budget < 0 {
			break
		}
	}
	data := make([]byte, 0, total)
	for i := from; i < len(out); i++ {
		if e := &out[i]; len(e.Data) > 0 {
			n := len(data)
			data = append(data, e.Data...)
			e.Data = data[n:len(data):len(data)]
		}
	}
	return out, budget, nil
}

// scanBytes is how much Data [Scan] has in memory at a time.
const scanBytes = 1 << 20

// Scan calls f with the entries lo ≤ index < hi of the log in dir, in order,
// and a few at a time: a log of any size is read once, and never held as a
// whole. What it returns says where the log begins, behind Base, and which
// snapshot stands for what was before. It takes no lock and changes nothing: it is for the log of a node that
// is dead or stopped, which may have its log open. A torn tail is left out;
// damage is a *[DamageError]. Without a log in dir, all is zero. An error of f
// ends it, and is returned.
func Scan(dir string, lo, hi raft.Index, f func([]raft.Entry) error) (raft.Restored, error) {
	m, err := load(dir, openFile)
	if err != nil {
		return raft.Restored{}, err
	}
	r := reader{open: openFile}
	defer r.close()
	for lo = max(lo, m.restored.Base+1); ; {
		page, err := m.read(&r, lo, hi, scanBytes)
		if err != nil || len(page) == 0 {
			return m.restored, err
		}
		if err := f(page); err != nil {
			return m.restored, err
		}
		lo = page[len(page)-1].Index + 1
	}
}

// read returns the entries lo ≤ index < hi, as many as fit into maxBytes of
// Data beside the first.
func (m *image) read(r *reader, lo, hi raft.Index, maxBytes int) (out []raft.Entry, err error) {
	hi = min(hi, m.restored.LastIndex+1)
	for budget := max(maxBytes, 0); lo < hi && budget >= 0; {
		at, limit := m.index.find(lo)
		out, budget, err = r.entries(out, m.segments[at.segment()-m.segments[0].number], at.offset(), lo, min(hi, limit), budget)
		if err != nil {
			return nil, err
		}
		lo = min(hi, limit)
	}
	return out, nil
}
