package node

import (
	"net"
	"testing"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// A frame whose checksum is wrong is refused, whichever byte was changed, and
// the lab is told; the frames around it are taken, and the connection stands.
func TestDamagedFramesAreRefused(t *testing.T) {
	l := startLab(t, 3)
	n := l.follower()
	conn, err := net.Dial("tcp", n.reg.RaftAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const stranger = 9
	frame := func(term raft.Term) []byte {
		raw, err := wire.AppendMessage(nil, 1, &raft.Message{From: stranger, To: n.id, Term: term, Body: &raft.AppendEntries{}})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	raw := wire.AppendHello(nil, wire.Header{From: stranger, To: n.id}, wire.Hello{Version: wire.Version, Role: wire.RoleRaft, Token: raftToken})
	broken := uint64(0)
	for i := 4; i < len(frame(90)); i++ {
		bad := frame(90)
		bad[i] ^= 0x10
		raw = append(raw, bad...)
		broken++
	}
	raw = append(raw, frame(70)...)
	raw = append(raw, frame(90)...)
	raw[len(raw)-1] ^= 1
	broken++
	if _, err := conn.Write(raw); err != nil {
		t.Fatal(err)
	}
	l.wait("all damaged frames are reported, and the whole one is taken", func() bool {
		told := uint64(0)
		for _, d := range n.damaged {
			if d.From != stranger {
				t.Errorf("damaged frames from %v", d.From)
			}
			told += d.Frames
		}
		return told == broken && n.state.Term >= 70
	})
	if _, err := conn.Write(frame(80)); err != nil {
		t.Fatal(err)
	}
	l.wait("the connection goes on", func() bool { return n.state.Term >= 80 })
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.nodes {
		if m.state.Term >= 90 {
			t.Errorf("%v is in term %d, of a damaged frame", m.id, m.state.Term)
		}
	}
}
