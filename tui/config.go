package tui

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// voters is a configuration as far as decisions count over it (§6): a majority
// of now and, while it is joint, one of old, too.
type voters struct{ now, old []int }

func (v voters) joint() bool { return len(v.old) > 0 }

func (v voters) has(id int) bool { return slices.Contains(v.now, id) || slices.Contains(v.old, id) }

// all are those of both sets, ascending.
func (v voters) all() []int {
	ids := slices.Concat(v.now, v.old)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// decide tells whether those that said yes are enough.
func (v voters) decide(yes func(id int) bool) bool {
	return len(v.now) > 0 && countYes(v.now, yes) >= majority(len(v.now)) &&
		(!v.joint() || countYes(v.old, yes) >= majority(len(v.old)))
}

// quorumText is what a decision takes: "3", or joint "2+3".
func (v voters) quorumText() string {
	s := strconv.Itoa(majority(len(v.now)))
	if v.joint() {
		s = strconv.Itoa(majority(len(v.old))) + "+" + s
	}
	return s
}

// counted is how many of each set said yes: "3 of 5", or joint "2 of 3 old, 3
// of 5 new".
func (v voters) counted(yes func(id int) bool) string {
	of := func(set []int) string { return strconv.Itoa(countYes(set, yes)) + " of " + strconv.Itoa(len(set)) }
	if v.joint() {
		return of(v.old) + " old, " + of(v.now) + " new"
	}
	return of(v.now)
}

// majority is how many of n decide.
func majority(n int) int { return n/2 + 1 }

func countYes(set []int, yes func(id int) bool) int {
	n := 0
	for _, id := range set {
		if yes(id) {
			n++
		}
	}
	return n
}

// votersOf is the configuration that a node counts over: its own. One that has
// not said, as at its start, is taken to go by the lab's.
func (p *picture) votersOf(n *netlab.NodeStatus) voters {
	if len(n.Voters) > 0 {
		return voters{n.Voters, n.VotersOld}
	}
	return p.voters
}

// deriveConfig finds the configuration in force: the newest in the leader's log
// (§6). Of a lab that has not said who votes, all nodes do.
func (p *picture) deriveConfig() {
	st := &p.lab.status
	p.config = st.Config
	if n := p.lead; n != nil && len(n.Voters) > 0 && n.ConfigIndex >= st.Config.Index {
		p.config.Voters, p.config.VotersOld, p.config.Learners = n.Voters, n.VotersOld, n.Learners
		p.config.Index, p.config.Committed = n.ConfigIndex, n.ConfigIndex <= n.Commit
	}
	p.voters = voters{p.config.Voters, p.config.VotersOld}
	if len(p.voters.now) == 0 {
		p.everyone = p.everyone[:0]
		for i := range st.Nodes {
			p.everyone = append(p.everyone, st.Nodes[i].ID)
		}
		p.voters.now = p.everyone
	}
}

// outside tells whether the node of this id is in no set of the configuration.
func (p *picture) outside(id int) bool { return !p.voters.has(id) && !p.learns(id) }

// learns tells whether the node of this id gets the log without a vote.
func (p *picture) learns(id int) bool {
	return slices.Contains(p.config.Learners, id) && !p.voters.has(id)
}

// hears tells of whom the node at place i reaches both ways, itself included.
func (p *picture) hears(i int) func(id int) bool {
	return func(id int) bool {
		j := p.place(id)
		return j >= 0 && (i == j && p.nodes[i].State == netlab.StateUp || i != j && p.talks(i, j))
	}
}

// quorum tells whether the node at place i reaches enough of its configuration.
func (p *picture) quorum(i int) bool { return p.votersOf(p.nodes[i]).decide(p.hears(i)) }

// change is the newest change of who votes. It is kept for a while after its
// end: on a fast network C_old,new lasts a few milliseconds, and what came and
// went between two frames of the screen should be seen, too.
type change struct {
	old, new []int
	at       time.Time // when it was last seen going on
}

// changeStays is how long a change is shown after its end.
const changeStays = 3 * time.Second

// follow takes what the lab says of its configuration now, and said before.
func (c *change) follow(was, is *netlab.ConfigStatus, now time.Time) {
	switch {
	case len(is.VotersOld) > 0:
		*c = change{is.VotersOld, is.Voters, now}
	case is.Target != nil && !slices.Equal(is.Target.Voters, is.Voters):
		*c = change{is.Voters, is.Target.Voters, now}
	case slices.Equal(was.Voters, is.Voters) && len(was.VotersOld) == 0:
		if !(is.Committed && was.Committed) && len(is.Voters) > 0 && slices.Equal(is.Voters, c.new) {
			c.at = now
		}
	case is.Index <= was.Index || len(was.Voters) == 0:
		*c = change{} // it was given up, or this is the first that is heard
	case len(was.VotersOld) > 0:
		*c = change{was.VotersOld, is.Voters, now}
	default:
		*c = change{was.Voters, is.Voters, now}
	}
}

// configEntry is an entry of some log that holds a configuration. Index and
// term name an entry (Log Matching, §5.3).
type configEntry struct {
	index, term uint64
	joint       bool
}

// keepConfigs is how many of them are remembered.
const keepConfigs = 256

func compareConfigs(a, b configEntry) int {
	return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(a.term, b.term))
}

// noteConfig remembers an entry that holds a configuration. Copies of the list
// are shared, so it is never written to.
func (l *labState) noteConfig(e configEntry) {
	i, found := slices.BinarySearchFunc(l.configs, e, compareConfigs)
	if found && (l.configs[i].joint || !e.joint) {
		return
	}
	list := slices.Clone(l.configs)
	if found {
		list[i].joint = true
	} else {
		list = slices.Insert(list, i, e)
	}
	l.configs = list[max(0, len(list)-keepConfigs):]
}

// noteConfigsOf remembers the configuration entries that an update tells of.
func (l *labState) noteConfigsOf(nodes []netlab.NodeStatus) {
	for i := range nodes {
		n := &nodes[i]
		if term, ok := termAt(n.Log, n.ConfigIndex); ok {
			l.noteConfig(configEntry{n.ConfigIndex, term, len(n.VotersOld) > 0})
		}
	}
}

// noteConfigOf remembers the configuration entry that an event tells of. A node
// that was heard of knows its term best: an event has the node's own.
func (l *labState) noteConfigOf(ev *netlab.Event) {
	if ev.Config == "" || ev.Index == 0 {
		return
	}
	term := ev.Term
	i := slices.IndexFunc(l.status.Nodes, func(n netlab.NodeStatus) bool { return n.ID == ev.Node })
	if i >= 0 {
		if t, ok := termAt(l.status.Nodes[i].Log, ev.Index); ok {
			term = t
		}
	}
	l.noteConfig(configEntry{ev.Index, term, ev.Config == netlab.ConfigJoint})
}

// configLetter is what stands for an entry that holds a configuration: J for
// C_old,new, C for another; 0 for all other entries.
func (p *picture) configLetter(index, term uint64) rune {
	i, found := slices.BinarySearchFunc(p.lab.configs, configEntry{index: index, term: term}, compareConfigs)
	switch {
	case !found:
		return 0
	case p.lab.configs[i].joint:
		return 'J'
	}
	return 'C'
}

// bar is a line about one set of voters while the configuration changes.
type bar struct {
	label string // C_old or C_new
	set   []int
	marks string            // beside each of set: + yes, n no, - not yet; "": nothing is counted
	words [barLevels]string // what it comes to, the longest first
}

// barLevels is how many lengths the words of a bar come in.
const barLevels = 3

// deriveBars says how a change of the configuration stands: both tallies while
// it is joint, how the new nodes come along before.
func (p *picture) deriveBars() {
	p.bars = p.bars[:0]
	c := &p.lab.change
	index := strconv.FormatUint(p.config.Index, 10)
	if n := p.jointCandidate(); n != nil {
		v := p.votersOf(n)
		p.bars = append(p.bars, votesBar("C_old", v.old, n), votesBar("C_new", v.now, n))
		return
	}
	holds := p.holders(p.config.Index)
	past := len(c.new) == 0 || p.now.Sub(c.at) >= changeStays
	switch {
	case p.voters.joint():
		p.bars = append(p.bars, entryBar("C_old", p.voters.old, holds, index), entryBar("C_new", p.voters.now, holds, index))
	case p.config.Target != nil && !slices.Equal(p.config.Target.Voters, p.config.Voters):
		p.bars = append(p.bars,
			bar{label: "C_old", set: p.config.Voters, words: [barLevels]string{"decides until the new ones have caught up", "decides", ""}},
			p.catchUpBar(p.config.Target))
	case past || !slices.Equal(c.new, p.config.Voters):
	case !p.config.Committed:
		p.bars = append(p.bars, overBar(c.old), entryBar("C_new", p.config.Voters, holds, index))
	default:
		p.bars = append(p.bars, overBar(c.old), bar{label: "C_new", set: c.new, words: [barLevels]string{
			"decides alone: entry " + index + " is committed", "decides alone", "decides"}})
	}
}

// jointCandidate is a candidate that counts over a joint configuration, with no
// leader to count over it now: the picked one of several, else the one with the
// most votes.
func (p *picture) jointCandidate() *netlab.NodeStatus {
	var best *netlab.NodeStatus
	for _, n := range p.nodes {
		if n.State != netlab.StateUp || n.Role != netlab.RoleCandidate && n.Role != netlab.RolePreCandidate || len(n.VotersOld) == 0 {
			continue
		}
		if p.lead != nil && p.lead.Term >= n.Term {
			continue
		}
		if best == nil || n.ID == p.ui.node || best.ID != p.ui.node && granted(n) > granted(best) {
			best = n
		}
	}
	return best
}

func granted(n *netlab.NodeStatus) int {
	got := 0
	for _, v := range n.Votes {
		if v.Granted {
			got++
		}
	}
	return got
}

// holders tells who has the entry at index: as far as the leader knows, for
// that is what commits it; without a leader, whoever says so.
func (p *picture) holders(index uint64) func(id int) bool {
	return func(id int) bool {
		n := p.node(id)
		switch {
		case p.lead == nil:
			return n != nil && n.ConfigIndex >= index
		case id == p.lead.ID:
			return p.lead.Durable >= index
		}
		peer := p.peer(id)
		return peer != nil && peer.Match >= index
	}
}

func entryBar(label string, set []int, holds func(int) bool, index string) bar {
	b := bar{label: label, set: set}
	for _, id := range set {
		if holds(id) {
			b.marks += "+"
		} else {
			b.marks += "."
		}
	}
	b.words = tallyWords(strings.Count(b.marks, "+"), len(set), "have entry "+index, "have it")
	return b
}

func votesBar(label string, set []int, n *netlab.NodeStatus) bar {
	b := bar{label: label, set: set}
	for _, id := range set {
		b.marks += string(voteMark(n, id))
	}
	verb, term := "vote", n.Term
	if n.Role == netlab.RolePreCandidate {
		verb, term = "would vote", n.Term+1 // which it has not raised to (thesis §9.6)
	}
	b.words = tallyWords(strings.Count(b.marks, "+"), len(set), verb+" for "+name(n.ID)+" in term "+strconv.FormatUint(term, 10), "for "+name(n.ID))
	return b
}

// voteMark is how the node of this id answered a candidate: + yes, n no, . not
// yet.
func voteMark(n *netlab.NodeStatus, id int) rune {
	for _, v := range n.Votes {
		switch {
		case v.From != id:
		case v.Granted:
			return '+'
		default:
			return 'n'
		}
	}
	return '.'
}

func tallyWords(got, of int, what, short string) [barLevels]string {
	n := strconv.Itoa(got) + " of " + strconv.Itoa(of)
	if need := majority(of); got < need {
		more := strconv.Itoa(need)
		return [barLevels]string{n + " " + what + ", " + more + " needed", n + " " + short + ", needs " + more, n + ", needs " + more}
	}
	return [barLevels]string{n + " " + what + ": a majority", n + " " + short + ": enough", n + ": enough"}
}

func overBar(old []int) bar {
	return bar{label: "C_old", set: old, words: [barLevels]string{"does not count any more", "over", "over"}}
}

// catchUpBar says how far the nodes are that are to get a vote (thesis §4.2.1).
func (p *picture) catchUpBar(t *netlab.TargetStatus) bar {
	b := bar{label: "C_new", set: t.Voters}
	var long, short []string
	for _, id := range t.Voters {
		if p.voters.has(id) {
			continue
		}
		l, s := p.progress(id)
		long, short = append(long, name(id)+" "+l), append(short, name(id)+" "+s)
	}
	b.words = [barLevels]string{"waits: " + strings.Join(long, ", "), strings.Join(short, ", "), "waits"}
	if len(long) == 0 {
		b.words = [barLevels]string{"comes next", "comes next", "next"}
	}
	return b
}

// progress is how far the leader has come with a node, in words and in short.
func (p *picture) progress(id int) (long, short string) {
	peer := p.peer(id)
	switch {
	case peer == nil:
		return "is not known to a leader", "?"
	case peer.Flow == flowSnapshot:
		s := p.sending(peer)
		return "is sent " + s.text(), "snap " + s.share()
	}
	last := strconv.FormatUint(p.lead.LastIndex, 10)
	return "has " + strconv.FormatUint(peer.Match, 10) + " of " + last, strconv.FormatUint(peer.Match, 10) + "/" + last
}

// drawBars draws the bars, a line each: who of the set said yes, and what that
// comes to. What there is no room for goes from all of them alike.
func drawBars(p *picture, pn pane) {
	const label = 6
	room := pn.w - 2 - label - 1
	who, level, spelled := 0, barLevels-1, true
	long, short := 0, 0
	for i := range p.bars {
		long, short = max(long, p.bars[i].width(true)), max(short, p.bars[i].width(false))
	}
	for l := range barLevels {
		words := 0
		for i := range p.bars {
			words = max(words, textWidth(p.bars[i].words[l]))
		}
		// First fewer words, then shorter names, then no names.
		if words+long <= room {
			who, level = long, l
			break
		}
		if l == barLevels-1 && words+short <= room {
			who, spelled = short, false
		}
	}
	for y := range p.bars {
		b := &p.bars[y]
		pn.text(2, y, b.label, strong)
		x := 2 + label
		if who > 0 {
			b.draw(pn, x, y, spelled)
			x += who
		}
		pn.text(x, y, fit(b.words[level], pn.w-x-1), plain)
	}
}

// width is how many columns the members take, the gap behind them included.
func (b *bar) width(spelled bool) int {
	if b.marks == "" {
		return len(nameRanges(b.set)) + 3
	}
	w := 2
	for _, id := range b.set {
		w += len(member(id, spelled)) + 1 // its mark
		if spelled {
			w++
		}
	}
	return w
}

func member(id int, spelled bool) string {
	if spelled {
		return name(id)
	}
	return strconv.Itoa(id)
}

func (b *bar) draw(pn pane, x, y int, spelled bool) {
	if b.marks == "" {
		pn.text(x, y, nameRanges(b.set), plain)
		return
	}
	for i, id := range b.set {
		st, mark := plain, rune(b.marks[i])
		switch mark {
		case '+':
			st = strong
		case '.':
			mark = pn.glyph(glyphDots)
		}
		x = pn.text(x, y, member(id, spelled), st)
		pn.put(x, y, mark, st)
		x++
		if spelled {
			x++
		}
	}
}
