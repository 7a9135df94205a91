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
// the window are on stable storage and are read back from there.
//
// Entries go through four marks, each at most the last index:
// offered to the disk, durable on it, committed, applied. committed may be
// ahead of durable: an entry is committed once enough servers have it, this one
// needn't be among them (thesis §10.2.1).
type raftLog struct {
	storage Storage

	runs []TermRun // ascending, the first starts at 1; empty when the log is
	last Index

	window      []Entry // the entries first..last; empty when first is last+1
	first       Index
	windowBytes int // size of the window's entries
	windowMax   int

	offered Index // handed out in a Ready, to be persisted
	durable Index // persisted; never above offered

	commit  Index // commitIndex of Figure 2
	handed  Index // handed out in a Ready, to be applied
	applied Index // lastApplied of Figure 2; never above handed
}

func newLog(storage Storage, from Restored, windowMax int) *raftLog {
	return &raftLog{
		storage:   storage,
		runs:      append([]TermRun(nil), from.Runs...),
		last:      from.LastIndex,
		first:     from.LastIndex + 1,
		windowMax: windowMax,
		offered:   from.LastIndex,
		durable:   from.LastIndex,
	}
}

// lastTerm is the term of the last entry, 0 when there is none.
func (l *raftLog) lastTerm() Term {
	if len(l.runs) == 0 {
		return 0
	}
	return l.runs[len(l.runs)-1].Term
}

// run returns the position in runs of the run that holds entry i, 1 ≤ i ≤ last.
func (l *raftLog) run(i Index) int {
	if k := len(l.runs) - 1; l.runs[k].First <= i { // almost always asked about the newest
		return k
	}
	return sort.Search(len(l.runs), func(k int) bool { return l.runs[k].First > i }) - 1
}

// term returns the term of entry i. Index 0 is before the log and has term 0;
// an index after the end has no term.
func (l *raftLog) term(i Index) (Term, bool) {
	switch {
	case i == 0:
		return 0, true
	case i > l.last:
		return 0, false
	}
	return l.runs[l.run(i)].Term, true
}

// mustTerm is term for an index the caller knows to be in the log.
func (l *raftLog) mustTerm(i Index) Term {
	t, ok := l.term(i)
	if !ok {
		panic(fmt.Sprintf("raft: term of entry %d asked, the log ends at %d", i, l.last))
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

// lastUpTo returns the last index ≤ i whose term is ≤ t, 0 when there is none.
func (l *raftLog) lastUpTo(i Index, t Term) Index {
	for k := l.run(i); k >= 0; k-- {
		if l.runs[k].Term <= t {
			return i
		}
		i = l.runs[k].First - 1
	}
	return 0
}

// upToDate reports whether a log ending at (index, term) is at least as up to
// date as this one (§5.4.1): the later last term wins, then the longer log.
func (l *raftLog) upToDate(index Index, term Term) bool {
	own := l.lastTerm()
	return term > own || term == own && index >= l.last
}

// append adds one entry at the end.
func (l *raftLog) append(e Entry) {
	if e.Index != l.last+1 || e.Term < l.lastTerm() || e.Term == 0 {
		panic(fmt.Sprintf("raft: entry %d of term %d appended to a log that ends at %d of term %d",
			e.Index, e.Term, l.last, l.lastTerm()))
	}
	if e.Term > l.lastTerm() {
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
}

// truncate deletes the entries from index i on (§5.3: "delete the existing
// entry and all that follow it").
func (l *raftLog) truncate(i Index) {
	if i <= l.commit || i > l.last {
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
	l.last = i - 1
	l.offered = min(l.offered, l.last)
	l.durable = min(l.durable, l.last)
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
	if lo > hi || hi > l.last {
		panic(fmt.Sprintf("raft: entries %d to %d asked, the log ends at %d", lo, hi, l.last))
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
// both persisted and applied may go: the others are still needed from memory.
func (l *raftLog) trim() {
	if l.storage == nil || l.windowBytes <= l.windowMax {
		return
	}
	may := min(l.durable, l.applied)
	n := 0
	for l.windowBytes > l.windowMax && l.first <= may {
		l.windowBytes -= size(&l.window[n])
		l.first++
		n++
	}
	l.window = l.window[n:]
}

// StorageError is why a Node stopped: entries it had persisted did not come
// back from its Storage.
type StorageError struct {
	Lo, Hi Index // what was asked for, both included
	Err    error
}

func (e *StorageError) Error() string {
	return fmt.Sprintf("raft: read entries %d to %d back from storage: %v", e.Lo, e.Hi, e.Err)
}

func (e *StorageError) Unwrap() error { return e.Err }
