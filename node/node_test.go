package node

import (
	"fmt"
	"testing"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

func TestPutIsReadBackEverywhere(t *testing.T) {
	l := startLab(t, 3)
	c := l.dial(l.leader())
	put := c.put("x", "1")
	if put.Code != wire.CodeOK || put.Index == 0 || put.Term == 0 {
		t.Fatalf("put x=1: %+v, want it done", put)
	}
	if got := c.get("x", wire.ReadLog); string(got.Value) != "1" || !got.Found {
		t.Errorf("get x through the log: %+v, want 1", got)
	}
	for id := range raft.NodeID(3) {
		n := l.node(id + 1)
		l.wait(fmt.Sprintf("%v to apply", n.id), func() bool { return n.state.Applied >= put.Index })
		if got := l.dial(n).get("x", wire.ReadStale); string(got.Value) != "1" || got.Node != n.id {
			t.Errorf("stale get at %v: %+v, want 1", n.id, got)
		}
	}
}
