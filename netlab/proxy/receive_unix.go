//go:build unix

package proxy

import (
	"fmt"
	"syscall"
)

// receiver reads a connection without holding a buffer while it waits: of many
// links most are silent most of the time.
type receiver struct {
	raw     syscall.RawConn
	read    func(fd uintptr) bool // tryRead, made once
	readErr error
}

func (in *inbound) prepare() error {
	tcp, ok := in.conn.(syscall.Conn)
	if !ok {
		return fmt.Errorf("a connection of type %T", in.conn)
	}
	var err error
	in.raw, err = tcp.SyscallConn()
	in.read = in.tryRead
	return err
}

// receive reads once into what is free of the chunk.
func (in *inbound) receive() error {
	if err := in.raw.Read(in.read); err != nil {
		return err
	}
	return in.readErr
}

// tryRead reads what is there; false when nothing is, and it has to wait. A
// connection that waits between two frames has no buffer.
func (in *inbound) tryRead(fd uintptr) bool {
	free := in.chunk.free()
	for {
		n, err := syscall.Read(int(fd), free)
		switch err {
		case nil:
			in.n, in.readErr = n, nil
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			if in.chunk.len() == 0 {
				in.chunk.release()
			}
			return false
		default:
			in.n, in.readErr = 0, err
			return true
		}
	}
}
