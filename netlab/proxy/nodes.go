package proxy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// DroppedRemovedNode: one of the link's ends is no node of the network any more.
const DroppedRemovedNode link.Reason = "removed node"

// AddNode makes room for node id: links to and from every other, without
// faults. It is not reachable before SetNode says where it is.
func (p *Proxy) AddNode(id raft.NodeID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case id < 1:
		return fmt.Errorf("there is no node %d", id)
	case slices.Contains(p.nodes, id):
		return fmt.Errorf("node %d is in the network already", id)
	case p.ctx.Err() != nil:
		return fmt.Errorf("add node %d: the network is closed", id)
	}
	lanes := slices.Clone(p.lanes)
	for _, other := range p.nodes {
		there, back := newLane(p, id, other), newLane(p, other, id)
		there.addr = p.addrs[other]
		lanes = append(lanes, there, back)
	}
	slices.SortFunc(lanes, func(a, b *lane) int { return byEnds(a, b.from, b.to) })
	p.lanes = lanes
	p.nodes = append(slices.Clone(p.nodes), id)
	p.waiting.setLimit(len(lanes) + pendingSpare)
	return nil
}

// RemoveNode takes node id and all its links away: connections are closed, and
// what waits on them is dropped. A node that comes under the same id later
// has links that have carried nothing.
func (p *Proxy) RemoveNode(id raft.NodeID) error {
	p.mu.Lock()
	if !slices.Contains(p.nodes, id) {
		p.mu.Unlock()
		return fmt.Errorf("node %d is not in the network", id)
	}
	var gone, left []*lane
	for _, l := range p.lanes {
		if l.from == id || l.to == id {
			gone = append(gone, l)
		} else {
			left = append(left, l)
		}
	}
	p.lanes = left
	delete(p.addrs, id)
	p.nodes = slices.DeleteFunc(slices.Clone(p.nodes), func(n raft.NodeID) bool { return n == id })
	p.waiting.setLimit(len(left) + pendingSpare)
	p.mu.Unlock()
	for _, l := range gone {
		l.remove()
	}
	return nil
}

// reach sets where a node is, empty for nowhere, and returns the links there are.
func (p *Proxy) reach(id raft.NodeID, addr string) ([]*lane, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := checkNode(p.nodes, id); err != nil {
		return nil, err
	}
	p.addrs[id] = addr
	return p.lanes, nil
}

// remove ends a link for good.
func (l *lane) remove() {
	l.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.busy { // else the writer does it, when it is done
		l.abandon(DroppedRemovedNode)
	}
}

// byEnds orders links by from and then to.
func byEnds(l *lane, from, to raft.NodeID) int {
	return cmp.Or(cmp.Compare(l.from, from), cmp.Compare(l.to, to))
}

// lane returns the link from one node to another.
func (p *Proxy) lane(from, to raft.NodeID) (*lane, error) {
	p.mu.Lock()
	nodes, lanes := p.nodes, p.lanes
	p.mu.Unlock()
	for _, id := range [...]raft.NodeID{from, to} {
		if err := checkNode(nodes, id); err != nil {
			return nil, err
		}
	}
	if from == to {
		return nil, fmt.Errorf("there is no link from node %d to itself", from)
	}
	i, _ := slices.BinarySearchFunc(lanes, from, func(l *lane, from raft.NodeID) int { return byEnds(l, from, to) })
	return lanes[i], nil
}

func checkNode(nodes []raft.NodeID, id raft.NodeID) error {
	if !slices.Contains(nodes, id) {
		return fmt.Errorf("node %d is not one of the network's %d nodes", id, len(nodes))
	}
	return nil
}

// all are the links there are now, by from and then to; not to be changed.
func (p *Proxy) all() []*lane {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lanes
}
