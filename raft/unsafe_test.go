package raft_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// Each rule of Raft that can be switched off protects something. These tests
// switch one off at a time and show what falls: which also shows that the
// checkers see it fall.

// unsafeSchedules say in what weather a rule matters, and by which seed at the
// latest the simulator finds that what it protects is broken.
var unsafeSchedules = []struct {
	rule    raft.Unsafe
	breaks  error // what UnsafeRule.Endangers says
	weather func(*draw)
	seeds   uint64 // counted from 1: about ten times what chance asks for
}{
	{raft.UnsafeCommitOldTerms, errLeaderCompleteness, figure8, 2000},
	{raft.UnsafeVoteStaleLogs, errLeaderCompleteness, anyWeather, 50},
	{raft.UnsafeVoteTwice, errElectionSafety, anyWeather, 30},
	{raft.UnsafeForgetVote, errElectionSafety, restarts, 300},
	{raft.UnsafeSkipLogCheck, errLogMatching, anyWeather, 300},
	{raft.UnsafeTruncateAlways, errLeaderCompleteness, anyWeather, 400},
	{raft.UnsafeCommitUnmatched, errStateMachineSafety, anyWeather, 300},
	{raft.UnsafeAckBeforeFsync, errLeaderCompleteness, powerCuts, 30},
	{raft.UnsafeDirectConfigChange, errElectionSafety, changes, 1000},
	{raft.UnsafeStaleReads, errLinearizability, oldLeaders, 150},
	{raft.UnsafeNoSessions, errExactlyOnce, anyWeather, 20},
}

func anyWeather(*draw) {}

// figure8: leaders get an entry to some servers and crash, and come back.
func figure8(d *draw) {
	d.servers, d.spares, d.change, d.snapshotEvery = 5, 0, false, 0
	d.config.MaxInflight, d.config.MaxAppendBytes = 1, 1
	d.crash, d.lossPct, d.delay, d.diskDelay = true, max(d.lossPct, 10), 10*ms, 5*ms
	d.clients, d.thinkTime, d.faultEvery, d.chaos, d.steps = 5, 50*ms, 30*ms, 3000*ms, 3000
}

// restarts: servers stand often and go down and up again within a term.
func restarts(d *draw) {
	d.servers, d.spares, d.change, d.snapshotEvery, d.leasePct = 3, 0, false, 0, 0
	d.config.PreVote, d.config.CheckQuorum, d.config.IgnoreVotes = false, false, false
	d.crash, d.stand, d.cut, d.pause, d.lossPct, d.dupPct, d.lazyPct = true, true, false, false, 0, 0, 0
	d.delay, d.diskDelay, d.faultEvery = 40*ms, 1*ms, 10*ms
	d.clients, d.thinkTime, d.chaos = 1, 100*ms, 3000*ms
}

// powerCuts: disks are slow and servers lose what is not on them.
func powerCuts(d *draw) {
	d.servers, d.spares, d.change, d.snapshotEvery = 3, 0, false, 0
	d.crash, d.cut, d.lossPct = true, false, 0
	d.delay, d.diskDelay, d.faultEvery, d.thinkTime, d.chaos = 1*ms, 200*ms, 30*ms, 10*ms, 2000*ms
}

// changes: the members change all the time, and partitions lie between them.
func changes(d *draw) {
	d.servers, d.spares, d.change, d.transfer, d.snapshotEvery = 3, 3, true, false, 0
	d.config.PreVote, d.config.CheckQuorum, d.config.IgnoreVotes = false, false, false
	d.crash, d.cut, d.pause, d.stand, d.lossPct, d.leasePct = true, true, false, false, 0, 0
	d.delay, d.diskDelay = 10*ms, 5*ms
	d.faultEvery, d.operateEvery, d.thinkTime, d.chaos = 60*ms, 30*ms, 50*ms, 2000*ms
}

// oldLeaders: leaders are cut off and do not know it, while clients read.
func oldLeaders(d *draw) {
	d.servers, d.spares, d.change = 5, 0, false
	d.config.CheckQuorum = false
	d.crash, d.cut, d.lossPct = false, true, 0
	d.delay, d.diskDelay, d.faultEvery, d.chaos = 10*ms, 5*ms, 200*ms, 2000*ms
	d.readPct, d.clients, d.thinkTime = 70, 5, 10*ms
}

// TestUnsafeRulesBreakSafety runs each rule's schedules until what it protects
// is broken. On the way other properties may break: they hang together. The
// same schedule with the rule in force goes well.
func TestUnsafeRulesBreakSafety(t *testing.T) {
	for _, tt := range unsafeSchedules {
		rule := describe(t, tt.rule)
		t.Run(rule.Name, func(t *testing.T) {
			if rule.Endangers != tt.breaks.Error() {
				t.Fatalf("it is said to endanger %s, this test shows %v", rule.Endangers, tt.breaks)
			}
			others := map[string]int{}
			for seed := uint64(1); seed <= tt.seeds; seed++ {
				s := newSim(drawSchedule(seed, tt.weather, func(d *draw) { d.config.Unsafe = tt.rule }))
				err := s.run()
				switch {
				case err == nil:
				case strings.HasPrefix(err.Error(), "panic"):
					t.Fatalf("seed %d: a rule that is broken on purpose breaks the server: %v", seed, err)
				case errors.Is(err, tt.breaks):
					t.Logf("seed %d: %v", seed, err)
					if len(others) > 0 {
						t.Logf("before that: %v", others)
					}
					if tt.breaks == errLinearizability && s.history.linearizable() {
						t.Error("porcupine does not agree")
					}
					if err := newSim(drawSchedule(seed, tt.weather)).run(); err != nil {
						t.Errorf("seed %d with the rule in force: %v", seed, err)
					}
					return
				default:
					what, _, _ := strings.Cut(err.Error(), ":")
					others[what]++
				}
			}
			t.Fatalf("not found in %d schedules; found is %v", tt.seeds, others)
		})
	}
}

// describe is what the core says of a rule.
func describe(t *testing.T, rule raft.Unsafe) raft.UnsafeRule {
	for _, r := range raft.UnsafeRules() {
		if r.Rule == rule {
			return r
		}
	}
	t.Fatalf("rule %b is not in the list", rule)
	return raft.UnsafeRule{}
}

// unsafeScenes are those in which a rule is needed to get on. Each reports
// whether the cluster did.
var unsafeScenes = []struct {
	rule  raft.Unsafe
	scene func(*testing.T, raft.Unsafe) bool
}{
	{raft.UnsafeFixedTimeouts, allStartAtOnce},
	{raft.UnsafeNoNoop, nobodyProposes},
	{raft.UnsafeNoPreVote, strangerReturns},
	{raft.UnsafeNoCheckQuorum, leaderHearsNobody},
}

// TestUnsafeRulesCostProgress plays each rule's scene with the rule and
// without.
func TestUnsafeRulesCostProgress(t *testing.T) {
	for _, tt := range unsafeScenes {
		rule := describe(t, tt.rule)
		t.Run(rule.Name, func(t *testing.T) {
			if rule.Endangers != "progress" {
				t.Errorf("it is said to endanger %s", rule.Endangers)
			}
			if !tt.scene(t, 0) {
				t.Error("all rules are in force, and the cluster does not get on")
			}
			if tt.scene(t, tt.rule) {
				t.Error("the rule is off, and the cluster gets on")
			}
		})
	}
}

// TestUnsafeRulesAreAllShown: there is no rule to switch off that these tests
// leave out.
func TestUnsafeRulesAreAllShown(t *testing.T) {
	shown := map[raft.Unsafe]bool{}
	for _, s := range unsafeSchedules {
		shown[s.rule] = true
	}
	for _, s := range unsafeScenes {
		shown[s.rule] = true
	}
	for _, r := range raft.UnsafeRules() {
		if !shown[r.Rule] {
			t.Errorf("%s is not", r.Name)
		}
		if safety := r.Endangers != "progress"; r.Rule.Safety() != safety {
			t.Errorf("%s endangers %s, and Safety says %v", r.Name, r.Endangers, !safety)
		}
	}
}

// calm is a simulated cluster of n to which nothing happens but what the test does.
func calm(n int, unsafe raft.Unsafe) *sim {
	return newSim(draw{
		seed: 1, weather: "calm", servers: n, steps: math.MaxInt,
		config: raft.Config{
			Heartbeat: 20 * ms, ElectionMin: 60 * ms, ElectionMax: 120 * ms,
			PreVote: true, CheckQuorum: true, IgnoreVotes: true, Transfer: true, Unsafe: unsafe,
		},
		delay: 2 * ms, diskDelay: 1 * ms,
		clients: 3, thinkTime: 5 * ms, patience: 100 * ms,
	})
}

// allStartAtOnce: five servers come up at the same time. As long as their
// timeouts are all the same they all stand at the same time, and everybody
// votes for itself (§5.2).
func allStartAtOnce(t *testing.T, unsafe raft.Unsafe) bool {
	s := calm(5, unsafe|raft.UnsafeNoPreVote)
	s.begin()
	s.until(10_000 * ms)
	t.Logf("%v: after 10 s of %d elections without a winner, %d were won and %d clients answered",
		unsafe, s.stats.count[electionLost], s.stats.count[elected], s.stats.count[answeredByLog])
	return s.err == nil && s.leader() != nil
}

// nobodyProposes: a leader crashes when an entry is on a majority and nobody
// knows that it is committed. The next one cannot commit it by counting (§5.4.2),
// and no client comes whose command would bring it along. The no-op does (§8).
func nobodyProposes(t *testing.T, unsafe raft.Unsafe) bool {
	c := newCluster(t, 3, func(cfg *raft.Config) { cfg.Unsafe = unsafe }).start()
	c.elect(1)
	c.propose(1, "x")
	last := c.node(1).LastIndex()
	c.deliver(from(1)) // and the answers do not arrive
	c.crash(1)
	c.drop()
	c.elect(2)
	for range 100 {
		c.beat(2)
	}
	t.Logf("%v: 100 heartbeats later, %d of the %d entries on a majority are committed", unsafe, c.node(2).Commit(), last)
	return c.node(2).Commit() >= last
}

// strangerReturns: a server that was cut off for a while is heard again. Had
// it raised its term all the while, the leader would have to go (thesis §9.6).
func strangerReturns(t *testing.T, unsafe raft.Unsafe) bool {
	c := newCluster(t, 3, withPreVote, func(cfg *raft.Config) { cfg.Unsafe = unsafe }).start()
	c.elect(1)
	term := c.node(1).Term()
	c.isolate(3)
	for range 10 {
		c.timeout(3)
		c.beat(1)
	}
	c.heal()
	c.beat(1)
	t.Logf("%v: S1, leader of term %d, is %v of term %d", unsafe, term, c.node(1).Role(), c.node(1).Term())
	return c.node(1).Role() == raft.Leader && c.node(1).Term() == term
}

// leaderHearsNobody: the leader is heard, so nobody stands against it, and no
// answer reaches it, so nothing is committed (thesis §6.2).
func leaderHearsNobody(t *testing.T, unsafe raft.Unsafe) bool {
	s := calm(5, unsafe)
	s.begin()
	s.until(1000 * ms)
	leader := s.leader()
	if leader == nil {
		t.Fatal("there is no leader")
	}
	s.isolateFrom(leader, true, false)
	s.until(s.now + 500*ms) // what was under way arrives
	before := s.stats.count[answeredByLog]
	s.until(s.now + 5000*ms)
	answered := s.stats.count[answeredByLog] - before
	t.Logf("%v: %d clients were answered in 5 s", unsafe, answered)
	return s.err == nil && answered > 0
}
