package wal

import (
	"crypto/subtle"
	"encoding/binary"
)

// maskSize is a multiple of a sector, and small enough to stay in the cache.
const maskSize = 4 << 10

// mask is what the frames of a segment are XORed with, over and over. Without
// it a value of zeros would leave blank sectors on the disk, as an interrupted
// write does; and who stores a value cannot know the bytes that it becomes.
type mask [maskSize]byte

// newMask makes the mask of a segment from its salt: the numbers of splitmix64.
func newMask(salt uint64) *mask {
	m := new(mask)
	for i := 0; i < maskSize; i += 8 {
		salt += 0x9e3779b97f4a7c15
		z := salt
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(m[i:], z^z>>31)
	}
	return m
}

// apply masks or unmasks src, which is at off in the segment, into dst.
func (m *mask) apply(dst, src []byte, off int64) {
	for len(src) > 0 {
		n := subtle.XORBytes(dst, src, m[off%maskSize:])
		dst, src, off = dst[n:], src[n:], off+int64(n)
	}
}
