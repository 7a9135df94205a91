package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/raftlab/raftlab/raft"
)

// StoredLog is what one server's disk holds.
type StoredLog struct {
	ID       int
	Base     raft.Index // the log holds the entries behind it
	BaseTerm raft.Term
	Entries  []StoredEntry // Base+1 and on
	Hard     raft.HardState
	States   []raft.HardState // that were written before, as far as the log still tells, oldest first
	Snapshot raft.SnapshotMeta
}

// StoredEntry is an entry, its kind and data as a digest.
type StoredEntry struct {
	Term   raft.Term
	Digest uint64
}

// Contradiction is something that the disks of a cluster cannot hold together.
type Contradiction struct {
	Property Property
	Term     raft.Term
	Index    raft.Index
	Nodes    []int
	Message  string
}

// last is the index of a log's last entry.
func (l *StoredLog) last() raft.Index { return l.Base + raft.Index(len(l.Entries)) }

// at is entry i; ok is false when the log does not hold it.
func (l *StoredLog) at(i raft.Index) (e StoredEntry, ok bool) {
	if i <= l.Base || i > l.last() {
		return StoredEntry{}, false
	}
	return l.Entries[i-l.Base-1], true
}

// term is that of entry i, also of the one the log begins behind and of the one
// the snapshot ends with.
func (l *StoredLog) term(i raft.Index) (raft.Term, bool) {
	if e, ok := l.at(i); ok {
		return e.Term, true
	}
	switch i {
	case 0:
		return 0, false
	case l.Base:
		return l.BaseTerm, true
	case l.Snapshot.Index:
		return l.Snapshot.Term, true
	}
	return 0, false
}

// CompareStored holds the disks of a cluster against each other, and each against
// itself. How many entries were compared with another disk's is the second result.
func CompareStored(logs []StoredLog) (found []Contradiction, compared int) {
	for i := range logs {
		found = append(found, logs[i].alone()...)
	}
	for i := range logs {
		for k := i + 1; k < len(logs); k++ {
			more, n := matching(&logs[i], &logs[k])
			found, compared = append(found, more...), compared+n
			found = append(found, applied(&logs[i], &logs[k])...)
		}
	}
	return append(found, elected(logs)...), compared
}

// alone is what a disk says against itself.
func (l *StoredLog) alone() (found []Contradiction) {
	say := func(p Property, term raft.Term, i raft.Index, format string, args ...any) {
		found = append(found, Contradiction{p, term, i, []int{l.ID}, fmt.Sprintf("S%d's disk: ", l.ID) + fmt.Sprintf(format, args...)})
	}
	term := l.BaseTerm
	for k, e := range l.Entries {
		if e.Term < term {
			i := l.Base + 1 + raft.Index(k)
			say(LogMatching, e.Term, i, "entry %d is of term %d, the one before it of term %d: terms never fall along a log (§5.3)", i, e.Term, term)
			break
		}
		term = e.Term
	}
	if last := max(term, l.Snapshot.Term); last > l.Hard.Term {
		say(OneVote, l.Hard.Term, l.last(), "the current term is %d, but an entry of term %d is stored: a server takes a leader's term before its entries (§5.1)", l.Hard.Term, last)
	}
	if s, ok := l.term(l.Snapshot.Index); ok && l.Snapshot.Index > 0 && s != l.Snapshot.Term {
		say(StateMachineSafety, s, l.Snapshot.Index, "entry %d is of term %d in the log, and of term %d by the snapshot that ends with it", l.Snapshot.Index, s, l.Snapshot.Term)
	}
	for k := 1; k < len(l.States); k++ {
		a, b := l.States[k-1], l.States[k]
		switch {
		case b.Term < a.Term:
			say(OneVote, b.Term, 0, "the current term went back from %d to %d", a.Term, b.Term)
		case b.Term == a.Term && a.Vote != 0 && b.Vote != a.Vote:
			say(OneVote, b.Term, 0, "in term %d the vote was for %v and then for %v", b.Term, a.Vote, b.Vote)
		}
	}
	return found
}

// matching is Log Matching (§5.3): where two logs have an entry of one index
// and term, they are the same up to there.
func matching(a, b *StoredLog) (found []Contradiction, compared int) {
	lo, hi := max(a.Base, b.Base)+1, min(a.last(), b.last())
	shared := raft.Index(0)
	for i := hi; i >= lo && i > 0; i-- {
		x, _ := a.at(i)
		y, _ := b.at(i)
		if x.Term == y.Term {
			shared = i
			break
		}
	}
	if hi >= lo {
		compared = int(hi - lo + 1)
	}
	for i := lo; i <= shared; i++ {
		x, _ := a.at(i)
		y, _ := b.at(i)
		if x == y {
			continue
		}
		how := fmt.Sprintf("is of term %d on S%d and of term %d on S%d", x.Term, a.ID, y.Term, b.ID)
		if x.Term == y.Term {
			how = fmt.Sprintf("of term %d is not the same command on S%d and S%d", x.Term, a.ID, b.ID)
		}
		t, _ := a.at(shared)
		return []Contradiction{{LogMatching, x.Term, i, []int{a.ID, b.ID},
			fmt.Sprintf("entry %d %s, though both have entry %d of term %d", i, how, shared, t.Term)}}, compared
	}
	return nil, compared
}

// applied is State Machine Safety: what two servers have folded into snapshots is
// committed on both, so it is the same.
func applied(a, b *StoredLog) []Contradiction {
	both := min(a.Snapshot.Index, b.Snapshot.Index)
	for i := max(a.Base, b.Base, 1); i <= both; i++ {
		x, ok1 := a.term(i)
		y, ok2 := b.term(i)
		e, ok3 := a.at(i)
		f, ok4 := b.at(i)
		if ok1 && ok2 && x != y || ok3 && ok4 && e != f {
			return []Contradiction{{StateMachineSafety, x, i, []int{a.ID, b.ID},
				fmt.Sprintf("entry %d was applied by S%d and by S%d, and is not the same: terms %d and %d", i, a.ID, b.ID, x, y)}}
		}
	}
	if a.Snapshot.Index == b.Snapshot.Index && both > 0 && a.Snapshot.Term != b.Snapshot.Term {
		return []Contradiction{{StateMachineSafety, a.Snapshot.Term, both, []int{a.ID, b.ID},
			fmt.Sprintf("the snapshots of S%d and S%d both end with entry %d, of term %d and of term %d", a.ID, b.ID, both, a.Snapshot.Term, b.Snapshot.Term)}}
	}
	return nil
}

// elected is Election Safety as far as votes are on the disks: that two have the
// votes of a majority of all servers in one term.
func elected(logs []StoredLog) (found []Contradiction) {
	type poll struct {
		term raft.Term
		who  raft.NodeID
	}
	votes := make(map[poll][]int)
	for _, l := range logs {
		for _, s := range append(slices.Clone(l.States), l.Hard) {
			p := poll{s.Term, s.Vote}
			if s.Vote != 0 && !slices.Contains(votes[p], l.ID) {
				votes[p] = append(votes[p], l.ID)
			}
		}
	}
	won := make(map[raft.Term][]raft.NodeID)
	for p, who := range votes {
		if 2*len(who) > len(logs) {
			won[p.term] = append(won[p.term], p.who)
		}
	}
	for term, who := range won {
		if len(who) < 2 {
			continue
		}
		slices.Sort(who)
		var texts []string
		var nodes []int
		for _, w := range who {
			texts = append(texts, fmt.Sprintf("%v has those of %s", w, names(votes[poll{term, w}])))
			nodes = append(nodes, int(w))
		}
		found = append(found, Contradiction{ElectionSafety, term, 0, nodes, fmt.Sprintf("in term %d two have the votes of a majority: %s", term, strings.Join(texts, ", "))})
	}
	slices.SortFunc(found, func(a, b Contradiction) int { return cmp.Compare(a.Term, b.Term) })
	return found
}

func names(ids []int) string {
	var out []string
	for _, id := range ids {
		out = append(out, fmt.Sprintf("S%d", id))
	}
	return strings.Join(out, " ")
}
