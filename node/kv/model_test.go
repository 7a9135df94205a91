package kv

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// model is the state machine written as plainly as can be: a list of sessions,
// the one used last at its end, each of which remembers every answer it ever
// gave.
type model struct {
	values    map[string]string
	list      []*modelSession
	limit     int // sessions
	most      int // answers
	forgotten raft.Index
}

type modelSession struct {
	id      uint64
	used    raft.Index
	acked   uint64
	answers map[uint64]Result
}

// unacked is how many answers may be asked for.
func (s *modelSession) unacked() (n int) {
	for seq := range s.answers {
		if seq > s.acked {
			n++
		}
	}
	return n
}

func newModel(limit, most int) *model {
	return &model{values: map[string]string{}, limit: limit, most: most}
}

// forget drops sessions from the front until the rest is within limits.
func (m *model) forget() {
	for {
		answers := 0
		for _, s := range m.list {
			answers += s.unacked()
		}
		if len(m.list) <= m.limit && answers <= m.most {
			return
		}
		m.forgotten = m.list[0].used
		m.list = m.list[1:]
	}
}

// apply returns the answer, its texts aside.
func (m *model) apply(index raft.Index, c Command) Result {
	if c.Op == wire.OpGet || c.Session == 0 {
		return m.do(index, c)
	}
	bad := Result{Code: wire.CodeBad, Index: index, Term: 7}
	var s *modelSession
	for i, known := range m.list {
		if known.id == c.Session {
			s = known
			m.list = slices.Delete(m.list, i, i+1)
			break
		}
	}
	if s == nil {
		if c.Seq != 1 || c.Since < m.forgotten {
			bad.Code = wire.CodeNoSession
			return bad
		}
		s = &modelSession{id: c.Session, answers: map[uint64]Result{}}
	}
	s.used = index
	m.list = append(m.list, s)
	defer m.forget()
	if c.Seq <= s.acked {
		return bad
	}
	if c.Acked < c.Seq {
		s.acked = max(s.acked, c.Acked)
	}
	if c.Seq > s.acked+MaxAhead {
		return bad
	}
	if r, ok := s.answers[c.Seq]; ok {
		r.Repeated = true
		return r
	}
	r := m.do(index, c)
	s.answers[c.Seq] = r
	return r
}

func (m *model) do(index raft.Index, c Command) Result {
	r := Result{Index: index, Term: 7}
	key := string(c.Key)
	value, found := m.values[key]
	switch c.Op {
	case wire.OpPut:
		m.values[key] = string(c.Value)
	case wire.OpGet:
		r.Found = found
		r.Value = []byte(value)
	case wire.OpDel:
		r.Found = found
		delete(m.values, key)
	case wire.OpCAS:
		if found && value == string(c.Old) {
			m.values[key] = string(c.Value)
		} else {
			r.Code = wire.CodeFailed
		}
	case wire.OpIncr:
		n := 0
		if _, err := fmt.Sscanf(value, "%d", &n); found && err != nil {
			r.Code = wire.CodeFailed
			break
		}
		m.values[key] = fmt.Sprint(n + 1)
		r.Value = []byte(m.values[key])
	}
	return r
}

// plain is a result without what the model does not have: texts, and the
// difference between no value and an empty one.
func plain(r Result) Result {
	r.Error = ""
	if len(r.Value) == 0 {
		r.Value = nil
	}
	return r
}

// drawCommand is any command that makes sense or none.
func drawCommand(t *rapid.T, index raft.Index) Command {
	key := rapid.SampledFrom([]string{"a", "b", "n"})
	value := rapid.SampledFrom([]string{"", "1", "2", "x"})
	c := Command{
		Op:      wire.Op(rapid.IntRange(int(wire.OpPut), int(wire.OpIncr)).Draw(t, "op")),
		Session: rapid.Uint64Range(0, 6).Draw(t, "session"),
		Seq:     rapid.Uint64Range(1, 12).Draw(t, "seq"),
		Acked:   rapid.Uint64Range(0, 6).Draw(t, "acked"),
		Key:     []byte(key.Draw(t, "key")),
		Value:   []byte(value.Draw(t, "value")),
		Old:     []byte(value.Draw(t, "old")),
	}
	switch rapid.IntRange(0, 25).Draw(t, "jump") {
	case 0:
		c.Seq += MaxAhead - 5
	case 1, 2, 3, 4, 5, 6, 7:
		c.Seq, c.Acked = 1, 0
	}
	if c.Seq == 1 {
		c.Since = raft.Index(rapid.Uint64Range(0, uint64(index)).Draw(t, "since"))
	}
	return c
}

// Any commands in any order get from the store what they get from the model,
// and leave the same keys behind: a store with few sessions, which is frozen,
// written and released, and lives on as what was restored from its snapshot, at
// any time.
func TestStoreIsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit, most := rapid.IntRange(1, 6).Draw(t, "sessions"), rapid.IntRange(1, 20).Draw(t, "answers")
		s, m := tape{Store: newStore(limit, most)}, newModel(limit, most)
		var (
			frozen *Frozen
			was    []byte // what frozen wrote at once
			others []*Store
		)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 20).Draw(t, "step") {
			case 0:
				if frozen == nil {
					frozen = s.Freeze()
					was = written(t, frozen)
					others = append(others, restored(t, was, limit, most))
				}
			case 1:
				if frozen != nil {
					if again := written(t, frozen); !bytes.Equal(again, was) {
						t.Fatalf("the frozen state has changed: it writes\n%q, wrote\n%q", again, was)
					}
					frozen.Release()
					frozen = nil
				}
			case 2:
				if n := rapid.IntRange(0, 3).Draw(t, "settle"); s.Settle(n) && s.pairs.over != nil {
					t.Fatal("settled with changes left")
				}
			case 3:
				if frozen == nil && len(others) > 0 {
					s.Store, others = others[len(others)-1], others[:len(others)-1]
				}
			default:
				c := drawCommand(t, s.index)
				got := s.apply(c)
				if want := m.apply(s.index, c); !reflect.DeepEqual(plain(got), plain(want)) {
					t.Fatalf("%d: %+v\n got %+v\nwant %+v", s.index, c, got, want)
				}
				// What was restored answers word for word the same.
				for _, o := range others {
					if r := o.Apply(s.index, 7, AppendCommand(nil, &c)); !reflect.DeepEqual(r, got) {
						t.Fatalf("%d: %+v\na restored store answers %+v\nthe original %+v", s.index, c, r, got)
					}
				}
			}
			checkStore(t, s.Store)
		}
		if frozen != nil {
			frozen.Release()
		}
		pairs := s.Pairs()
		if len(m.values) != len(pairs) {
			t.Fatalf("the store has %d keys, the model %d", len(pairs), len(m.values))
		}
		for _, p := range pairs {
			if v, ok := m.values[p.Key]; !ok || v != p.Value {
				t.Fatalf("%q is %q in the store, %q in the model", p.Key, p.Value, v)
			}
		}
		want := snapshotOf(t, s.Store)
		for _, o := range others {
			if got := snapshotOf(t, o); !bytes.Equal(got, want) {
				t.Fatalf("a restored store and the original end as\n%q\n%q", got, want)
			}
		}
	})
}

// checkStore finds out whether the parts of a store agree with each other.
func checkStore(t *rapid.T, s *Store) {
	answers, n := 0, 0
	last := s.sessions.forgotten
	for one := s.sessions.oldest; one != nil; one = one.newer {
		n++
		answers += len(one.kept())
		if s.sessions.byID[one.id] != one || one.used <= last {
			t.Fatalf("session %d, last used by entry %d, is out of order", one.id, one.used)
		}
		last = one.used
		seq := one.acked
		for _, a := range one.kept() {
			if a.seq <= seq {
				t.Fatalf("session %d: the answer of %d comes after %d", one.id, a.seq, seq)
			}
			seq = a.seq
		}
	}
	if n != len(s.sessions.byID) || n > s.sessions.limit || answers != s.sessions.answers || answers > s.sessions.most {
		t.Fatalf("%d sessions in the list, %d by id; %d answers, counted as %d", n, len(s.sessions.byID), answers, s.sessions.answers)
	}
	n = 0
	for c := s.pairs.first; c != nil; c = c.next {
		n++
		if s.pairs.over[c.key] != c || c.next == nil && s.pairs.last != c {
			t.Fatalf("the change of %q is out of place", c.key)
		}
	}
	if n != len(s.pairs.over) || s.pairs.frozen && s.pairs.over == nil {
		t.Fatalf("%d changes in the list, %d by key", n, len(s.pairs.over))
	}
}

// Clients as they behave: several commands under way, retried at will, in the
// log in any order after the first, acknowledged when the answer is there.
// Each count counts once and each answer is its own.
func TestEveryCommandOfAClientCountsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := tape{Store: New()}
		counted := map[string]bool{}
		const session, commands = 77, 60
		answered := make([]bool, commands+2)
		acked := func() (n uint64) {
			for n+1 <= commands && answered[n+1] {
				n++
			}
			return n
		}
		for left := commands; left > 0; {
			low := acked()
			seq := uint64(1)
			if low > 0 {
				seq = low + rapid.Uint64Range(1, min(16, commands-low)).Draw(t, "seq")
			}
			// What a command says is acknowledged may be old: it waited in a queue.
			r := s.as(session, seq, rapid.Uint64Range(0, low).Draw(t, "acked"), incr("n"))
			if r.Code != wire.CodeOK {
				t.Fatalf("command %d: %+v", seq, r)
			}
			if r.Repeated != counted[fmt.Sprint(seq)] {
				t.Fatalf("command %d: repeated %v", seq, r.Repeated)
			}
			counted[fmt.Sprint(seq)] = true
			if !answered[seq] && rapid.Bool().Draw(t, "the answer arrives") {
				answered[seq] = true
				left--
			}
		}
		if v, _, _ := s.Get([]byte("n")); string(v) != fmt.Sprint(commands) {
			t.Fatalf("%d counts give %s", commands, v)
		}
	})
}

// Two nodes that apply the same log are the same, sessions included.
func TestEqualLogsGiveEqualStores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := newStore(2, maxAnswers), newStore(2, maxAnswers)
		for i := range rapid.IntRange(1, 100).Draw(t, "entries") {
			c := Command{
				Op:      wire.Op(rapid.IntRange(int(wire.OpPut), int(wire.OpIncr)).Draw(t, "op")),
				Session: rapid.Uint64Range(0, 4).Draw(t, "session"),
				Seq:     rapid.Uint64Range(1, 3).Draw(t, "seq"),
				Key:     []byte("k"), Value: []byte("1"),
			}
			data := AppendCommand(nil, &c)
			if x, y := a.Apply(raft.Index(i+1), 7, data), b.Apply(raft.Index(i+1), 7, data); !reflect.DeepEqual(x, y) {
				t.Fatalf("%+v and %+v", x, y)
			}
		}
		if !reflect.DeepEqual(a.Pairs(), b.Pairs()) || !reflect.DeepEqual(a.sessions.byID, b.sessions.byID) {
			t.Fatal("the stores differ")
		}
	})
}
