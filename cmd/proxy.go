package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/proxy"
	"github.com/raftlab/raftlab/node/clock"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"
)

// proxyWords are the lines that raftlab proxy takes.
const proxyWords = `  slow [up|down] DELAY[~JITTER] [DISTRIBUTION]    up is what clients send,
  throttle [up|down] RATE [--burst SIZE]          down what comes back;
  corrupt [up|down] PERCENT                       both without either
  cut [up|down]         nothing passes; TCP makes it wait
  blackhole [up|down]   everything is taken and thrown away
  reset                 break all connections now; with --chance PERCENT,
                        --every K or --next K the chunks that do so
  heal [fN] [--all]     reopen cuts and black holes, take fN away, or everything
  undo                  take the last change back
  faults                what is set      stats   what has passed
  help                  these lines      quit    the same as Ctrl-C
`

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

` + proxyWords + `
Words and units are those of the verbs of these names; --for D ends any by itself.
Bytes keep their order and none is lost but by blackhole and reset. That a stream
ends, a connection breaks or the target cannot be reached travels the same way:
late when it is slow, and not through a cut. Connections share a throttle. What
waits is kept here, up to 8 MiB each way of a connection, before its sender has to.
-v tells of each connection, and every second what has passed; with -o jsonl every
answer is an object on a line.`,
		examples: []example{
			{"raftlab proxy --listen 127.0.0.1:6380 --to 127.0.0.1:6379 --slow 20ms~5ms", "a Redis that is far away"},
			{"raftlab proxy --to localhost:5432 --throttle 64KiB/s -v", "prints the port that it took"},
			{"raftlab proxy --to localhost:80 --fault 'cut down --for 2s' --reset-after 10s", "answers stand, later all breaks"},
		},
		run: runProxy,
	}
}

func runProxy(c *call) error {
	listen, err := tcpAddr("listen", c.String("listen"))
	if err != nil {
		return err
	}
	target, err := tcpAddr("to", c.String("to"))
	if err != nil {
		return err
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
	says := &sayer{call: c, level: slog.LevelWarn}
	if c.Bool("verbose") {
		says.level = slog.LevelInfo
	}
	now := clock.New(clock.Setting{Rate: 1})
	raw, err := proxy.NewRaw(proxy.RawOptions{Target: target, Seed: c.Uint64("seed"), Clock: now, Logger: slog.New(says)})
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
		e := netlab.Errorf(netlab.ExitFailed, "listen on %s: %v", clean(listen), reasonOf(err))
		if netlab.IsInUse(err) {
			host, _, _ := net.SplitHostPort(listen) // checked by tcpAddr
			e = netlab.Errorf(netlab.ExitConflict, "listen on %s: another program has this port", clean(listen)).
				WithHint("--listen %s takes any free one", net.JoinHostPort(host, "0"))
		}
		return e
	}
	at := &answer{Listen: raw.Addr(), Target: target, names: []string{raw.Addr()}, lines: []string{raw.Addr() + " -> " + target}}
	if err := at.tell(c); err != nil {
		return err
	}
	for _, line := range r.list().lines {
		c.talk("%s", line)
	}
	if in, ok := c.sh.stdin.(*os.File); ok && isTerminal(in) {
		c.talk("slow 20ms, cut down, heal and the like change it; help lists them, Ctrl-C ends it")
	}
	return serveRelay(c, r)
}

// tcpAddr reads an address. One without a host is of this machine alone: to be
// reached from elsewhere takes a word for it, 0.0.0.0.
func tcpAddr(flag, addr string) (string, error) {
	const hint = "raftlab proxy --listen 127.0.0.1:6380 --to 127.0.0.1:6379"
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "" {
		return "", usageErrorf("--%s wants an address like 127.0.0.1:6379, not %q", flag, clean(addr)).WithHint(hint)
	}
	n, err := net.LookupPort("tcp", port)
	switch {
	case err != nil:
		return "", usageErrorf("--%s: %q is no port: it is between 1 and 65535, or the name of a service", flag, clean(port)).WithHint(hint)
	case n == 0 && flag == "to":
		return "", usageErrorf("--to: no program is reached by port 0").WithHint(hint)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// reasonOf is what a network error says beside what was tried.
func reasonOf(err error) error {
	if op := new(net.OpError); errors.As(err, &op) {
		return op.Err
	}
	return err
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
	c.talk("%s", r.stats().lines[0])
	if err == nil && parent.Err() != nil {
		err = context.Cause(parent)
	}
	return err
}

// obey does what lines on standard input say, until it ends. It returns true
// when one says to quit.
func (r *relay) obey(c *call) (quit bool) {
	in := bufio.NewScanner(foregroundReader(c.sh.stdin))
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
		if said.tell(c) != nil {
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
func (r *relay) stats() *answer {
	s := r.raw.Stats()
	up, down := streamStats{s.Bytes[proxy.ToTarget], s.Chunks[proxy.ToTarget]}, streamStats{s.Bytes[proxy.ToClient], s.Chunks[proxy.ToClient]}
	text := fmt.Sprintf("%s, %d open; up %s, down %s", plural(int(s.Accepted), "connection"), s.Open, up, down)
	if s.Failed > 0 {
		text += fmt.Sprintf("; %d did not reach the target", s.Failed)
	}
	return &answer{Stats: &relayStats{Connections: s.Accepted, Open: s.Open, Failed: s.Failed, Up: up, Down: down}, lines: []string{text}}
}

func (s streamStats) String() string {
	return size(int64(s.Bytes)) + " in " + plural(int(s.Chunks), "chunk")
}

// sayer says what the link has to tell, a line each: the message, what it is
// about, and last the reason.
type sayer struct {
	call  *call
	level slog.Level
}

func (s *sayer) Enabled(_ context.Context, level slog.Level) bool { return level >= s.level }

func (s *sayer) Handle(_ context.Context, rec slog.Record) error {
	text, reason := rec.Message, ""
	rec.Attrs(func(a slog.Attr) bool {
		switch value := a.Value.Resolve(); a.Key {
		case "reason":
			reason = ": " + value.String()
			if err, ok := value.Any().(error); ok {
				reason = ": " + reasonOf(err).Error()
			}
		case "number":
			text = strings.Replace(text, "connection", "connection "+value.String(), 1)
		case "target":
			text = strings.Replace(text, "the target", value.String(), 1)
		case "client":
			text += ", from " + value.String()
		case "up", "down":
			text += ", " + a.Key + " " + size(int64(value.Uint64()))
		default:
			text += ", " + a.Key + " " + value.String()
		}
		return true
	})
	s.call.talk("%s", clean(text+reason))
	return nil
}

// The link logs plain attributes only.
func (s *sayer) WithAttrs([]slog.Attr) slog.Handler { return s }
func (s *sayer) WithGroup(string) slog.Handler      { return s }
