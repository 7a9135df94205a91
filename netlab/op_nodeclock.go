package netlab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// What is done to a node's clock, as Op.Action names it.
const (
	ClockRate = "rate"
	ClockSkew = "skew"
	ClockOK   = "ok"
)

const clockHint = "raftlab clock 3 rate 1.2; raftlab clock 3 skew -30ms; raftlab clock 3 ok"

// skewMax bounds how far a node's clock is set ahead or back.
const skewMax = time.Hour

// driftsKept bounds how many of the ways a clock ran are remembered.
const driftsKept = 8

// nodeClock is how a node's own clock ran beside the lab's, the last way
// last; empty for a clock that always showed lab time. What was a node's time is
// found again with the way it ran then.
type nodeClock struct {
	ran   []clock.Drift
	fault nodeFault
}

// now is how it runs.
func (c *nodeClock) now() clock.Drift {
	if n := len(c.ran); n > 0 {
		return c.ran[n-1]
	}
	return clock.Drift{}
}

// run has it run otherwise from the lab time d.From on.
func (c *nodeClock) run(d clock.Drift) {
	if len(c.ran) == driftsKept {
		c.ran = c.ran[1:]
	}
	c.ran = append(slices.Clip(c.ran), d)
}

// lab is the lab time at which the clock showed own, or will.
func (c *nodeClock) lab(own raft.Time) raft.Time {
	for i := len(c.ran) - 1; i >= 0; i-- {
		if d := c.ran[i]; own >= d.Shows {
			return d.Lab(own)
		}
	}
	return own // it showed lab time before the first
}

// rate is how fast the clock runs beside the lab's.
func (c *nodeClock) rate() float64 {
	if d := c.now(); d.Rate != 0 {
		return d.Rate
	}
	return 1
}

// off tells whether the clock shows, or will show, another time than the lab's.
func (c *nodeClock) off(now raft.Time) bool { return c.rate() != 1 || c.ahead(now) != 0 }

// ahead is how far the clock is ahead of the lab's at a lab time.
func (c *nodeClock) ahead(now raft.Time) raft.Duration { return raft.Duration(c.now().Own(now) - now) }

// shown is a node's status as it is at a lab time. With lab.mu held.
func (m *member) shown(now raft.Time) NodeStatus {
	s := m.status
	s.ClockRate, s.SkewNS = m.own.rate(), int64(m.own.ahead(now))
	return s
}

// report makes the times in what a node reports, which are its own clock's, the
// lab's.
func (c *nodeClock) report(r *wire.Report) {
	if len(c.ran) == 0 {
		return
	}
	for i := range r.Facts {
		r.Facts[i].At = c.lab(r.Facts[i].At)
	}
	s := r.State
	if s == nil {
		return
	}
	for _, t := range []*raft.Time{&s.At, &s.TimerStart, &s.TimerEnd, &s.LeaseEnd} {
		*t = c.lab(*t)
	}
	for i := range s.Peers {
		s.Peers[i].LastAck = c.lab(s.Peers[i].LastAck)
	}
}

// waits makes the times in what waits for a node the lab's.
func (l *lab) waits(id int, w *wire.Waiting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.member(id); m != nil {
		w.At, w.Due = m.own.lab(w.At), m.own.lab(w.Due)
	}
}

// ownTime is what a node's clock shows at a lab time.
func (l *lab) ownTime(id int, at raft.Time) raft.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.member(id); m != nil {
		return m.own.now().Own(at)
	}
	return at
}

// DescribeClock says how the clock that op asks for runs: a clause that goes on
// from its name. The error is an *Error.
func DescribeClock(op *Op) (string, error) {
	if err := clockError(op); err != nil {
		return "", err
	}
	d := clock.Drift{Rate: 1}
	switch op.Action {
	case ClockRate:
		d.Rate = op.Rate
	case ClockSkew:
		d.Shows = raft.Time(op.Skew)
	}
	return clockText(d), nil
}

// setNodeClock changes how nodes' own clocks run beside the lab's. A dead node
// finds its clock so when it is started.
func (l *lab) setNodeClock(_ context.Context, op *Op) (*OpResult, error) {
	if err := clockError(op); err != nil {
		return nil, err
	}
	members, idle, err := l.pick(op, anyNode, "no node is a %s now", nil)
	if err != nil || idle != nil {
		return idle, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	setting := l.clock.Setting()
	res := &OpResult{}
	var texts []string
	var before []nodePast
	for _, m := range members {
		ran := m.own
		was := ran.now()
		d := clock.Drift{From: setting.At, Shows: was.Own(setting.At), Rate: m.own.rate()}
		switch op.Action {
		case ClockRate:
			d.Rate = op.Rate
		case ClockSkew:
			d.Shows = d.From + raft.Time(op.Skew)
		default:
			d.Shows, d.Rate = d.From, 1
		}
		text := clockText(d)
		if d.Rate == m.own.rate() && d.Shows == was.Own(setting.At) {
			texts = append(texts, fmt.Sprintf("S%d's clock %s already", m.id, text))
			continue
		}
		l.setBack(m, d, res)
		l.runClock(m, d, setting)
		before = append(before, nodePast{m: m, clock: &ran})
		m.own.fault = l.newNodeFault(op)
		res.Nodes = append(res.Nodes, m.id)
		res.Event = l.event(Event{Kind: EventFault, Node: m.id, Text: "its clock " + text, Line: op.Line})
		texts = append(texts, fmt.Sprintf("S%d's clock %s", m.id, text))
	}
	res.Text = strings.Join(texts, "; ")
	l.remember(past{by: op, text: res.Text, nodes: before})
	return res, nil
}

// setBack notes how long a node's clock will stand that d would have go back.
// With lab.mu held.
func (l *lab) setBack(m *member, d clock.Drift, res *OpResult) {
	if back := m.own.now().Own(d.From) - d.Shows; back > 0 {
		res.note(fmt.Sprintf("a clock does not go back: S%d's stands for the next %v, until what it shows is right", m.id, time.Duration(float64(back)/d.Rate).Round(time.Microsecond)))
	}
}

// runClock has a node's clock run as d says. With lab.mu held.
func (l *lab) runClock(m *member, d clock.Drift, setting clock.Setting) {
	m.own.run(d)
	if m.conn != nil {
		m.conn.tellClock(d.Setting(setting))
	}
	l.touch(m)
}

// healClocks has all clocks show lab time again, and returns how those ran that
// did not. With lab.mu held.
func (l *lab) healClocks() (healed []nodePast) {
	setting := l.clock.Setting()
	for _, m := range l.members {
		if m.own.off(setting.At) {
			ran := m.own
			healed = append(healed, nodePast{m: m, clock: &ran})
			l.runClock(m, clock.Drift{From: setting.At, Shows: setting.At, Rate: 1}, setting)
		}
	}
	return healed
}

// clockError says what is wrong with what op asks of clocks.
func clockError(op *Op) error {
	switch op.Action {
	case ClockOK:
		return nil
	case ClockRate:
		if !(op.Rate >= SpeedMin && op.Rate <= SpeedMax) {
			return Errorf(ExitUsage, "a node's clock runs %g to %g times as fast as the lab's, not %g", float64(SpeedMin), float64(SpeedMax), op.Rate).
				WithHint("raftlab clock 3 rate 0.5; raftlab pause 3 stops a node")
		}
		return nil
	case ClockSkew:
		if op.Skew < -skewMax || op.Skew > skewMax {
			return Errorf(ExitUsage, "a node's clock is %v at most ahead of the lab's or behind it, not %v", skewMax, op.Skew).WithHint("raftlab clock 3 skew 30ms")
		}
		return nil
	}
	return Errorf(ExitUsage, "a clock is given a rate or a skew or is ok again, not %s", quote(op.Action)).WithHint("%s", clockHint)
}

// clockWords is how a clock was set, in the words of a command line.
func clockWords(d clock.Drift) string {
	skew := time.Duration(d.Shows - d.From)
	if d.Rate == 1 || d.Rate == 0 {
		return fmt.Sprintf("%s %v", ClockSkew, skew)
	}
	return fmt.Sprintf("%s %g", ClockRate, d.Rate)
}

// clockText says how a clock runs: a clause that goes on from its name.
func clockText(d clock.Drift) string {
	var texts []string
	if d.Rate != 1 {
		texts = append(texts, fmt.Sprintf("runs %g times as fast as the lab's", d.Rate))
	}
	switch ahead := time.Duration(d.Shows - d.From); {
	case ahead > 0:
		texts = append(texts, fmt.Sprintf("is %v ahead", ahead))
	case ahead < 0:
		texts = append(texts, fmt.Sprintf("is %v behind", -ahead))
	}
	if len(texts) == 0 {
		return "shows lab time"
	}
	return strings.Join(texts, " and ")
}
