package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/explore"
	"github.com/raftlab/raftlab/raft"
	"github.com/urfave/cli/v2"
)

const (
	exploreSeeds  = 1000
	exploreShrink = 2000
	tableSeeds    = 5000
	// exploreGC: runs are short and small, and collecting after each few is most of
	// what it would do.
	exploreGC = 1600
	// progressEvery is how often a search that is not watched says how far it is.
	progressEvery = 10 * time.Second
)

func exploreVerb() *verb {
	names, about := explore.Weathers()
	var weathers strings.Builder
	for i := range names {
		fmt.Fprintf(&weathers, "\n  %-15s %s", names[i], about[i])
	}
	return &verb{
		name: "explore", usage: "Look for what breaks Raft, in virtual time", category: categoryScript, terminal: true,
		flags: []cli.Flag{
			&cli.StringFlag{Name: "seeds", Usage: "`A-B` which runs are drawn, or one", Value: "1-" + strconv.Itoa(exploreSeeds)},
			&cli.StringFlag{Name: "shard", Usage: "`I/N` only every N-th seed: job I of N, 1 to N"},
			&cli.StringFlag{Name: "weather", Usage: "`NAME` only runs of this sort"},
			unsafeFlag(),
			&cli.IntFlag{Name: "shrink", Usage: "`N` how many runs may be spent on making one that fails shorter; 0 leaves it", Value: exploreShrink},
			&cli.StringFlag{Name: "out", Usage: "`FILE` the scenario of one that fails", DefaultText: "explore-SEED.lab"},
			&cli.IntFlag{Name: "workers", Usage: "`N` how many runs at a time", DefaultText: "one a processor"},
			&cli.BoolFlag{Name: "table", Usage: "find what every unsafe rule breaks, and print docs/unsafe-rules.md"},
		},
		about: `Each seed is a run of its own: a cluster, its network and disks, clients, faults,
and what an operator does are drawn from it. After everything that happens all
safety properties are checked; then all faults go, and the cluster has to get on.
The run of the lowest seed that fails is made shorter as long as it fails the same,
and written down as a scenario, which "raftlab run --sim" plays again.

With --unsafe a rule of Raft is off, and what it protects is looked for.

Exit code 6 says that something was found. A range of seeds is split among jobs
with --shard, and each job's exit code says how its part went.

Sorts of runs, of which each seed draws one:` + weathers.String(),
		examples: []example{
			{"raftlab explore --seeds 1-20000", "20 000 runs"},
			{"raftlab explore --seeds 4711", "one of them again"},
			{"raftlab explore --unsafe forget-vote", "what the rule is for"},
			{"raftlab explore --seeds 1-1000000 --shard 3/16 -o json", "a sixteenth of a night's work"},
		},
		run: exploreSeedsOf,
	}
}

// exploreJSON is what -o json tells of a search.
type exploreJSON struct {
	Schema  string         `json:"schema"`
	From    uint64         `json:"from"`
	To      uint64         `json:"to"`
	Shard   string         `json:"shard,omitempty"`
	Unsafe  []string       `json:"unsafe"`
	Seeds   uint64         `json:"seeds"` // played
	LabS    float64        `json:"lab_s"`
	TookMS  float64        `json:"took_ms"`
	Found   *foundJSON     `json:"found"`
	Others  map[string]int `json:"others"` // with --unsafe: what else was broken, in how many seeds
	Version string         `json:"version"`
}

// foundJSON is the run that fails.
type foundJSON struct {
	Seed     uint64 `json:"seed"`
	Property string `json:"property"`
	Text     string `json:"text"`
	Draw     string `json:"draw"`
	Lines    int    `json:"lines"`
	Runs     int    `json:"shrink_runs"`
	File     string `json:"file"`
	Scenario string `json:"scenario"`
}

func exploreSeedsOf(c *call) error {
	s := &explore.Search{Make: explore.InMemory, Workers: c.Int("workers")}
	var err error
	if s.Unsafe, err = parseUnsafe(c.StringSlice("unsafe")); err == errUnsafeHelp {
		return listUnsafe(c)
	} else if err != nil {
		return err
	}
	s.Weather = c.String("weather")
	if s.From, s.To, err = parseSeeds(c.String("seeds")); err != nil {
		return err
	}
	if s.Shard, s.Shards, err = parseShard(c.String("shard")); err != nil {
		return err
	}
	switch {
	case c.IsSet("workers") && s.Workers < 1:
		return usageErrorf("--workers must be 1 or more, not %d", s.Workers)
	case c.Int("shrink") < 0:
		return usageErrorf("--shrink must be 0 or more, not %d", c.Int("shrink"))
	case s.Workers == 0:
		s.Workers = runtime.GOMAXPROCS(0)
	}
	if len(s.Unsafe) == 1 {
		for _, r := range raft.UnsafeRules() {
			if r.Name == s.Unsafe[0] {
				s.Want = r.Endangers
			}
		}
	}
	if c.Bool("table") {
		return exploreTable(c, s.Workers)
	}
	draw, err := explore.New(s.From, s.Options) // what is wrong with the options is said before anything runs
	if err != nil {
		return err
	}
	total := seedsOf(s)
	if total == 1 {
		c.talk("%v", draw)
	} else {
		c.talk("seeds %d to %d%s: %s, %d at a time", s.From, s.To, shardText(c.String("shard")), plural(int(total), "run"), s.Workers)
	}
	ctx := c.Context.Context
	defer debug.SetGCPercent(debug.SetGCPercent(exploreGC))
	begin := time.Now()
	p := newExploring(c, total)
	s.Each = p.played
	report, err := s.Run(ctx)
	p.end()
	if err != nil {
		return err
	}
	out := exploreJSON{
		Schema: "raftlab.explore/1", From: s.From, To: s.To, Shard: c.String("shard"), Unsafe: append([]string{}, s.Unsafe...),
		Seeds: report.Seeds, LabS: report.Lab.Seconds(), Others: report.Others, Version: netlab.Version(),
	}
	found := report.Found
	if found == nil {
		took := time.Since(begin)
		out.TookMS = millis(took)
		return c.emit(out, nil, func(w io.Writer) error {
			what := "nothing is broken"
			if s.Want != "" {
				what = s.Want + " is not broken" + othersText(report.Others)
			}
			_, err := fmt.Fprintf(w, "%s: %s; %s of lab time in %s (%.0fx)\n",
				plural(int(report.Seeds), "seed"), what, roughly(report.Lab), roughly(took), report.Lab.Seconds()/max(took.Seconds(), 1e-9))
			return err
		})
	}
	short := &explore.Shrunk{Plan: found.Plan, Failure: found.Failure}
	if c.Int("shrink") > 0 {
		if short, err = explore.Shrink(ctx, s.Make, found.Plan, found.Failure, c.Int("shrink")); err != nil {
			return err
		}
	}
	file := c.String("out")
	if file == "" {
		file = fmt.Sprintf("explore-%d.lab", found.Seed)
	}
	title := fmt.Sprintf("%s is broken (found by raftlab explore --seeds %d%s)", short.Failure.Property, found.Seed, unsafeText(s.Unsafe))
	scenario := short.Plan.Scenario(title)
	if err := os.WriteFile(file, []byte(scenario), 0o644); err != nil {
		return fmt.Errorf("write the scenario: %w", err)
	}
	out.TookMS = millis(time.Since(begin))
	out.Found = &foundJSON{
		Seed: found.Seed, Property: short.Failure.Property, Text: short.Failure.Text, Draw: found.Draw.String(),
		Lines: short.Plan.Lines(), Runs: short.Runs, File: file, Scenario: scenario,
	}
	err = c.emit(out, []string{file}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "seed %d breaks %s: %s\ndrawn as %v\nshrunk from %d to %d lines in %s: %s\n",
			found.Seed, short.Failure.Property, clean(short.Failure.Text), found.Draw, found.Plan.Lines(), short.Plan.Lines(), plural(short.Runs, "run"), file)
		return err
	})
	if err != nil {
		return err
	}
	return netlab.Errorf(netlab.ExitCheck, "seed %d breaks %s", found.Seed, short.Failure.Property).
		WithHint("play it again:  raftlab run --sim %s", quoteWord(file))
}

// exploreTable makes the page of what each rule protects.
func exploreTable(c *call, workers int) error {
	proofs, err := explore.Prove(c.Context.Context, explore.InMemory, workers, tableSeeds, c.Int("shrink"), func(p *explore.Proof) {
		c.talk("%-22s %-22s seed %d, %d lines", p.Rule.Name, p.Rule.Endangers, p.Seeds, p.Short.Plan.Lines())
	})
	if err != nil {
		if c.Context.Context.Err() != nil {
			return err
		}
		return netlab.Errorf(netlab.ExitFailed, "%v", err)
	}
	_, err = io.WriteString(c.sh.stdout, explore.Table(proofs))
	return err
}

// parseSeeds reads "A-B" or "A".
func parseSeeds(text string) (from, to uint64, err error) {
	a, b, ranged := strings.Cut(text, "-")
	if !ranged {
		b = a
	}
	from, errA := strconv.ParseUint(strings.TrimSpace(a), 10, 64)
	to, errB := strconv.ParseUint(strings.TrimSpace(b), 10, 64)
	switch {
	case errA != nil || errB != nil || from == 0:
		return 0, 0, usageErrorf("--seeds is a range of numbers from 1 on, like 1-1000, or one, not %q", clean(text))
	case from > to:
		return 0, 0, usageErrorf("the seeds %d-%d end before they begin", from, to).WithHint("raftlab explore --seeds %d-%d", to, from)
	}
	return from, to, nil
}

// parseShard reads "I/N".
func parseShard(text string) (shard, shards uint64, err error) {
	if text == "" {
		return 1, 1, nil
	}
	a, b, _ := strings.Cut(text, "/")
	shard, errA := strconv.ParseUint(a, 10, 32)
	shards, errB := strconv.ParseUint(b, 10, 32)
	if errA != nil || errB != nil || shard < 1 || shard > shards {
		return 0, 0, usageErrorf("--shard is I/N, job I of N jobs, like 3/16, not %q", clean(text))
	}
	return shard, shards, nil
}

// seedsOf is how many seeds a search plays when nothing is found.
func seedsOf(s *explore.Search) (n uint64) {
	first := s.From + (s.Shard-1+s.Shards-s.From%s.Shards)%s.Shards
	if first > s.To {
		return 0
	}
	return (s.To-first)/s.Shards + 1
}

func shardText(shard string) string {
	if shard == "" {
		return ""
	}
	return ", shard " + clean(shard)
}

func unsafeText(rules []string) string {
	if len(rules) == 0 {
		return ""
	}
	return " --unsafe " + strings.Join(rules, ",")
}

func othersText(others map[string]int) string {
	if len(others) == 0 {
		return ""
	}
	return fmt.Sprintf(" (broken instead: %v)", others)
}

// roughly is a length of time with as many digits as anybody wants.
func roughly(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return shortDuration(d.Round(time.Second))
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// exploring shows on stderr how far a search is: on one line of a terminal, or
// on a line now and then.
type exploring struct {
	c     *call
	total uint64
	begin time.Time
	live  bool

	mu   sync.Mutex
	done uint64
	stop context.CancelFunc
	over sync.WaitGroup
}

func newExploring(c *call, total uint64) *exploring {
	ctx, cancel := context.WithCancel(c.Context.Context)
	p := &exploring{c: c, total: total, begin: time.Now(), stop: cancel}
	if c.quiet() || total < 2 {
		return p
	}
	p.live = isTerminal(c.sh.stderr) && os.Getenv("TERM") != "dumb"
	every := progressEvery
	if p.live {
		every = 200 * time.Millisecond
	}
	p.over.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.show()
			case <-ctx.Done():
				return
			}
		}
	})
	return p
}

func (p *exploring) played(uint64, explore.Result) {
	p.mu.Lock()
	p.done++
	p.mu.Unlock()
}

func (p *exploring) show() {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	rate := float64(done) / time.Since(p.begin).Seconds()
	text := fmt.Sprintf("%d of %d seeds, %.0f/s", done, p.total, rate)
	if rate > 0 {
		text += fmt.Sprintf(", %s left", roughly(time.Duration(float64(p.total-done)/rate*float64(time.Second)).Round(time.Second)))
	}
	if p.live {
		fmt.Fprintf(p.c.sh.stderr, "\r\x1b[K%s", text)
		return
	}
	fmt.Fprintln(p.c.sh.stderr, text)
}

// end stops showing.
func (p *exploring) end() {
	p.stop()
	p.over.Wait()
	if p.live {
		fmt.Fprint(p.c.sh.stderr, "\r\x1b[K")
	}
}
