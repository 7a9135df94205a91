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
	links = [][2]raft.NodeID{{1, 2}, {2, 1}, {1, 3}, {20, 21}}
)

func eachLink(t *testing.T, check func(t *testing.T, seed uint64, from, to raft.NodeID)) {
	for _, seed := range seeds {
		for _, l := range links {
			check(t, seed, l[0], l[1])
		}
	}
}

func judged(r Rules, seed uint64, from, to raft.NodeID, number uint64) Verdict {
	v, _ := Judge(r, seed, Frame{From: from, To: to, Number: number}, State{})
	return v
}

// Kolmogorov-Smirnov: the largest gap between the distribution seen and the
// uniform one stays under 1.95/√n.
func TestDelayIsUniform(t *testing.T) {
	d := Delay{Mean: 20 * ms, Jitter: 10 * ms}
	eachLink(t, func(t *testing.T, seed uint64, from, to raft.NodeID) {
		flights := make([]float64, many)
		for i := range flights {
			due := judged(Rules{Delay: d}, seed, from, to, uint64(i)+1).Due
			if due < raft.Time(10*ms) || due > raft.Time(30*ms) {
				t.Fatalf("seed %d, %v to %v: frame %d takes %d ns, outside 20 ms ± 10 ms", seed, from, to, i+1, due)
			}
			flights[i] = float64(due-raft.Time(10*ms)) / float64(20*ms)
		}
		slices.Sort(flights)
		gap := 0.0
		for i, x := range flights {
			gap = max(gap, math.Abs(x-float64(i)/many), math.Abs(x-float64(i+1)/many))
		}
		if limit := 1.95 / math.Sqrt(many); gap > limit {
			t.Errorf("seed %d, %v to %v: Kolmogorov-Smirnov distance %.5f, want at most %.5f", seed, from, to, gap, limit)
		}
	})
}

// Both ends of a narrow jitter are drawn as often as its middle: chi-square
// with 6 degrees of freedom stays under 22.46.
func TestJitterIncludesItsEnds(t *testing.T) {
	d := Delay{Mean: 10, Jitter: 3}
	eachLink(t, func(t *testing.T, seed uint64, from, to raft.NodeID) {
		var seen [7]float64
		for n := uint64(1); n <= many; n++ {
			seen[judged(Rules{Delay: d}, seed, from, to, n).Due-7]++
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
	d := Delay{Mean: 5 * ms, Jitter: 10 * ms}
	zero := 0
	for n := uint64(1); n <= many; n++ {
		if judged(Rules{Delay: d}, 7, 1, 2, n).Due == 0 {
			zero++
		}
	}
	if got := float64(zero) / many; math.Abs(got-0.25) > 0.005 {
		t.Errorf("%.4f of the frames of 5 ms ± 10 ms take no time, want a quarter", got)
	}
}

// Chi-square with one degree of freedom, on the count, stays under 10.83, for
// shares from rare to nearly all.
func TestLossIsItsShare(t *testing.T) {
	for _, loss := range []Loss{0.001, 0.01, 0.05, 0.5, 0.9, 0.999} {
		eachLink(t, func(t *testing.T, seed uint64, from, to raft.NodeID) {
			lost := 0.0
			for n := uint64(1); n <= many; n++ {
				if judged(Rules{Loss: loss}, seed, from, to, n).Drop == DroppedByLoss {
					lost++
				}
			}
			want := many * float64(loss)
			chi := (lost-want)*(lost-want)/want + (lost-want)*(lost-want)/(many-want)
			if chi > 10.83 {
				t.Errorf("seed %d, %v to %v: %v of %d frames lost at %v: chi-square %.1f, want at most 10.83", seed, from, to, lost, many, loss, chi)
			}
		})
	}
}

func TestLossAtItsLimits(t *testing.T) {
	for n := uint64(1); n <= many; n++ {
		if judged(Rules{Loss: 0}, 1, 1, 2, n).Drop != "" {
			t.Fatalf("frame %d lost at a loss of 0", n)
		}
		if judged(Rules{Loss: 1}, 1, 1, 2, n).Drop == "" {
			t.Fatalf("frame %d got through a loss of 1", n)
		}
	}
}

// Two draws that share everything but one word have nothing to do with each
// other: the next frame, the way back, the neighbouring link, the next seed,
// the other fault. Their correlation stays under 3.3/√n.
func TestNeighboursAreIndependent(t *testing.T) {
	base := func(n uint64) (uint64, Frame, uint64) { return 1, Frame{From: 1, To: 3, Number: n}, drawDelay }
	tests := []struct {
		name  string
		other func(n uint64) (uint64, Frame, uint64)
	}{
		{"the next frame", func(n uint64) (uint64, Frame, uint64) { return 1, Frame{From: 1, To: 3, Number: n + 1}, drawDelay }},
		{"the way back", func(n uint64) (uint64, Frame, uint64) { return 1, Frame{From: 3, To: 1, Number: n}, drawDelay }},
		{"another receiver", func(n uint64) (uint64, Frame, uint64) { return 1, Frame{From: 1, To: 2, Number: n}, drawDelay }},
		{"another sender", func(n uint64) (uint64, Frame, uint64) { return 1, Frame{From: 2, To: 3, Number: n}, drawDelay }},
		{"another seed", func(n uint64) (uint64, Frame, uint64) { return 2, Frame{From: 1, To: 3, Number: n}, drawDelay }},
		{"another fault", func(n uint64) (uint64, Frame, uint64) { return 1, Frame{From: 1, To: 3, Number: n}, drawLoss }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sum := 0.0
			for n := uint64(1); n <= many; n++ {
				s1, f1, p1 := base(n)
				s2, f2, p2 := tt.other(n)
				sum += (share(draw(s1, &f1, p1)) - 0.5) * (share(draw(s2, &f2, p2)) - 0.5)
			}
			correlation := sum / many * 12 // the variance of a uniform share is 1/12
			if limit := 3.3 / math.Sqrt(many); math.Abs(correlation) > limit {
				t.Errorf("correlation %.5f, want at most %.5f", correlation, limit)
			}
		})
	}
}
