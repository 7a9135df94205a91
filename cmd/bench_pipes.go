package cmd

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/netlab/proxy"
	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// A pipe is a way there and a way back through what bench proxy compares. All
// that is opened for it closes with it.
type pipe struct {
	there, back way

	mu     sync.Mutex
	closes []func()
	copies sync.WaitGroup
}

// A way is where one end writes frames and the other reads them.
type way struct{ w, r net.Conn }

const benchToken = "bench"

// later has f called when the pipe closes.
func (p *pipe) later(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closes = append(p.closes, f)
}

// close ends the pipe and waits for all that carries it.
func (p *pipe) close() {
	p.mu.Lock()
	closes := p.closes
	p.closes = nil
	p.mu.Unlock()
	for i := len(closes) - 1; i >= 0; i-- {
		closes[i]()
	}
	p.copies.Wait()
}

func (p *pipe) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		p.later(func() { l.Close() }) // whoever measured is through with it
	}
	return l, err
}

func (p *pipe) keep(c net.Conn, err error) (net.Conn, error) {
	if err == nil {
		p.later(func() { c.Close() }) // as above
	}
	return c, err
}

// connect is a connection to l, from both its ends.
func (p *pipe) connect(l net.Listener) (w way, err error) {
	if w.w, err = p.keep(net.Dial("tcp", l.Addr().String())); err == nil {
		w.r, err = p.keep(l.Accept())
	}
	return w, err
}

// openPipe makes a pipe of two ways that open makes.
func openPipe(open func(p *pipe, from, to raft.NodeID) (way, error)) (*pipe, error) {
	p := new(pipe)
	var err error
	if p.there, err = open(p, 1, 2); err == nil {
		p.back, err = open(p, 2, 1)
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("open connections to measure: %w", err)
	}
	return p, nil
}

// barePipe has nothing in between.
func barePipe() (*pipe, error) {
	return openPipe(func(p *pipe, _, _ raft.NodeID) (way, error) {
		l, err := p.listen()
		if err != nil {
			return way{}, err
		}
		return p.connect(l)
	})
}

// copyPipe has an io.Copy in the middle of each way: what any proxy costs.
func copyPipe() (*pipe, error) {
	return openPipe(func(p *pipe, _, _ raft.NodeID) (w way, err error) {
		front, err := p.listen()
		if err != nil {
			return w, err
		}
		back, err := p.listen()
		if err != nil {
			return w, err
		}
		in, err := p.connect(front)
		if err != nil {
			return w, err
		}
		out, err := p.connect(back)
		if err != nil {
			return w, err
		}
		p.copies.Go(func() { _, _ = io.Copy(out.w, in.r) }) // it ends with its connections
		return way{in.w, out.r}, nil
	})
}

// pausePipe has in the middle of each way what any program would do for a delay:
// read, sleep, write.
func pausePipe(delay time.Duration) (*pipe, error) {
	return openPipe(func(p *pipe, _, _ raft.NodeID) (w way, err error) {
		front, err := p.listen()
		if err != nil {
			return w, err
		}
		back, err := p.listen()
		if err != nil {
			return w, err
		}
		in, err := p.connect(front)
		if err != nil {
			return w, err
		}
		out, err := p.connect(back)
		if err != nil {
			return w, err
		}
		p.copies.Go(func() {
			buf := make([]byte, 1<<10)
			for {
				n, err := in.r.Read(buf)
				if err != nil {
					return // the pipe is closed
				}
				time.Sleep(delay)
				if _, err := out.w.Write(buf[:n]); err != nil {
					return
				}
			}
		})
		return way{in.w, out.r}, nil
	})
}

// rawPipe has a raw link in between, with these faults on the way there, and
// another on the way back.
func rawPipe(faults ...link.Effect) (*pipe, error) {
	return openPipe(func(p *pipe, _, _ raft.NodeID) (w way, err error) {
		l, err := p.listen()
		if err != nil {
			return w, err
		}
		raw, err := benchRaw(p, l.Addr().String())
		if err != nil {
			return w, err
		}
		var rules link.Rules
		for _, e := range faults {
			rules = rules.With(link.Fault{Effect: e})
		}
		if err := raw.SetFaults(proxy.ToTarget, rules.Faults); err != nil {
			return w, err
		}
		return p.throughRaw(raw, l)
	})
}

// benchRaw is a raw link to a target, which ends with the pipe.
func benchRaw(p *pipe, target string) (*proxy.Raw, error) {
	raw, err := proxy.NewRaw(proxy.RawOptions{Target: target, Seed: 1})
	if err != nil {
		return nil, err
	}
	p.later(raw.Close)
	if err := raw.Listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	p.copies.Go(func() { _ = raw.Run(context.Background()) }) // Close ends it
	return raw, nil
}

// throughRaw opens one connection over a raw link.
func (p *pipe) throughRaw(raw *proxy.Raw, target net.Listener) (w way, err error) {
	if w.w, err = p.keep(net.Dial("tcp", raw.Addr())); err == nil {
		w.r, err = p.keep(target.Accept())
	}
	return w, err
}

// benchNetwork is a lab's network without a lab, which ends with the pipe.
func benchNetwork(p *pipe, nodes int) (*proxy.Proxy, error) {
	network, err := proxy.New(proxy.Options{Nodes: nodes, Seed: 1, Clock: clock.New(clock.Setting{Rate: 1}), Token: benchToken})
	if err != nil {
		return nil, err
	}
	p.later(network.Close)
	if err := network.Listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	p.copies.Go(func() { _ = network.Run(context.Background()) }) // Close ends it
	return network, nil
}

// labPipe has the lab's network in between, with these faults on both ways.
func labPipe(faults ...link.Effect) (*pipe, error) {
	var network *proxy.Proxy
	return openPipe(func(p *pipe, from, to raft.NodeID) (w way, err error) {
		if network == nil {
			if network, err = benchNetwork(p, 2); err != nil {
				return w, err
			}
		}
		var rules link.Rules
		for _, e := range faults {
			rules = rules.With(link.Fault{Effect: e})
		}
		if err := network.SetRules(from, to, rules); err != nil {
			return w, err
		}
		l, err := p.listen()
		if err != nil {
			return w, err
		}
		if err := network.SetNode(to, l.Addr().String()); err != nil {
			return w, err
		}
		return p.through(network, l, from, to)
	})
}

// through opens one link of a network: both its connections.
func (p *pipe) through(network *proxy.Proxy, to net.Listener, from, id raft.NodeID) (w way, err error) {
	if w.w, err = p.keep(net.Dial("tcp", network.Addr())); err != nil {
		return w, err
	}
	h := wire.Header{From: from, To: id}
	hello := wire.AppendHello(nil, h, wire.Hello{Version: wire.Version, Role: wire.RoleRaft, Token: benchToken})
	first, err := benchFrame(from, id, 0)
	if err != nil {
		return w, err
	}
	if _, err := w.w.Write(append(hello, first...)); err != nil {
		return w, err
	}
	if w.r, err = p.keep(to.Accept()); err != nil {
		return w, err
	}
	for range 2 { // the hello, and the frame that made the network dial
		var length [4]byte
		if _, err := io.ReadFull(w.r, length[:]); err != nil {
			return w, err
		}
		if _, err := io.CopyN(io.Discard, w.r, int64(binary.BigEndian.Uint32(length[:]))); err != nil {
			return w, err
		}
	}
	return w, nil
}

// benchFrame is a frame of so many bytes, or as near above as it gets; with 0 a
// heartbeat.
func benchFrame(from, to raft.NodeID, size int) ([]byte, error) {
	body := new(raft.AppendEntries)
	m := raft.Message{From: from, To: to, Term: 1, Body: body}
	if size > 0 {
		body.Entries = []raft.Entry{{Index: 1, Term: 1, Kind: raft.EntryCommand}}
	}
	for {
		raw, err := wire.AppendMessage(nil, 1, &m)
		if err != nil || len(raw) >= size {
			return raw, err
		}
		e := &body.Entries[0]
		e.Data = make([]byte, len(e.Data)+max((size-len(raw))/2, 1))
	}
}
