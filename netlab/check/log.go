package check

import (
	"slices"
	"sort"

	"github.com/raftlab/raftlab/raft"
)

// log is a server's log as its terms, run by run.
type log struct {
	base     raft.Index // the entry before the first; a snapshot stands for those up to it
	baseTerm raft.Term  // 0 when it is not known
	last     raft.Index
	runs     []raft.TermRun // ascending; the first starts at base+1
}

// reset makes it an empty log behind base.
func (l *log) reset(base raft.Index, term raft.Term) {
	l.base, l.baseTerm, l.last, l.runs = base, term, base, l.runs[:0]
}

// term is that of entry i; 0 and false when it is not in the log, or not known.
// The entry before all has term 0.
func (l *log) term(i raft.Index) (raft.Term, bool) {
	switch {
	case i > l.last || i < l.base:
		return 0, false
	case i == l.base:
		return l.baseTerm, i == 0 || l.baseTerm > 0
	}
	return l.runs[l.run(i)].Term, true
}

// run is the position of the run that holds entry i, base < i ≤ last.
func (l *log) run(i raft.Index) int {
	if k := len(l.runs) - 1; l.runs[k].First <= i {
		return k
	}
	return sort.Search(len(l.runs), func(k int) bool { return l.runs[k].First > i }) - 1
}

// add puts n entries of term at first, and ends the log with them. It returns
// false when the log does not reach up to there: what is between is not known.
func (l *log) add(first raft.Index, term raft.Term, n raft.Index) bool {
	follows := first <= l.last+1
	switch {
	case !follows, first <= l.base:
		l.reset(first-1, 0)
	case first <= l.last:
		l.cut(first)
	}
	if k := len(l.runs) - 1; k < 0 || l.runs[k].Term != term {
		if len(l.runs) >= runsMost {
			// The older half is let go; it begins where the newer one does.
			half := len(l.runs) / 2
			l.base, l.baseTerm = l.runs[half].First-1, l.runs[half-1].Term
			l.runs = slices.Delete(l.runs, 0, half)
		}
		l.runs = append(l.runs, raft.TermRun{First: first, Term: term})
	}
	l.last = first + n - 1
	return follows
}

// cut deletes the entries from i on.
func (l *log) cut(i raft.Index) {
	if i <= l.base {
		l.reset(i-1, 0)
		return
	}
	for len(l.runs) > 0 && l.runs[len(l.runs)-1].First >= i {
		l.runs = l.runs[:len(l.runs)-1]
	}
	l.last = min(l.last, i-1)
}

// compact forgets the entries up to i, which is of term.
func (l *log) compact(i raft.Index, term raft.Term) {
	switch {
	case i <= l.base:
		return
	case i >= l.last:
		l.reset(i, term)
		return
	}
	k := l.run(i + 1)
	l.runs = slices.Delete(l.runs, 0, k)
	l.runs[0].First = i + 1
	l.base, l.baseTerm = i, term
}

// copyFrom makes l what o is.
func (l *log) copyFrom(o *log) {
	l.base, l.baseTerm, l.last = o.base, o.baseTerm, o.last
	l.runs = append(l.runs[:0], o.runs...)
}
