package netlab

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

func TestClocksThatCannotBe(t *testing.T) {
	l := fakeLab(t, 3)
	for _, test := range []struct {
		op   Op
		text string
	}{
		{Op{}, "a clock is given a rate or a skew"},
		{Op{Action: "warp"}, `not "warp"`},
		{Op{Action: ClockRate}, "0.001 to 1000 times as fast"},
		{Op{Action: ClockRate, Rate: -1}, "not -1"},
		{Op{Action: ClockSkew, Skew: 2 * time.Hour}, "1h0m0s at most ahead"},
		{Op{Action: ClockSkew, Skew: -2 * time.Hour}, "1h0m0s at most ahead"},
		{Op{Action: ClockOK, Nodes: []string{"4"}}, "node 4 is not in this lab"},
	} {
		test.op.Verb = "clock"
		if test.op.Nodes == nil {
			test.op.Nodes = []string{"1"}
		}
		refusesOp(t, l, test.op, ExitUsage, test.text)
	}
}

// setting is the clock's setting that a node waits to be told.
func (c *control) told() *clock.Setting {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.setting
}

func TestNodesClockRunsBesideTheLabs(t *testing.T) {
	const ms = raft.Time(time.Millisecond)
	l := fakeLab(t, 2)
	l.clock.Advance(1000 * ms)
	l.say(1, wire.State{Role: raft.Leader, Term: 1})
	c := l.talk(1)
	res := l.must(t, Op{Verb: "clock", Nodes: []string{"1"}, Action: ClockRate, Rate: 0.5})
	if res.Text != "S1's clock runs 0.5 times as fast as the lab's" || len(res.Notes) != 0 || *c.told() != (clock.Setting{At: 1000 * ms, Rate: 0.5, Held: true}) {
		t.Errorf("%+v; S1 is told %+v", res, c.told())
	}
	l.clock.Advance(1200 * ms)
	l.must(t, Op{Verb: "speed", Rate: 2})
	if *c.told() != (clock.Setting{At: 1100 * ms, Rate: 1, Held: true}) {
		t.Errorf("at another speed S1 is told %+v", c.told())
	}
	if n := l.status().Nodes; n[0].ClockRate != 0.5 || n[0].SkewNS != int64(-100*ms) || n[1].ClockRate != 1 || n[1].SkewNS != 0 {
		t.Errorf("status %v %v, %v %v", n[0].ClockRate, n[0].SkewNS, n[1].ClockRate, n[1].SkewNS)
	}
	// What it says of its own times is told in the lab's: 100 ms of its time are 200.
	l.say(1, wire.State{
		At: 1100 * ms, Role: raft.Leader, Term: 2, TimerStart: 900 * ms, TimerEnd: 1150 * ms, LeaseEnd: 1200 * ms,
		Peers: []raft.Progress{{ID: 2, LastAck: 1050 * ms}},
	}, wire.Fact{Kind: raft.EventRole, At: 1075 * ms, Role: raft.Leader, Term: 2})
	n := l.status().Nodes[0]
	if n.TimerStartNS != int64(900*ms) || n.TimerEndNS != int64(1300*ms) || n.LeaseEndNS != int64(1400*ms) || n.SinceNS != int64(1150*ms) || n.Peers[0].LastAckNS != int64(1100*ms) {
		t.Errorf("timer %d to %d, lease to %d, since %d, peer %d", n.TimerStartNS, n.TimerEndNS, n.LeaseEndNS, n.SinceNS, n.Peers[0].LastAckNS)
	}
	if e, _ := l.events.after(l.events.last-1, 1); e[0].LabNS != int64(1150*ms) {
		t.Errorf("event %+v", e)
	}
	l.say(1, wire.State{TimerStart: 5, TimerEnd: raft.Never})
	if n := l.status().Nodes[0]; n.TimerEndNS != 0 {
		t.Errorf("a timer that does not run ends at %d", n.TimerEndNS)
	}

	// A step's times are converted both ways.
	w := &wire.Waiting{At: 1100 * ms, Due: 1150 * ms}
	if l.waits(1, w); w.At != 1200*ms || w.Due != 1300*ms || l.ownTime(1, w.Due) != 1150*ms || l.ownTime(2, w.Due) != w.Due || l.ownTime(9, 7) != 7 {
		t.Errorf("it waits at %d for %d", w.At, w.Due)
	}

	// Ahead, and back again: a clock does not go back.
	res = l.must(t, Op{Verb: "clock", Nodes: []string{"1"}, Action: ClockSkew, Skew: 30 * time.Millisecond})
	if res.Text != "S1's clock runs 0.5 times as fast as the lab's and is 30ms ahead" || *c.told() != (clock.Setting{At: 1230 * ms, Rate: 1, Held: true}) {
		t.Errorf("%+v; S1 is told %+v", res, c.told())
	}
	res = l.must(t, Op{Verb: "clock", Nodes: []string{"all"}, Action: ClockOK})
	if res.Text != "S1's clock shows lab time; S2's clock shows lab time already" || !slices.Equal(res.Nodes, []int{1}) || len(res.Notes) != 1 ||
		!strings.Contains(res.Notes[0], "S1's stands for the next 30ms") {
		t.Errorf("%+v", res)
	}
	if faults := l.status().Faults; len(faults) != 0 {
		t.Errorf("faults %+v", faults)
	}
}

// A dead node's clock goes on as it was set, and heal --all ends that.
func TestClockOfADeadNode(t *testing.T) {
	l := fakeLab(t, 2)
	l.become(1, StateDead)
	l.must(t, Op{Verb: "clock", Nodes: []string{"1"}, Action: ClockSkew, Skew: -time.Second, Line: "clock 1 skew -1s"})
	m := l.member(1)
	if conf := l.configure(m); conf.Clock.At != l.clock.Now()-raft.Time(time.Second) {
		t.Errorf("it is started with the clock %+v", conf.Clock)
	}
	if f := l.status().Faults; len(f) != 1 || f[0].Text != "clock skew -1s" || f[0].Verb != "clock" || f[0].Line != "clock 1 skew -1s" {
		t.Errorf("faults %+v", f)
	}
	for range 2 * driftsKept {
		l.must(t, Op{Verb: "clock", Nodes: []string{"1"}, Action: ClockRate, Rate: 3})
		l.must(t, Op{Verb: "clock", Nodes: []string{"1"}, Action: ClockRate, Rate: 2})
	}
	if n := len(m.own.ran); n != driftsKept {
		t.Errorf("%d of its ways are remembered", n)
	}
	l.must(t, Op{Verb: "disk", Nodes: []string{"1"}, Disk: DiskLie})
	if res := l.must(t, Op{Verb: "heal", All: true}); res.Text != "healed: the disk of S1, the clock of S1" || len(l.status().Faults) != 0 {
		t.Errorf("%+v", res)
	}
	if conf := l.configure(m); conf.Clock != l.clock.Setting() {
		t.Errorf("it is started with the clock %+v", conf.Clock)
	}
}
