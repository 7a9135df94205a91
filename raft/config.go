package raft

// Config is fixed when a Node is made.
type Config struct {
	ID      NodeID
	Members Configuration // the cluster, this node included

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

	// Seed starts the node's own random sequence, from which timeouts are drawn.
	Seed uint64

	// MaxAppendBytes bounds the Data of one AppendEntries (one larger entry still
	// goes); 0 means 1 MiB. MaxInflight bounds the AppendEntries with entries that
	// are under way to one peer unanswered; 0 means 64. MaxInflightBytes stops
	// them earlier once they carry so many bytes together; 0 means 8 MiB.
	MaxAppendBytes   int
	MaxInflight      int
	MaxInflightBytes int

	// MaxCachedBytes bounds the Data of persisted and applied entries the node
	// keeps in memory; older ones are asked back from Storage. 0 means 16 MiB.
	MaxCachedBytes int

	// In these bounds an entry counts 64 bytes beside its Data.
}

// Restored is what a server finds on its disk when it starts. The zero value
// is a new server.
type Restored struct {
	HardState HardState
	Runs      []TermRun // the log's terms, ascending; empty when the log is
	LastIndex Index
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
	Runs       []TermRun
	Members    Configuration
}

// Vote is one answer a candidate or precandidate has counted.
type Vote struct {
	From    NodeID
	Granted bool
}

// Progress is a leader's view of one follower (Figure 2: nextIndex, matchIndex).
type Progress struct {
	ID       NodeID
	Next     Index
	Match    Index
	Inflight int  // AppendEntries under way
	Probing  bool // looking for the point where the logs agree
	LastAck  Time // when the follower last answered
}
