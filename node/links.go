package node

import (
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// address takes a new address book, which lists all nodes of the lab: links to
// nodes that are new in it are made, links to nodes that it leaves out end.
func (r *replica) address(book []wire.Peer) {
	clear(r.book)
	for i := range book {
		r.book[book[i].ID] = book[i].ClientAddr
	}
	r.gate.mu.Lock() // the disk's goroutine sends too
	defer r.gate.mu.Unlock()
	for id, p := range r.peers {
		if _, listed := r.book[id]; !listed {
			delete(r.peers, id)
			p.end()
		}
	}
	for i := range book {
		switch b := &book[i]; {
		case b.ID == r.id:
		case r.peers[b.ID] != nil:
			r.peers[b.ID].move(b.RaftAddr)
		default:
			p := newPeer(r.id, b.ID, b.RaftAddr, r.token, r.log)
			r.peers[b.ID] = p
			r.connect(p)
		}
	}
}

// send queues a message on its link. One to a node that no book lists, which
// the lab is about to tell of or which is gone for good, is lost, as it might be
// on any link (§5.5).
func (r *replica) send(m *raft.Message) {
	if p := r.peers[m.To]; p != nil {
		p.send(m)
	}
}
