package deed

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/raftlab/raftlab/raft"
)

// A deed as bytes: its kind, the time since the deed before (zigzag), and the
// fields of its kind as varints. Entries are their number and their digests.

// Append appends d to dst. before is the time of the deed before it there, 0 for
// the first.
func Append(dst []byte, d *Deed, before raft.Time) []byte {
	dst = append(dst, byte(d.Kind))
	dst = binary.AppendVarint(dst, int64(d.At-before))
	num := func(n uint64) { dst = binary.AppendUvarint(dst, n) }
	switch d.Kind {
	case Started:
		num(uint64(d.Term))
		vote := raft.NodeID(0)
		if len(d.Nodes) > 0 {
			vote = d.Nodes[0]
		}
		num(uint64(vote))
		num(uint64(d.First))
		num(uint64(d.LogTerm))
		num(uint64(d.Index))
		num(uint64(d.IndexTerm))
		dst = appendConfig(dst, d.Config)
	case Became:
		num(uint64(d.Term))
		dst = append(dst, byte(d.Role))
	case Elected:
		num(uint64(d.Term))
		num(uint64(len(d.Nodes)))
		for _, id := range d.Nodes {
			num(uint64(id))
		}
	case Stored:
		num(uint64(d.Term))
		num(uint64(d.First))
		dst = appendDigests(dst, d.Digests)
	case Configured:
		num(uint64(d.Term))
		num(uint64(d.Index))
		dst = appendConfig(dst, d.Config)
	case Truncated:
		num(uint64(d.Term))
		num(uint64(d.First))
		num(uint64(d.Index))
	case Committed:
		num(uint64(d.Term))
		num(uint64(d.First))
		num(uint64(d.Index))
		num(uint64(d.LogTerm))
	case Installed:
		num(uint64(d.Term))
		num(uint64(d.Index))
		num(uint64(d.LogTerm))
		dst = append(dst, boolByte(d.Keep))
		dst = appendConfig(dst, d.Config)
	case SnapshotTaken, Compacted:
		num(uint64(d.Term))
		num(uint64(d.Index))
		num(uint64(d.LogTerm))
	case Applied:
		num(uint64(d.LogTerm))
		num(uint64(d.First))
		dst = appendDigests(dst, d.Digests)
		dst = appendEffects(dst, d)
	}
	return dst
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// appendConfig appends the length of a configuration and its bytes; none is 0.
func appendConfig(dst []byte, c *raft.Configuration) []byte {
	if c == nil {
		return append(dst, 0)
	}
	data := c.AppendTo(nil)
	dst = binary.AppendUvarint(dst, uint64(len(data)))
	return append(dst, data...)
}

func appendDigests(dst, digests []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(digests)/DigestBytes))
	return append(dst, digests...)
}

// appendEffects appends whether there are any, and if so a byte each and the
// commands of those that took effect.
func appendEffects(dst []byte, d *Deed) []byte {
	if !bytes.ContainsFunc(d.Effects, func(r rune) bool { return r != rune(NoEffect) }) {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	dst = append(dst, d.Effects...)
	return append(dst, d.Commands...)
}

// ErrBytes says that bytes are no deed.
var ErrBytes = errors.New("deed: these bytes are none")

// Reader reads deeds from bytes. What a deed holds is valid until the next one
// is read; its Digests, Effects and Commands are memory of the bytes.
type Reader struct {
	rest   []byte
	at     raft.Time
	bad    bool
	ids    []raft.NodeID
	config raft.Configuration
}

// NewReader returns a reader of what Append has written.
func NewReader(b []byte) *Reader { return &Reader{rest: b} }

// Reset makes the reader begin anew with b.
func (r *Reader) Reset(b []byte) { r.rest, r.at, r.bad = b, 0, false }

// More tells whether there is another deed.
func (r *Reader) More() bool { return len(r.rest) > 0 && !r.bad }

// Next reads the next deed into d. After an error there is no other.
func (r *Reader) Next(d *Deed) error {
	*d = Deed{Kind: Kind(r.byte())}
	r.at += raft.Time(r.varint())
	d.At = r.at
	switch d.Kind {
	case Started:
		d.Term = r.term()
		r.ids = append(r.ids[:0], raft.NodeID(r.uvarint()))
		d.Nodes = r.ids
		d.First, d.LogTerm = r.index(), r.term()
		d.Index, d.IndexTerm = r.index(), r.term()
		d.Config = r.configuration()
	case Became:
		d.Term, d.Role = r.term(), raft.Role(r.byte())
		r.must(d.Role <= raft.Leader)
	case Elected:
		d.Term = r.term()
		n := r.uvarint()
		r.must(n <= uint64(len(r.rest)))
		r.ids = r.ids[:0]
		for ; n > 0 && !r.bad; n-- {
			r.ids = append(r.ids, raft.NodeID(r.uvarint()))
		}
		d.Nodes = r.ids
	case Stored:
		d.Term, d.First = r.term(), r.index()
		d.Digests = r.digests(d.First)
		r.must(d.Term > 0)
	case Configured:
		d.Term, d.Index = r.term(), r.index()
		d.Config = r.configuration()
		r.must(d.Config != nil)
	case Truncated:
		d.Term, d.First, d.Index = r.term(), r.index(), r.index()
		r.must(d.First > 0 && d.First <= d.Index)
	case Committed:
		d.Term, d.First, d.Index, d.LogTerm = r.term(), r.index(), r.index(), r.term()
		r.must(d.First > 0 && d.First <= d.Index)
	case Installed:
		d.Term, d.Index, d.LogTerm = r.term(), r.index(), r.term()
		keep := r.byte()
		r.must(keep <= 1)
		d.Keep = keep == 1
		d.Config = r.configuration()
	case SnapshotTaken, Compacted:
		d.Term, d.Index, d.LogTerm = r.term(), r.index(), r.term()
	case Applied:
		d.LogTerm, d.First = r.term(), r.index()
		d.Digests = r.digests(d.First)
		r.effects(d)
	case Ended:
	default:
		r.bad = true
	}
	if r.bad {
		r.rest = nil
		return ErrBytes
	}
	return nil
}

// must is what has to be so for the bytes to be a deed.
func (r *Reader) must(ok bool) { r.bad = r.bad || !ok }

func (r *Reader) byte() byte {
	if len(r.rest) == 0 {
		r.bad = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *Reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *Reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *Reader) term() raft.Term { return raft.Term(r.uvarint()) }

// indexMax is beyond any log, and far from where adding to it wraps around.
const indexMax = 1 << 62

func (r *Reader) index() raft.Index {
	i := r.uvarint()
	r.must(i <= indexMax)
	return raft.Index(i)
}

func (r *Reader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// digests reads those of at least one entry, the first of which has an index.
func (r *Reader) digests(first raft.Index) []byte {
	n := r.uvarint()
	r.must(first > 0 && n > 0 && n <= uint64(len(r.rest))/DigestBytes)
	if r.bad {
		return nil
	}
	return r.take(n * DigestBytes)
}

func (r *Reader) configuration() *raft.Configuration {
	data := r.take(r.uvarint())
	if len(data) == 0 {
		return nil
	}
	c, err := raft.DecodeConfiguration(data)
	if err != nil {
		if len(c.Voters) > 0 || !noVoters(data) {
			r.bad = true
			return nil
		}
		c = raft.Configuration{}
	}
	r.config = c
	return &r.config
}

// noVoters tells that these are the bytes of a configuration of nobody, which a
// server has that joins a cluster and does not know yet who is in it.
func noVoters(data []byte) bool {
	return len(data) == 3 && data[0] == 0 && data[1] == 0 && data[2] == 0
}

func (r *Reader) effects(d *Deed) {
	switch r.byte() {
	case 0:
		return
	case 1:
	default:
		r.bad = true
		return
	}
	d.Effects = r.take(uint64(len(d.Digests) / DigestBytes))
	took := 0
	for _, e := range d.Effects {
		r.must(EffectKind(e) <= TookEffect)
		if EffectKind(e) == TookEffect {
			took++
		}
	}
	d.Commands = r.take(uint64(took) * CommandBytes)
}
