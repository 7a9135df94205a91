package raft_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// CheckQuorum (thesis §6.2) and leadership transfer (thesis §3.10).

// "A leader steps down if an election timeout elapses without a successful round
// of heartbeats to a majority of its cluster" (thesis §6.2).
func TestLeaderWithoutMajorityStepsDown(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer []raft.NodeID
		adjust func(*raft.Config)
		leads  bool
	}{
		{"nobody answers", nil, withCheckQuorum, false},
		{"one of four", ids(2), withCheckQuorum, false},
		{"two of four", ids(2, 3), withCheckQuorum, true},
		{"nobody, and the rule is off", nil, func(*raft.Config) {}, true},
		{"nobody, and it is switched off as unsafe", nil, func(cfg *raft.Config) { cfg.CheckQuorum, cfg.Unsafe = true, raft.UnsafeNoCheckQuorum }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 5, tt.adjust).start()
			c.elect(1)
			for range 10 {
				c.timeout(1)
				for _, id := range tt.answer {
					c.deliver(to(id))
				}
				c.deliver(to(1))
				c.drop()
			}
			if got := c.node(1).Role() == raft.Leader; got != tt.leads {
				t.Errorf("after ten heartbeats it leads: %v", got)
			}
			if e := c.events(1, raft.EventSteppedDown); tt.leads != (len(e) == 0) || !tt.leads && e[0].Reason != raft.ReasonQuorumLost {
				t.Errorf("it reports %v", e)
			}
		})
	}
}

// While joint, both majorities have to answer.
func TestQuorumCheckCountsBothMajorities(t *testing.T) {
	c := withLearners(t, 3, 5, withCheckQuorum)
	c.mustChange(1, byVoters(1, 4, 5))
	c.drop()
	for range 10 {
		c.timeout(1)
		c.deliver(to(2))
		c.deliver(to(3))
		c.remove(func(m raft.Message) bool { return m.To > 3 })
		c.deliver(to(1))
	}
	if c.node(1).Role() == raft.Leader {
		t.Error("it leads with the old majority alone")
	}
}

// A reader's answer, a snapshot's chunk: whatever is answered counts.
func TestChunksCountAsContact(t *testing.T) {
	c := withLaggard(t, 1, withCheckQuorum)
	c.isolate(2)
	for range 10 {
		c.beat(1)
	}
	if c.node(1).Role() != raft.Leader {
		t.Error("with S3 receiving a snapshot and answering, it has stepped down")
	}
}

// "1. The prior leader stops accepting new client requests. 2. The prior leader
// fully updates the target server's log to match its own. 3. The prior leader
// sends a TimeoutNow request to the target server" (thesis §3.10).
func TestTransfer(t *testing.T) {
	c := newCluster(t, 3, withTransfer, withPreVote, withIgnoreVotes, withCheckQuorum).start()
	c.elect(1)
	c.propose(1, "x")
	if err := c.transfer(1, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := c.node(1).Propose(0, raft.EntryCommand, []byte("y")); !errors.Is(err, raft.ErrTransferring) {
		t.Errorf("a command is answered %v", err)
	}
	if s := c.node(1).Status(); s.TransferTo != 2 {
		t.Errorf("it hands over to %v", s.TransferTo)
	}
	for _, m := range c.net {
		if _, ok := m.Body.(*raft.TimeoutNow); ok {
			t.Errorf("S2 is told to stand before it has the log: %v", m)
		}
	}
	c.settle()
	if c.node(2).Role() != raft.Leader || c.node(2).Term() != 2 || c.node(1).Role() != raft.Follower {
		t.Errorf("S1 is %v, S2 is %v of term %d", c.node(1).Role(), c.node(2).Role(), c.node(2).Term())
	}
	c.wantTerms(map[raft.NodeID]string{1: "112|", 2: "112|", 3: "112|"})
}

// TimeoutNow is repeated with each heartbeat, and after an election timeout the
// leader goes on.
func TestTransferIsRepeatedAndGivenUp(t *testing.T) {
	c := newCluster(t, 3, withTransfer).start()
	c.elect(1)
	if err := c.transfer(1, 2); err != nil {
		t.Fatal(err)
	}
	isTimeoutNow := func(m raft.Message) bool { _, ok := m.Body.(*raft.TimeoutNow); return ok }
	for range 3 {
		if n := len(c.remove(isTimeoutNow)); n != 1 {
			t.Errorf("it is told %d times", n)
		}
		c.timeout(1)
	}
	c.at(1).now += 300 * ms
	c.timeout(1)
	c.remove(isTimeoutNow)
	c.propose(1, "x")
	c.settle()
	if e := c.events(1, raft.EventTransferFailed); len(e) != 1 || c.node(1).Role() != raft.Leader {
		t.Errorf("it reports %v and is %v", e, c.node(1).Role())
	}
}

func TestTransfersThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		adjust func(*raft.Config)
		by, to raft.NodeID
		want   string
	}{
		{"by a follower", withTransfer, 2, 3, "not the leader"},
		{"to itself", withTransfer, 1, 1, "S1 leads already"},
		{"to a learner", withTransfer, 1, 4, "S4 is a learner"},
		{"to a stranger", withTransfer, 1, 9, "S9 is not in the configuration S1 S2 S3 learners S4"},
		{"when it is switched off", func(*raft.Config) {}, 1, 2, "switched off"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := withLearners(t, 3, 4, tt.adjust)
			if err := c.transfer(tt.by, tt.to); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
	c := newCluster(t, 3, withTransfer).start()
	c.elect(1)
	_ = c.transfer(1, 2)
	if err := c.transfer(1, 3); !errors.Is(err, raft.ErrTransferring) {
		t.Errorf("during one, it says %v", err)
	}
}

// TimeoutNow of a reign that is over, or to somebody who may not stand, does nothing.
func TestTimeoutNowOutOfPlace(t *testing.T) {
	c := withLearners(t, 3, 4, withTransfer)
	c.elect(2)
	for _, m := range []raft.Message{
		{From: 1, To: 3, Term: 1, Body: &raft.TimeoutNow{}},
		{From: 2, To: 4, Term: 2, Body: &raft.TimeoutNow{}},
		{From: 3, To: 2, Term: 2, Body: &raft.TimeoutNow{}},
	} {
		if answers := c.ask(m); len(answers) != 0 {
			t.Errorf("%v leads to %v", m, answers)
		}
	}
	if c.node(2).Role() != raft.Leader || c.node(3).Role() != raft.Follower || c.node(4).Role() != raft.Follower {
		t.Error("somebody has stood for election")
	}
}

// A leader that is removed has its successor stand at once.
func TestRemovedLeaderNamesASuccessor(t *testing.T) {
	c := newCluster(t, 3, withTransfer, withIgnoreVotes).start()
	c.elect(1)
	c.mustChange(1, byVoters(2, 3))
	c.settle()
	if a, b := c.node(2).Role(), c.node(3).Role(); a != raft.Leader && b != raft.Leader {
		t.Errorf("without any timeout, S2 is %v and S3 %v", a, b)
	}
}
