package wal

import (
	"encoding/binary"
	"hash/crc32"
)

// sealVersion makes the checksum of the version in a segment's header right.
func sealVersion(b []byte) {
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[:12], castagnoli))
}
