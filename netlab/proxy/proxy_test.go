package proxy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

var slow = faults(link.Delay{Mean: raft.Duration(20 * ms)})

// faults are rules with these effects on every frame.
func faults(effects ...link.Effect) link.Rules {
	var r link.Rules
	for _, e := range effects {
		r = r.With(link.Fault{Effect: e})
	}
	return r
}

func TestFramesArriveInOrder(t *testing.T) {
	w := newNetwork(t, 3)
	s := w.link(1, 3)
	s.send(3)
	w.nodes[3].wants(1, 1, 2, 3)
	s.send(1)
	w.nodes[3].wants(1, 4)
	w.eventually("all are counted", func() bool { return w.counters(1, 3).Delivered == 4 })
	if got := w.counters(3, 1); got.Sent != 0 {
		t.Errorf("the way back counts %+v", got)
	}
}

func TestFramesOfAnySizeArrive(t *testing.T) {
	for name, rules := range map[string]link.Rules{"straight": {}, "delayed": slow} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork(t, 2, func(p *Proxy) { p.backlog = 4 * wire.MaxFrame })
			w.rules(1, 2, rules)
			s := w.link(1, 2)
			sizes := []int{0, 1, 100, segmentSmall, segmentLarge, chunkSize - 50, chunkSize, chunkSize + 1, 1 << 20, wire.MaxFrame - 100, 1}
			var want []int
			for _, size := range sizes {
				raw := s.entry(size)
				want = append(want, len(raw))
				s.write(raw)
			}
			if !rules.Equal(link.Rules{}) {
				w.waiting(1, 2, len(sizes))
				w.at(20 * ms)
			}
			for i, size := range want {
				if got := w.nodes[2].next(); got.size != size || got.id != uint64(i)+1 {
					t.Fatalf("frame %d of %d bytes arrived, want %d of %d", got.id, got.size, i+1, size)
				}
			}
		})
	}
}

func TestDelayedFrameArrivesWhenItIsDue(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, slow)
	s := w.link(1, 2)
	w.at(ms)
	s.send(1)
	f := w.record(1, 2, 1, false)
	if f.Left != ms || f.Due != 21*ms || f.Arrived != 0 || f.Dropped != 0 {
		t.Errorf("under way: %+v", f)
	}
	w.at(21*ms - 1)
	w.nodes[2].nothing()
	w.at(21 * ms)
	w.nodes[2].wants(1, 1)
	f = w.record(1, 2, 1, true)
	if f.Left != ms || f.Due != 21*ms || f.Arrived != 21*ms || f.Dropped != 0 || f.Reason != "" {
		t.Errorf("arrived: %+v", f)
	}
	if c := w.counters(1, 2); c.Flight != raft.Duration(20*ms) {
		t.Errorf("median flight %v, want 20 ms", time.Duration(c.Flight))
	}
	// Under other rules that says nothing any more, nor does what left before.
	s.send(1)
	w.waiting(1, 2, 1)
	w.at(22 * ms)
	w.rules(1, 2, link.Rules{})
	w.at(42 * ms)
	w.nodes[2].wants(1, 2)
	w.record(1, 2, 2, true)
	if c := w.counters(1, 2); c.Flight != 0 {
		t.Errorf("median flight %v of frames that left under other rules", time.Duration(c.Flight))
	}
}

// A delay taken off a link does not let later frames overtake those under way.
func TestNothingOvertakesOnALink(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, slow)
	s := w.link(1, 2)
	s.send(1)
	w.waiting(1, 2, 1)
	w.rules(1, 2, link.Rules{})
	s.send(1)
	w.waiting(1, 2, 2)
	w.at(20 * ms)
	w.nodes[2].wants(1, 1, 2)
}

// The proxy carries out what link decides: frame by frame, whatever a read
// brought together.
func TestVerdictsAreThoseOfTheSeed(t *testing.T) {
	w := newNetwork(t, 3)
	rules := faults(link.Loss{Share: 0.3}, link.Delay{Mean: raft.Duration(20 * ms), Jitter: raft.Duration(10 * ms)})
	w.rules(1, 3, rules)
	s := w.link(1, 3)
	const n = 300
	for sent := 0; sent < n; sent += 30 {
		s.send(30)
	}
	var twin link.Link
	twin.SetRules(rules)
	var want []uint64
	dues := map[uint64]raft.Time{}
	for number := uint64(1); number <= n; number++ {
		v := twin.Judge(1, &link.Frame{From: 1, To: 3, Number: number})
		dues[number] = v.Due
		if v.Drop == "" {
			want = append(want, number)
		}
	}
	w.waiting(1, 3, len(want))
	w.at(40 * ms)
	w.nodes[3].wants(1, want...)
	for number, due := range dues {
		f := w.record(1, 3, number, true)
		if f.Due != due || (f.Reason != "") == slices.Contains(want, number) {
			t.Errorf("frame %d: %+v, want it due at %d", number, f, due)
		}
	}
}

func TestFramesAreDroppedForAReason(t *testing.T) {
	tests := []struct {
		name   string
		rules  link.Rules
		reason link.Reason
	}{
		{"at the wall", link.Rules{Wall: true}, link.DroppedAtWall},
		{"by a cut", faults(link.Cut{}), link.DroppedByCut},
		{"by loss", faults(link.Loss{Share: 1}), link.DroppedByLoss},
		{"at once, even when slow", faults(link.Cut{}, link.Delay{Mean: raft.Duration(20 * ms)}), link.DroppedByCut},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newNetwork(t, 2)
			w.rules(1, 2, tt.rules)
			w.at(5 * ms)
			s := w.link(1, 2)
			s.send(2)
			for number := uint64(1); number <= 2; number++ {
				f := w.record(1, 2, number, true)
				if f.Reason != tt.reason || f.Dropped != 5*ms || f.Arrived != 0 {
					t.Errorf("%+v, want it dropped at 5 ms: %s", f, tt.reason)
				}
			}
			w.rules(1, 2, link.Rules{})
			s.send(1)
			w.nodes[2].wants(1, 3)
			w.eventually("all are counted", func() bool {
				c := w.counters(1, 2)
				return c.Sent == 3 && c.Dropped == 2 && c.Delivered == 1 && c.Waiting == 0
			})
		})
	}
}

func TestAPartitionStopsWhatIsUnderWay(t *testing.T) {
	for _, tt := range []struct {
		rules  link.Rules
		reason link.Reason
	}{
		{link.Rules{Wall: true}, link.DroppedAtWall},
		{faults(link.Cut{}), link.DroppedByCut},
	} {
		t.Run(string(tt.reason), func(t *testing.T) {
			w := newNetwork(t, 2)
			w.rules(1, 2, slow)
			s := w.link(1, 2)
			s.send(2)
			w.waiting(1, 2, 2)
			w.at(10 * ms)
			w.rules(1, 2, tt.rules)
			w.at(20 * ms)
			for number := uint64(1); number <= 2; number++ {
				if f := w.record(1, 2, number, true); f.Reason != tt.reason || f.Dropped != 20*ms {
					t.Errorf("%+v, want it dropped at 20 ms: %s", f, tt.reason)
				}
			}
			w.rules(1, 2, link.Rules{})
			s.send(1)
			w.nodes[2].wants(1, 3) // healing brings nothing back
		})
	}
}

func TestAHealedLinkCarriesWhatIsStillUnderWay(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, slow)
	s := w.link(1, 2)
	s.send(1)
	w.waiting(1, 2, 1)
	w.rules(1, 2, link.Rules{Wall: true})
	w.at(10 * ms)
	w.rules(1, 2, link.Rules{})
	w.at(20 * ms)
	w.nodes[2].wants(1, 1)
}

// While the clock is held nothing moves and nothing is lost; what is sent
// meanwhile left when the clock was held, and goes on when it is released.
func TestHeldClockKeepsFrames(t *testing.T) {
	w := newNetwork(t, 3)
	w.rules(1, 2, slow)
	delayed, straight := w.link(1, 2), w.link(1, 3)
	delayed.send(1)
	w.waiting(1, 2, 1)
	w.hold(30 * ms) // the first frame's time has come, but it is late
	delayed.send(1)
	straight.send(2)
	w.waiting(1, 2, 2)
	w.waiting(1, 3, 2)
	w.nodes[2].nothing()
	w.nodes[3].nothing()
	if f := w.record(1, 3, 2, false); f.Left != 30*ms || f.Due != 30*ms {
		t.Errorf("sent while held: %+v, want it to leave at 30 ms", f)
	}
	w.at(30 * ms)
	w.nodes[3].wants(1, 1, 2)
	w.nodes[2].wants(1, 1)
	w.waiting(1, 2, 1)
	w.at(50 * ms)
	w.nodes[2].wants(1, 2)
}

// A change of the clock's rate makes waits start over: an hour at the old rate
// is nothing at the new one.
func TestWaitsFollowTheClocksRate(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, faults(link.Delay{Mean: raft.Duration(time.Hour)}))
	s := w.link(1, 2)
	s.send(1)
	w.waiting(1, 2, 1)
	w.clock.Adjust(1e9, false)
	w.nodes[2].wants(1, 1)
	if f := w.record(1, 2, 1, true); f.Arrived < f.Due {
		t.Errorf("arrived before it was due: %+v", f)
	}
}

func TestALinkWithAFullBacklogStopsReading(t *testing.T) {
	const backlog = 64 << 10
	w := newNetwork(t, 3, func(p *Proxy) { p.backlog = backlog })
	w.hold(0)
	s := w.link(1, 2)
	const frames, size = 400, 50 << 10 // far more than the backlog and the kernel's buffers
	written := make(chan struct{})
	var batch [][]byte
	for range frames {
		batch = append(batch, s.entry(size))
	}
	go func() {
		defer close(written)
		for _, raw := range batch {
			if _, err := s.Write(raw); err != nil {
				t.Errorf("write: %v", err)
				return
			}
		}
	}()
	l := w.lane(1, 2)
	w.eventually("the reader stalls", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.stalled
	})
	if c := w.counters(1, 2); c.Waiting > (backlog+2*chunkSize)/size {
		t.Errorf("%d frames wait, far over the backlog", c.Waiting)
	}
	// Another link is none the worse.
	other := w.link(1, 3)
	other.send(1)
	w.waiting(1, 3, 1)

	w.at(0)
	w.nodes[3].wants(1, 1)
	for id := uint64(1); id <= frames; id++ {
		w.nodes[2].wants(1, id)
	}
	<-written
	if c := w.counters(1, 2); c.Dropped != 0 || c.Sent != frames {
		t.Errorf("%+v, want %d sent and none dropped", c, frames)
	}
}

// Nor does a sender that dials again and again get more in.
func TestAFullLinkTakesNothingFromNewConnections(t *testing.T) {
	const backlog, size = 10 << 10, 1 << 10
	w := newNetwork(t, 2, func(p *Proxy) { p.backlog = backlog })
	w.hold(0)
	l := w.lane(1, 2)
	var first *inbound
	for range 5 {
		conn := w.dial()
		s := &sender{Conn: conn, net: w, from: 1, to: 2}
		raw := hello(1, 2, good)
		for range 100 {
			raw = append(raw, s.entry(size)...)
		}
		s.write(raw)
		w.eventually("the connection waits for room", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			waits := l.stalled && l.in != nil && l.in != first
			if waits {
				first = l.in
			}
			return waits
		})
	}
	if c := w.counters(1, 2); c.Waiting > 100 {
		t.Errorf("%d frames wait, of more than one connection", c.Waiting)
	}
}

// fill sends to a node that does not read until the proxy cannot write to it.
func fill(w *network, s *sender) *lane {
	w.t.Helper()
	l := w.lane(s.from, s.to)
	stuck := func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.busy
	}
	var rest []byte // of a frame that was written in part
	end := time.Now().Add(patience)
	for {
		// The kernel takes some megabytes; a write into a full connection stays. Where
		// for so long nothing has moved, and the proxy is at it, all is full.
		s.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		before, moved := w.counters(s.from, s.to).Delivered, false
		for {
			if len(rest) == 0 {
				rest = s.entry(1 << 20)
			}
			n, err := s.Write(rest)
			rest, moved = rest[n:], moved || n > 0
			if err != nil {
				break
			}
		}
		if !moved && stuck() && w.counters(s.from, s.to).Delivered == before {
			return l
		}
		if time.Now().After(end) {
			w.t.Fatalf("the link to a node that does not read does not fill\nlog:\n%s", w.log)
		}
	}
}

func TestAPausedNodeStallsOnlyItsOwnLinks(t *testing.T) {
	w := newNetwork(t, 3)
	s := w.link(1, 2)
	s.send(1)
	w.nodes[2].wants(1, 1)
	w.nodes[2].pause()
	fill(w, s)

	other := w.link(1, 3)
	other.send(1)
	w.nodes[3].wants(1, 1)
	if c := w.counters(1, 2); c.Waiting == 0 {
		t.Errorf("nothing waits: %+v", c)
	}
	// Its process is killed: what was to be handed over is dropped.
	if err := w.proxy.NodeGone(2); err != nil {
		t.Fatal(err)
	}
	w.eventually("nothing waits", func() bool { return w.counters(1, 2).Waiting == 0 })
	if f := w.record(1, 2, w.counters(1, 2).Sent, true); f.Reason != DroppedDeadNode {
		t.Errorf("%+v, want it dropped: dead node", f)
	}
}

func TestAPausedNodeGetsEverythingWhenItGoesOn(t *testing.T) {
	w := newNetwork(t, 2)
	s := w.link(1, 2)
	s.send(1)
	w.nodes[2].wants(1, 1)
	w.nodes[2].pause()
	written := make(chan struct{})
	var batch [][]byte
	for range 20 {
		batch = append(batch, s.entry(1<<20))
	}
	go func() {
		defer close(written)
		for _, raw := range batch {
			if _, err := s.Write(raw); err != nil {
				t.Errorf("write: %v", err)
			}
		}
	}()
	w.eventually("frames pile up", func() bool { return w.counters(1, 2).Waiting > 0 })
	w.nodes[2].unpause()
	<-written
	for id := uint64(2); id <= 21; id++ {
		w.nodes[2].wants(1, id)
	}
}

func TestFramesToADeadNodeAreDropped(t *testing.T) {
	w := newNetwork(t, 2)
	s := w.link(1, 2)
	s.send(1)
	w.nodes[2].wants(1, 1)
	out := w.link(2, 1)
	out.send(1)
	w.nodes[1].wants(2, 1)

	w.nodes[2].stop()
	if err := w.proxy.NodeGone(2); err != nil {
		t.Fatal(err)
	}
	out.ended() // what it had dialed is closed
	s.send(1)
	if f := w.record(1, 2, 2, true); f.Reason != DroppedDeadNode {
		t.Errorf("%+v, want it dropped: dead node", f)
	}
	// Back again, elsewhere: the sender's connection has outlived it.
	w.start(2)
	s.send(1)
	w.nodes[2].wants(1, 3)
	out = w.link(2, 1)
	out.send(1)
	w.nodes[1].wants(2, 1)
	if f := w.record(2, 1, 2, true); f.Number != 2 {
		t.Errorf("numbers start again: %+v", f)
	}
}

func TestFramesUnderWayToADeadNodeAreDroppedWhenDue(t *testing.T) {
	w := newNetwork(t, 2)
	w.rules(1, 2, slow)
	s := w.link(1, 2)
	s.send(1)
	w.waiting(1, 2, 1)
	if err := w.proxy.NodeGone(2); err != nil {
		t.Fatal(err)
	}
	w.at(20 * ms)
	if f := w.record(1, 2, 1, true); f.Reason != DroppedDeadNode || f.Dropped != 20*ms {
		t.Errorf("%+v, want it dropped at 20 ms: dead node", f)
	}
}

func TestANodeThatCannotBeReached(t *testing.T) {
	w := newNetwork(t, 2)
	w.nodes[2].stop() // nobody has told the proxy
	s := w.link(1, 2)
	s.send(1)
	if f := w.record(1, 2, 1, true); f.Reason != DroppedNoConnection {
		t.Errorf("%+v, want it dropped: no connection", f)
	}
}

func TestTheReceiversConnectionIsMadeAnew(t *testing.T) {
	w := newNetwork(t, 2)
	s := w.link(1, 2)
	s.send(1)
	w.nodes[2].wants(1, 1)
	l := w.lane(1, 2)
	connected := func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.out != nil
	}
	if !connected() {
		t.Fatal("not connected")
	}
	f := w.nodes[2]
	f.mu.Lock()
	f.conns[0].Close()
	f.mu.Unlock()
	w.eventually("the proxy notices", func() bool { return !connected() })
	s.send(1)
	f.wants(1, 2)
	if f.mu.Lock(); f.hellos != 2 {
		t.Errorf("%d hellos, want 2", f.hellos)
	}
	f.mu.Unlock()
}

func TestAReceiverMustNotSend(t *testing.T) {
	w := newNetwork(t, 2)
	s := w.link(1, 2)
	s.send(1)
	w.nodes[2].wants(1, 1)
	f := w.nodes[2]
	f.mu.Lock()
	f.conns[0].Write([]byte("x"))
	f.mu.Unlock()
	w.logged("link to node ended", "node=S1", "peer=S2", "should only receive")
	s.send(1)
	f.wants(1, 2)
}

func TestANewConnectionReplacesTheOld(t *testing.T) {
	w := newNetwork(t, 2)
	first := w.link(1, 2)
	first.send(2)
	w.nodes[2].wants(1, 1, 2)
	second := w.link(1, 2)
	first.ended()
	second.send(1)
	w.nodes[2].wants(1, 1)
	if f := w.record(1, 2, 3, true); f.Number != 3 {
		t.Errorf("%+v, want frame 3", f)
	}
}

// A sender that dials again while its old connection cannot hand on its frames
// neither overtakes them nor waits behind a third.
func TestANewConnectionWaitsForTheFramesOfTheOld(t *testing.T) {
	w := newNetwork(t, 2)
	s := w.link(1, 2)
	s.send(1)
	w.nodes[2].wants(1, 1)
	w.nodes[2].pause()
	l := fill(w, s)
	second := w.link(1, 2)
	w.eventually("the second is there", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.in != nil && l.in.conn.RemoteAddr().String() == second.LocalAddr().String()
	})
	third := w.link(1, 2)
	second.ended()
	third.id = 1 << 20
	third.send(1)
	w.nodes[2].unpause()
	for last := uint64(1); ; {
		got := w.nodes[2].next()
		if got.id <= last {
			t.Fatalf("frame %d after frame %d", got.id, last)
		}
		if last = got.id; last == 1<<20+1 {
			break
		}
	}
}

// A connection that was replaced before it had its turn to read may find the
// turn free, once its successor has come and gone. It must not take it, closed
// or not: what it has read is older than what was handed on.
func TestAReplacedConnectionGetsNoTurn(t *testing.T) {
	l := newLane(nil, 1, 2)
	late := &inbound{opened: 1, gone: make(chan struct{})}
	successor := &inbound{opened: 2, gone: make(chan struct{})}
	if old, err := l.take(late); old != nil || err != nil {
		t.Fatal(old, err)
	}
	if old, err := l.take(successor); old != late || err != nil {
		t.Fatal(old, err)
	}
	if err := l.await(successor); err != nil {
		t.Fatal(err)
	}
	<-l.turn
	l.leave(successor)
	if err := l.await(late); !errors.Is(err, errReplaced) {
		t.Errorf("the late connection's turn: %v, want %v", err, errReplaced)
	}
	if len(l.turn) != 0 {
		t.Error("the late connection keeps the turn")
	}
}

func TestLinksOfManyNodes(t *testing.T) {
	const n = 21
	w := newNetwork(t, n)
	for from := raft.NodeID(1); from <= n; from++ {
		for to := raft.NodeID(1); to <= n; to++ {
			if from != to {
				w.link(from, to).send(1)
			}
		}
	}
	for to := raft.NodeID(1); to <= n; to++ {
		from := map[raft.NodeID]bool{}
		for range n - 1 {
			from[w.nodes[to].next().from] = true
		}
		if len(from) != n-1 {
			t.Errorf("node %d heard %d nodes, want %d", to, len(from), n-1)
		}
	}
	counters := w.proxy.Links(nil)
	if len(counters) != n*(n-1) {
		t.Errorf("%d links, want %d", len(counters), n*(n-1))
	}
	if !slices.IsSortedFunc(counters, func(a, b LinkCounters) int { return int(a.From*100+a.To) - int(b.From*100+b.To) }) {
		t.Error("links are not in order")
	}
}

func TestOptions(t *testing.T) {
	c := clock.New(clock.Setting{Rate: 1})
	for _, tt := range []struct {
		name string
		o    Options
		err  string
	}{
		{"fewer than no nodes", Options{Nodes: -1, Clock: c}, "a network of -1 nodes"},
		{"no clock", Options{Nodes: 3}, "a network without a clock"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if p, err := New(tt.o); err == nil || err.Error() != tt.err {
				t.Errorf("New(%+v) = %v, %v, want %q", tt.o, p, err, tt.err)
			}
		})
	}
}

func TestWrongCallsAreRefused(t *testing.T) {
	w := newNetwork(t, 3)
	p := w.proxy
	for _, tt := range []struct {
		name string
		call func() error
		want string
	}{
		{"rules for a node that is not there", func() error { return p.SetRules(1, 4, link.Rules{}) }, "node 4 is not one of the network's 3 nodes"},
		{"rules from nobody", func() error { return p.SetRules(0, 1, link.Rules{}) }, "node 0 is not one"},
		{"rules to itself", func() error { return p.SetRules(2, 2, link.Rules{}) }, "no link from node 2 to itself"},
		{"rules that make no sense", func() error { return p.SetRules(1, 2, faults(link.Loss{Share: 5})) }, "a loss of 500%"},
		{"rules of no link", func() error { _, err := p.Rules(3, 3); return err }, "no link from node 3"},
		{"an address for a node that is not there", func() error { return p.SetNode(9, "") }, "node 9 is not one"},
		{"the end of a node that is not there", func() error { return p.NodeGone(9) }, "node 9 is not one"},
		{"a second run", func() error { return p.Run(context.Background()) }, "has run already"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.call(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q in it", err, tt.want)
			}
		})
	}
	w.rules(1, 2, slow)
	if got, err := p.Rules(1, 2); err != nil || !got.Equal(slow) {
		t.Errorf("Rules(1, 2) = %+v, %v, want %+v", got, err, slow)
	}
}

func TestAPortThatIsTakenIsAnError(t *testing.T) {
	w := newNetwork(t, 1)
	p, err := New(Options{Nodes: 1, Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Listen(w.proxy.Addr()); err == nil || !strings.Contains(err.Error(), "open the network's port") {
		t.Errorf("Listen on a taken port: %v", err)
	}
	if err := p.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "Listen comes before Run") {
		t.Errorf("Run without a port: %v", err)
	}
}

// Close ends a network in whatever state it is, and Run with it.
func TestCloseEndsEverything(t *testing.T) {
	w := newNetwork(t, 3)
	w.rules(1, 2, slow)
	w.link(1, 2).send(5)
	w.waiting(1, 2, 5)
	s := w.link(1, 3)
	s.send(1)
	w.nodes[3].wants(1, 1)
	w.nodes[3].pause()
	fill(w, s)
	w.dial()
	w.proxy.Close()
	w.proxy.Close()
	if _, err := w.proxy.listener.Accept(); err == nil {
		t.Error("the port is still open")
	}
	w.rules(1, 2, link.Rules{}) // and calls that come late do no harm
	if err := w.proxy.SetNode(1, "127.0.0.1:1"); err != nil {
		t.Error(err)
	}
}
