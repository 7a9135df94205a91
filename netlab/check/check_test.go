package check

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/raft"
)

// story feeds a Checker. All of its servers begin as voters of S1 S2 S3.
type story struct {
	*Checker
	now raft.Time
}

func newStory(ids ...raft.NodeID) *story {
	s := &story{Checker: New(Config{Window: 1 << 10})}
	for _, id := range ids {
		s.start(id, 0)
	}
	return s
}

func (s *story) do(id raft.NodeID, d deed.Deed) {
	s.now += 1_000_000
	d.At = s.now
	s.Deed(id, &d)
}

func (s *story) start(id raft.NodeID, term raft.Term) {
	config := raft.Configuration{Voters: []raft.NodeID{1, 2, 3}}
	s.do(id, deed.Deed{Kind: deed.Started, Term: term, Nodes: []raft.NodeID{0}, Config: &config})
	s.reads(id)
	s.follow(id, term)
}

func (s *story) reads(id raft.NodeID, terms ...raft.Term) { s.store(id, 1, terms...) }

func (s *story) follow(id raft.NodeID, term raft.Term) {
	s.do(id, deed.Deed{Kind: deed.Became, Term: term, Role: raft.Follower})
}

func (s *story) elect(id raft.NodeID, term raft.Term, votes ...raft.NodeID) {
	s.do(id, deed.Deed{Kind: deed.Elected, Term: term, Nodes: votes})
	s.do(id, deed.Deed{Kind: deed.Became, Term: term, Role: raft.Leader})
}

// store puts entries of these terms at first and behind. Entries of the same
// index and term are the same.
func (s *story) store(id raft.NodeID, first raft.Index, terms ...raft.Term) {
	for k, term := range terms {
		s.entry(id, first+raft.Index(k), term, digestOf(first+raft.Index(k), term))
	}
}

func digestOf(i raft.Index, term raft.Term) uint32 { return uint32(i)<<16 | uint32(term) }

func (s *story) entry(id raft.NodeID, i raft.Index, term raft.Term, digest uint32) {
	s.do(id, deed.Deed{Kind: deed.Stored, Term: term, First: i, Digests: binary.LittleEndian.AppendUint32(nil, digest)})
}

func (s *story) truncate(id raft.NodeID, term raft.Term, first, last raft.Index) {
	s.do(id, deed.Deed{Kind: deed.Truncated, Term: term, First: first, Index: last})
}

func (s *story) commit(id raft.NodeID, term raft.Term, first, last raft.Index) {
	s.do(id, deed.Deed{Kind: deed.Committed, Term: term, First: first, Index: last})
}

func (s *story) apply(id raft.NodeID, i raft.Index, term raft.Term, digest uint32, e deed.Effect) {
	d := deed.Deed{Kind: deed.Applied, First: i, LogTerm: term, Digests: binary.LittleEndian.AppendUint32(nil, digest), Effects: []byte{byte(e.Is)}}
	if e.Is == deed.TookEffect {
		d.Commands = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, e.Session), e.Seq)
	}
	s.do(id, d)
}

func (s *story) config(id raft.NodeID, i raft.Index, term raft.Term, voters ...raft.NodeID) {
	s.store(id, i, term)
	s.do(id, deed.Deed{Kind: deed.Configured, Term: term, Index: i, Config: &raft.Configuration{Voters: voters}})
}

// led is S1, leader of term 1, that has entry 1 with all others and calls it committed.
func led() *story {
	s := newStory(1, 2, 3)
	for _, id := range []raft.NodeID{2, 3} {
		s.follow(id, 1)
	}
	s.elect(1, 1, 1, 2)
	for id := raft.NodeID(1); id <= 3; id++ {
		s.store(id, 1, 1)
	}
	s.commit(1, 1, 1, 1)
	return s
}

func carried(session, seq uint64) deed.Effect {
	return deed.Effect{Is: deed.TookEffect, Session: session, Seq: seq}
}

func TestPropertiesAreSeenBroken(t *testing.T) {
	tests := []struct {
		name string
		want Property
		say  string // in the text
		play func() *story
	}{
		{"two servers say that they lead a term", ElectionSafety, "S1 leads term 1", func() *story {
			s := led()
			s.elect(3, 1, 2, 3)
			return s
		}},
		{"a frame of a server that never told shows a second leader", ElectionSafety, "frame 47", func() *story {
			s := led()
			s.Leads(s.now, 47, 3, 1)
			return s
		}},
		{"a leader without a majority's votes", ElectionSafety, "which is no majority", func() *story {
			s := newStory(1)
			s.elect(1, 1, 1)
			return s
		}},
		{"a leader deletes an entry", LeaderAppendOnly, "deletes or overwrites entries 2 to 2", func() *story {
			s := led()
			s.store(1, 2, 1)
			s.truncate(1, 1, 2, 2)
			return s
		}},
		{"a leader overwrites an entry", LeaderAppendOnly, "S1 leads term 1", func() *story {
			s := led()
			s.store(1, 2, 1)
			s.entry(1, 2, 1, 99)
			return s
		}},
		{"equal index and term, other content", LogMatching, "Entry 2 of term 1 is one thing on S1", func() *story {
			s := led()
			s.store(1, 2, 1)
			s.entry(2, 2, 1, 99)
			return s
		}},
		{"equal entries behind different ones", LogMatching, "Entry 2 of term 3 follows", func() *story {
			s := newStory(1, 2)
			s.store(1, 1, 1, 3)
			s.store(2, 1, 2, 3)
			return s
		}},
		{"a log from disk that contradicts", LogMatching, "Entry 1 of term 1", func() *story {
			s := led()
			s.do(3, deed.Deed{Kind: deed.Started, Term: 1, Nodes: []raft.NodeID{1}})
			s.entry(3, 1, 1, 99)
			return s
		}},
		{"a leader lacks what is committed", LeaderCompleteness, "its log ends at 0", func() *story {
			s := led()
			s.start(3, 1)
			s.elect(3, 2, 2, 3)
			return s
		}},
		{"a leader has something else there", LeaderCompleteness, "its log has an entry of term 2 there", func() *story {
			s := newStory(1, 2, 3)
			s.store(3, 1, 2)
			s.elect(1, 3, 1, 2)
			s.store(1, 1, 3)
			s.commit(1, 3, 1, 1)
			s.elect(3, 4, 2, 3)
			return s
		}},
		{"it is heard later that an entry was committed before a leader without it was elected", LeaderCompleteness, "was committed in term 1", func() *story {
			s := newStory(1, 2, 3)
			s.elect(3, 2, 2, 3)
			s.elect(1, 1, 1, 2)
			s.store(1, 1, 1)
			s.commit(1, 1, 1, 1)
			return s
		}},
		{"two servers call different entries committed", StateMachineSafety, "S1 called entry 1 of term 1 committed", func() *story {
			s := led()
			s.start(2, 2)
			s.store(2, 1, 2)
			s.commit(2, 2, 1, 1)
			return s
		}},
		{"two servers apply different entries", StateMachineSafety, "as one thing", func() *story {
			s := led()
			s.commit(2, 1, 1, 1)
			s.apply(1, 1, 1, 5, deed.Effect{})
			s.apply(2, 1, 1, 6, deed.Effect{})
			return s
		}},
		{"one server carries out what another takes for a repetition", StateMachineSafety, "took it for a repetition", func() *story {
			s := led()
			s.commit(2, 1, 1, 1)
			s.apply(1, 1, 1, 5, carried(7, 1))
			s.apply(2, 1, 1, 5, deed.Effect{Is: deed.Repeated})
			return s
		}},
		{"an entry is applied a second time", StateMachineSafety, "S1 applies entry 1 after entry 1", func() *story {
			s := led()
			s.apply(1, 1, 1, 5, deed.Effect{})
			s.apply(1, 1, 1, 5, deed.Effect{})
			return s
		}},
		{"what is applied is not committed", StateMachineSafety, "its commitIndex is 0", func() *story {
			s := led()
			s.apply(3, 1, 1, 5, deed.Effect{})
			return s
		}},
		{"a snapshot of what was never committed", StateMachineSafety, "was sent a snapshot", func() *story {
			s := led()
			s.do(3, deed.Deed{Kind: deed.Installed, Term: 1, Index: 1, LogTerm: 9})
			return s
		}},
		{"a server votes for two", OneVote, "S3 voted for S1 (00:00.001, frame 5), and for S2", func() *story {
			s := newStory(1, 2, 3)
			s.Votes(1_000_000, 5, 3, 1, 4)
			s.Votes(2_000_000, 6, 3, 2, 4)
			return s
		}},
		{"a candidate votes for another in its term", OneVote, "In term 4 S3 voted for S3", func() *story {
			s := newStory(3)
			s.Message(1, 1, &raft.Message{From: 3, To: 1, Term: 4, Body: &raft.RequestVote{}})
			s.Message(1, 2, &raft.Message{From: 3, To: 2, Term: 4, Body: &raft.RequestVoteReply{Granted: true}})
			return s
		}},
		{"a restart does not take a vote back", OneVote, "S3 voted for S1", func() *story {
			s := newStory(3)
			s.Votes(1, 1, 3, 1, 4)
			s.start(3, 4)
			s.Votes(2, 2, 3, 2, 4)
			return s
		}},
		{"a committed entry is deleted", CommitMonotonic, "has called entries up to 1 committed", func() *story {
			s := led()
			s.commit(2, 1, 1, 1)
			s.truncate(2, 2, 1, 1)
			return s
		}},
		{"a commitIndex falls", CommitMonotonic, "The commitIndex of S1 was 1, and then 0", func() *story {
			s := led()
			s.commit(1, 1, 1, 1)
			return s
		}},
		{"a command takes effect twice", ExactlyOnce, "Command 1 of session 7 took effect with entry 1, and again with entry 2", func() *story {
			s := led()
			s.store(1, 2, 1)
			s.commit(1, 1, 2, 2)
			s.apply(1, 1, 1, 5, carried(7, 1))
			s.apply(1, 2, 1, 6, carried(7, 1))
			return s
		}},
		{"the members change in one step", ConfigurationSafety, "S1 makes S1 S2 S3 S4 S5 the configuration", func() *story {
			s := led()
			s.config(1, 2, 1, 1, 2, 3, 4, 5)
			return s
		}},
		{"a change meets one that is not committed", ConfigurationSafety, "(entry 2) may still count", func() *story {
			s := led()
			s.config(1, 2, 1, 1, 2, 3, 4)
			s.config(1, 3, 1, 1, 5)
			return s
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.play()
			var seen []string
			for _, v := range s.Violations() {
				if v.Property == tt.want && strings.Contains(v.Text, tt.say) {
					if s.Tally(tt.want).Broken == 0 || len(v.Nodes) == 0 {
						t.Errorf("it is not counted, or of nobody: %+v", v)
					}
					return
				}
				seen = append(seen, v.Message())
			}
			t.Errorf("%v with %q is not among what was seen: %q", tt.want, tt.say, seen)
		})
	}
}

// What looks like it and is right.
func TestHonestServersAreNotAccused(t *testing.T) {
	tests := []struct {
		name string
		play func() *story
	}{
		{"a leader of every term, told late and in any order", func() *story {
			s := led()
			s.elect(2, 3, 2, 3)
			s.Leads(s.now, 1, 2, 3)
			s.Leads(s.now, 2, 1, 1)
			s.Leads(s.now, 3, 3, 2)
			return s
		}},
		{"a follower's tail is replaced by the leader's", func() *story {
			s := led()
			s.store(3, 2, 1, 1)
			s.elect(2, 2, 1, 2)
			s.store(2, 2, 2)
			s.follow(3, 2)
			s.truncate(3, 2, 2, 3)
			s.store(3, 2, 2)
			return s
		}},
		{"a leader that steps down first may be cut", func() *story {
			s := led()
			s.store(1, 2, 1)
			s.elect(2, 2, 2, 3)
			s.store(2, 2, 2)
			s.follow(1, 2)
			s.truncate(1, 2, 2, 2)
			s.store(1, 2, 2)
			return s
		}},
		{"a crash takes what was not synced, and the server tells its log anew", func() *story {
			s := led()
			s.store(3, 2, 1, 1)
			s.Lost(s.now, 3, "killed")
			s.do(3, deed.Deed{Kind: deed.Started, Term: 1, Nodes: []raft.NodeID{1}})
			s.reads(3, 1)
			s.follow(3, 1)
			s.store(3, 2, 1)
			return s
		}},
		{"an old term's entry on a majority that nobody called committed is replaced", func() *story {
			s := newStory(1, 2, 3)
			s.store(1, 1, 2)
			s.store(2, 1, 2)
			s.elect(3, 3, 1, 3)
			s.store(3, 1, 3)
			s.truncate(2, 3, 1, 1)
			s.store(2, 1, 3)
			return s
		}},
		{"it is heard later that the leader had what is committed", func() *story {
			s := newStory(1, 2, 3)
			s.store(3, 1, 1)
			s.elect(3, 2, 2, 3)
			s.elect(1, 1, 1, 2)
			s.store(1, 1, 1)
			s.commit(1, 1, 1, 1)
			return s
		}},
		{"a leader whose snapshot stands for what is committed", func() *story {
			s := led()
			s.do(3, deed.Deed{Kind: deed.Installed, Term: 1, Index: 1, LogTerm: 1})
			s.elect(3, 2, 2, 3)
			return s
		}},
		{"a restart applies everything again", func() *story {
			s := led()
			s.apply(1, 1, 1, 5, carried(7, 1))
			s.do(1, deed.Deed{Kind: deed.Started, Term: 1, Nodes: []raft.NodeID{1}})
			s.reads(1, 1)
			s.follow(1, 1)
			s.commit(1, 1, 1, 1)
			s.apply(1, 1, 1, 5, carried(7, 1))
			return s
		}},
		{"a repetition is answered again", func() *story {
			s := led()
			s.store(1, 2, 1)
			s.commit(1, 1, 2, 2)
			s.apply(1, 1, 1, 5, carried(7, 1))
			s.apply(1, 2, 1, 6, deed.Effect{Is: deed.Repeated})
			return s
		}},
		{"commands of a pipeline come in any order", func() *story {
			s := led()
			s.store(1, 2, 1, 1, 1)
			s.commit(1, 1, 2, 4)
			for i, seq := range []uint64{3, 1, 4, 2} {
				s.apply(1, raft.Index(i+1), 1, digestOf(raft.Index(i+1), 1), carried(7, seq))
			}
			return s
		}},
		{"a vote is said again, and another term's goes to another", func() *story {
			s := newStory(3)
			s.Votes(1, 1, 3, 1, 4)
			s.Votes(2, 2, 3, 1, 4)
			s.Votes(3, 3, 3, 2, 5)
			return s
		}},
		{"a server that was wiped is a new one", func() *story {
			s := newStory(1, 2, 3)
			s.Votes(1, 1, 3, 1, 4)
			s.Wiped(2, 3)
			s.Votes(3, 2, 3, 2, 4)
			return s
		}},
		{"a pre-vote binds nobody", func() *story {
			s := newStory(3)
			for to := raft.NodeID(1); to <= 2; to++ {
				s.Message(1, 1, &raft.Message{From: 3, To: to, Term: 4, Body: &raft.RequestVoteReply{PreVote: true, Granted: true}})
			}
			return s
		}},
		{"members change by way of C_old,new", func() *story {
			s := led()
			old, next := []raft.NodeID{1, 2, 3}, []raft.NodeID{1, 2, 3, 4, 5}
			s.store(1, 2, 1)
			s.do(1, deed.Deed{Kind: deed.Configured, Term: 1, Index: 2, Config: &raft.Configuration{Voters: next, VotersOld: old}})
			s.commit(1, 1, 2, 2)
			s.store(1, 3, 1)
			s.do(1, deed.Deed{Kind: deed.Configured, Term: 1, Index: 3, Config: &raft.Configuration{Voters: next}})
			return s
		}},
		{"one server more is one whose majorities meet", func() *story {
			s := led()
			s.config(1, 2, 1, 1, 2, 3, 4)
			return s
		}},
		{"a follower stores a change whose predecessor it does not know to be committed", func() *story {
			s := led()
			s.store(2, 2, 1)
			s.do(2, deed.Deed{Kind: deed.Configured, Term: 1, Index: 2, Config: &raft.Configuration{Voters: []raft.NodeID{4, 5}}})
			return s
		}},
		{"logs that were written by hand contradict each other", func() *story {
			s := newStory()
			for id, terms := range map[raft.NodeID][]raft.Term{1: {1, 2, 2}, 2: {1, 1, 2}} {
				s.Preloaded(id, 3)
				s.do(id, deed.Deed{Kind: deed.Started, Term: 2, Nodes: []raft.NodeID{0}})
				s.reads(id, terms...)
				s.follow(id, 2)
			}
			if s.Tally(LogMatching).Unknown != 1 {
				s.violation(Violation{Property: LogMatching}, contradiction{}, func() string { return "not counted as unknown" })
			}
			return s
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, v := range tt.play().Violations() {
				t.Error(v.Message())
			}
		})
	}
}

func TestEachContradictionIsToldOnce(t *testing.T) {
	s := led()
	for range 5 {
		s.Leads(s.now, 1, 3, 1)
		s.Leads(s.now, 2, 2, 9)
	}
	s.elect(3, 1, 2, 3)
	if n := len(s.Violations()); n != 1 || s.Tally(ElectionSafety).Broken != 1 {
		t.Errorf("%d are told, %d counted, want one: %v", n, s.Tally(ElectionSafety).Broken, s.Violations())
	}
}

// A server that breaks everything all the time costs no more memory for it.
func TestViolationsAreBounded(t *testing.T) {
	s := newStory(1)
	for term := raft.Term(1); term < 3*contradictions; term++ {
		s.Votes(s.now, 1, 1, 1, term)
		s.Votes(s.now, 2, 1, 2, term)
	}
	if len(s.Violations()) != perPropertyMax || len(s.told) > contradictions || s.Tally(OneVote).Broken != 3*contradictions-1 {
		t.Errorf("%d are told, %d remembered, %d counted", len(s.Violations()), len(s.told), s.Tally(OneVote).Broken)
	}
}

// Whoever ends without a last word leaves something that nobody knows, and
// who says it does not.
func TestLostDeedsAreUnknown(t *testing.T) {
	s := led()
	at := s.now
	s.Lost(at+500, 2, "killed")
	s.do(3, deed.Deed{Kind: deed.Ended})
	s.Lost(s.now, 3, "stopped")
	u := s.Unknowns()
	if len(u) != 1 || u[0].Node != 2 || u[0].To != at+500 || u[0].From > at || u[0].Reason != "killed" {
		t.Errorf("not known is %+v, want what S2 did last", u)
	}
	for i := range 10 * unknownsMost {
		s.NotKnown(Unknown{Node: raft.NodeID(i % 5), From: raft.Time(i), To: raft.Time(i), Reason: fmt.Sprint("reason ", i%3)})
	}
	if n := len(s.Unknowns()); n > 2*unknownsMost {
		t.Errorf("%d are listed", n)
	}
}

// What has fallen out of the window is unknown, not fine and not broken.
func TestOldEntriesAreUnknown(t *testing.T) {
	s := led()
	const window = 1 << 10
	for i := raft.Index(2); i <= 2*window; i++ {
		s.store(1, i, 1)
	}
	s.commit(1, 1, 2, 2*window)
	for i := raft.Index(1); i <= 2*window; i++ {
		s.apply(1, i, 1, digestOf(i, 1), deed.Effect{})
	}
	s.entry(2, 2, 1, 99)
	s.commit(2, 1, 1, 2)
	s.apply(2, 1, 1, 98, deed.Effect{})
	if len(s.Violations()) != 0 {
		t.Error(s.Violations()[0].Message())
	}
	if s.Tally(LogMatching).Unknown != 1 || s.Tally(StateMachineSafety).Unknown != 1 {
		t.Errorf("unknown are %d entries stored and %d applied, want one each", s.Tally(LogMatching).Unknown, s.Tally(StateMachineSafety).Unknown)
	}
	if n := len(s.entries.ring); n != window {
		t.Errorf("the window is %d", n)
	}
}

// What was done to a server that Raft does not expect stands in the sentence.
func TestViolationsTellOfWipes(t *testing.T) {
	s := led()
	s.Wiped(s.now, 3)
	s.start(3, 0)
	s.elect(3, 2, 2, 3)
	v := s.Violations()
	if len(v) != 1 || v[0].Property != LeaderCompleteness || !strings.Contains(v[0].Text, "S3 was wiped") {
		t.Errorf("seen is %+v", v)
	}
}

// A log that was written by hand may have entries of a term that is led only now:
// that breaks promises, and the sentence says whose doing it is.
func TestViolationsTellOfPreloads(t *testing.T) {
	s := newStory(1)
	s.Preloaded(2, 1)
	s.do(2, deed.Deed{Kind: deed.Started, Term: 2, Nodes: []raft.NodeID{0}})
	s.entry(2, 1, 2, 99)
	s.elect(1, 2, 1, 3)
	s.store(1, 1, 2)
	v := s.Violations()
	if len(v) != 1 || v[0].Property != LogMatching || !strings.Contains(v[0].Text, "The log of S2 was preloaded with entries of term 2") {
		t.Errorf("seen is %+v", v)
	}
}

// The names that scripts count on, and those that the rules are said to endanger.
func TestPropertyNames(t *testing.T) {
	want := "ElectionSafety LeaderAppendOnly LogMatching LeaderCompleteness StateMachineSafety OneVoteATerm CommitNeverGoesBack ExactlyOnce ConfigurationSafety"
	var got []string
	for _, p := range Properties() {
		got = append(got, p.String())
	}
	if strings.Join(got, " ") != want {
		t.Errorf("the names are %s", strings.Join(got, " "))
	}
	for _, r := range raft.UnsafeRules() {
		known := r.Endangers == "progress" || r.Endangers == "Linearizability"
		for _, p := range Properties() {
			known = known || p.Name() == r.Endangers
		}
		if !known {
			t.Errorf("%s endangers %q, which nobody looks for", r.Name, r.Endangers)
		}
	}
}

func TestMajoritiesMeet(t *testing.T) {
	ids := func(n ...raft.NodeID) []raft.NodeID { return n }
	tests := []struct {
		x, y []raft.NodeID
		want bool
	}{
		{ids(1, 2, 3), ids(1, 2, 3), true},
		{ids(1, 2, 3), ids(1, 2, 3, 4), true},
		{ids(1, 2, 3), ids(1, 2), true},
		{ids(1, 2, 3), ids(1, 2, 3, 4, 5), false},
		{ids(1, 2, 3), ids(2, 3, 4), false},
		{ids(1), ids(1, 2), true},
		{ids(1), ids(2), false},
	}
	for _, tt := range tests {
		if got := majoritiesMeet(tt.x, tt.y); got != tt.want {
			t.Errorf("majoritiesMeet(%v, %v) = %v", tt.x, tt.y, got)
		}
	}
}
