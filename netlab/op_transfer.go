package netlab

import (
	"context"
	"fmt"
	"slices"

	"github.com/raftlab/raftlab/netlab/explain"
	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// transfer has the leader hand over to a node, and waits until that leads
// (thesis §3.10).
func (l *lab) transfer(ctx context.Context, op *Op) (*OpResult, error) {
	if op.Timeout < 0 || op.Timeout > changeTimeoutMax {
		return nil, Errorf(ExitUsage, "the timeout is longer than 0 and at most %v, not %v", changeTimeoutMax, op.Timeout).WithHint("raftlab transfer 3 --timeout 30s")
	}
	from, to, err := l.heir(op)
	if err != nil {
		return nil, err
	}
	timeout := op.Timeout
	if timeout == 0 {
		timeout = changeTimeout
	}
	start := l.clock.Now()
	deadline := start + raft.Time(timeout)
	l.mu.Lock()
	term, failed := from.status.Term, from.refused.n
	l.mu.Unlock()
	wait, err := l.order(from, wire.Order{Verb: wire.OrderTransfer, Node: raft.NodeID(to.id)})
	if err != nil {
		return nil, err
	}
	out, err := wait(ctx)
	if err != nil {
		return nil, err
	}
	if out.Error != "" {
		return nil, Errorf(ExitConflict, "S%d does not hand over to S%d: %s", from.id, to.id, printable(out.Error, 512)).WithHint("raftlab status")
	}
	l.mu.Lock()
	event := l.event(Event{Kind: EventTransfer, Node: from.id, Peer: to.id, Text: fmt.Sprintf("was told to hand over to S%d", to.id), Line: op.Line})
	l.mu.Unlock()
	for {
		l.mu.Lock()
		changed, clock := l.changed(), l.clock.Changed()
		leader, now := l.leader(), l.clock.Now()
		heir := to.status
		gaveUp := from.refused.n > failed
		var led uint64
		if m := l.member(leader); m != nil {
			led = m.status.Term
		}
		l.mu.Unlock()
		switch {
		case leader == to.id && led > term:
			return &OpResult{
				Text:  fmt.Sprintf("S%d leads term %d: S%d handed over in %s", to.id, led, from.id, explain.Length(raft.Duration(now-start))),
				Nodes: []int{to.id}, Event: event,
			}, nil
		case gaveUp && leader == from.id && led == term:
			return nil, Errorf(ExitFailed, "S%d leads on: S%d did not take over within an election timeout (thesis §3.10). %s", from.id, to.id, l.whyNot(from.id, to.id)).
				WithHint("raftlab status")
		case leader != 0 && led > term && leader != to.id:
			return nil, Errorf(ExitFailed, "S%d leads term %d, not S%d: it stood first, or had more votes", leader, led, to.id).WithHint("raftlab transfer %d asks it", to.id)
		case heir.State == StateDead:
			return nil, Errorf(ExitFailed, "S%d died before it took over", to.id).WithHint("raftlab restart %d", to.id)
		case l.clock.Held():
			return nil, Errorf(ExitConflict, "the lab clock is held, so S%d cannot take over", to.id).WithHint("raftlab release lets it go on")
		case now >= deadline:
			return nil, Errorf(ExitTimeout, "S%d does not lead after %v of lab time. %s", to.id, timeout, l.why()).WithHint("raftlab status")
		}
		switch err := l.await(ctx, wake{on: channels{changed, clock}, at: deadline}); {
		case err == nil:
		case l.ctx.Err() != nil:
			return nil, errStopping
		default:
			return nil, Errorf(ExitTimeout, "transfer: nobody waits for it any more: %v", err).WithHint("raftlab status")
		}
	}
}

// heir finds the leader and the node that is to lead next, or says why it
// cannot.
func (l *lab) heir(op *Op) (from, to *member, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	leader, config := l.leader(), l.configuration()
	able := func(s *NodeStatus) bool {
		return s.State == StateUp && s.ID != leader && slices.Contains(config.Voters, s.ID)
	}
	if slices.Equal(op.Nodes, []string{WordDead}) {
		able = anyNode // who it is is said, and that it cannot
	}
	members, err := l.resolve(op.Nodes, able)
	if err != nil {
		return nil, nil, err
	}
	if len(members) != 1 {
		return nil, nil, Errorf(ExitUsage, "the leader hands over to one node, not to %d", len(members)).WithHint("raftlab transfer 3; raftlab transfer random")
	}
	to = members[0]
	if leader == 0 {
		return nil, nil, Errorf(ExitConflict, "there is no leader that could hand over").WithHint(`"raftlab wait leader" waits for one; "raftlab elect %d" has S%d stand without one`, to.id, to.id)
	}
	from = l.member(leader)
	switch {
	case !l.config.Transfer:
		return nil, nil, Errorf(ExitConflict, "leadership transfer is switched off in this lab").WithHint("raftlab elect %d has it stand without the leader's help", to.id)
	case to == from:
		return nil, nil, Errorf(ExitConflict, "S%d leads already", to.id).WithHint("raftlab transfer random")
	case to.status.State == StateDead:
		return nil, nil, Errorf(ExitConflict, "S%d is dead and cannot lead", to.id).WithHint("raftlab restart %d", to.id)
	case to.status.State == StatePaused:
		return nil, nil, Errorf(ExitConflict, "S%d is paused and cannot lead", to.id).WithHint("raftlab resume %d", to.id)
	case slices.Contains(config.Learners, to.id):
		return nil, nil, Errorf(ExitConflict, "S%d is a learner: it has no vote and cannot lead (thesis §4.2.1)", to.id).WithHint("raftlab add %d gives it one", to.id)
	case !config.Voter(to.id):
		return nil, nil, Errorf(ExitConflict, "S%d is no member and cannot lead", to.id).WithHint("raftlab add %d", to.id)
	case l.clock.Held():
		return nil, nil, Errorf(ExitConflict, "the lab clock is held, so S%d cannot take over", to.id).WithHint("raftlab release; raftlab elect %d works while it is held", to.id)
	}
	return from, to, nil
}

// whyNot says what stood between a leader and the node it was to hand over to.
func (l *lab) whyNot(from, to int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var in, out bool
	for _, f := range l.faults.links {
		shut := bool(f.rules.Wall) || slices.ContainsFunc(f.rules.Faults, link.Is[link.Cut])
		in = in || shut && f.from == to && f.to == from
		out = out || shut && f.from == from && f.to == to
	}
	switch {
	case in && out:
		return fmt.Sprintf("Nothing passes between S%d and S%d", from, to)
	case out:
		return fmt.Sprintf("Nothing passes from S%d to S%d", from, to)
	case in:
		return fmt.Sprintf("Nothing passes from S%d to S%d", to, from)
	}
	if l.member(to) == nil {
		return fmt.Sprintf("S%d was removed", to)
	}
	if f, t := l.member(from), l.member(to); f != nil && t.status.LastIndex < f.status.LastIndex {
		return fmt.Sprintf("Its log ends at %d, the leader's at %d", t.status.LastIndex, f.status.LastIndex)
	}
	return "It heard of it too late, or won no majority"
}
