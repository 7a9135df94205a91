package raft

// Rule is a rule of Raft: whose it is, or which step of which RPC, as in
// Figures 2 and 13; what it says; and where it stands.
//
// Rules of which there is no Event fire where they can be seen without: entries
// are applied in [Ready].Committed, and what is sent again and again (heartbeats,
// retries of RPCs, §5.5) are messages, for which see [Message.Rule].
type Rule struct {
	Name    string // "RequestVote 2"
	Text    string // "one vote a term, for a candidate whose log is at least as up to date"
	Section string // "§5.2, §5.4.1"
}

// String is like "RequestVote 1: refuse an older term (§5.1)"; "" for no rule.
func (r Rule) String() string {
	if r.Name == "" {
		return ""
	}
	return r.Name + ": " + r.Text + " (" + r.Section + ")"
}

// Rule is the rule that e is an instance of.
func (e *Event) Rule() Rule {
	switch e.Kind {
	case EventRole:
		return e.roleRule()
	case EventTimeout:
		switch {
		case e.Forced && e.Peer != 0:
			return Rule{"Leadership transfer", "whom the leader tells to stand does so at once, as if its timer had run out", "thesis §3.10"}
		case e.Role == Candidate:
			return Rule{"Candidates", "an election without a winner times out and is held again", "§5.2"}
		}
		return Rule{"Followers", "no word of a leader for an election timeout starts an election", "§5.2"}
	case EventTermSeen:
		return Rule{"All servers", "a higher term in a message is adopted, and its receiver is a follower", "§5.1"}
	case EventVoteGiven:
		if e.PreVote {
			return Rule{"PreVote", "asked before any term is raised; grants promise nothing", "thesis §9.6"}
		}
		return Rule{"RequestVote 2", "one vote a term, for a candidate whose log is at least as up to date", "§5.2, §5.4.1"}
	case EventVoteRefused, EventAppendRefused:
		return e.refusalRule()
	case EventVoteCounted:
		if e.PreVote {
			return Rule{"PreVote", "yes from a majority starts a real election", "thesis §9.6"}
		}
		return Rule{"Candidates", "votes from a majority make a leader", "§5.2"}
	case EventElected:
		return Rule{"Candidates", "votes from a majority make a leader, at most one a term", "§5.2, Election Safety"}
	case EventAppended:
		if e.Peer == 0 {
			return Rule{"Leaders", "append an entry to the own log, replicate it, answer once it is applied", "§5.3"}
		}
		return Rule{"AppendEntries 4", "append the entries not already in the log", "§5.3"}
	case EventTruncated:
		return Rule{"AppendEntries 3", "an entry that conflicts with the leader's goes, with all that follow it", "§5.3"}
	case EventBackedUp:
		return Rule{"Leaders", "on a refusal nextIndex goes back, a term at a time, and the append is tried again", "§5.3"}
	case EventCommitted:
		if e.Peer == 0 {
			return Rule{"Leaders", "an entry of the own term on a majority is committed, and with it all before it", "§5.3, §5.4.2"}
		}
		return Rule{"AppendEntries 5", "commitIndex = min(leaderCommit, index of last new entry)", "§5.3"}
	case EventCommitHeld:
		return Rule{"Leaders", "only entries of the current term commit by counting replicas", "§5.4.2"}
	case EventConfigured, EventConfigCommitted, EventCatchingUp, EventCaughtUp, EventChangeDropped:
		return e.configRule()
	case EventSteppedDown:
		if e.Reason == ReasonRemoved {
			return Rule{"Membership", "a leader that C_new does not have steps down once C_new is committed", "§6"}
		}
		return Rule{"CheckQuorum", "a leader that no majority answers for an election timeout steps down", "thesis §6.2"}
	case EventTransferStarted:
		return Rule{"Leadership transfer", "the leader takes no proposals and brings the other's log up to its own", "thesis §3.10"}
	case EventTransferSent:
		return Rule{"Leadership transfer", "TimeoutNow lets the other stand without waiting for its timer", "thesis §3.10"}
	case EventTransferFailed:
		return Rule{"Leadership transfer", "what is not done within an election timeout is given up", "thesis §3.10"}
	case EventSnapshotTaken:
		return Rule{"Snapshots", "the state machine's state stands for the entries that led to it", "§7"}
	case EventCompacted:
		return Rule{"Snapshots", "entries that a snapshot stands for may be dropped from the log", "§7"}
	case EventSnapshotSent:
		return Rule{"Leaders", "a follower that needs entries the log no longer has is sent the snapshot", "§7"}
	case EventSnapshotDone:
		return Rule{"Leaders", "behind a snapshot that has arrived, replication goes on", "§7"}
	case EventSnapshotReceived:
		return Rule{"InstallSnapshot 2", "the first chunk creates a new snapshot file", "§7, Figure 13"}
	case EventSnapshotInstalled:
		if e.Granted {
			return Rule{"InstallSnapshot 6", "an entry with the snapshot's last index and term is there: what follows it is kept", "§7, Figure 13"}
		}
		return Rule{"InstallSnapshot 7, 8", "the entire log is discarded, the state machine is reset to the snapshot's", "§7, Figure 13"}
	case EventReadConfirmed:
		return Rule{"ReadIndex", "a majority has confirmed the leader since the read came: it waits for the commit index of then", "§8, thesis §6.4"}
	case EventLeaseRead:
		return Rule{"Lease", "until it ends nobody else can be elected, if clocks run alike: the read asks nobody", "thesis §6.4.1"}
	}
	return Rule{}
}

func (e *Event) roleRule() Rule {
	switch {
	case e.Role == Leader:
		return Rule{"Leaders", "heartbeats at once, and a no-op that lets earlier entries commit", "§5.2, §8"}
	case e.Role == Candidate:
		return Rule{"Candidates", "raise the term, vote for self, reset the timer, ask all", "§5.2"}
	case e.Role == PreCandidate:
		return Rule{"PreVote", "a server asks first, so that one that cannot win does not disturb", "thesis §9.6"}
	case e.Peer != 0:
		return Rule{"Candidates", "AppendEntries of a current leader makes a follower", "§5.2"}
	}
	return Rule{"Followers", "answer candidates and leaders", "§5.2"}
}

func (e *Event) refusalRule() Rule {
	switch e.Reason {
	case ReasonOldTerm:
		if e.Kind == EventAppendRefused {
			return Rule{"AppendEntries 1", "refuse an older term", "§5.1"}
		}
		return Rule{"RequestVote 1", "refuse an older term", "§5.1"}
	case ReasonVoted:
		return Rule{"RequestVote 2", "one vote a term", "§5.2"}
	case ReasonLogNewer:
		return Rule{"RequestVote 2", "the candidate's log must be at least as up to date: last term, then length", "§5.4.1"}
	case ReasonLeaderKnown:
		return Rule{"PreVote", "refused while a leader is heard from", "thesis §9.6"}
	case ReasonLeaderHeard:
		return Rule{"Membership", "within the minimum election timeout of hearing a leader, RequestVote and its term are ignored", "§6"}
	case ReasonLogShort, ReasonLogConflict:
		return Rule{"AppendEntries 2", "refuse without an entry at prevLogIndex whose term is prevLogTerm", "§5.3"}
	}
	return Rule{}
}

func (e *Event) configRule() Rule {
	switch {
	case e.Kind == EventCatchingUp:
		return Rule{"Membership", "new servers are learners until they have the log", "§6, thesis §4.2.1"}
	case e.Kind == EventCaughtUp:
		return Rule{"Membership", "a round of catching up shorter than an election timeout: the rest cannot take long", "thesis §4.2.1"}
	case e.Kind == EventChangeDropped:
		return Rule{"Membership", "a change that cannot be made is given up before it costs availability", "thesis §4.2.1"}
	case e.Reverted:
		return Rule{"Membership", "when its entry is deleted, the configuration before it counts again", "§6"}
	case e.Kind == EventConfigCommitted && e.Config.Joint():
		return Rule{"Membership", "once C_old,new is committed, the leader appends C_new", "§6"}
	case e.Kind == EventConfigCommitted:
		return Rule{"Membership", "once C_new is committed, servers that are not in it can be shut down", "§6"}
	case e.Config.Joint():
		return Rule{"Membership", "while C_old,new counts, decisions need a majority of both", "§6"}
	}
	return Rule{"Membership", "the newest configuration in the log counts, committed or not", "§6"}
}

// Rule is the rule by which m is sent.
func (m *Message) Rule() Rule {
	switch b := m.Body.(type) {
	case *RequestVote:
		switch {
		case b.PreVote:
			return Rule{"PreVote", "a server asks first whether it could win", "thesis §9.6"}
		case b.Transfer:
			return Rule{"Leadership transfer", "who was told to stand is not to be ignored though a leader is heard", "thesis §4.2.3"}
		}
		return Rule{"Candidates", "ask all other servers, again and again until they answer", "§5.2, §5.5"}
	case *RequestVoteReply:
		return Rule{"RequestVote", "answer with the own term and whether the vote is given", "§5.2, §5.4.1"}
	case *AppendEntries:
		if len(b.Entries) == 0 {
			return Rule{"Leaders", "heartbeats at once and while idle, to prevent election timeouts", "§5.2"}
		}
		return Rule{"Leaders", "send the entries from nextIndex on", "§5.3"}
	case *AppendEntriesReply:
		return Rule{"AppendEntries", "answer once what was taken is on stable storage", "§5.3, Figure 2"}
	case *InstallSnapshot:
		return Rule{"Leaders", "send the snapshot, a chunk at a time, where the log no longer has the entries", "§7"}
	case *InstallSnapshotReply:
		return Rule{"InstallSnapshot 4", "reply, and wait for more chunks unless this was the last", "§7, Figure 13"}
	case *TimeoutNow:
		return Rule{"Leadership transfer", "tell whose log is up to date to stand at once", "thesis §3.10"}
	case *ReadIndex:
		return Rule{"ReadIndex", "a follower asks its leader for its readers", "thesis §6.4"}
	case *ReadIndexReply:
		return Rule{"ReadIndex", "the leader answers when a majority has confirmed it", "thesis §6.4"}
	}
	return Rule{}
}
