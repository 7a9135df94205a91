package raft_test

import (
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// Every event and every message says which rule of Raft it is an instance of,
// and has a line of text.
func TestEverythingHasARule(t *testing.T) {
	config := configuration(3)
	joint := raft.Configuration{Voters: ids(2, 3), VotersOld: ids(1, 2)}
	kinds := 0
	for kind := raft.EventRole; !strings.HasPrefix(kind.String(), "event("); kind++ {
		kinds++
		for _, e := range []raft.Event{
			{Kind: kind, Config: &config}, {Kind: kind, Config: &joint}, {Kind: kind, Config: &config, Reverted: true},
			{Kind: kind, Config: &config, Role: raft.Leader, Granted: true}, {Kind: kind, Config: &config, Peer: 2, PreVote: true, Forced: true},
		} {
			if kind == raft.EventVoteRefused || kind == raft.EventAppendRefused {
				continue // below
			}
			if r := e.Rule(); r.Name == "" || r.Text == "" || r.Section == "" || e.String() == "" {
				t.Errorf("%v: rule %q", e, r)
			}
		}
	}
	if kinds != int(raft.EventLeaseRead) {
		t.Errorf("%d kinds of events have a name, there are %d", kinds, raft.EventLeaseRead)
	}
	for reason := raft.ReasonOldTerm; reason <= raft.ReasonLogConflict; reason++ {
		e := raft.Event{Kind: raft.EventVoteRefused, Reason: reason}
		if reason == raft.ReasonLogShort || reason == raft.ReasonLogConflict {
			e.Kind = raft.EventAppendRefused
		}
		if strings.HasPrefix(reason.String(), "reason(") {
			continue
		}
		if r := e.Rule(); r.Name == "" || r.Section == "" {
			t.Errorf("%v: rule %q", e, r)
		}
	}
	e := raft.Event{Kind: raft.EventVoteRefused, Reason: raft.ReasonLeaderHeard}
	if got := e.Rule().String(); got != "Membership: within the minimum election timeout of hearing a leader, RequestVote and its term are ignored (§6)" {
		t.Errorf("a rule reads %q", got)
	}
	for _, body := range []raft.Body{
		&raft.RequestVote{}, &raft.RequestVote{PreVote: true}, &raft.RequestVote{Transfer: true}, &raft.RequestVoteReply{},
		&raft.AppendEntries{}, &raft.AppendEntries{Entries: entriesOf("1")}, &raft.AppendEntriesReply{},
		&raft.InstallSnapshot{}, &raft.InstallSnapshotReply{}, &raft.TimeoutNow{}, &raft.ReadIndex{}, &raft.ReadIndexReply{},
	} {
		m := raft.Message{From: 1, To: 2, Term: 3, Body: body}
		if r := m.Rule(); r.Name == "" || r.Section == "" || strings.HasSuffix(m.String(), "nothing") {
			t.Errorf("%v: rule %q", m, r)
		}
	}
}

// The unsafe rules are told by name, and each says what it endangers.
func TestUnsafeRules(t *testing.T) {
	var all raft.Unsafe
	for _, r := range raft.UnsafeRules() {
		if r.Section == "" || r.Breaks == "" || r.Endangers == "" || all.Has(r.Rule) {
			t.Errorf("%+v", r)
		}
		if got, err := raft.ParseUnsafe(r.Name); err != nil || got != r.Rule {
			t.Errorf("%s is read as %v, %v", r.Name, got, err)
		}
		if safe := r.Endangers == "progress"; safe == r.Rule.Safety() {
			t.Errorf("%s endangers %s, and safety: %v", r.Name, r.Endangers, r.Rule.Safety())
		}
		all |= r.Rule
	}
	if got := len(all.Names()); got != 15 {
		t.Errorf("%d rules", got)
	}
	if _, err := raft.ParseUnsafe("vote-thrice"); err == nil {
		t.Error("vote-thrice is a rule")
	}
}
