package proxy

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// rawWay is what all connections have in common one way.
type rawWay struct {
	plain  atomic.Bool // no fault is set: nothing below need be looked at
	bytes  atomic.Uint64
	chunks atomic.Uint64

	mu      sync.Mutex
	faults  []link.Fault
	link    link.Link     // of the faults that act on a chunk as it comes
	stops   []stop        // cuts and black holes
	rates   link.Link     // of the throttles, which act as bytes go out
	slowed  []link.Fault  // the same
	rate    uint64        // counts the changes of rates
	changed chan struct{} // closed when the faults change
}

// stop is a cut or a black hole and what it did.
type stop struct {
	link.Fault
	hits link.Hits
}

// SetFaults sets the faults of one way, from the next chunk on. Chunks under way
// keep their delay, but go as fast as the way is throttled now, wait for a cut and
// vanish in a black hole; so does the rest of what is being written.
func (r *Raw) SetFaults(way Way, faults []link.Fault) error {
	rules := link.Rules{Faults: faults}
	if err := rules.Validate(); err != nil {
		return err
	}
	var stops []stop
	var slowed []link.Fault
	for _, f := range faults {
		if err := checkRaw(f); err != nil {
			return err
		}
		if isStop(f) {
			stops = append(stops, stop{Fault: f})
		}
		if link.Is[link.Rate](f) {
			slowed = append(slowed, f)
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
	w.link.SetRules(rules.Without(func(f link.Fault) bool { return isStop(f) || link.Is[link.Rate](f) }))
	if !slices.EqualFunc(slowed, w.slowed, link.Fault.Equal) {
		w.rates.SetRules(link.Rules{Faults: slowed})
		w.slowed = slowed
		w.rate++
	}
	w.plain.Store(len(faults) == 0)
	close(w.changed)
	w.changed = make(chan struct{})
	w.mu.Unlock()
	r.each(func(c *rawConn) {
		if len(stops) > 0 {
			c.flows[way].halt()
		}
		c.flows[way].signal()
	})
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
	case link.Delay, link.Corrupt, link.Reset:
		return nil
	case link.Cut, link.Blackhole, link.Rate:
		if m.Every > 1 || m.Prob != 0 && m.Prob != 1 || m.Next != 0 {
			return fmt.Errorf("%s: of a stream of bytes nothing can be left out, only all of it stopped or throttled", f.Line(""))
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
		w.rates.Hits(hits)
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

// portionTime is how much of a throttled stream goes at once: what may pass in
// that time, so that it flows.
const portionTime = 10 * time.Millisecond

// throttled tells how many bytes may go together, 0 when nothing throttles the
// way at this time, and when that may change by itself; 0 for never. With mu held.
func (w *rawWay) throttled(now raft.Time) (portion int, until raft.Time) {
	for _, f := range w.slowed {
		end := f.Match.Until
		if end != 0 && now >= end {
			continue
		}
		r := f.Effect.(link.Rate)
		n := max(int(r.Bytes/int64(time.Second/portionTime)), 1)
		if portion == 0 || n < portion {
			portion = n
		}
		if end != 0 && (until == 0 || end < until) {
			until = end
		}
	}
	return portion, until
}

// awaitOpen waits until a connection can come about: until nothing stops either
// way. It is false when over is closed before.
func (r *Raw) awaitOpen(over <-chan struct{}) bool {
	for {
		clockSet := r.clock.Changed()
		now := r.clock.Now()
		var changed [2]<-chan struct{}
		open, end := true, raft.Time(0)
		for i := range r.ways {
			w := &r.ways[i]
			w.mu.Lock()
			changed[i] = w.changed
			open = open && w.stopped(now, 0) == ""
			if e := w.stopsEnd(now); e != 0 && (end == 0 || e < end) {
				end = e
			}
			w.mu.Unlock()
		}
		if open {
			return true
		}
		var timeout <-chan time.Time
		if end != 0 {
			if wait, comes := r.clock.Until(end); comes {
				timer := time.NewTimer(wait)
				defer timer.Stop()
				timeout = timer.C
			}
		}
		select {
		case <-changed[ToTarget]:
		case <-changed[ToClient]:
		case <-clockSet:
		case <-timeout:
		case <-over:
			return false
		}
	}
}
