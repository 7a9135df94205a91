package raft

import "fmt"

// Leadership transfer (thesis §3.10): the leader takes no more proposals,
// brings the server it hands over to up to date and tells it to stand for
// election at once. If that has not taken over within an election timeout, the
// leader goes on.

// handover is the transfer that is under way.
type handover struct {
	to    NodeID // 0: none is
	until Time   // when it is given up; Never when none is
	told  bool   // TimeoutNow has been sent
}

// TransferLeadership begins to hand over to another voter. How it ends is seen
// in Events: this node hears a higher term, or reports EventTransferFailed.
//
// The error is ErrNotLeader, ErrTransferring, that to cannot lead, that
// Config.Transfer is off, or what stopped the node.
func (n *Node) TransferLeadership(now Time, to NodeID) error {
	switch {
	case n.err != nil:
		return n.err
	case n.role != Leader:
		return ErrNotLeader
	case !n.cfg.Transfer:
		return fmt.Errorf("raft: leadership transfer is switched off")
	case n.handing.to != 0:
		return ErrTransferring
	case to == n.cfg.ID:
		return fmt.Errorf("raft: %v leads already", to)
	case n.config.Learner(to):
		return fmt.Errorf("raft: %v is a learner, only a voter can lead", to)
	case !n.config.Voter(to):
		return fmt.Errorf("raft: %v is not in the configuration %v", to, n.config)
	}
	n.advance(now)
	n.handing = handover{to: to, until: n.now + Time(n.cfg.ElectionMax)}
	n.event(Event{Kind: EventTransferStarted, Peer: to})
	n.handOver()
	return nil
}

// handOverTo is called when p's log has become longer.
func (n *Node) handOverTo(p *peer) {
	if p.id == n.handing.to {
		n.handOver()
	}
}

// handOver tells the chosen server to stand once it has all of the log. It is
// told again with each heartbeat: RPCs are retried (§5.5).
func (n *Node) handOver() {
	if n.handing.to == 0 {
		return
	}
	p := n.peer(n.handing.to)
	if p == nil { // a change of the configuration has removed it meanwhile
		n.endTransfer()
		return
	}
	if p.match < n.log.last {
		return
	}
	first := !n.handing.told
	n.handing.told = true
	n.tellToStand(p.id, first)
}

func (n *Node) tellToStand(id NodeID, first bool) {
	n.reads.leaseGone = true
	n.send(Message{From: n.cfg.ID, To: id, Term: n.hard.Term, Body: &TimeoutNow{}})
	if first {
		n.event(Event{Kind: EventTransferSent, Peer: id})
	}
}

// endTransfer gives up: the other has not taken over in time.
func (n *Node) endTransfer() {
	n.event(Event{Kind: EventTransferFailed, Peer: n.handing.to})
	n.handing = handover{until: Never}
}

// nameSuccessor has the voter with the longest log stand at once, because this
// leader, which the configuration no longer has, is about to step down: nobody
// then needs to wait for a timeout.
func (n *Node) nameSuccessor() {
	if !n.cfg.Transfer {
		return
	}
	var best *peer
	for k := range n.peers {
		if p := &n.peers[k]; n.config.Voter(p.id) && (best == nil || p.match > best.match) {
			best = p
		}
	}
	n.tellToStand(best.id, true)
}

// handleTimeoutNow stands for election because the leader says so.
func (n *Node) handleTimeoutNow(m *Message) {
	if m.Term < n.hard.Term || n.role == Leader || !n.mayStand() {
		return
	}
	n.electionTimeout(Event{Peer: m.From, Forced: true})
}
