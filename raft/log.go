package raft

import (
	"fmt"
	"sort"
)

// entryOverhead is what an entry is counted as beside its Data, so that many
// small entries are bounded as well as few large ones.
const entryOverhead = 64

// size is what an entry counts against the bounds of Config.
func size(e *Entry) int { return len(e.Data) + entryOverhead }

// raftLog is the replicated log (§5.3) as one server holds it: the terms of all
// entries as runs, and in memory a window of the newest entries. Entries below
// the window are on stable storage and are read back from there; those up to
// base are dropped, a snapshot stands for them (§7).
//
// Entries go through four marks, each at most the last index:
// offered to the disk, durable on it, committed, applied. committed may be
// ahead of durable: an entry is committed once enough servers have it, this one
// needn't be among them (thesis §10.2.1).
type raftLog struct {
	storage Storage

	base     Index // the entry before the log's first
	baseTerm Term
	runs     []TermRun // ascending, the first starts at base+1; empty when the log is
	last     Index

	snapshot SnapshotMeta // the newest there is
	// configs are the configurations of the log, ascending by entry: the first is
	// the one that counted at the snapshot, or the bootstrap one.
	configs []configAt

	window      []Entry // the entries first..last; empty when first is last+1
	first       Index
	windowBytes int // size of the window's entries
	windowMax   int

	offered Index // handed out in a Ready, to be persisted
	durable Index // persisted; never above offered

	commit  Index // commitIndex of Figure 2
	handed  Index // handed out in a Ready, to be applied
	applied Index // lastApplied of Figure 2; never above handed

	// loose logs belong to servers with unsafe rules, which break what is asserted here.
	loose bool
}

// configAt is the configuration that entry index brought; 0 is the bootstrap one.
type configAt struct {
	index  Index
	config *Configuration // never changed
}

// newLog makes the log that from, which is valid, describes.
func newLog(storage Storage, from Restored, bootstrap Configuration, windowMax int) *raftLog {
	l := &raftLog{
		storage:   storage,
		base:      from.Base,
		baseTerm:  from.BaseTerm,
		runs:      append([]TermRun(nil), from.Runs...),
		last:      from.LastIndex,
		snapshot:  from.Snapshot,
		first:     from.LastIndex + 1,
		windowMax: windowMax,
		offered:   from.LastIndex,
		durable:   from.LastIndex,
		commit:    from.Snapshot.Index, // what a snapshot has was committed
		handed:    from.Snapshot.Index,
		applied:   from.Snapshot.Index,
		configs:   []configAt{{config: &bootstrap}},
	}
	if from.Snapshot.Index > 0 {
		l.configs[0] = configAt{index: from.Snapshot.Index, config: &from.Snapshot.Config}
	}
	for _, e := range from.Configs {
		if e.Index > from.Snapshot.Index {
			l.addConfig(e)
		}
	}
	return l
}

// addConfig takes note of the configuration in e, which was validated when it came.
func (l *raftLog) addConfig(e Entry) {
	c, err := DecodeConfiguration(e.Data)
	if err != nil {
		panic(fmt.Sprintf("raft: entry %d of term %d: %v", e.Index, e.Term, err))
	}
	l.configs = append(l.configs, configAt{index: e.Index, config: &c})
}

// config is the newest configuration in the log, committed or not (§6).
func (l *raftLog) config() *configAt { return &l.configs[len(l.configs)-1] }

// configUpTo is the newest configuration up to entry i, which is not below the snapshot.
func (l *raftLog) configUpTo(i Index) *configAt {
	k := len(l.configs) - 1
	for k > 0 && l.configs[k].index > i {
		k--
	}
	return &l.configs[k]
}

// lastTerm is the term of the last entry, 0 when there never was one.
func (l *raftLog) lastTerm() Term {
	if len(l.runs) == 0 {
		return l.baseTerm
	}
	return l.runs[len(l.runs)-1].Term
}

// run returns the position in runs of the run that holds entry i, base < i ≤ last.
func (l *raftLog) run(i Index) int {
	if k := len(l.runs) - 1; l.runs[k].First <= i { // almost always asked about the newest
		return k
	}
	return sort.Search(len(l.runs), func(k int) bool { return l.runs[k].First > i }) - 1
}

// term returns the term of entry i. Index 0 is before all entries and has term
// 0; of an index after the end, or of an entry that is dropped, the term is not
// known.
func (l *raftLog) term(i Index) (Term, bool) {
	switch {
	case i == l.base:
		return l.baseTerm, true
	case i < l.base, i > l.last:
		return 0, false
	}
	return l.runs[l.run(i)].Term, true
}

// mustTerm is term for an index the caller knows to be in the log.
func (l *raftLog) mustTerm(i Index) Term {
	t, ok := l.term(i)
	if !ok {
		panic(fmt.Sprintf("raft: term of entry %d asked, the log is %d to %d", i, l.base+1, l.last))
	}
	return t
}

// matches reports whether the log contains an entry at prev whose term is
// prevTerm: AppendEntries' consistency check (§5.3).
func (l *raftLog) matches(prev Index, prevTerm Term) bool {
	t, ok := l.term(prev)
	return ok && t == prevTerm
}

// firstOfTerm returns the first index of the run that holds entry i.
func (l *raftLog) firstOfTerm(i Index) Index { return l.runs[l.run(i)].First }

// lastUpTo returns the last index ≤ i whose term is ≤ t, the log's base when no
// entry has such a term. i is in the log.
func (l *raftLog) lastUpTo(i Index, t Term) Index {
	for k := l.run(i); k >= 0; k-- {
		if l.runs[k].Term <= t {
			return i
		}
		i = l.runs[k].First - 1
	}
	return l.base
}

// upToDate reports whether a log ending at (index, term) is at least as up to
// date as this one (§5.4.1): the later last term wins, then the longer log.
func (l *raftLog) upToDate(index Index, term Term) bool {
	own := l.lastTerm()
	return term > own || term == own && index >= l.last
}

// append adds one entry at the end.
func (l *raftLog) append(e Entry) {
	if e.Index != l.last+1 || e.Term < l.lastTerm() && !l.loose || e.Term == 0 {
		panic(fmt.Sprintf("raft: entry %d of term %d appended to a log that ends at %d of term %d",
			e.Index, e.Term, l.last, l.lastTerm()))
	}
	if e.Term != l.lastTerm() || len(l.runs) == 0 {
		l.runs = append(l.runs, TermRun{First: e.Index, Term: e.Term})
	}
	if len(l.window) == cap(l.window) {
		// Twice what is left after trimming: append's own growth, by a quarter, would
		// copy the window four times as often.
		l.window = append(make([]Entry, 0, 2*len(l.window)+32), l.window...)
	}
	l.window = append(l.window, e)
	l.windowBytes += size(&e)
	l.last = e.Index
	if e.Kind == EntryConfig {
		l.addConfig(e)
	}
}

// truncate deletes the entries from index i on (§5.3: "delete the existing
// entry and all that follow it").
func (l *raftLog) truncate(i Index) {
	if (i <= l.commit || i > l.last) && !l.loose {
		panic(fmt.Sprintf("raft: truncation from %d, committed up to %d, the log ends at %d", i, l.commit, l.last))
	}
	keep := 0
	if i > l.first {
		keep = int(i - l.first)
	} else {
		l.first = i
	}
	for k := keep; k < len(l.window); k++ {
		l.windowBytes -= size(&l.window[k])
	}
	// The entries cut off may be on their way to the disk or to a peer, in slices
	// of the same array: no room is left behind the kept ones, so the next append
	// moves to a new array.
	l.window = l.window[:keep:keep]
	for len(l.runs) > 0 && l.runs[len(l.runs)-1].First >= i {
		l.runs = l.runs[:len(l.runs)-1]
	}
	for len(l.configs) > 1 && l.config().index >= i {
		l.configs = l.configs[:len(l.configs)-1]
	}
	l.last = i - 1
	l.offered = min(l.offered, l.last)
	l.durable = min(l.durable, l.last)
	l.commit = min(l.commit, l.last) // which changes nothing in a log that is not loose
}

// compact drops the entries up to i, for which a snapshot stands (§7).
func (l *raftLog) compact(i Index) {
	if i > l.snapshot.Index || i > l.durable {
		panic(fmt.Sprintf("raft: compaction up to %d, the snapshot is of %d, durable up to %d", i, l.snapshot.Index, l.durable))
	}
	if i <= l.base {
		return
	}
	term := l.mustTerm(i)
	n := 0
	for n < len(l.runs) && (n+1 < len(l.runs) && l.runs[n+1].First <= i+1 || i == l.last) {
		n++
	}
	l.runs = append([]TermRun(nil), l.runs[n:]...)
	if len(l.runs) > 0 {
		l.runs[0].First = i + 1
	}
	for l.first <= i && len(l.window) > 0 {
		l.windowBytes -= size(&l.window[0])
		l.window = l.window[1:]
		l.first++
	}
	l.base, l.baseTerm = i, term
}

// took notes that the state up to meta is in a snapshot. The configurations
// before the one it has are history.
func (l *raftLog) took(meta SnapshotMeta) {
	l.snapshot = meta
	k := 0
	for k+1 < len(l.configs) && l.configs[k+1].index <= meta.Index {
		k++
	}
	l.configs = append([]configAt(nil), l.configs[k:]...)
}

// install makes a leader's snapshot, which is ahead of commitIndex, the
// beginning of the log. With keep the log has the snapshot's last entry, and
// all that follows it stays; else all of the log goes (§7).
func (l *raftLog) install(meta SnapshotMeta, keep bool) {
	base := configAt{index: meta.Index, config: &meta.Config}
	if keep {
		k := len(l.configs)
		for k > 0 && l.configs[k-1].index > meta.Index {
			k--
		}
		l.configs = append([]configAt{base}, l.configs[k:]...)
	} else {
		// Up to commitIndex the disk has what the snapshot has.
		l.durable = min(l.durable, l.commit)
		l.configs = []configAt{base}
		l.base, l.baseTerm = meta.Index, meta.Term
		l.runs, l.last = nil, meta.Index
		l.window, l.windowBytes, l.first = nil, 0, meta.Index+1
		l.offered = meta.Index
	}
	l.snapshot = meta
	l.commit, l.handed = meta.Index, meta.Index
}

// unoffered returns the entries the disk was not told of yet.
func (l *raftLog) unoffered() []Entry { return l.tail(l.offered + 1) }

// tail returns the entries from lo on, which must be in the window.
func (l *raftLog) tail(lo Index) []Entry {
	k := int(lo - l.first)
	return l.window[k:len(l.window):len(l.window)]
}

// read returns entries from lo on: at least one, then as many as fit into
// maxBytes, none above hi. Those below the window come from storage; stored
// tells that the disk was asked.
func (l *raftLog) read(lo, hi Index, maxBytes int) (entries []Entry, bytes int, stored bool, err error) {
	if lo > hi || lo <= l.base || hi > l.last {
		panic(fmt.Sprintf("raft: entries %d to %d asked, the log is %d to %d", lo, hi, l.base+1, l.last))
	}
	if lo >= l.first {
		n, bytes := fit(l.window[lo-l.first:hi-l.first+1], 0, maxBytes)
		return l.window[lo-l.first:][:n:n], bytes, false, nil
	}
	entries, bytes, err = l.readStored(lo, min(hi, l.first-1), maxBytes)
	if err == nil && hi >= l.first && lo+Index(len(entries)) == l.first {
		// All up to the window came: what follows there may still fit.
		n, more := fit(l.window[:hi-l.first+1], bytes, maxBytes)
		entries = append(entries[:len(entries):len(entries)], l.window[:n]...)
		bytes += more
	}
	return entries, bytes, true, err
}

// fit returns how many of entries fit into maxBytes of which used are taken,
// and their size. The first of all fits always.
func fit(entries []Entry, used, maxBytes int) (n, bytes int) {
	for n < len(entries) {
		s := size(&entries[n])
		if used+bytes > 0 && used+bytes+s > maxBytes {
			break
		}
		bytes += s
		n++
	}
	return n, bytes
}

// readStored asks storage and checks what it gives against the runs: an entry
// is verified when written and again when it comes back.
func (l *raftLog) readStored(lo, hi Index, maxBytes int) ([]Entry, int, error) {
	hi = min(hi, lo+Index(maxBytes/entryOverhead))
	entries, err := l.storage.Entries(lo, hi+1, maxBytes)
	if err == nil && (len(entries) == 0 || Index(len(entries)) > hi-lo+1) {
		err = fmt.Errorf("%d entries came", len(entries))
	}
	if err != nil {
		return nil, 0, &StorageError{Lo: lo, Hi: hi, Err: err}
	}
	for k := range entries {
		e, want := &entries[k], lo+Index(k)
		if term := l.mustTerm(want); e.Index != want || e.Term != term {
			err := fmt.Errorf("entry %d of term %d came in place of entry %d of term %d", e.Index, e.Term, want, term)
			return nil, 0, &StorageError{Lo: lo, Hi: hi, Err: err}
		}
	}
	n, bytes := fit(entries, 0, maxBytes)
	return entries[:n:n], bytes, nil
}

// trim lets go of the window's oldest entries beyond its bound. Only entries
// both persisted and applied may go: the others will be needed from memory soon.
// When the caller is behind with applying, soon may be long: they are read back.
func (l *raftLog) trim() {
	if l.storage == nil || l.windowBytes <= l.windowMax {
		return
	}
	may := min(l.durable, l.last)
	if l.handed == l.applied {
		may = min(may, l.applied)
	}
	n := 0
	for l.windowBytes > l.windowMax && l.first <= may {
		l.windowBytes -= size(&l.window[n])
		l.first++
		n++
	}
	l.window = l.window[n:]
}

// StorageError is why a Node stopped: what it had persisted did not come back
// from its Storage.
type StorageError struct {
	Lo, Hi   Index // the entries asked for, both included
	Snapshot Index // the snapshot asked for; 0 when it was entries
	Err      error
}

func (e *StorageError) Error() string {
	if e.Snapshot != 0 {
		return fmt.Sprintf("raft: read the snapshot of entry %d back from storage: %v", e.Snapshot, e.Err)
	}
	return fmt.Sprintf("raft: read entries %d to %d back from storage: %v", e.Lo, e.Hi, e.Err)
}

func (e *StorageError) Unwrap() error { return e.Err }
