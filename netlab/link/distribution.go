package link

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/raftlab/raftlab/raft"
)

// Distribution is how delays spread around their mean.
type Distribution uint8

// The distributions. Except for Uniform, Jitter is the standard deviation, so
// that the same two numbers can be tried with another shape.
const (
	// Uniform: anything from Mean-Jitter to Mean+Jitter, both included, is equally likely.
	Uniform Distribution = iota
	// Normal: the bell curve around Mean.
	Normal
	// Exponential: a least delay, Mean-Jitter, and on top of it a part without
	// memory. Without Jitter all of it is that part: Jitter is Mean.
	Exponential
	// Pareto: as Exponential, with a tail that falls off as a power: most frames
	// take little, a few very long. Its shape is 3, the least whole number that has
	// a standard deviation, and what netem's table is made with.
	Pareto
	// Table: one of Values.
	Table

	distributions
)

var distributionNames = [distributions]string{"uniform", "normal", "exponential", "pareto", "table"}

func (d Distribution) String() string {
	if d < distributions {
		return distributionNames[d]
	}
	return "distribution(" + strconv.Itoa(int(d)) + ")"
}

// DistributionNames are the names of all distributions.
func DistributionNames() []string { return append([]string(nil), distributionNames[:]...) }

// ParseDistribution reads a distribution by its name.
func ParseDistribution(name string) (Distribution, error) {
	for d, n := range distributionNames {
		if n == name {
			return Distribution(d), nil
		}
	}
	return 0, fmt.Errorf("no distribution is named %q: there are %s", name, strings.Join(DistributionNames(), ", "))
}

// Of a Pareto distribution of shape 3 and least value 1: P(X > x) = x⁻³.
const (
	paretoMean      = 1.5
	paretoDeviation = 0.86602540378443864676 // √¾
)

// spread turns a number from 0 up to 1 into a delay, by the inverse of the
// distribution function.
func (d *Delay) spread(u float64) raft.Duration {
	mean, deviation := float64(d.Mean), float64(d.Jitter)
	var x float64
	switch d.Distribution {
	case Normal:
		// 2u-1 may be -1, whose quantile is -∞: that is cut to 0, as all below it.
		x = mean + deviation*math.Sqrt2*math.Erfinv(2*u-1)
	case Exponential:
		if deviation == 0 {
			deviation = mean
		}
		x = mean - deviation - deviation*math.Log1p(-u)
	case Pareto:
		scale := deviation / paretoDeviation
		if deviation == 0 {
			scale = mean / (paretoMean - 1) // the least is 0
		}
		x = mean + scale*(math.Pow(1-u, -1.0/3)-paretoMean)
	}
	return raft.Duration(math.Round(min(max(x, 0), float64(DelayMax))))
}
