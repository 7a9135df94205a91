package tui

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// linkCell is a link in five columns or fewer: what is set on it before what
// was measured.
func (p *picture) linkCell(i, j int) (string, style) {
	if i == j {
		return `\`, faint
	}
	l := p.between(i, j)
	if l == nil {
		return "?", faint
	}
	if l.Wall || l.Cut {
		s := "#"
		if l.Cut {
			s = "cut"
		}
		if back := p.between(j, i); back != nil && !back.Wall && !back.Cut {
			s += "!"
		}
		return s, strong
	}
	if p.nodes[i].State == netlab.StateDead || p.nodes[j].State == netlab.StateDead {
		return "x", faint
	}
	parts := linkParts(l)
	if len(parts) == 0 {
		if l.FlightNS == 0 {
			return "?", faint
		}
		return millis(time.Duration(l.FlightNS)), faint
	}
	s := strings.Join(parts, "/")
	if len(s) > 6 && len(parts) > 1 {
		s = parts[0] + "+"
	}
	return s, strong
}

// linkParts are what is set on a link, each as short as it gets: the delay in
// ms, 5% lost, d5% doubled, r5% out of order, c5% corrupted, 64K a second at
// most, h2 for two messages that are held, * for what is set for some messages.
func linkParts(l *netlab.LinkStatus) []string {
	var parts []string
	if l.OnHold > 0 {
		parts = append(parts, "h"+strconv.Itoa(l.OnHold))
	}
	figures := 0
	for _, f := range [...]struct {
		set  bool
		text string
	}{
		{l.DelayMS > 0, millisFloat(l.DelayMS)}, {l.Loss > 0, percent(l.Loss)}, {l.Duplicate > 0, "d" + percent(l.Duplicate)},
		{l.Reorder > 0, "r" + percent(l.Reorder)}, {l.Corrupt > 0, "c" + percent(l.Corrupt)}, {l.RateBytes > 0, rateShort(l.RateBytes)},
	} {
		if f.set {
			parts = append(parts, f.text)
			figures++
		}
	}
	if more := strings.Count(l.Set, ", ") + 1; l.Set != "" && more > figures {
		parts = append(parts, "*")
	}
	return parts
}

// rateShort is a rate in four columns: 64K, 1M, 900.
func rateShort(bytes int64) string {
	for _, u := range [...]struct {
		bytes int64
		name  string
	}{{1 << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}} {
		if bytes >= u.bytes {
			return strconv.FormatInt(bytes/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(bytes, 10)
}

// pickedLink is the picked cell of the matrix, as places in nodes; -1 when
// there are no nodes. It is kept by ids, so that it stays where it is when nodes
// come and go.
func (p *picture) pickedLink() (from, to int) {
	if len(p.nodes) == 0 {
		return -1, -1
	}
	return max(0, p.place(p.ui.linkFrom)), max(0, p.place(p.ui.linkTo))
}

// linkWidth is the width of a column of the matrix in w columns, 0 when the
// nodes are too many.
func (p *picture) linkWidth(w int) int {
	n := len(p.nodes)
	if n == 0 {
		return 0
	}
	walls := p.wallLines()
	cw := (w - 6 - 2*walls) / n
	if cw < 4 {
		return 0
	}
	return min(cw, 9)
}

// wantLinks is how many lines the matrix makes use of.
func (p *picture) wantLinks() int { return len(p.nodes) + 1 + p.wallLines() + 3 }

func drawLinks(p *picture, pn pane, cursor bool) {
	cw := p.linkWidth(pn.w)
	if cw == 0 || pn.h < len(p.nodes)+1 {
		drawLinkExceptions(p, pn)
		return
	}
	x := 6
	columns := make([]int, len(p.nodes))
	for j, n := range p.nodes {
		if j > 0 && p.side[j] != p.side[j-1] {
			x += 2
		}
		columns[j] = x
		pn.right(x+cw-1, 0, name(n.ID), faint)
		x += cw
	}
	from, to := p.pickedLink()
	roomForWalls := pn.h >= len(p.nodes)+1+p.wallLines()
	y := 1
	for i, n := range p.nodes {
		if roomForWalls && i > 0 && p.side[i] != p.side[i-1] {
			pn.fill(2, x, y, pn.glyph(glyphWallH), faint)
			y++
		}
		st := plain
		if n.ID == p.ui.node {
			pn.put(0, y, '>', strong)
			st = strong
		}
		pn.text(2, y, name(n.ID), st)
		for j := range p.nodes {
			if j > 0 && p.side[j] != p.side[j-1] {
				pn.put(columns[j], y, pn.glyph(glyphWallV), faint)
			}
			s, st := p.linkCell(i, j)
			if cursor && i == from && j == to {
				st = st.with(reverse)
			}
			pn.sub(columns[j], y, cw, 1).right(cw-1, 0, fit(s, cw-1), st)
		}
		y++
	}
	drawLinkLegend(p, pn.rows(y, pn.h-y))
}

// drawLinkView is the matrix over the whole screen: with the picked link in
// words, and all that is set, beside it where there is room and else below.
func drawLinkView(p *picture, pn pane) {
	cw := p.linkWidth(pn.w)
	least := len(p.nodes) + 1 + p.wallLines()
	matrixH := clamp(pn.h-6, least, p.wantLinks()+2)
	if cw == 0 || pn.h < len(p.nodes)+1 {
		matrixH = max(2, pn.h/2) // a list of what is set on each
	}
	matrix, rest := pn.rows(0, matrixH), pn.rows(matrixH, pn.h-matrixH)
	if x := max(legendW, 8+cw*len(p.nodes)+2*p.wallLines()); cw > 0 && pn.w-x >= besideMatrix {
		matrix, rest = pn.sub(0, 0, x, pn.h), pn.sub(x, 0, pn.w-x, pn.h)
	}
	drawLinks(p, matrix, true)
	lines := p.pickedLinkLines()
	for i, s := range lines {
		rest.text(1, i, fit(s, rest.w-1), plain)
	}
	drawFaults(p, rest.rows(len(lines)+1, rest.h-len(lines)-1))
}

const (
	// besideMatrix is how many columns the list of what is set needs beside the
	// matrix: fewer, and it stands below.
	besideMatrix = 56
	legendW      = 58 // of the longest line of the legend, and a gap
)

// pickedLinkLines are what is set on the picked link, and what passed it.
func (p *picture) pickedLinkLines() []string {
	i, j := p.pickedLink()
	if i < 0 {
		return nil
	}
	l := p.between(i, j)
	if i == j || l == nil {
		return []string{"all links of " + name(p.nodes[i].ID) + "; the arrows pick one"}
	}
	var set []string
	if l.Wall {
		set = append(set, "behind the wall")
	}
	if l.Set != "" {
		set = append(set, l.Set)
	}
	if len(set) == 0 {
		set = append(set, "nothing is set")
	}
	passed := count(float64(l.Sent)) + " sent, " + count(float64(l.Delivered)) + " delivered, " + count(float64(l.Dropped)) + " dropped"
	if l.Copies > 0 {
		passed += ", " + count(float64(l.Copies)) + " copies"
	}
	if l.OnHold > 0 {
		passed += ", " + strconv.Itoa(l.OnHold) + " held"
	}
	if l.FlightNS > 0 {
		passed += "; took " + shortTime(time.Duration(l.FlightNS))
	}
	return []string{name(l.From) + " to " + name(l.To) + ": " + strings.Join(set, ", "), passed}
}

func drawLinkLegend(p *picture, pn pane) {
	lines := []string{
		"row sends to column, ms; bold set, faint measured",
		"# wall  cut  ! one way  x dead node  5% loss  ? idle",
	}
	if p.rareFaults() {
		lines[1] = "# wall  cut  ! one way  x dead node  5% loss  d twice"
		lines = append(lines, "r late  c corrupt  K/s rate  h held  * some  + more")
	}
	wall, other := p.drops()
	switch {
	case wall == 0 && other > 0:
		lines = append(lines, "dropped: "+strconv.FormatUint(other, 10))
	case wall > 0:
		lines = append(lines, "dropped: "+strconv.FormatUint(wall, 10)+" where now a wall or cut is, "+strconv.FormatUint(other, 10)+" elsewhere")
	}
	for i, s := range lines {
		y := i
		if pn.h > len(lines) {
			y++ // a line of air
		}
		pn.text(1, y, fit(s, pn.w-1), faint)
	}
}

// drops sums what the network has dropped since the lab began, on links that
// are shut now and on the others.
func (p *picture) drops() (shut, open uint64) {
	for _, l := range p.link {
		switch {
		case l == nil:
		case l.Wall || l.Cut:
			shut += l.Dropped
		default:
			open += l.Dropped
		}
	}
	return shut, open
}

// rareFaults tells whether a cell of the matrix shows more than delay and loss.
func (p *picture) rareFaults() bool {
	for _, l := range p.link {
		if l == nil || l.Wall || l.Cut {
			continue
		}
		if l.OnHold > 0 || l.Duplicate > 0 || l.Reorder > 0 || l.Corrupt > 0 || l.RateBytes > 0 || len(linkParts(l)) > 2 || slices.Contains(linkParts(l), "*") {
			return true
		}
	}
	return false
}

// drawLinkExceptions lists what is set, for more nodes than a matrix has room
// for.
func drawLinkExceptions(p *picture, pn pane) {
	y := 0
	for i := range p.nodes {
		for j := range p.nodes {
			l := p.between(i, j)
			if l == nil || i == j || l.Wall || !l.Cut && len(linkParts(l)) == 0 {
				continue
			}
			if y == pn.h-1 {
				pn.text(1, y, "and more", faint)
				return
			}
			s, _ := p.linkCell(i, j)
			pn.text(1, y, name(l.From)+" to "+name(l.To)+"  "+s, plain)
			y++
		}
	}
	if y == 0 {
		s := "every link is open, nothing is set"
		if len(p.sides) > 1 {
			s = "nothing is set beside the wall"
		}
		pn.text(1, 0, s, faint)
	}
}
