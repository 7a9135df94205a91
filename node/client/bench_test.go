package client

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/raftlab/raftlab/node/wire"
)

// echo answers every request at once over loopback TCP, one write for all that
// one read brought, as a node does.
func echo(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer nc.Close()
				r := wire.NewReader(nc, 32<<10)
				if _, err := r.Next(); err != nil {
					return
				}
				var request wire.Request
				var out []byte
				for {
					frame, err := r.Next()
					if err != nil {
						return
					}
					if wire.DecodeRequest(frame, &request) != nil {
						return
					}
					out = wire.AppendReply(out, &wire.Reply{ID: request.ID, Index: 1, Term: 1})
					if !r.Buffered() {
						if _, err := nc.Write(out); err != nil {
							return
						}
						out = out[:0]
					}
				}
			})
		}
	})
	b.Cleanup(func() { l.Close(); group.Wait() })
	return l.Addr().String()
}

// BenchmarkPut is what a put costs client, loopback and an idle server together.
func BenchmarkPut(b *testing.B) {
	for _, bb := range []struct {
		name                 string
		clients, outstanding int
	}{
		{"clients=1/outstanding=1", 1, 1},
		{"clients=8/outstanding=32", 8, 32},
		{"clients=256/outstanding=1", 256, 1},
	} {
		b.Run(bb.name, func(b *testing.B) {
			addr := echo(b)
			put := wire.Request{Op: wire.OpPut, Key: []byte("key00001"), Value: make([]byte, 256)}
			clients := make([]*Client, bb.clients)
			for i := range clients {
				clients[i] = New(Options{Addrs: Fixed(addr), Session: uint64(i + 1)})
				if _, err := clients[i].Do(context.Background(), put); err != nil {
					b.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			b.ReportAllocs()
			b.ResetTimer()
			var group sync.WaitGroup
			for i, c := range clients {
				for j := range bb.outstanding {
					n := b.N / (bb.clients * bb.outstanding)
					if i == 0 && j == 0 {
						n += b.N % (bb.clients * bb.outstanding)
					}
					if n == 0 {
						continue
					}
					group.Add(1)
					var next func(wire.Reply, error)
					next = func(_ wire.Reply, err error) {
						if err != nil {
							b.Error(err)
						}
						if n--; n < 0 {
							group.Done()
							return
						}
						if err := c.Start(ctx, put, next); err != nil {
							b.Error(err)
							group.Done()
						}
					}
					next(wire.Reply{}, nil)
				}
			}
			group.Wait()
			b.StopTimer()
			for _, c := range clients {
				c.Close()
			}
		})
	}
}
