package netlab

import (
	"fmt"
	"strings"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// said is what a node has last told of what is on its disk. A server that others
// count on does not come back with less: what it answered for was "updated on
// stable storage before responding" (Figure 2).
type said struct {
	durable, commit raft.Index
	term            raft.Term
}

// say notes what a node tells. With lab.mu held.
func (m *member) say(s *wire.State) {
	m.said = said{durable: s.Durable, commit: min(s.Commit, s.Durable), term: s.Term}
}

// recall compares what a node comes back with to what it had told. With lab.mu
// held.
func (l *lab) recall(m *member, s *wire.State) {
	text := m.forgot(s)
	if text == "" {
		return
	}
	m.status.Forgot = text
	l.event(Event{
		Kind: EventNote, Node: m.id, Term: uint64(s.Term), Index: uint64(s.Last), Text: "comes back with less than it had said: " + text,
		Rule: "what a server answers for is on stable storage before it answers (Figure 2)",
	})
}

// forgotNotes are what nodes that were started lacked.
func (l *lab) forgotNotes(members []*member, res *OpResult) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range members {
		if m.status.Forgot != "" {
			res.note(fmt.Sprintf("S%d comes back with less than it had said: %s", m.id, m.status.Forgot))
		}
	}
}

// forgot says what a node that has just come back lacks of what it had told,
// "" when it lacks nothing. A node tells of what is durable a little later than it
// acts on it, so this is the least that it lacks. With lab.mu held.
func (m *member) forgot(s *wire.State) string {
	before := m.said
	var parts []string
	if s.Last < before.durable {
		lost := fmt.Sprintf("its log ends at %d, and it had said that entries up to %d are on its disk", s.Last, before.durable)
		if s.Last < before.commit {
			lost += fmt.Sprintf(", %d of them committed", before.commit-s.Last)
		}
		parts = append(parts, lost)
	}
	// A term is told of before it is durable, and acted on after that: that it is
	// gone says something only of a disk that lies.
	if s.Term < before.term && m.disk.Fault == wire.DiskLie {
		parts = append(parts, fmt.Sprintf("it is back in term %d from term %d, and may vote a second time", s.Term, before.term))
	}
	if len(parts) == 0 {
		return ""
	}
	if m.disk.Fault == wire.DiskLie {
		parts = append(parts, "its disk lies about what is synced")
	}
	return strings.Join(parts, "; ")
}
