package netlab

import (
	"fmt"
	"time"

	"github.com/raftlab/raftlab/raft"
)

// What becomes of a node that ends by itself, because its disk fails, because it
// crashes, or because something that is not the lab kills it. Nodes that the lab
// was told to kill, stop or wipe are never restarted by it: somebody wanted them
// dead, until somebody restarts them.
const (
	PolicyNever     = "never"
	PolicyOnFailure = "on-failure"
)

// A node that ends by itself is restarted after comebackMin, which doubles with
// every time that it does not last comebackSteady, up to comebackMax. All of that
// is lab time, so a held lab waits, and so does what is broken in one that is
// slow.
const (
	comebackMin    = 100 * time.Millisecond
	comebackMax    = time.Minute
	comebackSteady = 10 * time.Second
)

// comeback is a node's next start.
type comeback struct {
	due raft.Time
	try int           // how many times in a row, this one included
	off chan struct{} // closed when it is called off
}

// policyError says what is wrong with a policy's name.
func policyError(policy string) error {
	if policy == PolicyNever || policy == PolicyOnFailure {
		return nil
	}
	return Errorf(ExitUsage, "there is no restart policy %s", quote(policy)).WithHint("policies: %s %s", PolicyNever, PolicyOnFailure)
}

// setPolicy says what becomes of nodes that end by themselves from now on.
func (l *lab) setPolicy(op *Op) (*OpResult, error) {
	if err := policyError(op.Policy); err != nil {
		return nil, err
	}
	if len(op.Nodes) > 0 || op.Rolling {
		return nil, Errorf(ExitUsage, "the restart policy is that of the whole lab: it goes with no node").WithHint("raftlab restart --policy %s", op.Policy)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.policy == op.Policy {
		return &OpResult{Text: fmt.Sprintf("the restart policy is %s already", op.Policy)}, nil
	}
	l.policy = op.Policy
	res := &OpResult{Text: "nodes that end by themselves stay dead"}
	var dead []int
	for _, m := range l.members {
		if op.Policy == PolicyNever {
			m.stayDead()
		} else if m.status.State == StateDead {
			dead = append(dead, m.id)
		}
	}
	if op.Policy == PolicyOnFailure {
		res.Text = fmt.Sprintf("nodes that end by themselves are restarted, after %v at first and up to %v", comebackMin, comebackMax)
	}
	if len(dead) > 0 {
		res.note(fmt.Sprintf(`%s %s dead already and not restarted by that: "raftlab restart %s"`, names(dead), oneOrMany(len(dead), "is", "are"), numbers(dead)))
	}
	l.touchLab()
	res.Event = l.event(Event{Kind: EventProcess, Text: "restart policy " + op.Policy + ": " + res.Text, Line: op.Line})
	return res, nil
}

// comeBack has a node that has ended by itself restarted, as the policy says.
// With lab.mu held.
func (l *lab) comeBack(m *member) {
	if l.policy != PolicyOnFailure || m.leaves || l.ctx.Err() != nil {
		return
	}
	now := l.clock.Now()
	if m.up && now-m.begun >= raft.Time(comebackSteady) {
		m.tries = 0
	}
	wait := comebackMax
	if m.tries < 16 {
		wait = min(comebackMin<<m.tries, comebackMax)
	}
	m.tries++
	a := &comeback{due: now + raft.Time(wait), try: m.tries, off: make(chan struct{})}
	m.again, m.status.RestartNS = a, int64(a.due)
	l.spawn(func() { l.bringBack(m, a) })
}

// stayDead calls a node's next start off, and tells whether there was to be one.
// With lab.mu held.
func (m *member) stayDead() bool {
	if m.again == nil {
		return false
	}
	close(m.again.off)
	m.again, m.status.RestartNS = nil, 0
	return true
}

// leaveDead is what kill and stop do with a node that is dead and would come
// back.
func (l *lab) leaveDead(m *member, op *Op, did *deeds, res *OpResult) bool {
	l.mu.Lock()
	off := m.stayDead()
	if off {
		l.touch(m)
	}
	l.mu.Unlock()
	if off {
		did.add(m.id, "stays dead: it is not restarted", 0)
		res.Event = l.processEvent(m, op, "stays dead: its restart is called off")
	}
	return off
}

// bringBack starts a node when its time has come.
func (l *lab) bringBack(m *member, a *comeback) {
	for {
		changed := l.clock.Changed()
		wait, comes := l.clock.Until(a.due)
		if comes && wait == 0 {
			break
		}
		if l.await(l.ctx, wake{on: channels{changed, a.off}, at: a.due}) != nil || isClosed(a.off) {
			return
		}
	}
	l.acting.Lock()
	defer l.acting.Unlock()
	l.mu.Lock()
	if m.again != a || m.proc != nil || l.member(m.id) != m || l.ctx.Err() != nil {
		l.mu.Unlock()
		return
	}
	m.again, m.status.RestartNS = nil, 0
	text := "restarted by itself: the policy is " + PolicyOnFailure
	if a.try > 1 {
		text += fmt.Sprintf(", and this is time %d in a row", a.try)
	}
	l.event(Event{Kind: EventProcess, Node: m.id, Text: text})
	l.mu.Unlock()
	if err := l.startMember(m); err != nil {
		l.log.Error("node not restarted", "node", m.id, "error", err)
		l.mu.Lock()
		defer l.mu.Unlock()
		m.status.Exit = toError("restart", err).Message
		l.event(Event{Kind: EventProcess, Node: m.id, Text: "cannot be started: " + m.status.Exit})
		l.comeBack(m)
		l.touch(m)
	}
}
