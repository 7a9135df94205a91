package explain

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/raft"
)

const ms = raft.Time(time.Millisecond)

// lab is five nodes of which S1 leads term 7 and all follow.
func lab(change func(*View)) View {
	v := View{Now: 1000 * ms}
	for id := raft.NodeID(1); id <= 5; id++ {
		v.Nodes = append(v.Nodes, Node{ID: id, Term: 7, Leader: 1, Last: 43, Commit: 43, TimerEnd: 1200*ms + raft.Time(id)*ms})
	}
	v.Nodes[0].Role = raft.Leader
	if change != nil {
		change(&v)
	}
	return v
}

// joint is lab on its way from S1 S2 S3 to all five.
func joint(change func(*View)) View {
	return lab(func(v *View) {
		v.Config = raft.Configuration{VotersOld: ids(1, 2, 3), Voters: ids(1, 2, 3, 4, 5)}
		v.ConfigIndex = 40
		change(v)
	})
}

// wall lets frames pass inside {2 4} and inside {1 3 5} only.
func wall(a, b raft.NodeID) bool { return a%2 == b%2 }

func votes(from ...raft.NodeID) []raft.Vote {
	var v []raft.Vote
	for _, id := range from {
		v = append(v, raft.Vote{From: id, Granted: true})
	}
	return v
}

func TestHeadline(t *testing.T) {
	tests := []struct {
		name string
		view View
		want string
	}{
		{"a whole lab with a leader", lab(nil),
			"S1 leads term 7, all 5 nodes follow."},
		{"one node alone", lab(func(v *View) { v.Nodes = v.Nodes[:1] }),
			"S1 leads term 7; there is no other node."},
		{"held is said first", lab(func(v *View) { v.Held = true }),
			"The lab clock is held: nothing moves, nothing is lost. S1 leads term 7, all 5 nodes follow."},
		{"a leader behind a wall cannot commit", lab(func(v *View) {
			v.Open = wall
			v.Nodes[1].Role, v.Nodes[1].Term, v.Nodes[1].Leader = raft.Leader, 6, 2
			v.Nodes[3].Term, v.Nodes[3].Leader = 6, 2
		}), "S1 leads 3 of 5 nodes in term 7. S2 still claims term 6, but it reaches only 2 of 5 nodes: nothing it accepts can commit."},
		{"a dead follower is named", lab(func(v *View) { v.Nodes[2].Dead = true }),
			"S1 leads 4 of 5 nodes in term 7. S3 is dead."},
		{"a follower far behind is named", lab(func(v *View) { v.Nodes[3].Last = 10 }),
			"S1 leads term 7, all 5 nodes follow. S4 is 33 entries behind."},
		{"one message behind is no news", lab(func(v *View) { v.Nodes[3].Last = 42 }),
			"S1 leads term 7, all 5 nodes follow."},
		{"killed leader, timers running", lab(func(v *View) {
			v.Nodes[0].Dead, v.Nodes[0].Since = true, 690*ms
		}), "S1, leader of term 7, died 310 ms ago. No leader: S2's election timer runs out first, in 202 ms."},
		{"killed leader, one candidate", lab(func(v *View) {
			v.Nodes[0].Dead, v.Nodes[0].Since = true, 690*ms
			v.Nodes[3].Role, v.Nodes[3].Term, v.Nodes[3].Votes = raft.Candidate, 8, votes(4, 2)
		}), "S1, leader of term 7, died 310 ms ago. S4 stands in term 8: 2 of 5 votes, 3 are needed."},
		{"a dead leader of old is no news, also when who led since is forgotten", lab(func(v *View) {
			v.Nodes[0].Dead, v.Nodes[0].Since = true, 690*ms
			for i := range v.Nodes[1:] {
				n := &v.Nodes[1+i]
				n.Term, n.Leader = 9, 0 // all have heard of somebody who stands
			}
			v.Nodes[2].LastTerm = 8 // S3 led term 8
			v.Nodes[4].Role, v.Nodes[4].Votes = raft.Candidate, votes(5)
		}), "S5 stands in term 9: 1 of 5 votes, 3 are needed."},
		{"nor is one whose successor died, too, and came back", lab(func(v *View) {
			v.Nodes[0].Dead, v.Nodes[0].Since = true, 690*ms
			for i := range v.Nodes[1:] {
				n := &v.Nodes[1+i]
				n.Term, n.LastTerm, n.Leader = 8, 8, 0
			}
		}), "No leader: S2's election timer runs out first, in 202 ms."},
		{"a split vote gives the tally", lab(func(v *View) {
			v.Nodes[0].Role, v.Nodes[0].Leader = raft.Follower, 0
			v.Nodes[1].Role, v.Nodes[1].Term, v.Nodes[1].Votes = raft.Candidate, 8, votes(2, 3)
			v.Nodes[3].Role, v.Nodes[3].Term, v.Nodes[3].Votes = raft.Candidate, 8, votes(4, 5)
		}), "S2 and S4 stand in term 8: 2 to 2 votes, 3 are needed."},
		{"a candidate of an older term has lost already", lab(func(v *View) {
			v.Nodes[0].Role, v.Nodes[0].Leader = raft.Follower, 0
			v.Nodes[1].Role, v.Nodes[1].Term = raft.Candidate, 8
			v.Nodes[3].Role, v.Nodes[3].Term = raft.Candidate, 9
		}), "S4 stands in term 9, which overrides S2's candidacy in term 8."},
		{"too few nodes run", lab(func(v *View) {
			for _, i := range []int{0, 1, 2} {
				v.Nodes[i].Dead, v.Nodes[i].Since = true, 0
			}
		}), "S1, leader of term 7, died 1.0 s ago. No leader is possible: 2 of 5 nodes run, 3 are needed. S1, S2 and S3 are dead."},
		{"nobody runs", lab(func(v *View) {
			for i := range v.Nodes {
				v.Nodes[i].Dead = true
			}
		}), "No node runs. S1, S2, S3, S4 and S5 are dead."},
		{"walls leave no majority anywhere", lab(func(v *View) {
			v.Nodes[0].Role, v.Nodes[0].Leader = raft.Follower, 0
			v.Open = func(a, b raft.NodeID) bool { return false }
		}), "No leader is possible: at most 1 of 5 nodes can talk to each other, 3 are needed."},
		{"the only leader cannot commit", lab(func(v *View) {
			v.Open = func(a, b raft.NodeID) bool { return a != 1 && b != 1 }
		}), "No leader: S2's election timer runs out first, in 202 ms. S1 still claims term 7, but it reaches only 1 of 5 nodes: nothing it accepts can commit."},
		{"a cut-off candidate does not hide the leader", lab(func(v *View) {
			v.Open = func(a, b raft.NodeID) bool { return a != 5 && b != 5 }
			v.Nodes[4].Role, v.Nodes[4].Leader = raft.PreCandidate, 0
		}), "S1 leads 4 of 5 nodes in term 7. S5 stands, but it reaches only 1 of 5 nodes and cannot win."},
		{"a new leader nobody has heard of", lab(func(v *View) {
			for i := range v.Nodes {
				v.Nodes[i].Leader = 0
			}
		}), "S1 has won term 7; the others have not heard of it yet."},
		{"a new leader one node has heard of", lab(func(v *View) {
			for i := range v.Nodes[1:4] {
				v.Nodes[1+i].Leader = 0
			}
		}), "S1 has won term 7; 2 of 5 nodes know of it so far."},
		{"a joint configuration names what C_old,new still needs", joint(func(v *View) {
			v.Nodes[0].Peers = []raft.Progress{{ID: 2, Match: 40}, {ID: 3, Match: 39}, {ID: 4, Match: 40}, {ID: 5, Match: 12}}
		}), "S1 leads term 7, all 5 nodes follow. The configuration is joint: C_old,new (entry 40) is on 2 of 3 old and 3 of 5 new voters, 2 and 3 are needed."},
		{"a joint configuration that is committed", joint(func(v *View) { v.Committed = true }),
			"S1 leads term 7, all 5 nodes follow. The configuration is joint and C_old,new (entry 40) committed: C_new, which is S1 S2 S3 S4 S5, comes next."},
		{"a joint leader without the new majority commits nothing", joint(func(v *View) {
			v.Open = func(a, b raft.NodeID) bool { return (a <= 2) == (b <= 2) }
			v.Nodes[0].Peers = []raft.Progress{{ID: 2, Match: 40}}
		}), "No leader is possible: at most 1 of 3 old and 3 of 5 new voters can talk to each other, 2 and 3 are needed. " +
			"S1 still claims term 7, but it reaches only 2 of 3 old and 2 of 5 new voters: nothing it accepts can commit. " +
			"The configuration is joint: C_old,new (entry 40) is on 2 of 3 old and 2 of 5 new voters, 2 and 3 are needed. S1 reaches no majority of the new voters S1 S2 S3 S4 S5."},
		{"nor without the old one", joint(func(v *View) {
			v.Nodes[1].Dead, v.Nodes[2].Dead = true, true
			v.Nodes[0].Peers = []raft.Progress{{ID: 4, Match: 40}, {ID: 5, Match: 40}}
		}), "No leader is possible: 1 of 3 old and 3 of 5 new voters run, 2 and 3 are needed. S2 and S3 are dead. " +
			"S1 still claims term 7, but it reaches only 1 of 3 old and 3 of 5 new voters: nothing it accepts can commit. " +
			"The configuration is joint: C_old,new (entry 40) is on 1 of 3 old and 3 of 5 new voters, 2 and 3 are needed. S1 reaches no majority of the old voters S1 S2 S3."},
		{"a candidate in a joint configuration needs both", joint(func(v *View) {
			v.Nodes[0].Role, v.Nodes[0].Leader = raft.Follower, 0
			v.Nodes[3].Role, v.Nodes[3].Term, v.Nodes[3].Votes = raft.Candidate, 8, votes(4, 5, 2)
		}), "S4 stands in term 8: 1 of 3 old and 3 of 5 new votes, 2 and 3 are needed. The configuration is joint (entry 40): a leader needs votes of both, 2 and 3 of the old voters and of the new."},
		{"learners that are caught up", lab(func(v *View) {
			v.Config = raft.Configuration{Voters: ids(1, 2, 3), Learners: ids(4, 5)}
			v.Committed, v.Target = true, &raft.Configuration{Voters: ids(1, 2, 3, 4, 5)}
		}), "S1 leads term 7, all 5 nodes follow. S1 brings S4 and S5 up to date before they vote."},
		{"a configuration that is not committed yet", lab(func(v *View) {
			v.Config, v.ConfigIndex = raft.Configuration{Voters: ids(1, 2, 3), Learners: ids(4, 5)}, 44
			v.Nodes[0].Peers = []raft.Progress{{ID: 2, Match: 44}, {ID: 4, Match: 44}}
		}), "S1 leads term 7, all 5 nodes follow. The configuration S1 S2 S3 and learners S4 S5 (entry 44) counts already and is not committed: it is on 2 of 3 voters, 2 are needed."},
		{"learners cannot win nor be missed", lab(func(v *View) {
			v.Config, v.Committed = raft.Configuration{Voters: ids(1, 2, 3), Learners: ids(4, 5)}, true
			v.Nodes[1].Dead, v.Nodes[2].Dead = true, true
			v.Nodes[0].Role, v.Nodes[0].Leader = raft.Follower, 0
		}), "No leader is possible: 1 of 3 voters run, 2 are needed. S2 and S3 are dead."},
		{"a node that is no member", lab(func(v *View) {
			v.Config, v.Committed = raft.Configuration{Voters: ids(1, 2, 3, 4)}, true
			v.Nodes[4].Term, v.Nodes[4].Leader, v.Nodes[4].Last, v.Nodes[4].Commit = 0, 0, 0, 0
		}), "S1 leads 4 of 5 nodes in term 7. S5 is no member of the configuration."},
		{"a leader that hands over", lab(func(v *View) { v.Nodes[0].TransferTo = 3 }),
			"S1 leads term 7, all 5 nodes follow. S1 hands over to S3 and takes no writes meanwhile."},
		{"a node that is sent a snapshot is not merely behind", lab(func(v *View) {
			v.Nodes[3].Last = 3
			v.Nodes[0].SnapshotBytes = 200
			v.Nodes[0].Peers = []raft.Progress{{ID: 4, Flow: raft.FlowSnapshot, SnapshotIndex: 40, SnapshotOffset: 76}}
		}), "S1 leads term 7, all 5 nodes follow. S4 needs entries that are dropped: S1 sends it the snapshot of 40, 38 % have arrived."},
		{"a leader that no majority answered", lab(func(v *View) {
			v.Open = wall
			v.Nodes[1].LostQuorum, v.Nodes[1].Term, v.Nodes[1].Leader = true, 6, 0
			v.Nodes[3].Term, v.Nodes[3].Leader = 6, 0
		}), "S1 leads 3 of 5 nodes in term 7. S2 gave up the leadership of term 6: no majority answered it."},
		{"what is unsafe comes first", lab(func(v *View) { v.Unsafe = []string{"vote-twice", "no-noop"} }),
			"Unsafe on purpose: vote-twice, no-noop. S1 leads term 7, all 5 nodes follow."},
		{"nothing was ever reported", View{Nodes: []Node{{ID: 1}, {ID: 2}, {ID: 3}}}, "No leader yet."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(Headline(tt.view), " "); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// What does not fit is said in fewer words or left out; never cut.
func TestLineFits(t *testing.T) {
	split := lab(func(v *View) {
		v.Open = wall
		v.Nodes[1].Role, v.Nodes[1].Term, v.Nodes[1].Leader = raft.Leader, 6, 2
		v.Nodes[3].Term, v.Nodes[3].Leader = 6, 2
	})
	held, dead := split, split
	held.Held = true
	dead.Nodes = slices.Clone(split.Nodes)
	dead.Nodes[3].Dead = true
	killed := lab(func(v *View) { v.Nodes[0].Dead, v.Nodes[0].Since = true, 690*ms })
	tests := []struct {
		name    string
		view    View
		columns int
		want    string
	}{
		{"all of it where there is room", split, 200,
			"S1 leads 3 of 5 nodes in term 7. S2 still claims term 6, but it reaches only 2 of 5 nodes: nothing it accepts can commit."},
		{"both leaders in 78 columns", split, 78, "S1 leads 3 of 5 nodes in term 7. S2 claims term 6, but 2 of 5 cannot commit."},
		{"that the clock is held goes first: line 1 says it", held, 78, "S1 leads 3 of 5 nodes in term 7. S2 claims term 6, but 2 of 5 cannot commit."},
		{"a later sentence that fits stays", dead, 60, "S1 leads 3 of 5 nodes in term 7. S4 is dead."},
		{"a killed leader and who comes next", killed, 78, "S1 died 310 ms ago. S2 times out first, in 202 ms."},
		{"a killed leader and a split vote in 78 columns", lab(func(v *View) {
			v.Nodes[0].Dead, v.Nodes[0].Since = true, 690*ms
			v.Nodes[1].Role, v.Nodes[1].Term, v.Nodes[1].Votes = raft.Candidate, 8, votes(2, 3)
			v.Nodes[3].Role, v.Nodes[3].Term, v.Nodes[3].Votes = raft.Candidate, 8, votes(4, 5)
		}), 78, "S1 died 310 ms ago. S2 and S4 stand in term 8: 2 to 2 votes, 3 needed."},
		{"what is unsafe is said also where there is little room", lab(func(v *View) { v.Unsafe = []string{"vote-twice"} }), 50,
			"Unsafe on purpose: vote-twice."},
		{"why nobody leads comes before what is unsafe", lab(func(v *View) {
			v.Unsafe = []string{"vote-twice"}
			v.Nodes[0].Dead, v.Nodes[1].Dead, v.Nodes[2].Dead = true, true, true
		}), 78, "S1 died 1.0 s ago. No leader is possible: 2 of 5 nodes run, 3 are needed."},
		{"a joint configuration in few words", joint(func(v *View) {
			v.Nodes[0].Peers = []raft.Progress{{ID: 2, Match: 40}, {ID: 4, Match: 40}}
		}), 100, "S1 leads term 7, all 5 nodes follow. Joint: C_old,new is on 2 of 3 old and 3 of 5 new."},
		{"the first stays when nothing fits", split, 10, "S1 leads 3 of 5 nodes in term 7."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Line(tt.view, tt.columns); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}
