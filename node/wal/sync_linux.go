package wal

import (
	"os"
	"syscall"
)

// syncData is fdatasync: it leaves out the times of the inode, which File.Sync
// would write with every group.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		switch err {
		case nil:
			return nil
		case syscall.EINTR: // interrupted before it began; not a failed sync
			continue
		}
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
}
