package raft

import (
	"fmt"
	"strconv"
	"strings"
)

// One stable line of text for each thing the core speaks of, for logs, goldens
// and traces. An entry is written index/term: 44/7 is entry 44 of term 7.

// String is like "S1 -> S3 t7 append prev 43/7 entries 44/7..46/7 commit 43".
func (m Message) String() string {
	body := "nothing"
	if b, ok := m.Body.(fmt.Stringer); ok {
		body = b.String()
	}
	return fmt.Sprintf("%v -> %v t%d %s", m.From, m.To, m.Term, body)
}

// String is like "vote? log 43/7", "prevote? log 43/7" or, of a candidate that
// was told to stand, "vote? log 43/7 transfer".
func (v *RequestVote) String() string {
	if v.Transfer {
		return fmt.Sprintf("%s? log %d/%d transfer", ballotName(v.PreVote), v.LastLogIndex, v.LastLogTerm)
	}
	return fmt.Sprintf("%s? log %d/%d", ballotName(v.PreVote), v.LastLogIndex, v.LastLogTerm)
}

// String is like "vote yes", "prevote no".
func (r *RequestVoteReply) String() string {
	return ballotName(r.PreVote) + " " + yesNo(r.Granted)
}

// String is like "append prev 43/7 entries 44/7..46/7 commit 43" or, without
// entries, "heartbeat prev 46/7 commit 43".
func (a *AppendEntries) String() string {
	switch n := len(a.Entries); n {
	case 0:
		return fmt.Sprintf("heartbeat prev %d/%d commit %d", a.PrevLogIndex, a.PrevLogTerm, a.LeaderCommit)
	default:
		return fmt.Sprintf("append prev %d/%d entries %s commit %d", a.PrevLogIndex, a.PrevLogTerm, span(a.Entries), a.LeaderCommit)
	}
}

// String is like "ok 46 after 43" (46 matches, the request's prevLogIndex was
// 43), "refused after 43 conflict 41/5" (the conflicting term 5 starts at 41)
// "refused after 43 short 41" (41 is the first entry missing) or, when it is
// about the term alone, "refused after 43".
func (r *AppendEntriesReply) String() string {
	switch {
	case r.Success:
		return fmt.Sprintf("ok %d after %d", r.Match, r.PrevLogIndex)
	case r.ConflictTerm != 0:
		return fmt.Sprintf("refused after %d conflict %d/%d", r.PrevLogIndex, r.ConflictIndex, r.ConflictTerm)
	case r.ConflictIndex == 0:
		return fmt.Sprintf("refused after %d", r.PrevLogIndex)
	}
	return fmt.Sprintf("refused after %d short %d", r.PrevLogIndex, r.ConflictIndex)
}

// String is like "snapshot 40/7 bytes 0..1023", the last chunk's ends with "done".
func (s *InstallSnapshot) String() string {
	text := fmt.Sprintf("snapshot %d/%d bytes %d..%d", s.Meta.Index, s.Meta.Term, s.Offset, s.Offset+int64(len(s.Data)))
	if s.Done {
		text += " done"
	}
	return text
}

// String is like "snapshot 40 want 1024 after 0", "snapshot 40 done".
func (r *InstallSnapshotReply) String() string {
	if r.Done {
		return fmt.Sprintf("snapshot %d done", r.Index)
	}
	return fmt.Sprintf("snapshot %d want %d after %d", r.Index, r.Next, r.Offset)
}

func (*TimeoutNow) String() string { return "timeout now" }

// String is like "read? 12".
func (r *ReadIndex) String() string { return fmt.Sprintf("read? %d", r.ID) }

// String is like "read 12 at 43".
func (r *ReadIndexReply) String() string { return fmt.Sprintf("read %d at %d", r.ID, r.Index) }

// String is like "40/7 of S1 S2 S3".
func (m SnapshotMeta) String() string {
	return fmt.Sprintf("%d/%d of %v", m.Index, m.Term, m.Config)
}

// String is like "44/7 command", "44/7 noop".
func (e Entry) String() string { return fmt.Sprintf("%d/%d %v", e.Index, e.Term, e.Kind) }

// String is like "t7 vote S3".
func (s HardState) String() string { return fmt.Sprintf("t%d vote %v", s.Term, s.Vote) }

// span is like "44/7..46/7", or "44/7" for a single entry.
func span(entries []Entry) string {
	first, last := entries[0], entries[len(entries)-1]
	text := fmt.Sprintf("%d/%d", first.Index, first.Term)
	if len(entries) > 1 {
		text += fmt.Sprintf("..%d/%d", last.Index, last.Term)
	}
	return text
}

func (k EventKind) String() string {
	switch k {
	case EventRole:
		return "role"
	case EventTimeout:
		return "timeout"
	case EventTermSeen:
		return "term-seen"
	case EventVoteGiven:
		return "vote-given"
	case EventVoteRefused:
		return "vote-refused"
	case EventVoteCounted:
		return "vote-counted"
	case EventElected:
		return "elected"
	case EventAppended:
		return "appended"
	case EventTruncated:
		return "truncated"
	case EventAppendRefused:
		return "append-refused"
	case EventBackedUp:
		return "backed-up"
	case EventCommitted:
		return "committed"
	case EventCommitHeld:
		return "commit-held"
	case EventConfigured:
		return "configured"
	case EventConfigCommitted:
		return "config-committed"
	case EventCatchingUp:
		return "catching-up"
	case EventCaughtUp:
		return "caught-up"
	case EventChangeDropped:
		return "change-dropped"
	case EventSteppedDown:
		return "stepped-down"
	case EventTransferStarted:
		return "transfer-started"
	case EventTransferSent:
		return "transfer-sent"
	case EventTransferFailed:
		return "transfer-failed"
	case EventSnapshotTaken:
		return "snapshot-taken"
	case EventCompacted:
		return "compacted"
	case EventSnapshotSent:
		return "snapshot-sent"
	case EventSnapshotDone:
		return "snapshot-done"
	case EventSnapshotReceived:
		return "snapshot-received"
	case EventSnapshotInstalled:
		return "snapshot-installed"
	case EventReadConfirmed:
		return "read-confirmed"
	case EventLeaseRead:
		return "lease-read"
	}
	return "event(" + strconv.Itoa(int(k)) + ")"
}

func (r Reason) String() string {
	switch r {
	case ReasonOldTerm:
		return "old-term"
	case ReasonVoted:
		return "voted"
	case ReasonLogNewer:
		return "log-newer"
	case ReasonLeaderKnown:
		return "leader-known"
	case ReasonLogShort:
		return "log-short"
	case ReasonLogConflict:
		return "log-conflict"
	case ReasonLeaderHeard:
		return "leader-heard"
	case ReasonQuorumLost:
		return "quorum-lost"
	case ReasonRemoved:
		return "removed"
	case ReasonTooSlow:
		return "too-slow"
	case ReasonLeadershipLost:
		return "leadership-lost"
	}
	return "reason(" + strconv.Itoa(int(r)) + ")"
}

// String is the event's kind, its term and the fields that count for it, like
// "t7 committed 41..43/7 on S1 S3 S5". It leaves out when and by whom.
func (e Event) String() string {
	return fmt.Sprintf("t%d %v%s", e.Term, e.Kind, e.details())
}

func (e Event) details() string {
	switch e.Kind {
	case EventRole:
		if e.Peer != 0 {
			return fmt.Sprintf(" %v of %v", e.Role, e.Peer)
		}
		return fmt.Sprintf(" %v", e.Role)
	case EventTimeout:
		switch {
		case e.Forced && e.Peer != 0:
			return fmt.Sprintf(" forced by %v", e.Peer)
		case e.Forced:
			return " forced"
		}
		return fmt.Sprintf(" after %.1fms", float64(e.Span)/1e6)
	case EventTermSeen:
		return fmt.Sprintf(" from %v", e.Peer)
	case EventVoteGiven:
		return fmt.Sprintf(" %s to %v log %d/%d", ballotName(e.PreVote), e.Peer, e.Index, e.LogTerm)
	case EventVoteRefused:
		return fmt.Sprintf(" %s to %v because %v%s", ballotName(e.PreVote), e.Peer, e.Reason, e.reasonDetails())
	case EventVoteCounted:
		return fmt.Sprintf(" %s %s of %v", ballotName(e.PreVote), yesNo(e.Granted), e.Peer)
	case EventElected:
		return " by" + nodeList(e.Nodes)
	case EventAppended:
		if e.Peer != 0 {
			return fmt.Sprintf(" %s from %v", e.span(), e.Peer)
		}
		return " " + e.span()
	case EventTruncated:
		return fmt.Sprintf(" %s for %v", e.span(), e.Peer)
	case EventAppendRefused:
		return fmt.Sprintf(" of %v prev %d/%d because %v%s", e.Peer, e.Index, e.LogTerm, e.Reason, e.reasonDetails())
	case EventBackedUp:
		return fmt.Sprintf(" %v to %d", e.Peer, e.Index)
	case EventCommitted:
		if e.Peer != 0 {
			return fmt.Sprintf(" %s from %v", e.span(), e.Peer)
		}
		return fmt.Sprintf(" %s on%s", e.span(), nodeList(e.Nodes))
	case EventCommitHeld:
		return fmt.Sprintf(" %d/%d on%s", e.Index, e.LogTerm, nodeList(e.Nodes))
	case EventConfigured:
		if e.Reverted {
			return fmt.Sprintf(" back to %d: %v", e.Index, e.Config)
		}
		return fmt.Sprintf(" %d: %v", e.Index, e.Config)
	case EventConfigCommitted:
		return fmt.Sprintf(" %d: %v", e.Index, e.Config)
	case EventCatchingUp:
		return fmt.Sprintf("%s for %v", nodeList(e.Nodes), e.Config)
	case EventCaughtUp:
		return fmt.Sprintf(" %v at %d in %.1fms", e.Peer, e.Index, float64(e.Span)/1e6)
	case EventChangeDropped:
		return fmt.Sprintf(" to %v because %v%s", e.Config, e.Reason, nodeList(e.Nodes))
	case EventSteppedDown:
		if e.Reason == ReasonQuorumLost {
			return fmt.Sprintf(" because %v, heard%s", e.Reason, nodeList(e.Nodes))
		}
		return fmt.Sprintf(" because %v", e.Reason)
	case EventTransferStarted, EventTransferSent, EventTransferFailed:
		return fmt.Sprintf(" %v", e.Peer)
	case EventSnapshotTaken, EventCompacted:
		return fmt.Sprintf(" %d/%d", e.Index, e.LogTerm)
	case EventSnapshotSent:
		return fmt.Sprintf(" %d/%d to %v", e.Index, e.LogTerm, e.Peer)
	case EventSnapshotDone:
		return fmt.Sprintf(" %d at %v", e.Index, e.Peer)
	case EventSnapshotReceived:
		return fmt.Sprintf(" %d/%d from %v", e.Index, e.LogTerm, e.Peer)
	case EventSnapshotInstalled:
		if e.Granted {
			return fmt.Sprintf(" %d/%d from %v, log kept", e.Index, e.LogTerm, e.Peer)
		}
		return fmt.Sprintf(" %d/%d from %v, log dropped", e.Index, e.LogTerm, e.Peer)
	case EventReadConfirmed:
		return fmt.Sprintf(" at %d by%s", e.Index, nodeList(e.Nodes))
	case EventLeaseRead:
		return fmt.Sprintf(" at %d for %.1fms still", e.Index, float64(e.Span)/1e6)
	}
	return ""
}

// reasonDetails says what the reason names beside itself.
func (e Event) reasonDetails() string {
	switch e.Reason {
	case ReasonVoted, ReasonLeaderKnown, ReasonLeaderHeard:
		return fmt.Sprintf(" %v", e.Other)
	case ReasonLogNewer:
		return fmt.Sprintf(" own %d/%d theirs %d/%d", e.Own, e.OwnTerm, e.Index, e.LogTerm)
	case ReasonLogShort:
		return fmt.Sprintf(" own %d", e.Own)
	case ReasonLogConflict:
		return fmt.Sprintf(" own term %d", e.OwnTerm)
	}
	return ""
}

// span is like "41..43/7": First to Index, whose term is LogTerm.
func (e Event) span() string {
	if e.First == e.Index {
		return fmt.Sprintf("%d/%d", e.Index, e.LogTerm)
	}
	return fmt.Sprintf("%d..%d/%d", e.First, e.Index, e.LogTerm)
}

func nodeList(ids []NodeID) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(" " + id.String())
	}
	return b.String()
}

func ballotName(pre bool) string {
	if pre {
		return "prevote"
	}
	return "vote"
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
