package netlab

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

const (
	// probeEvery is how soon after one answer the probe asks again, in real time.
	probeEvery = 2 * time.Millisecond
	// probePatience is how long it waits for one before it asks anew, in real time.
	probePatience = 2 * time.Second
	probeKey      = "raftlab.probe"
)

// A probe writes through the gateway, one write after the other, and knows how
// long the longest of them took: how long writes stood still. Each goes through
// the log and is committed like any other, and changes nothing: it is a
// compare-and-set of what no key has.
type probe struct {
	lab  *lab
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	begun   raft.Time // the write under way
	longest raft.Duration
	count   uint64        // of writes that were answered
	news    chan struct{} // closed with the next of them
}

func (l *lab) startProbe(ctx context.Context) *probe {
	ctx, cancel := context.WithCancel(ctx)
	p := &probe{lab: l, stop: cancel, done: make(chan struct{}), begun: l.clock.Now(), news: make(chan struct{})}
	l.spawn(func() {
		defer close(p.done)
		p.run(ctx)
	})
	return p
}

func (p *probe) end() {
	p.stop()
	p.lab.attend(p.done)
}

func (p *probe) run(ctx context.Context) {
	never := []byte(fmt.Sprintf("%016x", mix(p.lab.config.Seed, seedSession)))
	for ctx.Err() == nil {
		p.mu.Lock()
		p.begun = p.lab.clock.Now()
		p.mu.Unlock()
		for !p.write(ctx, never) {
			if ctx.Err() != nil {
				return
			}
		}
		p.mu.Lock()
		p.longest = max(p.longest, raft.Duration(p.lab.clock.Now()-p.begun))
		p.count++
		close(p.news)
		p.news = make(chan struct{})
		p.mu.Unlock()
		_ = p.lab.await(ctx, wake{after: probeEvery})
	}
}

// write reports whether a write was committed.
func (p *probe) write(ctx context.Context, never []byte) bool {
	ctx, cancel := p.lab.within(ctx, probePatience)
	defer cancel()
	r := p.lab.gateway.take()
	defer p.lab.gateway.giveBack(r)
	reply, err := r.client.Do(ctx, wire.Request{Op: wire.OpCAS, Key: []byte(probeKey), Old: never, Value: never})
	if err != nil {
		_ = p.lab.await(ctx, wake{after: probeEvery}) // what is refused at once is not asked again at once
		return false
	}
	return reply.Code == wire.CodeFailed || reply.Code == wire.CodeOK
}

// next returns when a write has been answered that was begun after now.
func (p *probe) next(ctx context.Context) error {
	p.mu.Lock()
	from := p.count
	for p.count < from+2 { // the first of them may be under way already
		news := p.news
		p.mu.Unlock()
		if err := p.lab.await(ctx, wake{on: channels{news, p.done}}); err != nil || isClosed(p.done) {
			return context.Cause(ctx)
		}
		p.mu.Lock()
	}
	p.mu.Unlock()
	return nil
}

// take returns how long the longest write took since it was last asked.
func (p *probe) take() raft.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.longest
	p.longest = 0
	return d
}
