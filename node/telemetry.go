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
	facts    []wire.Fact
	open     openFacts
	damaged  []wire.Damaged // at most one of each peer
	state    *wire.State
	dropped  uint64 // states that newer ones replaced
	outcomes []outcome
	fatal    error
}

// openFacts are the facts that a following one may join: 1 + their positions, 0
// for none.
type openFacts struct {
	appended, committed int
	read                [2]int // confirmed by a round, on the lease
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
		t.fact(&events[i])
	}
}

// fact adds one fact, or lengthens one that waits. Appends and commits follow
// each other in turns under load, so an append also joins one that stands
// before the last commit: it only says earlier that entries are there. A commit
// never joins one that stands before an append, because it could then speak of
// entries that are not there yet, nor does a read join one that stands before a
// commit. A lengthened fact keeps the time it began, so times ascend along the
// facts.
func (t *telemetry) fact(e *raft.Event) {
	switch open := &t.open; e.Kind {
	case raft.EventAppended:
		if f := t.at(open.appended); f != nil && joins(f, e) {
			f.Index = e.Index
			return
		}
		t.facts = append(t.facts, *e)
		open.appended = len(t.facts)
	case raft.EventCommitted:
		if f := t.at(open.committed); f != nil && open.committed > open.appended && joins(f, e) {
			f.Index = e.Index
			// Who stores the last entry of a stretch stores all of it.
			f.Nodes = append(f.Nodes[:0], e.Nodes...)
			return
		}
		t.facts = append(t.facts, *e)
		open.committed = len(t.facts)
	case raft.EventReadConfirmed, raft.EventLeaseRead:
		read := &open.read[0]
		if e.Kind == raft.EventLeaseRead {
			read = &open.read[1]
		}
		if f := t.at(*read); f != nil && *read > open.committed && f.Term == e.Term {
			f.First, f.Index, f.Span = e.First, e.Index, e.Span
			f.Nodes = append(f.Nodes[:0], e.Nodes...)
			return
		}
		t.facts = append(t.facts, *e)
		*read = len(t.facts)
	default:
		t.facts = append(t.facts, *e)
		*open = openFacts{}
	}
	last := &t.facts[len(t.facts)-1]
	last.Nodes = slices.Clone(last.Nodes) // the event's is the core's
}

// at is the fact of an openFacts, nil for none.
func (t *telemetry) at(open int) *wire.Fact {
	if open == 0 {
		return nil
	}
	return &t.facts[open-1]
}

// joins tells whether e goes on where f ends, and is the same but for that.
func joins(f *wire.Fact, e *raft.Event) bool {
	return f.Index+1 == e.First && f.Term == e.Term && f.LogTerm == e.LogTerm && f.Peer == e.Peer
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
	case len(t.facts) > factsPerReport:
		r = &wire.Report{Facts: t.facts[:factsPerReport:factsPerReport]}
		t.facts = t.facts[factsPerReport:]
		t.open = openFacts{}
	case len(t.facts) > 0 || t.state != nil || len(t.damaged) > 0:
		r = &wire.Report{Facts: t.facts, State: t.state, Damaged: t.damaged}
		if t.state != nil {
			t.state.Dropped = t.dropped
		}
		t.facts, t.state, t.damaged = nil, nil, nil
		t.open = openFacts{}
	case len(t.outcomes) > 0:
		o = &t.outcomes[0]
		t.outcomes = t.outcomes[1:]
	case t.fatal != nil:
		r = farewellOf(t.fatal)
		t.fatal = nil
	}
	return r, o
}
