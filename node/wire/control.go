package wire

import (
	"bytes"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/raftlab/raftlab/node/clock"
)

// The frames between node and lab carry one more element than the header:
// their struct as a map by field names. Added fields are skipped by whoever
// does not know them.
const controlElements = 1

// maxElements bounds the elements of all arrays of a control frame. What is
// decoded can be larger than its bytes (a fact's map with nothing but an empty
// configuration is nine bytes, the two in memory about 220), so the frame's
// length alone is no bound.
const maxElements = 1 << 18

// controlKind is the kind whose frames carry body, 0 when none does.
func controlKind(body any) Kind {
	switch body.(type) {
	case Register, *Register:
		return KindRegister
	case Configure, *Configure:
		return KindConfigure
	case Report, *Report:
		return KindReport
	case clock.Setting, *clock.Setting:
		return KindClock
	case Order, *Order:
		return KindOrder
	case Outcome, *Outcome:
		return KindOutcome
	}
	return 0
}

// sink lets msgpack's Encoder append to a slice.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

func (s *sink) WriteByte(c byte) error {
	s.b = append(s.b, c)
	return nil
}

// AppendControl appends a frame of the conversation between node and lab, its
// length bytes included, to dst. body is the struct (or a pointer to it) that
// belongs to kind. On an error dst comes back as it was.
func AppendControl(dst []byte, kind Kind, id uint64, body any) ([]byte, error) {
	if want := controlKind(body); want == 0 || want != kind {
		return dst, &EncodeError{Kind: kind, Reason: fmt.Sprintf("%T is not its body", body)}
	}
	start := len(dst)
	s := &sink{b: beginFrame(dst, Header{Kind: kind, ID: id}, controlElements)}
	enc := msgpack.GetEncoder()
	defer msgpack.PutEncoder(enc)
	enc.Reset(s)
	enc.UseCompactInts(true)
	if err := enc.Encode(body); err != nil {
		return dst[:start], fmt.Errorf("%s frame: %w", kind, err)
	}
	if err := checkLength(s.b, start); err != nil {
		return dst[:start], err
	}
	c := cursor{b: s.b[start+4:], kind: kind}
	c.header()
	if n := c.skip("", 1); n > maxElements {
		return dst[:start], &EncodeError{Kind: kind, Reason: fmt.Sprintf("lists of %d elements together: the limit is %d", n, maxElements)}
	}
	return endFrame(s.b, start), nil
}

// DecodeControl reads a frame of the conversation between node and lab into
// body, a pointer to the struct that belongs to its kind (see [PeekHeader]).
// body shares no memory with frame.
func DecodeControl(frame []byte, body any) (Header, error) {
	c := cursor{b: frame}
	h := c.header()
	if want := controlKind(body); want == 0 || h.Kind != want {
		c.fail("kind", fmt.Sprintf("it does not go into a %T", body), 1)
	}
	c.body(controlElements)
	// msgpack makes room for as many elements as an array claims and follows
	// nesting as deep as it goes, so both are checked before it sees the body.
	from := c.off
	elements := c.skip("body", 1)
	to := c.off
	if elements > maxElements {
		c.fail("body", reasonMany, from)
	}
	c.end()
	if c.failed {
		return Header{}, c.err()
	}
	dec := msgpack.GetDecoder()
	defer msgpack.PutDecoder(dec)
	dec.Reset(bytes.NewReader(frame[from:to]))
	if err := dec.Decode(body); err != nil {
		return Header{}, &DecodeError{Kind: h.Kind, Field: "body", Offset: from, Reason: err.Error()}
	}
	return h, nil
}
