package explain

import (
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

func ids(n ...raft.NodeID) []raft.NodeID { return n }

func TestEventSentences(t *testing.T) {
	five := raft.Configuration{Voters: ids(1, 2, 3, 4, 5)}
	joint := raft.Configuration{VotersOld: ids(1, 2, 3), Voters: ids(1, 2, 3, 4, 5)}
	next := &raft.Configuration{Voters: ids(1, 2, 3, 4, 5)}
	learner := &raft.Configuration{Voters: ids(1, 2, 3), Learners: ids(4)}
	tests := []struct {
		ev   raft.Event
		by   raft.Configuration
		want string
	}{
		{raft.Event{Kind: raft.EventCommitted, Term: 7, First: 41, Index: 43, Nodes: ids(1, 3, 5)}, five, "committed 41-43: stored on S1 S3 S5 (3 of 5)"},
		{raft.Event{Kind: raft.EventCommitted, Term: 7, First: 43, Index: 43, Nodes: ids(1, 3, 5)}, joint, "committed 43: stored on S1 S3 S5 (2 of 3 old and 3 of 5 new)"},
		{raft.Event{Kind: raft.EventCommitted, Term: 7, First: 43, Index: 43, Peer: 1}, five, "learns that 43 is committed"},
		{raft.Event{Kind: raft.EventElected, Term: 7, Nodes: ids(1, 3, 5)}, five, "won term 7 with the votes of S1 S3 S5 (3 of 5)"},
		{raft.Event{Kind: raft.EventElected, Term: 7, Nodes: ids(1, 2)}, joint, "won term 7 with the votes of S1 S2 (2 of 3 old and 2 of 5 new)"},
		{raft.Event{Kind: raft.EventElected, Term: 7, Nodes: ids(1, 2)}, raft.Configuration{}, "won term 7 with the votes of S1 S2"},
		{raft.Event{Kind: raft.EventVoteGiven, Term: 8, Peer: 4, Index: 129, LogTerm: 7}, five, "votes for S4 in term 8: first to ask, and its log (129, term 7) is as new as its own"},
		{raft.Event{Kind: raft.EventVoteRefused, Term: 8, Peer: 4, Reason: raft.ReasonVoted, Other: 8}, five, "refuses S4 its vote: in term 8 it voted for S8"},
		{raft.Event{Kind: raft.EventVoteRefused, Term: 8, Peer: 4, Reason: raft.ReasonLogNewer, Own: 9, OwnTerm: 7, Index: 12, LogTerm: 6}, five, "refuses S4 its vote: its own log (9, term 7) is newer than the candidate's (12, term 6)"},
		{raft.Event{Kind: raft.EventVoteRefused, Term: 8, Peer: 4, Reason: raft.ReasonLeaderKnown, PreVote: true, Other: 2}, five, "refuses S4 its pre-vote: it hears from leader S2"},
		{raft.Event{Kind: raft.EventVoteRefused, Term: 8, Peer: 4, Reason: raft.ReasonLeaderHeard, Other: 2}, five, "ignores that S4 asks for its vote, and the term it asks in: it hears from leader S2"},
		{raft.Event{Kind: raft.EventAppendRefused, Term: 8, Peer: 1, Index: 9, LogTerm: 5, Reason: raft.ReasonLogShort, Own: 4}, five, "refuses S1's entries after 9, term 5: its log ends at 4"},
		{raft.Event{Kind: raft.EventTruncated, Term: 8, Peer: 1, First: 5, Index: 7}, five, "drops entries 5-7, never committed: S1, leader of term 8, has others there"},
		{raft.Event{Kind: raft.EventCommitHeld, Term: 4, Index: 2, LogTerm: 2}, five, "a majority stores 2, but it is of term 2: it commits with the first entry of term 4, not by being counted"},
		{raft.Event{Kind: raft.EventTimeout, Term: 7, Span: raft.Duration(291e6)}, five, "election timeout: 291 ms without word of a leader"},
		{raft.Event{Kind: raft.EventTimeout, Term: 7, Forced: true}, five, "was told to time out now: starts an election"},
		{raft.Event{Kind: raft.EventTimeout, Term: 7, Forced: true, Peer: 1}, five, "is told by S1, which hands over to it, to stand at once: starts an election"},
		{raft.Event{Kind: raft.EventAppended, Term: 7, LogTerm: 7, First: 44, Index: 44}, five, "takes entry 44 into its log in term 7"},

		{raft.Event{Kind: raft.EventConfigured, Index: 12, Config: &joint}, joint, "counts by C_old,new from now on, not when it is committed: old S1 S2 S3, new S1 S2 S3 S4 S5 (entry 12)"},
		{raft.Event{Kind: raft.EventConfigured, Index: 11, Config: learner}, five, "counts by this configuration from now on: S1 S2 S3 and learner S4 (entry 11)"},
		{raft.Event{Kind: raft.EventConfigured, Config: next, Reverted: true}, five, "counts by the configuration before again: S1 S2 S3 S4 S5, for the entry of a newer one is dropped"},
		{raft.Event{Kind: raft.EventConfigCommitted, Index: 12, Config: &joint}, joint, "C_old,new is committed (entry 12): neither set of voters can decide alone, and C_new may follow"},
		{raft.Event{Kind: raft.EventConfigCommitted, Index: 13, Config: next}, five, "the configuration S1 S2 S3 S4 S5 (entry 13) is committed"},
		{raft.Event{Kind: raft.EventCatchingUp, Nodes: ids(4, 5), Config: next}, five, "brings S4 and S5 up to date before they vote in S1 S2 S3 S4 S5"},
		{raft.Event{Kind: raft.EventCaughtUp, Peer: 4, Index: 120, Span: raft.Duration(3e6)}, five, "S4 has caught up to 120: the last round took 3 ms, so its vote will not hold the others up"},
		{raft.Event{Kind: raft.EventChangeDropped, Reason: raft.ReasonTooSlow, Nodes: ids(4), Config: next}, five, "gives up the change to S1 S2 S3 S4 S5: S4 did not catch up in time"},
		{raft.Event{Kind: raft.EventChangeDropped, Reason: raft.ReasonLeadershipLost, Config: next}, five, "gives up the change to S1 S2 S3 S4 S5: it leads no more, and nothing of it is in the log"},
		{raft.Event{Kind: raft.EventSteppedDown, Term: 7, Reason: raft.ReasonQuorumLost, Nodes: ids(2)}, five, "gives up the leadership of term 7: for an election timeout only S2 answered, and that is no majority"},
		{raft.Event{Kind: raft.EventSteppedDown, Term: 7, Reason: raft.ReasonRemoved}, five, "gives up the leadership of term 7: the configuration that is committed now has it no more"},
		{raft.Event{Kind: raft.EventTransferStarted, Peer: 3}, five, "hands over to S3: takes no new commands, and brings its log up to its own"},
		{raft.Event{Kind: raft.EventTransferSent, Peer: 3}, five, "tells S3, whose log is as its own, to stand for election at once"},
		{raft.Event{Kind: raft.EventTransferFailed, Peer: 3}, five, "leads on: S3 did not take over within an election timeout"},
		{raft.Event{Kind: raft.EventSnapshotTaken, Index: 5, LogTerm: 3}, five, "has written a snapshot of its state after 5, term 3"},
		{raft.Event{Kind: raft.EventCompacted, Index: 5}, five, "drops the log's entries up to 5: a snapshot stands for them"},
		{raft.Event{Kind: raft.EventSnapshotSent, Peer: 2, Index: 5, LogTerm: 3}, five, "sends S2 its snapshot (5, term 3): the entries it needs are dropped"},
		{raft.Event{Kind: raft.EventSnapshotDone, Peer: 2, Index: 5}, five, "S2 has the snapshot of 5: replication goes on behind it"},
		{raft.Event{Kind: raft.EventSnapshotReceived, Peer: 1, Index: 5, LogTerm: 3}, five, "is sent a snapshot by S1 (5, term 3)"},
		{raft.Event{Kind: raft.EventSnapshotInstalled, Peer: 1, Index: 5, LogTerm: 3, Granted: true}, five, "takes over S1's snapshot (5, term 3) and keeps the log that follows it"},
		{raft.Event{Kind: raft.EventSnapshotInstalled, Peer: 1, Index: 5, LogTerm: 3}, five, "takes over S1's snapshot (5, term 3) in place of its whole log and state"},
		{raft.Event{Kind: raft.EventReadConfirmed, Index: 44, Nodes: ids(1, 2, 3)}, five, "reads may be answered once 44 is applied: after they came, S1 S2 S3 still took it for their leader"},
		{raft.Event{Kind: raft.EventLeaseRead, Index: 44, Span: raft.Duration(80e6)}, five, "reads may be answered once 44 is applied, and nobody is asked: its lease holds for 80 ms still"},
	}
	for _, tt := range tests {
		got, rule := Event(tt.ev, tt.by)
		if got != tt.want {
			t.Errorf("\n got %s\nwant %s", got, tt.want)
		}
		if !strings.Contains(rule, "§") {
			t.Errorf("%q names no section: %q", got, rule)
		}
	}
}

// Every kind of event has a sentence for every reason there is, and also when
// its node tells half of it.
func TestNoEventIsSpeechless(t *testing.T) {
	for kind := raft.EventRole; kind <= raft.EventLeaseRead; kind++ {
		for reason := raft.Reason(0); reason <= raft.ReasonLeadershipLost; reason++ {
			for role := raft.Follower; role <= raft.Leader; role++ {
				ev := raft.Event{Kind: kind, Reason: reason, Role: role, Term: 3, Peer: 2, First: 1, Index: 2, LogTerm: 1}
				text, rule := Event(ev, raft.Configuration{})
				if text == "" || strings.HasSuffix(text, ": ") || strings.HasPrefix(text, "event ") || strings.Contains(text, "  ") {
					t.Errorf("event %d, reason %d, role %v: %q", kind, reason, role, text)
				}
				refusal := kind == raft.EventVoteRefused || kind == raft.EventAppendRefused
				if !refusal && !strings.Contains(rule, "§") {
					t.Errorf("event %d, reason %d, role %v: rule %q", kind, reason, role, rule)
				}
			}
		}
	}
	if text, rule := Event(raft.Event{Kind: 250}, raft.Configuration{}); text != "event 250" || rule != "" {
		t.Errorf("an event nobody knows: %q, %q", text, rule)
	}
}
