package netlab

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// stopTimeout is how long, in real time, a node may take to end when it is told
// to stop: it writes what waits for its disk, and closes its log.
const stopTimeout = 10 * time.Second

// stopNodes ends nodes with SIGTERM. They close their logs: unlike after a kill
// all that they have written is there when they come back. A paused one is
// resumed for it.
func (l *lab) stopNodes(ctx context.Context, op *Op) (*OpResult, error) {
	alive := func(s *NodeStatus) bool { return s.State != StateDead || s.RestartNS != 0 }
	members, idle, err := l.pick(op, alive, "every %s is dead already", deadAlready)
	if err != nil || idle != nil {
		return idle, err
	}
	res, did := &OpResult{}, deeds{}
	var before []nodePast
	for _, m := range members {
		if l.leaveDead(m, op, &did, res) {
			continue
		}
		pid, ok, err := l.stopMember(ctx, m, res)
		if err != nil {
			return nil, err
		}
		if ok {
			did.add(m.id, "stopped", pid)
			before = append(before, nodePast{m: m, back: "restart"})
			res.Event = l.processEvent(m, op, "stopped"+signalText("SIGTERM", pid))
		} else {
			did.add(m.id, "had just died already", 0)
		}
	}
	did.tell(res)
	res.note(l.quorumNote())
	l.rememberNodes(op, res, before)
	return res, nil
}

// deadAlready refuses what is dead and would stay so.
func deadAlready(m *member) *Error {
	if m.status.State == StateDead && m.again == nil {
		return Errorf(ExitConflict, "S%d is dead already", m.id).WithHint("raftlab restart %d", m.id)
	}
	return nil
}

// stopMember asks a node's process to end, and waits for it; false when it has
// none. What caused it makes the event.
func (l *lab) stopMember(ctx context.Context, m *member, res *OpResult) (pid int, ok bool, err error) {
	l.mu.Lock()
	c, paused := m.proc, m.status.State == StatePaused
	if c != nil {
		m.asked = true
	}
	l.mu.Unlock()
	if c == nil {
		return 0, false, nil
	}
	// One that has just ended cannot be signalled, and is waited for all the same.
	if paused {
		_ = c.resume()
	}
	_ = c.terminate()
	err = l.await(ctx, wake{on: channels{c.gone}, after: stopTimeout})
	switch {
	case isClosed(c.gone):
	case err == nil:
		return c.pid, false, Errorf(ExitTimeout, "S%d%s was told to stop, and has not ended for %v", m.id, c.who(), stopTimeout).WithHint("raftlab kill %d", m.id)
	default:
		return c.pid, false, Errorf(ExitTimeout, "S%d%s was told to stop, and nobody waits for it any more: %v", m.id, c.who(), err).WithHint("raftlab status %d", m.id)
	}
	// A process that a signal ended says so by its code (128 and the signal's number).
	if !strings.HasSuffix(c.exit, "exit status 0") && !strings.HasSuffix(c.exit, "exit status 143") && !strings.Contains(c.exit, "terminated") {
		res.note(fmt.Sprintf("S%d did not end well: %s", m.id, c.why()))
	}
	return c.pid, true, nil
}
