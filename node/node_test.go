package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// TestMain looks for goroutines that a node has left behind: Run waits for all
// it started.
//
// The binary is also a node, for tests that want processes.
func TestMain(m *testing.M) {
	if os.Getenv(EnvID) != "" {
		o, err := FromEnv()
		if err == nil {
			err = Run(context.Background(), o)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	stacks := make([]byte, 1<<20)
	for range 1000 { // a goroutine that has said it is done may still be on its way out
		stacks = stacks[:cap(stacks)]
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !leaked(string(stacks)) {
			os.Exit(code)
		}
		runtime.Gosched()
	}
	fmt.Fprintf(os.Stderr, "goroutines are left behind:\n%s\n", stacks)
	os.Exit(1)
}

func leaked(stacks string) bool {
	for _, g := range strings.Split(stacks, "\n\n") {
		if strings.Contains(g, "raftlab/node") && !strings.Contains(g, "node.TestMain") {
			return true
		}
	}
	return false
}

func TestPutIsReadBackEverywhere(t *testing.T) {
	l := startLab(t, 3)
	c := l.dial(l.leader())
	put := c.put("x", "1")
	if put.Code != wire.CodeOK || put.Index == 0 || put.Term == 0 {
		t.Fatalf("put x=1: %+v, want it done", put)
	}
	if got := c.get("x", wire.ReadLog); string(got.Value) != "1" || !got.Found {
		t.Errorf("get x through the log: %+v, want 1", got)
	}
	for id := range raft.NodeID(3) {
		n := l.node(id + 1)
		l.wait(fmt.Sprintf("%v to apply", n.id), func() bool { return n.state.Applied >= put.Index })
		if got := l.dial(n).get("x", wire.ReadStale); string(got.Value) != "1" || got.Node != n.id {
			t.Errorf("stale get at %v: %+v, want 1", n.id, got)
		}
	}
}

func TestFollowerNamesTheLeader(t *testing.T) {
	l := startLab(t, 3)
	leader := l.leader()
	got := l.dial(l.follower()).put("x", "1")
	if got.Code != wire.CodeNotLeader || got.Leader != leader.id || got.LeaderAddr != leader.reg.ClientAddr {
		t.Errorf("put at a follower: %+v, want leader %v at %s", got, leader.id, leader.reg.ClientAddr)
	}
}

// A client that got no answer asks again under the same number (thesis §6.3).
func TestRetryIsAppliedOnce(t *testing.T) {
	l := startLab(t, 3)
	c := l.dial(l.leader())
	incr := wire.Request{Op: wire.OpIncr, Session: testSession, Seq: 1, Key: []byte("n")}
	first, again := c.do(incr), c.do(incr)
	if string(first.Value) != "1" || string(again.Value) != "1" || again.Index != first.Index {
		t.Errorf("incr: %+v, the same again: %+v, want the same answer", first, again)
	}
	if got := c.get("n", wire.ReadLog); string(got.Value) != "1" {
		t.Errorf("n after a retry: %s, want 1", got.Value)
	}
}

func TestBadRequestIsAnsweredWithItsReason(t *testing.T) {
	l := startLab(t, 1)
	c := l.dial(l.leader())
	got := c.do(wire.Request{Op: wire.OpPut, Session: testSession, Seq: 1})
	if got.Code != wire.CodeBad || !strings.Contains(got.Error, "key is empty") {
		t.Errorf("put without a key: %+v", got)
	}
	if got := c.put("x", "1"); got.Code != wire.CodeOK {
		t.Errorf("the next put on that connection: %+v", got)
	}
	cas := c.do(wire.Request{Op: wire.OpCAS, Session: testSession, Seq: 2, Key: []byte("x"), Old: []byte("0"), Value: []byte("2")})
	if cas.Code != wire.CodeFailed || cas.Error == "" {
		t.Errorf("cas on another value: %+v", cas)
	}
}

// The leader goes, another one has what it had; it comes back from its disk
// and has it too.
func TestLeaderChangeAndRestartKeepWhatWasAcknowledged(t *testing.T) {
	l := startLab(t, 3)
	old := l.leader()
	c := l.dial(old)
	for i := range 50 {
		if got := c.put(fmt.Sprint("k", i), fmt.Sprint(i)); got.Code != wire.CodeOK {
			t.Fatalf("put %d: %+v", i, got)
		}
	}
	if err := l.stop(old.id); err != nil {
		t.Fatalf("the leader ended with %v", err)
	}
	next := l.leader()
	c2 := l.dial(next)
	c2.seq = c.seq
	after := c2.put("after", "1")
	if after.Code != wire.CodeOK || after.Term <= l.shown(old).Term {
		t.Fatalf("put at the next leader: %+v, the last term was %d", after, l.shown(old).Term)
	}
	if got := c2.get("k49", wire.ReadLog); string(got.Value) != "49" {
		t.Errorf("k49 at the next leader: %+v", got)
	}
	back := l.start(old.id)
	l.wait("the old leader to catch up", func() bool { return back.state != nil && back.state.Applied >= after.Index })
	for key, want := range map[string]string{"k0": "0", "k49": "49", "after": "1"} {
		if got := l.dial(back).get(key, wire.ReadStale); string(got.Value) != want {
			t.Errorf("%s at the old leader: %+v, want %s", key, got, want)
		}
	}
}

func TestWholeClusterComesBackFromItsDisks(t *testing.T) {
	l := startLab(t, 3)
	c := l.dial(l.leader())
	put := c.put("x", "1")
	for id := range raft.NodeID(3) {
		if err := l.stop(id + 1); err != nil {
			t.Errorf("%v ended with %v", id+1, err)
		}
	}
	for id := range raft.NodeID(3) {
		l.start(id + 1)
	}
	if got := l.dial(l.leader()).get("x", wire.ReadLog); string(got.Value) != "1" || got.Index <= put.Index {
		t.Errorf("x after a restart of all: %+v", got)
	}
}

// A leader that the others cannot hear takes requests and cannot commit them.
// When it learns of its successor, their fate is open.
func TestRequestsOfADeposedLeaderAreUnknown(t *testing.T) {
	l := newFakeLab(t, 3)
	l.cfg.CheckQuorum = false // it would step down before it hears of another
	l.startAll()
	old := l.leader()
	c := l.dial(old)
	c.put("x", "1")
	l.isolate(old)
	c.send(wire.Request{ID: 9, Op: wire.OpPut, Session: testSession, Seq: 2, Acked: 1, Key: []byte("x"), Value: []byte("lost")})
	l.wait("the request to be pending", func() bool { return old.state.Pending == 1 })
	l.wait("another leader", func() bool {
		for _, n := range l.nodes {
			if n != old && n.state.Role == raft.Leader {
				return true
			}
		}
		return false
	})
	l.join()
	if got := c.receive(); got.ID != 9 || got.Code != wire.CodeUnknown || got.Error == "" {
		t.Errorf("the put of the deposed leader: %+v, want unknown", got)
	}
	l.wait("its entry to be replaced", func() bool {
		for _, f := range old.facts {
			if f.Kind == raft.EventTruncated {
				return true
			}
		}
		return false
	})
	if got := l.dial(l.leader()).get("x", wire.ReadLog); string(got.Value) != "1" {
		t.Errorf("x: %+v, want 1", got)
	}
}

// While the clock is held nothing changes: no message, request, timer, nor the
// disk's word is taken. Afterwards all of it is.
func TestHeldNothingMovesAndNothingIsLost(t *testing.T) {
	l := startLab(t, 3)
	leader := l.leader()
	c := l.dial(leader)
	c.put("x", "1")
	c.send(requests(1, 200)...) // some of them are under way when the hold comes
	l.setClock(1, true)
	l.wait("all nodes to know of the hold", func() bool { return l.all(func(n *fakeNode) bool { return n.state.Held }) })
	before := l.states()
	c.send(requests(201, 400)...)
	other := l.dial(l.follower())
	other.send(wire.Request{ID: 1, Op: wire.OpGet, Read: wire.ReadStale, Key: []byte("x")})
	// Many election timeouts of real time, in which nothing may happen. There is
	// no event to wait for: the test is that there is none.
	<-time.After(time.Duration(3 * l.cfg.ElectionMax))
	if after := l.states(); !reflect.DeepEqual(before, after) {
		t.Errorf("states while held:\n%+v\n%+v", before, after)
	}
	other.conn.SetReadDeadline(time.Now())
	if _, err := other.r.Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a follower answered while held: %v", err)
	}
	l.setClock(1, false)
	other.r = wire.NewReader(other.conn, 4096)
	if got := other.receive(); got.Code != wire.CodeOK {
		t.Errorf("stale get after release: %+v", got)
	}
	for i := range 400 {
		if got := c.receive(); got.Code != wire.CodeOK || got.ID != uint64(i+1) {
			t.Fatalf("put %d after release: %+v", i+1, got)
		}
	}
	if got := l.leader(); got != leader {
		t.Errorf("%v leads after the hold, want %v", got.id, leader.id)
	}
}

func TestElectWhileHeldTakesEffectAndLeavesOnRelease(t *testing.T) {
	l := startLab(t, 3)
	leader, follower := l.leader(), l.follower()
	l.setClock(1, true)
	l.wait("the hold", func() bool { return l.all(func(n *fakeNode) bool { return n.state.Held }) })
	term := l.shown(leader).Term
	if out := l.order(follower, wire.Order{Verb: wire.OrderElect}); out.Error != "" {
		t.Fatalf("elect %v: %s", follower.id, out.Error)
	}
	if s := l.shown(follower); s.Role != raft.Candidate || s.Term != term+1 || !s.Held {
		t.Errorf("after the order: %+v, want a candidate of term %d", s, term+1)
	}
	if s := l.shown(leader); s.Term != term {
		t.Errorf("the leader heard of term %d while held", s.Term)
	}
	l.setClock(1, false)
	l.wait("the election", func() bool { return follower.state.Role == raft.Leader })
}

func TestClockRateStretchesElections(t *testing.T) {
	l := startLab(t, 3)
	l.setClock(0.25, false)
	leader := l.leader()
	start := time.Now()
	l.stop(leader.id)
	l.leader()
	// The last heartbeat may have come that long before.
	if took := time.Since(start); took < 4*time.Duration(l.cfg.ElectionMin-l.cfg.Heartbeat) {
		t.Errorf("a new leader after %v of real time at a quarter of the speed", took)
	}
}

func TestOrders(t *testing.T) {
	l := startLab(t, 3)
	leader := l.leader()
	l.steady()
	c := l.dial(leader)
	c.put("b", "2")
	put := c.put("a", "1")

	if out := l.order(leader, wire.Order{Verb: wire.OrderElect}); !strings.Contains(out.Error, "leads term") {
		t.Errorf("elect the leader: %q", out.Error)
	}
	if out := l.order(leader, wire.Order{Verb: "dance"}); !strings.Contains(out.Error, `"dance" is no order`) {
		t.Errorf("an unknown order: %q", out.Error)
	}
	dump := l.order(leader, wire.Order{Verb: wire.OrderDump})
	if want := []wire.Pair{{Key: "a", Value: "1", Index: put.Index}, {Key: "b", Value: "2", Index: put.Index - 1}}; !reflect.DeepEqual(dump.Pairs, want) {
		t.Errorf("dump: %+v, want %+v", dump.Pairs, want)
	}
	log := l.order(leader, wire.Order{Verb: wire.OrderLog})
	last := wire.LogEntry{Index: put.Index, Term: put.Term, Kind: "command", Command: "put a=1"}
	if n := len(log.Entries); log.LastIndex != put.Index || n != int(put.Index) || log.Entries[n-1] != last || log.Entries[0].Kind != "noop" {
		t.Errorf("log: %+v, want %d entries that end in %+v", log, put.Index, last)
	}
	part := l.order(leader, wire.Order{Verb: wire.OrderLog, From: put.Index, To: put.Index + 100})
	if !reflect.DeepEqual(part.Entries, []wire.LogEntry{last}) {
		t.Errorf("log from %d: %+v", put.Index, part.Entries)
	}
	if out := l.order(leader, wire.Order{Verb: wire.OrderLog, From: put.Index + 1}); out.Error != "" || len(out.Entries) != 0 {
		t.Errorf("log behind its end: %+v, want nothing", out)
	}
}

// A leader without a majority takes only so many requests, and of one client
// only so many that there is room for others.
func TestFloodIsBusy(t *testing.T) {
	l := newFakeLab(t, 3)
	l.cfg.CheckQuorum = false // it would step down
	l.startAll()
	leader := l.leader()
	for id := range raft.NodeID(3) {
		if id+1 != leader.id {
			l.stop(id + 1)
		}
	}
	const more = 100
	gets := make([]wire.Request, pendingPerClient+more)
	for i := range gets {
		gets[i] = wire.Request{ID: uint64(i + 1), Op: wire.OpGet, Key: []byte("x")}
	}
	var clients []*testClient
	for range pendingLimit / pendingPerClient {
		c := l.dial(leader)
		c.send(gets...)
		for i := range more {
			if got := c.receive(); got.Code != wire.CodeBusy || !strings.Contains(got.Error, "of this connection") {
				t.Fatalf("surplus request %d: %+v, want busy", i, got)
			}
		}
		clients = append(clients, c)
	}
	l.wait("all others to be pending", func() bool { return leader.state.Pending == pendingLimit })
	if got := l.dial(leader).get("x", wire.ReadLog); got.Code != wire.CodeBusy || strings.Contains(got.Error, "of this connection") {
		t.Errorf("one more client: %+v, want busy", got)
	}
	for id := range raft.NodeID(3) {
		if id+1 != leader.id {
			l.start(id + 1)
		}
	}
	for _, c := range clients {
		for i := range pendingPerClient {
			if got := c.receive(); got.Code != wire.CodeOK && got.Code != wire.CodeUnknown {
				t.Fatalf("pending request %d: %+v", i, got)
			}
		}
	}
}

// First its requests are refused, then the connection ends; the node serves
// others all the while.
func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	l := startLab(t, 1)
	c, other := l.dial(l.leader()), l.dial(l.leader())
	other.put("big", strings.Repeat("x", 1<<20))
	get := wire.Request{Op: wire.OpGet, Key: []byte("big")} // committed together, answered together
	var many []byte
	for range 64 {
		many = wire.AppendRequest(many, &get)
	}
	c.conn.SetWriteDeadline(time.Now().Add(patience))
	for {
		if _, err := c.conn.Write(many); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("asking for ever: %v, want the connection ended", err)
			}
			break
		}
	}
	if got := other.put("x", "1"); got.Code != wire.CodeOK {
		t.Errorf("another client's put: %+v", got)
	}
}

// Whatever arrives, it ends that connection and nothing more.
func TestGarbageEndsItsConnectionOnly(t *testing.T) {
	l := startLab(t, 1)
	leader := l.leader()
	hello := func(h wire.Header, role wire.Role, version int, token string) []byte {
		return wire.AppendHello(nil, h, wire.Hello{Version: version, Role: role, Token: token})
	}
	link := wire.Header{From: 1, To: 1}
	bad := []struct {
		name  string
		bytes []byte
	}{
		{"another protocol", []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")},
		{"a giant length", []byte{0xff, 0xff, 0xff, 0xff, 0x95}},
		{"an empty frame", []byte{0, 0, 0, 0}},
		{"no hello", wire.AppendRequest(nil, &wire.Request{ID: 1, Op: wire.OpGet, Key: []byte("x")})},
		{"another version", hello(link, wire.RoleClient, wire.Version+1, "")},
		{"another role", hello(link, wire.RoleControl, wire.Version, labToken)},
		{"another token", hello(link, wire.RoleRaft, wire.Version, "guess")},
		{"another link", hello(wire.Header{From: 1, To: 2}, wire.RoleRaft, wire.Version, raftToken)},
		{"garbage behind a client's hello", append(hello(wire.Header{}, wire.RoleClient, wire.Version, ""), 0, 0, 0, 3, 0x95, 0xc1, 0xc1)},
		{"a reply of a client", append(hello(wire.Header{}, wire.RoleClient, wire.Version, ""), wire.AppendReply(nil, &wire.Reply{ID: 1})...)},
	}
	for _, port := range []string{leader.reg.RaftAddr, leader.reg.ClientAddr} {
		for _, b := range bad {
			t.Run(b.name, func(t *testing.T) {
				conn, err := net.Dial("tcp", port)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := conn.Write(b.bytes); err != nil {
					t.Fatal(err)
				}
				conn.SetReadDeadline(time.Now().Add(patience))
				if n, err := conn.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("read %d bytes, %v: want the connection ended", n, err)
				}
			})
		}
	}
	if got := l.dial(leader).put("x", "1"); got.Code != wire.CodeOK {
		t.Errorf("put after all that: %+v", got)
	}
}

func TestForgedFramesOnALinkEndIt(t *testing.T) {
	l := startLab(t, 3)
	leader, victim := l.leader(), l.follower()
	msgs := []struct {
		name string
		m    raft.Message
	}{
		{"of another sender", raft.Message{From: victim.id, To: victim.id, Term: 1, Body: &raft.RequestVote{}}},
		{"to another node", raft.Message{From: leader.id, To: leader.id, Term: 1, Body: &raft.RequestVote{}}},
	}
	for _, m := range msgs {
		t.Run(m.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", victim.reg.RaftAddr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			b := wire.AppendHello(nil, wire.Header{From: leader.id, To: victim.id}, wire.Hello{Version: wire.Version, Role: wire.RoleRaft, Token: raftToken})
			if b, err = wire.AppendMessage(b, 1, &m.m); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write(b); err != nil {
				t.Fatal(err)
			}
			conn.SetReadDeadline(time.Now().Add(patience))
			if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read: %v, want the connection ended", err)
			}
		})
	}
}

func TestGarbageFromTheLabEndsTheNode(t *testing.T) {
	l := startLab(t, 1)
	n := l.leader()
	n.conn.Write([]byte{0, 0, 0, 2, 0xc1, 0xc1})
	<-n.ended
	var lost *LabError
	if !errors.As(n.err, &lost) || lost.Op != "hear" {
		t.Errorf("ended with %v, want a LabError", n.err)
	}
}

func TestLosingTheLabEndsTheNode(t *testing.T) {
	l := startLab(t, 3)
	n := l.leader()
	start := time.Now()
	n.conn.Close()
	<-n.ended
	var lost *LabError
	if !errors.As(n.err, &lost) {
		t.Errorf("ended with %v, want a LabError", n.err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestUnreachableLab(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	err = Run(t.Context(), Options{ID: 1, Dir: t.TempDir(), LabAddr: addr})
	var lost *LabError
	if !errors.As(err, &lost) || lost.Op != "reach" {
		t.Errorf("Run without a lab: %v, want a LabError", err)
	}
}

func TestDamagedLogIsToldAndEndsTheNode(t *testing.T) {
	l := startLab(t, 1)
	c := l.dial(l.leader())
	for i := range 20 {
		c.put(fmt.Sprint("k", i), strings.Repeat("v", 100))
	}
	l.stop(1)
	damage(t, l.nodeDir(1))
	n := l.start(1)
	<-n.ended
	var damaged *wal.DamageError
	var disk *DiskError
	if !errors.As(n.err, &damaged) || !errors.As(n.err, &disk) {
		t.Fatalf("ended with %v, want a DamageError in a DiskError", n.err)
	}
	l.wait("the lab to be told", func() bool { return n.fatal != "" })
	if !strings.Contains(n.fatal, damaged.Error()) {
		t.Errorf("the lab was told %q, the error is %q", n.fatal, damaged.Error())
	}
}

func TestConfigurationThatMakesNoSenseIsToldAndEndsTheNode(t *testing.T) {
	l := newFakeLab(t, 1)
	l.cfg.Heartbeat = 2 * l.cfg.ElectionMin
	n := l.start(1)
	<-n.ended
	if n.err == nil || !strings.Contains(n.err.Error(), "configure S1") {
		t.Errorf("ended with %v", n.err)
	}
	l.wait("the lab to be told", func() bool { return n.fatal != "" })
	if n.fatal != n.err.Error() {
		t.Errorf("the lab was told %q, the error is %q", n.fatal, n.err)
	}
}

// A write that fails is not acknowledged, and the node does not go on without
// its disk.
func TestFailingDiskIsToldAndEndsTheNode(t *testing.T) {
	l := newFakeLab(t, 1)
	var full atomic.Bool
	l.openFile = func(path string, flag int) (wal.File, error) {
		f, err := os.OpenFile(path, flag, 0o644)
		return failingFile{f, &full}, err
	}
	n := l.start(1)
	c := l.dial(l.leader())
	if got := c.put("x", "1"); got.Code != wire.CodeOK {
		t.Fatalf("put: %+v", got)
	}
	full.Store(true)
	c.send(wire.Request{ID: 2, Op: wire.OpPut, Session: testSession, Seq: 2, Key: []byte("x"), Value: []byte("2")})
	<-n.ended
	var disk *DiskError
	if !errors.As(n.err, &disk) || disk.Op != "write" || !errors.Is(n.err, syscall.ENOSPC) {
		t.Errorf("ended with %v, want a DiskError of the write", n.err)
	}
	l.wait("the lab to be told", func() bool { return n.fatal != "" })
	if n.fatal != disk.Error() {
		t.Errorf("the lab was told %q, the error is %q", n.fatal, disk.Error())
	}
	if frame, err := c.r.Next(); err == nil {
		var reply wire.Reply
		if err := wire.DecodeReply(frame, &reply); err != nil || reply.Code != wire.CodeUnknown {
			t.Errorf("the put that was not written: %+v, %v", reply, err)
		}
	}
}

// failingFile is a disk that becomes full.
type failingFile struct {
	*os.File
	full *atomic.Bool
}

func (f failingFile) WriteAt(b []byte, off int64) (int, error) {
	if f.full.Load() {
		return 0, syscall.ENOSPC
	}
	return f.File.WriteAt(b, off)
}

// damage flips a bit of the first segment, in the middle of what 20 puts of 100
// bytes have left there.
func damage(t *testing.T, dir string) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("segments in %s: %v, %v", dir, segments, err)
	}
	b, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	b[2000] ^= 1
	if err := os.WriteFile(segments[0], b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A lab that does not read slows nobody down.
func TestSlowLabSlowsNoNode(t *testing.T) {
	l := startLab(t, 3)
	leader := l.leader()
	l.steady()
	l.mu.Lock()
	l.muted = map[raft.NodeID]bool{leader.id: true}
	l.mu.Unlock()
	c := l.dial(leader)
	for i := range 300 {
		if got := c.put("x", fmt.Sprint(i)); got.Code != wire.CodeOK {
			t.Fatalf("put %d: %+v", i, got)
		}
	}
	last := c.get("x", wire.ReadLog)
	l.mu.Lock()
	l.muted = nil
	l.news.Broadcast()
	l.mu.Unlock()
	l.wait("the lab to be told everything", func() bool { return leader.state.Applied >= last.Index })
	checkFacts(t, l.told(leader), last.Index)
}

// checkFacts verifies that a leader's facts tell of every entry and commit once.
func checkFacts(t *testing.T, facts []wire.Fact, last raft.Index) {
	t.Helper()
	var appended, committed raft.Index
	var at raft.Time
	for _, f := range facts {
		if f.At < at {
			t.Fatalf("a fact of %d after one of %d", f.At, at)
		}
		at = f.At
		switch f.Kind {
		case raft.EventAppended:
			if f.First != appended+1 {
				t.Fatalf("appended %d-%d after %d", f.First, f.Index, appended)
			}
			appended = f.Index
		case raft.EventCommitted:
			if f.First != committed+1 || f.Index > appended {
				t.Fatalf("committed %d-%d after %d, the log ends at %d", f.First, f.Index, committed, appended)
			}
			committed = f.Index
		}
	}
	if appended < last || committed < last {
		t.Errorf("facts end at %d appended, %d committed, want %d", appended, committed, last)
	}
}

func requests(from, to uint64) []wire.Request {
	var reqs []wire.Request
	for i := from; i <= to; i++ {
		reqs = append(reqs, wire.Request{ID: i, Op: wire.OpPut, Session: testSession, Seq: i + 1, Acked: 0, Key: []byte("k"), Value: []byte(fmt.Sprint(i))})
	}
	return reqs
}

func TestFromEnv(t *testing.T) {
	full := map[string]string{EnvID: "3", EnvDir: "/d", EnvLab: "127.0.0.1:1", EnvToken: "t"}
	tests := []struct {
		name   string
		change map[string]string
		want   string // the error; empty for none
	}{
		{"complete", nil, ""},
		{"no token is for the lab to judge", map[string]string{EnvToken: ""}, ""},
		{"no id", map[string]string{EnvID: ""}, "RAFTLAB_NODE_ID is not set"},
		{"no directory", map[string]string{EnvDir: ""}, "RAFTLAB_NODE_DIR is not set"},
		{"no lab", map[string]string{EnvLab: ""}, "RAFTLAB_LAB_ADDR is not set"},
		{"an id that is no number", map[string]string{EnvID: "three"}, `RAFTLAB_NODE_ID is "three", not a node's number`},
		{"nobody's id", map[string]string{EnvID: "0"}, `RAFTLAB_NODE_ID is "0", not a node's number`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for k, v := range full {
				t.Setenv(k, v)
			}
			for k, v := range tt.change {
				t.Setenv(k, v)
			}
			o, err := FromEnv()
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Fatalf("FromEnv: %q, want %q", got, tt.want)
			}
			if err == nil && (o.ID != 3 || o.Dir != "/d" || o.LabAddr != "127.0.0.1:1" || !o.Alone) {
				t.Errorf("FromEnv = %+v", o)
			}
		})
	}
}
