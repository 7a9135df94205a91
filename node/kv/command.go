package kv

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// Command is what an entry of the log carries: a request, without what
// concerns only the connection it came on (ID, Read).
type Command = wire.Request

// CommandOverhead is the most that a command takes beside the bytes of its key
// and values.
const CommandOverhead = 1 + 4*binary.MaxVarintLen64 + 3*binary.MaxVarintLen32

// AppendCommand appends the bytes of c to dst: the op, then session, seq, since
// if seq is 1, acked, and key, old and value with their lengths before them, all
// numbers as varints. They are in logs on disk, so this form stays.
func AppendCommand(dst []byte, c *Command) []byte {
	dst = append(dst, byte(c.Op))
	dst = binary.AppendUvarint(dst, c.Session)
	dst = binary.AppendUvarint(dst, c.Seq)
	if c.Seq == 1 {
		dst = binary.AppendUvarint(dst, uint64(c.Since))
	}
	dst = binary.AppendUvarint(dst, c.Acked)
	for _, b := range [...][]byte{c.Key, c.Old, c.Value} {
		dst = binary.AppendUvarint(dst, uint64(len(b)))
		dst = append(dst, b...)
	}
	return dst
}

// DecodeCommand reads into c what AppendCommand wrote, and nothing else: no
// two byte strings are the same command. Key, Old and Value are memory of data.
// Of Since only that of a first command is there.
func DecodeCommand(data []byte, c *Command) error {
	*c = Command{}
	if len(data) == 0 {
		return fmt.Errorf("not a command: it is empty")
	}
	op := wire.Op(data[0])
	if !op.Known() {
		return fmt.Errorf("not a command: there is no operation %d", data[0])
	}
	p := parser{rest: data[1:]}
	session, seq, since := p.uvarint(), p.uvarint(), uint64(0)
	if seq == 1 {
		since = p.uvarint()
	}
	acked := p.uvarint()
	key, old, value := p.bytes(), p.bytes(), p.bytes()
	if p.bad || len(p.rest) > 0 {
		return fmt.Errorf("not a command: %d bytes do not fit a %s", len(data), op)
	}
	*c = Command{Op: op, Session: session, Seq: seq, Acked: acked, Since: raft.Index(since), Key: key, Old: old, Value: value}
	return nil
}

type parser struct {
	rest []byte
	bad  bool
}

func (p *parser) uvarint() uint64 {
	v, n := binary.Uvarint(p.rest)
	// A last byte of 0 adds nothing: the number has a shorter form.
	if n <= 0 || n > 1 && p.rest[n-1] == 0 {
		p.bad, p.rest = true, nil
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

func (p *parser) bytes() []byte {
	n := p.uvarint()
	if n > uint64(len(p.rest)) {
		p.bad, p.rest = true, nil
		return nil
	}
	if n == 0 {
		return nil
	}
	b := p.rest[:n:n]
	p.rest = p.rest[n:]
	return b
}

// describeLimit is how long Describe's answer gets, in bytes; oldLimit is the
// share of a compare-and-set's old value.
const (
	describeLimit = 1 << 10
	oldLimit      = describeLimit / 3
)

// Describe says what a command does as people write it: "put x=1". What a
// terminal could take for more than text is escaped, and the end of a long
// one is cut off.
func Describe(data []byte) string {
	var c Command
	if err := DecodeCommand(data, &c); err != nil {
		return err.Error()
	}
	b := append(make([]byte, 0, 64), c.Op.String()...)
	b = appendText(append(b, ' '), c.Key, describeLimit)
	switch c.Op {
	case wire.OpPut:
		b = appendText(append(b, '='), c.Value, describeLimit)
	case wire.OpCAS:
		b = appendText(append(b, ' '), c.Old, min(len(b)+oldLimit, describeLimit))
		b = appendText(append(b, " -> "...), c.Value, describeLimit)
	}
	return string(b[:min(len(b), describeLimit)])
}

const ellipsis = "..."

// appendText appends v as text until dst has limit bytes, of which the last may
// be an ellipsis.
func appendText(dst, v []byte, limit int) []byte {
	end := limit - len(ellipsis)
	for len(v) > 0 {
		before := len(dst)
		r, n := utf8.DecodeRune(v)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, '\\', 'x', hexDigits[v[0]>>4], hexDigits[v[0]&15])
		case r == '\\':
			dst = append(dst, `\\`...)
		case strconv.IsPrint(r):
			dst = append(dst, v[:n]...)
		default:
			quoted := strconv.QuoteRune(r)
			dst = append(dst, quoted[1:len(quoted)-1]...)
		}
		if len(dst) > end {
			return append(dst[:before], ellipsis...)
		}
		v = v[n:]
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// excerpt is how keys and values stand in sentences.
func excerpt(v []byte) string {
	return `"` + string(appendText(nil, v, 64)) + `"`
}
