package client

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
)

// conn is one connection. Everything in it is under the Client's lock, save
// what its comment gives to somebody.
type conn struct {
	addr string
	nc   net.Conn
	kick chan struct{} // mind: something waits, or the connection is over
	buf  []byte        // what is being written; of whoever set writing

	underWay map[uint64]*op // by request id
	shared   int            // of underWay, those that need a majority's answer
	lastID   uint64
	greeted  bool
	writing  bool
	proven   bool // has answered as a leader does; before that, one request for it at a time
	leaving  bool // not used any more, but owes answers
	over     bool

	busy     int         // refusals for being busy in a row
	resting  bool        // sends nothing for a while because of them
	answers  uint64      // those that show that the node gets on with what it took
	seen     uint64      // answers when the watch was last looked at
	watched  bool        // the watch runs
	watch    *time.Timer // reset by anybody, read by mind
	rest     *time.Timer // likewise: the end of resting
	deadline *time.Timer // likewise: the end of leaving
}

const (
	readBuffer = 8 << 10
	// writeBatch is about how many bytes one write takes at most.
	writeBatch = 256 << 10
	// leaveTimeout is how long answers are waited for where nothing is sent any more.
	leaveTimeout = time.Second
)

func newConn(addr string, nc net.Conn) *conn {
	return &conn{
		addr: addr, nc: nc,
		kick:     make(chan struct{}, 1),
		underWay: make(map[uint64]*op),
		watch:    stopped(), rest: stopped(), deadline: stopped(),
	}
}

// stopped returns a timer that does not run yet.
func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// drop takes a request off the connection.
func (k *conn) drop(o *op) {
	delete(k.underWay, o.request.ID)
	o.conn = nil
	if !o.alone() {
		k.shared--
	}
}

// inOrder returns what is under way, oldest first.
func (k *conn) inOrder() []*op {
	ops := make([]*op, 0, len(k.underWay))
	for _, o := range k.underWay {
		ops = append(ops, o)
	}
	slices.SortFunc(ops, byNumber)
	return ops
}

// mind sends for those who may not block, and watches the time.
func (c *Client) mind(k *conn) {
	defer k.watch.Stop()
	defer k.rest.Stop()
	defer k.deadline.Stop()
	c.flush(k)
	for {
		select {
		case <-k.kick:
		case <-k.rest.C:
			c.mu.Lock()
			k.resting = false
			c.mu.Unlock()
		case <-k.watch.C:
			if waited := c.stuck(k, c.leads(k)); waited > 0 {
				c.lose(k, fmt.Errorf("%s has not answered for %v", k.addr, waited))
			}
		case <-k.deadline.C:
			c.lose(k, fmt.Errorf("%s leaves requests unanswered", k.addr))
		}
		c.mu.Lock()
		over := k.over
		c.mu.Unlock()
		if over {
			return
		}
		c.flush(k)
	}
}

// leads tells whether the node at the other end is known to lead.
func (c *Client) leads(k *conn) bool {
	if !c.options.LeaderFirst {
		return false
	}
	addrs := c.options.Addrs() // not under the lock: it may take others
	return len(addrs) > 0 && addrs[0] == k.addr
}

// stuck tells for how long at least there was no answer though some are owed,
// and lets the watch run on when there was one, or when the node leads. 0 is
// all is well.
func (c *Client) stuck(k *conn, leads bool) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case k.over:
		return 0
	case len(k.underWay) == 0:
		k.watched = false
		return 0
	case k.answers == k.seen && !leads:
		waited := c.patience
		c.patience = min(2*c.patience, max(maxPatience, c.options.Patience))
		return waited
	}
	k.seen = k.answers
	k.watch.Reset(c.patience)
	return 0
}

// flush writes what waits and may be sent, all at once, until nothing does.
// When somebody else is at it, that one takes this too.
func (c *Client) flush(k *conn) {
	c.mu.Lock()
	if k.writing || k.over {
		c.mu.Unlock()
		return
	}
	k.writing = true
	for {
		k.buf = c.take(k, k.buf[:0])
		if len(k.buf) == 0 {
			break
		}
		c.mu.Unlock()
		_, err := k.nc.Write(k.buf)
		c.mu.Lock()
		if err != nil {
			k.writing = false
			c.mu.Unlock()
			c.lose(k, fmt.Errorf("send to %s: %w", k.addr, err))
			return
		}
	}
	if cap(k.buf) > 2*writeBatch {
		k.buf = nil
	}
	k.writing = false
	c.mu.Unlock()
}

// take appends the frames of the requests that may be sent now. c.mu is held.
func (c *Client) take(k *conn, buf []byte) []byte {
	if k != c.current || k.resting {
		return buf
	}
	for len(buf) < writeBatch {
		o := c.waiting.first()
		if o == nil || !k.proven && len(k.underWay) > 0 && !o.anywhere() || !c.number(o) {
			break
		}
		c.waiting.pop()
		k.lastID++
		o.request.ID = k.lastID
		o.conn = k
		k.underWay[o.request.ID] = o
		if !o.alone() {
			k.shared++
		}
		if !k.greeted {
			k.greeted = true
			buf = wire.AppendHello(buf, wire.Header{}, wire.Hello{Version: wire.Version, Role: wire.RoleClient})
		}
		buf = wire.AppendRequest(buf, &o.request)
	}
	if len(buf) > 0 && !k.watched {
		k.watched, k.seen = true, k.answers
		k.watch.Reset(c.patience)
	}
	return buf
}

// number gives a write its place in the session, or says that it has to wait
// for others to end. c.mu is held.
func (c *Client) number(o *op) bool {
	if !o.write() {
		return true
	}
	// A write that surely had no effect in an earlier session is new in this one.
	if o.session == nil || o.session != c.session && !o.unsure {
		s := c.session
		if !s.opened && s.next > 1 || s.next-s.acked > kv.MaxAhead {
			return false
		}
		o.session = s
		o.request.Session, o.request.Seq, o.request.Since = s.id, s.next, 0
		if s.next == 1 {
			// A retry says the same: what was seen since may be newer than the session.
			o.request.Since = c.seen
		}
		s.next++
	}
	o.request.Acked = o.session.acked
	return true
}

// read takes the answers of a connection until it ends.
func (c *Client) read(k *conn) {
	r := wire.NewReader(k.nc, readBuffer)
	var ended []*op
	for {
		frame, err := r.Next()
		if err != nil {
			c.lose(k, fmt.Errorf("read from %s: %w", k.addr, err))
			return
		}
		// All that one read brought is taken under one lock and answered with one write.
		c.mu.Lock()
		for {
			var reply wire.Reply
			if err = wire.DecodeReply(frame, &reply); err != nil {
				break
			}
			if ended, err = c.answer(k, &reply, ended); err != nil || !r.Buffered() {
				break
			}
			if frame, err = r.Next(); err != nil {
				break
			}
		}
		c.delivering++
		c.mu.Unlock()
		for _, o := range ended {
			o.done(o.reply, o.err)
		}
		clear(ended)
		ended = ended[:0]
		c.mu.Lock()
		c.delivering--
		current := c.current
		if current != k {
			c.kick()
		}
		c.mu.Unlock()
		if err != nil {
			c.lose(k, fmt.Errorf("read from %s: %w", k.addr, err))
			return
		}
		if current == k {
			// Here and not in mind: that spares every round a change of goroutine. A
			// node that reads nothing while its replies wait runs into the watch.
			c.flush(k)
		}
	}
}

// answer takes one reply and returns ended with the request it ends, if any.
// An error is a node that does not keep to the protocol. c.mu is held.
func (c *Client) answer(k *conn, r *wire.Reply, ended []*op) ([]*op, error) {
	c.seen = max(c.seen, r.Index)
	o := k.underWay[r.ID]
	// A leader that was cut off says busy, and reads what it has, for ever. Neither
	// shows that what waits for a majority will be answered.
	if r.Code != wire.CodeBusy && (o == nil || !o.alone() || k.shared == 0) {
		k.answers++
	}
	if o == nil {
		return ended, nil // given up
	}
	k.drop(o)
	switch r.Code {
	case wire.CodeOK, wire.CodeFailed:
		o.reply = *r
		o.reply.Value = bytes.Clone(r.Value)
		if o.session != nil {
			o.session.opened = true
		}
		k.busy = 0
		if !o.anywhere() {
			k.proven = true
		}
		if !o.anywhere() || c.forLeader == 0 {
			c.failures, c.lap, c.reason, c.patience = 0, 0, nil, c.options.Patience
		}
		c.end(o)
		ended = append(ended, o)
	case wire.CodeNotLeader:
		c.waiting.push(o)
		c.leave(k, r)
	case wire.CodeUnknown:
		o.unsure = true
		c.waiting.push(o)
		c.leave(k, r)
	case wire.CodeBusy:
		c.waiting.push(o)
		c.reason = fmt.Errorf("%s is busy: %s", k.addr, r.Error)
		if !k.resting {
			k.busy++
			k.resting = true
			k.rest.Reset(c.wait(k.busy))
		}
	case wire.CodeBad:
		if o.write() && o.unsure {
			c.reason = fmt.Errorf("%s refuses the retry: %s", k.addr, r.Error)
			c.fail(o, c.reason)
		} else {
			o.err = &RefusedError{Reason: r.Error}
			c.end(o)
		}
		ended = append(ended, o)
	case wire.CodeNoSession:
		if o.session == nil || o.request.Seq == 1 && r.Index <= o.request.Since {
			o.unsure = true
			c.waiting.push(o)
			return ended, fmt.Errorf("it does not know a session that this request opens or does not need")
		}
		if o.session == c.session {
			c.renew()
		}
		if o.unsure {
			// It was refused this time. The time before, the session may have been known.
			c.reason = fmt.Errorf("%s does not know the session any more", k.addr)
			c.fail(o, c.reason)
			ended = append(ended, o)
		} else {
			c.waiting.push(o)
		}
	default:
		o.unsure = true
		c.waiting.push(o)
		return ended, fmt.Errorf("a reply of code %d, which nobody knows", r.Code)
	}
	if k.leaving && len(k.underWay) == 0 {
		c.drop(k)
	}
	return ended, nil
}

// leave sends nothing more to a node that does not lead, and goes where it
// says the leader is. c.mu is held.
func (c *Client) leave(k *conn, r *wire.Reply) {
	if k != c.current {
		return
	}
	c.current, c.left = nil, k.addr
	c.failures++
	if r.LeaderAddr != "" && r.LeaderAddr != k.addr {
		c.target = r.LeaderAddr
		c.reason = fmt.Errorf("%s says that %v at %s leads", k.addr, r.Leader, r.LeaderAddr)
	} else {
		c.reason = fmt.Errorf("%s does not lead and knows no leader", k.addr)
	}
	k.leaving = true
	k.deadline.Reset(leaveTimeout)
	signal(c.wake)
}

// lose ends a connection that broke. What was under way on it is sent again
// on the next.
func (c *Client) lose(k *conn, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.over {
		return
	}
	if k == c.current {
		c.failures++
		c.reason, c.left = why, k.addr
	}
	for _, o := range k.inOrder() {
		k.drop(o)
		o.unsure = true
		c.waiting.push(o)
	}
	c.drop(k)
	c.kick()
}

// drop forgets a connection on which nothing is under way. c.mu is held.
func (c *Client) drop(k *conn) {
	k.over = true
	k.nc.Close()
	delete(c.conns, k)
	signal(k.kick)
	if k == c.current {
		c.current = nil
		signal(c.wake)
	}
}
