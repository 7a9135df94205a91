package netlab

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Undo goes back over disks, clocks and the network, in the order in which they
// were changed, and heal --all is one change of all of them.
func TestUndoOfDisksAndClocks(t *testing.T) {
	l := fakeLab(t, 3)
	for id := 1; id <= 3; id++ {
		l.become(id, StateDead) // nobody is asked
	}
	ops := []Op{
		{Verb: "disk", Nodes: []string{"1", "2"}, Disk: DiskSlow, Delay: 20 * time.Millisecond, Line: "raftlab disk 1 2 slow 20ms"},
		{Verb: "cut", Links: []string{"1"}, Line: "raftlab cut 1"},
		{Verb: "disk", Nodes: []string{"1"}, Disk: DiskFull, Line: "raftlab disk 1 full"},
		{Verb: "clock", Nodes: []string{"3"}, Action: ClockRate, Rate: 2, Line: "raftlab clock 3 rate 2"},
		{Verb: "clock", Nodes: []string{"3"}, Action: ClockSkew, Skew: time.Second, Line: "raftlab clock 3 skew 1s"},
		{Verb: "heal", Fault: 2, Line: "raftlab heal f2"}, // S2's disk
		{Verb: "heal", All: true, Line: "raftlab heal --all"},
		{Verb: "disk", Nodes: []string{"all"}, Disk: DiskLie, Line: "raftlab disk all lie"},
		{Verb: "disk", Nodes: []string{"all"}, Disk: DiskOK, Line: "raftlab disk all ok"},
	}
	now := func() string {
		s := l.status()
		var text []string
		for _, n := range s.Nodes {
			text = append(text, fmt.Sprintf("S%d %s %g %d", n.ID, diskMode(&n), n.ClockRate, n.SkewNS))
		}
		for _, f := range s.Faults {
			text = append(text, fmt.Sprintf("%s %s %s %v %v", faultName(f.ID), f.Text, f.Line, f.Nodes, f.Links))
		}
		return strings.Join(text, "\n")
	}
	var past []string
	for _, op := range ops {
		past = append(past, now())
		l.must(t, op)
	}
	for i, op := range slices.Backward(ops) {
		if got := l.status().Undo; got != op.Line {
			t.Errorf("undo would take back %q, want %q", got, op.Line)
		}
		res := l.must(t, Op{Verb: "undo", Line: "raftlab undo"})
		if !strings.HasPrefix(res.Text, "undone: "+op.Line) {
			t.Errorf("undo says %q, want %q", res.Text, op.Line)
		}
		if got := now(); got != past[i] {
			t.Errorf("undo of %q leaves\n%s\nwant\n%s", op.Line, got, past[i])
		}
		if e, _ := l.events.after(res.Event-1, 1); e[0].Line != "raftlab undo" || e[0].Kind != EventFault {
			t.Errorf("undo of %q makes the event %+v", op.Line, e[0])
		}
	}
	if res := l.must(t, Op{Verb: "undo"}); !strings.HasPrefix(res.Text, "nothing to undo") {
		t.Errorf("and then %+v", res)
	}
}

// What makes no difference any more is passed over, and what a nemesis did is
// nothing for undo.
func TestUndoPassesOverWhatIsOver(t *testing.T) {
	l := fakeLab(t, 3)
	for id := 1; id <= 3; id++ {
		l.become(id, StateDead)
	}
	l.must(t, Op{Verb: "slow", Links: []string{"all"}, Delay: time.Millisecond, Line: "raftlab slow all 1ms"})
	l.must(t, Op{Verb: "disk", Nodes: []string{"3"}, Disk: DiskTorn, Line: "raftlab disk 3 torn"})
	l.mu.Lock()
	l.member(3).spendDisk()
	l.mu.Unlock()
	cut := l.must(t, Op{Verb: "cut", Links: []string{"1"}, Line: "raftlab cut 1", noUndo: true})
	l.must(t, Op{Verb: "lose", Links: []string{"2"}, Loss: .5, Line: "raftlab lose 2 50%"})
	l.must(t, Op{Verb: "heal", Fault: cut.Fault, noUndo: true})
	for _, want := range []string{"raftlab lose 2 50%", "raftlab slow all 1ms", ""} {
		if got := l.status().Undo; got != want {
			t.Errorf("undo would take back %q, want %q", got, want)
		}
		l.must(t, Op{Verb: "undo"})
		if got := strings.Join(on(l.status()), "; "); strings.Contains(got, "cut") {
			t.Errorf("what a nemesis set and took away is back: %s", got)
		}
	}
}

// Undo of a change to several nodes of which one cannot be asked leaves it to be
// undone later.
func TestUndoThatFailsIsThereAgain(t *testing.T) {
	l := fakeLab(t, 3)
	l.become(1, StateDead)
	l.become(2, StateDead)
	l.must(t, Op{Verb: "disk", Nodes: []string{"1", "2"}, Disk: DiskFull, Line: "raftlab disk 1 2 full"})
	l.become(2, StateUp) // and has not registered
	refusesOp(t, l, Op{Verb: "undo"}, ExitConflict, "S2 has not registered")
	l.become(2, StateDead)
	res := l.must(t, Op{Verb: "undo"})
	if res.Text != "undone: raftlab disk 1 2 full; the disk of S2: nothing is wrong with it" || len(l.status().Faults) != 0 {
		t.Errorf("%+v, and %+v is on", res, l.status().Faults)
	}
}
