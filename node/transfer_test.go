package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	nodeclient "github.com/raftlab/raftlab/node/client"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// load is clients that count, each at a key of its own, until it is stopped.
type load struct {
	l       *fakeLab
	clients []*nodeclient.Client
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu   sync.Mutex
	news sync.Cond
	done []int // acknowledged, by client
}

// startLoad starts n counting clients, which go wherever the leader is.
func (l *fakeLab) startLoad(n int) *load {
	ctx, cancel := context.WithCancel(l.t.Context())
	w := &load{l: l, cancel: cancel, done: make([]int, n)}
	w.news.L = &w.mu
	for i := range n {
		c := nodeclient.New(nodeclient.Options{Session: uint64(100 + i), Addrs: func() []string {
			l.mu.Lock()
			defer l.mu.Unlock()
			var addrs []string
			for _, n := range l.nodes {
				if n.reg != nil {
					addrs = append(addrs, n.reg.ClientAddr)
				}
			}
			return addrs
		}})
		w.clients = append(w.clients, c)
		w.running.Go(func() {
			for {
				got, err := c.Do(ctx, wire.Request{Op: wire.OpIncr, Key: []byte(fmt.Sprint("count", i))})
				if err != nil {
					if ctx.Err() == nil {
						l.t.Errorf("client %d: %v", i, err)
					}
					return
				}
				w.mu.Lock()
				w.done[i]++
				if want := fmt.Sprint(w.done[i]); string(got.Value) != want {
					l.t.Errorf("client %d counts %s, want %s", i, got.Value, want)
				}
				w.news.Broadcast()
				w.mu.Unlock()
			}
		})
	}
	return w
}

// goesOn waits until every client has had more answers.
func (w *load) goesOn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := slices.Clone(w.done)
	for i := range w.done {
		for w.done[i] < before[i]+3 {
			w.news.Wait()
		}
	}
}

// stop ends the load and compares what was acknowledged with what is there: the
// last command of each client may have been applied without its answer.
func (w *load) stop() {
	w.l.t.Helper()
	w.cancel()
	w.running.Wait()
	for _, c := range w.clients {
		c.Close()
	}
	c := w.l.dial(w.l.leader())
	for i, done := range w.done {
		var there int
		got := c.get(fmt.Sprint("count", i), wire.ReadLog)
		if _, err := fmt.Sscan(string(got.Value), &there); err != nil || there < done || there > done+1 {
			w.l.t.Errorf("client %d had %d answers, and the count is %q", i, done, got.Value)
		}
	}
}

// The leadership goes around under load (thesis §3.10): nothing that was
// acknowledged is lost or done twice, and nobody hangs.
func TestTransferUnderLoad(t *testing.T) {
	l := startLab(t, 3)
	w := l.startLoad(4)
	for range 9 {
		leader := l.leader()
		to := l.follower()
		if out := l.order(leader, wire.Order{Verb: wire.OrderTransfer, Node: to.id}); out.Error != "" {
			if strings.Contains(out.Error, "does not lead") {
				continue // a busy machine made another one leader
			}
			t.Fatal(out.Error)
		}
		l.wait("the transfer to end", func() bool {
			return leader.state.TransferTo == 0 && (to.state.Role == raft.Leader || leader.state.Term > 0)
		})
		w.goesOn()
	}
	w.stop()
	var sent int
	for _, n := range l.nodes {
		for _, f := range l.told(n) {
			if f.Kind == raft.EventTransferSent {
				sent++
			}
		}
	}
	if sent == 0 {
		t.Error("no transfer got as far as TimeoutNow")
	}
}

// While the leader hands over it takes no proposals: they are told to come
// again, and when the other does not take over, the leader goes on.
func TestPutsAreBusyWhileTheLeaderHandsOver(t *testing.T) {
	l := newFakeLab(t, 3)
	l.cfg.ElectionMin, l.cfg.ElectionMax = 5*l.cfg.ElectionMin, 5*l.cfg.ElectionMax // time enough to ask meanwhile
	l.startAll()
	leader, to := l.leader(), l.follower()
	c := l.dial(leader)
	c.put("x", "1")
	l.isolate(to)
	l.setClock(0.1, false)
	if out := l.order(leader, wire.Order{Verb: wire.OrderTransfer, Node: to.id}); out.Error != "" {
		t.Fatal(out.Error)
	}
	if s := l.shown(leader); s.TransferTo != to.id {
		t.Errorf("state with the outcome: %+v, want a transfer to %v", s, to.id)
	}
	if got := c.put("x", "2"); got.Code != wire.CodeBusy || !strings.Contains(got.Error, "handing over") {
		t.Errorf("put during the transfer: %+v, want busy", got)
	}
	if got := c.get("x", wire.ReadStale); string(got.Value) != "1" {
		t.Errorf("stale read during the transfer: %+v", got)
	}
	if out := l.order(leader, wire.Order{Verb: wire.OrderTransfer, Node: to.id}); !strings.Contains(out.Error, "is handing over to") {
		t.Errorf("another transfer meanwhile: %q", out.Error)
	}
	l.setClock(1, false)
	l.wait("the transfer to fail", func() bool { return leader.has(raft.EventTransferFailed) })
	if got := c.put("x", "3"); got.Code != wire.CodeOK {
		t.Errorf("put after the transfer: %+v", got)
	}
}
