package node

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/raftlab/raftlab/node/wire"
)

// helloTimeout is how long, in real time, whoever dials may take to say hello.
const helloTimeout = 5 * time.Second

// port is a listener whose connections end with it.
type port struct {
	name   string // for the log
	ln     net.Listener
	log    *slog.Logger
	handle func(ctx context.Context, conn net.Conn) error
}

// serve takes connections until ctx is done and returns when all have ended.
// An error of one connection ends that one.
func (p *port) serve(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { p.ln.Close() })()
	var conns sync.WaitGroup
	defer conns.Wait()
	for pause := time.Millisecond; ; {
		conn, err := p.ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			// Out of descriptors, most often: what is open goes on, and more
			// may come when some of it has ended.
			p.log.Warn("a connection cannot be taken", "port", p.name, "error", err)
			if !sleep(ctx, pause) {
				return nil
			}
			pause = min(2*pause, time.Second)
			continue
		}
		pause = time.Millisecond
		conns.Go(func() {
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			defer conn.Close()
			if err := p.handle(ctx, conn); err != nil && ctx.Err() == nil {
				p.log.Info("a connection ended", "port", p.name, "remote", conn.RemoteAddr().String(), "error", err)
			}
		})
	}
}

// sleep waits in real time. It reports false when ctx was done first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// readHello reads the hello of a connection that is for role.
func readHello(conn net.Conn, r *wire.Reader, role wire.Role) (wire.Header, wire.Hello, error) {
	if err := conn.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return wire.Header{}, wire.Hello{}, err
	}
	frame, err := r.Next()
	if err != nil {
		return wire.Header{}, wire.Hello{}, fmt.Errorf("read the hello: %w", err)
	}
	h, hello, err := wire.DecodeHello(frame)
	if err != nil {
		return h, hello, err
	}
	if hello.Role != role {
		return h, hello, fmt.Errorf("a hello for role %d on a port for role %d", hello.Role, role)
	}
	return h, hello, conn.SetReadDeadline(time.Time{})
}

// sameToken compares in constant time.
func sameToken(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
