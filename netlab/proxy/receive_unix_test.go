//go:build unix

package proxy

import (
	"net"
	"testing"
)

// A connection that waits between two frames has no buffer, however much it has
// carried before; one that waits inside a frame keeps what it has.
func TestAConnectionAtRestHoldsNoMemory(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	in, err := newInbound(near, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer in.close(net.ErrClosed)
	// wait tries to read when nothing is there, and comes back instead of waiting.
	wait := func() {
		t.Helper()
		came := false
		if err := in.raw.Read(func(fd uintptr) bool { came = in.tryRead(fd); return true }); err != nil || came {
			t.Fatalf("read: %v, %v", came, err)
		}
	}
	const size = chunkSize + 100
	raw := append(length(size-4), make([]byte, size-4)...)
	wait()
	if in.chunk.buf != nil {
		t.Error("a new connection has a buffer")
	}
	for _, part := range [][]byte{raw[:size-1], raw[size-1:]} {
		far.Write(part)
		for want := in.chunk.len() + len(part); in.chunk.len() < want; {
			if err := in.fill(); err != nil {
				t.Fatal(err)
			}
		}
		wait()
		if in.chunk.len() == 0 {
			t.Fatal("a frame was lost while waiting for its end")
		}
	}
	if got, err := in.chunk.next(); len(got) != size || err != nil {
		t.Fatalf("a frame of %d bytes, %v; want %d", len(got), err, size)
	}
	wait()
	if in.chunk.buf != nil {
		t.Errorf("a buffer of %d bytes is left", len(in.chunk.buf))
	}
}
