package netlab

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/wire"
)

// past is what stood before a change that somebody made to the network or to
// nodes. What a nemesis does is none: it undoes that itself.
type past struct {
	by   *Op
	text string // what it did

	network bool // the network was changed:
	on      []setting
	nodes   []nodePast
}

// nodePast is what a node was like before a change: the one of these that was
// changed.
type nodePast struct {
	m     *member
	disk  *nodeDisk
	clock *nodeClock
	back  string // the verb that undoes what was done to its process: restart, pause, resume
}

// pastMax bounds how far undo goes back.
const pastMax = 100

// remember has undo go back to p first. With lab.mu held.
func (l *lab) remember(p past) {
	if p.by.noUndo || !p.network && len(p.nodes) == 0 {
		return
	}
	f := &l.faults
	if n := len(f.past); n > 0 && f.past[n-1].by == p.by {
		f.past[n-1].nodes = append(f.past[n-1].nodes, p.nodes...) // of one change that is of both
		return
	}
	if len(f.past) == pastMax {
		f.past = slices.Delete(f.past, 0, 1)
	}
	f.past = append(f.past, p)
}

// line is what made the change: the command line, or what it did when there is
// none.
func (p *past) line() string {
	if p.by.Line != "" {
		return p.by.Line
	}
	return p.text
}

// before is what was set on the network. What has ended by itself meanwhile does
// not come back.
func (p *past) before() []setting {
	return slices.DeleteFunc(slices.Clone(p.on), func(s setting) bool { return s.over })
}

// differs tells whether going back to p would change anything: what it did may
// be over, or of a node that is gone. With lab.mu held.
func (l *lab) differs(p *past) bool {
	return p.network && !sameSettings(p.before(), l.faults.on) || slices.ContainsFunc(p.nodes, l.nodeDiffers)
}

func (l *lab) nodeDiffers(n nodePast) bool {
	m := n.m
	switch state := m.status.State; {
	case l.member(m.id) != m:
		return false
	case n.disk != nil:
		return m.disk.spec() != n.disk.spec()
	case n.clock != nil:
		d, now := n.clock.now(), l.clock.Now()
		return n.clock.rate() != m.own.rate() || d.Own(now) != m.own.now().Own(now)
	case n.back == "restart":
		return state == StateDead
	case n.back == "resume":
		return state == StatePaused
	default:
		return state == StateUp
	}
}

func sameSettings(a, b []setting) bool {
	return slices.EqualFunc(a, b, func(x, y setting) bool { return x.fault == y.fault && x.links == y.links })
}

// undoLine is what undo would take back, "" when there is nothing. With lab.mu
// held.
func (l *lab) undoLine() string {
	for i := range slices.Backward(l.faults.past) {
		if p := &l.faults.past[i]; l.differs(p) {
			return p.line()
		}
	}
	return ""
}

// undo takes back the last change to the network or to nodes that still makes a
// difference. What cannot be taken back, a wipe or a flipped bit, is none. It is
// done as the operations on processes are, one at a time.
func (l *lab) undo(ctx context.Context, op *Op) (*OpResult, error) {
	l.mu.Lock()
	f := &l.faults
	for len(f.past) > 0 && !l.differs(&f.past[len(f.past)-1]) {
		f.past = f.past[:len(f.past)-1]
	}
	if len(f.past) == 0 {
		l.touchLab()
		l.mu.Unlock()
		return &OpResult{Text: "nothing to undo: nothing that was changed is left to take back"}, nil
	}
	p := f.past[len(f.past)-1]
	res := &OpResult{Text: "undone: " + p.line()}
	if p.network {
		if err := l.undoNetwork(&p, op, res); err != nil {
			l.mu.Unlock()
			return nil, err
		}
	}
	l.mu.Unlock()
	did, err := l.undoNodes(ctx, p.nodes, op, res)
	if err != nil {
		return nil, err // what is left of it is undone when it is asked for again
	}
	if len(did) > 0 {
		res.Text += "; " + strings.Join(did, ", ")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(f.past); n > 0 && f.past[n-1].by == p.by {
		f.past = f.past[:n-1]
	}
	l.touchLab()
	return res, nil
}

// undoNetwork sets on the network what was set before. With lab.mu held.
func (l *lab) undoNetwork(p *past, op *Op, res *OpResult) error {
	held := len(l.network.held())
	if err := l.setNetwork(p.before()); err != nil {
		return err
	}
	if p.by.Line != "" {
		res.Text += " (" + p.text + ")"
	}
	if n := held - len(l.network.held()); n > 0 {
		res.Text += ", " + heldFrames(n) + " let go"
	}
	res.Event = l.faultEvent(op, res.Text)
	for _, n := range l.stillFaulty() {
		res.note(n)
	}
	return nil
}

// undoNodes makes nodes what they were before, where they differ, and says what
// they are then. With acting held.
func (l *lab) undoNodes(ctx context.Context, nodes []nodePast, op *Op, res *OpResult) (did []string, err error) {
	back := make(map[string][]string) // nodes by the verb
	for _, n := range nodes {
		l.mu.Lock()
		differs := l.nodeDiffers(n)
		l.mu.Unlock()
		switch {
		case !differs:
			continue
		case n.disk != nil:
			text, err := l.undoDisk(ctx, n.m, n.disk, op, res)
			if err != nil {
				return nil, err
			}
			did = append(did, text)
		case n.clock != nil:
			did = append(did, l.undoClock(n.m, n.clock, op, res))
		default:
			back[n.back] = append(back[n.back], fmt.Sprint(n.m.id))
			continue
		}
		res.Nodes = append(res.Nodes, n.m.id)
	}
	for _, verb := range []string{"restart", "resume", "pause"} {
		if len(back[verb]) == 0 {
			continue
		}
		act := map[string]func(context.Context, *Op) (*OpResult, error){"restart": l.restart, "resume": l.resume, "pause": l.pause}[verb]
		// Not to be remembered: the next undo goes further back.
		more, err := act(ctx, &Op{Verb: verb, Nodes: back[verb], Line: op.Line, noUndo: true})
		if err != nil {
			return nil, err
		}
		did = append(did, more.Text)
		res.Nodes, res.Event = append(res.Nodes, more.Nodes...), more.Event
		res.Notes = append(res.Notes, more.Notes...)
	}
	return did, nil
}

func (l *lab) undoDisk(ctx context.Context, m *member, was *nodeDisk, op *Op, res *OpResult) (string, error) {
	if _, _, err := l.giveDisk(ctx, m, was.spec(), op); err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.disk.Fault != wire.DiskOK && m.disk.spec() == was.spec() {
		m.disk.fault = was.fault // the one that it was
	}
	res.Event = l.event(Event{Kind: EventFault, Node: m.id, Text: "disk: " + diskText(was.Disk), Line: op.Line})
	return fmt.Sprintf("the disk of S%d: %s", m.id, diskText(was.Disk)), nil
}

func (l *lab) undoClock(m *member, was *nodeClock, op *Op, res *OpResult) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	setting := l.clock.Setting()
	d := clock.Drift{From: setting.At, Shows: was.now().Own(setting.At), Rate: was.rate()}
	l.setBack(m, d, res)
	l.runClock(m, d, setting)
	m.own.fault = was.fault
	res.Event = l.event(Event{Kind: EventFault, Node: m.id, Text: "its clock " + clockText(d), Line: op.Line})
	return fmt.Sprintf("S%d's clock %s", m.id, clockText(d))
}
