package netlab

import (
	"errors"
	"syscall"
)

// isDiskFull tells whether there was no room: ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.Errno(39)) || errors.Is(err, syscall.Errno(112))
}

// IsInUse tells whether somebody else has the port: WSAEADDRINUSE, WSAEACCES.
func IsInUse(err error) bool {
	return errors.Is(err, syscall.Errno(10048)) || errors.Is(err, syscall.Errno(10013))
}

// isNotEmpty tells whether a directory was not removed because something is in
// it that is new or still open: ERROR_DIR_NOT_EMPTY, ERROR_SHARING_VIOLATION.
func isNotEmpty(err error) bool {
	return errors.Is(err, syscall.Errno(145)) || errors.Is(err, syscall.Errno(32))
}
