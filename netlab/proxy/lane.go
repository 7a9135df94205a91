package proxy

import (
	"net"
	"sync"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// Why a frame is dropped that the link's rules let through.
const (
	// DroppedDeadNode: the process it was for does not run.
	DroppedDeadNode link.Reason = "dead node"
	// DroppedNoConnection: the node it was for could not be reached.
	DroppedNoConnection link.Reason = "no connection"
	// DroppedConnectionLost: the connection broke while the frame was handed over.
	DroppedConnectionLost link.Reason = "connection lost"
)

// lane is one directed link.
//
// At any time at most one goroutine writes to it, the one that set busy: the
// reader on the straight way, or a delivery. While it writes or dials it does
// not hold mu, so that rules and addresses can change at once. A queue with
// frames in it is always somebody's: the writer's when busy, else the
// schedule's.
type lane struct {
	proxy      *Proxy
	from, to   raft.NodeID
	runDeliver func() // deliver, made once so that starting it allocates nothing

	mu     sync.Mutex
	link   link.Link // its rules and what they remember
	number uint64    // of the last frame that left
	counts counts
	queue  queue
	busy   bool
	closed bool

	in      *inbound      // the sender's connection, nil when there is none
	opened  uint64        // of the latest in there was
	turn    chan struct{} // full while somebody reads for this link
	stalled bool          // in does not read: the queue is over the backlog
	room    chan struct{} // tells a stalled reader that there is room again

	addr string // where the receiver listens; empty when it is dead
	out  *outbound

	wake wake // the schedule's
}

func newLane(p *Proxy, from, to raft.NodeID) *lane {
	l := &lane{proxy: p, from: from, to: to, turn: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	l.runDeliver = l.deliver
	l.wake.place = notScheduled
	return l
}

func (l *lane) setRules(r link.Rules) {
	l.mu.Lock()
	l.link.SetRules(r)
	l.mu.Unlock()
}

// setAddr sets where the receiver is from now on and gives up the connection
// to where it was.
func (l *lane) setAddr(addr string) {
	l.mu.Lock()
	l.addr = addr
	out := l.out
	l.out = nil
	l.mu.Unlock()
	if out != nil {
		out.close()
	}
}

func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.setAddr("")
	l.disconnect(net.ErrClosed)
}

// admit takes the frames that one read brought, in the order they came, and
// hands on those that are due at once. raw holds the bytes of all of them, one
// after the other; admit may move them about.
func (l *lane) admit(frames []Frame, raw []byte) {
	p := l.proxy
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return // read before the connection was closed: nobody's any more
	}
	rests := l.queue.empty() && !l.busy
	passed, packed := l.judge(frames, raw, rests)
	l.counts.sent += uint64(len(frames))
	out := l.out
	if packed > 0 {
		l.busy = true
	} else if rests && !l.queue.empty() {
		p.schedule.add(l, l.queue.head().due)
	}
	// A frame that waits is put on record before anybody can deliver it.
	p.frames.add(frames[passed:])
	if packed > 0 {
		l.mu.Unlock()
		n, err := l.write(out, raw[:packed])
		l.mu.Lock()
		l.settle(frames[:passed], n, err)
		l.idle()
	}
	p.frames.add(frames[:passed])
	l.mu.Unlock()
}

// judge decides about frames as they enter. The first passed of them need not
// wait: they are dropped, or go straight, and the bytes of the latter are then
// the first packed of raw. Behind the first that has to wait all others do, in
// the queue, unless they are dropped. A link that rests has none to wait for.
func (l *lane) judge(frames []Frame, raw []byte, rests bool) (passed, packed int) {
	p := l.proxy
	first := p.ids.Add(uint64(len(frames))) - uint64(len(frames)) + 1
	clock := p.clock.Setting()
	now, straight := clock.At, rests && !clock.Held
	offset := 0
	for i := range frames {
		f := &frames[i]
		l.number++
		f.ID, f.Number, f.Left = first+uint64(i), l.number, now
		v := l.link.Judge(p.seed, &link.Frame{
			From: f.From, To: f.To, Number: f.Number, Bytes: f.Bytes, Left: f.Left,
		})
		f.Due = v.Due
		start, end := offset, offset+f.Bytes
		offset = end

		straight = straight && (v.Drop != "" || v.Due <= now)
		if v.Drop == "" && straight && l.addr == "" {
			v.Drop = DroppedDeadNode
		}
		switch {
		case v.Drop != "":
			f.dropped(now, v.Drop)
			l.counts.dropped++
		case !straight:
			l.queue.push(f, raw[start:end])
		default:
			if packed != start {
				copy(raw[packed:], raw[start:end])
			}
			packed += f.Bytes
		}
		if straight {
			passed = i + 1
		}
	}
	return passed, packed
}

// deliver hands on what is due, until nothing is. Whoever starts it has set busy.
func (l *lane) deliver() {
	p := l.proxy
	defer p.conns.Done()
	scratch := takeFrames()
	defer scratch.release()

	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		clock := p.clock.Setting()
		items, raw := l.queue.due(clock.At)
		if len(items) == 0 || clock.Held || l.closed {
			l.idle()
			return
		}
		scratch.list = l.recall(scratch.list[:0], items, raw)
		frames := scratch.list
		why := l.link.JudgeArrival(clock.At, &link.Frame{}).Drop
		if why == "" && l.addr == "" {
			why = DroppedDeadNode
		}
		if why != "" {
			for i := range frames {
				frames[i].dropped(clock.At, why)
			}
			l.counts.dropped += uint64(len(frames))
		} else {
			out := l.out
			l.mu.Unlock()
			written, err := l.write(out, raw)
			l.mu.Lock()
			l.settle(frames, written, err)
		}
		l.queue.pop(len(frames))
		p.frames.add(frames)
		if l.stalled && l.queue.bytes <= p.backlog/2 {
			l.stalled = false
			select {
			case l.room <- struct{}{}:
			default: // a reader that went away left it there
			}
		}
	}
}

// recall appends to dst the records of frames from the queue, made anew from
// their bytes, which lie side by side in raw.
func (l *lane) recall(dst []Frame, items []item, raw []byte) []Frame {
	for i := range items {
		it := &items[i]
		size := it.to - it.from
		// It was looked at when it came, and is still the same.
		h, s, _ := wire.Peek(raw[4:size])
		raw = raw[size:]
		dst = append(dst, Frame{
			ID: it.id, From: l.from, To: l.to, Number: it.number,
			Kind: h.Kind, Term: h.Term, Bytes: size, Summary: s,
			Left: it.left, Due: it.due,
		})
	}
	return dst
}

// settle stamps frames that were handed to write, written bytes of which the
// receiver's connection took. Frames that were dropped before are passed over.
func (l *lane) settle(frames []Frame, written int, err error) {
	now := l.proxy.clock.Now()
	why := DroppedConnectionLost
	switch {
	case err == nil:
	case l.addr == "":
		why = DroppedDeadNode
	case written == 0 && isDialError(err):
		why = DroppedNoConnection
	}
	end := 0
	for i := range frames {
		f := &frames[i]
		if f.Reason != "" {
			continue
		}
		end += f.Bytes
		if err == nil || end <= written {
			f.arrived(now)
			l.counts.arrived(raft.Duration(now - f.Left))
		} else {
			f.dropped(now, why)
			l.counts.dropped++
		}
	}
}

// idle ends a turn of writing and leaves the queue to the schedule.
func (l *lane) idle() {
	l.busy = false
	if l.closed {
		l.abandon()
	} else if !l.queue.empty() {
		l.proxy.schedule.add(l, l.queue.head().due)
	}
}

// kick starts a delivery; the schedule has let go of the lane.
func (l *lane) kick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		l.abandon()
		return
	}
	l.busy = true
	l.proxy.conns.Add(1)
	go l.runDeliver()
}

// overfull tells whether the reader has to wait, and leaves word that it does.
func (l *lane) overfull() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stalled = l.queue.bytes > l.proxy.backlog
	return l.stalled
}
