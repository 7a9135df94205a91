package netlab

import (
	"context"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/netlab/proxy"
	"github.com/raftlab/raftlab/netlab/sim"
	"github.com/raftlab/raftlab/raft"
)

// simWires are the world's network in the words of the proxy.
type simWires struct {
	s      *simulation
	links  []sim.LinkCounters
	frames []sim.Frame
}

func (w *simWires) AddNode(id raft.NodeID) error      { return w.s.world.Add(id) }
func (w *simWires) RemoveNode(id raft.NodeID) error   { return w.s.world.Remove(id) }
func (w *simWires) SetNode(raft.NodeID, string) error { return nil }
func (w *simWires) NodeGone(raft.NodeID) error        { return nil }
func (w *simWires) Addr() string                      { return "" }
func (w *simWires) Close()                            {}
func (w *simWires) Hits() map[uint64]link.Hits        { return w.s.world.Hits() }
func (w *simWires) Cursor() proxy.Cursor              { return proxy.Cursor(w.s.world.Cursor()) }
func (w *simWires) Inject(id uint64) (uint64, error)  { return w.s.world.Inject(id) }

func (w *simWires) SetRules(from, to raft.NodeID, r link.Rules) error {
	return w.s.world.SetRules(from, to, r)
}

func (w *simWires) FrameAction(id uint64, a proxy.Action) error {
	return w.s.world.FrameAction(id, sim.Action(a))
}

func (w *simWires) Links(dst []proxy.LinkCounters) []proxy.LinkCounters {
	w.links = w.s.world.Links(w.links[:0])
	for i := range w.links {
		dst = append(dst, proxy.LinkCounters(w.links[i]))
	}
	return dst
}

func (w *simWires) Held(dst []proxy.Frame) []proxy.Frame {
	w.frames = w.s.world.Held(w.frames[:0])
	return w.append(dst)
}

func (w *simWires) Frames(dst []proxy.Frame, after proxy.Cursor, limit int) ([]proxy.Frame, proxy.Cursor, uint64) {
	var next, missed uint64
	w.frames, next, missed = w.s.world.Frames(w.frames[:0], uint64(after), limit)
	return w.append(dst), proxy.Cursor(next), missed
}

func (w *simWires) append(dst []proxy.Frame) []proxy.Frame {
	for i := range w.frames {
		dst = append(dst, proxy.Frame(w.frames[i]))
	}
	return dst
}

func (w *simWires) Next() (due raft.Time, frame proxy.Frame, ok bool) {
	for _, f := range w.Held(nil) {
		if !f.Held {
			return f.Due, f, true
		}
	}
	return 0, proxy.Frame{}, false
}

func (w *simWires) Deliver(_ context.Context, id uint64) (proxy.Frame, error) {
	w.s.catchUp()
	f, err := w.s.world.Deliver(id)
	w.s.tell()
	return proxy.Frame(f), err
}
