//go:build unix

package node

import "syscall"

// directWrite is one write to a descriptor that does not wait.
type directWrite struct {
	buf []byte
	n   int
	fn  func(fd uintptr) bool // made once: a closure for each write would be garbage for each
}

func (w *directWrite) init() {
	w.fn = func(fd uintptr) bool {
		for w.n < len(w.buf) {
			n, err := syscall.Write(int(fd), w.buf[w.n:])
			if err == syscall.EINTR {
				continue
			}
			if err != nil || n <= 0 {
				break // full, or broken: the writer that may wait finds out
			}
			w.n += n
		}
		return true
	}
}

// write returns how many bytes the kernel took. Errors are left to the next
// ordinary write, which meets them too.
func (w *directWrite) write(raw syscall.RawConn, buf []byte) int {
	w.buf, w.n = buf, 0
	err := raw.Write(w.fn)
	w.buf = nil
	if err != nil {
		return 0 // closed: fn was not called
	}
	return w.n
}
