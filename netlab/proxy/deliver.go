package proxy

import (
	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// deliver hands on what is due, until nothing is. Whoever starts it has set busy.
func (l *lane) deliver() {
	p := l.proxy
	defer p.conns.Done()
	scratch := takeFrames()
	defer scratch.release()

	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed {
		clock := p.clock.Setting()
		if len(l.urgent) > 0 {
			x := l.urgent[0]
			l.urgent[0] = nil
			l.urgent = l.urgent[1:]
			l.handLoose(scratch, x, clock.At)
			continue
		}
		if clock.Held {
			break
		}
		// What is apart goes between what is in order, by due time.
		x, upTo := l.apart.first(), clock.At
		if x != nil {
			upTo = min(upTo, x.frame.Due)
		}
		if items, raw := l.queue.due(upTo); len(items) > 0 {
			l.handItems(scratch, items, raw, clock.At)
		} else if x != nil && x.frame.Due <= clock.At {
			l.apart.take(x)
			l.handLoose(scratch, x, clock.At)
		} else {
			break
		}
		l.makeRoom()
	}
	l.idle()
}

// handItems hands on the first frames of the queue, or drops them, as far as
// they share one fate. With mu held, which it lets go of while it writes.
func (l *lane) handItems(scratch *frameList, items []item, raw []byte, now raft.Time) {
	scratch.list = l.recall(scratch.list[:0], items, raw)
	n, v := l.arrival(scratch.list, now)
	frames := scratch.list[:n]
	if v.Drop != "" {
		l.stop(frames, now, v)
	} else {
		raw = raw[:items[n-1].to-items[0].from]
		for i := range frames {
			if r := items[i].rare; r != nil && r.damage != 0 {
				link.Damage(raw[items[i].from-items[0].from+lengthBytes:][:frames[i].Bytes-lengthBytes], r.damage)
			}
		}
		out := l.begin(frames, n)
		l.mu.Unlock()
		written, err := l.write(out, raw)
		l.mu.Lock()
		l.settle(frames, written, err)
		l.hand, l.fromHead = nil, 0
	}
	l.queue.pop(n)
	l.proxy.frames.add(frames)
}

// handLoose hands on a frame that was taken from those apart, or drops it. With
// mu held, which it lets go of while it writes.
func (l *lane) handLoose(scratch *frameList, x *loose, now raft.Time) {
	x.frame.Held, x.frame.Fault = false, 0
	scratch.list = append(scratch.list[:0], x.frame)
	frames := scratch.list
	if _, v := l.arrival(frames, now); v.Drop != "" {
		l.stop(frames, now, v)
	} else {
		if x.damage != 0 {
			link.Damage(x.raw[lengthBytes:], x.damage)
		}
		out := l.begin(frames, 0)
		l.mu.Unlock()
		written, err := l.write(out, x.raw)
		l.mu.Lock()
		l.settle(frames, written, err)
		l.hand = nil
	}
	l.proxy.frames.add(frames)
	if x.told != nil {
		x.told <- frames[0]
	}
}

// arrival judges frames that are due. The first n of them share the fate v.
func (l *lane) arrival(frames []Frame, now raft.Time) (n int, v link.Verdict) {
	if l.link.Open() {
		if l.addr == "" {
			v.Drop = DroppedDeadNode
		}
		return len(frames), v
	}
	for i := range frames {
		f := linkFrame(&frames[i])
		u := l.link.JudgeArrival(now, &f)
		if u.Drop == "" && l.addr == "" {
			u.Drop = DroppedDeadNode
		}
		if i == 0 {
			v = u
		} else if u != v {
			return i, v
		}
	}
	return len(frames), v
}

// stop drops frames for the reason of a verdict.
func (l *lane) stop(frames []Frame, now raft.Time, v link.Verdict) {
	for i := range frames {
		frames[i].Held, frames[i].Fault = false, v.Fault
		frames[i].dropped(now, v.Drop)
		l.link.CountStopped(v.Fault)
	}
	l.counts.dropped += uint64(len(frames))
}

// settle stamps frames that were handed to write, written bytes of which the
// receiver's connection took. Frames that were dropped before are passed over.
func (l *lane) settle(frames []Frame, written int, err error) {
	now := l.proxy.clock.Now()
	v := link.Verdict{Drop: DroppedConnectionLost}
	switch {
	case err == nil:
	case l.barred != "":
		v.Drop, v.Fault = l.barred, l.barredBy
	case l.addr == "":
		v.Drop = DroppedDeadNode
	case written == 0 && isDialError(err):
		v.Drop = DroppedNoConnection
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
			l.counts.arrived(f.Left, now)
		} else {
			l.stop(frames[i:i+1], now, v)
		}
	}
}

// abandon drops all that waits, but not what somebody is handing over. With mu
// held.
func (l *lane) abandon(why link.Reason) {
	scratch := takeFrames()
	defer scratch.release()
	frames := scratch.list[:0]
	l.queue.each(l.fromHead, func(it *item, raw []byte) bool {
		frames = l.recall(frames, []item{*it}, raw)
		l.queue.take(it)
		return true
	})
	if !l.busy {
		l.queue.trim()
	}
	for _, x := range l.apart.all {
		frames = append(frames, x.frame)
	}
	l.apart = apart{}
	gone := l.urgent
	l.urgent = nil
	for _, x := range gone {
		frames = append(frames, x.frame)
	}
	l.stop(frames, l.proxy.clock.Now(), link.Verdict{Drop: why})
	l.proxy.frames.add(frames)
	for i, x := range gone {
		if x.told != nil {
			x.told <- frames[len(frames)-len(gone)+i]
		}
	}
	l.makeRoom()
	scratch.list = frames
}
