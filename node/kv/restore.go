package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// Restore returns the store whose snapshot r holds, which it reads to its end.
// What is not one whole snapshot and nothing else is refused. Memory grows with
// what is read, not with what it claims is to come.
func Restore(r io.Reader) (*Store, error) { return restore(r, maxSessions, maxAnswers) }

func restore(r io.Reader, sessions, answers int) (*Store, error) {
	s := newStore(sessions, answers)
	in := &snapshotReader{r: r, buf: make([]byte, 0, snapshotBuffer)}
	in.header()
	in.sessions(&s.sessions)
	in.pairs(&s.pairs)
	in.end()
	if in.err != nil {
		return nil, fmt.Errorf("restore the state machine: %w", in.err)
	}
	return s, nil
}

func (in *snapshotReader) header() {
	var b [len(snapshotHeader)]byte
	for i := range b {
		b[i] = in.byte("header")
	}
	switch {
	case in.err != nil:
	case !strings.HasPrefix(string(b[:]), snapshotMagic):
		in.err = fmt.Errorf("this is no snapshot of it: it begins with %s", excerpt(b[:]))
	case string(b[:]) != snapshotHeader:
		in.err = fmt.Errorf("the snapshot has version %d, this raftlab reads version %d: use the raftlab that wrote it",
			binary.BigEndian.Uint16(b[len(snapshotMagic):]), snapshotVersion)
	}
}

func (in *snapshotReader) sessions(t *sessions) {
	t.forgotten = raft.Index(in.uint("mark of the forgotten"))
	last := t.forgotten
	for n := in.count("sessions", t.limit); n > 0; n-- {
		at := in.at()
		id := in.uint("session")
		used := raft.Index(in.uint("session's last use"))
		switch {
		case in.err != nil:
			return
		case id == 0:
			in.damaged(at, "session 0 is none")
			return
		case t.byID[id] != nil:
			in.damaged(at, "session %d is there twice", id)
			return
		case used <= last:
			in.damaged(at, "session %d, last used by entry %d, comes after %d", id, used, last)
			return
		}
		last = used
		s := t.open(id, used)
		s.acked = in.uint("session's acked")
		in.answers(s, min(MaxAhead, t.most-t.answers))
		t.answers += len(s.answers)
	}
}

// answers reads those of a session, at most this many.
func (in *snapshotReader) answers(s *session, most int) {
	last := s.acked
	for n := in.count("answers", most); n > 0; n-- {
		at := in.at()
		a := answer{
			seq:   in.uint("answer's command"),
			index: raft.Index(in.uint("answer's index")),
			term:  raft.Term(in.uint("answer's term")),
			code:  wire.Code(in.byte("answer's code")),
			found: in.bool("answer's found"),
		}
		more := answerMore{value: in.bytes("answer's value"), err: in.string("answer's error")}
		switch {
		case in.err != nil:
			return
		case a.seq <= last || a.seq-s.acked > MaxAhead:
			in.damaged(at, "session %d has an answer of command %d after %d, and acknowledged %d", s.id, a.seq, last, s.acked)
			return
		}
		last = a.seq
		if more.value != nil || more.err != "" {
			a.more = &more
		}
		s.answers = append(s.answers, a)
	}
}

// presized bounds for how many pairs memory is made ready before they are read.
const presized = 1 << 14

func (in *snapshotReader) pairs(t *table) {
	n := in.uint("number of pairs")
	if in.err != nil {
		return
	}
	t.base = make(map[string]*pair, min(n, presized))
	last := ""
	for first := true; n > 0; n-- {
		at := in.at()
		key := in.string("key")
		p := &pair{value: in.bytes("value"), index: raft.Index(in.uint("pair's index"))}
		switch {
		case in.err != nil:
			return
		case key <= last && !first:
			in.damaged(at, "key %s comes after %s", excerpt([]byte(key)), excerpt([]byte(last)))
			return
		}
		t.base[key] = p
		last, first = key, false
	}
}

// end reads the checksum, behind which nothing is.
func (in *snapshotReader) end() {
	at := in.at()
	got := crc32.Update(in.crc, castagnoli, in.buf[:in.off])
	var b [4]byte
	for i := range b {
		b[i] = in.byte("checksum")
	}
	switch want := binary.BigEndian.Uint32(b[:]); {
	case in.err != nil:
	case got != want:
		in.damaged(at, "the checksum of what is before is %08x, not %08x", got, want)
	case in.fill():
		in.damaged(at+4, "there is more behind its end")
	}
}

// snapshotReader reads in large pieces. The first thing that is wrong is kept,
// and everything after it reads as zero.
type snapshotReader struct {
	r      io.Reader
	buf    []byte
	off    int    // how much of buf is read
	before int64  // bytes of the snapshot before buf
	crc    uint32 // of those
	err    error
}

// at is how many bytes are read.
func (in *snapshotReader) at() int64 { return in.before + int64(in.off) }

func (in *snapshotReader) damaged(at int64, format string, args ...any) {
	if in.err == nil {
		in.err = fmt.Errorf("the snapshot is damaged at byte %d: %s", at, fmt.Sprintf(format, args...))
	}
}

// fill tells whether there is more to read. At the end there is not, and after
// an error.
func (in *snapshotReader) fill() bool {
	if in.err != nil {
		return false
	}
	if in.off < len(in.buf) {
		return true
	}
	in.crc = crc32.Update(in.crc, castagnoli, in.buf)
	in.before += int64(len(in.buf))
	n, err := io.ReadAtLeast(in.r, in.buf[:cap(in.buf)], 1)
	in.buf, in.off = in.buf[:n], 0
	if n == 0 && !errors.Is(err, io.EOF) {
		in.err = fmt.Errorf("read the snapshot at byte %d: %w", in.before, err)
	}
	return n > 0
}

// need is fill, where the end must not be.
func (in *snapshotReader) need(field string) bool {
	if in.off < len(in.buf) && in.err == nil || in.fill() {
		return true
	}
	if in.err == nil {
		in.err = fmt.Errorf("the snapshot is cut off: it ends at byte %d, inside its %s", in.at(), field)
	}
	return false
}

func (in *snapshotReader) byte(field string) byte {
	if !in.need(field) {
		return 0
	}
	b := in.buf[in.off]
	in.off++
	return b
}

func (in *snapshotReader) bool(field string) bool {
	at := in.at()
	b := in.byte(field)
	if b > 1 {
		in.damaged(at, "the %s is %d", field, b)
	}
	return b == 1
}

// uint reads a number in its shortest form.
func (in *snapshotReader) uint(field string) uint64 {
	at := in.at()
	var v uint64
	for shift := 0; ; shift += 7 {
		b := in.byte(field)
		if in.err != nil {
			return 0
		}
		// The tenth byte has room for one bit; a last byte of 0 adds nothing.
		if shift == 63 && b > 1 || shift > 0 && b == 0 {
			in.damaged(at, "the %s is no number", field)
			return 0
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
}

// count reads how many there are, of which there are at most this many.
func (in *snapshotReader) count(field string, most int) int {
	at := in.at()
	n := in.uint("number of " + field)
	if n > uint64(most) {
		in.damaged(at, "%d %s where at most %d fit", n, field, most)
		return 0
	}
	return int(n)
}

// maxBytes bounds what has a length: it came in an entry, and that in a frame.
const maxBytes = wire.MaxFrame

// span reads what has a length. What it returns is valid until something else
// is read; owned tells that nobody else has it.
func (in *snapshotReader) span(field string) (v []byte, owned bool) {
	at := in.at()
	length := in.uint(field)
	switch {
	case in.err != nil || length == 0:
		return nil, true
	case length > maxBytes:
		in.damaged(at, "the %s has %d bytes, more than a frame", field, length)
		return nil, true
	}
	n := int(length)
	if n <= len(in.buf)-in.off {
		in.off += n
		return in.buf[in.off-n : in.off], false
	}
	// It grows with what really comes.
	v = make([]byte, 0, min(n, snapshotBuffer))
	for len(v) < n {
		if !in.need(field) {
			return nil, true
		}
		if len(v) == cap(v) {
			v = append(make([]byte, 0, min(n, 2*cap(v))), v...)
		}
		piece := in.buf[in.off:min(len(in.buf), in.off+cap(v)-len(v))]
		v = append(v, piece...)
		in.off += len(piece)
	}
	return v, true
}

// bytes reads what the caller may keep, nil for none.
func (in *snapshotReader) bytes(field string) []byte {
	v, owned := in.span(field)
	if owned {
		return v
	}
	return bytes.Clone(v)
}

func (in *snapshotReader) string(field string) string {
	v, _ := in.span(field)
	return string(v)
}
