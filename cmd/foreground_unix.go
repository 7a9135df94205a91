//go:build unix

package cmd

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// foregroundReader is in, but a terminal is only read in the foreground: a
// process that reads it in the background is stopped by the system, and all it does
// would stand still. In place of that the read fails here, and is tried again when
// the process is in front.
func foregroundReader(in io.Reader) io.Reader {
	f, ok := in.(*os.File)
	if !ok || !isTerminal(f) {
		return in
	}
	signal.Ignore(syscall.SIGTTIN)
	return &terminalReader{f}
}

type terminalReader struct{ f *os.File }

// foregroundPoll is how often a process in the background looks whether it still is.
const foregroundPoll = 500 * time.Millisecond

func (t *terminalReader) Read(b []byte) (int, error) {
	for {
		n, err := t.f.Read(b)
		if n > 0 || !errors.Is(err, syscall.EIO) {
			return n, err
		}
		front, err2 := unix.IoctlGetInt(int(t.f.Fd()), unix.TIOCGPGRP)
		if err2 != nil || front == syscall.Getpgrp() {
			return n, err // the terminal is gone
		}
		time.Sleep(foregroundPoll)
	}
}
