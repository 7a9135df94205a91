package raft_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/raftlab/raftlab/raft"
)

// TestHistoryAgreesWithPorcupine holds what history says of itself: it calls a
// history linearizable exactly when porcupine does. Writes take effect one by
// one, at some time after they were called; a read is told of any version there
// is, old ones included.
func TestHistoryAgreesWithPorcupine(t *testing.T) {
	verdicts := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		var (
			h        history
			err      error
			machine  machine
			waiting  []*operation // called, not answered
			seqs     [4]uint32
			versions [keys][]register // all there were
		)
		for k := range versions {
			versions[k] = []register{{}}
		}
		answer := func(op *operation, told register) {
			if e := h.answer(op, told); err == nil {
				err = e
			}
		}
		steps := rapid.IntRange(1, 40).Draw(t, "steps")
		for n := 0; n < steps || len(waiting) > 0; n++ {
			if n < steps && rapid.Bool().Draw(t, "call") {
				client := rapid.IntRange(1, 3).Draw(t, "client")
				seqs[client]++
				c := command{
					id:  operationID{uint32(client), seqs[client]},
					key: uint8(rapid.IntRange(0, 1).Draw(t, "key")), read: rapid.Bool().Draw(t, "read"),
				}
				waiting = append(waiting, h.call(c, byLog))
				continue
			}
			if len(waiting) == 0 {
				continue
			}
			k := rapid.IntRange(0, len(waiting)-1).Draw(t, "which")
			op := waiting[k]
			switch {
			case op.read:
				answer(op, rapid.SampledFrom(versions[op.key]).Draw(t, "version"))
			case op.index == 0:
				r := machine.execute(op.command)
				if !r.took { // a later one of the same client came first
					t.Skip()
				}
				if e := h.applied(raft.Index(n+1), r); e != nil {
					t.Fatal(e)
				}
				versions[op.key] = append(versions[op.key], r.register)
				continue
			default:
				for _, v := range versions[op.key] {
					if v.writer == op.id {
						answer(op, v)
					}
				}
			}
			waiting = append(waiting[:k], waiting[k+1:]...)
		}
		if got, want := err == nil, h.linearizable(); got != want {
			t.Fatalf("history says %v, porcupine says that it is linearizable: %v", err, want)
		}
		verdicts[err == nil]++
	})
	if verdicts[true] == 0 || verdicts[false] == 0 {
		t.Errorf("linearizable or not: %v; the test sees only one of the two", verdicts)
	}
}
