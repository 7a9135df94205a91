package cmd

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/node/client"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/urfave/cli/v2"
)

const (
	benchWarmup  = 500 * time.Millisecond // before the measurement: connections, sessions, first segments
	benchDrain   = 10 * time.Second       // for the last answers
	benchKeys    = 10000
	benchKeySize = 8
)

func benchLoadVerb() *verb {
	return &verb{
		name: "load", usage: "Measure writes a second, latency and the servers' CPU", category: categoryTool, terminal: true,
		flags: []cli.Flag{
			&cli.IntFlag{Name: "nodes", Aliases: []string{"n"}, Usage: "`N` nodes of the lab it starts", Value: 3},
			&cli.IntFlag{Name: "connections", Usage: "`N` clients, each with one connection and a session", Value: 8},
			&cli.IntFlag{Name: "outstanding", Usage: "`N` writes under way at any time, over all connections", Value: 256},
			&cli.IntFlag{Name: "value", Usage: "`BYTES` of each value; keys have 8", Value: 256},
			&cli.DurationFlag{Name: "for", Usage: "`D` real time of each measurement", Value: 5 * time.Second},
			&cli.IntFlag{Name: "repeat", Usage: "`N` measurements; shown are all, and the median", Value: 1},
		},
		about: `It starts a lab of its own and ends it afterwards, unless --lab names one. The
clients speak to the nodes directly, as clients do; the nodes speak to each other
through the lab's network. Every write is on the disks of a majority before it
counts. CPU is that of the nodes and the lab together, not the clients'.`,
		examples: []example{
			{"raftlab bench load -n 3 --connections 8 --outstanding 256 --value 256 --for 5s", "throughput"},
			{"raftlab bench load --connections 1 --outstanding 1", "latency of one client"},
			{"raftlab bench load --repeat 5 -o json", "median and spread, for scripts"},
		},
		run: benchLoad,
	}
}

// loadPlan is what a measurement does.
type loadPlan struct {
	connections, outstanding, value int
	length                          time.Duration
}

// loadRun is one measurement. Latencies are those of writes answered within
// it, from the call to the answer.
type loadRun struct {
	PutsPerSec float64 `json:"puts_per_s"`
	P50MS      float64 `json:"p50_ms"`
	P90MS      float64 `json:"p90_ms"`
	P99MS      float64 `json:"p99_ms"`
	P999MS     float64 `json:"p999_ms"`
	MaxMS      float64 `json:"max_ms"`
	MeanMS     float64 `json:"mean_ms"`
	CPU        float64 `json:"server_cpu_us_per_put"`
	Puts       int64   `json:"puts"`
	Errors     int64   `json:"errors"`
	Seconds    float64 `json:"seconds"`
}

// benchJSON is the median measurement, what was measured, and all of them.
type benchJSON struct {
	Schema string `json:"schema"`
	loadRun
	Nodes       int       `json:"nodes"`
	Connections int       `json:"connections"`
	Outstanding int       `json:"outstanding"`
	ValueBytes  int       `json:"value_bytes"`
	KeyBytes    int       `json:"key_bytes"`
	Runs        []loadRun `json:"runs"`
}

func benchLoad(c *call) error {
	plan := loadPlan{c.Int("connections"), c.Int("outstanding"), c.Int("value"), c.Duration("for")}
	repeat := c.Int("repeat")
	switch {
	case plan.connections < 1:
		return usageErrorf("--connections must be 1 or more, not %d", plan.connections)
	case plan.outstanding < plan.connections:
		return usageErrorf("--outstanding must be %d or more, one for each connection, not %d", plan.connections, plan.outstanding)
	case plan.value < 0 || plan.value > 1<<20:
		return usageErrorf("--value is 0 to %d bytes, not %d", 1<<20, plan.value)
	case plan.length <= 0:
		return usageErrorf("--for must be longer than 0, not %s", shortDuration(plan.length))
	case repeat < 1:
		return usageErrorf("--repeat must be 1 or more, not %d", repeat)
	case c.IsSet("lab") && c.IsSet("nodes"):
		return usageErrorf("--lab and --nodes exclude each other: a lab that runs has the nodes it has")
	}
	lab, end, err := benchLab(c)
	if err != nil {
		return err
	}
	runs, nodes, err := repeatLoad(c, lab, plan, repeat)
	if err = errors.Join(err, end()); err != nil {
		return err
	}
	return printBench(c, plan, nodes, runs)
}

// benchLab returns the lab to measure and a function that ends it, if it is
// the benchmark's own.
func benchLab(c *call) (lab *netlab.Client, end func() error, err error) {
	if c.IsSet("lab") {
		lab, err = c.lab()
		return lab, func() error { return nil }, err
	}
	config, err := netlab.Profile(netlab.ProfileLAN)
	if err != nil {
		return nil, nil, err
	}
	config.Nodes = c.Int("nodes")
	if err := config.Validate(); err != nil {
		return nil, nil, err
	}
	home, err := netlab.Home()
	if err != nil {
		return nil, nil, err
	}
	executable, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find raftlab's own binary: %w", err)
	}
	c.named = "bench-" + strconv.Itoa(os.Getpid())
	ctx := c.Context.Context
	c.client, _, err = netlab.Start(ctx, netlab.StartOptions{Home: home, Name: c.named, Config: config, Executable: executable, Replace: true})
	if err != nil {
		return nil, nil, err
	}
	return c.client, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), downTimeout)
		defer cancel()
		return c.client.Down(ctx, false)
	}, nil
}

// repeatLoad measures as often as asked, and returns how many nodes the lab has.
func repeatLoad(c *call, lab *netlab.Client, plan loadPlan, repeat int) (runs []loadRun, nodes int, err error) {
	ctx := c.Context.Context
	if err := waitForLeader(ctx, lab); err != nil {
		return nil, 0, err
	}
	status, err := lab.Status(ctx)
	if err != nil {
		return nil, 0, err
	}
	if status.Engine == netlab.EngineSim {
		return nil, 0, netlab.Errorf(netlab.ExitConflict, "lab %q is simulated: its nodes have no ports to write to, and take no time of a processor that could be measured", c.labName()).
			WithHint("raftlab load writes to it; raftlab bench load without --lab measures a lab of processes")
	}
	servers, err := newServerCPU(c.labName(), status)
	if err != nil {
		return nil, 0, err
	}
	for i := range repeat {
		c.talk("measurement %d of %d: %s, %d writes under way over %s, %d B values, %s", i+1, repeat,
			plural(len(status.Nodes), "node"), plan.outstanding, plural(plan.connections, "connection"), plan.value, shortDuration(plan.length))
		run, err := measureLoad(ctx, status, servers, plan)
		if err != nil {
			return nil, 0, err
		}
		runs = append(runs, run)
	}
	return runs, len(status.Nodes), nil
}

// measureLoad keeps plan.outstanding writes under way and measures those that
// are answered between the warm-up and the end.
func measureLoad(ctx context.Context, status *netlab.Status, servers *serverCPU, plan loadPlan) (loadRun, error) {
	var addrs []string
	for _, n := range status.Nodes {
		if n.ClientAddr != "" {
			addrs = append(addrs, n.ClientAddr)
		}
	}
	begin := time.Now()
	window := loadWindow{from: begin.Add(benchWarmup), to: begin.Add(benchWarmup + plan.length)}
	writing, stopWriting := context.WithDeadline(ctx, window.to)
	defer stopWriting()
	answering, stopAnswering := context.WithDeadline(ctx, window.to.Add(benchDrain))
	defer stopAnswering()

	value := make([]byte, plan.value)
	for i := range value {
		value[i] = 'a' + byte(i%26)
	}
	writers := make([]*loadWriter, plan.connections)
	var all sync.WaitGroup
	for i := range writers {
		share := plan.outstanding / plan.connections
		if i < plan.outstanding%plan.connections {
			share++
		}
		writers[i] = &loadWriter{
			client: client.New(client.Options{Addrs: client.Fixed(addrs...), Session: rand.Uint64() | 1, Seed: rand.Uint64()}),
			slots:  share, value: value, window: window,
			latency: hdrhistogram.New(1, int64(benchDrain/time.Microsecond)*6, 3),
		}
		all.Go(func() { writers[i].run(writing, answering, uint64(i)) })
	}
	cpu, cpuErr := servers.over(ctx, window)
	all.Wait()
	total := hdrhistogram.New(1, int64(benchDrain/time.Microsecond)*6, 3)
	run := loadRun{Seconds: plan.length.Seconds()}
	var firstErr error
	for _, w := range writers {
		total.Merge(w.latency)
		run.Errors += w.failed
		w.client.Close()
		firstErr = cmp.Or(firstErr, w.err)
	}
	if err := context.Cause(ctx); err != nil {
		return run, err
	}
	if run.Puts = total.TotalCount(); run.Puts == 0 {
		if firstErr == nil {
			firstErr = errors.New("no write was answered")
		}
		return run, fmt.Errorf("measure writes: %w", firstErr)
	}
	if cpuErr != nil {
		return run, cpuErr
	}
	ms := func(us int64) float64 { return float64(us) / 1000 }
	run.PutsPerSec = float64(run.Puts) / run.Seconds
	run.P50MS, run.P90MS = ms(total.ValueAtQuantile(50)), ms(total.ValueAtQuantile(90))
	run.P99MS, run.P999MS = ms(total.ValueAtQuantile(99)), ms(total.ValueAtQuantile(99.9))
	run.MaxMS, run.MeanMS = ms(total.Max()), total.Mean()/1000
	run.CPU = float64(cpu.Microseconds()) / float64(run.Puts)
	return run, nil
}

// loadWindow is the time that is measured.
type loadWindow struct{ from, to time.Time }

// loadWriter is one client with one connection.
type loadWriter struct {
	client *client.Client
	slots  int
	value  []byte
	window loadWindow

	mu      sync.Mutex // answers come from the client's goroutines
	latency *hdrhistogram.Histogram
	failed  int64
	err     error
}

// run keeps w.slots writes under way until writing ends, then waits for the
// answers until answering does.
func (w *loadWriter) run(writing, answering context.Context, number uint64) {
	free := make(chan struct{}, w.slots)
	for range w.slots {
		free <- struct{}{}
	}
	for i := number * 7919; ; i++ { // writers start at different keys
		select {
		case <-writing.Done():
			for range w.slots {
				<-free // every call is answered when answering ends at the latest
			}
			return
		case <-free:
		}
		key := binary.BigEndian.AppendUint64(make([]byte, 0, benchKeySize), i%benchKeys)
		left := time.Now()
		err := w.client.Start(answering, wire.Request{Op: wire.OpPut, Key: key, Value: w.value}, func(_ wire.Reply, err error) {
			w.answered(left, time.Now(), err)
			free <- struct{}{}
		})
		if err != nil { // refused at once: the next would be too
			w.answered(left, time.Now(), err)
			free <- struct{}{}
			<-writing.Done()
		}
	}
}

func (w *loadWriter) answered(left, now time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
		w.failed++
		w.err = cmp.Or(w.err, err)
	case !now.Before(w.window.from) && now.Before(w.window.to):
		// A latency beyond the histogram's range counts as its highest value.
		_ = w.latency.RecordValue(min(max(now.Sub(left).Microseconds(), 1), w.latency.HighestTrackableValue()))
	}
}

func printBench(c *call, plan loadPlan, nodes int, runs []loadRun) error {
	sorted := slices.Clone(runs)
	slices.SortFunc(sorted, func(a, b loadRun) int { return cmp.Compare(a.PutsPerSec, b.PutsPerSec) })
	median := sorted[len(sorted)/2]
	out := benchJSON{
		Schema: netlab.SchemaBench, loadRun: median, Nodes: nodes, Connections: plan.connections, Outstanding: plan.outstanding,
		ValueBytes: plan.value, KeyBytes: benchKeySize, Runs: runs,
	}
	return c.emit(out, []string{fmt.Sprintf("%.0f", median.PutsPerSec)}, func(w io.Writer) error {
		t := &table{head: []string{"", ">puts/s", ">p50 ms", ">p90 ms", ">p99 ms", ">p99.9 ms", ">max ms", ">server CPU µs/put", ">errors"}}
		row := func(name string, r loadRun) {
			f := func(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }
			t.add(name, f(r.PutsPerSec, 0), f(r.P50MS, 2), f(r.P90MS, 2), f(r.P99MS, 2), f(r.P999MS, 2), f(r.MaxMS, 2), f(r.CPU, 1), strconv.FormatInt(r.Errors, 10))
		}
		if len(runs) == 1 {
			row("", median)
			return t.write(w, c.style)
		}
		for i, r := range runs {
			row(strconv.Itoa(i+1), r)
		}
		row("median", median)
		if err := t.write(w, c.style); err != nil {
			return err
		}
		lo, hi := sorted[0].PutsPerSec, sorted[len(sorted)-1].PutsPerSec
		return writeLines(w, []string{fmt.Sprintf("spread: %.0f to %.0f puts/s, %.0f%% of the median", lo, hi, 100*(hi-lo)/median.PutsPerSec)})
	})
}
