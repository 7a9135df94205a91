package wire

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// The last element of a Raft frame is the CRC-32C of all bytes before it, the
// length bytes not counted, as a msgpack uint32 in its long form: five bytes
// that are found from the frame's end. TCP has a checksum of its own, but the
// lab's network changes bytes on purpose, and whoever receives such a frame has to
// know. Any change of up to 32 bits in a row, so of any one byte, is found.
const checksumBytes = 5

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// beginMessage is beginFrame for a frame that sealMessage ends.
func beginMessage(dst []byte, h Header, body int) []byte { return beginFrame(dst, h, body+1) }

// sealMessage appends the checksum of the frame that begins at start.
func sealMessage(dst []byte, start int) []byte {
	sum := crc32.Checksum(dst[start+4:], castagnoli)
	return binary.BigEndian.AppendUint32(append(dst, msgpcode.Uint32), sum)
}

// verify tells whether a Raft frame is as it was sent.
func verify(frame []byte) error {
	n := len(frame) - checksumBytes
	if n < 0 || frame[n] != msgpcode.Uint32 ||
		binary.BigEndian.Uint32(frame[n+1:]) != crc32.Checksum(frame[:n], castagnoli) {
		return &ChecksumError{Bytes: len(frame)}
	}
	return nil
}

// unseal leaves the checksum, which verify has looked at, out of what is read
// behind the header.
func (c *cursor) unseal() {
	end := len(c.b) - checksumBytes
	if c.failed {
		return
	}
	if c.left < 1 || c.off > end {
		c.fail("", reasonElements, 0)
		return
	}
	c.b = c.b[:end]
	c.left--
}
