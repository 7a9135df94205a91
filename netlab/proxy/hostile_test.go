package proxy

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

func hello(from, to raft.NodeID, h wire.Hello) []byte {
	return wire.AppendHello(nil, wire.Header{From: from, To: to}, h)
}

var good = wire.Hello{Version: wire.Version, Role: wire.RoleRaft, Token: token}

func length(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// Whoever sends what does not belong here loses that connection, one line of
// log says why, and everybody else goes on.
func TestHostileConnections(t *testing.T) {
	other := good
	other.Version = wire.Version + 1
	wrongToken := good
	wrongToken.Token = "another"
	noToken := good
	noToken.Token = ""
	client := good
	client.Role = wire.RoleClient
	beat := func(from, to raft.NodeID) []byte {
		raw, err := wire.AppendMessage(nil, 1, &raft.Message{From: from, To: to, Term: 1, Body: &raft.AppendEntries{}})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	tests := []struct {
		name string
		send []byte
		end  bool   // the sender ends the connection behind it
		log  string // in the one line
	}{
		{"nothing at all", nil, true, "ended without a hello"},
		{"text", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), false, "no hello: a frame of 1195725856 bytes"},
		{"zeros", make([]byte, 100), false, "hello: "},
		{"a length and no more", length(100), true, "ended 4 bytes into a frame"},
		{"half a hello", hello(1, 2, good)[:10], true, "ended 10 bytes into a frame"},
		{"a hello that is too long", append(length(helloMax+1), make([]byte, helloMax+1)...), false, "the limit is 1024"},
		{"another version", hello(1, 2, other), false, fmt.Sprintf("speaks version %d of the wire, this one %d", other.Version, wire.Version)},
		{"another token", hello(1, 2, wrongToken), false, "another token"},
		{"no token", hello(1, 2, noToken), false, "another token"},
		{"a client", hello(1, 2, client), false, "role 2: this port carries Raft links only"},
		{"a link to nowhere", hello(1, 9, good), false, "node 9 is not one of the network's 3 nodes"},
		{"a link from nobody", hello(0, 1, good), false, "node 0 is not one"},
		{"a link to itself", hello(2, 2, good), false, "no link from node 2 to itself"},
		{"a message without a hello", beat(1, 2), false, "hello: "},
		{"a frame of another link", append(hello(1, 2, good), beat(1, 3)...), false, "a frame from node 1 to node 3"},
		{"a frame of another sender", append(hello(1, 2, good), beat(3, 2)...), false, "a frame from node 3 to node 2"},
		{"a second hello", append(hello(1, 2, good), hello(1, 2, good)...), false, "hello frame: kind"},
		{"garbage behind the hello", append(hello(1, 2, good), length(3)[0], 0, 0, 3, 'x', 'y', 'z'), false, "frame: "},
		{"an empty frame", append(hello(1, 2, good), length(0)...), false, "frame: "},
		{"a giant length", append(hello(1, 2, good), length(wire.MaxFrame+1)...), false, "the limit is 8388608"},
		{"the most giant length", append(hello(1, 2, good), length(1<<32-1)...), false, "a frame of 4294967295 bytes"},
		{"half a frame", append(hello(1, 2, good), beat(1, 2)[:9]...), true, "ended 9 bytes into a frame"},
	}
	w := newNetwork(t, 3)
	fine := w.link(1, 3)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn := w.dial()
			if _, err := conn.Write(tt.send); err != nil {
				t.Fatal(err)
			}
			if tt.end {
				conn.(*net.TCPConn).CloseWrite()
			}
			ended(w, conn)
			w.eventually("a line of log", func() bool { return len(w.log.lines()) > i })
			lines := w.log.lines()
			if last := lines[len(lines)-1]; len(lines) != i+1 || !strings.Contains(last, tt.log) {
				t.Errorf("log:\n%s\nwant one line more, with %q", w.log, tt.log)
			}
			fine.send(1)
			w.nodes[3].wants(1, uint64(i)+1)
		})
	}
}

// What came before a bad frame, in the same read, is carried.
func TestFramesBeforeABadOneArrive(t *testing.T) {
	w := newNetwork(t, 2)
	s := w.link(1, 2)
	s.write(append(append(s.heartbeat(), s.heartbeat()...), length(1<<31)...))
	s.ended()
	w.nodes[2].wants(1, 1, 2)
}

func TestAFrameMayComeByteByByte(t *testing.T) {
	w := newNetwork(t, 2)
	conn := w.dial()
	s := &sender{Conn: conn, net: w, from: 1, to: 2}
	for _, b := range append(hello(1, 2, good), append(s.heartbeat(), s.heartbeat()...)...) {
		s.write([]byte{b})
	}
	w.nodes[2].wants(1, 1, 2)
}

func TestASilentConnectionIsClosed(t *testing.T) {
	w := newNetwork(t, 2, func(p *Proxy) { p.helloTimeout = time.Millisecond })
	ended(w, w.dial())
	w.logged("connection refused", "no hello within 1ms")
}

func TestOfTooManySilentConnectionsTheOldestGoes(t *testing.T) {
	w := newNetwork(t, 2, func(p *Proxy) { p.waiting.limit = 3 })
	pending := func(n int) {
		w.t.Helper()
		w.eventually("the proxy has accepted it", func() bool {
			w.proxy.waiting.mu.Lock()
			defer w.proxy.waiting.mu.Unlock()
			return len(w.proxy.waiting.list) == n
		})
	}
	var silent []net.Conn
	for i := range 3 {
		silent = append(silent, w.dial())
		pending(i + 1)
	}
	w.dial()
	ended(w, silent[0])
	w.logged("connection refused", "too many connections without a hello")
	s := w.link(1, 2)
	ended(w, silent[1])
	s.send(1)
	w.nodes[2].wants(1, 1)
}
