package raft

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

var (
	// ErrNotLeader says that only a leader takes proposals (§5.1); [Node.Leader]
	// may know where it is.
	ErrNotLeader = errors.New("raft: not the leader")
	// ErrLeader says that a leader does not stand for election.
	ErrLeader = errors.New("raft: already the leader")
)

// Node is one server's consensus state (Figure 2). It is not safe for
// concurrent use: one goroutine owns it.
//
// The time every input brings is the lab clock's; should one be earlier than
// the last, the last counts.
type Node struct {
	cfg    Config
	voters []NodeID // the configuration, ascending, this node included
	rand   *rand.Rand
	now    Time

	// Persistent state (Figure 2): hard is to be on stable storage before this
	// node answers; stored is the part of it the disk was told of.
	hard   HardState // currentTerm, votedFor
	stored HardState
	log    *raftLog

	// Volatile state on all servers.
	role    Role
	leader  NodeID // 0 when none is known in this term
	heardAt Time   // when the leader was last heard from
	timer   timer  // the election timer, or a leader's heartbeat timer

	// Volatile state on candidates and precandidates: what each of voters answered.
	ballots []ballot
	retryAt Time // when those who are silent are asked again

	// Volatile state on leaders.
	peers   []peer  // ascending by ID, this node not included
	held    Index   // highest index reported as EventCommitHeld in this term
	tellAt  Time    // when followers are told of a commit that nothing else told them; Never: none is
	telling bool    // tellAt has come: the next Ready tells them
	reached []Index // scratch for counting replicas

	out outbox
	err error // why the node stopped; nil while it runs
}

// timer is a running timer. One that stands still ends Never.
type timer struct{ start, end Time }

// New makes the server that from describes, a follower whose election timer
// starts now. storage gives back persisted entries; with nil the node keeps
// its whole log in memory, which only a new server can.
func New(cfg Config, storage Storage, from Restored, now Time) (*Node, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	if err := from.validate(); err != nil {
		return nil, err
	}
	if storage == nil && from.LastIndex > 0 {
		return nil, fmt.Errorf("raft: a log of %d entries is restored, but there is no storage to read them from", from.LastIndex)
	}
	n := &Node{
		cfg:     cfg,
		voters:  cfg.Members.Voters,
		rand:    rand.New(rand.NewPCG(cfg.Seed, uint64(cfg.ID))),
		now:     now,
		hard:    from.HardState,
		stored:  from.HardState,
		log:     newLog(storage, from, cfg.MaxCachedBytes),
		ballots: make([]ballot, len(cfg.Members.Voters)),
		retryAt: Never,
		tellAt:  Never,
		reached: make([]Index, len(cfg.Members.Voters)),
	}
	for _, id := range n.voters {
		if id != cfg.ID {
			n.peers = append(n.peers, peer{id: id, flight: newFlight(cfg.MaxInflight)})
		}
	}
	n.out.durable = from.HardState
	n.startElectionTimer()
	n.event(Event{Kind: EventRole, Role: Follower})
	return n, nil
}

// Step takes a message in. An error means that the message breaks the protocol
// or that the node has stopped; the state is unchanged then. Messages may
// come late, twice, in any order or not at all (§5.5).
func (n *Node) Step(now Time, m Message) error {
	if n.err != nil {
		return n.err
	}
	if err := n.validate(&m); err != nil {
		return err
	}
	n.advance(now)
	if n.voter(m.From) < 0 {
		n.refuseStranger(&m)
		return nil
	}
	if m.Term > n.hard.Term && !preVoteBallot(&m) {
		n.event(Event{Kind: EventTermSeen, Term: m.Term, Peer: m.From})
		n.becomeFollower(m.Term, 0)
	}
	switch body := m.Body.(type) {
	case *RequestVote:
		n.handleRequestVote(&m, body)
	case *RequestVoteReply:
		n.handleRequestVoteReply(&m, body)
	case *AppendEntries:
		n.handleAppendEntries(&m, body)
	case *AppendEntriesReply:
		n.handleAppendEntriesReply(&m, body)
	}
	return nil
}

// preVoteBallot reports whether m's term is the one a precandidate would stand
// in, which is nobody's currentTerm yet and so not to be adopted (thesis §9.6).
func preVoteBallot(m *Message) bool {
	switch body := m.Body.(type) {
	case *RequestVote:
		return body.PreVote
	case *RequestVoteReply:
		return body.PreVote && body.Granted
	}
	return false
}

// refuseStranger leaves a message of a server that is in no configuration of
// this node unanswered, whatever its term.
func (n *Node) refuseStranger(m *Message) {
	switch body := m.Body.(type) {
	case *RequestVote:
		n.event(Event{Kind: EventVoteRefused, Peer: m.From, PreVote: body.PreVote, Reason: ReasonUnknownNode})
	case *AppendEntries:
		n.event(Event{Kind: EventAppendRefused, Peer: m.From, Index: body.PrevLogIndex, LogTerm: body.PrevLogTerm, Reason: ReasonUnknownNode})
	}
}

// Tick does what is due by now. It may be called at any time; [Node.Deadline]
// says when it next has something to do.
func (n *Node) Tick(now Time) {
	if n.err != nil {
		return
	}
	n.advance(now)
	switch {
	case n.role == Leader:
		if n.now >= n.timer.end {
			n.heartbeat()
		}
		if n.now >= n.tellAt {
			n.tellAt, n.telling = Never, true
		}
	case n.now >= n.timer.end:
		n.electionTimeout(false)
	case n.now >= n.retryAt:
		n.askSilentVoters()
	}
}

// Deadline says when the node next wants [Node.Tick]: Never if it doesn't.
func (n *Node) Deadline() Time {
	if n.err != nil {
		return Never
	}
	return min(n.timer.end, n.retryAt, n.tellAt)
}

// Propose appends one entry for each data to a leader's log and returns the
// index of the first. kind is EntryCommand. They are committed when a Ready
// says so, unless another leader's entries replace them first. The error is
// ErrNotLeader, or what stopped the node.
func (n *Node) Propose(now Time, kind EntryKind, data ...[]byte) (Index, error) {
	switch {
	case n.err != nil:
		return 0, n.err
	case kind != EntryCommand:
		return 0, fmt.Errorf("raft: an entry of kind %v cannot be proposed, only a command", kind)
	case len(data) == 0:
		return 0, errors.New("raft: a proposal of no commands")
	case n.role != Leader:
		return 0, ErrNotLeader
	}
	n.advance(now)
	first := n.log.last + 1
	for _, d := range data {
		n.log.append(Entry{Index: n.log.last + 1, Term: n.hard.Term, Kind: kind, Data: d})
	}
	n.event(Event{Kind: EventAppended, First: first, Index: n.log.last, LogTerm: n.hard.Term})
	return first, nil
}

// Campaign makes the node time out now and stand for election without asking
// first whether it could win. The error is ErrLeader if it leads already, or
// what stopped the node.
func (n *Node) Campaign(now Time) error {
	switch {
	case n.err != nil:
		return n.err
	case n.role == Leader:
		return ErrLeader
	}
	n.advance(now)
	n.electionTimeout(true)
	return nil
}

func (n *Node) advance(now Time) { n.now = max(n.now, now) }

// voter returns the position of id among the voters, -1 when it is none.
func (n *Node) voter(id NodeID) int {
	for k, v := range n.voters {
		if v == id {
			return k
		}
	}
	return -1
}

// peer returns the leader's view of id, which must be another voter.
func (n *Node) peer(id NodeID) *peer {
	for k := range n.peers {
		if n.peers[k].id == id {
			return &n.peers[k]
		}
	}
	panic(fmt.Sprintf("raft: %v is no peer of %v", id, n.cfg.ID))
}

// Term is currentTerm (Figure 2).
func (n *Node) Term() Term { return n.hard.Term }

// Role is what the node is at the moment.
func (n *Node) Role() Role { return n.role }

// Leader is the leader of the node's term, 0 when it knows none.
func (n *Node) Leader() NodeID { return n.leader }

// LastIndex is the index of the log's last entry, 0 when the log is empty.
func (n *Node) LastIndex() Index { return n.log.last }

// Commit is commitIndex (Figure 2).
func (n *Node) Commit() Index { return n.log.commit }

// Status takes a picture of the node.
func (n *Node) Status() Status {
	s := Status{
		ID:         n.cfg.ID,
		Role:       n.role,
		Term:       n.hard.Term,
		Vote:       n.hard.Vote,
		Leader:     n.leader,
		LastIndex:  n.log.last,
		LastTerm:   n.log.lastTerm(),
		Durable:    n.log.durable,
		Commit:     n.log.commit,
		Applied:    n.log.applied,
		TimerStart: n.timer.start,
		TimerEnd:   n.timer.end,
		Runs:       append([]TermRun(nil), n.log.runs...),
		Members:    Configuration{Voters: append([]NodeID(nil), n.voters...)},
	}
	switch n.role {
	case PreCandidate, Candidate:
		for k, b := range n.ballots {
			if b != ballotSilent {
				s.Votes = append(s.Votes, Vote{From: n.voters[k], Granted: b == ballotGranted})
			}
		}
	case Leader:
		for k := range n.peers {
			p := &n.peers[k]
			s.Peers = append(s.Peers, Progress{
				ID: p.id, Next: p.next, Match: p.match,
				Inflight: p.flight.count, Probing: p.probing, LastAck: p.lastAck,
			})
		}
	}
	return s
}
