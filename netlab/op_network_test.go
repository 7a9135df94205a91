package netlab

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

func TestPartition(t *testing.T) {
	for _, c := range []struct {
		name   string
		leader int
		dead   []int
		sides  string
		want   string
		parts  [][]int
	}{
		{"the leader with a majority stays", 1, nil, "2 4", "{2 4} | {1 3 5}: S1 keeps its quorum, S2 S4 lose theirs", [][]int{{2, 4}, {1, 3, 5}}},
		{"one node is left out", 1, nil, "S2", "{2} | {1 3 4 5}: S1 keeps its quorum, S2 loses its own", [][]int{{2}, {1, 3, 4, 5}}},
		{"a leader in the minority leads nobody", 2, nil, "2 4", "{2 4} | {1 3 5}: S2 leads on, without a quorum; S1 S3 S5 can elect another", [][]int{{2, 4}, {1, 3, 5}}},
		{"the word leader isolates it", 3, nil, "leader", "{3} | {1 2 4 5}: S3 leads on, without a quorum; S1 S2 S4 S5 can elect another", [][]int{{3}, {1, 2, 4, 5}}},
		{"without a leader one can be elected", 0, nil, "2 4", "{2 4} | {1 3 5}: S1 S3 S5 can elect a leader, S2 S4 cannot", [][]int{{2, 4}, {1, 3, 5}}},
		{"three sides, none a majority", 1, nil, "1,2 / 3,4", "{1 2} | {3 4} | {5}: no side has the 3 running nodes of a quorum", [][]int{{1, 2}, {3, 4}, {5}}},
		{"everybody alone", 1, nil, "1 / 2 / 3 / 4 / 5", "{1} | {2} | {3} | {4} | {5}: no side has the 3 running nodes of a quorum", [][]int{{1}, {2}, {3}, {4}, {5}}},
		{"the dead do not count", 1, []int{5}, "2 4", "{2 4} | {1 3 5}: no side has the 3 running nodes of a quorum", [][]int{{2, 4}, {1, 3, 5}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := fakeLab(t, 5)
			for _, id := range c.dead {
				l.become(id, StateDead)
			}
			if c.leader != 0 {
				l.lead(c.leader, 2)
			}
			sides, err := ParseSides([]string{c.sides})
			if err != nil {
				t.Fatal(err)
			}
			res := l.must(t, Op{Verb: "partition", Sides: sides, Line: "raftlab partition"})
			if res.Text != c.want {
				t.Errorf("text %q, want %q", res.Text, c.want)
			}
			s := l.status()
			if !reflect.DeepEqual(s.Partition, c.parts) {
				t.Errorf("partition %v, want %v", s.Partition, c.parts)
			}
			for _, k := range s.Links {
				apart := slices.IndexFunc(c.parts, func(p []int) bool { return slices.Contains(p, k.From) }) !=
					slices.IndexFunc(c.parts, func(p []int) bool { return slices.Contains(p, k.To) })
				if k.Wall != apart {
					t.Errorf("link %d to %d: wall %v, want %v", k.From, k.To, k.Wall, apart)
				}
			}
			event, _ := l.events.after(res.Event-1, 1)
			if event[0].Line != "raftlab partition" || event[0].Kind != EventFault {
				t.Errorf("event %+v, want the fault with the line that made it", event[0])
			}
		})
	}
}

// Of many faults that are left some are named.
func TestHealSaysWhatIsLeft(t *testing.T) {
	l := fakeLab(t, 5)
	for to := 2; to <= 5; to++ {
		l.must(t, Op{Verb: "slow", Links: []string{"1", fmt.Sprint(to)}, Delay: time.Duration(to) * time.Millisecond})
	}
	res := l.must(t, Op{Verb: "heal"})
	if want := "still slow: 5ms (S1 and S5, both ways)"; len(res.Notes) != 5 || res.Notes[3] != want || res.Notes[4] != `"raftlab heal --all" clears them` {
		t.Errorf("notes %q, want the fourth to be %q", res.Notes, want)
	}
	l.must(t, Op{Verb: "cut", Links: []string{"2", "3"}})
	for from := 2; from <= 4; from++ {
		l.must(t, Op{Verb: "lose", Links: []string{fmt.Sprint(from), "to", "1"}, Loss: float64(from) / 100})
	}
	res = l.must(t, Op{Verb: "undo"})
	if want := `and 2 more that "raftlab faults" lists; "raftlab heal --all" clears them`; len(res.Notes) != 6 || res.Notes[5] != want {
		t.Errorf("notes %q, want the last to be %q", res.Notes, want)
	}
	l.must(t, Op{Verb: "heal", All: true})
	l.must(t, Op{Verb: "slow", Links: []string{"1"}, Delay: time.Second})
	l.must(t, Op{Verb: "cut", Links: []string{"2", "3"}})
	l.must(t, Op{Verb: "slow", Links: []string{"1"}})
	l.must(t, Op{Verb: "lose", Links: []string{"1"}, Loss: .1})
	if res = l.must(t, Op{Verb: "undo"}); len(res.Notes) != 1 || res.Notes[0] != `still cut (S2 and S3, both ways); "raftlab heal" clears it` {
		t.Errorf("notes %q", res.Notes)
	}
}

// Faults are layers: each verb changes its own, and heal says what it left.
func TestFaultsAreLayers(t *testing.T) {
	l := fakeLab(t, 5)
	l.lead(1, 2)
	for _, c := range []struct {
		op    Op
		text  string
		notes []string
	}{
		{Op{Verb: "slow", Links: []string{"3"}, Delay: 80 * time.Millisecond}, "all links of S3: take 80ms", nil},
		{Op{Verb: "slow", Links: []string{"1", "to", "2"}, Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond}, "S1 to S2: take 20ms~5ms", nil},
		{Op{Verb: "lose", Links: []string{"1", "2"}, Loss: 0.05}, "S1 and S2, both ways: lose 5 % of their frames", nil},
		{Op{Verb: "cut", Links: []string{"2", "to", "4"}}, "S2 to S4: cut: nothing passes", nil},
		{Op{Verb: "cut", Links: []string{"2->4"}}, "S2 to S4 is cut already", nil},
		{Op{Verb: "partition", Sides: [][]string{{"2", "4"}}}, "{2 4} | {1 3 5}: S1 keeps its quorum, S2 S4 lose theirs", nil},
		{Op{Verb: "partition", Sides: [][]string{{"4", "2"}}}, "{2 4} | {1 3 5}: S1 keeps its quorum, S2 S4 lose theirs", []string{"this partition stood already"}},
		{Op{Verb: "partition", Sides: [][]string{{"5"}}}, "{5} | {1 2 3 4}: S1 keeps its quorum, S5 loses its own", []string{"it replaces the partition {2 4} | {1 3 5}"}},
		{Op{Verb: "heal", Links: []string{"5", "1"}}, "healed: 2 links are open through the partition {5} | {1 2 3 4}", []string{
			"still slow: 80ms (all links of S3)",
			"still slow: 20ms~5ms (S1 to S2)",
			"still lossy: 5 % (S1 and S2, both ways)",
			"still cut (S2 to S4)",
			"\"raftlab heal --all\" clears them",
		}},
		{Op{Verb: "heal"}, "healed: the partition {5} | {1 2 3 4} is gone, 1 link reopened", []string{
			"still slow: 80ms (all links of S3)",
			"still slow: 20ms~5ms (S1 to S2)",
			"still lossy: 5 % (S1 and S2, both ways)",
			"\"raftlab heal --all\" clears them",
		}},
		{Op{Verb: "slow", Links: []string{"3"}}, "all links of S3: no longer delayed", nil},
		{Op{Verb: "slow", Links: []string{"3"}}, "all links of S3 are not delayed", nil},
		{Op{Verb: "heal", All: true}, "healed: 1 link no longer slow, 2 links no longer lossy", nil},
		{Op{Verb: "heal", All: true}, "nothing to heal: no fault is set on the network", nil},
		{Op{Verb: "heal"}, "nothing to heal: no partition and no cut", nil},
		{Op{Verb: "heal", Links: []string{"1"}}, "nothing to heal: no partition and no cut on these links", nil},
		{Op{Verb: "slow", Links: []string{"all"}, Delay: time.Second}, "all 20 links: take 1s", nil},
		{Op{Verb: "slow", Links: []string{"all"}, Delay: time.Second}, "all 20 links take 1s already", nil},
		{Op{Verb: "lose", Links: []string{"all"}, Loss: .1}, "all 20 links: lose 10 % of their frames", nil},
		{Op{Verb: "lose", Links: []string{"all"}, Loss: .1}, "all 20 links lose 10 % already", nil},
		{Op{Verb: "lose", Links: []string{"1 to 2"}, Loss: .1}, "S1 to S2 loses 10 % already", nil},
		{Op{Verb: "lose", Links: []string{"all"}}, "all 20 links: no longer lossy", nil},
		{Op{Verb: "lose", Links: []string{"all"}}, "all 20 links are not lossy", nil},
		{Op{Verb: "cut", Links: []string{"leader", "to", "followers"}}, "S1 to all others: cut: nothing passes", nil},
	} {
		res := l.must(t, c.op)
		if res.Text != c.text || !slices.Equal(res.Notes, c.notes) {
			t.Errorf("%+v\n says %q %q,\nwant %q %q", c.op, res.Text, res.Notes, c.text, c.notes)
		}
	}
	if s := l.status(); len(s.Partition) != 0 || s.Links[0].DelayMS != 1000 {
		t.Errorf("partition %v, links %+v", s.Partition, s.Links[0])
	}
}

func TestOperationsThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		name    string
		op      Op
		code    int
		message string
		hint    string
	}{
		{"an unknown node", Op{Verb: "kill", Nodes: []string{"9"}}, ExitUsage, "node 9 is not in this lab", `"raftlab status" lists its nodes: 1 2 3 4 5`},
		{"an unknown node at a link", Op{Verb: "cut", Links: []string{"1", "9"}}, ExitUsage, "node 9 is not in this lab", "1 2 3 4 5"},
		{"an unknown node on a side", Op{Verb: "partition", Sides: [][]string{{"9"}}}, ExitUsage, "node 9 is not in this lab", "1 2 3 4 5"},
		{"no node at all", Op{Verb: "kill"}, ExitUsage, "no node named", "leader followers learners dead random all"},
		{"a leader when there is none", Op{Verb: "kill", Nodes: []string{"leader"}}, ExitConflict, "there is no leader now", "raftlab wait leader"},
		{"the dead are dead", Op{Verb: "kill", Nodes: []string{"5"}}, ExitConflict, "S5 is dead already", "raftlab restart 5"},
		{"the dead are not paused", Op{Verb: "pause", Nodes: []string{"5"}}, ExitConflict, "S5 is dead", "raftlab restart 5"},
		{"the dead do not resume", Op{Verb: "resume", Nodes: []string{"5"}}, ExitConflict, "S5 is dead", "raftlab restart 5"},
		{"the dead do not stand for election", Op{Verb: "elect", Nodes: []string{"5"}}, ExitConflict, "S5 is dead", "raftlab restart 5"},
		{"the paused are paused", Op{Verb: "pause", Nodes: []string{"4"}}, ExitConflict, "S4 is paused already", "raftlab resume 4"},
		{"the paused do not stand for election", Op{Verb: "elect", Nodes: []string{"4"}}, ExitConflict, "S4 is paused", "raftlab resume 4"},
		{"who runs does not resume", Op{Verb: "resume", Nodes: []string{"1"}}, ExitConflict, "S1 is not paused", "raftlab status 1"},
		{"a node on two sides by two names", Op{Verb: "partition", Sides: [][]string{{"1", "2"}, {"S2"}}}, ExitUsage, "S2 is on two sides", "partition 2 4"},
		{"all on one side", Op{Verb: "partition", Sides: [][]string{{"all"}}}, ExitUsage, "with all 5 nodes on one side there is nothing to part", "partition 2 4"},
		{"no side", Op{Verb: "partition"}, ExitUsage, "a partition names no node", "partition 2 4"},
		{"more than all is lost", Op{Verb: "lose", Links: []string{"1"}, Loss: 1.5}, ExitUsage, "a link loses 0 to 100 % of its frames, not 150 %", "raftlab lose 1 5%"},
		{"a loss in the wrong field", Op{Verb: "lose", Links: []string{"1"}, Share: 0.2}, ExitUsage, "lose has loss, burst, and nothing in share", "raftlab help lose"},
		{"a cut by half", Op{Verb: "cut", Links: []string{"1"}, Share: 0.5}, ExitUsage, "cut has no figures, and nothing in share", "raftlab help cut"},
		{"an hour back", Op{Verb: "slow", Links: []string{"1"}, Delay: -time.Hour}, ExitUsage, "a link's delay is 0 to", "raftlab slow 1 20ms"},
		{"a clock that stands by rate", Op{Verb: "speed"}, ExitUsage, "the lab clock runs at 0.001 to 1000 times real time, not 0", "raftlab hold"},
		{"a clock too fast", Op{Verb: "speed", Rate: 1001}, ExitUsage, "not 1001", "raftlab speed 0.1"},
		{"a note without words", Op{Verb: "note"}, ExitUsage, "a note says nothing", ""},
		{"writers without end", Op{Verb: "load", Clients: 1000}, ExitUsage, "background writes have 1 to 256 clients, not 1000", "--clients 8"},
		{"writes backwards", Op{Verb: "load", Rate: -1}, ExitUsage, "not -1", "--rate 50"},
		{"no such verb", Op{Verb: "explode"}, ExitUsage, `there is no operation "explode"`, "kill restart"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := fakeLab(t, 5)
			l.become(4, StatePaused)
			l.become(5, StateDead)
			before := l.events.last
			_, err := l.do(t.Context(), &c.op)
			e := checkMessage(t, err, c.code, c.message)
			if !strings.Contains(e.Hint, c.hint) {
				t.Errorf("hint %q, want it to say %q", e.Hint, c.hint)
			}
			if l.events.last != before {
				t.Error("what did not happen made an event")
			}
		})
	}
}

// A word for all that names none is nothing to do, and says why; a node that
// was named, or was to be drawn, is a conflict.
func TestNothingToDo(t *testing.T) {
	for _, c := range []struct {
		name   string
		states []string // of S1, S2, ..
		op     Op
		code   int // 0: done
		text   string
	}{
		{"no node is paused", []string{StateUp, StateUp}, Op{Verb: "resume", Nodes: []string{"all"}}, 0, "no node is paused"},
		{"no follower is paused", []string{StatePaused, StateUp}, Op{Verb: "resume", Nodes: []string{"followers"}}, 0, "no follower is paused"},
		{"all are dead", []string{StateDead, StateDead}, Op{Verb: "kill", Nodes: []string{"all"}}, 0, "every node is dead already"},
		{"all are dead, so none follows", []string{StateDead, StateDead}, Op{Verb: "kill", Nodes: []string{"followers"}}, 0, "no node is a follower now"},
		{"nobody to bring back", []string{StateUp, StatePaused}, Op{Verb: "restart", Nodes: []string{"dead"}}, 0, "no node is dead"},
		{"none is left to pause", []string{StateDead, StatePaused}, Op{Verb: "pause", Nodes: []string{"all"}}, 0, "no node runs that could be paused"},
		{"none is left to time out", []string{StateDead, StatePaused}, Op{Verb: "elect", Nodes: []string{"all"}}, 0, "no node runs that does not lead already"},
		{"none to draw", []string{StateUp, StateUp}, Op{Verb: "resume", Nodes: []string{"random"}}, ExitConflict, "no node is paused"},
		{"one named beside it", []string{StateUp, StateUp}, Op{Verb: "resume", Nodes: []string{"1", "all"}}, ExitConflict, "no node is paused"},
		{"one named alone", []string{StateDead, StateDead}, Op{Verb: "kill", Nodes: []string{"1"}}, ExitConflict, "S1 is dead already"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := fakeLab(t, len(c.states))
			l.lead(1, 1)
			for i, state := range c.states {
				l.become(i+1, state)
			}
			before := l.events.last
			res, err := l.do(t.Context(), &c.op)
			if c.code != 0 {
				checkMessage(t, err, c.code, c.text)
				return
			}
			if err != nil || res.Text != c.text || l.events.last != before {
				t.Errorf("%+v, %v, %d events; want %q and none", res, err, l.events.last-before, c.text)
			}
		})
	}
}

func TestClockOperations(t *testing.T) {
	l := fakeLab(t, 3)
	for _, c := range []struct {
		op   Op
		text string
		held bool
		rate float64
	}{
		{Op{Verb: "hold"}, "the lab clock is held already", true, 1},
		{Op{Verb: "speed", Rate: 0.5}, "the lab clock runs at 0.5x", true, 0.5},
		{Op{Verb: "release"}, "the lab clock runs on, at 0.5x", false, 0.5},
		{Op{Verb: "release"}, "the lab clock runs already, at 0.5x", false, 0.5},
		{Op{Verb: "speed", Rate: 0.5}, "the lab clock's rate is 0.5x already", false, 0.5},
		{Op{Verb: "hold"}, "the lab clock is held: timers stand, frames wait, nothing is lost", true, 0.5},
	} {
		res := l.must(t, c.op)
		if s := l.status().Clock; res.Text != c.text || s.Held != c.held || s.Rate != c.rate {
			t.Errorf("%s: %q, %+v; want %q, held %v at %v", c.op.Verb, res.Text, s, c.text, c.held, c.rate)
		}
	}
}

// A reader after hold must find what the next one finds, so hold ends only when
// the last node has said that it stands.
func TestHoldReturnsWhenEveryNodeStands(t *testing.T) {
	l := fakeLab(t, 3)
	l.must(t, Op{Verb: "release"})
	l.lead(1, 1)
	l.become(3, StatePaused) // cannot say anything
	done := make(chan *OpResult)
	go func() { done <- l.must(t, Op{Verb: "hold"}) }()
	for changed := l.clock.Changed(); !l.clock.Held(); changed = l.clock.Changed() {
		<-changed
	}
	for id := 1; id <= 2; id++ {
		select {
		case <-done:
			t.Fatalf("hold returned before S%d said that it stands", id)
		default:
		}
		l.say(id, wire.State{Role: raft.Follower, Term: 1, Held: true})
	}
	if res := <-done; len(res.Notes) != 0 {
		t.Errorf("notes: %q, want none", res.Notes)
	}
}

// The same seed picks the same nodes, among those it can be done to.
func TestRandomIsSeeded(t *testing.T) {
	var first []int
	for range 2 {
		l := fakeLab(t, 5)
		l.become(2, StateDead)
		var got []int
		for range 20 {
			l.mu.Lock()
			m, err := l.resolve([]string{"random"}, func(s *NodeStatus) bool { return s.State != StateDead })
			l.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			if m[0].id == 2 {
				t.Fatal("random picked a dead node to kill")
			}
			got = append(got, m[0].id)
		}
		if first != nil && !slices.Equal(first, got) {
			t.Errorf("one seed gave %v and %v", first, got)
		}
		first = got
	}
	slices.Sort(first)
	if len(slices.Compact(first)) < 3 {
		t.Errorf("20 draws gave only %v", first)
	}
}

func TestLeaderIsOfTheHighestTerm(t *testing.T) {
	l := fakeLab(t, 5)
	l.lead(1, 2)
	if s := l.status(); s.Leader != 1 || s.Term != 2 || s.Commit != 1 || s.Quorum != 3 {
		t.Errorf("leader %d, term %d, commit %d, quorum %d; want 1, 2, 1, 3", s.Leader, s.Term, s.Commit, s.Quorum)
	}
	// S3 wins term 3 without S1 hearing of it.
	l.mu.Lock()
	l.members[2].status.Role, l.members[2].status.Term = RoleLeader, 3
	l.mu.Unlock()
	if s := l.status(); s.Leader != 3 {
		t.Errorf("leader %d, want 3: its term is higher", s.Leader)
	}
	l.become(3, StatePaused)
	if s := l.status(); s.Leader != 1 || s.Term != 3 {
		t.Errorf("leader %d of term %d, want 1: a paused node leads nobody, its term stays the highest", s.Leader, s.Term)
	}
}

func TestWipeWarnsOfLoss(t *testing.T) {
	l := fakeLab(t, 3)
	l.lead(1, 2)
	stores := func(id int, durable uint64) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.members[id-1].status.Durable = durable
	}
	wiped := []*member{l.members[2]}
	stores(2, 0) // it lags
	if got, want := l.lossNote(wiped), "entries up to 1 are committed, but only 1 of 3 nodes are left that store them all: with fewer than 2, a majority can elect a leader that never had them (§5.4.1)"; got != want {
		t.Errorf("lossNote = %q, want %q", got, want)
	}
	stores(2, 1)
	if got := l.lossNote(wiped); got != "" {
		t.Errorf("lossNote = %q, want none: a majority still stores the entry", got)
	}
}
