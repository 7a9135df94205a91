package netlab

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// A nemesis does harm to a lab by a plan that is drawn before it begins: from
// the seed, the lab's nodes and timers, and what the nemesis may do, and from
// nothing else. What the cluster does meanwhile has no say in it. Where the plan
// names a role, as "leader", it is resolved when the fault comes, as in a line
// that somebody types.

// SchemaChaos names the shape of a [ChaosPlan].
const SchemaChaos = "raftlab.chaos/1"

// ChaosOptions are what a nemesis may do. Zero fields are chosen by the lab.
type ChaosOptions struct {
	For   time.Duration `json:"for,omitempty"`   // lab time until all is undone; 0 is 15 times Every
	Every time.Duration `json:"every,omitempty"` // lab time for each fault to begin in; 0 is 2 s, or twice the longest election timeout where that is more
	Seed  uint64        `json:"seed,omitempty"`  // 0 is the lab's
	Kinds []string      `json:"kinds,omitempty"` // names from ChaosKinds or of families, or "all"; none is all that cost nothing
	Hard  int           `json:"hard,omitempty"`  // 1 to 5; 0 is 3
	Most  int           `json:"most,omitempty"`  // nodes affected at once; 0 is as many as a majority can do without
}

// ChaosPlan is what a nemesis will do.
type ChaosPlan struct {
	Schema string `json:"schema"`
	ChaosOptions
	Nodes  []int        `json:"nodes"`
	Faults []ChaosFault `json:"faults"` // ascending by AtNS
}

// ChaosFault is one fault of a plan. Times are lab time since the plan began.
type ChaosFault struct {
	AtNS    int64  `json:"at_ns"`
	UntilNS int64  `json:"until_ns"` // when it is undone; AtNS of what is over as soon as it is done
	Kind    string `json:"kind"`
	Line    string `json:"line"` // as somebody would type it
	// Undo are the lines that undo it, in order; none where it ends by itself.
	Undo []string `json:"undo,omitempty"`
	// Nodes are those it affects, 0 for one that is known only when it comes. A
	// fault on links affects the node all of them begin or end at.
	Nodes []int `json:"nodes"`

	op   Op
	undo []amends
}

// Ops are what the lines of f ask of the lab.
func (f *ChaosFault) Ops() (do Op, undo []Op) {
	for _, u := range f.undo {
		undo = append(undo, u.op)
	}
	return f.op, undo
}

// The bounds of ChaosOptions.
const (
	chaosEvery     = 2 * time.Second
	chaosEveryMin  = 20 * time.Millisecond
	chaosLength    = 15 // times Every
	chaosForMax    = 24 * time.Hour
	chaosFaultsMax = 10_000
	chaosHard      = 3
	chaosHardMax   = 5
)

// settled returns o with what it leaves open chosen for the lab that s shows,
// or says what is wrong with it.
func (o ChaosOptions) settled(s *Status) (ChaosOptions, error) {
	kinds, err := chaosKinds(o.Kinds)
	if err != nil {
		return o, err
	}
	o.Kinds = nil
	for _, k := range kinds {
		o.Kinds = append(o.Kinds, k.Name)
	}
	if o.Seed == 0 {
		o.Seed = s.Seed
	}
	if o.Every == 0 {
		o.Every = max(chaosEvery, 2*time.Duration(s.Timing.ElectionMaxNS))
	}
	if o.For == 0 {
		o.For = chaosLength * o.Every
	}
	if o.Hard == 0 {
		o.Hard = chaosHard
	}
	nodes := len(s.Nodes)
	spare := max(len(s.Config.Voters)-majority(len(s.Config.Voters)), 0)
	switch {
	case o.Every < chaosEveryMin:
		return o, Errorf(ExitUsage, "chaos has a fault begin every %v at most, not every %v", chaosEveryMin, o.Every).WithHint("raftlab chaos --every 2s")
	case o.For < 0 || o.For > chaosForMax:
		return o, Errorf(ExitUsage, "chaos lasts longer than 0 and at most %v, not %v", chaosForMax, o.For).WithHint("raftlab chaos --for 30s")
	case o.For < o.Every:
		return o, Errorf(ExitUsage, "chaos for %v ends before a fault every %v has come", o.For, o.Every).WithHint("raftlab chaos --for 30s --every 2s")
	case o.For/o.Every > chaosFaultsMax:
		return o, Errorf(ExitUsage, "chaos for %v with a fault every %v is more than %d faults", o.For, o.Every, chaosFaultsMax).WithHint("raftlab chaos --for 30s --every 2s")
	case o.Hard < 1 || o.Hard > chaosHardMax:
		return o, Errorf(ExitUsage, "--hard is 1 to %d, not %d", chaosHardMax, o.Hard).WithHint("raftlab chaos --hard %d", chaosHard)
	case o.Most < 0 || o.Most > nodes:
		return o, Errorf(ExitUsage, "--most is how many nodes are affected at once, 1 to the lab's %d, not %d", nodes, o.Most).WithHint("raftlab chaos --most %d", max(spare, 1))
	case o.Most == 0 && spare == 0:
		return o, Errorf(ExitUsage, "with %d %s the cluster can do without none of them, so there is nothing that chaos may do", len(s.Config.Voters), plural(len(s.Config.Voters), "voter")).
			WithHint("allow it all the same: raftlab chaos --most 1")
	}
	if o.Most == 0 {
		o.Most = spare
	}
	return o, nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// PlanChaos draws the plan of a nemesis for the lab that s shows. Of s it looks
// at the seed, the timers, and who is in the lab. The error is an *Error.
func PlanChaos(o ChaosOptions, s *Status) (*ChaosPlan, error) {
	o, err := o.settled(s)
	if err != nil {
		return nil, err
	}
	kinds, err := chaosKinds(o.Kinds)
	if err != nil {
		return nil, err
	}
	p := &ChaosPlan{Schema: SchemaChaos, ChaosOptions: o, Nodes: []int{}, Faults: []ChaosFault{}}
	for _, n := range s.Nodes {
		p.Nodes = append(p.Nodes, n.ID)
	}
	unit := time.Duration(s.Timing.ElectionMinNS)
	d := &dice{seed: o.Seed}
	for turn := time.Duration(0); turn+o.Every <= o.For; turn += o.Every {
		at := p.tidy(turn + d.upTo(o.Every))
		length := p.length(d, at)
		kind := d.kind(kinds)
		if length == 0 {
			continue // too near the end
		}
		a, ok := kind.draw(p.drawing(d, at, length, unit))
		if !ok {
			continue // too many are affected
		}
		f := ChaosFault{
			AtNS: int64(at), UntilNS: int64(at + length), Kind: kind.Name, Nodes: a.nodes,
			Line: commandLine(a.line), op: a.op, undo: a.undo,
		}
		if a.brief {
			f.UntilNS = f.AtNS
		}
		for _, u := range a.undo {
			f.Undo = append(f.Undo, commandLine(u.line))
		}
		p.Faults = append(p.Faults, f)
	}
	return p, nil
}

// length draws how long a fault lasts that begins at a time; 0 when it would
// hardly have begun when all must be undone.
func (p *ChaosPlan) length(d *dice, at time.Duration) time.Duration {
	// From a third of Every to twice Every and more: faults overlap the more the
	// harder it is.
	least := p.Every / 3
	length := p.tidy(min(least+d.upTo(p.Every*time.Duration(p.Hard)/2), p.For-at))
	if length < least/2 {
		return 0
	}
	return length
}

// tidy leaves of a plan's time what people care to read.
func (p *ChaosPlan) tidy(d time.Duration) time.Duration {
	if p.Every < time.Second {
		return d.Truncate(time.Millisecond)
	}
	return d.Truncate(10 * time.Millisecond)
}

// drawing is what may be done at a time.
func (p *ChaosPlan) drawing(d *dice, at, length, unit time.Duration) *drawing {
	g := &drawing{dice: d, nodes: p.Nodes, free: slices.Clone(p.Nodes), budget: p.Most, hard: p.Hard, length: length, unit: unit}
	for _, f := range p.Faults {
		if f.UntilNS <= int64(at) {
			continue
		}
		g.budget -= len(f.Nodes)
		g.parted = g.parted || f.op.Verb == "partition"
		g.free = slices.DeleteFunc(g.free, func(id int) bool { return slices.Contains(f.Nodes, id) })
	}
	return g
}

// tidy leaves of a delay what people care to read: three digits, and nothing
// under a millisecond.
func tidy(d time.Duration) time.Duration {
	unit := time.Millisecond
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Truncate(unit)
}

// commandLine is words as a line that somebody types.
func commandLine(words []string) string { return "raftlab " + strings.Join(words, " ") }

// dice are random numbers that are the same on every machine and in every
// release: this program's own, and of whole numbers only.
type dice struct{ seed, drawn uint64 }

func (d *dice) draw() uint64 {
	d.drawn++
	return mix(d.seed, seedChaos, d.drawn)
}

// below draws one of the n numbers from 0, n being more than 0.
func (d *dice) below(n int) int {
	hi, _ := bits.Mul64(d.draw(), uint64(n))
	return int(hi)
}

// upTo draws a length from 0 to, not including, most.
func (d *dice) upTo(most time.Duration) time.Duration {
	hi, _ := bits.Mul64(d.draw(), uint64(max(most, 1)))
	return time.Duration(hi)
}

// shuffled is list in another order.
func (d *dice) shuffled(list []int) []int {
	out := slices.Clone(list)
	for i := len(out) - 1; i > 0; i-- {
		j := d.below(i + 1)
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// String is the plan's head: "12 faults in 30s, …".
func (p *ChaosPlan) String() string {
	return fmt.Sprintf("%d %s within %v, at most %d of %d nodes affected at once, hardness %d, seed %d",
		len(p.Faults), plural(len(p.Faults), "fault"), p.For, p.Most, len(p.Nodes), p.Hard, p.Seed)
}
