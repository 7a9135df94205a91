package netlab

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
)

// on lists the faults of a status: "f1 cut [1-2 2-1]".
func on(s *Status) []string {
	var out []string
	for _, f := range s.Faults {
		var links []string
		for _, l := range f.Links {
			links = append(links, fmt.Sprintf("%d-%d", l[0], l[1]))
		}
		out = append(out, fmt.Sprintf("f%d %s %v", f.ID, f.Text, links))
	}
	return out
}

// linkOf is one link of a status.
func linkOf(t *testing.T, s *Status, from, to int) LinkStatus {
	t.Helper()
	for _, k := range s.Links {
		if k.From == from && k.To == to {
			return k
		}
	}
	t.Fatalf("no link %d to %d", from, to)
	return LinkStatus{}
}

// What is set has a number, is on links, is replaced where the same is set for
// the same frames, and stands beside what is set for others.
func TestFaultsAreKeptByNumber(t *testing.T) {
	l := fakeLab(t, 3)
	for _, c := range []struct {
		op   Op
		text string
		on   []string
	}{
		{Op{Verb: "slow", Links: []string{"all"}, Delay: 20 * time.Millisecond}, "all 6 links: take 20ms", []string{"f1 slow 20ms [1-2 1-3 2-1 2-3 3-1 3-2]"}},
		{Op{Verb: "slow", Links: []string{"1 to 2"}, Delay: 50 * time.Millisecond, Jitter: 10 * time.Millisecond, Distribution: "normal"}, "S1 to S2: take 50ms~10ms, distributed normal",
			[]string{"f1 slow 20ms [1-3 2-1 2-3 3-1 3-2]", "f2 slow 50ms~10ms normal [1-2]"}},
		{Op{Verb: "lose", Links: []string{"1 to 2"}, Loss: 0.1, Match: &Match{Kinds: []string{"append"}, Way: "request", Term: 3, From: 5, To: 9}},
			"S1 to S2: lose 10 % of their frames (only append, only requests, term 3, entries 5-9)",
			[]string{"f1 slow 20ms [1-3 2-1 2-3 3-1 3-2]", "f2 slow 50ms~10ms normal [1-2]", "f3 lose 10% --kind append --request --term 3 --index 5-9 [1-2]"}},
		{Op{Verb: "lose", Links: []string{"1 to 2"}, Loss: 0.2, Burst: 5}, "S1 to S2: lose 20 % of their frames, 5 in a row on average",
			[]string{"f1 slow 20ms [1-3 2-1 2-3 3-1 3-2]", "f2 slow 50ms~10ms normal [1-2]", "f3 lose 10% --kind append --request --term 3 --index 5-9 [1-2]", "f4 lose 20% --burst 5 [1-2]"}},
		{Op{Verb: "lose", Links: []string{"1 to 2"}, Loss: 0.5, Match: &Match{Kinds: []string{"request", "append"}, Term: 3, From: 5, To: 9}},
			"S1 to S2: lose 50 % of their frames (only append, only requests, term 3, entries 5-9)",
			[]string{"f1 slow 20ms [1-3 2-1 2-3 3-1 3-2]", "f2 slow 50ms~10ms normal [1-2]", "f4 lose 20% --burst 5 [1-2]", "f5 lose 50% --kind append --request --term 3 --index 5-9 [1-2]"}},
		{Op{Verb: "heal", Fault: 4}, "f4 is off: lose 20% --burst 5 (S1 to S2)",
			[]string{"f1 slow 20ms [1-3 2-1 2-3 3-1 3-2]", "f2 slow 50ms~10ms normal [1-2]", "f5 lose 50% --kind append --request --term 3 --index 5-9 [1-2]"}},
		{Op{Verb: "slow", Links: []string{"1 to 2"}, Distribution: "table", Table: []time.Duration{5 * time.Millisecond, 5 * time.Millisecond, 80 * time.Millisecond}}, "S1 to S2: take 5ms, 5ms or 80ms",
			[]string{"f1 slow 20ms [1-3 2-1 2-3 3-1 3-2]", "f5 lose 50% --kind append --request --term 3 --index 5-9 [1-2]", "f6 slow table 5ms,5ms,80ms [1-2]"}},
		{Op{Verb: "lose", Links: []string{"1"}}, "all links of S1: no longer lossy", nil},
		{Op{Verb: "slow", Links: []string{"all"}, Delay: time.Second}, "all 6 links: take 1s", []string{"f7 slow 1s [1-2 1-3 2-1 2-3 3-1 3-2]"}},
		{Op{Verb: "duplicate", Links: []string{"1 2"}, Share: 0.05, Delay: 30 * time.Millisecond}, "S1 and S2, both ways: deliver 5 % of their frames twice, the second time after 30ms",
			[]string{"f7 slow 1s [1-2 1-3 2-1 2-3 3-1 3-2]", "f8 duplicate 5% --after 30ms [1-2 2-1]"}},
		{Op{Verb: "reorder", Links: []string{"1 2"}, Share: 0.05, Match: &Match{Every: 3, Next: 2}}, "S1 and S2, both ways: let others overtake 5 % of their frames (one in 3, the next 2)", nil},
		{Op{Verb: "corrupt", Links: []string{"3 to 1"}, Share: 1, Match: &Match{Prob: 0.25}}, "S3 to S1: corrupt 100 % of their frames, which the receiver refuses (each with a chance of 25%)", nil},
		{Op{Verb: "throttle", Links: []string{"all"}, Bytes: 64 << 10, Burst: 1 << 10}, "all 6 links: carry 64KiB/s at most", nil},
		{Op{Verb: "throttle", Links: []string{"all"}, Bytes: 64 << 10, Burst: 1 << 10}, "all 6 links are throttled to 64KiB/s already", nil},
		{Op{Verb: "blackhole", Links: []string{"2 to 1"}}, "S2 to S1: a black hole: frames go in, and none comes out", nil},
		{Op{Verb: "reset", Links: []string{"3 to 2"}}, "S3 to S2: a frame breaks the connection, and is lost with it (the next 1)", nil},
		{Op{Verb: "frame", Action: "hold", Links: []string{"2 to 3"}, Match: &Match{Kinds: []string{"vote"}}}, "S2 to S3: frames are held until somebody lets them go (only vote)", []string{
			"f7 slow 1s [1-2 1-3 2-1 2-3 3-1 3-2]", "f8 duplicate 5% --after 30ms [1-2 2-1]", "f9 reorder 5% --every 3 --next 2 [1-2 2-1]", "f10 corrupt 100% --chance 25% [3-1]",
			"f11 throttle 64KiB/s --burst 1KiB [1-2 1-3 2-1 2-3 3-1 3-2]", "f12 blackhole [2-1]", "f13 reset --next 1 [3-2]", "f14 frame hold --kind vote [2-3]",
		}},
	} {
		res := l.must(t, c.op)
		s := l.status()
		if res.Text != c.text {
			t.Errorf("%+v says %q, want %q", c.op, res.Text, c.text)
		}
		if c.on != nil && !slices.Equal(on(s), c.on) {
			t.Errorf("after %q are on\n%q, want\n%q", c.text, on(s), c.on)
		}
	}
	s := l.status()
	want := LinkStatus{From: 2, To: 1, Cut: true, DelayMS: 1000, Duplicate: 0.05, RateBytes: 64 << 10,
		Set: "slow 1s, duplicate 5% --after 30ms, reorder 5% --every 3 --next 2, throttle 64KiB/s --burst 1KiB, blackhole"}
	if got := linkOf(t, s, 2, 1); got != want {
		t.Errorf("link %+v\nwant %+v", got, want)
	}
	l.must(t, Op{Verb: "heal", All: true, Line: "raftlab heal --all"})
	s = l.status()
	if len(s.Faults) != 0 || s.Undo != "raftlab heal --all" {
		t.Errorf("after heal --all: %v, undo %q", on(s), s.Undo)
	}
	for _, k := range s.Links {
		if k != (LinkStatus{From: k.From, To: k.To}) {
			t.Errorf("after heal --all link %+v", k)
		}
	}
	for _, k := range l.faults.links {
		if rules, err := l.engine.(*processes).proxy.Rules(nodeIDs([]int{k.from})[0], nodeIDs([]int{k.to})[0]); err != nil || rules.Wall || len(rules.Faults) > 0 {
			t.Errorf("the network still has %+v, %v", rules, err)
		}
	}
}

// Each line is one sentence, says what is wrong, and changes nothing.
func TestFaultsThatCannotBe(t *testing.T) {
	one := []string{"1 to 2"}
	for _, c := range []struct {
		name    string
		op      Op
		code    int
		message string
		hint    string
	}{
		{"more than all arrives twice", Op{Verb: "duplicate", Links: one, Share: 1.01}, ExitUsage, "a link delivers 0 to 100 % of its frames twice, not 101 %", "duplicate 1 5%"},
		{"less than none is corrupt", Op{Verb: "corrupt", Links: one, Share: -.5}, ExitUsage, "a link delivers 0 to 100 % of its frames corrupt, not -50 %", "corrupt 1 5%"},
		{"more than all is late", Op{Verb: "reorder", Links: one, Share: 2}, ExitUsage, "a link delivers 0 to 100 % of its frames out of order, not 200 %", "reorder 1 5%"},
		{"a copy from the past", Op{Verb: "duplicate", Links: one, Share: .5, Delay: -time.Second}, ExitUsage, "duplicate: a pause before the copy of -1s: it is between 0 and 24h", "help duplicate"},
		{"a day and more", Op{Verb: "reorder", Links: one, Share: .5, Delay: 25 * time.Hour}, ExitUsage, "a delay of reordered frames of 25h0m0s: it is between 0 and 24h", ""},
		{"a delay below zero", Op{Verb: "slow", Links: one, Delay: -1}, ExitUsage, "a link's delay is 0 to", "slow 1 20ms"},
		{"a distribution of its own", Op{Verb: "slow", Links: one, Delay: 1, Distribution: "zipf"}, ExitUsage, `a delay is not distributed "zipf"`, "uniform normal exponential pareto"},
		{"a table of nothing", Op{Verb: "slow", Links: one, Distribution: "table"}, ExitUsage, "a table of delays without a value", "slow 1 table 5ms,"},
		{"a table and a delay", Op{Verb: "slow", Links: one, Delay: 1, Distribution: "table", Table: []time.Duration{1}}, ExitUsage, "a table of delays with a delay or a jitter beside it", "slow 1 table 5ms,"},
		{"a table by another name", Op{Verb: "slow", Links: one, Delay: 1, Distribution: "normal", Table: []time.Duration{1}}, ExitUsage, "a normal delay with a table of values", "slow 1 table 5ms,"},
		{"a table with a delay below zero", Op{Verb: "slow", Links: one, Distribution: "table", Table: []time.Duration{1, -1}}, ExitUsage, "a delay in a table of -1ns: it is between 0 and 24h", ""},
		{"a table without an end", Op{Verb: "slow", Links: one, Distribution: "table", Table: make([]time.Duration, link.TableMax+1)}, ExitUsage, "a table of 257 delays: it has 256 at most", ""},
		{"bursts of nothing", Op{Verb: "lose", Links: one, Burst: 5}, ExitUsage, "a link that loses 0 % of its frames has no bursts", "--burst 5"},
		{"bursts of everything", Op{Verb: "lose", Links: one, Loss: 1, Burst: 5}, ExitUsage, "a link that loses 100 % of its frames has no bursts", "--burst 5"},
		{"bursts of half a frame", Op{Verb: "lose", Links: one, Loss: .1, Burst: .5}, ExitUsage, "bursts of 0.5 frames: a burst is 1 to", ""},
		{"bursts too close", Op{Verb: "lose", Links: one, Loss: .9, Burst: 2}, ExitUsage, "a loss of 90% in bursts of 2 frames: at most", ""},
		{"slower than standing", Op{Verb: "throttle", Links: one, Bytes: -5}, ExitUsage, "it cannot carry -5", "throttle 1 64KiB/s"},
		{"half a byte at once", Op{Verb: "throttle", Links: one, Bytes: 5, Burst: .5}, ExitUsage, "a burst is a number of bytes, not 0.5", "--burst 16KiB"},
		{"no such kind", Op{Verb: "cut", Links: one, Match: &Match{Kinds: []string{"apend"}}}, ExitUsage, `no frame is of kind "apend"`, "kinds: append heartbeat vote"},
		{"not a frame of a link", Op{Verb: "cut", Links: one, Match: &Match{Kinds: []string{"hello"}}}, ExitUsage, `no frame is of kind "hello"`, "kinds:"},
		{"question and answer", Op{Verb: "cut", Links: one, Match: &Match{Kinds: []string{"request", "reply"}}}, ExitUsage, "no frame is both a request and a reply", ""},
		{"no such way", Op{Verb: "cut", Links: one, Match: &Match{Way: "vote"}}, ExitUsage, `the way of a frame is request or reply, not "vote"`, ""},
		{"a question that answers", Op{Verb: "cut", Links: one, Match: &Match{Kinds: []string{"vote-reply"}, Way: "request"}}, ExitUsage, "no frame of kind vote-reply is a request", "kinds:"},
		{"backwards", Op{Verb: "cut", Links: one, Match: &Match{From: 9, To: 3}}, ExitUsage, "the range of indexes 9-3 ends before it begins", "--index 3-9"},
		{"of what has no index", Op{Verb: "cut", Links: one, Match: &Match{Kinds: []string{"heartbeat", "transfer"}, From: 3}}, ExitUsage, "a frame of kind heartbeat or timeout-now is about no index, so a range of them leaves none", "--index goes with"},
		{"a chance over all", Op{Verb: "cut", Links: one, Match: &Match{Prob: 1.5}}, ExitUsage, "a chance is 0 to 100 %, not 150 %", "--chance 30%"},
		{"into the past", Op{Verb: "cut", Links: one, For: -time.Second}, ExitUsage, "a fault lasts longer than 0 and at most 24h, not -1s", "--for 2s"},
		{"for two days", Op{Verb: "partition", Sides: [][]string{{"1"}}, For: 48 * time.Hour}, ExitUsage, "at most 24h, not 48h", "--for 2s"},
		{"nothing, for a while", Op{Verb: "slow", Links: one, For: time.Second}, ExitUsage, "to take something away does not end by itself", "without --for"},
		{"a node that was never there", Op{Verb: "duplicate", Links: []string{"1 9"}, Share: .1}, ExitUsage, "node 9 is not in this lab", "1 2 3"},
		{"a leader when there is none", Op{Verb: "reset", Links: []string{"leader to 2"}}, ExitConflict, "there is no leader now", "wait leader"},
		{"to itself", Op{Verb: "corrupt", Links: []string{"2 to 2"}, Share: .1}, ExitUsage, "S2 has no link to itself", "links are"},
		{"a fault that was never there", Op{Verb: "heal", Fault: 9}, ExitConflict, "there is no fault f9", "raftlab faults"},
		{"what is no action", Op{Verb: "frame", Frame: 1, Action: "eat"}, ExitUsage, `"eat" cannot be done to a frame`, "hold release drop inject"},
		{"no frame named", Op{Verb: "frame", Action: "drop"}, ExitUsage, "frame drop wants one frame, all that are held, or links", "raftlab frame 4711 drop"},
		{"two things named", Op{Verb: "frame", Action: "drop", Frame: 1, All: true}, ExitUsage, "frame drop wants one frame, all that are held, or links", ""},
		{"what flies is not released", Op{Verb: "frame", Action: "release", Links: one}, ExitUsage, "only those that are held", "raftlab frame all release"},
		{"all sent once more", Op{Verb: "frame", Action: "inject", All: true}, ExitUsage, "only those that are held", "raftlab frame all release"},
		{"one frame of a kind", Op{Verb: "frame", Action: "drop", Frame: 1, Match: &Match{Term: 1}}, ExitUsage, "one frame is one frame", "frame hold"},
		{"a frame nobody sent", Op{Verb: "frame", Action: "drop", Frame: 4711}, ExitConflict, "frame 4711", "raftlab frames"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := fakeLab(t, 3)
			before := l.events.last
			_, err := l.do(t.Context(), &c.op)
			e := checkMessage(t, err, c.code, c.message)
			if !strings.Contains(e.Hint, c.hint) {
				t.Errorf("hint %q, want it to say %q", e.Hint, c.hint)
			}
			if s := l.status(); l.events.last != before || len(s.Faults) > 0 || s.Undo != "" {
				t.Errorf("what did not happen made %d events and %v, undo %q", l.events.last-before, on(s), s.Undo)
			}
		})
	}
}

// Undo goes back one change after the other, whatever each was.
func TestUndo(t *testing.T) {
	l := fakeLab(t, 5)
	l.must(t, Op{Verb: "undo"})
	ops := []Op{
		{Verb: "slow", Links: []string{"all"}, Delay: time.Millisecond, Line: "raftlab slow all 1ms"},
		{Verb: "partition", Sides: [][]string{{"2", "4"}}, Line: "raftlab partition 2 4"},
		{Verb: "partition", Sides: [][]string{{"5"}}, Line: "raftlab partition 5"},
		{Verb: "heal", Links: []string{"5", "1"}, Line: "raftlab heal 5 1"},
		{Verb: "slow", Links: []string{"1"}, Delay: time.Second, Line: "raftlab slow 1 1s"},
		{Verb: "cut", Links: []string{"1 to 2"}, Match: &Match{Kinds: []string{"vote"}}, Line: "raftlab cut 1 to 2 --kind vote"},
		{Verb: "slow", Links: []string{"all"}, Line: "raftlab slow all 0"},
		{Verb: "heal", All: true, Line: "raftlab heal --all"},
		{Verb: "lose", Links: []string{"3"}, Loss: .5},
	}
	type state struct {
		on        []string
		partition string
		links     string
	}
	now := func() state {
		s := l.status()
		return state{on(s), fmt.Sprint(s.Partition), fmt.Sprint(s.Links)}
	}
	var past []state
	for _, op := range ops {
		past = append(past, now())
		l.must(t, op)
	}
	for i, op := range slices.Backward(ops) {
		want := op.Line
		if want == "" {
			want = "all links of S3: lose 50 % of their frames"
		}
		if got := l.status().Undo; got != want {
			t.Errorf("undo would take back %q, want %q", got, want)
		}
		res := l.must(t, Op{Verb: "undo", Line: "raftlab undo"})
		if !strings.HasPrefix(res.Text, "undone: "+want) {
			t.Errorf("undo says %q, want %q", res.Text, "undone: "+want)
		}
		if got := now(); fmt.Sprint(got) != fmt.Sprint(past[i]) {
			t.Errorf("undo of %q leaves\n%+v, want\n%+v", want, got, past[i])
		}
		if e, _ := l.events.after(res.Event-1, 1); e[0].Kind != EventFault || e[0].Line != "raftlab undo" {
			t.Errorf("event %+v", e[0])
		}
	}
	before := l.events.last
	if res := l.must(t, Op{Verb: "undo"}); !strings.HasPrefix(res.Text, "nothing to undo") || l.events.last != before {
		t.Errorf("%+v, %d events", res, l.events.last-before)
	}
	for range 2 * pastMax {
		l.must(t, Op{Verb: "cut", Links: []string{"1 to 2"}, Match: &Match{Term: 1 + l.events.last}})
	}
	undone := 0
	for l.status().Undo != "" {
		l.must(t, Op{Verb: "undo"})
		undone++
	}
	if undone != pastMax {
		t.Errorf("undone %d changes, want the last %d", undone, pastMax)
	}
}

// What ends by itself ends at its lab time, not before and not while the clock
// is held, and is an event. What it covered is there again.
func TestFaultsEndByThemselves(t *testing.T) {
	l := fakeLab(t, 3)
	l.must(t, Op{Verb: "slow", Links: []string{"all"}, Delay: 20 * time.Millisecond})
	l.must(t, Op{Verb: "partition", Sides: [][]string{{"1"}}})
	res := l.must(t, Op{Verb: "slow", Links: []string{"1 to 2"}, Delay: time.Second, For: 100 * time.Second, Line: "raftlab slow 1 to 2 1s --for 100s"})
	if want := "S1 to S2: take 1s (for 1m40s)"; res.Text != want {
		t.Errorf("says %q, want %q", res.Text, want)
	}
	res = l.must(t, Op{Verb: "partition", Sides: [][]string{{"2"}}, For: 200 * time.Second})
	if want := "until it ends it stands in place of the partition {1} | {2 3}"; len(res.Notes) != 1 || res.Notes[0] != want {
		t.Errorf("notes %q, want %q", res.Notes, want)
	}
	l.must(t, Op{Verb: "cut", Links: []string{"3 to 1"}, For: 300 * time.Second})
	l.must(t, Op{Verb: "heal", Fault: 5})
	s := l.status()
	want := []string{"f1 slow 20ms [1-3 2-1 2-3 3-1 3-2]", "f2 partition 1 / 2 3 []", "f3 slow 1s [1-2]", "f4 partition 2 / 1 3 [1-2 2-1 2-3 3-2]"}
	if got := on(s); !slices.Equal(got, want) || s.Faults[2].UntilNS-s.Faults[2].SetNS != int64(100*time.Second) || fmt.Sprint(s.Partition) != "[[2] [1 3]]" {
		t.Errorf("on are %q until %d, partition %v; want %q", got, s.Faults[2].UntilNS, s.Partition, want)
	}
	before := l.events.last
	l.must(t, Op{Verb: "speed", Rate: 1000})
	l.must(t, Op{Verb: "release"})
	l.eventually(t, "f3 and f4 end", func() bool { return len(l.faults.on) == 2 })
	l.clock.Adjust(1000, true)
	s = l.status()
	want = []string{"f1 slow 20ms [1-2 1-3 2-1 2-3 3-1 3-2]", "f2 partition 1 / 2 3 [1-2 1-3 2-1 3-1]"}
	if got := on(s); !slices.Equal(got, want) || fmt.Sprint(s.Partition) != "[[1] [2 3]]" {
		t.Errorf("on are %q, partition %v; want %q", got, s.Partition, want)
	}
	var told []string
	events, _ := l.events.after(before, 100)
	for _, e := range events {
		if e.Kind == EventFault {
			told = append(told, e.Text)
			if e.LabNS < int64(100*time.Second) {
				t.Errorf("%q at %v", e.Text, time.Duration(e.LabNS))
			}
		}
	}
	if want := []string{"f3 has ended after 1m40s: slow 1s (S1 to S2)", "f4 has ended after 3m20s: partition (all links of S2)"}; !slices.Equal(told, want) {
		t.Errorf("events %q, want %q", told, want)
	}
	// What has ended does not come back; what was taken back before its time does.
	if res := l.must(t, Op{Verb: "undo"}); !strings.HasPrefix(res.Text, "undone: f5 is off") {
		t.Errorf("undo says %q", res.Text)
	}
	if got := on(l.status()); len(got) != 3 || got[2] != "f5 cut [3-1]" {
		t.Errorf("on are %q", got)
	}
	if res := l.must(t, Op{Verb: "undo"}); !strings.HasPrefix(res.Text, "undone: S3 to S1: cut") {
		t.Errorf("undo says %q", res.Text)
	}
	if res := l.must(t, Op{Verb: "undo"}); !strings.HasPrefix(res.Text, "undone: partition {1}") {
		t.Errorf("undo says %q: those of f3 and f4 make no difference any more", res.Text)
	}
}

// A node takes its rules along when it goes; a new one has what the lab was
// started with, and nothing that somebody set before it came.
func TestFaultsOfNodesThatComeAndGo(t *testing.T) {
	l := fakeLab(t, 4, func(c *Config) { c.Delay = 7 * time.Millisecond })
	l.must(t, Op{Verb: "lose", Links: []string{"all"}, Loss: .1})
	l.must(t, Op{Verb: "cut", Links: []string{"4"}})
	l.must(t, Op{Verb: "partition", Sides: [][]string{{"4", "1"}}})
	gone := l.member(4)
	l.acting.Lock()
	err := l.strike(gone)
	l.acting.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"f1 slow 7ms [1-2 1-3 2-1 2-3 3-1 3-2]", "f2 lose 10% [1-2 1-3 2-1 2-3 3-1 3-2]", "f4 partition 1 / 2 3 [1-2 1-3 2-1 3-1]"}
	if got := on(l.status()); !slices.Equal(got, want) {
		t.Errorf("without S4 are on %q, want %q", got, want)
	}
	if events, _ := l.events.after(l.events.last-1, 1); len(events) != 1 || events[0].Kind != EventFault || events[0].Text != "f3 is gone with the links of S4: cut" {
		t.Errorf("event %+v, want that the cut is gone", events)
	}
	_, err = l.do(t.Context(), &Op{Verb: "corrupt", Links: []string{"4"}, Share: .1})
	checkMessage(t, err, ExitUsage, "node 4 is not in this lab")
	l.acting.Lock()
	_, err = l.enlist(4)
	l.acting.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	s := l.status()
	want[0] = "f1 slow 7ms [1-2 1-3 1-4 2-1 2-3 2-4 3-1 3-2 3-4 4-1 4-2 4-3]"
	if got := on(s); !slices.Equal(got, want) {
		t.Errorf("with another S4 are on %q, want %q", got, want)
	}
	if k := linkOf(t, s, 4, 1); k.Set != "slow 7ms" || k.Wall || k.Cut || k.Loss != 0 {
		t.Errorf("its link %+v", k)
	}
	// Undo does not put on the new one what was the old one's.
	l.must(t, Op{Verb: "undo"})
	for range 3 {
		l.must(t, Op{Verb: "undo"})
	}
	if got := on(l.status()); !slices.Equal(got, want[:1]) {
		t.Errorf("after all is undone are on %q, want %q", got, want[:1])
	}
	l.must(t, Op{Verb: "heal", All: true})
	l.acting.Lock()
	_, err = l.enlist(5)
	l.acting.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if got := on(l.status()); len(got) != 0 {
		t.Errorf("a node that comes to a healed network brings %q", got)
	}
}

// A reader of the stream is told what is set, and when it ends.
func TestFaultsInTheStream(t *testing.T) {
	l := fakeLab(t, 3)
	r := l.read(t)
	l.must(t, Op{Verb: "cut", Links: []string{"1 to 2"}, Line: "raftlab cut 1 to 2"})
	r.until(t, func(s *Status) bool {
		return len(s.Faults) == 1 && s.Undo == "raftlab cut 1 to 2" && linkOf(t, s, 1, 2).Set == "cut"
	})
	l.must(t, Op{Verb: "heal", All: true})
	r.until(t, func(s *Status) bool { return len(s.Faults) == 0 && linkOf(t, s, 1, 2).Set == "" })
}
