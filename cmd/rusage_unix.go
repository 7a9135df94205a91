//go:build unix

package cmd

import (
	"time"

	"golang.org/x/sys/unix"
)

// ownCPU is the CPU time that this process has used so far, all its threads
// together; false when nobody knows.
func ownCPU() (time.Duration, bool) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}
