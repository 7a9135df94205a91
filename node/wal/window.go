package wal

import (
	"errors"
	"fmt"
	"io"
)

// window reads a segment through a buffer that slides over it.
type window struct {
	file  File
	path  string
	mask  *mask // of the segment; nil when only raw bytes are asked for
	step  int   // how much to read at least
	buf   []byte
	off   int64 // of buf[0] in the file
	plain []byte
}

// reset makes the window look at f, with nothing read.
func (w *window) reset(f File, path string, m *mask) {
	w.file, w.path, w.mask, w.buf, w.off = f, path, m, w.buf[:0], 0
}

// unmask returns what b, from off on, says. It is valid until the next call.
func (w *window) unmask(b []byte, off int64) []byte {
	if cap(w.plain) < len(b) {
		w.plain = make([]byte, len(b), max(len(b), w.step))
	}
	plain := w.plain[:len(b)]
	w.mask.apply(plain, b, off)
	return plain
}

// keep forgets what was read from end on.
func (w *window) keep(end int64) {
	if n := max(end-w.off, 0); n < int64(len(w.buf)) {
		w.buf = w.buf[:n]
	}
}

// view returns the n bytes at off, or fewer when the file ends before. They
// are valid until the next call. The caller bounds n.
func (w *window) view(off int64, n int) ([]byte, error) {
	if off < w.off || off+int64(n) > w.off+int64(len(w.buf)) {
		size := max(n, w.step)
		if cap(w.buf) < size {
			w.buf = make([]byte, size)
		}
		got, err := w.file.ReadAt(w.buf[:size], off)
		if err != nil && !errors.Is(err, io.EOF) {
			w.buf = w.buf[:0]
			return nil, fmt.Errorf("read log %s: %w", w.path, err)
		}
		w.buf, w.off = w.buf[:got], off
	}
	b := w.buf[off-w.off:]
	return b[:min(n, len(b))], nil
}
