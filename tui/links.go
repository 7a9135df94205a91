package tui

import (
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
	var parts []string
	st := plain
	if l.DelayMS > 0 {
		parts = append(parts, millisFloat(l.DelayMS))
		st = strong
	}
	if l.Loss > 0 {
		parts = append(parts, percent(l.Loss))
		st = strong
	}
	if len(parts) == 0 {
		if l.FlightNS == 0 {
			return "?", faint
		}
		return millis(time.Duration(l.FlightNS)), faint
	}
	return strings.Join(parts, "/"), st
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

func drawLinkLegend(p *picture, pn pane) {
	lines := []string{
		"row sends to column, ms; bold set, faint measured",
		"# wall  cut  ! one way  x dead node  5% loss  ? idle",
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

// drawLinkExceptions lists what is set, for more nodes than a matrix has room
// for.
func drawLinkExceptions(p *picture, pn pane) {
	y := 0
	for i := range p.nodes {
		for j := range p.nodes {
			l := p.between(i, j)
			if l == nil || i == j || l.Wall || !l.Cut && l.DelayMS == 0 && l.Loss == 0 {
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
