package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// patience bounds every wait of these tests; none is meant to last that long.
const patience = 20 * time.Second

const (
	labToken  = "lab-token"
	raftToken = "raft-token"
)

// fakeLab is the smallest lab: it registers nodes, configures them with each
// other's own Raft addresses, and keeps what they report.
type fakeLab struct {
	t      testing.TB
	ln     net.Listener
	size   int
	dir    string
	cfg    wire.Configure
	logger *slog.Logger
	// processes makes every node a process of its own: this test binary again.
	processes bool
	openFile  wal.OpenFile // the disks of nodes that are no processes

	conns sync.WaitGroup
	mu    sync.Mutex
	news  sync.Cond // with mu: something was reported
	nodes map[raft.NodeID]*fakeNode
	gone  map[raft.NodeID]bool // left out of the address book
	clock *clock.Clock
	muted map[raft.NodeID]bool // whose reports are not read
}

// fakeNode is the lab's end of a node.
type fakeNode struct {
	id     raft.NodeID
	cmd    *exec.Cmd // of a process
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // once ended

	// Under the lab's mu.
	conn     net.Conn
	writing  sync.Mutex
	reg      *wire.Register
	state    *wire.State
	states   int
	facts    []wire.Fact
	damaged  []wire.Damaged
	fatal    string
	orders   uint64
	outcomes map[uint64]wire.Outcome
}

func newFakeLab(t testing.TB, size int) *fakeLab {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &fakeLab{
		t: t, ln: ln, size: size, dir: t.TempDir(), nodes: make(map[raft.NodeID]*fakeNode),
		clock: clock.New(clock.Setting{Rate: 1}),
		cfg: wire.Configure{
			Heartbeat: raft.Duration(20 * time.Millisecond), ElectionMin: raft.Duration(100 * time.Millisecond),
			ElectionMax: raft.Duration(200 * time.Millisecond), Seed: 1, Token: raftToken,
			PreVote: true, CheckQuorum: true, IgnoreVotes: true, Transfer: true,
		},
		logger: slog.New(slog.DiscardHandler),
	}
	for id := range raft.NodeID(size) {
		l.cfg.Bootstrap = append(l.cfg.Bootstrap, id+1)
	}
	if os.Getenv("RAFTLAB_TEST_LOG") != "" {
		l.logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	l.news.L = &l.mu
	l.conns.Go(l.serve)
	t.Cleanup(l.close)
	return l
}

// startLab starts a whole cluster and returns when it has a leader.
func startLab(t testing.TB, size int) *fakeLab {
	t.Helper()
	l := newFakeLab(t, size)
	l.startAll()
	l.leader()
	return l
}

func (l *fakeLab) startAll() {
	for id := range raft.NodeID(l.size) {
		l.start(id + 1)
	}
}

func (l *fakeLab) close() {
	l.mu.Lock()
	l.muted = nil // a test that failed may have left it
	l.news.Broadcast()
	l.mu.Unlock()
	for _, n := range l.nodes {
		n.cancel()
	}
	for _, n := range l.nodes {
		<-n.ended
	}
	l.ln.Close()
	l.conns.Wait()
}

func (l *fakeLab) nodeDir(id raft.NodeID) string { return filepath.Join(l.dir, id.String()) }

// start runs a node; one of that id that ran before must have ended.
func (l *fakeLab) start(id raft.NodeID) *fakeNode {
	ctx, cancel := context.WithCancel(context.Background())
	n := &fakeNode{id: id, cancel: cancel, ended: make(chan struct{}), outcomes: make(map[uint64]wire.Outcome)}
	l.mu.Lock()
	l.nodes[id] = n
	l.mu.Unlock()
	run := func() error {
		return Run(ctx, Options{ID: id, Dir: l.nodeDir(id), LabAddr: l.ln.Addr().String(), Token: labToken, Logger: l.logger, openFile: l.openFile})
	}
	if l.processes {
		n.cmd = exec.CommandContext(ctx, os.Args[0])
		n.cmd.Env = append(os.Environ(), EnvID+"="+strconv.Itoa(int(id)), EnvDir+"="+l.nodeDir(id),
			EnvLab+"="+l.ln.Addr().String(), EnvToken+"="+labToken)
		n.cmd.Stderr = os.Stderr
		run = n.cmd.Run
	}
	go func() {
		defer close(n.ended)
		n.err = run()
		l.mu.Lock()
		l.news.Broadcast()
		l.mu.Unlock()
	}()
	return n
}

// stop ends a node and returns what Run returned.
func (l *fakeLab) stop(id raft.NodeID) error {
	n := l.node(id)
	n.cancel()
	<-n.ended
	l.mu.Lock()
	n.reg = nil
	l.mu.Unlock()
	return n.err
}

func (l *fakeLab) node(id raft.NodeID) *fakeNode {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nodes[id]
}

func (l *fakeLab) serve() {
	for {
		conn, err := l.ln.Accept()
		if err != nil {
			return
		}
		l.conns.Go(func() {
			defer conn.Close()
			if err := l.hear(conn); err != nil && !errors.Is(err, net.ErrClosed) {
				l.t.Errorf("lab: %v", err)
			}
		})
	}
}

// hear is one node's conversation, from its hello on.
func (l *fakeLab) hear(conn net.Conn) error {
	r := wire.NewReader(conn, 64<<10)
	frame, err := r.Next()
	if err != nil {
		return err
	}
	h, hello, err := wire.DecodeHello(frame)
	if err != nil || hello.Role != wire.RoleControl || hello.Token != labToken {
		return fmt.Errorf("hello %+v, %v", hello, err)
	}
	n := l.node(h.From)
	for {
		frame, err := r.Next()
		if err != nil {
			return nil // the node has ended
		}
		h, err := wire.PeekHeader(frame)
		if err != nil {
			return err
		}
		switch h.Kind {
		case wire.KindRegister:
			var reg wire.Register
			if _, err := wire.DecodeControl(frame, &reg); err != nil {
				return err
			}
			l.register(n, conn, &reg)
		case wire.KindReport:
			var report wire.Report
			if _, err := wire.DecodeControl(frame, &report); err != nil {
				return err
			}
			l.mu.Lock()
			n.facts = append(n.facts, report.Facts...)
			n.damaged = append(n.damaged, report.Damaged...)
			if report.State != nil {
				n.state = report.State
				n.states++
			}
			if report.Fatal != "" {
				n.fatal = report.Fatal
			}
			l.news.Broadcast()
			for l.muted[n.id] {
				l.news.Wait()
			}
			l.mu.Unlock()
		case wire.KindOutcome:
			var out wire.Outcome
			if _, err := wire.DecodeControl(frame, &out); err != nil {
				return err
			}
			l.mu.Lock()
			n.outcomes[h.ID] = out
			l.news.Broadcast()
			l.mu.Unlock()
		default:
			return fmt.Errorf("a %v frame from a node", h.Kind)
		}
	}
}

// register configures everybody once all addresses are known, and everybody
// again when one has changed. Nodes beyond the first size join: they are told of
// no bootstrap configuration.
func (l *fakeLab) register(n *fakeNode, conn net.Conn, reg *wire.Register) {
	l.mu.Lock()
	n.conn, n.reg = conn, reg
	registered, running := 0, false
	for _, m := range l.nodes {
		if m.reg != nil {
			registered++
		}
		running = running || m.states > 0
	}
	l.news.Broadcast()
	l.mu.Unlock()
	if registered >= l.size || running { // all of them, or not the first start
		l.configure()
	}
}

// configure tells all that have registered everything.
func (l *fakeLab) configure() {
	l.mu.Lock()
	cfg := l.cfg
	cfg.Clock = l.clock.Setting()
	var all []*fakeNode
	for id, m := range l.nodes {
		if l.gone[id] {
			continue
		}
		p := wire.Peer{ID: id, RaftAddr: "127.0.0.1:1"}
		if m.reg != nil {
			p.RaftAddr, p.ClientAddr = m.reg.RaftAddr, m.reg.ClientAddr
			all = append(all, m)
		}
		cfg.Peers = append(cfg.Peers, p)
	}
	l.mu.Unlock()
	for _, m := range all {
		c := cfg
		if m.id > raft.NodeID(l.size) {
			c.Bootstrap = nil
		}
		l.tell(m, wire.KindConfigure, 1, c)
	}
}

func (l *fakeLab) tell(n *fakeNode, kind wire.Kind, id uint64, body any) {
	frame, err := wire.AppendControl(nil, kind, id, body)
	if err != nil {
		l.t.Errorf("lab: %v", err)
		return
	}
	n.writing.Lock()
	defer n.writing.Unlock()
	n.conn.Write(frame) // a node that has ended is noticed by its reader
}

// wait returns when what holds, which it looks at after each report.
func (l *fakeLab) wait(what string, holds func() bool) {
	l.t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		l.mu.Lock()
		late = true
		l.news.Broadcast()
		l.mu.Unlock()
	})
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for !holds() {
		if late {
			for id, n := range l.nodes {
				l.t.Logf("%v: state %+v", id, n.state)
			}
			l.t.Fatalf("waited %v for %s", patience, what)
		}
		l.news.Wait()
	}
}

// alive tells whether a node runs; with mu.
func (n *fakeNode) alive() bool {
	select {
	case <-n.ended:
		return false
	default:
		return n.state != nil
	}
}

// leader waits until one living node leads the highest term and a majority
// follows it, and returns it.
func (l *fakeLab) leader() *fakeNode {
	l.t.Helper()
	var found *fakeNode
	l.wait("a leader", func() bool {
		var top raft.Term
		for _, n := range l.nodes {
			if n.alive() {
				top = max(top, n.state.Term)
			}
		}
		found = nil
		follow := 0
		for _, n := range l.nodes {
			if !n.alive() || n.state.Term != top {
				continue
			}
			if n.state.Role == raft.Leader {
				found = n
			}
			if n.state.Leader != 0 {
				follow++
			}
		}
		return found != nil && follow > len(found.state.Config.Voters)/2 && found.state.Commit > 0
	})
	return found
}

// order sends an order and waits for its outcome.
func (l *fakeLab) order(n *fakeNode, o wire.Order) wire.Outcome {
	l.t.Helper()
	return l.outcome(n, o, l.send(n, o))
}

// send sends an order and returns its number.
func (l *fakeLab) send(n *fakeNode, o wire.Order) uint64 {
	l.mu.Lock()
	n.orders++
	id := n.orders
	l.mu.Unlock()
	l.tell(n, wire.KindOrder, id, o)
	return id
}

// outcome waits for the outcome of an order.
func (l *fakeLab) outcome(n *fakeNode, o wire.Order, id uint64) wire.Outcome {
	l.t.Helper()
	var out wire.Outcome
	l.wait("the outcome of "+o.Verb, func() bool {
		var ok bool
		out, ok = n.outcomes[id]
		return ok
	})
	return out
}

// steady slows the clock down, for a test that relies on the leader it has: no
// stall of a busy machine lasts an election timeout then.
func (l *fakeLab) steady() { l.setClock(0.05, false) }

// setClock tells all nodes another rate or hold.
func (l *fakeLab) setClock(rate float64, held bool) {
	s := l.clock.Adjust(rate, held)
	l.mu.Lock()
	var all []*fakeNode
	for _, n := range l.nodes {
		if n.reg != nil {
			all = append(all, n)
		}
	}
	l.mu.Unlock()
	for _, n := range all {
		l.tell(n, wire.KindClock, 1, s)
	}
}

// dialRaft opens a Raft link to a node in the name of another.
func dialRaft(t testing.TB, from raft.NodeID, to *fakeNode) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", to.reg.RaftAddr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	hello := wire.AppendHello(nil, wire.Header{From: from, To: to.id}, wire.Hello{Version: wire.Version, Role: wire.RoleRaft, Token: raftToken})
	if _, err := conn.Write(hello); err != nil {
		t.Fatal(err)
	}
	return conn
}

// testClient is the plainest client: what it sends and gets is up to the test.
type testClient struct {
	t    testing.TB
	conn net.Conn
	r    *wire.Reader
	id   uint64
	seq  uint64
}

// dial connects to a node's client port.
func (l *fakeLab) dial(n *fakeNode) *testClient {
	l.t.Helper()
	conn, err := net.Dial("tcp", n.reg.ClientAddr)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { conn.Close() })
	hello := wire.AppendHello(nil, wire.Header{}, wire.Hello{Version: wire.Version, Role: wire.RoleClient})
	if _, err := conn.Write(hello); err != nil {
		l.t.Fatal(err)
	}
	return &testClient{t: l.t, conn: conn, r: wire.NewReader(conn, 64<<10)}
}

func (c *testClient) send(reqs ...wire.Request) {
	c.t.Helper()
	var b []byte
	for i := range reqs {
		b = wire.AppendRequest(b, &reqs[i])
	}
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *testClient) receive() wire.Reply {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	frame, err := c.r.Next()
	if err != nil {
		c.t.Fatalf("read a reply: %v", err)
	}
	var reply wire.Reply
	if err := wire.DecodeReply(frame, &reply); err != nil {
		c.t.Fatal(err)
	}
	reply.Value = append([]byte(nil), reply.Value...)
	return reply
}

// do sends one request and returns its reply.
func (c *testClient) do(req wire.Request) wire.Reply {
	c.t.Helper()
	c.id++
	req.ID = c.id
	c.send(req)
	reply := c.receive()
	if reply.ID != req.ID {
		c.t.Fatalf("reply to %d, want %d", reply.ID, req.ID)
	}
	return reply
}

const testSession = 77

func (c *testClient) put(key, value string) wire.Reply {
	c.t.Helper()
	c.seq++
	return c.do(wire.Request{Op: wire.OpPut, Session: testSession, Seq: c.seq, Acked: c.seq - 1, Key: []byte(key), Value: []byte(value)})
}

func (c *testClient) get(key string, read wire.Read) wire.Reply {
	c.t.Helper()
	return c.do(wire.Request{Op: wire.OpGet, Read: read, Key: []byte(key)})
}

// follower returns a voter that does not lead.
func (l *fakeLab) follower() *fakeNode {
	leader := l.leader()
	l.mu.Lock()
	defer l.mu.Unlock()
	voters := leader.state.Config.Voters
	return l.nodes[voters[(slices.Index(voters, leader.id)+1)%len(voters)]]
}

// all tells whether every node is such; with mu.
func (l *fakeLab) all(is func(*fakeNode) bool) bool {
	for _, n := range l.nodes {
		if n.state == nil || !is(n) {
			return false
		}
	}
	return true
}

// states is what all nodes last showed.
func (l *fakeLab) states() []wire.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	var s []wire.State
	for _, id := range slices.Sorted(maps.Keys(l.nodes)) {
		s = append(s, *l.nodes[id].state)
	}
	return s
}

// isolate takes every link from and to a node away, by addresses at which
// nobody listens.
func (l *fakeLab) isolate(n *fakeNode) {
	l.book(func(from, to raft.NodeID) bool { return from != n.id && to != n.id })
}

// join gives all links back.
func (l *fakeLab) join() {
	l.book(func(raft.NodeID, raft.NodeID) bool { return true })
}

func (l *fakeLab) book(open func(from, to raft.NodeID) bool) {
	l.mu.Lock()
	books := make(map[*fakeNode]wire.Configure)
	for _, n := range l.nodes {
		var c wire.Configure
		for _, m := range l.nodes {
			if l.gone[m.id] {
				continue
			}
			p := wire.Peer{ID: m.id, RaftAddr: m.reg.RaftAddr, ClientAddr: m.reg.ClientAddr}
			if !open(n.id, m.id) {
				p.RaftAddr = "127.0.0.1:1"
			}
			c.Peers = append(c.Peers, p)
		}
		books[n] = c
	}
	l.mu.Unlock()
	for n, c := range books {
		l.tell(n, wire.KindConfigure, 1, c)
		l.order(n, wire.Order{Verb: wire.OrderLog, From: math.MaxInt64}) // when that is answered, the book is taken
	}
}

// shown is what a node last showed.
func (l *fakeLab) shown(n *fakeNode) wire.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *n.state
}

// told is all the facts a node has told.
func (l *fakeLab) told(n *fakeNode) []wire.Fact {
	l.mu.Lock()
	defer l.mu.Unlock()
	return n.facts[:len(n.facts):len(n.facts)]
}
