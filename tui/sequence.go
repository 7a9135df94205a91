package tui

import (
	"strings"
	"time"
)

// drawSequence draws the messages as a sequence diagram: a column a node, time
// runs down, the newest at the bottom.
func drawSequence(p *picture, pn pane) {
	n := len(p.nodes)
	const left, right = 11, 9
	if n < 2 || pn.h < 4 {
		return
	}
	cw := (pn.w - left - right) / n
	if cw < 4 {
		pn.text(1, 0, "too many nodes to draw here", faint)
		return
	}
	at := func(i int) int { return left + i*cw + cw/2 }
	legend := 0
	if pn.h >= 10 {
		legend = 1
		pn.text(1, pn.h-1, fit("o sent  > arrived  - still in flight  X lost; last column ms", pn.w-2), faint)
	}
	pn.text(1, 0, "time", faint)
	for i, node := range p.nodes {
		pn.text(at(i)-1, 0, name(node.ID), faint)
	}
	body := pn.rows(1, pn.h-1-legend)
	for y := range body.h {
		for i := range p.nodes {
			body.put(at(i), y, body.glyph(glyphV), faint)
			if i > 0 && p.side[i] != p.side[i-1] {
				body.put((at(i)+at(i-1))/2, y, body.glyph(glyphWallV), faint)
			}
		}
	}
	shown := min(len(p.messages), body.h)
	for k := range shown {
		r := &p.messages[k]
		i, j := p.place(r.From), p.place(r.To)
		if i < 0 || j < 0 || i == j {
			continue
		}
		drawArrow(p, body.rows(shown-1-k, 1), r, at(i), at(j))
	}
}

func drawArrow(p *picture, pn pane, r *row, from, to int) {
	pn.text(1, 0, stamp(r.LeftNS, p.time), faint)
	step, head := 1, '>'
	if to < from {
		step, head = -1, '<'
	}
	way := (to - from) * step
	line := pn.glyph(glyphPath)
	s := letter(r.frame)
	reached := way
	if r.state != past {
		reached = clamp(int(p.share(r, r.frame)*float64(way)+0.5), 1, way)
	}
	for d := 1; d < way; d++ {
		if d < reached || r.state == flying && d%2 == 0 {
			pn.put(from+d*step, 0, line, faint)
		}
	}
	pn.put(from, 0, 'o', plain)
	middle := from + step*max(1, way/2)
	switch r.state {
	case past:
		pn.put(to-step, 0, head, plain)
	case lost:
		pn.put(from+reached*step, 0, 'X', strong)
		middle = from + step*max(1, reached/2)
	case flying:
		pn.put(to-step, 0, head, faint)
		middle = from + step*clamp(reached, 1, way-1)
	}
	if way > len(s)+1 {
		x := middle - len(s)/2
		lo, hi := min(from, to)+1, max(from, to)-len(s)
		pn.text(clamp(x, lo, hi), 0, s, filled(r.Term))
	}
	last := ""
	switch r.state {
	case past:
		last = millis(time.Duration(r.ArrivedNS - r.LeftNS))
	case lost:
		last, _, _ = strings.Cut(r.Reason, " ")
	case flying:
		last = millis(time.Duration(max(0, min(p.time, r.DueNS)-r.LeftNS))) + "/" + millis(time.Duration(r.DueNS-r.LeftNS))
	}
	pn.right(pn.w-1, 0, last, faint)
}
