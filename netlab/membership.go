package netlab

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/raftlab/raftlab/raft"
)

// member returns the node of this id, nil when the lab has none. With lab.mu
// held.
func (l *lab) member(id int) *member {
	if i, found := l.place(id); found {
		return l.members[i]
	}
	return nil
}

// place is where a node is, or belongs, among the members. With lab.mu held.
func (l *lab) place(id int) (i int, found bool) {
	return slices.BinarySearchFunc(l.members, id, func(m *member, id int) int { return cmp.Compare(m.id, id) })
}

// configuration is the newest one the leader has, or while there is none the
// node of the highest term; nodes that run before those that do not. Before any
// node has one it is the one the lab began with. With lab.mu held.
func (l *lab) configuration() ConfigStatus {
	if m := l.authority(); m != nil {
		return m.configuration()
	}
	return ConfigStatus{Committed: true, Voters: slices.Clone(l.bootstrap), VotersOld: []int{}, Learners: []int{}}
}

// inForce is the configuration, and whether it is settled: its leader has it
// committed, and no other is on its way. With lab.mu held.
//
// A leader may be an old one that does not know better. Then somebody in its
// term or a later one has told of a newer configuration: that of a node whose
// term is older was lost, or this leader would have it (§5.4.1).
func (l *lab) inForce() (c ConfigStatus, settled bool) {
	c = l.configuration()
	m := l.member(l.leader())
	if m == nil || !c.Committed || c.Joint() || c.Target != nil || len(m.status.Voters) == 0 {
		return c, false
	}
	for _, o := range l.members {
		if o.status.ConfigIndex > c.Index && o.status.Term >= m.status.Term {
			return c, false
		}
	}
	return c, true
}

// authority is the node whose configuration counts for the lab's, nil when no
// node has one. With lab.mu held.
func (l *lab) authority() *member {
	if m := l.member(l.leader()); m != nil && len(m.status.Voters) > 0 {
		return m
	}
	var best *member
	for _, m := range l.members {
		if len(m.status.Voters) > 0 && (best == nil || m.knowsMoreThan(best)) {
			best = m
		}
	}
	return best
}

func (m *member) knowsMoreThan(o *member) bool {
	rank := func(m *member) []uint64 {
		return []uint64{uint64(count(m.status.State != StateDead)), m.status.Term, m.status.ConfigIndex, m.status.Commit}
	}
	return slices.Compare(rank(m), rank(o)) > 0
}

// configuration is a node's newest one, committed as far as the node knows.
func (m *member) configuration() ConfigStatus {
	s := &m.status
	return ConfigStatus{
		Index: s.ConfigIndex, Committed: s.Commit >= s.ConfigIndex,
		Voters: s.Voters, VotersOld: s.VotersOld, Learners: s.Learners, Target: m.target,
	}
}

// Joint reports whether c is a C_old,new (§6).
func (c *ConfigStatus) Joint() bool { return len(c.VotersOld) > 0 }

// Voter reports whether a node's vote counts in c.
func (c *ConfigStatus) Voter(id int) bool {
	return slices.Contains(c.Voters, id) || slices.Contains(c.VotersOld, id)
}

// Has reports whether a node is in c at all.
func (c *ConfigStatus) Has(id int) bool { return c.Voter(id) || slices.Contains(c.Learners, id) }

// String is as in [raft.Configuration]: "S1 S2 S3 learners S4".
func (c *ConfigStatus) String() string { return c.raft().String() }

func (c *ConfigStatus) raft() raft.Configuration {
	return raft.Configuration{Voters: nodeIDs(c.Voters), VotersOld: nodeIDs(c.VotersOld), Learners: nodeIDs(c.Learners)}
}

func nodeIDs(ids []int) []raft.NodeID {
	var out []raft.NodeID
	for _, id := range ids {
		out = append(out, raft.NodeID(id))
	}
	return out
}

// Decides reports whether the nodes that has names are enough for a decision:
// a majority of the voters, and while c is joint one of the old voters, too (§6).
func (c *ConfigStatus) Decides(has func(id int) bool) bool {
	for _, t := range c.tallies(has) {
		if t.have < t.need() {
			return false
		}
	}
	return true
}

// tally is how many of a set of voters there are.
type tally struct{ have, of int }

func (t tally) need() int { return majority(t.of) }

// majority is how many of n make a decision: more than half (§5.2).
func majority(n int) int { return n/2 + 1 }

// tallies counts the voters that has names: of one set, or while c is joint of
// the old and of the new.
func (c *ConfigStatus) tallies(has func(id int) bool) []tally {
	count := func(ids []int) tally {
		t := tally{of: len(ids)}
		for _, id := range ids {
			if has(id) {
				t.have++
			}
		}
		return t
	}
	if c.Joint() {
		return []tally{count(c.VotersOld), count(c.Voters)}
	}
	return []tally{count(c.Voters)}
}

// talliesText is "3 of 5 voters", or "2 of 3 old and 1 of 5 new voters", and
// what is needed: "3", "2 and 3".
func talliesText(ts []tally, noun string) (have, need string) {
	if len(ts) == 1 {
		return fmt.Sprintf("%d of %d %s", ts[0].have, ts[0].of, noun), fmt.Sprint(ts[0].need())
	}
	return fmt.Sprintf("%d of %d old and %d of %d new voters", ts[0].have, ts[0].of, ts[1].have, ts[1].of),
		fmt.Sprintf("%d and %d", ts[0].need(), ts[1].need())
}

// noun is what c's voters are called: simply the nodes, where all nodes of the
// lab are.
func (l *lab) noun(c *ConfigStatus) string {
	for _, m := range l.members {
		if !slices.Contains(c.Voters, m.id) {
			return "voters"
		}
	}
	return "nodes"
}

// up reports whether a node runs. With lab.mu held.
func (l *lab) up(id int) bool {
	m := l.member(id)
	return m != nil && m.status.State == StateUp
}
