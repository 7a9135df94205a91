package kv

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"maps"
	"slices"

	"github.com/raftlab/raftlab/raft"
)

// A snapshot of the state machine (§7) is everything that decides a future
// answer, in one order whatever the order it came in, so that equal states are
// equal bytes on every node:
//
//	"raftkv", version as 2 bytes
//	forgotten
//	number of sessions, and of each by last use, oldest first:
//	    id, used, acked, number of answers, and of each by seq:
//	        seq, index, term, code, found, value, error
//	number of pairs, and of each by key:
//	    key, value, index
//	CRC-32C of all that as 4 bytes
//
// Numbers are varints in their shortest form, code and found a byte, and
// bytes have their length before them.
const (
	snapshotMagic   = "raftkv"
	snapshotVersion = 1
	snapshotHeader  = snapshotMagic + "\x00\x01"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Frozen is what a store was when it was frozen.
type Frozen struct {
	store     *Store
	pairs     map[string]*pair
	sessions  []*session // by last use, oldest first
	forgotten raft.Index
}

// Freeze returns the state as it is now, for another goroutine to write while
// this one goes on. It costs a walk over the sessions, of which there is a
// bounded number, and what [Store.Settle] has left to do. What is changed until
// [Frozen.Release] is held beside the frozen state and takes memory of its own.
//
// A store that is frozen cannot be frozen again.
func (s *Store) Freeze() *Frozen {
	if s.pairs.frozen {
		panic("kv: a frozen store is frozen again")
	}
	s.pairs.freeze()
	return &Frozen{store: s, pairs: s.pairs.base, sessions: s.sessions.freeze(), forgotten: s.sessions.forgotten}
}

// Release ends the use of f: no WriteTo runs any more or begins. It is called
// where the store is used. More than one does no more.
func (f *Frozen) Release() {
	if f.store == nil {
		return
	}
	f.store.pairs.thaw()
	f.store.pairs.settle(releaseStep)
	*f = Frozen{}
}

// Settle takes back up to n of the changes that were held beside a frozen
// state, and tells whether all are. Apply does a little of it each time; a store
// that nothing is applied to, or that is to be frozen soon again, is helped by
// more. While the store is frozen it does nothing, and there may be some to come.
func (s *Store) Settle(n int) bool { return s.pairs.settle(n) }

// WriteTo writes the snapshot. Beside the state it takes 16 bytes a key. It may
// run beside the store's use, and more than once.
func (f *Frozen) WriteTo(w io.Writer) (int64, error) {
	if f.store == nil {
		return 0, errors.New("write a snapshot: the frozen state was released")
	}
	out := &snapshotWriter{w: w, buf: make([]byte, 0, snapshotBuffer)}
	out.buf = append(out.buf, snapshotHeader...)
	out.uint(uint64(f.forgotten))
	out.uint(uint64(len(f.sessions)))
	for _, s := range f.sessions {
		out.session(s)
	}
	keys := make([]string, 0, len(f.pairs))
	keys = slices.AppendSeq(keys, maps.Keys(f.pairs))
	slices.Sort(keys)
	out.uint(uint64(len(keys)))
	for _, key := range keys {
		p := f.pairs[key]
		out.string(key)
		out.bytes(p.value)
		out.uint(uint64(p.index))
		if out.err != nil {
			break
		}
	}
	return out.end()
}

// snapshotBuffer is how much of a snapshot is written, or read, at once.
const snapshotBuffer = 64 << 10

// snapshotWriter writes in large pieces. The first error ends it.
type snapshotWriter struct {
	w     io.Writer
	buf   []byte
	crc   uint32
	total int64
	err   error
}

func (o *snapshotWriter) session(s *session) {
	o.uint(s.id)
	o.uint(uint64(s.used))
	o.uint(s.acked)
	o.uint(uint64(len(s.kept())))
	for i := range s.kept() {
		a := &s.kept()[i]
		o.uint(a.seq)
		o.uint(uint64(a.index))
		o.uint(uint64(a.term))
		o.byte(byte(a.code))
		o.bool(a.found)
		var more answerMore
		if a.more != nil {
			more = *a.more
		}
		o.bytes(more.value)
		o.string(more.err)
	}
}

func (o *snapshotWriter) uint(v uint64) {
	o.room(binary.MaxVarintLen64)
	o.buf = binary.AppendUvarint(o.buf, v)
}

func (o *snapshotWriter) byte(v byte) {
	o.room(1)
	o.buf = append(o.buf, v)
}

func (o *snapshotWriter) bool(v bool) {
	if v {
		o.byte(1)
	} else {
		o.byte(0)
	}
}

func (o *snapshotWriter) bytes(v []byte) {
	o.uint(uint64(len(v)))
	for len(v) > 0 {
		n := min(len(v), o.room(1))
		o.buf = append(o.buf, v[:n]...)
		v = v[n:]
	}
}

func (o *snapshotWriter) string(v string) {
	o.uint(uint64(len(v)))
	for len(v) > 0 {
		n := min(len(v), o.room(1))
		o.buf = append(o.buf, v[:n]...)
		v = v[n:]
	}
}

// room makes room for n bytes, a few, and tells how many there is room for.
func (o *snapshotWriter) room(n int) int {
	if cap(o.buf)-len(o.buf) < n {
		o.flush()
	}
	return cap(o.buf) - len(o.buf)
}

func (o *snapshotWriter) flush() {
	o.crc = crc32.Update(o.crc, castagnoli, o.buf)
	if o.err == nil {
		var n int
		n, o.err = o.w.Write(o.buf)
		o.total += int64(n)
	}
	o.buf = o.buf[:0]
}

// end writes the checksum, and returns how many bytes were written in all.
func (o *snapshotWriter) end() (int64, error) {
	crc := crc32.Update(o.crc, castagnoli, o.buf)
	o.room(4)
	o.buf = binary.BigEndian.AppendUint32(o.buf, crc)
	o.flush()
	return o.total, o.err
}
