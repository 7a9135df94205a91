package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/wire"
)

const (
	dialTimeout = 5 * time.Second
	// farewell is how long a node that ends tries to tell the lab its last word.
	farewell = 300 * time.Millisecond
	// labBuffer holds what a lab says at once: a clock, an order, an address book.
	labBuffer = 4 << 10
)

// labConn is the conversation with the lab.
type labConn struct {
	addr   string
	conn   *net.TCPConn
	raw    syscall.RawConn
	reader *wire.Reader

	mu      sync.Mutex // held by whoever writes
	buf     []byte     // kept for its memory
	rest    []byte     // encoded, and not taken by the kernel in a direct write
	direct  directWrite
	reports uint64 // told
}

// dialLab connects to the lab and says hello.
func dialLab(ctx context.Context, o *Options) (*labConn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", o.LabAddr)
	if err != nil {
		return nil, &LabError{Addr: o.LabAddr, Op: "reach", Err: err}
	}
	l := &labConn{addr: o.LabAddr, conn: conn.(*net.TCPConn), reader: wire.NewReader(conn, labBuffer)}
	l.direct.init()
	if l.raw, err = l.conn.SyscallConn(); err != nil {
		conn.Close()
		return nil, l.error("reach", err)
	}
	hello := wire.AppendHello(nil, wire.Header{From: o.ID}, wire.Hello{Version: wire.Version, Role: wire.RoleControl, Token: o.Token})
	if _, err := conn.Write(hello); err != nil {
		conn.Close()
		return nil, l.error("reach", err)
	}
	return l, nil
}

func (l *labConn) error(op string, err error) error {
	if errors.Is(err, io.EOF) {
		err = errors.New("it closed the connection")
	}
	return &LabError{Addr: l.addr, Op: op, Err: err}
}

// send writes one frame.
func (l *labConn) send(kind wire.Kind, id uint64, body any) error {
	buf, err := wire.AppendControl(nil, kind, id, body)
	if err != nil {
		return l.error("tell", err)
	}
	if _, err := l.conn.Write(buf); err != nil {
		return l.error("tell", err)
	}
	return nil
}

// configuration waits for what the lab answers to a node that has registered.
func (l *labConn) configuration(ctx context.Context) (wire.Configure, error) {
	defer context.AfterFunc(ctx, l.expire)()
	var c wire.Configure
	frame, err := l.reader.Next()
	if err != nil {
		return c, l.error("register with", err)
	}
	if _, err := wire.DecodeControl(frame, &c); err != nil {
		return c, l.error("register with", err)
	}
	return c, nil
}

// refuse says why the node cannot serve, and ends the conversation.
func (l *labConn) refuse(reason error) error {
	if err := l.conn.SetDeadline(time.Now().Add(farewell)); err != nil {
		return l.error("tell", err)
	}
	l.reports++
	if err := l.send(wire.KindReport, l.reports, *farewellOf(reason)); err != nil {
		return err
	}
	return l.hangUp()
}

// hangUp ends the conversation so that the lab reads all of it: closing with
// something unread would take back what is still under way to the lab.
func (l *labConn) hangUp() error {
	if err := l.conn.CloseWrite(); err != nil {
		return l.error("tell", err)
	}
	if _, err := io.Copy(io.Discard, l.conn); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return l.error("tell", err)
	}
	return nil
}

// listen takes what the lab says until the connection ends, which ends the
// node: it returns an error unless ctx is done.
func (l *labConn) listen(ctx context.Context, r *replica) error {
	for {
		frame, err := l.reader.Next()
		if err == nil {
			err = r.hear(frame)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return l.error("hear", err)
		}
	}
}

// hear takes one frame of the lab.
func (r *replica) hear(frame []byte) error {
	h, err := wire.PeekHeader(frame)
	if err != nil {
		return err
	}
	switch h.Kind {
	case wire.KindClock:
		var s clock.Setting
		if _, err := wire.DecodeControl(frame, &s); err != nil {
			return err
		}
		r.clock.Set(s)
		r.inbox.poke()
	case wire.KindOrder:
		o := order{id: h.ID}
		if _, err := wire.DecodeControl(frame, &o.Order); err != nil {
			return err
		}
		r.inbox.putOrder(o)
	case wire.KindConfigure:
		var c wire.Configure
		if _, err := wire.DecodeControl(frame, &c); err != nil {
			return err
		}
		r.inbox.putPeers(c.Peers)
	default:
		return fmt.Errorf("a %v frame, which a lab does not send", h.Kind)
	}
	return nil
}

// report tells the lab what t gathers until ctx is done, and then what is
// left, in the time of a farewell.
func (l *labConn) report(ctx context.Context, t *telemetry) error {
	for {
		if err := l.tell(t); err != nil {
			if ctx.Err() != nil {
				return nil // it is not listening any more
			}
			return err
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
			return l.tell(t)
		}
	}
}

// tell sends all that t has, however long the lab takes to read it.
func (l *labConn) tell(t *telemetry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		buf := l.rest
		l.rest = nil
		if len(buf) == 0 {
			var err error
			if buf, err = l.encode(t); err != nil || len(buf) == 0 {
				return err
			}
		}
		if _, err := l.conn.Write(buf); err != nil {
			return l.error("tell", err)
		}
	}
}

// tellNow sends what t has as far as that needs no waiting, and leaves the
// rest to the goroutine in report. The loop calls it: with a lab that keeps up
// a report costs one system call and wakes nobody else in this process.
func (l *labConn) tellNow(t *telemetry) {
	if !l.mu.TryLock() {
		t.poke() // report is at it, and looks again
		return
	}
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		t.poke()
		return
	}
	buf, err := l.encode(t)
	if err != nil {
		t.end(err)
		return
	}
	if n := l.direct.write(l.raw, buf); n < len(buf) {
		l.rest = append([]byte(nil), buf[n:]...)
		t.poke()
	}
}

// encode takes what t has, up to what one write is good for. The bytes are
// valid until the next call.
func (l *labConn) encode(t *telemetry) ([]byte, error) {
	buf := reuse(l.buf)
	for len(buf) < keepBuffer {
		report, outcome := t.take()
		var err error
		switch {
		case report != nil:
			l.reports++
			buf, err = wire.AppendControl(buf, wire.KindReport, l.reports, report)
		case outcome != nil:
			buf, err = appendOutcome(buf, outcome)
		default:
			l.buf = buf
			return buf, nil
		}
		if err != nil {
			return nil, l.error("tell", err)
		}
	}
	l.buf = buf
	return buf, nil
}

// appendOutcome encodes an outcome, or that it fits no frame.
func appendOutcome(buf []byte, o *outcome) ([]byte, error) {
	b, err := wire.AppendControl(buf, wire.KindOutcome, o.id, &o.Outcome)
	var long *wire.FrameError
	var many *wire.EncodeError
	if errors.As(err, &long) || errors.As(err, &many) {
		return wire.AppendControl(buf, wire.KindOutcome, o.id, wire.Outcome{Error: "the answer fits no frame: " + err.Error()})
	}
	return b, err
}
