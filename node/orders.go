package node

import (
	"errors"
	"fmt"
	"strings"

	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// logBytes bounds what an Outcome tells of a log, well inside a frame.
const logBytes = 4 << 20

// obey does what the lab orders. Orders work while the clock is held: one that
// changes something does so at the time the clock shows.
func (r *replica) obey(now raft.Time, o *order, held bool) {
	var out wire.Outcome
	var err error
	switch o.Verb {
	case wire.OrderElect:
		err = r.refusal(r.core.Campaign(now))
	case wire.OrderLog:
		out.Entries, err = r.readLog(o.From, o.To)
	case wire.OrderDump:
		if r.store == nil {
			err = fmt.Errorf("%v is loading its snapshot of entry %d: try again in a moment", r.id, r.loading.meta.Index)
			break
		}
		out.Pairs = r.store.Pairs()
	case wire.OrderMembers:
		err = r.refusal(r.core.ChangeMembers(now, o.Members))
	case wire.OrderTransfer:
		err = r.refusal(r.core.TransferLeadership(now, o.Node))
	case wire.OrderDisk:
		if err = r.orderDisk(o); errors.Is(err, errLater) {
			return
		}
	case wire.OrderSnapshot:
		if err = r.orderSnapshot(now, o.id, held); err == nil {
			return
		}
	case wire.OrderStep:
		if err = r.orderStep(o); err == nil {
			return
		}
	default:
		err = fmt.Errorf("%q is no order this node knows", o.Verb)
	}
	r.outcome(o.id, out, err)
}

// outcome answers an order. It leaves at the end of the turn.
func (r *replica) outcome(id uint64, out wire.Outcome, err error) {
	if err != nil {
		out.Error = err.Error()
	}
	out.FirstIndex, out.LastIndex = r.core.Status().Base+1, r.core.LastIndex()
	out.Commit, out.Applied = r.core.Commit(), r.applied
	r.outcomes = append(r.outcomes, outcome{id: id, Outcome: out})
}

// refusal is the sentence for why the core does not do what was ordered.
func (r *replica) refusal(err error) error {
	switch leader := r.core.Leader(); {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader) && leader == 0:
		return fmt.Errorf("%v does not lead, and knows no leader of term %d", r.id, r.core.Term())
	case errors.Is(err, raft.ErrNotLeader):
		return fmt.Errorf("%v does not lead, %v does in term %d", r.id, leader, r.core.Term())
	case errors.Is(err, raft.ErrLeader):
		return fmt.Errorf("%v leads term %d already", r.id, r.core.Term())
	case errors.Is(err, raft.ErrTransferring):
		return fmt.Errorf("%v is handing over to %v: try again in a moment", r.id, r.core.Status().TransferTo)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "raft: "))
}

// readLog returns the entries from..to as people read them, to 0 being the
// last: those of them that are not compacted away, as many as fit a frame.
func (r *replica) readLog(from, to raft.Index) ([]wire.LogEntry, error) {
	last := r.core.LastIndex()
	if to == 0 || to > last {
		to = last
	}
	from = max(from, r.core.Status().Base+1)
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
	switch e.Kind {
	case raft.EntryCommand:
		l.Command = kv.Describe(e.Data)
	case raft.EntryConfig:
		c, err := raft.DecodeConfiguration(e.Data)
		if err != nil {
			l.Command = err.Error()
			break
		}
		l.Command = c.String()
	}
	return l
}
