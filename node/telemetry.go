package node

import (
	"slices"
	"sync"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// factsPerReport bounds a report, far below what a frame and its decoder take.
const factsPerReport = 2000

// telemetry is what the lab has not been told yet. The loop puts in, whoever
// writes to the lab takes out; a slow lab costs the node memory for facts that
// cannot be merged, and nothing else.
type telemetry struct {
	wake chan struct{} // one slot: there is something the loop could not tell at once

	mu       sync.Mutex
	facts    wire.Facts
	deeds    deeds
	damaged  []wire.Damaged // at most one of each peer
	state    *wire.State
	dropped  uint64 // states that newer ones replaced
	outcomes []outcome
	fatal    error
}

// outcome is an Outcome and the id of its Order.
type outcome struct {
	id uint64
	wire.Outcome
}

func newTelemetry() *telemetry {
	return &telemetry{wake: make(chan struct{}, 1)}
}

// poke wakes the goroutine in report.
func (t *telemetry) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// note adds what the core did. The lab hears of it with the next state.
func (t *telemetry) note(events []raft.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range events {
		t.facts.Add(&events[i])
	}
}

// refused adds frames that were damaged on their way. The lab hears of them
// with the next state.
func (t *telemetry) refused(now raft.Time, frames []damaged) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range frames {
		i := slices.IndexFunc(t.damaged, func(have wire.Damaged) bool { return have.From == d.from })
		if i < 0 {
			i = len(t.damaged)
			t.damaged = append(t.damaged, wire.Damaged{At: now, From: d.from})
		}
		t.damaged[i].Frames += d.frames
	}
}

// show replaces the state the lab is to see.
func (t *telemetry) show(s *wire.State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != nil {
		t.dropped++
	}
	t.state = s
}

func (t *telemetry) answer(o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outcomes = append(t.outcomes, o)
}

// end makes reason the last thing the lab is told.
func (t *telemetry) end(reason error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fatal = reason
	t.poke()
}

// farewellOf is the last report of a node that stops for a reason.
func farewellOf(reason error) *wire.Report {
	return &wire.Report{Fatal: reason.Error(), Lasting: lasting(reason)}
}

// take returns the next thing to tell, which is a report as long as there is
// anything to report: an outcome comes after the facts it caused.
func (t *telemetry) take() (r *wire.Report, o *outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.facts.Len() > factsPerReport || t.deeds.pieces() > 1:
		r = &wire.Report{Facts: t.facts.Take(factsPerReport), Deeds: t.deeds.take()}
	case t.facts.Len() > 0 || t.state != nil || len(t.damaged) > 0 || t.deeds.pieces() > 0:
		r = &wire.Report{Facts: t.facts.Take(factsPerReport), State: t.state, Damaged: t.damaged, Deeds: t.deeds.take()}
		if t.state != nil {
			t.state.Dropped = t.dropped
		}
		t.state, t.damaged = nil, nil
	case len(t.outcomes) > 0:
		o = &t.outcomes[0]
		t.outcomes = t.outcomes[1:]
	case t.fatal != nil:
		r = farewellOf(t.fatal)
		t.fatal = nil
	}
	return r, o
}
