package raft_test

import (
	"errors"
	"fmt"
	"math"

	"github.com/anishathalye/porcupine"

	"github.com/raftlab/raftlab/raft"
)

// history is what the clients of a schedule asked and were told, and when.
//
// It judges linearizability (§8) while it is written, exactly, and in constant
// time an operation. It can, because a write raises its register's version by
// one and the log tells which write made which version: there is only one
// order in which a register's operations can have taken effect, that of the
// versions, a read behind the write it saw. What remains to be seen is that the
// order goes with real time: who is called when another was answered already
// must come behind it. A register at a time will do: linearizability is local.
type history struct {
	now       int64 // counts calls and answers
	registers [keys]registerHistory
	clients   [][]*operation // by client, by seq-1
}

// registerHistory is what is known of a register.
type registerHistory struct {
	writes []*operation // by version-1
	told   uint32       // the newest version any client was told of
}

// operation is what a client wants, from the first time it asks to the first
// answer.
type operation struct {
	command
	by       means
	called   int64
	floor    uint32     // the newest version any client had been told of at the call
	index    raft.Index // a write: of the entry that did it, 0 while none has
	answered int64      // 0 while it is not
	told     register
}

// means is how a client has something done.
type means uint8

const (
	byLog       means = iota // by a command in the log
	byReadIndex              // a read, once a majority confirms the leader (thesis §6.4)
	byLease                  // a read on the leader's lease (thesis §6.4.1)
)

func (m means) String() string { return [...]string{"log", "read-index", "lease"}[m] }

func (op *operation) String() string {
	what := "write"
	if op.read {
		what = "read"
	}
	return fmt.Sprintf("%v %s of key %d by %v", op.id, what, op.key, op.by)
}

var (
	errLinearizability = errors.New("Linearizability")
	errExactlyOnce     = errors.New("Exactly-once")
)

// call takes note that a client asks for the first time.
func (h *history) call(c command, by means) *operation {
	h.now++
	op := &operation{command: c, by: by, called: h.now, floor: h.registers[c.key].told}
	for int(c.id.client) >= len(h.clients) {
		h.clients = append(h.clients, nil)
	}
	h.clients[c.id.client] = append(h.clients[c.id.client], op)
	return op
}

func (h *history) operation(id operationID) *operation { return h.clients[id.client][id.seq-1] }

// applied takes note of what entry index did to a state machine. It comes once
// for every server; the first time, all entries before it have come.
func (h *history) applied(index raft.Index, r result) error {
	if !r.took {
		return nil
	}
	op, reg := h.operation(r.id), &h.registers[r.key]
	switch {
	case op.index == 0:
		op.index = index
		reg.writes = append(reg.writes, op)
	case op.index != index:
		return fmt.Errorf("%w: %v took effect as entry %d and again as entry %d", errExactlyOnce, op, op.index, index)
	}
	return nil
}

// answer takes note of the first answer to op.
func (h *history) answer(op *operation, told register) error {
	h.now++
	op.answered, op.told = h.now, told
	reg := &h.registers[op.key]
	var writer operationID
	if v := int(told.version); v > 0 && v <= len(reg.writes) {
		writer = reg.writes[v-1].id
	}
	switch {
	case writer != told.writer, !op.read && writer != op.id:
		return fmt.Errorf("%w: %v is told that %v made version %d, it was %v", errLinearizability, op, told.writer, told.version, writer)
	case told.version < op.floor:
		return fmt.Errorf("%w: %v is told of version %d, when it was called somebody had been told of version %d", errLinearizability, op, told.version, op.floor)
	}
	reg.told = max(reg.told, told.version)
	return nil
}

// linearizable asks porcupine, which finds an order itself and knows nothing
// of logs and versions.
func (h *history) linearizable() bool {
	var ops [keys][]porcupine.Operation
	for _, client := range h.clients {
		for _, op := range client {
			o := porcupine.Operation{Input: op, Call: op.called, Output: op.told, Return: op.answered}
			if op.answered == 0 {
				if op.read {
					continue
				}
				o.Output, o.Return = nil, math.MaxInt64
			}
			ops[op.key] = append(ops[op.key], o)
		}
	}
	for k := range ops {
		if !porcupine.CheckOperations(registerModel, ops[k]) {
			return false
		}
	}
	return true
}

// registerModel is one register, as porcupine wants it.
var registerModel = porcupine.Model{
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		now, op := state.(register), input.(*operation)
		if !op.read {
			now = register{now.version + 1, op.id}
		}
		return output == nil || output == now, now
	},
	Equal: func(a, b any) bool { return a == b },
}
