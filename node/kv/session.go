package kv

import (
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// maxSessions bounds the sessions the state machine remembers. One more, and
// the one whose last command is longest ago is forgotten, on every node at the
// same entry. A client that comes back after so many others is told that its
// session is not known, except for a retry of its very first command, which
// opens the session anew and takes effect again: the thesis closes that gap by
// registering clients through the log (§6.3), this does not.
const maxSessions = 1 << 14

// keptAnswers is for how many answers a session keeps memory ready.
const keptAnswers = 256

// session is what the state machine knows of one client (thesis §6.3): the
// answers of its commands above acked, each of which may be asked for again.
//
// A client has several commands under way at once, and after a change of
// leader they, and retries of them, reach the log in any order. So the highest
// number seen says nothing about the lower ones: for each number there is an
// answer or there is none.
type session struct {
	id      uint64
	acked   uint64   // the client has the answers up to here
	answers []answer // answers[head+i] is that of acked+1+i
	head    int
	newer   *session // the list of sessions by last use
	older   *session
}

// answer is a Result in short, kept while the client may ask again. Index 0 is
// none: no entry has it.
type answer struct {
	index raft.Index
	term  raft.Term
	code  wire.Code
	found bool
	more  *answerMore // of the few answers that have it
}

type answerMore struct {
	value []byte
	err   string
}

// ack forgets the answers up to seq, which the client has.
func (s *session) ack(seq uint64) {
	if seq <= s.acked {
		return
	}
	n := min(seq-s.acked, uint64(len(s.answers)-s.head))
	clear(s.answers[s.head : s.head+int(n)])
	s.head += int(n)
	s.acked = seq
	switch {
	case s.head == len(s.answers):
		s.answers, s.head = s.answers[:0], 0
		if cap(s.answers) > keptAnswers {
			s.answers = nil
		}
	case s.head > len(s.answers)/2:
		kept := copy(s.answers, s.answers[s.head:])
		clear(s.answers[kept:])
		s.answers, s.head = s.answers[:kept], 0
	}
}

// answer returns the place of the answer of seq, which is more than acked and at
// most MaxAhead more.
func (s *session) answer(seq uint64) *answer {
	i := s.head + int(seq-s.acked-1)
	for i >= len(s.answers) {
		s.answers = append(s.answers, answer{})
	}
	return &s.answers[i]
}

func (a *answer) given() bool { return a.index != 0 }

func (a *answer) keep(r *Result) {
	*a = answer{index: r.Index, term: r.Term, code: r.Code, found: r.Found}
	if r.Value != nil || r.Error != "" {
		a.more = &answerMore{value: r.Value, err: r.Error}
	}
}

func (a *answer) result() Result {
	r := Result{Code: a.code, Index: a.index, Term: a.term, Found: a.found, Repeated: true}
	if a.more != nil {
		r.Value, r.Error = a.more.value, a.more.err
	}
	return r
}

// sessions are all sessions, also in the order of their last use.
type sessions struct {
	byID   map[uint64]*session
	newest *session
	oldest *session
	limit  int
}

// open makes a session, at the cost of the one least used when there are
// too many.
func (t *sessions) open(id uint64) *session {
	if len(t.byID) >= t.limit {
		old := t.oldest
		t.unlink(old)
		delete(t.byID, old.id)
	}
	s := &session{id: id}
	t.byID[id] = s
	t.link(s)
	return s
}

// use makes s the one used last.
func (t *sessions) use(s *session) {
	if t.newest != s {
		t.unlink(s)
		t.link(s)
	}
}

func (t *sessions) link(s *session) {
	s.older, s.newer = t.newest, nil
	if t.newest != nil {
		t.newest.newer = s
	}
	t.newest = s
	if t.oldest == nil {
		t.oldest = s
	}
}

func (t *sessions) unlink(s *session) {
	if s.newer != nil {
		s.newer.older = s.older
	} else {
		t.newest = s.older
	}
	if s.older != nil {
		s.older.newer = s.newer
	} else {
		t.oldest = s.newer
	}
	s.newer, s.older = nil, nil
}
