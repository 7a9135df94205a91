package deed

import (
	"encoding/binary"

	"github.com/raftlab/raftlab/raft"
)

// Witness makes deeds of what one server's core hands out. The deeds are to be
// taken with [Witness.Deeds] and let go with [Witness.Reset]; they share memory
// with the core's events and with the Witness.
type Witness struct {
	deeds    []Deed
	digests  []byte // of all Stored and Applied among them
	effects  []byte // of all Applied
	commands []byte // of all Applied
	joined   []span // kept for its memory
}

// span is which of a Ready's entries an event brought and no later one took out
// again.
type span struct{ lo, hi raft.Index }

// Deeds are all since the last Reset, in the order they were done.
func (w *Witness) Deeds() []Deed { return w.deeds }

// Reset lets them go.
func (w *Witness) Reset() {
	clear(w.deeds)
	w.deeds, w.digests, w.effects, w.commands = w.deeds[:0], w.digests[:0], w.effects[:0], w.commands[:0]
}

// Started tells that a server comes up with what its disk had. The entries of
// its log follow, with [Witness.Stored]. bootstrap is its configuration when
// it has no snapshot.
func (w *Witness) Started(at raft.Time, from *raft.Restored, bootstrap raft.Configuration) {
	d := Deed{
		Kind: Started, At: at, Term: from.HardState.Term, First: from.Base, LogTerm: from.BaseTerm,
		Index: from.Snapshot.Index, IndexTerm: from.Snapshot.Term, Nodes: []raft.NodeID{from.HardState.Vote}, Config: &bootstrap,
	}
	if from.Snapshot.Index > 0 {
		d.Config = &from.Snapshot.Config
	}
	w.deeds = append(w.deeds, d)
}

// Ended tells that the server stops and that nothing follows.
func (w *Witness) Ended(at raft.Time) { w.deeds = append(w.deeds, Deed{Kind: Ended, At: at}) }

// Ready tells what the server did up to this Ready: its events, and the entries
// it hands to the disk.
func (w *Witness) Ready(rd *raft.Ready) {
	if len(rd.Events) == 0 {
		return
	}
	w.share(rd)
	for k := range rd.Events {
		e := &rd.Events[k]
		d := Deed{At: e.At, Term: e.Term}
		switch e.Kind {
		case raft.EventRole:
			d.Kind, d.Role = Became, e.Role
		case raft.EventElected:
			d.Kind, d.Nodes = Elected, e.Nodes
		case raft.EventAppended:
			if s := w.joined[k]; s.lo < s.hi {
				first := rd.Entries[0].Index
				w.Stored(e.At, rd.Entries[s.lo-first:s.hi-first])
			}
			continue
		case raft.EventTruncated:
			d.Kind, d.First, d.Index = Truncated, e.First, e.Index
		case raft.EventCommitted:
			d.Kind, d.First, d.Index, d.LogTerm = Committed, e.First, e.Index, e.LogTerm
		case raft.EventSnapshotInstalled:
			d.Kind, d.Index, d.LogTerm, d.Keep = Installed, e.Index, e.LogTerm, e.Granted
			if rd.Install != nil && rd.Install.Meta.Index == e.Index {
				d.Config = &rd.Install.Meta.Config
			}
		case raft.EventSnapshotTaken:
			d.Kind, d.Index, d.LogTerm = SnapshotTaken, e.Index, e.LogTerm
		case raft.EventCompacted:
			d.Kind, d.Index, d.LogTerm = Compacted, e.Index, e.LogTerm
		default:
			continue
		}
		w.deeds = append(w.deeds, d)
	}
}

// share finds out which event brought which of the entries. Those of a Ready
// are what is left when all its events have happened: an entry may have been
// deleted again, by a leader that came in the same turn.
func (w *Witness) share(rd *raft.Ready) {
	w.joined = append(w.joined[:0], make([]span, len(rd.Events))...)
	if len(rd.Entries) == 0 {
		return
	}
	first := rd.Entries[0].Index
	cut := first + raft.Index(len(rd.Entries)) // entries from here on came later
	for k := len(rd.Events) - 1; k >= 0; k-- {
		switch e := &rd.Events[k]; e.Kind {
		case raft.EventAppended:
			s := span{max(e.First, first), min(e.Index+1, cut)}
			if s.lo < s.hi {
				w.joined[k] = s
				cut = s.lo
			}
		case raft.EventTruncated:
			cut = min(cut, e.First)
		case raft.EventSnapshotInstalled:
			if !e.Granted {
				cut = 0
			}
		}
	}
}

// entriesMost bounds the entries of one deed, which has to fit a frame.
const entriesMost = 1 << 14

// Stored tells of entries, which follow each other, that join the log.
func (w *Witness) Stored(at raft.Time, entries []raft.Entry) {
	for i := 0; i < len(entries); {
		term, start, n := entries[i].Term, len(w.digests), i
		for ; n < len(entries) && n-i < entriesMost && entries[n].Term == term; n++ {
			w.digest(&entries[n])
			if entries[n].Kind == raft.EntryConfig {
				n++
				break
			}
		}
		w.deeds = append(w.deeds, Deed{Kind: Stored, At: at, Term: term, First: entries[i].Index, Digests: w.digests[start:len(w.digests):len(w.digests)]})
		if last := &entries[n-1]; last.Kind == raft.EntryConfig {
			if c, err := raft.DecodeConfiguration(last.Data); err == nil {
				w.deeds = append(w.deeds, Deed{Kind: Configured, At: at, Term: term, Index: last.Index, Config: &c})
			}
		}
		i = n
	}
}

func (w *Witness) digest(e *raft.Entry) {
	w.digests = binary.LittleEndian.AppendUint32(w.digests, Digest(e.Kind, e.Data))
}

// Apply tells that e was applied, and to what effect. Consecutive entries become
// one deed.
func (w *Witness) Apply(at raft.Time, e *raft.Entry, effect Effect) {
	w.digest(e)
	w.effects = append(w.effects, byte(effect.Is))
	named := 0
	if effect.Is == TookEffect {
		w.commands = binary.LittleEndian.AppendUint64(w.commands, effect.Session)
		w.commands = binary.LittleEndian.AppendUint64(w.commands, effect.Seq)
		named = CommandBytes
	}
	if k := len(w.deeds) - 1; k >= 0 {
		d := &w.deeds[k]
		n := len(d.Digests) / DigestBytes
		if d.Kind == Applied && d.LogTerm == e.Term && d.First+raft.Index(n) == e.Index && n < entriesMost {
			// What it has stands right before, also where the arrays have moved.
			d.Digests = tail(w.digests, len(d.Digests)+DigestBytes)
			d.Effects = tail(w.effects, n+1)
			d.Commands = tail(w.commands, len(d.Commands)+named)
			return
		}
	}
	w.deeds = append(w.deeds, Deed{
		Kind: Applied, At: at, First: e.Index, LogTerm: e.Term,
		Digests: tail(w.digests, DigestBytes), Effects: tail(w.effects, 1), Commands: tail(w.commands, named),
	})
}

func tail(b []byte, n int) []byte { return b[len(b)-n : len(b) : len(b)] }
