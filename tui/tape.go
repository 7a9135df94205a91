package tui

import "time"

// The tape shows at most this much of the past: enough to see a story, short
// enough to see its steps.
const tapeSpan = 2 * time.Minute

// tapeSteps are the stretches of lab time a column may stand for.
var tapeSteps = []time.Duration{
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, time.Minute,
}

// tapeStep is how long a column of a tape of w columns is.
func (p *picture) tapeStep(w int) time.Duration {
	since := time.Duration(p.time)
	if len(p.lab.terms) > 0 {
		since = time.Duration(p.time - p.lab.terms[0].fromNS)
	}
	since = min(since, tapeSpan)
	for _, s := range tapeSteps {
		if s*time.Duration(w-1) >= since {
			return s
		}
	}
	return tapeSteps[len(tapeSteps)-1]
}

// markRank orders the marks that fall into one column: the rarest is shown.
var markRank = func() (rank [128]int) {
	for i, letter := range "wsTCLSFXODMJRZVWKUNHP!" {
		rank[letter] = i + 1
	}
	return rank
}()

// drawTape draws terms over time, newest at the right, and what happened: on a
// line of its own when there are two, else among the terms.
func drawTape(p *picture, pn pane) {
	two := pn.h > 1
	x := 1
	tail := 2
	if two {
		pn.text(1, 0, "term", faint)
		pn.text(1, 1, "mark", faint)
		x = 6
		tail = 3
	}
	if pn.w >= 76 {
		tail += 10
	}
	w := pn.w - x - tail - 1
	if w < 8 {
		return
	}
	step := int64(p.tapeStep(w))
	end := p.time/step + 1 // the first column after now
	column := func(labNS int64) int { return x + 1 + w - int(end-labNS/step) }
	bottom := pn.h - 1
	for y := range min(pn.h, 2) {
		pn.put(x, y, '|', faint)
		pn.put(x+1+w, y, '>', strong)
	}
	inside := pn.sub(x+1, 0, w, pn.h)
	put := func(c, y int, r rune, s style) { inside.put(c-x-1, y, r, s) }
	for i, t := range p.lab.terms {
		from, to := max(x+1, column(t.fromNS)), x+1+w
		if i+1 < len(p.lab.terms) {
			to = min(to, column(p.lab.terms[i+1].fromNS))
		}
		for c := from; c < to; c++ {
			put(c, 0, rune('0'+t.term%10), filled(t.term))
		}
	}
	for _, g := range p.lab.gaps {
		for c := max(x+1, column(g.fromNS)); c < column(g.toNS); c++ {
			put(c, 0, '?', faint)
		}
	}
	for i := len(p.lab.marks) - 1; i >= 0; {
		m := p.lab.marks[i]
		c := column(m.labNS)
		if c <= x {
			break
		}
		best := m.letter
		for i--; i >= 0 && column(p.lab.marks[i].labNS) == c; i-- {
			if l := p.lab.marks[i].letter; markRank[l] > markRank[best] {
				best = l
			}
		}
		put(c, bottom, rune(best), strong)
	}
	if tail > 3 {
		pn.text(x+w+3, 0, shortTime(time.Duration(step))+"/col", faint)
		if two {
			pn.text(x+w+3, 1, "to now", faint)
		}
	}
}
