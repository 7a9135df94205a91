package raft

// Ready is what the caller owes a Node. Duties are taken in this order:
//
//  1. Messages may leave at once, even before State and Entries are durable: a
//     leader replicates while its own disk writes (thesis §10.2.1).
//  2. Chunks are written to the snapshot they belong to, in order. They need not
//     be durable before an Install asks for it, and may be lost in a crash.
//  3. State, Install and Entries go to stable storage. Install puts the snapshot
//     whose chunks are complete in its place; Entries[0] may overwrite: what the
//     disk holds from Entries[0].Index on is dropped first. In whatever order the
//     caller does that, at no moment may the disk hold an entry or a snapshot of a
//     term it does not know of, or a log that does not follow its snapshot. When
//     all is durable, the caller says [Node.Persisted] with this Ready's Sync.
//     Several Readys may be on their way to the disk at once; they become durable
//     in order.
//  4. AfterSync leaves once everything up to and including this Ready is durable
//     (Figure 2: "updated on stable storage before responding to RPCs").
//  5. After an Install the state machine is made the snapshot's, before anything
//     else is applied. Committed is applied, in order, each entry once.
//     [Node.Applied] says how far the state machine is, its snapshot included.
//  6. Reads whose Index is applied are answered.
//
// Entries, AfterSync, Committed and the bodies of messages may be kept but share
// memory with the Node and each other and must not be changed; Messages, Events,
// Reads, and what the latter point to, are valid until the next call of
// [Node.Ready].
//
// Err, a *[StorageError], says that the Node has stopped because entries it
// had persisted could not be read back. Nothing else is set then, every later
// call says the same, and the server must end as if it had crashed: what it
// promised is on its disk or was never promised.
type Ready struct {
	Messages  []Message
	Chunks    []SnapshotChunk
	Install   *Install   // nil unless a snapshot is complete
	Sync      uint64     // number of this Ready's disk write, 0 when there is nothing to persist
	State     *HardState // nil when unchanged
	Entries   []Entry
	AfterSync []Message
	Committed []Entry
	Reads     []Read
	Events    []Event
	Err       error
}

// SnapshotChunk is a piece of a leader's snapshot to be written aside. One
// with Offset 0 starts anew: what was written aside before is of no more use.
type SnapshotChunk struct {
	Meta   SnapshotMeta
	Offset int64
	Data   []byte
}

// Install tells that the snapshot of Meta, whose chunks have all been handed
// out, is to take effect. KeepLog says which of §7's two cases it is: the log has
// an entry of the snapshot's index and term and what follows it stays, or all
// of the log goes.
type Install struct {
	Meta    SnapshotMeta
	KeepLog bool
}

// Read tells what became of a [Node.Read]. When OK, it may be answered once
// the state machine has applied Index. Else this node lost the leadership, or
// the leader, before that was certain; the caller may ask again.
type Read struct {
	ID    uint64
	Index Index
	OK    bool
}

// EventKind says which step of the protocol an Event reports.
type EventKind uint8

// The events. The fields each one fills are named beside it; Term is always
// the node's currentTerm after the step.
const (
	// EventRole: the node became Role in Term. Peer is the leader when known.
	EventRole EventKind = iota + 1
	// EventTimeout: no leader was heard for Span; Role, which it was, stands for election. Forced is set
	// when somebody asked for it: leader Peer (thesis §3.10), or the caller ([Node.Campaign]).
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
	// EventConfigured: Config takes effect, because its entry Index joined the
	// log, or because a snapshot brought it (§6). Reverted tells that the entry of
	// a newer one was truncated and Config counts again.
	EventConfigured
	// EventConfigCommitted: Config, of entry Index, is committed (§6).
	EventConfigCommitted
	// EventCatchingUp: the leader brings the learners Nodes up to date before it
	// proposes Config, in which they vote (thesis §4.2.1).
	EventCatchingUp
	// EventCaughtUp: Peer's round of catching up up to Index took Span, short enough to vote.
	EventCaughtUp
	// EventChangeDropped: the leader gives up the change to Config because of Reason.
	EventChangeDropped
	// EventSteppedDown: a leader gives up its leadership because of Reason; Nodes are those it heard from.
	EventSteppedDown
	// EventTransferStarted: the leader takes no proposals and brings Peer up to date, to hand over to it (thesis §3.10).
	EventTransferStarted
	// EventTransferSent: the leader told Peer, whose log is as its own, to stand now.
	EventTransferSent
	// EventTransferFailed: Peer did not take over within an election timeout; the leader goes on.
	EventTransferFailed
	// EventSnapshotTaken: the state up to Index, of LogTerm, is in a snapshot (§7).
	EventSnapshotTaken
	// EventCompacted: the log's entries up to Index are dropped: a snapshot stands for them (§7).
	EventCompacted
	// EventSnapshotSent: Peer needs entries that are dropped, and is sent the snapshot of Index, LogTerm instead (§7).
	EventSnapshotSent
	// EventSnapshotDone: Peer has the snapshot of Index; replication goes on behind it.
	EventSnapshotDone
	// EventSnapshotReceived: leader Peer's snapshot of Index, LogTerm starts to arrive.
	EventSnapshotReceived
	// EventSnapshotInstalled: leader Peer's snapshot of Index, LogTerm replaces the state machine. Granted tells that
	// the log behind it is kept (Figure 13, step 6), else all of the log went (step 7).
	EventSnapshotInstalled
	// EventReadConfirmed: Nodes, a majority, answered after the reads came, so they may be served at commit index Index (thesis §6.4).
	EventReadConfirmed
	// EventLeaseRead: reads are served at commit index Index on the lease, which holds for Span still (thesis §6.4.1).
	EventLeaseRead
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
	// ReasonLeaderHeard: a vote is not even considered, and its term not adopted,
	// within the minimum election timeout of hearing leader Other (§6).
	ReasonLeaderHeard
	// ReasonQuorumLost: no majority answered the leader for an election timeout (thesis §6.2).
	ReasonQuorumLost
	// ReasonRemoved: the committed configuration does not have the leader (§6).
	ReasonRemoved
	// ReasonTooSlow: the new servers Nodes did not catch up in time (thesis §4.2.1).
	ReasonTooSlow
	// ReasonLeadershipLost: the node leads no more.
	ReasonLeadershipLost
)

// Event is one fact about a step the Node took, for logs, views and checkers.
// Which fields count depends on Kind.
type Event struct {
	Kind    EventKind
	At      Time
	Term    Term
	Role    Role
	Peer    NodeID
	Other   NodeID // ReasonVoted: who has the vote; ReasonLeaderKnown, ReasonLeaderHeard: the leader
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

	Config   *Configuration // not to be changed
	Reverted bool
}
