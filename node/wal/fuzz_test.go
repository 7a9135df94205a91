package wal

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// FuzzRecover opens a log whose only segment has arbitrary bytes behind its
// header, or with sealed set one frame whose body they are. It never panics and
// never makes anything up: what it repairs, it finds the same way again.
func FuzzRecover(f *testing.F) {
	s := makeSample(f, [][]put{{{hs(1, 1), ents(1, 1, 1)}}, {{nil, ents(2, 2)}, {hs(3, 0), ents(3, 3)}}})
	file := s.files[0][segmentHeader:]
	head := s.files[0][:segmentHeader]
	f.Add(false, file)
	f.Add(false, file[:s.frames[1].start])
	for _, frame := range s.frames {
		b := s.files[0][frame.start:frame.end]
		f.Add(true, b[headerSize:][:binary.LittleEndian.Uint32(b)])
	}
	f.Add(true, []byte{opEntries, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x80})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, sealed bool, b []byte) {
		if sealed {
			var g group
			g.begin()
			g.buf = append(g.buf, b...)
			g.end()
			g.seal(0, seedOf(head), segmentHeader)
			b = g.buf
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
		m := model{state: r.HardState, entries: log}
		for range 2 {
			w, found, err := Open(dir, Options{OpenFile: newDisk().open})
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

// seedOf returns the seed in a segment's header.
func seedOf(head []byte) uint32 { return sum(head[24:32]) }

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
