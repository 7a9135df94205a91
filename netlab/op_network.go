package netlab

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/raft"
)

// faults are what is set on the network: a partition, and rules for each
// directed link. They are layers: setting one leaves the others. Guarded by
// lab.mu.
type faults struct {
	sides link.Sides
	links []faultLink // ascending by ends
}

type faultLink struct {
	ends
	rules link.Rules
}

// addNode gives a node links to and from all others, with these rules.
//
// They are the rules of a link that nobody set anything on: the profile's delay
// and nothing else. A fault that was set on "all", on "1" or by a partition was
// set on the links there were, and nobody has said yet what the new ones are to
// be like. A node that comes to a parted lab is on neither side and talks to
// both, until the next partition.
func (f *faults) addNode(id int, others []int, rules link.Rules) {
	for _, other := range others {
		if other != id {
			f.links = append(f.links, faultLink{ends{id, other}, rules}, faultLink{ends{other, id}, rules})
		}
	}
	sort.Slice(f.links, func(i, j int) bool { return f.links[i].before(f.links[j].ends) })
}

// removeNode takes a node's links away, and the node out of the partition.
func (f *faults) removeNode(id int) {
	f.links = slices.DeleteFunc(f.links, func(k faultLink) bool { return k.from == id || k.to == id })
	f.sides = f.sides.Without(raft.NodeID(id))
}

// changeLinks gives the links that which picks other rules, and tells the
// network. It returns how many changed. With lab.mu held.
func (l *lab) changeLinks(which func(ends) bool, change func(ends, *link.Rules)) (int, error) {
	changed := 0
	for i := range l.faults.links {
		f := &l.faults.links[i]
		if !which(f.ends) {
			continue
		}
		rules := f.rules
		change(f.ends, &rules)
		if rules.Equal(f.rules) {
			continue
		}
		if err := l.network.setRules(f.from, f.to, rules); err != nil {
			return changed, Errorf(ExitFailed, "set link S%d to S%d: %v", f.from, f.to, err)
		}
		f.rules = rules
		changed++
	}
	if changed > 0 {
		l.touchLab()
	}
	return changed, nil
}

func allLinks(ends) bool { return true }

func among(list []ends) func(ends) bool {
	return func(e ends) bool { return slices.Contains(list, e) }
}

// partition parts the nodes into sides. It replaces the partition before.
func (l *lab) partition(_ context.Context, op *Op) (*OpResult, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sides, err := l.resolveSides(op.Sides)
	if err != nil {
		return nil, err
	}
	before := l.faults.sides
	_, err = l.changeLinks(allLinks, func(e ends, r *link.Rules) {
		r.Wall = sides.Between(raft.NodeID(e.from), raft.NodeID(e.to))
	})
	if err != nil {
		return nil, err
	}
	l.faults.sides = sides
	l.touchLab()
	res := &OpResult{Text: DescribePartition(sideInts(sides), l.picture())}
	switch {
	case len(before) == 0:
	case fmt.Sprint(before) == fmt.Sprint(sides):
		res.note("this partition stood already")
		return res, nil
	default:
		res.note("it replaces the partition " + sidesText(sideInts(before)))
	}
	res.Event = l.faultEvent(op, "partition "+res.Text)
	return res, nil
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
	return l.setLinks(op, "cut: nothing passes", same{"is cut already", "are cut already"}, func(r *link.Rules) { *r = r.With(link.Fault{Effect: link.Cut{}}) })
}

// slow sets how long frames take on links; 0 takes a delay away.
func (l *lab) slow(_ context.Context, op *Op) (*OpResult, error) {
	if err := delayError(op.Delay, op.Jitter); err != nil {
		return nil, err
	}
	delay := delayText(op.Delay, op.Jitter)
	text, as := "take "+delay, same{"takes " + delay + " already", "take " + delay + " already"}
	if op.Delay == 0 && op.Jitter == 0 {
		text, as = "no longer delayed", same{"is not delayed", "are not delayed"}
	}
	return l.setLinks(op, text, as, func(r *link.Rules) {
		*r = r.Without(link.Is[link.Delay])
		if op.Delay != 0 || op.Jitter != 0 {
			*r = r.With(link.Fault{Effect: link.Delay{Mean: raft.Duration(op.Delay), Jitter: raft.Duration(op.Jitter)}})
		}
	})
}

// lose sets the share of frames that get lost on links; 0 takes it away.
func (l *lab) lose(_ context.Context, op *Op) (*OpResult, error) {
	if !(op.Loss >= 0 && op.Loss <= 1) {
		return nil, Errorf(ExitUsage, "a link loses 0 to 100 %% of its frames, not %g %%", op.Loss*100).WithHint("raftlab lose 1 5%%")
	}
	percent := round(op.Loss * 100)
	text := fmt.Sprintf("lose %g %% of their frames", percent)
	as := same{fmt.Sprintf("loses %g %% already", percent), fmt.Sprintf("lose %g %% already", percent)}
	if op.Loss == 0 {
		text, as = "no longer lossy", same{"is not lossy", "are not lossy"}
	}
	return l.setLinks(op, text, as, func(r *link.Rules) {
		*r = r.Without(link.Is[link.Loss])
		if op.Loss != 0 {
			*r = r.With(link.Fault{Effect: link.Loss{Share: op.Loss}})
		}
	})
}

// same says of one link, or of many, that they are as they were to be made.
type same struct{ one, many string }

func (l *lab) setLinks(op *Op, text string, as same, change func(*link.Rules)) (*OpResult, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list, err := l.resolveLinks(op.Links)
	if err != nil {
		return nil, err
	}
	changed, err := l.changeLinks(among(list), func(_ ends, r *link.Rules) { change(r) })
	if err != nil {
		return nil, err
	}
	what := l.linksText(list)
	if changed == 0 {
		if len(list) == 1 {
			return &OpResult{Text: what + " " + as.one}, nil
		}
		return &OpResult{Text: what + " " + as.many}, nil
	}
	res := &OpResult{Text: what + ": " + text}
	res.Event = l.faultEvent(op, res.Text)
	return res, nil
}

// heal reopens partitions and cuts, everywhere or on the links named, and says
// what is still slow or lossy; with All it clears that, too.
func (l *lab) heal(_ context.Context, op *Op) (*OpResult, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	which := allLinks
	if len(op.Links) > 0 {
		list, err := l.resolveLinks(op.Links)
		if err != nil {
			return nil, err
		}
		which = among(list)
	}
	var walls, cuts, slow, lossy int
	before := l.faults.sides
	changed, err := l.changeLinks(which, func(_ ends, r *link.Rules) {
		walls += count(bool(r.Wall))
		cuts += count(slices.ContainsFunc(r.Faults, link.Is[link.Cut]))
		r.Wall = false
		if op.All {
			slow += count(slices.ContainsFunc(r.Faults, link.Is[link.Delay]))
			lossy += count(slices.ContainsFunc(r.Faults, link.Is[link.Loss]))
			r.Faults = nil
		} else {
			*r = r.Without(link.Is[link.Cut])
		}
	})
	if err != nil {
		return nil, err
	}
	open := !slices.ContainsFunc(l.faults.links, func(f faultLink) bool { return bool(f.rules.Wall) })
	if open {
		l.faults.sides = nil
	}
	res := &OpResult{Text: "nothing to heal: no partition and no cut"}
	if op.All {
		res.Text = "nothing to heal: no fault is set on the network"
	}
	if len(op.Links) > 0 {
		res.Text += " on these links"
	}
	if changed > 0 {
		var did []string
		switch {
		case walls > 0 && open:
			did = append(did, "the partition "+sidesText(sideInts(before))+" is gone")
		case walls > 0:
			did = append(did, fmt.Sprintf("%s through the partition %s", links(walls, "is open", "are open"), sidesText(sideInts(before))))
		}
		for _, c := range []struct {
			n    int
			text string
		}{{cuts, "reopened"}, {slow, "no longer slow"}, {lossy, "no longer lossy"}} {
			if c.n > 0 {
				did = append(did, links(c.n, c.text, c.text))
			}
		}
		res.Text = "healed: " + strings.Join(did, ", ")
		res.Event = l.faultEvent(op, res.Text)
	}
	for _, n := range l.stillFaulty() {
		res.note(n)
	}
	return res, nil
}

// stillFaulty says which links are slow or lossy, grouped by how much.
func (l *lab) stillFaulty() []string {
	group := make(map[string][]ends)
	var order []string
	for _, f := range l.faults.links {
		var what []string
		if d, slow := link.Find[link.Delay](f.rules); slow {
			what = append(what, "slow: "+delayText(time.Duration(d.Mean), time.Duration(d.Jitter)))
		}
		if k, lossy := link.Find[link.Loss](f.rules); lossy {
			what = append(what, fmt.Sprintf("lossy: %g %%", round(k.Share*100)))
		}
		for _, w := range what {
			if group[w] == nil {
				order = append(order, w)
			}
			group[w] = append(group[w], f.ends)
		}
	}
	var out []string
	for _, w := range order {
		out = append(out, fmt.Sprintf("still %s (%s); \"raftlab heal --all\" clears it", w, l.linksText(group[w])))
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

func (l *lab) faultEvent(op *Op, text string) uint64 {
	return l.event(Event{Kind: EventFault, Text: text, Line: op.Line})
}

func delayText(delay, jitter time.Duration) string {
	if jitter == 0 {
		return delay.String()
	}
	return fmt.Sprintf("%v~%v", delay, jitter)
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
func round(x float64) float64 { return float64(int64(x*1e6+0.5)) / 1e6 }
