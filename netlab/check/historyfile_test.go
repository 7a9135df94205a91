package check

import (
	"bytes"
	"testing"

	"github.com/raftlab/raftlab/node/wire"
)

// shortHistory is the file of a history with a record of each kind.
func shortHistory() []byte {
	h := NewHistory(true)
	var w HistoryWriter
	b := w.Run(w.Start(nil), &Run{Lab: "default", Seed: 7, Number: 1, Before: 2})
	slow := h.Operation(h.Invoke("slow", put("x", "0"), 0))
	b = w.Carried(b, slow)
	ask := func(q Request, end func(id uint64)) {
		op := h.Operation(h.Invoke("client", q, 1000))
		b = w.Call(b, op)
		end(op.ID)
		b = w.Return(b, op)
	}
	ask(put("x", "1"), func(id uint64) { h.Return(id, Answer{Index: 2, Node: 1}, 2000) })
	ask(incr("n"), func(id uint64) { h.Lose(id, 3000) })
	b = w.Mark(b, &Mark{LabNS: 3500, Kind: "fault", Text: "partition 1 2 | 3"})
	ask(get("x"), func(id uint64) { h.Fail(id, 5000) })
	h.Return(slow.ID, Answer{Index: 3}, 6000)
	return w.Return(b, slow)
}

// What is written is read back: the same operations, the same verdict.
func TestHistoryIsReadBack(t *testing.T) {
	h := NewHistory(true)
	var w HistoryWriter
	b := w.Start(nil)
	b = w.Run(b, &Run{Lab: "default", Seed: 7, Number: 3, Fresh: true})
	var all []*Operation
	ask := func(q Request, end func(id uint64)) {
		id := h.Invoke("client", q, 1000)
		op := h.Operation(id)
		all = append(all, op)
		b = w.Call(b, op)
		if end != nil {
			end(id)
			b = w.Return(b, op)
		}
	}
	long := string(bytes.Repeat([]byte("long"), 1000))
	ask(put("x", "1"), func(id uint64) { h.Return(id, Answer{Index: 2, Node: 1}, 2000) })
	ask(put("x", long), func(id uint64) { h.Return(id, Answer{Index: 3, Node: 1}, 2000) })
	ask(get("x"), func(id uint64) { h.Return(id, Answer{Found: true, Value: long, Index: 3, Node: 1}, 2000) })
	ask(incr("n"), func(id uint64) { h.Lose(id, 3000) })
	mark := Mark{LabNS: 3500, Kind: "fault", Text: "partition 1 2 | 3"}
	b = w.Mark(b, &mark)
	ask(Request{Op: wire.OpCAS, Key: "x", Old: "1", Value: "2"}, func(id uint64) { h.Return(id, Answer{Refused: true}, 4000) })
	ask(get("x"), func(id uint64) { h.Fail(id, 5000) })
	ask(Request{Op: wire.OpGet, Key: "x", Read: wire.ReadStale}, func(id uint64) { h.Return(id, Answer{Index: 2}, 5000) })
	ask(get("x"), nil)
	ask(put("x", "3"), nil)

	r := NewReading()
	if err := r.Read(b); err != nil {
		t.Fatal(err)
	}
	if len(r.Operations) != len(all) || len(r.Runs) != 1 || r.Runs[0].Number != 3 || len(r.Marks) != 1 || r.Marks[0].Text != mark.Text || r.Marks[0].Place == 0 {
		t.Fatalf("%+v", r)
	}
	for i, op := range r.Operations {
		if *op != *all[i] {
			t.Errorf("read\n%+v\nwritten\n%+v", *op, *all[i])
		}
	}
	r.Close()
	h.Judge(true)
	got, want := r.History.Report(), h.Report()
	if got.Verdict != want.Verdict || got.Judged != want.Judged || got.Lost != want.Lost || got.Stale != want.Stale {
		t.Errorf("read\n%+v\nwritten\n%+v", got, want)
	}
}

// An operation that was open when a file began may have taken effect before it.
func TestACarriedOperationClaimsNothingAboutTheStart(t *testing.T) {
	h := NewHistory(true)
	id := h.Invoke("slow", put("x", "slow"), 0)
	var w HistoryWriter
	b := w.Run(w.Start(nil), &Run{Lab: "default", Before: 10})
	op := h.Operation(id)
	b = w.Carried(b, op)
	ask := func(q Request, a Answer) {
		n := h.Operation(h.Invoke("c", q, 0))
		b = w.Call(b, n)
		h.Return(n.ID, a, 0)
		b = w.Return(b, n)
	}
	ask(get("x"), Answer{Found: true, Value: "newer"})
	h.Return(id, Answer{}, 0)
	b = w.Return(b, op)
	ask(get("x"), Answer{Found: true, Value: "newer"})
	r := NewReading()
	if err := r.Read(b); err != nil {
		t.Fatal(err)
	}
	if r.Close(); r.History.Report().Verdict != VerdictOK {
		t.Errorf("%+v", r.History.Report())
	}
}

// FuzzReadHistory reads anything: it ends with an error that says where, or with
// a history that can be judged and told of.
func FuzzReadHistory(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte(historyMagic))
	f.Add(shortHistory())
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReading()
		if err := r.Read(data); err != nil && err.Error() == "" {
			t.Error("an error without a word")
		}
		if r.Size > int64(len(data)) {
			t.Errorf("%d of %d bytes were read", r.Size, len(data))
		}
		r.Close()
		if rep := r.History.Report(); rep.Waiting != 0 || rep.Operations != rep.Judged+rep.Undecided+rep.NotJudged {
			t.Errorf("%+v", rep)
		}
	})
}
