package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// ClientOptions say how a Client finds the cluster and who it is there.
type ClientOptions struct {
	// Nodes returns the servers in the order to try them, the leader first where
	// that is known. It is asked again before every attempt.
	Nodes func() []raft.NodeID
	// Session names this client to the state machine; no two clients of a cluster
	// may share one. 0 is good for reads only.
	Session uint64
	// Seed spreads the waits of many clients.
	Seed uint64
	// Patience is how long a server may leave a request unanswered before another
	// one is asked as well; it doubles each time. 0 means 2 s.
	Patience raft.Duration
}

// Client speaks to a cluster as the clients of package node/client do: it
// follows redirections, asks again what it can't know to be done, and numbers its
// writes in a session so that none takes effect twice (§8, thesis §6.3).
type Client struct {
	w       *World
	o       ClientOptions
	random  *rand.Rand
	session session
	renewed uint64
	seen    raft.Index // the highest any answer told of
	first   *operation // the write that opens the session
	held    []*operation
	open    int
	closed  bool
}

// session numbers the writes of a Client.
type session struct {
	id     uint64
	next   uint64
	opened bool
	acked  uint64 // every number up to here has ended
	ended  []uint64
}

func (s *session) end(seq uint64) {
	s.ended = append(s.ended, seq)
	for i := slices.Index(s.ended, s.acked+1); i >= 0; i = slices.Index(s.ended, s.acked+1) {
		s.ended = slices.Delete(s.ended, i, i+1)
		s.acked++
	}
}

// Unanswered is the error of a request that was given up.
type Unanswered struct {
	What string
	// Unknown: it was sent, and may have taken effect, or may yet. Else it surely
	// had none.
	Unknown bool
	After   raft.Duration
	Reason  string // what stood in the way last; empty when nothing did but time
}

func (e *Unanswered) Error() string {
	text := e.What + " was not done: no leader answered"
	if e.Unknown {
		text = e.What + " may or may not have been applied: no answer"
	}
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	return text
}

// Refused is the error of a request that makes no sense. It had no effect.
type Refused struct{ Reason string }

func (e *Refused) Error() string { return e.Reason }

const (
	retryMin        = raft.Duration(2_000_000)
	retryMax        = raft.Duration(25_000_000)
	patienceDefault = raft.Duration(2_000_000_000)
	patienceMax     = raft.Duration(60_000_000_000)
)

// NewClient returns a Client of the cluster.
func (w *World) NewClient(o ClientOptions) *Client {
	if o.Patience <= 0 {
		o.Patience = patienceDefault
	}
	return &Client{w: w, o: o, random: rand.New(rand.NewPCG(o.Seed, o.Session)), session: session{id: o.Session, next: 1}}
}

// operation is one request from Do to its end.
type operation struct {
	c        *Client
	req      wire.Request
	done     func(wire.Reply, error)
	begun    raft.Time
	number   uint64 // of the session it has a Seq of
	try      uint64 // the attempt that counts; answers to others only when they say what is done
	lap      int    // which of the servers is next
	failures int
	patience raft.Duration
	target   raft.NodeID // where it was sent on to
	left     raft.NodeID // who did not answer, not to be tried first
	sent     bool        // the last attempt is under way
	unsure   bool        // of one before it is not known what came of it
	over     bool
	reason   string
}

// Do asks until there is an answer, or until timeout of lab time has passed; 0
// is no end. done is called once, not before Do has returned: with CodeOK, or
// CodeFailed when the state machine refused, or an error that is an *[Unanswered] or a *[Refused].
// giveUp ends it at once, unless it has ended.
func (c *Client) Do(req wire.Request, timeout raft.Duration, done func(wire.Reply, error)) (giveUp func()) {
	op := &operation{c: c, req: req, done: done, begun: c.w.now, patience: c.o.Patience}
	c.open++
	if timeout > 0 {
		c.w.At(c.w.now+raft.Time(timeout), func() { op.giveUp("") })
	}
	c.w.At(c.w.now, op.start)
	return func() { op.giveUp("") }
}

// Close gives up all that is under way.
func (c *Client) Close() { c.closed = true }

func (o *operation) write() bool { return o.req.Op != wire.OpGet }

// start sends a request, unless it has to wait for the session to be open: a
// second write that is in the log before the first is of a session nobody knows.
func (o *operation) start() {
	c := o.c
	if o.over {
		return
	}
	if o.write() && !c.session.opened {
		if c.first != nil {
			c.held = append(c.held, o)
			return
		}
		c.first = o
	}
	o.enroll()
	o.send()
}

// enroll gives a write its number in the session.
func (o *operation) enroll() {
	o.req.Session, o.req.Seq, o.req.Acked, o.req.Since = 0, 0, 0, 0
	if !o.write() {
		return
	}
	s := &o.c.session
	o.number = s.id
	o.req.Session, o.req.Seq = s.id, s.next
	if s.next++; o.req.Seq == 1 {
		o.req.Since = o.c.seen
	}
}

// send makes the next attempt.
func (o *operation) send() {
	c := o.c
	if o.over {
		return
	}
	if c.closed {
		o.giveUp("the client is closed")
		return
	}
	to := o.target
	o.target = 0
	if to == 0 {
		nodes := c.o.Nodes()
		if len(nodes) == 0 {
			o.again("no node is known")
			return
		}
		if nodes[o.lap%len(nodes)] == o.left {
			o.lap++
		}
		to = nodes[o.lap%len(nodes)]
		o.lap++
	}
	o.left = 0
	if o.write() {
		o.req.Acked = min(c.session.acked, o.req.Seq-1)
	}
	o.try++
	try := o.try
	o.sent = true
	c.w.Ask(to, o.req, func(r *wire.Reply) { o.hear(try, r) })
	o.wait(try, to)
}

// wait asks another server as well when one leaves a request unanswered, unless
// that one still is the first to ask: it may wait for a majority as long as it likes.
func (o *operation) wait(try uint64, to raft.NodeID) {
	c := o.c
	c.w.At(c.w.now+raft.Time(o.patience), func() {
		if o.over || o.try != try {
			return
		}
		if nodes := c.o.Nodes(); len(nodes) > 0 && nodes[0] == to {
			o.wait(try, to)
			return
		}
		o.patience = min(2*o.patience, patienceMax)
		o.unsure = true
		o.reason = fmt.Sprintf("%v does not answer", to)
		o.left, o.lap = to, 0
		o.send()
	})
}

// again makes another attempt after a wait.
func (o *operation) again(why string) {
	o.reason = why
	o.try++ // what may yet come of the one before has no say any more
	nodes := len(o.c.o.Nodes())
	times := o.failures / (nodes + 1)
	o.failures++
	var wait raft.Duration
	if times > 0 {
		wait = min(retryMin<<min(times-1, 16), retryMax)
		wait -= raft.Duration(o.c.random.Int64N(int64(wait)/2 + 1))
	}
	o.c.w.At(o.c.w.now+raft.Time(wait), o.send)
}

// hear takes an answer, nil when the connection broke.
func (o *operation) hear(try uint64, r *wire.Reply) {
	c := o.c
	if o.over {
		return
	}
	if r != nil && (r.Code == wire.CodeOK || r.Code == wire.CodeFailed) {
		c.seen = max(c.seen, r.Index)
		o.end(*r, nil)
		return
	}
	if try != o.try {
		return
	}
	o.sent = false
	switch {
	case r == nil:
		o.unsure = true
		o.again("the connection broke")
	case r.Code == wire.CodeNotLeader:
		o.target = r.Leader
		if r.Leader == 0 {
			o.again(fmt.Sprintf("%v knows no leader", r.Node))
			return
		}
		o.again(fmt.Sprintf("%v says that %v leads", r.Node, r.Leader))
	case r.Code == wire.CodeUnknown:
		o.unsure = true
		o.again(r.Error)
	case r.Code == wire.CodeNoSession && o.unsure:
		// An attempt before may have been applied, and forgotten with its session.
		o.give(&Unanswered{What: o.what(), Unknown: true, After: raft.Duration(c.w.now - o.begun), Reason: r.Error})
	case r.Code == wire.CodeNoSession:
		c.seen = max(c.seen, r.Index)
		if c.session.id == o.number {
			c.renew()
		}
		o.try++
		c.w.At(c.w.now, o.start)
	case r.Code == wire.CodeBad:
		o.give(&Refused{Reason: r.Error})
	default: // busy
		o.again(r.Error)
	}
}

func (o *operation) what() string { return fmt.Sprintf("%v %q", o.req.Op, o.req.Key) }

// giveUp ends a request without an answer.
func (o *operation) giveUp(why string) {
	if o.over {
		return
	}
	if why == "" {
		why = o.reason
	}
	o.give(&Unanswered{What: o.what(), Unknown: o.write() && (o.sent || o.unsure), After: raft.Duration(o.c.w.now - o.begun), Reason: why})
}

func (o *operation) give(err error) { o.end(wire.Reply{}, err) }

// end tells how a request came out, and lets those go that wait for it.
func (o *operation) end(r wire.Reply, err error) {
	c := o.c
	o.over = true
	c.open--
	if o.number != 0 && o.number == c.session.id {
		c.session.end(o.req.Seq)
		c.session.opened = c.session.opened || err == nil
	}
	if c.first == o {
		c.first = nil
		if err != nil && o.number == c.session.id && !c.session.opened {
			c.renew() // whether it was opened is not known, and its first number is used up
		}
	}
	o.done(r, err)
	held := c.held
	c.held = nil
	for _, h := range held {
		h.start()
	}
}

// renew begins another session under a name derived from the first.
func (c *Client) renew() {
	c.renewed++
	id := c.o.Session + c.renewed*0x9e3779b97f4a7c15 // SplitMix64
	id = (id ^ id>>30) * 0xbf58476d1ce4e5b9
	id = (id ^ id>>27) * 0x94d049bb133111eb
	id ^= id >> 31
	c.session = session{id: max(id, 1), next: 1}
	c.first = nil
}
