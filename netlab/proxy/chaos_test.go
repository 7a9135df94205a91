package proxy

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/raft"
)

// Everything at once: all links send while rules change, the clock is held,
// released and set to other rates, senders dial anew and node 4 dies and comes
// back. Afterwards every frame has arrived or was dropped, exactly once, in
// order, and what the counters call delivered is what the nodes got.
func TestChaos(t *testing.T) { chaos(t, false) }

// And frames are reordered, held, dropped, released and put in by hand, and
// links reset: then no order is left, and a reset may lose what has arrived, but
// every frame is still accounted for.
func TestChaosByHand(t *testing.T) { chaos(t, true) }

// chaosRules draws what may be set on a link.
func chaosRules(rng *rand.Rand, any bool) link.Rules {
	r := faults(
		link.Loss{Share: max(0, rng.Float64()-0.6)},
		link.Delay{Mean: raft.Duration(rng.IntN(3e6)), Jitter: raft.Duration(rng.IntN(1e6))},
	)
	r.Wall = rng.IntN(6) == 0
	add := func(one int, f link.Fault) {
		if rng.IntN(one) == 0 {
			r = r.With(f)
		}
	}
	add(6, link.Fault{Effect: link.Cut{}})
	add(4, link.Fault{ID: 1, Match: appends, Effect: link.Cut{}})
	add(4, link.Fault{ID: 2, Effect: link.Duplicate{Share: 0.1}})
	add(4, link.Fault{ID: 3, Effect: link.Corrupt{Share: 0.1}})
	add(4, link.Fault{ID: 4, Effect: link.Rate{Bytes: 10 << 20, Burst: 10_000}})
	if any {
		add(4, link.Fault{ID: 5, Effect: link.Reorder{Share: 0.1}})
		add(4, link.Fault{ID: 6, Match: link.Match{Every: 7, Next: 50}, Effect: link.Hold{}})
		add(4, link.Fault{ID: 7, Match: link.Match{Every: 100, Next: 1}, Effect: link.Reset{}})
		add(4, link.Fault{ID: 8, Match: appends, Effect: link.Duplicate{Share: 0.1, After: 1e6}})
	}
	return r
}

// byHand does something to some frame.
func (w *network) byHand(rng *rand.Rand) {
	waiting := w.proxy.Held(nil)
	last := w.proxy.ids.Load()
	if len(waiting) == 0 || last == 0 {
		return
	}
	id := waiting[rng.IntN(len(waiting))].ID
	var err error
	switch rng.IntN(6) {
	case 0:
		_, err = w.proxy.Inject(1 + rng.Uint64N(last))
	case 1:
		err = w.proxy.Reset(raft.NodeID(1+rng.IntN(2)), raft.NodeID(3+rng.IntN(2)))
	case 2:
		var next Frame
		if _, f, ok := w.proxy.Next(); ok {
			next = f
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		_, err = w.proxy.Deliver(ctx, next.ID)
		cancel()
	default:
		err = w.proxy.FrameAction(id, Action(1+rng.IntN(3)))
	}
	_ = err // it may be gone by now
}

func chaos(t *testing.T, any bool) {
	const nodes = 4
	steps := 60
	if any {
		steps = 30
	}
	const mortal = raft.NodeID(4)
	w := newNetwork(t, nodes, func(p *Proxy) { p.backlog = 32 << 10 })
	w.clock.Adjust(1, false)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))

	// What the nodes get, by link.
	got := map[[2]raft.NodeID]uint64{}
	last := map[[2]raft.NodeID]uint64{}
	var mu sync.Mutex
	var readers [nodes + 1]sync.WaitGroup // by id
	drain := func(f *fake) {
		readers[f.id].Go(func() {
			for r := range f.got {
				l := [2]raft.NodeID{r.from, f.id}
				mu.Lock()
				if r.id < last[l] && !any {
					t.Errorf("%d to %d: frame %d after frame %d", r.from, f.id, r.id, last[l])
				}
				got[l]++
				if r.id != damaged {
					last[l] = r.id
				}
				mu.Unlock()
			}
		})
	}
	// A life of a node is over when all it got is counted: that must not mix with
	// what its next life gets.
	end := func(f *fake) {
		f.stop()
		close(f.got)
		readers[f.id].Wait()
	}
	for _, f := range w.nodes[1:] {
		f.tolerant.Store(true)
		drain(f)
	}
	calm := make(chan struct{})
	send := func(from, to raft.NodeID, rng *rand.Rand) *sender {
		s := w.link(from, to)
		for {
			select {
			case <-calm:
				return s
			default:
			}
			var raw []byte
			for range 1 + rng.IntN(20) {
				if rng.IntN(10) == 0 {
					raw = append(raw, s.entry(rng.IntN(20_000))...)
				} else {
					raw = append(raw, s.heartbeat()...)
				}
			}
			s.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			// The connection breaks when this node dies, or is held up too long;
			// and now and then for no reason.
			if _, err := s.Write(raw); err != nil || rng.IntN(50) == 0 {
				s.Close()
				next := w.link(from, to)
				next.id = s.id
				s = next
			}
		}
	}
	var senders sync.WaitGroup
	var ends []*sender // each link's last
	for from := raft.NodeID(1); from <= nodes; from++ {
		for to := raft.NodeID(1); to <= nodes; to++ {
			if from != to {
				rng := rand.New(rand.NewPCG(seed, uint64(from*10+to)))
				senders.Go(func() {
					s := send(from, to, rng)
					mu.Lock()
					ends = append(ends, s)
					mu.Unlock()
				})
			}
		}
	}

	sent := func() (sum uint64) {
		for _, c := range w.proxy.Links(nil) {
			sum += c.Sent
		}
		return sum
	}
	for range steps {
		from := raft.NodeID(1 + rng.IntN(nodes))
		to := raft.NodeID(1 + rng.IntN(nodes))
		switch rng.IntN(8) {
		case 0:
			w.clock.Adjust(1, true)
		case 1:
			w.clock.Adjust([]float64{0.5, 1, 10}[rng.IntN(3)], false)
		case 2:
			if err := w.proxy.NodeGone(mortal); err != nil {
				t.Fatal(err)
			}
			end(w.nodes[mortal])
			f := w.start(mortal)
			f.tolerant.Store(true)
			drain(f)
		default:
			if from == to {
				break
			}
			w.rules(from, to, chaosRules(rng, any))
		}
		if any {
			for range 4 {
				w.byHand(rng)
			}
		}
		if !w.clock.Held() {
			enough := sent() + uint64(rng.IntN(500))
			w.eventually("traffic goes on", func() bool { return sent() >= enough })
		}
	}
	close(calm)
	w.clock.Set(clock.Setting{At: w.clock.Now(), Rate: 10})
	senders.Wait()
	calmed := make(chan struct{})
	var releaser sync.WaitGroup
	releaser.Go(func() { // what is held is let go, so that who stalled reads on
		for {
			select {
			case <-calmed:
				return
			default:
			}
			for _, f := range w.proxy.Held(nil) {
				if f.Held {
					_ = w.proxy.FrameAction(f.ID, Release) // it may be gone
				}
			}
			time.Sleep(time.Millisecond) // between two looks
		}
	})
	// A link's last connection is the last that it reads, whatever came of those
	// before, and is closed when all of it is read, or when node 4 died.
	for _, s := range ends {
		_ = s.Conn.(*net.TCPConn).CloseWrite() // an error: it broke, and has ended
		s.ended()
	}
	w.eventually("all that was read is sent", func() bool {
		for _, l := range w.proxy.all() {
			if len(l.turn) != 0 {
				return false
			}
		}
		return true
	})
	var total LinkCounters
	w.eventually("nothing is under way", func() bool {
		total = LinkCounters{}
		for _, c := range w.proxy.Links(nil) {
			total.Sent += c.Sent
			total.Copies += c.Copies
			total.Delivered += c.Delivered
			total.Dropped += c.Dropped
			total.Waiting += c.Waiting
		}
		return total.Waiting == 0 && total.Sent > 0
	})
	close(calmed)
	releaser.Wait()
	t.Logf("%+v", total)
	w.eventually("the nodes have got what was delivered", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range w.proxy.Links(nil) {
			if c.To != mortal && !any && got[[2]raft.NodeID{c.From, c.To}] < c.Delivered {
				return false
			}
		}
		return true
	})
	w.proxy.Close()
	for _, f := range w.nodes[1:] {
		end(f)
	}
	for _, c := range w.proxy.Links(nil) {
		if n := got[[2]raft.NodeID{c.From, c.To}]; c.To != mortal && !any && n != c.Delivered || n > c.Delivered {
			t.Errorf("%d to %d: %d frames arrived, %d were delivered", c.From, c.To, n, c.Delivered)
		}
		if c.Sent+c.Copies != c.Delivered+c.Dropped {
			t.Errorf("%+v: sent is not delivered and dropped", c)
		}
	}
}
