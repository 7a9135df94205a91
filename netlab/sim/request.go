package sim

import (
	"errors"
	"slices"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// What a leader has proposed for clients and not applied is bounded, as in
// package node: a leader without a majority gets there.
const (
	pendingLimit = 16 << 10
	pendingBytes = 64 << 20
)

// commandRoom is what a command has at most beside its key and values, mostly.
const commandRoom = 48

const (
	lostText     = "the node lost its leadership, or stops, before the entry was committed"
	busyText     = "as many requests wait as this node takes"
	transferText = "the leader is handing over to another node"
)

// ask is a client's request that has come to a server.
type ask struct {
	req  wire.Request
	done func(*wire.Reply) // nil: the connection broke
}

// pending is a request whose entry waits to be committed.
type pending struct {
	index raft.Index
	term  raft.Term
	bytes int
	id    uint64
	done  func(*wire.Reply)
}

// reads are the requests that are answered from the state machine, once the
// core has said at which index.
type reads struct {
	last    uint64
	asked   []read // the core has not said yet
	waiting []read // for index to be applied
}

type read struct {
	id    uint64 // under which the core was asked
	index raft.Index
	ask   ask
}

// Ask brings a request to a server, after a client's way, and the answer back to
// done, after another. done is called once, with nil when the server does not run
// or ends before it has answered. The bytes of req must not change until then.
func (w *World) Ask(id raft.NodeID, req wire.Request, done func(*wire.Reply)) {
	back := func(r *wire.Reply) {
		w.At(w.now+raft.Time(w.flight), func() {
			w.did.Kind, w.did.Node = Answered, id
			done(r)
		})
	}
	w.At(w.now+raft.Time(w.flight), func() {
		s := w.server(id)
		w.did.Kind, w.did.Node = Asked, id
		a := ask{req, back}
		switch {
		case s == nil || !s.running():
			back(nil)
		case s.paused:
			s.asked = append(s.asked, a)
		default:
			s.take(&a)
		}
	})
}

// take takes a request in.
func (s *server) take(a *ask) {
	r := &a.req
	if err := kv.ValidateRequest(r); err != nil {
		s.refuse(a, wire.CodeBad, err.Error())
		return
	}
	leads := s.core.Role() == raft.Leader
	direct := r.Op == wire.OpGet && r.Read != wire.ReadLog
	switch {
	case direct && r.Read == wire.ReadStale:
		s.answerRead(a)
		return
	case !leads && !(direct && r.Read == wire.ReadIndex):
		s.redirect(a)
		return
	case len(s.pending)+len(s.reads.asked)+len(s.reads.waiting) >= pendingLimit || s.pendingBytes() >= pendingBytes:
		s.refuse(a, wire.CodeBusy, busyText)
		return
	case direct:
		s.reads.last++
		if err := s.core.Read(s.now(), r.Read == wire.ReadLease, s.reads.last); err != nil {
			s.redirect(a)
			return
		}
		s.reads.asked = append(s.reads.asked, read{id: s.reads.last, ask: *a})
	default:
		command := kv.AppendCommand(make([]byte, 0, len(r.Key)+len(r.Old)+len(r.Value)+commandRoom), r)
		index, err := s.core.Propose(s.now(), raft.EntryCommand, command)
		if errors.Is(err, raft.ErrTransferring) {
			s.refuse(a, wire.CodeBusy, transferText)
			return
		}
		if err != nil {
			s.fail(err.Error()) // it leads, so its disk is in the way
			return
		}
		s.pending = append(s.pending, pending{index: index, term: s.core.Term(), bytes: len(command), id: r.ID, done: a.done})
	}
	s.settle()
}

func (s *server) pendingBytes() (n int) {
	if len(s.pending) < pendingLimit/16 {
		return 0 // so few are never too much, and counting all each time would be
	}
	for i := range s.pending {
		n += s.pending[i].bytes
	}
	return n
}

func (s *server) reply(a *ask, r wire.Reply) {
	r.ID, r.Node = a.req.ID, s.id
	a.done(&r)
}

func (s *server) refuse(a *ask, code wire.Code, why string) {
	s.reply(a, wire.Reply{Code: code, Term: s.core.Term(), Error: why})
}

// redirect sends a client to the leader.
func (s *server) redirect(a *ask) {
	leader := s.core.Leader()
	if leader == s.id {
		leader = 0
	}
	s.reply(a, wire.Reply{Code: wire.CodeNotLeader, Term: s.core.Term(), Leader: leader})
}

// answer tells a client what became of its request, whose index entry e has.
func (s *server) answer(p *pending, e *raft.Entry, r *kv.Result) {
	reply := wire.Reply{ID: p.id, Node: s.id, Code: wire.CodeUnknown, Term: s.core.Term(), Error: lostText}
	if p.term == e.Term {
		reply = wire.Reply{
			ID: p.id, Node: s.id, Code: r.Code, Index: r.Index, Term: r.Term, Found: r.Found, Value: slices.Clone(r.Value), Error: r.Error,
		}
	}
	p.done(&reply)
}

// abandon answers everyone whose entry's fate this server cannot tell any more.
func (s *server) abandon() {
	list := s.pending
	s.pending = nil
	for i := range list {
		list[i].done(&wire.Reply{ID: list[i].id, Node: s.id, Code: wire.CodeUnknown, Term: s.core.Term(), Error: lostText})
	}
}

// hear takes the core's word on reads.
func (s *server) hear(list []raft.Read) {
	for i := range list {
		k := slices.IndexFunc(s.reads.asked, func(r read) bool { return r.id == list[i].ID })
		if k < 0 {
			continue
		}
		r := s.reads.asked[k]
		s.reads.asked = slices.Delete(s.reads.asked, k, k+1)
		if !list[i].OK {
			s.redirect(&r.ask)
			continue
		}
		r.index = list[i].Index
		s.reads.waiting = append(s.reads.waiting, r)
	}
}

// serveReads answers the reads whose index is applied.
func (s *server) serveReads() {
	if len(s.reads.waiting) == 0 {
		return
	}
	s.reads.waiting = slices.DeleteFunc(s.reads.waiting, func(r read) bool {
		if r.index > s.applied {
			return false
		}
		s.answerRead(&r.ask)
		return true
	})
}

// answerRead answers from what this server has applied.
func (s *server) answerRead(a *ask) {
	value, _, found := s.store.Get(a.req.Key)
	s.reply(a, wire.Reply{Code: wire.CodeOK, Index: s.applied, Term: s.core.Term(), Found: found, Value: slices.Clone(value)})
}

// hangUp breaks all clients' connections.
func (s *server) hangUp() {
	list, asked, r := s.pending, s.asked, s.reads
	s.pending, s.asked, s.reads = nil, nil, reads{}
	for i := range list {
		list[i].done(nil)
	}
	for i := range asked {
		asked[i].done(nil)
	}
	for _, group := range [...][]read{r.asked, r.waiting} {
		for i := range group {
			group[i].ask.done(nil)
		}
	}
}
