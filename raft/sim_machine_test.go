package raft_test

import (
	"encoding/binary"
	"fmt"

	"github.com/raftlab/raftlab/raft"
)

// keys is how many registers the machine has.
const keys = 3

// machine is the state machine of the servers in tests: registers that count
// their writes, and client sessions, so that a command that comes twice counts
// once (§8, thesis §6.3). A register that counts makes every write visible to
// whoever reads it later, so that nothing that goes wrong can hide.
type machine struct {
	index     raft.Index // of the entry applied last
	digest    uint64     // of all that was applied, and what came of it
	registers [keys]register
	sessions  []session // by client

	forgetful bool // it keeps no sessions (the unsafe rule no-sessions)
}

// register is the value of a key.
type register struct {
	version uint32      // how many writes there were
	writer  operationID // the last one
}

// session is what the machine knows of a client.
type session struct {
	seq uint32 // of its newest command
	was register
}

// operationID names what a client wants, however often it asks: no two
// operations of a client have the same seq.
type operationID struct{ client, seq uint32 }

func (o operationID) String() string { return fmt.Sprintf("c%d/%d", o.client, o.seq) }

// command is what the log carries for a client.
type command struct {
	id   operationID
	key  uint8
	read bool // it changes nothing
}

// result is what came of a command.
type result struct {
	command
	register      // as the command left it
	took     bool // it wrote: it is no read and no repetition
}

// commandMark tells a client's command from the text tests propose, which
// changes no register.
const commandMark = 0

const commandSize = 11

// encode makes the bytes of c, and as many more as padding says.
func (c command) encode(padding int) []byte {
	data := make([]byte, commandSize+padding)
	data[0] = commandMark
	binary.LittleEndian.PutUint32(data[1:], c.id.client)
	binary.LittleEndian.PutUint32(data[5:], c.id.seq)
	data[9] = c.key
	if c.read {
		data[10] = 1
	}
	return data
}

func decodeCommand(data []byte) (c command, ok bool) {
	if len(data) < commandSize || data[0] != commandMark {
		return command{}, false
	}
	c.id.client = binary.LittleEndian.Uint32(data[1:])
	c.id.seq = binary.LittleEndian.Uint32(data[5:])
	c.key = data[9]
	c.read = data[10] == 1
	return c, true
}

// apply is a pure function of the machine and the entry.
func (m *machine) apply(e raft.Entry) (r result) {
	if c, ok := decodeCommand(e.Data); ok && e.Kind == raft.EntryCommand {
		r = m.execute(c)
	}
	m.index = e.Index
	m.mix(uint64(e.Index)<<32 | uint64(e.Term)<<8 | uint64(e.Kind))
	m.mix(uint64(r.id.client)<<32 | uint64(r.id.seq))
	m.mix(uint64(r.version)<<8 | uint64(r.key))
	return r
}

func (m *machine) execute(c command) result {
	register := &m.registers[c.key]
	if c.read {
		return result{command: c, register: *register}
	}
	for int(c.id.client) >= len(m.sessions) {
		m.sessions = append(m.sessions, session{})
	}
	known := &m.sessions[c.id.client]
	if c.id.seq <= known.seq && !m.forgetful {
		// A client has one command at a time, so of an older one nobody waits for the answer.
		return result{command: c, register: known.was}
	}
	register.version++
	register.writer = c.id
	*known = session{c.id.seq, *register}
	return result{command: c, register: *register, took: true}
}

// mix is a step of FNV-1a, over eight bytes at a time.
func (m *machine) mix(v uint64) { m.digest = (m.digest ^ v) * 0x100000001b3 }

// snapshot is all of the machine in bytes (§7).
func (m *machine) snapshot() []byte {
	data := make([]byte, 0, 20+12*keys+20*len(m.sessions))
	data = binary.AppendUvarint(data, uint64(m.index))
	data = binary.LittleEndian.AppendUint64(data, m.digest)
	for _, r := range m.registers {
		data = r.append(data)
	}
	data = binary.AppendUvarint(data, uint64(len(m.sessions)))
	for _, s := range m.sessions {
		data = binary.AppendUvarint(data, uint64(s.seq))
		data = s.was.append(data)
	}
	return data
}

func (r register) append(data []byte) []byte {
	for _, v := range [...]uint32{r.version, r.writer.client, r.writer.seq} {
		data = binary.AppendUvarint(data, uint64(v))
	}
	return data
}

// restore makes m the machine whose snapshot data is.
func (m *machine) restore(data []byte) error {
	whole := len(data)
	short := false
	number := func() uint64 {
		v, n := binary.Uvarint(data)
		short = short || n <= 0
		data = data[max(n, 0):]
		return v
	}
	readRegister := func() register {
		return register{uint32(number()), operationID{uint32(number()), uint32(number())}}
	}
	*m = machine{forgetful: m.forgetful, index: raft.Index(number())}
	if len(data) < 8 {
		return fmt.Errorf("%d bytes are no machine", whole)
	}
	m.digest = binary.LittleEndian.Uint64(data)
	data = data[8:]
	for k := range m.registers {
		m.registers[k] = readRegister()
	}
	for n := number(); n > 0 && !short; n-- {
		m.sessions = append(m.sessions, session{uint32(number()), readRegister()})
	}
	if short || len(data) > 0 {
		return fmt.Errorf("%d bytes are no machine", whole)
	}
	return nil
}
