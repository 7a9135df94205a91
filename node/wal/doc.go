// Package wal is a node's log, hard state and snapshots on disk.
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
// It looks into no entry, and asks nothing of the order of terms: whether a log
// is one that Raft can have is not its business.
//
// # Segments
//
// A log is a directory of segments, 00000001.wal and up. The oldest are removed
// when they are not needed any more; the rest is without a gap. All numbers are
// little-endian, all checksums CRC-32C. A segment is a header of 64 bytes, then
// frames, then zeros: the space ahead is written with zeros beforehand, so that a
// sync has no file size and no extent to record with it.
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
// is on the disk whole or not at all. It ends in a byte that is not zero: where
// that is missing, the write did not get so far.
//
//	frame
//	 0  length of the body, 4 bytes
//	 4  checksum of everything behind the header, masked
//	 8  number of the frame in the log, 8 bytes, from 1 without a gap
//	16  number of the last frame that was durable when this one was written, 8 bytes
//	24  checksum of bytes 0 to 23, started with the segment's salt and the frame's offset
//	28  "FRM!"
//	32  body and zeros, masked; 0xa5
//
// A body says one thing after another; a large [WAL.Append] is several frames.
//
//	1, term 8 bytes, vote 8 bytes: the hard state
//	2, index 8 bytes, term 8 bytes, count 4 bytes, then of each entry its kind 1
//	   byte, length as uvarint, data: entries of one term from index on; what the
//	   log had from index on is dropped
//	3, restart 1 byte, term 8 bytes, vote 8 bytes, index 8 bytes, term 8 bytes:
//	   the first frame of a segment, and no other, says this alone: the hard state,
//	   and where the log ends as the segment begins. Restart is 1 when all
//	   entries before it are dropped, and the log begins behind index, where a
//	   snapshot ends that was installed
//
// So a segment needs none before it, but for the entries in them.
//
// Frames that go out with one sync are a group. Parts of a group may reach the
// disk in any order, so after a power cut a frame may be missing before a whole
// one; none of them was acknowledged. But a frame that says frame n was durable
// proves that a missing or bad frame n was lost later: that is damage, not a torn
// tail. So is a bad last frame of which no part is blank, because an interrupted
// write leaves blanks. Data does not: it is masked with bytes that come from the
// segment's salt, so that a value of zeros is not zeros on the disk.
//
// # Snapshots
//
// A snapshot (§7) is a file named after the entry that it ends with, index and
// term, as in 00000200-7.snap. It is the state machine's bytes, of which this
// package knows nothing, in blocks of 64 KiB, the last one shorter. A leader
// sends the file's bytes as they are.
//
//	snapshot
//	 0  "raftsnp\n"
//	 8  format version, 4 bytes
//	12  checksum of bytes 0 to 11: these 16 bytes are the same in every version
//	16  index, 8 bytes
//	24  term, 8 bytes
//	32  length of the configuration, 4 bytes
//	36  zeros
//	40  configuration, as [raft.Configuration.AppendTo] has it
//	    checksum of everything from byte 16 on
//	block
//	 0  data
//	    checksum of it, started with the header's checksum and the block's number
//	end
//	 0  length of all data, 8 bytes
//	 8  checksum of the blocks' checksums, 4 bytes
//	12  checksum of these 12 bytes, started with the header's
//
// While it is written it is called 00000200-7.snap.new, while it arrives
// 00000200-7.snap.1.part. It gets its name when it is whole, verified and synced.
// The two newest are kept.
//
// # What follows from what
//
// These hold on the disk after every step, so also after a crash behind it:
//
//   - The log reaches back to the older snapshot, unless it began anew with the
//     newer. [WAL.DropThrough] leaves what is needed for that.
//   - The log has the entry that a snapshot ends with, or a snapshot was just
//     installed, and the log is what it replaces. A snapshot that is taken waits
//     for the log; one that is installed and keeps the log comes after what
//     was appended with it; else the log begins anew after the snapshot is in
//     its place. If it does not come to that, Open sees that the log lacks the entry,
//     and does it (Figure 13, step 7).
//
// So a newest snapshot that is damaged is replaced by the older one and the log,
// if that has the entry which the damaged one ended with. If not, what it stood
// for is nowhere else, and the log is refused.
package wal
