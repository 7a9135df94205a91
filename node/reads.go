package node

import (
	"slices"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// read is a client's get that is answered from the state machine.
type read struct {
	conn *client
	id   uint64
	key  []byte
}

// readGroup is the reads of one kind that one turn brought. The core is asked
// for all of them at once: one round confirms the leadership however many reads
// wait for it (thesis §6.4).
type readGroup struct {
	id    uint64     // under which the core was asked
	index raft.Index // what must be applied, once the core has said so
	reads []read
}

// readQueue holds the linearizable reads that need no entry in the log: those
// of this turn, those of which the core has not said yet at which index they may
// be served, and those whose index is not applied yet.
type readQueue struct {
	last    uint64 // id of the newest group
	fresh   [readKinds][]read
	asked   []readGroup
	waiting []readGroup
	spare   []read // memory of a group that is done
	count   int    // of all reads
	bytes   int    // of their keys
}

// The kinds of fresh reads.
const (
	freshIndex = iota
	freshLease
	readKinds
)

// add takes a request in, to be asked about at the end of this turn.
func (q *readQueue) add(kind int, r *request) {
	if q.fresh[kind] == nil {
		q.fresh[kind], q.spare = q.spare, nil
	}
	q.fresh[kind] = append(q.fresh[kind], read{conn: r.from, id: r.id, key: r.key})
	q.count++
	q.bytes += len(r.key)
	r.from.pending++
}

// group makes the fresh reads of a kind a group.
func (q *readQueue) group(kind int) (readGroup, bool) {
	if len(q.fresh[kind]) == 0 {
		return readGroup{}, false
	}
	q.last++
	g := readGroup{id: q.last, reads: q.fresh[kind]}
	q.fresh[kind] = nil
	return g, true
}

// answered returns the group that the core speaks of.
func (q *readQueue) answered(id uint64) (readGroup, bool) {
	for i := range q.asked {
		if q.asked[i].id == id { // nearly always the first
			g := q.asked[i]
			q.asked = slices.Delete(q.asked, i, i+1)
			return g, true
		}
	}
	return readGroup{}, false
}

// done lets a group go whose reads have all been answered.
func (q *readQueue) done(g *readGroup) {
	const keep = 1 << 10
	for i := range g.reads {
		q.count--
		q.bytes -= len(g.reads[i].key)
		g.reads[i].conn.pending--
	}
	clear(g.reads)
	if cap(g.reads) <= keep {
		q.spare = g.reads[:0]
	}
}

// askReads asks the core about the reads this turn brought.
func (r *replica) askReads(now raft.Time) {
	for kind := range readKinds {
		g, any := r.reads.group(kind)
		if !any {
			continue
		}
		if err := r.core.Read(now, kind == freshLease, g.id); err != nil {
			r.redirectReads(&g) // it leads no more, or knows no leader to ask
			continue
		}
		r.reads.asked = append(r.reads.asked, g)
	}
}

// hearOf takes the core's word on reads: at which index they may be served, or
// that the leader is gone that could have told.
func (r *replica) hearOf(reads []raft.Read) {
	for i := range reads {
		g, ok := r.reads.answered(reads[i].ID)
		switch {
		case !ok:
		case !reads[i].OK:
			r.redirectReads(&g)
		default:
			g.index = reads[i].Index
			r.reads.waiting = append(r.reads.waiting, g)
		}
	}
}

// serveReads answers the reads whose index is applied.
func (r *replica) serveReads() {
	if len(r.reads.waiting) == 0 || r.store == nil {
		return
	}
	r.reads.waiting = slices.DeleteFunc(r.reads.waiting, func(g readGroup) bool {
		if g.index > r.applied {
			return false
		}
		for i := range g.reads {
			r.answerRead(&g.reads[i])
		}
		r.reads.done(&g)
		return true
	})
}

// answerRead answers from what this node has applied.
func (r *replica) answerRead(q *read) {
	value, _, found := r.store.Get(q.key)
	if r.tooMuch(q.conn, value) {
		r.reply(q.conn, &wire.Reply{ID: q.id, Code: wire.CodeBusy, Term: r.core.Term(), Error: unreadText})
		return
	}
	r.reply(q.conn, &wire.Reply{ID: q.id, Code: wire.CodeOK, Index: r.applied, Term: r.core.Term(), Found: found, Value: value})
}

// redirectReads sends reads to the leader. They have had no effect, so they can
// be asked there, or here again.
func (r *replica) redirectReads(g *readGroup) {
	for i := range g.reads {
		r.redirect(g.reads[i].conn, g.reads[i].id)
	}
	r.reads.done(g)
}

// abandonReads answers everyone who waits for a read on a node that stops.
func (r *replica) abandonReads() {
	for _, groups := range [...][]readGroup{r.reads.asked, r.reads.waiting} {
		for i := range groups {
			r.redirectReads(&groups[i])
		}
	}
	r.reads.asked, r.reads.waiting = nil, nil
}
