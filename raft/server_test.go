package raft_test

import (
	"fmt"

	"github.com/raftlab/raftlab/raft"
)

// server is what a real one puts around a Node: a disk, a state machine and a
// life that crashes end. Whoever drives it says when the disk is done and what
// becomes of its messages.
type server struct {
	id   raft.NodeID
	cfg  raft.Config
	node *raft.Node // nil while it is down
	disk disk
	life int // how many times it was started

	writes  []write      // on their way to the disk, oldest first
	applied []raft.Entry // the state machine: everything applied in this life
}

// write is what one Ready wants persisted, and what leaves then.
type write struct {
	sync    uint64
	state   *raft.HardState
	entries []raft.Entry
	after   []raft.Message
}

// start brings the server up with what its disk holds.
func (s *server) start(now raft.Time) error {
	node, err := raft.New(s.cfg, &s.disk, s.disk.restored(), now)
	if err != nil {
		return err
	}
	s.node = node
	s.life++
	s.writes, s.applied = nil, nil
	return nil
}

// crash takes the server down. Of the writes on their way, whole ones and then
// torn entries of the next one may have reached the disk without a word.
func (s *server) crash(whole, torn int) {
	for _, w := range s.writes[:whole] {
		s.disk.write(w)
	}
	if whole < len(s.writes) && torn > 0 {
		w := s.writes[whole]
		s.disk.write(write{state: w.state, entries: w.entries[:min(torn, len(w.entries))]})
	}
	s.node, s.writes, s.applied = nil, nil, nil
}

// take does a Ready's duties up to the disk's and returns what leaves at once.
func (s *server) take(r raft.Ready) []raft.Message {
	leaving := r.Messages
	switch {
	case r.Sync > 0:
		s.writes = append(s.writes, write{r.Sync, r.State, r.Entries, r.AfterSync})
	case len(s.writes) > 0:
		last := &s.writes[len(s.writes)-1]
		last.after = append(last.after[:len(last.after):len(last.after)], r.AfterSync...)
	default:
		leaving = append(leaving, r.AfterSync...)
	}
	s.applied = append(s.applied, r.Committed...)
	return leaving
}

// sync makes the oldest n writes durable, as one, and returns what leaves then.
func (s *server) sync(now raft.Time, n int) (leaving []raft.Message) {
	for _, w := range s.writes[:n] {
		s.disk.write(w)
		leaving = append(leaving, w.after...)
	}
	newest := s.writes[n-1].sync
	s.writes = s.writes[n:]
	s.node.Persisted(now, newest)
	return leaving
}

// disk is a server's stable storage.
type disk struct {
	state   raft.HardState
	entries []raft.Entry
	reads   int
	fails   error // what every read gives, when set
}

func (d *disk) write(w write) {
	if w.state != nil {
		d.state = *w.state
	}
	if len(w.entries) > 0 {
		keep := w.entries[0].Index - 1
		if keep > d.last() {
			panic(fmt.Sprintf("entry %d written behind entry %d", w.entries[0].Index, d.last()))
		}
		d.entries = append(d.entries[:keep:keep], w.entries...)
	}
}

func (d *disk) last() raft.Index { return raft.Index(len(d.entries)) }

func (d *disk) restored() raft.Restored {
	return raft.Restored{HardState: d.state, Runs: runsOf(d.entries), LastIndex: d.last()}
}

func runsOf(entries []raft.Entry) (runs []raft.TermRun) {
	for _, e := range entries {
		if len(runs) == 0 || runs[len(runs)-1].Term != e.Term {
			runs = append(runs, raft.TermRun{First: e.Index, Term: e.Term})
		}
	}
	return runs
}

// Entries implements raft.Storage.
func (d *disk) Entries(lo, hi raft.Index, maxBytes int) ([]raft.Entry, error) {
	if d.fails != nil {
		return nil, d.fails
	}
	if hi-1 > d.last() {
		return nil, fmt.Errorf("entries %d to %d are asked back, %d are persisted", lo, hi-1, d.last())
	}
	d.reads++
	bytes, k := 0, lo
	for ; k < hi; k++ {
		bytes += len(d.entries[k-1].Data)
		if k > lo && bytes > maxBytes {
			break
		}
	}
	return append([]raft.Entry(nil), d.entries[lo-1:k-1]...), nil
}
