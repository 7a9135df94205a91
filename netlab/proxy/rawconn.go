package proxy

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// rawConn is one connection of a client and the one to the target that it
// goes on by.
type rawConn struct {
	raw    *Raw
	number uint64
	client *net.TCPConn

	once sync.Once
	over chan struct{} // closed when both connections are to end now
	why  error         // set by then

	mu     sync.Mutex
	target *net.TCPConn // nil before it is dialed
	flows  [2]flow      // by Way
}

func newRawConn(r *Raw, number uint64, client *net.TCPConn) *rawConn {
	c := &rawConn{raw: r, number: number, client: client, over: make(chan struct{})}
	for way := range c.flows {
		c.flows[way].init(c, Way(way))
	}
	return c
}

func (c *rawConn) run() {
	r := c.raw
	defer r.conns.Done()
	defer func() {
		r.mu.Lock()
		delete(r.open, c)
		r.mu.Unlock()
	}()
	if err := c.connect(); err != nil {
		c.breakUp(err)
	} else {
		var flows sync.WaitGroup
		for i := range c.flows {
			flows.Go(c.flows[i].read)
			flows.Go(c.flows[i].write)
		}
		flows.Wait()
	}
	c.end(nil)
	for i := range c.flows {
		r.schedule.forget(&c.flows[i].wake)
	}
	if c.why != nil && !errors.Is(c.why, net.ErrClosed) {
		r.logger.Info("connection ended", "number", c.number, "client", c.client.RemoteAddr(), "reason", c.why)
	}
}

// connect dials the target, as soon as nothing stops the way to it.
func (c *rawConn) connect() error {
	r := c.raw
	if !r.ways[ToTarget].awaitOpen(r.clock, c.over) {
		return c.why
	}
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(r.ctx, "tcp", r.target)
	if err != nil {
		r.mu.Lock()
		r.failed++
		r.mu.Unlock()
		return fmt.Errorf("reach the target: %w", err)
	}
	target := conn.(*net.TCPConn)
	c.mu.Lock()
	c.target = target
	c.mu.Unlock()
	select {
	case <-c.over: // who ended it has not seen this connection
		c.closeBoth(true)
		return c.why
	default:
	}
	if err := c.flows[ToTarget].connect(c.client, target); err != nil {
		return err
	}
	return c.flows[ToClient].connect(target, c.client)
}

// breakUp resets both connections; the first reason counts.
func (c *rawConn) breakUp(why error) {
	c.once.Do(func() {
		c.why = why
		close(c.over)
		c.closeBoth(true)
	})
}

// end closes both connections when all is said.
func (c *rawConn) end(why error) {
	c.once.Do(func() {
		c.why = why
		close(c.over)
		c.closeBoth(false)
	})
}

func (c *rawConn) closeBoth(reset bool) {
	c.mu.Lock()
	target := c.target
	c.mu.Unlock()
	for _, conn := range [...]*net.TCPConn{c.client, target} {
		if conn == nil {
			continue
		}
		if reset {
			noLinger(conn)
		}
		_ = conn.Close() // whoever reads or writes it learns of it
	}
	c.flows[ToTarget].signal()
	c.flows[ToClient].signal()
}
