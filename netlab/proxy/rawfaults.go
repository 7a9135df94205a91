package proxy

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/raft"
)

// rawWay is what all connections have in common one way.
type rawWay struct {
	plain  atomic.Bool // no fault is set: nothing below need be looked at
	bytes  atomic.Uint64
	chunks atomic.Uint64

	mu      sync.Mutex
	faults  []link.Fault
	link    link.Link     // of the faults that act on single chunks
	stops   []stop        // the others
	changed chan struct{} // closed when the faults change
}

// stop is a cut or a black hole and what it did.
type stop struct {
	link.Fault
	hits link.Hits
}

// SetFaults sets the faults of one way, from the next chunk on. Chunks under way
// keep their due time, but wait for a cut and vanish in a black hole.
func (r *Raw) SetFaults(way Way, faults []link.Fault) error {
	rules := link.Rules{Faults: faults}
	if err := rules.Validate(); err != nil {
		return err
	}
	var stops []stop
	for _, f := range faults {
		if err := checkRaw(f); err != nil {
			return err
		}
		if isStop(f) {
			stops = append(stops, stop{Fault: f})
		}
	}
	w := &r.ways[way]
	w.mu.Lock()
	for i := range stops {
		for _, old := range w.stops {
			if stops[i].Equal(old.Fault) {
				stops[i].hits = old.hits
			}
		}
	}
	w.faults, w.stops = faults, stops
	w.link.SetRules(rules.Without(isStop))
	w.plain.Store(len(faults) == 0)
	close(w.changed)
	w.changed = make(chan struct{})
	w.mu.Unlock()
	r.each(func(c *rawConn) { c.flows[way].signal() })
	return nil
}

// Faults returns the faults of one way.
func (r *Raw) Faults(way Way) []link.Fault {
	w := &r.ways[way]
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.faults
}

func isStop(f link.Fault) bool { return link.Is[link.Cut](f) || link.Is[link.Blackhole](f) }

// checkRaw says why a fault is none for a stream of bytes.
func checkRaw(f link.Fault) error {
	m := f.Match
	if m.Kinds != 0 || m.Way != link.BothWays || m.Term != 0 || m.From != 0 || m.To != 0 {
		return fmt.Errorf("%s: a stream of bytes has no kinds, terms and entries", f.Line(""))
	}
	switch f.Effect.(type) {
	case link.Delay, link.Rate, link.Corrupt, link.Reset:
		return nil
	case link.Cut, link.Blackhole:
		if m.Every > 1 || m.Prob != 0 && m.Prob != 1 || m.Next != 0 {
			return fmt.Errorf("%s: of a stream of bytes nothing can be left out, only all of it stopped", f.Line(""))
		}
		return nil
	}
	return fmt.Errorf("%s: that takes frames; a stream of bytes can be cut, slow, throttled, corrupted, reset, and end in a black hole", f.Line(""))
}

// Hits tells what each fault with an id did, both ways together.
func (r *Raw) Hits() map[uint64]link.Hits {
	hits := make(map[uint64]link.Hits)
	for i := range r.ways {
		w := &r.ways[i]
		w.mu.Lock()
		w.link.Hits(hits)
		for _, s := range w.stops {
			if s.ID != 0 {
				sum := hits[s.ID]
				sum.Matched += s.hits.Matched
				sum.Acted += s.hits.Acted
				hits[s.ID] = sum
			}
		}
		w.mu.Unlock()
	}
	return hits
}

// stopped tells what stops the way at this time, if anything does, and counts a
// chunk of so many bytes, if there are any. With mu held.
func (w *rawWay) stopped(now raft.Time, bytes int) link.Reason {
	var why link.Reason
	for i := range w.stops {
		s := &w.stops[i]
		if s.Match.Until != 0 && now >= s.Match.Until {
			continue
		}
		// A black hole swallows what a cut would have kept.
		if why = link.DroppedByCut; link.Is[link.Blackhole](s.Fault) {
			why = link.DroppedInBlackhole
		}
		if bytes > 0 {
			s.hits.Matched++
			s.hits.Acted++
		}
		if why == link.DroppedInBlackhole {
			break
		}
	}
	return why
}

// stopsEnd is when the first of what stops the way now ends by itself; 0 when
// nothing does. With mu held.
func (w *rawWay) stopsEnd(now raft.Time) raft.Time {
	var end raft.Time
	for _, s := range w.stops {
		if u := s.Match.Until; u > now && (end == 0 || u < end) {
			end = u
		}
	}
	return end
}

// awaitOpen waits until nothing stops the way; false when over is closed before.
func (w *rawWay) awaitOpen(c *clock.Clock, over <-chan struct{}) bool {
	for {
		clockSet := c.Changed()
		now := c.Now()
		w.mu.Lock()
		open, end, changed := w.stopped(now, 0) == "", w.stopsEnd(now), w.changed
		w.mu.Unlock()
		if open {
			return true
		}
		var timeout <-chan time.Time
		if end != 0 {
			if wait, comes := c.Until(end); comes {
				timer := time.NewTimer(wait)
				defer timer.Stop()
				timeout = timer.C
			}
		}
		select {
		case <-changed:
		case <-clockSet:
		case <-timeout:
		case <-over:
			return false
		}
	}
}
