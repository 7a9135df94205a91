package netlab

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// members is a fake lab of nodes, and of all that are in c beside, of which S1
// leads term 2 and all members count by c. Its clock runs.
func members(t *testing.T, nodes int, c raft.Configuration) *lab {
	t.Helper()
	l := fakeLab(t, nodes)
	for _, id := range c.Members() {
		l.joins(int(id))
	}
	l.clock.Adjust(1, false)
	l.tells(1, 2, c, 3, 3)
	return l
}

// joins makes a node of the lab that has no process, unless it is there.
func (l *lab) joins(id int) {
	if l.member(id) != nil {
		return
	}
	l.acting.Lock()
	defer l.acting.Unlock()
	if _, err := l.enlist(id); err != nil {
		panic(err)
	}
	l.become(id, StateUp)
}

// tells has all nodes that run report configuration c of entry at, with
// everything up to commit committed, and leader leading term.
func (l *lab) tells(leader int, term raft.Term, c raft.Configuration, at, commit raft.Index) {
	l.mu.Lock()
	all := l.members
	l.mu.Unlock()
	for _, m := range all {
		l.mu.Lock()
		up := m.status.State == StateUp
		l.mu.Unlock()
		if !up || !c.Has(raft.NodeID(m.id)) {
			continue
		}
		s := wire.State{
			Role: raft.Follower, Term: term, Leader: raft.NodeID(leader), Last: max(at, commit), LastTerm: term, Durable: max(at, commit),
			Commit: commit, Applied: commit, Config: c, ConfigIndex: at, Runs: []raft.TermRun{{First: 1, Term: term}},
		}
		if m.id == leader {
			s.Role = raft.Leader
		}
		l.say(m.id, s)
	}
}

func voters(ids ...raft.NodeID) raft.Configuration { return raft.Configuration{Voters: ids} }

// asked runs an operation beside the test.
type asked struct {
	res  *OpResult
	err  error
	done chan struct{}
}

func (l *lab) ask(op Op) *asked {
	a := &asked{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.res, a.err = l.do(context.Background(), &op)
	}()
	return a
}

func (a *asked) wait(t *testing.T) (*OpResult, error) {
	t.Helper()
	select {
	case <-a.done:
		return a.res, a.err
	case <-time.After(20 * time.Second):
		t.Fatal("the operation does not end")
		return nil, nil
	}
}

// eventually waits for what must come true.
func (l *lab) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		l.mu.Lock()
		changed, ok := l.changed(), holds()
		l.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestMembershipThatCannotBe(t *testing.T) {
	five := voters(1, 2, 3, 4, 5)
	learner := raft.Configuration{Voters: five.Voters, Learners: []raft.NodeID{6}}
	hold := func(l *lab) { l.clock.Adjust(1, true) }
	for _, c := range []struct {
		name    string
		config  raft.Configuration
		set     func(*lab)
		op      Op
		code    int
		message string
		hint    string
	}{
		{"an unknown node", five, nil, Op{Verb: "remove", Nodes: []string{"9"}}, ExitUsage, "node 9 is not in this lab", "1 2 3 4 5"},
		{"all voters", five, nil, Op{Verb: "remove", Nodes: []string{"all"}}, ExitConflict, "S1 S2 S3 S4 S5 are all voters there are", "raftlab down"},
		{"the last voter", voters(1), nil, Op{Verb: "remove", Nodes: []string{"1"}}, ExitConflict, "S1 is the last voter", "raftlab add"},
		{"nobody", five, nil, Op{Verb: "remove"}, ExitUsage, "no node named", ""},
		{"one that exists", five, nil, Op{Verb: "add", Nodes: []string{"6", "S3"}}, ExitConflict, "S3 is a voter already", "raftlab status"},
		{"a group that exists", five, nil, Op{Verb: "add", Nodes: []string{"followers"}}, ExitConflict, "S2 is a voter already", "raftlab status"},
		{"a learner twice", learner, nil, Op{Verb: "add", Nodes: []string{"6"}, Learner: true}, ExitConflict, "S6 is a learner already", "raftlab add 6 gives it a vote"},
		{"a voter as a learner", five, nil, Op{Verb: "add", Nodes: []string{"3"}, Learner: true}, ExitConflict, "S3 is a voter already", ""},
		{"a number too high", five, nil, Op{Verb: "add", Nodes: []string{"22"}}, ExitUsage, "a lab has nodes 1 to 21, so there can be no S22", "raftlab add 6"},
		{"a dead learner", learner, func(l *lab) { l.become(6, StateDead) }, Op{Verb: "add", Nodes: []string{"6"}}, ExitConflict, "S6 is dead, and a node that does not run cannot be brought up to date", "raftlab restart 6"},
		{"a paused learner", learner, func(l *lab) { l.become(6, StatePaused) }, Op{Verb: "members", Nodes: []string{"1", "6"}}, ExitConflict, "S6 is paused", "raftlab resume 6"},
		{"while one is joint", raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4}, VotersOld: five.Voters}, nil, Op{Verb: "remove", Nodes: []string{"4"}}, ExitConflict, "a change of the configuration is under way, it is joint (old S1 S2 S3 S4 S5 new S1 S2 S3 S4)", "wait 'not config.joint'"},
		{"while one is prepared", learner, func(l *lab) {
			l.say(1, wire.State{Role: raft.Leader, Term: 2, Leader: 1, Config: learner, ConfigIndex: 3, Commit: 3, Target: &raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4, 5, 6}}})
		}, Op{Verb: "remove", Nodes: []string{"4"}}, ExitConflict, "S6 is brought up to date before the voters are S1 S2 S3 S4 S5 S6: one at a time", "raftlab members"},
		{"on a held clock", five, hold, Op{Verb: "remove", Nodes: []string{"4"}}, ExitConflict, "the lab clock is held, so a change of the configuration cannot get on", "raftlab release"},
		{"without a majority", five, func(l *lab) {
			for _, id := range []int{3, 4, 5} {
				l.become(id, StateDead)
			}
		}, Op{Verb: "remove", Nodes: []string{"5"}}, ExitConflict, "the configuration cannot be changed: 2 of 5 nodes run and 3 are needed to decide that", "raftlab restart 3"},
		{"back in time", five, nil, Op{Verb: "remove", Nodes: []string{"5"}, Timeout: -1}, ExitUsage, "the timeout is longer than 0", "--timeout 30s"},

		{"a hand-over to the leader", five, nil, Op{Verb: "transfer", Nodes: []string{"1"}}, ExitConflict, "S1 leads already", "raftlab transfer random"},
		{"a hand-over to the dead", five, func(l *lab) { l.become(3, StateDead) }, Op{Verb: "transfer", Nodes: []string{"3"}}, ExitConflict, "S3 is dead and cannot lead", "raftlab restart 3"},
		{"a hand-over to whoever is dead", five, func(l *lab) { l.become(3, StateDead) }, Op{Verb: "transfer", Nodes: []string{"dead"}}, ExitConflict, "S3 is dead and cannot lead", "raftlab restart 3"},
		{"a hand-over to the paused", five, func(l *lab) { l.become(3, StatePaused) }, Op{Verb: "transfer", Nodes: []string{"3"}}, ExitConflict, "S3 is paused and cannot lead", "raftlab resume 3"},
		{"a hand-over to a learner", learner, nil, Op{Verb: "transfer", Nodes: []string{"6"}}, ExitConflict, "S6 is a learner: it has no vote and cannot lead", "raftlab add 6"},
		{"a hand-over to nobody", five, nil, Op{Verb: "transfer", Nodes: []string{"9"}}, ExitUsage, "node 9 is not in this lab", "1 2 3 4 5"},
		{"a hand-over to many", five, nil, Op{Verb: "transfer", Nodes: []string{"2", "3"}}, ExitUsage, "the leader hands over to one node, not to 2", "raftlab transfer 3"},
		{"a hand-over to a stranger", five, func(l *lab) { l.joins(7) }, Op{Verb: "transfer", Nodes: []string{"7"}}, ExitConflict, "S7 is no member and cannot lead", "raftlab add 7"},
		{"a hand-over by nobody", five, func(l *lab) { l.become(1, StateDead) }, Op{Verb: "transfer", Nodes: []string{"3"}}, ExitConflict, "there is no leader that could hand over", "raftlab elect 3"},
		{"a hand-over on a held clock", five, hold, Op{Verb: "transfer", Nodes: []string{"3"}}, ExitConflict, "the lab clock is held, so S3 cannot take over", "raftlab release"},
		{"a hand-over where there is none", five, func(l *lab) { l.config.Transfer = false }, Op{Verb: "transfer", Nodes: []string{"3"}}, ExitConflict, "leadership transfer is switched off in this lab", "raftlab elect 3"},
		{"a hand-over back in time", five, nil, Op{Verb: "transfer", Nodes: []string{"3"}, Timeout: -1}, ExitUsage, "the timeout is longer than 0", "--timeout 30s"},

		{"a snapshot of the dead", five, func(l *lab) { l.become(3, StateDead) }, Op{Verb: "snapshot", Nodes: []string{"3"}}, ExitConflict, "S3 is dead and cannot take a snapshot", "raftlab restart 3"},
		{"a snapshot of the paused", five, func(l *lab) { l.become(3, StatePaused) }, Op{Verb: "snapshot", Nodes: []string{"3"}}, ExitConflict, "S3 is paused and cannot take a snapshot", "raftlab resume 3"},
		{"a snapshot on a held clock", five, hold, Op{Verb: "snapshot", Nodes: []string{"all"}}, ExitConflict, "the lab clock is held, and nothing gets to a disk meanwhile", "raftlab release"},
		{"a snapshot of nobody", five, nil, Op{Verb: "snapshot", Nodes: []string{"9"}}, ExitUsage, "node 9 is not in this lab", "1 2 3 4 5"},
		{"a read nobody leases", five, nil, Op{Verb: "kill", Nodes: []string{"learners"}}, 0, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := members(t, min(len(c.config.Members()), 5), c.config)
			if c.set != nil {
				c.set(l)
			}
			before, nodes := l.events.last, l.ids()
			res, err := l.do(t.Context(), &c.op)
			if c.code == 0 {
				if err != nil || res.Text != "no node is a learner" {
					t.Errorf("%+v, %s", res, told(err))
				}
				return
			}
			e := checkMessage(t, err, c.code, c.message)
			if !strings.Contains(e.Hint, c.hint) {
				t.Errorf("hint %q, want it to say %q", e.Hint, c.hint)
			}
			if l.events.last != before || !slices.Equal(l.ids(), nodes) || l.changing.Load() != nil {
				t.Errorf("what did not happen left something: events %d, %d before; nodes %v, %v before", l.events.last, before, l.ids(), nodes)
			}
		})
	}
}

// The node's own reason is told, and what was marked for it is not any more.
func TestRefusedChange(t *testing.T) {
	l := members(t, 5, voters(1, 2, 3, 4, 5))
	l.obeys(t, 1, func(o wire.Order) wire.Outcome {
		return wire.Outcome{Error: "no change of the configuration now: one to S1 S2 is being prepared"}
	})
	_, err := l.do(t.Context(), &Op{Verb: "remove", Nodes: []string{"5"}})
	checkMessage(t, err, ExitConflict, "S1 refuses: no change of the configuration now: one to S1 S2 is being prepared")
	if l.member(5).leaves {
		t.Error("S5 is to leave although nobody lets it")
	}
}

// A node that is removed takes everything of it along but its data, and a reader
// of the stream hears so; whoever comes in its place goes on with that.
func TestRemovedNodeIsGone(t *testing.T) {
	l := members(t, 5, voters(1, 2, 3, 4, 5))
	if err := os.MkdirAll(l.dir.nodeData(4), 0o700); err != nil {
		t.Fatal(err)
	}
	l.must(t, Op{Verb: "partition", Sides: [][]string{{"4"}, {"5"}}})
	r := l.read(t)
	r.take(t)
	l.obeys(t, 1, func(o wire.Order) wire.Outcome {
		if want := voters(1, 2, 3, 5); o.Verb != wire.OrderMembers || !o.Members.Equal(want) {
			t.Errorf("ordered %+v, want the members %v", o, want)
		}
		return wire.Outcome{}
	})
	a := l.ask(Op{Verb: "remove", Nodes: []string{"4"}, Line: "raftlab remove 4"})
	joint := raft.Configuration{VotersOld: []raft.NodeID{1, 2, 3, 4, 5}, Voters: []raft.NodeID{1, 2, 3, 5}}
	l.eventually(t, "S4 is marked", func() bool { return l.member(4).leaves })
	l.tells(1, 2, joint, 4, 4)
	l.tells(1, 2, voters(1, 2, 3, 5), 5, 4)
	l.mu.Lock()
	if l.member(4) == nil {
		t.Error("S4 is gone before C_new is committed")
	}
	l.mu.Unlock()
	l.tells(1, 2, voters(1, 2, 3, 5), 5, 5)
	res, err := a.wait(t)
	if err != nil {
		t.Fatal(told(err))
	}
	if res.Text != "S4 removed: the members are S1 S2 S3 S5 (entry 5)" || len(res.Notes) != 0 || !slices.Equal(res.Nodes, []int{4}) {
		t.Errorf("%+v", res)
	}
	event, _ := l.events.after(res.Event-1, 1)
	if event[0].Kind != EventConfig || event[0].Line != "raftlab remove 4" {
		t.Errorf("event %+v", event[0])
	}
	if _, err := os.Stat(l.dir.nodeData(4)); err != nil {
		t.Errorf("what S4 knew is gone, and the next S4 could vote a second time: %v", err)
	}
	r.until(t, func(s *Status) bool { return s.node(4) == nil })
	if got := r.status; len(got.Nodes) != 4 || len(got.Links) != 12 || got.Quorum != 3 {
		t.Errorf("a reader has %d nodes, %d links, quorum %d", len(got.Nodes), len(got.Links), got.Quorum)
	}
	if s := l.status(); len(s.Links) != 12 || len(s.Partition) != 2 {
		t.Errorf("%d links, partition %v", len(s.Links), s.Partition)
	}
	_, err = l.do(t.Context(), &Op{Verb: "kill", Nodes: []string{"4"}})
	checkMessage(t, err, ExitUsage, "node 4 is not in this lab")
	if res := l.must(t, Op{Verb: "cut", Links: []string{"all"}}); res.Text != "all 12 links: cut: nothing passes" {
		t.Errorf("cut all says %q", res.Text)
	}

	l.joins(4)
	r.until(t, func(s *Status) bool { return s.node(4) != nil && len(s.Links) == 20 })
	for _, k := range r.status.Links {
		if mine := k.From == 4 || k.To == 4; mine == k.Cut || mine && (k.Wall || k.Sent > 0) {
			t.Errorf("link %+v: a new one has no faults", k)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if conf := l.configure(l.member(4)); len(conf.Bootstrap) != 0 || len(conf.Peers) != 5 {
		t.Errorf("S4 is told %+v, want no first configuration", conf)
	}
	if conf := l.configure(l.member(2)); len(conf.Bootstrap) != 5 {
		t.Errorf("S2 is told %+v, want the first configuration", conf)
	}
}

// until takes updates until the folded status is as wanted.
func (r *reader) until(t *testing.T, holds func(*Status) bool) {
	t.Helper()
	for range 1000 {
		if holds(&r.status) {
			return
		}
		r.take(t)
	}
	t.Fatal("the stream does not get there")
}

// A leader that is lost before C_old,new is committed takes the change with it:
// the next one is asked. One that has it in its log is not.
func TestChangeOutlivesItsLeader(t *testing.T) {
	five, four := voters(1, 2, 3, 4, 5), voters(1, 2, 3, 5)
	joint := raft.Configuration{VotersOld: five.Voters, Voters: four.Voters}
	for _, c := range []struct {
		name  string
		asked int // how often S2 is
		after func(*lab)
	}{
		{"lost with the leader, asked for again", 1, func(l *lab) {
			l.tells(2, 3, five, 3, 4)
			l.eventually(t, "S2 was asked", func() bool { return l.member(2).status.Pending == 7 })
			l.tells(2, 3, joint, 5, 5)
		}},
		{"in the log of the next, which carries it on", 0, func(l *lab) {
			l.tells(2, 3, joint, 4, 4)
			l.tells(2, 3, joint, 4, 5)
		}},
		{"in the log of the next, and committed there", 0, func(l *lab) { l.tells(2, 3, joint, 4, 5) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := members(t, 5, five)
			first, second := make(chan struct{}), 0
			l.obeys(t, 1, func(wire.Order) wire.Outcome { close(first); return wire.Outcome{} })
			l.obeys(t, 2, func(wire.Order) wire.Outcome {
				l.mu.Lock()
				defer l.mu.Unlock()
				second++
				l.member(2).status.Pending = 7 // a mark for the test
				l.touchLab()
				return wire.Outcome{}
			})
			a := l.ask(Op{Verb: "remove", Nodes: []string{"4"}})
			<-first
			l.eventually(t, "S1 took it on", func() bool { return l.member(4).leaves })
			l.become(1, StateDead)
			c.after(l)
			l.tells(2, 3, four, 6, 6)
			res, err := a.wait(t)
			if err != nil || res.Text != "S4 removed: the members are S1 S2 S3 S5 (entry 6)" {
				t.Errorf("%+v, %s", res, told(err))
			}
			if second != c.asked {
				t.Errorf("S2 was asked %d times, want %d", second, c.asked)
			}
		})
	}
}

// What is not through in time, or cannot be, says how far it is, and is not
// said to be done.
func TestUnfinishedChanges(t *testing.T) {
	four := raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4}, Learners: []raft.NodeID{6}}
	joint := raft.Configuration{VotersOld: []raft.NodeID{1, 2, 3, 4, 5}, Voters: four.Voters, Learners: four.Learners}
	learner := raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4, 5}, Learners: []raft.NodeID{6}}
	remove, promote := Op{Verb: "remove", Nodes: []string{"5"}}, Op{Verb: "add", Nodes: []string{"6"}}
	late := func(l *lab) {
		l.clock.Adjust(1000, false)
		l.mu.Lock()
		l.wake()
		l.mu.Unlock()
	}
	held := func(l *lab) {
		l.clock.Adjust(1, true)
		l.mu.Lock()
		l.wake()
		l.mu.Unlock()
	}
	for _, c := range []struct {
		name    string
		op      Op
		then    func(*lab)
		end     func(*lab)
		code    int
		message string
	}{
		{"late, and joint", remove, func(l *lab) { l.tells(1, 2, joint, 4, 3) }, late, ExitTimeout,
			"not through after 30s of lab time: C_old,new (entry 4) counts but is not committed, for which both majorities are needed; it goes on by itself. S1 leads"},
		{"late, and joint is committed", remove, func(l *lab) { l.tells(1, 2, joint, 4, 4) }, late, ExitTimeout, "C_old,new (entry 4) is committed, C_new is not in the log yet"},
		{"late, and only the commit is missing", remove, func(l *lab) { l.tells(1, 2, four, 5, 4) }, late, ExitTimeout, "C_new (entry 5) counts but is not committed"},
		{"late, and nothing has happened", remove, func(*lab) {}, late, ExitTimeout, "the members are S1 S2 S3 S4 S5 learners S6, and it has to be asked for again"},
		{"late, and a learner is not up to date", promote, func(l *lab) {
			l.say(1, wire.State{Role: raft.Leader, Term: 2, Leader: 1, Config: learner, ConfigIndex: 3, Commit: 3, Target: &raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4, 5, 6}}})
		}, late, ExitTimeout, "S6 is being brought up to date, and it goes on by itself while the leader stays the same"},
		{"held in the middle", remove, func(l *lab) { l.tells(1, 2, joint, 4, 3) }, held, ExitConflict, "the lab clock is held, so a change of the configuration cannot get on: C_old,new (entry 4) counts but is not committed"},
		{"given up", promote, func(*lab) {}, func(l *lab) {
			l.report(1, l.talk(1), &wire.Report{Facts: []wire.Fact{{Kind: raft.EventChangeDropped, Reason: raft.ReasonTooSlow, Nodes: []raft.NodeID{6}, Config: &raft.Configuration{}}}})
		}, ExitFailed, "S1 gives up the change: S6 did not catch up in time, and a vote that lags would hold all others up (thesis §4.2.1). Now it is a learner"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := members(t, 5, learner)
			took := make(chan struct{})
			l.obeys(t, 1, func(wire.Order) wire.Outcome { close(took); return wire.Outcome{} })
			a := l.ask(c.op)
			<-took
			c.then(l)
			l.eventually(t, "it is followed", func() bool { return c.op.Verb != "remove" || l.member(5).leaves })
			c.end(l)
			_, err := a.wait(t)
			checkMessage(t, err, c.code, c.message)
			if c.op.Verb == "remove" && (l.member(5) == nil || !l.member(5).leaves) {
				t.Error("S5 is to go when the change is through, although nobody waits for it any more")
			}
		})
	}
}

// A change that leaves no majority of running nodes is warned of before it
// begins.
func TestChangeWithoutAMajorityIsWarnedOf(t *testing.T) {
	l := members(t, 5, voters(1, 2, 3, 4, 5))
	l.become(4, StateDead)
	l.become(5, StateDead)
	var before []Event
	l.obeys(t, 1, func(wire.Order) wire.Outcome {
		l.mu.Lock()
		defer l.mu.Unlock()
		before, _ = l.events.after(0, 1000)
		return wire.Outcome{}
	})
	res := l.must(t, Op{Verb: "remove", Nodes: []string{"3"}, NoWait: true})
	want := "of the voters to come, S1 S2 S4 S5, only 2 run and 3 are needed"
	if len(res.Notes) != 1 || !strings.Contains(res.Notes[0], want) || res.Text != "begun: S3 removed when the change is through" {
		t.Errorf("%+v", res)
	}
	if !slices.ContainsFunc(before, func(e Event) bool { return e.Kind == EventConfig && strings.Contains(e.Text, want) }) {
		t.Errorf("no event before it began: %+v", before)
	}
}

// A node of the lab that no configuration has is ended without asking anybody.
func TestStrangersAreRemovedAtOnce(t *testing.T) {
	l := members(t, 3, voters(1, 2, 3))
	l.joins(7)
	l.clock.Adjust(1, true)
	l.obeys(t, 1, func(wire.Order) wire.Outcome { t.Error("the leader was asked"); return wire.Outcome{} })
	res := l.must(t, Op{Verb: "remove", Nodes: []string{"7"}})
	if res.Text != "S7 removed: the members are S1 S2 S3 (entry 3)" || l.member(7) != nil {
		t.Errorf("%+v", res)
	}
}

func TestMembersThatAreSoAlready(t *testing.T) {
	l := members(t, 3, voters(1, 2, 3))
	res := l.must(t, Op{Verb: "members", Nodes: []string{"3", "1", "2"}})
	if res.Text != "the members are S1 S2 S3 already" || res.Event != 0 {
		t.Errorf("%+v", res)
	}
}

// Any set to any set in one change: who is added, who promoted, who removed.
func TestSetMembers(t *testing.T) {
	l := members(t, 5, raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4, 5}, Learners: []raft.NodeID{6, 7}})
	l.joins(8)
	l.obeys(t, 1, func(o wire.Order) wire.Outcome {
		if want := voters(1, 2, 6, 8); !o.Members.Equal(want) {
			t.Errorf("ordered %v, want %v", o.Members, want)
		}
		return wire.Outcome{}
	})
	a := l.ask(Op{Verb: "members", Nodes: []string{"8", "6", "1,2"}})
	l.eventually(t, "those who leave are marked", func() bool { return l.member(7).leaves && l.member(3).leaves })
	l.tells(1, 2, voters(1, 2, 6, 8), 6, 6)
	res, err := a.wait(t)
	if err != nil || res.Text != "S8 added, S6 given a vote, S3 S4 S5 S7 removed: the members are S1 S2 S6 S8 (entry 6)" {
		t.Errorf("%+v, %s", res, told(err))
	}
	if got := l.ids(); !slices.Equal(got, []int{1, 2, 6, 8}) {
		t.Errorf("the lab has %v", got)
	}
}

// One change is waited for at a time.
func TestTwoChangesAtOnce(t *testing.T) {
	l := members(t, 5, voters(1, 2, 3, 4, 5))
	took := make(chan struct{})
	l.obeys(t, 1, func(wire.Order) wire.Outcome { close(took); return wire.Outcome{} })
	a := l.ask(Op{Verb: "remove", Nodes: []string{"5"}, Line: "raftlab remove 5"})
	<-took
	_, err := l.do(t.Context(), &Op{Verb: "remove", Nodes: []string{"4"}})
	checkMessage(t, err, ExitConflict, "another change of the configuration is waited for (raftlab remove 5): one at a time")
	l.tells(1, 2, voters(1, 2, 3, 4), 5, 5)
	if _, err := a.wait(t); err != nil {
		t.Error(told(err))
	}
}

func TestTransfers(t *testing.T) {
	five := voters(1, 2, 3, 4, 5)
	for _, c := range []struct {
		name    string
		answer  wire.Outcome
		then    func(*lab)
		code    int
		message string
	}{
		{"handed over", wire.Outcome{}, func(l *lab) { l.tells(3, 3, five, 3, 4) }, 0, "S3 leads term 3: S1 handed over in "},
		{"refused", wire.Outcome{Error: "a reason"}, nil, ExitConflict, "S1 does not hand over to S3: a reason"},
		{"in vain, because nothing passes", wire.Outcome{}, func(l *lab) {
			l.must(t, Op{Verb: "cut", Links: []string{"1", "to", "3"}})
			l.report(1, l.talk(1), &wire.Report{Facts: []wire.Fact{{Kind: raft.EventTransferFailed, Peer: 3}}})
		}, ExitFailed, "S1 leads on: S3 did not take over within an election timeout (thesis §3.10). Nothing passes from S1 to S3"},
		{"somebody else was faster", wire.Outcome{}, func(l *lab) { l.tells(2, 3, five, 3, 4) }, ExitFailed, "S2 leads term 3, not S3"},
		{"it died", wire.Outcome{}, func(l *lab) { l.become(3, StateDead) }, ExitFailed, "S3 died before it took over"},
		{"held", wire.Outcome{}, func(l *lab) { l.must(t, Op{Verb: "hold"}) }, ExitConflict, "the lab clock is held, so S3 cannot take over"},
		{"late", wire.Outcome{}, func(l *lab) { l.must(t, Op{Verb: "speed", Rate: 1000}) }, ExitTimeout, "S3 does not lead after 30s of lab time. S1 leads"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := members(t, 5, five)
			took := make(chan struct{})
			l.obeys(t, 1, func(o wire.Order) wire.Outcome {
				if o.Verb != wire.OrderTransfer || o.Node != 3 {
					t.Errorf("ordered %+v", o)
				}
				close(took)
				return c.answer
			})
			a := l.ask(Op{Verb: "transfer", Nodes: []string{"3"}})
			<-took
			if c.then != nil {
				l.eventually(t, "it is told", func() bool {
					list, _ := l.events.after(0, 1000)
					return slices.ContainsFunc(list, func(e Event) bool { return e.Kind == EventTransfer })
				})
				c.then(l)
			}
			res, err := a.wait(t)
			if c.code != 0 {
				checkMessage(t, err, c.code, c.message)
			} else if err != nil || !strings.HasPrefix(res.Text, c.message) {
				t.Errorf("%+v, %s", res, told(err))
			}
		})
	}
}

func TestSnapshots(t *testing.T) {
	l := members(t, 3, voters(1, 2, 3))
	for id := 1; id <= 3; id++ {
		l.obeys(t, id, func(o wire.Order) wire.Outcome {
			if o.Verb != wire.OrderSnapshot {
				t.Errorf("ordered %+v", o)
			}
			if id == 3 {
				return wire.Outcome{Snapshot: 40, Bytes: 17}
			}
			return wire.Outcome{Snapshot: 41, Bytes: 1536}
		})
	}
	res := l.must(t, Op{Verb: "snapshot", Nodes: []string{"all"}, Line: "raftlab snapshot all"})
	if res.Text != "S1 S2 have a snapshot up to 41 (1.5 KiB), S3 has a snapshot up to 40 (17 B)" || !slices.Equal(res.Nodes, []int{1, 2, 3}) {
		t.Errorf("%+v", res)
	}
}

// A node that has nothing to fold does not hide what the others have done: of a
// group it is a note, of nodes that were named an error that tells both.
func TestSnapshotsOfSome(t *testing.T) {
	l := members(t, 3, voters(1, 2, 3))
	const nothing = "S1 has applied nothing since its newest snapshot, which is of entry 41"
	for id := 1; id <= 3; id++ {
		l.obeys(t, id, func(wire.Order) wire.Outcome {
			if id == 1 {
				return wire.Outcome{Error: nothing}
			}
			return wire.Outcome{Snapshot: 42, Bytes: 17}
		})
	}
	res := l.must(t, Op{Verb: "snapshot", Nodes: []string{"all"}})
	if res.Text != "S2 S3 have a snapshot up to 42 (17 B)" || !slices.Equal(res.Nodes, []int{2, 3}) || !slices.Equal(res.Notes, []string{"S1 takes no snapshot: " + nothing}) {
		t.Errorf("%+v", res)
	}
	_, err := l.do(t.Context(), &Op{Verb: "snapshot", Nodes: []string{"1", "2"}})
	checkMessage(t, err, ExitConflict, "S1 takes no snapshot: "+nothing+"; S2 has a snapshot up to 42 (17 B)")
	_, err = l.do(t.Context(), &Op{Verb: "snapshot", Nodes: []string{"1"}})
	checkMessage(t, err, ExitConflict, "S1 takes no snapshot: "+nothing)
}
