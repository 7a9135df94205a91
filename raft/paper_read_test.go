package raft_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// Reads without the log: §8, thesis §6.4.

// wantReads checks what has become of id's reads, like "7@4" or "8 lost".
func (c *cluster) wantReads(id raft.NodeID, want ...string) {
	c.tb.Helper()
	var got []string
	for _, r := range c.at(id).reads {
		if r.OK {
			got = append(got, fmt.Sprintf("%d@%d", r.ID, r.Index))
		} else {
			got = append(got, fmt.Sprintf("%d lost", r.ID))
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		c.tb.Errorf("reads of %v are %v, want %v", id, got, want)
	}
}

func (c *cluster) mustRead(id raft.NodeID, lease bool, number uint64) {
	c.tb.Helper()
	if err := c.read(id, lease, number); err != nil {
		c.tb.Fatalf("read at %v: %v", id, err)
	}
}

// A read is served when a majority has answered what was sent after it came:
// answers to anything older say nothing.
func TestReadWaitsForAMajority(t *testing.T) {
	c := newCluster(t, 5).start()
	c.elect(1)
	c.timeout(1)
	c.deliver(to(2))
	c.deliver(to(3)) // their answers to the heartbeat before are on their way
	c.mustRead(1, false, 7)
	c.deliver(to(1))
	c.wantReads(1)
	c.settle()
	c.wantReads(1, "7@1")
}

// Its index is commitIndex when it came, and no leader of an earlier term had
// more: the leader has committed an entry of its own term before (§8).
func TestReadWaitsForAnEntryOfTheTerm(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.propose(1, "x")
	c.deliver(to(2))
	c.deliver(to(1)) // committed, and only the leader knows
	c.crash(1)
	c.drop()
	c.campaign(2)
	c.deliver(to(3))
	c.deliver(to(2)) // elected
	c.mustRead(2, false, 7)
	c.deliver(func(m raft.Message) bool { a, ok := m.Body.(*raft.AppendEntries); return ok && len(a.Entries) == 0 })
	c.wantReads(2)
	c.settle()
	c.wantReads(2, "7@3")
}

// Reads that come while a round is under way share the next one.
func TestReadsShareARound(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	before := len(c.net)
	for id := range uint64(100) {
		c.mustRead(1, false, id)
	}
	if sent := len(c.net) - before; sent != 2 {
		t.Errorf("100 reads have sent %d messages at once", sent)
	}
	c.settle()
	if got := len(c.at(1).reads); got != 100 {
		t.Errorf("%d reads are served", got)
	}
	if e := c.events(1, raft.EventReadConfirmed); len(e) != 2 {
		t.Errorf("in %d rounds", len(e))
	}
}

// While entries flow, their answers confirm: a read costs no message more.
func TestEntriesConfirmReads(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	m := c.at(1)
	if err := m.node.Read(m.now, false, 7); err != nil {
		t.Fatal(err)
	}
	c.propose(1, "x")
	if len(c.net) != 2 {
		t.Errorf("an entry and a read are sent as %v", c.net)
	}
	c.deliver(to(2))
	c.deliver(from(2))
	c.wantReads(1, "7@1")
}

// A leader that was overtaken never serves a read, and says so when it hears.
func TestOvertakenLeaderServesNoRead(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.isolate(1)
	c.mustRead(1, false, 7)
	c.elect(2)
	for range 3 {
		c.beat(1)
	}
	c.wantReads(1)
	c.heal()
	c.beat(2)
	c.wantReads(1, "7 lost")
}

// With stale-reads it does.
func TestStaleReads(t *testing.T) {
	c := newCluster(t, 3, func(cfg *raft.Config) { cfg.Unsafe = raft.UnsafeStaleReads }).start()
	c.elect(1)
	c.isolate(1)
	c.elect(2)
	c.mustRead(1, false, 7)
	c.wantReads(1, "7@1")
}

// A leader alone is a majority.
func TestSingleServerReads(t *testing.T) {
	c := newCluster(t, 1).start()
	c.elect(1)
	c.mustRead(1, false, 7)
	c.wantReads(1, "7@1")
}

// A follower asks its leader, one question at a time, and again when no answer
// comes; it waits until it has applied as much itself, which is its caller's part.
func TestReadThroughAFollower(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.propose(1, "x")
	c.settle()
	c.mustRead(3, false, 1)
	c.mustRead(3, false, 2)
	c.mustRead(3, false, 3)
	if n := len(c.remove(from(3))); n != 1 {
		t.Errorf("S3 asks %d times at once", n)
	}
	c.at(3).now += 150 * ms
	c.at(3).node.Tick(c.at(3).now)
	c.process(c.at(3))
	c.settle()
	c.wantReads(3, "1@2", "2@2", "3@2")
	// An answer that comes twice answers nobody else.
	c.mustRead(3, false, 4)
	c.deliverOne(raft.Message{From: 1, To: 3, Term: 1, Body: &raft.ReadIndexReply{ID: 1, Index: 1}})
	c.wantReads(3, "1@2", "2@2", "3@2")
	c.settle()
	c.wantReads(3, "1@2", "2@2", "3@2", "4@2")
}

// A learner serves its readers like a follower.
func TestReadThroughALearner(t *testing.T) {
	c := withLearners(t, 3, 4)
	c.mustRead(4, false, 1)
	c.settle()
	c.wantReads(4, "1@2")
}

// A follower that loses its leader tells its readers.
func TestFollowerTellsItsReaders(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.isolate(3)
	c.mustRead(3, false, 1)
	c.mustRead(3, false, 2)
	c.timeout(3)
	c.wantReads(3, "1 lost", "2 lost")
	if err := c.read(3, false, 3); !errors.Is(err, raft.ErrNotLeader) {
		t.Errorf("without a leader it says %v", err)
	}
}

// The lease: until nine tenths of the minimum election timeout after a round
// began that a majority has answered, nobody else can be elected, and the leader
// asks nobody (thesis §6.4.1).
func TestLease(t *testing.T) {
	c := newCluster(t, 3, withIgnoreVotes, withTransfer).start()
	c.elect(1)
	c.beat(1)
	begun := c.at(1).now
	if end := c.node(1).Status().LeaseEnd; end != begun+135*ms {
		t.Fatalf("the lease ends %d ms after the heartbeat", (end-begun)/ms)
	}
	c.at(1).now = begun + 135*ms - 1
	c.mustRead(1, true, 1)
	c.wantReads(1, "1@1")
	if len(c.net) != 0 {
		t.Errorf("it asks %v", c.net)
	}
	c.at(1).now++
	c.mustRead(1, true, 2)
	c.wantReads(1, "1@1")
	c.settle()
	c.wantReads(1, "1@1", "2@1")

	if err := c.read(2, true, 3); !errors.Is(err, raft.ErrNotLeader) {
		t.Errorf("a follower says %v", err)
	}
	c.isolate(2)
	if err := c.transfer(1, 2); err != nil {
		t.Fatal(err)
	}
	c.advance(1, 300*raft.Duration(ms))
	c.beat(1)
	if s := c.node(1).Status(); s.TransferTo != 0 || s.LeaseEnd != 0 {
		t.Errorf("after it told S2 to stand, and gave up, its lease is %d, it hands over to %v", s.LeaseEnd, s.TransferTo)
	}
}

// Without the rule that it counts on there is no lease.
func TestNoLeaseWithoutIgnoredVotes(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.beat(1)
	c.mustRead(1, true, 1)
	c.wantReads(1)
	c.settle()
	c.wantReads(1, "1@1")
}
