package raft_test

import (
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// Scenes that went wrong once: the simulator found them, or the way led there
// from what it found. They are cut down to what matters.

// C_old,new is committed, and C_new, in which the old voters are learners, is
// on their logs only when their leader goes. The voter it names has the shorter
// log, so it cannot win the votes of C_old. The others must stand, though they
// have no vote in their newest configuration (thesis §4.2.2).
func TestFoundOldVotersStandUntilNewIsCommitted(t *testing.T) {
	c := withLearners(t, 2, 3)
	c.mustChange(1, raft.Configuration{Voters: ids(3), Learners: ids(1, 2)})
	c.deliver(to(2)) // C_old,new
	c.deliver(to(3))
	c.deliver(to(1)) // which commits it; C_new follows
	c.drop(to(3))
	c.deliver(to(2))
	c.wantConfig("S3 learners S1 S2", 1, 2)
	c.wantConfig("old S1 S2 new S3 learners S1 S2", 3)
	c.drop()
	c.crash(1)
	c.restart(1)

	c.timeout(3)
	c.settle()
	if role := c.node(3).Role(); role != raft.Candidate {
		t.Fatalf("S3, which has the shorter log, is %v", role)
	}
	c.timeout(2)
	c.settle()
	c.wantConfig("S3 learners S1 S2", 1, 2, 3)
	if e := c.events(2, raft.EventSteppedDown); len(e) != 1 || e[0].Reason != raft.ReasonRemoved {
		t.Errorf("S2, which committed C_new, reports %v", e)
	}
	c.elect(3)
	for _, id := range ids(1, 2) {
		if err := c.node(id).Campaign(c.at(id).now); err != raft.ErrNoVoter {
			t.Errorf("C_new is committed, and %v, a learner, is told to stand: %v", id, err)
		}
	}
}

// A newcomer's round takes too long, and then there is nothing new: the next
// round is over as it begins.
func TestFoundSlowRoundWithoutASuccessor(t *testing.T) {
	c := newCluster(t, 2, voters(1)).start()
	c.elect(1)
	c.mustChange(1, byVoters(1, 2))
	c.advance(1, 200*ms)
	c.settle()
	c.beat(1)
	c.wantConfig("S1 S2", 1, 2)
}

// A server has joined and applied entries of a time before it was a member, so
// it does not know yet who is one. It has nothing to write into a snapshot.
func TestFoundJoinerWithoutAConfiguration(t *testing.T) {
	c := newCluster(t, 3, voters(2), func(cfg *raft.Config) { cfg.MaxAppendBytes = 1 }).start()
	c.elect(1)
	c.propose(1, "x", "y", "z")
	c.settle()
	if err := c.change(1, raft.Configuration{Voters: []raft.NodeID{1, 2}, Learners: []raft.NodeID{3}}); err != nil {
		t.Fatal(err)
	}
	for c.node(3).Commit() == 0 {
		c.deliver()
	}
	if m := c.at(3); m.node.Status().ConfigIndex != 0 || m.node.SnapshotMeta(m.machine.index).Index != 0 {
		t.Errorf("S3 has come to entry %d and would take a snapshot of %v", m.machine.index, m.node.SnapshotMeta(m.machine.index))
	}
}

// What a leader sent arrives when it has gone down, come back with less in its
// log, and leads a newer term. The answers are about the old term alone: they
// are not broken, whatever they speak of, and they answer no question of this
// reign, whatever its number.
func TestFoundAnswersToAnEarlierReign(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.at(1).slow = true
	c.propose(1, "x", "y", "z")
	for range 5 {
		c.timeout(1)
	}
	late := c.remove(from(1))
	c.crash(1)
	c.restart(1)
	c.sync(1)
	c.at(1).slow = false
	c.elect(1)
	c.mustRead(1, false, 1)
	c.drop()
	c.net = late
	c.deliver(to(2))
	c.deliver(to(3))
	if len(c.net) < 10 {
		t.Fatalf("S1 is answered %v", c.net)
	}
	c.deliver(to(1))
	c.wantReads(1)
	c.beat(1)
	c.wantReads(1, "1@2")
}

// A follower asks the leader for a read, goes down, comes back and asks again.
// The answer to what it asked before comes late: it is older than the new reader.
func TestFoundAnswerToAnEarlierLife(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.beat(1)
	c.at(3).now = c.at(1).now
	c.mustRead(3, false, 1)
	c.deliver(to(1)) // the question, and then a round
	c.deliver(to(2))
	c.deliver(to(1))
	late := c.remove(to(3))
	c.crash(3)
	c.at(3).now++
	c.restart(3)
	c.propose(1, "x")
	c.settle()
	c.beat(1)
	c.mustRead(3, false, 2)
	c.drop()
	c.net = late
	c.settle()
	c.wantReads(3)
	c.advance(3, 150*ms)
	c.settle()
	c.wantReads(3, "2@2")
}

// A snapshot is on its way when the follower is removed, and added again. The
// leader has forgotten how far it was, and begins anew; so must the follower.
func TestFoundTransferBegunAnew(t *testing.T) {
	c := withLaggard(t, 5)
	c.timeout(1)
	for range 20 {
		if len(c.at(3).part.data) < 10 {
			c.deliver()
		}
	}
	if got := len(c.at(3).part.data); got != 10 {
		t.Fatalf("%d bytes have arrived", got)
	}
	c.mustChange(1, byVoters(1, 2))
	c.drop(to(3))
	c.settle()
	c.mustChange(1, raft.Configuration{Voters: ids(1, 2), Learners: ids(3)})
	c.settle()
	for range 10 {
		c.advance(1, 300*ms)
		c.settle()
	}
	c.wantConfig("S1 S2 learners S3", 3)
	if got, want := c.node(3).Commit(), c.node(1).Commit(); got != want {
		t.Errorf("S3 has come to entry %d of %d: %+v", got, want, c.node(1).Status().Peers)
	}
}

// A late answer sends the leader back to a chunk that the follower has. The
// follower's next answer leads it forward again, farther than that chunk.
func TestFoundLateAnswerAboutAChunk(t *testing.T) {
	c := withLaggard(t, 5)
	c.timeout(1)
	for range 20 {
		if len(c.at(3).part.data) < 10 {
			c.deliver()
		}
	}
	c.deliver(to(1)) // which sends the third chunk
	c.deliverOne(raft.Message{From: 3, To: 1, Term: 1, Body: &raft.InstallSnapshotReply{Index: 4, Offset: 10, Next: 5}})
	if got := c.node(1).Status().Peers[1].SnapshotOffset; got != 5 {
		t.Fatalf("the leader takes it that %d bytes have arrived", got)
	}
	c.settle()
	for range 10 {
		c.advance(1, 300*ms)
		c.settle()
	}
	if got, want := c.node(3).Commit(), c.node(1).Commit(); got != want {
		t.Errorf("S3 has come to entry %d of %d: %+v", got, want, c.node(1).Status().Peers)
	}
}

// A snapshot is complete, and before the server gets to it the first chunk of
// the next one is there: which has to come again, or it would be written over
// the one that is to be installed.
func TestFoundNextSnapshotWaitsForTheLast(t *testing.T) {
	c := newCluster(t, 3).start()
	n := c.node(3)
	next := chunkTo3(0, "next", true)
	next.Body.(*raft.InstallSnapshot).Meta.Index = 9
	for _, m := range []raft.Message{chunkTo3(0, "last", true), next} {
		if err := n.Step(0, m); err != nil {
			t.Fatal(err)
		}
	}
	r := n.Ready()
	if len(r.Chunks) != 1 || string(r.Chunks[0].Data) != "last" || r.Install == nil || r.Install.Meta.Index != 5 {
		t.Errorf("chunks %v are to be written and %v to be installed", r.Chunks, r.Install)
	}
	n.Persisted(0, r.Sync)
	if err := n.Step(0, next); err != nil {
		t.Fatal(err)
	}
	if r := n.Ready(); len(r.Chunks) != 1 || r.Install == nil || r.Install.Meta.Index != 9 {
		t.Errorf("when it comes again, chunks %v are to be written and %v to be installed", r.Chunks, r.Install)
	}
}

// A server votes for nobody just after it was up again: it may have heard a
// leader just before it went down, whose lease counts on its silence (§6).
func TestFoundVoteAfterARestartWithinTheLease(t *testing.T) {
	c := newCluster(t, 3, withIgnoreVotes).start()
	c.elect(1)
	c.beat(1)
	end := c.node(1).Status().LeaseEnd
	c.isolate(1)
	c.at(2).now, c.at(3).now = c.at(1).now, c.at(1).now
	c.crash(2)
	c.restart(2)
	c.at(3).now += 150 * ms // it has heard nobody for as long
	c.at(2).now = end - 1
	c.timeout(3)
	c.settle()
	if c.node(3).Role() == raft.Leader {
		t.Errorf("S3 is elected by S2 at %d ms, S1 has the lease until %d ms", c.at(2).now/ms, end/ms)
	}
	c.at(2).now = end + 15*ms
	c.timeout(3)
	c.settle()
	if c.node(3).Role() != raft.Leader {
		t.Error("S3 is not elected when the time is over")
	}
}

// With truncate-always a server cuts its log behind every AppendEntries, also
// behind those about nothing that come while a snapshot is sent. What is folded
// into a snapshot is no log any more.
func TestFoundTruncateAlwaysStopsAtTheSnapshot(t *testing.T) {
	c := newCluster(t, 3, func(cfg *raft.Config) { cfg.Unsafe = raft.UnsafeTruncateAlways }).start()
	c.check.lenient = true
	c.elect(1)
	c.propose(1, "x", "y")
	c.settle()
	c.beat(1)
	c.snapshot(3, 0)
	c.ask(appendTo(3, 1, &raft.AppendEntries{LeaderCommit: 3}))
	c.propose(1, "z")
	c.settle()
	c.beat(1)
	if s := c.node(3).Status(); s.LastIndex != 4 || s.Base != 3 {
		t.Errorf("the log of S3 is %d to %d, want 4 to 4", s.Base+1, s.LastIndex)
	}
}
