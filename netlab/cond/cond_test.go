package cond

import (
	"errors"
	"strings"
	"testing"
)

func env() *Env {
	e := &Env{Leader: 3, Term: 7, Commit: 44, Quorum: 2, Rate: 1, KV: func(k string) (string, error) {
		if k == "x" {
			return "1", nil
		}
		return "", nil
	}}
	for id := 1; id <= 3; id++ {
		e.Nodes = append(e.Nodes, Node{ID: id, State: "up", Role: "follower", Term: 7, Leader: 3, LastIndex: 44, LastTerm: 7, Commit: 44, Applied: 44, Terms: "1114455666", Member: true, FirstIndex: 1, Flow: "replicate"})
	}
	e.Nodes[2].Role, e.Nodes[2].Flow = "leader", ""
	e.Config = Config{Committed: true, Voters: []int{1, 2, 3}, VotersOld: []int{}, Learners: []int{}, Quorum: 2}
	return e
}

func TestConditions(t *testing.T) {
	stopped := env()
	stopped.Nodes[0].State, stopped.Nodes[0].Commit, stopped.Nodes[0].LastIndex = "dead", 2, 2
	behind := env()
	behind.Nodes[0].Applied = 43
	broken := env()
	broken.Broke, broken.Breaks = "split-vote", []Break{{ID: 1, Cond: "term >= 99"}, {ID: 2, Cond: "split-vote", Holds: true, Hits: 2}}
	// S4 and S5 are new voters, and S5 knows of no leader yet.
	joint := env()
	joint.Nodes = append(joint.Nodes, Node{ID: 4, State: "up", Role: "follower", Term: 7, Leader: 3, Member: true}, Node{ID: 5, State: "up", Member: true})
	joint.Config = Config{Index: 12, Joint: true, Voters: []int{3, 4, 5}, VotersOld: []int{1, 2, 3}, Quorum: 2, QuorumOld: 2}
	lost := env() // of the old voters only S3 runs, the new ones are enough
	lost.Nodes = append(lost.Nodes, joint.Nodes[3:]...)
	lost.Config = joint.Config
	lost.Nodes[0].State, lost.Nodes[1].State = "dead", "dead"
	learner := env()
	learner.Config.Learners = []int{4}
	learner.Nodes = append(learner.Nodes, Node{ID: 4, State: "up", Role: "learner", Member: true, Flow: "snapshot", LastIndex: 9, SnapshotIndex: 9, FirstIndex: 10})
	outside := env()
	outside.Nodes = append(outside.Nodes, Node{ID: 4, State: "up", Role: "follower"})
	tests := []struct {
		src  string
		env  *Env
		want bool
	}{
		{`leader`, env(), true},
		{`leader`, &Env{}, false},
		{`quorum`, env(), true},
		{`converged`, env(), true},
		{`converged`, stopped, true}, // a dead node has nothing to say
		{`converged`, behind, false},
		{`quorum`, joint, true},
		{`quorum`, lost, false},
		{`converged`, outside, true}, // no member, nothing to store
		{`config.joint && config.index == 12 && not config.committed`, joint, true},
		{`config.voters == [3, 4, 5] and config.voters_old == [1, 2, 3]`, joint, true},
		{`config.voters == [1, 2, 3] and config.committed`, env(), true},
		{`4 in config.learners && S4.role == "learner" && S4.flow == "snapshot"`, learner, true},
		{`S4.snapshot_index >= 9 && S4.first_index > 1`, learner, true},
		{`all(nodes, .member)`, outside, false},
		{`leader == 3`, env(), true},
		{`leader != 3`, env(), false},
		{`S1.term >= 2`, env(), true},
		{`S3.role == "leader" && S1.role != "leader"`, env(), true},
		{`count(nodes, .role == "leader") == 1`, env(), true},
		{`all(nodes, .commit == 44)`, env(), true},
		{`any(nodes, .state == "dead")`, stopped, true},
		{`S2.terms == "1114455666"`, env(), true},
		{`kv("x") == "1"`, env(), true},
		{`kv("nothing") == ""`, env(), true},
		{`len(violations) == 0`, env(), true},
		{`len(partition) == 0 and not held`, env(), true},
		{`broke == ""`, env(), true},
		{`broke == "split-vote" && breaks[1].hits == 2 && breaks[1].holds`, broken, true},
		{`any(breaks, .id == 3 && .cond == "term >= 2")`, broken, false},
	}
	for _, tt := range tests {
		c, err := Compile(tt.src)
		if err != nil {
			t.Errorf("%s: %v", tt.src, err)
			continue
		}
		if got, err := c.Eval(tt.env); err != nil || got != tt.want {
			t.Errorf("%s = %v, %v, want %v", tt.src, got, err, tt.want)
		}
	}
}

func TestBadConditionsSayWhatIsWrong(t *testing.T) {
	for src, want := range map[string]string{
		``:                              "empty",
		`leader =`:                      "column",
		`lead == 3`:                     "unknown name lead",
		`leader`[:4] + `er + "x" == 3`:  "mismatched",
		`leader + 1`:                    "bool",
		`S1.trem == 2`:                  "trem",
		`leader witin 2s`:               `"witin" does not belong here; expected the end, or an operator`,
		`leader ==`:                     "it ends where more is expected",
		`S22.term == 1`:                 "unknown name S22",
		strings.Repeat("leader||", 999): "longer than",
	} {
		_, err := Compile(src)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Compile(%.20q) = %v, want one line with %q", src, err, want)
		}
	}
}

func TestConditionOnAnAbsentNodeFails(t *testing.T) {
	c, err := Compile(`S9.term == 1`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Eval(env()); err == nil || !strings.Contains(err.Error(), "S9 is not in this lab, it has S1 to S3") {
		t.Errorf("Eval = %v", err)
	}
}

func TestFailedReadIsAnErrorNotFalse(t *testing.T) {
	c, err := Compile(`kv("x") == "1"`)
	if err != nil {
		t.Fatal(err)
	}
	if !c.UsesKV() {
		t.Error("UsesKV = false")
	}
	e := env()
	e.KV = func(string) (string, error) { return "", errors.New("no leader") }
	if _, err := c.Eval(e); err == nil || !strings.Contains(err.Error(), "no leader") {
		t.Errorf("Eval = %v", err)
	}
}

// Of links and faults what is set is told, not a field that nodes do not have.
func TestSeenOfLinksAndFaults(t *testing.T) {
	e := env()
	e.Faults = []Fault{{ID: 2, Text: "slow 20ms", Hits: 7}}
	e.Links = []Link{{From: 1, To: 2, Set: "slow 20ms"}, {From: 1, To: 3}, {From: 2, To: 1, Set: "cut", Wall: true}, {From: 2, To: 3, Wall: true}, {From: 3, To: 1, OnHold: 2}}
	for src, want := range map[string]string{
		`all(faults, .hits > 7)`:                     "f2 slow 20ms (hits 7)",
		`any(links, .loss > 0 && .to == 1)`:          "S1 to S2 slow 20ms, S2 to S1 wall, cut, S2 to S3 wall, S3 to S1 2 on hold",
		`any(links, .copies > 0) and S1.commit == 3`: "S1 to S2 slow 20ms, S2 to S1 wall, cut, S2 to S3 wall, S3 to S1 2 on hold; S1.commit 44",
	} {
		c, err := Compile(src)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Seen(e); got != want {
			t.Errorf("Seen(%s) = %q, want %q", src, got, want)
		}
	}
	e.Links = append(e.Links, Link{From: 3, To: 2, Set: "cut"})
	c, err := Compile(`any(links, .cut)`)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Seen(e); !strings.HasSuffix(got, "2 on hold, and 1 more") {
		t.Errorf("Seen = %q", got)
	}
	e.Links = nil
	if got := c.Seen(e); got != "nothing is set on a link" {
		t.Errorf("Seen = %q", got)
	}
}

func TestSeenNamesWhatTheConditionSpeaksOf(t *testing.T) {
	for src, want := range map[string]string{
		`leader == 1`:                                     "leader 3",
		`S1.term == 2 && S2.commit == 3`:                  "S1.term 7; S2.commit 44",
		`count(nodes, .role == "leader") == 2`:            "role S1 follower, S2 follower, S3 leader",
		`len(violations) > 0`:                             "no violations",
		`kv("x") == "2"`:                                  "",
		`all(nodes, .last_index == 1 && .state == "up") `: "last_index S1 44, S2 44, S3 44; state S1 up, S2 up, S3 up",
		`commit == 3 || commit == 4`:                      "commit 44",
		`config.joint or config.voters == [1]`:            "config.joint false; config.voters [1 2 3]",
		`count(nodes, .id in config.learners) == 1`:       "config.learners []",
		`S1.first_index > 1`:                              "S1.first_index 1",
	} {
		c, err := Compile(src)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Seen(env()); got != want {
			t.Errorf("Seen(%s) = %q, want %q", src, got, want)
		}
	}
}
