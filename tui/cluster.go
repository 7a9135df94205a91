package tui

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// spot is where a node's box stands, relative to the pane.
type spot struct{ x, y, w, h int }

// holds tells whether (x, y) is inside of the box or right beside it.
func (s spot) holds(x, y float64) bool {
	return x >= float64(s.x)-1.5 && x < float64(s.x+s.w)+0.5 && y >= float64(s.y)-0.5 && y < float64(s.y+s.h)-0.5
}

func (s spot) middle() (x, y float64) {
	return float64(s.x) + float64(s.w-1)/2, float64(s.y) + float64(s.h-1)/2
}

// The sizes a box comes in.
const (
	boxW, boxH     = 18, 4
	smallW, smallH = 14, 2
)

// clusterSpots places the nodes: each side in a ring of its own between the
// walls, large boxes when they fit. walls are the columns of the walls; ok is
// false when there are too many nodes to draw.
func (p *picture) clusterSpots(w, h int) (spots []spot, walls []int, ok bool) {
	for _, size := range [...][2]int{{boxW, boxH}, {smallW, smallH}} {
		if spots, walls, ok = p.trySpots(w, h, size[0], size[1]); ok {
			return spots, walls, true
		}
	}
	return nil, nil, false
}

func (p *picture) trySpots(w, h, bw, bh int) (spots []spot, walls []int, ok bool) {
	n := len(p.nodes)
	if n == 0 || w < bw || h < bh {
		return nil, nil, false
	}
	groups := []int{0} // where each side starts in nodes
	for i := 1; i < n; i++ {
		if p.side[i] != p.side[i-1] {
			groups = append(groups, i)
		}
	}
	// What is left when each side has one box's width goes to those that make a
	// ring of it: three and more.
	free := w - (len(groups)-1)*2 - len(groups)*(bw+1)
	weight := func(k int) int { return max(0, k-2) }
	spread := 0
	for g, start := range groups {
		end := n
		if g+1 < len(groups) {
			end = groups[g+1]
		}
		spread += weight(end - start)
	}
	x := 0
	for g, start := range groups {
		end := n
		if g+1 < len(groups) {
			end = groups[g+1]
		}
		width := bw + 1
		if spread > 0 {
			width += free * weight(end-start) / spread
		} else {
			width += free / len(groups)
		}
		if g+1 == len(groups) {
			width = w - x
		}
		ring, fits := ringSpots(x, width, h, end-start, bw, bh)
		if free < 0 || !fits {
			return nil, nil, false
		}
		spots = append(spots, ring...)
		x += width
		if g+1 < len(groups) {
			walls = append(walls, x)
			x += 2
		}
	}
	return spots, walls, true
}

// ringSpots places k boxes on an ellipse, the first at the top, or in a column
// where there is no room beside each other.
func ringSpots(x, w, h, k, bw, bh int) ([]spot, bool) {
	var out []spot
	rx, ry := float64(w-bw)/2, float64(h-bh)/2
	for i := range k {
		a := 2 * math.Pi * float64(i) / float64(k)
		fx, fy := rx+rx*math.Sin(a), ry-ry*math.Cos(a)
		if k == 1 {
			fx, fy = rx, ry
		}
		out = append(out, spot{x + clamp(int(math.Round(fx)), 0, max(0, w-bw)), clamp(int(math.Round(fy)), 0, max(0, h-bh)), bw, bh})
	}
	if !overlap(out) {
		return out, true
	}
	if k*(bh+1)-1 > h {
		return nil, false
	}
	for i := range out {
		gap := (h - bh) / max(1, k-1)
		out[i] = spot{x + (w-bw)/2, i * gap, bw, bh}
	}
	return out, !overlap(out)
}

func overlap(spots []spot) bool {
	for i, a := range spots {
		for _, b := range spots[:i] {
			if a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h {
				return true
			}
		}
	}
	return false
}

func (p *picture) clusterTitle() (left, right string) {
	if len(p.sides) > 1 {
		var sides []string
		for _, s := range p.sides {
			sides = append(sides, numbers(s))
		}
		right = "wall: " + strings.Join(sides, " / ")
	}
	return "CLUSTER", right
}

func drawCluster(p *picture, pn pane) {
	legend := 0
	if pn.h >= 20 {
		legend = len(legendLines) + 1
	}
	area := pn.sub(1, 0, pn.w-2, pn.h-legend)
	spots, walls, ok := p.clusterSpots(area.w, area.h)
	if !ok {
		pn.text(1, 0, "too many nodes or sides to draw here", faint)
		return
	}
	for _, x := range walls {
		for y := range area.h {
			area.put(x, y, pn.glyph(glyphWallV), plain)
		}
	}
	p.drawPaths(area, spots)
	for i := range p.nodes {
		p.drawBox(area.sub(spots[i].x, spots[i].y, spots[i].w, spots[i].h), i)
	}
	if legend > 0 {
		for i, s := range legendLines {
			pn.text(1, pn.h-len(legendLines)+i, fit(s, pn.w-1), faint)
		}
	}
}

// legendLines say what the letters mean, for the narrowest pane: 50 columns.
var legendLines = [...]string{
	"A append h heartbeat V vote? P prevote? S snapshot",
	"a ok     r reject    v yes   n no       s has it",
	"T stand now  I i read index  X lost  dots: reaches",
}

// drawPaths draws who a leader or candidate reaches, and what travels, at its
// true place.
func (p *picture) drawPaths(area pane, spots []spot) {
	for i, n := range p.nodes {
		if n.State != netlab.StateUp || n.Role != netlab.RoleLeader && n.Role != netlab.RoleCandidate && n.Role != netlab.RolePreCandidate {
			continue
		}
		for j := range p.nodes {
			if i != j && p.nodes[j].State != netlab.StateDead && p.open(i, j) {
				p.drawDots(area, spots[i], spots[j])
			}
		}
	}
	if p.look.motion == MotionNone {
		return
	}
	for k := len(p.messages) - 1; k >= 0; k-- {
		r := &p.messages[k]
		switch r.state {
		case flying:
			for _, fr := range r.flights {
				p.drawOnPath(area, spots, fr, p.share(r, fr), letter(fr), filled(fr.Term))
			}
		case lost:
			if p.now.Sub(r.seen) < 500*time.Millisecond && len(r.to) == 1 {
				p.drawOnPath(area, spots, r.frame, p.share(r, r.frame), letter(r.frame)+"X", strong)
			}
		}
	}
}

// path is the stretch of the line between two boxes' middles that lies outside
// of both.
func path(a, b spot) (ax, ay, bx, by float64) {
	ax, ay = a.middle()
	bx, by = b.middle()
	dx, dy := bx-ax, by-ay
	from, to := 0.0, 1.0
	const steps = 64
	for i := 0; i <= steps; i++ {
		t := float64(i) / steps
		if a.holds(ax+dx*t, ay+dy*t) {
			from = t
		}
		if s := 1 - t; b.holds(ax+dx*s, ay+dy*s) {
			to = s
		}
	}
	if to < from {
		from, to = 0.5, 0.5
	}
	return ax + dx*from, ay + dy*from, ax + dx*to, ay + dy*to
}

func (p *picture) drawDots(area pane, a, b spot) {
	ax, ay, bx, by := path(a, b)
	steps := int(math.Max(math.Abs(bx-ax)/2, math.Abs(by-ay)))
	for i := 1; i < steps; i++ {
		t := float64(i) / float64(steps)
		area.put(int(math.Round(ax+(bx-ax)*t)), int(math.Round(ay+(by-ay)*t)), area.glyph(glyphDots), faint)
	}
}

func (p *picture) drawOnPath(area pane, spots []spot, fr *frame, share float64, s string, st style) {
	i, j := p.place(fr.From), p.place(fr.To)
	if i < 0 || j < 0 {
		return
	}
	ax, ay, bx, by := path(spots[i], spots[j])
	x, y := ax+(bx-ax)*share, ay+(by-ay)*share
	// Where letters would lie on each other the first stays whole; the next is
	// one letter, or nothing: the messages pane has them all.
	for _, s := range [...]string{s, s[:1]} {
		at, row := int(math.Round(x))-len(s)/2, int(math.Round(y))
		if area.free(at, row, len(s)) {
			area.text(at, row, s, st)
			return
		}
	}
}

// free tells whether no message is drawn in n cells from (x, y) on.
func (p pane) free(x, y, n int) bool {
	if y < 0 || y >= p.h {
		return false
	}
	for i := max(0, x); i < min(x+n, p.w); i++ {
		if c := &p.g.cells[(p.y+y)*p.g.w+p.x+i]; c.bg != colorDefault || c.r == 'X' {
			return false
		}
	}
	return true
}

// drawBox draws a node: id, role, term; its timer; last/commit and whom it
// follows.
func (p *picture) drawBox(pn pane, i int) {
	n := p.nodes[i]
	pn.clear()
	word, roleStyle := p.roleWord(i)
	st := plain
	if n.ID == p.ui.node {
		st = strong
	}
	term := "t" + strconv.FormatUint(n.Term, 10)
	bar := 9
	body := pn
	if pn.h >= boxH {
		body = pn.frame("", "")
		if n.ID == p.ui.node {
			pn.restyle(func(style) style { return strong })
		}
		x := pn.text(1, 0, name(n.ID)+" ", st)
		pn.sub(x, 0, pn.w-x-1-len(term), 1).text(0, 0, word, roleStyle)
		pn.right(pn.w-1, 0, term, st)
		body = body.sub(0, 0, body.w, 2)
	} else {
		x := pn.text(0, 0, name(n.ID)+" ", st)
		pn.sub(x, 0, pn.w-x-len(term), 1).text(0, 0, word, roleStyle)
		pn.right(pn.w, 0, term, st)
		body = pn.rows(1, 1)
		bar = 8
	}
	drawTimer(p, body.sub(0, 0, body.w+1, 1), i, bar, st)
	if body.h < 2 {
		return
	}
	x := body.text(0, 1, strconv.FormatUint(n.LastIndex, 10)+"/"+strconv.FormatUint(n.Commit, 10), st)
	s := ""
	switch {
	case n.State != netlab.StateUp:
	case n.Role == netlab.RoleLeader:
		s = "has " + strings.ReplaceAll(p.votersOf(n).counted(p.hears(i)), " of ", "/")
		if p.votersOf(n).joint() {
			s = strings.NewReplacer("has ", "", " old", "", " new", "", ",", "").Replace(s)
		}
	case n.Vote > 0:
		s = "voted " + name(n.Vote)
	}
	if x+1+len(s) <= body.w {
		body.right(body.w, 1, s, faint)
	}
}
