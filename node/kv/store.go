package kv

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// Store is the state machine. It is used by one goroutine at a time.
type Store struct {
	pairs    table
	sessions sessions
	unsafe   raft.Unsafe
	took     Took
}

// Took says what came of a command for its client's session: which one took
// effect, or that it had before and was only answered again. Else it is zero.
type Took struct {
	Session  uint64
	Seq      uint64
	Repeated bool
}

// Took is what the last Apply came to.
func (s *Store) Took() Took { return s.took }

// Result is what came of an entry.
type Result struct {
	Code  wire.Code  // CodeOK, CodeFailed, CodeBad, CodeNoSession
	Index raft.Index // where the command took effect: for a retry, an earlier entry than this
	Term  raft.Term  // of that entry
	Found bool       // get, del: there was such a key
	Value []byte     // get: the value; incr: the new one. Not to be changed
	Error string     // why the state machine refused
	// Repeated tells that the command had taken effect before and the answer is
	// that one's.
	Repeated bool
}

// New returns an empty store.
func New() *Store { return newStore(maxSessions, maxAnswers) }

func newStore(sessions, answers int) *Store {
	return &Store{pairs: newTable(), sessions: newSessions(sessions, answers)}
}

// SetUnsafe switches rules off. The store knows one, [raft.UnsafeNoSessions].
func (s *Store) SetUnsafe(rules raft.Unsafe) { s.unsafe = rules }

// settleStep is how many changes a store that was frozen takes back with each
// command, releaseStep how many at once when it is released: so few are done
// with before anybody notices.
const (
	settleStep  = 4
	releaseStep = 256
)

// Apply applies the command of one entry; indexes ascend. It keeps no memory of
// data. Whatever data is, the answer and the new state are the same on every node.
func (s *Store) Apply(index raft.Index, term raft.Term, data []byte) Result {
	if s.pairs.over != nil {
		s.pairs.settle(settleStep)
	}
	s.took = Took{}
	var c Command
	if err := DecodeCommand(data, &c); err != nil {
		return Result{Code: wire.CodeBad, Index: index, Term: term, Error: err.Error()}
	}
	if c.Session == 0 || c.Op == wire.OpGet || s.unsafe.Has(raft.UnsafeNoSessions) {
		return s.do(index, term, &c)
	}
	return s.once(index, term, &c)
}

// once applies a command of a session unless it was applied before (thesis §6.3).
func (s *Store) once(index raft.Index, term raft.Term, c *Command) Result {
	refuse := func(code wire.Code, format string, args ...any) Result {
		return Result{Code: code, Index: index, Term: term, Error: fmt.Sprintf(format, args...)}
	}
	client := s.sessions.byID[c.Session]
	switch {
	case client != nil:
		client = s.sessions.use(client, index)
	case c.Seq != 1:
		return refuse(wire.CodeNoSession, "session %d is not known, and command %d is not its first", c.Session, c.Seq)
	case c.Since < s.sessions.forgotten:
		// Had the session been open before, it was opened after Since, and forgotten:
		// its last use was at forgotten or before. So from forgotten on Since tells
		// that it is new.
		return refuse(wire.CodeNoSession, "session %d is not known, but may have been: sessions last used up to entry %d are forgotten, and it may be as old as entry %d",
			c.Session, s.sessions.forgotten, c.Since+1)
	default:
		client = s.sessions.open(c.Session, index)
	}
	if c.Seq <= client.acked {
		return refuse(wire.CodeBad, "the client has had the answer of command %d: it acknowledged all up to %d", c.Seq, client.acked)
	}
	// Acked counts only together with a Seq beyond it, else a single command
	// could close its own session for ever.
	if c.Acked < c.Seq {
		s.sessions.answers -= client.ack(c.Acked)
	}
	if c.Seq-client.acked > MaxAhead {
		return refuse(wire.CodeBad, "command %d is more than %d ahead of %d, the last acknowledged", c.Seq, MaxAhead, client.acked)
	}
	a, place := client.find(c.Seq)
	if a != nil {
		s.took.Repeated = true
		return a.result()
	}
	r := s.do(index, term, c)
	s.sessions.keep(client, place, c.Seq, &r)
	return r
}

// do applies a command.
func (s *Store) do(index raft.Index, term raft.Term, c *Command) Result {
	r := Result{Code: wire.CodeOK, Index: index, Term: term}
	if c.Op != wire.OpGet {
		s.took.Session, s.took.Seq = c.Session, c.Seq
	}
	p := s.pairs.find(c.Key)
	switch c.Op {
	case wire.OpPut:
		s.pairs.set(p, c.Key, bytes.Clone(c.Value), index)
	case wire.OpGet:
		if p != nil {
			r.Found, r.Value = true, p.value
		}
	case wire.OpDel:
		r.Found = p != nil
		s.pairs.delete(p, c.Key)
	case wire.OpCAS:
		switch {
		case p == nil:
			fail(&r, "%s does not exist, so it is not %s", excerpt(c.Key), excerpt(c.Old))
		case !bytes.Equal(p.value, c.Old):
			fail(&r, "%s is %s, not %s", excerpt(c.Key), excerpt(p.value), excerpt(c.Old))
		default:
			s.pairs.set(p, c.Key, bytes.Clone(c.Value), index)
		}
	case wire.OpIncr:
		n, ok := number(p)
		switch {
		case !ok:
			fail(&r, "%s is %s, which is no integer of 64 bits", excerpt(c.Key), excerpt(p.value))
		case n == math.MaxInt64:
			fail(&r, "%s is %d, the largest there is", excerpt(c.Key), n)
		default:
			r.Value = strconv.AppendInt(nil, n+1, 10)
			s.pairs.set(p, c.Key, r.Value, index)
		}
	}
	return r
}

func fail(r *Result, format string, args ...any) {
	r.Code, r.Error = wire.CodeFailed, fmt.Sprintf(format, args...)
}

// number is the integer a pair holds; a missing one counts as 0.
func number(p *pair) (int64, bool) {
	if p == nil {
		return 0, true
	}
	if len(p.value) > 20 { // the longest: "-9223372036854775808"
		return 0, false
	}
	n, err := strconv.ParseInt(string(p.value), 10, 64)
	return n, err == nil
}

// Get returns what a key stands for and the index of the entry that set it.
// The value must not be changed.
func (s *Store) Get(key []byte) (value []byte, index raft.Index, found bool) {
	p := s.pairs.find(key)
	if p == nil {
		return nil, 0, false
	}
	return p.value, p.index, true
}

// Pairs returns all keys in order.
func (s *Store) Pairs() []wire.Pair { return s.pairs.sorted() }
