package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// flow is one way of a connection. One goroutine reads, and hands on what may
// go straight; what may not is handed on by another, which there is only while
// something waits.
type flow struct {
	conn *rawConn
	way  Way
	in   *inbound
	news chan struct{} // one slot: there is something for the writer to look at
	room chan struct{} // one slot: the queue is short enough for the reader
	wake wake

	chunk   uint64 // the last one's number
	carried atomic.Uint64

	mu       sync.Mutex
	out      *net.TCPConn // nil before there is one
	queue    []piece
	bytes    int
	draining bool // there is a goroutine that empties the queue
	writing  bool // somebody is at the connection
	stopped  bool // a deadline ends what is being written: something stops the way
	dead     bool // who was to get it is gone: what comes is thrown away
	ended    bool // nothing is read, not yet or not any more
	closed   bool // the receiver was told that the stream ends
	told     bool // that the sender is gone is in the queue, or was
	stalled  bool // the reader waits for room
	lastDue  raft.Time
	before   raft.Time // when what went last was to go
}

// piece is a chunk that waits, or what of it is left.
type piece struct {
	data    []byte
	last    lastWord // set when there is no data
	due     raft.Time
	stopped bool // what stops the way has counted it

	// Where the way is throttled: how many bytes go next, and when, as it was
	// throttled when that was found out.
	part  int
	goes  raft.Time
	until raft.Time // not valid from then on; 0 for ever
	rate  uint64
}

// lastWord is what may come behind all bytes.
type lastWord int

const (
	streamEnds lastWord = 1 + iota // a FIN
	senderGone                     // a RST
)

// pieceCost is what a chunk costs beside its bytes.
const pieceCost = 128

func (f *flow) init(c *rawConn, way Way) {
	f.conn, f.way = c, way
	f.news, f.room = make(chan struct{}, 1), make(chan struct{}, 1)
	f.wake = newWake(f.signal)
	f.ended = true
}

func (f *flow) readFrom(conn *net.TCPConn) (err error) {
	f.in, err = newInbound(conn, f.conn.number)
	return err
}

// writeTo says where what is read goes, and has it go.
func (f *flow) writeTo(conn *net.TCPConn) {
	f.mu.Lock()
	f.out = conn
	f.mu.Unlock()
	f.signal()
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
	f.mu.Lock()
	f.ended = false
	f.mu.Unlock()
	err := f.carry()
	f.in.chunk.release()
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	switch {
	case errors.Is(err, errReset):
		f.conn.breakUp(err)
	case err != nil:
		f.conn.lost(f.way, fmt.Errorf("read %s: %w", f.way, err))
	}
	// A writer that was the first to find the sender gone has left it to the reader
	// to tell.
	if f.conn.lostWhy(f.way) != nil {
		f.broken()
	}
}

func (f *flow) carry() error {
	c := f.conn
	for {
		err := f.in.fill()
		if err == io.EOF {
			if f.in.wasReset() && !c.flows[1-f.way].hasEnded() {
				return syscall.ECONNRESET // a writer was told of it, and a socket tells once
			}
			return f.pass(piece{last: streamEnds})
		}
		if err != nil {
			return err
		}
		data := f.in.chunk.buf[f.in.chunk.start:f.in.chunk.end]
		for len(data) > 0 {
			n := len(data)
			if c.raw.chunk > 0 {
				n = min(n, c.raw.chunk)
			}
			if err := f.pass(piece{data: data[:n]}); err != nil {
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

// hasEnded tells whether the receiver was told that the stream ends.
func (f *flow) hasEnded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

// broken puts it into the queue that the sender is gone, once, and by the reader
// as long as there is one: behind all that it has read.
func (f *flow) broken() {
	f.mu.Lock()
	tell := f.ended && !f.told
	f.told = f.told || tell
	f.mu.Unlock()
	if !tell {
		return
	}
	if err := f.pass(piece{last: senderGone}); err != nil {
		f.conn.breakUp(err)
	}
}

// abandon throws away what waits and what is still to come.
func (f *flow) abandon() {
	f.mu.Lock()
	f.dead = true
	for len(f.queue) > 0 {
		f.pop()
	}
	f.mu.Unlock()
	f.signal()
}

// pass judges a piece, and hands it on or leaves it to the writer. Its bytes are
// the caller's again afterwards.
func (f *flow) pass(p piece) error {
	r := f.conn.raw
	w := &r.ways[f.way]
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return nil
	}
	f.chunk++
	setting := r.clock.Setting()
	p.due = setting.At
	straight := p.data != nil && !setting.Held && f.out != nil && !f.writing && len(f.queue) == 0
	if !w.plain.Load() {
		w.mu.Lock()
		stopped := w.stopped(setting.At, len(p.data))
		if stopped == link.DroppedInBlackhole && p.data != nil {
			w.mu.Unlock()
			return nil
		}
		v := w.link.JudgeAlone(r.seed, &link.Frame{
			From: raft.NodeID(1 + f.way), To: raft.NodeID(2 - f.way), Number: f.conn.number<<32 | f.chunk,
			Bytes: len(p.data), Left: setting.At,
		})
		portion, _ := w.throttled(setting.At)
		straight = straight && stopped == "" && portion == 0
		w.mu.Unlock()
		if v.Reset {
			return errReset
		}
		if v.Damage != 0 && p.data != nil {
			link.Damage(p.data, v.Damage)
		}
		p.due, p.stopped = v.Due, stopped != ""
	}
	p.due = max(p.due, f.lastDue)
	f.lastDue = p.due
	if straight && p.due <= setting.At {
		rest := f.deliver(p.data)
		if len(rest) == 0 || f.dead {
			return nil
		}
		p.data, p.stopped = rest, false
	}
	p.data = append([]byte(nil), p.data...)
	f.queue = append(f.queue, p)
	f.grow(len(p.data) + pieceCost)
	if !f.draining {
		f.draining = true
		f.conn.running.Go(f.drain)
	}
	f.signal()
	return nil
}

// deliver hands on bytes, and returns those that something set meanwhile has
// stopped. With mu held, which it lets go of while it writes.
func (f *flow) deliver(data []byte) (rest []byte) {
	w := &f.conn.raw.ways[f.way]
	out := f.out
	f.writing = true
	f.mu.Unlock()
	n, err := out.Write(data)
	w.bytes.Add(uint64(n))
	f.carried.Add(uint64(n))
	if n == len(data) {
		w.chunks.Add(1)
	} else if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		f.conn.lost(1-f.way, fmt.Errorf("write %s: %w", f.way, err))
	}
	f.mu.Lock()
	f.writing = false
	if f.stopped {
		f.stopped = false
		_ = out.SetWriteDeadline(time.Time{}) // it fails when the connection is closed
	}
	return data[n:]
}

// halt ends what is being written: something stops the way. What the
// connection has taken has arrived.
func (f *flow) halt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writing {
		f.stopped = true
		_ = f.out.SetWriteDeadline(time.Unix(1, 0)) // it fails when the connection is closed
	}
}

// awaitRoom waits while more than the backlog waits; false when the connection
// is over.
func (f *flow) awaitRoom() bool {
	for {
		f.mu.Lock()
		f.stalled = f.bytes > f.limit()
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

// drain hands on what waits, each piece when it is due, until nothing does.
func (f *flow) drain() {
	c := f.conn
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.queue) > 0 {
		p := f.next()
		switch {
		case p == nil:
			f.mu.Unlock()
			select {
			case <-f.news:
			case <-c.over:
				f.mu.Lock()
				f.draining = false
				return
			}
			f.mu.Lock()
		case p.last == senderGone:
			why := c.lostWhy(f.way)
			f.mu.Unlock()
			c.breakUp(why)
			f.mu.Lock()
		case p.last == streamEnds:
			// The other way goes on. It fails when the receiver is gone, which who
			// reads it finds.
			f.closed = true
			_ = f.out.CloseWrite()
		default:
			rest := f.deliver(p.data)
			if len(rest) > 0 && !f.dead {
				p.data = rest
				f.queue = append([]piece{*p}, f.queue...)
				f.grow(len(rest) + pieceCost)
			}
		}
	}
	f.draining = false
}

// next takes out what is to be handed on now, nil when nothing is yet; the
// writer is called when something may be. With mu held.
func (f *flow) next() *piece {
	r := f.conn.raw
	w := &r.ways[f.way]
	for len(f.queue) > 0 {
		head := &f.queue[0]
		setting := r.clock.Setting()
		if setting.Held || head.due > setting.At {
			r.schedule.set(&f.wake, head.due)
			return nil
		}
		if f.out == nil {
			return nil // writeTo calls
		}
		part, goes := len(head.data), setting.At
		stopped, until := link.Reason(""), raft.Time(0)
		w.mu.Lock()
		if len(w.stops) > 0 {
			count := 0
			if !head.stopped {
				count = len(head.data)
			}
			stopped, until = w.stopped(setting.At, count), w.stopsEnd(setting.At)
		}
		if portion, end := w.throttled(setting.At); portion > 0 && stopped == "" && part > 0 {
			if head.rate != w.rate || head.until != end {
				head.rate, head.until = w.rate, end
				head.part = min(part, portion)
				// What the portion before it was late by is not added up.
				left := min(max(head.due, f.before, setting.At-raft.Time(portionTime)), setting.At)
				head.goes = w.rates.JudgeAlone(r.seed, &link.Frame{Bytes: head.part, Left: left}).Due
			}
			part, goes, until = head.part, head.goes, end
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
			return nil
		case goes > setting.At:
			if until != 0 {
				goes = min(goes, until)
			}
			r.schedule.set(&f.wake, goes)
			return nil
		}
		first := *head
		first.rate = 0
		f.before = goes
		if part < len(head.data) {
			first.data = head.data[:part]
			head.data, head.rate = head.data[part:], 0
			f.grow(-part)
		} else {
			f.pop()
		}
		f.makeRoom()
		return &first
	}
	return nil
}

// pop takes the first piece out. With mu held.
func (f *flow) pop() {
	f.grow(-len(f.queue[0].data) - pieceCost)
	f.queue[0] = piece{}
	if f.queue = f.queue[1:]; len(f.queue) == 0 {
		f.queue = nil
	}
	f.makeRoom()
}

// grow counts bytes that come to wait, or wait no more. With mu held.
func (f *flow) grow(bytes int) {
	f.bytes += bytes
	f.conn.raw.waiting.Add(int64(bytes))
}

// limit is how many bytes may wait here. Where all connections together hold too
// many, each may keep what it needs to go on.
func (f *flow) limit() int {
	r := f.conn.raw
	if r.waiting.Load() > r.memory {
		return min(r.backlog, backlogShort)
	}
	return r.backlog
}

// backlogShort is what one way of a connection may hold when memory is short.
const backlogShort = 64 << 10

// makeRoom tells a reader that waits when there is room again. With mu held.
func (f *flow) makeRoom() {
	if f.stalled && f.bytes <= f.limit()/2 {
		f.stalled = false
		select {
		case f.room <- struct{}{}:
		default:
		}
	}
}
