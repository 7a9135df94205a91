//go:build !unix

package node

import "syscall"

// directWrite does nothing where descriptors may wait: all writing is left to
// the goroutine in sender.run.
type directWrite struct{}

func (*directWrite) init()                             {}
func (*directWrite) write(syscall.RawConn, []byte) int { return 0 }
