package wal

import (
	"slices"

	"github.com/raftlab/raftlab/raft"
)

// model is what a log should hold: the plainest second implementation.
type model struct {
	state    raft.HardState
	base     raft.Index // the log began anew behind it
	baseTerm raft.Term
	entries  []raft.Entry
	snapshot raft.SnapshotMeta
	older    raft.SnapshotMeta // the one before, which is kept too
}

// modelOf is what somebody found on a disk.
func modelOf(r raft.Restored, entries []raft.Entry) model {
	return model{state: r.HardState, base: r.Base, baseTerm: r.BaseTerm, entries: entries, snapshot: r.Snapshot}
}

func (m model) last() raft.Index { return m.base + raft.Index(len(m.entries)) }

// term is that of entry i, which is in the log or its base.
func (m model) term(i raft.Index) raft.Term {
	if i == m.base {
		return m.baseTerm
	}
	return m.entries[i-m.base-1].Term
}

// append returns m with what an Append brings. It leaves m as it is.
func (m model) append(state *raft.HardState, entries []raft.Entry) model {
	if state != nil {
		m.state = *state
	}
	if len(entries) > 0 {
		m.entries = append(slices.Clone(m.entries[:entries[0].Index-m.base-1]), entries...)
	}
	return m
}

// install returns m with a snapshot installed.
func (m model) install(in raft.Install) model {
	m = m.took(in.Meta)
	if !in.KeepLog {
		m.base, m.baseTerm, m.entries = in.Meta.Index, in.Meta.Term, nil
	}
	return m
}

// took returns m with a snapshot more.
func (m model) took(meta raft.SnapshotMeta) model {
	m.older, m.snapshot = m.snapshot, meta
	return m
}

// behind returns m with the entries up to base dropped.
func (m model) behind(base raft.Index) model {
	m.baseTerm, m.entries, m.base = m.term(base), m.entries[base-m.base:], base
	return m
}

func (m model) restored() raft.Restored {
	r := raft.Restored{HardState: m.state, Base: m.base, BaseTerm: m.baseTerm, LastIndex: m.last(), Snapshot: m.snapshot}
	for _, e := range m.entries {
		if n := len(r.Runs); n == 0 || r.Runs[n-1].Term != e.Term {
			r.Runs = append(r.Runs, raft.TermRun{First: e.Index, Term: e.Term})
		}
		if e.Kind == raft.EntryConfig {
			r.Configs = append(r.Configs, e)
		}
	}
	return r
}

// is tells whether a disk that holds r and entries holds m. It may have dropped
// of m what the snapshot stands for.
func (m model) is(r raft.Restored, entries []raft.Entry) bool {
	if r.Base < m.base || r.Base > max(m.base, m.snapshot.Index) || r.Base > m.last() {
		return false
	}
	m = m.behind(r.Base)
	want := m.restored()
	same := r.HardState == want.HardState && r.LastIndex == want.LastIndex && r.BaseTerm == want.BaseTerm &&
		slices.Equal(r.Runs, want.Runs) && sameSnapshot(r.Snapshot, want.Snapshot)
	return same && equal(r.Configs, want.Configs) && equal(entries, m.entries)
}

// equal tells whether two logs are the same; no data and empty data are.
func equal(a, b []raft.Entry) bool {
	return slices.EqualFunc(a, b, func(a, b raft.Entry) bool {
		return a.Index == b.Index && a.Term == b.Term && a.Kind == b.Kind && string(a.Data) == string(b.Data)
	})
}
