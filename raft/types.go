package raft

import "strconv"

// NodeID names a server. IDs start at 1; 0 is nobody ("no vote", "no leader").
type NodeID uint64

// String is the paper's spelling, S1, S2, …; "-" for nobody.
func (id NodeID) String() string {
	if id == 0 {
		return "-"
	}
	return "S" + strconv.FormatUint(uint64(id), 10)
}

// Term is the logical clock of §5.1. Terms start at 1; 0 is before all terms.
type Term uint64

// Index is a position in the log. The first entry has index 1 (Figure 2).
type Index uint64

// Time is an instant on the lab clock, in nanoseconds. It never goes back.
type Time int64

// Duration is a length of lab time, in nanoseconds.
type Duration int64

// Never is a deadline that does not come.
const Never = Time(1<<63 - 1)

// Role is what a server is at the moment (§5.1, Figure 4).
type Role uint8

// The roles. A PreCandidate asks whether it could win before it raises its
// term (thesis §9.6).
const (
	Follower Role = iota
	PreCandidate
	Candidate
	Leader
)

func (r Role) String() string {
	switch r {
	case Follower:
		return "follower"
	case PreCandidate:
		return "precandidate"
	case Candidate:
		return "candidate"
	case Leader:
		return "leader"
	}
	return "role(" + strconv.Itoa(int(r)) + ")"
}

// EntryKind says what an entry is for.
type EntryKind uint8

const (
	// EntryNoop opens a term (§8): it carries nothing and lets the entries
	// before it commit.
	EntryNoop EntryKind = iota
	// EntryCommand is a command for the state machine, opaque to this package.
	EntryCommand
	// EntryConfig is a cluster configuration (§6).
	EntryConfig
)

func (k EntryKind) String() string {
	switch k {
	case EntryNoop:
		return "noop"
	case EntryCommand:
		return "command"
	case EntryConfig:
		return "config"
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// Entry is one slot of the replicated log (§5.3). Data must not be changed by
// anybody once the entry was handed over.
type Entry struct {
	Index Index
	Term  Term
	Kind  EntryKind
	Data  []byte
}

// HardState is what a server must have on stable storage before it answers
// (Figure 2: currentTerm, votedFor; the log is handed out separately).
type HardState struct {
	Term Term
	Vote NodeID
}

// TermRun is a stretch of consecutive entries of one term: the entries from
// First up to the next run's First, or to the end of the log. A log as a list
// of runs is a few dozen bytes however long it is.
type TermRun struct {
	First Index
	Term  Term
}

// SnapshotMeta says what a snapshot stands for (§7): the state after all
// entries up to and including Index, whose term is Term, were applied, and the
// newest configuration up to there. Index 0 is no snapshot.
type SnapshotMeta struct {
	Index  Index
	Term   Term
	Config Configuration
}

// Storage gives back what was persisted and the Node does not keep in memory.
// It is called while the Node runs, so it must be quick.
type Storage interface {
	// Entries returns the entries lo ≤ index < hi in order: at least the first
	// of them, then as many as fit into maxBytes of Data.
	Entries(lo, hi Index, maxBytes int) ([]Entry, error)

	// SnapshotChunk returns the bytes of the snapshot of index from offset on: at
	// least one and at most maxBytes, unless offset is its end, and whether they
	// are its last. The error wraps [ErrNoSnapshot] when there is no such snapshot
	// any more, because a newer one took its place.
	SnapshotChunk(index Index, offset int64, maxBytes int) (data []byte, done bool, err error)
}

// Message is one RPC or one answer on its way (Figure 2).
type Message struct {
	From, To NodeID
	Term     Term // the sender's currentTerm; a pre-vote and its grant carry the term asked about
	Body     Body
}

// Body is the content of a Message: *RequestVote, *AppendEntries,
// *InstallSnapshot, *ReadIndex, one of their replies, or *TimeoutNow.
type Body interface{ body() }

// RequestVote asks for a vote (§5.2, §5.4.1), or with PreVote whether a vote
// would be given (thesis §9.6).
type RequestVote struct {
	PreVote bool
	// Transfer says that the candidate was told to stand, by the leader that hands
	// over to it (thesis §3.10) or by [Node.Campaign]: that a leader is heard from
	// is no reason to ignore it (thesis §4.2.3).
	Transfer     bool
	LastLogIndex Index
	LastLogTerm  Term
}

// RequestVoteReply answers a RequestVote of the same PreVote.
type RequestVoteReply struct {
	PreVote bool
	Granted bool
}

// AppendEntries replicates entries; with none it is a heartbeat (§5.2, §5.3).
// The leader is the message's From.
type AppendEntries struct {
	PrevLogIndex Index
	PrevLogTerm  Term
	Entries      []Entry
	LeaderCommit Index
	// Round numbers the leader's newest wish to know that it still leads; whoever
	// answers repeats it (thesis §6.4).
	Round uint64
}

// AppendEntriesReply answers an AppendEntries (§5.3).
//
// PrevLogIndex echoes the request's, so that a late answer is told from a new
// one. On success Match is the last index up to which the follower's durable
// log agrees with the leader's; that the logs agree at PrevLogIndex is known
// even where Match, waiting for the disk, is still below. On refusal Match is
// 0; ConflictTerm and ConflictIndex let the leader walk back a term at a time:
// the term of the follower's entry at PrevLogIndex and the first index it has
// of that term, or 0 and the follower's last index + 1 when its log is too
// short. Both are 0 in a refusal that is about the term alone (§5.1).
type AppendEntriesReply struct {
	Success       bool
	Match         Index
	PrevLogIndex  Index
	ConflictTerm  Term
	ConflictIndex Index
	Round         uint64 // the request's
}

// InstallSnapshot carries one chunk of a snapshot to a follower that lags
// behind the leader's log (Figure 13): the bytes from Offset on.
type InstallSnapshot struct {
	Meta   SnapshotMeta // LastIncludedIndex, LastIncludedTerm, LastConfig
	Offset int64
	Data   []byte
	Done   bool // these are the last bytes
	Round  uint64
}

// InstallSnapshotReply answers an InstallSnapshot. Index and Offset echo the
// request's. Next is the offset the follower wants next; a follower that has
// all the snapshot stands for, because it was the last chunk or it never
// needed it, says Done.
type InstallSnapshotReply struct {
	Index  Index
	Offset int64
	Next   int64
	Done   bool
	Round  uint64
}

// TimeoutNow tells the receiver to stand for election at once: the leader
// hands over to it (thesis §3.10).
type TimeoutNow struct{}

// ReadIndex asks the leader, on behalf of a follower's clients, for an index
// that a read has to wait for (thesis §6.4).
type ReadIndex struct {
	ID uint64 // the follower's number for it
}

// ReadIndexReply answers a ReadIndex: reads that came before it was asked may
// be served once the state machine has applied Index.
type ReadIndexReply struct {
	ID    uint64
	Index Index
}

func (*RequestVote) body()          {}
func (*RequestVoteReply) body()     {}
func (*AppendEntries) body()        {}
func (*AppendEntriesReply) body()   {}
func (*InstallSnapshot) body()      {}
func (*InstallSnapshotReply) body() {}
func (*TimeoutNow) body()           {}
func (*ReadIndex) body()            {}
func (*ReadIndexReply) body()       {}
