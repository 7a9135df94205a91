package check

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/raft"
)

// What servers call committed, and apply: State Machine Safety, a commitIndex
// that never goes back (§5.3, §5.4.3).

// commits are the entries that somebody has called committed.
type commits struct {
	runs []commitRun // ascending
	last raft.Index
}

// commitRun are entries from first up to the next run.
type commitRun struct {
	first raft.Index
	term  raft.Term   // 0: it is not known which entries these are
	in    raft.Term   // the lowest term in which somebody called them committed; it never falls from one run to the next
	by    raft.NodeID // who did
	at    raft.Time
}

// first is the first entry whose term may be known.
func (c *commits) first() raft.Index {
	if len(c.runs) == 0 {
		return 1
	}
	return c.runs[0].first
}

// run is the position of the run that holds entry i, or the first one behind it.
func (c *commits) run(i raft.Index) int {
	if k := len(c.runs) - 1; k >= 0 && c.runs[k].first <= i {
		return k
	}
	return max(0, sort.Search(len(c.runs), func(k int) bool { return c.runs[k].first > i })-1)
}

// end is the last entry of run k.
func (c *commits) end(k int) raft.Index {
	if k+1 < len(c.runs) {
		return c.runs[k+1].first - 1
	}
	return c.last
}

// add appends entries up to last.
func (c *commits) add(r commitRun, last raft.Index) {
	if last <= c.last {
		return
	}
	if k := len(c.runs) - 1; k < 0 || c.runs[k].term != r.term || c.runs[k].in != r.in {
		if len(c.runs) >= runsMost {
			c.runs = slices.Delete(c.runs, 0, len(c.runs)/2)
		}
		c.runs = append(c.runs, r)
	}
	c.last = last
}

// lower notes that the entries up to i were committed in term in at the latest,
// and tells from which entry on that is news.
func (c *commits) lower(i raft.Index, in raft.Term, by raft.NodeID, at raft.Time) (from raft.Index, news bool) {
	k := c.run(i)
	if len(c.runs) == 0 || c.runs[k].first > i || c.runs[k].in <= in {
		return 0, false
	}
	if end := c.end(k); end > i {
		rest := c.runs[k]
		rest.first = i + 1
		c.runs = slices.Insert(c.runs, k+1, rest)
	}
	for ; k >= 0 && c.runs[k].in > in; k-- {
		c.runs[k].in, c.runs[k].by, c.runs[k].at = in, by, at
		from = c.runs[k].first
	}
	return from, true
}

// committed takes note of what a server calls committed. commitIndex "increases
// monotonically" (Figure 2).
func (c *Checker) committed(v *view, d *deed.Deed) {
	c.checked[CommitMonotonic]++
	if d.First <= v.commit {
		before := v.commit
		c.violation(Violation{
			Property: CommitMonotonic, Term: d.Term, Index: d.First, Nodes: []raft.NodeID{v.id}, At: d.At,
		}, contradiction{term: d.Term, a: v.id}, func() string {
			return fmt.Sprintf("The commitIndex of %v was %d, and then %d.", v.id, before, d.First-1)
		})
	}
	v.commit = d.Index
	c.commit(v, d.At, d.First, d.Index, d.Term)
}

// commit holds the entries from lo to hi of a server's log, which it calls
// committed in a term, against what is known to be committed, and what is new
// against the logs of later leaders.
func (c *Checker) commit(v *view, at raft.Time, lo, hi raft.Index, in raft.Term) {
	k := &c.commits
	hi = min(hi, v.log.last)
	from := k.last + 1 // what is new
	for i := max(lo, v.log.base+1, k.first()); i <= min(hi, k.last); {
		known := k.run(i)
		run, end := &k.runs[known], min(hi, k.end(known))
		own, next := v.log.stretch(i)
		if run.term != 0 && own != run.term {
			c.conflict(v, at, i, own, run, "calls")
			break
		}
		i = min(end, next) + 1
	}
	if hi > k.last {
		// All before a committed entry is committed.
		i := k.last + 1
		if i <= v.log.base {
			k.add(commitRun{first: i, in: in, by: v.id, at: at}, v.log.base)
			i = v.log.base + 1
		}
		for i <= hi {
			own, next := v.log.stretch(i)
			next = min(next, hi)
			k.add(commitRun{first: i, term: own, in: in, by: v.id, at: at}, next)
			i = next + 1
		}
	}
	if lowered, news := k.lower(hi, in, v.id, at); news {
		from = min(from, lowered)
	}
	if from > hi {
		return
	}
	for n := len(c.reigns) - 1; n >= 0 && c.reigns[n].term > in; n-- {
		c.complete(c.reigns[n], from, hi)
	}
}

// stretch is the term of entry i, base < i ≤ last, and the last entry of its run.
func (l *log) stretch(i raft.Index) (raft.Term, raft.Index) {
	k := l.run(i)
	if k+1 < len(l.runs) {
		return l.runs[k].Term, l.runs[k+1].First - 1
	}
	return l.runs[k].Term, l.last
}

// conflict tells that two servers call different entries committed.
func (c *Checker) conflict(v *view, at raft.Time, i raft.Index, own raft.Term, run *commitRun, how string) {
	c.violation(Violation{
		Property: StateMachineSafety, Term: own, Index: i, Nodes: []raft.NodeID{v.id, run.by}, At: at,
	}, contradiction{term: own, a: v.id, b: run.by}, func() string {
		what := fmt.Sprintf("%v calls entry %d of term %d committed (%s)", v.id, i, own, Clock(at))
		if how != "calls" {
			what = fmt.Sprintf("%v %s a snapshot that ends with entry %d of term %d (%s)", v.id, how, i, own, Clock(at))
		}
		return fmt.Sprintf("%s, and %v called entry %d of term %d committed (%s).", what, run.by, i, run.term, Clock(run.at))
	})
}

// snapshot looks at a snapshot that a server has: it is of what is committed (§7).
func (c *Checker) snapshot(v *view, at raft.Time, i raft.Index, term raft.Term, how string) {
	k := &c.commits
	if i > k.last {
		// Who called it committed has not told, or cannot any more.
		if i > k.last+1 {
			k.add(commitRun{first: k.last + 1, in: v.term, by: v.id, at: at}, i-1)
		}
		k.add(commitRun{first: i, term: term, in: v.term, by: v.id, at: at}, i)
		return
	}
	n := k.run(i)
	if run := &k.runs[n]; run.first <= i && run.term != 0 && run.term != term {
		c.conflict(v, at, i, term, run, how)
	}
}

// apply: "if a server has applied a log entry at a given index to its state
// machine, no other server will ever apply a different log entry for the same
// index" (§5.4.3). Each applies them in order, and only what is committed.
func (c *Checker) apply(v *view, d *deed.Deed) {
	n := len(d.Digests) / deed.DigestBytes
	last := d.First + raft.Index(n) - 1
	if d.First != v.applied+1 {
		c.outOfTurn(v, d, fmt.Sprintf("%v applies entry %d after entry %d.", v.id, d.First, v.applied))
	}
	if last > v.commit {
		c.outOfTurn(v, d, fmt.Sprintf("%v applies entry %d, its commitIndex is %d.", v.id, last, v.commit))
	}
	v.applied = last
	if d.LogTerm > termMost || d.LogTerm == 0 {
		c.notCompared(StateMachineSafety, v.id, d.At, uint64(n), "terms beyond what is remembered")
		return
	}
	term, lost, commands := uint32(d.LogTerm), uint64(0), d.Commands
	for k, i := 0, d.First; k < n; k, i = k+1, i+1 {
		digest := binary.LittleEndian.Uint32(d.Digests[k*deed.DigestBytes:])
		is := deed.NoEffect
		var command []byte
		if k < len(d.Effects) {
			if is = deed.EffectKind(d.Effects[k]); is == deed.TookEffect {
				command, commands = commands[:deed.CommandBytes], commands[deed.CommandBytes:]
			}
		}
		s := c.applied.at(i)
		switch {
		case s == nil:
			lost++
		case s.term == 0:
			s.term, s.digest, s.by, s.effect = term, digest, uint16(v.id), uint8(is)
			if is == deed.TookEffect {
				c.effect(v, d.At, i, d.LogTerm, binary.LittleEndian.Uint64(command), binary.LittleEndian.Uint64(command[8:]))
			}
		case s.term != term || s.digest != digest:
			c.appliedOther(v, d, i, s, digest)
		case s.effect != uint8(is):
			c.otherEffect(v, d, i, s, is)
		}
	}
	c.checked[StateMachineSafety] += uint64(n) - lost
	if lost > 0 {
		c.notCompared(StateMachineSafety, v.id, d.At, lost, "entries applied that are too old to be compared")
	}
}

// outOfTurn tells of an entry that is not the next to be applied.
func (c *Checker) outOfTurn(v *view, d *deed.Deed, text string) {
	c.violation(Violation{
		Property: StateMachineSafety, Term: v.term, Index: d.First, Nodes: []raft.NodeID{v.id}, At: d.At,
	}, contradiction{term: v.term, a: v.id}, func() string { return text })
}

func (c *Checker) appliedOther(v *view, d *deed.Deed, i raft.Index, s *appliedSlot, digest uint32) {
	other, before := raft.NodeID(s.by), *s
	c.violation(Violation{
		Property: StateMachineSafety, Term: d.LogTerm, Index: i, Nodes: []raft.NodeID{v.id, other}, At: d.At,
	}, contradiction{term: d.LogTerm, a: v.id, b: other}, func() string {
		if raft.Term(before.term) == d.LogTerm {
			return fmt.Sprintf("%v applied entry %d of term %d as one thing (digest %08x), and %v as another (%08x).", other, i, before.term, before.digest, v.id, digest)
		}
		return fmt.Sprintf("%v applied entry %d of term %d, and %v entry %d of term %d.", other, i, before.term, v.id, i, d.LogTerm)
	})
}

// otherEffect tells that one state machine carried a command out and another did
// not: they are not the same any more.
func (c *Checker) otherEffect(v *view, d *deed.Deed, i raft.Index, s *appliedSlot, is deed.EffectKind) {
	other, before := raft.NodeID(s.by), deed.EffectKind(s.effect)
	c.violation(Violation{
		Property: StateMachineSafety, Term: d.LogTerm, Index: i, Nodes: []raft.NodeID{v.id, other}, At: d.At,
	}, contradiction{term: d.LogTerm, a: v.id, b: other}, func() string {
		return fmt.Sprintf("When entry %d was applied, %v %s and %v %s: their state machines differ.", i, other, effectText(before), v.id, effectText(is))
	})
}

func effectText(e deed.EffectKind) string {
	switch e {
	case deed.TookEffect:
		return "carried the command out"
	case deed.Repeated:
		return "took it for a repetition"
	}
	return "did nothing"
}
