package node

import (
	"errors"
	"fmt"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// logBytes bounds what an Outcome tells of a log, well inside a frame.
const logBytes = 4 << 20

// obey does what the lab orders. Orders work while the clock is held: one that
// changes something does so at the time the clock shows.
func (r *replica) obey(now raft.Time, o *order) {
	var out wire.Outcome
	var err error
	switch o.Verb {
	case wire.OrderElect:
		err = r.core.Campaign(now)
		if errors.Is(err, raft.ErrLeader) {
			err = fmt.Errorf("%v leads term %d already", r.id, r.core.Term())
		}
	case wire.OrderLog:
		out.Entries, err = r.readLog(o.From, o.To)
	case wire.OrderDump:
		out.Pairs = r.store.Pairs()
	default:
		err = fmt.Errorf("%q is no order this node knows", o.Verb)
	}
	if err != nil {
		out.Error = err.Error()
	}
	out.LastIndex, out.Commit, out.Applied = r.core.LastIndex(), r.core.Commit(), r.applied
	r.outcomes = append(r.outcomes, outcome{id: o.id, Outcome: out})
}

// readLog returns the entries from..to as people read them, to 0 being the
// last: as many of them as fit a frame.
func (r *replica) readLog(from, to raft.Index) ([]wire.LogEntry, error) {
	last := r.core.LastIndex()
	if to == 0 || to > last {
		to = last
	}
	from = max(from, 1)
	var read []wire.LogEntry
	size := 0
	for from <= to {
		entries, err := r.wal.Entries(from, to+1, logBytes)
		if err != nil {
			return nil, &DiskError{Node: r.id, Dir: r.dir, Op: "read", Err: err}
		}
		for i := range entries {
			e := describe(&entries[i])
			size += len(e.Command) + 48 // names of fields and numbers
			if size > logBytes {
				return read, nil
			}
			read = append(read, e)
		}
		from += raft.Index(len(entries))
	}
	return read, nil
}

func describe(e *raft.Entry) wire.LogEntry {
	l := wire.LogEntry{Index: e.Index, Term: e.Term, Kind: e.Kind.String()}
	if e.Kind == raft.EntryCommand {
		l.Command = kv.Describe(e.Data)
	}
	return l
}
