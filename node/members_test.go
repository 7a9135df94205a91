package node

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

func voters(ids ...raft.NodeID) wire.Order {
	return wire.Order{Verb: wire.OrderMembers, Members: raft.Configuration{Voters: ids}}
}

// settled tells whether a node has the configuration, by an entry that is committed; with mu.
func (n *fakeNode) settled(c raft.Configuration) bool {
	return n.state != nil && n.state.Config.Equal(c) && n.state.Commit >= n.state.ConfigIndex
}

// change has the leader make c the configuration and waits until all of c know.
func (l *fakeLab) change(c raft.Configuration) {
	l.t.Helper()
	leader := l.leader()
	l.steady()
	if out := l.order(leader, wire.Order{Verb: wire.OrderMembers, Members: c}); out.Error != "" {
		l.t.Fatalf("change to %v: %s", c, out.Error)
	}
	l.setClock(1, false)
	l.wait(fmt.Sprintf("the configuration %v", c), func() bool {
		for _, id := range c.Members() {
			if !l.nodes[id].settled(c) {
				return false
			}
		}
		return true
	})
}

// has tells whether a node has told of such a fact; with mu.
func (n *fakeNode) has(kind raft.EventKind) bool {
	return slices.ContainsFunc(n.facts, func(f wire.Fact) bool { return f.Kind == kind })
}

// Three become five and three again, other ones, over real sockets. What was
// acknowledged stays, and the joint configurations were there (§6).
func TestMembersChangeOverRealSockets(t *testing.T) {
	l := startLab(t, 3)
	c := l.dial(l.leader())
	for i := range 20 {
		c.put(fmt.Sprint("k", i), "1")
	}
	for _, id := range []raft.NodeID{4, 5} {
		n := l.start(id)
		l.wait("the joiner to report", func() bool { return n.state != nil })
		if s := l.shown(n); len(s.Config.Voters) != 0 || s.Role != raft.Follower {
			t.Errorf("a joiner starts as %+v, want a follower without a configuration", s)
		}
	}
	l.change(raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4, 5}})
	l.change(raft.Configuration{Voters: []raft.NodeID{3, 4, 5}})
	leader := l.leader()
	if leader.id < 3 {
		t.Fatalf("%v leads, which was removed", leader.id)
	}
	if got := l.dial(leader).get("k19", wire.ReadLog); string(got.Value) != "1" {
		t.Errorf("k19 after the changes: %+v", got)
	}
	var joint []string
	for _, e := range l.order(leader, wire.Order{Verb: wire.OrderLog}).Entries {
		if e.Kind == "config" && strings.HasPrefix(e.Command, "old ") {
			joint = append(joint, e.Command)
		}
	}
	if want := []string{"old S1 S2 S3 new S1 S2 S3 S4 S5", "old S1 S2 S3 S4 S5 new S3 S4 S5"}; !slices.Equal(joint, want) {
		t.Errorf("joint configurations in the log: %q, want %q", joint, want)
	}
}

// The leader that is not in C_new leads until that is committed, then steps
// down (§6), and its process serves on as a stranger.
func TestLeaderThatIsRemovedStepsDown(t *testing.T) {
	l := startLab(t, 3)
	old := l.leader()
	rest := slices.DeleteFunc([]raft.NodeID{1, 2, 3}, func(id raft.NodeID) bool { return id == old.id })
	c := l.dial(old)
	c.put("x", "1")
	if out := l.order(old, voters(rest...)); out.Error != "" {
		t.Fatal(out.Error)
	}
	l.wait("the old leader to step down", func() bool { return old.has(raft.EventSteppedDown) && old.state.Role == raft.Follower })
	var next *fakeNode
	l.wait("another leader", func() bool {
		for _, id := range rest {
			if n := l.nodes[id]; n.state.Role == raft.Leader && n.state.Term > 1 {
				next = n
			}
		}
		return next != nil
	})
	if got := l.dial(next).get("x", wire.ReadLog); string(got.Value) != "1" {
		t.Errorf("x at the next leader: %+v", got)
	}
	if got := c.get("x", wire.ReadLog); got.Code != wire.CodeNotLeader {
		t.Errorf("get at the removed leader: %+v, want it to lead no more", got)
	}
}

// Orders that make no sense get a sentence.
func TestMemberAndTransferOrdersThatAreRefused(t *testing.T) {
	l := startLab(t, 3)
	leader, follower := l.leader(), l.follower()
	for _, tt := range []struct {
		name string
		node *fakeNode
		o    wire.Order
		want string
	}{
		{"change at a follower", follower, voters(1, 2), fmt.Sprintf("%v does not lead, %v does in term", follower.id, leader.id)},
		{"no voter", leader, voters(), "no voter is left"},
		{"no change", leader, voters(1, 2, 3), "the configuration is"},
		{"transfer at a follower", follower, wire.Order{Verb: wire.OrderTransfer, Node: leader.id}, "does not lead"},
		{"transfer to itself", leader, wire.Order{Verb: wire.OrderTransfer, Node: leader.id}, "leads already"},
		{"transfer to a stranger", leader, wire.Order{Verb: wire.OrderTransfer, Node: 9}, "S9 is not in the configuration"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := l.order(tt.node, tt.o)
			if !strings.Contains(out.Error, tt.want) || strings.Contains(out.Error, "raft:") {
				t.Errorf("%q, want %q", out.Error, tt.want)
			}
		})
	}
}

// What the lab's book lists is linked, what it lists no more is not.
func TestLinksFollowTheAddressBook(t *testing.T) {
	l := startLab(t, 3)
	n, gone := l.leader(), l.follower()
	accepted := make(chan raft.NodeID, 16)
	port := func() string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				frame, err := wire.NewReader(conn, 4096).Next()
				if err != nil {
					continue
				}
				h, _, _ := wire.DecodeHello(frame)
				accepted <- h.To
				_, _ = conn.Read(make([]byte, 1)) // what follows is nobody's; ends with the link
				for {
					if _, err := conn.Read(make([]byte, 4096)); err != nil {
						break
					}
				}
				accepted <- 0
				conn.Close()
			}
		}()
		return ln.Addr().String()
	}
	peers := []wire.Peer{{ID: n.id, RaftAddr: n.reg.RaftAddr}}
	for _, id := range l.shown(n).Config.Voters {
		if id != n.id {
			peers = append(peers, wire.Peer{ID: id, RaftAddr: port()})
		}
	}
	hears := func(want raft.NodeID) {
		t.Helper()
		select {
		case got := <-accepted:
			if got != want {
				t.Fatalf("heard %v, want %v", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("waited %v to hear %v", patience, want)
		}
	}
	other := peers[1]
	if other.ID == gone.id {
		other = peers[2]
	}
	l.tell(n, wire.KindConfigure, 1, wire.Configure{Peers: []wire.Peer{peers[0], other}})
	hears(other.ID)
	l.tell(n, wire.KindConfigure, 1, wire.Configure{Peers: []wire.Peer{peers[0]}})
	hears(0) // the link ended
	l.tell(n, wire.KindConfigure, 1, wire.Configure{Peers: peers})
	first := <-accepted
	second := <-accepted
	if first == second || first == 0 || second == 0 {
		t.Errorf("links to %v and %v, want both", first, second)
	}
}

// A new node may be heard before the lab's book tells of it: its messages count.
func TestLinkFromANodeThatIsNotInTheBookIsTaken(t *testing.T) {
	l := startLab(t, 3)
	n := l.leader()
	conn := dialRaft(t, 9, n)
	b, err := wire.AppendMessage(nil, 1, &raft.Message{From: 9, To: n.id, Term: 1, Body: &raft.RequestVote{PreVote: true}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	l.wait("the vote to be refused", func() bool {
		return slices.ContainsFunc(n.facts, func(f wire.Fact) bool { return f.Kind == raft.EventVoteRefused && f.Peer == 9 })
	})
	conn.SetReadDeadline(time.Now())
	if _, err := conn.Read(make([]byte, 1)); !os.IsTimeout(err) {
		t.Errorf("read: %v, want the link open", err)
	}
}
