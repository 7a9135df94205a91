package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
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

// FuzzSnapshot reads arbitrary bytes as a snapshot's file, or with sealed set a
// file whose checksums are right and whose sizes, configuration and data are
// arbitrary. What is taken for a snapshot is one: written again, it is the same
// bytes, and its chunks are its bytes.
func FuzzSnapshot(f *testing.F) {
	for _, i := range []raft.Index{1, 7, 8, 9, 12} {
		f.Add(false, fileOf(metaOf(i, 2)), []byte{}, uint64(i), uint64(i), uint32(0), 100)
		f.Add(true, configOf(i).AppendTo(nil), contentOf(metaOf(i, 2)), uint64(i), uint64(len(contentOf(metaOf(i, 2)))), uint32(0), blockSize)
	}
	f.Add(true, configOf(1).AppendTo(nil), []byte("abc"), uint64(1), ^uint64(0), uint32(0), 1)
	f.Add(true, []byte{}, []byte("abc"), uint64(1), uint64(3), ^uint32(0), 1)
	f.Fuzz(func(t *testing.T, sealed bool, b, data []byte, index, length uint64, size uint32, chunk int) {
		if sealed {
			le := binary.LittleEndian
			config := b
			b = appendSnapshotHeader(nil, &raft.SnapshotMeta{Index: raft.Index(index), Term: 2})[:32]
			b = le.AppendUint32(b, uint32(len(config))+size)
			b = append(le.AppendUint32(b, 0), config...)
			b = le.AppendUint32(b, sum(b[16:]))
			seed, sums := headerSeed(b), uint32(0)
			for n := int64(0); len(data) > 0; n++ {
				part := data[:min(blockData, len(data))]
				data = data[len(part):]
				b = append(b, part...)
				b = le.AppendUint32(b, blockSum(part, seed, n))
				sums = addSum(sums, b[len(b)-4:])
			}
			b = appendSnapshotTrailer(b, int64(length), sums, seed)
		}
		file := &memory{b}
		s, err := readSnapfile(file, "file", int64(len(b)))
		var content bytes.Buffer
		if err == nil {
			_, err = io.Copy(&content, &snapshotReader{snapfile: s, file: file, next: int64(len(s.header))})
		}
		if s != nil && chunk > 0 {
			for off := 0; off < len(b); {
				got, done, err := s.chunk(file, int64(off), chunk)
				if err != nil {
					break
				}
				if len(got) == 0 || len(got) > chunk || string(got) != string(b[off:off+len(got)]) || done != (off+len(got) == len(b)) {
					t.Fatalf("chunk of %d at %d of %d: %d bytes, %v", chunk, off, len(b), len(got), done)
				}
				off += max(len(got), len(b)/100)
			}
		}
		var damage *DamageError
		var version *VersionError
		if errors.As(err, &damage) || errors.As(err, &version) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		again := new(memory)
		w := newBlockWriter(again, &s.meta)
		if _, err := w.Write(content.Bytes()); err != nil {
			t.Fatal(err)
		}
		if n, err := w.finish(); err != nil || n != int64(len(b)) || string(again.b) != string(b) {
			t.Fatalf("%d bytes are %d when written again, %v", len(b), n, err)
		}
	})
}
