package check

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
)

// kvModel is one key of the state machine itself, for porcupine to judge a
// whole history by: an oracle that shares nothing with register.
var kvModel = porcupine.Model{
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		was, op := state.(register), input.(*Operation)
		s := kv.New()
		if was.found {
			s.Apply(1, 1, kv.AppendCommand(nil, &kv.Command{Op: wire.OpPut, Key: []byte(op.Key), Value: []byte(was.value)}))
		}
		r := s.Apply(2, 1, kv.AppendCommand(nil, &kv.Command{Op: op.Op, Key: []byte(op.Key), Value: []byte(op.Value), Old: []byte(op.Old)}))
		v, _, found := s.Get([]byte(op.Key))
		now := register{found: found, value: string(v)}
		if a := op.answer(); a != nil {
			switch {
			case a.Refused != (r.Code == wire.CodeFailed):
				return false, now
			case (op.Op == wire.OpGet || op.Op == wire.OpDel) && a.Found != r.Found:
				return false, now
			case (op.Op == wire.OpGet || op.Op == wire.OpIncr && !a.Refused) && a.Value != string(r.Value):
				return false, now
			}
		}
		return true, now
	},
}

// linearizable is what porcupine says of all at once.
func linearizable(all []*Operation) bool {
	byKey := map[string][]porcupine.Operation{}
	for _, op := range all {
		o := porcupine.Operation{Input: op, Call: op.Called, Return: op.end()}
		switch {
		case !op.claims() || op.Outcome == Failed:
			continue
		case op.Outcome != Answered && !op.writes():
			continue
		case op.Outcome != Answered:
			o.Return = math.MaxInt64
		}
		byKey[op.Key] = append(byKey[op.Key], o)
	}
	for _, ops := range byKey {
		if !porcupine.CheckOperations(kvModel, ops) {
			return false
		}
	}
	return true
}

// scene is clients at a store, with a history that is told of it.
type scene struct {
	h       *History
	all     []*Operation
	store   map[string]register
	waiting map[int]*pending
}

type pending struct {
	id   uint64
	op   *Operation
	done bool // it has taken effect
	told Answer
}

// effect lets an operation take effect.
func (s *scene) effect(p *pending) {
	s2 := kv.New()
	was := s.store[p.op.Key]
	if was.found {
		s2.Apply(1, 1, kv.AppendCommand(nil, &kv.Command{Op: wire.OpPut, Key: []byte(p.op.Key), Value: []byte(was.value)}))
	}
	r := s2.Apply(2, 1, kv.AppendCommand(nil, &kv.Command{Op: p.op.Op, Key: []byte(p.op.Key), Value: []byte(p.op.Value), Old: []byte(p.op.Old)}))
	v, _, found := s2.Get([]byte(p.op.Key))
	s.store[p.op.Key] = register{found: found, value: string(v)}
	p.done, p.told = true, Answer{Refused: r.Code == wire.CodeFailed, Found: r.Found, Value: string(r.Value)}
}

// TestJudgedInPiecesIsJudgedWhole runs clients whose operations take effect in
// some order, are lost, or are answered wrongly, judges what they saw in pieces,
// cut wherever it happens, and compares with porcupine's verdict on the whole.
func TestJudgedInPiecesIsJudgedWhole(t *testing.T) {
	verdicts := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := &scene{h: NewHistory(true), store: map[string]register{}, waiting: map[int]*pending{}}
		values := []string{"", "1", "2", "9223372036854775807"}
		wrong := rapid.IntRange(0, 1).Draw(t, "wrong") * rapid.IntRange(3, 30).Draw(t, "one in")
		losing := rapid.IntRange(0, 1).Draw(t, "losing") * rapid.IntRange(3, 12).Draw(t, "one in")
		found := false
		var lost []*pending
		for range rapid.IntRange(1, 70).Draw(t, "steps") {
			client := rapid.IntRange(1, 4).Draw(t, "client")
			p := s.waiting[client]
			if len(lost) > 0 && rapid.IntRange(0, 3).Draw(t, "late") == 0 {
				s.effect(lost[0])
				lost = lost[1:]
			}
			switch {
			case p == nil:
				q := Request{
					Op:    wire.Op(rapid.IntRange(int(wire.OpPut), int(wire.OpIncr)).Draw(t, "op")),
					Key:   rapid.SampledFrom([]string{"a", "a", "b"}).Draw(t, "key"),
					Value: rapid.SampledFrom(values).Draw(t, "value"),
					Old:   rapid.SampledFrom(values).Draw(t, "old"),
				}
				if q.Op != wire.OpPut && q.Op != wire.OpCAS {
					q.Value = ""
				}
				if q.Op != wire.OpCAS {
					q.Old = ""
				}
				p = &pending{id: s.h.Invoke(fmt.Sprint("client ", client), q, 0)}
				p.op = s.h.open[p.id]
				s.waiting[client], s.all = p, append(s.all, p.op)
			case !p.done && rapid.Bool().Draw(t, "takes effect"):
				s.effect(p)
			case losing > 0 && rapid.IntRange(0, losing).Draw(t, "lost") == 0:
				if s.h.Lose(p.id, 0); !p.done {
					lost = append(lost, p)
				}
				delete(s.waiting, client)
			case !p.done && rapid.Bool().Draw(t, "fails"):
				s.h.Fail(p.id, 0)
				delete(s.waiting, client)
			case p.done:
				if wrong > 0 && rapid.IntRange(0, wrong).Draw(t, "wrongly answered") == 0 {
					p.told.Value = rapid.SampledFrom(values).Draw(t, "told")
					p.told.Found = rapid.Bool().Draw(t, "found")
				}
				s.h.Return(p.id, p.told, 0)
				delete(s.waiting, client)
			}
			if rapid.IntRange(0, 5).Draw(t, "judge") == 0 {
				found = len(s.h.Judge(false)) > 0 || found
			}
			if found {
				break
			}
		}
		found = len(s.h.Judge(true)) > 0 || found
		r := s.h.Report()
		if r.Undecided > 0 || r.NotJudged > 0 || r.Gaps > 0 || r.Waiting > 0 {
			t.Fatalf("not judged: %+v", r)
		}
		if want := linearizable(s.all); found == want {
			for _, op := range s.all {
				t.Log(op.Called, op.Returned, op.Outcome, op.Text())
			}
			t.Fatalf("judged in pieces it is linearizable: %v, as a whole: %v\n%v", !found, want, r.Findings)
		}
		verdicts[found]++
	})
	if verdicts[true] == 0 || verdicts[false] == 0 {
		t.Errorf("linearizable or not: %v; the test sees only one of the two", verdicts)
	}
}

// told is an operation of a script: who, what, and when it began and ended.
func answered(h *History, client string, q Request, a Answer) uint64 {
	id := h.Invoke(client, q, 0)
	h.Return(id, a, 0)
	return id
}

func put(key, value string) Request { return Request{Op: wire.OpPut, Key: key, Value: value} }
func get(key string) Request        { return Request{Op: wire.OpGet, Key: key} }
func incr(key string) Request       { return Request{Op: wire.OpIncr, Key: key} }

func TestWhatHistorySays(t *testing.T) {
	tests := []struct {
		name string
		play func(h *History)
		want string // the verdict
		says string // in the first finding
	}{
		{"nothing", func(*History) {}, VerdictNothing, ""},
		{"a value that was written", func(h *History) {
			answered(h, "c", put("x", "1"), Answer{})
			answered(h, "c", get("x"), Answer{Found: true, Value: "1"})
		}, VerdictOK, ""},
		{"a value that was replaced before it was asked for", func(h *History) {
			answered(h, "c", put("x", "1"), Answer{})
			answered(h, "c", put("x", "2"), Answer{Index: 7, Node: 3})
			h.Judge(false)
			answered(h, "d", get("x"), Answer{Found: true, Value: "1", Node: 2})
		}, VerdictViolated, `no order of the operations on "x" explains get "x": "1" (d, 0.000 s to 0.000 s, answered by S2)`},
		{"a value that may have been replaced", func(h *History) {
			answered(h, "c", put("x", "1"), Answer{})
			h.Invoke("c", put("x", "2"), 0)
			answered(h, "d", get("x"), Answer{Found: true, Value: "1"})
		}, VerdictOK, ""},
		{"a lost write is seen at last, long after", func(h *History) {
			answered(h, "c", put("x", "1"), Answer{})
			h.Lose(h.Invoke("c", put("x", "2"), 0), 0)
			for range 3 {
				answered(h, "d", get("x"), Answer{Found: true, Value: "1"})
				h.Judge(false)
			}
			answered(h, "d", get("x"), Answer{Found: true, Value: "2"})
		}, VerdictOK, ""},
		{"a lost write is seen, and not seen any more", func(h *History) {
			answered(h, "c", put("x", "1"), Answer{})
			h.Lose(h.Invoke("c", put("x", "2"), 0), 0)
			answered(h, "d", get("x"), Answer{Found: true, Value: "2"})
			h.Judge(false)
			answered(h, "d", get("x"), Answer{Found: true, Value: "1"})
		}, VerdictViolated, `get "x": "1"`},
		{"a lost increment counts twice", func(h *History) {
			h.Lose(h.Invoke("c", incr("n"), 0), 0)
			answered(h, "d", get("n"), Answer{Found: true, Value: "1"})
			h.Judge(false)
			answered(h, "d", get("n"), Answer{Found: true, Value: "2"})
		}, VerdictViolated, `get "n": "2"`},
		{"an answered increment counts twice", func(h *History) {
			answered(h, "c", incr("n"), Answer{Value: "1", Node: 2, Index: 4})
			answered(h, "d", get("n"), Answer{Found: true, Value: "2"})
		}, VerdictViolated, `incr "n": "1" (c, 0.000 s to 0.000 s, answered by S2 at index 4)`},
		{"an increment that failed does not count", func(h *History) {
			h.Fail(h.Invoke("c", incr("n"), 0), 0)
			answered(h, "d", get("n"), Answer{})
		}, VerdictOK, ""},
		{"reads that were not answered are nothing", func(h *History) {
			answered(h, "c", put("x", "1"), Answer{})
			h.Lose(h.Invoke("d", get("x"), 0), 0)
			answered(h, "d", get("x"), Answer{Found: true, Value: "1"})
		}, VerdictOK, ""},
		{"stale reads claim nothing", func(h *History) {
			answered(h, "c", put("x", "1"), Answer{Index: 2})
			answered(h, "c", put("x", "2"), Answer{Index: 3})
			answered(h, "d", Request{Op: wire.OpGet, Read: wire.ReadStale, Key: "x"}, Answer{Found: true, Value: "1", Index: 2})
		}, VerdictOK, ""},
		{"reads by lease and index claim", func(h *History) {
			answered(h, "c", put("x", "1"), Answer{})
			answered(h, "d", Request{Op: wire.OpGet, Read: wire.ReadLease, Key: "x"}, Answer{})
		}, VerdictViolated, `get "x" (lease read): not there`},
		{"long values are told apart", func(h *History) {
			long := strings.Repeat("v", 10_000)
			answered(h, "c", put("x", long+"1"), Answer{})
			answered(h, "d", get("x"), Answer{Found: true, Value: long + "1"})
			answered(h, "d", get("x"), Answer{Found: true, Value: long + "2"})
		}, VerdictViolated, `get "x": "vvv`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := NewHistory(true)
			tt.play(h)
			h.Judge(true)
			r := h.Report()
			if r.Verdict != tt.want {
				t.Fatalf("%s, want %s\n%+v", r.Verdict, tt.want, r)
			}
			if tt.says != "" && !strings.Contains(r.Findings[0].Message, tt.says) {
				t.Errorf("it says\n%s\nand not\n%s", r.Findings[0].Message, tt.says)
			}
		})
	}
}

func TestHowOldAStaleReadIs(t *testing.T) {
	h := NewHistory(true)
	for i := range 5 {
		answered(h, "c", put("x", fmt.Sprint(i)), Answer{Index: uint64(i + 1)})
	}
	answered(h, "d", Request{Op: wire.OpGet, Read: wire.ReadStale, Key: "x"}, Answer{Found: true, Value: "1", Index: 2, Node: 4})
	r := h.Report()
	if want := (StaleRead{Key: "x", Client: "d", Node: 4, Writes: 3}); r.Stale.Reads != 1 || r.Stale.Behind != 1 || r.Stale.Oldest != want {
		t.Errorf("%+v, want one read that is 3 writes old", r.Stale)
	}
	answered(h, "d", Request{Op: wire.OpGet, Read: wire.ReadStale, Key: "x"}, Answer{Found: true, Value: "4", Index: 5, Node: 4})
	if r = h.Report(); r.Stale.Reads != 2 || r.Stale.Behind != 1 {
		t.Errorf("%+v, want the second read not to be behind", r.Stale)
	}
}

// What is in memory stays bounded, whatever comes, and a contradiction is still
// found afterwards.
func TestMemoryIsBounded(t *testing.T) {
	t.Run("one after the other", func(t *testing.T) {
		h := NewHistory(true)
		for i := range 50_000 {
			answered(h, "c", put("x", fmt.Sprint(i)), Answer{})
			if i%1000 == 0 {
				h.Judge(false)
			}
			if h.Held() > 1100 {
				t.Fatalf("%d operations are held", h.Held())
			}
		}
		answered(h, "c", get("x"), Answer{Found: true, Value: "17"})
		if h.Judge(true); h.Report().Verdict != VerdictViolated {
			t.Errorf("%+v", h.Report())
		}
	})
	t.Run("never a moment without an open one", func(t *testing.T) {
		h := NewHistory(true)
		last := h.Invoke("c0", put("x", "0"), 0)
		for i := range 20_000 {
			next := h.Invoke(fmt.Sprint("c", i%2), put("x", fmt.Sprint(i+1)), 0)
			h.Return(last, Answer{}, 0)
			last = next
			if i%1000 == 0 {
				h.Judge(false)
			}
			if h.Held() > 2*windowMax+1000 {
				t.Fatalf("%d operations are held", h.Held())
			}
		}
		h.Return(last, Answer{}, 0)
		h.Judge(true)
		r := h.Report()
		if r.Verdict != VerdictOK || r.Gaps == 0 || len(r.Reasons) == 0 || r.Judged != 20_001 {
			t.Errorf("%+v", r)
		}
		answered(h, "c", get("x"), Answer{Found: true, Value: "17"})
		if h.Judge(true); h.Report().Verdict != VerdictViolated {
			t.Errorf("%+v", h.Report())
		}
	})
	t.Run("nobody judges", func(t *testing.T) {
		h := NewHistory(true)
		for i := range heldMax + 500 {
			answered(h, "c", put(fmt.Sprint("k", i%100), "0"), Answer{})
			if h.Held() > heldMax {
				t.Fatalf("%d operations are held", h.Held())
			}
		}
		h.Judge(true)
		r := h.Report()
		if r.Verdict != VerdictUnknown || r.NotJudged == 0 || r.Judged+r.NotJudged != r.Operations || r.Waiting != 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("more lost than can be followed", func(t *testing.T) {
		h := NewHistory(true)
		for i := range 2 * maxLost {
			h.Lose(h.Invoke("c", put("x", fmt.Sprint(i)), 0), 0)
			answered(h, "c", put("x", "-"), Answer{})
			answered(h, "c", get("x"), Answer{Found: true, Value: "-"})
			h.Judge(false)
		}
		h.Judge(true)
		if r := h.Report(); r.Verdict != VerdictUnknown || r.NotJudged == 0 || r.Operations != r.Judged+r.Undecided+r.NotJudged {
			t.Errorf("%+v", r)
		}
	})
}

// BenchmarkHistory is what recording and judging one operation costs.
func BenchmarkHistory(b *testing.B) {
	h := NewHistory(true)
	b.ReportAllocs()
	var open [8]uint64
	i := 0
	for b.Loop() {
		k := i % len(open)
		if open[k] != 0 {
			h.Return(open[k], Answer{Index: uint64(i)}, int64(i))
		}
		open[k] = h.Invoke("c", put(fmt.Sprint("load", i%10), fmt.Sprint(i)), int64(i))
		if i%5000 == 0 {
			h.Judge(false)
		}
		i++
	}
}
