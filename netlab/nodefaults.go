package netlab

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// nodeFault is what is kept of a fault of a disk or a clock as it was set.
type nodeFault struct {
	id   int // among all faults; 0 when there is none
	line string
	set  raft.Time
}

// newNodeFault numbers one. With lab.mu held.
func (l *lab) newNodeFault(op *Op) nodeFault {
	l.faults.last++
	return nodeFault{id: l.faults.last, line: op.Line, set: l.clock.Now()}
}

// nodeFaults are the faults of disks and clocks, in the order they were set.
// With lab.mu held.
func (l *lab) nodeFaults() []FaultStatus {
	var out []FaultStatus
	add := func(m *member, f nodeFault, verb, text string) {
		out = append(out, FaultStatus{ID: f.id, Verb: verb, Line: f.line, Text: verb + " " + text, Nodes: []int{m.id}, Links: [][2]int{}, SetNS: int64(f.set)})
	}
	for _, m := range l.members {
		if s := m.disk.status(); s != nil {
			text := s.Mode
			if m.disk.Fault == wire.DiskSlow {
				text += " " + strings.TrimPrefix(s.Text, "a sync takes ")
			}
			add(m, m.disk.fault, "disk", text)
		}
		if m.own.off(l.clock.Now()) {
			add(m, m.own.fault, "clock", clockWords(m.own.now()))
		}
	}
	slices.SortFunc(out, func(a, b FaultStatus) int { return a.ID - b.ID })
	return out
}

// nodeFault is the node whose disk or clock has the fault of this number, nil
// when none has.
func (l *lab) nodeFault(id int) (m *member, disk bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.members {
		switch {
		case m.disk.Fault != wire.DiskOK && m.disk.fault.id == id:
			return m, true
		case m.own.off(l.clock.Now()) && m.own.fault.id == id:
			return m, false
		}
	}
	return nil, false
}

// healLab is heal for the network, and for disks and clocks: all of them with
// All, or one by its number.
func (l *lab) healLab(ctx context.Context, op *Op) (*OpResult, error) {
	if op.Fault != 0 {
		if m, disk := l.nodeFault(op.Fault); m != nil {
			return l.healNode(ctx, m, disk, op)
		}
	}
	res, err := l.heal(ctx, op)
	if err == nil && op.All && len(op.Links) == 0 {
		err = l.healNodes(ctx, op, res)
	}
	return res, err
}

// healNode takes one fault away from a node's disk or clock.
func (l *lab) healNode(ctx context.Context, m *member, disk bool, op *Op) (*OpResult, error) {
	words := &Op{Verb: "clock", Nodes: []string{fmt.Sprint(m.id)}, Action: ClockOK, Line: op.Line}
	act := l.setNodeClock
	if disk {
		words.Verb, words.Disk, words.Action = "disk", DiskOK, ""
		act = l.setDisk
	}
	l.acting.Lock()
	defer l.acting.Unlock()
	if l.ctx.Err() != nil {
		return nil, errStopping
	}
	return act(ctx, words)
}

// healNodes lets paused nodes go on, makes all disks and clocks right again, and
// adds that to res, which says what was healed before. It starts no node that is
// dead. With neither lock held.
func (l *lab) healNodes(ctx context.Context, op *Op, res *OpResult) error {
	l.acting.Lock()
	defer l.acting.Unlock()
	if l.ctx.Err() != nil {
		return errStopping
	}
	var texts []string
	var before []nodePast
	healed := func(what string, nodes []nodePast) {
		var ids []int
		for _, n := range nodes {
			if ids = append(ids, n.m.id); !slices.Contains(res.Nodes, n.m.id) {
				res.Nodes = append(res.Nodes, n.m.id)
			}
		}
		if len(ids) > 0 {
			before = append(before, nodes...)
			texts = append(texts, fmt.Sprintf(what, names(ids)))
		}
	}
	paused, err := l.healPaused(ctx, op)
	if err != nil {
		return err
	}
	healed("%s resumed", paused)
	disks, err := l.healDisks(ctx)
	if err != nil {
		return err
	}
	healed(oneOrMany(len(disks), "the disk", "the disks")+" of %s", disks)
	l.mu.Lock()
	defer l.mu.Unlock()
	clocks := l.healClocks()
	healed(oneOrMany(len(clocks), "the clock", "the clocks")+" of %s", clocks)
	for _, m := range l.members {
		if m.status.State == StateDead && m.again == nil {
			res.note(fmt.Sprintf("S%d is dead still: \"raftlab restart %d\"", m.id, m.id))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	text := strings.Join(texts, ", ")
	l.remember(past{by: op, text: "healed: " + text, nodes: before})
	res.Event = l.faultEvent(op, "healed: "+text)
	if before, healed := strings.CutPrefix(res.Text, "healed: "); healed {
		text = before + ", " + text
	}
	res.Text = "healed: " + text
	return nil
}

// healPaused resumes all nodes that are paused, and returns which. With acting
// held.
func (l *lab) healPaused(ctx context.Context, op *Op) (resumed []nodePast, err error) {
	l.mu.Lock()
	for _, m := range l.members {
		if m.status.State == StatePaused {
			resumed = append(resumed, nodePast{m: m, back: "pause"})
		}
	}
	l.mu.Unlock()
	if len(resumed) == 0 {
		return nil, nil
	}
	if _, err := l.resume(ctx, &Op{Verb: "resume", Nodes: []string{WordAll}, Line: op.Line, noUndo: true}); err != nil {
		return nil, err
	}
	return resumed, nil
}
