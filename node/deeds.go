package node

import (
	"fmt"
	"slices"

	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// deeds are those the lab has not been told of, as bytes, in pieces that fit a
// report each. They are never dropped: a lab that does not read costs memory.
type deeds struct {
	full [][]byte
	last []byte
	at   raft.Time // of the last deed in last
	room int       // that the last piece took
}

// deedsPerReport is how long a piece gets, one deed more at most. A deed is bounded
// by the entries it tells of, and far below what a frame takes.
const deedsPerReport = 256 << 10

func (d *deeds) add(w *deed.Witness) {
	list := w.Deeds()
	for i := range list {
		if len(d.last) >= deedsPerReport {
			d.full = append(d.full, d.last)
			d.last = nil
		}
		if d.last == nil {
			d.last, d.at = make([]byte, 0, d.room), 0
		}
		d.last = deed.Append(d.last, &list[i], d.at)
		d.at = list[i].At
	}
	w.Reset()
}

func (d *deeds) pieces() int {
	if len(d.last) > 0 {
		return len(d.full) + 1
	}
	return len(d.full)
}

// take returns the oldest piece, nil when there is none.
func (d *deeds) take() []byte {
	if len(d.full) > 0 {
		piece := d.full[0]
		d.full = d.full[1:]
		return piece
	}
	piece := d.last
	d.last = nil
	d.room = min(2*len(piece), deedsPerReport)
	return piece
}

// did adds what a witness has seen. The lab hears of it with the next state.
func (t *telemetry) did(w *deed.Witness) {
	if len(w.Deeds()) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deeds.add(w)
}

// effect is what the state machine made of a command, as the lab is told.
func effect(t kv.Took) deed.Effect {
	switch {
	case t.Repeated:
		return deed.Effect{Is: deed.Repeated}
	case t.Session != 0:
		return deed.Effect{Is: deed.TookEffect, Session: t.Session, Seq: t.Seq}
	}
	return deed.Effect{}
}

// startBytes is how much of the log is read at once for who is told of it.
const startBytes = 1 << 20

// witnessStart tells what the node begins with: all of it, since of what an
// earlier life told some may not have got to its disk.
func (r *replica) witnessStart(c *wire.Configure, from *raft.Restored) error {
	now := r.clock.Now()
	r.witness.Started(now, from, raft.Configuration{Voters: slices.Sorted(slices.Values(c.Bootstrap))})
	for next := from.Base + 1; next <= from.LastIndex; {
		entries, err := r.wal.Entries(next, from.LastIndex+1, startBytes)
		if err != nil {
			return &DiskError{Node: r.id, Dir: r.dir, Op: "read", Err: err}
		}
		if len(entries) == 0 {
			return &DiskError{Node: r.id, Dir: r.dir, Op: "read", Err: fmt.Errorf("no entry %d came", next)}
		}
		r.witness.Stored(now, entries)
		next += raft.Index(len(entries))
		r.telemetry.did(&r.witness)
	}
	r.telemetry.did(&r.witness)
	return nil
}
