package raft

import (
	"errors"
	"fmt"
)

// fill checks a Config and fills in its defaults.
func (c *Config) fill() error {
	if c.ID == 0 {
		return errors.New("raft: a node's ID starts at 1")
	}
	member := false
	for k, id := range c.Members.Voters {
		if id == 0 || k > 0 && id <= c.Members.Voters[k-1] {
			return fmt.Errorf("raft: voters %v are not ascending from 1", c.Members.Voters)
		}
		member = member || id == c.ID
	}
	if !member {
		return fmt.Errorf("raft: %v is not among the voters %v", c.ID, c.Members.Voters)
	}
	if c.Heartbeat <= 0 || c.ElectionMin <= c.Heartbeat || c.ElectionMax < c.ElectionMin {
		return fmt.Errorf("raft: heartbeat %d ns, election timeout %d to %d ns: must be positive and in this order",
			c.Heartbeat, c.ElectionMin, c.ElectionMax)
	}
	if c.TellCommitAfter < 0 {
		return fmt.Errorf("raft: TellCommitAfter is %d ns, less than 0", c.TellCommitAfter)
	}
	c.Members.Voters = append([]NodeID(nil), c.Members.Voters...)
	for _, d := range []struct {
		name  string
		field *int
		value int
	}{
		{"MaxAppendBytes", &c.MaxAppendBytes, 1 << 20},
		{"MaxInflight", &c.MaxInflight, 64},
		{"MaxInflightBytes", &c.MaxInflightBytes, 8 << 20},
		{"MaxCachedBytes", &c.MaxCachedBytes, 16 << 20},
	} {
		if *d.field < 0 {
			return fmt.Errorf("raft: %s is %d, less than 0", d.name, *d.field)
		}
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return nil
}

// validate checks that a disk's content can be a server's.
func (r *Restored) validate() error {
	if len(r.Runs) == 0 {
		if r.LastIndex != 0 {
			return fmt.Errorf("raft: a log of %d entries is restored without their terms", r.LastIndex)
		}
		return nil
	}
	for k, run := range r.Runs {
		switch {
		case k == 0 && run.First != 1:
			return fmt.Errorf("raft: the restored log starts at entry %d", run.First)
		case k == 0 && run.Term == 0:
			return errors.New("raft: the restored log starts in term 0")
		case k > 0 && (run.First <= r.Runs[k-1].First || run.Term <= r.Runs[k-1].Term):
			return fmt.Errorf("raft: in the restored log, term %d from entry %d on follows term %d from entry %d on",
				run.Term, run.First, r.Runs[k-1].Term, r.Runs[k-1].First)
		}
	}
	last := r.Runs[len(r.Runs)-1]
	if last.First > r.LastIndex {
		return fmt.Errorf("raft: the restored log ends at entry %d, but its term %d starts at %d", r.LastIndex, last.Term, last.First)
	}
	if last.Term > r.HardState.Term {
		return fmt.Errorf("raft: the restored log ends in term %d, currentTerm is %d", last.Term, r.HardState.Term)
	}
	return nil
}

// maxTerm leaves room to count on: a term that wraps around would be the end.
const maxTerm = 1 << 62

// validate checks what no correct server would send. It changes nothing.
func (n *Node) validate(m *Message) error {
	switch {
	case m.To != n.cfg.ID:
		return broken(m, "it is for %v, this is %v", m.To, n.cfg.ID)
	case m.From == 0 || m.From == n.cfg.ID:
		return broken(m, "its sender is %v", m.From)
	case m.Term > maxTerm:
		return broken(m, "no cluster has had so many elections")
	}
	switch body := m.Body.(type) {
	case *RequestVote:
		return validateRequestVote(m, body)
	case *RequestVoteReply:
		return validateTerm(m, body.PreVote && !body.Granted)
	case *AppendEntries:
		return n.validateAppend(m, body)
	case *AppendEntriesReply:
		return n.validateAppendReply(m, body)
	}
	return broken(m, "a body of type %T", m.Body)
}

// validateTerm checks that somebody has stood in m's term. A server refusing a
// pre-vote may not have seen any election yet.
func validateTerm(m *Message, zero bool) error {
	if m.Term == 0 && !zero {
		return broken(m, "no server acts in term 0")
	}
	return nil
}

func validateRequestVote(m *Message, v *RequestVote) error {
	switch {
	case (v.LastLogIndex == 0) != (v.LastLogTerm == 0):
		return broken(m, "entry %d of term %d", v.LastLogIndex, v.LastLogTerm)
	case v.LastLogTerm >= m.Term && m.Term != 0:
		return broken(m, "a candidate of term %d has an entry of term %d", m.Term, v.LastLogTerm)
	}
	return validateTerm(m, false)
}

func (n *Node) validateAppend(m *Message, a *AppendEntries) error {
	if (a.PrevLogIndex == 0) != (a.PrevLogTerm == 0) {
		return broken(m, "entry %d of term %d", a.PrevLogIndex, a.PrevLogTerm)
	}
	index, term := a.PrevLogIndex, a.PrevLogTerm
	for k := range a.Entries {
		e := &a.Entries[k]
		if e.Index != index+1 || e.Term < term || e.Term == 0 {
			return broken(m, "entry %d of term %d follows entry %d of term %d", e.Index, e.Term, index, term)
		}
		index, term = e.Index, e.Term
	}
	switch {
	case term > m.Term:
		return broken(m, "a leader of term %d has an entry of term %d", m.Term, term)
	case n.role == Leader && m.Term == n.hard.Term && n.voter(m.From) >= 0:
		return broken(m, "%v leads term %d, there is one leader a term (§5.2)", n.cfg.ID, m.Term)
	case m.Term >= n.hard.Term && n.voter(m.From) >= 0:
		if err := n.validateCommitted(m, a); err != nil {
			return err
		}
	}
	return validateTerm(m, false)
}

// validateCommitted checks that a leader has what is committed here (Leader
// Completeness, §5.4): its entries must not replace any of it.
func (n *Node) validateCommitted(m *Message, a *AppendEntries) error {
	if a.PrevLogIndex >= n.log.commit || !n.log.matches(a.PrevLogIndex, a.PrevLogTerm) {
		return nil
	}
	for k := range a.Entries {
		e := &a.Entries[k]
		if e.Index > n.log.commit {
			break
		}
		if own := n.log.mustTerm(e.Index); own != e.Term {
			return broken(m, "entry %d of term %d is committed here, it has term %d there", e.Index, own, e.Term)
		}
	}
	return nil
}

func (n *Node) validateAppendReply(m *Message, r *AppendEntriesReply) error {
	if n.role == Leader && m.Term == n.hard.Term {
		switch {
		case r.Match > n.log.last || r.PrevLogIndex > n.log.last:
			return broken(m, "it speaks of entries behind the leader's last, %d", n.log.last)
		case !r.Success && r.PrevLogIndex == 0 && r.ConflictIndex != 0:
			return broken(m, "nothing precedes the first entry, so nothing can be missing")
		}
	}
	return validateTerm(m, false)
}

// broken says how m breaks the protocol.
func broken(m *Message, format string, args ...any) error {
	return fmt.Errorf("raft: message %v: %s", *m, fmt.Sprintf(format, args...))
}
