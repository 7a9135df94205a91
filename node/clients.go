package node

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
)

const (
	// clientBusy is how many bytes of replies may wait for a client before its
	// next requests are refused, clientLimit how many before it is cut off: it
	// does not read.
	clientBusy  = 4 << 20
	clientLimit = 32 << 20
	// largeValue is more than any command but a get answers with.
	largeValue = 1 << 10
	// clientBuffer is how much one read of a client takes in at once.
	clientBuffer = 32 << 10
	// clientBatch bounds the bytes of requests handed to the loop together.
	clientBatch = 256 << 10
	// commandChunk is the memory in which the commands of small requests are
	// laid out, so that not every one costs an allocation.
	commandChunk = 16 << 10
)

// client is one connection to the client port.
type client struct {
	conn    net.Conn
	out     *sender
	touched bool // has replies waiting; the loop's, as is what follows
	pending int  // requests proposed and not yet applied
	asked   int  // requests this turn is about to propose
}

// request is what the loop is to do for a client.
type request struct {
	from    *client
	id      uint64
	read    wire.Read
	command []byte // to propose; nil for a bad request and for a get that does not go through the log
	key     []byte // of such a get
	bad     string // why the request makes no sense
}

// serveClient takes the requests of one client until it ends the connection or
// says what no client says.
func (r *replica) serveClient(_ context.Context, conn net.Conn) error {
	reader := wire.NewReader(conn, clientBuffer)
	if _, _, err := readHello(conn, reader, wire.RoleClient); err != nil {
		return err
	}
	c := &client{conn: conn, out: newSender(clientLimit)}
	c.out.attach(conn)
	done, written := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(written)
		if c.out.run(done) != nil {
			conn.Close() // the reader finds out, and says why
		}
	}()
	err := r.readRequests(c, reader)
	close(done)
	conn.Close() // a write that waits ends too
	<-written
	c.out.detach()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (r *replica) readRequests(c *client, reader *wire.Reader) error {
	var (
		req   wire.Request
		chunk []byte
		batch []request
		bytes int
	)
	for {
		frame, err := reader.Next()
		if err != nil {
			return err
		}
		if err := wire.DecodeRequest(frame, &req); err != nil {
			return err
		}
		q := request{from: c, id: req.ID, read: req.Read}
		switch err := kv.ValidateRequest(&req); {
		case err != nil:
			q.bad = err.Error()
		case req.Op == wire.OpGet && req.Read != wire.ReadLog:
			q.key = append([]byte(nil), req.Key...)
		default:
			q.command, chunk = layOut(chunk, &req)
		}
		batch = append(batch, q)
		bytes += len(frame)
		if reader.Buffered() && bytes < clientBatch {
			continue // all that one read brought goes to the loop together
		}
		if !r.inbox.putRequests(batch, bytes) {
			return nil
		}
		clear(batch)
		batch, bytes = batch[:0], 0
	}
}

// layOut writes the command of a request into chunk, or a new one, and returns
// it with what is left of the chunk.
func layOut(chunk []byte, req *wire.Request) (command, rest []byte) {
	size := len(req.Key) + len(req.Value) + len(req.Old) + kv.CommandOverhead
	if size > commandChunk/4 {
		return kv.AppendCommand(make([]byte, 0, size), req), chunk
	}
	if cap(chunk)-len(chunk) < size {
		chunk = make([]byte, 0, commandChunk)
	}
	start := len(chunk)
	chunk = kv.AppendCommand(chunk, req)
	return chunk[start:len(chunk):len(chunk)], chunk
}

// reply queues a reply; it leaves at the end of the turn.
func (r *replica) reply(c *client, reply *wire.Reply) {
	reply.Node = r.id
	if !c.out.add(func(b []byte) []byte { return wire.AppendReply(b, reply) }) {
		r.log.Warn("a client is cut off: it does not read its replies", "remote", c.conn.RemoteAddr().String(), "waiting", clientLimit)
		c.conn.Close()
		return
	}
	if !c.touched {
		c.touched = true
		r.touched = append(r.touched, c)
	}
}

// flushReplies writes the replies of this turn.
func (r *replica) flushReplies() {
	for i, c := range r.touched {
		c.touched = false
		c.out.flush()
		r.touched[i] = nil
	}
	r.touched = r.touched[:0]
}

// redirect answers a request that only a leader can serve.
func (r *replica) redirect(c *client, id uint64) {
	leader := r.core.Leader()
	if leader == r.id {
		leader = 0 // it did lead when it was asked, and cannot say who does now
	}
	r.reply(c, &wire.Reply{ID: id, Code: wire.CodeNotLeader, Term: r.core.Term(), Leader: leader, LeaderAddr: r.book[leader]})
}

// readStale answers from what this node has applied, whoever leads (thesis §6.4).
func (r *replica) readStale(q *request) {
	if r.store == nil {
		r.refuse(q, wire.CodeBusy, "the node is loading its snapshot")
		return
	}
	r.answerRead(&read{conn: q.from, id: q.id, key: q.key})
}

// refuse answers a request that was not proposed.
func (r *replica) refuse(q *request, code wire.Code, why string) {
	r.reply(q.from, &wire.Reply{ID: q.id, Code: code, Term: r.core.Term(), Error: why})
}
