package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// slowFile is a file that is read only when the gate is open.
type slowFile struct {
	wal.File
	gate *sync.RWMutex
}

func (f slowFile) ReadAt(b []byte, off int64) (int, error) {
	f.gate.RLock()
	defer f.gate.RUnlock()
	return f.File.ReadAt(b, off)
}

// While a node makes its state machine of a snapshot, which may take long, it
// does all that needs none: here it is the second of a majority. Reads wait or
// are told to come again; afterwards everything is applied in order.
func TestStateMachineIsLoadedBesideTheLoop(t *testing.T) {
	l := newFakeLab(t, 3)
	var gate sync.RWMutex
	gated := func(path string) bool { // what a node that has registered reads: its log is open then
		l.mu.Lock()
		defer l.mu.Unlock()
		n := l.nodes[2]
		return strings.HasPrefix(path, l.nodeDir(2)) && strings.HasSuffix(path, ".snap") && n.reg != nil
	}
	l.openFile = func(path string, flag int) (wal.File, error) {
		f, err := os.OpenFile(path, flag, 0o644)
		if err == nil && flag == os.O_RDONLY && gated(path) {
			return slowFile{f, &gate}, nil
		}
		return f, err
	}
	l.startAll()
	leader := l.leaderBut(2)
	l.steady()
	third := 4 - leader.id
	c := l.fill(20, 100)
	l.wipe(2)
	if out := l.order(leader, takeSnapshot); out.Error != "" {
		t.Fatal(out.Error)
	}
	gate.Lock()
	open := sync.OnceFunc(gate.Unlock)
	defer open()
	back := l.start(2)
	l.wait("the node to be there without its state", func() bool { return back.alive() && back.state.SnapshotIndex > 0 })
	if s := l.shown(back); s.Applied != 0 || s.Commit < s.SnapshotIndex {
		t.Errorf("while loading: %+v, want nothing applied", s)
	}
	if err := l.stop(third); err != nil {
		t.Fatal(err)
	}
	put := c.put("x", "1")
	if put.Code != wire.CodeOK {
		t.Fatalf("put with a majority of which one is loading: %+v", put)
	}
	r := l.dial(back)
	if got := r.get("x", wire.ReadStale); got.Code != wire.CodeBusy || !strings.Contains(got.Error, "loading") {
		t.Errorf("stale read while loading: %+v", got)
	}
	if out := l.order(back, wire.Order{Verb: wire.OrderDump}); !strings.Contains(out.Error, fmt.Sprintf("%v is loading its snapshot", back.id)) {
		t.Errorf("dump while loading: %+v", out)
	}
	order := l.send(back, takeSnapshot)
	r.send(wire.Request{ID: 50, Op: wire.OpGet, Read: wire.ReadIndex, Key: []byte("x")})
	l.wait("the read to wait", func() bool { return back.state.Pending == 1 })
	open()
	if got := r.receive(); got.ID != 50 || string(got.Value) != "1" || got.Index < put.Index {
		t.Errorf("the read that waited: %+v", got)
	}
	if got := r.get("fill19", wire.ReadStale); !got.Found {
		t.Errorf("fill19: %+v", got)
	}
	if out := l.outcome(back, takeSnapshot, order); out.Snapshot == 0 {
		t.Errorf("the snapshot that was ordered meanwhile: %+v", out)
	}
}

// wipe stops a node and takes its disk away.
func (l *fakeLab) wipe(id raft.NodeID) {
	l.t.Helper()
	if err := l.stop(id); err != nil {
		l.t.Fatal(err)
	}
	if err := os.RemoveAll(l.nodeDir(id)); err != nil {
		l.t.Fatal(err)
	}
}

// A node whose only snapshot has rotted, and whose log does not reach back before
// it, says which file it is, and ends.
func TestDamagedSnapshotIsToldAndEndsTheNode(t *testing.T) {
	l := startLab(t, 1)
	n := l.leader()
	l.fill(60, 64<<10) // several segments, of which the first ones go
	if out := l.order(n, takeSnapshot); out.Error != "" {
		t.Fatal(out.Error)
	}
	l.stop(1)
	files, err := filepath.Glob(filepath.Join(l.nodeDir(1), "*.snap"))
	if err != nil || len(files) != 1 {
		t.Fatalf("snapshots: %v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(files[0], b, 0o644); err != nil {
		t.Fatal(err)
	}
	n = l.start(1)
	<-n.ended
	var damaged *wal.DamageError
	var disk *DiskError
	if !errors.As(n.err, &damaged) || !errors.As(n.err, &disk) || damaged.File != files[0] {
		t.Fatalf("ended with %v, want a DamageError of %s in a DiskError", n.err, files[0])
	}
	l.wait("the lab to be told", func() bool { return strings.Contains(n.fatal, files[0]) })
}

// The rules that the lab switches off reach the core and the state machine.
func TestUnsafeRulesReachCoreAndStateMachine(t *testing.T) {
	l := newFakeLab(t, 1)
	l.cfg.Unsafe = []string{"no-sessions", "no-noop"}
	l.startAll()
	n := l.start1()
	c := l.dial(n)
	incr := wire.Request{Op: wire.OpIncr, Session: testSession, Seq: 1, Key: []byte("n")}
	first := c.do(incr)
	if first.Index != 1 {
		t.Errorf("the first command has entry %d, want 1: a leader appends no entry of its own", first.Index)
	}
	if again := c.do(incr); string(again.Value) != "2" {
		t.Errorf("a repeated command: %+v, want it applied again", again)
	}
	if out := l.order(n, takeSnapshot); out.Error != "" {
		t.Fatal(out.Error)
	}
	l.stop(1)
	n = l.start(1)
	l.wait("the node to lead again", func() bool { return n.alive() && n.state.Role == raft.Leader && n.reg != nil })
	if again := l.dial(n).do(incr); string(again.Value) != "3" {
		t.Errorf("a repeated command after a restart: %+v, want it applied again", again)
	}
}

// start1 waits for the only node to lead, of a lab in which that commits nothing.
func (l *fakeLab) start1() *fakeNode {
	l.t.Helper()
	n := l.node(1)
	l.wait("the node to lead", func() bool { return n.alive() && n.state.Role == raft.Leader })
	return n
}

func TestUnknownUnsafeRuleIsTold(t *testing.T) {
	l := newFakeLab(t, 1)
	l.cfg.Unsafe = []string{"no-such-rule"}
	n := l.start(1)
	<-n.ended
	if n.err == nil || !strings.Contains(n.err.Error(), `there is no unsafe rule "no-such-rule"`) {
		t.Errorf("ended with %v", n.err)
	}
}

// slowWrites is a file that is written only when the gate is open.
type slowWrites struct {
	wal.File
	gate *sync.RWMutex
}

func (f slowWrites) WriteAt(b []byte, off int64) (int, error) {
	f.gate.RLock()
	defer f.gate.RUnlock()
	return f.File.WriteAt(b, off)
}

// While a follower writes a snapshot of its own, the leader's newer one arrives
// and takes its place. The order is answered all the same.
func TestLeadersSnapshotTakesThePlaceOfOneThatIsBeingWritten(t *testing.T) {
	l := newFakeLab(t, 3)
	var gate sync.RWMutex
	l.openFile = func(path string, flag int) (wal.File, error) {
		f, err := os.OpenFile(path, flag, 0o644)
		if err == nil && strings.HasPrefix(path, l.nodeDir(2)) && strings.HasSuffix(path, ".snap.new") {
			return slowWrites{f, &gate}, nil
		}
		return f, err
	}
	l.startAll()
	leader := l.leaderBut(2)
	l.steady()
	victim := l.node(2)
	c := l.fill(20, 10<<10)
	l.wait("S2 to have applied all", func() bool { return victim.state.Applied == leader.state.Applied })
	l.isolate(victim)
	gate.Lock()
	open := sync.OnceFunc(gate.Unlock)
	defer open()
	order := l.send(victim, takeSnapshot)
	l.wait("the snapshot to begin", func() bool { return victim.state.Snapshotting })
	put := c.put("x", "1")
	if out := l.order(leader, takeSnapshot); out.Error != "" || out.Snapshot < put.Index {
		t.Fatalf("the leader's snapshot: %+v", out)
	}
	l.join()
	l.wait("the leader's snapshot to be installed", func() bool { return victim.has(raft.EventSnapshotInstalled) })
	open()
	out := l.outcome(victim, takeSnapshot, order)
	if out.Snapshot < put.Index || out.Error != "" && !strings.Contains(out.Error, "nothing since its newest snapshot") {
		t.Errorf("the order that was overtaken: %+v", out)
	}
	if got := l.dial(victim).get("x", wire.ReadStale); string(got.Value) != "1" {
		t.Errorf("x at S2: %+v", got)
	}
	if again := l.order(victim, wire.Order{Verb: wire.OrderLog}); again.FirstIndex <= put.Index {
		t.Errorf("the log of S2 begins at %d", again.FirstIndex)
	}
}

// leaderBut waits for a leader that is another node than id.
func (l *fakeLab) leaderBut(id raft.NodeID) *fakeNode {
	l.t.Helper()
	for {
		leader := l.leader()
		if leader.id != id {
			return leader
		}
		l.order(leader, wire.Order{Verb: wire.OrderTransfer, Node: id%raft.NodeID(l.size) + 1})
		l.wait("another leader", func() bool { return leader.state.Role != raft.Leader || leader.has(raft.EventTransferFailed) })
	}
}

// A disk that fails while a snapshot arrives ends the node, and leaves it as it was.
func TestDiskThatFailsWhileASnapshotArrives(t *testing.T) {
	l := newFakeLab(t, 3)
	var full atomic.Bool
	l.openFile = func(path string, flag int) (wal.File, error) {
		f, err := os.OpenFile(path, flag, 0o644)
		if strings.HasSuffix(path, ".part") {
			return failingFile{f, &full}, err
		}
		return f, err
	}
	l.startAll()
	leader := l.leaderBut(2)
	l.steady()
	l.fill(20, 100)
	l.wipe(2)
	full.Store(true)
	if out := l.order(leader, takeSnapshot); out.Error != "" {
		t.Fatal(out.Error)
	}
	n := l.start(2)
	<-n.ended
	var disk *DiskError
	if !errors.As(n.err, &disk) || !disk.Snapshot || !errors.Is(n.err, syscall.ENOSPC) {
		t.Fatalf("ended with %v, want a DiskError of the snapshot", n.err)
	}
	full.Store(false)
	l.setClock(1, false)
	l.mu.Lock()
	n.reg = nil
	l.mu.Unlock()
	n = l.start(2)
	l.wait("the node to have all", func() bool { return n.alive() && n.state.Applied >= 20 })
}

// A node that is ended while it loads its snapshot ends well.
func TestNodeIsStoppedWhileItLoads(t *testing.T) {
	l := newFakeLab(t, 1)
	var gate sync.RWMutex
	reading := make(chan struct{}, 1)
	l.openFile = func(path string, flag int) (wal.File, error) {
		f, err := os.OpenFile(path, flag, 0o644)
		l.mu.Lock()
		defer l.mu.Unlock()
		if err == nil && strings.HasSuffix(path, ".snap") && l.nodes[1].reg != nil {
			select {
			case reading <- struct{}{}:
			default:
			}
			return slowFile{f, &gate}, nil
		}
		return f, err
	}
	l.startAll()
	l.fill(20, 100)
	if out := l.order(l.leader(), takeSnapshot); out.Error != "" {
		t.Fatal(out.Error)
	}
	l.stop(1)
	for len(reading) > 0 {
		<-reading
	}
	gate.Lock()
	n := l.start(1)
	<-reading
	n.cancel()
	gate.Unlock()
	if err := l.stop(1); err != nil {
		t.Errorf("ended with %v", err)
	}
}
