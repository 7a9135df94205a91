package node

import (
	"log/slog"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/raft"
)

// The hold may come when a timer has run out and before its turn. It must not
// ring on and on.
func TestHeldClockWakesNobody(t *testing.T) {
	const ms = raft.Duration(time.Millisecond)
	core, err := raft.New(raft.Config{
		ID: 1, Members: raft.Configuration{Voters: []raft.NodeID{1, 2}},
		Heartbeat: ms, ElectionMin: 2 * ms, ElectionMax: 3 * ms,
	}, nil, raft.Restored{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	past := core.Deadline() + 1
	r := &replica{core: core, clock: clock.New(clock.Setting{At: past, Rate: 1, Held: true}), wasHeld: true}
	if at, ok := r.nextWake(time.Now()); ok {
		t.Errorf("held with a timer run out: wakes at %v", at)
	}
	r.clock.Adjust(1, false)
	r.wasHeld = false
	now := time.Now()
	if at, ok := r.nextWake(now); !ok || at.After(now) {
		t.Errorf("after release: wakes at %v, %v, want at once", at, ok)
	}
}

// Messages that wait for the disk wait for the clock too.
func TestGateKeepsWhileHeld(t *testing.T) {
	p := newPeer(1, 2, "127.0.0.1:1", "", slog.New(slog.DiscardHandler))
	r := &replica{
		clock: clock.New(clock.Setting{Rate: 1}), inbox: newInbox(),
		peers: map[raft.NodeID]*peer{2: p},
	}
	m := []raft.Message{{From: 1, To: 2, Term: 1, Body: &raft.RequestVoteReply{}}}
	r.gate.wait(1, m)
	r.gate.wait(2, m)
	r.synced(1, nil)
	one := p.out.waiting()
	if one == 0 {
		t.Fatal("the message of a durable write did not leave")
	}
	r.clock.Adjust(1, true)
	r.synced(2, nil)
	if got := p.out.waiting(); got != one {
		t.Errorf("%d bytes left while held", got-one)
	}
	r.clock.Adjust(1, false)
	r.release()
	if got := p.out.waiting(); got != 2*one {
		t.Errorf("after release %d bytes wait for the peer, want %d", got, 2*one)
	}
}
