package netlab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/raftlab/raftlab/node/wire"
)

// The operations on nodes' processes. They are done one at a time (lab.acting).

// kill ends nodes with SIGKILL.
func (l *lab) kill(_ context.Context, op *Op) (*OpResult, error) {
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
		pid, ok, err := l.killMember(m)
		if err != nil {
			return nil, err
		}
		if ok {
			did.add(m.id, "killed", pid)
			before = append(before, nodePast{m: m, back: "restart"})
			res.Event = l.processEvent(m, op, "killed"+signalText("SIGKILL", pid))
		} else {
			did.add(m.id, "had just died already", 0)
		}
	}
	did.tell(res)
	res.note(l.quorumNote())
	l.rememberNodes(op, res, before)
	return res, nil
}

// rememberNodes has undo make nodes what they were before.
func (l *lab) rememberNodes(op *Op, res *OpResult, before []nodePast) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remember(past{by: op, text: res.Text, nodes: before})
}

// restart starts nodes with the data they have; a running one is killed first.
func (l *lab) restart(ctx context.Context, op *Op) (*OpResult, error) {
	if op.Policy != "" {
		return l.setPolicy(op)
	}
	members, idle, err := l.pick(op, anyNode, "no node is a %s now", nil)
	if err != nil || idle != nil {
		return idle, err
	}
	res, did := &OpResult{}, deeds{}
	for _, m := range members {
		old, killed, err := l.killMember(m)
		if err != nil {
			return nil, err
		}
		with := l.withWhat(m)
		if killed {
			did.add(m.id, "killed and restarted "+with, old)
			res.Event = l.processEvent(m, op, fmt.Sprintf("killed%s and restarted %s", pidText(old), with))
		} else {
			did.add(m.id, "restarted "+with, 0)
			res.Event = l.processEvent(m, op, "restarted "+with)
		}
		if err := l.startMember(m); err != nil {
			return nil, err
		}
	}
	for _, m := range members {
		if err := l.awaitJoin(ctx, m); err != nil {
			return nil, err
		}
	}
	did.tell(res)
	l.forgotNotes(members, res)
	return res, nil
}

// withWhat says what a node is started with.
func (l *lab) withWhat(m *member) string {
	if stored, err := l.engine.hasData(m.id); err == nil && !stored {
		return "with nothing: its data is gone"
	}
	return "with its data"
}

// pause stops nodes where they are (SIGSTOP).
func (l *lab) pause(_ context.Context, op *Op) (*OpResult, error) {
	return l.signal(op, StateUp, StatePaused, "paused", "SIGSTOP", life.pause)
}

// resume lets paused nodes go on (SIGCONT).
func (l *lab) resume(_ context.Context, op *Op) (*OpResult, error) {
	return l.signal(op, StatePaused, StateUp, "resumed", "SIGCONT", life.resume)
}

func (l *lab) signal(op *Op, from, to, done, signal string, send func(life) error) (*OpResult, error) {
	fits := func(s *NodeStatus) bool { return s.State == from }
	nothing := "no %s runs that could be paused"
	if from == StatePaused {
		nothing = "no %s is paused"
	}
	members, idle, err := l.pick(op, fits, nothing, func(m *member) *Error {
		switch state := m.status.State; {
		case state == StateDead:
			return Errorf(ExitConflict, "S%d is dead", m.id).WithHint("raftlab restart %d", m.id)
		case state == to && to == StatePaused:
			return Errorf(ExitConflict, "S%d is paused already", m.id).WithHint("raftlab resume %d", m.id)
		case state == to:
			return Errorf(ExitConflict, "S%d is not paused", m.id).WithHint("raftlab status %d", m.id)
		}
		return nil
	})
	if err != nil || idle != nil {
		return idle, err
	}
	res, did := &OpResult{}, deeds{}
	var before []nodePast
	back := "resume"
	if from == StatePaused {
		back = "pause"
	}
	for _, m := range members {
		l.mu.Lock()
		c := m.proc
		l.mu.Unlock()
		if c == nil {
			return nil, Errorf(ExitConflict, "S%d has just died", m.id).WithHint("raftlab restart %d", m.id)
		}
		if err := send(c); err != nil {
			if known, ok := err.(*Error); ok {
				return nil, known
			}
			return nil, Errorf(ExitFailed, "%s S%d%s: %v", op.Verb, m.id, c.who(), err)
		}
		l.mu.Lock()
		if m.proc == c {
			m.status.State, m.status.StateNS = to, int64(l.clock.Now())
			l.touch(m)
		}
		l.mu.Unlock()
		text := done
		if c.pid != 0 {
			text += " (" + signal + ")"
		}
		did.add(m.id, text, 0)
		before = append(before, nodePast{m: m, back: back})
		res.Event = l.processEvent(m, op, text+c.who())
	}
	did.tell(res)
	if to == StatePaused {
		res.note(l.quorumNote())
	}
	l.rememberNodes(op, res, before)
	return res, nil
}

// wipe deletes nodes' data; a live one is killed first.
func (l *lab) wipe(_ context.Context, op *Op) (*OpResult, error) {
	members, idle, err := l.pick(op, anyNode, "no node is a %s now", nil)
	if err != nil || idle != nil {
		return idle, err
	}
	res, did := &OpResult{}, deeds{}
	res.note(l.lossNote(members))
	for _, m := range members {
		pid, killed, err := l.killMember(m)
		if err != nil {
			return nil, err
		}
		if err := l.engine.wipe(m.id); err != nil {
			return nil, Errorf(ExitFailed, "delete the data of S%d: %v", m.id, err)
		}
		l.checks.wiped(m.id, l.clock.Now())
		text := "wiped"
		if killed {
			text = "killed and wiped"
		}
		l.mu.Lock()
		m.stayDead()
		old := m.status
		m.status = newNodeStatus(m.id)
		m.status.StateNS, m.status.Starts, m.status.Disk = old.StateNS, old.Starts, old.Disk
		m.said = said{}
		m.target = nil
		l.touch(m)
		l.mu.Unlock()
		did.add(m.id, text, pid)
		res.Event = l.processEvent(m, op, text+": term, vote, log and snapshots are gone")
	}
	if err := l.forgets(members); err != nil {
		return nil, toError("wipe", err)
	}
	did.tell(res)
	res.note(l.quorumNote())
	return res, nil
}

// elect has nodes time out now. All orders leave before any outcome is
// awaited, so that several stand at once; it works while the clock is held.
func (l *lab) elect(ctx context.Context, op *Op) (*OpResult, error) {
	up := func(s *NodeStatus) bool { return s.State == StateUp && s.Role != RoleLeader }
	members, idle, err := l.pick(op, up, "no %s runs that does not lead already", nil)
	if err != nil || idle != nil {
		return idle, err
	}
	type asked struct {
		m    *member
		wait func(context.Context) (wire.Outcome, error)
	}
	var orders []asked
	for _, m := range members {
		wait, err := l.order(m, wire.Order{Verb: wire.OrderElect})
		if err != nil {
			return nil, err
		}
		orders = append(orders, asked{m, wait})
	}
	res := &OpResult{}
	for _, o := range orders {
		out, err := o.wait(ctx)
		if err != nil {
			return nil, err
		}
		if out.Error != "" {
			return nil, Errorf(ExitConflict, "S%d does not stand for election: %s", o.m.id, out.Error).WithHint("raftlab status %d", o.m.id)
		}
		res.Nodes = append(res.Nodes, o.m.id)
	}
	times := "times"
	if len(res.Nodes) > 1 {
		times = "time"
	}
	res.Text = fmt.Sprintf("%s %s out now", names(res.Nodes), times)
	l.mu.Lock()
	for _, id := range res.Nodes {
		res.Event = l.event(Event{Kind: EventProcess, Node: id, Text: "was told to time out now", Line: op.Line})
	}
	l.mu.Unlock()
	return res, nil
}

// pick resolves the nodes of op and asks of each whether it may be. When words
// like all or followers name no node that fits, idle is what there is to say:
// nothing stands as a fact of "node" or "follower". A node that was to be drawn
// at random and is not there is an error.
func (l *lab) pick(op *Op, fits func(*NodeStatus) bool, nothing string, refuse func(*member) *Error) (members []*member, idle *OpResult, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	members, err = l.resolve(op.Nodes, fits)
	var none *nobody
	if errors.As(err, &none) {
		fact := l.nothingFor(none.word, nothing)
		if none.word.Group == WordRandom || len(fields(op.Nodes)) > 1 {
			return nil, nil, Errorf(ExitConflict, "%s", fact).WithHint("raftlab status")
		}
		return nil, &OpResult{Text: fact}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if refuse != nil {
		for _, m := range members {
			if err := refuse(m); err != nil {
				return nil, nil, err
			}
		}
	}
	return members, nil, nil
}

// nothingFor is the fact about a group that names no node. With lab.mu held.
func (l *lab) nothingFor(w NodeWord, nothing string) string {
	switch {
	case w.Group == WordDead && !slices.ContainsFunc(l.members, func(m *member) bool { return m.status.State == StateDead }):
		return "no node is dead"
	case w.Group == WordDead:
		return fmt.Sprintf(nothing, "dead node")
	case w.Group == WordLearners && len(l.configuration().Learners) == 0:
		return "no node is a learner"
	case w.Group == WordLearners:
		return fmt.Sprintf(nothing, "learner")
	case w.Group != WordFollowers:
		return fmt.Sprintf(nothing, "node")
	}
	leader, config := l.leader(), l.configuration()
	for _, m := range l.members {
		if m.id != leader && m.status.State != StateDead && m.status.Role == RoleFollower && config.Voter(m.id) {
			return fmt.Sprintf(nothing, "follower")
		}
	}
	return "no node is a follower now"
}

func (l *lab) processEvent(m *member, op *Op, text string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.event(Event{Kind: EventProcess, Node: m.id, Text: text, Line: op.Line})
}

// quorumNote says that too few nodes run, "" when enough do.
func (l *lab) quorumNote() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.configuration()
	if c.Decides(l.up) {
		return ""
	}
	tallies := c.tallies(l.up)
	if len(tallies) == 1 {
		t := tallies[0]
		return fmt.Sprintf("%d of %d %s run, the quorum is %d: nothing can be elected or committed until more do", t.have, t.of, l.noun(&c), t.need())
	}
	have, need := talliesText(tallies, "")
	return fmt.Sprintf("the configuration is joint, and %s run, %s are needed: nothing can be elected or committed until more do", have, need)
}

// lossNote says that wiping these nodes can lose what is committed: fewer than
// a majority would be left that store it, so an election could be won without
// them (§5.4.1 counts on a majority that remembers).
func (l *lab) lossNote(wiped []*member) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	commit := uint64(0)
	for _, m := range l.members {
		commit = max(commit, m.status.Commit)
	}
	if commit == 0 {
		return ""
	}
	stores := func(id int) bool {
		m := l.member(id)
		return m != nil && !slices.Contains(wiped, m) && m.status.Durable >= commit
	}
	c := l.configuration()
	if c.Decides(stores) {
		return ""
	}
	have, need := talliesText(c.tallies(stores), l.noun(&c))
	return fmt.Sprintf("entries up to %d are committed, but only %s are left that store them all: with fewer than %s, a majority can elect a leader that never had them (§5.4.1)",
		commit, have, need)
}

// deeds are what an operation did to nodes, for the line that says so.
type deeds []struct {
	node int
	text string
	pid  int // of a process that ended, 0 when none did
}

func (d *deeds) add(node int, text string, pid int) {
	*d = append(*d, struct {
		node int
		text string
		pid  int
	}{node, text, pid})
}

// tell puts the deeds into r: "S3 killed (pid 4121)", "S1 S2 killed, S3
// restarted with its data".
func (d deeds) tell(r *OpResult) {
	nodes := make(map[string][]int)
	var texts []string
	for _, x := range d {
		r.Nodes = append(r.Nodes, x.node)
		if nodes[x.text] == nil {
			texts = append(texts, x.text)
		}
		nodes[x.text] = append(nodes[x.text], x.node)
	}
	for i, text := range texts {
		who := nodes[text]
		if len(who) > 1 {
			text = strings.Replace(text, "its data", "their data", 1)
		}
		texts[i] = names(who) + " " + text
	}
	r.Text = strings.Join(texts, ", ")
	if len(d) == 1 {
		r.Text += pidText(d[0].pid)
	}
}

// note adds what else the writer should know.
func (r *OpResult) note(text string) {
	if text != "" {
		r.Notes = append(r.Notes, text)
	}
}
