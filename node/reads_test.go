package node

import (
	"fmt"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

var readNames = map[wire.Read]string{wire.ReadLog: "log", wire.ReadStale: "stale", wire.ReadIndex: "index", wire.ReadLease: "lease"}

// All four modes see at the leader what was acknowledged before (thesis §6.4);
// only one of them needs an entry.
func TestReadsAtTheLeaderSeeWhatWasAcknowledged(t *testing.T) {
	l := startLab(t, 3)
	c := l.dial(l.leader())
	for i := range 20 {
		value := fmt.Sprint(i)
		put := c.put("x", value)
		for _, read := range []wire.Read{wire.ReadStale, wire.ReadIndex, wire.ReadLease, wire.ReadLog} {
			got := c.get("x", read)
			if string(got.Value) != value || !got.Found || got.Code != wire.CodeOK {
				t.Fatalf("%s read after put %d: %+v", readNames[read], i, got)
			}
			if entry := got.Index > put.Index; entry != (read == wire.ReadLog) {
				t.Fatalf("%s read after entry %d: index %d", readNames[read], put.Index, got.Index)
			}
		}
	}
	if got := c.get("nobody", wire.ReadIndex); got.Code != wire.CodeOK || got.Found {
		t.Errorf("index read of a missing key: %+v", got)
	}
}

// A follower asks its leader for an index and answers itself, with all that
// was acknowledged anywhere before.
func TestIndexReadsThroughAFollower(t *testing.T) {
	l := startLab(t, 3)
	leader, follower := l.leader(), l.follower()
	l.steady()
	w, c := l.dial(leader), l.dial(follower)
	for i := range 50 {
		value := fmt.Sprint(i)
		w.put("x", value)
		if got := c.get("x", wire.ReadIndex); string(got.Value) != value || got.Node != follower.id {
			t.Fatalf("index read at %v after put %d: %+v", follower.id, i, got)
		}
	}
	if got := c.get("x", wire.ReadLease); got.Code != wire.CodeNotLeader || got.Leader != leader.id {
		t.Errorf("lease read at a follower: %+v, want to be sent to %v", got, leader.id)
	}
	for i := range uint64(200) { // many at once
		c.send(wire.Request{ID: 1000 + i, Op: wire.OpGet, Read: wire.ReadIndex, Key: []byte("x")})
	}
	seen := make(map[uint64]bool)
	for range 200 {
		got := c.receive()
		if string(got.Value) != "49" || seen[got.ID] {
			t.Fatalf("one of many index reads: %+v", got)
		}
		seen[got.ID] = true
	}
}

// A leader that the others cannot hear serves stale reads. It serves no index
// read, because no majority tells it that it still leads, and no lease read
// once others may have elected: its readers are sent on when it learns so.
func TestDeposedLeaderServesNoLinearizableRead(t *testing.T) {
	for _, check := range []bool{true, false} {
		t.Run(fmt.Sprintf("check quorum %v", check), func(t *testing.T) {
			l := newFakeLab(t, 3)
			l.cfg.CheckQuorum = check
			l.startAll()
			old := l.leader()
			c := l.dial(old)
			c.put("x", "old")
			l.isolate(old)
			next := l.successor(old)
			w := l.dial(next)
			w.seq = c.seq
			if got := w.put("x", "new"); got.Code != wire.CodeOK {
				t.Fatalf("put at the next leader: %+v", got)
			}
			if got := c.get("x", wire.ReadStale); string(got.Value) != "old" {
				t.Errorf("stale read at the old leader: %+v", got)
			}
			for i, read := range []wire.Read{wire.ReadIndex, wire.ReadLease} {
				c.send(wire.Request{ID: uint64(100 + i), Op: wire.OpGet, Read: read, Key: []byte("x")})
			}
			if !check {
				l.wait("both reads to wait", func() bool { return old.state.Role != raft.Leader || old.state.Pending == 2 })
				l.join()
			}
			for range 2 {
				if got := c.receive(); got.Code != wire.CodeNotLeader {
					t.Errorf("read at the deposed leader: %+v, want to be sent on", got)
				}
			}
		})
	}
}

// successor waits for another leader, which has committed.
func (l *fakeLab) successor(old *fakeNode) *fakeNode {
	l.t.Helper()
	var next *fakeNode
	l.wait("another leader", func() bool {
		next = nil
		for _, n := range l.nodes {
			if n != old && n.alive() && n.state.Role == raft.Leader && n.state.Term > old.state.Term-1 && n.state.Commit > old.state.Commit {
				next = n
			}
		}
		return next != nil
	})
	return next
}

// The reads that wait on a follower end when its leader is gone.
func TestReadsOnAFollowerEndWithItsLeader(t *testing.T) {
	l := startLab(t, 3)
	leader, follower := l.leader(), l.follower()
	w := l.dial(leader)
	w.put("x", "1")
	c := l.dial(follower)
	l.book(func(from, to raft.NodeID) bool { return from != follower.id }) // it hears, and is not heard
	c.send(wire.Request{ID: 7, Op: wire.OpGet, Read: wire.ReadIndex, Key: []byte("x")})
	l.wait("the read to wait", func() bool { return follower.state.Pending == 1 })
	l.stop(leader.id)
	if got := c.receive(); got.ID != 7 || got.Code != wire.CodeNotLeader {
		t.Errorf("the read of a follower whose leader is gone: %+v", got)
	}
	l.wait("nothing to wait any more", func() bool { return follower.state.Pending == 0 })
}

// A leader without a majority takes only so many reads.
func TestFloodOfIndexReadsIsBusy(t *testing.T) {
	l := newFakeLab(t, 3)
	l.cfg.CheckQuorum = false
	l.startAll()
	leader := l.leader()
	l.isolate(leader)
	const more = 10
	gets := make([]wire.Request, pendingPerClient+more)
	for i := range gets {
		gets[i] = wire.Request{ID: uint64(i + 1), Op: wire.OpGet, Read: wire.ReadIndex, Key: []byte("x")}
	}
	c := l.dial(leader)
	c.send(gets...)
	for i := range more {
		if got := c.receive(); got.Code != wire.CodeBusy || !strings.Contains(got.Error, "of this connection") {
			t.Fatalf("surplus read %d: %+v, want busy", i, got)
		}
	}
	l.wait("the others to wait", func() bool { return leader.state.Pending == pendingPerClient })
	l.join()
	for i := range pendingPerClient {
		if got := c.receive(); got.Code != wire.CodeOK && got.Code != wire.CodeNotLeader {
			t.Fatalf("read %d: %+v", i, got)
		}
	}
}
