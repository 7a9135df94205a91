package deed

import (
	"encoding/binary"
	"math/bits"

	"github.com/raftlab/raftlab/raft"
)

// Kind is what was done.
type Kind uint8

// The kinds. Numbers are on the wire. The fields each one fills are named beside it.
const (
	// Started: a server came up. On its disk are Term and Nodes[0], currentTerm and
	// votedFor; a log behind entry First of LogTerm, which Stored tells; and a
	// snapshot of entry Index of IndexTerm, 0 for none. Config counts at the snapshot, or is the bootstrap one.
	Started Kind = iota + 1
	// Became: the server took a Role in Term.
	Became
	// Elected: it won Term with the votes of Nodes.
	Elected
	// Stored: entries from First on, all of Term, with Digests, joined the log, or
	// took the place of what was there: the log ends with the last of them.
	Stored
	// Configured: entry Index, just stored, is Config.
	Configured
	// Truncated: entries First to Index were deleted.
	Truncated
	// Committed: commitIndex moved from First-1 to Index, in Term.
	Committed
	// Installed: a leader's snapshot of entry Index of LogTerm, in which Config counts, replaced the state
	// machine. Keep tells that the log behind it stays, else all of the log went.
	Installed
	// SnapshotTaken: the state up to entry Index of LogTerm is in a snapshot.
	SnapshotTaken
	// Compacted: the log begins behind entry Index of LogTerm now.
	Compacted
	// Applied: entries from First on, all of LogTerm, with Digests, were applied,
	// with these Effects.
	Applied
	// Ended: the server stops, and has told all it did.
	Ended
)

// Deed is one of them.
type Deed struct {
	Kind      Kind
	At        raft.Time
	Term      raft.Term
	Role      raft.Role
	First     raft.Index
	Index     raft.Index
	LogTerm   raft.Term
	IndexTerm raft.Term
	Keep      bool
	Nodes     []raft.NodeID
	Config    *raft.Configuration
	Digests   []byte // DigestBytes for each entry
	// Effects has an EffectKind for each entry, or is empty when none had any; and
	// Commands CommandBytes for each that TookEffect, in this order.
	Effects  []byte
	Commands []byte
}

// CommandBytes is what the name of a client's command takes: its session and its
// number there, 8 bytes each, the lowest first.
const CommandBytes = 16

// Effect is what applying an entry came to for a client's session (thesis §6.3).
type Effect struct {
	Is      EffectKind
	Session uint64 // TookEffect only
	Seq     uint64
}

// EffectKind says what it came to.
type EffectKind uint8

const (
	// NoEffect: there was no command of a session to carry out, or it was refused.
	NoEffect EffectKind = iota
	// Repeated: the command had been carried out before, and was only answered again.
	Repeated
	// TookEffect: the command was carried out.
	TookEffect
)

// DigestBytes is what the digest of an entry takes.
const DigestBytes = 4

// What a digest is made with: odd numbers whose bits look random.
const (
	mix0 = 0xa0761d6478bd642f
	mix1 = 0xe7037ed1a0b428db
	mix2 = 0x8ebc6af09c88c6e3
	mix3 = 0x589965cc75374cc3
)

// Digest is of an entry's kind and data. Its index and term are told beside it.
//
// It multiplies its way through the data as wyhash does, two lanes side by side:
// 15 ns for 280 bytes, where CRC-32C, a chain of single steps at such a length,
// takes 40, and every entry is digested twice on every server.
func Digest(kind raft.EntryKind, data []byte) uint32 {
	a, b := uint64(mix0), uint64(mix1)
	end := uint64(len(data))<<8 | uint64(kind)
	for len(data) >= 32 {
		d := (*[32]byte)(data)
		a = fold(binary.LittleEndian.Uint64(d[0:])^a, binary.LittleEndian.Uint64(d[8:])^mix2)
		b = fold(binary.LittleEndian.Uint64(d[16:])^b, binary.LittleEndian.Uint64(d[24:])^mix3)
		data = data[32:]
	}
	var rest [32]byte
	copy(rest[:], data)
	a = fold(binary.LittleEndian.Uint64(rest[0:])^a, binary.LittleEndian.Uint64(rest[8:])^mix2)
	b = fold(binary.LittleEndian.Uint64(rest[16:])^b, binary.LittleEndian.Uint64(rest[24:])^mix3)
	h := fold(a^end*mix1, b^mix0)
	return uint32(h ^ h>>32)
}

func fold(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x, y)
	return hi ^ lo
}
