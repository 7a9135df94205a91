package link

import (
	"math"
	"slices"
	"testing"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

func TestMatch(t *testing.T) {
	of := func(k wire.Kind, term raft.Term, first, last raft.Index) Frame {
		return Frame{Kind: k, Term: term, First: first, Last: last, Left: 100}
	}
	append3, beat := of(wire.KindAppend, 3, 5, 8), of(wire.KindHeartbeat, 3, 0, 0)
	reply, vote := of(wire.KindAppendReply, 3, 8, 8), of(wire.KindVote, 4, 9, 9)
	all := []Frame{append3, beat, reply, vote}
	tests := []struct {
		name  string
		match Match
		want  []Frame
	}{
		{"nothing set", Match{}, all},
		{"a kind", Match{Kinds: KindsOf(wire.KindAppend)}, []Frame{append3}},
		{"kinds", Match{Kinds: KindsOf(wire.KindAppend, wire.KindVote)}, []Frame{append3, vote}},
		{"requests", Match{Way: Requests}, []Frame{append3, beat, vote}},
		{"replies", Match{Way: Replies}, []Frame{reply}},
		{"a term", Match{Term: 4}, []Frame{vote}},
		{"a range that begins in the frame's", Match{From: 8, To: 100}, []Frame{append3, reply, vote}},
		{"a range that ends in it", Match{From: 1, To: 5}, []Frame{append3}},
		{"a range inside it", Match{From: 6, To: 7}, []Frame{append3}},
		{"a range before", Match{From: 1, To: 4}, nil},
		{"one entry", Match{From: 8, To: 8}, []Frame{append3, reply}},
		{"an open range", Match{From: 9}, []Frame{vote}},
		{"a range that is open at its start", Match{To: 8}, []Frame{append3, reply}},
		{"until later", Match{Until: 101}, all},
		{"until now", Match{Until: 100}, nil},
		{"kind and term", Match{Kinds: KindsOf(wire.KindVote), Term: 3}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.match.validate(); err != nil {
				t.Fatal(err)
			}
			var got []Frame
			for _, f := range all {
				if linkOf(Rules{Faults: []Fault{{Match: tt.match, Effect: Cut{}}}}).Judge(1, &f).Drop != "" {
					got = append(got, f)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%+v picks %+v, want %+v", tt.match, got, tt.want)
			}
		})
	}
}

func TestMatchCounts(t *testing.T) {
	numbers := func(m Match, frames int) []int {
		l := linkOf(Rules{Faults: []Fault{{Match: m, Effect: Cut{}}}})
		var out []int
		for n := 1; n <= frames; n++ {
			f := frame(uint64(n), 0)
			if n%2 == 0 {
				f.Kind = wire.KindVote
			}
			if l.Judge(1, &f).Drop != "" {
				out = append(out, n)
			}
		}
		return out
	}
	votes := KindsOf(wire.KindVote)
	for _, tt := range []struct {
		name  string
		match Match
		want  []int
	}{
		{"the next three", Match{Next: 3}, []int{1, 2, 3}},
		{"every third", Match{Every: 3}, []int{3, 6, 9, 12}},
		{"every first is every", Match{Every: 1, Next: 2}, []int{1, 2}},
		{"the next two of every third", Match{Every: 3, Next: 2}, []int{3, 6}},
		{"only frames of the sort count", Match{Kinds: votes, Next: 2}, []int{2, 4}},
		{"every second of the sort", Match{Kinds: votes, Every: 2}, []int{4, 8, 12}},
	} {
		if got := numbers(tt.match, 12); !slices.Equal(got, tt.want) {
			t.Errorf("%s: frames %v, want %v", tt.name, got, tt.want)
		}
	}
	// Of those that chance picks the first three.
	if half, three := numbers(Match{Prob: 0.5}, 100), numbers(Match{Prob: 0.5, Next: 3}, 100); len(half) < 30 || !slices.Equal(three, half[:3]) {
		t.Errorf("the next three by chance: %v, want the first of %v", three, half)
	}
}

func TestIndexes(t *testing.T) {
	for _, tt := range []struct {
		name        string
		kind        wire.Kind
		summary     wire.Summary
		first, last raft.Index
	}{
		{"an append: what it carries", wire.KindAppend, wire.Summary{PrevIndex: 4, Entries: 3}, 5, 7},
		{"a heartbeat: nothing", wire.KindHeartbeat, wire.Summary{PrevIndex: 4, Commit: 4}, 0, 0},
		{"a yes: what it confirms", wire.KindAppendReply, wire.Summary{OK: true, Match: 7, PrevIndex: 4}, 7, 7},
		{"a no: what it was asked for", wire.KindAppendReply, wire.Summary{PrevIndex: 4}, 4, 4},
		{"a candidate's last", wire.KindPreVote, wire.Summary{LastIndex: 9}, 9, 9},
		{"an answer to a candidate", wire.KindVoteReply, wire.Summary{OK: true}, 0, 0},
		{"a snapshot: all it stands for", wire.KindSnapshot, wire.Summary{PrevIndex: 40}, 1, 40},
		{"a snapshot of nothing", wire.KindSnapshot, wire.Summary{}, 0, 0},
		{"its answer: its last", wire.KindSnapshotReply, wire.Summary{PrevIndex: 40}, 40, 40},
		{"a read: what it waits for", wire.KindReadIndexReply, wire.Summary{OK: true, Match: 6}, 6, 6},
		{"timeout-now", wire.KindTimeoutNow, wire.Summary{}, 0, 0},
	} {
		if first, last := Indexes(tt.kind, &tt.summary); first != tt.first || last != tt.last {
			t.Errorf("%s: %d to %d, want %d to %d", tt.name, first, last, tt.first, tt.last)
		}
		if indexed.Has(tt.kind) != (tt.last != 0) && tt.summary != (wire.Summary{}) {
			t.Errorf("%s: indexed says %v", tt.name, indexed.Has(tt.kind))
		}
	}
}

func TestKinds(t *testing.T) {
	set, err := ParseKinds("append,vote", "heartbeat")
	if want := KindsOf(wire.KindVote, wire.KindAppend, wire.KindHeartbeat); err != nil || set != want {
		t.Fatalf("%v, %v, want %v", set, err, want)
	}
	if got := set.String(); got != "vote,append,heartbeat" {
		t.Errorf("%q", got)
	}
	_, err = ParseKinds("appends")
	if want := `no frame is of kind "appends": there are vote, vote-reply, prevote, prevote-reply, append, append-reply, heartbeat, snapshot, snapshot-reply, timeout-now, read-index, read-index-reply`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := ParseKinds(""); err == nil {
		t.Error("no name is a kind")
	}
}

func TestValidate(t *testing.T) {
	one := func(m Match, e Effect) Rules { return Rules{Faults: []Fault{{Match: m, Effect: e}}} }
	kinds := func(k ...wire.Kind) Match { return Match{Kinds: KindsOf(k...)} }
	tests := []struct {
		name  string
		rules Rules
		want  string // the error; empty: none
	}{
		{"nothing set", Rules{}, ""},
		{"everything at its limit", with(Cut{}, Blackhole{}, Reset{}, Hold{}, Loss{Share: 1}, Corrupt{Share: 1}, Duplicate{1, DelayMax}, Reorder{1, DelayMax},
			Rate{rateMax, rateMax}, Rate{Bytes: 1}, Delay{Mean: DelayMax, Jitter: DelayMax}), ""},
		{"more jitter than delay", with(Delay{Mean: ms, Jitter: 5 * ms}), ""},
		{"no effect", Rules{Faults: []Fault{{}}}, "a fault without an effect"},
		{"loss over everything", with(Loss{Share: 5}), "a loss of 500%: it is between 0 % and 100 %"},
		{"negative loss", with(Loss{Share: -0.1}), "a loss of -10%: it is between 0 % and 100 %"},
		{"loss that is no number", with(Loss{Share: math.NaN()}), "a loss of NaN%: it is between 0 % and 100 %"},
		{"duplication over everything", with(Duplicate{Share: 1.01}), "a duplication of 101%: it is between 0 % and 100 %"},
		{"reordering over everything", with(Reorder{Share: 2}), "a reordering of 200%: it is between 0 % and 100 %"},
		{"corruption over everything", with(Corrupt{Share: math.Inf(1)}), "a corruption of +Inf%: it is between 0 % and 100 %"},
		{"bursts of half a frame", with(Loss{Share: 0.1, Burst: 0.5}), "bursts of 0.5 frames: a burst is 1 to 1e+06 of them"},
		{"bursts of no number", with(Loss{Share: 0.1, Burst: math.NaN()}), "bursts of NaN frames: a burst is 1 to 1e+06 of them"},
		{"the most that bursts lose", with(Loss{Share: 0.75, Burst: 3}), ""},
		{"more than bursts lose", with(Loss{Share: 0.8, Burst: 3}), "a loss of 80% in bursts of 3 frames: at most 75% can be lost in such bursts"},
		{"everything in bursts", with(Loss{Share: 1, Burst: 3}), "a loss of 100% in bursts of 3 frames: at most 75% can be lost in such bursts"},
		{"negative delay", with(Delay{Mean: -ms}), "a delay of -1ms: it is between 0 and 24h0m0s"},
		{"negative jitter", with(Delay{Jitter: -ms}), "a jitter of -1ms: it is between 0 and 24h0m0s"},
		{"a delay for ever", with(Delay{Mean: math.MaxInt64}), "a delay of 2562047h47m16.854775807s: it is between 0 and 24h0m0s"},
		{"a distribution of nothing", with(Delay{Mean: ms, Distribution: 9}), "a distribution that there is not: there are uniform, normal, exponential, pareto, table"},
		{"a table without a value", with(Delay{Distribution: Table}), "a table of delays without a value"},
		{"a table and a delay", with(Delay{Mean: ms, Distribution: Table, Values: []raft.Duration{ms}}), "a table of delays with a delay or a jitter beside it: its values are all there is"},
		{"a table with a negative value", with(Delay{Distribution: Table, Values: []raft.Duration{ms, -ms}}), "a delay in a table of -1ms: it is between 0 and 24h0m0s"},
		{"values for nothing", with(Delay{Mean: ms, Distribution: Normal, Values: []raft.Duration{ms}}), "a normal delay with a table of values: only table draws from one"},
		{"a spread without a mean", with(Delay{Jitter: ms, Distribution: Pareto}), "pareto delays of 0 with a jitter of 1ms: nothing would be left of them"},
		{"a rate of nothing", with(Rate{}), "a rate of 0 bytes a second: it is between 1 and 1099511627776; a cut stops everything"},
		{"a negative burst", with(Rate{Bytes: 1, Burst: -1}), "a burst of -1 bytes: it is between 0 and 1099511627776"},
		{"a copy before its frame", with(Duplicate{Share: 1, After: -ms}), "a pause before the copy of -1ms: it is between 0 and 24h0m0s"},
		{"reordered to the front", with(Reorder{Share: 1, By: -ms}), "a delay of reordered frames of -1ms: it is between 0 and 24h0m0s"},

		{"a probability over everything", one(Match{Prob: 1.5}, Cut{}), "a probability of 150%: it is between 0 % and 100 %"},
		{"a kind that carries no message", one(kinds(wire.KindHello), Cut{}), "frames of a kind that there is not: there are vote, vote-reply, prevote, prevote-reply, append, append-reply, heartbeat, snapshot, snapshot-reply, timeout-now, read-index, read-index-reply"},
		{"a request that is a reply", one(Match{Kinds: KindsOf(wire.KindVoteReply), Way: Requests}, Cut{}), "vote-reply frames that are requests: they are replies"},
		{"a reply that is a request", one(Match{Kinds: KindsOf(wire.KindVote, wire.KindAppend), Way: Replies}, Cut{}), "vote,append frames that are replies: they are requests"},
		{"one of which is a reply", one(Match{Kinds: KindsOf(wire.KindVote, wire.KindVoteReply), Way: Replies}, Cut{}), ""},
		{"a way of its own", one(Match{Way: 3}, Cut{}), "a way that there is not: it is request or reply"},
		{"a range backwards", one(Match{From: 9, To: 5}, Cut{}), "entries 9 to 5: the range ends before it begins"},
		{"entries of what has none", one(Match{Kinds: KindsOf(wire.KindHeartbeat), From: 9}, Cut{}), "heartbeat frames of an entry: they are about none"},
		{"until before the start", one(Match{Until: -1}, Cut{}), "frames until -1ns: the lab clock starts at 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := tt.rules.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestLines(t *testing.T) {
	for _, tt := range []struct {
		fault Fault
		links string
		want  string
	}{
		{Fault{Effect: Cut{}}, "", "cut"},
		{Fault{Effect: Cut{}, Match: Match{Until: 5}}, "1 to 3", "cut 1 to 3"},
		{Fault{Effect: Delay{Mean: 20 * ms}}, "all", "slow all 20ms"},
		{Fault{Effect: Delay{Mean: 20 * ms, Jitter: 5 * ms, Distribution: Normal}, Match: Match{Kinds: KindsOf(wire.KindAppend)}}, "", "slow 20ms~5ms normal --kind append"},
		{Fault{Effect: Delay{Distribution: Table, Values: []raft.Duration{ms, 2500 * ms}}}, "1 2", "slow 1 2 table 1ms,2.5s"},
		{Fault{Effect: Loss{Share: 0.1}, Match: Match{Kinds: KindsOf(wire.KindAppend, wire.KindHeartbeat), Way: Requests, Term: 7}}, "1 to 3", "lose 1 to 3 10% --kind append,heartbeat --request --term 7"},
		{Fault{Effect: Loss{Share: 0.001, Burst: 2.5}}, "1", "lose 1 0.1% --burst 2.5"},
		{Fault{Effect: Duplicate{Share: 0.05}, Match: Match{From: 5, To: 9}}, "1 2", "duplicate 1 2 5% --index 5-9"},
		{Fault{Effect: Duplicate{Share: 1, After: 10 * ms}, Match: Match{From: 5, To: 5, Every: 3}}, "1 2", "duplicate 1 2 100% --after 10ms --index 5 --every 3"},
		{Fault{Effect: Reorder{Share: 0.3}, Match: Match{From: 5, Next: 2}}, "all", "reorder all 30% --index 5- --next 2"},
		{Fault{Effect: Reorder{Share: 0.3, By: ms}, Match: Match{Prob: 0.07, To: 4}}, "all", "reorder all 30% --by 1ms --index 1-4 --chance 7%"},
		{Fault{Effect: Corrupt{Share: 0.015}}, "all", "corrupt all 1.5%"},
		{Fault{Effect: Rate{Bytes: 64 << 10}}, "all", "throttle all 64KiB/s"},
		{Fault{Effect: Rate{Bytes: 1000, Burst: 3 << 20}}, "all", "throttle all 1000/s --burst 3MiB"},
		{Fault{Effect: Reset{}, Match: Match{Next: 1, Way: Replies}}, "2", "reset 2 --reply --next 1"},
		{Fault{Effect: Blackhole{}}, "2", "blackhole 2"},
		{Fault{Effect: Hold{}, Match: Match{Kinds: KindsOf(wire.KindVote), Every: 1, Prob: 1}}, "", "frame hold --kind vote"},
	} {
		if got := tt.fault.Line(tt.links); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{0: "0%", 0.05: "5%", 0.07: "7%", 0.29: "29%", 0.001: "0.1%", 1.0 / 3: "33.333333333%", 1: "100%"} {
		if got := Percent(share); got != want {
			t.Errorf("%v is %s, want %s", share, got, want)
		}
	}
}

func TestDistributionsHaveNames(t *testing.T) {
	for d := Uniform; d < distributions; d++ {
		if got, err := ParseDistribution(d.String()); got != d || err != nil {
			t.Errorf("%v reads back as %v, %v", d, got, err)
		}
	}
	if _, err := ParseDistribution("gauss"); err == nil || err.Error() != `no distribution is named "gauss": there are uniform, normal, exponential, pareto, table` {
		t.Errorf("%v", err)
	}
}

func TestRulesAreChangedByCopy(t *testing.T) {
	appends := Match{Kinds: KindsOf(wire.KindAppend)}
	base := Rules{}.With(Fault{ID: 1, Effect: Delay{Mean: ms}})
	layered := base.With(Fault{ID: 2, Match: appends, Effect: Delay{Mean: 2 * ms}})
	replaced := layered.With(Fault{ID: 3, Match: Match{Until: 9}, Effect: Delay{Mean: 3 * ms, Distribution: Normal}})
	if len(base.Faults) != 1 || len(layered.Faults) != 2 || len(replaced.Faults) != 2 {
		t.Fatalf("%+v\n%+v\n%+v", base, layered, replaced)
	}
	if replaced.Faults[0].ID != 3 || layered.Faults[0].ID != 1 || base.Faults[0].ID != 1 {
		t.Errorf("%+v\n%+v\n%+v", base, layered, replaced)
	}
	if d, ok := Find[Delay](replaced); !ok || d.Mean != 3*ms {
		t.Errorf("found %+v, %v", d, ok)
	}
	if _, ok := Find[Delay](Rules{Faults: layered.Faults[1:]}); ok {
		t.Error("found a delay of all frames where there is one of appends")
	}
	if _, ok := Find[Cut](replaced); ok {
		t.Error("found a cut")
	}
	fewer := replaced.Without(func(f Fault) bool { return f.ID == 3 })
	if len(fewer.Faults) != 1 || len(replaced.Faults) != 2 || replaced.Faults[0].ID != 3 {
		t.Errorf("%+v\n%+v", fewer, replaced)
	}
	if none := fewer.Without(Is[Delay]); !none.Equal(Rules{}) {
		t.Errorf("%+v", none)
	}
	if !replaced.Equal(replaced) || replaced.Equal(layered) || base.Equal(Rules{Wall: true, Faults: base.Faults}) {
		t.Error("Equal")
	}
	table := Delay{Distribution: Table, Values: []raft.Duration{1, 2}}
	if with(table).Equal(with(Delay{Distribution: Table, Values: []raft.Duration{1, 3}})) || !with(table).Equal(with(Delay{Distribution: Table, Values: []raft.Duration{1, 2}})) {
		t.Error("Equal of tables")
	}
}
