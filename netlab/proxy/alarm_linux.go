package proxy

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// alarm goes off once after a set time. On Linux it is a timerfd that Go's
// poller waits for like a socket: an idle Go process sleeps in epoll_wait, whose
// timeout counts whole milliseconds, so a time.Timer there rings up to 1 ms
// late, while the timer of the kernel ends the same epoll_wait to the
// microsecond.
type alarm struct {
	file *os.File
	raw  syscall.RawConn
	buf  [8]byte
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "timerfd")
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &alarm{file: file, raw: raw}, nil
}

// set makes the alarm go off after d, and not at the time set before.
func (a *alarm) set(d time.Duration) {
	// Zero would switch it off.
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(d, 1)))}
	// Neither call can fail on a timerfd that is open, and a closed one has
	// nobody who waits for it.
	_ = a.raw.Control(func(fd uintptr) { _ = unix.TimerfdSettime(int(fd), 0, &spec, nil) })
}

// wait returns when the alarm goes off; os.ErrClosed when it is closed.
func (a *alarm) wait() error {
	_, err := a.file.Read(a.buf[:])
	return err
}

func (a *alarm) close() { _ = a.file.Close() }
