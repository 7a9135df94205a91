package client

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errNoAddress = errors.New("no address of a node is known")

// drive keeps a connection while there is something to ask: to where the last
// node said the leader is, else to one node after the other.
func (c *Client) drive() {
	var timer *time.Timer
	for {
		addr, wait, ok := c.next()
		switch {
		case !ok:
			select {
			case <-c.wake:
				continue
			case <-c.context.Done():
				return
			}
		case wait > 0:
			if timer == nil {
				timer = time.NewTimer(wait)
				defer timer.Stop()
			} else {
				timer.Reset(wait)
			}
			select {
			case <-timer.C:
			case <-c.context.Done():
				return
			}
		}
		if c.context.Err() != nil {
			return
		}
		if addr == "" {
			c.failed(errNoAddress)
			continue
		}
		c.connect(addr)
	}
}

// next says where to connect and after which wait, or that there is no need to.
func (c *Client) next() (addr string, wait time.Duration, ok bool) {
	addrs := c.options.Addrs()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil || c.waiting.first() == nil {
		return "", 0, false
	}
	addr, c.target = c.target, ""
	if addr == "" && len(addrs) > 0 {
		if addrs[c.lap%len(addrs)] == c.left {
			c.lap++
		}
		addr = addrs[c.lap%len(addrs)]
		c.lap++
	}
	c.left = ""
	return addr, c.wait(c.failures / (len(addrs) + 1)), true
}

// wait is the pause after this many times in vain: none in the first lap,
// which may end with a redirection, then from RetryMin doubling to RetryMax, of which a random half is left out.
// c.mu is held.
func (c *Client) wait(times int) time.Duration {
	if times == 0 {
		return 0
	}
	d := c.options.RetryMin << min(times-1, 16)
	d = min(d, c.options.RetryMax)
	return d - time.Duration(c.random.Int64N(int64(d)/2+1))
}

// failed notes an attempt in vain.
func (c *Client) failed(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures++
	c.reason = why
}

func (c *Client) connect(addr string) {
	ctx, cancel := context.WithTimeout(c.context, dialTimeout)
	nc, err := c.options.Dial(ctx, addr)
	cancel()
	if err != nil {
		c.failed(fmt.Errorf("connect to %s: %w", addr, err))
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		nc.Close()
		return
	}
	k := newConn(addr, nc)
	c.conns[k] = struct{}{}
	c.current = k
	c.group.Go(func() { c.read(k) })
	c.group.Go(func() { c.mind(k) })
}
