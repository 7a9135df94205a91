package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// rawConn is one connection of a client and the one to the target that it
// goes on by.
//
// What is at its ends reaches the other end by the link, as bytes do: that a
// stream ends, that a connection breaks, and that the target cannot be reached wait
// for a delay and a cut like all else.
type rawConn struct {
	raw    *Raw
	number uint64
	began  time.Time
	dial   context.Context // ends when both connections are to end now
	stop   context.CancelFunc

	once sync.Once
	over chan struct{} // closed when both connections are to end now
	why  error         // set by then

	running sync.WaitGroup // who reads and writes

	mu    sync.Mutex
	ends  [2]*net.TCPConn // by the Way that starts there; the target's is nil before it is dialed
	gone  [2]error        // why that end can neither be read nor written any more
	flows [2]flow         // by Way
}

func newRawConn(r *Raw, number uint64, client *net.TCPConn) *rawConn {
	c := &rawConn{raw: r, number: number, began: time.Now(), over: make(chan struct{})}
	c.dial, c.stop = context.WithCancel(r.ctx)
	c.ends[ToTarget] = client
	for way := range c.flows {
		c.flows[way].init(c, Way(way))
	}
	return c
}

func (c *rawConn) run() {
	r := c.raw
	defer r.conns.Done()
	client := c.ends[ToTarget]
	r.logger.Info("connection opened", "number", c.number, "client", client.RemoteAddr())
	if err := c.flows[ToTarget].readFrom(client); err != nil {
		c.breakUp(err)
	} else {
		c.flows[ToClient].writeTo(client)
		c.running.Go(c.flows[ToTarget].read)
		if c.connect() {
			c.flows[ToClient].read()
		}
		c.running.Wait()
	}
	c.end(nil)
	for i := range c.flows {
		c.flows[i].abandon() // what it never came to
		r.schedule.forget(&c.flows[i].wake)
	}
	attrs := []any{
		"number", c.number, "client", client.RemoteAddr(), "up", c.flows[ToTarget].carried.Load(), "down", c.flows[ToClient].carried.Load(),
		"took", time.Since(c.began).Round(time.Millisecond),
	}
	if c.why != nil && !errors.Is(c.why, net.ErrClosed) {
		attrs = append(attrs, "reason", c.why)
	}
	r.logger.Info("connection ended", attrs...)
}

// connect dials the target, as soon as nothing stops the way to it and back, and
// tells whether there is something to read from it.
func (c *rawConn) connect() bool {
	r := c.raw
	if !r.awaitOpen(c.over) {
		return false
	}
	d := net.Dialer{Timeout: rawDialTimeout}
	conn, err := d.DialContext(c.dial, "tcp", r.target)
	select {
	case <-c.over: // who ended it has not seen this connection
		if err == nil {
			noLinger(conn)
			_ = conn.Close() // nobody has used it
		}
		return false
	default:
	}
	r.reached(err)
	if err != nil {
		c.lost(ToClient, fmt.Errorf("reach the target: %w", err))
		return false
	}
	target := conn.(*net.TCPConn)
	if err := c.flows[ToClient].readFrom(target); err != nil {
		_ = target.Close() // there is an error to tell already
		c.breakUp(err)
		return false
	}
	c.mu.Lock()
	c.ends[ToClient] = target
	c.mu.Unlock()
	select {
	case <-c.over: // as above
		c.closeBoth(true)
		return false
	default:
	}
	c.flows[ToTarget].writeTo(target)
	return true
}

// lost takes note that one of the ends, that where way starts, is gone: what
// is on the way to it has nowhere to go, and the other end is told by the link,
// behind what it is still to get.
func (c *rawConn) lost(way Way, why error) {
	c.mu.Lock()
	if c.gone[way] != nil {
		c.mu.Unlock()
		return
	}
	c.gone[way] = why
	// Of two that are gone nobody is left to be told; nor is the target before
	// it knows of the connection.
	none := c.gone[1-way] != nil || way == ToTarget && c.ends[ToClient] == nil
	c.mu.Unlock()
	if none {
		c.breakUp(why)
		return
	}
	c.flows[1-way].abandon()
	c.flows[way].broken()
}

// lostWhy is why the end where way starts is gone; nil while it is there.
func (c *rawConn) lostWhy(way Way) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone[way]
}

// breakUp resets both connections; the first reason counts.
func (c *rawConn) breakUp(why error) { c.finish(why, true) }

// end closes both connections when all is said.
func (c *rawConn) end(why error) { c.finish(why, false) }

func (c *rawConn) finish(why error, reset bool) {
	c.once.Do(func() {
		c.why = why
		close(c.over)
		c.stop()
		// Whoever sees an end close finds it counted as closed.
		c.raw.mu.Lock()
		delete(c.raw.open, c)
		c.raw.mu.Unlock()
		c.closeBoth(reset)
	})
}

func (c *rawConn) closeBoth(reset bool) {
	c.mu.Lock()
	ends := c.ends
	c.mu.Unlock()
	for _, conn := range ends {
		if conn == nil {
			continue
		}
		if reset {
			noLinger(conn)
		}
		_ = conn.Close() // whoever reads or writes it learns of it
	}
}
