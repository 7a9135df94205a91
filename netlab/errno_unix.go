//go:build unix

package netlab

import (
	"errors"
	"syscall"
)

// isDiskFull tells whether there was no room.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// IsInUse tells whether somebody else has the port.
func IsInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// isNotEmpty tells whether a directory was not removed because something new is in it.
func isNotEmpty(err error) bool { return errors.Is(err, syscall.ENOTEMPTY) }
