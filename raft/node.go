package raft

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
)

var (
	// ErrNotLeader says that only a leader takes proposals (§5.1); [Node.Leader]
	// may know where it is.
	ErrNotLeader = errors.New("raft: not the leader")
	// ErrTransferring says that the leader is handing over and takes no proposals.
	ErrTransferring = errors.New("raft: the leadership is being handed over")
	// ErrNoSnapshot says that a snapshot that was asked for is not there any more.
	ErrNoSnapshot = errors.New("raft: no such snapshot any more")
	// ErrLeader says that a leader does not stand for election.
	ErrLeader = errors.New("raft: already the leader")
	// ErrNoVoter says that a server whose vote counts for nothing does not stand for election.
	ErrNoVoter = errors.New("raft: not a voter")
)

// Node is one server's consensus state (Figure 2). It is not safe for
// concurrent use: one goroutine owns it.
//
// The time every input brings is the lab clock's; should one be earlier than
// the last, the last counts.
type Node struct {
	cfg  Config
	rand *rand.Rand
	now  Time

	// config is the newest configuration in the log (§6), members all its servers,
	// ascending.
	config  *Configuration
	members []NodeID
	votes   bool // this node is a voter of config

	// Persistent state (Figure 2): hard is to be on stable storage before this
	// node answers; stored is the part of it the disk was told of.
	hard   HardState // currentTerm, votedFor
	stored HardState
	log    *raftLog

	// Volatile state on all servers.
	role    Role
	leader  NodeID // 0 when none is known in this term
	heardAt Time   // when a leader was last heard from
	timer   timer  // the election timer, or a leader's heartbeat timer

	// Volatile state on followers.
	receiving receipt // the snapshot that is arriving
	asking    inquiry // what the leader was asked for this node's readers

	// Volatile state on candidates and precandidates: what each of members answered.
	ballots []ballot
	forced  bool // this candidate was told to stand
	retryAt Time // when those who are silent are asked again

	// Volatile state on leaders.
	peers   []peer    // ascending by ID: all members but this node
	held    Index     // highest index reported as EventCommitHeld in this term
	tellAt  Time      // when followers are told of a commit that nothing else told them; Never: none is
	telling bool      // tellAt has come: the next Ready tells them
	quorum  contact   // whether a majority still answers
	reads   readQueue // reads that wait to be confirmed
	change  *change   // a change of the configuration that is being prepared; nil: none is
	handing handover  // the transfer of the leadership that is under way

	counts []Index // scratch for counting what majorities have reached
	rounds []uint64
	times  []Time

	out outbox
	err error // why the node stopped; nil while it runs
}

// timer is a running timer. One that stands still ends Never.
type timer struct{ start, end Time }

// New makes the server that from describes, a follower whose election timer
// starts now. storage gives back persisted entries and snapshots; with nil the
// node keeps its whole log in memory, which only a new server can.
func New(cfg Config, storage Storage, from Restored, now Time) (*Node, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	if err := from.validate(cfg.Unsafe.Safety()); err != nil {
		return nil, err
	}
	if storage == nil && from.LastIndex > 0 {
		return nil, fmt.Errorf("raft: a log up to entry %d is restored, but there is no storage to read it from", from.LastIndex)
	}
	if cfg.Unsafe.Has(UnsafeForgetVote) {
		from.HardState.Vote = 0
	}
	n := &Node{
		cfg:     cfg,
		rand:    rand.New(rand.NewPCG(cfg.Seed, uint64(cfg.ID))),
		now:     now,
		heardAt: longAgo,
		hard:    from.HardState,
		stored:  from.HardState,
		log:     newLog(storage, from, cfg.Members, cfg.MaxCachedBytes),
		retryAt: Never,
		tellAt:  Never,
		quorum:  contact{checkAt: Never},
		asking:  inquiry{id: uint64(now), againAt: Never}, // no number of an earlier life's comes again
		handing: handover{until: Never},
	}
	n.log.loose = cfg.Unsafe.Safety()
	if from.HardState.Term > 0 {
		// It may have heard a leader just before it went down, and promised with its
		// silence to let nobody else be elected (§6).
		n.heardAt = now
	}
	n.out.durable = from.HardState
	n.adoptConfig()
	n.startElectionTimer()
	n.event(Event{Kind: EventRole, Role: Follower})
	return n, nil
}

// longAgo is when a server that has never heard a leader heard one.
const longAgo = Time(-1 << 62)

// Step takes a message in. An error means that the message breaks the protocol
// or that the node has stopped; the state is unchanged then. Messages may
// come late, twice, in any order or not at all (§5.5), and from servers that
// are not, or not yet, in this node's configuration: it may be the older one
// (thesis §4.1).
func (n *Node) Step(now Time, m Message) error {
	if n.err != nil {
		return n.err
	}
	if err := n.validate(&m); err != nil {
		return err
	}
	n.advance(now)
	if n.ignoresVote(&m) {
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
	case *InstallSnapshot:
		n.handleInstallSnapshot(&m, body)
	case *InstallSnapshotReply:
		n.handleInstallSnapshotReply(&m, body)
	case *TimeoutNow:
		n.handleTimeoutNow(&m)
	case *ReadIndex:
		n.handleReadIndex(&m, body)
	case *ReadIndexReply:
		n.handleReadIndexReply(&m, body)
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

// Tick does what is due by now. It may be called at any time; [Node.Deadline]
// says when it next has something to do.
func (n *Node) Tick(now Time) {
	if n.err != nil {
		return
	}
	n.advance(now)
	switch {
	case n.role == Leader:
		n.leaderTick()
	case n.now >= n.timer.end:
		n.electionTimeout(Event{})
	case n.now >= n.retryAt:
		n.askSilentVoters()
	}
	if n.now >= n.asking.againAt {
		n.askLeader()
	}
}

func (n *Node) leaderTick() {
	if n.now >= n.handing.until {
		n.endTransfer()
	}
	if n.now >= n.quorum.checkAt && !n.hearsQuorum() {
		return
	}
	if n.now >= n.timer.end {
		n.heartbeat()
	}
	if n.now >= n.tellAt {
		n.tellAt, n.telling = Never, true
	}
}

// Deadline says when the node next wants [Node.Tick]: Never if it doesn't.
func (n *Node) Deadline() Time {
	if n.err != nil {
		return Never
	}
	return min(n.timer.end, n.retryAt, n.tellAt, n.quorum.checkAt, n.asking.againAt, n.handing.until)
}

// Propose appends one entry for each data to a leader's log and returns the
// index of the first. kind is EntryCommand. They are committed when a Ready
// says so, unless another leader's entries replace them first. The error is
// ErrNotLeader, ErrTransferring, or what stopped the node.
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
	case n.handing.to != 0:
		return 0, ErrTransferring
	}
	n.advance(now)
	first := n.log.last + 1
	for _, d := range data {
		n.log.append(Entry{Index: n.log.last + 1, Term: n.hard.Term, Kind: kind, Data: d})
	}
	n.event(Event{Kind: EventAppended, First: first, Index: n.log.last, LogTerm: n.hard.Term})
	return first, nil
}

// Campaign makes the node time out now and stand for election: it does not ask
// first whether it could win, and the others vote though they hear a leader. The
// latter breaks the promise that lease reads count on (thesis §6.4.1). The error
// is ErrLeader if it leads already, ErrNoVoter, or what stopped the node.
func (n *Node) Campaign(now Time) error {
	switch {
	case n.err != nil:
		return n.err
	case n.role == Leader:
		return ErrLeader
	case !n.mayStand():
		return ErrNoVoter
	}
	n.advance(now)
	n.electionTimeout(Event{Forced: true})
	return nil
}

func (n *Node) advance(now Time) { n.now = max(n.now, now) }

// member returns the position of id among the members, -1 when it is none.
// They are ascending, and mostly numbered from 1 on without a gap: then it is not
// searched for.
func (n *Node) member(id NodeID) int {
	if k := id - 1; k < NodeID(len(n.members)) && n.members[k] == id {
		return int(k)
	}
	if k, ok := slices.BinarySearch(n.members, id); ok {
		return k
	}
	return -1
}

// peer returns the leader's view of id, nil when it has none. The peers are the
// members without this node.
func (n *Node) peer(id NodeID) *peer {
	k := n.member(id)
	if k >= len(n.peers) || k >= 0 && n.peers[k].id != id {
		k-- // this node's own place is before it, or it is id itself
	}
	if k < 0 || n.peers[k].id != id {
		return nil
	}
	return &n.peers[k]
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
		ID:          n.cfg.ID,
		Role:        n.role,
		Term:        n.hard.Term,
		Vote:        n.hard.Vote,
		Leader:      n.leader,
		LastIndex:   n.log.last,
		LastTerm:    n.log.lastTerm(),
		Durable:     n.log.durable,
		Commit:      n.log.commit,
		Applied:     n.log.applied,
		TimerStart:  n.timer.start,
		TimerEnd:    n.timer.end,
		Base:        n.log.base,
		BaseTerm:    n.log.baseTerm,
		Runs:        append([]TermRun(nil), n.log.runs...),
		Config:      n.config.Clone(),
		ConfigIndex: n.log.config().index,
		Snapshot:    n.log.snapshot,
		TransferTo:  n.handing.to,
	}
	s.Snapshot.Config = s.Snapshot.Config.Clone()
	switch n.role {
	case PreCandidate, Candidate:
		for k, b := range n.ballots {
			if b != ballotSilent {
				s.Votes = append(s.Votes, Vote{From: n.members[k], Granted: b == ballotGranted})
			}
		}
	case Leader:
		s.LeaseEnd = n.leaseEnd()
		if n.change != nil {
			target := n.change.next.Clone()
			s.Target = &target
		}
		for k := range n.peers {
			p := &n.peers[k]
			s.Peers = append(s.Peers, Progress{
				ID: p.id, Next: p.next, Match: p.match,
				Inflight: p.flight.count, Flow: p.flow, LastAck: p.lastAck,
				SnapshotIndex: p.snap.meta.Index, SnapshotOffset: p.snap.offset,
			})
		}
	}
	return s
}
