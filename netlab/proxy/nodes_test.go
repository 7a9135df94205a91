package proxy

import (
	"slices"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// ends lists the links there are.
func (w *network) ends() (ends [][2]raft.NodeID) {
	for _, c := range w.proxy.Links(nil) {
		ends = append(ends, [2]raft.NodeID{c.From, c.To})
	}
	return ends
}

// A node that goes takes its links with it, and nothing else; what is under way
// on them is dropped and said so. One that comes in its place begins anew.
func TestNodesThatGoAndCome(t *testing.T) {
	w := newNetwork(t, 3)
	stays, goes, waits := w.link(1, 3), w.link(1, 2), w.link(2, 3)
	w.rules(1, 2, slow)
	w.rules(2, 3, slow)
	stays.send(1)
	goes.send(2)
	waits.send(3)
	w.nodes[3].wants(1, 1)
	w.waiting(1, 2, 2)
	w.waiting(2, 3, 3)

	if err := w.proxy.RemoveNode(2); err != nil {
		t.Fatal(err)
	}
	goes.ended()
	waits.ended()
	for n := uint64(1); n <= 3; n++ {
		if f := w.record(2, 3, n, true); f.Reason != DroppedRemovedNode {
			t.Errorf("frame %d from 2 to 3 was dropped because of %q, want %q", n, f.Reason, DroppedRemovedNode)
		}
	}
	w.record(1, 2, 2, true)
	if got, want := w.ends(), [][2]raft.NodeID{{1, 3}, {3, 1}}; !slices.Equal(got, want) {
		t.Errorf("links %v, want %v", got, want)
	}
	stays.send(1)
	w.nodes[3].wants(1, 2)
	w.link(1, 2).ended()
	w.logged("node 2 is not one of the network's 2 nodes")

	w.nodes[2].stop()
	if err := w.proxy.AddNode(2); err != nil {
		t.Fatal(err)
	}
	w.start(2)
	if got, want := w.ends(), [][2]raft.NodeID{{1, 2}, {1, 3}, {2, 1}, {2, 3}, {3, 1}, {3, 2}}; !slices.Equal(got, want) {
		t.Errorf("links %v, want %v", got, want)
	}
	w.link(1, 2).send(1)
	w.nodes[2].wants(1, 1)
	w.link(2, 3).send(1)
	w.nodes[3].wants(2, 1)
	if r, err := w.proxy.Rules(1, 2); err != nil || !r.Equal(link.Rules{}) {
		t.Errorf("the new link has the rules %+v, %v: want none", r, err)
	}
	if c := w.counters(1, 2); c.Sent != 1 || c.Delivered != 1 {
		t.Errorf("the new link has carried %+v", c)
	}
}

// A frame that was read when its link went is nobody's, and the schedule is
// not told of it a second time.
func TestAFrameForALinkThatIsGone(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, slow)
	s := w.link(1, 2)
	s.send(1)
	w.waiting(1, 2, 1)
	l, err := w.proxy.lane(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.proxy.RemoveNode(2); err != nil {
		t.Fatal(err)
	}
	raw := s.heartbeat()
	l.admit([]Frame{{From: 1, To: 2, Bytes: len(raw)}}, raw)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.queue.empty() || l.counts.sent != 1 {
		t.Errorf("the link that is gone took a frame: %+v", l.counts)
	}
}

func TestNodesThatCannotComeOrGo(t *testing.T) {
	w := newNetwork(t, 2)
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"one that is there", w.proxy.AddNode(2), "node 2 is in the network already"},
		{"nobody", w.proxy.AddNode(0), "there is no node 0"},
		{"one that is not there", w.proxy.RemoveNode(3), "node 3 is not in the network"},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, tt.err, tt.want)
		}
	}
	w.proxy.Close()
	if err := w.proxy.AddNode(3); err == nil {
		t.Error("a node was added to a network that is closed")
	}
}
