package raft

// Timer says what a node has to do at a deadline.
type Timer uint8

const (
	// TimerNone: nothing is due, ever.
	TimerNone Timer = iota
	// TimerElection: no leader was heard in time, or an election was not won in time (§5.2).
	TimerElection
	// TimerHeartbeat: a leader's followers are to hear of it (§5.2).
	TimerHeartbeat
	// TimerRetry: a candidate asks those again who have not answered (§5.5).
	TimerRetry
	// TimerTell: followers are to be told of a commit that nothing else told them.
	TimerTell
	// TimerQuorum: a leader looks whether a majority still answers it (thesis §6.2).
	TimerQuorum
	// TimerRead: a node whose readers wait asks its leader again for an index (thesis §6.4).
	TimerRead
	// TimerTransfer: a leader that hands over gives it up (thesis §3.10).
	TimerTransfer
)

// String is like "election", "heartbeat".
func (t Timer) String() string {
	switch t {
	case TimerElection:
		return "election"
	case TimerHeartbeat:
		return "heartbeat"
	case TimerRetry:
		return "retry"
	case TimerTell:
		return "tell"
	case TimerQuorum:
		return "quorum"
	case TimerRead:
		return "read"
	case TimerTransfer:
		return "transfer"
	}
	return "none"
}

// Due is [Node.Deadline], and what is to be done by then. Of several things
// that are due at the same time it is the one that [Node.Tick] does first.
func (n *Node) Due() (Time, Timer) {
	at := n.Deadline()
	if at == Never {
		return Never, TimerNone
	}
	switch at {
	case n.handing.until:
		return at, TimerTransfer
	case n.quorum.checkAt:
		return at, TimerQuorum
	case n.timer.end:
		if n.role == Leader {
			return at, TimerHeartbeat
		}
		return at, TimerElection
	case n.tellAt:
		return at, TimerTell
	case n.retryAt:
		return at, TimerRetry
	}
	return at, TimerRead
}

// TickOne does what [Node.Due] says, when its time has come, and nothing else
// that is due. [Node.Tick] does all of it.
func (n *Node) TickOne(now Time) {
	at, timer := n.Due()
	if n.advance(now); n.now < at {
		return
	}
	switch timer {
	case TimerTransfer:
		n.endTransfer()
	case TimerQuorum:
		n.hearsQuorum()
	case TimerHeartbeat:
		n.heartbeat()
	case TimerElection:
		n.electionTimeout(Event{})
	case TimerTell:
		n.tellAt, n.telling = Never, true
	case TimerRetry:
		n.askSilentVoters()
	case TimerRead:
		n.askLeader()
	}
}
