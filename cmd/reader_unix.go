//go:build unix

package cmd

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const sigpipe = syscall.SIGPIPE

// watchReader calls gone when whoever reads out has closed it, as head does
// when it has enough, and returns a function that ends the watch. Without it a
// stream would find out with its next line only, which may never come.
func watchReader(out io.Writer, gone func()) (stop func()) {
	f, ok := asFile(out)
	if !ok || !isPipe(f) {
		return func() {}
	}
	wakeR, wakeW, err := os.Pipe()
	if err != nil {
		return func() {} // the next line written will find out
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fds := []unix.PollFd{{Fd: int32(f.Fd())}, {Fd: int32(wakeR.Fd()), Events: unix.POLLIN}}
		for {
			_, err := unix.Poll(fds, -1)
			switch {
			case err == unix.EINTR:
			case err != nil || fds[1].Revents != 0:
				return
			case fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
				gone()
				return
			}
		}
	}()
	return func() {
		wakeW.Close()
		<-done
		wakeR.Close()
	}
}

func isPipe(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}
