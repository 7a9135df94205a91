package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

// connect returns two ends of a TCP connection.
func connect(t testing.TB) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if a, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// Two goroutines append numbered frames of growing size, far faster than they
// are read: every frame arrives whole, and those of each in order.
func TestSenderKeepsFramesWholeAndInOrder(t *testing.T) {
	const frames, writers = 3000, 2
	for _, kind := range []string{"tcp", "pipe"} { // a pipe has no descriptor to write to directly
		t.Run(kind, func(t *testing.T) {
			a, b := connect(t)
			if kind == "pipe" {
				a, b = net.Pipe()
			}
			s := newSender(1 << 30)
			s.attach(a)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := s.run(ctx.Done()); err != nil {
					t.Error(err)
				}
			})
			for w := range writers {
				wg.Go(func() {
					for i := range frames {
						s.add(func(q []byte) []byte {
							size := 8 + i
							q = binary.BigEndian.AppendUint32(q, uint32(size))
							q = binary.BigEndian.AppendUint32(q, uint32(w))
							q = binary.BigEndian.AppendUint32(q, uint32(i))
							return append(q, bytes.Repeat([]byte{byte(i)}, i)...)
						})
						s.flush()
					}
				})
			}
			next := make([]uint32, writers)
			var length [4]byte
			for range frames * writers {
				if _, err := io.ReadFull(b, length[:]); err != nil {
					t.Fatal(err)
				}
				body := make([]byte, binary.BigEndian.Uint32(length[:]))
				if _, err := io.ReadFull(b, body); err != nil {
					t.Fatal(err)
				}
				w, i := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
				if i != next[w] || len(body) != 8+int(i) || len(body) > 8 && body[8] != byte(i) {
					t.Fatalf("frame %d of writer %d, %d bytes, in place of frame %d", i, w, len(body), next[w])
				}
				next[w]++
			}
			cancel()
			wg.Wait()
			if n := s.waiting(); n != 0 {
				t.Errorf("%d bytes wait after all was read", n)
			}
		})
	}
}

func TestSenderRefusesBeyondItsLimit(t *testing.T) {
	s := newSender(10)
	eleven := func(q []byte) []byte { return append(q, make([]byte, 11)...) }
	if !s.add(eleven) {
		t.Error("an empty queue refuses a frame over the limit: it would never leave")
	}
	if s.add(eleven) || s.waiting() != 11 {
		t.Errorf("%d bytes wait, want 11", s.waiting())
	}
	if lost := s.detach(); lost != 11 || !s.add(eleven) {
		t.Errorf("detach lost %d bytes, want 11, and then there is room", lost)
	}
}

func TestSenderTellsOfABrokenConnection(t *testing.T) {
	a, b := connect(t)
	s := newSender(1 << 20)
	s.attach(a)
	b.Close()
	ended := make(chan error, 1)
	go func() { ended <- s.run(t.Context().Done()) }()
	for { // the first write after the other end closed still goes out
		s.add(func(q []byte) []byte { return append(q, "frame"...) })
		s.flush()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("run ended without an error")
			}
			return
		default:
		}
	}
}

func BenchmarkSenderFlush(b *testing.B) {
	x, y := connect(b)
	go io.Copy(io.Discard, y)
	s := newSender(1 << 30)
	s.attach(x)
	frame := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		s.add(func(q []byte) []byte { return append(q, frame...) })
		s.flush()
	}
}
