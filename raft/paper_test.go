package raft_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// One test a rule, in the order of Figure 2 and named after it. The method is
// the same everywhere: a cluster whose network and disks do what the test says,
// and a look at what a server answers, or at what all have in the end.

// all three roles a server can be in, and how it gets there.
var roles = []struct {
	name string
	role raft.Role
	make func(*cluster)
}{
	{"follower", raft.Follower, func(c *cluster) {}},
	{"candidate", raft.Candidate, func(c *cluster) { c.campaign(1); c.drop() }},
	{"precandidate", raft.PreCandidate, func(c *cluster) { c.timeout(1); c.drop() }},
	{"leader", raft.Leader, func(c *cluster) { c.elect(1) }},
}

// ask hands one message to a server and returns what it answers.
func (c *cluster) ask(m raft.Message) []raft.Message {
	c.tb.Helper()
	c.drop()
	c.deliverOne(m)
	return c.remove()
}

// reply is the only answer to m, as text.
func (c *cluster) reply(m raft.Message) string {
	c.tb.Helper()
	answers := c.ask(m)
	if len(answers) != 1 {
		c.tb.Fatalf("%v is answered by %v, want one answer", m, answers)
	}
	return answers[0].String()
}

func appendTo(to raft.NodeID, term raft.Term, a *raft.AppendEntries) raft.Message {
	return raft.Message{From: 2, To: to, Term: term, Body: a}
}

// "When servers start up, they begin as followers" (§5.2).
func TestServersStartAsFollowers(t *testing.T) {
	c := newCluster(t, 3).start()
	for _, m := range c.servers {
		if s := m.node.Status(); s.Role != raft.Follower || s.Leader != 0 {
			t.Errorf("%v starts as %v of %v", m.id, s.Role, s.Leader)
		}
	}
	if len(c.net) > 0 {
		t.Errorf("they say %v", c.net)
	}
}

// "If commitIndex > lastApplied: increment lastApplied, apply
// log[lastApplied]" (Figure 2): in order, each once, on every server.
func TestApplyWhatIsCommitted(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	for k := range 20 {
		c.propose(1, fmt.Sprint(k), "and another")
		c.settle()
	}
	for _, m := range c.servers {
		if len(m.applied) != 41 {
			t.Fatalf("%v has applied %d entries, want 41", m.id, len(m.applied))
		}
		for k, e := range m.applied {
			if e.Index != raft.Index(k+1) {
				t.Fatalf("%v applied entry %d as number %d", m.id, e.Index, k+1)
			}
		}
	}
}

// "If RPC request or response contains term T > currentTerm: set currentTerm =
// T, convert to follower" (§5.1).
func TestHigherTermIsAdopted(t *testing.T) {
	bodies := []raft.Body{
		&raft.RequestVote{}, &raft.RequestVoteReply{}, &raft.RequestVoteReply{PreVote: true},
		&raft.AppendEntries{}, &raft.AppendEntriesReply{},
	}
	for _, r := range roles {
		for _, body := range bodies {
			m := raft.Message{From: 2, To: 1, Term: 9, Body: body}
			t.Run(r.name+" sees "+kindOf(m), func(t *testing.T) {
				c := newCluster(t, 3, withPreVote).start()
				r.make(c)
				if got := c.node(1).Role(); got != r.role {
					t.Fatalf("S1 is %v, want %v", got, r.role)
				}
				c.ask(m)
				if n := c.node(1); n.Term() != 9 || n.Role() != raft.Follower {
					t.Errorf("S1 is %v of term %d, want follower of 9", n.Role(), n.Term())
				}
			})
		}
	}
}

// "If a server receives a request with a stale term number, it rejects the
// request" (§5.1), and says its own so that the sender steps down.
func TestOldTermIsRefused(t *testing.T) {
	for _, tt := range []struct {
		body raft.Body
		want string
	}{
		{&raft.AppendEntries{}, "S1 -> S2 t5 refused after 0"},
		{&raft.RequestVote{}, "S1 -> S2 t5 vote no"},
		{&raft.RequestVote{PreVote: true}, "S1 -> S2 t5 prevote no"},
	} {
		c := newCluster(t, 3)
		c.preload(1, "11", 5)
		c.start()
		end := c.node(1).Status().TimerEnd
		if got := c.reply(raft.Message{From: 2, To: 1, Term: 4, Body: tt.body}); got != tt.want {
			t.Errorf("answer is %s, want %s", got, tt.want)
		}
		if s := c.node(1).Status(); s.Term != 5 || s.LastIndex != 2 || s.TimerEnd != end {
			t.Errorf("%s changed the server: %+v", tt.want, s)
		}
	}
}

// An answer to an earlier reign says nothing about this one (§5.1): "if a
// server receives a response with a stale term it is ignored".
func TestOldAnswersAreIgnored(t *testing.T) {
	c := newCluster(t, 3)
	for id := raft.NodeID(1); id <= 3; id++ {
		c.preload(id, "11", 3)
	}
	c.start()
	c.campaign(1)
	c.deliver(to(2))
	c.deliver(from(2))
	c.drop()
	c.ask(raft.Message{From: 2, To: 1, Term: 3, Body: &raft.AppendEntriesReply{Success: true, Match: 3}})
	if got := c.node(1).Commit(); got != 0 {
		t.Errorf("an acknowledgement of term 3 commits %d in term 4", got)
	}
	c.campaign(2)
	c.drop()
	c.ask(raft.Message{From: 3, To: 2, Term: 4, Body: &raft.RequestVoteReply{Granted: true}})
	if got := c.node(2).Role(); got != raft.Candidate {
		t.Errorf("a vote of term 4 makes S2 %v in term 5", got)
	}
}

// "If election timeout elapses without receiving AppendEntries RPC from current
// leader or granting vote to candidate: convert to candidate" (Figure 2).
func TestFollowerTimesOut(t *testing.T) {
	c := newCluster(t, 3).start()
	m := c.at(1)
	m.now = m.node.Deadline() - 1
	m.node.Tick(m.now)
	if got := m.node.Role(); got != raft.Follower {
		t.Fatalf("S1 is %v before its timer has run out", got)
	}
	c.timeout(1)
	if got := m.node.Role(); got != raft.Candidate {
		t.Fatalf("S1 is %v when its timer has run out", got)
	}
}

func TestElectionTimerStartsAnew(t *testing.T) {
	tests := []struct {
		name string
		m    raft.Message
		anew bool
	}{
		{"by AppendEntries of the current leader", appendTo(1, 2, &raft.AppendEntries{}), true},
		{"by AppendEntries it has to refuse", appendTo(1, 2, &raft.AppendEntries{PrevLogIndex: 9, PrevLogTerm: 1}), true},
		{"by a vote given", raft.Message{From: 2, To: 1, Term: 2, Body: &raft.RequestVote{LastLogIndex: 9, LastLogTerm: 1}}, true},
		{"not by a vote refused", raft.Message{From: 2, To: 1, Term: 2, Body: &raft.RequestVote{}}, false},
		{"not by a pre-vote", raft.Message{From: 2, To: 1, Term: 2, Body: &raft.RequestVote{PreVote: true, LastLogIndex: 9, LastLogTerm: 1}}, false},
		{"not by an old leader", appendTo(1, 1, &raft.AppendEntries{}), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 3)
			c.preload(1, "1", 2)
			c.start()
			c.at(1).now = 100 * ms
			c.ask(tt.m)
			s := c.node(1).Status()
			if got := s.TimerStart == 100*ms; got != tt.anew {
				t.Errorf("the timer runs from %d to %d ms, started anew: %v, want %v", s.TimerStart/ms, s.TimerEnd/ms, got, tt.anew)
			}
		})
	}
}

// "Election timeouts are chosen randomly from a fixed interval" (§5.2), and
// two servers of one seed do not draw alike.
func TestElectionTimeoutsAreRandom(t *testing.T) {
	c := newCluster(t, 2).start()
	seen := map[raft.Duration]bool{}
	low, high := raft.Duration(300*ms), raft.Duration(150*ms)
	for range 2000 {
		for _, m := range c.servers {
			c.timeout(m.id)
			s := m.node.Status()
			wait := raft.Duration(s.TimerEnd - s.TimerStart)
			low, high = min(low, wait), max(high, wait)
			seen[wait] = true
		}
		c.drop()
	}
	if low < 150*ms || high > 300*ms || low > 151*ms || high < 299*ms || len(seen) < 3900 {
		t.Errorf("4000 timeouts between %d and %d ms, %d different", low/ms, high/ms, len(seen))
	}
}

func TestFixedElectionTimeoutIsAllowed(t *testing.T) {
	c := newCluster(t, 3, func(cfg *raft.Config) { cfg.ElectionMax = cfg.ElectionMin }).start()
	if s := c.node(1).Status(); s.TimerEnd != 150*ms {
		t.Errorf("the timer ends at %d ms", s.TimerEnd/ms)
	}
}

// "On conversion to candidate, start election: increment currentTerm, vote for
// self, reset election timer, send RequestVote RPCs to all other servers"
// (Figure 2), and it all is on disk before anybody is asked.
func TestCandidateStartsElection(t *testing.T) {
	c := newCluster(t, 5)
	c.preload(1, "1122", 6)
	c.start()
	c.at(1).slow = true
	c.timeout(1)
	s := c.node(1).Status()
	if s.Term != 7 || s.Vote != 1 || s.Role != raft.Candidate || s.TimerStart != c.at(1).now {
		t.Errorf("S1 is %+v", s)
	}
	if len(c.net) != 0 {
		t.Errorf("it asks before its vote is on disk: %v", c.net)
	}
	c.sync(1)
	var asked []string
	for _, m := range c.net {
		asked = append(asked, m.String())
	}
	want := []string{"S1 -> S2 t7 vote? log 4/2", "S1 -> S3 t7 vote? log 4/2", "S1 -> S4 t7 vote? log 4/2", "S1 -> S5 t7 vote? log 4/2"}
	if !slices.Equal(asked, want) {
		t.Errorf("it asks %v, want %v", asked, want)
	}
}

// "If votes received from majority of servers: become leader" (Figure 2).
func TestMajorityOfVotesWins(t *testing.T) {
	tests := []struct {
		servers   int
		yes, no   []raft.NodeID
		wantsRole raft.Role
	}{
		{1, nil, nil, raft.Leader},
		{2, nil, nil, raft.Candidate},
		{2, []raft.NodeID{2}, nil, raft.Leader},
		{3, []raft.NodeID{2}, nil, raft.Leader},
		{3, nil, []raft.NodeID{2, 3}, raft.Candidate},
		{4, []raft.NodeID{2}, nil, raft.Candidate},
		{5, []raft.NodeID{2}, []raft.NodeID{3, 4, 5}, raft.Candidate},
		{5, []raft.NodeID{2, 2, 2}, nil, raft.Candidate}, // one vote, however often it arrives
		{5, []raft.NodeID{4, 5}, []raft.NodeID{2, 3}, raft.Leader},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d servers, yes of %v, no of %v", tt.servers, tt.yes, tt.no), func(t *testing.T) {
			c := newCluster(t, tt.servers).start()
			c.forging = true
			c.campaign(1)
			c.drop()
			for _, id := range tt.no {
				c.ask(raft.Message{From: id, To: 1, Term: 1, Body: &raft.RequestVoteReply{}})
			}
			for _, id := range tt.yes {
				c.ask(raft.Message{From: id, To: 1, Term: 1, Body: &raft.RequestVoteReply{Granted: true}})
			}
			if got := c.node(1).Role(); got != tt.wantsRole {
				t.Errorf("S1 is %v, want %v", got, tt.wantsRole)
			}
		})
	}
}

// "If AppendEntries RPC received from new leader: convert to follower"
// (Figure 2), if the leader's term is at least the candidate's (§5.2).
func TestCandidateFollowsLeaderOfItsTerm(t *testing.T) {
	for _, tt := range []struct {
		term raft.Term
		want raft.Role
	}{{1, raft.Candidate}, {2, raft.Follower}, {3, raft.Follower}} {
		c := newCluster(t, 3)
		c.preload(1, "1", 1)
		c.start()
		c.campaign(1)
		c.ask(appendTo(1, tt.term, &raft.AppendEntries{}))
		if got := c.node(1).Role(); got != tt.want {
			t.Errorf("candidate of term 2 is %v after AppendEntries of term %d, want %v", got, tt.term, tt.want)
		}
	}
}

// "If election timeout elapses: start new election" (Figure 2): candidate to
// candidate (Figure 4).
func TestCandidateStandsAgain(t *testing.T) {
	c := newCluster(t, 3).start()
	for want := raft.Term(1); want <= 4; want++ {
		c.timeout(1)
		for c.at(1).node.Term() < want { // in between, those who are silent are asked again
			c.timeout(1)
		}
		if n := c.node(1); n.Role() != raft.Candidate || n.Term() != want {
			t.Fatalf("S1 is %v of term %d, want candidate of %d", n.Role(), n.Term(), want)
		}
		c.drop()
	}
}

// RPCs are retried for as long as there is no answer (§5.5): votes, too.
func TestSilentVotersAreAskedAgain(t *testing.T) {
	c := newCluster(t, 3).start()
	c.campaign(1)
	c.deliver(to(2))
	c.drop(to(3))
	c.ask(raft.Message{From: 2, To: 1, Term: 1, Body: &raft.RequestVoteReply{}})
	m := c.at(1)
	m.now = m.node.Deadline()
	if m.now != 50*ms {
		t.Fatalf("S1 wants to act at %d ms", m.now/ms)
	}
	m.node.Tick(m.now)
	c.process(m)
	if len(c.net) != 1 || c.net[0].String() != "S1 -> S3 t1 vote? log 0/0 transfer" {
		t.Errorf("it asks %v, want S3 alone again", c.net)
	}
}

// "If votedFor is null or candidateId, and candidate's log is at least as
// up-to-date as receiver's log, grant vote" (Figure 2); "each server will vote
// for at most one candidate in a given term, first-come-first-served" (§5.2).
func TestOneVoteATerm(t *testing.T) {
	vote := func(from raft.NodeID, term raft.Term) raft.Message {
		return raft.Message{From: from, To: 1, Term: term, Body: &raft.RequestVote{}}
	}
	c := newCluster(t, 3).start()
	for _, tt := range []struct {
		m    raft.Message
		want string
	}{
		{vote(2, 5), "S1 -> S2 t5 vote yes"},
		{vote(3, 5), "S1 -> S3 t5 vote no"},
		{vote(2, 5), "S1 -> S2 t5 vote yes"}, // the answer may have gone lost
		{vote(3, 6), "S1 -> S3 t6 vote yes"},
	} {
		if got := c.reply(tt.m); got != tt.want {
			t.Errorf("%v is answered %s, want %s", tt.m, got, tt.want)
		}
	}
	c.crash(1)
	c.restart(1)
	if got := c.reply(vote(2, 6)); got != "S1 -> S2 t6 vote no" {
		t.Errorf("a restart makes it forget: %s", got)
	}
}

// "Raft determines which of two logs is more up-to-date by comparing the index
// and term of the last entries" (§5.4.1).
func TestVoteGoesToUpToDateLogsOnly(t *testing.T) {
	tests := []struct {
		name, own string
		index     raft.Index
		term      raft.Term
		want      bool
	}{
		{"the same log", "112", 3, 2, true},
		{"longer, same last term", "112", 4, 2, true},
		{"shorter, same last term", "112", 2, 2, false},
		{"longer, earlier last term", "112", 9, 1, false},
		{"shorter, later last term", "112", 1, 3, true},
		{"both empty", "", 0, 0, true},
		{"empty against one entry", "1", 0, 0, false},
	}
	for _, tt := range tests {
		for _, pre := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				c := newCluster(t, 3)
				c.preload(1, tt.own, 4)
				c.start()
				got := c.reply(raft.Message{From: 2, To: 1, Term: 5, Body: &raft.RequestVote{PreVote: pre, LastLogIndex: tt.index, LastLogTerm: tt.term}})
				if yes := strings.HasSuffix(got, "yes"); yes != tt.want {
					t.Errorf("log %s, candidate's ends at %d/%d: %s", tt.own, tt.index, tt.term, got)
				}
			})
		}
	}
}

// "Upon election: send initial empty AppendEntries RPCs (heartbeat) to each
// server; repeat during idle periods" (Figure 2). The first one carries the
// no-op (§8).
func TestLeaderSaysSo(t *testing.T) {
	c := newCluster(t, 3).start()
	c.campaign(1)
	c.deliver(to(2))
	c.drop(to(3))
	c.deliver()
	got := fmt.Sprint(c.net)
	if want := "[S1 -> S2 t1 append prev 0/0 entries 1/1 commit 0 S1 -> S3 t1 append prev 0/0 entries 1/1 commit 0]"; got != want {
		t.Errorf("a new leader says %v, want %v", got, want)
	}
	if kind := c.at(1).disk.entries[0].Kind; kind != raft.EntryNoop {
		t.Errorf("its first entry is a %v", kind)
	}
	c.settle()
	for k := range 3 {
		before := c.at(1).now
		c.timeout(1)
		if waited := c.at(1).now - before; waited != 50*ms {
			t.Errorf("heartbeat %d after %d ms", k, waited/ms)
		}
		if len(c.net) != 2 || kindOf(c.net[0]) != "heartbeat" {
			t.Errorf("heartbeat %d is %v", k, c.net)
		}
		c.settle()
	}
}

// A leader with nobody to talk to has nothing to wait for.
func TestSingleServerDecidesAlone(t *testing.T) {
	c := newCluster(t, 1, withPreVote).start()
	c.timeout(1)
	c.propose(1, "x")
	if got := c.terms(1); got != "11|" {
		t.Errorf("log is %s, want 11|", got)
	}
	if d := c.node(1).Deadline(); d != raft.Never {
		t.Errorf("it wants to act at %d", d)
	}
	c.crash(1)
	c.restart(1)
	c.timeout(1)
	if got := c.terms(1); got != "112|" {
		t.Errorf("after a restart the log is %s, want 112|", got)
	}
}

// Its own vote counts, like everybody's, once it is on disk: else a crash
// would let it lead one term twice.
func TestSingleServerWaitsForItsDisk(t *testing.T) {
	c := newCluster(t, 1).start()
	c.at(1).slow = true
	c.campaign(1)
	if got := c.node(1).Role(); got != raft.Candidate {
		t.Errorf("S1 is %v before its term is on disk", got)
	}
	c.sync(1)
	if got := c.node(1).Role(); got != raft.Leader {
		t.Errorf("S1 is %v after", got)
	}
	if got := c.node(1).Commit(); got != 0 {
		t.Errorf("its no-op is committed before it is on disk")
	}
	c.sync(1)
	if got := c.node(1).Commit(); got != 1 {
		t.Errorf("commitIndex is %d, want 1", got)
	}
}

// "Reply false if log doesn't contain an entry at prevLogIndex whose term
// matches prevLogTerm" (§5.3); the refusal names the conflicting term.
func TestAppendIsRefusedWithoutThePreviousEntry(t *testing.T) {
	tests := []struct {
		prev raft.Index
		term raft.Term
		want string
	}{
		{0, 0, "S1 -> S2 t9 ok 0 after 0"},
		{5, 2, "S1 -> S2 t9 ok 5 after 5"},
		{7, 3, "S1 -> S2 t9 ok 7 after 7"},
		{7, 4, "S1 -> S2 t9 refused after 7 conflict 6/3"},
		{5, 3, "S1 -> S2 t9 refused after 5 conflict 4/2"},
		{2, 7, "S1 -> S2 t9 refused after 2 conflict 1/1"},
		{8, 3, "S1 -> S2 t9 refused after 8 short 8"},
		{80, 3, "S1 -> S2 t9 refused after 80 short 8"},
	}
	for _, tt := range tests {
		c := newCluster(t, 3)
		c.preload(1, "1112233", 0)
		c.start()
		if got := c.reply(appendTo(1, 9, &raft.AppendEntries{PrevLogIndex: tt.prev, PrevLogTerm: tt.term})); got != tt.want {
			t.Errorf("prev %d/%d is answered %s, want %s", tt.prev, tt.term, got, tt.want)
		}
	}
}

// "If an existing entry conflicts with a new one (same index but different
// terms), delete the existing entry and all that follow it; append any new
// entries not already in the log" (§5.3).
func TestOnlyConflictsAreDeleted(t *testing.T) {
	tests := []struct {
		name, log, leader string
		prev, last        raft.Index // of the leader's log, what is sent
		want              string
	}{
		{"new entries are appended", "11", "1122", 2, 4, "1122"},
		{"what is there already stays", "1122", "1122", 0, 4, "1122"},
		{"old news does not delete what followed", "1122", "1122", 0, 2, "1122"},
		{"a heartbeat deletes nothing", "112233", "1122", 4, 4, "112233"},
		{"a conflict deletes all that follows", "111111", "1122", 0, 3, "112"},
		{"the part that agrees stays", "1111", "1122", 1, 4, "1122"},
		{"an extra entry stays until one conflicts", "11226", "1122", 2, 4, "11226"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 3)
			c.preload(1, tt.log, 7)
			c.start()
			leader := entriesOf(tt.leader)
			a := &raft.AppendEntries{PrevLogIndex: tt.prev, Entries: leader[tt.prev:tt.last]}
			if tt.prev > 0 {
				a.PrevLogTerm = leader[tt.prev-1].Term
			}
			want := fmt.Sprintf("S1 -> S2 t8 ok %d after %d", tt.last, tt.prev)
			if got := c.reply(appendTo(1, 8, a)); got != want {
				t.Errorf("answer is %s, want %s", got, want)
			}
			if got := c.terms(1); got != tt.want {
				t.Errorf("the log is %s, want %s", got, tt.want)
			}
			if got := termsOf(c.at(1).disk.entries, 0); got != tt.want {
				t.Errorf("on disk is %s, want %s", got, tt.want)
			}
		})
	}
}

// "If leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of
// last new entry)" (Figure 2): what follows the last new entry may be others'.
func TestFollowerCommitsWhatIsKnownToAgree(t *testing.T) {
	tests := []struct {
		prev         raft.Index
		entries      int
		leaderCommit raft.Index
		want         raft.Index
	}{
		{2, 0, 1, 1},
		{2, 0, 2, 2},
		{2, 0, 4, 2},
		{2, 1, 4, 3},
		{2, 2, 4, 4},
		{0, 1, 4, 1},
		{4, 0, 3, 3},
	}
	for _, tt := range tests {
		c := newCluster(t, 3)
		c.preload(1, "11114", 0)
		c.start()
		leader := entriesOf("1111")
		a := &raft.AppendEntries{PrevLogIndex: tt.prev, Entries: leader[tt.prev:][:tt.entries], LeaderCommit: tt.leaderCommit}
		if tt.prev > 0 {
			a.PrevLogTerm = 1
		}
		m := c.at(1)
		if err := m.node.Step(0, appendTo(1, 8, a)); err != nil {
			t.Fatal(err)
		}
		if got := m.node.Commit(); got != tt.want {
			t.Errorf("prev %d, %d entries, leaderCommit %d: commitIndex %d, want %d", tt.prev, tt.entries, tt.leaderCommit, got, tt.want)
		}
	}
}

// "Persistent state on all servers (updated on stable storage before
// responding to RPCs)" (Figure 2). What is on disk already is answered at once.
func TestPersistBeforeAnswering(t *testing.T) {
	vote := raft.Message{From: 2, To: 1, Term: 5, Body: &raft.RequestVote{LastLogIndex: 9, LastLogTerm: 4}}
	entries := appendTo(1, 5, &raft.AppendEntries{Entries: entriesOf("11")})
	for _, tt := range []struct {
		name  string
		term  raft.Term
		m     raft.Message
		waits bool
	}{
		{"a vote", 5, vote, true},
		{"a vote in a new term", 1, vote, true},
		{"entries", 5, entries, true},
		{"a heartbeat in a known term", 5, appendTo(1, 5, &raft.AppendEntries{}), false},
		{"a heartbeat in a new term", 4, appendTo(1, 5, &raft.AppendEntries{}), true},
		{"a refusal in a known term", 5, appendTo(1, 5, &raft.AppendEntries{PrevLogIndex: 3, PrevLogTerm: 1}), false},
		{"a refused vote in a known term", 6, vote, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 3)
			c.preload(1, "", tt.term)
			c.start()
			c.at(1).slow = true
			answers := len(c.ask(tt.m))
			if waits := answers == 0; waits != tt.waits {
				t.Errorf("%d answers before the disk is done", answers)
			}
			c.sync(1)
			if answers += len(c.net); answers != 1 {
				t.Errorf("%d answers in all", answers)
			}
		})
	}
}

// A heartbeat says how much is on disk, though more is in memory.
func TestHeartbeatAcknowledgesTheDiskOnly(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.at(2).slow = true
	c.propose(1, "x")
	c.deliver(to(2))
	c.drop()
	c.timeout(1)
	c.deliver(to(2))
	if got := c.net[len(c.net)-1].String(); got != "S2 -> S1 t1 ok 1 after 2" {
		t.Errorf("S2 answers %s", got)
	}
	c.settle()
	if p := c.node(1).Status().Peers[0]; p.Match != 1 || p.Flow != raft.FlowReplicate || p.Inflight != 1 {
		t.Errorf("S1 takes the disk's slowness for a loss: %+v", p)
	}
}

// "If command received from client: append entry to local log, respond after
// entry applied" (Figure 2); others send the client on (§8).
func TestOnlyLeadersTakeCommands(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(2)
	if _, err := c.node(1).Propose(0, raft.EntryCommand, []byte("x")); !errors.Is(err, raft.ErrNotLeader) {
		t.Errorf("a follower says %v", err)
	}
	if got := c.node(1).Leader(); got != 2 {
		t.Errorf("it sends the client to %v", got)
	}
	first, err := c.node(2).Propose(0, raft.EntryCommand, []byte("x"), []byte("y"))
	if err != nil || first != 2 || c.node(2).LastIndex() != 3 {
		t.Errorf("the leader puts them at %d to %d: %v", first, c.node(2).LastIndex(), err)
	}
	if len(c.at(2).applied) != 1 {
		t.Error("they are applied before they are committed")
	}
	for _, tt := range []struct {
		kind raft.EntryKind
		data [][]byte
	}{{raft.EntryCommand, nil}, {raft.EntryNoop, [][]byte{nil}}, {raft.EntryConfig, [][]byte{nil}}} {
		if _, err := c.node(2).Propose(0, tt.kind, tt.data...); err == nil {
			t.Errorf("a proposal of %v %v is taken", tt.kind, tt.data)
		}
	}
}

// "If there exists an N such that N > commitIndex, a majority of matchIndex[i] ≥
// N, and log[N].term == currentTerm: set commitIndex = N" (§5.3, §5.4).
func TestLeaderCommitsByMajority(t *testing.T) {
	for servers := 1; servers <= 7; servers++ {
		c := newCluster(t, servers).start()
		c.forging = true
		c.elect(1)
		c.propose(1, "x")
		c.drop()
		need := servers / 2 // beside the leader's own copy
		for id := raft.NodeID(2); int(id) <= servers; id++ {
			if got, want := c.node(1).Commit() == 2, int(id)-2 >= need; got != want {
				t.Errorf("%d servers, %d have it: committed %v", servers, id-1, got)
			}
			c.ask(raft.Message{From: id, To: 1, Term: 1, Body: &raft.AppendEntriesReply{Success: true, Match: 2, PrevLogIndex: 1}})
		}
		if c.node(1).Commit() != 2 {
			t.Errorf("%d servers, all have it: not committed", servers)
		}
	}
}

// "Only log entries from the leader's current term are committed by counting
// replicas; once an entry from the current term has been committed in this way,
// then all prior entries are committed indirectly" (§5.4.2).
func TestOlderTermsAreNotCommittedByCounting(t *testing.T) {
	c := newCluster(t, 3)
	for id := raft.NodeID(1); id <= 3; id++ {
		c.preload(id, "12", 2)
	}
	c.start()
	c.forging = true
	c.campaign(1)
	c.deliver(to(2))
	c.deliver(from(2))
	c.drop()
	ack := func(match raft.Index) {
		c.ask(raft.Message{From: 2, To: 1, Term: 3, Body: &raft.AppendEntriesReply{Success: true, Match: match, PrevLogIndex: 2}})
	}
	for match := raft.Index(1); match <= 2; match++ {
		if ack(match); c.node(1).Commit() != 0 {
			t.Errorf("entry %d of an earlier term is on two of three: commitIndex %d", match, c.node(1).Commit())
		}
	}
	if held := c.events(1, raft.EventCommitHeld); len(held) == 0 || held[len(held)-1].Index != 2 {
		t.Errorf("it does not say why: %v", held)
	}
	if ack(3); c.node(1).Commit() != 3 {
		t.Errorf("the no-op of term 3 is on two of three: commitIndex %d, want 3", c.node(1).Commit())
	}
}

// "A leader can write to its disk in parallel with replicating to the
// followers", and counts itself when it is done (thesis §10.2.1).
func TestLeaderCountsItsOwnDisk(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.at(1).slow = true
	c.propose(1, "x")
	if len(c.net) != 2 {
		t.Fatalf("the entry waits for the leader's disk: %v", c.net)
	}
	c.drop(to(3))
	c.settle()
	if got := c.node(1).Commit(); got != 1 {
		t.Errorf("on one disk of three, and commitIndex is %d", got)
	}
	c.sync(1)
	if got := c.node(1).Commit(); got != 2 {
		t.Errorf("on two disks of three, and commitIndex is %d", got)
	}
}

// "If last log index ≥ nextIndex for a follower: send AppendEntries RPC with
// log entries starting at nextIndex" (Figure 2): all that wait in one, when a
// Ready is taken.
func TestWhatWaitsTravelsTogether(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	m := c.at(1)
	for k := range 64 {
		if _, err := m.node.Propose(0, raft.EntryCommand, fmt.Append(nil, k)); err != nil {
			t.Fatal(err)
		}
	}
	c.process(m)
	if got, want := fmt.Sprint(c.net), "[S1 -> S2 t1 append prev 1/1 entries 2/1..65/1 commit 1 S1 -> S3 t1 append prev 1/1 entries 2/1..65/1 commit 1]"; got != want {
		t.Errorf("64 proposals leave as %v", got)
	}
}

func TestAppendsAreBounded(t *testing.T) {
	c := newCluster(t, 3, func(cfg *raft.Config) { cfg.MaxAppendBytes, cfg.MaxInflight = 1000, 3 }).start()
	c.elect(1)
	data := make([]string, 100)
	for k := range data {
		data[k] = strings.Repeat("x", 200)
	}
	c.propose(1, data...)
	toS2 := 0
	for _, msg := range c.net {
		bytes := 0
		for _, e := range msg.Body.(*raft.AppendEntries).Entries {
			bytes += len(e.Data)
		}
		if bytes > 1000 {
			t.Errorf("%v has %d bytes", msg, bytes)
		}
		if msg.To == 2 {
			toS2++
		}
	}
	if toS2 != 3 {
		t.Errorf("%d AppendEntries are under way to S2, want 3", toS2)
	}
	c.settle()
	c.wantTerms(map[raft.NodeID]string{1: strings.Repeat("1", 101) + "|", 2: strings.Repeat("1", 101) + "|"})

	c.propose(1, strings.Repeat("x", 5000)) // larger than the bound, and goes
	c.settle()
	if got := c.node(2).Commit(); got != 102 {
		t.Errorf("an entry larger than the bound does not arrive: %d", got)
	}
}

func TestBytesUnderWayAreBounded(t *testing.T) {
	c := newCluster(t, 2, func(cfg *raft.Config) { cfg.MaxAppendBytes, cfg.MaxInflightBytes = 1, 1000 }).start()
	c.elect(1)
	for range 20 {
		c.propose(1, strings.Repeat("x", 400))
	}
	if len(c.net) != 3 { // 464 + 464 are below 1000, the third goes above
		t.Errorf("%d AppendEntries of 400 bytes are under way", len(c.net))
	}
}

// A follower that is behind with its inbox acknowledges in one answer what it
// writes in one sync.
func TestAcknowledgementsTravelTogether(t *testing.T) {
	c := newCluster(t, 2).start()
	c.elect(1)
	for range 10 {
		c.propose(1, "x")
	}
	m := c.at(2)
	for _, msg := range c.remove(to(2)) {
		if err := m.node.Step(m.now, msg); err != nil {
			t.Fatal(err)
		}
	}
	c.process(m)
	if got := fmt.Sprint(c.net); got != "[S2 -> S1 t1 ok 11 after 10]" {
		t.Errorf("10 AppendEntries are answered by %v", got)
	}
	c.settle()
	if p := c.node(1).Status().Peers[0]; p.Inflight != 0 || p.Match != 11 {
		t.Errorf("the leader makes of it %+v", p)
	}
}

// "If AppendEntries fails because of log inconsistency: decrement nextIndex and
// retry" (§5.3), with hints one term a step. The figures are Figure 7's.
func TestLeaderWalksBackATermAStep(t *testing.T) {
	tests := []struct {
		name, follower string
		refusals       int
	}{
		{"(a) misses one entry", "111445566", 1},
		{"(b) misses six", "1114", 1},
		{"(c) has one extra", "11144556666", 0},
		{"(d) has two extra", "111445566677", 0},
		{"(e) misses some, has others", "1114444", 2},
		{"(f) has two other terms", "11122233333", 1},
		{"nothing", "", 1},
		{"many terms the leader lacks", "1122222333333", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 3)
			c.preload(1, "1114455666", 7)
			c.preload(2, tt.follower, 7)
			c.preload(3, "1114455666", 7)
			c.start()
			c.elect(1)
			if got := len(c.events(1, raft.EventBackedUp)); got != tt.refusals {
				t.Errorf("%d refusals, want %d", got, tt.refusals)
			}
			c.wantTerms(map[raft.NodeID]string{1: "11144556668|", 2: "11144556668|", 3: "11144556668|"})
		})
	}
}

// A lost AppendEntries is found missing by the next one or by the heartbeat.
func TestLostAppendIsRepairedWithinAHeartbeat(t *testing.T) {
	for lost := 1; lost <= 3; lost++ {
		c := newCluster(t, 2).start()
		c.elect(1)
		for k := 1; k <= 3; k++ {
			c.propose(1, "x")
			if k == lost {
				c.drop()
			}
			c.settle()
		}
		if lost == 3 {
			c.beat(1)
		}
		if got := c.node(2).Commit(); got != 4 {
			t.Errorf("append %d of 3 is lost: S2 has committed %d, want 4", lost, got)
		}
	}
}

// Answers may go lost, too; the next one stands for them.
func TestLostAnswersAreMadeUpFor(t *testing.T) {
	c := newCluster(t, 2, func(cfg *raft.Config) { cfg.MaxInflight = 2; cfg.MaxAppendBytes = 1 }).start()
	c.elect(1)
	c.propose(1, "a", "b", "c")
	c.deliver(to(2))
	c.drop(from(2))
	if p := c.node(1).Status().Peers[0]; p.Inflight != 2 {
		t.Fatalf("%d are under way, want 2", p.Inflight)
	}
	c.beat(1)
	if got := c.node(2).Commit(); got != 4 {
		t.Errorf("S2 has committed %d, want 4", got)
	}
}

// "Raft RPCs are idempotent" (§5.5): each message of a whole story arrives
// three times, the last time when everything is over.
func TestMessagesMayArriveTwice(t *testing.T) {
	c := newCluster(t, 3)
	c.preload(1, "1122", 0)
	c.preload(2, "11", 2)
	c.preload(3, "11133", 0)
	c.start()
	var seen []raft.Message
	story := func() {
		for len(c.net) > 0 {
			m := c.net[0]
			c.net = c.net[1:]
			seen = append(seen, m)
			c.deliverOne(m)
			c.deliverOne(m)
		}
	}
	c.campaign(3)
	story()
	c.propose(3, "x")
	story()
	c.campaign(2)
	story()
	c.propose(2, "y")
	story()
	want := "111334" + "4" + "55|"
	c.wantTerms(map[raft.NodeID]string{1: want, 2: want, 3: want})
	slices.Reverse(seen)
	for _, m := range seen {
		c.deliverOne(m)
	}
	c.settle()
	c.wantTerms(map[raft.NodeID]string{1: want, 2: want, 3: want})
}

// Followers learn of a commit soon, not a heartbeat later; under load the next
// AppendEntries tells them.
func TestFollowersLearnOfCommits(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.propose(1, "x")
	c.settle()
	c.wantTerms(map[raft.NodeID]string{1: "11|", 2: "11|", 3: "11|"})

	m := c.at(1)
	c.propose(1, "y")
	c.deliver(to(2))
	answer := c.remove(from(2))[0]
	c.drop()
	if err := m.node.Step(m.now, answer); err != nil {
		t.Fatal(err)
	}
	c.propose(1, "z")
	if got, want := fmt.Sprint(c.net), "[S1 -> S2 t1 append prev 3/1 entries 4/1 commit 3 S1 -> S3 t1 append prev 3/1 entries 4/1 commit 3]"; got != want {
		t.Errorf("the commit does not travel with what follows: %v", got)
	}
}

// With TellCommitAfter a lone commit is told a moment later, by itself; an entry
// that comes before takes it along, and then nothing else is sent.
func TestCommitWaitsForAnEntryToCarryIt(t *testing.T) {
	const moment = 5 * ms
	c := newCluster(t, 3, func(cfg *raft.Config) { cfg.TellCommitAfter = moment }).start()
	c.elect(1)
	c.propose(1, "x")
	c.settle()
	c.wantTerms(map[raft.NodeID]string{1: "11|", 2: "1|1", 3: "1|1"})

	m := c.at(1)
	if got, want := m.node.Deadline(), m.now+moment; got != want {
		t.Errorf("deadline %d, want a moment from now, %d", got, want)
	}
	m.now += moment
	m.node.Tick(m.now)
	c.process(m)
	c.settle()
	c.wantTerms(map[raft.NodeID]string{1: "11|", 2: "11|", 3: "11|"})
	if got := m.node.Deadline(); got != m.node.Status().TimerEnd {
		t.Errorf("all are told, and the deadline is %d, not the heartbeat's", got)
	}

	c.propose(1, "y")
	c.settle()
	c.propose(1, "z")
	if got, want := fmt.Sprint(c.net), "[S1 -> S2 t1 append prev 3/1 entries 4/1 commit 3 S1 -> S3 t1 append prev 3/1 entries 4/1 commit 3]"; got != want {
		t.Errorf("the commit does not travel with what follows: %v", got)
	}
	c.settle()
	m.now += moment
	m.node.Tick(m.now)
	c.process(m)
	if got, want := fmt.Sprint(c.net), "[S1 -> S2 t1 heartbeat prev 4/1 commit 4 S1 -> S3 t1 heartbeat prev 4/1 commit 4]"; got != want {
		t.Errorf("a moment later %v, want %v", got, want)
	}
}

// PreVote (thesis §9.6): "a candidate would only increment its term if it first
// learns from a majority of the cluster that they would be willing to grant the
// candidate their votes".
func TestPreVoteRaisesNoTerm(t *testing.T) {
	c := newCluster(t, 3, withPreVote).start()
	c.elect(1)
	c.isolate(3)
	for range 10 {
		c.timeout(3)
	}
	if got := c.node(3).Term(); got != 1 {
		t.Errorf("cut off, S3 has reached term %d", got)
	}
	c.settle()
	c.heal()
	c.timeout(3)
	c.settle()
	c.beat(1)
	if n := c.node(1); n.Role() != raft.Leader || n.Term() != 1 {
		t.Errorf("S3 comes back and the leader is %v of term %d", n.Role(), n.Term())
	}
	if got := c.node(3).Leader(); got != 1 {
		t.Errorf("S3 follows %v", got)
	}
}

// A pre-vote is refused within the minimum election timeout of hearing a
// leader (thesis §9.6, §4.2.3), and given after it.
func TestPreVoteIsRefusedWhileALeaderIsHeard(t *testing.T) {
	c := newCluster(t, 3, withPreVote).start()
	c.elect(1)
	ask := raft.Message{From: 3, To: 2, Term: 2, Body: &raft.RequestVote{PreVote: true, LastLogIndex: 1, LastLogTerm: 1}}
	for _, tt := range []struct {
		now  raft.Time
		want string
	}{{149 * ms, "S2 -> S3 t1 prevote no"}, {150 * ms, "S2 -> S3 t2 prevote yes"}} {
		c.at(2).now = tt.now
		if got := c.reply(ask); got != tt.want {
			t.Errorf("%d ms after the leader was heard: %s, want %s", tt.now/ms, got, tt.want)
		}
	}
	ask.To = 1
	if got := c.reply(ask); got != "S1 -> S3 t1 prevote no" {
		t.Errorf("the leader itself says %s", got)
	}
}

// It binds nobody: a server may encourage any number of candidates.
func TestPreVoteBindsNobody(t *testing.T) {
	c := newCluster(t, 3, withPreVote).start()
	for _, from := range []raft.NodeID{2, 3, 2} {
		m := raft.Message{From: from, To: 1, Term: 1, Body: &raft.RequestVote{PreVote: true}}
		if got, want := c.reply(m), fmt.Sprintf("S1 -> %v t1 prevote yes", from); got != want {
			t.Errorf("%v is answered %s, want %s", m, got, want)
		}
	}
	if s := c.node(1).Status(); s.Vote != 0 || s.Term != 0 {
		t.Errorf("S1 has voted for %v in term %d", s.Vote, s.Term)
	}
	c.ask(raft.Message{From: 2, To: 1, Term: 1, Body: &raft.RequestVote{}})
	m := raft.Message{From: 3, To: 1, Term: 1, Body: &raft.RequestVote{PreVote: true}}
	if got := c.reply(m); got != "S1 -> S3 t1 prevote no" {
		t.Errorf("S1's vote of term 1 is gone, and it encourages S3 to ask for it: %s", got)
	}
}

// Campaign skips the question, and its timeout says so.
func TestCampaignIsForced(t *testing.T) {
	c := newCluster(t, 3, withPreVote).start()
	c.elect(1)
	c.campaign(2)
	if n := c.node(2); n.Role() != raft.Candidate || n.Term() != 2 {
		t.Errorf("S2 is %v of term %d", n.Role(), n.Term())
	}
	if e := c.events(2, raft.EventTimeout); len(e) != 1 || !e[0].Forced {
		t.Errorf("its timeouts are %v", e)
	}
	c.settle()
	if got := c.node(1).Leader(); got != 2 {
		t.Errorf("S1 follows %v", got)
	}
	if err := c.node(2).Campaign(0); !errors.Is(err, raft.ErrLeader) {
		t.Errorf("a leader says %v", err)
	}
}

// "A leader that has a higher term than it knows of steps down" (§5.1), and
// its election timer runs again.
func TestLeaderStepsDown(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.at(1).now = 1000 * ms
	c.ask(raft.Message{From: 2, To: 1, Term: 7, Body: &raft.AppendEntriesReply{}})
	s := c.node(1).Status()
	if s.Role != raft.Follower || s.Term != 7 || s.Leader != 0 {
		t.Errorf("S1 is %v of %v in term %d", s.Role, s.Leader, s.Term)
	}
	if wait := s.TimerEnd - 1000*ms; wait < 150*ms || wait > 300*ms {
		t.Errorf("its election timer has %d ms to go", wait/ms)
	}
}

// A write on its way to the disk is overtaken by a truncation: what it holds
// from there on does not count when it is done.
func TestTruncationWhileAWriteIsOnItsWay(t *testing.T) {
	c := newCluster(t, 3).start()
	c.at(1).slow = true
	c.ask(appendTo(1, 1, &raft.AppendEntries{Entries: entriesOf("11111")}))
	c.ask(raft.Message{From: 3, To: 1, Term: 2, Body: &raft.AppendEntries{PrevLogIndex: 2, PrevLogTerm: 1, Entries: entriesOf("1122")[2:]}})
	m := c.at(1)
	if len(m.writes) != 2 {
		t.Fatalf("%d writes are on their way", len(m.writes))
	}
	c.send(m, m.sync(0, 1))
	if got := m.node.Status().Durable; got != 2 {
		t.Errorf("the first write is done, and durable is %d, want 2", got)
	}
	c.send(m, m.sync(0, 1))
	if got := m.node.Status().Durable; got != 4 {
		t.Errorf("the second write is done, and durable is %d, want 4", got)
	}
	if got := termsOf(m.disk.entries, 0); got != "1122" {
		t.Errorf("on disk is %s", got)
	}
}

// A slow follower gets what is no longer in memory from the disk.
func TestOldEntriesComeFromStorage(t *testing.T) {
	c := newCluster(t, 3, func(cfg *raft.Config) { cfg.MaxCachedBytes, cfg.MaxAppendBytes = 1, 500 }).start()
	c.elect(1)
	c.isolate(3)
	for k := range 50 {
		c.propose(1, fmt.Sprint(k))
		c.settle()
	}
	if reads := c.at(1).disk.reads; reads != 0 {
		t.Errorf("%d reads while nobody is behind", reads)
	}
	c.heal()
	c.beat(1)
	c.wantTerms(map[raft.NodeID]string{3: strings.Repeat("1", 51) + "|"})
	if len(c.at(3).applied) != 51 || c.at(1).disk.reads == 0 {
		t.Errorf("S3 has applied %d entries after %d reads", len(c.at(3).applied), c.at(1).disk.reads)
	}
}

// A restarted server applies its log again from the disk, a piece at a time.
func TestRestartAppliesFromStorage(t *testing.T) {
	c := newCluster(t, 3, func(cfg *raft.Config) { cfg.MaxAppendBytes = 200 }).start()
	c.elect(1)
	for k := range 50 {
		c.propose(1, fmt.Sprint(k))
	}
	c.settle()
	c.crash(3)
	c.restart(3)
	if got := len(c.at(3).applied); got != 0 {
		t.Errorf("%d entries are applied before anybody says that they are committed", got)
	}
	c.beat(1)
	if got := len(c.at(3).applied); got != 51 {
		t.Errorf("S3 has applied %d entries, want 51", got)
	}
}

// What the disk does not give back stops the node; nothing goes on as if.
func TestStorageErrorStopsTheNode(t *testing.T) {
	c := newCluster(t, 3)
	c.preload(1, "111", 1)
	c.start()
	broken := errors.New("input/output error")
	n, disk := c.node(1), &c.at(1).disk
	disk.fails = broken
	if err := n.Step(0, appendTo(1, 1, &raft.AppendEntries{PrevLogIndex: 3, PrevLogTerm: 1, LeaderCommit: 3})); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var storage *raft.StorageError
		if r := n.Ready(); !errors.As(r.Err, &storage) || !errors.Is(r.Err, broken) || len(r.Messages)+len(r.Entries)+len(r.Committed) > 0 {
			t.Fatalf("Ready is %+v", r)
		}
	}
	_, proposed := n.Propose(0, raft.EntryCommand, []byte("x"))
	for what, err := range map[string]error{
		"Step":     n.Step(0, appendTo(1, 1, &raft.AppendEntries{})),
		"Campaign": n.Campaign(0),
		"Propose":  proposed,
	} {
		if !errors.Is(err, broken) {
			t.Errorf("%s says %v", what, err)
		}
	}
	if !n.HasReady() || n.Deadline() != raft.Never {
		t.Error("it wants to go on")
	}
}

// A server that comes back without its disk gets all again, though it had
// acknowledged it.
func TestWipedServerIsRepaired(t *testing.T) {
	c := newCluster(t, 3).start()
	c.elect(1)
	c.propose(1, "x", "y")
	c.settle()
	c.crash(3)
	c.at(3).disk = disk{}
	c.restart(3)
	c.beat(1)
	c.wantTerms(map[raft.NodeID]string{3: "111|"})
}

// What no correct server sends is an error and changes nothing.
func TestBrokenMessagesAreRefused(t *testing.T) {
	msg := func(body raft.Body) raft.Message { return raft.Message{From: 2, To: 1, Term: 5, Body: body} }
	tests := []struct {
		name string
		m    raft.Message
		want string
	}{
		{"for another server", raft.Message{From: 2, To: 3, Term: 5, Body: &raft.AppendEntries{}}, "it is for S3, this is S1"},
		{"from nobody", raft.Message{To: 1, Term: 5, Body: &raft.AppendEntries{}}, "its sender is -"},
		{"from itself", raft.Message{From: 1, To: 1, Term: 5, Body: &raft.AppendEntries{}}, "its sender is S1"},
		{"without a body", msg(nil), "a body of type <nil>"},
		{"append of term 0", raft.Message{From: 2, To: 1, Body: &raft.AppendEntries{}}, "no server acts in term 0"},
		{"vote of term 0", raft.Message{From: 2, To: 1, Body: &raft.RequestVote{}}, "no server acts in term 0"},
		{"reply of term 0", raft.Message{From: 2, To: 1, Body: &raft.AppendEntriesReply{}}, "no server acts in term 0"},
		{"a term that would wrap around", raft.Message{From: 2, To: 1, Term: 1<<64 - 1, Body: &raft.AppendEntries{}}, "no cluster has had so many elections"},
		{"a candidate with an entry of its term", msg(&raft.RequestVote{LastLogIndex: 1, LastLogTerm: 5}), "a candidate of term 5 has an entry of term 5"},
		{"a last entry without a term", msg(&raft.RequestVote{LastLogIndex: 1}), "entry 1 of term 0"},
		{"a previous entry without a term", msg(&raft.AppendEntries{PrevLogIndex: 1}), "entry 1 of term 0"},
		{"a gap", msg(&raft.AppendEntries{Entries: []raft.Entry{{Index: 2, Term: 1}}}), "entry 2 of term 1 follows entry 0 of term 0"},
		{"falling terms", msg(&raft.AppendEntries{Entries: []raft.Entry{{Index: 1, Term: 2}, {Index: 2, Term: 1}}}), "entry 2 of term 1 follows entry 1 of term 2"},
		{"an entry of a later term", msg(&raft.AppendEntries{Entries: []raft.Entry{{Index: 1, Term: 6}}}), "a leader of term 5 has an entry of term 6"},
		{"another leader of the term", raft.Message{From: 2, To: 1, Term: 1, Body: &raft.AppendEntries{}}, "S1 leads term 1, there is one leader a term"},
		{"a replacement of what is committed", msg(&raft.AppendEntries{Entries: []raft.Entry{{Index: 1, Term: 3}}}), "entry 1 of term 1 is committed here, it has term 3 there"},
		{"more acknowledged than there is", raft.Message{From: 2, To: 1, Term: 1, Body: &raft.AppendEntriesReply{Success: true, Match: 2}}, "it speaks of entries behind the leader's last, 1"},
		{"a refusal of the log's start", raft.Message{From: 2, To: 1, Term: 1, Body: &raft.AppendEntriesReply{ConflictIndex: 1}}, "nothing precedes the first entry"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 3).start()
			c.elect(1)
			before := fmt.Sprintf("%+v", c.node(1).Status())
			err := c.node(1).Step(0, tt.m)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
			if after := fmt.Sprintf("%+v", c.node(1).Status()); after != before || c.node(1).HasReady() {
				t.Errorf("it has changed the server from %s to %s", before, after)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	good := raft.Config{ID: 1, Members: raft.Configuration{Voters: []raft.NodeID{1, 2, 3}}, Heartbeat: 50, ElectionMin: 150, ElectionMax: 300}
	log := func(term raft.Term, last raft.Index, runs ...raft.TermRun) raft.Restored {
		return raft.Restored{HardState: raft.HardState{Term: term}, LastIndex: last, Runs: runs}
	}
	tests := []struct {
		name   string
		change func(*raft.Config)
		from   raft.Restored
		want   string
	}{
		{"no ID", func(c *raft.Config) { c.ID = 0 }, raft.Restored{}, "a node's ID starts at 1"},
		{"an ID that is no voter's", func(c *raft.Config) { c.ID = 4 }, raft.Restored{}, "S4 is not in the cluster's configuration S1 S2 S3"},
		{"voters in disorder", func(c *raft.Config) { c.Members.Voters = []raft.NodeID{2, 1} }, raft.Restored{}, "not ascending"},
		{"a voter twice", func(c *raft.Config) { c.Members.Voters = []raft.NodeID{1, 1} }, raft.Restored{}, "not ascending"},
		{"no heartbeat", func(c *raft.Config) { c.Heartbeat = 0 }, raft.Restored{}, "heartbeat 0 ns"},
		{"a heartbeat as long as the timeout", func(c *raft.Config) { c.Heartbeat = 150 }, raft.Restored{}, "heartbeat 150 ns"},
		{"timeouts the wrong way round", func(c *raft.Config) { c.ElectionMax = 149 }, raft.Restored{}, "150 to 149 ns"},
		{"a negative bound", func(c *raft.Config) { c.MaxInflight = -1 }, raft.Restored{}, "MaxInflight is -1"},
		{"a log without terms", nil, log(1, 3), "without its terms"},
		{"a log that starts late", nil, log(1, 3, raft.TermRun{First: 2, Term: 1}), "term 1 from entry 2 on follows term 0 at entry 0"},
		{"a log that starts in term 0", nil, log(1, 3, raft.TermRun{First: 1}), "term 0 from entry 1 on"},
		{"falling terms", nil, log(5, 3, raft.TermRun{First: 1, Term: 2}, raft.TermRun{First: 2, Term: 1}), "term 1 from entry 2 on follows term 2"},
		{"a run behind the end", nil, log(5, 3, raft.TermRun{First: 1, Term: 1}, raft.TermRun{First: 4, Term: 2}), "ends at entry 3, but its term 2 starts at 4"},
		{"an entry of a later term", nil, log(1, 3, raft.TermRun{First: 1, Term: 2}), "has entries of term 2, currentTerm is 1"},
		{"a log and no storage", nil, log(1, 3, raft.TermRun{First: 1, Term: 1}), "no storage to read it from"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good
			if tt.change != nil {
				tt.change(&cfg)
			}
			if _, err := raft.New(cfg, nil, tt.from, 0); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := raft.New(good, nil, raft.Restored{}, 0); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

// Status is what the views show of a server.
func TestStatus(t *testing.T) {
	c := newCluster(t, 3).start()
	c.campaign(1)
	c.deliver(to(2))
	c.drop(to(3))
	if s := c.node(1).Status(); fmt.Sprint(s.Votes) != "[{S1 true}]" {
		t.Errorf("a candidate's votes are %v", s.Votes)
	}
	c.settle()
	s := c.node(1).Status()
	if s.Role != raft.Leader || s.Leader != 1 || s.Vote != 1 || s.LastIndex != 1 || s.LastTerm != 1 || s.Durable != 1 || s.Commit != 1 || s.Applied != 1 ||
		len(s.Votes) != 0 || len(s.Peers) != 2 || s.Peers[0].ID != 2 || s.Peers[0].Match != 1 || fmt.Sprint(s.Runs) != "[{1 1}]" || len(s.Config.Voters) != 3 {
		t.Errorf("a leader's status is %+v", s)
	}
	s.Runs[0].Term, s.Config.Voters[0] = 9, 9
	if again := c.node(1).Status(); again.Runs[0].Term != 1 || again.Config.Voters[0] != 1 {
		t.Error("a status shares memory with the node")
	}
}
