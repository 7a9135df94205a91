package netlab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/raftlab/raftlab/raft"
)

// ChaosStatus is a nemesis at work.
type ChaosStatus struct {
	Seed    uint64   `json:"seed"`
	BeganNS int64    `json:"began_ns"`
	UntilNS int64    `json:"until_ns"` // lab time at which all is undone
	Most    int      `json:"most"`     // nodes affected at once
	Faults  int      `json:"faults"`   // in its plan
	Done    int      `json:"done"`
	Skipped int      `json:"skipped"` // those the lab refused, as to kill the leader while there is none
	Now     []string `json:"now"`     // the lines that stand now
}

// chaos is the lab's nemesis, when one is at work.
type chaos struct {
	mu  sync.Mutex
	now *nemesis
}

// nemesis carries out one plan.
type nemesis struct {
	plan     *ChaosPlan
	line     string // that called for it
	began    raft.Time
	cancel   context.CancelFunc
	finished chan struct{} // closed when all is undone

	mu            sync.Mutex
	done, skipped int
	deeds         []*faultDone // that are to be undone, oldest first
}

// faultDone is a fault that was done, and whom it hit.
type faultDone struct {
	fault *ChaosFault
	nodes []int // whose processes it hit
	id    int   // of what it set on the network
}

// status is nil when no nemesis is at work.
func (c *chaos) status() *ChaosStatus {
	c.mu.Lock()
	n := c.now
	c.mu.Unlock()
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &ChaosStatus{
		Seed: n.plan.Seed, BeganNS: int64(n.began), UntilNS: int64(n.began) + int64(n.plan.For), Most: n.plan.Most,
		Faults: len(n.plan.Faults), Done: n.done, Skipped: n.skipped, Now: []string{},
	}
	for _, d := range n.deeds {
		s.Now = append(s.Now, d.fault.Line)
	}
	return s
}

// endChaos stops the nemesis, if there is one, and waits until it has undone what it
// did, or ctx ends.
func (l *lab) endChaos(ctx context.Context) (*nemesis, error) {
	l.nemesis.mu.Lock()
	n := l.nemesis.now
	l.nemesis.mu.Unlock()
	if n == nil {
		return nil, nil
	}
	n.cancel()
	if l.await(ctx, wake{on: channels{n.finished}}) != nil && !isClosed(n.finished) {
		return n, Errorf(ExitTimeout, "chaos is stopped, but what it did is not all undone yet").WithHint("raftlab status")
	}
	return n, nil
}

// startChaos sets a nemesis to work, or stops the one that is.
func (l *lab) startChaos(ctx context.Context, op *Op) (*OpResult, error) {
	if op.Stop {
		return l.stopChaos(ctx)
	}
	var o ChaosOptions
	if op.Chaos != nil {
		o = *op.Chaos
	}
	l.mu.Lock()
	plan, err := PlanChaos(o, l.picture())
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(l.ctx)
	n := &nemesis{plan: plan, line: op.Line, began: l.clock.Now(), cancel: cancel, finished: make(chan struct{})}
	l.nemesis.mu.Lock()
	switch {
	case l.ctx.Err() != nil:
		err = errStopping
	case l.nemesis.now != nil:
		err = Errorf(ExitConflict, "chaos is at work already, for %v of lab time from %v on: two together would exceed what each may do",
			l.nemesis.now.plan.For, time.Duration(l.nemesis.now.began).Truncate(time.Millisecond)).WithHint("raftlab chaos --stop")
	default:
		l.nemesis.now = n
		l.spawn(func() { l.runChaos(run, n) })
	}
	l.nemesis.mu.Unlock()
	if err != nil {
		cancel()
		return nil, err
	}
	res := &OpResult{Text: "chaos begins: " + plan.String()}
	if l.clock.Held() {
		res.note(`the lab clock is held: it begins with "raftlab release"`)
	}
	l.mu.Lock()
	res.Event = l.faultEvent(op, res.Text)
	l.mu.Unlock()
	if !op.Await {
		return res, nil
	}
	if err := l.await(ctx, wake{on: channels{n.finished}}); err != nil && !isClosed(n.finished) {
		return nil, Errorf(ExitTimeout, "chaos: nobody waits for it any more: %v", err).WithHint("raftlab chaos --stop")
	}
	res.Text = "chaos is over: " + n.score()
	return res, nil
}

func (l *lab) stopChaos(ctx context.Context) (*OpResult, error) {
	n, err := l.endChaos(ctx)
	switch {
	case err != nil:
		return nil, err
	case n == nil:
		return &OpResult{Text: "no chaos is at work"}, nil
	}
	return &OpResult{Text: "chaos is stopped: " + n.score()}, nil
}

// score tells how it came out.
func (n *nemesis) score() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	text := fmt.Sprintf("%d of %d faults done", n.done, len(n.plan.Faults))
	if n.skipped > 0 {
		text += fmt.Sprintf(", %d refused", n.skipped)
	}
	if len(n.deeds) > 0 {
		var lines []string
		for _, d := range n.deeds {
			lines = append(lines, d.fault.Line)
		}
		return text + "; not undone: " + strings.Join(lines, ", ")
	}
	return text + ", all undone"
}

// chaosAct is one thing a nemesis has to do.
type chaosAct struct {
	at   raft.Time
	undo bool
	f    *ChaosFault
}

// schedule is all a plan has to do, in order. An end comes before a beginning
// of the same moment, so that no more are affected than may be.
func (p *ChaosPlan) schedule() []chaosAct {
	var acts []chaosAct
	for i := range p.Faults {
		f := &p.Faults[i]
		acts = append(acts, chaosAct{at: raft.Time(f.AtNS), f: f})
		if f.UntilNS > f.AtNS {
			acts = append(acts, chaosAct{at: raft.Time(f.UntilNS), undo: true, f: f})
		}
	}
	slices.SortStableFunc(acts, func(a, b chaosAct) int {
		switch {
		case a.at != b.at:
			return int(max(min(a.at-b.at, 1), -1))
		case a.undo == b.undo:
			return 0
		case a.undo:
			return -1
		}
		return 1
	})
	return acts
}

// runChaos carries a plan out until it is through or ctx ends, and undoes what
// it has done.
func (l *lab) runChaos(ctx context.Context, n *nemesis) {
	defer close(n.finished)
	defer n.cancel()
	for _, a := range n.plan.schedule() {
		if !l.reach(ctx, n.began+a.at) {
			break
		}
		for _, d := range n.open() { // what has ended by itself
			if d.id != 0 && !l.stands(d.id) {
				n.forget(d)
			}
		}
		switch d := n.deed(a.f); {
		case !a.undo:
			l.doDeed(n, a.f)
		case d != nil && len(d.fault.undo) > 0:
			l.undoDeed(n, d)
		}
	}
	l.reach(ctx, n.began+raft.Time(n.plan.For))
	stopped := ctx.Err() != nil
	// Twice: a node whose disk is full cannot be restarted before that is over, be
	// it that it was killed after.
	for range 2 {
		for _, d := range slices.Backward(n.open()) {
			l.undoDeed(n, d)
		}
	}
	l.nemesis.mu.Lock()
	l.nemesis.now = nil
	l.nemesis.mu.Unlock()
	if l.ctx.Err() != nil {
		return // the lab ends, and all that was set on it
	}
	text := "chaos is over: "
	if stopped {
		text = "chaos is stopped: "
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.event(Event{Kind: EventFault, Text: text + n.score(), Line: n.line})
}

// reach waits for a lab time. It returns false when ctx ended before.
func (l *lab) reach(ctx context.Context, t raft.Time) bool {
	for {
		changed := l.clock.Changed()
		if ctx.Err() != nil {
			return false
		}
		held := l.clock.Held()
		if !held && l.clock.Now() >= t {
			return true
		}
		w := wake{on: channels{changed}}
		if !held {
			w.at = t
		}
		_ = l.await(ctx, w) // the end of ctx is seen above
	}
}

// open are the deeds that are not undone yet.
func (n *nemesis) open() []*faultDone {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.deeds)
}

// deed is what was done for a fault, nil when the lab refused it.
func (n *nemesis) deed(f *ChaosFault) *faultDone {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := slices.IndexFunc(n.deeds, func(d *faultDone) bool { return d.fault == f }); i >= 0 {
		return n.deeds[i]
	}
	return nil
}

// doDeed does a fault. What the lab refuses because of its state, as to kill
// the leader while there is none, is part of the game, and said.
func (l *lab) doDeed(n *nemesis, f *ChaosFault) {
	op := f.op
	op.Line, op.noUndo = f.Line, true
	// Not the nemesis's own context: what has begun is ended, so that it is known
	// what is to be undone.
	res, err := l.do(l.ctx, &op)
	n.mu.Lock()
	if err != nil {
		n.skipped++
	} else {
		n.done++
		if f.UntilNS > f.AtNS {
			n.deeds = append(n.deeds, &faultDone{fault: f, nodes: res.Nodes, id: res.Fault})
		}
	}
	n.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.ctx.Err() == nil {
		l.event(Event{Kind: EventFault, Text: "chaos goes on without this one: " + sentence(err), Line: f.Line})
	}
	l.touchLab()
}

// undoDeed undoes a fault where it still stands: somebody may have done so
// before, or it has ended by itself.
func (l *lab) undoDeed(n *nemesis, d *faultDone) {
	if l.ctx.Err() != nil {
		return
	}
	err := l.undoOne(d)
	if err == nil {
		n.forget(d)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.ctx.Err() == nil {
		l.event(Event{Kind: EventFault, Text: "chaos could not undo " + d.fault.Line + ": " + sentence(err), Line: strings.Join(d.fault.Undo, "; ")})
	}
	l.touchLab()
}

// forget drops a deed that is over.
func (n *nemesis) forget(d *faultDone) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deeds = slices.DeleteFunc(n.deeds, func(o *faultDone) bool { return o == d })
}

// sentence is what an error says to a user.
func sentence(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// undoOne undoes what still stands of one deed.
func (l *lab) undoOne(d *faultDone) error {
	if len(d.fault.undo) == 0 {
		return l.offNetwork(d)
	}
	for _, u := range d.fault.undo {
		op := u.op
		if op.Nodes = l.inState(d.nodes, u.state); len(op.Nodes) == 0 {
			continue
		}
		op.noUndo = true
		// The words as planned, with the nodes that it was done to.
		op.Line = commandLine(slices.Concat(u.line[:1], op.Nodes, u.line[2:]))
		if _, err := l.do(l.ctx, &op); err != nil {
			return err
		}
	}
	return nil
}

// inState are those of the nodes that are still in the lab and in this state,
// or in any with "", as words.
func (l *lab) inState(nodes []int, state string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var words []string
	for _, id := range nodes {
		if m := l.member(id); m != nil && (state == "" || m.status.State == state) {
			words = append(words, strconv.Itoa(id))
		}
	}
	return words
}

// offNetwork takes what a deed set on the network away, if it is there still.
// What it stood in front of is in force again.
func (l *lab) offNetwork(d *faultDone) error {
	if !l.stands(d.id) {
		return nil
	}
	_, err := l.do(l.ctx, &Op{Verb: "heal", Fault: d.id, Line: commandLine([]string{"heal", faultName(d.id)}), noUndo: true})
	if err != nil && !l.stands(d.id) {
		return nil // it has just ended by itself
	}
	return err
}

// stands tells whether a fault is still set on the network.
func (l *lab) stands(id int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.faults.on, func(s setting) bool { return s.id == id })
}

// healAll stops whoever would set the next fault, before it heals.
func (l *lab) healAll(ctx context.Context, op *Op) (*OpResult, error) {
	n, err := l.endChaos(ctx)
	if err != nil {
		return nil, err
	}
	res, err := l.healLab(ctx, op)
	if n != nil && err == nil {
		res.note("chaos is stopped: " + n.score())
	}
	return res, err
}
