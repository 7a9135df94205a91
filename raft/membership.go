package raft

import (
	"errors"
	"fmt"
	"slices"
)

// Changes of the configuration (§6): "a server always uses the latest
// configuration in its log, regardless of whether the entry is committed". From
// C_old the cluster goes to C_old,new, in which decisions need both majorities,
// and once that is committed to C_new. Servers that are to vote and do not have
// the log yet come in as learners first and are brought up to date (thesis
// §4.2.1).

// ErrNoChange says that the configuration is already what it was to become.
var ErrNoChange = errors.New("raft: the configuration is this one already")

// ChangeError is why a leader refuses to begin a change of the configuration.
// Asking again later may help.
type ChangeError struct{ Reason string }

func (e *ChangeError) Error() string { return "raft: no change of the configuration now: " + e.Reason }

// change is a change that is being prepared: the leader brings fresh servers up
// to date before it proposes next.
type change struct {
	next  Configuration
	fresh []newcomer
}

// newcomer is a learner that is to vote. It is brought up to date in rounds: a
// round ends when the newcomer has what the log had when the round began. When
// one takes less than an election timeout, the rest cannot take long either.
type newcomer struct {
	id     NodeID
	round  int   // from 1
	began  Time  // the round did
	target Index // what the log had then
	done   bool
}

// roundsMost is how many rounds a newcomer has (thesis §4.2.1).
const roundsMost = 10

// patience is for how many election timeouts a newcomer may stay silent.
const patience = 10

// adoptConfig takes the newest configuration in the log into use (§6).
func (n *Node) adoptConfig() {
	at := n.log.config()
	if at.config == n.config {
		return
	}
	reverted := n.config != nil && at.index < n.out.configured
	news := at.index > 0 && (n.config == nil || !at.config.Equal(*n.config)) || reverted
	n.out.configured = at.index
	n.config = at.config
	n.members = n.config.Members()
	n.votes = n.config.Voter(n.cfg.ID)
	n.ballots = make([]ballot, len(n.members))
	n.counts = make([]Index, 0, len(n.members))
	n.rounds = make([]uint64, 0, len(n.members))
	n.times = make([]Time, 0, len(n.members))

	before := n.peers
	n.peers = make([]peer, 0, len(n.members))
	for _, id := range n.members {
		if id == n.cfg.ID {
			continue
		}
		k := slices.IndexFunc(before, func(p peer) bool { return p.id == id })
		if k >= 0 {
			n.peers = append(n.peers, before[k])
			continue
		}
		p := peer{id: id, flight: newFlight(n.cfg.MaxInflight)}
		p.begin(n.log.last+1, n.now)
		n.peers = append(n.peers, p)
	}
	if n.role == Leader {
		if n.timer.end == Never {
			n.startHeartbeatTimer() // it was alone
		}
	} else if n.mayStand() == (n.timer.end == Never) {
		n.startElectionTimer()
	}
	if news {
		n.event(Event{Kind: EventConfigured, Index: at.index, Config: at.config, Reverted: reverted})
	}
}

// ChangeMembers begins to make next, which is not joint, the configuration of
// the cluster (§6). How it goes is seen in [Status] and Events; when this node
// loses the leadership, the change may be over without having been done.
//
// The error is ErrNotLeader, ErrTransferring, ErrNoChange, a *[ChangeError], what
// is wrong with next, or what stopped the node.
func (n *Node) ChangeMembers(now Time, next Configuration) error {
	switch {
	case n.err != nil:
		return n.err
	case n.role != Leader:
		return ErrNotLeader
	case n.handing.to != 0:
		return ErrTransferring
	case next.Joint():
		return errors.New("raft: a configuration to change to has no old voters")
	}
	if err := next.Validate(); err != nil {
		return fmt.Errorf("raft: no configuration to change to: %w", err)
	}
	at := n.log.config()
	switch {
	case n.change != nil:
		return &ChangeError{fmt.Sprintf("one to %v is being prepared", n.change.next)}
	case n.config.Joint():
		return &ChangeError{fmt.Sprintf("one is under way, the configuration is %v", n.config)}
	case at.index > n.log.commit:
		return &ChangeError{fmt.Sprintf("the last one, to %v, is not committed yet", n.config)}
	case n.log.mustTerm(n.log.commit) != n.hard.Term:
		// Else a change that an earlier leader began could come back and meet this
		// one's with majorities that do not overlap (raft-dev, 10 July 2015).
		return &ChangeError{"the leader has not committed an entry of its own term yet"}
	case next.Equal(*n.config):
		return ErrNoChange
	}
	n.advance(now)
	next = next.Clone()
	fresh := without(next.Voters, n.config.Voters)
	if len(fresh) == 0 || n.cfg.Unsafe.Has(UnsafeDirectConfigChange) {
		n.proposeConfig(next)
		return nil
	}
	n.prepare(next, fresh)
	return nil
}

// prepare makes fresh, which are to vote in next, learners and starts their
// first round.
func (n *Node) prepare(next Configuration, fresh []NodeID) {
	learners := slices.Concat(n.config.Learners, fresh)
	slices.Sort(learners)
	learners = slices.Compact(learners)
	if !slices.Equal(learners, n.config.Learners) {
		c := Configuration{Voters: n.config.Voters, Learners: learners}
		n.appendOwn(EntryConfig, c.AppendTo(nil))
	}
	n.change = &change{next: next}
	for _, id := range fresh {
		n.change.fresh = append(n.change.fresh, newcomer{id: id, round: 1, began: n.now, target: n.log.last})
		n.peer(id).lastAck = n.now
	}
	n.event(Event{Kind: EventCatchingUp, Nodes: fresh, Config: &n.change.next})
	for _, id := range fresh {
		if n.change == nil {
			break
		}
		n.caughtUp(n.peer(id))
	}
}

// caughtUp looks how far a newcomer has come in its round, and proposes the
// change when all have caught up (thesis §4.2.1).
func (n *Node) caughtUp(p *peer) {
	if n.change == nil {
		return
	}
	waiting := 0
	for k := range n.change.fresh {
		c := &n.change.fresh[k]
		// A round in which nothing was new is over as it begins.
		for c.id == p.id && !c.done && p.match >= c.target {
			span := Duration(n.now - c.began)
			switch {
			case span <= n.cfg.ElectionMin:
				c.done = true
				n.event(Event{Kind: EventCaughtUp, Peer: c.id, Index: c.target, Span: span})
			case c.round == roundsMost:
				n.dropChange(ReasonTooSlow, c.id)
				return
			default:
				c.round, c.began, c.target = c.round+1, n.now, n.log.last
			}
		}
		if !c.done {
			waiting++
		}
	}
	if waiting == 0 {
		next := n.change.next
		n.change = nil
		n.proposeConfig(next)
	}
}

// checkNewcomers gives a change up when somebody it waits for is not heard of.
func (n *Node) checkNewcomers() {
	if n.change == nil {
		return
	}
	for _, c := range n.change.fresh {
		if !c.done && n.now >= n.lastHeard(c.id)+patience*Time(n.cfg.ElectionMax) {
			n.dropChange(ReasonTooSlow, c.id)
			return
		}
	}
}

// dropChange gives up a change that was being prepared. Its newcomers stay learners.
func (n *Node) dropChange(why Reason, slow ...NodeID) {
	if n.change == nil {
		return
	}
	n.event(Event{Kind: EventChangeDropped, Reason: why, Nodes: slow, Config: &n.change.next})
	n.change = nil
}

// proposeConfig appends the entry that takes the cluster from the configuration
// there is towards next: C_old,new, unless both have the same voters.
func (n *Node) proposeConfig(next Configuration) {
	if !slices.Equal(next.Voters, n.config.Voters) && !n.cfg.Unsafe.Has(UnsafeDirectConfigChange) {
		next.VotersOld = n.config.Voters
	}
	n.appendOwn(EntryConfig, next.AppendTo(nil))
}

// followConfig does what a leader owes a configuration that is committed:
// C_old,new is followed by C_new, and a leader that C_new does not have steps
// down (§6).
func (n *Node) followConfig() {
	at := n.log.config()
	switch {
	case n.role != Leader || at.index > n.log.commit || at.index == 0:
	case n.config.Joint():
		n.proposeConfig(Configuration{Voters: n.config.Voters, Learners: n.config.Learners})
	case !n.config.Voter(n.cfg.ID):
		n.nameSuccessor()
		n.stepDown(Event{Reason: ReasonRemoved})
	}
}

// without lists the ids that are not in others.
func without(ids, others []NodeID) []NodeID {
	var rest []NodeID
	for _, id := range ids {
		if !slices.Contains(others, id) {
			rest = append(rest, id)
		}
	}
	return rest
}
