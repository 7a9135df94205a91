package link

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/raftlab/raftlab/raft"
)

const ms = raft.Duration(time.Millisecond)

func frame(number uint64, left raft.Time) Frame {
	return Frame{From: 1, To: 3, Number: number, Bytes: 64, Left: left}
}

func TestJudge(t *testing.T) {
	const left = raft.Time(1000 * ms)
	tests := []struct {
		name    string
		rules   Rules
		lastDue raft.Time
		want    Verdict
		wantDue raft.Time // of the state after it
	}{
		{"no rules: it arrives when it leaves", Rules{}, 0, Verdict{Due: left}, left},
		{"a wall drops", Rules{Wall: true}, 0, Verdict{Drop: DroppedAtWall, Due: left}, 0},
		{"a cut drops", Rules{Cut: true}, 0, Verdict{Drop: DroppedByCut, Due: left}, 0},
		{"behind a wall nobody sees the cut", Rules{Wall: true, Cut: true, Loss: 1}, 0, Verdict{Drop: DroppedAtWall, Due: left}, 0},
		{"a cut comes before loss", Rules{Cut: true, Loss: 1}, 0, Verdict{Drop: DroppedByCut, Due: left}, 0},
		{"loss of everything drops", Rules{Loss: 1}, 0, Verdict{Drop: DroppedByLoss, Due: left}, 0},
		{"a delay without jitter is exact", Rules{Delay: Delay{Mean: 20 * ms}}, 0, Verdict{Due: left + raft.Time(20*ms)}, left + raft.Time(20*ms)},
		{"a dropped frame tells when it was due", Rules{Cut: true, Delay: Delay{Mean: 20 * ms}}, 0, Verdict{Drop: DroppedByCut, Due: left + raft.Time(20*ms)}, 0},
		{"nothing overtakes", Rules{Delay: Delay{Mean: 5 * ms}}, left + raft.Time(80*ms), Verdict{Due: left + raft.Time(80*ms)}, left + raft.Time(80*ms)},
		{"a dropped frame holds up nobody", Rules{Loss: 1, Delay: Delay{Mean: 80 * ms}}, left, Verdict{Drop: DroppedByLoss, Due: left + raft.Time(80*ms)}, left},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, state := Judge(tt.rules, 1, frame(17, left), State{LastDue: tt.lastDue})
			if got != tt.want {
				t.Errorf("Judge(%+v) = %+v, want %+v", tt.rules, got, tt.want)
			}
			if state.LastDue != tt.wantDue {
				t.Errorf("last due %v, want %v", state.LastDue, tt.wantDue)
			}
		})
	}
}

func TestJudgeArrival(t *testing.T) {
	tests := []struct {
		name  string
		rules Rules
		want  Reason
	}{
		{"nothing stands in the way", Rules{}, ""},
		{"a wall that came stops what is under way", Rules{Wall: true}, DroppedAtWall},
		{"a cut that came stops what is under way", Rules{Cut: true}, DroppedByCut},
		{"chance is not asked twice", Rules{Loss: 1, Delay: Delay{Mean: 20 * ms}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := JudgeArrival(tt.rules); got != tt.want {
				t.Errorf("JudgeArrival(%+v) = %q, want %q", tt.rules, got, tt.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name  string
		rules Rules
		want  string // part of the error; empty: none
	}{
		{"nothing set", Rules{}, ""},
		{"everything set", Rules{Wall: true, Cut: true, Loss: 1, Delay: Delay{Mean: DelayMax, Jitter: DelayMax}}, ""},
		{"more jitter than delay", Rules{Delay: Delay{Mean: ms, Jitter: 5 * ms}}, ""},
		{"loss in percent", Rules{Loss: 5}, "a loss of 5 is no share"},
		{"negative loss", Rules{Loss: -0.1}, "a loss of -0.1"},
		{"loss that is no number", Rules{Loss: Loss(math.NaN())}, "a loss of NaN"},
		{"negative delay", Rules{Delay: Delay{Mean: -ms}}, "a delay of -1ms"},
		{"negative jitter", Rules{Delay: Delay{Jitter: -ms}}, "a jitter of -1ms"},
		{"a delay for ever", Rules{Delay: Delay{Mean: math.MaxInt64}}, "between 0 and 24h"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.rules.Validate()
			if tt.want == "" && err != nil {
				t.Errorf("Validate(%+v) = %v, want none", tt.rules, err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Validate(%+v) = %v, want %q in it", tt.rules, err, tt.want)
			}
		})
	}
}

// rules draws any valid Rules, most faults off most of the time.
func rules(t *rapid.T) Rules {
	pick := func(name string) bool { return rapid.IntRange(0, 3).Draw(t, name) == 0 }
	var r Rules
	r.Wall = Wall(pick("wall"))
	r.Cut = Cut(pick("cut"))
	if pick("lossy") {
		r.Loss = Loss(rapid.Float64Range(0, 1).Draw(t, "loss"))
	}
	if pick("slow") {
		r.Delay.Mean = raft.Duration(rapid.Int64Range(0, int64(DelayMax)).Draw(t, "delay"))
	}
	if pick("jittery") {
		r.Delay.Jitter = raft.Duration(rapid.Int64Range(0, int64(DelayMax)).Draw(t, "jitter"))
	}
	return r
}

// However the rules of a link change, its frames are due in the order they
// left, none before it left, and none later than its delay allows or the frame
// before it forces.
func TestFramesKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		var s State
		var left, lastDue raft.Time
		for number := uint64(1); number <= 50; number++ {
			r := rules(t)
			if err := r.Validate(); err != nil {
				t.Fatal(err)
			}
			left += raft.Time(rapid.Int64Range(0, int64(50*ms)).Draw(t, "pause"))
			var v Verdict
			v, s = Judge(r, seed, frame(number, left), s)
			if v.Due < left {
				t.Fatalf("frame %d left at %d and is due at %d", number, left, v.Due)
			}
			if v.Drop != "" {
				continue
			}
			if v.Due < lastDue {
				t.Fatalf("frame %d is due at %d, before frame %d's %d", number, v.Due, number-1, lastDue)
			}
			slowest := left + raft.Time(r.Delay.Mean+r.Delay.Jitter)
			if v.Due > max(slowest, lastDue) {
				t.Fatalf("frame %d is due at %d; at most %d or %d was allowed", number, v.Due, slowest, lastDue)
			}
			lastDue = v.Due
		}
	})
}

// What chance does to a frame is a matter of seed, link, number and fault: not
// of the frames judged before, nor of the other faults.
func TestAVerdictDependsOnNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		f := frame(rapid.Uint64().Draw(t, "number"), raft.Time(1000*ms))
		loss := Loss(rapid.Float64Range(0, 1).Draw(t, "loss"))
		delay := Delay{Mean: 20 * ms, Jitter: 10 * ms}

		alone, _ := Judge(Rules{Delay: delay}, seed, f, State{})
		lossy, _ := Judge(Rules{Loss: loss}, seed, f, State{})
		var s State
		for range rapid.IntRange(0, 5).Draw(t, "others") {
			_, s = Judge(Rules{}, seed, frame(rapid.Uint64().Draw(t, "other"), 0), s)
		}
		both, _ := Judge(Rules{Delay: delay, Loss: loss}, seed, f, s)
		if both.Due != alone.Due {
			t.Errorf("due at %d with loss set, at %d without", both.Due, alone.Due)
		}
		if both.Drop != lossy.Drop {
			t.Errorf("dropped %q with a delay set, %q without", both.Drop, lossy.Drop)
		}
	})
}

// Whatever a seed did once it does for ever: recordings and bug reports name
// seeds.
func TestSeedsKeepTheirMeaning(t *testing.T) {
	r := Rules{Loss: 0.2, Delay: Delay{Mean: 20 * ms, Jitter: 10 * ms}}
	var got []Verdict
	for number := uint64(1); number <= 6; number++ {
		v, _ := Judge(r, 42, frame(number, 0), State{})
		got = append(got, v)
	}
	want := []Verdict{
		{Drop: DroppedByLoss, Due: 11188804},
		{Due: 15374506},
		{Due: 26056926},
		{Due: 18337690},
		{Drop: DroppedByLoss, Due: 25067222},
		{Due: 12271625},
	}
	if !slices.Equal(got, want) {
		t.Errorf("frames 1 to 6 of seed 42:\n%+v, want\n%+v", got, want)
	}
}

func TestSplit(t *testing.T) {
	five, gaps := []raft.NodeID{1, 2, 3, 4, 5}, []raft.NodeID{2, 3, 7}
	tests := []struct {
		name  string
		nodes []raft.NodeID
		sides [][]raft.NodeID
		want  Sides
		err   string
	}{
		{"unnamed nodes form one more side", five, [][]raft.NodeID{{2, 4}}, Sides{{2, 4}, {1, 3, 5}}, ""},
		{"any number of sides, and the rest", five, [][]raft.NodeID{{2, 1}, {3, 4}}, Sides{{1, 2}, {3, 4}, {5}}, ""},
		{"everyone alone", five, [][]raft.NodeID{{1}, {2}, {3}, {4}, {5}}, Sides{{1}, {2}, {3}, {4}, {5}}, ""},
		{"everyone on one side", five, [][]raft.NodeID{{1, 2, 3, 4, 5}}, Sides{{1, 2, 3, 4, 5}}, ""},
		{"no side is no partition", five, nil, nil, ""},
		{"twice on one side", five, [][]raft.NodeID{{2, 2}}, nil, "node 2 is named twice"},
		{"on two sides", five, [][]raft.NodeID{{1, 2}, {2, 3}}, nil, "node 2 is named twice"},
		{"a node that is not there", five, [][]raft.NodeID{{6}}, nil, "node 6 is not one of the 5 nodes"},
		{"nobody", five, [][]raft.NodeID{{0}}, nil, "node 0 is not one of the 5 nodes"},
		{"an empty side", five, [][]raft.NodeID{{1}, {}}, nil, "a side without a node"},
		{"numbers may be left out", gaps, [][]raft.NodeID{{7}}, Sides{{7}, {2, 3}}, ""},
		{"a number that is left out", gaps, [][]raft.NodeID{{4}}, nil, "node 4 is not one of the 3 nodes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Split(tt.nodes, tt.sides)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("Split(%v, %v): %v, want %q", tt.nodes, tt.sides, err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(got, tt.want, func(a, b []raft.NodeID) bool { return slices.Equal(a, b) }) {
				t.Errorf("Split(%v, %v) = %v, want %v", tt.nodes, tt.sides, got, tt.want)
			}
		})
	}
}

// A wall stands between two nodes exactly when they are on different sides,
// both ways alike.
func TestWallStandsBetweenSides(t *testing.T) {
	sides, err := Split([]raft.NodeID{1, 2, 3, 4, 5}, [][]raft.NodeID{{2, 4}, {3}})
	if err != nil {
		t.Fatal(err)
	}
	side := map[raft.NodeID]int{2: 1, 4: 1, 3: 2, 1: 3, 5: 3}
	for a := raft.NodeID(1); a <= 5; a++ {
		for b := raft.NodeID(1); b <= 5; b++ {
			if got, want := sides.Between(a, b), Wall(side[a] != side[b]); got != want {
				t.Errorf("Between(%d, %d) = %v, want %v", a, b, got, want)
			}
		}
	}
	if Sides(nil).Between(1, 2) {
		t.Error("a wall in a whole network")
	}
}

// A node that is removed is on no side any more.
func TestSidesWithout(t *testing.T) {
	for _, tt := range []struct {
		name  string
		sides Sides
		id    raft.NodeID
		want  Sides
	}{
		{"the others stay where they are", Sides{{2, 4}, {1, 3, 5}}, 4, Sides{{2}, {1, 3, 5}}},
		{"a side of its own is gone", Sides{{2}, {4}, {1, 3, 5}}, 4, Sides{{2}, {1, 3, 5}}},
		{"one side is no partition", Sides{{2}, {1, 3, 5}}, 2, nil},
		{"one that is on no side", Sides{{2}, {1, 3}}, 7, Sides{{2}, {1, 3}}},
		{"no partition", nil, 1, nil},
	} {
		if got := tt.sides.Without(tt.id); !slices.EqualFunc(got, tt.want, func(a, b []raft.NodeID) bool { return slices.Equal(a, b) }) {
			t.Errorf("%s: %v without %d is %v, want %v", tt.name, tt.sides, tt.id, got, tt.want)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	for _, bb := range []struct {
		name  string
		rules Rules
	}{
		{"no rules", Rules{}},
		{"wall", Rules{Wall: true}},
		{"delay, jitter and loss", Rules{Loss: 0.01, Delay: Delay{Mean: 20 * ms, Jitter: 5 * ms}}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			var s State
			for number := uint64(1); b.Loop(); number++ {
				_, s = Judge(bb.rules, 1, frame(number, raft.Time(number)), s)
			}
		})
	}
}
