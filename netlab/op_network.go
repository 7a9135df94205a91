package netlab

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// partition parts the nodes into sides. It replaces the partition before.
func (l *lab) partition(_ context.Context, op *Op) (*OpResult, error) {
	if err := checkFor(op); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	sides, err := l.resolveSides(op.Sides)
	if err != nil {
		return nil, err
	}
	f := &fault{verb: op.Verb}
	var walls linkSet
	for _, k := range l.faults.links {
		if sides.Between(raft.NodeID(k.from), raft.NodeID(k.to)) {
			walls.add(k.ends)
		}
	}
	text := DescribePartition(sideInts(sides), l.picture())
	if op.For > 0 {
		text += ", for " + shortTime(op.For)
	}
	before := l.faults.sides
	stands := fmt.Sprint(before) == fmt.Sprint(sides)
	if stands && op.For == 0 && l.faults.onLinks(walls, (*fault).wall) == walls && !l.timedWall() {
		res := &OpResult{Text: text}
		res.note("this partition stood already")
		return res, nil
	}
	l.number(op, f)
	// The partition before is replaced on all links, not only where a wall is now.
	next := l.faults.on
	if f.until == 0 {
		next = take(next, l.faults.everyLink(), (*fault).wall)
	}
	res, err := l.changeNetwork(op, append(slices.Clone(next), setting{f, walls, sides}), "partition "+text)
	if err != nil {
		return nil, err
	}
	res.Text = text
	switch {
	case len(before) == 0:
	case f.until > 0:
		res.note("until it ends it stands in place of the partition " + sidesText(sideInts(before)))
	case !stands:
		res.note("it replaces the partition " + sidesText(sideInts(before)))
	}
	return res, nil
}

// timedWall tells whether a partition ends by itself. With lab.mu held.
func (l *lab) timedWall() bool {
	return slices.ContainsFunc(l.faults.on, func(s setting) bool { return s.wall() && s.until > 0 })
}

func sideInts(sides link.Sides) [][]int {
	out := make([][]int, len(sides))
	for i, s := range sides {
		out[i] = ints(s)
	}
	return out
}

func sidesText(sides [][]int) string {
	groups := make([]string, len(sides))
	for i, s := range sides {
		groups[i] = "{" + numbers(s) + "}"
	}
	return strings.Join(groups, " | ")
}

func checkFor(op *Op) error {
	if op.For < 0 || op.For > forMax {
		return Errorf(ExitUsage, "a fault lasts longer than 0 and at most %v, not %v", shortTime(forMax), op.For).WithHint("--for 2s; without it until it is taken back")
	}
	return nil
}

// setLinks puts a fault on the links of op, or takes its kind off them.
func (l *lab) setLinks(_ context.Context, op *Op) (*OpResult, error) {
	f, err := op.fault()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	list, err := l.resolveLinks(op.Links)
	if err != nil {
		return nil, err
	}
	what, on := l.linksText(list), setOf(list)
	if f.nothing() {
		fits := func(o *fault) bool {
			return !o.wall() && o.rule.Effect.Verb() == f.verb && (f.match.Empty() || o.key() == f.key())
		}
		if had := l.faults.onLinks(on, fits); had.empty() {
			return &OpResult{Text: what + " " + f.words().none.of(len(list))}, nil
		}
		return l.changeNetwork(op, take(l.faults.on, on, fits), what+": "+f.words().off)
	}
	if op.For == 0 && f.match.Next == 0 && l.faults.onLinks(on, f.equal) == on && !l.covering(on, f) {
		return &OpResult{Text: what + " " + f.already().of(len(list))}, nil
	}
	l.number(op, f)
	return l.changeNetwork(op, put(l.faults.on, setting{fault: f, links: on}), what+": "+f.sentence())
}

// covering tells whether a link has more than one fault of f's key: one that
// ends by itself stands in front of another. With lab.mu held.
func (l *lab) covering(on linkSet, f *fault) bool {
	var seen linkSet
	for _, s := range l.faults.on {
		if s.key() != f.key() {
			continue
		}
		both := s.links.and(on)
		if again := both.and(seen); !again.empty() {
			return true
		}
		seen = seen.or(both)
	}
	return false
}

// heal reopens partitions and cuts and lets go of frames that are held,
// everywhere or on the links named, and says what is left; with All it takes
// away everything that is set, with Fault one thing.
func (l *lab) heal(_ context.Context, op *Op) (*OpResult, error) {
	if op.Fault != 0 {
		return l.healFault(op)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	which := l.faults.everyLink()
	if len(op.Links) > 0 {
		list, err := l.resolveLinks(op.Links)
		if err != nil {
			return nil, err
		}
		which = setOf(list)
	}
	fits := func(f *fault) bool { return op.All || f.shuts() }
	next := take(l.faults.on, which, fits)
	did := l.healed(which, next, fits)
	held := l.heldOn(which)
	if len(held) > 0 {
		did = append(did, heldFrames(len(held))+" let go")
	}
	res := &OpResult{Text: "nothing to heal: no partition and no cut"}
	if op.All {
		res.Text = "nothing to heal: no fault is set on the network"
	}
	if len(op.Links) > 0 {
		res.Text += " on these links"
	}
	if len(did) > 0 {
		var err error
		if res, err = l.changeNetwork(op, next, "healed: "+strings.Join(did, ", ")); err != nil {
			return nil, err
		}
		l.letGo(held) // those that no fault held
	}
	for _, n := range l.stillFaulty() {
		res.note(n)
	}
	return res, nil
}

// healed says what links are rid of once only next is set. With lab.mu held.
func (l *lab) healed(which linkSet, next []setting, fits func(*fault) bool) (did []string) {
	var order []string
	lost := make(map[string]linkSet)
	for i, on := range inForce(l.faults.on) {
		s := &l.faults.on[i]
		if on = on.and(which); on.empty() || !fits(s.fault) {
			continue
		}
		word := s.words().healed
		if s.wall() {
			word = "" // first
		}
		if _, ok := lost[word]; !ok {
			order = append(order, word)
		}
		lost[word] = lost[word].or(on)
	}
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(len(a), len(b)) * count(a == "" || b == "") })
	sides := sidesText(sideInts(l.faults.sides))
	for _, word := range order {
		on := lost[word]
		switch n := on.len(); {
		case word != "":
			did = append(did, links(n, word, word))
		case len(sidesOf(next)) == 0:
			did = append(did, "the partition "+sides+" is gone")
		default:
			did = append(did, fmt.Sprintf("%s through the partition %s", links(n, "is open", "are open"), sides))
		}
	}
	return did
}

// healFault takes one fault away.
func (l *lab) healFault(op *Op) (*OpResult, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.faults.on {
		s := &l.faults.on[i]
		if s.id != op.Fault {
			continue
		}
		text := fmt.Sprintf("%s is off: %s (%s)", faultName(s.id), s.text(), l.linksText(s.links.list()))
		if n := l.framesHeldBy(s.fault); n > 0 {
			text += ", " + heldFrames(n) + " let go"
		}
		s.over = s.over || op.noUndo
		return l.changeNetwork(op, slices.Delete(slices.Clone(l.faults.on), i, i+1), text)
	}
	if op.Fault > 0 && op.Fault <= l.faults.last {
		return nil, Errorf(ExitConflict, "the fault %s is off already", faultName(op.Fault)).WithHint("raftlab faults")
	}
	return nil, Errorf(ExitConflict, "there is no fault %s", faultName(op.Fault)).WithHint("raftlab faults")
}

// stillShown is how many faults are named that are left.
const stillShown = 5

// stillFaulty says what is left on links. With lab.mu held.
func (l *lab) stillFaulty() []string {
	var out []string
	more, heal := 0, ""
	for i, on := range inForce(l.faults.on) {
		s := &l.faults.on[i]
		if s.wall() || on.empty() {
			continue
		}
		what := s.words().still
		if figure := s.figure(); figure != "" {
			what += ": " + figure
		}
		if heal == "" || !s.shuts() {
			heal = "raftlab heal"
			if !s.shuts() {
				heal += " --all"
			}
		}
		if len(out) == stillShown {
			more++
			continue
		}
		out = append(out, fmt.Sprintf("still %s (%s)", what, l.linksText(on.list())))
	}
	switch {
	case len(out) == 1:
		out[0] += fmt.Sprintf("; \"%s\" clears it", heal)
	case more > 0:
		out = append(out, fmt.Sprintf("and %d more that \"raftlab faults\" lists; \"%s\" clears them", more, heal))
	case len(out) > 1:
		out = append(out, fmt.Sprintf("\"%s\" clears them", heal))
	}
	return out
}

// linksText names directed links as briefly as it can. With lab.mu held.
func (l *lab) linksText(list []ends) string { return linksText(list, l.ids()) }

// linksText names directed links among some nodes as briefly as it can.
func linksText(list []ends, ids []int) string {
	n := len(ids)
	if len(list) == 1 {
		return fmt.Sprintf("S%d to S%d", list[0].from, list[0].to)
	}
	if len(list) == n*(n-1) && n > 2 {
		return fmt.Sprintf("all %d links", len(list))
	}
	if len(list) == 2 && list[0].from == list[1].to && list[0].to == list[1].from {
		a, b := min(list[0].from, list[0].to), max(list[0].from, list[0].to)
		return fmt.Sprintf("S%d and S%d, both ways", a, b)
	}
	for _, id := range ids {
		switch {
		case len(list) != n-1 || n < 4:
		case !slices.ContainsFunc(list, func(e ends) bool { return e.from != id }):
			return fmt.Sprintf("S%d to all others", id)
		case !slices.ContainsFunc(list, func(e ends) bool { return e.to != id }):
			return fmt.Sprintf("all others to S%d", id)
		}
		if len(list) == 2*(n-1) && !slices.ContainsFunc(list, func(e ends) bool { return e.from != id && e.to != id }) {
			return fmt.Sprintf("all links of S%d", id)
		}
	}
	if len(list) > 4 {
		return fmt.Sprintf("%d links", len(list))
	}
	each := make([]string, len(list))
	for i, e := range list {
		each[i] = fmt.Sprintf("S%d to S%d", e.from, e.to)
	}
	return strings.Join(each, ", ")
}

func links(n int, one, many string) string {
	if n == 1 {
		return "1 link " + one
	}
	return fmt.Sprintf("%d links %s", n, many)
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// round hides the last binary digits of a percentage.
func round(x float64) float64 { return math.Round(x*1e6) / 1e6 }
