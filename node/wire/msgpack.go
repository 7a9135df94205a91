package wire

import (
	"encoding/binary"
	"math"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// The hot kinds are written and read by the functions of this file, straight
// on the bytes, in the shortest form there is for each value, which is also
// the form msgpack's own Encoder chooses. Going through Encoder and Decoder costs
// a heartbeat five times as much; that both speak the same bytes is held in
// place by tests with msgpack itself as the oracle.

func appendUint(b []byte, v uint64) []byte {
	switch {
	case v <= uint64(msgpcode.PosFixedNumHigh):
		return append(b, byte(v))
	case v <= math.MaxUint8:
		return append(b, msgpcode.Uint8, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, msgpcode.Uint16), uint16(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, msgpcode.Uint32), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(b, msgpcode.Uint64), v)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, msgpcode.True)
	}
	return append(b, msgpcode.False)
}

// appendBytes writes nil as no bytes.
func appendBytes(b, v []byte) []byte {
	switch n := len(v); {
	case n <= math.MaxUint8:
		b = append(b, msgpcode.Bin8, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, msgpcode.Bin16), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, msgpcode.Bin32), uint32(n))
	}
	return append(b, v...)
}

func appendString(b []byte, v string) []byte {
	switch n := len(v); {
	case n <= int(msgpcode.FixedStrMask):
		b = append(b, msgpcode.FixedStrLow|byte(n))
	case n <= math.MaxUint8:
		b = append(b, msgpcode.Str8, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, msgpcode.Str16), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, msgpcode.Str32), uint32(n))
	}
	return append(b, v...)
}

func appendArray(b []byte, n int) []byte {
	switch {
	case n <= int(msgpcode.FixedArrayMask):
		return append(b, msgpcode.FixedArrayLow|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, msgpcode.Array16), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(b, msgpcode.Array32), uint32(n))
}

// The reasons of a DecodeError.
const (
	reasonShort    = "the frame ends inside it"
	reasonUint     = "not an unsigned integer"
	reasonRange    = "out of range"
	reasonBool     = "not a boolean"
	reasonBytes    = "not bytes"
	reasonString   = "not a string"
	reasonArray    = "not an array"
	reasonElements = "too few elements"
	reasonDeep     = "nested too deep"
	reasonMany     = "too many elements"
	reasonType     = "a type that does not belong here"
	reasonTrailing = "bytes after its end"
)

// cursor reads a frame from its start. The first thing that is wrong is kept
// and everything after it reads as zero, so that a decoder reads on and asks once.
type cursor struct {
	b      []byte
	off    int
	left   int // elements of the frame's array that are still to be read
	kind   Kind
	failed bool
	field  string
	at     int
	reason string
}

func (c *cursor) fail(field, reason string, at int) {
	if !c.failed {
		c.failed, c.field, c.reason, c.at = true, field, reason, at
	}
	// Nothing more is read, whatever comes.
	c.off = len(c.b)
}

func (c *cursor) err() error {
	if !c.failed {
		return nil
	}
	return &DecodeError{Kind: c.kind, Field: c.field, Offset: c.at, Reason: c.reason}
}

// big reads a big-endian number of n bytes that follows the code at c.off and
// moves past both.
func (c *cursor) big(field string, n int) (uint64, bool) {
	rest := c.b[c.off+1:]
	if len(rest) < n {
		c.fail(field, reasonShort, c.off)
		return 0, false
	}
	c.off += 1 + n
	switch n {
	case 1:
		return uint64(rest[0]), true
	case 2:
		return uint64(binary.BigEndian.Uint16(rest)), true
	case 4:
		return uint64(binary.BigEndian.Uint32(rest)), true
	}
	return binary.BigEndian.Uint64(rest), true
}

func (c *cursor) code(field string) (byte, bool) {
	if c.off >= len(c.b) {
		c.fail(field, reasonShort, len(c.b))
		return 0, false
	}
	return c.b[c.off], true
}

// uint reads an unsigned integer in any of msgpack's forms: other makes need
// not choose the shortest, nor the unsigned one.
func (c *cursor) uint(field string) uint64 {
	if c.off < len(c.b) && c.b[c.off] <= msgpcode.PosFixedNumHigh {
		v := c.b[c.off]
		c.off++
		return uint64(v)
	}
	return c.uintLong(field)
}

func (c *cursor) uintLong(field string) uint64 {
	code, ok := c.code(field)
	if !ok {
		return 0
	}
	at := c.off
	var v uint64
	var signed bool
	switch code {
	case msgpcode.Uint8:
		v, _ = c.big(field, 1)
	case msgpcode.Uint16:
		v, _ = c.big(field, 2)
	case msgpcode.Uint32:
		v, _ = c.big(field, 4)
	case msgpcode.Uint64:
		v, _ = c.big(field, 8)
	case msgpcode.Int8:
		v, _ = c.big(field, 1)
		signed = int8(v) < 0
	case msgpcode.Int16:
		v, _ = c.big(field, 2)
		signed = int16(v) < 0
	case msgpcode.Int32:
		v, _ = c.big(field, 4)
		signed = int32(v) < 0
	case msgpcode.Int64:
		v, _ = c.big(field, 8)
		signed = int64(v) < 0
	default:
		c.fail(field, reasonUint, at)
	}
	if signed {
		c.fail(field, reasonRange, at)
		return 0
	}
	return v
}

func (c *cursor) uint8(field string) uint8 {
	at := c.off
	v := c.uint(field)
	if v > math.MaxUint8 {
		c.fail(field, reasonRange, at)
		return 0
	}
	return uint8(v)
}

func (c *cursor) bool(field string) bool {
	code, ok := c.code(field)
	if !ok {
		return false
	}
	if code != msgpcode.True && code != msgpcode.False {
		c.fail(field, reasonBool, c.off)
		return false
	}
	c.off++
	return code == msgpcode.True
}

// span returns the n bytes that follow, in the frame's own memory.
func (c *cursor) span(field string, n uint64, at int) []byte {
	if n > uint64(len(c.b)-c.off) {
		c.fail(field, reasonShort, at)
		return nil
	}
	end := c.off + int(n)
	v := c.b[c.off:end:end]
	c.off = end
	return v
}

// bytes returns memory of the frame, nil when there are none.
func (c *cursor) bytes(field string) []byte {
	code, ok := c.code(field)
	if !ok {
		return nil
	}
	at := c.off
	var n uint64
	switch code {
	case msgpcode.Bin8:
		n, ok = c.big(field, 1)
	case msgpcode.Bin16:
		n, ok = c.big(field, 2)
	case msgpcode.Bin32:
		n, ok = c.big(field, 4)
	default:
		c.fail(field, reasonBytes, at)
		return nil
	}
	if !ok || n == 0 {
		return nil
	}
	return c.span(field, n, at)
}

func (c *cursor) string(field string) string {
	code, ok := c.code(field)
	if !ok {
		return ""
	}
	at := c.off
	var n uint64
	switch {
	case msgpcode.IsFixedString(code):
		n = uint64(code & msgpcode.FixedStrMask)
		c.off++
	case code == msgpcode.Str8:
		n, ok = c.big(field, 1)
	case code == msgpcode.Str16:
		n, ok = c.big(field, 2)
	case code == msgpcode.Str32:
		n, ok = c.big(field, 4)
	default:
		c.fail(field, reasonString, at)
		return ""
	}
	if !ok || n == 0 {
		return ""
	}
	return string(c.span(field, n, at))
}

// array reads an array's length. Each element takes a byte at least, so more
// of them than bytes are left is refused before anybody makes room for them.
func (c *cursor) array(field string) int {
	code, ok := c.code(field)
	if !ok {
		return 0
	}
	at := c.off
	var n uint64
	switch {
	case msgpcode.IsFixedArray(code):
		n = uint64(code & msgpcode.FixedArrayMask)
		c.off++
	case code == msgpcode.Array16:
		n, ok = c.big(field, 2)
	case code == msgpcode.Array32:
		n, ok = c.big(field, 4)
	default:
		c.fail(field, reasonArray, at)
		return 0
	}
	if !ok {
		return 0
	}
	if n > uint64(len(c.b)-c.off) {
		c.fail(field, reasonShort, at)
		return 0
	}
	return int(n)
}

// maxDepth bounds how deep values nest in a frame; what is sent nests 6 deep.
const maxDepth = 16

// skip moves past one value of any type and returns how many elements the
// arrays in it have, those of arrays in arrays included.
func (c *cursor) skip(field string, depth int) (elements int) {
	code, ok := c.code(field)
	if !ok {
		return 0
	}
	if depth > maxDepth {
		c.fail(field, reasonDeep, c.off)
		return 0
	}
	at := c.off
	var n uint64 // payload bytes
	switch {
	case msgpcode.IsFixedNum(code), code == msgpcode.Nil, code == msgpcode.True, code == msgpcode.False:
		c.off++
		return 0
	case msgpcode.IsFixedArray(code), code == msgpcode.Array16, code == msgpcode.Array32:
		count := c.array(field)
		elements = count
		for i := 0; i < count && !c.failed; i++ {
			elements += c.skip(field, depth+1)
		}
		return elements
	case msgpcode.IsFixedMap(code):
		c.off++
		return c.skipPairs(field, uint64(code&msgpcode.FixedMapMask), depth)
	case code == msgpcode.Map16:
		n, _ = c.big(field, 2)
		return c.skipPairs(field, n, depth)
	case code == msgpcode.Map32:
		n, _ = c.big(field, 4)
		return c.skipPairs(field, n, depth)
	case msgpcode.IsFixedString(code):
		c.off++
		n = uint64(code & msgpcode.FixedStrMask)
	case code == msgpcode.Str8, code == msgpcode.Bin8:
		n, ok = c.big(field, 1)
	case code == msgpcode.Str16, code == msgpcode.Bin16:
		n, ok = c.big(field, 2)
	case code == msgpcode.Str32, code == msgpcode.Bin32:
		n, ok = c.big(field, 4)
	case code == msgpcode.Uint8, code == msgpcode.Int8:
		_, ok = c.big(field, 1)
	case code == msgpcode.Uint16, code == msgpcode.Int16:
		_, ok = c.big(field, 2)
	case code == msgpcode.Uint32, code == msgpcode.Int32, code == msgpcode.Float:
		_, ok = c.big(field, 4)
	case code == msgpcode.Uint64, code == msgpcode.Int64, code == msgpcode.Double:
		_, ok = c.big(field, 8)
	default:
		// Extension types and 0xc1: nothing of ours sends them.
		c.fail(field, reasonType, at)
		return 0
	}
	if ok && n > 0 {
		c.span(field, n, at)
	}
	return 0
}

func (c *cursor) skipPairs(field string, n uint64, depth int) (elements int) {
	if 2*n > uint64(len(c.b)-c.off) {
		c.fail(field, reasonShort, c.off)
		return 0
	}
	for i := uint64(0); i < 2*n && !c.failed; i++ {
		elements += c.skip(field, depth+1)
	}
	return elements
}
