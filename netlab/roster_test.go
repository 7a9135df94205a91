package netlab

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/netlab/cond"
	"github.com/raftlab/raftlab/netlab/explain"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// What stands in lab.json is what the next process finds; a file of before
// there were members says nodes 1 to n.
func TestRosterIsKept(t *testing.T) {
	config := testRosterConfig(t)
	d := dir(t.TempDir())
	if err := d.writeMeta(&meta{Name: "x", Config: config}); err != nil {
		t.Fatal(err)
	}
	m, err := d.readMeta()
	if err != nil {
		t.Fatal(err)
	}
	if want := firstRoster(3); !reflect.DeepEqual(m.roster, want) {
		t.Errorf("a lab that says nothing of members has %+v, want %+v", m.roster, want)
	}
	m.roster = roster{Bootstrap: []int{1, 2, 3}, Changed: true, Nodes: []rosterOne{{ID: 2}, {ID: 5, Joins: true}, {ID: 7, Joins: true, Leaves: true}}}
	if err := d.writeMeta(m); err != nil {
		t.Fatal(err)
	}
	again, err := d.readMeta()
	if err != nil || !reflect.DeepEqual(again.roster, m.roster) {
		t.Errorf("read back %+v, %v, want %+v", again.roster, err, m.roster)
	}
	l := fakeLab(t, 1)
	l.members = nil
	l.callRoster(&again.roster)
	if got := l.ids(); !slices.Equal(got, []int{2, 5, 7}) || !l.member(7).leaves || l.member(2).joins || len(l.faults.links) != 6 {
		t.Errorf("called %v, %d links", got, len(l.faults.links))
	}
}

func condition(t *testing.T, src string) *cond.Cond {
	t.Helper()
	c, err := cond.Compile(src)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func testRosterConfig(t *testing.T) Config {
	t.Helper()
	config, err := Profile(ProfileLAN)
	if err != nil {
		t.Fatal(err)
	}
	config.Nodes = 3
	return config
}

func TestDamagedRosterIsNoLab(t *testing.T) {
	config := testRosterConfig(t)
	for _, c := range []struct {
		name string
		r    roster
		want string
	}{
		{"nobody", roster{Bootstrap: []int{1}, Nodes: []rosterOne{{ID: 0}}}, "not ascending from 1 to 21"},
		{"too many", roster{Bootstrap: []int{1}, Nodes: []rosterOne{{ID: 22}}}, "not ascending from 1 to 21"},
		{"twice", roster{Bootstrap: []int{1}, Nodes: []rosterOne{{ID: 2}, {ID: 2}}}, "not ascending from 1 to 21"},
		{"a voter twice", roster{Bootstrap: []int{1, 1}, Nodes: []rosterOne{{ID: 2}}}, "first voters"},
		{"nobody began it", roster{Nodes: []rosterOne{{ID: 2}}}, "it has no members"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := dir(t.TempDir())
			if err := d.writeMeta(&meta{Name: "x", Config: config, roster: c.r}); err != nil {
				t.Fatal(err)
			}
			if _, err := d.readMeta(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("read as %v, want %q", err, c.want)
			}
		})
	}
}

// A node that lost its data is told the first configuration only while there
// was no other: two of three that lost it could else elect each other, against
// a cluster of five.
func TestWipedNodesAreToldWhatIsSafe(t *testing.T) {
	data := func(l *lab, ids ...int) {
		for _, id := range ids {
			if err := os.MkdirAll(l.dir.nodeData(id), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	bootstrap := func(l *lab, id int) []raft.NodeID {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.configure(l.member(id)).Bootstrap
	}
	l := fakeLab(t, 3)
	data(l, 1, 2, 3)
	l.must(t, Op{Verb: "wipe", Nodes: []string{"1"}})
	if got := bootstrap(l, 1); len(got) != 3 {
		t.Errorf("in a lab that never changed S1 is told %v", got)
	}

	l = fakeLab(t, 3)
	l.joins(5)
	data(l, 1, 2, 3, 5)
	l.changedOnce = true
	l.must(t, Op{Verb: "wipe", Nodes: []string{"1", "2"}})
	if got := bootstrap(l, 1); len(got) != 0 {
		t.Errorf("in a lab that changed S1 is told %v, want nothing", got)
	}
	if got := bootstrap(l, 3); len(got) != 3 {
		t.Errorf("S3, which has its data, is told %v", got)
	}
	data(l, 7) // it was removed
	l.must(t, Op{Verb: "wipe", Nodes: []string{"all"}})
	if _, err := os.Stat(l.dir.node(7)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a lab that begins anew keeps what a removed node left: %v", err)
	}
	for _, id := range []int{1, 2, 3, 5} {
		if got := bootstrap(l, id); !slices.Equal(got, []raft.NodeID{1, 2, 3, 5}) {
			t.Errorf("where nobody has data S%d is told %v, want to begin anew with all nodes", id, got)
		}
	}
}

// The newest configuration of a node that runs counts; of a leader first.
func TestConfigurationOfALab(t *testing.T) {
	state := func(role raft.Role, term raft.Term, at, commit raft.Index, c raft.Configuration) wire.State {
		return wire.State{Role: role, Term: term, Config: c, ConfigIndex: at, Commit: commit, Last: at}
	}
	three, five := voters(1, 2, 3), voters(1, 2, 3, 4, 5)
	joint := raft.Configuration{VotersOld: three.Voters, Voters: five.Voters}
	for _, c := range []struct {
		name    string
		set     func(*lab)
		want    raft.Configuration
		index   uint64
		commit  bool
		settled bool
	}{
		{"before anybody has said anything it is the first one", func(*lab) {}, five, 0, true, false},
		{"the leader's", func(l *lab) {
			l.say(1, state(raft.Leader, 3, 7, 7, three))
			l.say(2, state(raft.Follower, 3, 5, 5, five))
		}, three, 7, true, true},
		{"without a leader that of the highest term", func(l *lab) {
			l.say(1, state(raft.Follower, 3, 7, 7, three))
			l.say(2, state(raft.Follower, 4, 6, 5, joint))
		}, joint, 6, false, false},
		{"of one term the newest", func(l *lab) {
			l.say(1, state(raft.Follower, 3, 7, 7, three))
			l.say(2, state(raft.Follower, 3, 8, 7, five))
		}, five, 8, false, false},
		{"the dead have no say while somebody runs", func(l *lab) {
			l.say(1, state(raft.Follower, 9, 9, 7, joint))
			l.become(1, StateDead)
			l.say(2, state(raft.Follower, 3, 3, 3, three))
		}, three, 3, true, false},
		{"a leader that does not know of a later one is not believed", func(l *lab) {
			l.say(1, state(raft.Leader, 3, 3, 3, three))
			l.say(2, state(raft.Follower, 4, 6, 3, five))
		}, three, 3, true, false},
		{"what a dead leader had alone is lost", func(l *lab) {
			l.say(2, state(raft.Leader, 3, 6, 3, joint))
			l.become(2, StateDead)
			l.say(1, state(raft.Leader, 4, 3, 5, three))
		}, three, 3, true, true},
		{"joint is not settled", func(l *lab) { l.say(1, state(raft.Leader, 3, 7, 7, joint)) }, joint, 7, true, false},
		{"nor is what is not committed", func(l *lab) { l.say(1, state(raft.Leader, 3, 7, 6, five)) }, five, 7, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := fakeLab(t, 5)
			c.set(l)
			l.mu.Lock()
			defer l.mu.Unlock()
			got, settled := l.inForce()
			if !got.raft().Equal(c.want) || got.Index != c.index || got.Committed != c.commit || settled != c.settled {
				t.Errorf("%s of entry %d, committed %v, settled %v; want %v of %d, %v, %v", got.String(), got.Index, got.Committed, settled, c.want, c.index, c.commit, c.settled)
			}
		})
	}
}

// Status says who decides, and its lists are never null.
func TestStatusOfAConfiguration(t *testing.T) {
	l := fakeLab(t, 5)
	l.config.Unsafe = []string{"vote-twice"}
	l.say(1, wire.State{
		Role: raft.Leader, Term: 3, Leader: 1, Last: 9, Commit: 7, ConfigIndex: 8, Base: 4, SnapshotIndex: 5, SnapshotTerm: 2, SnapshotBytes: 100,
		Config: raft.Configuration{VotersOld: []raft.NodeID{1, 2, 3}, Voters: []raft.NodeID{1, 2, 3, 4}, Learners: []raft.NodeID{5}},
		Peers: []raft.Progress{{ID: 2, Match: 9, Flow: raft.FlowReplicate}, {ID: 3, Flow: raft.FlowProbe}, {ID: 5, Flow: raft.FlowSnapshot, SnapshotIndex: 5, SnapshotOffset: 40},
			{ID: 5, Flow: raft.FlowProbe}},
		TransferTo: 2, LeaseEnd: 77,
	})
	l.say(5, wire.State{Role: raft.Follower, Term: 3, Leader: 1, Config: raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4}, Learners: []raft.NodeID{5}}})
	s := l.status()
	if s.Quorum != 3 || s.Config.Index != 8 || s.Config.Committed || !s.Config.Joint() || !s.Config.Has(5) || s.Config.Voter(5) {
		t.Errorf("quorum %d, %+v", s.Quorum, s.Config)
	}
	n := s.node(1)
	if n.FirstIndex != 5 || n.SnapshotIndex != 5 || n.SnapshotTerm != 2 || n.SnapshotSize != 100 || n.TransferTo != 2 || n.LeaseEndNS != 77 || n.ConfigIndex != 8 {
		t.Errorf("S1 %+v", n)
	}
	if len(n.Peers) != 3 || n.Peers[0].Flow != "replicate" || n.Peers[0].Probing || !n.Peers[1].Probing || n.Peers[2].Flow != "snapshot" || n.Peers[2].SnapshotOffset != 40 {
		t.Errorf("peers %+v", n.Peers)
	}
	if role := s.node(5).Role; role != RoleLearner {
		t.Errorf("S5 is a %s, want a learner", role)
	}
	if !s.Timing.CheckQuorum || !s.Timing.IgnoreVotes || !s.Timing.Transfer || s.Timing.SnapshotBytes != 64<<20 {
		t.Errorf("timing %+v", s.Timing)
	}
	text, err := json.Marshal(fakeLab(t, 1).status())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "null") {
		t.Errorf("something is null: %s", text)
	}
	env, _ := l.env(t.Context(), condition(t, "config.joint"))
	if c := env.Config; !c.Joint || c.Quorum != 3 || c.QuorumOld != 2 || env.Nodes[4].Flow != "snapshot" || !env.Nodes[4].Member || env.Nodes[0].FirstIndex != 5 {
		t.Errorf("conditions see %+v, %+v", c, env.Nodes)
	}
	head := strings.Join(explain.Headline(s.View()), " ")
	for _, want := range []string{"Unsafe on purpose: vote-twice.", "S1 hands over to S2", "C_old,new (entry 8) is on 2 of 3 old and 2 of 4 new voters, 2 and 3 are needed", "sends it the snapshot of 5, 40 % have arrived"} {
		if !strings.Contains(head, want) {
			t.Errorf("the headline is %q, without %q", head, want)
		}
	}
}

// Both majorities count while the configuration is joint.
func TestQuorumNoteWhileJoint(t *testing.T) {
	l := fakeLab(t, 5)
	joint := raft.Configuration{VotersOld: []raft.NodeID{1, 2, 3}, Voters: []raft.NodeID{3, 4, 5}}
	l.tells(1, 2, joint, 4, 4)
	l.become(4, StateDead)
	if got := l.quorumNote(); got != "" {
		t.Errorf("quorumNote = %q, want none: S3 and S5 are a majority of the new voters", got)
	}
	l.become(5, StateDead)
	if got, want := l.quorumNote(), "the configuration is joint, and 3 of 3 old and 1 of 3 new voters run, 2 and 2 are needed: nothing can be elected or committed until more do"; got != want {
		t.Errorf("quorumNote = %q, want %q", got, want)
	}
	s := l.status()
	if got := revive(s); got != "raftlab restart 4" {
		t.Errorf("revive = %q", got)
	}
	if got, want := DescribePartition([][]int{{1, 2, 3}, {4, 5}}, s), "{1 2 3} | {4 5}: no side has the running nodes of both quorums, 2 of S1 S2 S3 and 2 of S3 S4 S5"; got != want {
		t.Errorf("DescribePartition = %q, want %q", got, want)
	}
	if got := l.lossNote([]*member{l.member(3)}); got != "" {
		t.Errorf("lossNote = %q, want none: two of each set still store all", got)
	}
	if got, want := l.lossNote([]*member{l.member(1), l.member(3)}), "entries up to 4 are committed, but only 1 of 3 old and 2 of 3 new voters are left that store them all: with fewer than 2 and 2, a majority"; !strings.HasPrefix(got, want) {
		t.Errorf("lossNote = %q, want %q", got, want)
	}
}

// Learners and strangers have no vote and are no followers.
func TestWordsKnowTheConfiguration(t *testing.T) {
	l := members(t, 3, raft.Configuration{Voters: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{6}})
	l.joins(7)
	for word, want := range map[string][]int{
		"followers": {2, 3}, "learners": {6}, "all": {1, 2, 3, 6, 7}, "leader": {1}, "S7": {7},
	} {
		l.mu.Lock()
		found, err := l.resolve([]string{word}, anyNode)
		l.mu.Unlock()
		if got := memberIDs(found); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s names %v, %v, want %v", word, got, err, want)
		}
	}
	l.become(6, StateDead)
	if got := l.quorumNote(); got != "" {
		t.Errorf("a learner that is dead makes a note: %q", got)
	}
}
