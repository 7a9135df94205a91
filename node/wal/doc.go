// Package wal is a node's log and hard state on disk.
//
// It writes what it is given, in order, and says when that is durable. Writes
// that wait while the disk is busy go out together, with one sync. Until then a
// write is only in this process's memory: killing the process loses it, as a
// power cut would. A write or sync that fails is said once and ends the log:
// nothing is acknowledged after it, because nobody can tell what of it the disk
// holds.
//
// Opening a directory recovers it. A torn tail, which an interrupted write
// leaves, is cut off and said. Damage to what was durable is never skipped: it
// is an error that names file and offset.
//
// # On disk
//
// A log is a directory of segments, 00000001.wal and up without a gap. All
// numbers are little-endian, all checksums CRC-32C. A segment is a header of 64
// bytes, then frames, then zeros: the space ahead is written with zeros
// beforehand, so that a sync has no file size and no extent to record with it.
//
//	segment header
//	 0  "raftwal\n"
//	 8  format version, 4 bytes
//	12  checksum of bytes 0 to 11: these 16 bytes are the same in every version
//	16  number of the segment, 8 bytes
//	24  salt, 8 random bytes
//	32  zeros
//	56  checksum of bytes 16 to 55
//	60  zeros
//
// A frame starts at a multiple of 32, so that its header lies in one sector and
// is on the disk whole or not at all. It ends, filled up with zeros, in a byte
// that is not zero: where that is missing, the write did not get so far.
//
//	frame
//	 0  length of the body, 4 bytes
//	 4  checksum of everything behind the header
//	 8  number of the frame in the log, 8 bytes, from 1 without a gap
//	16  number of the last frame that was durable when this one was written, 8 bytes
//	24  checksum of bytes 0 to 23, started with the segment's salt and the frame's offset
//	28  "FRM!"
//	32  body, zeros, 0xa5
//
// A body says one thing after another; a large [WAL.Append] is several frames.
//
//	1, term 8 bytes, vote 8 bytes: the hard state
//	2, index 8 bytes, term 8 bytes, count 4 bytes, then of each entry its kind 1
//	   byte, length as uvarint, data: entries of one term from index on; what the
//	   log had from index on is dropped
//
// Frames that go out with one sync are a group. Parts of a group may reach the
// disk in any order, so after a power cut a frame may be missing before a whole
// one; none of them was acknowledged. But a frame that says frame n was durable
// proves that a missing or bad frame n was lost later: that is damage, not a torn
// tail. So is a bad last frame of which no part is blank, because an interrupted
// write leaves blanks.
package wal
