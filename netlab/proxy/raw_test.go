package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/raft"
)

// rawNet is a raw link with a target behind it, on a clock that the test sets.
type rawNet struct {
	*network // for its waits and its log; it has no proxy
	raw      *Raw
	target   net.Listener
}

func newRaw(t *testing.T, change ...func(*RawOptions)) *rawNet {
	t.Helper()
	before := runtime.NumGoroutine()
	w := &rawNet{network: &network{t: t, clock: clock.New(clock.Setting{Rate: moment}), log: new(lockedBuffer)}}
	var err error
	if w.target, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	o := RawOptions{
		Target: w.target.Addr().String(), Seed: 1, Clock: w.clock,
		Logger: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	for _, f := range change {
		f(&o)
	}
	if w.raw, err = NewRaw(o); err != nil {
		t.Fatal(err)
	}
	if err := w.raw.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- w.raw.Run(ctx) }()
	w.eventually("it runs", func() bool {
		w.raw.mu.Lock()
		defer w.raw.mu.Unlock()
		return w.raw.ran != nil
	})
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ran:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			buf := make([]byte, 1<<20)
			t.Fatalf("Run does not end:\n%s", buf[:runtime.Stack(buf, true)])
		}
		w.target.Close()
		w.eventually("all goroutines end", func() bool { return runtime.NumGoroutine() <= before })
	})
	return w
}

// end is one end of a connection, with a bound on how long a test waits at it.
type end struct {
	*net.TCPConn
	w *rawNet
}

func (w *rawNet) client() end {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.raw.Addr())
	if err != nil {
		w.t.Fatal(err)
	}
	return w.end(conn)
}

func (w *rawNet) end(conn net.Conn) end {
	w.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return end{conn.(*net.TCPConn), w}
}

// pair is a client and its end at the target.
func (w *rawNet) pair() (client, target end) {
	w.t.Helper()
	client = w.client()
	conn, err := w.target.Accept()
	if err != nil {
		w.t.Fatal(err)
	}
	return client, w.end(conn)
}

func (e end) says(s string) {
	e.w.t.Helper()
	if _, err := e.Write([]byte(s)); err != nil {
		e.w.t.Fatalf("write %q: %v", s, err)
	}
}

func (e end) hears(s string) {
	e.w.t.Helper()
	b := make([]byte, len(s))
	if n, err := io.ReadFull(e, b); err != nil || string(b) != s {
		e.w.t.Fatalf("%q came, %v; want %q", b[:n], err, s)
	}
}

func (e end) hearsTheEnd() {
	e.w.t.Helper()
	if n, err := e.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		e.w.t.Fatalf("%d bytes and %v came, want the end", n, err)
	}
}

func (e end) isReset() {
	e.w.t.Helper()
	_, err := io.Copy(io.Discard, e.TCPConn)
	if !errors.Is(err, syscall.ECONNRESET) {
		e.w.t.Fatalf("%v, want a reset", err)
	}
}

func (w *rawNet) faults(way Way, faults ...link.Fault) {
	w.t.Helper()
	if err := w.raw.SetFaults(way, faults); err != nil {
		w.t.Fatal(err)
	}
}

// queued waits until so many chunks wait one way of all connections.
func (w *rawNet) queued(way Way, n int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d chunks wait %v", n, way), func() bool {
		sum := 0
		w.raw.each(func(c *rawConn) {
			f := &c.flows[way]
			f.mu.Lock()
			sum += len(f.queue)
			f.mu.Unlock()
		})
		return sum == n
	})
}

func fault(e link.Effect) link.Fault { return link.Fault{ID: 1, Effect: e} }

func delayOf(d raft.Time) link.Fault { return fault(link.Delay{Mean: raft.Duration(d)}) }

// Whatever is set that leaves bytes what they are, both ways carry all of them,
// in order, and end when the other end does.
func TestRawCarriesEveryByte(t *testing.T) {
	for _, tt := range []struct {
		name   string
		chunk  int
		size   int
		faults []link.Fault
	}{
		{"straight", 0, 8 << 20, nil},
		{"in small chunks", 7, 20_000, nil},
		{"slow", 0, 4 << 20, []link.Fault{delayOf(2 * ms)}},
		{"slow and unsteady", 1000, 1 << 20, []link.Fault{fault(link.Delay{Mean: raft.Duration(2 * ms), Jitter: raft.Duration(2 * ms)})}},
		{"throttled", 1000, 1 << 20, []link.Fault{fault(link.Rate{Bytes: 10 << 20})}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newRaw(t, func(o *RawOptions) { o.Chunk, o.Backlog = tt.chunk, 256<<10 })
			w.clock.Adjust(1, false)
			w.faults(ToTarget, tt.faults...)
			w.faults(ToClient, tt.faults...)
			client, target := w.pair()
			sums := make(chan [32]byte, 4)
			for i, e := range []end{client, target} {
				go func() {
					data := make([]byte, tt.size)
					rand.NewChaCha8([32]byte{byte(i)}).Read(data)
					sums <- sha256.Sum256(data)
					if _, err := e.Write(data); err != nil {
						t.Errorf("write: %v", err)
					}
					e.CloseWrite()
				}()
			}
			sent := [2][32]byte{<-sums, <-sums}
			for _, e := range []end{client, target} {
				go func() {
					data, err := io.ReadAll(e)
					if err != nil {
						t.Errorf("read: %v", err)
					}
					sums <- sha256.Sum256(data)
				}()
			}
			got := [2][32]byte{<-sums, <-sums}
			if got != sent && got != [2][32]byte{sent[1], sent[0]} {
				t.Error("what came is not what was sent")
			}
			w.eventually("the connection is over", func() bool { return w.raw.Stats().Open == 0 })
			s := w.raw.Stats()
			if s.Bytes != [2]uint64{uint64(tt.size), uint64(tt.size)} || s.Accepted != 1 || s.Failed != 0 {
				t.Errorf("%+v, want %d bytes each way", s, tt.size)
			}
			if tt.chunk > 0 && s.Chunks[ToTarget] < uint64(tt.size/tt.chunk) {
				t.Errorf("%+v, want at least %d chunks", s, tt.size/tt.chunk)
			}
		})
	}
}

// Who ends its stream still hears what the other says.
func TestRawKeepsHalfOpenConnections(t *testing.T) {
	for _, swap := range []bool{false, true} {
		w := newRaw(t)
		a, b := w.pair()
		if swap {
			a, b = b, a
		}
		a.says("question")
		a.CloseWrite()
		b.hears("question")
		b.hearsTheEnd()
		b.says("long ")
		a.hears("long ")
		b.says("answer")
		b.CloseWrite()
		a.hears("answer")
		a.hearsTheEnd()
		w.eventually("the connection is over", func() bool { return w.raw.Stats().Open == 0 })
	}
}

// A chunk arrives when it is due, one after the other without waiting for each
// other, and the end of the stream behind them.
func TestRawDelay(t *testing.T) {
	w := newRaw(t)
	client, target := w.pair()
	w.faults(ToTarget, delayOf(20*ms))
	client.says("one")
	w.queued(ToTarget, 1)
	w.at(10 * ms)
	client.says("two")
	w.queued(ToTarget, 2)
	client.CloseWrite()
	w.queued(ToTarget, 3)
	target.says("back") // the other way is not slow
	client.hears("back")
	w.at(20 * ms)
	target.hears("one")
	w.queued(ToTarget, 2)
	w.hold(40 * ms) // on a held clock nothing moves, whenever it is due
	w.queued(ToTarget, 2)
	w.at(40 * ms)
	target.hears("two")
	target.hearsTheEnd()
}

func TestRawRate(t *testing.T) {
	w := newRaw(t, func(o *RawOptions) { o.Chunk = 10 })
	client, target := w.pair()
	second := w.client()
	conn, err := w.target.Accept()
	if err != nil {
		t.Fatal(err)
	}
	other := w.end(conn)
	w.faults(ToTarget, fault(link.Rate{Bytes: 1000})) // a chunk in 10 ms
	client.says("0123456789abcdefghij")
	w.queued(ToTarget, 2)
	second.says("klmno") // they share the link, and take turns
	w.queued(ToTarget, 3)
	w.at(10 * ms)
	target.hears("0123456789")
	w.queued(ToTarget, 2)
	w.at(15 * ms)
	other.hears("klmno")
	w.queued(ToTarget, 1)
	w.at(25 * ms)
	target.hears("abcdefghij")
}

// A cut makes one way stand. Nothing is lost, and it goes on when the cut is
// gone, or ends by itself.
func TestRawCut(t *testing.T) {
	w := newRaw(t)
	client, target := w.pair()
	client.says("before")
	target.hears("before")
	w.faults(ToTarget, link.Fault{ID: 7, Effect: link.Cut{}})
	client.says("during")
	client.CloseWrite()
	w.queued(ToTarget, 2)
	target.says("back")
	client.hears("back")
	if got, want := w.raw.Hits()[7], (link.Hits{Matched: 1, Acted: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	w.faults(ToTarget)
	target.hears("during")
	target.hearsTheEnd()

	w.faults(ToClient, link.Fault{ID: 7, Match: link.Match{Until: 50 * ms}, Effect: link.Cut{}})
	target.says("later")
	w.queued(ToClient, 1)
	w.at(50*ms - 1)
	w.queued(ToClient, 1)
	w.at(50 * ms)
	client.hears("later")
}

// What is under way when a cut comes waits for its end, too.
func TestRawCutStopsWhatIsUnderWay(t *testing.T) {
	w := newRaw(t)
	client, target := w.pair()
	w.faults(ToTarget, delayOf(20*ms))
	client.says("slow")
	w.queued(ToTarget, 1)
	w.faults(ToTarget, link.Fault{ID: 3, Effect: link.Cut{}})
	w.at(20 * ms)
	w.eventually("the cut has stopped it", func() bool { return w.raw.Hits()[3].Acted == 1 })
	w.queued(ToTarget, 1)
	w.faults(ToTarget)
	target.hears("slow")
}

// Behind a cut a new connection does not reach the target.
func TestRawCutHoldsUpNewConnections(t *testing.T) {
	for name, until := range map[string]raft.Time{"healed": 0, "over": 30 * ms} {
		t.Run(name, func(t *testing.T) {
			w := newRaw(t)
			w.faults(ToTarget, link.Fault{Match: link.Match{Until: until}, Effect: link.Cut{}})
			client := w.client()
			client.says("hello")
			w.eventually("it is accepted", func() bool { return w.raw.Stats().Open == 1 })
			if until != 0 {
				w.at(until)
			} else {
				w.faults(ToTarget)
			}
			conn, err := w.target.Accept()
			if err != nil {
				t.Fatal(err)
			}
			w.end(conn).hears("hello")
		})
	}
	// Nor when the link ends before.
	w := newRaw(t)
	w.faults(ToTarget, fault(link.Cut{}))
	client := w.client()
	w.eventually("it is accepted", func() bool { return w.raw.Stats().Open == 1 })
	w.raw.Close()
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the client's connection still stands")
	}
}

// What goes into a black hole is gone; of the stream the end is left.
func TestRawBlackhole(t *testing.T) {
	w := newRaw(t)
	client, target := w.pair()
	w.faults(ToTarget, delayOf(20*ms))
	client.says("under way ")
	w.queued(ToTarget, 1)
	w.faults(ToTarget, link.Fault{ID: 2, Effect: link.Blackhole{}})
	client.says("gone ")
	w.eventually("it is swallowed", func() bool { return w.raw.Hits()[2].Acted == 1 })
	w.at(20 * ms)
	w.queued(ToTarget, 0)
	if got := w.raw.Hits()[2].Acted; got != 2 {
		t.Errorf("it swallowed %d chunks, want 2", got)
	}
	client.CloseWrite()
	w.queued(ToTarget, 1)
	target.says("back")
	client.hears("back")
	w.faults(ToTarget)
	target.hearsTheEnd()
	if s := w.raw.Stats(); s.Bytes[ToTarget] != 0 || s.Bytes[ToClient] != 4 {
		t.Errorf("%+v", s)
	}
}

func TestRawReset(t *testing.T) {
	t.Run("by hand", func(t *testing.T) {
		w := newRaw(t)
		client, target := w.pair()
		client.says("x")
		target.hears("x")
		w.raw.Reset()
		client.isReset()
		target.isReset()
		client, target = w.pair() // new ones are carried
		client.says("y")
		target.hears("y")
	})
	t.Run("by a chunk", func(t *testing.T) {
		w := newRaw(t)
		w.faults(ToTarget, link.Fault{ID: 1, Match: link.Match{Every: 2, Next: 1}, Effect: link.Reset{}})
		client, target := w.pair()
		client.says("x")
		target.hears("x")
		client.says("y")
		client.isReset()
		target.isReset()
	})
	t.Run("by an end", func(t *testing.T) {
		for _, swap := range []bool{false, true} {
			w := newRaw(t)
			a, b := w.pair()
			if swap {
				a, b = b, a
			}
			a.says("x")
			b.hears("x")
			a.SetLinger(0)
			a.Close()
			b.isReset()
		}
	})
}

// In each chunk one byte is another, and no other is.
func TestRawCorrupt(t *testing.T) {
	w := newRaw(t, func(o *RawOptions) { o.Chunk = 100 })
	w.faults(ToClient, fault(link.Corrupt{Share: 1}))
	client, target := w.pair()
	const chunks = 50
	sent := bytes.Repeat([]byte{'.'}, 100*chunks)
	target.says(string(sent))
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(client, got); err != nil {
		t.Fatal(err)
	}
	changed := 0
	for _, b := range got {
		if b != '.' {
			changed++
		}
	}
	// Several reads may have brought it, so that some chunks were shorter.
	if acted := w.raw.Hits()[1].Acted; uint64(changed) != acted || changed < chunks {
		t.Errorf("%d bytes are changed, by %d chunks", changed, acted)
	}
}

// A target that cannot be reached: the client hears of it at once.
func TestRawTargetThatIsNotThere(t *testing.T) {
	w := newRaw(t)
	w.target.Close()
	// The reset may come before dialing has ended.
	if conn, err := net.Dial("tcp", w.raw.Addr()); err == nil {
		if _, err := w.end(conn).Read(make([]byte, 1)); err == nil {
			t.Error("the connection stands")
		}
	}
	w.logged("connection ended", "reach the target", "connection refused")
	if s := w.raw.Stats(); s.Failed != 1 || s.Accepted != 1 {
		t.Errorf("%+v", s)
	}
}

// One way holds no more than its backlog; the sender waits.
func TestRawPushesBack(t *testing.T) {
	const backlog = 64 << 10
	w := newRaw(t, func(o *RawOptions) { o.Chunk, o.Backlog = 1000, backlog })
	client, target := w.pair()
	w.faults(ToTarget, fault(link.Cut{}))
	const size = 40 << 20 // far more than the kernel's buffers
	data := make([]byte, size)
	written := make(chan error, 1)
	go func() {
		_, err := client.Write(data)
		written <- err
	}()
	var f *flow
	w.eventually("the reader stalls", func() bool {
		w.raw.each(func(c *rawConn) { f = &c.flows[ToTarget] })
		if f == nil {
			return false
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.stalled
	})
	f.mu.Lock()
	if f.bytes > backlog+2*chunkSize {
		t.Errorf("%d bytes wait", f.bytes)
	}
	f.mu.Unlock()
	w.faults(ToTarget)
	if n, err := io.CopyN(io.Discard, target, size); n != size || err != nil {
		t.Errorf("%d bytes came: %v", n, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// Closing ends every connection, however it stands.
func TestRawCloseEndsEverything(t *testing.T) {
	w := newRaw(t)
	w.faults(ToClient, delayOf(raft.Time(time.Hour)))
	var ends []end
	for range 20 {
		client, target := w.pair()
		target.says("late")
		ends = append(ends, client, target)
	}
	w.queued(ToClient, 20)
	w.raw.Close()
	for _, e := range ends {
		if _, err := io.Copy(io.Discard, e); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
			t.Error("a connection still stands")
		}
	}
	if s := w.raw.Stats(); s.Open != 0 || s.Bytes[ToClient] != 0 {
		t.Errorf("%+v", s)
	}
	w.raw.schedule.mu.Lock()
	defer w.raw.schedule.mu.Unlock()
	if n := len(w.raw.schedule.wakes); n != 0 {
		t.Errorf("%d ways are still to be woken", n)
	}
}

func TestRawFaultsThatAreNone(t *testing.T) {
	w := newRaw(t)
	for _, tt := range []struct {
		fault link.Fault
		want  string
	}{
		{fault(link.Loss{Share: 0.1}), "lose 10%: that takes frames; a stream of bytes can be cut, slow, throttled, corrupted, reset, and end in a black hole"},
		{fault(link.Duplicate{Share: 0.1}), "duplicate 10%: that takes frames; "},
		{fault(link.Reorder{Share: 0.1}), "reorder 10%: that takes frames; "},
		{fault(link.Hold{}), "frame hold: that takes frames; "},
		{link.Fault{Match: appends, Effect: link.Cut{}}, "cut --kind append: a stream of bytes has no kinds, terms and entries"},
		{link.Fault{Match: link.Match{Next: 1}, Effect: link.Cut{}}, "cut --next 1: of a stream of bytes nothing can be left out, only all of it stopped"},
		{link.Fault{Match: link.Match{Prob: 0.5}, Effect: link.Blackhole{}}, "blackhole --chance 50%: of a stream of bytes nothing can be left out, only all of it stopped"},
		{fault(link.Corrupt{Share: 2}), "a corruption of 200%: it is between 0 % and 100 %"},
	} {
		if err := w.raw.SetFaults(ToTarget, []link.Fault{tt.fault}); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
	if got := w.raw.Faults(ToTarget); len(got) != 0 {
		t.Errorf("%+v is set", got)
	}
	w.faults(ToClient, delayOf(ms))
	if got := w.raw.Faults(ToClient); !slices.EqualFunc(got, []link.Fault{delayOf(ms)}, link.Fault.Equal) {
		t.Errorf("%+v is set", got)
	}
}

func TestRawOptionsThatMakeNoSense(t *testing.T) {
	for _, o := range []RawOptions{{}, {Target: "nowhere"}, {Target: "127.0.0.1:1", Chunk: -1}, {Target: "127.0.0.1:1", Backlog: -1}, {Target: "127.0.0.1:1", Memory: -1}} {
		if _, err := NewRaw(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	r, err := NewRaw(RawOptions{Target: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(context.Background()); err == nil {
		t.Error("it runs without a port")
	}
	r.Close()
	if err := r.Listen("127.0.0.1:99999"); err == nil {
		t.Error("it listens on a port that there is not")
	}
}
