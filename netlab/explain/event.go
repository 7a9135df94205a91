package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/raftlab/raftlab/raft"
)

// Event says what ev means in one sentence without its node's name, and names
// the rule of Raft behind it with its section. c is the configuration its node
// counted by, the zero one when that is not known.
func Event(ev raft.Event, c raft.Configuration) (text, rule string) {
	if ev.Config == nil {
		ev.Config = new(raft.Configuration) // a node that tells half a fact is not to end its reader
	}
	return sentence(ev, c), ev.Rule().String()
}

func sentence(ev raft.Event, c raft.Configuration) string {
	switch ev.Kind {
	case raft.EventRole:
		return role(ev)
	case raft.EventTimeout:
		return timeout(ev)
	case raft.EventTermSeen:
		return fmt.Sprintf("hears term %d from %v and adopts it", ev.Term, ev.Peer)
	case raft.EventVoteGiven:
		if ev.PreVote {
			return fmt.Sprintf("would vote for %v: hears no leader, and %v's log (%s) is as new as its own", ev.Peer, ev.Peer, position(ev.Index, ev.LogTerm))
		}
		return fmt.Sprintf("votes for %v in term %d: first to ask, and its log (%s) is as new as its own", ev.Peer, ev.Term, position(ev.Index, ev.LogTerm))
	case raft.EventVoteRefused:
		return voteRefused(ev)
	case raft.EventVoteCounted:
		answer := "no"
		if ev.Granted {
			answer = "yes"
		}
		if ev.PreVote {
			return fmt.Sprintf("counts %v's pre-vote: %s", ev.Peer, answer)
		}
		return fmt.Sprintf("counts %v's vote in term %d: %s", ev.Peer, ev.Term, answer)
	case raft.EventElected:
		return fmt.Sprintf("won term %d with the votes of %s%s", ev.Term, Names(ev.Nodes), share(ev.Nodes, c))
	case raft.EventAppended:
		if ev.Peer == 0 {
			return fmt.Sprintf("takes %s into its log in term %d", span("entry", ev.First, ev.Index), ev.LogTerm)
		}
		return fmt.Sprintf("appends %s from %v", span("entry", ev.First, ev.Index), ev.Peer)
	case raft.EventTruncated:
		return fmt.Sprintf("drops %s, never committed: %v, leader of term %d, has others there", span("entry", ev.First, ev.Index), ev.Peer, ev.Term)
	case raft.EventAppendRefused:
		return appendRefused(ev)
	case raft.EventBackedUp:
		return fmt.Sprintf("walks back for %v: next entry to try is %d", ev.Peer, ev.Index)
	case raft.EventCommitted:
		if len(ev.Nodes) > 0 {
			return fmt.Sprintf("committed %s: stored on %s%s", span("", ev.First, ev.Index), Names(ev.Nodes), share(ev.Nodes, c))
		}
		return fmt.Sprintf("learns that %s committed", has(ev.First, ev.Index))
	case raft.EventCommitHeld:
		return fmt.Sprintf("a majority stores %d, but it is of term %d: it commits with the first entry of term %d, not by being counted", ev.Index, ev.LogTerm, ev.Term)
	case raft.EventConfigured, raft.EventConfigCommitted, raft.EventCatchingUp, raft.EventCaughtUp, raft.EventChangeDropped:
		return membership(ev)
	case raft.EventSteppedDown:
		return steppedDown(ev)
	case raft.EventTransferStarted:
		return fmt.Sprintf("hands over to %v: takes no new commands, and brings its log up to its own", ev.Peer)
	case raft.EventTransferSent:
		return fmt.Sprintf("tells %v, whose log is as its own, to stand for election at once", ev.Peer)
	case raft.EventTransferFailed:
		return fmt.Sprintf("leads on: %v did not take over within an election timeout", ev.Peer)
	case raft.EventSnapshotTaken, raft.EventCompacted, raft.EventSnapshotSent, raft.EventSnapshotDone, raft.EventSnapshotReceived, raft.EventSnapshotInstalled:
		return snapshot(ev)
	case raft.EventReadConfirmed:
		return fmt.Sprintf("reads may be answered once %d is applied: after they came, %s still took it for their leader", ev.Index, Names(ev.Nodes))
	case raft.EventLeaseRead:
		return fmt.Sprintf("reads may be answered once %d is applied, and nobody is asked: its lease holds for %s still", ev.Index, Length(ev.Span))
	}
	return fmt.Sprintf("event %d", ev.Kind)
}

// share is how many of c's voters nodes are, with a space before: " (3 of 5)",
// while c is joint " (2 of 3 old and 3 of 5 new)".
func share(nodes []raft.NodeID, c raft.Configuration) string {
	among := func(voters []raft.NodeID) string {
		n := 0
		for _, id := range nodes {
			if slices.Contains(voters, id) {
				n++
			}
		}
		return fmt.Sprintf("%d of %d", n, len(voters))
	}
	switch {
	case len(c.Voters) == 0:
		return ""
	case c.Joint():
		return " (" + among(c.VotersOld) + " old and " + among(c.Voters) + " new)"
	}
	return " (" + among(c.Voters) + ")"
}

func role(ev raft.Event) string {
	switch ev.Role {
	case raft.Leader:
		return fmt.Sprintf("is leader of term %d", ev.Term)
	case raft.Candidate:
		return fmt.Sprintf("stands in term %d: votes for itself, asks everyone", ev.Term)
	case raft.PreCandidate:
		return fmt.Sprintf("asks whether it could win term %d, without raising its own (pre-vote)", ev.Term+1)
	}
	if ev.Peer != 0 {
		return fmt.Sprintf("follows %v in term %d", ev.Peer, ev.Term)
	}
	return fmt.Sprintf("is a follower in term %d, knows no leader", ev.Term)
}

func timeout(ev raft.Event) string {
	switch {
	case ev.Forced && ev.Peer != 0:
		return fmt.Sprintf("is told by %v, which hands over to it, to stand at once: starts an election", ev.Peer)
	case ev.Forced:
		return "was told to time out now: starts an election"
	case ev.Role == raft.Candidate:
		return fmt.Sprintf("no majority in term %d after %s: stands again", ev.Term, Length(ev.Span))
	}
	return fmt.Sprintf("election timeout: %s without word of a leader", Length(ev.Span))
}

func voteRefused(ev raft.Event) string {
	ballot := "its vote"
	if ev.PreVote {
		ballot = "its pre-vote"
	}
	head := fmt.Sprintf("refuses %v %s", ev.Peer, ballot)
	switch ev.Reason {
	case raft.ReasonOldTerm:
		return head + fmt.Sprintf(": its own term, %d, is newer", ev.Term)
	case raft.ReasonVoted:
		return head + fmt.Sprintf(": in term %d it voted for %v", ev.Term, ev.Other)
	case raft.ReasonLogNewer:
		return head + fmt.Sprintf(": its own log (%s) is newer than the candidate's (%s)", position(ev.Own, ev.OwnTerm), position(ev.Index, ev.LogTerm))
	case raft.ReasonLeaderKnown:
		return head + ": it hears from " + leader(ev.Other)
	case raft.ReasonLeaderHeard:
		return fmt.Sprintf("ignores that %v asks for %s, and the term it asks in: it hears from %s", ev.Peer, ballot, leader(ev.Other))
	}
	return head
}

// leader is who leads, by name where that is known.
func leader(id raft.NodeID) string {
	if id == 0 {
		return "a leader"
	}
	return "leader " + id.String()
}

func appendRefused(ev raft.Event) string {
	head := fmt.Sprintf("refuses %v's entries after %s", ev.Peer, position(ev.Index, ev.LogTerm))
	switch ev.Reason {
	case raft.ReasonOldTerm:
		return fmt.Sprintf("refuses what %v sends: its term is over, this is term %d", ev.Peer, ev.Term)
	case raft.ReasonLogShort:
		return head + fmt.Sprintf(": its log ends at %d", ev.Own)
	case raft.ReasonLogConflict:
		return head + fmt.Sprintf(": its own entry there is of term %d", ev.OwnTerm)
	}
	return head
}

// membership tells of a change of the configuration (§6).
func membership(ev raft.Event) string {
	c := *ev.Config
	switch ev.Kind {
	case raft.EventConfigured:
		switch {
		case ev.Reverted:
			return "counts by the configuration before again: " + Config(c) + entryOf(ev.Index) + ", for the entry of a newer one is dropped"
		case c.Joint():
			return "counts by C_old,new from now on, not when it is committed: " + Config(c) + entryOf(ev.Index)
		}
		return "counts by this configuration from now on: " + Config(c) + entryOf(ev.Index)
	case raft.EventConfigCommitted:
		if c.Joint() {
			return "C_old,new is committed" + entryOf(ev.Index) + ": neither set of voters can decide alone, and C_new may follow"
		}
		return "the configuration " + Config(c) + entryOf(ev.Index) + " is committed"
	case raft.EventCatchingUp:
		return fmt.Sprintf("brings %s up to date before %s in %s", And(ev.Nodes), vote(ev.Nodes), Config(c))
	case raft.EventCaughtUp:
		return fmt.Sprintf("%v has caught up to %d: the last round took %s, so its vote will not hold the others up", ev.Peer, ev.Index, Length(ev.Span))
	}
	head := "gives up the change to " + Config(c)
	switch {
	case ev.Reason == raft.ReasonTooSlow && len(ev.Nodes) > 0:
		return head + ": " + And(ev.Nodes) + " did not catch up in time"
	case ev.Reason == raft.ReasonTooSlow:
		return head + ": its new servers did not catch up in time"
	case ev.Reason == raft.ReasonLeadershipLost:
		return head + ": it leads no more, and nothing of it is in the log"
	}
	return head
}

func vote(ids []raft.NodeID) string {
	if len(ids) == 1 {
		return "it votes"
	}
	return "they vote"
}

func entryOf(i raft.Index) string {
	if i == 0 {
		return ""
	}
	return fmt.Sprintf(" (entry %d)", i)
}

// Config is a configuration inside a sentence: "S1 S2 S3", "S1 S2 S3 and
// learners S4", "old S1 S2 S3, new S1 S2 S3 S4 S5".
func Config(c raft.Configuration) string {
	text := Names(c.Voters)
	if c.Joint() {
		text = "old " + Names(c.VotersOld) + ", new " + text
	}
	switch len(c.Learners) {
	case 0:
	case 1:
		text += " and learner " + Names(c.Learners)
	default:
		text += " and learners " + Names(c.Learners)
	}
	return text
}

func steppedDown(ev raft.Event) string {
	head := fmt.Sprintf("gives up the leadership of term %d", ev.Term)
	switch ev.Reason {
	case raft.ReasonQuorumLost:
		heard := "nobody"
		if len(ev.Nodes) > 0 {
			heard = "only " + And(ev.Nodes)
		}
		return head + ": for an election timeout " + heard + " answered, and that is no majority"
	case raft.ReasonRemoved:
		return head + ": the configuration that is committed now has it no more"
	}
	return head
}

// snapshot tells of a snapshot (§7).
func snapshot(ev raft.Event) string {
	at := position(ev.Index, ev.LogTerm)
	switch ev.Kind {
	case raft.EventSnapshotTaken:
		return fmt.Sprintf("has written a snapshot of its state after %s", at)
	case raft.EventCompacted:
		return fmt.Sprintf("drops the log's entries up to %d: a snapshot stands for them", ev.Index)
	case raft.EventSnapshotSent:
		return fmt.Sprintf("sends %v its snapshot (%s): the entries it needs are dropped", ev.Peer, at)
	case raft.EventSnapshotDone:
		return fmt.Sprintf("%v has the snapshot of %d: replication goes on behind it", ev.Peer, ev.Index)
	case raft.EventSnapshotReceived:
		return fmt.Sprintf("is sent a snapshot by %v (%s)", ev.Peer, at)
	}
	if ev.Granted {
		return fmt.Sprintf("takes over %v's snapshot (%s) and keeps the log that follows it", ev.Peer, at)
	}
	return fmt.Sprintf("takes over %v's snapshot (%s) in place of its whole log and state", ev.Peer, at)
}

// position is where a log ends: its last index and that entry's term.
func position(i raft.Index, t raft.Term) string {
	if i == 0 {
		return "empty"
	}
	return fmt.Sprintf("%d, term %d", i, t)
}

// span is "entry 7", "entries 7-9", or without a noun "7", "7-9".
func span(noun string, first, last raft.Index) string {
	s := fmt.Sprintf("%d", last)
	if first != 0 && first < last {
		s = fmt.Sprintf("%d-%d", first, last)
		if noun == "entry" {
			noun = "entries"
		}
	}
	if noun == "" {
		return s
	}
	return noun + " " + s
}

func has(first, last raft.Index) string {
	if first != 0 && first < last {
		return span("", first, last) + " are"
	}
	return span("", first, last) + " is"
}

// Names lists nodes as the paper writes them: "S1 S3 S5"; "nobody" when there
// are none.
func Names(ids []raft.NodeID) string {
	if len(ids) == 0 {
		return "nobody"
	}
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = id.String()
	}
	return strings.Join(s, " ")
}

// And lists nodes inside a sentence: "S1", "S1 and S2", "S1, S2 and S3".
func And(ids []raft.NodeID) string {
	if len(ids) < 2 {
		return Names(ids)
	}
	s := make([]string, len(ids)-1)
	for i, id := range ids[:len(ids)-1] {
		s[i] = id.String()
	}
	return strings.Join(s, ", ") + " and " + ids[len(ids)-1].String()
}

// Length is a stretch of lab time as people say it: "291 ms", "4.1 s", "12 min".
func Length(d raft.Duration) string {
	t := time.Duration(d)
	switch {
	case t < time.Millisecond:
		return fmt.Sprintf("%d us", t.Microseconds())
	case t < time.Second:
		return fmt.Sprintf("%d ms", t.Milliseconds())
	case t < 100*time.Second:
		return fmt.Sprintf("%.1f s", t.Seconds())
	}
	return fmt.Sprintf("%.0f min", t.Minutes())
}
