package explain

import (
	"fmt"
	"strings"
	"time"

	"github.com/raftlab/raftlab/raft"
)

// Event says what ev means in one sentence without its node's name, and names
// the rule of Raft behind it with its section. voters is the cluster's size.
func Event(ev raft.Event, voters int) (text, rule string) {
	switch ev.Kind {
	case raft.EventRole:
		return role(ev)
	case raft.EventTimeout:
		return timeout(ev)
	case raft.EventTermSeen:
		return fmt.Sprintf("hears term %d from %v and adopts it", ev.Term, ev.Peer),
			"All servers: a higher term in a message is adopted, and its receiver is a follower (§5.1)"
	case raft.EventVoteGiven:
		if ev.PreVote {
			return fmt.Sprintf("would vote for %v: hears no leader, and %v's log (%s) is as new as its own", ev.Peer, ev.Peer, position(ev.Index, ev.LogTerm)),
				"PreVote: asked before any term is raised; grants promise nothing (thesis §9.6)"
		}
		return fmt.Sprintf("votes for %v in term %d: first to ask, and its log (%s) is as new as its own", ev.Peer, ev.Term, position(ev.Index, ev.LogTerm)),
			"RequestVote 2: one vote a term, for a candidate whose log is at least as up to date (§5.2, §5.4.1)"
	case raft.EventVoteRefused:
		return voteRefused(ev)
	case raft.EventVoteCounted:
		answer := "no"
		if ev.Granted {
			answer = "yes"
		}
		if ev.PreVote {
			return fmt.Sprintf("counts %v's pre-vote: %s", ev.Peer, answer),
				"PreVote: yes from a majority starts a real election (thesis §9.6)"
		}
		return fmt.Sprintf("counts %v's vote in term %d: %s", ev.Peer, ev.Term, answer),
			"Candidates: votes from a majority make a leader (§5.2)"
	case raft.EventElected:
		return fmt.Sprintf("won term %d with the votes of %s (%d of %d)", ev.Term, Names(ev.Nodes), len(ev.Nodes), voters),
			"Candidates: votes from a majority make a leader (§5.2); at most one a term (Election Safety)"
	case raft.EventAppended:
		if ev.Peer == 0 {
			return fmt.Sprintf("takes %s into its log in term %d", span("entry", ev.First, ev.Index), ev.LogTerm),
				"Leaders: append a client's entry, replicate it, answer once it is applied (§5.3)"
		}
		return fmt.Sprintf("appends %s from %v", span("entry", ev.First, ev.Index), ev.Peer),
			"AppendEntries 4: append the entries not already in the log (§5.3)"
	case raft.EventTruncated:
		return fmt.Sprintf("drops %s, never committed: %v, leader of term %d, has others there", span("entry", ev.First, ev.Index), ev.Peer, ev.Term),
			"AppendEntries 3: an entry that conflicts with the leader's goes, with all that follow it (§5.3)"
	case raft.EventAppendRefused:
		return appendRefused(ev)
	case raft.EventBackedUp:
		return fmt.Sprintf("walks back for %v: next entry to try is %d", ev.Peer, ev.Index),
			"Leaders: on a refusal nextIndex goes back, a term at a time, and the append is tried again (§5.3)"
	case raft.EventCommitted:
		if len(ev.Nodes) > 0 {
			return fmt.Sprintf("committed %s: stored on %s (%d of %d)", span("", ev.First, ev.Index), Names(ev.Nodes), len(ev.Nodes), voters),
				"Leaders: an entry of the own term on a majority is committed, and with it all before it (§5.3, §5.4.2)"
		}
		return fmt.Sprintf("learns that %s committed", has(ev.First, ev.Index)),
			"AppendEntries 5: commitIndex = min(leaderCommit, index of last new entry) (§5.3)"
	case raft.EventCommitHeld:
		return fmt.Sprintf("a majority stores %d, but it is of term %d: it commits with the first entry of term %d, not by being counted", ev.Index, ev.LogTerm, ev.Term),
			"Leaders: only entries of the current term commit by counting replicas (§5.4.2)"
	}
	return fmt.Sprintf("event %d", ev.Kind), ""
}

func role(ev raft.Event) (text, rule string) {
	switch ev.Role {
	case raft.Leader:
		return fmt.Sprintf("is leader of term %d", ev.Term),
			"Leaders: send heartbeats at once, and a no-op that lets earlier entries commit (§5.2, §8)"
	case raft.Candidate:
		return fmt.Sprintf("stands in term %d: votes for itself, asks everyone", ev.Term),
			"Candidates: raise the term, vote for self, reset the timer, ask all (§5.2)"
	case raft.PreCandidate:
		return fmt.Sprintf("asks whether it could win term %d, without raising its own (pre-vote)", ev.Term+1),
			"PreVote: a server asks first, so that one that cannot win does not disturb (thesis §9.6)"
	}
	if ev.Peer != 0 {
		return fmt.Sprintf("follows %v in term %d", ev.Peer, ev.Term),
			"Candidates: AppendEntries of a current leader makes a follower (§5.2)"
	}
	return fmt.Sprintf("is a follower in term %d, knows no leader", ev.Term), "Followers: answer candidates and leaders (§5.2)"
}

func timeout(ev raft.Event) (text, rule string) {
	rule = "Followers: no word of a leader for an election timeout starts an election (§5.2)"
	if ev.Forced {
		return "was told to time out now: starts an election", rule
	}
	if ev.Role == raft.Candidate {
		return fmt.Sprintf("no majority in term %d after %s: stands again", ev.Term, Length(ev.Span)),
			"Candidates: an election without a winner times out and is held again (§5.2)"
	}
	return fmt.Sprintf("election timeout: %s without word of a leader", Length(ev.Span)), rule
}

func voteRefused(ev raft.Event) (text, rule string) {
	ballot := "its vote"
	if ev.PreVote {
		ballot = "its pre-vote"
	}
	head := fmt.Sprintf("refuses %v %s: ", ev.Peer, ballot)
	switch ev.Reason {
	case raft.ReasonOldTerm:
		return head + fmt.Sprintf("its own term, %d, is newer", ev.Term), "RequestVote 1: refuse an older term (§5.1)"
	case raft.ReasonVoted:
		return head + fmt.Sprintf("in term %d it voted for %v", ev.Term, ev.Other), "RequestVote 2: one vote a term (§5.2)"
	case raft.ReasonLogNewer:
		return head + fmt.Sprintf("its own log (%s) is newer than the candidate's (%s)", position(ev.Own, ev.OwnTerm), position(ev.Index, ev.LogTerm)),
			"RequestVote 2: the candidate's log must be at least as up to date: last term, then length (§5.4.1)"
	case raft.ReasonLeaderKnown:
		return head + "it hears from a leader", "PreVote: refused while a leader is heard from (thesis §9.6)"
	case raft.ReasonUnknownNode:
		return head + "it is no member of the cluster", "Only members of the configuration vote (§6)"
	}
	return strings.TrimSuffix(head, ": "), "RequestVote (§5.2)"
}

func appendRefused(ev raft.Event) (text, rule string) {
	head := fmt.Sprintf("refuses %v's entries after %s: ", ev.Peer, position(ev.Index, ev.LogTerm))
	switch ev.Reason {
	case raft.ReasonOldTerm:
		return fmt.Sprintf("refuses what %v sends: its term is over, this is term %d", ev.Peer, ev.Term), "AppendEntries 1: refuse an older term (§5.1)"
	case raft.ReasonLogShort:
		return head + fmt.Sprintf("its log ends at %d", ev.Own), "AppendEntries 2: refuse without an entry at prevLogIndex of prevLogTerm (§5.3)"
	case raft.ReasonLogConflict:
		return head + fmt.Sprintf("its own entry there is of term %d", ev.OwnTerm), "AppendEntries 2: refuse without an entry at prevLogIndex of prevLogTerm (§5.3)"
	case raft.ReasonUnknownNode:
		return head + "it is no member of the cluster", "The newest configuration in the log counts (§6)"
	}
	return strings.TrimSuffix(head, ": "), "AppendEntries (§5.3)"
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

// Names lists nodes as the paper writes them: "S1 S3 S5".
func Names(ids []raft.NodeID) string {
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
