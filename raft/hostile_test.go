package raft_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/raftlab/raftlab/raft"
)

// TestAnyMessageIsHarmless: whatever the other servers say, a node does not
// panic, takes no harm from what it refuses, and keeps what it has promised.
// It is driven with messages made of small random numbers, most of which no
// correct server would send.
func TestAnyMessageIsHarmless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms := rapid.Uint64Range(0, 6)
		indexes := rapid.Uint64Range(0, 8)
		index := func(what string) raft.Index {
			if rapid.IntRange(0, 40).Draw(t, "huge") == 0 {
				return 1<<64 - 1
			}
			return raft.Index(indexes.Draw(t, what))
		}
		term := func(what string) raft.Term { return raft.Term(terms.Draw(t, what)) }
		body := func() raft.Body {
			switch rapid.IntRange(0, 3).Draw(t, "body") {
			case 0:
				return &raft.RequestVote{PreVote: rapid.Bool().Draw(t, "pre"), LastLogIndex: index("last"), LastLogTerm: term("lastTerm")}
			case 1:
				return &raft.RequestVoteReply{PreVote: rapid.Bool().Draw(t, "pre"), Granted: rapid.Bool().Draw(t, "granted")}
			case 2:
				return &raft.AppendEntriesReply{
					Success: rapid.Bool().Draw(t, "ok"), Match: index("match"), PrevLogIndex: index("prev"),
					ConflictTerm: term("conflictTerm"), ConflictIndex: index("conflictIndex"),
				}
			}
			a := &raft.AppendEntries{PrevLogIndex: index("prev"), PrevLogTerm: term("prevTerm"), LeaderCommit: index("commit")}
			last := a.PrevLogTerm
			for k := range rapid.IntRange(0, 3).Draw(t, "entries") {
				last += raft.Term(rapid.IntRange(0, 1).Draw(t, "more"))
				a.Entries = append(a.Entries, raft.Entry{Index: a.PrevLogIndex + raft.Index(k) + 1, Term: last})
			}
			return a
		}

		s := &server{id: 1, cfg: raft.Config{
			ID: 1, Members: raft.Configuration{Voters: []raft.NodeID{1, 2, 3}},
			Heartbeat: 50 * ms, ElectionMin: 150 * ms, ElectionMax: 300 * ms,
			PreVote: rapid.Bool().Draw(t, "prevote"), MaxCachedBytes: 1, MaxAppendBytes: 100, MaxInflight: 2,
		}}
		if err := s.start(0); err != nil {
			t.Fatal(err)
		}
		var now raft.Time
		var commit raft.Index
		ready := func(*rapid.T) {
			for s.node.HasReady() {
				r := s.node.Ready()
				if r.Err != nil {
					t.Fatal(r.Err)
				}
				s.take(r)
				if n := len(r.Committed); n > 0 {
					s.node.Applied(r.Committed[n-1].Index)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"ready": ready,
			"elect": func(t *rapid.T) {
				if s.node.Campaign(now) != nil {
					t.Skip("it leads")
				}
				ready(t)
				s.sync(now, len(s.writes))
				vote := raft.Message{From: 2, To: 1, Term: s.node.Term(), Body: &raft.RequestVoteReply{Granted: true}}
				if err := s.node.Step(now, vote); err != nil || s.node.Role() != raft.Leader {
					t.Fatalf("it has a majority and is %v: %v", s.node.Role(), err)
				}
			},
			"message": func(*rapid.T) {
				m := raft.Message{From: raft.NodeID(rapid.IntRange(1, 4).Draw(t, "from")), To: 1, Term: s.node.Term(), Body: body()}
				if rapid.IntRange(0, 3).Draw(t, "other") == 0 {
					m.Term = term("term")
				}
				before := s.node.Status()
				if err := s.node.Step(now, m); err != nil {
					if after := s.node.Status(); after.Term != before.Term || after.Role != before.Role || after.LastIndex != before.LastIndex || after.Commit != before.Commit {
						t.Fatalf("refused with %v, and yet %+v became %+v", err, before, after)
					}
				}
			},
			"tick": func(*rapid.T) {
				if d := s.node.Deadline(); d != raft.Never {
					now = max(now, d)
				}
				s.node.Tick(now)
			},
			"propose": func(*rapid.T) {
				if _, err := s.node.Propose(now, raft.EntryCommand, []byte("x")); err != nil && s.node.Role() == raft.Leader {
					t.Fatal(err)
				}
			},
			"sync": func(*rapid.T) {
				if n := len(s.writes); n > 0 {
					s.sync(now, 1+rapid.IntRange(0, n-1).Draw(t, "group"))
				}
			},
			"": func(*rapid.T) {
				if got := s.node.Commit(); got < commit || got > s.node.LastIndex() {
					t.Fatalf("commitIndex went from %d to %d, the log ends at %d", commit, got, s.node.LastIndex())
				}
				commit = s.node.Commit()
			},
		})
	})
}
