package raft_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// sabotage makes the servers of a schedule break one rule, from outside: the
// core is correct, what it says and what it finds on its disk is not.
type sabotage struct {
	start func(*server)                   // before a server starts
	ready func(raft.Ready) raft.Ready     // what a server does of a Ready
	send  func(raft.Message) raft.Message // what becomes of a message that leaves
}

// TestSabotageIsCaught is the test of the checker: every broken rule must be
// seen, as the property it protects, within a bounded number of schedules.
func TestSabotageIsCaught(t *testing.T) {
	tests := []struct {
		name string
		sabotage
		weather func(*draw) // nil: any
		lenient bool        // the checker is to look at what the rule protects, not at the rule
		want    []error     // any of these
	}{
		{
			name:     "a restart forgets the vote (§5.2)",
			sabotage: sabotage{start: func(s *server) { s.disk.state.Vote = 0 }},
			weather:  restarts,
			want:     []error{errVoteOnce, errElectionSafety},
		},
		{
			name:     "a restart forgets the log",
			sabotage: sabotage{start: func(s *server) { s.disk = disk{state: s.disk.state} }},
			want:     []error{errLeaderCompleteness, errCommitStored, errStateMachineSafety},
		},
		{
			name: "answers do not wait for the disk (Figure 2)",
			sabotage: sabotage{ready: func(r raft.Ready) raft.Ready {
				r.Messages, r.AfterSync = append(r.Messages, r.AfterSync...), nil
				return r
			}},
			want: []error{errOnDisk},
		},
		{
			name: "candidates say that their log is newer than it is (§5.4.1)",
			sabotage: sabotage{send: func(m raft.Message) raft.Message {
				if v, ok := m.Body.(*raft.RequestVote); ok && m.Term > 1 {
					m.Body = &raft.RequestVote{PreVote: v.PreVote, LastLogIndex: v.LastLogIndex + 1000, LastLogTerm: m.Term - 1}
				}
				return m
			}},
			want: []error{errLeaderCompleteness},
		},
		{
			name: "voters vote for everybody (§5.2)",
			sabotage: sabotage{send: func(m raft.Message) raft.Message {
				if r, ok := m.Body.(*raft.RequestVoteReply); ok && !r.PreVote {
					m.Body = &raft.RequestVoteReply{Granted: true}
				}
				return m
			}},
			lenient: true,
			want:    []error{errElectionSafety, errLeaderCompleteness}, // nor does the log count then
		},
		{
			name: "entries change on their way (§5.3)",
			sabotage: sabotage{send: func(m raft.Message) raft.Message {
				if a, ok := m.Body.(*raft.AppendEntries); ok && len(a.Entries) > 0 {
					changed := *a
					changed.Entries = append([]raft.Entry(nil), a.Entries...)
					changed.Entries[0].Data = fmt.Append(nil, "for ", m.To)
					m.Body = &changed
				}
				return m
			}},
			want: []error{errLogMatching},
		},
		{
			name: "leaders call committed what they have just sent (§5.3)",
			sabotage: sabotage{send: func(m raft.Message) raft.Message {
				if a, ok := m.Body.(*raft.AppendEntries); ok {
					changed := *a
					changed.LeaderCommit = a.PrevLogIndex + raft.Index(len(a.Entries))
					m.Body = &changed
				}
				return m
			}},
			want: []error{errCommitStored},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const most = 300
			if tt.weather == nil {
				tt.weather = anyWeather
			}
			for seed := uint64(1); seed <= most; seed++ {
				s := newSim(drawSchedule(seed, tt.weather))
				s.sabotage, s.check.lenient, s.check.forged = &tt.sabotage, tt.lenient, true
				s.run()
				if s.check.err == nil {
					continue
				}
				for _, want := range tt.want {
					if errors.Is(s.check.err, want) {
						t.Logf("seed %d: %v", seed, s.check.err)
						return
					}
				}
				t.Fatalf("seed %d: caught as %v, want one of %v", seed, s.check.err, tt.want)
			}
			t.Fatalf("not caught in %d schedules", most)
		})
	}
}

// What cannot be provoked from outside is shown to the checker by hand.
func TestCheckerSees(t *testing.T) {
	tests := []struct {
		name string
		show func(c *cluster)
		want error
	}{
		{"two leaders in a term", func(c *cluster) {
			c.check.leaders[1] = reign{leader: 3}
			c.check.elected(c.at(1).server)
		}, errElectionSafety},
		{"a leader that nobody voted for", func(c *cluster) {
			clear(c.check.leaders)
			clear(c.check.votes)
			c.check.elected(c.at(1).server)
		}, errVotedIn},
		{"a leader that lost its last entry", func(c *cluster) {
			c.check.stillLeads(c.at(1).server, &view{last: 2, lastTerm: 1})
		}, errLeaderAppendOnly},
		{"a leader that replaced an entry", func(c *cluster) {
			c.check.stillLeads(c.at(1).server, &view{last: 1, lastTerm: 9})
		}, errLeaderAppendOnly},
		{"a leader without a committed entry", func(c *cluster) {
			c.check.commits = append(c.check.commits, commit{term: 1, in: 1})
			c.elect(2)
			c.check.commits = append(c.check.commits, commit{term: 2, in: 2}, commit{term: 2, in: 2})
			c.elect(3)
		}, errLeaderCompleteness},
		{"a commitIndex that goes back", func(c *cluster) {
			c.check.views[1].commit = 9
			c.check.stepped(c.at(1).server)
		}, errForward},
		{"an entry applied twice", func(c *cluster) {
			s := c.at(1).server
			s.applied = append(s.applied, s.applied[0])
			c.check.stepped(s)
		}, errStateMachineSafety},
		{"an entry applied that is not the committed one", func(c *cluster) {
			c.check.views[1].applied = 0
			c.check.apply(c.at(1).server, applied{Entry: raft.Entry{Index: 1, Term: 9}})
		}, errStateMachineSafety},
		{"an entry applied with another outcome", func(c *cluster) {
			c.check.views[1].applied = 0
			c.check.apply(c.at(1).server, applied{Entry: raft.Entry{Index: 1, Term: 1}, digest: 1})
		}, errStateMachineSafety},
		{"a candidate without a vote", func(c *cluster) {
			c.check.views[1].configs = []configAt{{0, raft.Configuration{Voters: []raft.NodeID{2, 3}, Learners: []raft.NodeID{1}}}}
			c.check.stands(c.at(1).server)
		}, errCandidate},
		{"a change that leaves out C_old,new", func(c *cluster) {
			c.check.follows(c.at(1).server, configAt{2, raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4}}})
		}, errConfiguration},
		{"C_new before C_old,new is committed", func(c *cluster) {
			v := &c.check.views[1]
			v.configs = append(v.configs, configAt{2, raft.Configuration{Voters: []raft.NodeID{4}, VotersOld: []raft.NodeID{1, 2, 3}}})
			c.check.follows(c.at(1).server, configAt{3, raft.Configuration{Voters: []raft.NodeID{4}}})
		}, errConfiguration},
		{"a snapshot of what is not committed", func(c *cluster) {
			c.at(1).born.meta = raft.SnapshotMeta{Index: 2, Term: 1}
			c.check.born(c.at(1).server)
		}, errStateMachineSafety},
		{"a snapshot of another entry", func(c *cluster) {
			c.at(1).born.meta = raft.SnapshotMeta{Index: 1, Term: 9}
			c.check.born(c.at(1).server)
		}, errStateMachineSafety},
		{"a snapshot of another state", func(c *cluster) {
			c.at(1).born = birth{raft.SnapshotMeta{Index: 1, Term: 1}, 1}
			c.check.born(c.at(1).server)
		}, errStateMachineSafety},
		{"a snapshot of another configuration", func(c *cluster) {
			c.at(1).born = birth{raft.SnapshotMeta{Index: 1, Term: 1}, c.check.commits[0].digest}
			c.check.born(c.at(1).server)
		}, errConfiguration},
		{"a log that is kept without the snapshot's entry (§7)", func(c *cluster) {
			c.check.installed(c.at(1).server, &raft.Install{Meta: raft.SnapshotMeta{Index: 2, Term: 1}, KeepLog: true})
		}, errKeepLog},
		{"a log that is dropped with the snapshot's entry (§7)", func(c *cluster) {
			c.check.installed(c.at(1).server, &raft.Install{Meta: raft.SnapshotMeta{Index: 1, Term: 1}})
		}, errKeepLog},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 3).start()
			c.elect(1)
			c.forging = true
			tt.show(c)
			if !errors.Is(c.check.err, tt.want) {
				t.Errorf("the checker says %v, want %v", c.check.err, tt.want)
			}
		})
	}
}
