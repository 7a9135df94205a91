package netlab

import (
	"fmt"
	"slices"
	"time"

	"github.com/raftlab/raftlab/raft"
)

// keepEvery is how often, in real time, the network is asked what its faults
// have done, while some of them end or hold something by that.
const keepEvery = 20 * time.Millisecond

// keepFaults has somebody wait for what ends by itself, while there is such a
// thing. With lab.mu held.
func (l *lab) keepFaults() {
	f := &l.faults
	switch {
	case f.keeping:
		select {
		case f.stir <- struct{}{}:
		default: // told already
		}
	case f.busy():
		if f.stir == nil {
			f.stir = make(chan struct{}, 1)
		}
		f.keeping = true
		l.spawn(l.keep)
	}
}

// busy tells whether something that is set ends by itself or holds frames.
func (f *faults) busy() bool {
	return slices.ContainsFunc(f.on, func(s setting) bool { return s.until > 0 || s.counts() }) || len(f.held) > 0
}

// counts tells whether one has to look at what a fault has done.
func (f *fault) counts() bool { return f.match.Next > 0 || f.holds() }

// keep ends faults whose time is over, or that have had the frames they were
// for, and tells of frames that are held, until there is nothing of the kind.
func (l *lab) keep() {
	for {
		clock := l.clock.Changed()
		l.mu.Lock()
		l.endFaults()
		l.tellHeld()
		f := &l.faults
		if !f.busy() || l.ctx.Err() != nil {
			f.keeping = false
			l.mu.Unlock()
			return
		}
		next, look := raft.Never, len(f.held) > 0
		for i := range f.on {
			if until := f.on[i].until; until > 0 {
				next = min(next, until)
			}
			look = look || f.on[i].counts()
		}
		l.mu.Unlock()
		w := wake{on: channels{clock, f.stir}, at: next}
		if look {
			w.after = keepEvery
		}
		_ = l.await(l.ctx, w) // the end of the lab is seen above
	}
}

// endFaults takes away what has ended by itself. With lab.mu held.
func (l *lab) endFaults() {
	f := &l.faults
	now, hits := l.clock.Now(), l.network.hits()
	var ended []string
	next := slices.Clone(f.on)
	forced := inForce(f.on)
	for i, s := range f.on {
		why := ""
		switch did := hits[uint64(s.id)]; {
		case s.until > 0 && now >= s.until:
			why = "has ended after " + shortTime(time.Duration(s.until-s.set))
		case s.match.Next > 0 && !forced[i].empty() && did.Matched >= s.match.Next*uint64(s.links.len()):
			why = fmt.Sprintf("is spent after %d frames", did.Matched)
			if did.Matched == 1 {
				why = "is spent after 1 frame"
			}
		default:
			continue
		}
		s.over = true
		next[i].links = linkSet{}
		ended = append(ended, fmt.Sprintf("%s %s: %s (%s)", faultName(s.id), why, s.text(), l.linksText(s.links.list())))
	}
	if len(ended) == 0 {
		return
	}
	if err := l.setNetwork(standing(next)); err != nil {
		l.log.Error("faults not ended", "error", err)
		return
	}
	for _, text := range ended {
		l.event(Event{Kind: EventFault, Text: text})
	}
}
