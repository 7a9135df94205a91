package check

import (
	"fmt"
	"slices"
	"sort"

	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/raft"
)

// Elections: Election Safety, one vote a term, Leader Completeness (§5.2, §5.4).

// reign is a term's leader and its log when it was elected.
type reign struct {
	term   raft.Term
	leader raft.NodeID
	at     raft.Time // when it first showed
	frame  uint64    // that showed it, 0 when the leader said so itself
	known  bool      // the log is
	log    log
}

// votesKept is for how many terms a server's votes are remembered.
const votesKept = 32

// vote is what a server gave in a term. A term of 0 is none.
type vote struct {
	term  raft.Term
	to    raft.NodeID
	at    raft.Time
	frame uint64
}

// Message takes in a message that leaves a server: of leaders who leads, of
// voters whom they vote for. A term, vote and log are on disk before a message
// says so, so what left the server counts, whatever became of the server then.
// frame is the number it is known by.
func (c *Checker) Message(at raft.Time, frame uint64, m *raft.Message) {
	switch body := m.Body.(type) {
	case *raft.AppendEntries, *raft.InstallSnapshot:
		c.Leads(at, frame, m.From, m.Term)
	case *raft.RequestVote:
		if !body.PreVote {
			c.Votes(at, frame, m.From, m.From, m.Term)
		}
	case *raft.RequestVoteReply:
		if !body.PreVote && body.Granted {
			c.Votes(at, frame, m.From, m.To, m.Term)
		}
	}
}

// Leads tells that a frame left server id that only the leader of term sends.
func (c *Checker) Leads(at raft.Time, frame uint64, id raft.NodeID, term raft.Term) {
	v := c.view(id)
	if v == nil || v.led == term {
		return
	}
	v.led = term
	c.reign(term, id, at, frame)
}

// Votes tells that a frame left voter that gives its vote in term to candidate:
// an answer, or its own wish to be voted for.
func (c *Checker) Votes(at raft.Time, frame uint64, voter, candidate raft.NodeID, term raft.Term) {
	v := c.view(voter)
	if v == nil {
		return
	}
	had := &v.votes[term%votesKept]
	switch {
	case had.term == term && had.to == candidate:
		return
	case had.term == term:
		c.checked[OneVote]++
		before := *had
		c.violation(Violation{
			Property: OneVote, Term: term, Nodes: []raft.NodeID{voter, before.to, candidate}, At: at, Frame: frame,
		}, contradiction{term: term, a: voter, b: candidate}, func() string {
			return fmt.Sprintf("In term %d %v voted for %v (%s%s), and for %v (%s%s).", term,
				voter, before.to, Clock(before.at), frameText(before.frame), candidate, Clock(at), frameText(frame))
		})
		return
	case had.term > term:
		c.notCompared(OneVote, voter, at, 1, "votes of terms too long past")
		return
	}
	c.checked[OneVote]++
	*had = vote{term: term, to: candidate, at: at, frame: frame}
}

// frameText names the frame that showed something.
func frameText(frame uint64) string {
	if frame == 0 {
		return ""
	}
	return fmt.Sprintf(", frame %d", frame)
}

// reign: "at most one leader can be elected in a given term" (§5.2). It returns
// what is known of the term's leader, which may be another; nil when the term is
// too long past.
func (c *Checker) reign(term raft.Term, id raft.NodeID, at raft.Time, frame uint64) *reign {
	k := len(c.reigns)
	if k > 0 && c.reigns[k-1].term >= term {
		k = sort.Search(len(c.reigns), func(k int) bool { return c.reigns[k].term >= term })
	}
	if k < len(c.reigns) && c.reigns[k].term == term {
		r := c.reigns[k]
		if r.leader != id {
			c.violation(Violation{
				Property: ElectionSafety, Term: term, Nodes: []raft.NodeID{r.leader, id}, At: at, Frame: frame,
			}, contradiction{term: term, a: r.leader, b: id}, func() string {
				return fmt.Sprintf("%v leads term %d (since %s%s), and so does %v (since %s%s).",
					r.leader, term, Clock(r.at), frameText(r.frame), id, Clock(at), frameText(frame))
			})
		}
		return r
	}
	var r *reign
	if len(c.reigns) >= reignsMost {
		if k == 0 {
			c.notCompared(ElectionSafety, id, at, 1, "leaders of terms too long past")
			return nil
		}
		r = c.reigns[0] // its memory
		c.reigns = slices.Delete(c.reigns, 0, 1)
		k--
	} else {
		r = new(reign)
	}
	*r = reign{term: term, leader: id, at: at, frame: frame, log: log{runs: r.log.runs[:0]}}
	c.reigns = slices.Insert(c.reigns, k, r)
	c.checked[ElectionSafety]++
	c.unknown[LeaderCompleteness]++ // until its log is known
	return r
}

// elected looks at a server that has won: by the votes of majorities of the
// configuration in its log (§6), with all in its log that is committed (§5.4).
func (c *Checker) elected(v *view, d *deed.Deed) {
	c.votedIn(v, d)
	r := c.reign(d.Term, v.id, d.At, 0)
	if r == nil {
		return
	}
	if r.leader != v.id {
		// Two lead one term. The log of this one is judged all the same.
		second := &reign{term: d.Term, leader: v.id, at: d.At, known: true}
		second.log.copyFrom(&v.log)
		c.complete(second, c.commits.first(), c.commits.last)
		return
	}
	if !r.known {
		r.known = true
		c.unknown[LeaderCompleteness]--
		c.checked[LeaderCompleteness]++
	}
	r.log.copyFrom(&v.log)
	c.complete(r, c.commits.first(), c.commits.last)
}

// votedIn: "a candidate wins an election if it receives votes from a majority of
// the servers" of its configuration (§5.2), of both while that is joint (§6).
func (c *Checker) votedIn(v *view, d *deed.Deed) {
	if len(v.configs) == 0 || len(v.configs[len(v.configs)-1].Voters) == 0 {
		return
	}
	config := v.configs[len(v.configs)-1].Configuration
	if majority(config.Voters, d.Nodes) && (!config.Joint() || majority(config.VotersOld, d.Nodes)) {
		return
	}
	c.violation(Violation{
		Property: ElectionSafety, Term: d.Term, Nodes: []raft.NodeID{v.id}, At: d.At,
	}, contradiction{term: d.Term, a: v.id}, func() string {
		return fmt.Sprintf("%v leads term %d with the votes of %v, which is no majority of its configuration, %v.", v.id, d.Term, d.Nodes, config)
	})
}

func majority(voters, yes []raft.NodeID) bool {
	n := 0
	for _, id := range voters {
		if slices.Contains(yes, id) {
			n++
		}
	}
	return 2*n > len(voters)
}

// complete: "if a log entry is committed in a given term, then that entry will
// be present in the logs of the leaders for all higher-numbered terms" (§5.4).
// It looks at the entries from lo to hi that are committed in an earlier term
// than r's. What a log does not reach back to, its snapshot stands for.
func (c *Checker) complete(r *reign, lo, hi raft.Index) {
	if !r.known {
		return
	}
	lo = max(lo, r.log.base+1, c.commits.first())
	for k := c.commits.run(lo); k < len(c.commits.runs) && lo <= hi; k++ {
		run := &c.commits.runs[k]
		end := min(hi, c.commits.end(k))
		if run.in >= r.term {
			return // and so are all that follow
		}
		for ; lo <= end && run.term != 0; lo++ {
			if lo > r.log.last {
				c.incomplete(r, run, lo, 0)
				return
			}
			at := r.log.run(lo)
			if own := r.log.runs[at].Term; own != run.term {
				c.incomplete(r, run, lo, own)
				return
			}
			if at+1 == len(r.log.runs) {
				lo = min(end, r.log.last)
			} else {
				lo = min(end, r.log.runs[at+1].First-1)
			}
		}
		lo = end + 1
	}
}

func (c *Checker) incomplete(r *reign, run *commitRun, i raft.Index, own raft.Term) {
	c.violation(Violation{
		Property: LeaderCompleteness, Term: r.term, Index: i, Nodes: []raft.NodeID{r.leader, run.by}, At: max(r.at, run.at),
	}, contradiction{term: r.term, a: r.leader}, func() string {
		has := "its log ends at " + fmt.Sprint(r.log.last)
		if own != 0 {
			has = fmt.Sprintf("its log has an entry of term %d there", own)
		}
		return fmt.Sprintf("Entry %d of term %d was committed in term %d (%s, by %v); %v was elected leader of term %d (%s) without it: %s.",
			i, run.term, run.in, Clock(run.at), run.by, r.leader, r.term, Clock(r.at), has)
	})
}
