// Command peers measures bare loops over go.etcd.io/raft and over raftlab's own
// core in virtual time, as figures to hold raftlab's simulation against: the same
// timeouts and the same network, but no disks, no faults and no checks. See
// README.md.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

const nodesMax = 99

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// plan is what is measured.
type plan struct {
	sizes  []int
	length time.Duration // real time of each figure, over all turns
	turns  int
	rate   float64 // proposals in a second of virtual time, under load
	seed   uint64
}

// run exits 0 when done, 1 when it failed, 2 for arguments it does not understand.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	nodes := flags.String("nodes", "3,5,7,9,15,21,31,51", "sizes of the cluster, `N,N,...`")
	length := flags.Duration("for", time.Second, "real time of each figure, over all turns")
	turns := flags.Int("turns", 5, "how often each figure is measured; shown are the median, the lowest and the highest")
	rate := flags.Float64("rate", 1000, "proposals of 256 bytes in a second of virtual time under load; 0 measures idle clusters only")
	seed := flags.Uint64("seed", 1, "what election timeouts are drawn from")
	asJSON := flags.Bool("json", false, "print JSON, not a table")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2 // it has said why
	}
	p := plan{length: *length, turns: *turns, rate: *rate, seed: *seed}
	err := p.fill(*nodes, flags.Args())
	if err != nil {
		fmt.Fprintln(stderr, "peers: error:", err)
		return 2
	}
	figures, err := p.measure(ctx)
	if err == nil && *asJSON {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(p.report(figures))
	} else if err == nil {
		err = p.table(stdout, figures)
	}
	if err != nil {
		fmt.Fprintln(stderr, "peers: error:", err)
		return 1
	}
	return 0
}

// fill takes the sizes from their list and checks all of the plan.
func (p *plan) fill(sizes string, surplus []string) error {
	for word := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 || n > nodesMax {
			return fmt.Errorf("-nodes is a list of sizes from 1 to %d, as 3,5,7; %q is none", nodesMax, word)
		}
		p.sizes = append(p.sizes, n)
	}
	switch {
	case len(surplus) > 0:
		return fmt.Errorf("%q is one argument too many; there are flags only: -help lists them", surplus[0])
	case p.length <= 0:
		return fmt.Errorf("-for must be longer than 0, not %v", p.length)
	case p.turns < 1:
		return fmt.Errorf("-turns must be 1 or more, not %d", p.turns)
	case !(p.rate >= 0 && p.rate <= 1e6):
		return fmt.Errorf("-rate is 0 to 1000000 proposals in a second, not %v", p.rate)
	}
	return nil
}

// figure is what one cluster does, measured several times.
type figure struct {
	subject *subject
	nodes   int
	rate    float64 // 0: idle
	turns   []turn  // by virtual/real, ascending
}

// turn is one measurement.
type turn struct {
	virtual, real time.Duration
	cpu           time.Duration // 0 where it is not known
	counts
}

func (t turn) ratio() float64           { return t.virtual.Seconds() / t.real.Seconds() }
func (t turn) messagesPerSec() float64  { return float64(t.Messages) / t.real.Seconds() }
func (t turn) messagesPerVirt() float64 { return float64(t.Messages) / t.virtual.Seconds() }
func (t turn) eventsPerSec() float64 {
	return float64(t.events()) / t.real.Seconds()
}

// cpuRatio is the median of virtual/CPU, 0 where CPU time is not known.
func (f *figure) cpuRatio() float64 {
	var ratios []float64
	for _, t := range f.turns {
		if t.cpu > 0 {
			ratios = append(ratios, t.virtual.Seconds()/t.cpu.Seconds())
		}
	}
	if len(ratios) == 0 {
		return 0
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

func (f *figure) median() turn          { return f.turns[len(f.turns)/2] }
func (f *figure) spread() (lo, hi turn) { return f.turns[0], f.turns[len(f.turns)-1] }
func (f *figure) same(g *figure) bool   { return f.subject == g.subject && f.rate == g.rate }

// measure takes all figures by turns, so that a busy moment of the machine hits
// all alike.
func (p *plan) measure(ctx context.Context) ([]*figure, error) {
	var figures []*figure
	for _, s := range subjects {
		for _, n := range p.sizes {
			figures = append(figures, &figure{subject: s, nodes: n})
			if p.rate > 0 {
				figures = append(figures, &figure{subject: s, nodes: n, rate: p.rate})
			}
		}
	}
	for range p.turns {
		for _, f := range figures {
			t, err := f.measure(ctx, p.length/time.Duration(p.turns), p.seed)
			if err != nil {
				return nil, fmt.Errorf("measure %d nodes: %w", f.nodes, err)
			}
			f.turns = append(f.turns, t)
		}
	}
	for _, f := range figures {
		slices.SortFunc(f.turns, func(a, b turn) int { return cmp.Compare(a.ratio(), b.ratio()) })
	}
	return figures, nil
}

// measure runs a new cluster for so long in real time, from its first leader on.
func (f *figure) measure(ctx context.Context, length time.Duration, seed uint64) (turn, error) {
	l, err := f.subject.open(f.nodes, f.rate, seed)
	if err == nil {
		err = elect(l, f.nodes)
	}
	if err != nil {
		return turn{}, err
	}
	// The clock is looked at seldom enough to cost nothing.
	slice := time.Second
	if f.rate > 0 {
		slice = 10 * time.Millisecond
	}
	before, from := l.counts(), l.now()
	runtime.GC()
	begin := time.Now()
	used, known := ownCPU()
	var real time.Duration
	for real < length {
		if err := context.Cause(ctx); err != nil {
			return turn{}, err
		}
		if err := l.run(l.now() + slice); err != nil {
			return turn{}, err
		}
		real = time.Since(begin)
	}
	did := l.counts().minus(before)
	if did.Elections > 0 {
		return turn{}, fmt.Errorf("%d more leaders were elected in a network without faults", did.Elections)
	}
	var cpu time.Duration
	if now, _ := ownCPU(); known {
		cpu = now - used
	}
	return turn{l.now() - from, real, cpu, did}, nil
}

// growth is how many times the real time of a virtual second f's cluster takes
// of what the first of figures of the same subject and load takes.
func growth(figures []*figure, f *figure) float64 {
	first := figures[slices.IndexFunc(figures, f.same)]
	return first.median().ratio() / f.median().ratio()
}

func (p *plan) table(w io.Writer, figures []*figure) error {
	for _, s := range subjects {
		fmt.Fprintf(w, "%v\n\n", s)
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(tw, "nodes\tproposals/s\tvirtual/real\tlowest\thighest\tvirtual/CPU\tgrowth\tmessages/s\tevents/s\tmessages/virtual s\t")
		for _, loaded := range []bool{false, true} {
			for _, f := range figures {
				if f.subject != s || f.rate > 0 != loaded {
					continue
				}
				m := f.median()
				lo, hi := f.spread()
				fmt.Fprintf(tw, "%d\t%v\t%.0f\t%.0f\t%.0f\t%.0f\t%.2f\t%.0f\t%.0f\t%.0f\t\n", f.nodes, f.rate, m.ratio(), lo.ratio(), hi.ratio(),
					f.cpuRatio(), growth(figures, f), m.messagesPerSec(), m.eventsPerSec(), m.messagesPerVirt())
			}
		}
		if err := tw.Flush(); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return nil
}

// reportJSON is what -json prints.
type reportJSON struct {
	Schema     string       `json:"schema"`
	Bench      string       `json:"bench"`
	Seed       uint64       `json:"seed"`
	FlightUS   float64      `json:"flight_us"`
	ValueBytes int          `json:"value_bytes"`
	ForS       float64      `json:"for_s"`
	Turns      int          `json:"turns"`
	Figures    []figureJSON `json:"figures"`
}

// figureJSON is the median turn, and the lowest and highest virtual/real.
type figureJSON struct {
	Subject       string  `json:"subject"`
	TickMS        float64 `json:"tick_ms"`
	HeartbeatMS   float64 `json:"heartbeat_ms"`
	ElectionMinMS float64 `json:"election_min_ms"`
	ElectionMaxMS float64 `json:"election_max_ms"`
	Nodes         int     `json:"nodes"`
	Rate          float64 `json:"proposals_per_virtual_s"`
	Ratio         float64 `json:"virtual_per_real"`
	Lowest        float64 `json:"lowest"`
	Highest       float64 `json:"highest"`
	CPURatio      float64 `json:"virtual_per_cpu"` // 0 where CPU time is not known
	Growth        float64 `json:"growth"`          // of the real time of a virtual second over the first size's
	Messages      float64 `json:"messages_per_s"`
	Events        float64 `json:"events_per_s"`
	MessagesVirt  float64 `json:"messages_per_virtual_s"`
}

func (p *plan) report(figures []*figure) reportJSON {
	out := reportJSON{
		Schema: "raftlab.bench/1", Bench: "peers", Seed: p.seed, FlightUS: float64(flight) / float64(time.Microsecond),
		ValueBytes: valueBytes, ForS: p.length.Seconds(), Turns: p.turns,
	}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	for _, f := range figures {
		m := f.median()
		lo, hi := f.spread()
		out.Figures = append(out.Figures, figureJSON{
			Subject: f.subject.name, TickMS: ms(f.subject.tick), HeartbeatMS: ms(f.subject.heartbeat),
			ElectionMinMS: ms(f.subject.elections[0]), ElectionMaxMS: ms(f.subject.elections[1]),
			Nodes: f.nodes, Rate: f.rate, Ratio: m.ratio(), Lowest: lo.ratio(), Highest: hi.ratio(), CPURatio: f.cpuRatio(), Growth: growth(figures, f),
			Messages: m.messagesPerSec(), Events: m.eventsPerSec(), MessagesVirt: m.messagesPerVirt(),
		})
	}
	return out
}
