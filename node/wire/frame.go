package wire

import (
	"encoding/binary"

	"github.com/raftlab/raftlab/raft"
)

// headerElements are those of [Header], which every frame's array starts with.
const headerElements = 5

// beginFrame writes the header of a frame whose array has this many elements
// beside it. The length bytes wait for endFrame.
func beginFrame(dst []byte, h Header, body int) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = appendArray(dst, headerElements+body)
	dst = appendUint(dst, uint64(h.Kind))
	dst = appendUint(dst, uint64(h.From))
	dst = appendUint(dst, uint64(h.To))
	dst = appendUint(dst, h.ID)
	return appendUint(dst, uint64(h.Term))
}

// endFrame sets the length of the frame that begins at start.
func endFrame(dst []byte, start int) []byte {
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// checkLength tells whether a finished frame may be sent.
func checkLength(dst []byte, start int) error {
	if n := len(dst) - start - 4; n > MaxFrame {
		return &FrameError{Length: uint64(n), Limit: MaxFrame}
	}
	return nil
}

// header reads the first elements of a frame. c.left is then how many more
// there are.
func (c *cursor) header() Header {
	n := c.array("")
	if !c.failed && n < headerElements {
		c.fail("", reasonElements, 0)
	}
	var h Header
	h.Kind = Kind(c.uint8("kind"))
	c.kind = h.Kind
	h.From = raft.NodeID(c.uint("from"))
	h.To = raft.NodeID(c.uint("to"))
	h.ID = c.uint("id")
	h.Term = raft.Term(c.uint("term"))
	c.left = n - headerElements
	return h
}

// body demands that the frame has this many elements after its header.
func (c *cursor) body(elements int) {
	if c.left < elements {
		c.fail("", reasonElements, 0)
	}
	c.left -= elements
}

// end skips what a later version may have added and demands that nothing is
// behind the array.
func (c *cursor) end() {
	for ; c.left > 0 && !c.failed; c.left-- {
		c.skip("an added element", 1)
	}
	if !c.failed && c.off != len(c.b) {
		c.fail("", reasonTrailing, c.off)
	}
}

// expect fails unless the frame is of this kind.
func (c *cursor) expect(h Header, want Kind) {
	if !c.failed && h.Kind != want {
		c.fail("kind", "where "+want.String()+" belongs", 1)
	}
}

// PeekHeader reads a frame's header and nothing else.
func PeekHeader(frame []byte) (Header, error) {
	c := cursor{b: frame}
	h := c.header()
	if c.failed {
		return Header{}, c.err()
	}
	return h, nil
}
