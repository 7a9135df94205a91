package proxy

import (
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
func TestChaos(t *testing.T) {
	const nodes, steps = 4, 60
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
				if r.id <= last[l] {
					t.Errorf("%d to %d: frame %d after frame %d", r.from, f.id, r.id, last[l])
				}
				got[l]++
				last[l] = r.id
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
			drain(w.start(mortal))
		default:
			if from == to {
				break
			}
			r := faults(
				link.Loss{Share: max(0, rng.Float64()-0.6)},
				link.Delay{Mean: raft.Duration(rng.IntN(3e6)), Jitter: raft.Duration(rng.IntN(1e6))},
			)
			r.Wall = rng.IntN(6) == 0
			if rng.IntN(6) == 0 {
				r = r.With(link.Fault{Effect: link.Cut{}})
			}
			w.rules(from, to, r)
		}
		if !w.clock.Held() {
			enough := sent() + uint64(rng.IntN(500))
			w.eventually("traffic goes on", func() bool { return sent() >= enough })
		}
	}
	close(calm)
	w.clock.Set(clock.Setting{At: w.clock.Now(), Rate: 10})
	senders.Wait()
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
			total.Delivered += c.Delivered
			total.Dropped += c.Dropped
			total.Waiting += c.Waiting
		}
		return total.Waiting == 0 && total.Sent > 0
	})
	t.Logf("%+v", total)
	w.eventually("the nodes have got what was delivered", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range w.proxy.Links(nil) {
			if c.To != mortal && got[[2]raft.NodeID{c.From, c.To}] < c.Delivered {
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
		if n := got[[2]raft.NodeID{c.From, c.To}]; c.To != mortal && n != c.Delivered || n > c.Delivered {
			t.Errorf("%d to %d: %d frames arrived, %d were delivered", c.From, c.To, n, c.Delivered)
		}
		if c.Sent != c.Delivered+c.Dropped {
			t.Errorf("%+v: sent is not delivered and dropped", c)
		}
	}
}
