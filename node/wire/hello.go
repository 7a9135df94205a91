package wire

import "math"

// A hello is version, role, token after the header. The version comes first
// for ever: it alone decides what the rest means.
const helloElements = 3

// AppendHello appends the frame of a hello, its length bytes included, to dst.
// The header's Kind is set here.
func AppendHello(dst []byte, h Header, hello Hello) []byte {
	h.Kind = KindHello
	start := len(dst)
	dst = beginFrame(dst, h, helloElements)
	dst = appendUint(dst, uint64(max(hello.Version, 0)))
	dst = appendUint(dst, uint64(hello.Role))
	dst = appendString(dst, hello.Token)
	return endFrame(dst, start)
}

// DecodeHello reads the first frame of a connection. One of another version
// is a *[VersionError], whatever else it holds.
func DecodeHello(frame []byte) (Header, Hello, error) {
	c := cursor{b: frame}
	h := c.header()
	c.expect(h, KindHello)
	c.body(1)
	at := c.off
	version := c.uint("version")
	if !c.failed && version != Version {
		return Header{}, Hello{}, &VersionError{Theirs: version, Ours: Version}
	}
	if version > math.MaxInt32 {
		c.fail("version", reasonRange, at)
	}
	c.body(helloElements - 1)
	hello := Hello{Version: int(version), Role: Role(c.uint8("role")), Token: c.string("token")}
	c.end()
	if c.failed {
		return Header{}, Hello{}, c.err()
	}
	return h, hello, nil
}
