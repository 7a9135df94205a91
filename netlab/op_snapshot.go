package netlab

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/raftlab/raftlab/node/wire"
)

// snapshotTimeout bounds the writing of a snapshot, in real time: it may be of
// gigabytes, on a disk that is slow.
const snapshotTimeout = 5 * time.Minute

// snapshot has nodes fold what they have applied into a snapshot (§7). All
// orders leave before any outcome is awaited; it works while the clock is held.
func (l *lab) snapshot(ctx context.Context, op *Op) (*OpResult, error) {
	up := func(s *NodeStatus) bool { return s.State == StateUp }
	members, idle, err := l.pick(op, up, "no %s runs", func(m *member) *Error {
		switch m.status.State {
		case StateDead:
			return Errorf(ExitConflict, "S%d is dead and cannot take a snapshot", m.id).WithHint("raftlab restart %d", m.id)
		case StatePaused:
			return Errorf(ExitConflict, "S%d is paused and cannot take a snapshot", m.id).WithHint("raftlab resume %d", m.id)
		}
		return nil
	})
	if err != nil || idle != nil {
		return idle, err
	}
	waits := make([]func(context.Context) (wire.Outcome, error), len(members))
	for i, m := range members {
		if waits[i], err = l.orderFor(m, wire.Order{Verb: wire.OrderSnapshot}, snapshotTimeout); err != nil {
			return nil, err
		}
	}
	res := &OpResult{}
	told := make(map[string][]int) // by what they have
	var order []string
	for i, m := range members {
		out, err := waits[i](ctx)
		if err != nil {
			return nil, err
		}
		if out.Error != "" {
			return nil, Errorf(ExitConflict, "S%d takes no snapshot: %s", m.id, printable(out.Error, 512)).WithHint("raftlab status %d", m.id)
		}
		res.Nodes = append(res.Nodes, m.id)
		text := fmt.Sprintf("a snapshot up to %d (%s)", out.Snapshot, sizeText(out.Bytes))
		if told[text] == nil {
			order = append(order, text)
		}
		told[text] = append(told[text], m.id)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, text := range order {
		has := " has "
		if len(told[text]) > 1 {
			has = " have "
		}
		for _, id := range told[text] {
			res.Event = l.event(Event{Kind: EventSnapshot, Node: id, Text: "was told to take a snapshot: it has " + text, Line: op.Line})
		}
		order[i] = names(told[text]) + has + text
	}
	res.Text = strings.Join(order, ", ")
	return res, nil
}
