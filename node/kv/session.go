package kv

import (
	"cmp"
	"slices"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// The state machine remembers at most maxSessions sessions and maxAnswers
// answers of all of them together. One more, and the session whose last command
// is longest ago is forgotten, on every node at the same entry (thesis §6.3).
//
// An answer takes 40 bytes, one with a text up to 300 more, and lists have room
// for a few times what is in them: all together is 10 MiB as a rule and 100 MiB
// at worst. A leader has no more than an eighth of maxAnswers under way.
const (
	maxSessions = 1 << 14
	maxAnswers  = 1 << 17
)

// keptAnswers is for how many answers a session may keep memory ready beside
// four times as many as it has.
const keptAnswers = 32

// session is what the state machine knows of one client (thesis §6.3): the
// answers of its commands above acked, each of which may be asked for again.
//
// A client has several commands under way at once, and after a change of
// leader they, and retries of them, reach the log in any order. So the highest
// number seen says nothing about the lower ones: for each number there is an
// answer or there is none.
type session struct {
	id      uint64
	used    raft.Index // of the last entry with a command of it
	acked   uint64     // the client has the answers up to here
	answers []answer   // from head on; ascending by seq, all above acked
	head    int
	age     uint64   // of the sessions when this was made, see there
	newer   *session // the list of sessions by last use
	older   *session
}

// answer is a Result in short, kept while the client may ask again.
type answer struct {
	seq   uint64
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

// kept are the answers there are.
func (s *session) kept() []answer { return s.answers[s.head:] }

// find returns the answer of seq, or nil and where among those kept it belongs.
func (s *session) find(seq uint64) (*answer, int) {
	kept := s.kept()
	// Clients count up, so most are new and belong at the end.
	if n := len(kept); n == 0 || kept[n-1].seq < seq {
		return nil, n
	}
	i, found := slices.BinarySearchFunc(kept, seq, func(a answer, seq uint64) int { return cmp.Compare(a.seq, seq) })
	if !found {
		return nil, i
	}
	return &kept[i], i
}

// keep keeps r, the answer of seq, which belongs at place i.
func (s *session) keep(i int, seq uint64, r *Result) {
	a := answer{seq: seq, index: r.Index, term: r.Term, code: r.Code, found: r.Found}
	if r.Value != nil || r.Error != "" {
		a.more = &answerMore{value: r.Value, err: r.Error}
	}
	s.answers = slices.Insert(s.answers, s.head+i, a)
}

// ack forgets the answers up to seq, which the client has, and tells how many
// those were.
func (s *session) ack(seq uint64) int {
	if seq <= s.acked {
		return 0
	}
	s.acked = seq
	n := 0
	for kept := s.kept(); n < len(kept) && kept[n].seq <= seq; n++ {
		kept[n] = answer{}
	}
	s.head += n
	s.tidy()
	return n
}

// tidy brings the answers to the front once most of the list is behind them.
func (s *session) tidy() {
	if s.head <= len(s.answers)/2 {
		return
	}
	kept := s.kept()
	if cap(s.answers) > 4*len(kept)+keptAnswers {
		s.answers = append(make([]answer, 0, 2*len(kept)), kept...)
	} else {
		copy(s.answers, kept)
		clear(s.answers[len(kept):])
		s.answers = s.answers[:len(kept)]
	}
	s.head = 0
}

func (a *answer) result() Result {
	r := Result{Code: a.code, Index: a.index, Term: a.term, Found: a.found, Repeated: true}
	if a.more != nil {
		r.Value, r.Error = a.more.value, a.more.err
	}
	return r
}

// sessions are all sessions, also in the order of their last use.
//
// When they are frozen, another goroutine reads those that were there, perhaps
// for long. Each of these is replaced by a copy when it first changes; age tells
// the copies and the new ones, which may change, from them.
type sessions struct {
	byID    map[uint64]*session
	newest  *session
	oldest  *session
	answers int // that all of them keep
	limit   int // of sessions
	most    int // answers
	// forgotten is the last use of the session that was forgotten last. As the
	// least used one goes, no forgotten session was used after it.
	forgotten raft.Index
	age       uint64 // how often they were frozen
}

func newSessions(limit, most int) sessions {
	return sessions{byID: make(map[uint64]*session), limit: limit, most: most}
}

// open makes a session, used by the entry of index.
func (t *sessions) open(id uint64, index raft.Index) *session {
	if len(t.byID) >= t.limit {
		t.forget()
	}
	s := &session{id: id, used: index, age: t.age}
	t.byID[id] = s
	t.link(s)
	return s
}

// use makes s, which the entry of index uses, the one used last, and returns
// what may be changed of it.
func (t *sessions) use(s *session, index raft.Index) *session {
	if t.newest != s {
		t.unlink(s)
		t.link(s)
	}
	if s.age != t.age {
		s = t.replace(s)
	}
	s.used = index
	return s
}

// replace puts a copy in the place of s, the newest.
func (t *sessions) replace(s *session) *session {
	c := *s
	c.age = t.age
	c.head = 0
	kept := s.kept()
	c.answers = append(make([]answer, 0, len(kept)+len(kept)/4+4), kept...)
	t.unlink(s)
	t.link(&c)
	t.byID[c.id] = &c
	return &c
}

// keep keeps r, the answer of seq, which belongs at place i of s, the session
// used last. When it is one too many, the sessions used least are forgotten;
// never s, since a session alone keeps at most MaxAhead.
func (t *sessions) keep(s *session, i int, seq uint64, r *Result) {
	s.keep(i, seq, r)
	t.answers++
	for t.answers > t.most {
		t.forget()
	}
}

// forget forgets the session used least.
func (t *sessions) forget() {
	old := t.oldest
	t.unlink(old)
	delete(t.byID, old.id)
	t.answers -= len(old.kept())
	t.forgotten = old.used
}

// freeze returns the sessions, oldest first. From now on nothing of them
// changes but their place in the list.
func (t *sessions) freeze() []*session {
	list := make([]*session, 0, len(t.byID))
	for s := t.oldest; s != nil; s = s.newer {
		list = append(list, s)
	}
	t.age++
	return list
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
