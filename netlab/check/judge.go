package check

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/raftlab/raftlab/node/wire"
)

// Window is a stretch of a key's operations that is judged as a whole.
type Window struct {
	key      string
	states   configs
	lost     []*Operation
	recent   []*Operation
	segments []segment
	timeout  time.Duration

	judged    int
	undecided int
	skipped   int
	findings  []Finding
	given     string
}

// Judge asks porcupine about one segment after the other.
func (w *Window) Judge() {
	for i := range w.segments {
		if w.given != "" {
			w.skipped += len(w.segments[i].ops) + len(w.segments[i].lost)
			continue
		}
		w.segment(&w.segments[i])
	}
}

func (w *Window) segment(s *segment) {
	lost := slices.Concat(w.lost, s.lost)
	if len(lost) > maxLost {
		w.given = fmt.Sprintf("more than %d operations had an outcome that nobody knows", maxLost)
		w.skipped += len(s.ops) + len(s.lost)
		return
	}
	seen := lost
	if s.forced {
		seen = slices.Concat(lost, slices.DeleteFunc(slices.Clone(s.open), func(o *Operation) bool { return !o.writes() }))
	}
	unknown := configs{{reg: register{unknown: true}}}
	if len(seen) > maxLost {
		w.undecided += len(s.ops) + len(s.lost)
		w.states, w.lost = unknown, lost
		return
	}
	verdict := ask(w.states, s.ops, seen, w.timeout)
	end, culprit, gaveUp := sweep(w.states, s.ops, seen)
	// The sweep is exact when it comes to its end: then a porcupine that did not is
	// no loss.
	inOrder, decided := verdict == porcupine.Ok, verdict != porcupine.Unknown
	if !gaveUp {
		decided = !decided || inOrder == (culprit == nil)
		inOrder = culprit == nil
	}
	switch n := len(s.ops) + len(s.lost); {
	case !decided: // too much to look at, or the two contradict each other
		w.undecided += n
		end = unknown
	case inOrder:
		w.judged += n
	default:
		w.judged += n
		w.findings = append(w.findings, finding(w.key, slices.Concat(w.recent, s.ops), seen, culprit))
		end = unknown
	}
	if gaveUp || s.forced {
		end = unknown
	}
	w.states, w.lost = forget(end, lost)
	w.remember(s.ops)
}

// contextMax is how many operations a sentence names of each kind.
const contextMax = 3

// remember keeps the last writes for what comes to light later.
func (w *Window) remember(ops []*Operation) {
	recent := slices.Clone(w.recent)
	for _, op := range ops {
		if op.writes() && !op.Answer.Refused {
			recent = append(recent, op)
		}
	}
	slices.SortFunc(recent, func(a, b *Operation) int { return cmp.Compare(a.Returned, b.Returned) })
	w.recent = slices.Clone(recent[max(len(recent)-contextMax, 0):])
}

// forget drops the lost operations that have taken effect in every state.
func forget(states configs, lost []*Operation) (configs, []*Operation) {
	all := mask(len(lost))
	for i := range states {
		all &= states[i].used
	}
	var out configs
	for _, c := range states {
		next := configuration{reg: c.reg}
		to := 0
		for i := range lost {
			if all&(1<<i) != 0 {
				continue
			}
			if c.used&(1<<i) != 0 {
				next.used |= 1 << to
			}
			to++
		}
		out = out.add(next)
	}
	kept := make([]*Operation, 0, len(lost))
	for i, op := range lost {
		if all&(1<<i) == 0 {
			kept = append(kept, op)
		}
	}
	return out, kept
}

// ask is porcupine's verdict: whether the operations can be put in an order that
// begins in one of these states, lost ones taking effect or not. A timeout of 0
// is none.
func ask(start configs, ops, lost []*Operation, timeout time.Duration) porcupine.CheckResult {
	m, tooMany := model(start, lost)
	verdict := porcupine.CheckOperationsTimeout(m, operations(ops), timeout)
	if len(tooMany) > 0 {
		return porcupine.Unknown
	}
	return verdict
}

func operations(ops []*Operation) []porcupine.Operation {
	out := make([]porcupine.Operation, len(ops))
	for i, op := range ops {
		out[i] = porcupine.Operation{Input: op, Call: op.Called, Return: op.end()}
	}
	return out
}

// model is one key as porcupine wants it. Its state is the set of states that
// the key may be in. Something is in tooMany when those became too many, which
// says nothing about the history.
func model(start configs, lost []*Operation) (m porcupine.Model, tooMany chan struct{}) {
	tooMany = make(chan struct{}, 1) // porcupine may still run when its time is over
	return porcupine.Model{
		Init: func() any { return start },
		Step: func(state, input, _ any) (bool, any) {
			next, ok := state.(configs).after(input.(*Operation), lost)
			if !ok {
				select {
				case tooMany <- struct{}{}:
				default:
				}
			}
			return len(next) > 0, next
		},
		Equal: func(a, b any) bool { return a.(configs).equal(b.(configs)) },
		DescribeOperation: func(input, _ any) string {
			return input.(*Operation).Text()
		},
		DescribeState: func(state any) string { return state.(configs).String() },
	}, tooMany
}

func (s configs) String() string {
	var words []string
	for _, c := range s {
		if w := c.reg.String(); !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	slices.Sort(words)
	return strings.Join(words, " or ")
}

// Text is the operation and what it was told, in words.
func (o *Operation) Text() string {
	b := o.Op.String() + " " + excerpt(o.Key)
	switch o.Op {
	case wire.OpPut:
		b += " " + excerpt(o.Value)
	case wire.OpCAS:
		b += " " + excerpt(o.Old) + " " + excerpt(o.Value)
	}
	if o.Read != wire.ReadLog {
		b += " (" + o.Read.String() + " read)"
	}
	switch {
	case o.Outcome != Answered:
		return b + ": no answer"
	case o.Answer.Refused:
		return b + ": refused"
	case o.Op == wire.OpGet && !o.Answer.Found:
		return b + ": not there"
	case o.Op == wire.OpGet || o.Op == wire.OpIncr:
		return b + ": " + excerpt(o.Answer.Value)
	case o.Op == wire.OpDel && !o.Answer.Found:
		return b + ": it was not there"
	}
	return b
}

// Seconds is lab time as people write it.
func Seconds(ns int64) string {
	return strconv.FormatFloat(float64(ns)/1e9, 'f', 3, 64) + " s"
}

func (o *Operation) when() string {
	var who string
	if o.Outcome == Answered && o.Answer.Node != 0 {
		who = fmt.Sprintf(", answered by S%d", o.Answer.Node)
		if o.Op != wire.OpGet {
			who += fmt.Sprintf(" at index %d", o.Answer.Index)
		}
	}
	to := "no answer"
	if o.Outcome == Answered {
		to = Seconds(o.ReturnedNS)
	}
	return fmt.Sprintf("%s (%s, %s to %s%s)", o.Text(), o.Client, Seconds(o.CalledNS), to, who)
}

// finding says in a sentence what cannot be. culprit may be nil.
func finding(key string, ops, lost []*Operation, culprit *Operation) Finding {
	if culprit == nil {
		culprit = slices.MaxFunc(ops, func(a, b *Operation) int { return cmp.Compare(a.Returned, b.Returned) })
	}
	f := Finding{Key: key, LabNS: culprit.ReturnedNS, Index: culprit.Answer.Index, Node: culprit.Answer.Node, IDs: []uint64{culprit.ID}}
	var before, beside []*Operation
	for _, op := range ops {
		switch {
		case op == culprit:
		case op.end() < culprit.Called:
			before = append(before, op)
		case op.Called < culprit.Returned:
			beside = append(beside, op)
		}
	}
	slices.SortFunc(before, func(a, b *Operation) int { return cmp.Compare(b.Returned, a.Returned) })
	list := func(ops []*Operation) string {
		var texts []string
		for _, op := range ops[:min(len(ops), contextMax)] {
			texts = append(texts, op.when())
			f.IDs = append(f.IDs, op.ID)
		}
		if more := len(ops) - contextMax; more > 0 {
			texts = append(texts, fmt.Sprintf("and %d more", more))
		}
		return strings.Join(texts, "; ")
	}
	f.Message = fmt.Sprintf("no order of the operations on %s explains %s.", excerpt(key), culprit.when())
	if len(before) > 0 {
		f.Message += " Answered before it was asked for: " + list(before) + "."
	} else {
		f.Message += " Nothing on this key had been answered before."
	}
	if len(beside) > 0 {
		f.Message += " Under way at the same time: " + list(beside) + "."
	}
	var may []*Operation
	for _, op := range lost {
		if op.Called < culprit.Returned {
			may = append(may, op)
		}
	}
	if len(may) > 0 {
		f.Message += " Nobody knows of these whether they took effect: " + list(may) + "."
	}
	return f
}
