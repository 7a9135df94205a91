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

	"github.com/raftlab/raftlab/node/clock"
)

// RawOptions are what a Raw is made with.
type RawOptions struct {
	Target string       // where what clients send goes: host:port
	Seed   uint64       // of all that chance decides
	Clock  *clock.Clock // nil: real time
	Logger *slog.Logger // nil: says nothing

	// Chunk is how many bytes are handed on together at most, and so the unit of
	// faults; 0 is as many as one read brings, up to 256 KiB.
	Chunk int
	// Backlog is how many bytes one way of a connection holds before it stops
	// reading; 0 is 8 MiB.
	Backlog int
	// Memory is how many bytes all connections together hold before each of them
	// stops at 64 KiB; 0 is 256 MiB.
	Memory int
}

const rawMemoryDefault = 256 << 20

// Way is one of the two directions of raw connections.
type Way int

// The ways.
const (
	ToTarget Way = iota // what clients send
	ToClient            // what comes back
)

func (w Way) String() string {
	if w == ToTarget {
		return "to the target"
	}
	return "to the client"
}

// Raw is a port whose connections are carried on to a target, byte for byte,
// over a link with faults: for programs that do not speak frames. The unit of a
// fault is a chunk, what one read brings; the end of a stream counts as one.
//
// It knows the faults that leave a stream one: Delay, Rate, Corrupt, Reset, Cut,
// which makes it stand until the cut is gone, and Blackhole, which takes what
// comes and throws it away. A way's faults are those of one link that all
// connections share: they share a Rate, too. A connection whose one end is closed
// for writing goes on the other way, as TCP has it.
type Raw struct {
	target  string
	seed    uint64
	clock   *clock.Clock
	logger  *slog.Logger
	chunk   int
	backlog int
	memory  int64
	waiting atomic.Int64 // bytes that connections hold

	schedule *schedule
	listener net.Listener
	conns    sync.WaitGroup
	ways     [2]rawWay

	ctx  context.Context // ends dials and waits when it closes
	stop context.CancelFunc
	shut sync.Once

	mu       sync.Mutex
	ran      chan struct{} // closed when Run has returned; nil before it began
	open     map[*rawConn]struct{}
	accepted uint64
	failed   uint64
	missing  bool // the target could not be reached the last time
}

// RawStats tell what a Raw has done so far.
type RawStats struct {
	Open     int    // connections now
	Accepted uint64 // connections ever
	Failed   uint64 // of those, the ones whose target could not be reached
	Bytes    [2]uint64
	Chunks   [2]uint64 // delivered, by Way
}

// NewRaw returns a link without faults that nobody can reach yet. Close it,
// whether it ran or not.
func NewRaw(o RawOptions) (*Raw, error) {
	if _, _, err := net.SplitHostPort(o.Target); err != nil {
		return nil, fmt.Errorf("where to carry bytes: %w", err)
	}
	if o.Chunk < 0 || o.Backlog < 0 || o.Memory < 0 {
		return nil, errors.New("a chunk, a backlog or a memory of less than nothing")
	}
	if o.Clock == nil {
		o.Clock = clock.New(clock.Setting{Rate: 1})
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Backlog == 0 {
		o.Backlog = backlogDefault
	}
	if o.Memory == 0 {
		o.Memory = rawMemoryDefault
	}
	schedule, err := newSchedule(o.Clock)
	if err != nil {
		return nil, fmt.Errorf("create the link's timer: %w", err)
	}
	r := &Raw{
		target: o.Target, seed: o.Seed, clock: o.Clock, logger: o.Logger, chunk: o.Chunk, backlog: o.Backlog, memory: int64(o.Memory),
		schedule: schedule, open: make(map[*rawConn]struct{}),
	}
	for i := range r.ways {
		r.ways[i].changed = make(chan struct{})
		r.ways[i].plain.Store(true)
	}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r, nil
}

// Listen opens the port that clients dial.
func (r *Raw) Listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("open the link's port: %w", err)
	}
	r.listener = l
	return nil
}

// Addr is where clients dial; empty before Listen.
func (r *Raw) Addr() string {
	if r.listener == nil {
		return ""
	}
	return r.listener.Addr().String()
}

// Stats tells what the link has done so far.
func (r *Raw) Stats() RawStats {
	r.mu.Lock()
	s := RawStats{Open: len(r.open), Accepted: r.accepted, Failed: r.failed}
	r.mu.Unlock()
	for i := range r.ways {
		s.Bytes[i], s.Chunks[i] = r.ways[i].bytes.Load(), r.ways[i].chunks.Load()
	}
	return s
}

// Reset breaks all connections, at both ends.
func (r *Raw) Reset() {
	r.each(func(c *rawConn) { c.breakUp(errReset) })
}

func (r *Raw) each(do func(c *rawConn)) {
	r.mu.Lock()
	var open []*rawConn
	for c := range r.open {
		open = append(open, c)
	}
	r.mu.Unlock()
	for _, c := range open {
		do(c)
	}
}

// Run carries bytes until ctx ends, and returns when all it started has
// stopped. Listen comes first; a Raw runs once.
func (r *Raw) Run(ctx context.Context) error {
	r.mu.Lock()
	switch {
	case r.listener == nil:
		r.mu.Unlock()
		return errors.New("the link has no port: Listen comes before Run")
	case r.ran != nil || r.ctx.Err() != nil:
		r.mu.Unlock()
		return errors.New("the link has run already")
	}
	r.ran = make(chan struct{})
	r.mu.Unlock()
	defer close(r.ran)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(r.accept)
	g.Go(r.schedule.run)
	g.Go(func() error {
		r.schedule.follow(r.ctx)
		return nil
	})
	g.Go(func() error {
		select {
		case <-ctx.Done():
		case <-r.ctx.Done():
		}
		r.end()
		return nil
	})
	err := g.Wait()
	r.conns.Wait()
	return err
}

// Close ends the link and waits until all of it has stopped.
func (r *Raw) Close() {
	r.end()
	r.mu.Lock()
	ran := r.ran
	r.mu.Unlock()
	if ran != nil {
		<-ran
	}
}

func (r *Raw) end() {
	r.shut.Do(func() {
		r.stop()
		if r.listener != nil {
			_ = r.listener.Close() // the port is going away
		}
		r.schedule.close()
		r.each(func(c *rawConn) { c.end(net.ErrClosed) })
	})
}

// rawDialTimeout bounds how long a target may take to accept a connection: it may
// be far away.
const rawDialTimeout = 10 * time.Second

// reached takes note of a dial's end. That the target is not there is said once,
// not for each who tries.
func (r *Raw) reached(err error) {
	r.mu.Lock()
	was := r.missing
	r.missing = err != nil
	if err != nil {
		r.failed++
	}
	r.mu.Unlock()
	switch {
	case err != nil && !was:
		r.logger.Warn("the target cannot be reached, so clients are reset", "target", r.target, "reason", err)
	case err == nil && was:
		r.logger.Warn("the target is reached again", "target", r.target)
	}
}

func (r *Raw) accept() error {
	for failing := false; ; {
		conn, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			// Out of file descriptors, most likely. What is connected goes on.
			if !failing {
				r.logger.Error("no new connections for now", "reason", err)
			}
			failing = true
			select {
			case <-time.After(acceptPause):
				continue
			case <-r.ctx.Done():
				return nil
			}
		}
		failing = false
		r.mu.Lock()
		r.accepted++
		c := newRawConn(r, r.accepted, conn.(*net.TCPConn))
		r.open[c] = struct{}{}
		closed := r.ctx.Err() != nil
		r.mu.Unlock()
		if closed {
			c.end(net.ErrClosed)
		}
		r.conns.Add(1)
		go c.run()
	}
}
