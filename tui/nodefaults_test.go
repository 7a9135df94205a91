package tui

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/raftlab/raftlab/netlab"
)

func TestNodeFaultsInWords(t *testing.T) {
	const ms = int64(time.Millisecond)
	lie := &netlab.DiskStatus{Mode: "lie", Text: "a sync says that it is done and is not"}
	for _, test := range []struct {
		node        netlab.NodeStatus
		short, long []string
	}{
		{netlab.NodeStatus{}, nil, nil},
		{netlab.NodeStatus{ClockRate: 1}, nil, nil},
		{netlab.NodeStatus{Disk: lie, ClockRate: 1}, []string{"disk: lie"}, []string{"disk: a sync says that it is done and is not"}},
		{netlab.NodeStatus{ClockRate: 1, SkewNS: 30 * ms}, []string{"clock +30ms"}, []string{"clock: is 30ms ahead"}},
		{netlab.NodeStatus{ClockRate: 1, SkewNS: -30 * ms}, []string{"clock -30ms"}, []string{"clock: is 30ms behind"}},
		{netlab.NodeStatus{Disk: lie, ClockRate: 1.2, SkewNS: 2 * ms}, []string{"disk: lie", "clock x1.2"},
			[]string{"disk: a sync says that it is done and is not", "clock: runs 1.2 times as fast as the lab's, is 2.0ms ahead"}},
	} {
		if short, long := nodeFaults(&test.node); !slices.Equal(short, test.short) || !slices.Equal(long, test.long) {
			t.Errorf("%+v: %q, %q", test.node, short, long)
		}
	}
}

// A node's row and its card say what is wrong with it, and when it comes back.
func TestNodeFaultsAreShown(t *testing.T) {
	n := netlab.NodeStatus{ID: 1, State: netlab.StateDead, Exit: "its disk is full", Starts: 2, RestartNS: 5e9, ClockRate: 2, Disk: &netlab.DiskStatus{Mode: "full", Text: "no room is left"}}
	p := &picture{nodes: []*netlab.NodeStatus{&n}, time: 3e9}
	if note := p.nodeNote(0, 200); note != "ended by itself: its disk is full, restarted in 2.0s; disk: full; clock x2" {
		t.Errorf("note %q", note)
	}
}

// Where there is one row a node, the sentence of line 2 says what is wrong with
// disks and clocks; the title tells of chaos.
func TestNodeFaultsAndChaosOnTheFirstLines(t *testing.T) {
	broken := func() (netlab.Update, netlab.Update) {
		first, second := quiet()
		first.Status.Chaos = &netlab.ChaosStatus{Faults: 14, Done: 2, Skipped: 1}
		for _, nodes := range [][]netlab.NodeStatus{first.Status.Nodes, second.Nodes} {
			for i := range nodes {
				switch n := &nodes[i]; n.ID {
				case 1:
					n.ClockRate = 1.2
				case 2:
					n.Disk = &netlab.DiskStatus{Mode: "lie"}
				case 3:
					n.Disk = &netlab.DiskStatus{Mode: "slow"}
				}
			}
		}
		return first, second
	}
	for _, w := range []int{80, 120, 200} {
		lines := strings.Split(ansi.Strip(draw(scene(broken), look{w: w, h: 24, ascii: true}, nil)), "\n")
		if !strings.Contains(lines[0], "CHAOS 3/14") {
			t.Errorf("%d columns: the title is %q", w, lines[0])
		}
		if !strings.HasSuffix(strings.TrimRight(lines[1], " "), "Disks: S2 lie, S3 slow. Clock: S1 x1.2.") {
			t.Errorf("%d columns: the sentence is %q", w, lines[1])
		}
	}
}

// Every letter that an event can have on the tape has a rank, without which it
// would never be drawn.
func TestEveryMarkHasARank(t *testing.T) {
	for _, verb := range []string{"partition", "heal", "undo", "cut", "blackhole", "slow", "throttle", "duplicate", "reorder", "corrupt", "reset", "frame", "lose", "disk", "clock", "chaos"} {
		if m := faultMark(verb, ""); m == 0 || markRank[m] == 0 {
			t.Errorf("%s has the mark %q, of rank %d", verb, m, markRank[m])
		}
	}
	for _, verb := range []string{"kill", "wipe", "pause", "restart", "resume", "add"} {
		if m := processMark(&netlab.Event{Line: "raftlab " + verb + " 3"}); m == 0 || markRank[m] == 0 {
			t.Errorf("%s has the mark %q, of rank %d", verb, m, markRank[m])
		}
	}
	if m := processMark(&netlab.Event{Line: "raftlab stop 3", Text: "stopped with SIGTERM"}); m != 'K' {
		t.Errorf("stop has the mark %q", m)
	}
}
