package cmd

import (
	"cmp"
	"context"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/raft"
	"github.com/urfave/cli/v2"
)

const (
	simTurns = 5    // of each figure, of which the median is shown
	simGC    = 1000 // percent; what a simulation keeps is little beside what it makes
)

// simSizes are the clusters that growth is shown over.
var simSizes = []int{3, 5, 7, 9, 15, 21, 31, 51}

func benchSimVerb() *verb {
	return &verb{
		name: "sim", usage: "Measure how fast a simulated lab runs", category: categoryTool, terminal: true,
		flags: []cli.Flag{
			&cli.IntFlag{Name: "nodes", Aliases: []string{"n"}, Usage: "`N` nodes, without the other sizes; 0 is all of 3 to 51", Value: 0},
			&cli.DurationFlag{Name: "for", Usage: "`D` real time of each figure", Value: time.Second},
			&cli.Float64Flag{Name: "rate", Usage: "`N` writes in a second of virtual time, under load", Value: 25},
			&cli.Uint64Flag{Name: "seed", Usage: "`N` that clusters, load and faults are drawn from", Value: 1},
		},
		about: `Virtual/real is how many seconds pass in the lab in one of the machine's: the median
of 5 turns, and the lowest and highest of them. All figures take turns. Virtual/CPU
says the same of CPU time, which is what counts on a machine that others use as well;
growth is how many times as much of it a virtual second takes as with the first size.
Timeouts are those of a lab that is told nothing.

Idle clusters have a leader and its heartbeats. Load is 4 clients that write values of
256 bytes at --rate and read a quarter as often; nodes take a snapshot every 256 KiB.
Faults are drawn from the seed, one after the other, about one a second: a node
is killed and restarted, a minority is cut off, frames are lost or slow on all links.
All checks of a lab are on: Raft's promises, and linearizability of what clients are
told. Should one find something, that ends the measurement with exit code 6.`,
		examples: []example{
			{"raftlab bench sim", "3 to 51 nodes"},
			{"raftlab bench sim -n 5 --for 5s", "5 nodes, longer"},
			{"raftlab bench sim --rate 500 -o json", "more load, for scripts"},
		},
		run: benchSim,
	}
}

// simJSON are the figures of bench sim.
type simJSON struct {
	Schema  string   `json:"schema"`
	Bench   string   `json:"bench"`
	Seed    uint64   `json:"seed"`
	Rate    float64  `json:"writes_per_virtual_s"` // asked of loaded clusters
	Turns   int      `json:"turns"`
	Figures []simRun `json:"figures"`
}

// simRun is the median turn of a figure.
type simRun struct {
	Work     string  `json:"work"` // see simWork
	Checks   bool    `json:"checks"`
	Nodes    int     `json:"nodes"`
	Ratio    float64 `json:"virtual_per_real"`
	Lowest   float64 `json:"lowest"`
	Highest  float64 `json:"highest"`
	CPURatio float64 `json:"virtual_per_cpu"` // 0 where CPU time is not known
	Growth   float64 `json:"growth"`          // of what a virtual second takes, over the first size's
	Events   float64 `json:"events_per_s"`
	Frames   float64 `json:"frames_per_s"`
	VirtualS float64 `json:"virtual_s"`
	Writes   uint64  `json:"writes"` // in virtual_s
	Reads    uint64  `json:"reads"`
	Lost     uint64  `json:"lost"`
	Faults   uint64  `json:"faults"`
	Kills    uint64  `json:"kills"`
	Elected  uint64  `json:"elections"`
	Compared uint64  `json:"checked"`
}

// simFigure is one row.
type simFigure struct {
	work  *simWork
	nodes int
	turns []simTurn // by virtual/real, once measured
}

type simTurn struct {
	virtual, real time.Duration
	cpu           time.Duration // 0 where it is not known
	simCounts
}

func (t *simTurn) ratio() float64 { return t.virtual.Seconds() / t.real.Seconds() }

// cpuRatio is virtual/CPU, which says more than virtual/real on a machine that
// others use; 0 where it is not known.
func (t *simTurn) cpuRatio() float64 {
	if t.cpu <= 0 {
		return 0
	}
	return t.virtual.Seconds() / t.cpu.Seconds()
}

// takes is what a virtual second takes, of CPU time where that is known.
func (f *simFigure) takes() float64 {
	if r := f.cpuRatio(); r > 0 {
		return 1 / r
	}
	return 1 / f.median().ratio()
}

// cpuRatio is the median of the turns'.
func (f *simFigure) cpuRatio() float64 {
	ratios := make([]float64, len(f.turns))
	for i := range f.turns {
		ratios[i] = f.turns[i].cpuRatio()
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

func (f *simFigure) median() *simTurn { return &f.turns[len(f.turns)/2] }

func benchSim(c *call) error {
	length, rate, seed, nodes := c.Duration("for"), c.Float64("rate"), c.Uint64("seed"), c.Int("nodes")
	sizes := simSizes
	if nodes != 0 {
		sizes = []int{nodes}
	}
	switch most := simSizes[len(simSizes)-1]; {
	case length <= 0:
		return usageErrorf("--for must be longer than 0, not %s", shortDuration(length))
	case nodes < 0 || nodes > most:
		return usageErrorf("--nodes is 1 to %d, or 0 for all sizes, not %d", most, nodes)
	case !(rate > 0 && rate <= 1e6):
		return usageErrorf("--rate is above 0 and at most 1000000 writes in a second, not %v", rate)
	}
	figures := []*simFigure{}
	for _, n := range sizes {
		figures = append(figures, &simFigure{work: simBare, nodes: n})
	}
	for _, work := range []*simWork{simIdle, simLoad, simFaults} {
		for _, n := range sizes {
			figures = append(figures, &simFigure{work: work, nodes: n})
		}
	}
	defer debug.SetGCPercent(debug.SetGCPercent(simGC))
	ctx := c.Context.Context
	for k := range simTurns {
		c.talk("turn %d of %d: %s, %s each", k+1, simTurns, plural(len(figures), "figure"), shortDuration(length/simTurns))
		for _, f := range figures {
			if err := f.measure(ctx, length/simTurns, rate, seed+uint64(k)); err != nil {
				if cause := context.Cause(ctx); cause != nil {
					return cause
				}
				e := userError(err)
				return netlab.Errorf(e.Code, "simulate %s, %s, seed %d: %s", plural(f.nodes, "node"), f.work.name, seed+uint64(k), e.Message)
			}
		}
	}
	out := simJSON{Schema: netlab.SchemaBench, Bench: "sim", Seed: seed, Rate: rate, Turns: simTurns}
	for _, f := range figures {
		slices.SortFunc(f.turns, func(a, b simTurn) int { return cmp.Compare(a.ratio(), b.ratio()) })
		out.Figures = append(out.Figures, f.figures(figures))
	}
	return c.emit(out, nil, func(w io.Writer) error { return out.write(w, c.style) })
}

// measure runs a new cluster for so long in real time.
func (f *simFigure) measure(ctx context.Context, length time.Duration, rate float64, seed uint64) error {
	c, err := newSimCluster(f.nodes, f.work, rate, seed)
	if err != nil {
		return err
	}
	slice := raft.Time(time.Second) // of which the clock is looked at, seldom enough to cost nothing
	if f.work.load {
		slice /= 20
	}
	before, from := c.counts, c.Now()
	runtime.GC()
	begin, cpu := time.Now(), time.Duration(0)
	used, known := ownCPU()
	var real time.Duration
	for real < length {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.run(c.Now() + slice); c.err != nil {
			return c.err
		}
		real = time.Since(begin)
	}
	c.judge(true) // what is judged belongs to what it took
	real = time.Since(begin)
	if now, _ := ownCPU(); known {
		cpu = now - used
	}
	f.turns = append(f.turns, simTurn{time.Duration(c.Now() - from), real, cpu, c.counts.minus(before)})
	return c.err
}

// figures are those of f among all.
func (f *simFigure) figures(all []*simFigure) simRun {
	m := f.median()
	first := all[slices.IndexFunc(all, func(o *simFigure) bool { return o.work == f.work })]
	return simRun{
		Work: f.work.name, Checks: f.work.checks, Nodes: f.nodes,
		Ratio: m.ratio(), Lowest: f.turns[0].ratio(), Highest: f.turns[len(f.turns)-1].ratio(), CPURatio: f.cpuRatio(), Growth: f.takes() / first.takes(),
		Events: float64(m.Events) / m.real.Seconds(), Frames: float64(m.Frames) / m.real.Seconds(), VirtualS: m.virtual.Seconds(),
		Writes: m.Writes, Reads: m.Reads, Lost: m.Lost, Faults: m.Faults, Kills: m.Kills, Elected: m.Reigns, Compared: m.Compared,
	}
}

func (s *simJSON) write(w io.Writer, st style) error {
	t := &table{head: []string{"", ">nodes", ">virtual/real", ">lowest", ">highest", ">virtual/CPU", ">growth", ">events/s", ">virtual s", ">writes", ">lost", ">faults", ">elections"}}
	f := func(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	n := func(v uint64) string { return strconv.FormatUint(v, 10) }
	orDash := func(v float64) string {
		if v == 0 {
			return "-"
		}
		return f(v, 0)
	}
	for _, r := range s.Figures {
		t.add(r.Work, strconv.Itoa(r.Nodes), f(r.Ratio, 0), f(r.Lowest, 0), f(r.Highest, 0), orDash(r.CPURatio), f(r.Growth, 2), f(r.Events, 0),
			f(r.VirtualS, 0), n(r.Writes), n(r.Lost), n(r.Faults), n(r.Elected))
	}
	return t.write(w, st)
}
