package wire

import "strconv"

// String is the kind's name in views, recordings and errors.
func (k Kind) String() string {
	switch k {
	case KindHello:
		return "hello"
	case KindVote:
		return "vote"
	case KindVoteReply:
		return "vote-reply"
	case KindPreVote:
		return "prevote"
	case KindPreVoteReply:
		return "prevote-reply"
	case KindAppend:
		return "append"
	case KindAppendReply:
		return "append-reply"
	case KindHeartbeat:
		return "heartbeat"
	case KindSnapshot:
		return "snapshot"
	case KindSnapshotReply:
		return "snapshot-reply"
	case KindTimeoutNow:
		return "timeout-now"
	case KindReadIndex:
		return "read-index"
	case KindReadIndexReply:
		return "read-index-reply"
	case KindRequest:
		return "request"
	case KindReply:
		return "reply"
	case KindRegister:
		return "register"
	case KindConfigure:
		return "configure"
	case KindReport:
		return "report"
	case KindClock:
		return "clock"
	case KindOrder:
		return "order"
	case KindOutcome:
		return "outcome"
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// Raft tells whether a frame of this kind carries a raft.Message.
func (k Kind) Raft() bool { return k >= KindVote && k <= KindReadIndexReply }

// Reply tells whether a frame of this kind answers one of Raft's requests.
func (k Kind) Reply() bool {
	switch k {
	case KindVoteReply, KindPreVoteReply, KindAppendReply, KindSnapshotReply, KindReadIndexReply:
		return true
	}
	return false
}

// Known tells whether there is such an operation.
func (o Op) Known() bool { return o >= OpPut && o <= OpIncr }

// String is the operation's name on the command line.
func (o Op) String() string {
	switch o {
	case OpPut:
		return "put"
	case OpGet:
		return "get"
	case OpDel:
		return "del"
	case OpCAS:
		return "cas"
	case OpIncr:
		return "incr"
	}
	return "op(" + strconv.Itoa(int(o)) + ")"
}

// Known tells whether there is such a way to read.
func (r Read) Known() bool { return r <= ReadLease }

// String is the way's name on the command line.
func (r Read) String() string {
	switch r {
	case ReadLog:
		return "log"
	case ReadStale:
		return "stale"
	case ReadIndex:
		return "index"
	case ReadLease:
		return "lease"
	}
	return "read(" + strconv.Itoa(int(r)) + ")"
}
