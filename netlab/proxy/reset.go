package proxy

import (
	"errors"
	"net"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

var errReset = errors.New("the network reset the connection")

// Reset breaks the connections of one directed link, as a router does that has
// forgotten them: both ends find them reset, and what is under way is lost, what
// the receiver's system has taken but the node has not read perhaps too. The
// link works on: the sender dials anew, and so does the network.
func (p *Proxy) Reset(from, to raft.NodeID) error {
	l, err := p.lane(from, to)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breakUp()
	return nil
}

// breakUp resets the link's connections and drops all that waits. With mu held.
func (l *lane) breakUp() {
	if l.in != nil {
		l.in.reset(errReset)
	}
	if l.busy && l.barred == "" {
		l.barred = link.DroppedByReset
	}
	if l.out != nil {
		l.out.reset()
		l.out = nil
	}
	l.abandon(link.DroppedByReset)
	l.link.Restart()
}

// reset ends the connection so that the other end is told of it by a RST.
func (in *inbound) reset(why error) {
	noLinger(in.conn)
	in.close(why)
}

func (o *outbound) reset() {
	noLinger(o.conn)
	o.close()
}

// noLinger makes closing a connection break it. It fails on one that is closed
// already, which is as well.
func noLinger(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}
