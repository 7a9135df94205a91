package proxy

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// gone breaks a connection as a program does that dies.
func (e end) gone() {
	e.SetLinger(0)
	e.Close()
}

// nothingYet fails when something has come that was to wait. What waits is looked
// at where it waits before; this only sees to it that it is not here as well.
func (e end) nothingYet() {
	e.w.t.Helper()
	e.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := e.Read(make([]byte, 1)); n != 0 || !isTimeout(err) {
		e.w.t.Fatalf("%d bytes and %v came, want nothing yet", n, err)
	}
	e.SetReadDeadline(time.Now().Add(patience))
}

// eachWay runs a test from the client to the target, and the other way round.
func eachWay(t *testing.T, test func(t *testing.T, w *rawNet, way Way, from, to end)) {
	for _, way := range []Way{ToTarget, ToClient} {
		t.Run(way.String(), func(t *testing.T) {
			w := newRaw(t)
			client, target := w.pair()
			client.says("hello")
			target.hears("hello")
			if way == ToTarget {
				test(t, w, way, client, target)
			} else {
				test(t, w, way, target, client)
			}
			w.eventually("the connection is over", func() bool { return w.raw.Stats().Open == 0 })
		})
	}
}

// That an end breaks travels by the link: behind what it said before, as late as
// that, and not through a cut.
func TestRawABreakTakesTheLink(t *testing.T) {
	t.Run("slow", func(t *testing.T) {
		eachWay(t, func(t *testing.T, w *rawNet, way Way, from, to end) {
			w.faults(way, delayOf(20*ms))
			from.says("last words")
			w.queued(way, 1)
			from.gone()
			w.queued(way, 2)
			to.nothingYet()
			w.at(20 * ms)
			to.hears("last words")
			to.isReset()
		})
	})
	t.Run("cut", func(t *testing.T) {
		eachWay(t, func(t *testing.T, w *rawNet, way Way, from, to end) {
			w.faults(way, fault(link.Cut{}))
			from.says("last words")
			w.queued(way, 1)
			from.gone()
			w.queued(way, 2)
			to.says("into the void") // it does not know yet
			to.nothingYet()
			w.faults(way)
			to.hears("last words")
			to.isReset()
		})
	})
	t.Run("black hole", func(t *testing.T) {
		eachWay(t, func(t *testing.T, w *rawNet, way Way, from, to end) {
			w.faults(way, fault(link.Blackhole{}))
			from.gone()
			w.queued(way, 1)
			to.nothingYet()
			w.faults(way)
			to.isReset()
		})
	})
}

// Who finds an end gone by writing to it tells the other end as well, and what the
// end said before still arrives.
func TestRawABreakFoundByWriting(t *testing.T) {
	eachWay(t, func(t *testing.T, w *rawNet, way Way, from, to end) {
		from.says("answer")
		from.CloseWrite()
		to.hears("answer")
		to.hearsTheEnd()
		from.Close() // it will read nothing more, so what comes is refused
		for err := error(nil); err == nil; {
			_, err = to.Write(make([]byte, 1000))
		}
	})
}

// Both ends break while nothing passes: there is nobody left to tell.
func TestRawBothEndsBreak(t *testing.T) {
	w := newRaw(t)
	client, target := w.pair()
	w.faults(ToTarget, fault(link.Cut{}))
	w.faults(ToClient, fault(link.Cut{}))
	client.gone()
	w.queued(ToTarget, 1)
	target.gone()
	w.eventually("the connection is over", func() bool { return w.raw.Stats().Open == 0 })
}

// Who has seen a connection end finds it counted as one that has.
func TestRawCountsWhatEnded(t *testing.T) {
	w := newRaw(t)
	for range 50 {
		client, _ := w.pair()
		if open := w.raw.Stats().Open; open != 1 {
			t.Fatalf("%d connections are open", open)
		}
		w.raw.Reset()
		client.isReset()
		if open := w.raw.Stats().Open; open != 0 {
			t.Fatalf("its client has seen it end, and %d connections are open", open)
		}
	}
}

// Without a way back no connection comes about, and a client that gives up before
// leaves nothing.
func TestRawNoConnectionOneWay(t *testing.T) {
	for _, way := range []Way{ToTarget, ToClient} {
		w := newRaw(t)
		w.faults(way, fault(link.Cut{}))
		client, other := w.client(), w.client()
		client.says("hello")
		w.eventually("they are accepted", func() bool { return w.raw.Stats().Open == 2 })
		other.gone()
		w.eventually("one has given up", func() bool { return w.raw.Stats().Open == 1 })
		w.faults(way)
		conn, err := w.target.Accept()
		if err != nil {
			t.Fatal(err)
		}
		w.end(conn).hears("hello")
		if s := w.raw.Stats(); s.Accepted != 2 || s.Failed != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// That a target cannot be reached is told by the way back. It is said once, and
// once more when it is there again.
func TestRawTargetThatComesBack(t *testing.T) {
	w := newRaw(t)
	addr := w.target.Addr().String()
	w.target.Close()
	w.faults(ToClient, delayOf(20*ms))
	client := w.client()
	w.queued(ToClient, 1)
	client.nothingYet()
	w.at(20 * ms)
	client.isReset()
	w.eventually("the connection is over", func() bool { return w.raw.Stats().Open == 0 })
	w.logged("the target cannot be reached", "connection refused")
	var err error
	if w.target, err = net.Listen("tcp", addr); err != nil {
		t.Skip("the port was taken meanwhile: ", err)
	}
	client, target := w.pair()
	client.says("x")
	target.hears("x")
	w.logged("the target is reached again")
}

// A cut stops what is being written to an end that does not read, too: what that
// end's system has taken has arrived, the rest waits, and nothing is lost.
func TestRawCutStopsAWrite(t *testing.T) {
	for _, stop := range []link.Effect{link.Cut{}, link.Blackhole{}} {
		t.Run(stop.Verb(), func(t *testing.T) {
			w := newRaw(t)
			client, target := w.pair()
			const size = 32 << 20 // far more than the kernel's buffers
			sent := make(chan error, 1)
			go func() {
				_, err := client.Write(make([]byte, size))
				sent <- err
			}()
			f := w.flow(ToTarget)
			w.eventually("the write stands", func() bool {
				f.mu.Lock()
				defer f.mu.Unlock()
				return f.writing && f.in.chunk.len() > 0
			})
			before := w.steady(func() uint64 { return w.raw.Stats().Bytes[ToTarget] })
			w.faults(ToTarget, fault(stop))
			w.eventually("the write has ended", func() bool {
				f.mu.Lock()
				defer f.mu.Unlock()
				return !f.writing
			})
			arrived := w.raw.Stats().Bytes[ToTarget]
			if arrived < before {
				t.Fatalf("%d bytes arrived, %d before", arrived, before)
			}
			if n, err := io.CopyN(io.Discard, target, int64(arrived)); err != nil {
				t.Fatalf("%d of %d bytes that had arrived: %v", n, arrived, err)
			}
			target.nothingYet()
			if link.Is[link.Blackhole](fault(stop)) {
				// The rest is gone, and the sender rid of it.
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
				w.eventually("all is swallowed", func() bool {
					f.mu.Lock()
					defer f.mu.Unlock()
					return len(f.queue) == 0
				})
				w.faults(ToTarget)
				client.says("after")
				buf := make([]byte, 5)
				// What was still in the kernel when it ended was swallowed or came.
				for n := 0; string(buf) != "after"; n++ {
					if _, err := target.Read(buf[4:]); err != nil {
						t.Fatalf("after %d bytes: %v", n, err)
					}
					if string(buf) != "after" {
						copy(buf, buf[1:])
					}
				}
				return
			}
			w.faults(ToTarget)
			if n, err := io.CopyN(io.Discard, target, size-int64(arrived)); err != nil {
				t.Fatalf("%d bytes came behind the cut, want %d: %v", n, size-int64(arrived), err)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// flow is one way of the only connection.
func (w *rawNet) flow(way Way) (f *flow) {
	w.t.Helper()
	w.eventually("there is a connection", func() bool {
		w.raw.each(func(c *rawConn) { f = &c.flows[way] })
		return f != nil
	})
	return f
}

// steady waits until a count stays the same for a while, and returns it.
func (w *rawNet) steady(count func() uint64) uint64 {
	last, same := count(), 0
	w.eventually("it stands", func() bool {
		now := count()
		if now == last {
			same++
		} else {
			last, same = now, 0
		}
		return same > 20
	})
	return last
}

// A throttled stream flows: what comes in one piece goes in portions. And what is
// under way goes as fast as the way is throttled then, and at once when it is not
// any more.
func TestRawRateFlows(t *testing.T) {
	w := newRaw(t)
	client, target := w.pair()
	w.faults(ToTarget, fault(link.Rate{Bytes: 1000})) // 10 bytes in 10 ms
	client.says("0123456789abcdefghijklmnopqrstuvwxyz")
	w.queued(ToTarget, 1)
	w.at(10 * ms)
	target.hears("0123456789")
	target.nothingYet()
	w.at(20 * ms)
	target.hears("abcdefghij")
	w.faults(ToTarget, fault(link.Rate{Bytes: 500}))
	w.at(30 * ms)
	target.hears("klmno")
	target.nothingYet()
	w.faults(ToTarget)
	target.hears("pqrstuvwxyz")

	// One that ends by itself lets all go then.
	w.faults(ToTarget, link.Fault{Match: link.Match{Until: 40 * ms}, Effect: link.Rate{Bytes: 10}})
	client.says("the rest")
	w.queued(ToTarget, 1)
	w.at(40 * ms)
	target.hears("the rest")
	client.says("and straight")
	target.hears("and straight")
}

// Whatever is done to the link, each stream arrives whole and in order, and ends.
func TestRawChaos(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newRaw(t, func(o *RawOptions) { o.Seed, o.Backlog = seed, 64<<10 })
			w.clock.Adjust(1, false)
			const conns = 12
			type result struct {
				name      string
				sent, got [32]byte
				bytes     int64
				err       error
			}
			results := make(chan result, 2*conns)
			var all sync.WaitGroup
			flood := func(name string, from, to end, n uint64) {
				rng := rand.New(rand.NewPCG(seed, n))
				bytes := rand.NewChaCha8([32]byte{byte(seed), byte(n)})
				size := 1 + rng.IntN(200<<10)
				sent := sha256.New()
				all.Go(func() {
					for left := size; left > 0; {
						data := make([]byte, min(left, 1+rng.IntN(20_000)))
						bytes.Read(data)
						sent.Write(data)
						left -= len(data)
						if _, err := from.Write(data); err != nil {
							t.Errorf("%s: %v", name, err)
							break
						}
					}
					from.CloseWrite()
					got := sha256.New()
					n, err := io.Copy(got, to)
					results <- result{name, sum(sent), sum(got), n, err}
				})
			}
			for n := range uint64(conns) {
				client, target := w.pair()
				flood(fmt.Sprintf("%d up", n), client, target, 2*n)
				flood(fmt.Sprintf("%d down", n), target, client, 2*n+1)
			}
			done := make(chan struct{})
			go func() {
				all.Wait()
				close(done)
			}()
			rng := rand.New(rand.NewPCG(seed, 99))
			kinds := []func() link.Effect{
				func() link.Effect { return link.Cut{} },
				func() link.Effect { return link.Delay{Mean: raft.Duration(rng.Int64N(int64(5 * ms)))} },
				func() link.Effect {
					return link.Delay{Mean: raft.Duration(3 * ms), Jitter: raft.Duration(rng.Int64N(int64(3 * ms)))}
				},
				func() link.Effect { return link.Rate{Bytes: 1<<20 + rng.Int64N(50<<20)} },
			}
			for changing := true; changing; {
				var faults []link.Fault
				for _, k := range kinds {
					if rng.IntN(3) == 0 {
						faults = append(faults, link.Fault{ID: 1 + rng.Uint64N(1000), Effect: k()})
					}
				}
				w.faults(Way(rng.IntN(2)), faults...)
				select {
				case <-done:
					changing = false
				case <-time.After(time.Duration(rng.Int64N(int64(4 * time.Millisecond)))):
				}
				if w.t.Failed() {
					break
				}
				if rng.IntN(8) == 0 { // so that all ends
					w.faults(ToTarget)
					w.faults(ToClient)
				}
			}
			<-done
			close(results)
			total := int64(0)
			for r := range results {
				total += r.bytes
				if r.err != nil || r.sent != r.got {
					t.Errorf("%s: what came is not what was sent (%v)", r.name, r.err)
				}
			}
			w.eventually("all connections are over", func() bool { return w.raw.Stats().Open == 0 })
			s := w.raw.Stats()
			if int64(s.Bytes[ToTarget]+s.Bytes[ToClient]) != total || s.Accepted != conns {
				t.Errorf("%+v, want %d bytes in all", s, total)
			}
		})
	}
}

func sum(h hash.Hash) (s [32]byte) {
	copy(s[:], h.Sum(nil))
	return s
}

// All connections together hold no more than the memory there is, and a little
// each; and nothing is held when they are over.
func TestRawMemory(t *testing.T) {
	const memory, conns = 4 << 20, 8
	w := newRaw(t, func(o *RawOptions) { o.Memory = memory })
	w.faults(ToTarget, fault(link.Cut{}))
	var all sync.WaitGroup
	for range conns {
		client := w.client()
		all.Go(func() {
			// Until it is broken.
			_, _ = io.Copy(client, rand.NewChaCha8([32]byte{}))
		})
	}
	w.eventually("all stand", func() bool {
		stalled := 0
		w.raw.each(func(c *rawConn) {
			f := &c.flows[ToTarget]
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.stalled {
				stalled++
			}
		})
		return stalled == conns
	})
	if got := w.raw.waiting.Load(); got > memory+conns*(backlogShort+chunkSize+2*pieceCost) {
		t.Errorf("%d bytes wait", got)
	}
	w.raw.Reset()
	all.Wait()
	w.eventually("nothing is held", func() bool { return w.raw.Stats().Open == 0 && w.raw.waiting.Load() == 0 })
}

// No chunk is early, whatever the delay. How late it is, is no question of a test:
// raftlab bench proxy tells.
func TestRawDelaysOnTheRealClock(t *testing.T) {
	for _, delay := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			w := newRaw(t)
			w.clock.Adjust(1, false)
			client, target := w.pair()
			w.faults(ToTarget, delayOf(raft.Time(delay)))
			for range 5 {
				start := time.Now()
				client.says("x")
				target.hears("x")
				if took := time.Since(start); took < delay {
					t.Errorf("a chunk took %v, want %v at least", took, delay)
				}
			}
		})
	}
}

// Many connections at rest cost two goroutines each, and leave nothing.
func TestRawManyConnections(t *testing.T) {
	w := newRaw(t)
	const conns = 300
	before := runtime.NumGoroutine()
	var ends []end
	for range conns {
		client, target := w.pair()
		client.says("x")
		target.hears("x")
		target.says("y")
		client.hears("y")
		ends = append(ends, client)
	}
	w.eventually("two goroutines a connection are left", func() bool { return runtime.NumGoroutine()-before <= 2*conns })
	for i, e := range ends {
		if i%2 == 0 {
			e.gone()
		} else {
			e.Close()
		}
	}
	w.eventually("those that broke are over", func() bool { return w.raw.Stats().Open <= conns/2 })
}
