package node

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/raft"
)

// EnvError is a variable of the environment that a node process needs.
type EnvError struct {
	Name, Reason string
}

func (e *EnvError) Error() string { return e.Name + " " + e.Reason }

// LabError is the lab's connection that cannot be made, broke, or carried what
// no lab says. A node without a lab ends.
type LabError struct {
	Addr string
	Op   string // "reach", "register with", "hear", "tell"
	Err  error
}

func (e *LabError) Error() string { return fmt.Sprintf("%s the lab at %s: %v", e.Op, e.Addr, e.Err) }
func (e *LabError) Unwrap() error { return e.Err }

// DiskError is a log or a snapshot that cannot be opened, written or read. For
// damage it wraps a [*wal.DamageError].
type DiskError struct {
	Node     raft.NodeID
	Dir      string
	Op       string // "open", "write", "read", "load", "close"
	Snapshot bool   // it is about a snapshot, else about the log
	Err      error
}

// Error names the file once, and what to do when there is no room for it.
func (e *DiskError) Error() string {
	what := "log"
	if e.Snapshot {
		what = "snapshot"
	}
	var file *fs.PathError
	switch {
	case !errors.As(e.Err, &file):
	case errors.Is(e.Err, syscall.ENOSPC) && errors.As(e.Err, new(injectedError)):
		return fmt.Sprintf("the disk is full: %v; nothing acknowledged is lost", file)
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return fmt.Sprintf("the disk is full: %v; free some space, then restart %v: nothing acknowledged is lost", file, e.Node)
	default:
		return fmt.Sprintf("%s the %s of %v: %v", e.Op, what, e.Node, file)
	}
	return fmt.Sprintf("%s the %s of %v in %s: %v", e.Op, what, e.Node, e.Dir, e.Err)
}

func (e *DiskError) Unwrap() error { return e.Err }

// injectedError is what a disk answers because the lab has made it so.
type injectedError struct{ syscall.Errno }

func (e injectedError) Error() string { return e.Errno.Error() + " (injected)" }
func (e injectedError) Unwrap() error { return e.Errno }

// lasting tells whether a node that ended by err ends by it again however often
// it is started: its log or snapshot is damaged.
func lasting(err error) bool { return errors.As(err, new(*wal.DamageError)) }
