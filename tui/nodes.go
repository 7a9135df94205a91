package tui

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// nodeColumns says where the columns of the nodes pane are. A width of 0 is a
// column there is no room for.
type nodeColumns struct {
	id, role, term, vote, votes, bar, ms, pid, last, cmt, app int
	log                                                       int // first column of the log cells
	cells                                                     int // how many entries the log window shows
}

// columns fits the columns into width w. What matters most stays longest: id,
// role, term, timer, last, commit, some of the log.
func (p *picture) columns(w int) nodeColumns {
	digits := max(4, len(strconv.FormatUint(p.maxLast(), 10))+1)
	idw := 2
	for _, n := range p.nodes {
		idw = max(idw, len(name(n.ID)))
	}
	termDigits := len(strconv.FormatUint(p.lab.status.Term, 10))
	c := nodeColumns{id: idw + 1, role: max(10, len("LEADER>")+idw+1), term: max(5, termDigits+2), vote: idw + 3, bar: 10, ms: 7, last: digits, cmt: digits}
	if w < 78 {
		c.bar, c.vote, c.term = 7, max(idw+1, 5), max(5, termDigits+2)
	}
	if w >= 116 {
		c.votes = clamp(len(p.nodes)+1, 10, 14)
	}
	if w >= 128 {
		c.app = digits
	}
	if w >= 134 && p.lab.status.Engine != netlab.EngineSim {
		c.pid = 8
	}
	c.log = 2 + c.id + c.role + c.term + c.vote + c.votes + c.bar + c.ms + c.pid + c.last + c.cmt + c.app + 1
	c.cells = max(0, (w-c.log)/2)
	return c
}

// firstOf is the first index of a node's log.
func firstOf(n *netlab.NodeStatus) uint64 { return max(n.FirstIndex, 1) }

// logFloor is the first index of all logs that have entries.
func (p *picture) logFloor() uint64 {
	floor := uint64(0)
	for _, n := range p.nodes {
		if first := firstOf(n); first <= n.LastIndex && (floor == 0 || first < floor) {
			floor = first
		}
	}
	return max(floor, 1)
}

func (p *picture) maxLast() uint64 {
	var last uint64
	for _, n := range p.nodes {
		last = max(last, n.LastIndex)
	}
	return last
}

// window is the stretch of indexes the log cells show. At the end one slot is
// left for the entry to come.
func (p *picture) window(cells int) (lo, hi uint64) {
	if cells <= 0 {
		return 1, 0
	}
	last := p.maxLast() + 1
	n := uint64(cells)
	if last <= n {
		return 1, n
	}
	// Before the first entry of all logs there is nothing to scroll to but the
	// snapshots, which need a few cells.
	const folded = 6
	lowest := min(max(p.logFloor(), folded+1)-folded, last-n+1)
	back := min(p.ui.logBack, last-n+1-lowest)
	return last - back - n + 1, last - back
}

func (p *picture) nodesTitle(c nodeColumns) (left, right string) {
	left = "NODES"
	if c.cells == 0 {
		return left, ""
	}
	lo, hi := p.window(c.cells)
	last := p.maxLast()
	if last == 0 {
		return left, "LOG empty"
	}
	if !slices.ContainsFunc(p.nodes, func(n *netlab.NodeStatus) bool { return firstOf(n) <= n.LastIndex }) {
		return left, "LOG empty after " + strconv.FormatUint(last, 10)
	}
	whole := strconv.FormatUint(last, 10)
	if floor := p.logFloor(); floor > 1 {
		lo = max(lo, floor)
		whole = strconv.FormatUint(floor, 10) + "-" + whole
	}
	right = "LOG " + strconv.FormatUint(lo, 10) + "-" + strconv.FormatUint(min(hi, max(lo, last)), 10) + " of " + whole
	if p.ui.logBack > 0 {
		right += " (End follows)"
	}
	return left, right
}

// nodeLines says how the nodes share the lines they got: detail lines below
// each, the bars of a change, the row of the whole log, how many nodes there is
// room for.
type nodeLines struct {
	per   int  // lines a node
	bars  int  // lines for a change of the configuration
	whole bool // one line for the whole log
	shown int  // nodes
}

// wallLines is how many walls stand between the nodes shown.
func (p *picture) wallLines() int {
	walls := 0
	for i := 1; i < len(p.nodes); i++ {
		if p.side[i] != p.side[i-1] {
			walls++
		}
	}
	return walls
}

// fitNodes decides for h lines, the header included.
func (p *picture) fitNodes(h, w int) nodeLines {
	n := len(p.nodes)
	free := h - 1 - p.wallLines()
	l := nodeLines{per: 1}
	if free-len(p.bars) >= min(n, 2) {
		l.bars = len(p.bars)
	}
	free -= l.bars
	l.shown = clamp(free, 0, n)
	if w >= noteWidth && n <= 5 && free > 2*n {
		l.per = 2
		free -= n
	}
	l.whole = w >= 100 && free > n
	return l
}

// noteWidth is the width from which a node's second line has room for words.
const noteWidth = 116

// wantNodes is how many lines the pane makes use of. With free lines for the
// panes below it to spare it takes a second line a node.
func (p *picture) wantNodes(w, free int) int {
	n := len(p.nodes)
	lines := 1 + n + p.wallLines() + len(p.bars)
	if w >= 100 {
		lines++
	}
	if w >= noteWidth && n <= 5 && free-lines-n >= 20 {
		lines += n
	}
	return lines
}

func drawNodes(p *picture, pn pane) {
	c := p.columns(pn.w)
	lo, hi := p.window(c.cells)
	drawNodesHeader(p, pn, c, lo, hi)
	fit := p.fitNodes(pn.h, pn.w)
	first := p.firstNode(fit.shown)
	y := 1
	for i := first; i < len(p.nodes) && i < first+fit.shown; i++ {
		if i > 0 && p.side[i] != p.side[i-1] {
			drawWall(p, pn, y, p.side[i] == 1)
			y++
		}
		drawNode(p, pn, y, i, c, lo, hi)
		if fit.per == 2 {
			drawNodeDetail(p, pn, y+1, i, c, lo, hi)
		}
		y += fit.per
	}
	if fit.bars > 0 {
		drawBars(p, pn.rows(y, fit.bars))
	}
	if fit.whole {
		drawWholeLog(p, pn, pn.h-1)
	}
	if hidden := len(p.nodes) - fit.shown; hidden > 0 {
		// Over the ruler's end, as short as leaves the columns' names alone.
		s := " " + plural(hidden, "more node", "more nodes")
		if textWidth(s) > pn.w-c.log {
			s = " +" + strconv.Itoa(hidden)
		}
		pn.right(pn.w, 0, s, strong)
	}
}

// firstNode is where the list starts when it does not fit: so that the picked
// node is in it.
func (p *picture) firstNode(shown int) int {
	at := p.place(p.ui.node)
	if at < shown {
		return 0
	}
	return clamp(at-shown+1, 0, max(0, len(p.nodes)-shown))
}

func drawNodesHeader(p *picture, pn pane, c nodeColumns, lo, hi uint64) {
	x := 2
	for _, col := range [...]struct {
		word  string
		width int
	}{{"id", c.id}, {"role", c.role}, {"term", c.term}, {"vote", c.vote}, {"votes", c.votes}, {"timer", c.bar + c.ms}, {"pid", c.pid}} {
		if col.width > 0 {
			pn.sub(x, 0, col.width-1, 1).text(0, 0, col.word, faint)
		}
		x += col.width
	}
	for _, col := range [...]struct {
		word  string
		width int
	}{{"last", c.last}, {"cmt", c.cmt}, {"app", c.app}} {
		if col.width > 0 {
			pn.right(x+col.width-1, 0, col.word, faint)
		}
		x += col.width
	}
	drawRuler(pn, c, lo, hi)
}

// drawRuler writes every fifth index so that its last digit stands over its
// cell, and dots over the others.
func drawRuler(pn pane, c nodeColumns, lo, hi uint64) {
	every := uint64(5)
	if hi >= 1e8 {
		every = 10
	}
	for i := 0; i < c.cells; i++ {
		pn.put(c.log+2*i, 0, '.', faint)
	}
	free := c.log // the first column no label has taken
	for i := range uint64(c.cells) {
		index := lo + i
		if index%every != 0 || index == 0 {
			continue
		}
		s := strconv.FormatUint(index, 10)
		end := c.log + 2*int(i) + 1
		if start := end - len(s); start >= free {
			pn.fill(start, end, 0, ' ', plain)
			pn.text(start, 0, s, faint)
			free = end
		}
	}
}

func drawNode(p *picture, pn pane, y, i int, c nodeColumns, lo, hi uint64) {
	n := p.nodes[i]
	st := plain
	if n.State == netlab.StateDead {
		st = faint
	}
	if n.ID == p.ui.node {
		pn.put(0, y, '>', strong)
		st = st.with(bold)
	}
	if p.ui.marked[n.ID] {
		pn.put(1, y, '*', strong)
	}
	x := 2
	pn.text(x, y, name(n.ID), st)
	x += c.id
	word, roleStyle := p.roleWord(i)
	pn.sub(x, y, c.role, 1).text(0, 0, word, roleStyle)
	x += c.role
	pn.text(x, y, "t"+strconv.FormatUint(n.Term, 10), st)
	x += c.term
	pn.text(x, y, name(n.Vote), st)
	x += c.vote
	if c.votes > 0 {
		drawVotes(p, pn.sub(x, y, c.votes-1, 1), n)
		x += c.votes
	}
	drawTimer(p, pn.sub(x, y, c.bar+c.ms, 1), i, c.bar, st)
	x += c.bar + c.ms
	if c.pid > 0 {
		if n.Pid != 0 {
			pn.text(x, y, strconv.Itoa(n.Pid), st)
		}
		x += c.pid
	}
	for _, col := range [...]struct {
		value uint64
		width int
	}{{n.LastIndex, c.last}, {n.Commit, c.cmt}, {n.Applied, c.app}} {
		if col.width > 0 {
			pn.right(x+col.width-1, y, strconv.FormatUint(col.value, 10), st)
		}
		x += col.width
	}
	drawLog(p, pn, c.log, y, n, lo, hi)
}

// drawVotes shows who gave a candidate its vote: .2.4.6..9, n for a refusal.
func drawVotes(p *picture, pn pane, n *netlab.NodeStatus) {
	if n.Role != netlab.RoleCandidate && n.Role != netlab.RolePreCandidate || n.State == netlab.StateDead {
		return
	}
	v := p.votersOf(n)
	voters := v.now
	if v.joint() {
		voters = v.all()
	}
	if len(voters) > pn.w {
		pn.text(0, 0, strings.ReplaceAll(v.counted(func(id int) bool { return voteMark(n, id) == '+' }), " of ", "/"), strong)
		return
	}
	// By id, not by the place on the screen: a number stands where it stood.
	for i, id := range voters {
		switch voteMark(n, id) {
		case '+':
			pn.put(i, 0, rune('0'+id%10), strong)
		case 'n':
			pn.put(i, 0, 'n', plain)
		default:
			pn.put(i, 0, pn.glyph(glyphDots), faint)
		}
	}
}

// drawTimer draws what is left of a timer as a bar and in digits. A leader's
// is the one to its next heartbeat.
func drawTimer(p *picture, pn pane, i, bar int, st style) {
	n := p.nodes[i]
	inner := bar - 2
	pn.put(0, 0, '[', faint)
	pn.put(inner+1, 0, ']', faint)
	left, length, ok := p.timer(i)
	if n.Role == netlab.RoleLeader && inner >= 4 && length > 0 {
		pn.text(1, 0, "hb", faint)
	}
	if !ok {
		if length > 0 {
			pn.right(pn.w-1, 0, "<"+shortTime(length), faint) // less than its whole
		}
		return
	}
	cells := int((int64(left)*int64(inner) + int64(length)/2) / int64(length))
	if left > 0 {
		cells = max(1, cells)
	}
	pn.fill(1, 1+cells, 0, pn.glyph(glyphBar), st)
	if n.Role == netlab.RoleLeader && inner >= 4 {
		for j, r := range "hb" {
			s := faint
			if j < cells && !pn.g.ascii {
				s = style{attr: reverse}
			}
			pn.put(1+j, 0, r, s)
		}
	}
	pn.right(pn.w-1, 0, shortTime(p.sampledTimer(n.ID, left, length)), st)
}

// sampledTimer is what the digits of a node's timer show; left when there is
// no sample.
func (p *picture) sampledTimer(id int, left, length time.Duration) time.Duration {
	for _, s := range p.ui.timers {
		if s.id == id && s.ok {
			return time.Duration(clamp64(s.left, 0, int64(length)))
		}
	}
	return left
}

// drawNodeDetail is the second line of a node: what the leader knows of it,
// or what stops it, and marks below the log.
func drawNodeDetail(p *picture, pn pane, y, i int, c nodeColumns, lo, hi uint64) {
	n := p.nodes[i]
	words := pn.sub(2+c.id, y, c.log-c.id-3, 1)
	words.text(0, 0, fit(p.nodeNote(i, words.w), words.w), faint)
	mark := func(index uint64, r rune, s style) {
		if index >= lo && index <= hi {
			pn.put(c.log+2*int(index-lo), y, r, s)
		}
	}
	if peer := p.peer(n.ID); peer != nil && n.Term <= p.lead.Term {
		mark(peer.Match, 'm', faint)
		mark(peer.Next, 'n', faint)
	}
	for index := lo; index <= hi && index <= n.LastIndex; index++ {
		if p.differs(n, index) {
			mark(index, 'x', strong)
		}
	}
}

// peer is the newest leader's view of a node.
func (p *picture) peer(id int) *netlab.PeerStatus {
	if p.lead == nil {
		return nil
	}
	for i := range p.lead.Peers {
		if p.lead.Peers[i].ID == id {
			return &p.lead.Peers[i]
		}
	}
	return nil
}

// nodeNote is what is most telling about a node and its row does not say, as
// much of it as w columns take.
func (p *picture) nodeNote(i, w int) string {
	n := p.nodes[i]
	var parts []string
	switch {
	case n.State == netlab.StateDead && n.Exit != "":
		s := "ended by itself: " + n.Exit
		if n.RestartNS > 0 {
			s += ", restarted in " + shortTime(time.Duration(max(0, n.RestartNS-p.time)))
		}
		parts = append(parts, s)
	case n.State == netlab.StateDead && n.Starts > 0 && n.StateNS > 0:
		parts = append(parts, "killed "+ago(p.time-n.StateNS))
	case n.State == netlab.StatePaused:
		parts = append(parts, "stopped "+ago(p.time-n.StateNS)+", hears nothing")
	}
	short, _ := nodeFaults(n)
	parts = append(parts, short...)
	if first, last, ok := p.differing(n); ok {
		parts = append(parts, differ(first, last)+" from "+name(p.lead.ID)+"'s")
	}
	if peer := p.peer(n.ID); peer != nil && n.State == netlab.StateUp && n.Role != netlab.RoleLeader && n.Term <= p.lead.Term {
		s := name(p.lead.ID) + "'s view: match " + strconv.FormatUint(peer.Match, 10) + ", next " + strconv.FormatUint(peer.Next, 10)
		switch {
		case peer.Flow == flowSnapshot:
			s = name(p.lead.ID) + " sends it " + p.sending(peer).text()
		case peer.Probing || peer.Flow == flowProbe:
			s += ", probing"
		}
		if p.lead.TransferTo == n.ID {
			s = "to lead next; " + s
		}
		parts = append(parts, s)
	}
	if n.State == netlab.StateUp && n.Role == netlab.RoleLeader {
		if n.TransferTo > 0 {
			parts = append(parts, "hands over to "+name(n.TransferTo)+", takes no writes")
		}
		v := p.votersOf(n)
		parts = append(parts, "reaches "+v.counted(p.hears(i))+", quorum "+v.quorumText())
	}
	if n.Snapshotting {
		parts = append(parts, "writes a snapshot")
	}
	if n.Pending > 0 {
		parts = append(parts, plural(n.Pending, "request waits", "requests wait"))
	}
	note := ""
	for _, part := range parts {
		switch {
		case note == "":
			note = part
		case len(note)+2+len(part) <= w:
			note += "; " + part
		}
	}
	return note
}

// differing is the stretch of n's log that is not the leader's.
func (p *picture) differing(n *netlab.NodeStatus) (first, last uint64, ok bool) {
	if p.lead == nil || p.lead == n || n.LastIndex == 0 || !p.differs(n, n.LastIndex) {
		return 0, 0, false
	}
	// By Log Matching (§5.3) logs agree up to some index and nowhere after it, so
	// the first difference can be searched by halves.
	lo, hi := uint64(1), n.LastIndex
	if len(n.Log) > 0 {
		lo = n.Log[0].First
	}
	for lo < hi {
		mid := lo + (hi-lo)/2
		if p.differs(n, mid) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo, n.LastIndex, true
}

// differ is "entry 3 differs", "4-5 differ": a lone index reads as a count.
func differ(first, last uint64) string {
	if first == last {
		return "entry " + indexes(first, last) + " differs"
	}
	return indexes(first, last) + " differ"
}

func indexes(first, last uint64) string {
	if first == last {
		return strconv.FormatUint(first, 10)
	}
	return strconv.FormatUint(first, 10) + "-" + strconv.FormatUint(last, 10)
}

func ago(ns int64) string { return shortTime(time.Duration(max(0, ns))) + " ago" }

// drawWall is the line between two sides, with what it stopped.
func drawWall(p *picture, pn pane, y int, first bool) {
	pn.fill(2, pn.w-1, y, pn.glyph(glyphWallH), faint)
	if !first {
		pn.text(9, y, " wall ", plain)
		return
	}
	var sides, short []string
	for _, s := range p.sides {
		sides = append(sides, names(s))
		short = append(short, nameRanges(s))
	}
	const sep, count = " / ", len(" 1234567 dropped ")
	if wall := strings.Join(sides, sep); 9+len(" wall:  ")+len(wall)+1+count > pn.w {
		sides = short
	}
	x := pn.text(9, y, " wall: "+strings.Join(sides, sep)+" ", plain)
	s := " " + plural(int(p.lab.walls.dropped), "message", "messages") + " dropped here "
	if p.lab.walls.partly {
		s = " " + plural(int(p.lab.walls.dropped), "message", "messages") + " dropped here since you came "
	}
	if x+6+len(s) > pn.w-1 {
		s = " " + strconv.FormatUint(p.lab.walls.dropped, 10) + " dropped "
		if p.lab.walls.partly {
			s += "since you came "
		}
	}
	if x+1+len(s) <= pn.w-1 {
		pn.text(min(x+6, pn.w-1-len(s)), y, s, plain)
	}
}
