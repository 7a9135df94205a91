package netlab

import (
	"context"
	"fmt"
	"slices"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/netlab/proxy"
	"github.com/raftlab/raftlab/raft"
)

// network is the lab's side of its wires: node numbers are the lab's, and what it
// tells has the shapes of the control API.
type network struct {
	proxy wires
	// counters is room for what Links returns. Guarded by lab.mu.
	counters []proxy.LinkCounters
}

// wires carry frames between nodes. [proxy.Proxy] says what each of its methods
// does.
type wires interface {
	plugs
	traffic
	byHand
	Addr() string
	Close()
}

// plugs are what nodes are connected by.
type plugs interface {
	AddNode(raft.NodeID) error
	RemoveNode(raft.NodeID) error
	SetNode(id raft.NodeID, addr string) error
	NodeGone(raft.NodeID) error
	SetRules(from, to raft.NodeID, r link.Rules) error
}

// traffic is what passes, and what became of it.
type traffic interface {
	Links(dst []proxy.LinkCounters) []proxy.LinkCounters
	Hits() map[uint64]link.Hits
	Held(dst []proxy.Frame) []proxy.Frame
	Frames(dst []proxy.Frame, after proxy.Cursor, limit int) (frames []proxy.Frame, next proxy.Cursor, missed uint64)
	Cursor() proxy.Cursor
}

// byHand is what can be done to single frames.
type byHand interface {
	Next() (due raft.Time, frame proxy.Frame, ok bool)
	Deliver(ctx context.Context, id uint64) (proxy.Frame, error)
	FrameAction(id uint64, a proxy.Action) error
	Inject(id uint64) (uint64, error)
}

// addr is where a node dials to reach any other: the hello says whom.
func (n *network) addr() string { return n.proxy.Addr() }

func (n *network) add(id int) error {
	if err := n.proxy.AddNode(raft.NodeID(id)); err != nil {
		return fmt.Errorf("connect S%d to the network: %w", id, err)
	}
	return nil
}

func (n *network) remove(id int) error {
	if err := n.proxy.RemoveNode(raft.NodeID(id)); err != nil {
		return fmt.Errorf("disconnect S%d from the network: %w", id, err)
	}
	return nil
}

func (n *network) attach(id int, raftAddr string) error {
	if err := n.proxy.SetNode(raft.NodeID(id), raftAddr); err != nil {
		return fmt.Errorf("attach S%d to the network: %w", id, err)
	}
	return nil
}

func (n *network) detach(id int) error {
	if err := n.proxy.NodeGone(raft.NodeID(id)); err != nil {
		return fmt.Errorf("take S%d off the network: %w", id, err)
	}
	return nil
}

func (n *network) setRules(from, to int, r link.Rules) error {
	return n.proxy.SetRules(raft.NodeID(from), raft.NodeID(to), r)
}

// links are the counters of all links, ascending by ends, valid until the next
// call. With lab.mu held.
func (n *network) links() []proxy.LinkCounters {
	n.counters = n.proxy.Links(n.counters[:0])
	return n.counters
}

// hits are what each fault has done, by its number.
func (n *network) hits() map[uint64]link.Hits { return n.proxy.Hits() }

// held are the frames that wait until somebody lets them go, in the order they
// left.
func (n *network) held() []proxy.Frame {
	return slices.DeleteFunc(n.proxy.Held(nil), func(f proxy.Frame) bool { return !f.Held })
}

// onHold is how many they are, which costs less to tell. With lab.mu held.
func (n *network) onHold() (count int) {
	for _, c := range n.links() {
		count += c.Held
	}
	return count
}

// frame is what is on record of a frame; only its number when nothing is.
func (n *network) frame(id uint64) proxy.Frame {
	for _, f := range n.proxy.Held(nil) {
		if f.ID == id {
			return f
		}
	}
	records, _, _ := n.proxy.Frames(nil, 0, framesKept)
	for _, f := range slices.Backward(records) {
		if f.ID == id {
			return f
		}
	}
	return proxy.Frame{ID: id}
}

// release lets a frame go that waits, and returns what became of it.
func (n *network) release(ctx context.Context, id uint64) (proxy.Frame, error) {
	return n.proxy.Deliver(ctx, id)
}

// free lets a frame go that is held by hand. One that is not held any more is
// what is wanted.
func (n *network) free(id uint64) { _ = n.proxy.FrameAction(id, proxy.Release) }

// drop drops a frame that waits, hold keeps it until it is released.
func (n *network) drop(id uint64) error { return n.proxy.FrameAction(id, proxy.Drop) }
func (n *network) hold(id uint64) error { return n.proxy.FrameAction(id, proxy.Hold) }

// inject sends a recorded frame once more and returns the number of the copy.
func (n *network) inject(id uint64) (uint64, error) { return n.proxy.Inject(id) }

// frameOf is a record of the network as the control API tells it.
func frameOf(f *proxy.Frame) Frame {
	s := &f.Summary
	out := Frame{
		ID: f.ID, From: int(f.From), To: int(f.To), Number: f.Number, Kind: f.Kind.String(),
		Term: uint64(f.Term), Bytes: f.Bytes, LeftNS: int64(f.Left), DueNS: int64(f.Due), Reason: string(f.Reason),
		Held: f.Held, Fault: int(f.Fault), Corrupt: f.Damaged, CopyOf: f.CopyOf, Injected: f.Injected,
		PrevIndex: uint64(s.PrevIndex), PrevTerm: uint64(s.PrevTerm), Entries: s.Entries, Commit: uint64(s.Commit),
		OK: s.OK, Match: uint64(s.Match), LastIndex: uint64(s.LastIndex), LastTerm: uint64(s.LastTerm),
		Offset: s.Offset, Data: s.Bytes, Done: s.Done,
	}
	switch {
	case f.Reason != "":
		out.DroppedNS = int64(f.Dropped)
	case f.Done:
		out.ArrivedNS = int64(f.Arrived)
	}
	return out
}

func (n *network) close() { n.proxy.Close() }
