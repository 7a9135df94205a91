package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/raftlab/raftlab/raft"
)

const (
	headerSize = 32
	frameAlign = 32 // divides sectorSize, so that a header lies in one sector
	sectorSize = 512

	frameMagic = 0x214d5246 // "FRM!"
	frameEnd   = 0xa5

	// splitSize is where a frame ends and the next one goes on with the same
	// Append: reading one entry back reads and checks no more than about this.
	splitSize = 128 << 10

	opState   = 1
	opEntries = 2
	opOpening = 3

	opStateSize   = 1 + 8 + 8
	opEntriesSize = 1 + 8 + 8 + 4
	opOpeningSize = 1 + 1 + 8 + 8 + 8 + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// frameSize returns how many bytes a frame with a body of n bytes takes.
func frameSize(n int64) int64 {
	return (headerSize + n + 1 + frameAlign - 1) &^ (frameAlign - 1)
}

type header struct {
	length  uint32
	sum     uint32
	number  uint64
	durable uint64
}

// headerSum ties a header to its segment and its place: bytes that were once
// written elsewhere, or that a client put into a value, are no header here.
func headerSum(b []byte, seed uint32, off int64) uint32 {
	return crc32.Update(seed^uint32(off/frameAlign), castagnoli, b[:24])
}

// parseHeader reads the header in b, and tells whether it is one.
func parseHeader(b []byte, seed uint32, off int64) (header, bool) {
	le := binary.LittleEndian
	if le.Uint32(b[28:]) != frameMagic || le.Uint32(b[24:]) != headerSum(b, seed, off) {
		return header{}, false
	}
	return header{length: le.Uint32(b), sum: le.Uint32(b[4:]), number: le.Uint64(b[8:]), durable: le.Uint64(b[16:])}, true
}

// opening is what the first frame of a segment says: all that has to be known
// of the segments before it, so that they can be removed.
type opening struct {
	restart bool           // all entries before it are dropped: a snapshot that was installed replaces them
	state   raft.HardState // when the segment begins
	base    raft.Index     // where the log ends then; the entries that follow are behind it
	term    raft.Term      // of entry base
}

// A group is frames that are written together, with one sync.
type group struct {
	buf    []byte // the frames, plain, without what seal fills in
	frames []queued
	sync   uint64 // the highest number handed in with them, 0 for none
	any    bool   // something was handed in, be it without content

	stated  bool           // it has a hard state,
	state   raft.HardState // the last of which is this
	last    raft.Index     // the last entry's, 0 when it has none
	term    raft.Term      // of entry last
	install *install       // to be carried out before the frames are written
	restart *opening       // of the segment that it begins, because the log starts anew
	flushed []chan<- error // are told what became of it
}

// queued says where in a group's buffer a frame is and what entries it has.
type queued struct {
	start, body, end int        // header, and the body's and the frame's end
	first, next      raft.Index // its entries are first ≤ index < next; 0, 0 when it has none
}

func (g *group) reset() {
	// A burst may have made the buffers large; an idle node keeps little.
	if cap(g.buf) > 1<<20 {
		g.buf = nil
	}
	if cap(g.frames) > 1<<12 {
		g.frames = nil
	}
	*g = group{buf: g.buf[:0], frames: g.frames[:0], flushed: g.flushed[:0]}
}

// add appends the frames that carry state and entries and returns the first of
// them as its position in g.frames.
func (g *group) add(state *raft.HardState, entries []raft.Entry) int {
	from := len(g.frames)
	if state == nil && len(entries) == 0 {
		return from
	}
	g.begin()
	if state != nil {
		le := binary.LittleEndian
		g.buf = append(g.buf, opState)
		g.buf = le.AppendUint64(g.buf, uint64(state.Term))
		g.buf = le.AppendUint64(g.buf, uint64(state.Vote))
		g.stated, g.state = true, *state
	}
	if n := len(entries); n > 0 {
		g.last, g.term = entries[n-1].Index, entries[n-1].Term
	}
	for len(entries) > 0 {
		f := &g.frames[len(g.frames)-1]
		if len(g.buf)-f.start >= splitSize {
			g.end()
			g.begin()
			f = &g.frames[len(g.frames)-1]
		}
		n := g.addRun(entries, f.start+splitSize)
		if f.first == 0 {
			f.first = entries[0].Index
		}
		f.next = entries[0].Index + raft.Index(n)
		entries = entries[n:]
	}
	g.end()
	return from
}

// addRun appends the entries that have the first one's term, as far as the
// buffer stays short of limit, and returns how many it took, at least one.
func (g *group) addRun(entries []raft.Entry, limit int) int {
	le := binary.LittleEndian
	first, term := entries[0].Index, entries[0].Term
	b := append(g.buf, opEntries)
	b = le.AppendUint64(b, uint64(first))
	b = le.AppendUint64(b, uint64(term))
	count := len(b)
	b = le.AppendUint32(b, 0)
	n := 0
	for n < len(entries) && entries[n].Term == term && (n == 0 || len(b) < limit) {
		e := &entries[n]
		b = append(b, byte(e.Kind))
		b = binary.AppendUvarint(b, uint64(len(e.Data)))
		b = append(b, e.Data...)
		n++
	}
	le.PutUint32(b[count:], uint32(n))
	g.buf = b
	return n
}

var blankHeader [headerSize]byte

func (g *group) begin() {
	g.frames = append(g.frames, queued{start: len(g.buf)})
	g.buf = append(g.buf, blankHeader[:]...)
}

func (g *group) end() {
	f := &g.frames[len(g.frames)-1]
	f.body = len(g.buf)
	f.end = f.start + int(frameSize(int64(f.body-f.start-headerSize)))
	g.buf = append(g.buf, blankHeader[:f.end-f.body]...)
}

// addOpening appends a frame with o.
func (g *group) addOpening(o opening) {
	le := binary.LittleEndian
	g.begin()
	restart := byte(0)
	if o.restart {
		restart = 1
	}
	g.buf = append(g.buf, opOpening, restart)
	g.buf = le.AppendUint64(g.buf, uint64(o.state.Term))
	g.buf = le.AppendUint64(g.buf, uint64(o.state.Vote))
	g.buf = le.AppendUint64(g.buf, uint64(o.base))
	g.buf = le.AppendUint64(g.buf, uint64(o.term))
	g.end()
}

// seal appends to dst the frames as they go to the disk, at off of segment s,
// whose mask is m. The first is frame number; durable is the number of the last
// frame of the groups before.
func (g *group) seal(dst []byte, s *segment, m *mask, off int64, number, durable uint64) []byte {
	le := binary.LittleEndian
	from := len(dst)
	dst = slices.Grow(dst, len(g.buf))[:from+len(g.buf)]
	m.apply(dst[from:], g.buf, off)
	for i := range g.frames {
		f := &g.frames[i]
		b := dst[from+f.start : from+f.end]
		b[len(b)-1] = frameEnd
		le.PutUint32(b, uint32(f.body-f.start-headerSize))
		le.PutUint32(b[4:], sum(b[headerSize:]))
		le.PutUint64(b[8:], number+uint64(i))
		le.PutUint64(b[16:], durable)
		le.PutUint32(b[24:], headerSum(b, s.seed, off+int64(f.start)))
		le.PutUint32(b[28:], frameMagic)
	}
	return dst
}

// A body is what is left to read of a frame's body. It yields the run of
// entries it stands in, entry by entry.
type body struct {
	b       []byte
	is      byte           // what next read: opState, opEntries or opOpening
	state   raft.HardState // when it is a hard state
	opening opening        // when it is one
	entry   raft.Entry     // when it is an entry; Data aliases b
	left    uint32         // entries left in the run
	index   raft.Index     // of the next of them
	term    raft.Term
}

// next reads one hard state, one opening or one entry. It returns false at the end, and an
// error when the body makes no sense.
func (r *body) next() (bool, error) {
	le := binary.LittleEndian
	for r.left == 0 {
		if len(r.b) == 0 {
			return false, nil
		}
		switch op := r.b[0]; {
		case op == opState && len(r.b) >= opStateSize:
			r.is, r.state = opState, readState(r.b[1:])
			r.b = r.b[opStateSize:]
			return true, nil
		case op == opOpening && len(r.b) >= opOpeningSize && r.b[1] <= 1:
			r.is, r.opening = opOpening, opening{
				restart: r.b[1] == 1, state: readState(r.b[2:]),
				base: raft.Index(le.Uint64(r.b[18:])), term: raft.Term(le.Uint64(r.b[26:])),
			}
			r.b = r.b[opOpeningSize:]
			return true, nil
		case op == opEntries && len(r.b) >= opEntriesSize:
			r.index, r.term = raft.Index(le.Uint64(r.b[1:])), raft.Term(le.Uint64(r.b[9:]))
			r.left = le.Uint32(r.b[17:])
			r.b = r.b[opEntriesSize:]
			if r.index == 0 || r.index+raft.Index(r.left) < r.index {
				return false, fmt.Errorf("%d entries from index %d on", r.left, r.index)
			}
		case op == opState || op == opEntries || op == opOpening:
			return false, fmt.Errorf("it ends inside record type %d", op)
		default:
			return false, fmt.Errorf("unknown record type %d", op)
		}
	}
	if len(r.b) < 2 {
		return false, fmt.Errorf("it ends before entry %d", r.index)
	}
	n, size := binary.Uvarint(r.b[1:])
	if size <= 0 || n > uint64(len(r.b)-1-size) {
		return false, fmt.Errorf("it ends inside entry %d", r.index)
	}
	data := r.b[1+size:][:n:n]
	if n == 0 {
		data = nil
	}
	r.is, r.entry = opEntries, raft.Entry{Index: r.index, Term: r.term, Kind: raft.EntryKind(r.b[0]), Data: data}
	r.b = r.b[1+size+int(n):]
	r.index++
	r.left--
	return true, nil
}

func readState(b []byte) raft.HardState {
	le := binary.LittleEndian
	return raft.HardState{Term: raft.Term(le.Uint64(b)), Vote: raft.NodeID(le.Uint64(b[8:]))}
}
