package netlab

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/raftlab/raftlab/netlab/cond"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// heldBy is the breakpoint that holds the clock, nil when it runs.
func (l *lab) heldBy(t *testing.T) *BreakHit {
	t.Helper()
	s := l.status()
	if (s.Clock.Break != nil) != s.Clock.Held {
		t.Fatalf("the clock: %+v", s.Clock)
	}
	return s.Clock.Break
}

func follower(term raft.Term, leader, vote raft.NodeID) wire.State {
	return wire.State{Role: raft.Follower, Term: term, Leader: leader, Vote: vote}
}

// Each breakpoint that has a name holds the clock when what it is named after
// comes, at that very report, and not before.
func TestNamedBreaks(t *testing.T) {
	cut := wire.Fact{Kind: raft.EventTruncated, Term: 3, First: 4, Index: 6, Peer: 3}
	config := raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4, 5}}
	of := func(s wire.State) wire.State { s.Config = config; return s }
	candidate := func(id raft.NodeID) wire.State {
		return of(wire.State{Role: raft.Candidate, Term: 3, Vote: id})
	}
	tests := []struct {
		name   string
		before func(*lab)
		not    func(*lab) // is not it yet
		comes  func(*lab)
		seen   string
	}{
		{"two-leaders", func(l *lab) { l.lead(1, 2) },
			func(l *lab) { l.say(3, wire.State{Role: raft.Candidate, Term: 3, Vote: 3}) },
			func(l *lab) { l.say(3, wire.State{Role: raft.Leader, Term: 3, Vote: 3, Leader: 3}) },
			"S1 leads term 2, S3 leads term 3"},
		{"truncated", func(l *lab) { l.lead(3, 3) },
			func(l *lab) {
				l.say(2, follower(3, 3, 0), wire.Fact{Kind: raft.EventAppended, First: 2, Index: 6, Peer: 3})
			},
			func(l *lab) { l.say(2, follower(3, 3, 0), cut) },
			"S2 drops entries 4-6"},
		{"leader-change", func(l *lab) { l.lead(1, 2) },
			func(l *lab) { l.become(1, StateDead); l.say(2, follower(3, 0, 2)); l.lookAtBreaks() },
			func(l *lab) { l.say(2, wire.State{Role: raft.Leader, Term: 3, Vote: 2, Leader: 2}) },
			"S2 leads term 3, before that S1 did"},
		{"split-vote", func(l *lab) {
			l.become(1, StateDead)
			for id := 2; id <= 5; id++ {
				l.say(id, of(follower(2, 0, 1)))
			}
		},
			func(l *lab) { // 2 to 1, and S5, which has not voted, could make it 3
				l.say(2, candidate(2))
				l.say(3, of(follower(3, 0, 2)))
				l.say(4, candidate(4))
			},
			func(l *lab) { l.say(5, of(follower(3, 0, 4))) },
			"term 3 has 2 votes for S2, 2 votes for S4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := fakeLab(t, 5)
			l.clock.Adjust(1, false)
			tt.before(l)
			res := l.must(t, Op{Verb: "break", Cond: tt.name, Line: "raftlab break " + tt.name})
			if len(res.Notes) > 0 || res.Event == 0 {
				t.Fatalf("%+v", res)
			}
			tt.not(l)
			if hit := l.heldBy(t); hit != nil {
				t.Fatalf("too early: %+v", hit)
			}
			tt.comes(l)
			hit := l.heldBy(t)
			if hit == nil || hit.Seen != tt.seen || hit.Cond != tt.name || hit.ID != 1 {
				t.Fatalf("held by %+v, want %q", hit, tt.seen)
			}
			s := l.status()
			if len(s.Breaks) != 1 || s.Breaks[0].Hits != 1 || *s.Breaks[0].Last != *hit || s.Breaks[0].About == "" {
				t.Errorf("listed as %+v", s.Breaks)
			}
			if page := l.eventPage(s.LastEvent-1, 0, 0); len(page.Events) != 1 || page.Events[0].Kind != EventBreak ||
				!strings.Contains(page.Events[0].Text, tt.seen) || page.Events[0].LabNS != hit.LabNS {
				t.Errorf("told as %+v", page.Events)
			}
			broke, err := cond.Compile(fmt.Sprintf("broke == %q && breaks[0].hits == 1 && breaks[0].cond == broke", tt.name))
			if err != nil {
				t.Fatal(err)
			}
			if r, err := l.judge(broke); err != nil || !r.Holds {
				t.Errorf("conditions see %+v, %v", r, err)
			}
			// It is not to hold again for the same.
			l.must(t, Op{Verb: "release"})
			l.lookAtBreaks()
			if hit := l.heldBy(t); hit != nil {
				t.Errorf("after release: held by %+v", hit)
			}
		})
	}
}

// A leader's entries wait to be committed: that is not yet a stall, an election
// timeout later it is.
func TestBreakCommitStalled(t *testing.T) {
	l := fakeLab(t, 3) // its clock is held, so that time is what this test says
	l.lead(1, 2)
	l.must(t, Op{Verb: "break", Cond: "commit-stalled"})
	leads := func(last, commit raft.Index) {
		l.say(1, wire.State{Role: raft.Leader, Term: 2, Vote: 1, Leader: 1, Last: last, Commit: commit})
	}
	pass := func(d raft.Duration) {
		l.clock.Advance(l.clock.Now() + raft.Time(d))
		l.lookAtBreaks()
	}
	wait := raft.Duration(l.config.ElectionMax)
	hits := func() uint64 { return l.status().Breaks[0].Hits }
	leads(5, 1)
	pass(wait - 1)
	leads(6, 2) // slow, but it gets on
	pass(wait - 1)
	if hits() != 0 {
		t.Fatalf("hit while commits go on: %+v", l.status().Breaks)
	}
	pass(1)
	if hits() != 1 {
		t.Fatalf("nothing committed for %v: %d hits", wait, hits())
	}
	pass(wait)
	leads(7, 2)
	if hits() != 1 {
		t.Errorf("hit again by the same stall")
	}
	leads(7, 7)
	pass(2 * wait)
	if b := l.status().Breaks[0]; b.Hits != 1 || b.Holds {
		t.Errorf("all is committed: %+v", b)
	}
}

// Any condition makes a breakpoint. It holds the clock when it comes true, not
// when it is.
func TestBreakOnACondition(t *testing.T) {
	l := fakeLab(t, 3)
	l.lead(1, 2)
	l.clock.Adjust(0.5, false)
	if res := l.must(t, Op{Verb: "break", Cond: "S1.term >= 2"}); len(res.Notes) != 1 || !strings.Contains(res.Notes[0], "it is true now") {
		t.Errorf("%+v", res)
	}
	if res := l.must(t, Op{Verb: "break", Cond: " S1.term >= 2 "}); res.Event != 0 || !strings.Contains(res.Text, "set already") {
		t.Errorf("twice: %+v", res)
	}
	l.must(t, Op{Verb: "break", Cond: "term == 9999"})
	l.must(t, Op{Verb: "break", Cond: "S3.state == 'dead'"})
	l.say(1, follower(3, 0, 0))
	if hit := l.heldBy(t); hit != nil {
		t.Fatalf("held by %+v", hit)
	}
	// What no node reports is seen, too.
	l.become(3, StateDead)
	l.mu.Lock()
	for !l.clock.Held() {
		changed := l.changed()
		l.mu.Unlock()
		<-changed
		l.mu.Lock()
	}
	l.mu.Unlock()
	hit := l.heldBy(t)
	if hit == nil || hit.ID != 3 || hit.Seen != "S3.state dead" {
		t.Errorf("held by %+v", hit)
	}
	if s := l.status(); s.Clock.Rate != 0.5 || len(s.Breaks) != 3 || s.Breaks[1].Hits != 0 || !s.Breaks[0].Holds || s.Breaks[1].Holds {
		t.Errorf("%+v, %+v", s.Clock, s.Breaks)
	}
	// While it is held it counts, and changes nothing else.
	l.become(3, StateUp)
	l.lookAtBreaks()
	l.become(3, StateDead)
	l.lookAtBreaks()
	if b := l.status().Breaks[2]; b.Hits != 2 {
		t.Errorf("%+v", b)
	}
}

func TestBreaksAreTakenAway(t *testing.T) {
	l := fakeLab(t, 3)
	l.lead(1, 2)
	if res := l.must(t, Op{Verb: "break", Stop: true}); res.Text != "there are no breakpoints" || res.Event != 0 {
		t.Errorf("none there: %+v", res)
	}
	for _, c := range []string{"two-leaders", "truncated", "term >= 9"} {
		l.must(t, Op{Verb: "break", Cond: c})
	}
	if res := l.must(t, Op{Verb: "break", Stop: true, ID: 2}); res.Text != "breakpoint 2 is taken away: truncated" {
		t.Errorf("%+v", res)
	}
	l.must(t, Op{Verb: "break", Cond: "split-vote"})
	if s := l.status(); len(s.Breaks) != 3 || s.Breaks[2].ID != 4 {
		t.Errorf("numbers come again: %+v", s.Breaks)
	}
	if res := l.must(t, Op{Verb: "break", Stop: true}); res.Text != "3 breakpoints are taken away" {
		t.Errorf("%+v", res)
	}
	l.clock.Adjust(1, false)
	l.say(2, wire.State{Role: raft.Leader, Term: 9, Leader: 2})
	if hit := l.heldBy(t); hit != nil {
		t.Errorf("held by one that is gone: %+v", hit)
	}
}

// Who waits for a breakpoint, or holds a lab that one has just held, is answered
// when the nodes stand: what is read then stays.
func TestBreaksAreSeenAtRest(t *testing.T) {
	l := fakeLab(t, 3)
	l.lead(1, 2)
	for id := 1; id <= 3; id++ {
		l.obeys(t, id, func(wire.Order) wire.Outcome { return wire.Outcome{Waiting: new(wire.Waiting)} })
	}
	l.must(t, Op{Verb: "break", Cond: "term >= 9"})
	l.clock.Adjust(1, false)
	l.say(2, wire.State{Role: raft.Leader, Term: 9, Leader: 2})
	l.mu.Lock()
	rest := l.rest
	l.mu.Unlock()
	if hit := l.heldBy(t); hit == nil || rest == nil {
		t.Fatalf("held by %+v", hit)
	}
	var asking sync.WaitGroup
	asks := func(what string, ask func() error) {
		asking.Go(func() {
			if err := ask(); err != nil || !isClosed(rest) {
				t.Errorf("%s: %s; the nodes stand: %v", what, told(err), isClosed(rest))
			}
		})
	}
	asks("wait", func() error {
		r, err := l.wait(t.Context(), &Wait{Cond: `broke == "term >= 9" and held`})
		if err == nil && !r.Holds {
			t.Errorf("it is %s", r.Seen)
		}
		return err
	})
	asks("hold", func() error {
		_, err := l.do(t.Context(), &Op{Verb: "hold"})
		return err
	})
	for id := 1; id <= 3; id++ {
		l.say(id, wire.State{Term: 9, Held: true})
	}
	asking.Wait()
}

func TestBreaksThatMakeNoSense(t *testing.T) {
	l := fakeLab(t, 3)
	l.lead(1, 2)
	tests := []struct {
		name string
		op   Op
		code int
		want string
	}{
		{"nothing", Op{}, ExitUsage, "a breakpoint without a condition"},
		{"a word that is none", Op{Cond: "two-leader"}, ExitUsage, `condition "two-leader", column 1: unknown name two`},
		{"half a condition", Op{Cond: "S1.term >="}, ExitUsage, `column 10: it ends where more is expected`},
		{"an operator that does not fit", Op{Cond: "S1.term == 'x'"}, ExitUsage, "column 9"},
		{"a number", Op{Cond: "term + 1"}, ExitUsage, "expected bool"},
		{"a node that is not there", Op{Cond: "S9.term == 1"}, ExitUsage, "S9 is not in this lab, it has S1"},
		{"a key", Op{Cond: `kv("x") == "1"`}, ExitUsage, "reads a key"},
		{"one to take away that is not there", Op{Stop: true, ID: 7}, ExitConflict, "there is no breakpoint 7: there are none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.op.Verb = "break"
			_, err := l.do(t.Context(), &tt.op)
			e, ok := err.(*Error)
			if !ok || e.Code != tt.code || !strings.Contains(e.Message, tt.want) || e.Hint == "" {
				t.Errorf("%s, want %q with code %d and a hint", told(err), tt.want, tt.code)
			}
		})
	}
	for i := range breaksMax {
		l.must(t, Op{Verb: "break", Cond: fmt.Sprintf("term == %d", 100+i)})
	}
	_, err := l.do(t.Context(), &Op{Verb: "break", Cond: "two-leaders"})
	if e, ok := err.(*Error); !ok || e.Code != ExitConflict || !strings.Contains(e.Message, "32 breakpoints already") {
		t.Errorf("one too many: %s", told(err))
	}
}

// A step that makes no sense is refused before anything moves.
func TestStepsThatMakeNoSense(t *testing.T) {
	held := func(l *lab) {}
	runs := func(l *lab) { l.clock.Adjust(1, false) }
	tests := []struct {
		name string
		op   Op
		made func(*lab)
		code int
		want string
		hint string
	}{
		{"less than none", Op{Count: -1}, held, ExitUsage, "a lab goes on by 1 to 10000 steps, not -1", "raftlab step 5"},
		{"too many", Op{Count: stepsMax + 1}, held, ExitUsage, "not 10001", "raftlab step 5"},
		{"a condition that is none", Op{Until: "S1.term >="}, held, ExitUsage, "column 10", "a condition is one of"},
		{"a condition about a node that is not there", Op{Until: "S7.term == 1"}, held, ExitUsage, "S7 is not in this lab", ""},
		{"a condition that reads", Op{Until: `kv("x") == "1"`}, held, ExitUsage, "a held lab answers no reads", "commit"},
		{"a lab that runs", Op{}, runs, ExitConflict, "the lab clock runs, and only a held lab goes on by steps", "raftlab hold"},
		{"nobody there", Op{}, held, ExitConflict, "nothing is to come", "raftlab restart dead"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := fakeLab(t, 3)
			for id := 1; id <= 3; id++ {
				l.become(id, StateDead)
			}
			tt.made(l)
			before := l.clock.Setting().Held
			tt.op.Verb = "step"
			_, err := l.do(t.Context(), &tt.op)
			e, ok := err.(*Error)
			if !ok || e.Code != tt.code || !strings.Contains(e.Message, tt.want) || !strings.Contains(e.Hint, tt.hint) {
				t.Errorf("%s, want %q with code %d and %q", told(err), tt.want, tt.code, tt.hint)
			}
			if l.clock.Held() != before || l.status().LastEvent > 0 {
				t.Errorf("something happened: %+v", l.status())
			}
		})
	}
	l := fakeLab(t, 1)
	if res := l.must(t, Op{Verb: "step", Until: "held"}); len(res.Steps) != 0 || !res.Until.Holds || res.Text != "no step was needed" {
		t.Errorf("until what holds already: %+v", res)
	}
}

// What comes first is what is due first; at the same time what has happened
// already, then messages, then timers, then clients, who do not starve the others.
func TestWhatComesFirst(t *testing.T) {
	l := fakeLab(t, 3)
	const base = raft.Time(1e9) // later than its clock has come
	l.clock.Advance(base + 100)
	tests := []struct {
		name      string
		all       map[int]*wire.Waiting
		fruitless bool
		kind      stepKind
		node      int
		at        raft.Time
	}{
		{"the earlier timer", map[int]*wire.Waiting{1: {Due: 300}, 2: {Due: 200}, 3: {Due: raft.Never}}, false, comingTimer, 2, 200},
		{"of two the lower number", map[int]*wire.Waiting{3: {Due: 300}, 2: {Due: 300}}, false, comingTimer, 2, 300},
		{"a timer that is past, now", map[int]*wire.Waiting{1: {Due: 50}, 2: {Due: 20}}, false, comingTimer, 1, 100},
		{"the disk's word before messages", map[int]*wire.Waiting{1: {Due: 200, Messages: 1, Message: &wire.WaitingMessage{From: 2}}, 2: {Due: 300, Disk: true}}, false, comingDisk, 2, 100},
		{"a message before a client", map[int]*wire.Waiting{1: {Due: 200, Requests: 1}, 2: {Due: 300, Messages: 1, Message: &wire.WaitingMessage{From: 1}}}, false, comingMessage, 2, 100},
		{"a client before what is to come", map[int]*wire.Waiting{1: {Due: 200}, 2: {Due: 300, Requests: 2}}, false, comingRequest, 2, 100},
		{"a client of whom nothing came waits for one other thing", map[int]*wire.Waiting{1: {Due: 200}, 2: {Due: 300, Requests: 2}}, true, comingTimer, 1, 200},
		{"unless there is none", map[int]*wire.Waiting{2: {Due: raft.Never, Requests: 2}}, true, comingRequest, 2, 100},
		{"a slow disk in its time", map[int]*wire.Waiting{1: {Due: 200, Sync: true}, 2: {Due: 200}}, false, comingSync, 1, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l.steps.fruitless = tt.fruitless
			for _, w := range tt.all {
				if w.Due != raft.Never {
					w.Due += base
				}
			}
			got, err := l.first(tt.all)
			if err != nil || got.kind != tt.kind || got.node != tt.node || got.at != base+tt.at {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
