package raft_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// Snapshots: §7, Figures 12 and 13.

// withLaggard is a cluster of three whose leader S1 has forgotten what S3 lacks.
// Chunks have so many bytes.
func withLaggard(t *testing.T, chunk int, adjust ...func(*raft.Config)) *cluster {
	c := newCluster(t, 3, append(adjust, func(cfg *raft.Config) { cfg.MaxChunkBytes = chunk })...).start()
	c.elect(1)
	c.isolate(3)
	c.propose(1, "x", "y", "z")
	c.settle()
	c.snapshot(1, 0)
	c.heal()
	return c
}

func isChunk(m raft.Message) bool { _, ok := m.Body.(*raft.InstallSnapshot); return ok }

// chunkTo3 is a chunk of a snapshot of entry 5 that S2, leader of term 4, might send.
func chunkTo3(offset int64, data string, done bool) raft.Message {
	return raft.Message{From: 2, To: 3, Term: 4, Body: &raft.InstallSnapshot{
		Meta: raft.SnapshotMeta{Index: 5, Term: 3, Config: configuration(3)}, Offset: offset, Data: []byte(data), Done: done,
	}}
}

// The log keeps what is behind the snapshot, and the snapshot knows its last
// entry's index and term and the configuration of then.
func TestSnapshotStandsForTheLog(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.mustChange(1, byVoters(1, 2))
	c.settle()
	c.propose(1, "x", "y")
	c.settle()
	if got, want := fmt.Sprint(c.node(1).SnapshotMeta(2)), "2/1 of old S1 S2 S3 new S1 S2"; got != want {
		t.Errorf("a snapshot in the middle of the change is %s, want %s", got, want)
	}
	c.snapshot(1, 1)
	s := c.node(1).Status()
	if got, want := fmt.Sprint(s.Snapshot), "5/1 of S1 S2"; got != want || s.Base != 4 || s.BaseTerm != 1 || fmt.Sprint(s.Runs) != "[{5 1}]" {
		t.Errorf("snapshot %s, log behind %d/%d with runs %v", got, s.Base, s.BaseTerm, s.Runs)
	}
	c.wantTerms(map[raft.NodeID]string{1: "[4/1]1|"})
	if meta := c.node(1).SnapshotMeta(3); meta.Index != 0 {
		t.Errorf("a snapshot before the last one is %v", meta)
	}
}

// Only what is on disk may be forgotten, even if a majority has it.
func TestOnlyWhatIsStoredIsForgotten(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.at(1).slow = true
	c.propose(1, "x", "y")
	c.settle()
	c.snapshot(1, 0)
	if s := c.node(1).Status(); s.Applied != 3 || s.Snapshot.Index != 3 || s.Base != 1 {
		t.Errorf("applied %d, snapshot of %d, the log is forgotten up to %d", s.Applied, s.Snapshot.Index, s.Base)
	}
}

// A server comes back with the snapshot and the log behind it.
func TestRestartFromSnapshot(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.propose(1, "x", "y")
	c.settle()
	c.snapshot(1, 0)
	c.propose(1, "z")
	c.settle()
	c.crash(1)
	c.restart(1)
	if s := c.node(1).Status(); s.Commit != 3 || s.LastIndex != 4 || s.Base != 3 || s.Snapshot.Index != 3 {
		t.Errorf("it comes back with commit %d, a log of %d to %d and a snapshot of %d", s.Commit, s.Base+1, s.LastIndex, s.Snapshot.Index)
	}
	c.elect(2)
	c.wantTerms(map[raft.NodeID]string{1: "[3/1]12|"})
}

// "1. Reply immediately if term < currentTerm" (Figure 13).
func TestSnapshotOfAnOldTermIsRefused(t *testing.T) {
	c := newCluster(t, 3).start()
	c.ask(raft.Message{From: 1, To: 3, Term: 9, Body: &raft.AppendEntries{}})
	if got := c.reply(chunkTo3(0, "state", true)); got != "S3 -> S2 t9 snapshot 5 want 0 after 0" {
		t.Errorf("answered %s", got)
	}
}

// "2. Create new snapshot file if first chunk (offset is 0). 3. Write data into
// snapshot file at given offset. 4. Reply and wait for more data chunks if done
// is false" (Figure 13). Chunks come twice, late, or not at all (§5.5): the
// follower says which one it wants.
func TestChunksAreTakenInOrder(t *testing.T) {
	c := newCluster(t, 3).start()
	steps := []struct {
		m    raft.Message
		want string
	}{
		{chunkTo3(4, "late", false), "want 0 after 4"},
		{chunkTo3(0, "the ", false), "want 4 after 0"},
		{chunkTo3(0, "the ", false), "want 4 after 0"},
		{chunkTo3(9, "of S", false), "want 4 after 9"},
		{chunkTo3(4, "state", false), "want 9 after 4"},
		{chunkTo3(4, "state", false), "want 9 after 4"},
	}
	for _, s := range steps {
		if got := c.reply(s.m); got != "S3 -> S2 t4 snapshot 5 "+s.want {
			t.Errorf("%v is answered %s, want %s", s.m, got, s.want)
		}
	}
	if got := string(c.at(3).part.data); got != "the state" {
		t.Errorf("written aside is %q", got)
	}
	// Another leader's snapshot may have other bytes: it begins anew.
	other := chunkTo3(9, "!", true)
	other.From, other.Term = 1, 5
	if got := c.reply(other); got != "S3 -> S1 t5 snapshot 5 want 0 after 9" {
		t.Errorf("the next leader is answered %s", got)
	}
}

// Chunks reset the election timer like any word of the leader (§7).
func TestChunksResetTheTimer(t *testing.T) {
	c := newCluster(t, 3).start()
	for i := range int64(20) {
		c.at(3).now += 100 * ms
		c.reply(chunkTo3(4*i, "some", false))
		if got := c.node(3).Deadline(); got < c.at(3).now+150*ms {
			t.Fatalf("%d ms after a chunk it wants to stand", (got-c.at(3).now)/ms)
		}
	}
	if n := c.node(3); n.Role() != raft.Follower || n.Leader() != 2 {
		t.Errorf("S3 is %v of %v", n.Role(), n.Leader())
	}
}

// "6. If existing log entry has same index and term as snapshot's last included
// entry, retain log entries following it and reply. 7. Discard the entire log. 8.
// Reset state machine using snapshot contents" (Figure 13).
func TestInstallingASnapshot(t *testing.T) {
	state := string((&machine{index: 5}).snapshot())
	for _, tt := range []struct {
		log, want string
		keep      bool
	}{
		{"", "[5/3]|", false},
		{"111", "[5/3]|", false},
		{"11111", "[5/3]|", false},      // entry 5 is of another term
		{"1111144", "[5/3]|", false},    // and what follows it goes with it
		{"11133", "11133|", true},       // nothing follows
		{"1113333", "11133|33", true},   // what follows stays
		{"11133344", "11133|344", true}, // whatever its term
	} {
		t.Run("log "+tt.log, func(t *testing.T) {
			c := newCluster(t, 3)
			c.forging = true // nobody has committed what is in the snapshot
			c.preload(3, tt.log, 4)
			c.start()
			if got := c.reply(chunkTo3(0, state, true)); got != "S3 -> S2 t4 snapshot 5 done" {
				t.Errorf("answered %s", got)
			}
			c.wantTerms(map[raft.NodeID]string{3: tt.want})
			s := c.node(3).Status()
			if s.Commit != 5 || s.Applied != 5 || s.Snapshot.Index != 5 || c.at(3).machine.index != 5 {
				t.Errorf("commit %d, applied %d, snapshot of %d, the state machine is at %d", s.Commit, s.Applied, s.Snapshot.Index, c.at(3).machine.index)
			}
			if e := c.events(3, raft.EventSnapshotInstalled); len(e) != 1 || e[0].Granted != tt.keep {
				t.Errorf("it reports %v", e)
			}
			// It is the same after a crash.
			c.crash(3)
			c.restart(3)
			if s := c.node(3).Status(); s.Commit != 5 || s.LastIndex < 5 {
				t.Errorf("after a crash commit is %d, the last entry %d", s.Commit, s.LastIndex)
			}
		})
	}
}

// A snapshot of what is committed here already is old news, and the leader is
// told that it need not go on.
func TestSnapshotOfCommittedEntriesIsNotNeeded(t *testing.T) {
	c := newCluster(t, 3)
	c.forging = true
	c.preload(3, "1113333", 4)
	c.start()
	c.ask(raft.Message{From: 2, To: 3, Term: 4, Body: &raft.AppendEntries{PrevLogIndex: 7, PrevLogTerm: 3, LeaderCommit: 6}})
	if got := c.reply(chunkTo3(0, "state", false)); got != "S3 -> S2 t4 snapshot 5 done" {
		t.Errorf("answered %s", got)
	}
	c.wantTerms(map[raft.NodeID]string{3: "111333|3"})
}

// The answer to the last chunk waits for the disk.
func TestInstallWaitsForTheDisk(t *testing.T) {
	c := newCluster(t, 3)
	c.forging = true
	c.start()
	c.at(3).slow = true
	state := string((&machine{index: 5}).snapshot())
	if answers := c.ask(chunkTo3(0, state, true)); len(answers) != 0 {
		t.Errorf("before the disk has it, it answers %v", answers)
	}
	c.sync(3)
	if len(c.net) != 1 || c.net[0].String() != "S3 -> S2 t4 snapshot 5 done" {
		t.Errorf("after, it answers %v", c.net)
	}
}

// A leader sends a chunk at a time, sends it again when no answer came for an
// election timeout, and goes on behind the snapshot with the log.
func TestLeaderSendsTheSnapshot(t *testing.T) {
	c := withLaggard(t, 8)
	c.beat(1)
	c.wantTerms(map[raft.NodeID]string{3: "[4/1]|"})
	if sent, done := c.events(1, raft.EventSnapshotSent), c.events(1, raft.EventSnapshotDone); len(sent) != 1 || len(done) != 1 {
		t.Errorf("it reports %v and %v", sent, done)
	}
	if p := c.node(1).Status().Peers[1]; p.Flow != raft.FlowReplicate || p.Match != 4 || p.SnapshotIndex != 0 {
		t.Errorf("then S3 is %+v to it", p)
	}

	c = withLaggard(t, 8)
	c.timeout(1)
	c.deliver(to(3))
	c.deliver(from(3))
	for range 3 { // a heartbeat each
		if n := len(c.remove(isChunk)); n > 1 {
			t.Fatalf("%d chunks are under way", n)
		}
		c.beat(1)
	}
	if p := c.node(1).Status().Peers[1]; p.Flow != raft.FlowSnapshot || p.SnapshotOffset != 0 || p.SnapshotIndex != 4 {
		t.Errorf("while its first chunk is lost, S3 is %+v", p)
	}
	c.at(1).now += 300 * ms
	c.beat(1)
	c.wantTerms(map[raft.NodeID]string{3: "[4/1]|"})
}

// Who is sent a snapshot holds up nobody: the leader commits with the others.
func TestSnapshotInFlightStopsNobody(t *testing.T) {
	c := withLaggard(t, 8)
	c.timeout(1)
	c.deliver(to(3))
	c.deliver(from(3))
	c.drop(isChunk)
	c.propose(1, "more")
	c.settle()
	if got := c.node(1).Commit(); got != 5 {
		t.Errorf("committed up to %d", got)
	}
}

// A snapshot that is replaced while it is being sent is begun anew.
func TestSnapshotIsReplacedWhileItIsSent(t *testing.T) {
	c := withLaggard(t, 8)
	c.timeout(1)
	c.deliver(to(3))
	c.deliver(from(3))
	c.deliver(isChunk) // the first one arrives, its answer is on its way
	for range 2 {
		c.propose(1, "more")
		c.deliver(to(2))
		c.deliver(from(2))
		c.snapshot(1, 0) // the disk keeps two
	}
	c.settle()
	c.wantTerms(map[raft.NodeID]string{3: "[6/1]|"})
	if sent := c.events(1, raft.EventSnapshotSent); len(sent) != 2 || sent[0].Index != 4 || sent[1].Index != 6 {
		t.Errorf("it reports %v", sent)
	}
}

// Answers of old chunks, of other snapshots and of bytes that were never sent
// are ignored.
func TestStrayAnswersToChunks(t *testing.T) {
	for _, r := range []raft.InstallSnapshotReply{
		{Index: 3, Done: true},
		{Index: 4, Offset: 8, Next: 16},
		{Index: 4, Offset: 0, Next: 9},
	} {
		t.Run(r.String(), func(t *testing.T) {
			c := withLaggard(t, 8)
			c.timeout(1)
			c.deliver(to(3))
			c.deliver(from(3))
			c.deliverOne(raft.Message{From: 3, To: 1, Term: 1, Body: &r})
			if p := c.node(1).Status().Peers[1]; p.Flow != raft.FlowSnapshot || p.SnapshotOffset != 0 {
				t.Errorf("S3 is %+v", p)
			}
		})
	}
}

// A damaged snapshot stops the leader that would send it.
func TestUnreadableSnapshotStopsTheLeader(t *testing.T) {
	c := withLaggard(t, 8)
	c.at(1).disk.fails = errors.New("rotten")
	c.timeout(1)
	c.deliver(to(3))
	c.deliver(from(3))
	if c.node(1) != nil {
		t.Error("S1 goes on")
	}
	if want := "S1: stops: raft: read the snapshot of entry 4 back from storage: rotten"; !bytes.Contains([]byte(c.out.String()), []byte(want)) {
		t.Errorf("it does not say %q", want)
	}
}

// AppendEntries that begin before what is forgotten are taken from there on.
func TestAppendFromBeforeTheBase(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prev    raft.Index
		entries string
		want    string
		log     string
	}{
		{"all of it is forgotten", 1, "111", "ok 3 after 1", "[4/1]|"},
		{"some of it", 1, "1111111", "ok 7 after 1", "[4/1]|111"},
		{"a heartbeat", 1, "1", "ok 1 after 1", "[4/1]|"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 3).start()
			c.elect(1)
			c.propose(1, "x", "y", "z")
			c.settle()
			c.beat(1)
			c.snapshot(3, 0)
			c.forging = true
			got := c.reply(raft.Message{From: 1, To: 3, Term: 1, Body: &raft.AppendEntries{
				PrevLogIndex: tt.prev, PrevLogTerm: 1, Entries: entriesOf(tt.entries)[tt.prev:], LeaderCommit: 4,
			}})
			if got != "S3 -> S1 t1 "+tt.want {
				t.Errorf("answered %s", got)
			}
			c.wantTerms(map[raft.NodeID]string{3: tt.log})
		})
	}
}
