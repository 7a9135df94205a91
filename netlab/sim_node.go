package netlab

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/raftlab/raftlab/netlab/sim"
	"github.com/raftlab/raftlab/node"
	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// simNode is one life of a node that is simulated: how it is told what to do,
// and what it has to tell.
type simNode struct {
	sim   *simulation
	m     *member
	id    raft.NodeID
	child *child
	drift clock.Drift // as the world has it
	ended chan struct{}

	facts   wire.Facts
	damaged []wire.Damaged
	fatal   string
}

func (s *simulation) launch(m *member) (*child, func(), error) {
	n := &simNode{sim: s, m: m, id: raft.NodeID(m.id), ended: make(chan struct{})}
	n.child = &child{life: n, gone: make(chan struct{})}
	return n.child, func() {
		n.begin()
		s.tasks.attend(n.ended)
	}, nil
}

// begin starts the node, and has the lab know it.
func (n *simNode) begin() {
	s, l := n.sim, n.sim.lab
	if isClosed(n.ended) {
		return // killed before it began
	}
	l.mu.Lock()
	conf, disk, drift := l.configure(n.m), n.m.disk.Disk, n.m.own.now()
	l.mu.Unlock()
	notes, err := n.start(conf, disk, drift)
	if err != nil {
		l.mu.Lock()
		n.m.fatal, n.m.lasting = printable(err.Error(), 512), disk.Fault == wire.DiskOK
		l.mu.Unlock()
		delete(s.nodes, n.id)
		n.child.exit = err.Error()
		n.over()
		return
	}
	l.mu.Lock()
	m := n.m
	m.expected, m.conn = false, n
	m.status.SeenNS = int64(l.clock.Now())
	for _, note := range notes {
		l.event(Event{Kind: EventNote, Node: m.id, Text: printable(note, 512)})
	}
	l.touch(m)
	l.mu.Unlock()
	s.tell() // which is its first word
}

func (n *simNode) start(conf *wire.Configure, disk wire.Disk, drift clock.Drift) (notes []string, err error) {
	config := sim.NodeConfig{SnapshotBytes: conf.SnapshotBytes, DoubleApply: n.sim.doubleApply}
	if config.Raft, err = node.CoreConfig(n.id, conf); err != nil {
		return nil, err
	}
	w := n.sim.world
	if err := w.SetDisk(n.id, disk); err != nil {
		return nil, err
	}
	n.drift = drift
	if err := w.SetClock(n.id, plainDrift(drift)); err != nil {
		return nil, err
	}
	n.sim.nodes[n.id] = n
	n.sim.lab.checks.begin(n.m.id, n, n.sim.lab.clock.Now())
	return w.Start(n.id, config)
}

// plainDrift is the zero drift for a clock that shows lab time, in whichever way
// that is said.
func plainDrift(d clock.Drift) clock.Drift {
	if (d.Rate == 0 || d.Rate == 1) && d.Shows == d.From {
		return clock.Drift{}
	}
	return d
}

func (n *simNode) own(lab raft.Time) raft.Time { return n.drift.Own(lab) }

// over ends the life's task.
func (n *simNode) over() {
	n.sim.lab.checks.through(n.m.id, n)
	if !isClosed(n.ended) {
		close(n.ended)
		n.sim.tasks.stirred = true
	}
}

// tell tells the lab what is new.
func (n *simNode) tell() {
	r := &wire.Report{Facts: n.facts.Take(n.facts.Len()), Damaged: n.damaged, Fatal: n.fatal}
	n.damaged = nil
	if r.State = n.sim.world.State(n.id); n.sim.nodes[n.id] != n {
		r.State = nil // another life's
	}
	if r.State != nil {
		r.State.Held = n.sim.lab.clock.Held()
	}
	n.sim.lab.report(n.m.id, n, r)
}

// The life.

func (n *simNode) kill() error      { return n.stop("killed", n.sim.world.Kill) }
func (n *simNode) terminate() error { return n.stop("exit status 0", n.sim.world.Stop) }

func (n *simNode) stop(exit string, how func(raft.NodeID)) error {
	if isClosed(n.ended) {
		return os.ErrProcessDone
	}
	if n.sim.nodes[n.id] == n {
		n.sim.tell() // what it has done by now was done
		how(n.id)
		delete(n.sim.nodes, n.id)
	}
	n.child.exit = exit
	n.over()
	return nil
}

func (n *simNode) pause() error {
	n.sim.world.Pause(n.id)
	return nil
}

func (n *simNode) resume() error {
	n.sim.world.Resume(n.id)
	return nil
}

// The conversation.

// tellClock has nothing to tell but how the node's own clock runs: the world's is
// the lab's.
func (n *simNode) tellClock(s clock.Setting) {
	n.m.held = s.Held
	if d := n.m.own.now(); d != n.drift {
		n.drift = d
		_ = n.sim.world.SetClock(n.id, plainDrift(d)) // it is there
	}
}

func (n *simNode) tellPeers(*wire.Configure) {}
func (n *simNode) close()                    {}

func (n *simNode) post(o wire.Order) error {
	_, err := n.order(o, 0)
	return err
}

func (n *simNode) order(o wire.Order, timeout time.Duration) (wait func(context.Context) (wire.Outcome, error), err error) {
	var out wire.Outcome
	answered := isDone
	w := n.sim.world
	n.sim.catchUp()
	switch o.Verb {
	case wire.OrderElect:
		err = w.Elect(n.id)
	case wire.OrderTransfer:
		err = w.Transfer(n.id, o.Node)
	case wire.OrderMembers:
		err = w.ChangeMembers(n.id, o.Members)
	case wire.OrderDisk:
		err = w.SetDisk(n.id, *o.Disk)
	case wire.OrderLog:
		out.Entries, err = n.readLog(o.From, o.To)
	case wire.OrderDump:
		out.Pairs, _, err = w.Pairs(n.id)
	case wire.OrderSnapshot:
		answered = make(chan struct{})
		w.Snapshot(n.id, func(index raft.Index, bytes int64, err error) {
			if out.Snapshot, out.Bytes = index, bytes; err != nil {
				out.Error = err.Error()
			}
			n.sim.tasks.stirred = true
			close(answered)
		})
	default:
		err = fmt.Errorf("%q is no order this node knows", o.Verb)
	}
	if err != nil {
		out.Error = err.Error()
	}
	if st := w.State(n.id); st != nil {
		out.FirstIndex, out.LastIndex, out.Commit, out.Applied = st.Base+1, st.Last, st.Commit, st.Applied
	}
	n.sim.tell()
	return func(ctx context.Context) (wire.Outcome, error) {
		if isClosed(answered) {
			return out, nil
		}
		err := n.sim.tasks.await(ctx, wake{on: channels{answered, n.ended}, after: timeout})
		switch {
		case isClosed(answered):
			return out, nil
		case isClosed(n.ended):
			return out, Errorf(ExitConflict, "S%d ended before it answered", n.id).WithHint("raftlab status %d", n.id)
		case err != nil:
			return out, err
		}
		return out, Errorf(ExitTimeout, "S%d has not answered for %v", n.id, timeout).WithHint("raftlab status %d", n.id)
	}, nil
}

var isDone = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (n *simNode) readLog(from, to raft.Index) ([]wire.LogEntry, error) {
	entries, _, _, _, err := n.sim.world.Log(n.id, from, to)
	var out []wire.LogEntry
	for i := range entries {
		e := &entries[i]
		told := wire.LogEntry{Index: e.Index, Term: e.Term, Kind: e.Kind.String()}
		switch e.Kind {
		case raft.EntryCommand:
			told.Command = kv.Describe(e.Data)
		case raft.EntryConfig:
			told.Command = configText(e.Data)
		}
		out = append(out, told)
	}
	return out, err
}
