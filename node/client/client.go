package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// Options say how a Client finds the cluster and who it is there.
type Options struct {
	// Addrs returns the client addresses of the nodes, in the order to try them,
	// the leader first where that is known. It is asked again before every
	// attempt, so nodes may come and go.
	Addrs func() []string

	// LeaderFirst says that Addrs is right about the leader when it puts one first:
	// however long that node takes, nothing is sent a second time elsewhere. A lab
	// in slow motion needs this, or retries fill its log.
	LeaderFirst bool

	// Session names this client to the state machine; no two clients of a cluster
	// may share one. 0 is good for reads only.
	Session uint64

	// Seed spreads the waits of many clients.
	Seed uint64

	// RetryMin and RetryMax bound the wait between two laps around the nodes; it
	// doubles from the one to the other. 0 means 2 ms and 25 ms.
	RetryMin, RetryMax time.Duration

	// Patience is how long a node may leave all requests it took unanswered before
	// they go to another one as well. Without an answer it doubles each time.
	// 0 means 2 s.
	Patience time.Duration

	// Dial connects to a node; nil is TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
}

// Fixed is an Options.Addrs of nodes that stay where they are.
func Fixed(addrs ...string) func() []string {
	return func() []string { return addrs }
}

// Client speaks to a cluster. Its methods may be called from any goroutine.
type Client struct {
	options Options
	context context.Context // ends with Close
	cancel  context.CancelFunc
	wake    chan struct{} // the driver: look again
	group   sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	started    uint64 // requests so far
	waiting    queue
	forLeader  int    // requests not ended that only a leader answers
	lastWatch  *watch // of the context most lately started under
	session    *session
	renewals   uint64
	seen       raft.Index         // the highest any reply told of: it was applied when that was sent
	current    *conn              // where requests go; nil while there is none
	conns      map[*conn]struct{} // current, and those that still owe answers
	delivering int                // readers that run callbacks and send afterwards
	target     string             // where to go next; empty: the next of Addrs
	left       string             // the node it comes from, not to be tried first
	lap        int                // which of Addrs is next
	failures   int                // attempts since the last answer; where a leader is wanted, of one
	patience   time.Duration
	reason     error // why there was no answer lately
	random     *rand.Rand
}

const (
	dialTimeout     = time.Second
	defaultRetryMin = 2 * time.Millisecond
	defaultRetryMax = 25 * time.Millisecond
	defaultPatience = 2 * time.Second
	maxPatience     = time.Minute
)

// New returns a Client, which connects when it has something to ask. It ends
// with Close.
func New(o Options) *Client {
	if o.RetryMin <= 0 {
		o.RetryMin = defaultRetryMin
	}
	if o.RetryMax <= 0 {
		o.RetryMax = max(defaultRetryMax, o.RetryMin)
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	if o.Dial == nil {
		dialer := &net.Dialer{Timeout: dialTimeout}
		o.Dial = func(ctx context.Context, addr string) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr) }
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{
		options: o, context: ctx, cancel: cancel,
		wake:     make(chan struct{}, 1),
		session:  newSession(o.Session),
		conns:    make(map[*conn]struct{}),
		patience: o.Patience,
		random:   rand.New(rand.NewPCG(o.Seed, o.Session)),
	}
	c.group.Go(c.drive)
	return c
}

// Do asks and waits for the answer: CodeOK, or CodeFailed when the state
// machine refused. Everything else is an error: *[RefusedError],
// *[UndoneError], *[UnknownError]. Until ctx ends the request is tried again
// whatever happens, under one sequence number, so that it is applied once.
//
// A get goes to whoever [wire.Read] says may answer it: one through the log or on
// the lease to the leader, a stale one or one by index to the node at hand.
//
// ID, Session, Seq, Acked and Since of the request are the Client's to fill in.
func (c *Client) Do(ctx context.Context, r wire.Request) (wire.Reply, error) {
	type result struct {
		reply wire.Reply
		err   error
	}
	answer := make(chan result, 1)
	if err := c.Start(ctx, r, func(reply wire.Reply, err error) { answer <- result{reply, err} }); err != nil {
		return wire.Reply{}, err
	}
	got := <-answer
	return got.reply, got.err
}

// Start is Do without the wait: done is called once, with what Do returns,
// from another goroutine, unless Start itself returns an error. done must not
// block nor call Close; it may call Start. Requests started one after the
// other are sent in that order. Key, Value and Old must not change until done.
//
// Many requests are best started under one ctx: it is watched once for all.
func (c *Client) Start(ctx context.Context, r wire.Request, done func(wire.Reply, error)) error {
	r.Session, r.Seq, r.Acked, r.Since = c.options.Session, 1, 0, 0
	if err := kv.ValidateRequest(&r); err != nil {
		return &RefusedError{Reason: err.Error()}
	}
	o := &op{request: r, done: done, started: time.Now()}
	if err := ctx.Err(); err != nil {
		return &UndoneError{What: o.what(), Err: err, Reason: err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	c.started++
	o.number = c.started
	if !o.anywhere() {
		c.forLeader++
	}
	if ctx.Done() != nil {
		o.watch = c.watch(ctx)
		o.watch.ops++
	}
	c.waiting.push(o)
	if c.delivering == 0 {
		c.kick()
	}
	return nil
}

// kick makes whoever sends look at what waits. c.mu is held.
func (c *Client) kick() {
	if c.current != nil {
		signal(c.current.kick)
	} else {
		signal(c.wake)
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// watch looks out for the end of a context on behalf of all requests started
// under it: one after the other under the same context cost one watch together.
type watch struct {
	ended <-chan struct{} // the context's
	stop  func() bool
	ops   int // that are not answered
}

// watch returns the watch over ctx. c.mu is held.
func (c *Client) watch(ctx context.Context) *watch {
	if w := c.lastWatch; w != nil {
		if w.ended == ctx.Done() {
			return w
		}
		if w.ops == 0 {
			c.unwatch(w)
		}
	}
	w := &watch{ended: ctx.Done()}
	c.group.Add(1)
	w.stop = context.AfterFunc(ctx, func() {
		defer c.group.Done()
		c.giveUp(w, ctx.Err())
	})
	c.lastWatch = w
	return w
}

// unwatch ends a watch over no request. c.mu is held.
func (c *Client) unwatch(w *watch) {
	if w.stop() {
		c.group.Done()
	}
	if c.lastWatch == w {
		c.lastWatch = nil
	}
}

// giveUp ends the requests of a context that has ended.
func (c *Client) giveUp(w *watch, why error) {
	c.mu.Lock()
	if c.lastWatch == w {
		c.lastWatch = nil
	}
	var ended []*op
	for k := range c.conns {
		for _, o := range k.underWay {
			if o.watch == w {
				ended = append(ended, o)
			}
		}
	}
	for _, o := range c.waiting.ops[c.waiting.head:] {
		if o.watch == w && !o.ended {
			ended = append(ended, o)
		}
	}
	slices.SortFunc(ended, byNumber)
	for _, o := range ended {
		waited := o.conn == nil
		c.fail(o, why)
		if waited {
			c.waiting.ghost()
		}
	}
	c.kick() // what waited for these to end may go
	c.mu.Unlock()
	for _, o := range ended {
		o.done(o.reply, o.err)
	}
}

// fail ends a request without an answer. c.mu is held; the caller calls done.
func (c *Client) fail(o *op, why error) {
	what, after := o.what(), time.Since(o.started)
	reason := c.reason
	if errors.Is(why, ErrClosed) {
		reason = why
	}
	if o.write() && (o.unsure || o.conn != nil) {
		o.err = &UnknownError{What: what, After: after, Err: why, Reason: reason}
	} else {
		o.err = &UndoneError{What: what, After: after, Err: why, Reason: reason}
	}
	c.end(o)
}

// end takes a request out of everything. c.mu is held; the caller calls done.
func (c *Client) end(o *op) {
	o.ended = true
	if !o.anywhere() {
		c.forLeader--
	}
	if o.conn != nil {
		o.conn.drop(o)
	}
	if w := o.watch; w != nil {
		w.ops--
		if w.ops == 0 && w != c.lastWatch {
			c.unwatch(w)
		}
	}
	if o.session == nil {
		return
	}
	o.session.end(o.request.Seq)
	if o.err != nil && o.session == c.session && !o.session.opened && o.request.Seq == 1 {
		// Whether the session was opened is not known, and its first number is
		// used up.
		c.renew()
	}
}

// renew begins another session under a name derived from the first. c.mu is held.
func (c *Client) renew() {
	c.renewals++
	c.session = newSession(Renewed(c.options.Session, c.renewals))
}

// Renewed is the name of a client's session after so many renewals: a client
// begins another when it cannot know whether its session was opened, or when the
// cluster has forgotten it.
func Renewed(session, renewals uint64) uint64 {
	if renewals == 0 {
		return session
	}
	// SplitMix64: no two renewals meet before 2^64, and those of clients with
	// neighbouring names only by chance.
	id := session + renewals*0x9e3779b97f4a7c15
	id = (id ^ id>>30) * 0xbf58476d1ce4e5b9
	id = (id ^ id>>27) * 0x94d049bb133111eb
	id ^= id >> 31
	return max(id, 1)
}

// Close ends all connections and every request that is not answered, and
// returns when nothing of the Client runs any more.
func (c *Client) Close() {
	c.mu.Lock()
	var ended []*op
	if !c.closed {
		c.closed = true
		c.cancel()
		for k := range c.conns {
			for _, o := range k.inOrder() {
				c.fail(o, ErrClosed)
				ended = append(ended, o)
			}
			c.drop(k)
		}
		for o := c.waiting.first(); o != nil; o = c.waiting.first() {
			c.waiting.pop()
			c.fail(o, ErrClosed)
			ended = append(ended, o)
		}
		if c.lastWatch != nil {
			c.unwatch(c.lastWatch)
		}
	}
	c.mu.Unlock()
	for _, o := range ended {
		o.done(o.reply, o.err)
	}
	c.group.Wait()
}
