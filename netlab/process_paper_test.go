//go:build unix

package netlab

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// obeys checks a step against Figure 2: of who takes it in what it has to be
// afterwards, given what it was before. That nobody else changes is stepOn's to
// check. It knows clusters without snapshots, clients and changes of members.
func (p *Step) obeys(before, after *Status) error {
	b, a := before.node(p.Node), after.node(p.Node)
	same := func() error {
		if a.Term != b.Term || a.Vote != b.Vote || a.Role != b.Role || a.LastIndex != b.LastIndex || a.Commit != b.Commit {
			return fmt.Errorf("nothing is to come of it, and S%d goes from %s to %s", p.Node, paperState(b), paperState(a))
		}
		return nil
	}
	// What holds of every step: terms, votes and commit indexes go one way (§5.1,
	// §5.2, §5.3), a leader appends only (§5.3).
	switch {
	case a.Term < b.Term:
		return fmt.Errorf("S%d goes from term %d back to %d", p.Node, b.Term, a.Term)
	case a.Term == b.Term && b.Vote != 0 && a.Vote != b.Vote:
		return fmt.Errorf("S%d votes for S%d and for S%d in term %d", p.Node, b.Vote, a.Vote, a.Term)
	case a.Commit < b.Commit || a.Commit > a.LastIndex:
		return fmt.Errorf("S%d's commit index goes from %d to %d, its log ends at %d", p.Node, b.Commit, a.Commit, a.LastIndex)
	case a.Role == RoleLeader && a.Term == b.Term && a.LastIndex < b.LastIndex:
		return fmt.Errorf("S%d leads term %d and drops entries", p.Node, a.Term)
	}
	for i := range after.Nodes { // at most one leader a term (§5.2)
		if n := &after.Nodes[i]; n.ID != a.ID && n.Role == RoleLeader && a.Role == RoleLeader && n.Term == a.Term {
			return fmt.Errorf("S%d and S%d both lead term %d", n.ID, a.ID, a.Term)
		}
	}
	others := len(after.Nodes) - 1
	stands := func() error {
		if a.Role != RoleCandidate || a.Term != b.Term+1 || a.Vote != a.ID || p.Sent != others {
			return fmt.Errorf("a candidate raises its term, votes for itself and asks all %d others (§5.2); it is %s after %s, with %d sent", others, paperState(a), paperState(b), p.Sent)
		}
		return nil
	}
	if p.Kind == StepTimer {
		switch p.Timer {
		case raft.TimerElection.String():
			switch {
			case b.Role == RoleLeader:
				return fmt.Errorf("a leader's election timer runs out")
			case !after.Timing.PreVote:
				return stands()
			case a.Role != RolePreCandidate || a.Term != b.Term || a.Vote != b.Vote || p.Sent != others:
				return fmt.Errorf("it is to ask all others whether it could win, and to raise nothing (thesis §9.6): %s after %s, %d sent", paperState(a), paperState(b), p.Sent)
			}
			return nil
		case raft.TimerHeartbeat.String():
			if b.Role != RoleLeader || p.Sent != others {
				return fmt.Errorf("heartbeats are a leader's, to all others (§5.2): %s sends %d", paperState(b), p.Sent)
			}
		case raft.TimerRetry.String(): // §5.5
			if b.Role == RoleFollower || p.Sent == 0 || p.Sent > others {
				return fmt.Errorf("who asked repeats it to who has not answered: %s sends %d", paperState(b), p.Sent)
			}
		default:
			if b.Role != RoleLeader {
				return fmt.Errorf("of what does not lead, S%d's %s timer runs out", p.Node, p.Timer)
			}
		}
		return same()
	}
	f := p.Frame
	switch {
	case p.Kind != StepFrame:
		return fmt.Errorf("neither a timer nor a message that the network hands over")
	case f.Reason != "":
		if b.State == StateUp || p.Sent > 0 || len(p.Events) > 0 {
			return fmt.Errorf("lost on the way to a node that is %s, %d sent, %d events", b.State, p.Sent, len(p.Events))
		}
		return same()
	case f.Term < b.Term:
		return same() // of a term that is over: refused (§5.1)
	}
	majority := len(after.Nodes)/2 + 1
	granted := func(votes []VoteStatus) (n int) {
		for _, v := range votes {
			n += count(v.Granted)
		}
		return n
	}
	answer := f.Kind == wire.KindVoteReply.String() || f.Kind == wire.KindPreVoteReply.String() && !f.OK || f.Kind == wire.KindAppendReply.String()
	if answer && f.Term > b.Term { // §5.1
		if a.Term != f.Term || a.Role != RoleFollower || a.Vote != 0 || p.Sent > 0 {
			return fmt.Errorf("it hears of term %d, adopts it and is a follower: %s, %d sent", f.Term, paperState(a), p.Sent)
		}
		return nil
	}
	switch f.Kind {
	case wire.KindPreVote.String():
		if p.Sent != 1 {
			return fmt.Errorf("a question is answered: %d sent", p.Sent)
		}
		return same()
	case wire.KindVote.String():
		upToDate := f.LastTerm > b.LastTerm || f.LastTerm == b.LastTerm && f.LastIndex >= b.LastIndex
		free := f.Term > b.Term || b.Vote == 0 || b.Vote == f.From
		votes := a.Term == f.Term && a.Vote == f.From && b.Vote != f.From
		switch {
		case a.Term != f.Term:
			if a.Term == b.Term && before.Timing.IgnoreVotes && b.Leader != 0 {
				return same() // it hears a leader (§6)
			}
			return fmt.Errorf("in term %d it is asked for a vote in term %d, and is in %d then", b.Term, f.Term, a.Term)
		case votes != (upToDate && free):
			return fmt.Errorf("asked by S%d, whose log ends at %d of term %d, %s votes: %v (§5.4.1)", f.From, f.LastIndex, f.LastTerm, paperState(b), votes)
		case votes && a.Role != RoleFollower || p.Sent != 1:
			return fmt.Errorf("who votes is a follower and says so: %s, %d sent", paperState(a), p.Sent)
		}
		return nil
	case wire.KindPreVoteReply.String():
		switch {
		case b.Role != RolePreCandidate || a.Term == b.Term && a.Role == RolePreCandidate:
			return same()
		case granted(b.Votes)+1 < majority:
			return fmt.Errorf("with %d of %d pre-votes it is %s", granted(b.Votes)+1, len(after.Nodes), paperState(a))
		}
		return stands()
	case wire.KindVoteReply.String():
		wins := b.Role == RoleCandidate && f.Term == b.Term && f.OK && granted(b.Votes)+1 >= majority
		switch {
		case !wins && a.Role == RoleLeader && b.Role != RoleLeader:
			return fmt.Errorf("it leads with %d votes of %d", granted(b.Votes), len(after.Nodes))
		case !wins && f.Term == b.Term:
			return same()
		case wins && (a.Role != RoleLeader || a.Term != b.Term || a.LastIndex != b.LastIndex+1 || a.LastTerm != a.Term || p.Sent != others):
			return fmt.Errorf("with the vote of S%d it has a majority: it leads, takes an entry of its term into its log and sends it to all (§5.2, §8), not %s with %d sent", f.From, paperState(a), p.Sent)
		}
		return nil
	case wire.KindAppend.String(), wire.KindHeartbeat.String():
		last := f.PrevIndex + uint64(f.Entries)
		fits := f.PrevIndex == 0 || termAt(b.Log, f.PrevIndex) == f.PrevTerm
		commit := b.Commit
		if fits {
			commit = max(commit, min(f.Commit, last))
		}
		switch {
		case a.Role != RoleFollower || a.Term != f.Term || a.Leader != f.From || p.Sent != 1:
			return fmt.Errorf("who hears its leader follows it and answers (§5.2): %s, which follows S%d, %d sent", paperState(a), a.Leader, p.Sent)
		case fits && a.LastIndex < last:
			return fmt.Errorf("entries up to %d fit, and its log ends at %d (§5.3)", last, a.LastIndex)
		case a.Commit != commit:
			return fmt.Errorf("it is told that %d are committed and has %d of its leader's: commit index %d, not %d (§5.3)", f.Commit, last, a.Commit, commit)
		}
		return nil
	case wire.KindAppendReply.String():
		if b.Role != RoleLeader || f.Term != b.Term {
			return same()
		}
		match := []uint64{a.Durable}
		for _, peer := range a.Peers {
			match = append(match, peer.Match)
		}
		slices.Sort(match)
		stored, commit := match[len(match)-majority], b.Commit
		if termAt(a.Log, stored) == a.Term { // §5.4.2
			commit = max(commit, stored)
		}
		if a.Commit != commit || a.Role != RoleLeader || a.Term != b.Term {
			return fmt.Errorf("a majority has stored entries up to %d, so those up to %d are committed: %s (§5.3, §5.4.2)", stored, commit, paperState(a))
		}
		return nil
	}
	return fmt.Errorf("nobody is to send a %s here", f.Kind)
}

// termAt is the term of an entry, 0 when a log does not have it.
func termAt(log []TermRun, index uint64) uint64 {
	for _, r := range log {
		if r.First <= index && index < r.First+r.Count {
			return r.Term
		}
	}
	return 0
}

func paperState(n *NodeStatus) string {
	return fmt.Sprintf("a %s of term %d that voted for S%d, its log up to %d of term %d, commit index %d", n.Role, n.Term, n.Vote, n.LastIndex, n.LastTerm, n.Commit)
}

// 500 single steps of one election after the other, with -short 100, each begun by
// the death of the leader that the one before made: every single one is what Figure 2
// says, given what its node was before it, and each election goes through its stages
// in their order. Without pre-vote it is the paper's own.
func TestStepsObeyThePaper(t *testing.T) {
	total, least := 500, 5
	if testing.Short() {
		total, least = 100, 1
	}
	tests := []struct {
		name    string
		nodes   int
		preVote bool
		stages  []string
	}{
		{"the paper's, of five", 5, false, []string{"timer election", "vote", "vote-reply", "append", "append-reply", "heartbeat"}},
		{"with pre-vote, of three", 3, true, []string{"timer election", "prevote", "prevote-reply", "vote", "vote-reply", "append", "append-reply", "heartbeat"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := testConfig(t)
			config.Nodes, config.PreVote = tt.nodes, tt.preVote
			s := startLab(t, config)
			s.waits(t, "converged")
			s.does(t, Op{Verb: "hold"})
			for s.see(t).Clock.LabNS == 0 || inFlight(s.see(t)) > 0 { // what was under way
				s.stepOn(t)
			}
			dead, elections, steps := 0, 0, 0
			var seen []string // the stages of the present election, in the order they came first
			kill := func() {
				t.Helper()
				if dead != 0 {
					s.does(t, Op{Verb: "restart", Nodes: []string{fmt.Sprint(dead)}})
				}
				dead = s.see(t).Leader
				s.does(t, Op{Verb: "kill", Nodes: []string{fmt.Sprint(dead)}})
				seen = seen[:0]
			}
			kill()
			after := s.see(t)
			for ; steps < total; steps++ {
				before := after
				var p *Step
				p, after = s.stepFrom(t, before)
				if err := p.obeys(before, after); err != nil {
					t.Fatalf("step %d, %q: %v", steps, p.Text, err)
				}
				stage := p.Kind + " " + p.Timer
				if p.Frame != nil {
					stage = p.Frame.Kind
				}
				if p.Frame == nil && p.Timer != raft.TimerElection.String() || p.Frame != nil && p.Frame.Reason != "" {
					stage = ""
				}
				if stage != "" && !slices.Contains(seen, stage) {
					seen = append(seen, stage)
				}
				leader := after.node(after.Leader)
				if leader == nil || leader.ID == dead || leader.State != StateUp {
					continue
				}
				// All that live follow it, and know what is committed: it may die.
				if all := !slices.ContainsFunc(after.Nodes, func(n NodeStatus) bool {
					return n.State == StateUp && (n.Leader != leader.ID || n.Term != leader.Term || n.Commit != leader.LastIndex)
				}); !all || inFlight(after) > 0 || !slices.Contains(seen, wire.KindHeartbeat.String()) {
					continue
				}
				if !slices.Equal(seen, tt.stages) {
					t.Fatalf("election %d goes %q, the paper's goes %q", elections, seen, tt.stages)
				}
				elections++
				kill()
				after = s.see(t)
			}
			t.Logf("%d elections in %d steps", elections, steps)
			if elections < least {
				t.Errorf("%d elections in %d steps", elections, steps)
			}
			if dead != 0 {
				s.does(t, Op{Verb: "restart", Nodes: []string{"dead"}})
			}
			s.does(t, Op{Verb: "release"})
			s.waits(t, "converged")
		})
	}
}

// inFlight is how many frames wait in the network.
func inFlight(s *Status) (n int) {
	for i := range s.Links {
		n += s.Links[i].Held
	}
	return n
}

// Two labs of one seed whose clocks were held before anything was due go the
// same way, step for step.
func TestStepsAreThoseOfTheSeed(t *testing.T) {
	var runs [2][]string
	for i := range runs {
		config := testConfig(t)
		config.Nodes, config.Seed = 5, 11
		config.Heartbeat, config.ElectionMin, config.ElectionMax = 10*time.Second, 100*time.Second, 900*time.Second
		s := startLab(t, config)
		s.does(t, Op{Verb: "hold"})
		for _, p := range s.does(t, Op{Verb: "step", Count: 80}).Steps {
			runs[i] = append(runs[i], p.Text)
		}
	}
	if !slices.Equal(runs[0], runs[1]) {
		for i := range runs[0] {
			if runs[0][i] != runs[1][i] {
				t.Fatalf("step %d is %q and %q", i, runs[0][i], runs[1][i])
			}
		}
	}
}
