package netlab

import (
	"context"
	"slices"
	"time"

	"github.com/raftlab/raftlab/netlab/proxy"
)

const (
	// everyDefault and everyMin are how far apart the updates of a stream are.
	everyDefault = 50 * time.Millisecond
	everyMin     = 5 * time.Millisecond
	everyMax     = time.Minute
	// linksEvery is how often the links' counters are looked at for a stream:
	// frames change them without a word.
	linksEvery = 250 * time.Millisecond
	// eventsBehind is how far a reader may fall behind before it is sent the
	// whole status instead of what it missed.
	eventsBehind = 1000
	// framesMax bounds the frames of one update.
	framesMax = 256
)

// place is how much of a lab a reader of the stream has been told.
type place struct {
	rev    uint64
	event  uint64
	labRev uint64
	links  []LinkStatus
	looked time.Time // at the links
	frames bool      // wanted
	frame  proxy.Cursor
	room   []proxy.Frame
}

// stream sends a whole status, and then what changes, until ctx or the lab
// ends or send fails. What a reader has not taken is not kept for it: the next
// update tells what is different by then. Without a reader there is nothing to do.
func (l *lab) stream(ctx context.Context, frames bool, every time.Duration, send func(*Update) error) error {
	if every == 0 {
		every = everyDefault
	}
	every = min(max(every, everyMin), everyMax)
	at := &place{frames: frames}
	tick := time.NewTicker(every)
	defer tick.Stop()
	links := time.NewTicker(linksEvery)
	defer links.Stop()
	// What moves in the network alone is found by looking; with frames wanted as
	// often as updates go, otherwise with the links.
	beat := links.C
	if frames {
		beat = tick.C
	}

	var u *Update
	var changed <-chan struct{}
	look := func(f func()) error {
		return l.request(ctx, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			f()
		})
	}
	if err := look(func() { u = l.whole(at) }); err != nil {
		return err
	}
	for {
		if u != nil {
			if err := send(u); err != nil {
				return err
			}
			// The next one not before its time. A tick that passed while send was
			// slow counts.
			select {
			case <-tick.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-l.ctx.Done():
				return errStopping
			}
		}
		if err := look(func() { changed, u = l.changed(), l.update(at) }); err != nil {
			return err
		}
		if u != nil {
			continue
		}
		select {
		case <-changed:
		case <-beat:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.ctx.Done():
			return errStopping
		}
	}
}

// whole brings a reader to now with a status. With lab.mu held.
func (l *lab) whole(at *place) *Update {
	s := l.picture()
	s.Links = l.linkStatus()
	u := &Update{Status: s}
	if !at.looked.IsZero() { // the first has missed nothing
		u.Missed = l.events.last - at.event
	}
	at.rev, at.labRev, at.event = l.rev, l.labRev, l.events.last
	at.links, at.looked = s.Links, time.Now()
	if at.frames {
		at.frame = l.network.proxy.Cursor()
		at.room = l.network.proxy.Held(at.room[:0])
		for i := max(0, len(at.room)-framesMax); i < len(at.room); i++ { // those that are held are the last
			u.Frames = append(u.Frames, frameOf(&at.room[i]))
		}
	}
	return u
}

// update tells a reader what changed since its place, nil when nothing did.
// With lab.mu held.
func (l *lab) update(at *place) *Update {
	if l.events.last-at.event > eventsBehind {
		return l.whole(at)
	}
	u := &Update{}
	some := false
	if l.rev != at.rev {
		// A node that went and came again is told as both, in this order.
		for id, rev := range l.gone {
			if rev > at.rev {
				u.Gone = append(u.Gone, id)
			}
		}
		if len(u.Gone) > 0 {
			slices.Sort(u.Gone)
			at.links = slices.DeleteFunc(slices.Clone(at.links), func(k LinkStatus) bool {
				return slices.Contains(u.Gone, k.From) || slices.Contains(u.Gone, k.To)
			})
		}
		for _, m := range l.members {
			if m.rev > at.rev {
				u.Nodes = append(u.Nodes, m.shown(l.clock.Now()))
			}
		}
		u.Events, _ = l.events.after(at.event, eventsBehind)
		some = true
	}
	if now := time.Now(); l.labRev != at.labRev || now.Sub(at.looked) >= linksEvery {
		links, known := l.linkStatus(), at.links
		for _, k := range links {
			for len(known) > 0 && (ends{known[0].From, known[0].To}).before(ends{k.From, k.To}) {
				known = known[1:]
			}
			if len(known) == 0 || known[0] != k {
				u.Links = append(u.Links, k)
				some = true
			}
		}
		at.links, at.looked = links, now
	}
	if at.frames {
		at.room, at.frame, u.Hidden = l.network.proxy.Frames(at.room[:0], at.frame, framesMax)
		for i := range at.room {
			u.Frames = append(u.Frames, frameOf(&at.room[i]))
		}
		some = some || len(u.Frames) > 0 || u.Hidden > 0
	}
	if !some {
		return nil
	}
	u.Lab = l.change()
	at.rev, at.labRev, at.event = l.rev, l.labRev, l.events.last
	return u
}
