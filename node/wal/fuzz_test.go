package wal

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// FuzzRecover opens a log whose only segment has arbitrary bytes behind its
// header, or with sealed set a frame that begins it and one whose body they are.
// It never panics and never makes anything up: what it repairs, it finds the
// same way again.
func FuzzRecover(f *testing.F) {
	s := makeSample(f, [][]put{{{hs(1, 1), ents(1, 1, 1)}}, {{nil, ents(2, 2)}, {hs(3, 0), ents(3, 3)}}})
	file := s.files[0][segmentHeader:]
	head := s.files[0][:segmentHeader]
	var seg segment
	seg.salted(head[24:32])
	mask := newMask(seg.salt)
	f.Add(false, false, file)
	f.Add(false, false, file[:s.frames[2].start])
	for i, frame := range s.frames {
		b := s.files[0][frame.start:frame.end]
		plain := make([]byte, binary.LittleEndian.Uint32(b))
		mask.apply(plain, b[headerSize:][:len(plain)], frame.start+headerSize)
		f.Add(true, i == 0, plain)
	}
	f.Add(true, false, []byte{opEntries, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x80})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, sealed, first bool, b []byte) {
		if sealed {
			var g group
			if !first {
				g.addOpening(opening{})
			}
			g.begin()
			g.buf = append(g.buf, b...)
			g.end()
			b = g.seal(nil, &seg, mask, segmentHeader, 1, 0)
		}
		dir, err := os.MkdirTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		overwrite(t, segmentPath(dir, 1), append(append([]byte(nil), head...), b...))
		r, log, err := read(dir)
		var damage *DamageError
		if errors.As(err, &damage) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if raft.Index(len(log)) != r.LastIndex {
			t.Fatalf("%d entries in a log that ends at %d", len(log), r.LastIndex)
		}
		m := modelOf(r, log)
		for range 2 {
			w, found, err := Open(dir, newDisk().options())
			if err != nil {
				t.Fatalf("Read takes what Open refuses: %v", err)
			}
			entries, err := w.Entries(1, found.LastIndex+1, 1<<30)
			if err != nil || !m.is(found.Restored, entries) {
				t.Fatalf("Open found %+v, %v, %v, Read %+v, %v", found, entries, err, r, log)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzBody reads arbitrary bytes as a frame's body. What it yields lies in them,
// and the reading ends.
func FuzzBody(f *testing.F) {
	var g group
	g.add(hs(3, 2), append(ents(7, 1, 1, 2), large(10, 2, 300)...))
	f.Add(g.buf[headerSize:g.frames[0].body])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, total := body{b: b}, 0
		for {
			more, err := r.next()
			if err != nil || !more {
				break
			}
			total += 2
			if r.is == opEntries {
				total += len(r.entry.Data)
			}
		}
		if total > len(b) {
			t.Fatalf("%d bytes out of %d", total, len(b))
		}
	})
}
