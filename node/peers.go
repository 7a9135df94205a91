package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

const (
	// peerLimit bounds the bytes that wait for one peer. What comes on top is
	// dropped: Raft sends again what matters (§5.5).
	peerLimit = 8 << 20
	// Redials are spaced in real time: the way to the lab's network is no part
	// of what the lab clock governs.
	redialMin = 10 * time.Millisecond
	redialMax = 500 * time.Millisecond
	// raftBuffer is how much one read of a link takes in at once.
	raftBuffer = 64 << 10
	// raftBatch bounds the bytes of frames handed to the loop together.
	raftBatch = 256 << 10
)

// peer is the sending end of one directed link.
type peer struct {
	self, id raft.NodeID
	token    string
	log      *slog.Logger
	out      *sender
	end      context.CancelFunc // of the context run was given; the loop's

	mu     sync.Mutex
	addr   string
	conn   net.Conn
	number uint64 // frames sent on this link; under the lock of out
	lost   uint64 // frames that found no room, bytes that broken connections took along are not counted
}

func newPeer(self, id raft.NodeID, addr, token string, log *slog.Logger) *peer {
	return &peer{self: self, id: id, addr: addr, token: token, out: newSender(peerLimit), log: log.With("peer", uint64(id))}
}

// send queues a message. It leaves with the next flush.
func (p *peer) send(m *raft.Message) {
	var err error
	room := p.out.add(func(b []byte) []byte {
		p.number++ // under the sender's lock
		b, err = wire.AppendMessage(b, p.number, m)
		return b
	})
	if err != nil {
		p.log.Error("a message cannot be encoded", "term", uint64(m.Term), "error", err)
	}
	if !room {
		p.mu.Lock()
		p.lost++
		first := p.lost == 1
		p.mu.Unlock()
		if first {
			p.log.Warn("frames are dropped: the link does not take them", "waiting", peerLimit)
		}
	}
}

// sent is the number of the last frame that was queued.
func (p *peer) sent() uint64 {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	return p.number
}

// move gives the peer another address; a connection to the old one ends.
func (p *peer) move(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if addr == p.addr || addr == "" {
		return
	}
	p.addr = addr
	if p.conn != nil {
		p.conn.Close()
	}
}

// run keeps a connection to the peer whenever there is something to send,
// until ctx is done.
func (p *peer) run(ctx context.Context) {
	pause := redialMin
	for {
		for p.out.waiting() == 0 {
			select {
			case <-ctx.Done():
				return
			case <-p.out.wake:
			}
		}
		conn, err := p.dial(ctx)
		if err == nil {
			pause = redialMin
			err = p.converse(ctx, conn)
		}
		lost := p.out.detach()
		if ctx.Err() != nil {
			return
		}
		p.log.Info("the link broke", "error", err, "lost_bytes", lost)
		if !sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, redialMax)
	}
}

// dial connects to the network's end of the link and says which link it is.
func (p *peer) dial(ctx context.Context) (net.Conn, error) {
	p.mu.Lock()
	addr := p.addr
	p.mu.Unlock()
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	hello := wire.AppendHello(nil, wire.Header{From: p.self, To: p.id}, wire.Hello{Version: wire.Version, Role: wire.RoleRaft, Token: p.token})
	if _, err := conn.Write(hello); err != nil {
		conn.Close()
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if addr != p.addr {
		conn.Close()
		return nil, errors.New("the address changed while dialing")
	}
	p.conn = conn
	return conn, nil
}

// converse writes to the connection until it fails. Nothing ever comes back on
// it, so reading tells at once when the other end has closed it; a write would
// tell only after a frame was lost.
func (p *peer) converse(ctx context.Context, conn net.Conn) error {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	var readErr error
	go func() {
		defer close(ended)
		if n, err := conn.Read(make([]byte, 1)); n > 0 {
			readErr = errors.New("bytes came back on a one-way link")
		} else {
			readErr = err
		}
	}()
	p.out.attach(conn)
	err := p.out.run(ended)
	stop()
	conn.Close()
	<-ended
	p.mu.Lock()
	p.conn = nil
	p.mu.Unlock()
	if err == nil {
		err = readErr
		if errors.Is(err, io.EOF) {
			err = errors.New("the network closed it")
		}
	}
	return err
}

// receive takes the frames of one directed link that ends here. Who knows the
// token belongs to the lab: whether a sender is of the cluster is for the core to
// say (§6: a server takes messages of servers that are not in its configuration),
// and a new node's first messages may come before the address book that has it.
func (r *replica) receive(_ context.Context, conn net.Conn) error {
	reader := wire.NewReader(conn, raftBuffer)
	link, hello, err := readHello(conn, reader, wire.RoleRaft)
	if err != nil {
		return err
	}
	if !sameToken(hello.Token, r.token) {
		return errors.New("a hello with another token")
	}
	if link.To != r.id || link.From == 0 || link.From == r.id {
		return fmt.Errorf("a hello of link %v to %v, which is none that ends at %v", link.From, link.To, r.id)
	}
	var ms []raft.Message
	var numbers []uint64
	bytes := 0
	for {
		frame, err := reader.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		m, number, err := decodeMessage(frame)
		switch {
		case isDamage(err):
			// It is lost, as it might be on any link (§5.5); those behind it are not.
			r.inbox.putDamaged(link.From)
		case err != nil:
			return err
		case m.From != link.From || m.To != link.To:
			return fmt.Errorf("a frame %v to %v on link %v to %v", m.From, m.To, link.From, link.To)
		default:
			ms, numbers = append(ms, m), append(numbers, number)
			bytes += len(frame)
		}
		if len(ms) == 0 || reader.Buffered() && bytes < raftBatch {
			continue // all that one read brought goes to the loop together
		}
		if !r.inbox.putMessages(ms, numbers, bytes) {
			return nil
		}
		clear(ms)
		ms, numbers, bytes = ms[:0], numbers[:0], 0
	}
}

func isDamage(err error) bool {
	if err == nil {
		return false // before errors.As, which costs an allocation
	}
	var damage *wire.ChecksumError
	return errors.As(err, &damage)
}

// decodeMessage decodes a frame of the reader's and returns the number its
// sender gave it. Entries and chunks live longer than the reader's buffer, so
// theirs is copied.
func decodeMessage(frame []byte) (m raft.Message, number uint64, err error) {
	// A header that makes no sense may be one that is damaged, which is for the
	// checksum to say.
	h, err := wire.PeekHeader(frame)
	if err == nil && (h.Kind == wire.KindAppend || h.Kind == wire.KindSnapshot) {
		frame = append([]byte(nil), frame...)
	}
	_, m, err = wire.DecodeMessage(frame)
	return m, h.ID, err
}
