package netlab

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A nemesis does harm to a lab by a plan that is drawn before it begins: from
// the seed, the lab's nodes and timers, and what the nemesis may do, and from
// nothing else. What the cluster does meanwhile has no say in it. Where the plan
// names a role, as "leader", it is resolved when the fault comes, as in a line
// that somebody types.

// SchemaChaos names the shape of a [ChaosPlan].
const SchemaChaos = "raftlab.chaos/1"

// ChaosOptions are what a nemesis may do. Zero fields are chosen by the lab.
type ChaosOptions struct {
	For   time.Duration `json:"for,omitempty"`   // lab time until all is undone; 0 is 15 times Every
	Every time.Duration `json:"every,omitempty"` // lab time for each fault to begin in; 0 is 2 s, or twice the longest election timeout where that is more
	Seed  uint64        `json:"seed,omitempty"`  // 0 is the lab's
	Kinds []string      `json:"kinds,omitempty"` // names from ChaosKinds; none is all that can do no lasting harm
	Hard  int           `json:"hard,omitempty"`  // 1 to 5; 0 is 3
	Most  int           `json:"most,omitempty"`  // nodes affected at once; 0 is as many as a majority can do without
}

// ChaosPlan is what a nemesis will do.
type ChaosPlan struct {
	Schema string `json:"schema"`
	ChaosOptions
	Nodes  []int        `json:"nodes"`
	Faults []ChaosFault `json:"faults"` // ascending by AtNS
}

// ChaosFault is one fault of a plan. Times are lab time since the plan began.
type ChaosFault struct {
	AtNS    int64  `json:"at_ns"`
	UntilNS int64  `json:"until_ns"` // when it is undone; AtNS of what is over as soon as it is done
	Kind    string `json:"kind"`
	Line    string `json:"line"`           // as somebody would type it
	Undo    string `json:"undo,omitempty"` // empty where the fault ends by itself
	// Nodes are those it affects, 0 for one that is known only when it comes. A
	// fault on links affects the node all of them begin or end at.
	Nodes []int `json:"nodes"`

	op, undo Op
}

// Ops are what the lines of f ask of the lab. undo has no Verb where the fault
// ends by itself.
func (f *ChaosFault) Ops() (do, undo Op) { return f.op, f.undo }

// The bounds of ChaosOptions.
const (
	chaosEvery     = 2 * time.Second
	chaosEveryMin  = 20 * time.Millisecond
	chaosLength    = 15 // times Every
	chaosForMax    = 24 * time.Hour
	chaosFaultsMax = 10_000
	chaosHard      = 3
	chaosHardMax   = 5
)

// ChaosKind is one kind of fault that a nemesis knows.
type ChaosKind struct {
	Name  string
	About string
	// Asked: it is done only when somebody names it.
	Asked bool

	draw func(*drawing) (attack, bool)
}

// attack is a fault before it has a time.
type attack struct {
	nodes []int // whom it affects, 0 for the leader of that moment
	op    Op
	line  []string // the words of op
	undo  Op       // no Verb: it ends by itself, after For
	back  []string // the words of undo
	// brief: it is over as soon as it is done, and affects nobody from then on.
	brief bool
}

// drawing is what a kind draws a fault from.
type drawing struct {
	*dice
	nodes  []int         // of the lab
	free   []int         // those that no fault affects by its number
	budget int           // how many more may be affected
	hard   int           // 1 to 5
	length time.Duration // how long the fault is to last
	unit   time.Duration // the shortest election timeout: what is long to this lab
	parted bool          // a partition stands
}

// ChaosKinds are all kinds of faults that a nemesis knows.
func ChaosKinds() []ChaosKind {
	return []ChaosKind{
		{Name: "partition", About: "part nodes from the others, up to as many as may be affected", draw: drawPartition},
		{Name: "cut", About: "let nothing pass on a link one way, both ways, or on all links of a node", draw: drawCut},
		{Name: "blackhole", About: "the same, as a black hole", draw: drawBlackhole},
		{Name: "slow", About: "delay all messages of a node", draw: drawSlow},
		{Name: "lose", About: "lose a share of a node's messages, one by one or in bursts", draw: drawLose},
		{Name: "duplicate", About: "deliver a share of a node's messages twice, at once or late", draw: drawDuplicate},
		{Name: "reorder", About: "let messages overtake a share of a node's", draw: drawReorder},
		{Name: "corrupt", About: "change a byte of a share of a node's messages", draw: drawCorrupt},
		{Name: "throttle", About: "let a node's links carry few bytes a second", draw: drawThrottle},
		{Name: "reset", About: "break the connections of a node, now and then", draw: drawReset},
		{Name: "kill", About: "SIGKILL a node, and restart it", draw: drawKill},
		{Name: "stop", About: "SIGTERM a node, and restart it", draw: drawStop},
		{Name: "pause", About: "SIGSTOP a node, and resume it", draw: drawPause},
		{Name: "disk", About: "make each sync of a node's disk slow", draw: drawDisk},
		{Name: "clock", About: "let a node's clock run faster or slower, beyond what leases count on", Asked: true, draw: drawClock},
		{Name: "elect", About: "have a node time out now", draw: drawElect},
	}
}

// chaosKinds finds kinds by their names, which may be joined by commas; none
// are all that are not done only when asked for.
func chaosKinds(names []string) ([]ChaosKind, error) {
	all := ChaosKinds()
	var out []ChaosKind
	for _, name := range fields(names) {
		i := slices.IndexFunc(all, func(k ChaosKind) bool { return k.Name == strings.ToLower(name) })
		if i < 0 {
			var known []string
			for _, k := range all {
				known = append(known, k.Name)
			}
			return nil, Errorf(ExitUsage, "chaos knows no fault %s", quote(name)).WithHint("it knows: %s", strings.Join(known, " "))
		}
		if !slices.ContainsFunc(out, func(k ChaosKind) bool { return k.Name == all[i].Name }) {
			out = append(out, all[i])
		}
	}
	if len(out) == 0 {
		out = slices.DeleteFunc(all, func(k ChaosKind) bool { return k.Asked })
	}
	// The order in which they were named is no part of the plan.
	slices.SortFunc(out, func(a, b ChaosKind) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// settled returns o with what it leaves open chosen for the lab that s shows,
// or says what is wrong with it.
func (o ChaosOptions) settled(s *Status) (ChaosOptions, error) {
	kinds, err := chaosKinds(o.Kinds)
	if err != nil {
		return o, err
	}
	o.Kinds = nil
	for _, k := range kinds {
		o.Kinds = append(o.Kinds, k.Name)
	}
	if o.Seed == 0 {
		o.Seed = s.Seed
	}
	if o.Every == 0 {
		o.Every = max(chaosEvery, 2*time.Duration(s.Timing.ElectionMaxNS))
	}
	if o.For == 0 {
		o.For = chaosLength * o.Every
	}
	if o.Hard == 0 {
		o.Hard = chaosHard
	}
	nodes := len(s.Nodes)
	spare := max(len(s.Config.Voters)-majority(len(s.Config.Voters)), 0)
	switch {
	case o.Every < chaosEveryMin:
		return o, Errorf(ExitUsage, "chaos has a fault begin every %v at most, not every %v", chaosEveryMin, o.Every).WithHint("raftlab chaos --every 2s")
	case o.For < 0 || o.For > chaosForMax:
		return o, Errorf(ExitUsage, "chaos lasts longer than 0 and at most %v, not %v", chaosForMax, o.For).WithHint("raftlab chaos --for 30s")
	case o.For < o.Every:
		return o, Errorf(ExitUsage, "chaos for %v ends before a fault every %v has come", o.For, o.Every).WithHint("raftlab chaos --for 30s --every 2s")
	case o.For/o.Every > chaosFaultsMax:
		return o, Errorf(ExitUsage, "chaos for %v with a fault every %v is more than %d faults", o.For, o.Every, chaosFaultsMax).WithHint("raftlab chaos --for 30s --every 2s")
	case o.Hard < 1 || o.Hard > chaosHardMax:
		return o, Errorf(ExitUsage, "--hard is 1 to %d, not %d", chaosHardMax, o.Hard).WithHint("raftlab chaos --hard %d", chaosHard)
	case o.Most < 0 || o.Most > nodes:
		return o, Errorf(ExitUsage, "--most is how many nodes are affected at once, 1 to the lab's %d, not %d", nodes, o.Most).WithHint("raftlab chaos --most %d", max(spare, 1))
	case o.Most == 0 && spare == 0:
		return o, Errorf(ExitUsage, "with %d %s the cluster can do without none of them, so there is nothing that chaos may do", len(s.Config.Voters), plural(len(s.Config.Voters), "voter")).
			WithHint("allow it all the same: raftlab chaos --most 1")
	}
	if o.Most == 0 {
		o.Most = spare
	}
	return o, nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// PlanChaos draws the plan of a nemesis for the lab that s shows. Of s it looks
// at the seed, the timers, and who is in the lab. The error is an *Error.
func PlanChaos(o ChaosOptions, s *Status) (*ChaosPlan, error) {
	o, err := o.settled(s)
	if err != nil {
		return nil, err
	}
	kinds, err := chaosKinds(o.Kinds)
	if err != nil {
		return nil, err
	}
	p := &ChaosPlan{Schema: SchemaChaos, ChaosOptions: o, Nodes: []int{}, Faults: []ChaosFault{}}
	for _, n := range s.Nodes {
		p.Nodes = append(p.Nodes, n.ID)
	}
	unit := time.Duration(s.Timing.ElectionMinNS)
	d := &dice{seed: o.Seed}
	for turn := time.Duration(0); turn+o.Every <= o.For; turn += o.Every {
		at := p.tidy(turn + d.upTo(o.Every))
		length := p.length(d, at)
		kind := kinds[d.below(len(kinds))]
		if length == 0 {
			continue // too near the end
		}
		a, ok := kind.draw(p.drawing(d, at, length, unit))
		if !ok {
			continue // too many are affected
		}
		f := ChaosFault{
			AtNS: int64(at), UntilNS: int64(at + length), Kind: kind.Name, Nodes: a.nodes,
			Line: commandLine(a.line), op: a.op, undo: a.undo,
		}
		if a.brief {
			f.UntilNS = f.AtNS
		}
		if a.undo.Verb != "" {
			f.Undo = commandLine(a.back)
		}
		p.Faults = append(p.Faults, f)
	}
	return p, nil
}

// length draws how long a fault lasts that begins at a time; 0 when it would
// hardly have begun when all must be undone.
func (p *ChaosPlan) length(d *dice, at time.Duration) time.Duration {
	// From a third of Every to twice Every and more: faults overlap the more the
	// harder it is.
	least := p.Every / 3
	length := p.tidy(min(least+d.upTo(p.Every*time.Duration(p.Hard)/2), p.For-at))
	if length < least/2 {
		return 0
	}
	return length
}

// tidy leaves of a plan's time what people care to read.
func (p *ChaosPlan) tidy(d time.Duration) time.Duration {
	if p.Every < time.Second {
		return d.Truncate(time.Millisecond)
	}
	return d.Truncate(10 * time.Millisecond)
}

// drawing is what may be done at a time.
func (p *ChaosPlan) drawing(d *dice, at, length, unit time.Duration) *drawing {
	g := &drawing{dice: d, nodes: p.Nodes, free: slices.Clone(p.Nodes), budget: p.Most, hard: p.Hard, length: length, unit: unit}
	for _, f := range p.Faults {
		if f.UntilNS <= int64(at) {
			continue
		}
		g.budget -= len(f.Nodes)
		g.parted = g.parted || f.op.Verb == "partition"
		g.free = slices.DeleteFunc(g.free, func(id int) bool { return slices.Contains(f.Nodes, id) })
	}
	return g
}

// tidy leaves of a delay what people care to read: three digits, and nothing
// under a millisecond.
func tidy(d time.Duration) time.Duration {
	unit := time.Millisecond
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Truncate(unit)
}

// commandLine is words as a line that somebody types.
func commandLine(words []string) string { return "raftlab " + strings.Join(words, " ") }

// victim draws one node to be affected: the leader of that moment one time in
// three, else one that no fault affects yet.
func (g *drawing) victim() (id int, word string, ok bool) {
	switch {
	case g.budget < 1:
		return 0, "", false
	case g.below(3) == 0:
		return 0, WordLeader, true
	case len(g.free) == 0:
		return 0, "", false
	}
	id = g.free[g.below(len(g.free))]
	return id, strconv.Itoa(id), true
}

// of is the value of a list for how hard it is.
func of[V any](g *drawing, values [chaosHardMax]V) V { return values[g.hard-1] }

func drawPartition(g *drawing) (attack, bool) {
	if g.parted || g.budget < 1 || len(g.nodes) < 2 {
		return attack{}, false // a partition would replace the one that stands
	}
	size := min(1+g.below(g.budget), len(g.nodes)-1)
	var side []string
	var nodes []int
	if g.below(2) == 0 {
		side, nodes = []string{WordLeader}, []int{0}
	}
	for _, id := range g.shuffled(g.free) {
		// Who is named beside the leader may be the leader: then the side is smaller.
		if len(nodes) < size {
			side, nodes = append(side, strconv.Itoa(id)), append(nodes, id)
		}
	}
	if len(nodes) == 0 {
		return attack{}, false
	}
	slices.Sort(nodes)
	return attack{
		nodes: nodes,
		op:    Op{Verb: "partition", Sides: [][]string{side}, For: g.length},
		line:  slices.Concat([]string{"partition"}, side, []string{"--for", g.length.String()}),
	}, true
}

// onLinks makes a fault on links, which ends by itself.
func (g *drawing) onLinks(id int, op Op, links []string, words ...string) attack {
	op.Links, op.For = links, g.length
	line := append([]string{op.Verb}, links...)
	line = append(line, words...)
	return attack{nodes: []int{id}, op: op, line: append(line, "--for", g.length.String())}
}

// someLinks draws links that all begin or end at one node.
func (g *drawing) someLinks() (id int, links []string, ok bool) {
	id, word, ok := g.victim()
	rest := without(g.nodes, []int{id})
	if !ok || len(rest) == 0 {
		return 0, nil, false
	}
	peer := strconv.Itoa(rest[g.below(len(rest))])
	return id, [...][]string{{word, "to", peer}, {peer, "to", word}, {word, peer}, {word}}[g.below(4)], true
}

func drawCut(g *drawing) (attack, bool) {
	id, links, ok := g.someLinks()
	return g.onLinks(id, Op{Verb: "cut"}, links), ok
}

func drawBlackhole(g *drawing) (attack, bool) {
	id, links, ok := g.someLinks()
	return g.onLinks(id, Op{Verb: "blackhole"}, links), ok
}

func drawSlow(g *drawing) (attack, bool) {
	id, word, ok := g.victim()
	if !ok {
		return attack{}, false
	}
	delay := g.delay([...]int{12, 20, 35, 60, 100})
	op, words := Op{Verb: "slow", Delay: delay, Jitter: tidy(delay / 2)}, []string{delay.String() + "~" + tidy(delay/2).String()}
	if shape := [...]string{"", "", "normal", "exponential", "pareto"}[g.below(5)]; shape != "" {
		op.Distribution, words = shape, append(words, shape)
	}
	return g.onLinks(id, op, []string{word}, words...), true
}

// delay draws half as much to half as much again as a part of the shortest
// election timeout, in percent for how hard it is.
func (g *drawing) delay(percent [chaosHardMax]int) time.Duration {
	return max(tidy(g.unit*time.Duration(of(g, percent)*(50+g.below(101)))/10_000), time.Millisecond)
}

// share draws a share of a node's messages: from one per cent up to most, for
// how hard it is.
func (g *drawing) share(most [chaosHardMax]int) (share float64, word string) {
	percent := 1 + g.below(of(g, most))
	return float64(percent) / 100, strconv.Itoa(percent) + "%"
}

func drawLose(g *drawing) (attack, bool) {
	id, node, ok := g.victim()
	if !ok {
		return attack{}, false
	}
	share, word := g.share([...]int{3, 10, 25, 50, 75})
	op, words := Op{Verb: "lose", Loss: share}, []string{word}
	if g.below(3) == 0 {
		burst := 4 + g.below(7) // a share of 3/4 can be lost in bursts of 3 and more
		op.Burst, words = float64(burst), append(words, "--burst", strconv.Itoa(burst))
	}
	return g.onLinks(id, op, []string{node}, words...), true
}

func drawDuplicate(g *drawing) (attack, bool) {
	id, node, ok := g.victim()
	if !ok {
		return attack{}, false
	}
	share, word := g.share([...]int{5, 15, 30, 60, 100})
	op, words := Op{Verb: "duplicate", Share: share}, []string{word}
	if g.below(2) == 0 {
		op.Delay = g.delay([...]int{12, 20, 35, 60, 100})
		words = append(words, "--after", op.Delay.String())
	}
	return g.onLinks(id, op, []string{node}, words...), true
}

func drawReorder(g *drawing) (attack, bool) {
	id, node, ok := g.victim()
	if !ok {
		return attack{}, false
	}
	share, word := g.share([...]int{3, 10, 25, 50, 100})
	by := g.delay([...]int{6, 10, 18, 30, 50})
	return g.onLinks(id, Op{Verb: "reorder", Share: share, Delay: by}, []string{node}, word, "--by", by.String()), true
}

func drawCorrupt(g *drawing) (attack, bool) {
	id, node, ok := g.victim()
	if !ok {
		return attack{}, false
	}
	share, word := g.share([...]int{2, 5, 10, 25, 50})
	return g.onLinks(id, Op{Verb: "corrupt", Share: share}, []string{node}, word), true
}

func drawThrottle(g *drawing) (attack, bool) {
	id, node, ok := g.victim()
	if !ok {
		return attack{}, false
	}
	kib := of(g, [...]int{1024, 256, 64, 16, 4}) * (1 + g.below(4))
	return g.onLinks(id, Op{Verb: "throttle", Bytes: int64(kib) << 10}, []string{node}, strconv.Itoa(kib)+"KiB/s"), true
}

func drawReset(g *drawing) (attack, bool) {
	id, node, ok := g.victim()
	if !ok {
		return attack{}, false
	}
	share, word := g.share([...]int{1, 2, 5, 10, 20})
	return g.onLinks(id, Op{Verb: "reset", Match: &Match{Prob: share}}, []string{node}, "--chance", word), true
}

// onProcess makes a fault of a process: verb does it and back undoes it. Of
// the leader of that moment nobody knows the number yet: its undoing is a word
// that names it among others, and the nemesis does it to that node alone.
func (g *drawing) onProcess(verb, back, some string) (attack, bool) {
	id, word, ok := g.victim()
	if !ok {
		return attack{}, false
	}
	if id != 0 {
		some = word
	}
	return attack{
		nodes: []int{id},
		op:    Op{Verb: verb, Nodes: []string{word}}, line: []string{verb, word},
		undo: Op{Verb: back, Nodes: []string{some}}, back: []string{back, some},
	}, true
}

func drawKill(g *drawing) (attack, bool)  { return g.onProcess("kill", "restart", WordDead) }
func drawStop(g *drawing) (attack, bool)  { return g.onProcess("stop", "restart", WordDead) }
func drawPause(g *drawing) (attack, bool) { return g.onProcess("pause", "resume", WordAll) }

// onNode makes a fault of a disk or a clock, which is undone by ok.
func (g *drawing) onNode(op Op, words ...string) (attack, bool) {
	id, word, ok := g.victim()
	if !ok {
		return attack{}, false
	}
	undo := Op{Verb: op.Verb, Nodes: []string{WordAll}}
	if id != 0 {
		undo.Nodes[0] = word
	}
	if op.Verb == "disk" {
		undo.Disk = DiskOK
	} else {
		undo.Action = ClockOK
	}
	op.Nodes = []string{word}
	return attack{
		nodes: []int{id},
		op:    op, line: append([]string{op.Verb, word}, words...),
		undo: undo, back: []string{op.Verb, undo.Nodes[0], "ok"},
	}, true
}

func drawDisk(g *drawing) (attack, bool) {
	delay := g.delay([...]int{6, 12, 25, 50, 100})
	return g.onNode(Op{Verb: "disk", Disk: DiskSlow, Delay: delay, Jitter: tidy(delay / 2)}, DiskSlow, delay.String()+"~"+tidy(delay/2).String())
}

func drawClock(g *drawing) (attack, bool) {
	// In tenths: to twenty times as fast, or as slow as a tenth.
	rates := of(g, [...][2]int{{8, 12}, {7, 15}, {5, 20}, {3, 50}, {1, 200}})
	tenths := rates[0] + g.below(10-rates[0])
	if g.below(2) == 0 {
		tenths = 11 + g.below(rates[1]-10)
	}
	rate := strconv.FormatFloat(float64(tenths)/10, 'g', -1, 64)
	return g.onNode(Op{Verb: "clock", Action: ClockRate, Rate: float64(tenths) / 10}, ClockRate, rate)
}

func drawElect(g *drawing) (attack, bool) {
	word := strconv.Itoa(g.nodes[g.below(len(g.nodes))])
	return attack{nodes: []int{}, op: Op{Verb: "elect", Nodes: []string{word}}, line: []string{"elect", word}, brief: true}, true
}

// dice are random numbers that are the same on every machine and in every
// release: this program's own, and of whole numbers only.
type dice struct{ seed, drawn uint64 }

func (d *dice) draw() uint64 {
	d.drawn++
	return mix(d.seed, seedChaos, d.drawn)
}

// below draws one of the n numbers from 0, n being more than 0.
func (d *dice) below(n int) int {
	hi, _ := bits.Mul64(d.draw(), uint64(n))
	return int(hi)
}

// upTo draws a length from 0 to, not including, most.
func (d *dice) upTo(most time.Duration) time.Duration {
	hi, _ := bits.Mul64(d.draw(), uint64(max(most, 1)))
	return time.Duration(hi)
}

// shuffled is list in another order.
func (d *dice) shuffled(list []int) []int {
	out := slices.Clone(list)
	for i := len(out) - 1; i > 0; i-- {
		j := d.below(i + 1)
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// String is the plan's head: "12 faults in 30s, …".
func (p *ChaosPlan) String() string {
	return fmt.Sprintf("%d %s within %v, at most %d of %d nodes affected at once, hardness %d, seed %d",
		len(p.Faults), plural(len(p.Faults), "fault"), p.For, p.Most, len(p.Nodes), p.Hard, p.Seed)
}
