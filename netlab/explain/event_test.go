package explain

import (
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

func TestEventSentences(t *testing.T) {
	tests := []struct {
		ev   raft.Event
		want string
	}{
		{raft.Event{Kind: raft.EventCommitted, Term: 7, First: 41, Index: 43, Nodes: []raft.NodeID{1, 3, 5}}, "committed 41-43: stored on S1 S3 S5 (3 of 5)"},
		{raft.Event{Kind: raft.EventCommitted, Term: 7, First: 43, Index: 43, Peer: 1}, "learns that 43 is committed"},
		{raft.Event{Kind: raft.EventElected, Term: 7, Nodes: []raft.NodeID{1, 3, 5}}, "won term 7 with the votes of S1 S3 S5 (3 of 5)"},
		{raft.Event{Kind: raft.EventVoteGiven, Term: 8, Peer: 4, Index: 129, LogTerm: 7}, "votes for S4 in term 8: first to ask, and its log (129, term 7) is as new as its own"},
		{raft.Event{Kind: raft.EventVoteRefused, Term: 8, Peer: 4, Reason: raft.ReasonVoted, Other: 8}, "refuses S4 its vote: in term 8 it voted for S8"},
		{raft.Event{Kind: raft.EventVoteRefused, Term: 8, Peer: 4, Reason: raft.ReasonLogNewer, Own: 9, OwnTerm: 7, Index: 12, LogTerm: 6}, "refuses S4 its vote: its own log (9, term 7) is newer than the candidate's (12, term 6)"},
		{raft.Event{Kind: raft.EventAppendRefused, Term: 8, Peer: 1, Index: 9, LogTerm: 5, Reason: raft.ReasonLogShort, Own: 4}, "refuses S1's entries after 9, term 5: its log ends at 4"},
		{raft.Event{Kind: raft.EventTruncated, Term: 8, Peer: 1, First: 5, Index: 7}, "drops entries 5-7, never committed: S1, leader of term 8, has others there"},
		{raft.Event{Kind: raft.EventCommitHeld, Term: 4, Index: 2, LogTerm: 2}, "a majority stores 2, but it is of term 2: it commits with the first entry of term 4, not by being counted"},
		{raft.Event{Kind: raft.EventTimeout, Term: 7, Span: raft.Duration(291e6)}, "election timeout: 291 ms without word of a leader"},
		{raft.Event{Kind: raft.EventAppended, Term: 7, LogTerm: 7, First: 44, Index: 44}, "takes entry 44 into its log in term 7"},
	}
	for _, tt := range tests {
		got, rule := Event(tt.ev, 5)
		if got != tt.want {
			t.Errorf("\n got %s\nwant %s", got, tt.want)
		}
		if !strings.Contains(rule, "§") {
			t.Errorf("%q names no section: %q", got, rule)
		}
	}
}

// Every kind of event and every reason has a sentence and a cited rule.
func TestNoEventIsSpeechless(t *testing.T) {
	for kind := raft.EventRole; kind <= raft.EventCommitHeld; kind++ {
		for reason := raft.ReasonOldTerm; reason <= raft.ReasonUnknownNode; reason++ {
			for role := raft.Follower; role <= raft.Leader; role++ {
				text, rule := Event(raft.Event{Kind: kind, Reason: reason, Role: role, Term: 3, Peer: 2, First: 1, Index: 2, LogTerm: 1}, 5)
				if text == "" || !strings.Contains(rule, "§") || strings.HasSuffix(text, ": ") {
					t.Errorf("event %d, reason %d, role %v: %q, rule %q", kind, reason, role, text, rule)
				}
			}
		}
	}
}
