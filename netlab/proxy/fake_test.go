package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

const (
	token  = "a token"
	ms     = raft.Time(time.Millisecond)
	moment = 1e-9 // a rate at which the clock stands for all purposes, but is not held
)

// patience is how long a test waits for what must come. Nothing passes by it.
const patience = 20 * time.Second

// network is a proxy with fake nodes around it, on a clock that the test sets.
type network struct {
	t     testing.TB
	proxy *Proxy
	clock *clock.Clock
	log   *lockedBuffer
	nodes []*fake // by id; the first is nobody
}

// newNetwork starts a network of n nodes at lab time 0. The clock stands, not
// held, until the test sets it.
func newNetwork(t testing.TB, n int, change ...func(*Proxy)) *network {
	t.Helper()
	before := runtime.NumGoroutine()
	w := &network{t: t, clock: clock.New(clock.Setting{Rate: moment}), log: new(lockedBuffer)}
	o := Options{
		Nodes: n, Seed: 1, Clock: w.clock, Token: token,
		Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(p)
	}
	if err := p.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	w.proxy = p
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	w.eventually("it runs", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.ran != nil
	})
	w.nodes = make([]*fake, n+1)
	for id := raft.NodeID(1); id <= raft.NodeID(n); id++ {
		w.start(id)
	}
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ran:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			buf := make([]byte, 1<<20)
			t.Fatalf("Run does not end:\n%s", buf[:runtime.Stack(buf, true)])
		}
		for _, f := range w.nodes[1:] {
			f.stop()
		}
		w.eventually("all goroutines end", func() bool { return runtime.NumGoroutine() <= before })
	})
	return w
}

// start starts node id, anew if it ran before, and tells the proxy.
func (w *network) start(id raft.NodeID) *fake {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	f := &fake{net: w, id: id, listener: l, got: make(chan received, 4096), resume: make(chan struct{})}
	close(f.resume)
	f.done.Add(1)
	go f.accept()
	w.nodes[id] = f
	if err := w.proxy.SetNode(id, l.Addr().String()); err != nil {
		w.t.Fatal(err)
	}
	return f
}

// at sets the lab time; the clock then stands there, not held.
func (w *network) at(t raft.Time) { w.clock.Set(clock.Setting{At: t, Rate: moment}) }

// hold holds the clock at lab time t.
func (w *network) hold(t raft.Time) { w.clock.Set(clock.Setting{At: t, Rate: moment, Held: true}) }

func (w *network) rules(from, to raft.NodeID, r link.Rules) {
	w.t.Helper()
	if err := w.proxy.SetRules(from, to, r); err != nil {
		w.t.Fatal(err)
	}
}

func (w *network) counters(from, to raft.NodeID) LinkCounters {
	for _, c := range w.proxy.Links(nil) {
		if c.From == from && c.To == to {
			return c
		}
	}
	w.t.Fatalf("no link %d to %d", from, to)
	return LinkCounters{}
}

func (w *network) lane(from, to raft.NodeID) *lane {
	w.t.Helper()
	l, err := w.proxy.lane(from, to)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// eventually waits for what must come true.
func (w *network) eventually(what string, holds func() bool) {
	w.t.Helper()
	end := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			w.t.Fatalf("waited %v in vain: %s\nlog:\n%s\n%s", patience, what, w.log, buf[:runtime.Stack(buf, true)])
		}
		runtime.Gosched()
		time.Sleep(50 * time.Microsecond) // between two looks, not to let time pass
	}
}

// waiting waits until n frames wait on the link.
func (w *network) waiting(from, to raft.NodeID, n int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d frames wait from %d to %d", n, from, to), func() bool {
		return w.counters(from, to).Waiting == n
	})
}

// logged waits for a line in the log that has all of these in it.
func (w *network) logged(parts ...string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("a line of log with %q", parts), func() bool {
		return slices.ContainsFunc(w.log.lines(), func(line string) bool {
			return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
		})
	})
}

// record returns the last word on frame number n of a link, once there is one.
func (w *network) record(from, to raft.NodeID, n uint64, done bool) Frame {
	w.t.Helper()
	var found Frame
	w.eventually(fmt.Sprintf("frame %d from %d to %d is on record", n, from, to), func() bool {
		frames, _, _ := w.proxy.Frames(nil, 0, 1<<20)
		for _, f := range frames {
			if f.From == from && f.To == to && f.Number == n && f.Done == done {
				found = f
			}
		}
		return found.ID != 0
	})
	return found
}

// received is a frame as a fake node got it.
type received struct {
	from raft.NodeID
	id   uint64 // the sender's, or damaged
	size int
	at   raft.Time // for tests to fill in
}

// damaged is the id of a frame that was refused because of its checksum.
const damaged = 1<<64 - 1

// fake is a node: it takes connections and keeps what arrives.
type fake struct {
	net      *network
	id       raft.NodeID
	listener net.Listener
	got      chan received

	tolerant atomic.Bool // damaged frames are expected

	done   sync.WaitGroup
	mu     sync.Mutex
	conns  []net.Conn
	hellos int
	resume chan struct{} // closed while the node reads
}

func (f *fake) accept() {
	defer f.done.Done()
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns = append(f.conns, conn)
		f.mu.Unlock()
		f.done.Add(1)
		go f.receive(conn)
	}
}

func (f *fake) receive(conn net.Conn) {
	defer f.done.Done()
	defer conn.Close()
	r := wire.NewReader(conn, 64<<10)
	raw, err := r.Next()
	if err != nil {
		return
	}
	h, hello, err := wire.DecodeHello(raw)
	if err != nil || hello.Token != token || hello.Role != wire.RoleRaft || h.To != f.id {
		f.net.t.Errorf("node %d got hello %+v %+v: %v", f.id, h, hello, err)
		return
	}
	f.mu.Lock()
	f.hellos++
	f.mu.Unlock()
	for {
		f.mu.Lock()
		resume := f.resume
		f.mu.Unlock()
		<-resume
		raw, err := r.Next()
		if err != nil {
			return
		}
		got, m, err := wire.DecodeMessage(raw)
		var refused *wire.ChecksumError
		if errors.As(err, &refused) && f.tolerant.Load() {
			f.got <- received{from: h.From, id: damaged, size: len(raw) + 4}
			continue
		}
		if err != nil || m.From != h.From || m.To != f.id {
			f.net.t.Errorf("node %d got %+v on the link from %d: %v", f.id, got, h.From, err)
			return
		}
		f.got <- received{from: m.From, id: got.ID, size: len(raw) + 4}
	}
}

// pause makes the node read nothing behind a frame it may be waiting for, as
// SIGSTOP would.
func (f *fake) pause() {
	f.mu.Lock()
	f.resume = make(chan struct{})
	f.mu.Unlock()
}

func (f *fake) unpause() {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.resume:
	default:
		close(f.resume)
	}
}

// stop ends the node's process.
func (f *fake) stop() {
	f.listener.Close()
	f.unpause()
	f.mu.Lock()
	for _, c := range f.conns {
		c.Close()
	}
	f.mu.Unlock()
	f.done.Wait()
}

// next returns the next frame to arrive.
func (f *fake) next() received {
	f.net.t.Helper()
	select {
	case got := <-f.got:
		return got
	case <-time.After(patience):
		buf := make([]byte, 1<<20)
		f.net.t.Fatalf("node %d waits for a frame in vain\nlog:\n%s\n%s", f.id, f.net.log, buf[:runtime.Stack(buf, true)])
		return received{}
	}
}

// wants checks which frames arrive next from one sender, by the ids it gave them.
func (f *fake) wants(from raft.NodeID, ids ...uint64) {
	f.net.t.Helper()
	for _, id := range ids {
		if got := f.next(); got.from != from || got.id != id {
			f.net.t.Fatalf("node %d got frame %d from %d, want %d from %d", f.id, got.id, got.from, id, from)
		}
	}
}

// nothing checks that no frame has arrived.
func (f *fake) nothing() {
	f.net.t.Helper()
	select {
	case got := <-f.got:
		f.net.t.Fatalf("node %d got frame %d from %d, want none", f.id, got.id, got.from)
	default:
	}
}

// sender is one link's connection from a node to the proxy.
type sender struct {
	net.Conn
	net      *network
	from, to raft.NodeID
	id       uint64
}

func (w *network) dial() net.Conn {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.proxy.Addr())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	return conn
}

func (w *network) link(from, to raft.NodeID) *sender {
	w.t.Helper()
	s := &sender{Conn: w.dial(), net: w, from: from, to: to}
	s.write(wire.AppendHello(nil, wire.Header{From: from, To: to},
		wire.Hello{Version: wire.Version, Role: wire.RoleRaft, Token: token}))
	return s
}

func (s *sender) write(raw []byte) {
	s.net.t.Helper()
	if _, err := s.Write(raw); err != nil {
		s.net.t.Fatalf("node %d writes: %v", s.from, err)
	}
}

// heartbeat is the frame of one, as small as they come.
func (s *sender) heartbeat() []byte { return s.message(&raft.AppendEntries{LeaderCommit: 7}) }

// entry is a frame that carries size bytes.
func (s *sender) entry(size int) []byte {
	return s.message(&raft.AppendEntries{Entries: []raft.Entry{{Index: 1, Term: 1, Kind: raft.EntryCommand, Data: make([]byte, size)}}})
}

func (s *sender) message(body raft.Body) []byte {
	s.net.t.Helper()
	s.id++
	raw, err := wire.AppendMessage(nil, s.id, &raft.Message{From: s.from, To: s.to, Term: 3, Body: body})
	if err != nil {
		s.net.t.Fatal(err)
	}
	return raw
}

// send sends n heartbeats in one write.
func (s *sender) send(n int) {
	s.net.t.Helper()
	var raw []byte
	for range n {
		raw = append(raw, s.heartbeat()...)
	}
	s.write(raw)
}

// ended waits until the proxy has closed the connection.
func (s *sender) ended() { ended(s.net, s.Conn) }

func ended(w *network, conn net.Conn) {
	w.t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	var b [1]byte
	if _, err := conn.Read(b[:]); err == nil || errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		w.t.Fatalf("the connection still stands: %v\nlog:\n%s", err, w.log)
	}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ io.Writer = (*lockedBuffer)(nil)

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// lines are the whole lines written so far.
func (b *lockedBuffer) lines() []string {
	lines := strings.Split(b.String(), "\n")
	return lines[:len(lines)-1]
}
