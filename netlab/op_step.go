package netlab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/raftlab/raftlab/netlab/cond"
	"github.com/raftlab/raftlab/netlab/proxy"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// A held lab goes on step by step. A step is one thing that one node takes in:
// a message that the network hands over, or a timer that runs out, whichever
// comes first on the lab clock, which is moved to exactly that time and stands
// again. What had come to a node before the clock was held, or was let go by hand
// meanwhile, and what clients ask are steps, too, at the time that the clock shows
// already. A step is over when its node's disk has nothing left to do and all that
// the node says to others waits in the network.

const (
	// stepsMax bounds the steps of one operation.
	stepsMax = 10_000
	// stepPatience is how long, in real time, a node may take until its disk has
	// done all that follows from a step.
	stepPatience = 30 * time.Second
	// wirePatience is how long, in real time, what nodes have said may take to get
	// to the network. It is lost when a connection broke under it.
	wirePatience = time.Second
	wireLook     = 50 * time.Microsecond
	// requestShown is how many bytes of a client's request are told of: values may
	// be long.
	requestShown = 48
)

// stepping is one step at a time.
type stepping struct {
	mu turn
	// fruitless: the last step was a client's request of which nothing came. A
	// client that asks again and again is not to keep all else from happening.
	fruitless bool
	// before is how many frames the network had of a link before those that its
	// sender, in its present life, counts.
	before map[ends]uint64
	room   []proxy.LinkCounters
	frames []proxy.Frame
	// ids are the newest frames' after the last steps, ascending.
	ids []uint64
}

// step goes on by steps, until a condition holds, a breakpoint says so, or
// there were as many as were asked for.
func (l *lab) step(ctx context.Context, op *Op) (*OpResult, error) {
	count := op.Count
	switch {
	case count < 0 || count > stepsMax:
		return nil, Errorf(ExitUsage, "a lab goes on by 1 to %d steps, not %d", stepsMax, op.Count).WithHint("raftlab step 5")
	case count == 0 && op.Until != "":
		count = stepsMax
	case count == 0:
		count = 1
	}
	until, err := untilCond(op)
	if err != nil {
		return nil, err
	}
	if !l.clock.Held() {
		return nil, errRuns()
	}
	res := &OpResult{Text: "no step was needed"}
	line, broke := op.Line, l.breakHits()
	for {
		if until != nil {
			if res.Until, err = l.judge(until); err != nil {
				return nil, err
			}
		}
		if n := len(res.Steps); n == count || res.Until != nil && res.Until.Holds || res.Break != nil {
			break
		}
		s, event, err := l.stepOnce(ctx, line)
		if err != nil && len(res.Steps) > 0 && ctx.Err() == nil {
			res.note("it ends here: " + toError("step", err).Message)
			break
		}
		if err != nil {
			return nil, err
		}
		if line = ""; res.Event == 0 {
			res.Event = event
		}
		res.Steps = append(res.Steps, *s)
		if res.Break = l.brokeSince(broke); res.Break != nil {
			res.note(fmt.Sprintf("breakpoint %d: %s", res.Break.ID, res.Break.Cond))
		}
	}
	if n := len(res.Steps); n > 0 {
		last := &res.Steps[n-1]
		res.Text = last.Text
		res.Nodes = []int{last.Node}
		if n > 1 {
			res.Text = fmt.Sprintf("%d steps, the last: %s", n, last.Text)
		}
	}
	return res, nil
}

func errRuns() *Error {
	return Errorf(ExitConflict, "the lab clock runs, and only a held lab goes on by steps").WithHint("raftlab hold")
}

// untilCond reads the condition of a step --until.
func untilCond(op *Op) (*cond.Cond, error) {
	if op.Until == "" {
		return nil, nil
	}
	c, err := cond.Compile(op.Until)
	if err != nil {
		return nil, Errorf(ExitUsage, "%v", err).WithHint("%s", cond.Help)
	}
	if c.UsesKV() {
		return nil, Errorf(ExitUsage, "condition %s reads a key, and a held lab answers no reads", quote(op.Until)).
			WithHint("ask for what the read would show: a commit index, the terms of a log")
	}
	return c, nil
}

// judge tells whether a condition holds now.
func (l *lab) judge(c *cond.Cond) (*WaitResult, error) {
	env := environment(l.status())
	holds, err := c.Eval(env)
	if err != nil {
		return nil, Errorf(ExitUsage, "%v", err)
	}
	r := &WaitResult{Holds: holds, LabNS: int64(env.LabNS)}
	if !holds {
		r.Seen = c.Seen(env)
	}
	return r, nil
}

// coming is something that could be the next step.
type coming struct {
	at    raft.Time
	kind  stepKind
	node  int           // who takes it in
	wait  *wire.Waiting // what waits there; of a frame nil when its receiver does not run
	frame proxy.Frame
}

// stepKind orders what comes at the same time: what has happened already comes
// first; a message before a timer, as a node that runs has it; clients last.
type stepKind int

const (
	comingDisk stepKind = iota
	comingMessage
	comingSync
	comingFrame
	comingTimer
	comingRequest
)

func (c *coming) compare(o *coming) int {
	return cmp.Or(cmp.Compare(c.at, o.at), cmp.Compare(c.kind, o.kind), cmp.Compare(c.node, o.node))
}

// stepOnce goes one step. Once it has begun it is carried to its end, whether
// or not somebody waits for that.
func (l *lab) stepOnce(ctx context.Context, line string) (*Step, uint64, error) {
	s := &l.steps
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return nil, 0, Errorf(ExitTimeout, "step: %v", context.Cause(ctx))
	}
	ctx, cancel := l.within(context.WithoutCancel(ctx), stepPatience)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	step, event, err := l.engine.next(ctx, line)
	if err != nil {
		return nil, 0, err
	}
	l.lookAtBreaks()
	l.mu.Lock()
	defer l.mu.Unlock()
	// What faults have done to what was sent belongs to this step, not to the next.
	l.endFaults()
	l.tellHeld()
	step.Events, _ = l.events.after(event, eventsLimit)
	if step.Events == nil {
		step.Events = []Event{}
	}
	return step, event, nil
}

// waiting asks every node that runs what waits for it. It returns when nothing
// that they have said before is on its way to the network. With steps.mu held.
func (l *lab) waiting(ctx context.Context) (map[int]*wire.Waiting, error) {
	type asked struct {
		id   int
		wait func(context.Context) (wire.Outcome, error)
	}
	var all []asked
	for _, m := range l.standing() {
		wait, err := l.orderFor(m, wire.Order{Verb: wire.OrderStep, Step: &wire.Step{}}, stepPatience)
		if err != nil {
			continue // it has ended, or was paused, meanwhile
		}
		all = append(all, asked{m.id, wait})
	}
	out := make(map[int]*wire.Waiting)
	for _, a := range all {
		w, err := l.heard(ctx, a.id, a.wait)
		switch {
		case err != nil:
			return nil, err
		case w != nil:
			out[a.id] = w
		}
	}
	for id, w := range out {
		l.onWire(ctx, id, w)
	}
	l.steps.frames = l.network.proxy.Held(l.steps.frames[:0])
	l.steps.roundOver()
	return out, nil
}

// standing are the nodes that run.
func (l *lab) standing() []*member {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*member
	for _, m := range l.members {
		if m.conn != nil && m.up && m.status.State == StateUp {
			out = append(out, m)
		}
	}
	return out
}

// heard waits for a node's answer to an order to step: nil when it has ended
// or was paused before it came.
func (l *lab) heard(ctx context.Context, id int, wait func(context.Context) (wire.Outcome, error)) (*wire.Waiting, error) {
	out, err := wait(ctx)
	if err != nil {
		l.mu.Lock()
		m := l.member(id)
		gone := m == nil || m.status.State != StateUp || m.conn == nil
		l.mu.Unlock()
		switch told := new(Error); {
		case gone || errors.As(err, &told) && told.Code == ExitConflict:
			return nil, nil
		case l.ctx.Err() != nil:
			return nil, errStopping
		}
		return nil, err
	}
	switch {
	case out.Error != "" && !l.clock.Held():
		return nil, errRuns()
	case out.Error != "":
		return nil, Errorf(ExitFailed, "S%d takes no step: %s", id, printable(out.Error, 512)).WithHint("raftlab status %d", id)
	case out.Waiting == nil:
		return nil, Errorf(ExitFailed, "S%d takes a step, and does not say what waits for it then", id).WithHint("raftlab doctor")
	}
	l.waits(id, out.Waiting)
	return out.Waiting, nil
}

// onWire waits until the frames a node has given to its links have come to the
// network. With steps.mu held.
func (l *lab) onWire(ctx context.Context, id int, w *wire.Waiting) {
	s := &l.steps
	if s.before == nil {
		s.before = make(map[ends]uint64)
	}
	until, late := l.now().Add(wirePatience), false
	for {
		s.room = l.network.proxy.Links(s.room[:0])
		short := false
		for i := range s.room {
			c := &s.room[i]
			e := ends{int(c.From), int(c.To)}
			k := slices.IndexFunc(w.Sent, func(n wire.LinkEnd) bool { return n.To == c.To })
			if e.from != id || k < 0 {
				continue
			}
			said := w.Sent[k].Number
			before, known := s.before[e]
			switch {
			case !known || c.Sent > before+said || late:
				// A life whose beginning was not seen, or frames that were lost with a
				// connection: what is there is taken for all there is.
				s.before[e] = c.Sent - min(said, c.Sent)
			case c.Sent < before+said:
				short = true
			}
		}
		if !short || late {
			return
		}
		if l.await(ctx, wake{after: wireLook}) != nil {
			return
		}
		late = !l.now().Before(until)
	}
}

// nextFrame is the frame that is delivered next, if any is under way. Of those
// that are due at the same time those come first that have been under way for
// more steps: all that one step sends is on its way before anything that follows
// from it. What left in the same step goes by its ends, not by which came to the
// network a moment sooner, so the same lab takes the same steps again. With
// steps.mu held.
func (l *lab) nextFrame() (due raft.Time, f proxy.Frame, any bool) {
	due, f, any = l.network.proxy.Next()
	if !any || f.Held { // held for a time that is over then
		return due, f, any
	}
	s := &l.steps
	for i := range s.frames {
		if o := &s.frames[i]; !o.Held && o.Due == due && cmp.Or(cmp.Compare(s.round(o.ID), s.round(f.ID)),
			cmp.Compare(o.From, f.From), cmp.Compare(o.To, f.To), cmp.Compare(o.Number, f.Number), cmp.Compare(o.ID, f.ID)) < 0 {
			f = *o
		}
	}
	return due, f, true
}

// round tells which step a frame was there after, of those that still matter.
func (s *stepping) round(id uint64) int {
	i, _ := slices.BinarySearch(s.ids, id)
	return i
}

// roundOver ends a step: what the network has by now belongs to it.
func (s *stepping) roundOver() {
	last, oldest := uint64(0), uint64(0)
	for i := range s.frames {
		id := s.frames[i].ID
		last = max(last, id)
		if oldest == 0 || id < oldest {
			oldest = id
		}
	}
	if n := len(s.ids); last > 0 && (n == 0 || s.ids[n-1] < last) {
		s.ids = append(s.ids, last)
	}
	// Steps of which no frame is under way any more do not matter.
	done, _ := slices.BinarySearch(s.ids, oldest)
	s.ids = slices.Delete(s.ids, 0, done)
}

// first is what comes next.
func (l *lab) first(all map[int]*wire.Waiting) (*coming, error) {
	now := l.clock.Now()
	var list []*coming
	for id, w := range all {
		add := func(kind stepKind, at raft.Time) {
			list = append(list, &coming{at: max(now, at), kind: kind, node: id, wait: w})
		}
		if w.Disk {
			add(comingDisk, now)
		}
		if w.Messages > 0 && w.Message != nil {
			add(comingMessage, now)
		}
		switch {
		case w.Due == raft.Never:
		case w.Sync:
			add(comingSync, w.Due)
		default:
			add(comingTimer, w.Due)
		}
		if w.Requests > 0 {
			add(comingRequest, now)
		}
	}
	if due, f, any := l.nextFrame(); any {
		list = append(list, &coming{at: max(now, due), kind: comingFrame, node: int(f.To), wait: all[int(f.To)], frame: f})
	}
	if l.steps.fruitless {
		others := slices.DeleteFunc(slices.Clone(list), func(c *coming) bool { return c.kind == comingRequest })
		if len(others) > 0 {
			list = others
		}
	}
	if len(list) == 0 {
		return nil, l.nothingComes()
	}
	return slices.MinFunc(list, (*coming).compare), nil
}

// nothingComes is the error of a step that has nothing to do.
func (l *lab) nothingComes() *Error {
	if n := l.network.onHold(); n > 0 {
		return Errorf(ExitConflict, "nothing is to come: no node has a timer that runs, and of messages there are only %s", heldFrames(n)).
			WithHint("raftlab frames --held lists them, raftlab frame all release lets them go")
	}
	return Errorf(ExitConflict, "nothing is to come: no message is under way, and no node has a timer that runs").
		WithHint("raftlab status   nodes that are dead or paused: raftlab restart dead, raftlab resume all")
}

// advance moves the held clock on, and every node's with it. It reports false
// when the clock runs.
func (l *lab) advance(at raft.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.clock.Now()
	if !l.clock.Advance(at) {
		return false
	}
	l.breaks.stopped = nil
	if at > before {
		l.tellClock(l.clock.Setting())
		l.touchLab()
		l.endFaults()
	}
	return true
}

// carryOut does what comes next and keeps it among the events. It returns the
// event that everything that came of it follows.
func (l *lab) carryOut(ctx context.Context, c *coming, line string) (*Step, uint64, error) {
	step := &Step{LabNS: int64(c.at), Node: c.node}
	order := wire.Step{At: l.ownTime(c.node, c.at)}
	takes, refused := true, false
	switch c.kind {
	case comingDisk:
		step.Kind, step.Text = StepDisk, fmt.Sprintf("S%d hears that its disk is done", c.node)
		order.Take = wire.TakeDisk
	case comingMessage:
		m := c.wait.Message
		f := frameOf(&proxy.Frame{From: m.From, To: raft.NodeID(c.node), Kind: m.Kind, Term: m.Term, Summary: m.Summary})
		step.Kind, step.Peer = StepMessage, int(m.From)
		step.Text = fmt.Sprintf("%s, which had come already, is taken in by S%d", f.subject(), c.node)
		order.Take, order.From, order.Number = wire.TakeMessage, m.From, m.Number
	case comingSync:
		step.Kind, step.Text = StepDisk, fmt.Sprintf("S%d's slow disk has done what it was at", c.node)
		order.Take = wire.TakeDisk
	case comingTimer:
		step.Kind, step.Timer = StepTimer, c.wait.Timer.String()
		step.Text = timerText(c.node, c.wait.Timer)
		order.Take = wire.TakeTimer
	case comingRequest:
		step.Kind = StepRequest
		step.Text = fmt.Sprintf("a client's %s reaches S%d", printable(c.wait.Request, requestShown), c.node)
		order.Take = wire.TakeRequest
	case comingFrame:
		done, err := l.network.proxy.Deliver(ctx, c.frame.ID)
		if err != nil {
			return nil, 0, fmt.Errorf("deliver frame %d: %w", c.frame.ID, err)
		}
		f := frameOf(&done)
		step.Kind, step.Peer, step.Frame = StepFrame, f.From, &f
		order.Take, order.From = wire.TakeMessage, done.From
		step.Text, takes = l.arrival(&f)
		if takes && done.Damaged {
			step.Text += " damaged, and is refused there"
			takes, refused = false, true
		}
	}
	l.mu.Lock()
	event := l.event(Event{Kind: EventClock, Text: "step: " + step.Text, Line: line, Minor: line == ""})
	m := l.member(c.node)
	l.mu.Unlock()
	l.steps.fruitless = false
	if refused {
		l.hearsOf(ctx, c.node, event)
	}
	if !takes || m == nil {
		return step, event, nil
	}
	sent := func(w *wire.Waiting) (n uint64) {
		for _, e := range w.Sent {
			n += e.Number
		}
		return n
	}
	wait, err := l.orderFor(m, wire.Order{Verb: wire.OrderStep, Step: &order}, stepPatience)
	if err != nil {
		return step, event, nil // it has ended meanwhile: what it was to take in is lost with it
	}
	w, err := l.heard(ctx, c.node, wait)
	if err != nil || w == nil {
		return step, event, err
	}
	l.onWire(ctx, c.node, w)
	l.steps.fruitless = w.Fruitless
	if c.wait != nil {
		step.Sent = int(sent(w) - min(sent(c.wait), sent(w)))
	}
	return step, event, nil
}

// hearsOf waits a moment for a node to tell of something after an event.
func (l *lab) hearsOf(ctx context.Context, id int, after uint64) {
	ctx, cancel := l.within(ctx, wirePatience)
	defer cancel()
	for ctx.Err() == nil {
		l.mu.Lock()
		changed := l.changed()
		events, _ := l.events.after(after, eventsLimit)
		l.mu.Unlock()
		if slices.ContainsFunc(events, func(e Event) bool { return e.Node == id }) {
			return
		}
		_ = l.await(ctx, wake{on: channels{changed}})
	}
}

// arrival says what became of a frame, and whether its receiver takes it in.
func (l *lab) arrival(f *Frame) (text string, takes bool) {
	if f.Reason != "" {
		return fmt.Sprintf("%s does not get to S%d: %s", f.subject(), f.To, f.Reason), false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.member(f.To); m != nil && m.status.State == StatePaused {
		return fmt.Sprintf("%s reaches S%d, which is paused and takes it in when it is resumed", f.subject(), f.To), false
	}
	return fmt.Sprintf("%s reaches S%d", f.subject(), f.To), true
}

// subject is a frame as a sentence begins with it: "append 44 from S1".
func (f *Frame) subject() string {
	yes := "no"
	if f.OK {
		yes = "yes"
	}
	switch f.Kind {
	case wire.KindVote.String():
		return fmt.Sprintf("S%d's request for a vote in term %d", f.From, f.Term)
	case wire.KindPreVote.String():
		return fmt.Sprintf("S%d's question whether it could win term %d", f.From, f.Term)
	case wire.KindVoteReply.String():
		return fmt.Sprintf("S%d's vote, %s, in term %d", f.From, yes, f.Term)
	case wire.KindPreVoteReply.String():
		return fmt.Sprintf("S%d's pre-vote, %s,", f.From, yes)
	case wire.KindAppend.String():
		if f.Entries == 1 {
			return fmt.Sprintf("append %d from S%d", f.PrevIndex+1, f.From)
		}
		return fmt.Sprintf("append %d-%d from S%d", f.PrevIndex+1, f.PrevIndex+uint64(f.Entries), f.From)
	case wire.KindHeartbeat.String():
		return fmt.Sprintf("heartbeat from S%d", f.From)
	case wire.KindAppendReply.String():
		if f.OK {
			return fmt.Sprintf("ok %d from S%d", f.Match, f.From)
		}
		return fmt.Sprintf("S%d's refusal to append behind %d", f.From, f.PrevIndex)
	case wire.KindSnapshot.String():
		return fmt.Sprintf("a piece of the snapshot of entry %d from S%d", f.PrevIndex, f.From)
	case wire.KindSnapshotReply.String():
		if f.Done {
			return fmt.Sprintf("S%d's word that it has the snapshot of entry %d", f.From, f.PrevIndex)
		}
		return fmt.Sprintf("S%d's word how much it has of the snapshot of entry %d", f.From, f.PrevIndex)
	case wire.KindTimeoutNow.String():
		return fmt.Sprintf("S%d's word to stand now", f.From)
	case wire.KindReadIndex.String():
		return fmt.Sprintf("S%d's question for an index to read at", f.From)
	case wire.KindReadIndexReply.String():
		return fmt.Sprintf("S%d's index to read at, %d,", f.From, f.Match)
	}
	return fmt.Sprintf("%s from S%d", f.Kind, f.From)
}

// timerText says what a node does at a deadline.
func timerText(id int, t raft.Timer) string {
	switch t {
	case raft.TimerElection:
		return fmt.Sprintf("S%d's election timer runs out", id)
	case raft.TimerHeartbeat:
		return fmt.Sprintf("S%d's heartbeat timer runs out", id)
	case raft.TimerRetry:
		return fmt.Sprintf("S%d asks those again who have not answered", id)
	case raft.TimerTell:
		return fmt.Sprintf("S%d tells those who have not heard what is committed", id)
	case raft.TimerQuorum:
		return fmt.Sprintf("S%d looks whether a majority still answers", id)
	case raft.TimerRead:
		return fmt.Sprintf("S%d asks its leader again for an index to read at", id)
	case raft.TimerTransfer:
		return fmt.Sprintf("S%d's time to hand over runs out", id)
	}
	return fmt.Sprintf("S%d's %s timer runs out", id, t)
}
