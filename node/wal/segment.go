package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/raftlab/raftlab/raft"
)

const (
	version       = 2
	segmentMagic  = "raftwal\n"
	segmentHeader = 64

	segmentSuffix = ".wal"
	newSuffix     = ".new" // of a segment that is being made

	// Segments start small, so that a fresh node costs next to nothing, and grow
	// to where making the next one is rare.
	segmentSizeMin = 256 << 10
	segmentSizeMax = 16 << 20

	// segmentLimit is how far a segment grows at most when the next one cannot be
	// made. An offset in it, a group further, must fit 32 bits.
	segmentLimit = 1 << 30

	// zeroStep is how much of a new segment is written between syncs: no more
	// than this stands in the disk's queue before a sync of the log.
	zeroStep = 256 << 10
)

var zeros [zeroStep]byte

// segment is one file of the log.
type segment struct {
	number uint32
	path   string
	salt   uint64
	seed   uint32 // of its frames' header checksums, made from the salt
	size   int64  // of the file
	final  int64  // what is before this offset does not change any more

	opened  bool       // its first frame is durable, and says the following
	restart bool       // the log started anew with it
	base    raft.Index // where the log ended before
	lowest  raft.Index // the lowest index of its entries; 0 when it has none
}

// wrote notes that entries from first on are in the segment.
func (s *segment) wrote(first raft.Index) {
	if s.lowest == 0 || first < s.lowest {
		s.lowest = first
	}
}

func segmentPath(dir string, number uint32) string {
	return filepath.Join(dir, fmt.Sprintf("%08d%s", number, segmentSuffix))
}

// listSegments returns the numbers of the segments in dir, ascending, and the
// paths of those that were not finished. No directory has no segments.
func listSegments(dir string) (numbers []uint32, unfinished []string, err error) {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), segmentSuffix+newSuffix) {
			unfinished = append(unfinished, filepath.Join(dir, f.Name()))
			continue
		}
		base, ok := strings.CutSuffix(f.Name(), segmentSuffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(base, 10, 32)
		if err != nil || n == 0 || filepath.Base(segmentPath(dir, uint32(n))) != f.Name() {
			continue
		}
		numbers = append(numbers, uint32(n))
	}
	slices.Sort(numbers)
	for i := range numbers {
		if want := numbers[0] + uint32(i); numbers[i] != want {
			return nil, nil, &DamageError{File: segmentPath(dir, want), Reason: "the file is missing, and segments before and after it are there"}
		}
	}
	return numbers, unfinished, nil
}

// createSegment makes a segment of size bytes, all zeros behind its header, and
// returns when it is durable. It gives up with errStopped when stop is closed.
func createSegment(dir string, number uint32, size int64, opts *Options, stop <-chan struct{}) (segment, error) {
	s := segment{number: number, path: segmentPath(dir, number), size: max(size, segmentHeader)}
	var head [segmentHeader]byte
	le := binary.LittleEndian
	copy(head[:], segmentMagic)
	le.PutUint32(head[8:], version)
	le.PutUint32(head[12:], sum(head[:12]))
	le.PutUint64(head[16:], uint64(number))
	rand.Read(head[24:32])
	le.PutUint32(head[56:], sum(head[16:56]))
	s.salted(head[24:32])

	fresh := s.path + newSuffix
	err := func() error {
		f, err := opts.OpenFile(fresh, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
		if err != nil {
			return err
		}
		err = fillSegment(f, head[:], s.size, stop)
		return errors.Join(err, f.Close())
	}()
	if err == nil {
		err = opts.names.rename(fresh, s.path)
	}
	if err != nil {
		opts.names.remove(fresh) // it has nothing in it; Open removes it if this does not
		return segment{}, fmt.Errorf("make log segment %s: %w", s.path, err)
	}
	if err := opts.names.syncDir(dir); err != nil {
		return segment{}, fmt.Errorf("make log segment %s: %w", s.path, err)
	}
	return s, nil
}

var errStopped = errors.New("stopped")

// fillSegment writes header and zeros. Zeros are written rather than allocated:
// on ext4 a sync of the first write into allocated space takes half as long again
// (260 against 175 µs), because it has to record that the space is in use.
func fillSegment(f File, head []byte, size int64, stop <-chan struct{}) error {
	if _, err := f.WriteAt(head, 0); err != nil {
		return err
	}
	for off := int64(len(head)); off < size; {
		n := min(zeroStep-off%zeroStep, size-off)
		if _, err := f.WriteAt(zeros[:n], off); err != nil {
			return err
		}
		off += n
		if off == size {
			break
		}
		if err := f.Sync(); err != nil {
			return err
		}
		select {
		case <-stop:
			return errStopped
		default:
		}
	}
	return f.Sync()
}

// loadSegment reads the header of segment number, a file of size bytes.
func loadSegment(path string, number uint32, f File, size int64) (segment, error) {
	s := segment{number: number, path: path, size: size}
	damaged := func(off int64, reason string) (segment, error) {
		return segment{}, &DamageError{File: s.path, Offset: off, Reason: reason}
	}
	if size < segmentHeader {
		return damaged(0, fmt.Sprintf("the file has %d bytes, its header alone %d", size, segmentHeader))
	}
	if size > math.MaxUint32 {
		return damaged(0, fmt.Sprintf("the file has %d bytes, more than a segment can", size))
	}
	var head [segmentHeader]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return segment{}, fmt.Errorf("read log %s: %w", s.path, err)
	}
	le := binary.LittleEndian
	if string(head[:8]) != segmentMagic || le.Uint32(head[12:]) != sum(head[:12]) {
		return damaged(0, "the file does not start as a log segment does")
	}
	if v := le.Uint32(head[8:]); v != version {
		return segment{}, &VersionError{File: s.path, Version: v, Reads: version}
	}
	if le.Uint32(head[56:]) != sum(head[16:56]) || le.Uint32(head[60:]) != 0 {
		return damaged(16, "the segment header's checksum is wrong")
	}
	if n := le.Uint64(head[16:]); n != uint64(number) {
		return damaged(16, fmt.Sprintf("the segment is number %d by its header", n))
	}
	s.salted(head[24:32])
	return s, nil
}

// salted takes in the salt of the header.
func (s *segment) salted(salt []byte) {
	s.salt, s.seed = binary.LittleEndian.Uint64(salt), sum(salt)
}
