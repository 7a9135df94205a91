package raft

import "strconv"

// Config is fixed when a Node is made.
type Config struct {
	ID NodeID

	// Members is the configuration that counts until the log or a snapshot has
	// one: the cluster at its start, the same on all its servers. A server that is
	// to join a cluster that runs has none, and waits to be told.
	Members Configuration

	// Heartbeat is how often an idle leader says so. ElectionMin and ElectionMax
	// bound the randomized election timeout (§5.2): each wait is drawn uniformly
	// from [ElectionMin, ElectionMax]. Heartbeat must be less than ElectionMin.
	Heartbeat, ElectionMin, ElectionMax Duration

	// TellCommitAfter is how long a leader waits for an entry that could carry a
	// new commitIndex to a follower, before it sends an AppendEntries for that
	// alone. §5.3 leaves it to the next one, which is a heartbeat away when no
	// client comes; at once, which 0 is, doubles the messages of a client that
	// waits for each answer.
	TellCommitAfter Duration

	// PreVote makes a node ask whether it could win before it raises its term
	// (thesis §9.6).
	PreVote bool

	// CheckQuorum makes a leader step down when for an election timeout no majority
	// has answered it (thesis §6.2).
	CheckQuorum bool

	// IgnoreVotes makes a server that hears a leader ignore requests for votes,
	// and their terms, so that removed servers disrupt nobody (§6, thesis §4.2.3).
	// Lease reads need it.
	IgnoreVotes bool

	// Transfer lets a leader hand over to a server of its choice (thesis §3.10):
	// on [Node.TransferLeadership], and when a change of the configuration removes it.
	Transfer bool

	// Unsafe are the rules switched off on purpose.
	Unsafe Unsafe

	// Seed starts the node's own random sequence, from which timeouts are drawn.
	Seed uint64

	// MaxAppendBytes bounds the Data of one AppendEntries (one larger entry still
	// goes); 0 means 1 MiB. MaxInflight bounds the AppendEntries with entries that
	// are under way to one peer unanswered; 0 means 64. MaxInflightBytes stops
	// them earlier once they carry so many bytes together; 0 means 8 MiB.
	MaxAppendBytes   int
	MaxInflight      int
	MaxInflightBytes int

	// MaxChunkBytes bounds the Data of one InstallSnapshot; 0 means 1 MiB.
	MaxChunkBytes int

	// MaxCachedBytes bounds the Data of persisted and applied entries the node
	// keeps in memory; older ones are asked back from Storage. 0 means 16 MiB.
	MaxCachedBytes int

	// In these bounds an entry counts 64 bytes beside its Data.
}

// Restored is what a server finds on its disk when it starts. The zero value
// is a new server.
type Restored struct {
	HardState HardState

	// Snapshot is the newest on disk; the state machine starts as it says.
	Snapshot SnapshotMeta

	// The log holds the entries behind Base, whose term is BaseTerm: behind 0 when
	// nothing was ever dropped, at most behind the snapshot's index.
	Base      Index
	BaseTerm  Term
	Runs      []TermRun // the log's terms, ascending, the first from Base+1 on; empty when the log is
	LastIndex Index     // Base when the log is empty

	// Configs are the log's entries of EntryConfig, ascending.
	Configs []Entry
}

// Status is a picture of a Node, for views. It shares nothing with the Node.
type Status struct {
	ID         NodeID
	Role       Role
	Term       Term
	Vote       NodeID
	Leader     NodeID // 0 when none is known
	LastIndex  Index
	LastTerm   Term
	Durable    Index // the last index on this node's stable storage
	Commit     Index
	Applied    Index
	TimerStart Time // when the running timer was set: election timer, or a leader's heartbeat timer
	TimerEnd   Time // when it fires
	Votes      []Vote
	Peers      []Progress // on a leader, ascending by ID
	Base       Index      // the log holds the entries behind it
	BaseTerm   Term
	Runs       []TermRun

	// Config is the newest configuration in the log, committed or not (§6);
	// ConfigIndex its entry, 0 when it is Config.Members.
	Config      Configuration
	ConfigIndex Index
	// Target is what a leader is catching learners up for (thesis §4.2.1).
	Target     *Configuration
	Snapshot   SnapshotMeta
	TransferTo NodeID // whom the leader is handing over to, 0 for nobody
	LeaseEnd   Time   // until when the leader may serve reads on its lease; 0 for not at all
}

// Vote is one answer a candidate or precandidate has counted.
type Vote struct {
	From    NodeID
	Granted bool
}

// Flow is how a leader sends to a peer.
type Flow uint8

const (
	// FlowProbe: looking for the point where the logs agree, one AppendEntries at a time.
	FlowProbe Flow = iota
	// FlowReplicate: entries are sent as they come, many under way at once.
	FlowReplicate
	// FlowSnapshot: what the peer needs is dropped from the log; it is sent the snapshot.
	FlowSnapshot
)

func (f Flow) String() string {
	switch f {
	case FlowProbe:
		return "probe"
	case FlowReplicate:
		return "replicate"
	case FlowSnapshot:
		return "snapshot"
	}
	return "flow(" + strconv.Itoa(int(f)) + ")"
}

// Progress is a leader's view of one follower (Figure 2: nextIndex, matchIndex).
type Progress struct {
	ID       NodeID
	Next     Index
	Match    Index
	Inflight int // AppendEntries under way
	Flow     Flow
	LastAck  Time // when the follower last answered

	SnapshotIndex  Index // of the snapshot it is sent, with FlowSnapshot
	SnapshotOffset int64 // how much of it has arrived
}
