package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab/proxy"
	"github.com/raftlab/raftlab/node/clock"
)

// echo is a program that sends back what it is sent.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // until the other end is gone
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// foreign is `raftlab proxy` while it runs.
type foreign struct {
	t     *testing.T
	addr  string
	lines io.WriteCloser
	said  *bufio.Reader
	errs  *safeBuffer
	code  chan int
	stop  context.CancelFunc
}

// safeBuffer is written and read by different goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func startForeign(t *testing.T, args ...string) *foreign {
	t.Helper()
	in, lines := io.Pipe()
	said, out := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	f := &foreign{t: t, lines: lines, said: bufio.NewReader(said), errs: new(safeBuffer), code: make(chan int, 1), stop: cancel}
	args = append([]string{"proxy", "--to", echo(t)}, args...)
	go func() {
		f.code <- Run(ctx, args, in, out, f.errs)
		out.Close()
	}()
	t.Cleanup(func() {
		cancel()
		lines.Close()
		go io.Copy(io.Discard, said)
	})
	f.addr, _, _ = strings.Cut(f.hears(" -> "), " -> ")
	return f
}

// hears fails unless the next line has this in it.
func (f *foreign) hears(want string) string {
	f.t.Helper()
	line, err := f.said.ReadString('\n')
	if err != nil || !strings.Contains(line, want) {
		f.t.Fatalf("it says %q (%v), want %q; on stderr %q", line, err, want, f.errs.String())
	}
	return strings.TrimSuffix(line, "\n")
}

func (f *foreign) tell(line, want string) {
	f.t.Helper()
	if _, err := fmt.Fprintln(f.lines, line); err != nil {
		f.t.Fatal(err)
	}
	f.hears(want)
}

func (f *foreign) dial() net.Conn {
	f.t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	return c
}

// roundTrip sends a word and waits for it.
func (f *foreign) roundTrip(c net.Conn, word string, within time.Duration) (time.Duration, error) {
	f.t.Helper()
	begin := time.Now()
	if err := c.SetDeadline(begin.Add(within)); err != nil {
		f.t.Fatal(err)
	}
	if _, err := io.WriteString(c, word); err != nil {
		return 0, err
	}
	buf := make([]byte, len(word))
	if _, err := io.ReadFull(c, buf); err != nil {
		return 0, err
	}
	if string(buf) != word {
		f.t.Fatalf("%q comes back as %q", word, buf)
	}
	return time.Since(begin), nil
}

const soon = 10 * time.Second

func TestProxyCarriesAnything(t *testing.T) {
	f := startForeign(t, "--slow", "30ms", "--throttle", "1MiB/s")
	c := f.dial()
	if took, err := f.roundTrip(c, "ping", soon); err != nil || took < 60*time.Millisecond {
		t.Errorf("a round trip takes %v (%v), want 60ms and more", took, err)
	}
	f.tell("faults", "f1  both  slow 30ms  on ")
	f.hears("f2  both  throttle 1MiB/s")
	f.tell("slow 0", "slow is off, both")
	f.tell("throttle 0", "throttle is off, both")
	f.tell("slow up 40ms", "f3  up    slow 40ms")
	if took, err := f.roundTrip(c, "ping", soon); err != nil || took < 40*time.Millisecond {
		t.Errorf("a round trip takes %v (%v), want 40ms and more", took, err)
	}
	f.tell("heal f3", "1 fault gone")

	// What a cut keeps comes when it is gone.
	f.tell("cut down", "f4  down  cut")
	if took, err := f.roundTrip(c, "late", 50*time.Millisecond); err == nil {
		t.Errorf("through a cut it takes %v", took)
	}
	f.tell("heal", "1 fault gone")
	if err := c.SetReadDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "late" {
		t.Errorf("behind the cut %q comes back (%v)", buf, err)
	}

	f.tell("reset", "1 connection broken")
	if _, err := c.Read(buf); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a connection that is reset reads %v", err)
	}
	c = f.dial()
	f.tell("corrupt 100% --for 1h --every 2", "f5  both  corrupt 100% --every 2  (1h left)")
	f.tell("heal --all", "1 fault gone")
	f.tell("heal --all", "nothing to heal")
	f.tell("undo", "undone: heal --all")
	f.tell("faults", "f5  both  corrupt 100% --every 2  (")
	f.tell("undo", "undone: corrupt 100% --for 1h --every 2")
	f.tell("faults", "nothing is set")
	if _, err := f.roundTrip(c, "still there", soon); err != nil {
		t.Error(err)
	}
	f.tell("stats", "2 connections, 1 open; up ")
	if _, err := fmt.Fprintln(f.lines, "quit"); err != nil {
		t.Fatal(err)
	}
	if code := <-f.code; code != 0 {
		t.Errorf("after quit it exits %d: %s", code, f.errs.String())
	}
	if _, err := net.Dial("tcp", f.addr); err == nil {
		t.Error("after it has ended its port is open")
	}
}

// A wrong line is told and changes nothing.
func TestProxyRefusesLines(t *testing.T) {
	f := startForeign(t)
	for _, c := range []struct{ line, want string }{
		{"slwo 20ms", `"slwo" is nothing that can be done to a stream of bytes`},
		{"slow soon", `"soon" is none; it is like 80ms`},
		{"slow -5ms", `"-5ms" is none; it is like 80ms`},
		{"throttle fast", "a rate in bytes a second"},
		{"corrupt 120%", "0 to 100"},
		{"cut --kind append", "a stream of bytes has no kinds"},
		{"cut --next 3", "only all of it stopped or throttled"},
		{"lose 5%", `"lose" is nothing that can be done to a stream of bytes`},
		{"heal everything", "heal takes the number of a fault"},
		{"slow 'x", "is no line"},
		{"slow", "slow takes [up|down] DELAY[~JITTER] [DISTRIBUTION], not \"\""},
		{"slow up", "slow takes [up|down] DELAY"},
		{"slow sideways 3ms", `not "sideways 3ms"`},
		{"slow 1 to 2 3ms", "slow takes [up|down] DELAY"},
		{"throttle", "throttle takes [up|down] RATE"},
		{"throttle down", "throttle takes [up|down] RATE"},
		{"throttle 5 64KiB/s", "throttle takes [up|down] RATE"},
		{"throttle 64KiB/s --chance 5%", "only all of it stopped or throttled"},
		{"corrupt up", "corrupt takes [up|down] PERCENT"},
		{"cut up down", `cut takes [up|down], not "down"`},
		{"blackhole --for -1s", "--for must be longer than 0"},
		{"heal f7", "no fault has the number f7"},
		{"faults now", "faults takes nothing behind it"},
	} {
		before := len(f.errs.String())
		if _, err := fmt.Fprintln(f.lines, c.line); err != nil {
			t.Fatal(err)
		}
		f.tell("faults", "nothing is set") // by then the line has been answered
		if said := f.errs.String()[before:]; !strings.Contains(said, c.want) {
			t.Errorf("%s: it says %q, want %q", c.line, said, c.want)
		}
	}
	f.stop()
	if code := <-f.code; code == 0 {
		t.Error("an interrupt is a success")
	}
}

func TestProxyUsage(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"proxy", "--to wants an address"},
		{"proxy --to nowhere", `--to wants an address like 127.0.0.1:6379, not "nowhere"`},
		{"proxy --to localhost:1 --listen here", "--listen wants an address"},
		{"proxy --to localhost:1 --slow soon", `"soon" is none`},
		{"proxy --to localhost:1 --fault quit", "--fault wants a line that sets a fault"},
		{"proxy --to localhost:1 --for 0s", "--for must be longer than 0"},
		{"proxy --to localhost:99999", `--to: "99999" is no port`},
		{"proxy --to localhost:0", "no program is reached by port 0"},
		{"proxy --to localhost:1 --listen :65536", `--listen: "65536" is no port`},
		{"proxy --to localhost:1 --throttle fast", "a rate in bytes a second"},
		{"proxy --to localhost:1 --fault throttle", "throttle takes [up|down] RATE"},
	} {
		var errs safeBuffer
		code := Run(t.Context(), strings.Fields(c.line), strings.NewReader(""), io.Discard, &errs)
		if code != 2 || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s exits %d and says %q, want 2 and %q", c.line, code, errs.String(), c.want)
		}
	}
}

// It ends by itself when it is told to.
func TestProxyEndsInTime(t *testing.T) {
	f := startForeign(t, "--for", "50ms", "-o", "table")
	if code := <-f.code; code != 0 || !strings.Contains(f.errs.String(), "0 connections") {
		t.Errorf("it exits %d and says %q", code, f.errs.String())
	}
}

// A port that another program has is a conflict, and which are free is said.
func TestProxyPortThatIsTaken(t *testing.T) {
	addr := echo(t)
	var errs safeBuffer
	code := Run(t.Context(), []string{"proxy", "--to", addr, "--listen", addr}, strings.NewReader(""), io.Discard, &errs)
	if want := "listen on " + addr + ": another program has this port"; code != 4 || !strings.Contains(errs.String(), want) || !strings.Contains(errs.String(), "--listen 127.0.0.1:0") {
		t.Errorf("it exits %d and says %q, want 4 and %q", code, errs.String(), want)
	}
}

// A target that is not there is said without being asked for, and so is each
// connection with -v.
func TestProxyTellsOfItsConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	f := startForeign(t, "--to", nobody) // the later of two counts
	for range 2 {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			continue // it was reset before dialing had ended
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a connection to nobody stands")
		}
		c.Close()
	}
	f.tell("stats", "2 connections, 0 open; up 0 B in 0 chunks, down 0 B in 0 chunks; 2 did not reach the target")
	if want := nobody + " cannot be reached, so clients are reset: connect: connection refused\n"; strings.Count(f.errs.String(), want) != 1 {
		t.Errorf("it says %q, want %q once", f.errs.String(), want)
	}

	f = startForeign(t, "-v")
	c := f.dial()
	if _, err := f.roundTrip(c, "ping", soon); err != nil {
		t.Fatal(err)
	}
	c.Close()
	want := fmt.Sprintf("connection 1 opened, from %v\nconnection 1 ended, from %[1]v, up 4 B, down 4 B, took ", c.LocalAddr())
	for end := time.Now().Add(soon); !strings.Contains(f.errs.String(), want); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it says %q, want %q", f.errs.String(), want)
		}
	}
}

// What scripts read: an object for each answer.
func TestProxyAnswersInJSON(t *testing.T) {
	target := echo(t)
	var out, errs safeBuffer
	lines := "faults\nslow up 7ms\ncut down --for 1h\nthrottle 0\nfaults\nreset\nheal\nheal f1\nheal --all\nlose 5%\nstats\nquit\n"
	if code := Run(t.Context(), []string{"proxy", "--to", target, "-o", "jsonl"}, strings.NewReader(lines), &out, &errs); code != 0 {
		t.Fatalf("it exits %d: %s", code, errs.String())
	}
	got := regexp.MustCompile(`"left_ms":\d[\d.]*|127.0.0.1:\d+`).ReplaceAllString(out.String(), "X")
	const want = `{"schema":"raftlab.proxy/1","listen":"X","target":"X"}
{"schema":"raftlab.proxy/1","faults":[]}
{"schema":"raftlab.proxy/1","faults":[{"id":"f1","way":"up","line":"slow 7ms","acted":0}]}
{"schema":"raftlab.proxy/1","faults":[{"id":"f2","way":"down","line":"cut",X,"acted":0}]}
{"schema":"raftlab.proxy/1","off":"throttle"}
{"schema":"raftlab.proxy/1","faults":[{"id":"f1","way":"up","line":"slow 7ms","acted":0},{"id":"f2","way":"down","line":"cut",X,"acted":0}]}
{"schema":"raftlab.proxy/1","broken":0}
{"schema":"raftlab.proxy/1","healed":["f2"]}
{"schema":"raftlab.proxy/1","healed":["f1"]}
{"schema":"raftlab.proxy/1","healed":[]}
{"schema":"raftlab.proxy/1","stats":{"connections":0,"open":0,"failed":0,"up":{"bytes":0,"chunks":0},"down":{"bytes":0,"chunks":0}}}
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if !strings.Contains(errs.String(), `{"code":2,"message":"\"lose\" is nothing that can be done to a stream of bytes"`) {
		t.Errorf("a wrong line is %q", errs.String())
	}
}

// No line does harm: each is done or refused with a reason, and what it set can
// be taken away.
func TestProxyLinesDoNoHarm(t *testing.T) {
	verbs := []string{"slow", "throttle", "corrupt", "cut", "blackhole", "reset", "heal", "undo", "faults", "stats", "help", "lose"}
	words := []string{
		"up", "down", "both", "20ms", "20ms~5ms", "-1ms", "0", "normal", "table", "1ms,2ms", "64KiB/s", "1%", "200%", "f1", "f99", "--all",
		"--for", "2s", "--every", "3", "--next", "--chance", "--burst", "--kind", "append", "--", "-", "1", "to", "'", "\"\"", "\x1b[2J", "99999999999999999999", "\u00e9",
	}
	rng := rand.New(rand.NewPCG(1, 1))
	now := clock.New(clock.Setting{Rate: 1})
	raw, err := proxy.NewRaw(proxy.RawOptions{Target: "127.0.0.1:1", Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	r := &relay{raw: raw, clock: now}
	for range 150 {
		line := verbs[rng.IntN(len(verbs))]
		for range rng.IntN(5) {
			line += " " + words[rng.IntN(len(words))]
		}
		said, err := r.do(line)
		switch {
		case err != nil:
			if e := userError(err); e.Code != 2 || e.Message == "" || strings.ContainsRune(e.Message, 0x1b) {
				t.Errorf("%q: %+v", line, e)
			}
		case len(said.lines) == 0:
			t.Errorf("%q: nothing is said", line)
		}
	}
	if _, err := r.do("heal --all"); err != nil {
		t.Fatal(err)
	}
	if left := len(raw.Faults(proxy.ToTarget)) + len(raw.Faults(proxy.ToClient)); left != 0 {
		t.Errorf("%d faults are left", left)
	}
}
