// Package wal is a node's log and hard state on disk.
//
// It writes what it is given, in order, and says when that is durable. Writes
// that wait while the disk is busy go out together, with one sync. Until its
// sync, a write is only in this process's memory: killing the process loses it,
// as a power cut would.
//
// Opening a directory recovers it. A torn last record, which an interrupted
// write leaves, is cut off and said. Damage before the end is never skipped: it
// is an error that names file and offset.
package wal
