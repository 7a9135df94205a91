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
	if len(c.Members.Voters) > 0 {
		if err := c.Members.Validate(); err != nil {
			return fmt.Errorf("raft: the cluster's configuration: %w", err)
		}
		if !c.Members.Has(c.ID) {
			return fmt.Errorf("raft: %v is not in the cluster's configuration %v", c.ID, c.Members)
		}
	}
	if c.Unsafe.Has(UnsafeNoPreVote) {
		c.PreVote = false
	}
	if c.Unsafe.Has(UnsafeNoCheckQuorum) {
		c.CheckQuorum = false
	}
	if c.Heartbeat <= 0 || c.ElectionMin <= c.Heartbeat || c.ElectionMax < c.ElectionMin {
		return fmt.Errorf("raft: heartbeat %d ns, election timeout %d to %d ns: must be positive and in this order",
			c.Heartbeat, c.ElectionMin, c.ElectionMax)
	}
	if c.TellCommitAfter < 0 {
		return fmt.Errorf("raft: TellCommitAfter is %d ns, less than 0", c.TellCommitAfter)
	}
	c.Members = c.Members.Clone()
	for _, d := range []struct {
		name  string
		field *int
		value int
	}{
		{"MaxAppendBytes", &c.MaxAppendBytes, 1 << 20},
		{"MaxInflight", &c.MaxInflight, 64},
		{"MaxInflightBytes", &c.MaxInflightBytes, 8 << 20},
		{"MaxChunkBytes", &c.MaxChunkBytes, 1 << 20},
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

// validate checks that a disk's content can be a server's. A server with unsafe
// rules may have a log whose terms go back.
func (r *Restored) validate(loose bool) error {
	snap := &r.Snapshot
	if snap.Index == 0 {
		if r.Base != 0 {
			return fmt.Errorf("raft: the restored log starts behind entry %d, and no snapshot stands for those before", r.Base)
		}
	} else if err := snap.Config.Validate(); err != nil {
		return fmt.Errorf("raft: the restored snapshot of entry %d: its configuration: %w", snap.Index, err)
	}
	switch {
	case (snap.Index == 0) != (snap.Term == 0):
		return fmt.Errorf("raft: the restored snapshot is of entry %d of term %d", snap.Index, snap.Term)
	case (r.Base == 0) != (r.BaseTerm == 0):
		return fmt.Errorf("raft: the restored log starts behind entry %d of term %d", r.Base, r.BaseTerm)
	case r.Base > snap.Index:
		return fmt.Errorf("raft: the restored log starts behind entry %d, the snapshot ends at %d", r.Base, snap.Index)
	case r.LastIndex < snap.Index:
		return fmt.Errorf("raft: the restored log ends at entry %d, the snapshot at %d", r.LastIndex, snap.Index)
	case len(r.Runs) == 0 && r.LastIndex != r.Base:
		return fmt.Errorf("raft: a log from entry %d to %d is restored without its terms", r.Base+1, r.LastIndex)
	}
	index, term := r.Base, r.BaseTerm
	for k, run := range r.Runs {
		switch {
		case run.Term == 0, k == 0 && run.First != r.Base+1, k > 0 && run.First <= index,
			k == 0 && run.Term < term && !loose, k > 0 && run.Term <= term && !loose:
			return fmt.Errorf("raft: in the restored log, term %d from entry %d on follows term %d at entry %d", run.Term, run.First, term, index)
		case run.First > r.LastIndex:
			return fmt.Errorf("raft: the restored log ends at entry %d, but its term %d starts at %d", r.LastIndex, run.Term, run.First)
		case run.Term > r.HardState.Term:
			return fmt.Errorf("raft: the restored log has entries of term %d, currentTerm is %d", run.Term, r.HardState.Term)
		}
		index, term = run.First, run.Term
	}
	if snap.Term > r.HardState.Term {
		return fmt.Errorf("raft: the restored snapshot is of term %d, currentTerm is %d", snap.Term, r.HardState.Term)
	}
	for k, e := range r.Configs {
		if e.Index <= r.Base || e.Index > r.LastIndex || k > 0 && e.Index <= r.Configs[k-1].Index {
			return fmt.Errorf("raft: the configuration in entry %d is not in the restored log, entries %d to %d", e.Index, r.Base+1, r.LastIndex)
		}
		if _, err := DecodeConfiguration(e.Data); err != nil {
			return fmt.Errorf("raft: entry %d of the restored log: %w", e.Index, err)
		}
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
	case *InstallSnapshot:
		return n.validateSnapshot(m, body)
	case *InstallSnapshotReply:
		return n.validateSnapshotReply(m, body)
	case *TimeoutNow, *ReadIndex, *ReadIndexReply:
		return validateTerm(m, false)
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
		if e.Index != index+1 || e.Term < term && !n.log.loose || e.Term == 0 {
			return broken(m, "entry %d of term %d follows entry %d of term %d", e.Index, e.Term, index, term)
		}
		if e.Kind == EntryConfig {
			if _, err := DecodeConfiguration(e.Data); err != nil {
				return broken(m, "entry %d: %v", e.Index, err)
			}
		}
		index, term = e.Index, e.Term
	}
	switch {
	case term > m.Term:
		return broken(m, "a leader of term %d has an entry of term %d", m.Term, term)
	case m.Term >= n.hard.Term && !n.log.loose:
		if err := n.validateCommitted(m, a); err != nil {
			return err
		}
	}
	return n.validateLeader(m)
}

// validateLeader checks that nobody else leads this leader's term.
func (n *Node) validateLeader(m *Message) error {
	if n.role == Leader && m.Term == n.hard.Term {
		return broken(m, "%v leads term %d, there is one leader a term (§5.2)", n.cfg.ID, m.Term)
	}
	return validateTerm(m, false)
}

// validateCommitted checks that a leader has what is committed here (Leader
// Completeness, §5.4): its entries must not replace any of it.
func (n *Node) validateCommitted(m *Message, a *AppendEntries) error {
	if a.PrevLogIndex >= n.log.base && !n.log.matches(a.PrevLogIndex, a.PrevLogTerm) {
		return nil
	}
	for k := range a.Entries {
		e := &a.Entries[k]
		if e.Index > n.log.commit {
			break
		}
		if e.Index <= n.log.base {
			continue
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
		case !r.Success && r.ConflictIndex == 0:
			// It is about the term alone, and of what this node sent in a reign before.
		case r.Match > n.log.last || r.PrevLogIndex > n.log.last:
			return broken(m, "it speaks of entries behind the leader's last, %d", n.log.last)
		case !r.Success && r.PrevLogIndex == 0 && r.ConflictIndex != 0:
			return broken(m, "nothing precedes the first entry, so nothing can be missing")
		}
	}
	return validateTerm(m, false)
}

func (n *Node) validateSnapshot(m *Message, s *InstallSnapshot) error {
	switch {
	case s.Meta.Index == 0 || s.Meta.Term == 0 || s.Meta.Term > m.Term:
		return broken(m, "a snapshot of entry %d of term %d", s.Meta.Index, s.Meta.Term)
	case s.Offset < 0:
		return broken(m, "an offset of %d", s.Offset)
	}
	if err := s.Meta.Config.Validate(); err != nil {
		return broken(m, "its configuration: %v", err)
	}
	return n.validateLeader(m)
}

func (n *Node) validateSnapshotReply(m *Message, r *InstallSnapshotReply) error {
	if r.Offset < 0 || r.Next < 0 {
		return broken(m, "offsets %d and %d", r.Offset, r.Next)
	}
	if n.role == Leader && m.Term == n.hard.Term && r.Index > n.log.last {
		return broken(m, "it speaks of entries behind the leader's last, %d", n.log.last)
	}
	return validateTerm(m, false)
}

// broken says how m breaks the protocol.
func broken(m *Message, format string, args ...any) error {
	return fmt.Errorf("raft: message %v: %s", *m, fmt.Sprintf(format, args...))
}
