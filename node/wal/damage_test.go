package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// sealVersion makes the checksum of the version in a segment's header right.
func sealVersion(b []byte) {
	binary.LittleEndian.PutUint32(b[12:], sum(b[:12]))
}

// A sample is a log of which every frame is known.
type sample struct {
	files  [][]byte // the segments
	frames []sampleFrame
	after  []model // after[i]: with the first i frames
}

// blankSpace is behind the frames of each segment of a sample: enough that an
// open log does not make the next one.
const blankSpace = 4096

type sampleFrame struct {
	file       int
	start, end int64
	group      int
}

// put is one Append.
type put struct {
	state   *raft.HardState
	entries []raft.Entry
}

// makeSample makes a log of these groups. Each inner list of groups is a
// segment's, whose first group the frame that begins the segment joins. Each
// Append must fit one frame.
func makeSample(t testing.TB, segments ...[][]put) *sample {
	t.Helper()
	dir, opts := t.TempDir(), newDisk().options()
	s := &sample{after: []model{{}}}
	number, frame := 0, uint64(0)
	for i, groups := range segments {
		seg, err := createSegment(dir, uint32(i+1), 0, &opts, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(seg.path)
		if err != nil {
			t.Fatal(err)
		}
		for k, puts := range groups {
			durable := frame
			add := func(g *group, after ...model) {
				off := int64(len(b))
				b = g.seal(b, &seg, newMask(seg.salt), off, frame+1, durable)
				for _, f := range g.frames {
					s.frames = append(s.frames, sampleFrame{file: i, start: off + int64(f.start), end: off + int64(f.end), group: number})
				}
				if len(g.frames) != len(after) {
					t.Fatalf("%d appends are %d frames", len(after), len(g.frames))
				}
				s.after = append(s.after, after...)
				frame += uint64(len(g.frames))
			}
			m := s.after[len(s.after)-1]
			if k == 0 {
				var first group
				first.addOpening(opening{state: m.state, base: m.last(), term: m.term(m.last())})
				add(&first, m)
			}
			var g group
			var after []model
			for _, p := range puts {
				g.add(p.state, p.entries)
				m = m.append(p.state, p.entries)
				after = append(after, m)
			}
			add(&g, after...)
			number++
		}
		s.files = append(s.files, append(b, make([]byte, blankSpace)...))
	}
	return s
}

// plainSample is the sample that most tests take: two segments, the last group of
// four frames, one of which spans sectors.
func plainSample(t testing.TB) *sample {
	return makeSample(t,
		[][]put{
			{{hs(1, 1), nil}},
			{{nil, ents(1, 1, 1, 1)}, {nil, ents(4, 1)}},
		},
		[][]put{
			{{hs(2, 3), ents(3, 2, 2)}},
			{{nil, ents(5, 2)}, {hs(3, 0), nil}},
			{{nil, ents(4, 3, 3, 3)}, {nil, large(7, 3, 1500)}, {hs(4, 4), ents(8, 4)}, {nil, ents(8, 4)}},
		})
}

// large is one entry of n bytes, none of them zero.
func large(index raft.Index, term raft.Term, n int) []raft.Entry {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i%251 + 1)
	}
	return []raft.Entry{{Index: index, Term: term, Kind: raft.EntryCommand, Data: data}}
}

// write makes dir hold the sample's files and no other segments.
func (s *sample) write(t testing.TB, dir string) {
	t.Helper()
	numbers, _, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers[min(len(numbers), len(s.files)):] {
		if err := os.Remove(segmentPath(dir, n)); err != nil {
			t.Fatal(err)
		}
	}
	for i, b := range s.files {
		overwrite(t, segmentPath(dir, uint32(i+1)), b)
	}
}

// overwrite makes the file hold b. It does not empty it first: ext4 takes that
// for a replacement to be synced.
func overwrite(t testing.TB, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(b, 0)
	if err := errors.Join(err, f.Truncate(int64(len(b))), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// change returns the sample with the last segment changed.
func (s *sample) change(file int, f func(b []byte) []byte) *sample {
	c := *s
	c.files = slices.Clone(s.files)
	c.files[file] = f(slices.Clone(s.files[file]))
	return &c
}

// recover opens the log in a directory of its own twice: what the first time
// repaired, the second time finds whole.
func (s *sample) recover(t testing.TB, dir string) (raft.Restored, []raft.Entry, []string, error) {
	t.Helper()
	s.write(t, dir)
	r, log, err := read(dir)
	if err == nil {
		for i, b := range s.files {
			if now, err := os.ReadFile(segmentPath(dir, uint32(i+1))); err != nil || string(now) != string(b) {
				t.Fatalf("Read changed segment %d: %v", i+1, err)
			}
		}
	}
	opts := newDisk().options()
	opts.segmentSize = 1 << 10
	w, found, openErr := Open(dir, opts)
	if (err == nil) != (openErr == nil) {
		t.Fatalf("Read: %v, Open: %v", err, openErr)
	}
	if openErr != nil {
		if err.Error() != openErr.Error() {
			t.Fatalf("Read: %v, Open: %v", err, openErr)
		}
		for i, b := range s.files {
			if now, err := os.ReadFile(segmentPath(dir, uint32(i+1))); err != nil || string(now) != string(b) {
				t.Fatalf("Open refused segment %d and changed it: %v", i+1, err)
			}
		}
		return raft.Restored{}, nil, nil, openErr
	}
	m := modelOf(r, log)
	if !m.is(found.Restored, log) {
		t.Fatalf("Read found %+v, Open %+v", r, found)
	}
	more := ents(r.LastIndex+1, 9)
	w.Append(1, nil, nil, more)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	m = m.append(nil, more)
	w, again, err := Open(dir, opts)
	if err != nil {
		t.Fatalf("second Open: %v", err)
	}
	all, err := w.Entries(1, again.LastIndex+1, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if !m.is(again.Restored, all) || len(again.Notes) > 0 {
		t.Fatalf("after repair and one more entry: %+v, %v", again, all)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return r, log, found.Notes, nil
}

// A write that was interrupted at any byte leaves the log as it was before the
// first frame that is not whole, be the rest of the file zeros or not there.
func TestInterruptedWriteIsCutAtEveryOffset(t *testing.T) {
	s := plainSample(t)
	last := len(s.files) - 1
	expect := func(off int64) (want model, partial bool) {
		n := 0
		for _, f := range s.frames {
			if f.file < last || f.end <= off {
				n++
			} else if f.start < off {
				partial = true
			}
		}
		return s.after[n], partial
	}
	for _, tt := range []struct {
		name string
		how  func(b []byte, off int64) []byte
	}{
		{"zeros from there on", func(b []byte, off int64) []byte { clear(b[off:]); return b }},
		{"the file ends there", func(b []byte, off int64) []byte { return b[:off] }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, repaired := t.TempDir(), t.TempDir()
			s.write(t, dir)
			path := segmentPath(dir, uint32(last+1))
			for off := s.frames[len(s.frames)-1].end; off >= segmentHeader; off-- {
				b := tt.how(slices.Clone(s.files[last]), off)
				overwrite(t, path, b)
				want, partial := expect(off)
				if r, log, err := read(dir); err != nil || !want.is(r, log) {
					t.Fatalf("interrupted at %d: recovered %+v, %v, want %+v", off, r, err, want.restored())
				}
				if off%11 != 0 && off%frameAlign != 0 {
					continue // what follows is the same, and takes longer
				}
				r, log, notes, err := s.change(last, func(b []byte) []byte { return tt.how(b, off) }).recover(t, repaired)
				if err != nil || !want.is(r, log) {
					t.Fatalf("interrupted at %d: repaired to %+v, %v, want %+v", off, r, err, want.restored())
				}
				if (len(notes) > 0) != partial {
					t.Fatalf("interrupted at %d: notes %q, a frame was torn: %v", off, notes, partial)
				}
			}
		})
	}
}

// Only the last group can be incomplete after a power cut, but any of its
// sectors may be. What comes back is a prefix of it, and all groups before.
func TestPowerCutKeepsAnySectorsOfTheLastGroup(t *testing.T) {
	s := plainSample(t)
	last := len(s.files) - 1
	group := s.frames[len(s.frames)-1].group
	first := slices.IndexFunc(s.frames, func(f sampleFrame) bool { return f.group == group })
	from, to := s.frames[first].start, s.frames[len(s.frames)-1].end
	var sectors []int64
	for off := from; off < to; off += sectorSize - off%sectorSize {
		sectors = append(sectors, off)
	}
	dir := t.TempDir()
	for lost := range 1 << len(sectors) {
		missing := func(f sampleFrame) bool {
			for i, off := range sectors {
				end := min(to, off+sectorSize-off%sectorSize)
				if lost&(1<<i) != 0 && off < f.end && end > f.start {
					return true
				}
			}
			return false
		}
		before := first
		for before < len(s.frames) && !missing(s.frames[before]) {
			before++
		}
		r, log, _, err := s.change(last, func(b []byte) []byte {
			for i, off := range sectors {
				if lost&(1<<i) != 0 {
					clear(b[off:min(to, off+sectorSize-off%sectorSize)])
				}
			}
			return b
		}).recover(t, dir)
		if err != nil {
			t.Fatalf("sectors lost %b: %v", lost, err)
		}
		if want := s.after[before]; !want.is(r, log) {
			t.Fatalf("sectors lost %b: recovered %+v, want %+v", lost, r, want.restored())
		}
	}
}

// A flipped bit in what was written is damage, wherever it is: also in the
// last frame, because an interrupted write leaves blanks and this does not.
func TestFlippedBitIsRefusedWithFileAndOffset(t *testing.T) {
	s := plainSample(t)
	dir := t.TempDir()
	s.write(t, dir)
	flip := func(file int, off int64, bits []int, want int64) {
		t.Helper()
		path := segmentPath(dir, uint32(file+1))
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		was := s.files[file][off]
		set := func(b byte) {
			if _, err := f.WriteAt([]byte{b}, off); err != nil {
				t.Fatal(err)
			}
		}
		for _, bit := range bits {
			set(was ^ 1<<bit)
			_, _, err := read(dir)
			var damage *DamageError
			if !errors.As(err, &damage) || damage.File != path || damage.Offset != want {
				t.Fatalf("bit %d of byte %d of segment %d flipped: %v, want damage at %d", bit, off, file+1, err, want)
			}
		}
		set(was)
	}
	every := []int{0, 1, 2, 3, 4, 5, 6, 7}
	for file := range s.files {
		for off := range int64(segmentHeader) {
			want := int64(16)
			if off < want {
				want = 0
			}
			flip(file, off, every, want)
		}
	}
	for _, f := range s.frames {
		for off := f.start; off < f.end; off++ {
			bits := every
			if off >= f.start+headerSize {
				bits = every[off%8:][:1]
			}
			flip(f.file, off, bits, f.start)
		}
	}
}

func TestWhatIsTornAndWhatIsDamage(t *testing.T) {
	s := plainSample(t)
	zeroData := makeSample(t, [][]put{{{hs(1, 0), ents(1, 1)}}, {{nil, []raft.Entry{{Index: 2, Term: 1, Data: make([]byte, 2000)}}}}})
	frame := func(i int) sampleFrame { return s.frames[i] }
	last := frame(len(s.frames) - 1)
	zeros := zeroData.frames[2]
	fill := func(from, to int64, with byte) func(b []byte) []byte {
		return func(b []byte) []byte {
			for i := from; i < to; i++ {
				b[i] = with
			}
			return b
		}
	}
	tests := []struct {
		name   string
		sample *sample
		keeps  int    // frames
		note   string // of the cut; empty when nothing is cut
		err    string // instead; starts behind the directory
	}{
		{name: "garbage in blank space at the end is cut",
			sample: s.change(1, fill(last.end+100, last.end+117, 'x')), keeps: 12,
			note: fmt.Sprintf("cut a torn tail of 117 bytes at offset %d of 00000002.wal: a write that was interrupted before it was acknowledged, as far as the disk can tell", last.end)},
		{name: "garbage where the next header would be cannot be told from a damaged frame",
			sample: s.change(1, fill(last.end, last.end+64, 'x')),
			err:    fmt.Sprintf("00000002.wal at offset %d: a frame header's checksum is wrong", last.end)},
		{name: "a blank frame before a durable one is missing, not torn",
			sample: s.change(1, fill(frame(6).start, frame(6).end, 0)),
			err:    fmt.Sprintf("00000002.wal at offset %d: frame 7 is missing or incomplete, but frame 9 says it was durable", frame(6).start)},
		{name: "the last frame of a group is durable when the next group is written",
			sample: s.change(1, fill(frame(7).start, frame(7).end, 0)),
			err:    fmt.Sprintf("00000002.wal at offset %d: frame 8 is missing or incomplete, but frame 9 says it was durable", frame(7).start)},
		{name: "a blank frame before a whole one of the same group is torn",
			sample: s.change(1, fill(frame(8).start, frame(8).end, 0)), keeps: 8,
			note: fmt.Sprintf("cut a torn tail of %d bytes at offset %d of 00000002.wal: a write that was interrupted before it was acknowledged, as far as the disk can tell", last.end-frame(8).start, frame(8).start)},
		{name: "a segment that lost its end is damaged when another follows",
			sample: s.change(0, fill(frame(3).start, frame(3).end, 0)),
			err:    fmt.Sprintf("00000001.wal at offset %d: frame 4 is missing, 00000002.wal goes on with frame 5", frame(3).start)},
		{name: "a segment cut short is damaged when another follows",
			sample: s.change(0, func(b []byte) []byte { return b[:frame(2).start+10] }),
			err:    fmt.Sprintf("00000001.wal at offset %d: frame 3 is missing or incomplete, but frame 5 says it was durable", frame(2).start)},
		{name: "an empty file is no segment",
			sample: s.change(1, func(b []byte) []byte { return nil }),
			err:    "00000002.wal at offset 0: the file has 0 bytes, its header alone 64"},
		{name: "another kind of file is no segment",
			sample: s.change(0, func(b []byte) []byte { copy(b, "#!/bin/sh\n"); return b }),
			err:    "00000001.wal at offset 0: the file does not start as a log segment does"},
		{name: "a segment is not taken for another",
			sample: s.change(1, func([]byte) []byte { return slices.Clone(s.files[0]) }),
			err:    "00000002.wal at offset 16: the segment is number 1 by its header"},
		{name: "frames of another place are no frames",
			sample: s.change(1, func(b []byte) []byte { copy(b[last.end:], b[frame(5).start:frame(5).end]); return b }),
			err:    fmt.Sprintf("00000002.wal at offset %d: a frame header's checksum is wrong", last.end)},
		{name: "an entry of zeros that lost its end is cut",
			sample: zeroData.change(0, func(b []byte) []byte { clear(b[zeros.end-1:]); return b }), keeps: 2,
			note: fmt.Sprintf("cut a torn tail of %d bytes at offset %d of 00000001.wal: a write that was interrupted before it was acknowledged, as far as the disk can tell",
				zeros.end-1-zeros.start, zeros.start)},
		{name: "an entry of zeros that rots is no interrupted write",
			sample: zeroData.change(0, func(b []byte) []byte { b[zeros.end-100] ^= 4; return b }),
			err:    fmt.Sprintf("00000001.wal at offset %d: the checksum of frame 3 is wrong, and no part of it is blank as an interrupted write leaves it", zeros.start)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			r, log, notes, err := tt.sample.recover(t, dir)
			if tt.err != "" {
				want := "log is damaged: " + dir + string(filepath.Separator) + tt.err
				if err == nil || err.Error() != want {
					t.Fatalf("error %v, want %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := tt.sample.after[tt.keeps]; !want.is(r, log) {
				t.Errorf("recovered %+v, want %+v", r, want.restored())
			}
			if got := strings.Join(notes, "; "); got != tt.note {
				t.Errorf("note %q, want %q", got, tt.note)
			}
		})
	}
}

func TestMissingSegmentIsDamage(t *testing.T) {
	s := makeSample(t, [][]put{{{hs(1, 1), ents(1, 1, 1)}}}, [][]put{{{nil, ents(3, 1)}}}, [][]put{{{nil, ents(4, 1)}}})
	for _, tt := range []struct {
		name   string
		remove uint32
		file   uint32
		off    int64
		says   string
	}{
		{"between others", 2, 2, 0, "the file is missing, and segments before and after it are there"},
		{"the first", 1, 2, segmentHeader, "the log begins behind entry 2, and there is no snapshot that goes so far"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s.write(t, dir)
			if err := os.Remove(segmentPath(dir, tt.remove)); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("log is damaged: %s at offset %d: %s", segmentPath(dir, tt.file), tt.off, tt.says)
			if _, _, err := Open(dir, Options{}); err == nil || err.Error() != want {
				t.Errorf("Open: %v, want %s", err, want)
			}
		})
	}
}

// A client may write a value that is a copy of the log's own bytes, and even one
// that the mask turns into them. It must not be taken for a frame, least of all
// when it lies in a torn tail.
func TestValueThatLooksLikeFramesIsNoProof(t *testing.T) {
	s := plainSample(t)
	last := s.files[1]
	value := slices.Clone(last[segmentHeader : len(last)-blankSpace])
	c := makeSample(t, [][]put{{{hs(1, 1), ents(1, 1)}}, {{nil, []raft.Entry{{Index: 2, Term: 1, Data: value}}}}})
	f := c.frames[2]
	dir := t.TempDir()
	r, log, notes, err := c.change(0, func(b []byte) []byte {
		clear(b[f.start:][:headerSize])
		// What the mask made of the value is undone: its bytes are on the disk as they are.
		mask := newMask(binary.LittleEndian.Uint64(b[24:]))
		mask.apply(b[f.start+headerSize:f.end-1], b[f.start+headerSize:f.end-1], f.start+headerSize)
		return b
	}).recover(t, dir)
	if err != nil || len(notes) != 1 || !c.after[2].is(r, log) {
		t.Errorf("recovered %+v, %q, %v, want the first frame and a note", r, notes, err)
	}
}
