package node

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

var takeSnapshot = wire.Order{Verb: wire.OrderSnapshot}

// fill puts n values of so many bytes, whoever leads, and returns a client at
// the leader.
func (l *fakeLab) fill(n, bytes int) *testClient {
	l.t.Helper()
	c := l.dial(l.leader())
	value := strings.Repeat("v", bytes)
	for i := 0; i < n; {
		switch got := c.put(fmt.Sprint("fill", i), value); got.Code {
		case wire.CodeOK:
			i++
		case wire.CodeNotLeader, wire.CodeUnknown: // a busy machine made another one leader
			next := l.dial(l.leader())
			next.seq = c.seq - 1
			c = next
		default:
			l.t.Fatalf("put %d: %+v", i, got)
		}
	}
	return c
}

// The order folds all that is applied; its outcome comes when that is on disk,
// behind the facts; and a node starts again from there (§7).
func TestOrderedSnapshotFoldsTheLogAndIsStartedFrom(t *testing.T) {
	l := startLab(t, 1)
	n := l.leader()
	if out := l.order(n, wire.Order{Verb: wire.OrderLog}); out.FirstIndex != 1 {
		t.Errorf("a whole log starts at %d, want 1", out.FirstIndex)
	}
	c := l.dial(n)
	put := c.put("x", "1")
	out := l.order(n, takeSnapshot)
	if out.Error != "" || out.Snapshot != put.Index || out.Bytes <= 0 || out.FirstIndex != put.Index+1 {
		t.Fatalf("snapshot after entry %d: %+v", put.Index, out)
	}
	if s := l.shown(n); s.SnapshotIndex != put.Index || s.SnapshotTerm != put.Term || s.SnapshotBytes != out.Bytes || s.Base != put.Index || s.Snapshotting {
		t.Errorf("state with the outcome: %+v", s)
	}
	if !n.has(raft.EventSnapshotTaken) || !n.has(raft.EventCompacted) {
		t.Error("the outcome came before the facts")
	}
	if again := l.order(n, takeSnapshot); !strings.Contains(again.Error, fmt.Sprintf("nothing since its newest snapshot, which is of entry %d", put.Index)) {
		t.Errorf("the same again: %+v", again)
	}
	after := c.put("y", "2")
	log := l.order(n, wire.Order{Verb: wire.OrderLog})
	if log.FirstIndex != put.Index+1 || len(log.Entries) != 1 || log.Entries[0].Command != "put y=2" {
		t.Errorf("the log behind the snapshot: %+v", log)
	}
	if err := l.stop(1); err != nil {
		t.Fatal(err)
	}
	n = l.start(1)
	l.wait("the node to apply all", func() bool { return n.alive() && n.state.Applied >= after.Index && n.reg != nil })
	if s := l.shown(n); s.SnapshotIndex != put.Index || s.SnapshotBytes != out.Bytes {
		t.Errorf("after a restart: %+v", s)
	}
	c = l.dial(n)
	c.seq = 2
	for key, want := range map[string]string{"x": "1", "y": "2"} {
		if got := c.get(key, wire.ReadLog); string(got.Value) != want {
			t.Errorf("%s after a restart: %+v, want %s", key, got, want)
		}
	}
	// The sessions are in it, too (thesis §6.3).
	if got := c.do(wire.Request{Op: wire.OpPut, Session: testSession, Seq: 2, Acked: 1, Key: []byte("y"), Value: []byte("2")}); got.Index != after.Index {
		t.Errorf("a retry after the restart: %+v, want the answer of entry %d", got, after.Index)
	}
}

// Nothing has happened yet, so there is nothing to fold.
func TestSnapshotOfNothing(t *testing.T) {
	l := startLab(t, 3)
	n := l.start(4)
	l.wait("the joiner", func() bool { return n.state != nil })
	if out := l.order(n, takeSnapshot); !strings.Contains(out.Error, "S4 has applied nothing yet") {
		t.Errorf("%+v", out)
	}
}

// While the clock is held nothing starts, and what has started ends after it.
func TestSnapshotWhileHeld(t *testing.T) {
	l := newFakeLab(t, 1)
	l.cfg.SnapshotBytes = 4 << 10
	l.startAll()
	n := l.leader()
	c := l.dial(n)
	c.put("x", "1")
	l.setClock(1, true)
	l.wait("the hold", func() bool { return n.state.Held })
	before := l.shown(n)
	if out := l.order(n, takeSnapshot); !strings.Contains(out.Error, "the clock is held") {
		t.Errorf("snapshot while held: %+v", out)
	}
	for i := range 40 {
		c.send(wire.Request{ID: uint64(100 + i), Op: wire.OpPut, Session: testSession, Seq: uint64(2 + i), Acked: 1, Key: []byte("k"), Value: make([]byte, 256)})
	}
	if s := l.shown(n); s.SnapshotIndex != before.SnapshotIndex || s.Snapshotting || s.Applied != before.Applied {
		t.Errorf("while held: %+v, before %+v", s, before)
	}
	l.setClock(1, false)
	for range 40 {
		c.receive()
	}
	l.wait("a snapshot", func() bool { return n.state.SnapshotIndex > 0 && !n.state.Snapshotting })
}

// A log that grows is folded by itself, and keeps its newest part.
func TestSnapshotsBySize(t *testing.T) {
	const limit = 64 << 10
	l := newFakeLab(t, 3)
	l.cfg.SnapshotBytes = limit
	l.startAll()
	c := l.fill(1000, 256)
	n := l.leader()
	l.wait("snapshots on all nodes", func() bool {
		return l.all(func(n *fakeNode) bool { return n.state.SnapshotIndex > 500 && !n.state.Snapshotting })
	})
	for _, s := range l.states() {
		kept := int(s.SnapshotIndex-s.Base) * (256 + entryCost)
		if kept < limit/keptShare || kept > limit/2 {
			t.Errorf("a snapshot of entry %d keeps the log behind %d: %d bytes, want about %d", s.SnapshotIndex, s.Base, kept, limit/keptShare)
		}
	}
	taken := 0
	for _, f := range l.told(n) {
		if f.Kind == raft.EventSnapshotTaken {
			taken++
		}
	}
	if taken < 2 || taken > 5 {
		t.Errorf("%d snapshots of 1000 entries of 256 bytes, the limit being %d", taken, limit)
	}
	put := c.put("last", "1")
	s := l.shown(n)
	out := l.order(n, takeSnapshot)
	if out.Error != "" || out.Snapshot < put.Index || out.FirstIndex != out.Snapshot+1 {
		t.Errorf("an ordered snapshot: %+v, before it %+v", out, s)
	}
}

// Several orders at once: each gets an outcome, and one snapshot may do for several.
func TestManySnapshotOrders(t *testing.T) {
	l := startLab(t, 1)
	n := l.leader()
	l.fill(200, 1000)
	var ids []uint64
	for range 10 {
		ids = append(ids, l.send(n, takeSnapshot))
	}
	good := 0
	for _, id := range ids {
		out := l.outcome(n, takeSnapshot, id)
		if out.Error == "" {
			good++
		} else if !strings.Contains(out.Error, "nothing since") {
			t.Errorf("outcome %d: %+v", id, out)
		}
	}
	if good == 0 {
		t.Error("no order was carried out")
	}
}

// A node that joins needs entries that are in nobody's log any more: it is
// sent the snapshot, then the log behind it (Figure 13).
func TestJoinerGetsSnapshotAndLog(t *testing.T) {
	l := startLab(t, 3)
	c := l.fill(100, 100)
	leader := l.leader()
	out := l.order(leader, takeSnapshot)
	if out.Error != "" {
		t.Fatal(out.Error)
	}
	put := c.put("x", "1")
	n := l.start(4)
	l.wait("the joiner", func() bool { return n.state != nil })
	l.change(raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4}})
	l.wait("the joiner to apply all", func() bool { return n.state.Applied >= put.Index })
	if s := l.shown(n); s.SnapshotIndex != out.Snapshot || s.SnapshotBytes != out.Bytes {
		t.Errorf("the joiner: %+v, the leader's snapshot: %+v", s, out)
	}
	for key, want := range map[string]string{"x": "1", "fill0": strings.Repeat("v", 100)} {
		if got := l.dial(n).get(key, wire.ReadStale); string(got.Value) != want {
			t.Errorf("%s at the joiner: %+v", key, got)
		}
	}
	var kinds []raft.EventKind
	for _, f := range l.told(n) {
		if f.Kind == raft.EventSnapshotReceived || f.Kind == raft.EventSnapshotInstalled {
			kinds = append(kinds, f.Kind)
		}
	}
	if fmt.Sprint(kinds) != fmt.Sprint([]raft.EventKind{raft.EventSnapshotReceived, raft.EventSnapshotInstalled}) {
		t.Errorf("facts of the joiner: %v", kinds)
	}
	// What it has now is on its disk.
	if err := l.stop(4); err != nil {
		t.Fatal(err)
	}
	n = l.start(4)
	l.wait("the joiner to be back", func() bool { return n.alive() && n.state.Applied >= put.Index && n.reg != nil })
	if got := l.dial(n).get("fill0", wire.ReadStale); !got.Found {
		t.Errorf("fill0 after a restart: %+v", got)
	}
}

// A node whose disk is empty comes back, while clients write: snapshots are
// sent and taken meanwhile, and nothing is lost.
func TestWipedNodeCatchesUpWhileWritesGoOn(t *testing.T) {
	l := newFakeLab(t, 3)
	l.cfg.SnapshotBytes = 16 << 10
	l.startAll()
	l.fill(50, 1000)
	victim := l.follower()
	w := l.startLoad(2)
	l.wipe(victim.id)
	w.goesOn()
	back := l.start(victim.id)
	l.wait("the wiped node to catch up", func() bool {
		return back.alive() && back.state.SnapshotIndex > 0 && back.state.Applied >= back.state.SnapshotIndex
	})
	w.goesOn()
	w.stop()
	at := l.shown(l.leader()).Applied
	l.wait("the wiped node to have all", func() bool { return back.state.Applied >= at })
	want := l.order(l.leader(), wire.Order{Verb: wire.OrderDump})
	if got := l.order(back, wire.Order{Verb: wire.OrderDump}); fmt.Sprint(got.Pairs) != fmt.Sprint(want.Pairs) {
		t.Errorf("the wiped node has\n%v\nthe leader\n%v", got.Pairs, want.Pairs)
	}
}

// While a large snapshot is on its way, the leader serves and is not deposed:
// chunks reset the follower's timer (Figure 13), and the state machine is made
// beside the loop.
func TestLeaderServesWhileALargeSnapshotIsSent(t *testing.T) {
	if testing.Short() {
		t.Skip("a state of 64 MB")
	}
	l := newFakeLab(t, 3)
	l.cfg.ElectionMin, l.cfg.ElectionMax = 10*l.cfg.ElectionMin, 10*l.cfg.ElectionMax // a busy machine is no dead leader
	l.startAll()
	l.fill(64, 1<<20)
	leader, victim := l.leader(), l.follower()
	l.wipe(victim.id)
	if out := l.order(leader, takeSnapshot); out.Error != "" {
		t.Fatal(out.Error)
	}
	w := l.startLoad(2)
	term := l.shown(leader).Term
	back := l.start(victim.id)
	done := make(chan struct{})
	served := 0
	go func() {
		defer close(done)
		l.wait("the wiped node to catch up", func() bool { return back.alive() && back.has(raft.EventSnapshotInstalled) && back.state.Applied > 0 })
	}()
	for loading := true; loading; served++ {
		w.goesOn()
		select {
		case <-done:
			loading = false
		default:
		}
	}
	w.stop()
	if s := l.shown(l.leader()); s.Term != term || l.leader() != leader {
		t.Errorf("%v leads term %d, before it was %v in term %d", l.leader().id, s.Term, leader.id, term)
	}
	sent := 0
	for _, f := range l.told(leader) {
		if f.Kind == raft.EventSnapshotSent {
			sent++
		}
	}
	if sent != 1 {
		t.Errorf("%d snapshots were sent, want 1", sent)
	}
	if got := l.dial(back).get("fill63", wire.ReadStale); len(got.Value) != 1<<20 {
		t.Errorf("fill63 at the wiped node: %d bytes", len(got.Value))
	}
}

// A leader that sends garbage for a snapshot, which only somebody with the
// lab's token can, harms nothing that is there: the node says what is wrong and
// comes back as it was.
func TestGarbageForASnapshotEndsTheNodeAndLosesNothing(t *testing.T) {
	l := startLab(t, 3)
	leader, victim := l.leader(), l.follower()
	c := l.dial(leader)
	put := c.put("x", "1")
	l.wait("the put to be everywhere", func() bool { return victim.state.Applied >= put.Index })
	l.isolate(victim)
	link := l.link(leader.id, victim)
	meta := raft.SnapshotMeta{Index: put.Index + 100, Term: put.Term, Config: l.shown(leader).Config}
	garbage := bytes.Repeat([]byte("garbage "), 1000)
	link(&raft.InstallSnapshot{Meta: meta, Data: garbage})
	link(&raft.InstallSnapshot{Meta: meta, Offset: 5, Data: garbage}) // not where it goes on: asked for again
	link(&raft.InstallSnapshot{Meta: meta, Offset: int64(len(garbage)), Data: garbage, Done: true})
	<-victim.ended
	var disk *DiskError
	if !errors.As(victim.err, &disk) {
		t.Fatalf("ended with %v, want a DiskError", victim.err)
	}
	l.wait("the lab to be told", func() bool { return victim.fatal != "" })
	l.mu.Lock()
	victim.reg = nil
	l.mu.Unlock()
	back := l.start(victim.id)
	l.wait("the node to be back", func() bool { return back.alive() && back.state.Applied >= put.Index && back.reg != nil })
	if got := l.dial(back).get("x", wire.ReadStale); string(got.Value) != "1" {
		t.Errorf("x after the restart: %+v", got)
	}
}

// link opens a Raft link to a node and returns what sends on it as from, in the node's term.
func (l *fakeLab) link(from raft.NodeID, to *fakeNode) func(raft.Body) {
	l.t.Helper()
	conn := dialRaft(l.t, from, to)
	term := l.shown(to).Term + 1
	var number uint64
	return func(body raft.Body) {
		l.t.Helper()
		number++
		b, err := wire.AppendMessage(nil, number, &raft.Message{From: from, To: to.id, Term: term, Body: body})
		if err != nil {
			l.t.Fatal(err)
		}
		if _, err := conn.Write(b); err != nil {
			l.t.Fatal(err)
		}
	}
}

// A disk that fails while a snapshot is written ends the node like any other
// failure, and what it had is there afterwards.
func TestDiskThatFailsDuringASnapshot(t *testing.T) {
	l := newFakeLab(t, 1)
	var full atomic.Bool
	l.openFile = func(path string, flag int) (wal.File, error) {
		f, err := os.OpenFile(path, flag, 0o644)
		if strings.HasSuffix(path, ".wal") {
			return f, err
		}
		return failingFile{f, &full}, err
	}
	n := l.start(1)
	c := l.dial(l.leader())
	put := c.put("x", "1")
	full.Store(true)
	l.send(n, takeSnapshot)
	<-n.ended
	var disk *DiskError
	if !errors.As(n.err, &disk) || !disk.Snapshot || !errors.Is(n.err, syscall.ENOSPC) {
		t.Fatalf("ended with %v, want a DiskError of the snapshot", n.err)
	}
	full.Store(false)
	l.mu.Lock()
	n.reg = nil
	l.mu.Unlock()
	n = l.start(1)
	l.wait("the node to be back", func() bool { return n.alive() && n.state.Applied >= put.Index && n.reg != nil })
	if got := l.dial(n).get("x", wire.ReadStale); string(got.Value) != "1" {
		t.Errorf("x: %+v", got)
	}
}

// A node is ended while it writes a snapshot: it waits for that to stop, and
// starts again with all it had.
func TestNodeIsStoppedWhileItTakesASnapshot(t *testing.T) {
	l := startLab(t, 1)
	n := l.leader()
	l.fill(30, 1<<20)
	l.send(n, takeSnapshot)
	l.wait("the snapshot to begin", func() bool { return n.state.Snapshotting || n.state.SnapshotIndex > 0 })
	if err := l.stop(1); err != nil {
		t.Fatalf("ended with %v", err)
	}
	n = l.start(1)
	l.wait("the node to be back", func() bool { return n.alive() && n.state.Applied >= 30 && n.reg != nil })
	if got := l.dial(n).get("fill29", wire.ReadStale); len(got.Value) != 1<<20 {
		t.Errorf("fill29: %d bytes", len(got.Value))
	}
}

func TestWhenASnapshotIsDue(t *testing.T) {
	const limit = 1600
	apply := func(s *snapshots, from, to raft.Index) {
		for i := from; i <= to; i++ {
			s.count(&raft.Entry{Index: i, Data: make([]byte, 100-entryCost)})
		}
	}
	s := snapshots{limit: limit}
	apply(&s, 1, 15)
	if s.due() {
		t.Error("due before the limit")
	}
	apply(&s, 16, 16)
	if !s.due() || s.urgent() {
		t.Errorf("at the limit: due %v, urgent %v", s.due(), s.urgent())
	}
	if got := s.tail(); got != 12 {
		t.Errorf("of 16 equal entries %d may go, want 12", got)
	}
	s.taken(raft.SnapshotMeta{Index: 16}, 1, s.total, s.tail())
	if s.due() {
		t.Error("due right after a snapshot")
	}
	apply(&s, 17, 32)
	if got := s.tail(); !s.due() || got != 28 {
		t.Errorf("16 entries later: due %v, %d may go, want 28", s.due(), got)
	}
	apply(&s, 33, 80)
	if !s.urgent() {
		t.Error("not urgent at four times the limit")
	}
	none := snapshots{}
	apply(&none, 1, 100)
	if none.due() || len(none.marks) > 0 {
		t.Error("due without a limit")
	}
	huge := snapshots{limit: math.MaxInt64}
	apply(&huge, 1, 100)
	if huge.due() || huge.urgent() {
		t.Error("due long before a huge limit")
	}
}
