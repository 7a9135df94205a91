package raft_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// Changes of the configuration: §6, thesis §4.1 to §4.2.

// ids makes a list of servers.
func ids(list ...raft.NodeID) []raft.NodeID { return list }

func byVoters(list ...raft.NodeID) raft.Configuration { return raft.Configuration{Voters: list} }

// mustChange is a change that the leader does not refuse.
func (c *cluster) mustChange(leader raft.NodeID, next raft.Configuration) {
	c.tb.Helper()
	if err := c.change(leader, next); err != nil {
		c.tb.Fatal(err)
	}
}

// wantConfig checks the newest configuration of servers.
func (c *cluster) wantConfig(want string, of ...raft.NodeID) {
	c.tb.Helper()
	for _, id := range of {
		if got := c.node(id).Status().Config.String(); got != want {
			c.tb.Errorf("%v counts with %s, want %s", id, got, want)
		}
	}
}

// withLearners is a cluster of n whose other servers are learners, up to date.
func withLearners(t *testing.T, n, all int, adjust ...func(*raft.Config)) *cluster {
	c := newCluster(t, all, append(adjust, voters(n))...).start()
	c.elect(1)
	next := configuration(n)
	for id := n + 1; id <= all; id++ {
		next.Learners = append(next.Learners, raft.NodeID(id))
	}
	c.mustChange(1, next)
	c.settle()
	return c
}

// "A server always uses the latest configuration in its log, regardless of
// whether the entry is committed" (§6).
func TestConfigurationCountsWhenAppended(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.mustChange(1, byVoters(1, 2))
	c.wantConfig("old S1 S2 S3 new S1 S2", 1)
	c.deliver(to(2))
	c.wantConfig("old S1 S2 S3 new S1 S2", 2)
	if commit := c.node(1).Commit(); commit != 1 {
		t.Fatalf("the change is committed already, up to %d", commit)
	}
	c.wantConfig("S1 S2 S3", 3)
}

// When the entry goes, the configuration before it counts again.
func TestTruncationRevertsTheConfiguration(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.isolate(1)
	c.mustChange(1, byVoters(1))
	c.wantConfig("old S1 S2 S3 new S1", 1)
	c.elect(2)
	c.heal()
	c.beat(2)
	c.wantConfig("S1 S2 S3", 1, 2, 3)
	if e := c.events(1, raft.EventConfigured); len(e) != 2 || !e[1].Reverted || e[1].Index != 0 {
		t.Errorf("S1 reports %v", e)
	}
}

// And after a crash the newest configuration is the one on disk.
func TestConfigurationIsRestored(t *testing.T) {
	c := withLearners(t, 3, 4)
	c.mustChange(1, byVoters(1, 2, 4))
	c.deliver(to(4))
	c.crash(4)
	c.restart(4)
	c.wantConfig("old S1 S2 S3 new S1 S2 S4", 4)
	c.settle()
	c.beat(1)
	c.wantConfig("S1 S2 S4", 1, 2, 4)
}

// "Agreement (for elections and entry commitment) requires separate majorities
// from both the old and new configurations" (§6).
func TestJointConsensusNeedsBothMajorities(t *testing.T) {
	tests := []struct {
		name      string
		next      raft.Configuration
		reached   []raft.NodeID // beside the leader, S1
		committed bool
	}{
		{"a majority of the old only", byVoters(1, 4, 5), ids(2, 3), false},
		{"a majority of the new only", byVoters(1, 4, 5), ids(4, 5), false},
		{"just one of each beside the leader", byVoters(1, 4, 5), ids(2, 4), true},
		{"a leader that is not in the new counts in the old", byVoters(4, 5), ids(2, 4), false},
		{"the new has to have its own majority", byVoters(4, 5), ids(2, 4, 5), true},
		{"a server in both counts in both", byVoters(1, 2, 4), ids(2), true},
	}
	for _, tt := range tests {
		t.Run("commit: "+tt.name, func(t *testing.T) {
			c := withLearners(t, 3, 5)
			before := c.node(1).Commit()
			c.mustChange(1, tt.next)
			for _, id := range tt.reached {
				c.deliver(to(id))
				c.deliver(from(id))
			}
			if got := c.node(1).Commit() > before; got != tt.committed {
				t.Errorf("committed: %v, want %v", got, tt.committed)
			}
		})
		t.Run("election: "+tt.name, func(t *testing.T) {
			c := withLearners(t, 3, 5)
			c.mustChange(1, tt.next)
			c.deliver() // all have C_old,new
			c.drop()
			c.crash(1)
			c.restart(1)
			c.campaign(1)
			for _, id := range tt.reached {
				c.deliver(to(id))
				c.deliver(from(id))
			}
			if got := c.node(1).Role() == raft.Leader; got != tt.committed {
				t.Errorf("elected: %v, want %v", got, tt.committed)
			}
		})
	}
}

// "Once C_old,new has been committed ... it is now safe for the leader to create
// a log entry describing C_new" (§6): the one follows by itself, also under a
// leader that did not begin the change.
func TestNewConfigurationFollowsTheJointOne(t *testing.T) {
	for crash := range 3 {
		t.Run(fmt.Sprintf("leader lives through %d of 2 phases", crash), func(t *testing.T) {
			c := withLearners(t, 3, 5)
			c.mustChange(1, byVoters(3, 4, 5))
			for range crash {
				c.deliver(func(m raft.Message) bool { _, ok := m.Body.(*raft.AppendEntries); return ok })
				c.deliver(to(1))
			}
			c.isolate(1)
			c.drop()
			c.elect(3)
			c.settle()
			if crash == 0 {
				c.wantConfig("S1 S2 S3 learners S4 S5", 2, 3, 4, 5) // nobody had heard of it
				return
			}
			c.wantConfig("S3 S4 S5", 3, 4, 5)
		})
	}
}

// New servers "join the cluster as non-voting members": until they have the log
// no majority waits for them (§6, thesis §4.2.1).
func TestNewServersAreLearnersFirst(t *testing.T) {
	c := newCluster(t, 5, voters(3)).start()
	c.elect(1)
	c.isolate(4, 5)
	c.mustChange(1, configuration(5))
	c.settle()
	c.wantConfig("S1 S2 S3 learners S4 S5", 1, 2, 3)
	if s := c.node(1).Status(); s.Commit != s.LastIndex || s.Target == nil || s.Target.String() != "S1 S2 S3 S4 S5" {
		t.Fatalf("the leader waits for servers that cannot answer: %+v", s)
	}
	c.heal()
	c.beat(1)
	c.wantConfig("S1 S2 S3 S4 S5", 1, 2, 3, 4, 5)
}

// A newcomer may vote when one of its rounds was shorter than an election
// timeout; until then the rounds go on, and after ten the change is given up.
func TestCatchingUpTakesRounds(t *testing.T) {
	for _, tt := range []struct {
		slow int // rounds that take long
		want string
	}{{0, "S1 S2 S3 S4"}, {9, "S1 S2 S3 S4"}, {10, "S1 S2 S3 learners S4"}} {
		t.Run(fmt.Sprintf("%d slow rounds", tt.slow), func(t *testing.T) {
			c := newCluster(t, 4, voters(3)).start()
			c.elect(1)
			c.mustChange(1, configuration(4))
			c.deliver(to(4)) // which finds out what S4 has
			c.deliver(from(4))
			for range tt.slow {
				c.deliver(to(4))
				c.propose(1, "more") // it belongs to the next round
				c.at(1).now += 151 * ms
				c.deliver(from(4))
			}
			c.settle()
			c.wantConfig(tt.want, 1)
			if dropped := c.events(1, raft.EventChangeDropped); (tt.slow == 10) != (len(dropped) == 1) {
				t.Errorf("given up: %v", dropped)
			}
		})
	}
}

// Learners count for nothing: not for commitment, not for elections, and they
// do not stand.
func TestLearnersCountForNothing(t *testing.T) {
	c := withLearners(t, 3, 5)
	c.propose(1, "x")
	c.deliver(to(4))
	c.deliver(to(5))
	c.deliver(to(1))
	if s := c.node(1).Status(); s.Commit == s.LastIndex {
		t.Error("two learners and the leader have committed an entry of three voters")
	}
	if got := c.node(4).Deadline(); got != raft.Never {
		t.Errorf("a learner wants to act at %d", got)
	}
	if err := c.node(4).Campaign(0); !errors.Is(err, raft.ErrNoVoter) {
		t.Errorf("told to stand, a learner says %v", err)
	}
	c.drop()
	c.crash(1)
	c.restart(1)
	c.isolate(1, 4, 5)
	c.campaign(1)
	c.settle()
	if c.node(1).Role() == raft.Leader {
		t.Error("S1 was elected by learners")
	}
}

// A server without any configuration waits to be told of one.
func TestJoinerWaits(t *testing.T) {
	c := newCluster(t, 4, voters(3)).start()
	if got := c.node(4).Deadline(); got != raft.Never {
		t.Errorf("it wants to act at %d", got)
	}
	c.elect(1)
	c.mustChange(1, configuration(4))
	c.settle()
	if got := c.node(4).Deadline(); got == raft.Never {
		t.Error("as a voter it still waits")
	}
}

// "Servers accept AppendEntries from a leader that is not part of their latest
// configuration", and vote for such a candidate: the sender may have the newer
// one (thesis §4.1).
func TestStrangersAreServed(t *testing.T) {
	c := newCluster(t, 3).start()
	if got := c.reply(raft.Message{From: 9, To: 1, Term: 5, Body: &raft.RequestVote{}}); got != "S1 -> S9 t5 vote yes" {
		t.Errorf("a candidate is answered %s", got)
	}
	if got := c.reply(raft.Message{From: 9, To: 1, Term: 5, Body: &raft.AppendEntries{Entries: entriesOf("5")}}); got != "S1 -> S9 t5 ok 1 after 0" {
		t.Errorf("a leader is answered %s", got)
	}
	if got := c.node(1).Leader(); got != 9 {
		t.Errorf("S1 follows %v", got)
	}
	// Answers of strangers count for nothing.
	c.campaign(2)
	c.drop()
	c.deliverOne(raft.Message{From: 9, To: 2, Term: c.node(2).Term(), Body: &raft.RequestVoteReply{Granted: true}})
	if c.node(2).Role() == raft.Leader {
		t.Error("a stranger's vote counted")
	}
}

// "The leader steps down (returns to follower state) once it has committed the
// C_new log entry", and "it replicates log entries but does not count itself in
// majorities" (§6).
func TestLeaderOutsideOfTheNewConfiguration(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.mustChange(1, byVoters(2, 3))
	c.deliver()
	c.deliver(to(1)) // C_old,new is committed, C_new appended
	c.wantConfig("S2 S3", 1)
	c.deliver(to(2))
	c.deliver(from(2))
	if s := c.node(1).Status(); s.Role != raft.Leader || s.Commit != 2 {
		t.Errorf("with one of C_new's two, S1 is %v and has committed %d", s.Role, s.Commit)
	}
	c.settle()
	if s := c.node(1).Status(); s.Role != raft.Follower || s.Commit != 3 {
		t.Errorf("with both, S1 is %v and has committed %d", s.Role, s.Commit)
	}
	if e := c.events(1, raft.EventSteppedDown); len(e) != 1 || e[0].Reason != raft.ReasonRemoved {
		t.Errorf("it reports %v", e)
	}
	if got := c.node(1).Deadline(); got != raft.Never {
		t.Errorf("a removed server wants to act at %d", got)
	}
}

// "Servers ignore RequestVote RPCs when they believe a current leader exists":
// within the minimum election timeout of hearing from one a server neither
// adopts the term nor votes (§6).
func TestRequestVoteIsIgnoredWhileALeaderIsHeard(t *testing.T) {
	ask := func(to raft.NodeID, v raft.RequestVote) raft.Message {
		v.LastLogIndex, v.LastLogTerm = 9, 1
		return raft.Message{From: 3, To: to, Term: 7, Body: &v}
	}
	for _, tt := range []struct {
		name    string
		adjust  func(*raft.Config)
		m       raft.Message
		after   raft.Time
		ignored bool
	}{
		{"by a follower", withIgnoreVotes, ask(2, raft.RequestVote{}), 149 * ms, true},
		{"by the leader", withIgnoreVotes, ask(1, raft.RequestVote{}), 149 * ms, true},
		{"not when it is over", withIgnoreVotes, ask(2, raft.RequestVote{}), 150 * ms, false},
		{"not of a server that was told to stand", withIgnoreVotes, ask(2, raft.RequestVote{Transfer: true}), 0, false},
		{"not when the rule is off", func(*raft.Config) {}, ask(2, raft.RequestVote{}), 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 3, tt.adjust).start()
			c.elect(1)
			m := c.at(tt.m.To)
			m.now += tt.after
			answers := c.ask(tt.m)
			if got := len(answers) == 0 && m.node.Term() == 1; got != tt.ignored {
				t.Errorf("answered %v in term %d", answers, m.node.Term())
			}
		})
	}
}

// A server that comes back may have heard a leader just before it went down.
func TestRestartedServerIgnoresVotesForAWhile(t *testing.T) {
	c := newCluster(t, 3, withIgnoreVotes).start()
	c.elect(1)
	c.crash(2)
	c.restart(2)
	m := raft.Message{From: 3, To: 2, Term: 2, Body: &raft.RequestVote{LastLogIndex: 1, LastLogTerm: 1}}
	if answers := c.ask(m); len(answers) != 0 {
		t.Errorf("at once it answers %v", answers)
	}
	c.at(2).now += 150 * ms
	if got := c.reply(m); got != "S2 -> S3 t2 vote yes" {
		t.Errorf("later it answers %s", got)
	}
}

// What a leader does not begin, and why.
func TestChangesThatAreRefused(t *testing.T) {
	many := raft.Configuration{}
	for id := range raft.NodeID(1025) {
		many.Voters = append(many.Voters, id+1)
	}
	for _, tt := range []struct {
		name  string
		scene func(*cluster)
		next  raft.Configuration
		want  string
	}{
		{"no voter left", nil, raft.Configuration{}, "no voter is left"},
		{"a server twice", nil, byVoters(1, 1), "not ascending"},
		{"voter and learner", nil, raft.Configuration{Voters: ids(1, 2), Learners: ids(2)}, "S2 is both a voter and a learner"},
		{"old voters", nil, raft.Configuration{Voters: ids(1), VotersOld: ids(2)}, "has no old voters"},
		{"too many", nil, many, "1025 voters, the limit is 1024"},
		{"the same", nil, byVoters(1, 2, 3), "is this one already"},
		{"while one is being prepared", func(c *cluster) { c.mustChange(1, configuration(4)); c.deliver(to(2)); c.deliver(from(2)) }, byVoters(1), "one to S1 S2 S3 S4 is being prepared"},
		{"while one is under way", func(c *cluster) { c.mustChange(1, byVoters(1, 2)) }, byVoters(1), "the configuration is old S1 S2 S3 new S1 S2"},
		{"while the last is not committed", func(c *cluster) { c.mustChange(1, raft.Configuration{Voters: ids(1, 2, 3), Learners: ids(4)}) }, byVoters(1), "is not committed yet"},
		{"during a transfer", func(c *cluster) { c.isolate(2); _ = c.transfer(1, 2) }, byVoters(1), "being handed over"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 4, voters(3), withTransfer).start()
			c.elect(1)
			if tt.scene != nil {
				tt.scene(c)
			}
			last := c.node(1).LastIndex()
			if err := c.change(1, tt.next); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
			if got := c.node(1).LastIndex(); got != last {
				t.Errorf("and yet the log has gone from %d to %d", last, got)
			}
		})
	}
	c := newCluster(t, 3).start()
	c.campaign(1)
	c.deliver()
	c.deliver()
	var refused *raft.ChangeError
	if err := c.change(1, byVoters(1)); !errors.As(err, &refused) || !strings.Contains(err.Error(), "own term") {
		t.Errorf("before anything of its term is committed the leader says %v", err)
	}
	if err := c.change(2, byVoters(1)); !errors.Is(err, raft.ErrNotLeader) {
		t.Errorf("a follower says %v", err)
	}
}

// A change ends with the reign of the leader that prepared it.
func TestPreparedChangeEndsWithTheReign(t *testing.T) {
	c := newCluster(t, 4, voters(3)).start()
	c.elect(1)
	c.isolate(4)
	c.mustChange(1, configuration(4))
	c.settle()
	c.elect(2)
	if e := c.events(1, raft.EventChangeDropped); len(e) != 1 || e[0].Reason != raft.ReasonLeadershipLost {
		t.Errorf("S1 reports %v", e)
	}
	c.heal()
	c.beat(2)
	c.wantConfig("S1 S2 S3 learners S4", 1, 2, 3, 4)
	c.mustChange(2, configuration(4))
	c.settle()
	c.wantConfig("S1 S2 S3 S4", 1, 2, 3, 4)
}

// A voter becomes a learner, and nothing stands on its vote any more.
func TestVoterBecomesLearner(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.mustChange(1, raft.Configuration{Voters: ids(1, 2), Learners: ids(3)})
	c.settle()
	c.wantConfig("S1 S2 learners S3", 1, 2, 3)
	if got := c.node(3).Deadline(); got != raft.Never {
		t.Errorf("S3 wants to act at %d", got)
	}
}
