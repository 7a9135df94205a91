package node

import (
	"net"
	"sync"
	"syscall"
)

// keepBuffer is the largest write buffer that is kept for reuse.
const keepBuffer = 256 << 10

// A sender collects what several goroutines append for one connection and
// writes it with as few system calls as there are pauses between them.
//
// [sender.flush] writes from the caller's goroutine as far as the kernel takes
// it without waiting. On one machine that is nearly always all of it, and saves
// a hop to another goroutine, which costs more than the write. What the kernel
// does not take is left to the goroutine in [sender.run].
type sender struct {
	limit int           // bytes that may wait
	wake  chan struct{} // one slot: there is something that flush did not write

	mu      sync.Mutex
	queue   []byte // whole frames, behind what is being written
	head    []byte // rest of a write that the kernel took in part
	spare   []byte // a written buffer, for reuse
	conn    net.Conn
	raw     syscall.RawConn // nil when conn has no descriptor
	writing bool            // run is at the connection
	direct  directWrite
}

func newSender(limit int) *sender {
	s := &sender{limit: limit, wake: make(chan struct{}, 1)}
	s.direct.init()
	return s
}

// attach gives the sender its connection. What was appended before goes to it.
func (s *sender) attach(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.raw = conn, nil
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			s.raw = raw
		}
	}
}

// detach takes the connection away. What waits is lost, as what is under way
// on a broken connection is; it returns how many bytes that were.
func (s *sender) detach() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.queue) + len(s.head)
	s.conn, s.raw, s.queue, s.head, s.spare, s.writing = nil, nil, nil, nil, nil, false
	return n
}

// add appends what f returns for the queue it is given. It does nothing and
// reports false when more than the limit waits.
func (s *sender) add(f func([]byte) []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue)+len(s.head) > s.limit {
		return false
	}
	s.queue = f(s.queue)
	return true
}

// waiting is how many bytes wait.
func (s *sender) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) + len(s.head)
}

// flush sends what waits, without ever waiting itself. Writing under the lock
// is as quick as handing over would be, and keeps one writer at the connection.
func (s *sender) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 || s.writing {
		return
	}
	if s.raw != nil && len(s.head) == 0 {
		n := s.direct.write(s.raw, s.queue)
		if n == len(s.queue) {
			s.queue = reuse(s.queue)
			return
		}
		s.head, s.queue, s.spare = s.queue[n:], s.spare, nil
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// reuse empties a buffer, and lets a large one go.
func reuse(buf []byte) []byte {
	if cap(buf) > keepBuffer {
		return nil
	}
	return buf[:0]
}

// run writes what flush left, until done is closed (then the error is nil) or
// the connection fails.
func (s *sender) run(done <-chan struct{}) error {
	for {
		buf, conn := s.next()
		if len(buf) == 0 {
			select {
			case <-done:
				return nil
			case <-s.wake:
			}
			continue
		}
		_, err := conn.Write(buf)
		s.mu.Lock()
		s.writing = false
		s.spare = reuse(buf)
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// next takes what there is to write, and marks the connection as taken if
// there is something.
func (s *sender) next() ([]byte, net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	buf := s.head
	if len(buf) > 0 {
		s.head = nil
	} else {
		buf = s.queue
		s.queue, s.spare = s.spare, nil
	}
	s.writing = len(buf) > 0
	return buf, s.conn
}

// trim lets the buffers go that load has left behind.
func (s *sender) trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.queue = nil
	}
	s.spare = nil
}
