package proxy

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/raftlab/raftlab/node/wire"
)

// dialTimeout bounds how long a node may take to accept a connection.
const dialTimeout = time.Second

// outbound is the connection of a link to its receiver.
type outbound struct {
	conn net.Conn
}

// close ends the connection. What was written has left this process; nobody
// can do anything about an error.
func (o *outbound) close() { _ = o.conn.Close() }

var (
	errDeadNode = errors.New("the node is dead")
	errBarred   = errors.New("what was to be handed over may not arrive any more")
)

// dialError is why a connection to a node did not come about.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

func isDialError(err error) bool {
	var d *dialError
	return errors.As(err, &d)
}

// write hands raw to the receiver over out, or over a new connection when out
// is nil, and returns how many bytes it took. Only who set busy may call it,
// without mu.
func (l *lane) write(out *outbound, raw []byte) (int, error) {
	if out == nil {
		var err error
		if out, err = l.dial(); err != nil {
			return 0, &dialError{err}
		}
	}
	n, err := out.conn.Write(raw)
	if err != nil {
		l.forget(out)
	}
	return n, err
}

// dial connects to the receiver and says hello.
func (l *lane) dial() (*outbound, error) {
	l.mu.Lock()
	addr := l.addr
	l.mu.Unlock()
	if addr == "" {
		return nil, errDeadNode
	}
	dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: -1} // why: see Listen
	conn, err := dialer.DialContext(l.proxy.ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	hello := wire.AppendHello(nil, wire.Header{From: l.from, To: l.to},
		wire.Hello{Version: wire.Version, Role: wire.RoleRaft, Token: l.proxy.token})
	if _, err := conn.Write(hello); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("say hello to node %d: %w", l.to, err)
	}

	out := &outbound{conn: conn}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.addr != addr || l.closed:
		// It died, or came back elsewhere, meanwhile.
		out.close()
		return nil, errDeadNode
	case l.barred != "":
		out.close()
		return nil, errBarred
	}
	l.out = out
	l.proxy.conns.Add(1)
	go l.watch(out)
	return out, nil
}

// watch notices when the receiver ends a connection, so that the next frame
// does not go down a dead one. Nothing else ever comes back on a link: answers
// travel on the link the other way.
func (l *lane) watch(out *outbound) {
	defer l.proxy.conns.Done()
	var buf [1]byte
	n, _ := out.conn.Read(buf[:])
	if n > 0 {
		l.proxy.logger.Warn("link to node ended", "node", l.from, "peer", l.to,
			"reason", "the node sends where it should only receive")
	}
	l.forget(out)
}

// forget closes out and makes sure that it is not used again.
func (l *lane) forget(out *outbound) {
	l.mu.Lock()
	if l.out == out {
		l.out = nil
	}
	l.mu.Unlock()
	out.close()
}
