package proxy

import (
	"slices"

	"github.com/raftlab/raftlab/raft"
)

// LinkCounters tell what one directed link has done so far.
type LinkCounters struct {
	From, To  raft.NodeID
	Sent      uint64 // frames that left the sender
	Copies    uint64 // frames that the network made: duplicates, and those put in by hand
	Delivered uint64
	Dropped   uint64
	Waiting   int           // Sent or Copies, and neither delivered nor dropped yet
	Held      int           // of those, the ones that wait until somebody lets them go
	Flight    raft.Duration // median of the last frames delivered under these rules; 0 when there is none
}

// Links returns the counters of all links, by From and then To, appended to dst.
func (p *Proxy) Links(dst []LinkCounters) []LinkCounters {
	for _, l := range p.all() {
		l.mu.Lock()
		c := &l.counts
		dst = append(dst, LinkCounters{
			From: l.from, To: l.to,
			Sent: c.sent, Copies: c.copies, Delivered: c.delivered, Dropped: c.dropped,
			Waiting: int(c.sent + c.copies - c.delivered - c.dropped),
			Held:    l.apart.held,
			Flight:  c.flight(),
		})
		l.mu.Unlock()
	}
	return dst
}

// counts is what a link counts.
type counts struct {
	sent, copies, delivered, dropped uint64

	flights [32]raft.Duration // of the last frames delivered
	since   raft.Time         // when the rules were set; flights are of frames that left since
	known   uint64            // how many those were
	median  raft.Duration     // of flights, when known was upTo
	upTo    uint64
}

// anew forgets how long frames took, those under way, too: under other rules it
// says nothing.
func (c *counts) anew(now raft.Time) { c.since, c.known, c.median, c.upTo = now, 0, 0, 0 }

func (c *counts) arrived(left, now raft.Time) {
	c.delivered++
	if left < c.since {
		return
	}
	c.flights[c.known%uint64(len(c.flights))] = raft.Duration(now - left)
	c.known++
}

func (c *counts) flight() raft.Duration {
	if c.upTo == c.known {
		return c.median
	}
	sorted := c.flights
	n := min(c.known, uint64(len(sorted)))
	slices.Sort(sorted[:n])
	c.median, c.upTo = sorted[n/2], c.known
	return c.median
}
