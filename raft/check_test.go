package raft_test

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/raftlab/raftlab/raft"
)

// checker watches servers from outside and says when one of the properties of
// Figure 3 is broken, or what they rest on: one vote a term, a commitIndex that
// never goes back, answers that are on disk. It knows nothing of how a Node
// works; it sees roles, terms and logs, what leaves a server, and the disks.
type checker struct {
	servers []*server
	views   map[raft.NodeID]*view
	leaders map[raft.Term]reign
	entries map[entryID]entryBody
	commits []commit // by index-1
	votes   map[ballotID]raft.NodeID
	err     error
	checks  int
}

// view is how a server looked after its last step.
type view struct {
	life     int
	role     raft.Role
	term     raft.Term
	last     raft.Index
	lastTerm raft.Term
	commit   raft.Index
	applied  int
	log      []raft.Entry // as handed to the disk
}

// reign is a term's leader and its log when it was elected.
type reign struct {
	leader raft.NodeID
	last   raft.Index
	runs   []raft.TermRun
}

func (r reign) termOf(i raft.Index) raft.Term {
	term := raft.Term(0)
	for _, run := range r.runs {
		if run.First <= i && i <= r.last {
			term = run.Term
		}
	}
	return term
}

type entryID struct {
	index raft.Index
	term  raft.Term
}

type entryBody struct {
	prevTerm raft.Term
	kind     raft.EntryKind
	data     []byte
}

type ballotID struct {
	voter raft.NodeID
	term  raft.Term
}

// commit is an entry known to be committed, and the term in which it became so.
type commit struct{ term, in raft.Term }

func newChecker(servers []*server) *checker {
	c := &checker{
		servers: servers,
		views:   map[raft.NodeID]*view{},
		leaders: map[raft.Term]reign{},
		entries: map[entryID]entryBody{},
		votes:   map[ballotID]raft.NodeID{},
	}
	for _, s := range servers {
		c.views[s.id] = &view{}
	}
	return c
}

var (
	errElectionSafety     = errors.New("Election Safety")
	errLeaderAppendOnly   = errors.New("Leader Append-Only")
	errLogMatching        = errors.New("Log Matching")
	errLeaderCompleteness = errors.New("Leader Completeness")
	errStateMachineSafety = errors.New("State Machine Safety")
	errVoteOnce           = errors.New("one vote a term")
	errCommitForward      = errors.New("commitIndex never goes back")
	errOnDisk             = errors.New("persist before answering")
	errCommitStored       = errors.New("committed means stored by a majority")
)

func (c *checker) fail(property error, format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", property, fmt.Sprintf(format, args...))
	}
}

// stepped looks at s after one of its steps.
func (c *checker) stepped(s *server) {
	c.checks++
	v, n := c.views[s.id], s.node
	if v.life != s.life {
		*v = view{life: s.life}
		c.handedOut(s, raft.Ready{Entries: s.disk.entries})
	}
	now := view{life: s.life, role: n.Role(), term: n.Term(), last: n.LastIndex(), commit: n.Commit(), applied: len(s.applied), log: v.log}
	now.lastTerm, _ = n.TermOf(now.last)
	if now.role == raft.Leader {
		if v.role == raft.Leader && v.term == now.term {
			c.stillLeads(s, v, &now)
		} else {
			c.elected(s)
		}
	}
	if now.commit < v.commit {
		c.fail(errCommitForward, "%v went from %d to %d", s.id, v.commit, now.commit)
	}
	for i := v.commit + 1; i <= now.commit; i++ {
		c.committed(s, i)
	}
	for _, e := range s.applied[v.applied:] {
		v.applied++
		c.apply(s, raft.Index(v.applied), e)
	}
	*v = now
}

// stillLeads: "a leader never overwrites or deletes entries in its log; it only
// appends new entries" (§5.3).
func (c *checker) stillLeads(s *server, before, now *view) {
	if term, ok := s.node.TermOf(before.last); !ok || term != before.lastTerm {
		c.fail(errLeaderAppendOnly, "%v, leader of term %d, had entry %d of term %d and now has %d of term %d there",
			s.id, now.term, before.last, before.lastTerm, now.last, term)
	}
}

// elected: "at most one leader can be elected in a given term" (§5.2), and it
// has all that is committed in earlier terms (§5.4).
func (c *checker) elected(s *server) {
	term := s.node.Term()
	if other, ok := c.leaders[term]; ok && other.leader != s.id {
		c.fail(errElectionSafety, "%v and %v both lead term %d", other.leader, s.id, term)
		return
	}
	st := s.node.Status()
	r := reign{leader: s.id, last: st.LastIndex, runs: st.Runs}
	c.leaders[term] = r
	for k, e := range c.commits {
		if e.in < term {
			c.complete(term, r, raft.Index(k+1), e)
		}
	}
}

// complete: "if a log entry is committed in a given term, then that entry will
// be present in the logs of the leaders for all higher-numbered terms" (§5.4).
func (c *checker) complete(term raft.Term, r reign, i raft.Index, e commit) {
	if own := r.termOf(i); own != e.term {
		c.fail(errLeaderCompleteness, "entry %d of term %d was committed in term %d; %v, leader of term %d, has term %d there (0: nothing)",
			i, e.term, e.in, r.leader, term, own)
	}
}

// committed takes note of what s believes to be committed.
func (c *checker) committed(s *server, i raft.Index) {
	term, _ := s.node.TermOf(i)
	if int(i) <= len(c.commits) {
		if known := c.commits[i-1]; known.term != term {
			c.fail(errStateMachineSafety, "%v commits entry %d of term %d, term %d is committed there", s.id, i, term, known.term)
		}
		return
	}
	e := commit{term: term, in: s.node.Term()}
	c.commits = append(c.commits, e)
	stored := 0
	for _, other := range c.servers {
		if other.disk.last() >= i && other.disk.entries[i-1].Term == term {
			stored++
		}
	}
	if 2*stored <= len(c.servers) {
		c.fail(errCommitStored, "%v commits entry %d of term %d, which is on %d of %d disks", s.id, i, term, stored, len(c.servers))
	}
	for in, r := range c.leaders {
		if in > e.in {
			c.complete(in, r, i, e)
		}
	}
}

// apply: "if a server has applied a log entry at a given index to its state
// machine, no other server will ever apply a different log entry for the same
// index" (§5.4.3).
func (c *checker) apply(s *server, i raft.Index, e raft.Entry) {
	switch {
	case e.Index != i:
		c.fail(errStateMachineSafety, "%v applies entry %d where %d is next", s.id, e.Index, i)
	case int(i) > len(c.commits) || c.commits[i-1].term != e.Term:
		c.fail(errStateMachineSafety, "%v applies entry %d of term %d, which is not the committed one", s.id, i, e.Term)
	default:
		prev := raft.Term(0)
		if i > 1 {
			prev = s.applied[i-2].Term
		}
		c.sameEntry(s, prev, e)
	}
}

// handedOut looks at what a Ready of s adds to its log; after a start, at what
// its disk holds.
func (c *checker) handedOut(s *server, r raft.Ready) {
	if len(r.Entries) == 0 {
		return
	}
	v := c.views[s.id]
	keep := r.Entries[0].Index - 1
	if int(keep) > len(v.log) {
		c.fail(errLogMatching, "%v hands out entry %d behind entry %d", s.id, keep+1, len(v.log))
		return
	}
	v.log = v.log[:keep:keep]
	for _, e := range r.Entries {
		prev := raft.Term(0)
		if len(v.log) > 0 {
			prev = v.log[len(v.log)-1].Term
		}
		c.sameEntry(s, prev, e)
		v.log = append(v.log, e)
	}
}

// sameEntry: "if two logs contain an entry with the same index and term, then
// the logs are identical in all entries up through the given index" (§5.3). By
// induction it is enough that such entries are the same and follow the same term.
func (c *checker) sameEntry(s *server, prevTerm raft.Term, e raft.Entry) {
	id := entryID{e.Index, e.Term}
	body := entryBody{prevTerm, e.Kind, e.Data}
	known, ok := c.entries[id]
	if !ok {
		c.entries[id] = body
		return
	}
	if known.prevTerm != prevTerm || known.kind != e.Kind || !bytes.Equal(known.data, e.Data) {
		c.fail(errLogMatching, "entry %d of term %d is %v %q after term %d on %v, and elsewhere %v %q after term %d",
			e.Index, e.Term, e.Kind, e.Data, prevTerm, s.id, known.kind, known.data, known.prevTerm)
	}
}

// leaves looks at a message at the moment it leaves s, which may have been
// started anew since.
func (c *checker) leaves(s *server, m raft.Message) {
	switch body := m.Body.(type) {
	case *raft.RequestVote:
		// The log it stands with may be cut again by a leader of the same term, in a
		// write that is done together with this one.
		if !body.PreVote && s.disk.state.Term < m.Term {
			c.fail(errOnDisk, "%v stands in term %d, on its disk is %v", s.id, m.Term, s.disk.state)
		}
	case *raft.RequestVoteReply:
		if body.PreVote || !body.Granted {
			return
		}
		id := ballotID{s.id, m.Term}
		if other, ok := c.votes[id]; ok && other != m.To {
			c.fail(errVoteOnce, "%v votes for %v and %v in term %d", s.id, other, m.To, m.Term)
		}
		c.votes[id] = m.To
		if d := s.disk.state; d.Term < m.Term || d.Term == m.Term && d.Vote != m.To {
			c.fail(errOnDisk, "%v votes for %v in term %d, on its disk is %v", s.id, m.To, m.Term, d)
		}
	case *raft.AppendEntriesReply:
		if s.disk.state.Term < m.Term {
			c.fail(errOnDisk, "%v answers in term %d, on its disk is %v", s.id, m.Term, s.disk.state)
		}
		if body.Success && s.disk.state.Term == m.Term && s.disk.last() < body.Match {
			c.fail(errOnDisk, "%v acknowledges entry %d, its disk ends at %d", s.id, body.Match, s.disk.last())
		}
	}
}
