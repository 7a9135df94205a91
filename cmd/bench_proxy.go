package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
	"github.com/urfave/cli/v2"
)

const (
	benchPing   = 64       // bytes of a frame that goes there and back
	benchBlock  = 64 << 10 // bytes of a frame that is streamed
	benchBatch  = 64       // heartbeats in one write
	benchTurns  = 4        // what is compared takes turns, so that a busy moment hits all
	benchNodes  = netlab.NodesMax
	benchSettle = 200 * time.Millisecond // before memory is counted
	benchLate   = 5 * time.Second        // for the first frame of a turn
)

// benchDelays are the delays that are measured.
var benchDelays = []time.Duration{time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond}

func benchProxyVerb() *verb {
	return &verb{
		name: "proxy", usage: "Measure what a hop through the lab's network costs", category: categoryTool, terminal: true,
		flags: []cli.Flag{
			&cli.DurationFlag{Name: "for", Usage: "`D` real time of each figure and path", Value: 2 * time.Second},
		},
		about: `Beside the lab's network and a raw link, as "raftlab proxy" has them, it measures a
bare connection and one with an io.Copy in the middle, by turns in the same run: what
a hop costs anyway on this machine. A round trip has two hops, so a hop adds half of
what it takes longer than bare. Delays are measured one frame at a time, beside a
hop that reads, sleeps and writes.
Connections and memory are those of a network of 21 nodes with all 420 links open,
and of a raw link with as many connections; the ends of the connections, which are
in this process too, are counted before.`,
		examples: []example{
			{"raftlab bench proxy", "all figures"},
			{"raftlab bench proxy --for 5s -o json", "for scripts"},
		},
		run: benchProxy,
	}
}

// proxyJSON are the figures of bench proxy.
type proxyJSON struct {
	Schema string     `json:"schema"`
	Bench  string     `json:"bench"`
	Ping   []pingRun  `json:"ping"`   // 64 bytes there and back
	Stream []flowRun  `json:"stream"` // frames of 64 KiB one way
	Frames []flowRun  `json:"frames"` // heartbeats one way
	Delays []delayRun `json:"delays"`
	Links  linksRun   `json:"links"`
	Raw    rawRun     `json:"raw"`
}

// pingRun are round trips over one path. Of bare a hop adds nothing.
type pingRun struct {
	Path  string  `json:"path"` // bare, iocopy, proxy, raw
	Trips int64   `json:"trips"`
	P50US float64 `json:"p50_us"`
	P99US float64 `json:"p99_us"`
	Added struct {
		P50US float64 `json:"p50_us"`
		P99US float64 `json:"p99_us"`
		// The first as a multiple of what the io.Copy adds; 0 when that adds nothing.
		OfIOCopy float64 `json:"p50_of_iocopy"`
	} `json:"added_per_hop"`
}

// flowRun is what goes one way over a path as fast as it can.
type flowRun struct {
	Path       string  `json:"path"`
	FrameBytes int     `json:"frame_bytes"`
	PerSec     float64 `json:"frames_per_s"`
	BytesPerS  float64 `json:"bytes_per_s"`
}

// delayRun is how long frames take over a link that is slow, one at a time.
type delayRun struct {
	Path    string  `json:"path"` // sleep, proxy, raw
	AskedMS float64 `json:"asked_ms"`
	Frames  int64   `json:"frames"`
	P50MS   float64 `json:"p50_ms"`
	P99MS   float64 `json:"p99_ms"`
}

// linksRun is a network with all its links open.
type linksRun struct {
	Nodes        int     `json:"nodes"`
	Links        int     `json:"links"`
	Connections  int     `json:"connections"` // two a link
	OpenMS       float64 `json:"open_ms"`
	MemoryBytes  int64   `json:"memory_bytes"`
	BytesPerLink int64   `json:"bytes_per_link"`
	Goroutines   int     `json:"goroutines"`
}

// rawRun is a raw link with as many connections as a network of 21 nodes has links.
type rawRun struct {
	Connections  int   `json:"connections"` // of clients; as many go on to the target
	MemoryBytes  int64 `json:"memory_bytes"`
	BytesPerConn int64 `json:"bytes_per_connection"`
	Goroutines   int   `json:"goroutines"`
}

func benchProxy(c *call) error {
	length := c.Duration("for")
	if length <= 0 {
		return usageErrorf("--for must be longer than 0, not %s", shortDuration(length))
	}
	ctx := c.Context.Context
	paths := []benchPath{{"bare", barePipe}, {"iocopy", copyPipe}, {"proxy", func() (*pipe, error) { return labPipe() }}, {"raw", func() (*pipe, error) { return rawPipe() }}}
	out := proxyJSON{Schema: netlab.SchemaBench, Bench: "proxy"}
	var err error
	for _, step := range []struct {
		what string
		run  func() error
	}{
		{"round trips of 64 bytes", func() error { out.Ping, err = benchPings(ctx, paths, length); return err }},
		{"frames of 64 KiB", func() error { out.Stream, err = benchFlows(ctx, paths, length, benchBlock, 1); return err }},
		{"heartbeats", func() error { out.Frames, err = benchFlows(ctx, paths, length, 0, benchBatch); return err }},
		{"delays", func() error { out.Delays, err = measureDelays(ctx, length); return err }},
		{fmt.Sprintf("%d nodes", benchNodes), func() error { out.Links, err = benchLinks(ctx); return err }},
		{"a raw link's connections", func() error { out.Raw, err = benchRawConns(ctx); return err }},
	} {
		c.talk("measuring %s", step.what)
		if err := step.run(); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return fmt.Errorf("measure %s: %w", step.what, err)
		}
	}
	return c.emit(out, nil, func(w io.Writer) error { return out.write(w, c.style) })
}

// benchPath is one of the things compared.
type benchPath struct {
	name string
	open func() (*pipe, error)
}

// eachTurn measures every path by turns, in all for so long, each turn over a
// new pipe. A context that ends closes the pipe under way.
func eachTurn(ctx context.Context, paths []benchPath, length time.Duration, measure func(i int, p *pipe, until time.Time) error) error {
	for range benchTurns {
		for i, path := range paths {
			if err := onPipe(ctx, path.open, func(p *pipe) error { return measure(i, p, time.Now().Add(length/benchTurns)) }); err != nil {
				return fmt.Errorf("%s: %w", path.name, err)
			}
		}
	}
	return nil
}

func onPipe(ctx context.Context, open func() (*pipe, error), measure func(*pipe) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := open()
	if err != nil {
		return err
	}
	defer p.close()
	defer context.AfterFunc(ctx, p.close)()
	return measure(p)
}

func benchPings(ctx context.Context, paths []benchPath, length time.Duration) ([]pingRun, error) {
	ping, err := benchFrame(1, 2, benchPing)
	if err != nil {
		return nil, err
	}
	pong, err := benchFrame(2, 1, benchPing)
	if err != nil {
		return nil, err
	}
	took := make([]*hdrhistogram.Histogram, len(paths))
	for i := range took {
		took[i] = newNanos()
	}
	err = eachTurn(ctx, paths, length, func(i int, p *pipe, until time.Time) error {
		p.copies.Go(func() {
			buf := make([]byte, len(ping))
			for {
				if _, err := io.ReadFull(p.there.r, buf); err != nil {
					return // the pipe is closed
				}
				if _, err := p.back.w.Write(pong); err != nil {
					return
				}
			}
		})
		buf := make([]byte, len(pong))
		for n := 0; ; n++ {
			begin := time.Now()
			if begin.After(until) && n > 0 {
				return nil
			}
			if _, err := p.there.w.Write(ping); err != nil {
				return err
			}
			if _, err := io.ReadFull(p.back.r, buf); err != nil {
				return err
			}
			record(took[i], time.Since(begin))
		}
	})
	if err != nil {
		return nil, err
	}
	runs := make([]pingRun, len(paths))
	for i, path := range paths {
		r := pingRun{Path: path.name, Trips: took[i].TotalCount(), P50US: micros(took[i], 50), P99US: micros(took[i], 99)}
		r.Added.P50US, r.Added.P99US = (r.P50US-micros(took[0], 50))/2, (r.P99US-micros(took[0], 99))/2
		if added := runs[min(i, 1)].Added.P50US; i > 1 && added > 0 {
			r.Added.OfIOCopy = r.Added.P50US / added
		} else if i == 1 {
			r.Added.OfIOCopy = 1
		}
		runs[i] = r
	}
	return runs, nil
}

// benchFlows streams frames, some in one write.
func benchFlows(ctx context.Context, paths []benchPath, length time.Duration, size, batch int) ([]flowRun, error) {
	frame, err := benchFrame(1, 2, size)
	if err != nil {
		return nil, err
	}
	var raw []byte
	for range batch {
		raw = append(raw, frame...)
	}
	bytes, spent := make([]int64, len(paths)), make([]time.Duration, len(paths))
	err = eachTurn(ctx, paths, length, func(i int, p *pipe, until time.Time) error {
		begin := time.Now()
		p.copies.Go(func() {
			for time.Now().Before(until) {
				if _, err := p.there.w.Write(raw); err != nil {
					return // the pipe is closed, which who reads sees too
				}
			}
		})
		// Counted where they arrive: what waits on the way at the end is not.
		if err := p.there.r.SetReadDeadline(until); err != nil {
			return err
		}
		buf, got := make([]byte, 256<<10), int64(0)
		for {
			n, err := p.there.r.Read(buf)
			got += int64(n)
			switch late := errors.Is(err, os.ErrDeadlineExceeded); {
			case late && got == 0: // a turn so short that the first is still under way
				if time.Since(until) > benchLate {
					return err
				}
				if err := p.there.r.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
					return err
				}
			case late:
				bytes[i], spent[i] = bytes[i]+got, spent[i]+time.Since(begin)
				return nil
			case err != nil:
				return err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	runs := make([]flowRun, len(paths))
	for i, path := range paths {
		rate := float64(bytes[i]) / spent[i].Seconds()
		runs[i] = flowRun{Path: path.name, FrameBytes: len(frame), PerSec: rate / float64(len(frame)), BytesPerS: rate}
	}
	return runs, nil
}

// measureDelays sends frames one at a time over links that are slow.
func measureDelays(ctx context.Context, length time.Duration) ([]delayRun, error) {
	frame, err := benchFrame(1, 2, benchPing)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, len(frame))
	var runs []delayRun
	for _, delay := range benchDelays {
		slow := link.Delay{Mean: raft.Duration(delay)}
		paths := []benchPath{
			{"sleep", func() (*pipe, error) { return pausePipe(delay) }},
			{"proxy", func() (*pipe, error) { return labPipe(slow) }},
			{"raw", func() (*pipe, error) { return rawPipe(slow) }},
		}
		took := make([]*hdrhistogram.Histogram, len(paths))
		for i := range took {
			took[i] = newNanos()
		}
		err := eachTurn(ctx, paths, length, func(i int, p *pipe, until time.Time) error {
			for n := 0; n == 0 || time.Now().Before(until); n++ {
				begin := time.Now()
				if _, err := p.there.w.Write(frame); err != nil {
					return err
				}
				if _, err := io.ReadFull(p.there.r, buf); err != nil {
					return err
				}
				record(took[i], time.Since(begin))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for i, path := range paths {
			runs = append(runs, delayRun{
				Path: path.name, AskedMS: float64(delay) / 1e6, Frames: took[i].TotalCount(),
				P50MS: micros(took[i], 50) / 1000, P99MS: micros(took[i], 99) / 1000,
			})
		}
	}
	return runs, nil
}

// benchLinks opens all links of a network of 21 nodes and sends a frame over
// each.
func benchLinks(ctx context.Context) (run linksRun, err error) {
	run = linksRun{Nodes: benchNodes, Links: benchNodes * (benchNodes - 1)}
	run.Connections = 2 * run.Links
	bare, err := bareEnds(ctx, run.Links)
	if err != nil {
		return run, err
	}
	p := new(pipe)
	defer p.close()
	before, goroutines := memoryNow(), runtime.NumGoroutine()
	network, err := benchNetwork(p, benchNodes)
	if err != nil {
		return run, err
	}
	begin := time.Now()
	for to := raft.NodeID(1); to <= benchNodes; to++ {
		l, err := p.listen()
		if err != nil {
			return run, err
		}
		if err := network.SetNode(to, l.Addr().String()); err != nil {
			return run, err
		}
		for from := raft.NodeID(1); from <= benchNodes; from++ {
			if err := ctx.Err(); err != nil {
				return run, err
			}
			if from == to {
				continue
			}
			if _, err := p.through(network, l, from, to); err != nil {
				return run, err
			}
		}
	}
	run.OpenMS = float64(time.Since(begin).Microseconds()) / 1000
	select {
	case <-time.After(benchSettle): // what opening took is let go
	case <-ctx.Done():
		return run, ctx.Err()
	}
	run.MemoryBytes = max(memoryNow()-before-bare, 0)
	run.BytesPerLink = run.MemoryBytes / int64(run.Links)
	run.Goroutines = runtime.NumGoroutine() - goroutines
	return run, nil
}

// bareEnds is the memory of so many connections' ends with nothing in between.
func bareEnds(ctx context.Context, connections int) (int64, error) {
	p := new(pipe)
	defer p.close()
	before := memoryNow()
	l, err := p.listen()
	if err != nil {
		return 0, err
	}
	for range connections {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if _, err := p.connect(l); err != nil {
			return 0, err
		}
	}
	return memoryNow() - before, nil
}

// benchRawConns opens as many connections over one raw link, and says a word on each.
func benchRawConns(ctx context.Context) (run rawRun, err error) {
	run.Connections = benchNodes * (benchNodes - 1)
	bare, err := bareEnds(ctx, run.Connections)
	if err != nil {
		return run, err
	}
	p := new(pipe)
	defer p.close()
	before, goroutines := memoryNow(), runtime.NumGoroutine()
	l, err := p.listen()
	if err != nil {
		return run, err
	}
	raw, err := benchRaw(p, l.Addr().String())
	if err != nil {
		return run, err
	}
	word := make([]byte, benchPing)
	for range run.Connections {
		if err := ctx.Err(); err != nil {
			return run, err
		}
		w, err := p.throughRaw(raw, l)
		if err != nil {
			return run, err
		}
		if _, err := w.w.Write(word); err != nil {
			return run, err
		}
		if _, err := io.ReadFull(w.r, word); err != nil {
			return run, err
		}
	}
	select {
	case <-time.After(benchSettle): // as above
	case <-ctx.Done():
		return run, ctx.Err()
	}
	run.MemoryBytes = max(memoryNow()-before-bare, 0)
	run.BytesPerConn = run.MemoryBytes / int64(run.Connections)
	run.Goroutines = runtime.NumGoroutine() - goroutines
	return run, nil
}

// memoryNow is what this process has in use, of its own and for its stacks.
func memoryNow() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func newNanos() *hdrhistogram.Histogram { return hdrhistogram.New(1, int64(10*time.Second), 3) }

func record(h *hdrhistogram.Histogram, took time.Duration) {
	// What is out of the histogram's range counts as its end.
	_ = h.RecordValue(min(max(int64(took), 1), h.HighestTrackableValue()))
}

func micros(h *hdrhistogram.Histogram, percent float64) float64 {
	return float64(h.ValueAtQuantile(percent)) / 1000
}

// write shows the figures to people.
func (r *proxyJSON) write(w io.Writer, st style) error {
	f := func(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	t := &table{head: []string{"path", ">64 B there and back: p50 µs", ">p99 µs", ">a hop adds: p50 µs", ">p99 µs", ">of io.Copy", ">64 KiB: GB/s", ">heartbeats/s"}}
	for i, p := range r.Ping {
		added50, added99, ofCopy := "-", "-", "-"
		if i > 0 {
			added50, added99 = f(p.Added.P50US, 1), f(p.Added.P99US, 1)
		}
		if p.Added.OfIOCopy > 0 {
			ofCopy = f(p.Added.OfIOCopy, 2)
		}
		t.add(p.Path, f(p.P50US, 1), f(p.P99US, 1), added50, added99, ofCopy, f(r.Stream[i].BytesPerS/1e9, 2), f(r.Frames[i].PerSec, 0))
	}
	if err := t.write(w, st); err != nil {
		return err
	}
	if err := writeLines(w, []string{""}); err != nil {
		return err
	}
	t = &table{head: []string{">delay ms", "path", ">p50 ms", ">p99 ms", ">frames"}}
	for _, d := range r.Delays {
		t.add(f(d.AskedMS, 0), d.Path, f(d.P50MS, 3), f(d.P99MS, 3), strconv.FormatInt(d.Frames, 10))
	}
	if err := t.write(w, st); err != nil {
		return err
	}
	l, raw := r.Links, r.Raw
	return writeLines(w, []string{
		"",
		fmt.Sprintf("%d nodes: %d links, %d connections, open within %s ms, %s in use, %s a link, %s",
			l.Nodes, l.Links, l.Connections, f(l.OpenMS, 0), size(l.MemoryBytes), size(l.BytesPerLink), plural(l.Goroutines, "goroutine")),
		fmt.Sprintf("a raw link: %s of clients, %s in use, %s each, %s",
			plural(raw.Connections, "connection"), size(raw.MemoryBytes), size(raw.BytesPerConn), plural(raw.Goroutines, "goroutine")),
	})
}
