package proxy

import (
	"encoding/binary"
	"fmt"
	"sync"
)

// tape keeps the bytes of the last frames, so that one can be sent again. Frames
// of a read go on it together, in one copy, and what a read brought at most
// tapeBatch: nobody repeats single frames of a stream that runs at full speed,
// and copying all of it would slow it down.
type tape struct {
	mu    sync.Mutex
	buf   []byte  // a ring, made with the first frame
	next  uint64  // bytes ever written; byte n is at n modulo the length
	reads []taped // a ring by nextRead
	count uint64
}

// taped is what one read brought.
type taped struct {
	first  uint64 // id of its first frame
	frames uint32
	bytes  uint32
	at     uint64 // where it starts
}

const (
	tapeBytes = 1 << 20
	tapeReads = 8192
	tapeBatch = 32 << 10
)

// keep puts n frames on the tape, which have ids from first on and their bytes
// side by side in raw.
func (t *tape) keep(first uint64, n int, raw []byte) {
	if len(raw) > tapeBatch {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buf == nil {
		t.buf, t.reads = make([]byte, tapeBytes), make([]taped, tapeReads)
	}
	// A read is not cut in two by the ring's end.
	if at := t.next % tapeBytes; at+uint64(len(raw)) > tapeBytes {
		t.next += tapeBytes - at
	}
	copy(t.buf[t.next%tapeBytes:], raw)
	t.reads[t.count%tapeReads] = taped{first: first, frames: uint32(n), bytes: uint32(len(raw)), at: t.next}
	t.count++
	t.next += uint64(len(raw))
}

// frame returns a copy of the bytes of frame id, its length bytes included.
func (t *tape) frame(id uint64) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n := t.count; n > 0 && t.count-n < tapeReads; n-- {
		r := &t.reads[(n-1)%tapeReads]
		if r.at+tapeBytes < t.next {
			break // written over, as all before it
		}
		if id < r.first || id >= r.first+uint64(r.frames) {
			continue
		}
		raw := t.buf[r.at%tapeBytes:][:r.bytes]
		for range id - r.first {
			raw = raw[lengthBytes+binary.BigEndian.Uint32(raw):]
		}
		return append([]byte(nil), raw[:lengthBytes+binary.BigEndian.Uint32(raw)]...), nil
	}
	return nil, fmt.Errorf("the bytes of frame %d are not kept: the network keeps the last %d KiB, without what comes in large batches", id, tapeBytes>>10)
}
