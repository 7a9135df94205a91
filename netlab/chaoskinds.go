package netlab

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The families of what a nemesis does. A fault is drawn in two steps, its family
// first: however many ways there are to trouble a link, they do not crowd out
// processes and disks.
const (
	ChaosNetwork = "network"
	ChaosProcess = "process"
	ChaosDisk    = "disk"
	ChaosClock   = "clock"
)

// What a kind can cost even a cluster of which a majority is never affected.
const (
	CostsReads  = "reads"  // lease reads that are stale
	CostsWrites = "writes" // acknowledged writes that are lost
)

// ChaosKind is one kind of fault that a nemesis knows.
type ChaosKind struct {
	Name   string
	Family string
	About  string
	Costs  string // CostsReads, CostsWrites; empty for what Raft is made to survive

	draw func(*drawing) (attack, bool)
}

// attack is a fault before it has a time.
type attack struct {
	nodes []int // whom it affects, 0 for the leader of that moment
	op    Op
	line  []string // the words of op
	undo  []amends // none: it ends by itself, after For
	// brief: it is over as soon as it is done, and affects nobody from then on.
	brief bool
}

// amends is one thing that undoes a fault.
type amends struct {
	op   Op
	line []string // the words of op
	// state is the one in which a node needs it, empty for any.
	state string
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
		{Name: "partition", Family: ChaosNetwork, About: "part nodes from the others, up to as many as may be affected", draw: drawPartition},
		{Name: "cut", Family: ChaosNetwork, About: "let nothing pass on a link one way, both ways, or on all links of a node", draw: drawCut},
		{Name: "blackhole", Family: ChaosNetwork, About: "the same, as a black hole", draw: drawBlackhole},
		{Name: "slow", Family: ChaosNetwork, About: "delay all messages of a node", draw: drawSlow},
		{Name: "lose", Family: ChaosNetwork, About: "lose a share of a node's messages, one by one or in bursts", draw: drawLose},
		{Name: "duplicate", Family: ChaosNetwork, About: "deliver a share of a node's messages twice, at once or late", draw: drawDuplicate},
		{Name: "reorder", Family: ChaosNetwork, About: "let messages overtake a share of a node's", draw: drawReorder},
		{Name: "corrupt", Family: ChaosNetwork, About: "change a byte of a share of a node's messages", draw: drawCorrupt},
		{Name: "throttle", Family: ChaosNetwork, About: "let a node's links carry few bytes a second", draw: drawThrottle},
		{Name: "reset", Family: ChaosNetwork, About: "break the connections of a node, now and then", draw: drawReset},
		{Name: "kill", Family: ChaosProcess, About: "SIGKILL a node, and restart it", draw: drawKill},
		{Name: "stop", Family: ChaosProcess, About: "SIGTERM a node, and restart it", draw: drawStop},
		{Name: "pause", Family: ChaosProcess, About: "SIGSTOP a node, and resume it", draw: drawPause},
		{Name: "elect", Family: ChaosProcess, About: "have a node time out now", draw: drawElect},
		{Name: "wipe", Family: ChaosProcess, About: "delete a node's data, and restart it with nothing", Costs: CostsWrites, draw: drawWipe},
		{Name: "disk-slow", Family: ChaosDisk, About: "make each sync of a node's disk slow", draw: drawDiskSlow},
		{Name: "disk-fail", Family: ChaosDisk, About: "fail a node's next sync, which ends it, and restart it", draw: drawDiskFail},
		{Name: "disk-full", Family: ChaosDisk, About: "leave a node's disk no room, which ends it, and restart it", draw: drawDiskFull},
		{Name: "disk-torn", Family: ChaosDisk, About: "tear a node's next write: kill it amid that, and restart it", draw: drawDiskTorn},
		{Name: "disk-lie", Family: ChaosDisk, About: "have a node's disk lie, then kill and restart the node", Costs: CostsWrites, draw: drawDiskLie},
		{Name: "disk-flip", Family: ChaosDisk, About: "flip a bit of a node's log, then wipe and restart the node", Costs: CostsWrites, draw: drawDiskFlip},
		{Name: "clock-rate", Family: ChaosClock, About: "let a node's clock run fast or slow, beyond what leases count on", Costs: CostsReads, draw: drawClockRate},
		{Name: "clock-skew", Family: ChaosClock, About: "set a node's clock ahead, or have it stand still for as long", Costs: CostsReads, draw: drawClockSkew},
	}
}

// chaosAll is the word for all kinds, whatever they cost.
const chaosAll = "all"

// chosenBy tells whether word, in small letters, chooses a kind: its own name, or
// that of its family if it cannot cost writes.
func (k *ChaosKind) chosenBy(word string) bool {
	return word == k.Name || word == chaosAll || word == k.Family && k.Costs != CostsWrites
}

// chaosKinds finds kinds by words, which may be joined by commas: names of kinds
// or families, or all. Without words it is all that Raft is made to survive.
func chaosKinds(words []string) ([]ChaosKind, error) {
	all := ChaosKinds()
	chosen := func(k ChaosKind) bool { return k.Costs == "" }
	if words = fields(words); len(words) > 0 {
		for i, word := range words {
			words[i] = strings.ToLower(word)
			if !slices.ContainsFunc(all, func(k ChaosKind) bool { return k.chosenBy(words[i]) }) {
				return nil, Errorf(ExitUsage, "chaos knows no fault %s", quote(word)).WithHint("it knows: %s", strings.Join(chaosWords(), " "))
			}
		}
		chosen = func(k ChaosKind) bool { return slices.ContainsFunc(words, k.chosenBy) }
	}
	out := slices.DeleteFunc(all, func(k ChaosKind) bool { return !chosen(k) })
	// The order in which they were named is no part of the plan, nor is that of the
	// list above.
	slices.SortFunc(out, func(a, b ChaosKind) int { return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Name, b.Name)) })
	return out, nil
}

// chaosWords are all words that choose kinds.
func chaosWords() []string {
	words := []string{chaosAll}
	var kinds []string
	for _, k := range ChaosKinds() {
		if !slices.Contains(words, k.Family) {
			words = append(words, k.Family)
		}
		kinds = append(kinds, k.Name)
	}
	return append(words, kinds...)
}

// kind draws one of the kinds, which are in the order of their families.
func (d *dice) kind(kinds []ChaosKind) ChaosKind {
	families := slices.CompactFunc(slices.Clone(kinds), func(a, b ChaosKind) bool { return a.Family == b.Family })
	family := families[d.below(len(families))].Family
	kinds = slices.DeleteFunc(slices.Clone(kinds), func(k ChaosKind) bool { return k.Family != family })
	return kinds[d.below(len(kinds))]
}

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

// onProcess makes a fault of a process: verb does it and back undoes it where a
// node is still in the state that it left. Of the leader of that moment nobody
// knows the number yet: its undoing is a word that names it among others, and the
// nemesis does it to that node alone.
func (g *drawing) onProcess(verb, back, some, state string) (attack, bool) {
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
		undo: []amends{verbOn(back, some, state)},
	}, true
}

// verbOn is a verb with one word, for nodes in a state.
func verbOn(verb, word, state string) amends {
	return amends{op: Op{Verb: verb, Nodes: []string{word}}, line: []string{verb, word}, state: state}
}

func drawKill(g *drawing) (attack, bool) { return g.onProcess("kill", "restart", WordDead, StateDead) }
func drawStop(g *drawing) (attack, bool) { return g.onProcess("stop", "restart", WordDead, StateDead) }
func drawPause(g *drawing) (attack, bool) {
	return g.onProcess("pause", "resume", WordAll, StatePaused)
}

func drawWipe(g *drawing) (attack, bool) { return g.onProcess("wipe", "restart", WordDead, StateDead) }

// onDisk makes a fault of a disk, which is all right again before anything else
// that undoes it is done.
func (g *drawing) onDisk(op Op, words []string, then ...amends) (attack, bool) {
	id, word, ok := g.victim()
	if !ok {
		return attack{}, false
	}
	back := WordAll
	if id != 0 {
		back = word
	}
	for i := range then {
		if id != 0 {
			then[i] = verbOn(then[i].op.Verb, word, then[i].state)
		}
	}
	op.Verb, op.Nodes = "disk", []string{word}
	return attack{
		nodes: []int{id},
		op:    op, line: append([]string{"disk", word, op.Disk}, words...),
		undo: append([]amends{diskOKOn(back)}, then...),
	}, true
}

func diskOKOn(word string) amends {
	return amends{op: Op{Verb: "disk", Nodes: []string{word}, Disk: DiskOK}, line: []string{"disk", word, DiskOK}}
}

func drawDiskSlow(g *drawing) (attack, bool) {
	delay := g.delay([...]int{6, 12, 25, 50, 100})
	return g.onDisk(Op{Disk: DiskSlow, Delay: delay, Jitter: tidy(delay / 2)}, []string{delay.String() + "~" + tidy(delay/2).String()})
}

func drawDiskFail(g *drawing) (attack, bool) {
	return g.onDisk(Op{Disk: DiskFail}, nil, verbOn("restart", WordDead, StateDead))
}

func drawDiskFull(g *drawing) (attack, bool) {
	return g.onDisk(Op{Disk: DiskFull}, nil, verbOn("restart", WordDead, StateDead))
}

// onNumbered makes a fault of a disk that is undone by what must not be done to
// any other node, running or dead. So the plan names the node.
func (g *drawing) onNumbered(mode string, undo func(word string) []amends) (attack, bool) {
	if g.budget < 1 || len(g.free) == 0 {
		return attack{}, false
	}
	id := g.free[g.below(len(g.free))]
	word := strconv.Itoa(id)
	return attack{
		nodes: []int{id},
		op:    Op{Verb: "disk", Nodes: []string{word}, Disk: mode}, line: []string{"disk", word, mode},
		undo: undo(word),
	}, true
}

// Whether the write came or not, the node's end spends the fault.
func drawDiskTorn(g *drawing) (attack, bool) {
	return g.onNumbered(DiskTorn, func(word string) []amends { return []amends{verbOn("restart", word, "")} })
}

// Killed first, and honest only then: the other way round nothing would be lost.
func drawDiskLie(g *drawing) (attack, bool) {
	return g.onNumbered(DiskLie, func(word string) []amends { return []amends{verbOn("restart", word, ""), diskOKOn(word)} })
}

func drawDiskFlip(g *drawing) (attack, bool) {
	return g.onNumbered(DiskFlip, func(word string) []amends {
		return []amends{verbOn("wipe", word, ""), verbOn("restart", word, "")}
	})
}

// onClock makes a fault of a clock.
func (g *drawing) onClock(op Op, figure string) (attack, bool) {
	id, word, ok := g.victim()
	if !ok {
		return attack{}, false
	}
	back := WordAll
	if id != 0 {
		back = word
	}
	op.Verb, op.Nodes = "clock", []string{word}
	return attack{
		nodes: []int{id},
		op:    op, line: []string{"clock", word, op.Action, figure},
		undo: []amends{{op: Op{Verb: "clock", Nodes: []string{back}, Action: ClockOK}, line: []string{"clock", back, ClockOK}}},
	}, true
}

func drawClockRate(g *drawing) (attack, bool) {
	// In tenths: to twenty times as fast, or as slow as a tenth.
	rates := of(g, [...][2]int{{8, 12}, {7, 15}, {5, 20}, {3, 50}, {1, 200}})
	tenths := rates[0] + g.below(10-rates[0])
	if g.below(2) == 0 {
		tenths = 11 + g.below(rates[1]-10)
	}
	return g.onClock(Op{Action: ClockRate, Rate: float64(tenths) / 10}, strconv.FormatFloat(float64(tenths)/10, 'g', -1, 64))
}

func drawClockSkew(g *drawing) (attack, bool) {
	skew := g.delay([...]int{20, 50, 100, 200, 500})
	if g.below(2) == 0 {
		skew = -skew
	}
	return g.onClock(Op{Action: ClockSkew, Skew: skew}, skew.String())
}

func drawElect(g *drawing) (attack, bool) {
	word := strconv.Itoa(g.nodes[g.below(len(g.nodes))])
	return attack{nodes: []int{}, op: Op{Verb: "elect", Nodes: []string{word}}, line: []string{"elect", word}, brief: true}, true
}
