package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Reader cuts a stream into frames. One read from below brings in as many
// frames as have arrived, up to its buffer.
type Reader struct {
	r    io.Reader
	buf  []byte // what was read and not yet returned is buf[head:tail]
	head int
	tail int
	err  error // of r, returned once what came before it is used up
}

// minBuffer has room for a few small frames.
const minBuffer = 512

// NewReader returns a Reader with a buffer of size bytes. A longer frame gets
// memory of its own, which is let go with it.
func NewReader(r io.Reader, size int) *Reader {
	return &Reader{r: r, buf: make([]byte, max(size, minBuffer))}
}

// Next returns the next frame without its length bytes, valid until the next
// call. The end of the stream between two frames is io.EOF, inside one an
// error that wraps io.ErrUnexpectedEOF; a length over MaxFrame is a
// *[FrameError], before anything is made ready for it. After an error the stream is done for.
func (r *Reader) Next() ([]byte, error) {
	for {
		length, ok := r.peekLength()
		if ok {
			if length > MaxFrame {
				return nil, &FrameError{Length: uint64(length), Limit: MaxFrame}
			}
			end := r.head + 4 + int(length)
			if end <= r.tail {
				frame := r.buf[r.head+4 : end : end]
				r.head = end
				return frame, nil
			}
			if 4+int(length) > len(r.buf) {
				return r.long(int(length))
			}
		}
		if !r.fill() {
			return nil, r.ended(r.tail - r.head)
		}
	}
}

// Buffered tells whether Next returns without reading from below.
func (r *Reader) Buffered() bool {
	length, ok := r.peekLength()
	return ok && (length > MaxFrame || r.tail-r.head-4 >= int(length))
}

func (r *Reader) peekLength() (uint32, bool) {
	if r.tail-r.head < 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(r.buf[r.head:]), true
}

// fill reads once, behind what is there, and tells whether that brought anything.
func (r *Reader) fill() bool {
	if r.err != nil {
		return false
	}
	// What is left is a part of one frame.
	r.tail = copy(r.buf, r.buf[r.head:r.tail])
	r.head = 0
	var n int
	n, r.err = read(r.r, r.buf[r.tail:])
	r.tail += n
	return n > 0
}

// long reads a frame that does not fit the buffer. Its memory grows with the
// bytes that really come, so a length alone costs nothing.
func (r *Reader) long(length int) ([]byte, error) {
	frame := make([]byte, 0, min(length, 2*len(r.buf)))
	frame = append(frame, r.buf[r.head+4:r.tail]...)
	r.head, r.tail = 0, 0
	for len(frame) < length {
		if len(frame) == cap(frame) {
			grown := make([]byte, len(frame), min(length, 2*cap(frame)))
			copy(grown, frame)
			frame = grown
		}
		if r.err != nil {
			return nil, r.ended(4 + len(frame))
		}
		var n int
		n, r.err = read(r.r, frame[len(frame):cap(frame)])
		frame = frame[:len(frame)+n]
	}
	return frame, nil
}

// ended is what Next returns from now on: the stream's error, with this many
// bytes of an unfinished frame before it.
func (r *Reader) ended(have int) error {
	if r.err == io.EOF && have > 0 {
		r.err = fmt.Errorf("the connection ended %d bytes into a frame: %w", have, io.ErrUnexpectedEOF)
	}
	return r.err
}

// read reads at least a byte or returns an error.
func read(r io.Reader, p []byte) (int, error) {
	for range 100 {
		n, err := r.Read(p)
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}
