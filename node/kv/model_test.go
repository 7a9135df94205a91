package kv

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// model is the state machine written as plainly as can be: it remembers every
// answer it ever gave.
type model struct {
	values  map[string]string
	answers map[uint64]map[uint64]Result // by session, by sequence number
	acked   map[uint64]uint64
}

func newModel() *model {
	return &model{values: map[string]string{}, answers: map[uint64]map[uint64]Result{}, acked: map[uint64]uint64{}}
}

// apply returns the answer, its texts aside.
func (m *model) apply(index raft.Index, c Command) Result {
	if c.Op == wire.OpGet || c.Session == 0 {
		return m.do(index, c)
	}
	bad := Result{Code: wire.CodeBad, Index: index, Term: 7}
	if m.answers[c.Session] == nil {
		if c.Seq != 1 {
			bad.Code = wire.CodeNoSession
			return bad
		}
		m.answers[c.Session] = map[uint64]Result{}
	}
	if c.Seq <= m.acked[c.Session] {
		return bad
	}
	if c.Acked < c.Seq {
		m.acked[c.Session] = max(m.acked[c.Session], c.Acked)
	}
	if c.Seq > m.acked[c.Session]+MaxAhead {
		return bad
	}
	if r, ok := m.answers[c.Session][c.Seq]; ok {
		r.Repeated = true
		return r
	}
	r := m.do(index, c)
	m.answers[c.Session][c.Seq] = r
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

// Any commands in any order get from the store what they get from the model,
// and leave the same keys behind.
func TestStoreIsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, m := tape{Store: New()}, newModel()
		key := rapid.SampledFrom([]string{"a", "b", "n"})
		value := rapid.SampledFrom([]string{"", "1", "2", "x"})
		for range rapid.IntRange(1, 200).Draw(t, "commands") {
			c := Command{
				Op:      wire.Op(rapid.IntRange(int(wire.OpPut), int(wire.OpIncr)).Draw(t, "op")),
				Session: rapid.Uint64Range(0, 3).Draw(t, "session"),
				Seq:     rapid.Uint64Range(1, 12).Draw(t, "seq"),
				Acked:   rapid.Uint64Range(0, 6).Draw(t, "acked"),
				Key:     []byte(key.Draw(t, "key")),
				Value:   []byte(value.Draw(t, "value")),
				Old:     []byte(value.Draw(t, "old")),
			}
			if rapid.IntRange(0, 50).Draw(t, "jump") == 0 {
				c.Seq += MaxAhead - 5
			}
			got := s.apply(c)
			if want := m.apply(s.index, c); !reflect.DeepEqual(plain(got), plain(want)) {
				t.Fatalf("%d: %+v\n got %+v\nwant %+v", s.index, c, got, want)
			}
		}
		if got := len(m.values); got != len(s.pairs) {
			t.Fatalf("the store has %d keys, the model %d", len(s.pairs), got)
		}
		for _, p := range s.Pairs() {
			if v, ok := m.values[p.Key]; !ok || v != p.Value {
				t.Fatalf("%q is %q in the store, %q in the model", p.Key, p.Value, v)
			}
		}
	})
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
		a, b := newStore(2), newStore(2)
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
