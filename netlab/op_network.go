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

// cut stops all frames on links.
func (l *lab) cut(_ context.Context, op *Op) (*OpResult, error) {
	return l.setLinks(op, link.Cut{})
}

// blackhole makes all frames on links vanish.
func (l *lab) blackhole(_ context.Context, op *Op) (*OpResult, error) {
	return l.setLinks(op, link.Blackhole{})
}

// reset has frames break the connections they travel on: the next one, unless
// op says which.
func (l *lab) reset(_ context.Context, op *Op) (*OpResult, error) {
	var m Match
	if op.Match != nil {
		m = *op.Match
	}
	if m.Next == 0 && m.Every == 0 && m.Prob == 0 {
		m.Next = 1
	}
	one := *op
	one.Match = &m
	return l.setLinks(&one, link.Reset{})
}

// slow sets how long frames take on links; 0 takes a delay away.
func (l *lab) slow(_ context.Context, op *Op) (*OpResult, error) {
	if err := delayError(op.Delay, op.Jitter); err != nil {
		return nil, err
	}
	d := link.Delay{Mean: raft.Duration(op.Delay), Jitter: raft.Duration(op.Jitter)}
	var err error
	if op.Distribution != "" {
		d.Distribution, err = link.ParseDistribution(op.Distribution)
	}
	if err != nil || d.Distribution == link.Table {
		return nil, Errorf(ExitUsage, "a delay is not distributed %s", quote(op.Distribution)).WithHint("distributions: %s", strings.Join(Distributions(), " "))
	}
	return l.setLinks(op, d)
}

// Distributions are the names of the distributions that a delay can be given by
// name, uniform first, which it has without.
func Distributions() []string {
	return slices.DeleteFunc(link.DistributionNames(), func(name string) bool { return name == link.Table.String() })
}

// lose sets the share of frames that get lost on links; 0 takes it away.
func (l *lab) lose(_ context.Context, op *Op) (*OpResult, error) {
	loss := link.Loss{Share: op.Loss, Burst: op.Burst}
	switch {
	case !(op.Loss >= 0 && op.Loss <= 1):
		return nil, Errorf(ExitUsage, "a link loses 0 to 100 %% of its frames, not %s", percent(op.Loss)).WithHint("raftlab lose 1 5%%")
	case op.Burst == 0:
	case op.Loss == 0 || op.Loss == 1:
		return nil, Errorf(ExitUsage, "a link that loses %s of its frames has no bursts", percent(op.Loss)).WithHint("raftlab lose 1 10%% --burst 5")
	}
	return l.setLinks(op, loss)
}

// duplicate sets the share of frames that arrive twice; 0 takes it away.
func (l *lab) duplicate(_ context.Context, op *Op) (*OpResult, error) {
	return l.setShare(op, "delivers", "twice", link.Duplicate{Share: op.Share, After: raft.Duration(op.Delay)})
}

// reorder sets the share of frames that others overtake; 0 takes it away.
func (l *lab) reorder(_ context.Context, op *Op) (*OpResult, error) {
	return l.setShare(op, "delivers", "out of order", link.Reorder{Share: op.Share, By: raft.Duration(op.Delay)})
}

// corrupt sets the share of frames of which a byte changes; 0 takes it away.
func (l *lab) corrupt(_ context.Context, op *Op) (*OpResult, error) {
	return l.setShare(op, "delivers", "corrupt", link.Corrupt{Share: op.Share})
}

func (l *lab) setShare(op *Op, does, how string, e link.Effect) (*OpResult, error) {
	if !(op.Share >= 0 && op.Share <= 1) {
		return nil, Errorf(ExitUsage, "a link %s 0 to 100 %% of its frames %s, not %s", does, how, percent(op.Share)).WithHint("raftlab %s 1 5%%", op.Verb)
	}
	return l.setLinks(op, e)
}

// throttle sets how many bytes a second links carry; 0 takes the limit away.
func (l *lab) throttle(_ context.Context, op *Op) (*OpResult, error) {
	if op.Bytes < 0 {
		return nil, Errorf(ExitUsage, "a link carries 1 byte a second or more, and 0 is no limit; it cannot carry %d", op.Bytes).WithHint("raftlab throttle 1 64KiB/s")
	}
	if !(op.Burst >= 0 && op.Burst < 1<<62) || op.Burst != math.Trunc(op.Burst) {
		return nil, Errorf(ExitUsage, "a burst is a number of bytes, not %g", op.Burst).WithHint("raftlab throttle 1 64KiB/s --burst 16KiB")
	}
	return l.setLinks(op, link.Rate{Bytes: op.Bytes, Burst: int64(op.Burst)})
}

func checkFor(op *Op) error {
	if op.For < 0 || op.For > forMax {
		return Errorf(ExitUsage, "a fault lasts longer than 0 and at most %v, not %v", shortTime(forMax), op.For).WithHint("--for 2s; without it until it is taken back")
	}
	return nil
}

// setLinks puts a fault on the links of op, or takes its kind off them.
func (l *lab) setLinks(op *Op, e link.Effect) (*OpResult, error) {
	if err := checkFor(op); err != nil {
		return nil, err
	}
	f := &fault{verb: e.Verb(), rule: link.Fault{Effect: e}}
	if op.Match != nil {
		var err error
		if f.match, err = op.Match.settled(); err != nil {
			return nil, err
		}
	}
	f.rule.Match = f.match.rule(0)
	if err := f.rule.Validate(); err != nil && !f.nothing() {
		return nil, Errorf(ExitUsage, "%s: %v", op.Verb, err).WithHint("raftlab help %s", op.Verb)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	list, err := l.resolveLinks(op.Links)
	if err != nil {
		return nil, err
	}
	what, on := l.linksText(list), setOf(list)
	if f.nothing() {
		if op.For > 0 {
			return nil, Errorf(ExitUsage, "to take something away does not end by itself").WithHint("raftlab %s, without --for", op.Verb)
		}
		fits := func(o *fault) bool {
			return !o.wall() && o.rule.Effect.Verb() == e.Verb() && (f.match.Empty() || o.key() == f.key())
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
		return l.changeNetwork(op, slices.Delete(slices.Clone(l.faults.on), i, i+1), text)
	}
	if op.Fault > 0 && op.Fault <= l.faults.last {
		return nil, Errorf(ExitConflict, "the fault %s is off already", faultName(op.Fault)).WithHint("raftlab faults")
	}
	return nil, Errorf(ExitConflict, "there is no fault %s", faultName(op.Fault)).WithHint("raftlab faults")
}

// undo takes back the last change to the network that still makes a difference.
func (l *lab) undo(_ context.Context, op *Op) (*OpResult, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &l.faults
	for len(f.past) > 0 {
		p := f.past[len(f.past)-1]
		f.past = f.past[:len(f.past)-1]
		before := slices.DeleteFunc(slices.Clone(p.on), func(s setting) bool { return s.over })
		if sameSettings(before, f.on) {
			continue // it ended by itself, or was of a node that is gone
		}
		held := len(l.network.held())
		if err := l.setNetwork(before); err != nil {
			return nil, err
		}
		text := "undone: " + p.text
		if p.line != "" {
			text = "undone: " + p.line + " (" + p.text + ")"
		}
		if n := held - len(l.network.held()); n > 0 {
			text += ", " + heldFrames(n) + " let go"
		}
		res := &OpResult{Text: text, Event: l.faultEvent(op, text)}
		for _, n := range l.stillFaulty() {
			res.note(n)
		}
		return res, nil
	}
	l.touchLab()
	return &OpResult{Text: "nothing to undo: nothing that was changed on the network is left to take back"}, nil
}

func sameSettings(a, b []setting) bool {
	return slices.EqualFunc(a, b, func(x, y setting) bool { return x.fault == y.fault && x.links == y.links })
}

// stillFaulty says what is left on links. With lab.mu held.
func (l *lab) stillFaulty() []string {
	var out []string
	for i, on := range inForce(l.faults.on) {
		s := &l.faults.on[i]
		if s.wall() || on.empty() {
			continue
		}
		what := s.words().still
		if figure := s.figure(); figure != "" {
			what += ": " + figure
		}
		heal := "raftlab heal --all"
		if s.shuts() {
			heal = "raftlab heal"
		}
		out = append(out, fmt.Sprintf("still %s (%s); \"%s\" clears it", what, l.linksText(on.list()), heal))
	}
	return out
}

// linksText names directed links as briefly as it can.
func (l *lab) linksText(list []ends) string {
	n := len(l.members)
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
	for _, id := range l.ids() {
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
