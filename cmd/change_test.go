package cmd

import (
	"testing"

	"github.com/raftlab/raftlab/netlab"
)

// Who changes the members hears before it begins that too few of those to come
// run; what cannot be begun at all is for the lab to say.
func TestTooFewOfThoseToCome(t *testing.T) {
	s := &netlab.Status{Config: netlab.ConfigStatus{Voters: []int{1, 2, 3}}}
	for id, state := range []string{netlab.StateDead, netlab.StateUp, netlab.StateUp} {
		s.Nodes = append(s.Nodes, netlab.NodeStatus{ID: id + 1, State: state})
	}
	for _, c := range []struct {
		op   netlab.Op
		want string
	}{
		{netlab.Op{Verb: "members", Nodes: []string{"1", "2"}}, "too few of the voters to come, S1 S2, run: nothing can commit until more of them do (§6)"},
		{netlab.Op{Verb: "remove", Nodes: []string{"3"}}, "too few of the voters to come, S1 S2, run: nothing can commit until more of them do (§6)"},
		{netlab.Op{Verb: "remove", Nodes: []string{"dead"}}, ""},
		{netlab.Op{Verb: "remove", Nodes: []string{"all"}}, ""},
		{netlab.Op{Verb: "remove", Nodes: []string{"9"}}, ""},
		{netlab.Op{Verb: "members", Nodes: []string{"1", "2", "3"}}, ""},
		{netlab.Op{Verb: "members", Nodes: []string{"1", "6", "7"}}, ""}, // new ones will run
		{netlab.Op{Verb: "add", Nodes: []string{"4"}}, ""},
		{netlab.Op{Verb: "add", Nodes: []string{"4"}, Learner: true}, ""},
	} {
		if got := fewRun(c.op, s); got != c.want {
			t.Errorf("%s %v: %q, want %q", c.op.Verb, c.op.Nodes, got, c.want)
		}
	}
	s.Nodes[1].State = netlab.StatePaused
	if got := fewRun(netlab.Op{Verb: "members", Nodes: []string{"1", "2"}}, s); got != "" {
		t.Errorf("where nothing can be decided at all: %q", got)
	}
}
