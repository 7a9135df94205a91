package wal

import (
	"errors"
	"fmt"
)

// ErrInUse is wrapped by the error of [Open] when another process, or another
// WAL of this one, has the directory open.
var ErrInUse = errors.New("in use by another process")

// ErrClosed is the error of reading from a WAL after Close.
var ErrClosed = errors.New("log is closed")

// ErrExists is wrapped by the error of [Create] when the directory has a log.
var ErrExists = errors.New("there is a log already")

// ErrSuperseded is wrapped by the error of a snapshot that is not taken because
// there is one that goes as far or farther.
var ErrSuperseded = errors.New("superseded")

// DamageError says that something that was durable cannot be read back. The
// log is not usable: what follows the damage must not be taken for the log.
type DamageError struct {
	File   string // path of the segment or snapshot
	Offset int64  // where in File the damage begins, at the latest
	Reason string // what is wrong there, a clause without a full stop
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("log is damaged: %s at offset %d: %s", e.File, e.Offset, e.Reason)
}

// VersionError says that a segment or snapshot is of a format this program does
// not read.
type VersionError struct {
	File    string
	Version uint32 // the file's
	Reads   uint32 // the one that the program reads
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("log %s is of format %d, this program reads format %d", e.File, e.Version, e.Reads)
}
