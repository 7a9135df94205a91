package netlab

import (
	"fmt"
	"time"

	"github.com/raftlab/raftlab/netlab/explain"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// eventsKept bounds the event store; the oldest go first.
const eventsKept = 100_000

// stored is an Event and, when a node reported it, the fact behind it. The
// sentence of a fact is made when somebody reads it: under load there are
// many more facts than readers.
type stored struct {
	Event
	fact *raft.Event
	by   *raft.Configuration // what its node counted by then; nil when that is not known
	kept int64               // lab time at which the lab heard of it; it never falls from one to the next
}

// eventStore keeps the last events in a ring. IDs start at 1 and have no gaps.
// It is not safe for use by several goroutines at once.
type eventStore struct {
	ring []stored
	last uint64 // id of the newest, 0 when there is none
	keep int
}

func newEventStore(keep int) *eventStore { return &eventStore{keep: keep} }

// add numbers an event that is heard of at lab time now, and keeps it.
func (s *eventStore) add(e stored, now raft.Time) uint64 {
	e.kept = int64(now)
	s.last++
	e.ID = s.last
	if len(s.ring) < s.keep {
		s.ring = append(s.ring, e)
	} else {
		s.ring[(s.last-1)%uint64(s.keep)] = e
	}
	return s.last
}

// oldest is the id of the first event still kept, 1 when there is none yet.
func (s *eventStore) oldest() uint64 { return s.last - uint64(len(s.ring)) + 1 }

// at returns the kept event of this id, with its sentence.
func (s *eventStore) at(id uint64) Event {
	e := &s.ring[(id-1)%uint64(s.keep)]
	if e.fact != nil {
		var by raft.Configuration
		if e.by != nil {
			by = *e.by
		}
		e.Text, e.Rule = explain.Event(*e.fact, by)
		e.fact, e.by = nil, nil
	}
	return e.Event
}

// after returns up to limit events with ids over id, oldest first, and how
// many such events are not kept any more.
func (s *eventStore) after(id uint64, limit int) (events []Event, gone uint64) {
	from := id + 1
	if o := s.oldest(); from < o {
		gone, from = o-from, o
	}
	for ; from <= s.last && len(events) < limit; from++ {
		events = append(events, s.at(from))
	}
	return events, gone
}

// since returns the id of the last event that was heard of before lab time t:
// all that happened at or after t come after it, and perhaps a few others, for
// nodes tell a little late.
func (s *eventStore) since(t int64) uint64 {
	lo, hi := s.oldest(), s.last+1
	for lo < hi {
		mid := lo + (hi-lo)/2
		if s.ring[(mid-1)%uint64(s.keep)].kept < t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - 1
}

// factEvent makes an event of what a node reported, which counts by a
// configuration.
func factEvent(node int, f *raft.Event, by *raft.Configuration, at time.Time) stored {
	e := Event{
		Schema: SchemaEvent, At: at, LabNS: int64(f.At), Node: node, Peer: int(f.Peer),
		Term: uint64(f.Term), First: uint64(f.First), Index: uint64(f.Index),
	}
	switch f.Kind {
	case raft.EventRole:
		e.Kind = EventRole
	case raft.EventTimeout:
		e.Kind = EventTimeout
	case raft.EventTermSeen:
		e.Kind = EventTerm
	case raft.EventVoteGiven, raft.EventVoteRefused, raft.EventVoteCounted:
		e.Kind = EventVote
	case raft.EventElected:
		e.Kind = EventElected
	case raft.EventAppended:
		e.Kind, e.Minor = EventAppend, true
	case raft.EventTruncated:
		e.Kind = EventTruncate
	case raft.EventAppendRefused, raft.EventBackedUp:
		e.Kind = EventRefuse
	case raft.EventCommitted:
		// A leader's commit names the servers that store it; a follower only learns of it.
		e.Kind, e.Minor = EventCommit, len(f.Nodes) == 0
	case raft.EventCommitHeld:
		e.Kind = EventCommit
	case raft.EventConfigured, raft.EventConfigCommitted, raft.EventCatchingUp, raft.EventCaughtUp, raft.EventChangeDropped:
		e.Kind = EventConfig
		if f.Kind == raft.EventConfigured || f.Kind == raft.EventConfigCommitted {
			e.Config = ConfigSimple
			if f.Config != nil && f.Config.Joint() {
				e.Config = ConfigJoint
			}
		}
	case raft.EventSteppedDown:
		e.Kind = EventRole
	case raft.EventTransferStarted, raft.EventTransferSent, raft.EventTransferFailed:
		e.Kind = EventTransfer
	case raft.EventSnapshotTaken, raft.EventSnapshotSent, raft.EventSnapshotDone, raft.EventSnapshotReceived, raft.EventSnapshotInstalled:
		e.Kind = EventSnapshot
	case raft.EventCompacted:
		// The snapshot it follows from has said the more.
		e.Kind, e.Minor = EventSnapshot, true
	case raft.EventReadConfirmed, raft.EventLeaseRead:
		e.Kind, e.Minor = EventRead, true
	default:
		e.Kind = EventNote
	}
	return stored{Event: e, fact: f, by: by}
}

// damagedEvent says that a node refused frames that were damaged on their way.
func damagedEvent(node int, d wire.Damaged, at time.Time) stored {
	text := fmt.Sprintf("refused a damaged frame from %v", d.From)
	if d.Frames > 1 {
		text = fmt.Sprintf("refused %d damaged frames from %v", d.Frames, d.From)
	}
	return stored{Event: Event{
		Schema: SchemaEvent, At: at, LabNS: int64(d.At), Node: node, Peer: int(d.From), Kind: EventNote, Text: text,
	}}
}
