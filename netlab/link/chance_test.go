package link

import (
	"math"
	"slices"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// The tests of this file ask whether what comes out is distributed as the
// rules say, over 100 000 frames of several seeds and links. The seeds are
// fixed, so a test passes always or never; the bounds are those a fair
// generator breaks once in a thousand such tests.
const many = 100_000

var (
	seeds = []uint64{0, 1, 2, 42, 1 << 63, math.MaxUint64}
	links = [][2]raft.NodeID{{1, 2}, {2, 1}, {1, 3}, {3, 2}, {20, 21}, {255, 256}}
)

func eachLink(t *testing.T, check func(t *testing.T, seed uint64, from, to raft.NodeID)) {
	for i, seed := range seeds {
		check(t, seed, links[i][0], links[i][1])
	}
}

// with are rules of faults that look at every frame.
func with(effects ...Effect) Rules {
	var r Rules
	for _, e := range effects {
		r.Faults = append(r.Faults, Fault{Effect: e})
	}
	return r
}

func linkOf(r Rules) *Link {
	var l Link
	l.SetRules(r)
	return &l
}

// flights are how long many frames take on a link of which each is alone.
func flights(d Delay, seed uint64, from, to raft.NodeID) []float64 {
	l := linkOf(with(d))
	out := make([]float64, many)
	for i := range out {
		l.lastDue = 0 // order would make some wait
		out[i] = float64(l.Judge(seed, &Frame{From: from, To: to, Number: uint64(i) + 1}).Due)
	}
	return out
}

// distance is Kolmogorov's and Smirnov's: the largest gap between the
// distribution seen and the one that is asked for.
func distance(seen []float64, cumulative func(x float64) float64) float64 {
	slices.Sort(seen)
	gap, n := 0.0, float64(len(seen))
	for i, x := range seen {
		p := cumulative(x)
		gap = max(gap, math.Abs(p-float64(i)/n), math.Abs(p-float64(i+1)/n))
	}
	return gap
}

// distanceMax is what a fair generator exceeds once in a thousand times.
var distanceMax = 1.95 / math.Sqrt(many)

func normal(mean, deviation float64) func(float64) float64 {
	return func(x float64) float64 { return math.Erfc((mean-x)/deviation/math.Sqrt2) / 2 }
}

func exponential(least, deviation float64) func(float64) float64 {
	return func(x float64) float64 { return 1 - math.Exp(-max(x-least, 0)/deviation) }
}

// pareto3 is of a Pareto distribution of shape 3 with these moments.
func pareto3(mean, deviation float64) func(float64) float64 {
	scale := deviation / math.Sqrt(0.75)
	return func(x float64) float64 { return 1 - math.Pow(max((x-mean)/scale+1.5, 1), -3) }
}

func TestDelaysAreDistributedAsAsked(t *testing.T) {
	const mean, jitter = float64(20 * ms), float64(5 * ms)
	for _, tt := range []struct {
		name       string
		delay      Delay
		cumulative func(float64) float64
	}{
		{"uniform", Delay{Mean: 20 * ms, Jitter: 5 * ms}, func(x float64) float64 { return min(max((x-15*float64(ms))/(10*float64(ms)), 0), 1) }},
		{"normal", Delay{Mean: 50 * ms, Jitter: 5 * ms, Distribution: Normal}, normal(50*float64(ms), jitter)},
		{"exponential", Delay{Mean: 20 * ms, Distribution: Exponential}, exponential(0, mean)},
		{"exponential with a least delay", Delay{Mean: 20 * ms, Jitter: 5 * ms, Distribution: Exponential}, exponential(mean-jitter, jitter)},
		{"pareto", Delay{Mean: 20 * ms, Distribution: Pareto}, pareto3(mean, mean*math.Sqrt(3))},
		{"pareto with a least delay", Delay{Mean: 20 * ms, Jitter: 5 * ms, Distribution: Pareto}, pareto3(mean, jitter)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachLink(t, func(t *testing.T, seed uint64, from, to raft.NodeID) {
				if gap := distance(flights(tt.delay, seed, from, to), tt.cumulative); gap > distanceMax {
					t.Errorf("seed %d, %v to %v: Kolmogorov-Smirnov distance %.5f, want at most %.5f", seed, from, to, gap, distanceMax)
				}
			})
		})
	}
}

// Mean is the mean and Jitter the standard deviation, to within four standard
// errors; of a Pareto distribution of shape 3 the deviation itself has none, so it
// is not asked for there.
func TestMomentsAreAsAsked(t *testing.T) {
	for _, d := range []Delay{
		{Mean: 20 * ms, Jitter: 3 * ms, Distribution: Normal},
		{Mean: 20 * ms, Jitter: 20 * ms, Distribution: Exponential},
		{Mean: 20 * ms, Jitter: 3 * ms, Distribution: Exponential},
		{Mean: 20 * ms, Jitter: 3 * ms, Distribution: Pareto},
		{Mean: 20 * ms, Jitter: 10 * ms, Distribution: Pareto},
	} {
		seen := flights(d, 1, 1, 2)
		sum, squares := 0.0, 0.0
		for _, x := range seen {
			sum += x
		}
		mean := sum / many
		for _, x := range seen {
			squares += (x - mean) * (x - mean)
		}
		deviation := math.Sqrt(squares / many)
		if off := math.Abs(mean - float64(d.Mean)); off > 4*float64(d.Jitter)/math.Sqrt(many) {
			t.Errorf("%s: the mean is %.0f ns", d.args(), mean)
		}
		if off := math.Abs(deviation - float64(d.Jitter)); d.Distribution != Pareto && off > 0.02*float64(d.Jitter) {
			t.Errorf("%s: the deviation is %.0f ns", d.args(), deviation)
		}
	}
}

func TestDelaysStayInTheirBounds(t *testing.T) {
	for _, d := range []Delay{
		{Mean: ms, Jitter: 10 * ms},
		{Mean: ms, Jitter: 10 * ms, Distribution: Normal},
		{Mean: DelayMax, Jitter: DelayMax, Distribution: Normal},
		{Mean: ms, Jitter: 10 * ms, Distribution: Exponential},
		{Mean: DelayMax, Distribution: Exponential},
		{Mean: ms, Jitter: 10 * ms, Distribution: Pareto},
		{Mean: DelayMax, Distribution: Pareto},
	} {
		for i, x := range flights(d, 3, 1, 2) {
			if x < 0 || x > float64(DelayMax) {
				t.Fatalf("%s: frame %d takes %v ns", d.args(), i+1, x)
			}
		}
		// The ends of what can be drawn.
		for _, u := range []float64{0, share(math.MaxUint64)} {
			if x := d.spread(u); d.Distribution != Uniform && (x < 0 || x > DelayMax) {
				t.Errorf("%s: the draw %v takes %v ns", d.args(), u, x)
			}
		}
	}
}

// Chi-square with 2 degrees of freedom stays under 13.82: a value that stands
// twice comes twice as often.
func TestTableDrawsItsValues(t *testing.T) {
	d := Delay{Distribution: Table, Values: []raft.Duration{3 * ms, 80 * ms, 3 * ms, 7 * ms}}
	want := map[float64]float64{float64(3 * ms): many / 2, float64(7 * ms): many / 4, float64(80 * ms): many / 4}
	eachLink(t, func(t *testing.T, seed uint64, from, to raft.NodeID) {
		seen := make(map[float64]float64)
		for _, x := range flights(d, seed, from, to) {
			seen[x]++
		}
		chi := 0.0
		for x, n := range want {
			chi += (seen[x] - n) * (seen[x] - n) / n
		}
		if len(seen) != len(want) || chi > 13.82 {
			t.Errorf("seed %d, %v to %v: %v: chi-square %.1f, want at most 13.82", seed, from, to, seen, chi)
		}
	})
}

// Both ends of a narrow jitter are drawn as often as its middle: chi-square
// with 6 degrees of freedom stays under 22.46.
func TestJitterIncludesItsEnds(t *testing.T) {
	eachLink(t, func(t *testing.T, seed uint64, from, to raft.NodeID) {
		var seen [7]float64
		for _, x := range flights(Delay{Mean: 10, Jitter: 3}, seed, from, to) {
			seen[int(x)-7]++
		}
		chi := 0.0
		for _, count := range seen {
			chi += (count - many/7.0) * (count - many/7.0) / (many / 7.0)
		}
		if chi > 22.46 {
			t.Errorf("seed %d, %v to %v: 7 to 13 ns came %v times: chi-square %.1f, want at most 22.46", seed, from, to, seen, chi)
		}
	})
}

func TestJitterOverTheDelayPilesUpAtZero(t *testing.T) {
	zero := 0
	for _, x := range flights(Delay{Mean: 5 * ms, Jitter: 10 * ms}, 7, 1, 2) {
		if x == 0 {
			zero++
		}
	}
	if got := float64(zero) / many; math.Abs(got-0.25) > 0.005 {
		t.Errorf("%.4f of the frames of 5 ms ± 10 ms take no time, want a quarter", got)
	}
}

// shares are the effects that have one, and how to see that they acted.
var shares = []struct {
	name string
	rule func(share float64) Fault
	did  func(Verdict) bool
}{
	{"loss", func(s float64) Fault { return Fault{Effect: Loss{Share: s}} }, func(v Verdict) bool { return v.Drop == DroppedByLoss }},
	{"duplicate", func(s float64) Fault { return Fault{Effect: Duplicate{Share: s}} }, func(v Verdict) bool { return v.Copies == 1 }},
	{"reorder", func(s float64) Fault { return Fault{Effect: Reorder{Share: s}} }, func(v Verdict) bool { return v.Free }},
	{"corrupt", func(s float64) Fault { return Fault{Effect: Corrupt{Share: s}} }, func(v Verdict) bool { return v.Damage != 0 }},
	{"a cut of some", func(s float64) Fault { return Fault{Match: Match{Prob: s}, Effect: Cut{}} }, func(v Verdict) bool { return v.Drop == DroppedByCut }},
	{"a black hole for some", func(s float64) Fault { return Fault{Match: Match{Prob: s}, Effect: Blackhole{}} }, func(v Verdict) bool { return v.Drop == DroppedInBlackhole }},
	{"a reset by some", func(s float64) Fault { return Fault{Match: Match{Prob: s}, Effect: Reset{}} }, func(v Verdict) bool { return v.Reset }},
	{"a hold of some", func(s float64) Fault { return Fault{Match: Match{Prob: s}, Effect: Hold{}} }, func(v Verdict) bool { return v.Hold }},
	{"a delay of some", func(s float64) Fault { return Fault{Match: Match{Prob: s}, Effect: Delay{Mean: 1}} }, func(v Verdict) bool { return v.Due == 1 }},
	{"a loss of some", func(s float64) Fault { return Fault{Match: Match{Prob: s}, Effect: Loss{Share: 1}} }, func(v Verdict) bool { return v.Drop != "" }},
}

// Chi-square with one degree of freedom, on the count, stays under 10.83, for
// shares from rare to nearly all.
func TestSharesAreAsAsked(t *testing.T) {
	for _, tt := range shares {
		t.Run(tt.name, func(t *testing.T) {
			for _, share := range []float64{0.001, 0.01, 0.05, 0.5, 0.9, 0.999} {
				r := Rules{Faults: []Fault{tt.rule(share)}}
				eachLink(t, func(t *testing.T, seed uint64, from, to raft.NodeID) {
					l := linkOf(r)
					did := 0.0
					for n := uint64(1); n <= many; n++ {
						l.lastDue = 0
						if tt.did(l.Judge(seed, &Frame{From: from, To: to, Number: n})) {
							did++
						}
					}
					want := many * share
					chi := (did-want)*(did-want)/want + (did-want)*(did-want)/(many-want)
					if chi > 10.83 {
						t.Errorf("seed %d, %v to %v: %v of %d frames at %v: chi-square %.1f, want at most 10.83", seed, from, to, did, many, share, chi)
					}
				})
			}
		})
	}
}

func TestSharesAtTheirLimits(t *testing.T) {
	for _, tt := range shares {
		none, all := linkOf(Rules{Faults: []Fault{tt.rule(0)}}), linkOf(Rules{Faults: []Fault{tt.rule(1)}})
		if tt.rule(0).Match != tt.rule(1).Match {
			none = linkOf(Rules{}) // a probability of 0 is none that was set
		}
		for n := uint64(1); n <= many; n++ {
			f := Frame{From: 1, To: 2, Number: n}
			none.lastDue, all.lastDue = 0, 0
			if tt.did(none.Judge(1, &f)) {
				t.Fatalf("%s: frame %d at a share of 0", tt.name, n)
			}
			if !tt.did(all.Judge(1, &f)) {
				t.Fatalf("%s: not frame %d at a share of 1", tt.name, n)
			}
		}
	}
}

// Of losses in bursts the share is what was asked for in the long run, and
// bursts are as long on average. Frames in a burst stand together, so the share
// varies more than independent losses do: by the factor (1+ρ)/(1-ρ), with ρ the
// correlation of neighbours.
func TestBurstsAreAsLongAndAsManyAsAsked(t *testing.T) {
	for _, loss := range []Loss{{0.01, 3}, {0.1, 1}, {0.1, 5}, {0.3, 20}, {0.5, 2}, {0.75, 3}} {
		eachLink(t, func(t *testing.T, seed uint64, from, to raft.NodeID) {
			l := linkOf(with(loss))
			lost, bursts, before := 0.0, 0.0, false
			for n := uint64(1); n <= many; n++ {
				now := l.Judge(seed, &Frame{From: from, To: to, Number: n}).Drop == DroppedByLoss
				if now {
					lost++
				}
				if now && !before {
					bursts++
				}
				before = now
			}
			rho := 1 - loss.begins() - 1/loss.Burst
			deviation := math.Sqrt(loss.Share * (1 - loss.Share) / many * (1 + rho) / (1 - rho))
			if off := math.Abs(lost/many - loss.Share); off > 3.3*deviation {
				t.Errorf("%s, seed %d, %v to %v: %v of %d lost, off by %.1f deviations", loss.args(), seed, from, to, lost, many, off/deviation)
			}
			// The length of a burst is geometric, with the deviation √(b(b-1)).
			deviation = math.Sqrt(loss.Burst*(loss.Burst-1)/bursts) + 1e-9 // the last burst may be cut off
			if off := math.Abs(lost/bursts - loss.Burst); off > 3.3*deviation {
				t.Errorf("%s, seed %d, %v to %v: bursts of %.3f frames, off by %.1f deviations", loss.args(), seed, from, to, lost/bursts, off/deviation)
			}
		})
	}
}

// The length of bursts is geometric: chi-square over lengths 1 to 9 and longer,
// with 9 degrees of freedom, stays under 27.88.
func TestBurstLengthsAreGeometric(t *testing.T) {
	const burst = 4
	l := linkOf(with(Loss{Share: 0.2, Burst: burst}))
	var seen [10]float64
	total, run := 0.0, 0
	for n := uint64(1); n <= 5*many; n++ {
		switch {
		case l.Judge(9, &Frame{From: 1, To: 2, Number: n}).Drop != "":
			run++
		case run > 0:
			seen[min(run, 10)-1]++
			total++
			run = 0
		}
	}
	chi := 0.0
	for i, count := range seen {
		p := math.Pow(1-1.0/burst, float64(i)) / burst
		if i == 9 {
			p = math.Pow(1-1.0/burst, 9)
		}
		chi += (count - total*p) * (count - total*p) / (total * p)
	}
	if chi > 27.88 {
		t.Errorf("bursts of 1 to 10 frames came %v times: chi-square %.1f, want at most 27.88", seen, chi)
	}
}

// Damage changes one byte, any of them, to anything else: chi-square over 16
// places and 255 values, with 4079 degrees of freedom, stays under 4367.
func TestDamageMayBeAnywhere(t *testing.T) {
	l := linkOf(with(Corrupt{Share: 1}))
	const size = 16
	var seen [size][256]float64
	for n := uint64(1); n <= 4*many; n++ {
		var b [size]byte
		Damage(b[:], l.Judge(5, &Frame{From: 1, To: 2, Number: n}).Damage)
		changed := 0
		for i, x := range b {
			if x != 0 {
				changed++
				seen[i][x]++
			}
		}
		if changed != 1 {
			t.Fatalf("frame %d: %d bytes changed", n, changed)
		}
	}
	want := 4.0 * many / (size * 255)
	chi := 0.0
	for i := range seen {
		for _, count := range seen[i][1:] {
			chi += (count - want) * (count - want) / want
		}
	}
	if chi > 4367 {
		t.Errorf("chi-square %.0f, want at most 4367", chi)
	}
}

// Two draws that share everything but one word have nothing to do with each
// other: the next frame, the way back, the neighbouring link, the next seed,
// another effect, another fault of the same effect, another use. Their
// correlation stays under 3.3/√n.
func TestNeighboursAreIndependent(t *testing.T) {
	type words struct {
		seed     uint64
		from, to raft.NodeID
		number   uint64
		purpose  uint64
	}
	tests := []struct {
		name   string
		change func(*words)
	}{
		{"the next frame", func(w *words) { w.number++ }},
		{"the way back", func(w *words) { w.from, w.to = w.to, w.from }},
		{"another receiver", func(w *words) { w.to = 2 }},
		{"another sender", func(w *words) { w.from = 2 }},
		{"another seed", func(w *words) { w.seed++ }},
		{"another effect", func(w *words) { w.purpose = purpose(drawLoss, 0) }},
		{"another fault of the effect", func(w *words) { w.purpose = purpose(drawDelay, 1) }},
		{"another use", func(w *words) { w.purpose |= useMatch }},
		{"yet another use", func(w *words) { w.purpose |= useDetail }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sum := 0.0
			for n := uint64(1); n <= many; n++ {
				a := words{1, 1, 3, n, purpose(drawDelay, 0)}
				b := a
				tt.change(&b)
				of := func(w words) float64 {
					return share(draw(w.seed, &Frame{From: w.from, To: w.to, Number: w.number}, w.purpose)) - 0.5
				}
				sum += of(a) * of(b)
			}
			correlation := sum / many * 12 // the variance of a uniform share is 1/12
			if limit := 3.3 / math.Sqrt(many); math.Abs(correlation) > limit {
				t.Errorf("correlation %.5f, want at most %.5f", correlation, limit)
			}
		})
	}
}

// A link's row shows the mean and the deviation of a table, and of any other
// delay what it was given.
func TestMomentsOfATable(t *testing.T) {
	for _, tt := range []struct {
		delay        Delay
		mean, jitter raft.Duration
	}{
		{Delay{Distribution: Table, Values: []raft.Duration{5 * ms, 5 * ms, 5 * ms, 85 * ms}}, 25 * ms, raft.Duration(math.Round(float64(ms) * 20 * math.Sqrt(3)))},
		{Delay{Distribution: Table, Values: []raft.Duration{7 * ms}}, 7 * ms, 0},
		{Delay{Mean: 20 * ms, Jitter: 3 * ms, Distribution: Pareto}, 20 * ms, 3 * ms},
	} {
		if mean, jitter := tt.delay.Moments(); mean != tt.mean || jitter != tt.jitter {
			t.Errorf("%s: moments %v and %v, want %v and %v", tt.delay.args(), mean, jitter, tt.mean, tt.jitter)
		}
	}
}

// A link begins as if it had lost frames for long: its first one is lost as
// often as any other. Chi-square with one degree of freedom stays under 10.83.
func TestTheFirstFrameIsLostAsOftenAsAnyOther(t *testing.T) {
	for _, loss := range []Loss{{Share: 0.1, Burst: 5}, {Share: 0.5, Burst: 20}} {
		lost := 0.0
		for seed := range uint64(many) {
			if linkOf(with(loss)).Judge(seed, &Frame{From: 1, To: 2, Number: 1}).Drop != "" {
				lost++
			}
		}
		want := many * loss.Share
		if chi := (lost - want) * (lost - want) / want / (1 - loss.Share); chi > 10.83 {
			t.Errorf("%s: %v of %d first frames are lost: chi-square %.1f, want at most 10.83", loss.args(), lost, many, chi)
		}
	}
}

// Which frames a fault looks at, and what it does to them, are drawn apart: of
// half of the frames each half, so that both happen to a quarter. Of these 24
// chi-squares with one degree of freedom all stay under 16.8.
func TestChanceAndShareAreDrawnApart(t *testing.T) {
	for _, tt := range shares {
		f := tt.rule(0.5)
		if f.Match.Prob != 0 {
			continue
		}
		f.Match.Prob = 0.5
		eachLink(t, func(t *testing.T, seed uint64, from, to raft.NodeID) {
			l, did := linkOf(Rules{Faults: []Fault{f}}), 0.0
			for n := uint64(1); n <= many; n++ {
				l.lastDue = 0
				if tt.did(l.Judge(seed, &Frame{From: from, To: to, Number: n})) {
					did++
				}
			}
			const want = many / 4.0
			if chi := (did - want) * (did - want) / want / 0.75; chi > 16.8 {
				t.Errorf("%s, seed %d, %v to %v: %v of %d frames, chi-square %.1f, want at most 16.8", tt.name, seed, from, to, did, many, chi)
			}
		})
	}
}
