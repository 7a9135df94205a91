package explore

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// Draw is what is drawn from a seed before anything runs: the cluster, its
// weather, and who does what to it.
type Draw struct {
	Seed    uint64
	Weather string
	Config  netlab.Config
	Length  time.Duration // of what happens, before the cluster has to get on

	Load  netlab.Op           // background writes; Verb is empty for none
	Chaos netlab.ChaosOptions // Every is 0 for none

	Operate time.Duration // from one line of an operator to the next, about; 0 for none
	Deeds   []string      // what the operator does: members, transfer, snapshot, elect
	Reads   time.Duration // from one read at some node to the next, about; 0 for none
	Read    string        // how it is read

	before []Step // what is so from the beginning
	script []Step // all that happens, when nothing is drawn
}

// Options say what is drawn.
type Options struct {
	Unsafe  []string // rules of Raft that are off
	Weather string   // only this sort of runs; "" is all, or those in which the rules matter
}

// dice are random numbers that are the same on every machine and in every
// release: a source that is specified, and whole numbers made of it here.
type dice struct{ source *rand.PCG }

func newDice(seed uint64) *dice { return &dice{rand.NewPCG(seed, 0x6578706c6f7265)} }

func (d *dice) below(n int) int {
	hi, _ := bits.Mul64(d.source.Uint64(), uint64(n))
	return int(hi)
}

func (d *dice) coin() bool { return d.below(2) == 0 }

// upTo draws a length from 0 to, not including, most, in whole milliseconds.
func (d *dice) upTo(most time.Duration) time.Duration {
	return time.Duration(d.below(int(max(most, time.Millisecond)/time.Millisecond))) * time.Millisecond
}

func oneOf[T any](d *dice, from ...T) T { return from[d.below(len(from))] }

// some draws a part of a list that is not empty.
func some(d *dice, from []string) (out []string) {
	for _, s := range from {
		if d.coin() {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		out = append(out, oneOf(d, from...))
	}
	return out
}

// New draws what a seed means. The error is an *netlab.Error that says what is
// wrong with o.
func New(seed uint64, o Options) (*Draw, error) {
	list, err := o.weathers()
	if err != nil {
		return nil, err
	}
	d := newDice(seed)
	w := list[d.below(len(list))]
	draw := &Draw{Seed: seed, Weather: w.name, Config: baseConfig(), Length: time.Duration(2+d.below(6)) * 250 * time.Millisecond}
	draw.Config.Seed = max(seed, 1) // 0 would be drawn
	draw.Config.Unsafe = o.Unsafe
	w.draw(d, draw)
	if w.fixed {
		return draw, nil
	}
	return draw, draw.Config.Validate()
}

// baseConfig is the cluster that is changed by what is drawn.
func baseConfig() netlab.Config {
	c, err := netlab.Profile(netlab.ProfileLAN)
	if err != nil {
		panic(err) // it is built in
	}
	c.Sim = netlab.SimDriven
	return c
}

// String is all that was drawn, in one line, the seed first.
func (d *Draw) String() string {
	c := &d.Config
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %s: %s", d.Seed, d.Weather, upLine(c))
	if len(d.script) > 0 {
		return b.String()
	}
	fmt.Fprintf(&b, "; for %v", d.Length)
	if d.Load.Verb != "" {
		fmt.Fprintf(&b, "; %s", loadLine(&d.Load))
	}
	if d.Chaos.Every > 0 {
		fmt.Fprintf(&b, "; a fault every %v, hardness %d, %d nodes at once: %s", d.Chaos.Every, d.Chaos.Hard, d.Chaos.Most, strings.Join(d.Chaos.Kinds, " "))
	}
	if d.Operate > 0 {
		fmt.Fprintf(&b, "; an operator every %v: %s", d.Operate, strings.Join(d.Deeds, " "))
	}
	if d.Reads > 0 {
		fmt.Fprintf(&b, "; a read (%s) every %v", d.Read, d.Reads)
	}
	return b.String()
}
