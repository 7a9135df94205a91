package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// fakeCluster is nodes as a client sees them, with one real state machine
// behind all of them.
type fakeCluster struct {
	t         testing.TB
	group     sync.WaitGroup
	listeners []net.Listener

	mu    sync.Mutex
	nodes map[string]*fakeNode
	store *kv.Store
	index raft.Index
	ends  map[net.Conn]struct{}
}

// fakeNode answers as handle says.
type fakeNode struct {
	addr     string
	down     bool // refuses connections
	dials    int
	requests []wire.Request
	// handle is called under the cluster's lock.
	handle func(r *wire.Request) verdict
}

// verdict is what becomes of a request.
type verdict struct {
	reply  *wire.Reply
	raw    []byte // instead of a frame
	hangUp bool   // after the reply, if any
}

func newFakeCluster(t testing.TB, addrs ...string) *fakeCluster {
	f := &fakeCluster{t: t, nodes: map[string]*fakeNode{}, store: kv.New(), ends: map[net.Conn]struct{}{}}
	for _, addr := range addrs {
		f.nodes[addr] = &fakeNode{addr: addr, handle: f.lead}
	}
	return f
}

// lead answers as the leader does.
func (f *fakeCluster) lead(r *wire.Request) verdict {
	if err := kv.ValidateRequest(r); err != nil {
		return verdict{reply: &wire.Reply{Code: wire.CodeBad, Error: err.Error()}}
	}
	f.index++
	got := f.store.Apply(f.index, 1, kv.AppendCommand(nil, r))
	return verdict{reply: &wire.Reply{Code: got.Code, Index: got.Index, Term: got.Term, Found: got.Found, Value: got.Value, Error: got.Error}}
}

// serveReads answers reads that any node may answer, and the rest by other.
func (f *fakeCluster) serveReads(other func(*wire.Request) verdict) func(*wire.Request) verdict {
	return func(r *wire.Request) verdict {
		if r.Read != wire.ReadStale && r.Read != wire.ReadIndex {
			return other(r)
		}
		v, _, found := f.store.Get(r.Key)
		return verdict{reply: &wire.Reply{Code: wire.CodeOK, Index: f.index, Found: found, Value: v}}
	}
}

// follow answers as a follower of leader does; empty is one that knows none.
func follow(leader string) func(*wire.Request) verdict {
	return func(*wire.Request) verdict {
		reply := &wire.Reply{Code: wire.CodeNotLeader}
		if leader != "" {
			reply.Leader, reply.LeaderAddr = 9, leader
		}
		return verdict{reply: reply}
	}
}

func silent(*wire.Request) verdict { return verdict{} }

// dial connects over net.Pipe, for tests in virtual time.
func (f *fakeCluster) dial(_ context.Context, addr string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.nodes[addr]
	if n == nil {
		return nil, errors.New("no such host")
	}
	n.dials++
	if n.down {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	f.serve(n, far)
	return near, nil
}

// listen makes a node reachable over TCP and gives it its address.
func (f *fakeCluster) listen(handle func(r *wire.Request) verdict) *fakeNode {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	n := &fakeNode{addr: l.Addr().String(), handle: handle}
	f.nodes[n.addr] = n
	f.group.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			n.dials++
			f.serve(n, nc)
			f.mu.Unlock()
		}
	})
	f.listeners = append(f.listeners, l)
	f.t.Cleanup(f.stop)
	return n
}

// serve speaks to one client. f.mu is held.
func (f *fakeCluster) serve(n *fakeNode, nc net.Conn) {
	f.ends[nc] = struct{}{}
	out := &outbox{kick: make(chan struct{}, 1)}
	f.group.Go(func() { out.run(nc) })
	f.group.Go(func() {
		defer out.end()
		r := wire.NewReader(nc, 4096)
		frame, err := r.Next()
		if err != nil {
			return
		}
		if _, hello, err := wire.DecodeHello(frame); err != nil || hello.Role != wire.RoleClient {
			f.t.Errorf("the client's hello: %+v, %v", hello, err)
		}
		for {
			frame, err := r.Next()
			if err != nil {
				return
			}
			var request wire.Request
			if err := wire.DecodeRequest(append([]byte(nil), frame...), &request); err != nil {
				f.t.Errorf("the client's request: %v", err)
				return
			}
			f.mu.Lock()
			n.requests = append(n.requests, request)
			v := n.handle(&request)
			f.mu.Unlock()
			b := v.raw
			if v.reply != nil {
				v.reply.ID = request.ID
				b = wire.AppendReply(b, v.reply)
			}
			out.add(b)
			if v.hangUp {
				return
			}
		}
	})
}

// outbox writes what it is given, so that the node reads on, as real ones do,
// while its replies wait to be read.
type outbox struct {
	mu    sync.Mutex
	bytes []byte
	ended bool
	kick  chan struct{}
}

func (o *outbox) add(b []byte) {
	o.mu.Lock()
	o.bytes = append(o.bytes, b...)
	o.mu.Unlock()
	signal(o.kick)
}

func (o *outbox) end() {
	o.mu.Lock()
	o.ended = true
	o.mu.Unlock()
	signal(o.kick)
}

func (o *outbox) run(nc net.Conn) {
	defer nc.Close()
	for range o.kick {
		for {
			o.mu.Lock()
			b, ended := o.bytes, o.ended
			o.bytes = nil
			o.mu.Unlock()
			if len(b) == 0 && ended {
				return
			}
			if len(b) == 0 {
				break
			}
			if _, err := nc.Write(b); err != nil {
				return
			}
		}
	}
}

// stop ends what the cluster runs.
func (f *fakeCluster) stop() {
	for _, l := range f.listeners {
		l.Close()
	}
	f.stopConns()
	f.group.Wait()
}

// set changes how a node answers.
func (f *fakeCluster) set(addr string, handle func(*wire.Request) verdict) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[addr].handle = handle
}

// once returns a handler that answers the first request by first and the rest by then.
func once(first, then func(*wire.Request) verdict) func(*wire.Request) verdict {
	asked := false
	return func(r *wire.Request) verdict {
		if !asked {
			asked = true
			return first(r)
		}
		return then(r)
	}
}

// seen returns what a node was asked, one line a request.
func (f *fakeCluster) seen(addr string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var lines []string
	for _, r := range f.nodes[addr].requests {
		lines = append(lines, fmt.Sprintf("%v %s seq %d acked %d", r.Op, r.Key, r.Seq, r.Acked))
	}
	return lines
}

func (f *fakeCluster) value(key string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, _, _ := f.store.Get([]byte(key))
	return string(v)
}

func put(key, value string) wire.Request {
	return wire.Request{Op: wire.OpPut, Key: []byte(key), Value: []byte(value)}
}
func get(key string) wire.Request { return wire.Request{Op: wire.OpGet, Key: []byte(key)} }
func read(key string, how wire.Read) wire.Request {
	return wire.Request{Op: wire.OpGet, Read: how, Key: []byte(key)}
}
func incr(key string) wire.Request { return wire.Request{Op: wire.OpIncr, Key: []byte(key)} }

// stopConns ends the connections, but not the listeners.
func (f *fakeCluster) stopConns() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for nc := range f.ends {
		nc.Close()
	}
}
