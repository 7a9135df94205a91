package netlab

import (
	"slices"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/netlab/proxy"
	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// did has a node report deeds, as if they had come over the wire.
func (l *lab) did(id int, list ...deed.Deed) {
	var b []byte
	var at raft.Time
	for i := range list {
		b = deed.Append(b, &list[i], at)
		at = list[i].At
	}
	c := l.talk(id)
	if l.checks.who[id] == nil {
		l.checks.begin(id, c, 0)
	}
	l.report(id, c, &wire.Report{Deeds: b})
}

func leads(term raft.Term) []deed.Deed {
	return []deed.Deed{
		{Kind: deed.Started, Nodes: []raft.NodeID{0}, Config: &raft.Configuration{Voters: []raft.NodeID{1, 2, 3}}},
		{Kind: deed.Elected, At: 5, Term: term, Nodes: []raft.NodeID{1, 2}},
		{Kind: deed.Became, At: 5, Term: term, Role: raft.Leader},
	}
}

// A broken promise is an event, in the status, and in what check tells, with the
// events that may have led to it.
func TestBrokenPromiseIsTold(t *testing.T) {
	l := fakeLab(t, 3)
	if r := l.checkReport(); !r.OK || len(r.Violations) != 0 || len(r.Properties) != 9 {
		t.Fatalf("a new lab reports %+v", r)
	}
	l.mu.Lock()
	fault := l.event(Event{Kind: EventFault, Text: "partition {1} | {2 3}"})
	other := l.event(Event{Kind: EventVote, Node: 3, Text: "voted for S2"})
	l.mu.Unlock()
	l.did(1, leads(7)...)
	l.did(2, leads(7)...)

	s := l.status()
	if len(s.Violations) != 1 {
		t.Fatalf("the status tells %+v", s.Violations)
	}
	v := s.Violations[0]
	if v.Property != "ElectionSafety" || v.Term != 7 || !slices.Equal(v.Nodes, []int{1, 2}) || v.LabNS != 5 {
		t.Errorf("the violation is %+v", v)
	}
	if want := "Election Safety: at most one leader can be elected in a given term (Figure 3, §5.2). S1 leads term 7 "; !strings.HasPrefix(v.Message, want) {
		t.Errorf("it says %q", v.Message)
	}
	if !slices.Contains(v.Before, fault) || slices.Contains(v.Before, other) {
		t.Errorf("before it are named %v, want %d and not %d", v.Before, fault, other)
	}
	l.mu.Lock()
	e := l.events.at(v.Event)
	l.mu.Unlock()
	if e.Kind != EventViolation || e.Node != 1 || e.Peer != 2 || e.Text != v.Message {
		t.Errorf("its event is %+v", e)
	}
	r := l.checkReport()
	if r.OK || len(r.Violations) != 1 || r.Properties[0].Violations != 1 || r.Properties[0].Checked != 1 {
		t.Errorf("the report is %+v", r)
	}
}

// The network's frames count as much as what nodes tell.
func TestFramesBreakPromises(t *testing.T) {
	l := fakeLab(t, 3)
	for n, to := range []raft.NodeID{1, 2} {
		l.watchFrame(&proxy.Frame{ID: uint64(n + 1), From: 3, To: to, Kind: wire.KindVoteReply, Term: 4, Summary: wire.Summary{OK: true}})
	}
	l.watchFrame(&proxy.Frame{ID: 3, From: 3, To: 2, Kind: wire.KindVoteReply, Term: 5})
	r := l.checkReport()
	if len(r.Violations) != 1 || r.Violations[0].Property != "OneVoteATerm" || r.Violations[0].Frame != 2 {
		t.Errorf("the report is %+v", r.Violations)
	}
}

// Whoever ends without a last word leaves something that nobody knows. What an
// earlier life says after the next one began does not count.
func TestLastWordsAreHeard(t *testing.T) {
	l := fakeLab(t, 2)
	l.did(1, leads(7)...)
	first := l.talk(1)
	l.leave(first)
	if u := l.checkReport().Unknown; len(u) != 1 || u[0].Node != 1 {
		t.Errorf("not known is %+v, want what S1 did last", u)
	}
	l.did(1, leads(8)...)
	l.report(1, first, &wire.Report{Deeds: deed.Append(nil, &deed.Deed{Kind: deed.Became, Term: 9, Role: raft.Leader}, 0)})
	if n := l.checkReport().Properties[0].Checked; n != 2 {
		t.Errorf("%d leaders, want those of terms 7 and 8", n)
	}
	l.did(1, deed.Deed{Kind: deed.Ended})
	l.leave(l.talk(1))
	if u := l.checkReport().Unknown; len(u) != 1 {
		t.Errorf("not known is %+v, after S1 has said its last word", u)
	}
}

// Bytes that are no deeds end the conversation, and nothing more.
func TestDeedsThatMakeNoSense(t *testing.T) {
	l := fakeLab(t, 2)
	l.did(1, leads(7)...)
	c := l.talk(1)
	l.report(1, c, &wire.Report{Deeds: []byte{99, 1, 2, 3}})
	select {
	case <-c.closed:
	default:
		t.Error("the conversation goes on")
	}
	l.did(2, leads(8)...)
	if r := l.checkReport(); !r.OK || r.Properties[0].Checked != 2 {
		t.Errorf("the report is %+v", r)
	}
}
