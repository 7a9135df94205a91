package proxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/raftlab/raftlab/node/wire"
)

// Why a sender's connection is closed from this side.
var (
	errNodeGone = errors.New("the node's process is dead")
	errReplaced = errors.New("the node opened the link anew")
)

// inbound is a connection that somebody opened to the proxy: a link's, once it
// has said hello.
type inbound struct {
	conn   net.Conn
	opened uint64 // counts all connections, in the order they were opened
	chunk
	n int // what the last read brought, 0 at the connection's end
	receiver

	gone chan struct{} // closed when the proxy closes conn
	once sync.Once
	why  error // why it was closed from this side
}

func newInbound(conn net.Conn, opened uint64) (*inbound, error) {
	in := &inbound{conn: conn, opened: opened, gone: make(chan struct{})}
	return in, in.prepare()
}

// close ends the connection and says why. Only the first reason counts.
func (in *inbound) close(why error) {
	in.once.Do(func() {
		in.why = why
		close(in.gone)
		// The reader learns of it; nobody else can do anything about an error.
		_ = in.conn.Close()
	})
}

// fill reads once, as much as has come and fits.
func (in *inbound) fill() error {
	if err := in.receive(); err != nil {
		return in.reason(err)
	}
	if in.n == 0 {
		if rest := in.chunk.len(); rest > 0 {
			return fmt.Errorf("the connection ended %d bytes into a frame: %w", rest, io.ErrUnexpectedEOF)
		}
		return io.EOF
	}
	in.chunk.end += in.n
	return nil
}

// reason is why reading ended: what this side closed it for, if it did.
func (in *inbound) reason(err error) error {
	select {
	case <-in.gone:
		return in.why
	default:
		return err
	}
}

// take makes in the link's connection in place of the one it had, which is
// returned to be closed. Of two the one that was opened later counts, whichever
// said hello first.
func (l *lane) take(in *inbound) (old *inbound, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, net.ErrClosed
	case in.opened < l.opened:
		return nil, errReplaced
	}
	old = l.in
	l.in, l.opened = in, in.opened
	return old, nil
}

// leave undoes take.
func (l *lane) leave(in *inbound) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.in == in {
		l.in = nil
	}
}

// disconnect closes the sender's connection.
func (l *lane) disconnect(why error) {
	l.mu.Lock()
	in := l.in
	l.mu.Unlock()
	if in != nil {
		in.close(why)
	}
}

// serve carries the frames of one connection until it ends, and says why it did.
func (l *lane) serve(in *inbound) error {
	old, err := l.take(in)
	if err != nil {
		return err
	}
	defer l.leave(in)
	if old != nil {
		old.close(errReplaced)
	}
	if err := l.await(in); err != nil {
		return err
	}
	defer func() { <-l.turn }()
	// What came with the hello waits as well: else who dials again and again
	// could fill a link that is full.
	if err := l.awaitRoom(in); err != nil {
		return err
	}
	for {
		if err := l.pass(in); err != nil {
			return err
		}
		if err := l.awaitRoom(in); err != nil {
			return err
		}
		if err := in.fill(); err != nil {
			return err
		}
	}
}

// awaitRoom waits while more than the backlog waits on the link.
func (l *lane) awaitRoom(in *inbound) error {
	for l.overfull() {
		select {
		case <-l.room:
		case <-in.gone:
			return in.why
		}
	}
	return nil
}

// await takes the turn to read for the link, once the connection before in,
// which may still hand on its last frames, gives it back.
func (l *lane) await(in *inbound) error {
	select {
	case l.turn <- struct{}{}:
	case <-in.gone:
		return in.why
	}
	// The turn may be free because the one that replaced in has come and gone
	// already; and that in is replaced says l.in, not in.gone: of two cases that
	// are ready select takes either, and who replaced it may not have come to
	// closing it. What in has read must not follow what its successor brought.
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.in != in {
		<-l.turn
		return errReplaced
	}
	return nil
}

// pass admits all whole frames that were read. A frame that has no business
// here is an error, after those before it were admitted.
func (l *lane) pass(in *inbound) error {
	if in.chunk.len() == 0 {
		return nil
	}
	batch := takeFrames()
	defer batch.release()
	batch.list = batch.list[:0]
	start := in.chunk.start
	var bad error
	for {
		raw, err := in.chunk.next()
		if err != nil || raw == nil {
			bad = err
			break
		}
		h, s, err := wire.Peek(raw[4:])
		if err != nil {
			bad = err
			break
		}
		if h.From != l.from || h.To != l.to {
			bad = fmt.Errorf("a frame from node %d to node %d", h.From, h.To)
			break
		}
		batch.list = append(batch.list, Frame{
			From: l.from, To: l.to, Kind: h.Kind, Term: h.Term, Bytes: len(raw), Summary: s,
		})
	}
	if len(batch.list) > 0 {
		l.admit(batch.list, in.chunk.buf[start:in.chunk.start])
	}
	return bad
}

// chunk is what was read of a connection and not used yet: buf[start:end]. An
// empty one may have no buffer.
type chunk struct {
	buf        []byte
	start, end int
	pooled     *[chunkSize]byte // buf's memory, when it goes back to the pool
}

// chunkSize is how much one read can bring. It is held only by links that are
// reading.
const chunkSize = 256 << 10

var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

func (c *chunk) len() int { return c.end - c.start }

// next returns the next whole frame with its length bytes, nil when there is none.
func (c *chunk) next() ([]byte, error) {
	if c.len() < 4 {
		return nil, nil
	}
	length := binary.BigEndian.Uint32(c.buf[c.start:])
	if length > wire.MaxFrame {
		return nil, &wire.FrameError{Length: uint64(length), Limit: wire.MaxFrame}
	}
	size := 4 + int(length)
	if c.len() < size {
		return nil, nil
	}
	raw := c.buf[c.start : c.start+size]
	c.start += size
	return raw, nil
}

// free returns where the next read may go. There is always room: what is left
// of a frame moves to the front, and a frame that is larger than the buffer
// gets a larger one, which grows with what really came.
func (c *chunk) free() []byte {
	switch {
	case c.buf == nil:
		c.pooled = chunks.Get().(*[chunkSize]byte)
		c.buf = c.pooled[:]
		c.start, c.end = 0, 0
	case c.start == c.end:
		c.start, c.end = 0, 0
	case c.start > 0 && len(c.buf)-c.end < len(c.buf)/4:
		c.end = copy(c.buf, c.buf[c.start:c.end])
		c.start = 0
	case c.end == len(c.buf):
		old, pooled := c.buf, c.pooled
		c.buf = make([]byte, 2*len(old))
		copy(c.buf, old)
		c.pooled = nil
		if pooled != nil {
			chunks.Put(pooled)
		}
	}
	return c.buf[c.end:]
}

// release gives the buffer back, and what is in it up.
func (c *chunk) release() {
	if c.pooled != nil {
		chunks.Put(c.pooled)
	}
	*c = chunk{}
}
