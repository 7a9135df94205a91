package raft

// Ready is what the caller owes a Node. Duties are taken in this order:
//
//  1. Messages may leave at once, even before State and Entries are durable: a
//     leader replicates while its own disk writes (thesis §10.2.1).
//  2. State and Entries go to stable storage. Entries[0] may overwrite: what the
//     disk holds from Entries[0].Index on is dropped first. When they are
//     durable, the caller says [Node.Persisted] with this Ready's Sync. Several
//     Readys may be on their way to the disk at once; they become durable in order.
//  3. AfterSync leaves once everything up to and including this Ready is durable
//     (Figure 2: "updated on stable storage before responding to RPCs").
//  4. Committed is applied, in order, each entry once; then [Node.Applied].
//
// State and Entries of one Ready are written State first, so that a torn write
// leaves no entry of a term the server does not know of.
//
// Entries, Committed and the bodies of messages may be kept but share memory
// with the Node and must not be changed; Events, and the Nodes in them, are valid until the next call of [Node.Ready].
//
// Err, a *[StorageError], says that the Node has stopped because entries it
// had persisted could not be read back. Nothing else is set then, every later
// call says the same, and the server must end as if it had crashed: what it
// promised is on its disk or was never promised.
type Ready struct {
	Messages  []Message
	Sync      uint64     // number of this Ready's disk write, 0 when there is nothing to persist
	State     *HardState // nil when unchanged
	Entries   []Entry
	AfterSync []Message
	Committed []Entry
	Events    []Event
	Err       error
}

// EventKind says which step of the protocol an Event reports.
type EventKind uint8

// The events. The fields each one fills are named beside it; Term is always
// the node's currentTerm after the step.
const (
	// EventRole: the node became Role in Term. Peer is the leader when known.
	EventRole EventKind = iota + 1
	// EventTimeout: no leader was heard for Span; an election starts. Forced is
	// set when the caller asked for it ([Node.Campaign]).
	EventTimeout
	// EventTermSeen: a message of Peer carried the higher Term, adopted (§5.1).
	EventTermSeen
	// EventVoteGiven: voted for Peer, whose log ends at (Index, LogTerm). PreVote tells which ballot.
	EventVoteGiven
	// EventVoteRefused: refused Peer its vote because of Reason.
	EventVoteRefused
	// EventVoteCounted: Peer answered this candidate; Granted tells how.
	EventVoteCounted
	// EventElected: won Term with the votes of Nodes (§5.2).
	EventElected
	// EventAppended: entries First..Index, the last of them of LogTerm, joined the log.
	// Peer is the leader they came from, 0 when this node made them.
	EventAppended
	// EventTruncated: entries First..Index conflicted with leader Peer's and were deleted (§5.3).
	EventTruncated
	// EventAppendRefused: refused AppendEntries of Peer because of Reason; Index is its prevLogIndex, LogTerm its prevLogTerm.
	EventAppendRefused
	// EventBackedUp: a refusal made the leader move nextIndex of Peer back to Index (§5.3).
	EventBackedUp
	// EventCommitted: commitIndex moved from First-1 to Index, whose term is LogTerm. On a
	// leader Nodes are the servers known to store it; on a follower Peer is the leader.
	EventCommitted
	// EventCommitHeld: a majority stores Index, but its LogTerm is older than Term, so
	// counting replicas does not commit it (§5.4.2).
	EventCommitHeld
)

// Reason says why a vote or an append was refused.
type Reason uint8

const (
	// ReasonOldTerm: the request's term is older than the node's (§5.1).
	ReasonOldTerm Reason = iota + 1
	// ReasonVoted: this term's vote went to Other (§5.2).
	ReasonVoted
	// ReasonLogNewer: the node's own log is more up to date than the candidate's (§5.4.1).
	ReasonLogNewer
	// ReasonLeaderKnown: a pre-vote while leader Other is heard from (thesis §9.6).
	ReasonLeaderKnown
	// ReasonLogShort: the node has no entry at prevLogIndex (§5.3).
	ReasonLogShort
	// ReasonLogConflict: the node's entry at prevLogIndex is of Other term (§5.3).
	ReasonLogConflict
	// ReasonUnknownNode: the sender is not in this node's configuration.
	ReasonUnknownNode
)

// Event is one fact about a step the Node took, for logs, views and checkers.
// Which fields count depends on Kind.
type Event struct {
	Kind    EventKind
	At      Time
	Term    Term
	Role    Role
	Peer    NodeID
	Other   NodeID // ReasonVoted: who has the vote; ReasonLeaderKnown: the leader
	First   Index
	Index   Index
	LogTerm Term
	OwnTerm Term  // ReasonLogConflict, ReasonLogNewer: the term of the node's own entry
	Own     Index // ReasonLogNewer, ReasonLogShort: the node's own last index
	Span    Duration
	Granted bool
	PreVote bool
	Forced  bool
	Reason  Reason
	Nodes   []NodeID
}
