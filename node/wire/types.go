package wire

import (
	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/raft"
)

// Version is spoken in every hello. Two versions do not talk to each other.
const Version = 3

// MaxFrame bounds a frame's length, its 4 length bytes not counted.
const MaxFrame = 8 << 20

// Kind is what a frame is.
type Kind uint8

// The kinds. Numbers are on the wire and in recordings: they are never reused.
const (
	KindHello Kind = 1 // first frame of whoever dials

	// Raft, node to node (Figure 2). A heartbeat is an AppendEntries without entries.
	KindVote         Kind = 10
	KindVoteReply    Kind = 11
	KindPreVote      Kind = 12
	KindPreVoteReply Kind = 13
	KindAppend       Kind = 14
	KindAppendReply  Kind = 15
	KindHeartbeat    Kind = 16

	KindSnapshot       Kind = 17 // InstallSnapshot, one chunk
	KindSnapshotReply  Kind = 18
	KindTimeoutNow     Kind = 19
	KindReadIndex      Kind = 20
	KindReadIndexReply Kind = 21

	// Clients.
	KindRequest Kind = 30
	KindReply   Kind = 31

	// Node and lab.
	KindRegister  Kind = 50 // node → lab, first after the hello
	KindConfigure Kind = 51 // lab → node, the answer: everything the node needs
	KindReport    Kind = 52 // node → lab
	KindClock     Kind = 53 // lab → node
	KindOrder     Kind = 54 // lab → node
	KindOutcome   Kind = 55 // node → lab, the answer to an order
)

// Header is what every frame starts with.
type Header struct {
	Kind     Kind
	From, To raft.NodeID
	// ID is the sender's: a number counted up on this link for Raft frames, the
	// request's number, which the reply repeats, for the others.
	ID   uint64
	Term raft.Term
}

// Role is what a connection is for.
type Role uint8

// Who dials, and what for.
const (
	RoleRaft    Role = 1 // a directed link's Raft frames: node → proxy, proxy → node
	RoleClient  Role = 2 // a client's requests
	RoleControl Role = 3 // a node's conversation with its lab
)

// Hello opens a connection. On a Raft link the header's From and To are the
// link's.
type Hello struct {
	Version int
	Role    Role
	Token   string // the lab's; Raft links and control only
}

// Op is a client's operation on the key-value state machine.
type Op uint8

// The operations.
const (
	OpPut  Op = 1
	OpGet  Op = 2
	OpDel  Op = 3
	OpCAS  Op = 4 // put New if the value is Old
	OpIncr Op = 5 // add 1 to a decimal integer; a missing key counts as 0
)

// Read says how a get is answered (thesis §6.4).
type Read uint8

const (
	// ReadLog reads through the log: linearizable.
	ReadLog Read = 0
	// ReadStale reads what the asked node has applied, whoever leads.
	ReadStale Read = 1
	// ReadIndex reads what the asked node has applied once that is as new as
	// anything committed when the request came: linearizable, and without an entry
	// in the log. A follower asks its leader.
	ReadIndex Read = 2
	// ReadLease is ReadIndex without asking a majority, for as long as the leader's
	// lease holds: linearizable if no node's clock runs much faster than the
	// leader's (thesis §6.4.1). Only a leader serves it.
	ReadLease Read = 3
)

// Request is one operation of a client. Session, Seq and Acked make a retry
// harmless (thesis §6.3): the state machine applies a (Session, Seq) once and
// repeats its answer until the client says, with Acked, that it has the
// answers of all up to that number. A get needs no session.
//
// Since, which counts with Seq 1 only, is an index that was applied before the
// client opened its session: a session that is opened again after it was
// forgotten is told from a new one by it.
type Request struct {
	ID      uint64 // on the connection; the reply repeats it
	Op      Op
	Read    Read
	Session uint64
	Seq     uint64 // from 1
	Acked   uint64
	Since   raft.Index
	Key     []byte
	Value   []byte // put: the value; cas: the new one
	Old     []byte // cas
}

// Code says how a request went.
type Code uint8

const (
	// CodeOK: done; Index and Term say where.
	CodeOK Code = 0
	// CodeNotLeader: ask Leader at LeaderAddr; Leader is 0 when none is known.
	CodeNotLeader Code = 1
	// CodeBusy: the node has as much waiting as it takes; try again.
	CodeBusy Code = 2
	// CodeFailed: applied, and the state machine refused: Error says why (cas on
	// another value, incr on no number).
	CodeFailed Code = 3
	// CodeBad: the request makes no sense and was not proposed: Error says why.
	CodeBad Code = 4
	// CodeUnknown: the node lost its leadership, or stops, and cannot say whether
	// the operation will be applied. A retry of the same (Session, Seq) is safe.
	CodeUnknown Code = 5
	// CodeNoSession: the state machine does not know Session (any more), and the
	// command is not its first, or may be a repeated first. It was not applied now;
	// Index is where that was found, for the Since of another session.
	CodeNoSession Code = 6
)

// Reply answers a Request.
type Reply struct {
	ID         uint64
	Code       Code
	Index      raft.Index // where it was applied; for a stale read, the applied index it saw
	Term       raft.Term
	Node       raft.NodeID // who answers
	Found      bool
	Value      []byte
	Leader     raft.NodeID
	LeaderAddr string // client address
	Error      string
}

// Register is how a node introduces itself to its lab.
type Register struct {
	Node       raft.NodeID `msgpack:"node"`
	Pid        int         `msgpack:"pid"`
	RaftAddr   string      `msgpack:"raft_addr"`
	ClientAddr string      `msgpack:"client_addr"`
	Notes      []string    `msgpack:"notes"` // what recovery found worth saying: "cut a torn tail of 17 bytes …"
}

// Peer is where another node is reached.
type Peer struct {
	ID         raft.NodeID `msgpack:"id"`
	RaftAddr   string      `msgpack:"raft_addr"`   // the network's, not the node's own
	ClientAddr string      `msgpack:"client_addr"` // told to clients that ask the wrong node; may be empty until known
}

// Configure is what a node is sent when it has registered, and again when an
// address changes; then only Peers counts.
type Configure struct {
	Peers       []Peer        `msgpack:"peers"`
	Heartbeat   raft.Duration `msgpack:"heartbeat"`
	ElectionMin raft.Duration `msgpack:"election_min"`
	ElectionMax raft.Duration `msgpack:"election_max"`
	PreVote     bool          `msgpack:"pre_vote"`
	CheckQuorum bool          `msgpack:"check_quorum"`
	IgnoreVotes bool          `msgpack:"ignore_votes"`
	Transfer    bool          `msgpack:"transfer"`
	Unsafe      []string      `msgpack:"unsafe"` // raft.UnsafeRule names
	// Bootstrap are the voters of the cluster's first configuration, the same for
	// all it started with; none for a node that joins a cluster that runs.
	Bootstrap []raft.NodeID `msgpack:"bootstrap"`
	// SnapshotBytes is how large the log may grow before a snapshot is taken; 0 is never.
	SnapshotBytes int64         `msgpack:"snapshot_bytes"`
	Seed          uint64        `msgpack:"seed"`
	Clock         clock.Setting `msgpack:"clock"`
	Token         string        `msgpack:"token"` // expected in the hello of Raft links
}

// Order is what a lab asks of a node.
type Order struct {
	Verb string     `msgpack:"verb"` // OrderElect, OrderLog, OrderDump, …
	From raft.Index `msgpack:"from"` // OrderLog
	To   raft.Index `msgpack:"to"`   // OrderLog, inclusive; 0 is the last

	Node    raft.NodeID        `msgpack:"node"`    // OrderTransfer: to whom
	Members raft.Configuration `msgpack:"members"` // OrderMembers: what the cluster is to become; VotersOld is empty

	Step *Step `msgpack:"step,omitempty"` // OrderStep
	Disk *Disk `msgpack:"disk,omitempty"` // OrderDisk: what the disk is to be like
}

// The orders.
const (
	OrderElect = "elect" // time out now
	OrderLog   = "log"   // entries From..To; as many as fit a frame
	OrderDump  = "dump"  // the key-value state machine

	// OrderMembers starts a change of the configuration (§6). Its outcome says
	// whether it has started; how it goes is seen in State.
	OrderMembers = "members"
	// OrderTransfer starts handing over the leadership (thesis §3.10).
	OrderTransfer = "transfer"
	// OrderSnapshot takes a snapshot of what is applied, drops the log up to there and
	// answers when it is on disk.
	OrderSnapshot = "snapshot"
	// OrderStep has a node whose clock is held take one thing in.
	OrderStep = "step"
	// OrderDisk makes the node's disk one that fails, or one that does not.
	OrderDisk = "disk"
)

// Outcome answers an Order.
type Outcome struct {
	Error      string     `msgpack:"error"`       // empty when done
	FirstIndex raft.Index `msgpack:"first_index"` // the log's first entry; 1 until entries are dropped
	LastIndex  raft.Index `msgpack:"last_index"`
	Commit     raft.Index `msgpack:"commit"`
	Applied    raft.Index `msgpack:"applied"`
	Entries    []LogEntry `msgpack:"entries"`
	Pairs      []Pair     `msgpack:"pairs"`
	Snapshot   raft.Index `msgpack:"snapshot"` // OrderSnapshot: its index
	Bytes      int64      `msgpack:"bytes"`    // OrderSnapshot: its size
	// OrderStep: what waits now.
	Waiting *Waiting `msgpack:"waiting,omitempty"`
}

// LogEntry is an entry as people read it.
type LogEntry struct {
	Index   raft.Index `msgpack:"index"`
	Term    raft.Term  `msgpack:"term"`
	Kind    string     `msgpack:"kind"`    // noop, command, config
	Command string     `msgpack:"command"` // "put x=1"; escapes and cut to 1 KiB
}

// Pair is one key of the state machine and the index that set it.
type Pair struct {
	Key   string     `msgpack:"key"`
	Value string     `msgpack:"value"`
	Index raft.Index `msgpack:"index"`
}

// Report is a node's telemetry: what it is now and what happened since the
// last one. Facts are complete and in order; States are coalesced.
type Report struct {
	State *State `msgpack:"state"` // nil when unchanged
	Facts []Fact `msgpack:"facts"`
	// Damaged are the frames that were refused since the last one.
	Damaged []Damaged `msgpack:"damaged,omitempty"`
	// Deeds are what the node did since the last one, for those who check that it
	// keeps Raft's promises: as package deed writes it, complete and in order.
	Deeds []byte `msgpack:"deeds,omitempty"`
	// Fatal says why the node stops itself: a disk that fails, a damaged log.
	Fatal string `msgpack:"fatal"`
	// Lasting tells that it would stop for that again however often it is started.
	Lasting bool `msgpack:"lasting,omitempty"`
}

// Damaged are Raft frames of one sender that a node refused because their
// checksum was wrong. It took nothing of them in.
type Damaged struct {
	At     raft.Time   `msgpack:"at"` // of the first; the node's lab clock
	From   raft.NodeID `msgpack:"from"`
	Frames uint64      `msgpack:"frames"`
}

// State is raft.Status and what the process knows beside it.
type State struct {
	At raft.Time `msgpack:"at"` // node's lab clock
	// Held: the node knows that its clock stands. Until release nothing in its
	// state changes but by an order.
	Held          bool                `msgpack:"held"`
	Role          raft.Role           `msgpack:"role"`
	Term          raft.Term           `msgpack:"term"`
	Vote          raft.NodeID         `msgpack:"vote"`
	Leader        raft.NodeID         `msgpack:"leader"`
	Last          raft.Index          `msgpack:"last"`
	LastTerm      raft.Term           `msgpack:"last_term"`
	Durable       raft.Index          `msgpack:"durable"`
	Commit        raft.Index          `msgpack:"commit"`
	Applied       raft.Index          `msgpack:"applied"`
	TimerStart    raft.Time           `msgpack:"timer_start"`
	TimerEnd      raft.Time           `msgpack:"timer_end"`
	Runs          []raft.TermRun      `msgpack:"runs"` // the newest of the log
	Votes         []raft.Vote         `msgpack:"votes"`
	Peers         []raft.Progress     `msgpack:"peers"`
	Base          raft.Index          `msgpack:"base"` // the log holds the entries behind it
	Config        raft.Configuration  `msgpack:"config"`
	ConfigIndex   raft.Index          `msgpack:"config_index"`
	Target        *raft.Configuration `msgpack:"target"` // what a leader is catching learners up for
	TransferTo    raft.NodeID         `msgpack:"transfer_to"`
	LeaseEnd      raft.Time           `msgpack:"lease_end"`
	SnapshotIndex raft.Index          `msgpack:"snapshot_index"`
	SnapshotTerm  raft.Term           `msgpack:"snapshot_term"`
	SnapshotBytes int64               `msgpack:"snapshot_bytes"` // the newest snapshot's size
	Snapshotting  bool                `msgpack:"snapshotting"`   // one is being written
	Pending       int                 `msgpack:"pending"`        // clients' requests waiting for their entry to commit, or for an index to be read at
	DataBytes     int64               `msgpack:"data_bytes"`     // on disk
	Dropped       uint64              `msgpack:"dropped"`        // states never sent because a newer one came
}

// Fact is a raft.Event, or a stretch of equal ones: appends and commits that
// follow each other under load arrive as one Fact from First to Index.
type Fact = raft.Event
