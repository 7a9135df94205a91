package proxy

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/raftlab/raftlab/node/wire"
)

const (
	// helloTimeoutDefault is how long a new connection may take to say hello.
	helloTimeoutDefault = 3 * time.Second
	// helloMax bounds a hello: it is a few numbers and a token.
	helloMax = 1 << 10
	// pendingSpare is how many connections may be silent beside one for each link.
	pendingSpare = 64
	// acceptPause is waited when the system has no connection to give.
	acceptPause = 50 * time.Millisecond
)

// accept takes connections until the port is closed.
func (p *Proxy) accept() error {
	failing := false
	for opened := uint64(1); ; {
		conn, err := p.listener.Accept()
		switch {
		case err == nil:
			failing = false
		case errors.Is(err, net.ErrClosed):
			return nil
		default:
			// Out of file descriptors, most likely. What is connected goes on.
			if !failing {
				p.logger.Error("no new connections to the network for now", "reason", err)
			}
			failing = true
			select {
			case <-time.After(acceptPause):
				continue
			case <-p.ctx.Done():
				return nil
			}
		}
		in, err := newInbound(conn, opened)
		if err != nil {
			return err
		}
		opened++
		p.conns.Add(1)
		go p.greet(in)
	}
}

// greet waits for the hello of a new connection and then serves its link.
func (p *Proxy) greet(in *inbound) {
	defer p.conns.Done()
	defer in.chunk.release()
	remote := in.conn.RemoteAddr()
	p.waiting.add(in)
	l, err := p.hello(in)
	p.waiting.remove(in)
	if err != nil {
		in.close(err)
		if !errors.Is(err, net.ErrClosed) { // the proxy's own end
			p.logger.Warn("connection refused", "remote", remote, "reason", err)
		}
		return
	}
	err = l.serve(in)
	in.close(err)
	switch {
	case err == io.EOF, errors.Is(err, net.ErrClosed), errors.Is(err, errReplaced), errors.Is(err, errNodeGone), errors.Is(err, errReset):
		p.logger.Debug("link from node ended", "node", l.from, "peer", l.to, "reason", err)
	default:
		p.logger.Warn("link from node ended", "node", l.from, "peer", l.to, "remote", remote, "reason", err)
	}
}

// hello reads the first frame and returns the link it opens.
func (p *Proxy) hello(in *inbound) (*lane, error) {
	if err := in.conn.SetReadDeadline(time.Now().Add(p.helloTimeout)); err != nil {
		return nil, in.reason(err)
	}
	var raw []byte
	for raw == nil {
		err := in.fill()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, fmt.Errorf("no hello within %v", p.helloTimeout)
		case err == io.EOF:
			return nil, errors.New("ended without a hello")
		case err != nil:
			return nil, err
		}
		if in.chunk.len() >= 4 {
			if length := binary.BigEndian.Uint32(in.chunk.buf[in.chunk.start:]); length > helloMax {
				return nil, fmt.Errorf("no hello: %w", &wire.FrameError{Length: uint64(length), Limit: helloMax})
			}
		}
		if raw, err = in.chunk.next(); err != nil {
			return nil, err
		}
	}
	h, hello, err := wire.DecodeHello(raw[4:])
	if err != nil {
		return nil, fmt.Errorf("hello: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(hello.Token), []byte(p.token)) != 1 {
		return nil, errors.New("hello with another token than this lab's")
	}
	if hello.Role != wire.RoleRaft {
		return nil, fmt.Errorf("hello for role %d: this port carries Raft links only", hello.Role)
	}
	l, err := p.lane(h.From, h.To)
	if err != nil {
		return nil, fmt.Errorf("hello: %w", err)
	}
	if err := in.conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, in.reason(err)
	}
	return l, nil
}

var errTooManySilent = errors.New("too many connections without a hello: the oldest goes")

// pending are the connections that have not said hello yet.
type pending struct {
	mu     sync.Mutex
	limit  int
	list   []*inbound // oldest first
	closed bool
}

// add remembers in, at the cost of the oldest when there are too many: who
// means well says hello at once.
func (w *pending) add(in *inbound) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, in)
	switch {
	case w.closed:
		in.close(net.ErrClosed)
	case len(w.list) > w.limit:
		w.list[0].close(errTooManySilent)
		w.list = append(w.list[:0], w.list[1:]...)
	}
}

// setLimit follows the number of links.
func (w *pending) setLimit(limit int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = limit
}

func (w *pending) remove(in *inbound) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, have := range w.list {
		if have == in {
			w.list = append(w.list[:i], w.list[i+1:]...)
			return
		}
	}
}

func (w *pending) closeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, in := range w.list {
		in.close(net.ErrClosed)
	}
}
