package raft_test

import (
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// Whoever waits for a deadline can say what for. S1 is let do what is due, one
// thing after the other, until it comes to what is looked for.
func TestDueSaysWhatFor(t *testing.T) {
	tests := []struct {
		want raft.Timer
		make func(*cluster)
	}{
		{raft.TimerElection, func(c *cluster) {}},
		{raft.TimerRetry, func(c *cluster) { c.campaign(1); c.drop() }},
		{raft.TimerHeartbeat, func(c *cluster) { c.elect(1) }},
		{raft.TimerTell, func(c *cluster) { c.elect(1); c.propose(1, "x"); c.settle() }},
		{raft.TimerQuorum, func(c *cluster) { c.elect(1); c.isolate(1) }},
		{raft.TimerRead, func(c *cluster) { c.elect(2); c.mustRead(1, false, 1); c.drop() }},
		{raft.TimerTransfer, func(c *cluster) {
			c.elect(1)
			c.isolate(2)
			if err := c.transfer(1, 2); err != nil {
				c.tb.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.want.String(), func(t *testing.T) {
			c := newCluster(t, 3, func(cfg *raft.Config) {
				cfg.TellCommitAfter, cfg.CheckQuorum, cfg.Transfer = 5*ms, true, true
			}).start()
			tt.make(c)
			m := c.at(1)
			for range 20 {
				at, timer := m.node.Due()
				if at != m.node.Deadline() || at < m.now {
					t.Fatalf("%v is due at %d: it is %d, the deadline %d", timer, at, m.now, m.node.Deadline())
				}
				if timer == tt.want {
					return
				}
				m.now = at
				m.node.TickOne(m.now)
				c.process(m)
				c.settle()
			}
			t.Errorf("it never comes")
		})
	}
	c := newCluster(t, 3, func(cfg *raft.Config) { cfg.Members = raft.Configuration{} }).start()
	if at, timer := c.node(1).Due(); at != raft.Never || timer.String() != "none" {
		t.Errorf("a server that waits to join a cluster: %v is due at %d", timer, at)
	}
}

// TickOne does one thing of two that are due at the same time, and nothing
// before its time.
func TestTickOneDoesOneThing(t *testing.T) {
	c := newCluster(t, 3, func(cfg *raft.Config) {
		cfg.Heartbeat, cfg.ElectionMin, cfg.ElectionMax, cfg.CheckQuorum = 50*ms, 100*ms, 200*ms, true
	}).start()
	c.elect(1)
	m := c.at(1)
	var did []raft.Timer
	for m.now < 500*ms {
		at, timer := m.node.Due()
		if at > m.now {
			m.node.TickOne(at - 1)
			if again, same := m.node.Due(); again != at || same != timer || m.node.HasReady() {
				t.Fatalf("%v of %d is done before its time", timer, at)
			}
		}
		m.now = at
		m.node.TickOne(at)
		c.process(m)
		if beats := len(c.net) > 0; beats != (timer == raft.TimerHeartbeat) {
			t.Fatalf("%v at %d sends %v", timer, at, c.net)
		}
		did = append(did, timer)
		c.settle()
	}
	for i := 1; i < len(did); i++ {
		if did[i-1] == raft.TimerQuorum && did[i] == raft.TimerHeartbeat {
			return
		}
	}
	t.Errorf("the look for a quorum and the heartbeat never meet: %v", did)
}
