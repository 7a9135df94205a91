package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/raft"
)

// Options are what a Proxy is made with.
type Options struct {
	Nodes  int          // nodes 1 to Nodes, all links between them, to begin with
	Seed   uint64       // of all that chance decides
	Clock  *clock.Clock // the lab's
	Token  string       // in the hello of every link, both ways
	Logger *slog.Logger // nil: says nothing

	// Watch is called with each frame that gives a vote, or a wish for one, and with
	// the first of each term on each link that only the leader sends: when it has left
	// its node, whatever becomes of it then. It is called with the link's lock held, so
	// it must not ask the network anything. nil: nobody watches.
	Watch func(*Frame)

	// Backlog is how many bytes a link holds before it stops reading; 0 is 8 MiB.
	Backlog int
	// Recent is how many records of frames are kept for readers; 0 is 8192.
	Recent int
}

const (
	backlogDefault = 8 << 20
	recentDefault  = 8192
)

// Proxy is the network of one lab. Its methods may be called from any goroutine.
type Proxy struct {
	seed    uint64
	clock   *clock.Clock
	token   string
	logger  *slog.Logger
	backlog int
	watch   func(*Frame)

	schedule *schedule
	frames   frameLog
	tape     tape
	ids      atomic.Uint64 // of frames, the last one given

	listener     net.Listener
	helloTimeout time.Duration
	waiting      pending        // connections that have not said hello
	conns        sync.WaitGroup // readers, watchers and deliveries

	ctx  context.Context // ends dials when the proxy closes
	stop context.CancelFunc
	shut sync.Once

	mu    sync.Mutex
	ran   chan struct{} // closed when Run has returned; nil before it began
	nodes []raft.NodeID
	addrs map[raft.NodeID]string // where each of them is; missing or empty when it is dead
	lanes []*lane                // every two nodes' both ways, by from and then to; replaced, never changed
}

// New returns a network on which nobody is reachable and no fault is set.
// Close it, whether it ran or not.
func New(o Options) (*Proxy, error) {
	if o.Nodes < 0 {
		return nil, fmt.Errorf("a network of %d nodes", o.Nodes)
	}
	if o.Clock == nil {
		return nil, errors.New("a network without a clock")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Backlog == 0 {
		o.Backlog = backlogDefault
	}
	if o.Recent == 0 {
		o.Recent = recentDefault
	}
	schedule, err := newSchedule(o.Clock)
	if err != nil {
		return nil, fmt.Errorf("create the network's timer: %w", err)
	}
	p := &Proxy{
		seed:     o.Seed,
		clock:    o.Clock,
		token:    o.Token,
		logger:   o.Logger,
		backlog:  o.Backlog,
		watch:    o.Watch,
		schedule: schedule,
		addrs:    make(map[raft.NodeID]string),

		helloTimeout: helloTimeoutDefault,
	}
	p.frames.records = make([]Frame, o.Recent)
	p.ctx, p.stop = context.WithCancel(context.Background())
	for id := raft.NodeID(1); id <= raft.NodeID(o.Nodes); id++ {
		if err := p.AddNode(id); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Listen opens the port that nodes dial: 127.0.0.1:0 takes any free one.
func (p *Proxy) Listen(addr string) error {
	// No keep-alive probes: a link at rest costs nothing, and that a node has
	// vanished without a word is known from its conversation with the lab.
	config := net.ListenConfig{KeepAlive: -1}
	l, err := config.Listen(p.ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("open the network's port: %w", err)
	}
	p.listener = l
	return nil
}

// Addr is where nodes dial; empty before Listen.
func (p *Proxy) Addr() string {
	if p.listener == nil {
		return ""
	}
	return p.listener.Addr().String()
}

// Run carries frames until ctx ends, and returns when all it started has
// stopped. Listen comes first; a network runs once.
func (p *Proxy) Run(ctx context.Context) error {
	if err := p.begin(); err != nil {
		return err
	}
	defer close(p.ran)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(p.accept)
	g.Go(p.schedule.run)
	g.Go(func() error {
		p.schedule.follow(p.ctx)
		return nil
	})
	g.Go(func() error {
		select {
		case <-ctx.Done():
		case <-p.ctx.Done():
		}
		p.end()
		return nil
	})
	err := g.Wait()
	p.conns.Wait()
	return err
}

func (p *Proxy) begin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		return errors.New("the network has no port: Listen comes before Run")
	}
	if p.ran != nil || p.ctx.Err() != nil {
		return errors.New("the network has run already")
	}
	p.ran = make(chan struct{})
	return nil
}

// Close ends the network and waits until all of it has stopped.
func (p *Proxy) Close() {
	p.end()
	p.mu.Lock()
	ran := p.ran
	p.mu.Unlock()
	if ran != nil {
		<-ran
	}
}

func (p *Proxy) end() {
	p.shut.Do(func() {
		p.stop()
		if p.listener != nil {
			// What Close may say is of no use to anybody: the port is going away.
			_ = p.listener.Close()
		}
		p.schedule.close()
		p.waiting.closeAll()
		for _, l := range p.all() {
			l.close()
		}
	})
}

// SetNode says that node id has started and where it takes Raft frames. What
// was connected to an earlier life of it is closed.
func (p *Proxy) SetNode(id raft.NodeID, raftAddr string) error {
	lanes, err := p.reach(id, raftAddr)
	if err != nil {
		return err
	}
	for _, l := range lanes {
		if l.to == id {
			l.setAddr(raftAddr)
		}
	}
	return nil
}

// NodeGone says that node id's process is dead: its connections are closed, and
// frames that get to it from now on are dropped.
func (p *Proxy) NodeGone(id raft.NodeID) error {
	lanes, err := p.reach(id, "")
	if err != nil {
		return err
	}
	for _, l := range lanes {
		if l.to == id {
			l.setAddr("")
		}
		if l.from == id {
			l.disconnect(errNodeGone)
		}
	}
	return nil
}

// SetRules sets the faults of one directed link, from the next frame on.
// Frames under way keep their due time, but a wall or a cut stops them, and what
// a fault held goes on once that is no more.
func (p *Proxy) SetRules(from, to raft.NodeID, r link.Rules) error {
	l, err := p.lane(from, to)
	if err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	l.setRules(r)
	return nil
}

// Rules returns the faults of one directed link.
func (p *Proxy) Rules(from, to raft.NodeID) (link.Rules, error) {
	l, err := p.lane(from, to)
	if err != nil {
		return link.Rules{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.link.Rules(), nil
}
