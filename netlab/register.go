package netlab

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

const (
	// helloTimeout bounds the time a connection may take to say who it is.
	helloTimeout = 5 * time.Second
	// strangersMax bounds the connections that have not said so yet, and
	// strangerBytes what each may have sent by then.
	strangersMax  = 64
	strangerBytes = 64 << 10
	// orderTimeout bounds a running node's answer to an order. Nodes answer
	// orders also while the clock is held.
	orderTimeout = 5 * time.Second

	controlBuffer = 16 << 10

	// lastWords is how long a conversation that was ended from this side goes on
	// being heard.
	lastWords = time.Second
)

// conversation is what the lab says to one life of a node. It blocks nobody.
type conversation interface {
	tellClock(clock.Setting)
	tellPeers(*wire.Configure)
	// order gives an order and returns a function that waits for the outcome, no
	// longer than a real time; post gives one whose outcome nobody waits for.
	order(o wire.Order, timeout time.Duration) (wait func(context.Context) (wire.Outcome, error), err error)
	post(o wire.Order) error
	close()
}

// control is the conversation with a process.
type control struct {
	node  int
	conn  net.Conn
	token string // that links are to show

	mu      sync.Mutex
	setting *clock.Setting  // to be told, the newest only
	peers   *wire.Configure // to be told, the newest only
	frames  []byte          // orders to be sent
	next    uint64          // number of the last order
	waiting map[uint64]chan wire.Outcome
	wake    chan struct{} // has room for one: something is to be sent
	closed  chan struct{}
	once    sync.Once
}

func (c *control) close() {
	c.once.Do(func() {
		close(c.closed)
		// What a process that has ended said last may still be on its way: the
		// conversation is over when that is read, or after a moment.
		_ = c.conn.SetDeadline(time.Now().Add(lastWords))
	})
}

func (c *control) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *control) tellClock(s clock.Setting) {
	c.mu.Lock()
	c.setting = &s
	c.mu.Unlock()
	c.nudge()
}

func (c *control) tellPeers(conf *wire.Configure) {
	conf.Token = c.token
	c.mu.Lock()
	c.peers = conf
	c.mu.Unlock()
	c.nudge()
}

// write sends what is to be told until the conversation ends. A node that is
// stopped reads nothing: only the newest setting waits for it, not a backlog.
func (c *control) write() error {
	var buf, frames []byte
	for {
		select {
		case <-c.wake:
		case <-c.closed:
			return nil
		}
		c.mu.Lock()
		setting, peers := c.setting, c.peers
		c.setting, c.peers = nil, nil
		frames = append(frames[:0], c.frames...)
		c.frames = c.frames[:0]
		c.mu.Unlock()
		var err error
		buf = buf[:0]
		if peers != nil { // what a node is told first
			if buf, err = wire.AppendControl(buf, wire.KindConfigure, 0, peers); err != nil {
				return err
			}
		}
		// The clock before the orders: they are given at the time it shows by then.
		if setting != nil {
			if buf, err = wire.AppendControl(buf, wire.KindClock, 0, setting); err != nil {
				return err
			}
		}
		buf = append(buf, frames...)
		if _, err := c.conn.Write(buf); err != nil {
			return err
		}
	}
}

// doorstep reads from a connection, and until it is known whose it is only so
// many bytes: a frame may be long, a hello is not.
type doorstep struct {
	conn net.Conn
	left int
	in   bool
}

func (d *doorstep) Read(p []byte) (int, error) {
	if d.in {
		return d.conn.Read(p)
	}
	if d.left <= 0 {
		return 0, fmt.Errorf("more than %d bytes, and no registration", strangerBytes)
	}
	n, err := d.conn.Read(p[:min(len(p), d.left)])
	d.left -= n
	return n, err
}

// acceptControl takes nodes' connections until the listener is closed.
func (p *processes) acceptControl() error {
	l := p.lab
	strangers := make(chan struct{}, strangersMax)
	for {
		conn, err := p.control.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept nodes: %w", err)
		}
		select {
		case strangers <- struct{}{}:
		default:
			conn.Close() // so many at once are no nodes
			continue
		}
		l.running.Add(1)
		go func() {
			defer l.running.Done()
			p.converse(conn, func() { <-strangers })
		}()
	}
}

// converse speaks with whoever connected. What it cannot make sense of ends
// this connection and nothing else. known is called once, when it is clear who
// it is.
func (p *processes) converse(conn net.Conn, known func()) {
	l := p.lab
	defer conn.Close()
	known = sync.OnceFunc(known)
	defer known()
	stop := context.AfterFunc(p.talking, func() { conn.Close() })
	defer stop()

	gate := &doorstep{conn: conn, left: strangerBytes}
	r := wire.NewReader(gate, controlBuffer)
	c, err := p.register(conn, r)
	gate.in = err == nil
	known()
	if err != nil {
		l.log.Warn("refused a connection to the control port", "remote", conn.RemoteAddr().String(), "error", err)
		return
	}
	defer l.leave(c)
	l.running.Add(1)
	go func() {
		defer l.running.Done()
		if err := c.write(); err != nil {
			l.log.Debug("node not told", "node", c.node, "error", err)
			c.close()
		}
	}()
	err = l.listen(c, r)
	select {
	case <-c.closed: // ended from this side
	default:
		l.log.Info("conversation with node ended", "node", c.node, "error", err)
	}
}

// register hears who connected, and takes it in.
func (p *processes) register(conn net.Conn, r *wire.Reader) (*control, error) {
	if err := conn.SetDeadline(time.Now().Add(helloTimeout)); err != nil {
		return nil, err
	}
	frame, err := r.Next()
	if err != nil {
		return nil, err
	}
	_, hello, err := wire.DecodeHello(frame)
	if err != nil {
		return nil, err
	}
	if hello.Role != wire.RoleControl {
		return nil, fmt.Errorf("its role is %d, nodes of a lab say %d", hello.Role, wire.RoleControl)
	}
	if subtle.ConstantTimeCompare([]byte(hello.Token), []byte(p.token)) != 1 {
		return nil, errors.New("it does not know the lab's token")
	}
	if frame, err = r.Next(); err != nil {
		return nil, err
	}
	var reg wire.Register
	if _, err := wire.DecodeControl(frame, &reg); err != nil {
		return nil, err
	}
	for _, addr := range []string{reg.RaftAddr, reg.ClientAddr} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("S%d gave the address %q: %w", reg.Node, addr, err)
		}
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return p.join(conn, &reg)
}

// join makes a process that registered a running node: gives it its
// configuration, and its address to the others.
func (p *processes) join(conn net.Conn, reg *wire.Register) (*control, error) {
	l := p.lab
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.member(int(min(reg.Node, NodesMax+1)))
	if m == nil {
		return nil, fmt.Errorf("it says it is S%d: the lab has the nodes %s", reg.Node, numbers(l.ids()))
	}
	if !m.expected {
		return nil, fmt.Errorf("it says it is S%d, which nobody waits for: it is registered already or was not started", m.id)
	}
	// The network first: what peers are told must lead somewhere.
	if err := l.network.attach(m.id, reg.RaftAddr); err != nil {
		return nil, err
	}
	c := &control{
		node: m.id, conn: conn, token: p.token, waiting: make(map[uint64]chan wire.Outcome),
		wake: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	m.expected, m.conn = false, c
	l.checks.begin(m.id, c, l.clock.Now())
	m.status.RaftAddr, m.status.ClientAddr = reg.RaftAddr, reg.ClientAddr
	m.status.SeenNS = int64(l.clock.Now())
	for _, note := range reg.Notes {
		l.event(Event{Kind: EventNote, Node: m.id, Text: printable(note, 512)})
	}
	l.touch(m)
	l.tellAddresses()
	return c, nil
}

// tellAddresses tells every node where the others are. With lab.mu held.
func (l *lab) tellAddresses() {
	for _, m := range l.members {
		if m.conn != nil {
			m.conn.tellPeers(l.configure(m))
		}
	}
}

// configure is what a node is told; it is among its own peers. With lab.mu held.
func (l *lab) configure(m *member) *wire.Configure {
	conf := &wire.Configure{
		Heartbeat:   raft.Duration(l.config.Heartbeat),
		ElectionMin: raft.Duration(l.config.ElectionMin),
		ElectionMax: raft.Duration(l.config.ElectionMax),
		PreVote:     l.config.PreVote,
		CheckQuorum: l.config.CheckQuorum,
		IgnoreVotes: l.config.IgnoreVotes,
		Transfer:    l.config.Transfer,
		Unsafe:      l.config.Unsafe,

		SnapshotBytes: l.config.SnapshotBytes,

		Seed:  mix(l.config.Seed, seedNode, uint64(m.id), uint64(m.status.Starts)),
		Clock: m.own.now().Setting(l.clock.Setting()),
	}
	if !m.joins {
		conf.Bootstrap = nodeIDs(l.bootstrap)
	}
	for _, p := range l.members {
		conf.Peers = append(conf.Peers, wire.Peer{
			ID: raft.NodeID(p.id), RaftAddr: l.network.addr(), ClientAddr: p.status.ClientAddr,
		})
	}
	return conf
}

// leave ends a conversation. The node ends with it.
func (l *lab) leave(c *control) {
	c.close()
	l.checks.left(c.node, c, l.clock.Now())
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.member(c.node); m != nil && m.conn == c {
		m.conn = nil
		l.touch(m)
	}
}

// listen hears a node until it ends or says what no node says, which the error
// tells.
func (l *lab) listen(c *control, r *wire.Reader) error {
	for {
		frame, err := r.Next()
		if err != nil {
			return err
		}
		h, err := wire.PeekHeader(frame)
		if err != nil {
			return err
		}
		switch h.Kind {
		case wire.KindReport:
			var report wire.Report
			if _, err := wire.DecodeControl(frame, &report); err != nil {
				return err
			}
			l.report(c.node, c, &report)
		case wire.KindOutcome:
			var outcome wire.Outcome
			if _, err := wire.DecodeControl(frame, &outcome); err != nil {
				return err
			}
			c.mu.Lock()
			answer := c.waiting[h.ID]
			delete(c.waiting, h.ID)
			c.mu.Unlock()
			if answer == nil {
				continue // its asker did not wait any longer
			}
			answer <- outcome
		default:
			return fmt.Errorf("a node does not send %v frames to its lab", h.Kind)
		}
	}
}

// order sends an order at once and returns a function that waits for the
// outcome.
func (l *lab) order(m *member, o wire.Order) (wait func(context.Context) (wire.Outcome, error), err error) {
	return l.orderFor(m, o, orderTimeout)
}

// orderFor is order for what may take longer than to say so.
func (l *lab) orderFor(m *member, o wire.Order, timeout time.Duration) (wait func(context.Context) (wire.Outcome, error), err error) {
	l.mu.Lock()
	c, state := m.conn, m.status.State
	l.mu.Unlock()
	switch {
	case state == StateDead:
		return nil, Errorf(ExitConflict, "S%d is dead", m.id).WithHint("raftlab restart %d", m.id)
	case state == StatePaused:
		return nil, Errorf(ExitConflict, "S%d is paused", m.id).WithHint("raftlab resume %d", m.id)
	case c == nil:
		return nil, Errorf(ExitConflict, "S%d has not registered with the lab yet", m.id).WithHint("raftlab status %d", m.id)
	}
	return c.order(o, timeout)
}

func (c *control) order(o wire.Order, timeout time.Duration) (wait func(context.Context) (wire.Outcome, error), err error) {
	answer := make(chan wire.Outcome, 1)
	c.mu.Lock()
	c.next++
	id := c.next
	c.frames, err = wire.AppendControl(c.frames, wire.KindOrder, id, &o)
	if err == nil {
		c.waiting[id] = answer
	}
	c.mu.Unlock()
	if err != nil {
		return nil, Errorf(ExitFailed, "order S%d: %v", c.node, err)
	}
	c.nudge()
	return func(ctx context.Context) (wire.Outcome, error) {
		defer func() {
			c.mu.Lock()
			delete(c.waiting, id)
			c.mu.Unlock()
		}()
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		select {
		case out := <-answer:
			return out, nil
		case <-c.closed:
			return wire.Outcome{}, Errorf(ExitConflict, "S%d ended before it answered", c.node).WithHint("raftlab status %d", c.node)
		case <-ctx.Done():
			return wire.Outcome{}, Errorf(ExitTimeout, "S%d has not answered for %v", c.node, timeout).WithHint("raftlab status %d", c.node)
		}
	}, nil
}

// report folds a node's telemetry into what is known of it.
func (l *lab) report(id int, c conversation, r *wire.Report) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.member(id)
	defer l.hearDeeds(id, m, c, r.Deeds) // after the events of the same report
	if m == nil || m.conn != c {
		return // the last words of a process that was replaced or removed
	}
	m.own.report(r)
	for i := range r.Facts {
		m.learn(&r.Facts[i])
		l.breaks.learn(m.id, &r.Facts[i])
		e := factEvent(m.id, &r.Facts[i], m.config, now)
		if e.Kind == EventConfig && m.role != raft.Leader && !r.Facts[i].Reverted {
			e.Minor = true // it only learns what its leader's event has told
		}
		l.addEvent(e)
	}
	for _, d := range r.Damaged {
		l.addEvent(damagedEvent(m.id, d, now))
	}
	if r.State != nil {
		if !m.up {
			l.recall(m, r.State)
		}
		m.fold(r)
		m.say(r.State)
		if !m.up {
			m.up = true
			close(m.joined)
		}
	}
	m.status.SeenNS = int64(l.clock.Now())
	if r.Fatal != "" {
		m.fatal, m.lasting = printable(r.Fatal, 512), r.Lasting
	}
	l.touch(m)
	l.checkBreaks()
}

// learn takes note of a fact that its own event is not enough for.
func (m *member) learn(f *wire.Fact) {
	switch f.Kind {
	case raft.EventRole:
		m.role = f.Role
	case raft.EventConfigured:
		m.config = f.Config
	case raft.EventChangeDropped:
		m.dropped = counted{m.dropped.n + 1, *f}
	case raft.EventTransferFailed:
		m.refused = counted{m.refused.n + 1, *f}
	case raft.EventSteppedDown:
		m.status.SteppedDown, m.stepped = SteppedDownRemoved, f.Term
		if f.Reason == raft.ReasonQuorumLost {
			m.status.SteppedDown = SteppedDownQuorum
		}
	}
}

// fold takes a node's state over.
func (m *member) fold(r *wire.Report) {
	n, s := &m.status, r.State
	role := s.Role.String()
	if s.Role == raft.Follower && s.Config.Learner(raft.NodeID(m.id)) {
		role = RoleLearner
	}
	if s.Term != m.stepped || s.Role != raft.Follower || s.Leader != 0 {
		n.SteppedDown = ""
	}
	if n.Role != role || n.Term != uint64(s.Term) {
		n.SinceNS = int64(s.At)
		for _, f := range r.Facts {
			if f.Kind == raft.EventRole && f.Role == s.Role && f.Term == s.Term {
				n.SinceNS = int64(f.At)
			}
		}
	}
	n.Role, n.Term, n.Vote, n.Leader = role, uint64(s.Term), int(s.Vote), int(s.Leader)
	n.LastIndex, n.LastTerm, n.Durable = uint64(s.Last), uint64(s.LastTerm), uint64(s.Durable)
	n.Commit, n.Applied = uint64(s.Commit), uint64(s.Applied)
	n.TimerStartNS, n.TimerEndNS = int64(s.TimerStart), int64(s.TimerEnd)
	if s.TimerEnd == raft.Never {
		n.TimerStartNS, n.TimerEndNS = 0, 0
	}
	n.Pending, n.DataBytes, m.held = s.Pending, s.DataBytes, s.Held
	n.Log = runs(s.Runs, s.Last)
	// New slices, never changed in place: pictures of the status share them.
	m.foldConfig(s)
	n.FirstIndex = uint64(s.Base) + 1
	n.SnapshotIndex, n.SnapshotTerm, n.SnapshotSize = uint64(s.SnapshotIndex), uint64(s.SnapshotTerm), s.SnapshotBytes
	n.Snapshotting = s.Snapshotting
	n.TransferTo, n.LeaseEndNS = int(s.TransferTo), int64(s.LeaseEnd)
	n.Votes = nil
	for _, v := range s.Votes {
		n.Votes = append(n.Votes, VoteStatus{From: int(v.From), Granted: v.Granted})
	}
	n.Peers = nil
	for _, p := range s.Peers {
		if slices.ContainsFunc(n.Peers, func(q PeerStatus) bool { return q.ID == int(p.ID) }) {
			continue // no node says this
		}
		n.Peers = append(n.Peers, PeerStatus{
			ID: int(p.ID), Next: uint64(p.Next), Match: uint64(p.Match),
			Inflight: p.Inflight, Probing: p.Flow == raft.FlowProbe, Flow: p.Flow.String(), LastAckNS: int64(p.LastAck),
			SnapshotIndex: uint64(p.SnapshotIndex), SnapshotOffset: p.SnapshotOffset,
		})
	}
}

// foldConfig takes a node's configuration over.
func (m *member) foldConfig(s *wire.State) {
	n := &m.status
	n.ConfigIndex = uint64(s.ConfigIndex)
	n.Voters, n.VotersOld, n.Learners = ints(s.Config.Voters), ints(s.Config.VotersOld), ints(s.Config.Learners)
	if m.config == nil || !m.config.Equal(s.Config) {
		m.config = &s.Config
	}
	m.target = nil
	if s.Target != nil {
		m.target = &TargetStatus{Voters: ints(s.Target.Voters), Learners: ints(s.Target.Learners)}
	}
}

func ints(ids []raft.NodeID) []int {
	out := make([]int, len(ids))
	for i, id := range ids {
		out[i] = int(id)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// runs counts what the runs of a log that ends at last hold.
func runs(in []raft.TermRun, last raft.Index) []TermRun {
	out := make([]TermRun, 0, len(in))
	for i, r := range in {
		end := last + 1
		if i+1 < len(in) {
			end = in[i+1].First
		}
		if end <= r.First {
			continue
		}
		out = append(out, TermRun{Term: uint64(r.Term), First: uint64(r.First), Count: uint64(end - r.First)})
	}
	return out
}
