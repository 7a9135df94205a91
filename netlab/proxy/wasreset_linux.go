package proxy

import (
	"net"

	"golang.org/x/sys/unix"
)

// wasReset tells whether a connection that reads as ended was broken by the other
// end. A socket tells that once, to who reads or to who writes, and is at its end
// from then on.
func (in *inbound) wasReset() bool {
	tcp, ok := in.conn.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	broken := false
	// A connection that is closed on this side is not asked any more.
	_ = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		broken = err == nil && info.State == unix.BPF_TCP_CLOSE
	})
	return broken
}
