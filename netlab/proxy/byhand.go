package proxy

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// Action is what can be done to one frame that waits.
type Action uint8

// The actions.
const (
	Drop    Action = iota + 1 // it never arrives
	Hold                      // it waits until it is released or dropped, whatever rules say
	Release                   // it goes now, before its time, on a held clock, past all others
)

func (a Action) String() string {
	switch a {
	case Drop:
		return "drop"
	case Hold:
		return "hold"
	case Release:
		return "release"
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}

// Held appends to dst all frames that wait in the network, on all links: those
// that go by themselves, in that order, then those that are held, by id.
func (p *Proxy) Held(dst []Frame) []Frame {
	start := len(dst)
	for _, l := range p.all() {
		l.mu.Lock()
		for i := l.fromHead; i < len(l.hand); i++ { // those of the queue come with it
			if l.hand[i].Reason == "" {
				dst = append(dst, l.hand[i])
			}
		}
		l.queue.each(0, func(it *item, raw []byte) bool {
			dst = l.recall(dst, []item{*it}, raw)
			return true
		})
		for _, x := range l.apart.all {
			dst = append(dst, x.frame)
		}
		for _, x := range l.urgent {
			dst = append(dst, x.frame)
		}
		l.mu.Unlock()
	}
	slices.SortFunc(dst[start:], func(a, b Frame) int {
		if a.Held != b.Held {
			if a.Held {
				return 1
			}
			return -1
		}
		if a.Held {
			return cmp.Compare(a.ID, b.ID)
		}
		return cmp.Or(cmp.Compare(a.Due, b.Due), cmp.Compare(a.ID, b.ID))
	})
	return dst
}

// FrameAction drops, holds or releases a frame that waits, in whatever order it
// would have gone. A frame that is released goes to its receiver at once, but no
// more than any other through a wall or a cut.
func (p *Proxy) FrameAction(id uint64, a Action) error {
	if a < Drop || a > Release {
		return fmt.Errorf("a frame can be dropped, held or released, nothing else")
	}
	return p.find(id, func(l *lane, x *loose) {
		switch a {
		case Drop:
			l.discard(x, DroppedByHand)
		case Hold:
			x.free(x.due)
			x.frame.Held, x.byHand = true, true
			l.apart.add(x, false)
			p.frames.add([]Frame{x.frame})
		case Release:
			l.hurry(x)
		}
	})
}

// Deliver releases a frame as [Release] does and waits until it has arrived or
// was dropped. The record tells which.
func (p *Proxy) Deliver(ctx context.Context, id uint64) (Frame, error) {
	told := make(chan Frame, 1)
	if err := p.find(id, func(l *lane, x *loose) {
		x.told = told
		l.hurry(x)
	}); err != nil {
		return Frame{}, err
	}
	select {
	case f := <-told:
		return f, nil
	case <-ctx.Done():
		return Frame{}, fmt.Errorf("frame %d does not get to its receiver: %w", id, ctx.Err())
	}
}

// Next is the frame that will be the first to go by itself, and when it is
// due, which is past on a held clock that stopped behind it. A link that waits
// for its receiver to take what it was handed is passed over.
func (p *Proxy) Next() (due raft.Time, frame Frame, ok bool) {
	better := func(d raft.Time, id uint64) bool {
		return !ok || d < due || d == due && id < frame.ID
	}
	for _, l := range p.all() {
		l.mu.Lock()
		if !l.busy && !l.closed {
			if !l.queue.empty() {
				if it := l.queue.head(); better(it.due, it.id) {
					l.queue.each(0, func(it *item, raw []byte) bool {
						frame = l.recall(nil, []item{*it}, raw)[0]
						return false
					})
					due, ok = frame.Due, true
				}
			}
			if x := l.apart.first(); x != nil && better(x.frame.Due, x.frame.ID) {
				due, frame, ok = x.frame.Due, x.frame, true
			}
		}
		l.mu.Unlock()
	}
	return due, frame, ok
}

// Inject sends a frame of the last ones again, whatever became of it, and
// returns the id of the copy. It is due at once, chance and delays have no say
// in it, and it is told from what nodes sent by CopyOf and Injected.
func (p *Proxy) Inject(id uint64) (uint64, error) {
	if f, known := p.lastWord(id); known && f.CopyOf != 0 {
		id = f.CopyOf
	}
	raw, err := p.tape.frame(id)
	if err != nil {
		return 0, err
	}
	h, s, err := wire.Peek(raw[lengthBytes:])
	if err != nil {
		return 0, fmt.Errorf("frame %d: %w", id, err) // it was looked at when it came
	}
	l, err := p.lane(h.From, h.To)
	if err != nil {
		return 0, fmt.Errorf("send frame %d again: %w", id, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, fmt.Errorf("send frame %d again: the link is closed", id)
	}
	now := p.clock.Now()
	f := Frame{
		ID: p.ids.Add(1), From: h.From, To: h.To, Kind: h.Kind, Term: h.Term, Bytes: len(raw),
		Left: now, Due: now, Injected: true, CopyOf: id, Summary: s,
	}
	l.counts.copies++
	l.apart.add(newLoose(&f, raw, 0), true)
	p.frames.add([]Frame{f})
	if !l.busy {
		l.plan()
	}
	return f.ID, nil
}

// Hits tells what each fault with an id did, on all links that have it.
func (p *Proxy) Hits() map[uint64]link.Hits {
	hits := make(map[uint64]link.Hits)
	for _, l := range p.all() {
		l.mu.Lock()
		l.link.Hits(hits)
		l.mu.Unlock()
	}
	return hits
}

// find takes a frame that waits out of its link and gives it to do, which has
// to leave it somewhere else.
func (p *Proxy) find(id uint64, do func(l *lane, x *loose)) error {
	for _, l := range p.all() {
		l.mu.Lock()
		x, inHand := l.takeOut(id)
		if x != nil {
			do(l, x)
			if !l.busy && !l.closed {
				l.plan()
			}
			l.makeRoom()
		}
		l.mu.Unlock()
		switch {
		case inHand:
			return fmt.Errorf("frame %d is being handed to node %d already", id, l.to)
		case x != nil:
			return nil
		}
	}
	return p.notWaiting(id)
}

// takeOut takes a frame out of what waits on a link, nil when it does not wait
// there. With mu held.
func (l *lane) takeOut(id uint64) (x *loose, inHand bool) {
	for i := range l.hand {
		if f := &l.hand[i]; f.ID == id && f.Reason == "" {
			return nil, true
		}
	}
	for _, x := range l.urgent {
		if x.frame.ID == id {
			return nil, true
		}
	}
	if x := l.apart.all[id]; x != nil {
		l.apart.take(x)
		return x, false
	}
	l.queue.each(l.fromHead, func(it *item, raw []byte) bool {
		if it.id != id {
			return true
		}
		damage := uint64(0)
		if it.rare != nil {
			damage = it.rare.damage
		}
		x = newLoose(&l.recall(nil, []item{*it}, raw)[0], raw, damage)
		l.queue.take(it)
		return false
	})
	if !l.busy {
		l.queue.trim()
	}
	return x, false
}

// discard drops a frame that was taken out. With mu held.
func (l *lane) discard(x *loose, why link.Reason) {
	frames := []Frame{x.frame}
	l.stop(frames, l.proxy.clock.Now(), link.Verdict{Drop: why})
	l.proxy.frames.add(frames)
	if x.told != nil {
		x.told <- frames[0]
	}
}

// hurry makes a frame that was taken out go now. With mu held.
func (l *lane) hurry(x *loose) {
	x.free(x.due)
	if l.closed {
		l.discard(x, DroppedRemovedNode)
		return
	}
	l.urgent = append(l.urgent, x)
	if !l.busy {
		l.start()
	}
}

// notWaiting says why nothing can be done to a frame.
func (p *Proxy) notWaiting(id uint64) error {
	if id == 0 || id > p.ids.Load() {
		return fmt.Errorf("there is no frame %d: the last one is %d", id, p.ids.Load())
	}
	f, known := p.lastWord(id)
	switch {
	case known && f.Reason != "":
		return fmt.Errorf("frame %d is not under way any more: it was dropped (%s)", id, f.Reason)
	case known && f.Done:
		return fmt.Errorf("frame %d is not under way any more: it has arrived", id)
	}
	return fmt.Errorf("frame %d is not under way any more", id)
}
