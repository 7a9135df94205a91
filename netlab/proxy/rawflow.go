package proxy

import (
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// flow is one way of a connection: one goroutine reads, another hands on what
// could not go straight.
type flow struct {
	conn *rawConn
	way  Way
	in   *inbound
	out  *net.TCPConn
	news chan struct{} // one slot: there is something for the writer to look at
	room chan struct{} // one slot: the queue is short enough for the reader
	wake wake

	chunk uint64 // the last one's number

	mu      sync.Mutex
	queue   []piece
	bytes   int
	writing bool // the writer is at the connection
	stalled bool // the reader waits for room
	lastDue raft.Time
}

// piece is a chunk that waits.
type piece struct {
	data    []byte // nil: the stream's end
	due     raft.Time
	stopped bool // what stops the way has counted it
}

// pieceCost is what a chunk costs beside its bytes.
const pieceCost = 64

func (f *flow) init(c *rawConn, way Way) {
	f.conn, f.way = c, way
	f.news, f.room = make(chan struct{}, 1), make(chan struct{}, 1)
	f.wake = newWake(f.signal)
}

func (f *flow) connect(from, to *net.TCPConn) error {
	f.out = to
	var err error
	f.in, err = newInbound(from, f.conn.number)
	return err
}

// signal has the writer look again.
func (f *flow) signal() {
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// read takes what comes until the stream ends.
func (f *flow) read() {
	defer f.in.chunk.release()
	if err := f.carry(); err != nil {
		f.conn.breakUp(err)
	}
}

func (f *flow) carry() error {
	c := f.conn
	for {
		err := f.in.fill()
		if err == io.EOF {
			return f.pass(nil)
		}
		if err != nil {
			// The one end is gone; what the other sends has nowhere to go.
			return fmt.Errorf("read %s: %w", f.way, err)
		}
		data := f.in.chunk.buf[f.in.chunk.start:f.in.chunk.end]
		for len(data) > 0 {
			n := len(data)
			if c.raw.chunk > 0 {
				n = min(n, c.raw.chunk)
			}
			if err := f.pass(data[:n]); err != nil {
				return err
			}
			data = data[n:]
		}
		f.in.chunk.start = f.in.chunk.end
		if !f.awaitRoom() {
			return c.why
		}
	}
}

// pass judges a chunk, nil for the stream's end, and hands it on or leaves it
// to the writer.
func (f *flow) pass(data []byte) error {
	r := f.conn.raw
	w := &r.ways[f.way]
	f.chunk++
	setting := r.clock.Setting()
	due, open, stopped := setting.At, !setting.Held, link.Reason("")
	if !w.plain.Load() {
		w.mu.Lock()
		stopped = w.stopped(setting.At, len(data))
		if stopped == link.DroppedInBlackhole && data != nil {
			w.mu.Unlock()
			return nil
		}
		v := w.link.JudgeAlone(r.seed, &link.Frame{
			From: raft.NodeID(1 + f.way), To: raft.NodeID(2 - f.way), Number: f.conn.number<<32 | f.chunk,
			Bytes: len(data), Left: setting.At,
		})
		w.mu.Unlock()
		if v.Reset {
			return errReset
		}
		if v.Damage != 0 && data != nil {
			link.Damage(data, v.Damage)
		}
		due = v.Due
	}
	f.mu.Lock()
	due = max(due, f.lastDue)
	f.lastDue = due
	if data != nil && open && stopped == "" && due <= setting.At && !f.writing && len(f.queue) == 0 {
		f.mu.Unlock()
		return f.deliver(data)
	}
	f.queue = append(f.queue, piece{data: append([]byte(nil), data...), due: due, stopped: stopped != ""})
	f.bytes += len(data) + pieceCost
	f.mu.Unlock()
	f.signal()
	return nil
}

// deliver hands on a chunk.
func (f *flow) deliver(data []byte) error {
	w := &f.conn.raw.ways[f.way]
	n, err := f.out.Write(data)
	w.bytes.Add(uint64(n))
	if err != nil {
		return fmt.Errorf("write %s: %w", f.way, err)
	}
	w.chunks.Add(1)
	return nil
}

// awaitRoom waits while more than the backlog waits; false when the connection
// is over.
func (f *flow) awaitRoom() bool {
	for {
		f.mu.Lock()
		f.stalled = f.bytes > f.conn.raw.backlog
		stalled := f.stalled
		f.mu.Unlock()
		if !stalled {
			return true
		}
		select {
		case <-f.room:
		case <-f.conn.over:
			return false
		}
	}
}

// write hands on what waits, each chunk when it is due, until the stream's end.
func (f *flow) write() {
	c := f.conn
	for {
		p, done := f.next()
		if done {
			return
		}
		if p == nil {
			select {
			case <-f.news:
			case <-c.over:
				return
			}
			continue
		}
		var err error
		if p.data == nil {
			// The other way goes on.
			if err = f.out.CloseWrite(); err != nil {
				err = fmt.Errorf("end the stream %s: %w", f.way, err)
			}
		} else {
			err = f.deliver(p.data)
		}
		f.mu.Lock()
		f.writing = false
		f.mu.Unlock()
		if err != nil {
			c.breakUp(err)
			return
		}
		if p.data == nil {
			return
		}
	}
}

// next takes the chunk that is to be handed on now, nil when there is none; the
// writer is called when there may be. done is set when there will be none any more.
func (f *flow) next() (p *piece, done bool) {
	r := f.conn.raw
	w := &r.ways[f.way]
	select {
	case <-f.conn.over:
		return nil, true
	default:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.queue) > 0 {
		head := &f.queue[0]
		setting := r.clock.Setting()
		if setting.Held || head.due > setting.At {
			r.schedule.set(&f.wake, head.due)
			return nil, false
		}
		w.mu.Lock()
		stopped, until := link.Reason(""), raft.Time(0)
		if len(w.stops) > 0 {
			count := 0
			if head.data != nil && !head.stopped {
				count = len(head.data)
			}
			stopped, until = w.stopped(setting.At, count), w.stopsEnd(setting.At)
		}
		w.mu.Unlock()
		switch {
		case stopped == link.DroppedInBlackhole && head.data != nil:
			f.pop()
			continue
		case stopped != "": // a cut makes it wait, and of a stream in a black hole the end is left
			head.stopped = true
			if until != 0 {
				r.schedule.set(&f.wake, until)
			}
			return nil, false
		}
		first := *head
		f.pop()
		f.writing = true
		return &first, false
	}
	return nil, false
}

// pop takes the first chunk out. With mu held.
func (f *flow) pop() {
	f.bytes -= len(f.queue[0].data) + pieceCost
	f.queue[0] = piece{}
	if f.queue = f.queue[1:]; len(f.queue) == 0 {
		f.queue = nil
	}
	if f.stalled && f.bytes <= f.conn.raw.backlog/2 {
		f.stalled = false
		select {
		case f.room <- struct{}{}:
		default:
		}
	}
}
