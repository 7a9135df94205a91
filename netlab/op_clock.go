package netlab

import (
	"context"
	"fmt"
	"time"

	"github.com/raftlab/raftlab/node/clock"
)

// holdPatience is how long, in real time, hold waits for the nodes to stand.
const holdPatience = time.Second

// hold stops the lab clock: timers stand, frames wait, nothing is lost. It
// returns when every node that runs has said that it stands, and what they all
// had said to others is in the network, so what is read from then on is the same
// however often it is read.
func (l *lab) hold(ctx context.Context, op *Op) (*OpResult, error) {
	l.mu.Lock()
	if l.clock.Held() {
		l.mu.Unlock()
		if err := l.atRest(ctx); err != nil {
			return nil, err
		}
		return &OpResult{Text: "the lab clock is held already"}, nil
	}
	res := l.setClock(op, l.clock.Setting().Rate, true, "the lab clock is held: timers stand, frames wait, nothing is lost")
	rests := l.comesToRest()
	l.mu.Unlock()
	defer rests()
	ctx, cancel := l.within(ctx, holdPatience)
	defer cancel()
	if late := l.stand(ctx); late != 0 {
		res.note(fmt.Sprintf("S%d has not said yet that it stands", late))
	}
	return res, nil
}

// comesToRest takes note that the clock was held, and that nodes have not said
// yet that they stand. rests is called when they have, or are not waited for any
// longer. With lab.mu held.
func (l *lab) comesToRest() (rests func()) {
	rest := make(chan struct{})
	l.rest = rest
	return func() { close(rest) }
}

// atRest waits until a lab whose clock somebody has just held stands. What is
// asked about it then is the same for whoever asks later. One that runs is not
// waited for.
func (l *lab) atRest(ctx context.Context) error {
	l.mu.Lock()
	rest := l.rest
	l.mu.Unlock()
	if rest == nil || isClosed(rest) {
		return nil
	}
	switch err := l.await(ctx, wake{on: channels{rest}}); {
	case l.ctx.Err() != nil:
		return errStopping
	case err != nil:
		return Errorf(ExitTimeout, "wait for the nodes to stand: %v", err)
	}
	return nil
}

// stand waits until all nodes stand and their words are in the network, and
// sets the lab clock to the time of the one that heard of the hold last: nobody is
// ahead of it. It returns a node that has not said that it stands.
func (l *lab) stand(ctx context.Context) (late int) {
	if late := l.still(ctx); late != 0 {
		return late
	}
	l.steps.mu.Lock()
	defer l.steps.mu.Unlock()
	at, all, err := l.engine.settle(ctx)
	if err != nil {
		return 0 // somebody has released it meanwhile, or a node's disk takes its time
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.clock.Advance(at) {
		return 0
	}
	l.tellClock(l.clock.Setting())
	l.touchLab()
	// What faults have done by this time, and which are over, is told now.
	l.endFaults()
	l.tellHeld()
	for _, id := range all { // what is known of them is of this time, and stays so
		if m := l.member(id); m != nil {
			m.status.SeenNS = int64(at)
			l.touch(m)
		}
	}
	return 0
}

// still waits until every node that runs has said that it stands, and returns
// one that has not.
func (l *lab) still(ctx context.Context) (late int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.clock.Held() { // somebody may release it meanwhile
		moving := l.moving()
		if moving == 0 {
			break
		}
		changed := l.changed()
		l.mu.Unlock()
		over := l.await(ctx, wake{on: channels{changed}}) != nil
		l.mu.Lock()
		if over {
			return moving
		}
	}
	return 0
}

// moving is a node that runs and has not said that its clock stands, 0 when
// there is none. With lab.mu held.
func (l *lab) moving() int {
	for _, m := range l.members {
		if m.conn != nil && m.up && m.status.State == StateUp && !m.held {
			return m.id
		}
	}
	return 0
}

// release lets the lab clock run on.
func (l *lab) release(_ context.Context, op *Op) (*OpResult, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rate := l.clock.Setting().Rate
	if !l.clock.Held() {
		return &OpResult{Text: fmt.Sprintf("the lab clock runs already, at %gx", rate)}, nil
	}
	return l.setClock(op, rate, false, fmt.Sprintf("the lab clock runs on, at %gx", rate)), nil
}

// speed sets the rate of the lab clock. A held clock stays held.
func (l *lab) speed(_ context.Context, op *Op) (*OpResult, error) {
	if !(op.Rate >= SpeedMin && op.Rate <= SpeedMax) {
		return nil, speedError(op.Rate)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.clock.Held()
	if op.Rate == l.clock.Setting().Rate {
		return &OpResult{Text: fmt.Sprintf("the lab clock's rate is %gx already", op.Rate)}, nil
	}
	res := l.setClock(op, op.Rate, held, fmt.Sprintf("the lab clock runs at %gx", op.Rate))
	if held {
		res.note(`the clock is held: the rate counts from "raftlab release" on`)
	}
	return res, nil
}

// setClock adjusts the clock and tells every node. With lab.mu held, so that
// all nodes hear of all changes in one order.
func (l *lab) setClock(op *Op, rate float64, held bool, text string) *OpResult {
	setting := l.clock.Adjust(rate, held)
	for _, m := range l.members {
		m.held = false
	}
	if !held {
		l.breaks.stopped = nil
	}
	l.tellClock(setting)
	l.touchLab()
	return &OpResult{Text: text, Event: l.event(Event{Kind: EventClock, Text: text, Line: op.Line})}
}

// tellClock tells every node the clock's setting. With lab.mu held.
func (l *lab) tellClock(s clock.Setting) {
	for _, m := range l.members {
		if m.conn != nil {
			m.conn.tellClock(m.own.now().Setting(s))
		}
	}
}

// note keeps what somebody says among the events.
func (l *lab) note(_ context.Context, op *Op) (*OpResult, error) {
	text := printable(op.Text, 1024)
	if text == "" {
		return nil, Errorf(ExitUsage, "a note says nothing")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return &OpResult{Text: text, Event: l.event(Event{Kind: EventNote, Text: text, Line: op.Line})}, nil
}
