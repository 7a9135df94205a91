package tui

import (
	"slices"
	"testing"
	"time"

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
