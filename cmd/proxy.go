package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab/proxy"
	"github.com/raftlab/raftlab/node/clock"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"
)

func proxyVerb() *verb {
	return &verb{
		name: "proxy", usage: "Put any TCP program behind a network with faults", category: categoryTool, terminal: true,
		flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Usage: "`ADDR` where clients connect; without a host 127.0.0.1 only, port 0 is any that is free", Value: "127.0.0.1:0"},
			&cli.StringFlag{Name: "to", Usage: "`ADDR` of the program that they reach by it"},
			&cli.StringFlag{Name: "slow", Usage: "`DELAY[~JITTER]` delay all that passes"},
			&cli.StringFlag{Name: "throttle", Usage: "`RATE` let so many bytes a second pass, like 64KiB/s"},
			&cli.StringFlag{Name: "corrupt", Usage: "`PERCENT` change a byte in this share of the chunks"},
			&cli.BoolFlag{Name: "cut", Usage: "let nothing pass; it waits"},
			&cli.BoolFlag{Name: "blackhole", Usage: "take everything and throw it away"},
			&cli.StringSliceFlag{Name: "fault", Usage: "`LINE` any of the lines below; may be given more than once"},
			&cli.DurationFlag{Name: "reset-after", Usage: "`D` break all connections after so long, once"},
			&cli.DurationFlag{Name: "for", Usage: "`D` end after so long", DefaultText: "with Ctrl-C"},
			&cli.Uint64Flag{Name: "seed", Usage: "`NUMBER` what every random decision starts from", Value: 1},
		},
		about: `It needs no lab. Clients connect to --listen and reach --to; what passes is bytes,
and a fault acts on chunks, as many as one read brings. The flags set faults for
both ways; lines on its standard input set and take away any, while it runs:

  slow [up|down] DELAY[~JITTER] [DISTRIBUTION]    up is what clients send,
  throttle [up|down] RATE [--burst SIZE]          down what comes back;
  corrupt [up|down] PERCENT                       both without either
  cut [up|down]         nothing passes; TCP makes it wait
  blackhole [up|down]   everything is taken and thrown away
  reset                 break all connections now; with --chance PERCENT,
                        --every K or --next K the chunks that do so
  heal [fN] [--all]     reopen cuts and black holes, take fN away, or everything
  faults                what is set      stats   what has passed
  quit                  the same as Ctrl-C

Words and units are those of the verbs of these names; --for D ends any by itself.
-v tells of connections that end, and every second what has passed.`,
		examples: []example{
			{"raftlab proxy --listen 127.0.0.1:6380 --to 127.0.0.1:6379 --slow 20ms~5ms", "a Redis that is far away"},
			{"raftlab proxy --to localhost:5432 --throttle 64KiB/s -v", "prints the port that it took"},
			{"raftlab proxy --to localhost:80 --fault 'cut down --for 2s' --reset-after 10s", "answers stand, later all breaks"},
		},
		run: runProxy,
	}
}

func runProxy(c *call) error {
	listen, target := c.String("listen"), c.String("to")
	for _, f := range []struct{ name, addr string }{{"listen", listen}, {"to", target}} {
		if _, port, err := net.SplitHostPort(f.addr); err != nil || port == "" {
			return usageErrorf("--%s wants an address like 127.0.0.1:6379, not %q", f.name, clean(f.addr)).WithHint("raftlab proxy --listen 127.0.0.1:6380 --to 127.0.0.1:6379")
		}
	}
	if strings.HasPrefix(listen, ":") {
		listen = "127.0.0.1" + listen // to be reached from elsewhere takes a word for it: 0.0.0.0
	}
	for _, name := range []string{"for", "reset-after"} {
		if _, err := c.positive(name); err != nil {
			return err
		}
	}
	lines, err := proxyLines(c)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if c.Bool("verbose") && !c.quiet() {
		log = slog.New(slog.NewTextHandler(c.sh.stderr, nil))
	}
	now := clock.New(clock.Setting{Rate: 1})
	raw, err := proxy.NewRaw(proxy.RawOptions{Target: target, Seed: c.Uint64("seed"), Clock: now, Logger: log})
	if err != nil {
		return err
	}
	defer raw.Close()
	r := &relay{raw: raw, clock: now}
	for _, line := range lines {
		if _, err := r.do(line); err != nil {
			return err
		}
	}
	if err := raw.Listen(listen); err != nil {
		return err
	}
	at := struct {
		Schema string `json:"schema"`
		Listen string `json:"listen"`
		Target string `json:"target"`
	}{"raftlab.proxy/1", raw.Addr(), target}
	err = c.emit(at, []string{at.Listen}, func(w io.Writer) error { return writeLines(w, []string{at.Listen + " -> " + at.Target}) })
	if err != nil {
		return err
	}
	for _, line := range r.list() {
		c.talk("%s", line)
	}
	return serveRelay(c, r)
}

// proxyLines are the faults that the flags set, as lines.
func proxyLines(c *call) ([]string, error) {
	var lines []string
	for _, name := range []string{"slow", "throttle", "corrupt"} {
		if v := c.String(name); v != "" {
			lines = append(lines, name+" "+v)
		}
	}
	for _, name := range []string{"cut", "blackhole"} {
		if c.Bool(name) {
			lines = append(lines, name)
		}
	}
	for _, line := range c.StringSlice("fault") {
		switch verb, _, _ := strings.Cut(strings.TrimSpace(line), " "); verb {
		case "slow", "throttle", "corrupt", "cut", "blackhole", "reset":
			lines = append(lines, line)
		default:
			return nil, usageErrorf("--fault wants a line that sets a fault, and %q does not", clean(line)).WithHint("raftlab help proxy")
		}
	}
	return lines, nil
}

// errQuit ends the proxy as somebody asked.
var errQuit = errors.New("quit")

// serveRelay carries bytes until somebody ends it, and tells what has passed.
func serveRelay(c *call, r *relay) error {
	parent := c.Context.Context
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	if d := c.Duration("for"); d > 0 {
		defer time.AfterFunc(d, func() { cancel(errQuit) }).Stop()
	}
	if d := c.Duration("reset-after"); d > 0 {
		defer time.AfterFunc(d, func() {
			r.raw.Reset()
			c.talk("all connections are broken")
		}).Stop()
	}
	go func() {
		// A read of a terminal cannot be ended: this one ends with the process.
		if r.obey(c) {
			cancel(errQuit)
		}
	}()
	g, running := errgroup.WithContext(ctx)
	g.Go(func() error { return r.raw.Run(running) })
	if c.Bool("verbose") && !c.quiet() {
		g.Go(func() error {
			r.tell(running, c)
			return nil
		})
	}
	err := g.Wait()
	c.talk("%s", r.stats())
	if err == nil && parent.Err() != nil {
		err = context.Cause(parent)
	}
	return err
}

// obey does what lines on standard input say, until it ends. It returns true
// when one says to quit.
func (r *relay) obey(c *call) (quit bool) {
	in := bufio.NewScanner(c.sh.stdin)
	for in.Scan() {
		line := strings.TrimSpace(in.Text())
		switch line {
		case "":
			continue
		case "quit", "exit":
			return true
		}
		said, err := r.do(line)
		if err != nil {
			printError(c.sh.stderr, userError(err), c.format == formatJSON || c.format == formatJSONL)
			continue
		}
		if writeLines(c.sh.stdout, said) != nil {
			return true // nobody reads the answers
		}
	}
	if err := in.Err(); err != nil && !errors.Is(err, os.ErrClosed) {
		c.talk("no more lines are read: %v", err)
	}
	return false
}

// tell says every second what has passed, unless nothing has.
func (r *relay) tell(ctx context.Context, c *call) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := r.raw.Stats()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if now := r.raw.Stats(); now != last {
			c.talk("%s up, %s down in a second; %s open", size(int64(now.Bytes[proxy.ToTarget]-last.Bytes[proxy.ToTarget])),
				size(int64(now.Bytes[proxy.ToClient]-last.Bytes[proxy.ToClient])), plural(now.Open, "connection"))
			last = now
		}
	}
}

// stats is what has passed so far.
func (r *relay) stats() string {
	s := r.raw.Stats()
	text := fmt.Sprintf("%s, %d open; up %s in %s, down %s in %s", plural(int(s.Accepted), "connection"), s.Open,
		size(int64(s.Bytes[proxy.ToTarget])), plural(int(s.Chunks[proxy.ToTarget]), "chunk"),
		size(int64(s.Bytes[proxy.ToClient])), plural(int(s.Chunks[proxy.ToClient]), "chunk"))
	if s.Failed > 0 {
		text += fmt.Sprintf("; %d did not reach the target", s.Failed)
	}
	return text
}
