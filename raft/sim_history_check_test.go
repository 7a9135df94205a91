package raft_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/raftlab/raftlab/raft"
)

// TestHistoryAgreesWithPorcupine holds what history says of itself: it calls a
// history linearizable exactly when porcupine does. Three clients have one
// operation at a time. Writes take effect one by one, some time after they were
// called; a read is told of any version there was; some are never answered.
func TestHistoryAgreesWithPorcupine(t *testing.T) {
	verdicts := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		var (
			h        history
			err      error
			machine  machine
			waiting  [4]*operation // by client
			seqs     [4]uint32
			versions [keys][]register // all there were
		)
		for k := range versions {
			versions[k] = []register{{}}
		}
		answer := func(client int, told register) {
			if e := h.answer(waiting[client], told); err == nil {
				err = e
			}
			waiting[client] = nil
		}
		for n := range rapid.IntRange(1, 60).Draw(t, "steps") {
			client := rapid.IntRange(1, 3).Draw(t, "client")
			switch op := waiting[client]; {
			case op == nil:
				seqs[client]++
				c := command{id: operationID{uint32(client), seqs[client]}, read: rapid.Bool().Draw(t, "read")}
				c.key = uint8(rapid.IntRange(0, 1).Draw(t, "key"))
				waiting[client] = h.call(c, byLog)
			case op.read:
				answer(client, rapid.SampledFrom(versions[op.key]).Draw(t, "version"))
			case op.index == 0:
				r := machine.execute(op.command)
				if e := h.applied(raft.Index(n+1), r); e != nil {
					t.Fatal(e)
				}
				versions[op.key] = append(versions[op.key], r.register)
			default:
				answer(client, machine.sessions[client].was)
			}
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
