package netlab

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// faults are what is set on the network. What somebody set is kept as it was
// asked for, with the links it is on; what a link is told is made of that.
// Guarded by lab.mu.
type faults struct {
	sides link.Sides  // of the partition in force
	links []faultLink // ascending by ends
	on    []setting   // in the order in which they were set
	last  int         // the number of the latest fault
	begun bool        // the lab was started with some
	past  []past      // what undo goes back to, also of nodes, the latest last

	held    map[uint64]bool // frames that wait until somebody lets them go, as far as was told
	keeping bool            // somebody waits for faults to end by themselves
	stir    chan struct{}   // tells that one that there is more to wait for
}

// faultLink is a directed link and what the network was told about it.
type faultLink struct {
	ends
	rules link.Rules
	text  string // the same in words, without a wall
}

// setting is a fault and where it is. Of faults with the same key a link keeps
// the latest, unless that ends by itself: then it covers the one before.
type setting struct {
	*fault
	links linkSet
	sides link.Sides // of a partition
}

// addNode gives a node links to and from all others. fresh are the rules of a
// link that nobody set anything on: what the lab was started with.
//
// The new links have that, as far as it still stands, and nothing else. A fault
// that was set on "all", on "1" or by a partition was set on the links there
// were, and nobody has said yet what the new ones are to be like. A node that
// comes to a parted lab is on neither side and talks to both, until the next
// partition.
func (f *faults) addNode(id int, others []int, fresh func(from, to int) link.Rules) {
	var added []ends
	for _, other := range others {
		if other != id {
			added = append(added, ends{id, other}, ends{other, id})
		}
	}
	for _, e := range added {
		f.links = append(f.links, faultLink{ends: e})
	}
	slices.SortFunc(f.links, func(a, b faultLink) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	begun := f.begun
	f.eachState(func(on []setting) []setting {
		if begun && !slices.ContainsFunc(on, func(s setting) bool { return s.begun }) {
			return on // it was taken away
		}
		for _, e := range added {
			for _, rule := range fresh(e.from, e.to).Faults {
				on = f.begin(on, rule, e)
			}
		}
		return on
	})
}

// begin puts on a link what the lab was started with.
func (f *faults) begin(on []setting, rule link.Fault, e ends) []setting {
	same := func(s setting) bool {
		return s.begun && link.Fault{Effect: s.rule.Effect}.Equal(link.Fault{Effect: rule.Effect})
	}
	at := slices.IndexFunc(on, same)
	if at < 0 {
		s := setting{fault: &fault{begun: true}}
		if other := slices.IndexFunc(f.on, same); other >= 0 {
			s.fault = f.on[other].fault // in another state it is the same one
		} else {
			f.begun = true
			f.last++
			rule.ID = uint64(f.last)
			*s.fault = fault{id: f.last, verb: rule.Effect.Verb(), line: "raftlab up", rule: rule, begun: true}
		}
		at = len(on)
		on = append(on, s)
	}
	on[at].links.add(e)
	return on
}

// removeNode takes a node's links away, and the node out of the partition. What
// was set on these links only is gone with them, and returned.
func (f *faults) removeNode(id int) (gone []*fault) {
	before := f.on
	f.links = slices.DeleteFunc(f.links, func(k faultLink) bool { return k.from == id || k.to == id })
	f.eachState(func(on []setting) []setting {
		for i := range on {
			on[i].links = on[i].links.without(id)
			on[i].sides = on[i].sides.Without(raft.NodeID(id))
		}
		return standing(on)
	})
	f.sides = sidesOf(f.on)
	for _, s := range before {
		if !slices.ContainsFunc(f.on, func(o setting) bool { return o.fault == s.fault }) {
			gone = append(gone, s.fault)
		}
	}
	return gone
}

// eachState changes what is set and all that undo goes back to.
func (f *faults) eachState(change func([]setting) []setting) {
	f.on = change(slices.Clone(f.on))
	for i := range f.past {
		if p := &f.past[i]; p.network {
			p.on = change(slices.Clone(p.on))
		}
	}
}

// standing are the settings that are on some link.
func standing(on []setting) []setting {
	return slices.DeleteFunc(on, func(s setting) bool { return s.links.empty() })
}

// sidesOf are the sides of the partition in force.
func sidesOf(on []setting) link.Sides {
	for _, s := range slices.Backward(on) {
		if s.wall() {
			return s.sides
		}
	}
	return nil
}

// inForce are the links on which each setting does what it says: those that
// none of the same key covers that was set later.
func inForce(on []setting) []linkSet {
	out := make([]linkSet, len(on))
	covered := make(map[string]linkSet)
	for i, s := range slices.Backward(on) {
		key := s.key()
		over := covered[key]
		out[i] = s.links.minus(over)
		if covered[key] = over.or(s.links); s.wall() {
			covered[key] = everything // where it puts no wall, too
		}
	}
	return out
}

// put returns what is set once a fault is put on links, in place of what has
// the same key there.
func put(on []setting, s setting) []setting {
	next := slices.Clone(on)
	if s.until == 0 {
		next = take(next, s.links, func(o *fault) bool { return o.key() == s.key() })
	}
	return append(next, s)
}

// take returns what is set once faults that fit are off links.
func take(on []setting, links linkSet, fits func(*fault) bool) []setting {
	next := slices.Clone(on)
	for i := range next {
		if fits(next[i].fault) {
			next[i].links = next[i].links.minus(links)
		}
	}
	return standing(next)
}

// everyLink are all links there are.
func (f *faults) everyLink() (s linkSet) {
	for _, k := range f.links {
		s.add(k.ends)
	}
	return s
}

// onLinks are the links among which, on which a fault that fits is in force.
func (f *faults) onLinks(among linkSet, fits func(*fault) bool) (s linkSet) {
	for i, links := range inForce(f.on) {
		if fits(f.on[i].fault) {
			s = s.or(links.and(among))
		}
	}
	return s
}

// setNetwork makes what is set on the network what next says, and tells every
// link of which that changes something. With lab.mu held.
func (l *lab) setNetwork(next []setting) error {
	f := &l.faults
	forced := inForce(next)
	for i := range f.links {
		k := &f.links[i]
		rules, text := rulesOf(next, forced, k.ends)
		if rules.Equal(k.rules) {
			continue
		}
		if err := l.network.setRules(k.from, k.to, rules); err != nil {
			return Errorf(ExitFailed, "set link S%d to S%d: %v", k.from, k.to, err)
		}
		k.rules, k.text = rules, text
	}
	f.on, f.sides = next, sidesOf(next)
	l.touchLab()
	l.keepFaults()
	return nil
}

// rulesOf is what a link is told, and what is set on it in words.
func rulesOf(on []setting, forced []linkSet, e ends) (r link.Rules, text string) {
	var words []string
	for i := range on {
		switch {
		case !forced[i].has(e):
		case on[i].wall():
			r.Wall = true
		default:
			r.Faults = append(r.Faults, on[i].rule)
			words = append(words, on[i].text())
		}
	}
	return r, strings.Join(words, ", ")
}

// changeNetwork is setNetwork on somebody's behalf: it can be undone, and is an
// event. With lab.mu held.
func (l *lab) changeNetwork(op *Op, next []setting, text string) (*OpResult, error) {
	f := &l.faults
	before := f.on
	if err := l.setNetwork(next); err != nil {
		return nil, err
	}
	l.remember(past{by: op, network: true, on: before, text: text})
	res := &OpResult{Text: text, Event: l.faultEvent(op, text)}
	if n := len(next); n > 0 && !slices.ContainsFunc(before, func(s setting) bool { return s.fault == next[n-1].fault }) {
		res.Fault = next[n-1].id
	}
	return res, nil
}

func (l *lab) faultEvent(op *Op, text string) uint64 {
	return l.event(Event{Kind: EventFault, Text: text, Line: op.Line})
}

// number gives a fault its number, and the times it counts from and ends at.
// With lab.mu held.
func (l *lab) number(op *Op, f *fault) {
	l.faults.last++
	f.id, f.line, f.set = l.faults.last, op.Line, l.clock.Now()
	if op.For > 0 {
		f.until = f.set + raft.Time(op.For)
	}
	f.rule.ID, f.rule.Match.Until = uint64(f.id), f.until
}

// status is what is set on the network, in the order it was set. hits are what
// the network counted.
func (f *faults) status(hits map[uint64]link.Hits) []FaultStatus {
	out := make([]FaultStatus, len(f.on))
	for i, links := range inForce(f.on) {
		s := &f.on[i]
		did := hits[uint64(s.id)]
		out[i] = FaultStatus{
			ID: s.id, Verb: s.verb, Line: s.line, Text: s.text(), Links: [][2]int{}, Match: s.match,
			SetNS: int64(s.set), UntilNS: int64(s.until), Seen: did.Matched, Hits: did.Acted,
		}
		for _, e := range links.list() {
			out[i].Links = append(out[i].Links, [2]int{e.from, e.to})
		}
		if s.wall() {
			out[i].Sides = sideInts(s.sides)
			out[i].Text += " " + strings.ReplaceAll(strings.Trim(strings.ReplaceAll(sidesText(out[i].Sides), "} | {", " / "), "{}"), "  ", " ")
			continue
		}
		out[i].figures(s.rule.Effect)
	}
	return out
}

// SchemaFaults names the shape of a FaultPage.
const SchemaFaults = "raftlab.faults/1"

// FaultPage is what is set on the network.
type FaultPage struct {
	Schema string        `json:"schema"`
	Faults []FaultStatus `json:"faults"`
	Undo   string        `json:"undo,omitempty"` // what undo would take back
}

func (l *lab) faultPage() *FaultPage {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &FaultPage{Schema: SchemaFaults, Faults: append(l.faults.status(l.network.hits()), l.nodeFaults()...), Undo: l.undoLine()}
}

// figures are the numbers of an effect.
func (s *FaultStatus) figures(e link.Effect) {
	switch e := e.(type) {
	case link.Delay:
		mean, jitter := e.Moments()
		s.DelayMS, s.JitterMS = millis(mean), millis(jitter)
		if e.Distribution != link.Uniform {
			s.Distribution = e.Distribution.String()
		}
	case link.Loss:
		s.Share, s.Burst = e.Share, e.Burst
	case link.Duplicate:
		s.Share, s.DelayMS = e.Share, millis(e.After)
	case link.Reorder:
		s.Share, s.DelayMS = e.Share, millis(e.By)
	case link.Corrupt:
		s.Share = e.Share
	case link.Rate:
		s.RateBytes, s.Burst = e.Bytes, float64(e.Burst)
	}
}

// linkFigures are the numbers of a link's rules that are for all its frames,
// and all of its rules in words.
func linkFigures(r *link.Rules, s *LinkStatus) {
	_, cut := link.Find[link.Cut](*r)
	_, hole := link.Find[link.Blackhole](*r)
	s.Cut, s.Wall = cut || hole, bool(r.Wall)
	if d, ok := link.Find[link.Delay](*r); ok {
		mean, jitter := d.Moments()
		s.DelayMS, s.JitterMS = millis(mean), millis(jitter)
	}
	if e, ok := link.Find[link.Loss](*r); ok {
		s.Loss = e.Share
	}
	if e, ok := link.Find[link.Duplicate](*r); ok {
		s.Duplicate = e.Share
	}
	if e, ok := link.Find[link.Reorder](*r); ok {
		s.Reorder = e.Share
	}
	if e, ok := link.Find[link.Corrupt](*r); ok {
		s.Corrupt = e.Share
	}
	if e, ok := link.Find[link.Rate](*r); ok {
		s.RateBytes = e.Bytes
	}
}

// forMax bounds how long a fault can be set for.
const forMax = 24 * time.Hour
