package netlab

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wire"
)

func TestClientOperationsThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		name    string
		op      KVOp
		code    int
		message string
		hint    string
	}{
		{"no such operation", KVOp{Op: "append", Key: "x"}, ExitUsage, `there is no client operation "append"`, "put get del cas incr"},
		{"no key", KVOp{Op: "put"}, ExitUsage, "put: the key is empty", "raftlab put KEY"},
		{"a read nobody knows", KVOp{Op: "get", Key: "x", Read: "fast"}, ExitUsage, `there is no way to read called "fast"`, "log, index, lease or stale"},
		{"a read of the log at one node", KVOp{Op: "get", Key: "x", Read: "log", Node: "2"}, ExitUsage, "answered by the leader", "--read index"},
		{"an endless timeout", KVOp{Op: "get", Key: "x", Timeout: 2 * time.Hour}, ExitUsage, "at most 1h0m0s", "--timeout 5s"},
		{"a value that fits no frame", KVOp{Op: "put", Key: "x", Value: strings.Repeat("x", wire.MaxFrame)}, ExitUsage, "put", ""},
		{"a write read otherwise", KVOp{Op: "put", Key: "x", Read: "lease"}, ExitUsage, "put goes through the log", "--read stale"},
		{"a lease of who does not lead", KVOp{Op: "get", Key: "x", Read: "lease", Node: "1"}, ExitConflict, "get x: S1 does not lead, and only a leader has a lease to read on", "--node 1 --read index"},
		{"an index of the dead", KVOp{Op: "get", Key: "x", Read: "index", Node: "3"}, ExitConflict, "get x: S3 is dead", "raftlab restart 3"},
		{"a node that is dead", KVOp{Op: "get", Key: "x", Node: "3"}, ExitConflict, "get x: S3 is dead", "raftlab restart 3"},
		{"a node that is paused", KVOp{Op: "get", Key: "x", Node: "2"}, ExitConflict, "get x: S2 is paused", "raftlab resume 2"},
		{"a node that is not there", KVOp{Op: "get", Key: "x", Node: "7"}, ExitUsage, "node 7 is not in this lab", "1 2 3"},
		{"many nodes", KVOp{Op: "get", Key: "x", Node: "all"}, ExitUsage, `"all" names 3 nodes, one is wanted`, "leader random"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := fakeLab(t, 3)
			l.become(2, StatePaused)
			l.become(3, StateDead)
			_, err := l.kv(t.Context(), &c.op)
			if e := checkMessage(t, err, c.code, c.message); !strings.Contains(e.Hint, c.hint) {
				t.Errorf("hint %q, want it to say %q", e.Hint, c.hint)
			}
		})
	}
}

// Whoever waits for one node's answer is told when that node ends, and does not
// wait until the time is up.
func TestNodeThatEndsAnswersNoMore(t *testing.T) {
	for _, c := range []struct {
		op      KVOp
		removed bool
		message string
	}{
		{KVOp{Op: "get"}, false, "get x: S1 ended before it answered"},
		{KVOp{Op: "get", Read: ReadIndex}, true, "get x: S1 was removed before it answered"},
		{KVOp{Op: "put"}, false, "put x: S1 ended before it answered. The write may still be applied."},
	} {
		l := fakeLab(t, 3)
		silent, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		c.op.Key, c.op.Node, c.op.Timeout = "x", "1", time.Hour
		node := &child{gone: make(chan struct{})}
		l.mu.Lock()
		m := l.member(1)
		m.proc, m.leaves, m.status.ClientAddr = node, c.removed, silent.Addr().String()
		l.mu.Unlock()
		answer := make(chan error, 1)
		go func() {
			_, err := l.kv(t.Context(), &c.op)
			answer <- err
		}()
		conn, err := silent.Accept()
		if err != nil {
			t.Fatal(err)
		}
		// A hello and the request.
		for range 2 {
			var size [4]byte
			if _, err := io.ReadFull(conn, size[:]); err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(size[:]))); err != nil {
				t.Fatal(err)
			}
		}
		close(node.gone)
		checkMessage(t, <-answer, ExitConflict, c.message)
		conn.Close()
	}
}

// A put without an answer says what the cluster looks like and what helps.
func TestUnansweredSentences(t *testing.T) {
	for _, c := range []struct {
		name    string
		set     func(*testing.T, *lab)
		message string
		hint    string
	}{
		{"the clock is held", func(*testing.T, *lab) {}, "put cart: no answer for 30ms. The lab clock is held: nothing moves, nothing is lost.", "raftlab release"},
		{"too few run", func(t *testing.T, l *lab) {
			l.must(t, Op{Verb: "release"})
			l.become(2, StateDead)
			l.become(3, StateDead)
		}, "put cart: no answer for 30ms. ", "repair: raftlab restart 2"},
		{"too few go on", func(t *testing.T, l *lab) {
			l.must(t, Op{Verb: "release"})
			l.become(1, StatePaused)
			l.become(3, StateDead)
		}, "put cart: no answer for 30ms. ", "repair: raftlab resume 1"},
		{"parted", func(t *testing.T, l *lab) {
			l.must(t, Op{Verb: "release"})
			l.must(t, Op{Verb: "partition", Sides: [][]string{{"1"}, {"2"}, {"3"}}})
		}, "put cart: no answer for 30ms. ", "repair: raftlab heal"},
		{"cut", func(t *testing.T, l *lab) {
			l.must(t, Op{Verb: "release"})
			l.must(t, Op{Verb: "cut", Links: []string{"all"}})
		}, "put cart: no answer for 30ms. ", "repair: raftlab heal"},
		{"no leader yet", func(t *testing.T, l *lab) { l.must(t, Op{Verb: "release"}) }, "put cart: no answer for 30ms. ", "raftlab status"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := fakeLab(t, 3)
			c.set(t, l)
			_, err := l.kv(t.Context(), &KVOp{Op: "put", Key: "cart", Value: "1", Timeout: 30 * time.Millisecond})
			e := checkMessage(t, err, ExitTimeout, c.message)
			if !strings.Contains(e.Hint, c.hint) {
				t.Errorf("hint %q, want it to say %q", e.Hint, c.hint)
			}
			t.Log(told(e))
			list, _ := l.events.after(l.events.last-1, 1)
			if list[0].Kind != EventClient || list[0].Text != e.Message {
				t.Errorf("event %+v, want what the client was told", list[0])
			}
		})
	}
}

func TestRefusedSentences(t *testing.T) {
	for _, c := range []struct {
		name    string
		op      KVOp
		reply   wire.Reply
		code    int
		message string
	}{
		{"cas on another value is a conflict", KVOp{Op: "cas", Key: "x"}, wire.Reply{Code: wire.CodeFailed, Error: "it is 2"}, ExitConflict, "cas x: it is 2"},
		{"incr on no number fails", KVOp{Op: "incr", Key: "x"}, wire.Reply{Code: wire.CodeFailed, Error: "it is no number"}, ExitFailed, "incr x: it is no number"},
		{"nonsense is usage", KVOp{Op: "put", Key: "x"}, wire.Reply{Code: wire.CodeBad, Error: "too long"}, ExitUsage, "put x: too long"},
		{"done is no error", KVOp{Op: "put", Key: "x"}, wire.Reply{}, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) { checkMessage(t, refused(&c.op, &c.reply), c.code, c.message) })
	}
}
