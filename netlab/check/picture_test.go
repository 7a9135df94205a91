package check

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// drawn is the page of what ask has clients do.
func drawn(t *testing.T, ask func(call func(client string, q Request) *Operation, end func(*Operation, Answer), mark func(kind, text string))) (string, int) {
	t.Helper()
	h := NewHistory(true)
	var w HistoryWriter
	b := w.Run(w.Start(nil), &Run{Lab: "<default>", Seed: 7, Number: 1, Fresh: true})
	now := int64(0)
	ask(func(client string, q Request) *Operation {
		now += 1_500_000_000
		op := h.Operation(h.Invoke(client, q, now))
		b = w.Call(b, op)
		return op
	}, func(op *Operation, a Answer) {
		now += 1_000_000
		h.Return(op.ID, a, now)
		b = w.Return(b, op)
	}, func(kind, text string) { b = w.Mark(b, &Mark{LabNS: now, Kind: kind, Text: text}) })
	r := NewReading()
	if err := r.Read(b); err != nil {
		t.Fatal(err)
	}
	r.Close()
	var out bytes.Buffer
	n, err := r.Picture(&out)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), n
}

// The page has names for clients, lab time for times, and what was done to the
// lab: what porcupine's own page has no words for.
func TestPictureIsReadable(t *testing.T) {
	page, n := drawn(t, func(call func(string, Request) *Operation, end func(*Operation, Answer), mark func(kind, text string)) {
		end(call("client", put("x", "1")), Answer{Index: 2, Node: 1})
		mark("fault", "partition 1 2 | 3 <b>")
		call("load 1", put("x", "2"))
		end(call("load 1", put("y", "</script>")), Answer{Index: 3, Node: 1})
		end(call("client", get("x")), Answer{Found: true, Value: "7", Node: 2})
	})
	if n != 4 {
		t.Errorf("%d operations are shown, want 4", n)
	}
	for _, want := range []string{
		`"client"`, `"load 1"`, `"load 1 (2)"`, `"OriginalStart":"1.500 s"`, `"OriginalEnd":"1.501 s"`, `put \"x\" \"1\"`,
		"partition 1 2 | 3", "answered by S1 at index 2", "history of lab &lt;default&gt;, seed 7", "Verdict: <b>violated</b>",
		`no order of the operations on &#34;x&#34; explains get`, `put \"x\" \"2\": no answer`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if n := strings.Count(page, "</script>"); n != 1 {
		t.Errorf("the page has %d script ends", n)
	}
}

func TestPictureIsBoundedAndHasTheContradiction(t *testing.T) {
	page, n := drawn(t, func(call func(string, Request) *Operation, end func(*Operation, Answer), mark func(kind, text string)) {
		end(call("client", put("x", "1")), Answer{})
		end(call("client", put("x", "2")), Answer{})
		end(call("client", get("x")), Answer{Found: true, Value: "wrong"})
		for i := range 2 * pictureMax {
			end(call("client", put("y", fmt.Sprint(i))), Answer{})
		}
	})
	if n != pictureMax || !strings.Contains(page, `get \"x\": \"wrong\"`) || !strings.Contains(page, "1000 newest") {
		t.Errorf("%d operations are shown", n)
	}
}

func TestPictureOfNothing(t *testing.T) {
	if page, n := drawn(t, func(func(string, Request) *Operation, func(*Operation, Answer), func(string, string)) {}); n != 0 || !strings.Contains(page, "nothing judged") {
		t.Errorf("%d shown", n)
	}
}
