package proxy

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// The benchmarks compare a hop through the proxy with a hop through a bare
// io.Copy and with no hop, in one run: go test -bench . ./netlab/proxy

// pipe is a way there and a way back, each of one directed link.
type pipe struct{ there, back way }

// way is where one end writes frames and the other reads them.
type way struct{ w, r net.Conn }

func listen(b *testing.B) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

func connect(b *testing.B, addr string) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

func acceptOne(b *testing.B, l net.Listener) net.Conn {
	c, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// bare is a pipe without anything between.
func bare(b *testing.B) pipe {
	one := func() way {
		l := listen(b)
		return way{connect(b, l.Addr().String()), acceptOne(b, l)}
	}
	return pipe{one(), one()}
}

// copied is a pipe with an io.Copy in the middle of each way.
func copied(b *testing.B) pipe {
	one := func() way {
		front, back := listen(b), listen(b)
		w := connect(b, front.Addr().String())
		in := acceptOne(b, front)
		out := connect(b, back.Addr().String())
		go io.Copy(out, in)
		return way{w, acceptOne(b, back)}
	}
	return pipe{one(), one()}
}

// proxied is a pipe through the proxy, from node 1 to node 2 and back.
func proxied(b *testing.B, rules link.Rules) pipe {
	p, err := New(Options{Nodes: 2, Seed: 1, Clock: clock.New(clock.Setting{Rate: 1}), Token: token})
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Listen("127.0.0.1:0"); err != nil {
		b.Fatal(err)
	}
	go p.Run(b.Context())
	b.Cleanup(p.Close)
	one := func(from, to raft.NodeID) way {
		l := listen(b)
		if err := p.SetNode(to, l.Addr().String()); err != nil {
			b.Fatal(err)
		}
		if err := p.SetRules(from, to, rules); err != nil {
			b.Fatal(err)
		}
		w := connect(b, p.Addr())
		h := wire.Header{From: from, To: to}
		write(b, w, wire.AppendHello(nil, h, wire.Hello{Version: wire.Version, Role: wire.RoleRaft, Token: token}))
		write(b, w, message(b, from, to, 0))
		r := acceptOne(b, l)
		for range 2 { // the hello and the frame that made the proxy dial
			var length [4]byte
			read(b, r, length[:])
			read(b, r, make([]byte, binary.BigEndian.Uint32(length[:])))
		}
		return way{w, r}
	}
	return pipe{one(1, 2), one(2, 1)}
}

// message is a frame of size bytes, or as near as it gets.
func message(b *testing.B, from, to raft.NodeID, size int) []byte {
	body := &raft.AppendEntries{Entries: []raft.Entry{{Index: 1, Term: 1, Kind: raft.EntryCommand}}}
	for {
		raw, err := wire.AppendMessage(nil, 1, &raft.Message{From: from, To: to, Term: 1, Body: body})
		if err != nil {
			b.Fatal(err)
		}
		if len(raw) >= size {
			return raw
		}
		e := &body.Entries[0]
		e.Data = make([]byte, len(e.Data)+max((size-len(raw))/2, 1))
	}
}

func write(b *testing.B, c net.Conn, raw []byte) {
	if _, err := c.Write(raw); err != nil {
		b.Fatal(err)
	}
}

func read(b *testing.B, c net.Conn, raw []byte) {
	if _, err := io.ReadFull(c, raw); err != nil {
		b.Fatal(err)
	}
}

// eachPipe runs a benchmark over every kind of pipe.
func eachPipe(b *testing.B, run func(b *testing.B, p pipe)) {
	b.Run("bare", func(b *testing.B) { run(b, bare(b)) })
	b.Run("iocopy", func(b *testing.B) { run(b, copied(b)) })
	b.Run("proxy", func(b *testing.B) {
		run(b, proxied(b, link.Rules{}))
	})
	b.Run("proxy-1ms", func(b *testing.B) {
		run(b, proxied(b, faults(link.Delay{Mean: raft.Duration(time.Millisecond)})))
	})
}

// BenchmarkPingPong sends a frame of 64 bytes there and one back: two hops.
func BenchmarkPingPong(b *testing.B) {
	eachPipe(b, func(b *testing.B, p pipe) {
		ping, pong := message(b, 1, 2, 64), message(b, 2, 1, 64)
		go func() {
			buf := make([]byte, len(ping))
			for {
				if _, err := io.ReadFull(p.there.r, buf); err != nil {
					return
				}
				if _, err := p.back.w.Write(pong); err != nil {
					return
				}
			}
		}()
		buf := make([]byte, len(pong))
		var took []time.Duration
		b.ReportAllocs()
		for b.Loop() {
			start := time.Now()
			write(b, p.there.w, ping)
			read(b, p.back.r, buf)
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2])/1e3, "p50-µs")
		b.ReportMetric(float64(took[len(took)*99/100])/1e3, "p99-µs")
	})
}

// BenchmarkStream sends frames of 64 KiB one way, as fast as they go.
func BenchmarkStream(b *testing.B) {
	eachPipe(b, func(b *testing.B, p pipe) {
		raw := message(b, 1, 2, 64<<10)
		b.SetBytes(int64(len(raw)))
		done := make(chan int64)
		go func() {
			buf := make([]byte, 256<<10)
			var total int64
			for {
				n, err := p.there.r.Read(buf)
				total += int64(n)
				if err != nil {
					done <- total
					return
				}
			}
		}()
		b.ReportAllocs()
		for b.Loop() {
			write(b, p.there.w, raw)
		}
		p.there.w.Close()
		p.there.r.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		<-done
	})
}

// BenchmarkSmall streams heartbeats, 64 in a write.
func BenchmarkSmall(b *testing.B) {
	eachPipe(b, func(b *testing.B, p pipe) {
		raw, err := wire.AppendMessage(nil, 1, &raft.Message{From: 1, To: 2, Term: 1, Body: &raft.AppendEntries{}})
		if err != nil {
			b.Fatal(err)
		}
		const batch = 64
		raw = slices.Repeat(raw, batch)
		go io.Copy(io.Discard, struct{ io.Reader }{p.there.r})
		b.ReportAllocs()
		for b.Loop() {
			write(b, p.there.w, raw)
		}
		b.ReportMetric(float64(b.Elapsed())/float64(b.N)/batch, "ns/frame")
	})
}

// BenchmarkDelay sends frames one at a time over links of 1, 20 and 200 ms and
// tells how long they really took, from write to read. The other two pipes have no
// delay, but a pause of 20 ms before each frame: what waking up costs on this
// machine.
func BenchmarkDelay(b *testing.B) {
	run := func(b *testing.B, w way, pause time.Duration) {
		raw := message(b, 1, 2, 64)
		buf := make([]byte, len(raw))
		var took []time.Duration
		b.ReportAllocs()
		for b.Loop() {
			time.Sleep(pause)
			start := time.Now()
			write(b, w.w, raw)
			read(b, w.r, buf)
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
		b.ReportMetric(float64(took[len(took)-1])/1e6, "max-ms")
	}
	const pause = 20 * time.Millisecond
	b.Run("bare", func(b *testing.B) { run(b, bare(b).there, pause) })
	b.Run("undelayed", func(b *testing.B) { run(b, proxied(b, link.Rules{}).there, pause) })
	for _, delay := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond} {
		b.Run(delay.String(), func(b *testing.B) {
			run(b, proxied(b, faults(link.Delay{Mean: raft.Duration(delay)})).there, 0)
		})
	}
}
