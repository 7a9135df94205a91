package netlab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/raftlab/raftlab/node/wire"
)

// snapshotTimeout bounds the writing of a snapshot, in real time: it may be of
// gigabytes, on a disk that is slow.
const snapshotTimeout = 5 * time.Minute

// snapshot has nodes fold what they have applied into a snapshot (§7). All
// orders leave before any outcome is awaited, and all outcomes are told: of a
// group, who has nothing to fold is a note; of nodes that were named, an error.
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
	if l.clock.Held() {
		return nil, Errorf(ExitConflict, "the lab clock is held, and nothing gets to a disk meanwhile, so no node can take a snapshot").WithHint("raftlab release")
	}
	waits := make([]func(context.Context) (wire.Outcome, error), len(members))
	for i, m := range members {
		if waits[i], err = l.orderFor(m, wire.Order{Verb: wire.OrderSnapshot}, snapshotTimeout); err != nil {
			return nil, err
		}
	}
	res := &OpResult{}
	told := make(map[string][]int) // by what they have
	var order, refused []string
	var failed error // the first that took none
	for i, m := range members {
		out, err := waits[i](ctx)
		if err == nil && out.Error != "" {
			err = Errorf(ExitConflict, "S%d takes no snapshot: %s", m.id, printable(out.Error, 512)).WithHint("raftlab status %d", m.id)
		}
		if err != nil {
			if failed == nil {
				failed = err
			}
			refused = append(refused, err.Error())
			continue
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
	switch {
	case failed == nil:
	case len(order) == 0:
		return nil, failed
	case namesOne(op.Nodes):
		e := *toError(op.Verb, failed)
		e.Message = strings.Join(append(refused, res.Text), "; ")
		return nil, &e
	default:
		res.Notes = refused
	}
	return res, nil
}

// namesOne reports whether one of the words is the number of a node.
func namesOne(words []string) bool {
	parsed, err := ParseNodes(words)
	return err == nil && slices.ContainsFunc(parsed, func(w NodeWord) bool { return w.ID != 0 })
}
