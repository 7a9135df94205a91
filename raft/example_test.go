package raft_test

import (
	"fmt"

	"github.com/raftlab/raftlab/raft"
)

// A cluster of one, driven as a server drives its Node: whatever comes in,
// what Ready then asks for is done in its order.
func Example() {
	const second = raft.Duration(1e9)
	node, err := raft.New(raft.Config{
		ID:          1,
		Members:     raft.Configuration{Voters: []raft.NodeID{1}},
		Heartbeat:   second / 20,
		ElectionMin: second,
		ElectionMax: second,
	}, nil, raft.Restored{}, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	var now raft.Time
	drain := func() {
		for node.HasReady() {
			r := node.Ready()
			if r.Err != nil {
				fmt.Println(r.Err)
				return
			}
			for _, e := range r.Events {
				fmt.Println(e)
			}
			// r.Messages leave now; r.State and r.Entries go to the disk.
			if r.Sync > 0 {
				node.Persisted(now, r.Sync)
			}
			// r.AfterSync leaves.
			for _, e := range r.Committed {
				fmt.Printf("apply %v %q\n", e, e.Data)
				node.Applied(e.Index)
			}
		}
	}
	now = node.Deadline()
	node.Tick(now)
	drain()
	if _, err := node.Propose(now, raft.EntryCommand, []byte("x=1")); err != nil {
		fmt.Println(err)
		return
	}
	drain()

	// Output:
	// t0 role follower
	// t0 timeout after 1000.0ms
	// t1 role candidate
	// t1 elected by S1
	// t1 role leader of S1
	// t1 appended 1/1
	// t1 committed 1/1 on S1
	// apply 1/1 noop ""
	// t1 appended 2/1
	// t1 committed 2/1 on S1
	// apply 2/1 command "x=1"
}
