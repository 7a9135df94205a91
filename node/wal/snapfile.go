package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/raftlab/raftlab/raft"
)

const (
	snapshotVersion = 1
	snapshotMagic   = "raftsnp\n"

	// snapshotFixed is the part of a snapshot's header before the configuration.
	snapshotFixed = 40
	// configMax bounds the configuration in a header; raft's own bound is below it.
	configMax = 1 << 16

	// blockSize is what is read and checked at once at least: small against a chunk
	// that is sent, large against its checksum and the call that reads it.
	blockSize = 64 << 10
	blockData = blockSize - 4

	trailerSize = 16

	// snapshotStep is how much of a snapshot is read or written at once.
	snapshotStep = 16 * blockSize
)

// A snapfile says where in a snapshot's file is what. Its header and trailer
// were right when it was made.
type snapfile struct {
	path    string
	meta    raft.SnapshotMeta
	header  []byte
	trailer [trailerSize]byte
	size    int64 // of the file
	seed    uint32
	sums    uint32 // of all blocks' checksums
}

// appendSnapshotHeader appends the header of a snapshot of meta.
func appendSnapshotHeader(dst []byte, meta *raft.SnapshotMeta) []byte {
	le := binary.LittleEndian
	at := len(dst)
	dst = append(dst, snapshotMagic...)
	dst = le.AppendUint32(dst, snapshotVersion)
	dst = le.AppendUint32(dst, sum(dst[at:]))
	dst = le.AppendUint64(dst, uint64(meta.Index))
	dst = le.AppendUint64(dst, uint64(meta.Term))
	size := len(dst)
	dst = le.AppendUint64(dst, 0)
	dst = meta.Config.AppendTo(dst)
	le.PutUint32(dst[size:], uint32(len(dst)-at-snapshotFixed))
	return le.AppendUint32(dst, sum(dst[at+16:]))
}

// headerSeed ties blocks and trailer to the header they belong to.
func headerSeed(header []byte) uint32 { return binary.LittleEndian.Uint32(header[len(header)-4:]) }

// blockSum is the checksum of a block's data; the number ties it to its place.
func blockSum(data []byte, seed uint32, number int64) uint32 {
	return crc32.Update(seed^uint32(number), castagnoli, data)
}

// appendSums adds a block's checksum to the checksum of them all.
func addSum(sums uint32, block []byte) uint32 { return crc32.Update(sums, castagnoli, block) }

func appendSnapshotTrailer(dst []byte, data int64, sums, seed uint32) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(data))
	dst = binary.LittleEndian.AppendUint32(dst, sums)
	return binary.LittleEndian.AppendUint32(dst, crc32.Update(seed, castagnoli, dst[at:]))
}

// readSnapfile reads header and trailer of the snapshot f, a file of size bytes.
func readSnapfile(f File, path string, size int64) (*snapfile, error) {
	s := &snapfile{path: path, size: size}
	damaged := func(off int64, reason string) (*snapfile, error) {
		return nil, &DamageError{File: path, Offset: off, Reason: reason}
	}
	const least = snapshotFixed + 4
	if size < least+trailerSize {
		return damaged(0, fmt.Sprintf("the file has %d bytes, a snapshot at least %d", size, least+trailerSize))
	}
	head := make([]byte, least)
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read snapshot %s: %w", path, err)
	}
	le := binary.LittleEndian
	if string(head[:8]) != snapshotMagic || le.Uint32(head[12:]) != sum(head[:12]) {
		return damaged(0, "the file does not start as a snapshot does")
	}
	if v := le.Uint32(head[8:]); v != snapshotVersion {
		return nil, &VersionError{File: path, Version: v, Reads: snapshotVersion}
	}
	n := int64(le.Uint32(head[32:]))
	if n > configMax || least+n+trailerSize > size || le.Uint32(head[36:]) != 0 {
		return damaged(16, "the snapshot header makes no sense")
	}
	s.header = make([]byte, least+n)
	if _, err := f.ReadAt(s.header, 0); err != nil {
		return nil, fmt.Errorf("read snapshot %s: %w", path, err)
	}
	s.seed = headerSeed(s.header)
	if s.seed != sum(s.header[16:len(s.header)-4]) {
		return damaged(16, "the snapshot header's checksum is wrong")
	}
	config, err := raft.DecodeConfiguration(s.header[snapshotFixed : len(s.header)-4])
	if err != nil {
		return damaged(snapshotFixed, err.Error())
	}
	s.meta = raft.SnapshotMeta{Index: raft.Index(le.Uint64(head[16:])), Term: raft.Term(le.Uint64(head[24:])), Config: config}

	if _, err := f.ReadAt(s.trailer[:], s.tail()); err != nil {
		return nil, fmt.Errorf("read snapshot %s: %w", path, err)
	}
	if le.Uint32(s.trailer[12:]) != crc32.Update(s.seed, castagnoli, s.trailer[:12]) {
		return damaged(s.tail(), "the checksum at the end of the snapshot is wrong")
	}
	// What the blocks take leaves no choice of how much data they have.
	blocks := s.tail() - int64(len(s.header))
	if data := le.Uint64(s.trailer[:]); blocks < 0 || data != uint64(blocks-4*((blocks+blockSize-1)/blockSize)) {
		return damaged(s.tail(), fmt.Sprintf("the snapshot has %d bytes of data by its end, the file has room for %d", data, blocks))
	}
	s.sums = le.Uint32(s.trailer[8:])
	return s, nil
}

// tail is where the trailer is, and the last block ends.
func (s *snapfile) tail() int64 { return s.size - trailerSize }

// A unit is what is checked at once: the header, a block, or the trailer.

// unitStart returns where the unit that byte off belongs to begins.
func (s *snapfile) unitStart(off int64) int64 {
	head := int64(len(s.header))
	switch {
	case off < head:
		return 0
	case off >= s.tail():
		return s.tail()
	}
	return head + (off-head)/blockSize*blockSize
}

// unitEnd returns where the unit that byte off belongs to ends.
func (s *snapfile) unitEnd(off int64) int64 {
	head := int64(len(s.header))
	switch {
	case off < head:
		return head
	case off >= s.tail():
		return s.size
	}
	return min(head+((off-head)/blockSize+1)*blockSize, s.tail())
}

// read reads the units from byte from up to byte to into b, which is as long,
// and checks them.
func (s *snapfile) read(f File, b []byte, from, to int64) error {
	if n, err := f.ReadAt(b, from); err != nil && (!errors.Is(err, io.EOF) || n < len(b)) {
		if errors.Is(err, io.EOF) {
			return &DamageError{File: s.path, Offset: from + int64(n), Reason: fmt.Sprintf("the file ends here, it had %d bytes before", s.size)}
		}
		return fmt.Errorf("read snapshot %s: %w", s.path, err)
	}
	for off := from; off < to; {
		end := s.unitEnd(off)
		unit := b[off-from : end-from]
		ok := false
		switch head := int64(len(s.header)); {
		case off < head:
			ok = string(unit) == string(s.header)
		case off >= s.tail():
			ok = string(unit) == string(s.trailer[:])
		default:
			data := len(unit) - 4
			ok = data > 0 && binary.LittleEndian.Uint32(unit[data:]) == blockSum(unit[:data], s.seed, (off-head)/blockSize)
		}
		if !ok {
			return &DamageError{File: s.path, Offset: off, Reason: "the checksum of a part of the snapshot is wrong"}
		}
		off = end
	}
	return nil
}

// chunk returns the file's bytes from off on, at most maxBytes of them, and
// whether they are its last. Each call reads and checks what it returns and no
// more, as long as one goes on where the one before ended.
func (s *snapfile) chunk(f File, off int64, maxBytes int) ([]byte, bool, error) {
	if off < 0 || off > s.size {
		return nil, false, fmt.Errorf("read snapshot %s: offset %d of %d bytes", s.path, off, s.size)
	}
	if off == s.size {
		return nil, true, nil
	}
	end := min(off+int64(max(maxBytes, 1)), s.size)
	// A block that is not returned whole is read twice. Leave it to the next chunk.
	if start := s.unitStart(end); end < s.size && start > off {
		end = start
	}
	from, to := s.unitStart(off), s.unitEnd(end-1)
	b := make([]byte, to-from)
	if err := s.read(f, b, from, to); err != nil {
		return nil, false, err
	}
	return b[off-from : end-from : end-from], end == s.size, nil
}

// verify reads all blocks.
func (s *snapfile) verify(f File) error {
	_, err := io.Copy(io.Discard, &snapshotReader{snapfile: s, file: f, next: int64(len(s.header))})
	return err
}

// snapshotReader reads the data of a snapshot, and checks it.
type snapshotReader struct {
	*snapfile
	file File
	next int64  // where the blocks that are read next begin
	buf  []byte // blocks that were read
	left []byte // the part of buf that is to be handed out
	rest []byte // the blocks behind that
	seen uint32 // checksum of the checksums so far
}

// block goes on to the next block. At the end of all it returns io.EOF.
func (r *snapshotReader) block() error {
	if len(r.rest) == 0 {
		n := min(snapshotStep, r.tail()-r.next)
		if n == 0 {
			if r.seen != r.sums {
				return &DamageError{File: r.path, Offset: r.tail(), Reason: "the checksum of all of the snapshot is wrong"}
			}
			return io.EOF
		}
		if r.buf == nil {
			r.buf = make([]byte, n)
		}
		if err := r.read(r.file, r.buf[:n], r.next, r.next+n); err != nil {
			return err
		}
		r.next += n
		r.rest = r.buf[:n]
	}
	b := r.rest[:min(blockSize, len(r.rest))]
	r.rest = r.rest[len(b):]
	data := len(b) - 4
	r.left, r.seen = b[:data], addSum(r.seen, b[data:])
	return nil
}

func (r *snapshotReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.left) == 0 {
		if err := r.block(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// WriteTo spares io.Copy a buffer.
func (r *snapshotReader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		if len(r.left) > 0 {
			n, err := w.Write(r.left)
			total += int64(n)
			r.left = r.left[n:]
			if err != nil {
				return total, err
			}
		}
		if err := r.block(); err != nil {
			if err == io.EOF {
				err = nil
			}
			return total, err
		}
	}
}

// blockWriter makes a snapshot's file.
type blockWriter struct {
	file     File
	off      int64  // of buf in the file
	buf      []byte // not written yet
	block    int    // where in buf the block begins that takes data
	number   int64  // of that block
	data     int64  // bytes of data so far
	sums     uint32 // checksum of the checksums so far
	seed     uint32
	unsynced int64 // bytes written since the last sync
}

func newBlockWriter(f File, meta *raft.SnapshotMeta) *blockWriter {
	w := &blockWriter{file: f, buf: make([]byte, 0, snapshotStep+blockSize+configMax)}
	w.buf = appendSnapshotHeader(w.buf, meta)
	w.seed, w.block = headerSeed(w.buf), len(w.buf)
	return w
}

func (w *blockWriter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		k := min(blockData-(len(w.buf)-w.block), len(p)-n)
		w.buf = append(w.buf, p[n:n+k]...)
		n += k
		w.data += int64(k)
		if len(w.buf)-w.block < blockData {
			break
		}
		w.endBlock()
		if len(w.buf) >= snapshotStep {
			if err := w.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (w *blockWriter) endBlock() {
	w.buf = binary.LittleEndian.AppendUint32(w.buf, blockSum(w.buf[w.block:], w.seed, w.number))
	w.sums = addSum(w.sums, w.buf[len(w.buf)-4:])
	w.block = len(w.buf)
	w.number++
}

// flush writes what waits. So that a sync of the log does not have to wait for
// much of the snapshot, it syncs now and then.
func (w *blockWriter) flush() error {
	if _, err := w.file.WriteAt(w.buf, w.off); err != nil {
		return err
	}
	w.off += int64(len(w.buf))
	w.unsynced += int64(len(w.buf))
	w.buf, w.block = w.buf[:0], 0
	if w.unsynced < syncStep {
		return nil
	}
	w.unsynced = 0
	return w.file.Sync()
}

// finish writes what is left and the end, and syncs. It returns the file's size.
func (w *blockWriter) finish() (int64, error) {
	if len(w.buf) > w.block {
		w.endBlock()
	}
	w.buf = appendSnapshotTrailer(w.buf, w.data, w.sums, w.seed)
	w.unsynced = syncStep
	err := w.flush()
	return w.off, err
}
