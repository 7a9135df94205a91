package tui

import (
	"strings"
)

// drawOverlay draws what lies over the view.
func (s *screen) drawOverlay(p *picture, pn, body pane) {
	switch p.ui.overlay {
	case overlayHelp:
		s.drawHelp(p, centered(body, min(body.w, 100), body.h))
	case overlayNode:
		drawNodeOverlay(p, cleared(centered(body, min(body.w, 110), body.h)))
	case overlayMessage:
		drawMessageOverlay(p, cleared(centered(body, min(body.w, 100), min(body.h, 14))))
	case overlayEvent:
		drawEventOverlay(p, cleared(centered(body, min(body.w, 100), min(body.h, 12))))
	case overlayText:
		drawTextOverlay(p, body)
	case overlayConfirm:
		drawConfirm(p, body)
	case overlayInput:
		drawInput(p, pn)
	default:
		if p.lab.conn.ended && p.lab.known && p.ui.view == viewHome {
			drawEnded(p, body)
		}
	}
}

// drawEnded says that there is nothing to wait for.
func drawEnded(p *picture, body pane) {
	lines := []string{
		"The lab was stopped: " + p.lab.conn.cause + ".",
		"Behind this is its last picture, of " + clockText(p.time) + ".",
		"",
		"q quits   E events   again: raftlab up",
	}
	w := 0
	for _, l := range lines {
		w = max(w, textWidth(l)+4)
	}
	in := cleared(centered(body, min(body.w, w), len(lines)+2)).frame("LAB ENDED", "")
	for y, l := range lines {
		in.text(1, y, fit(l, in.w-2), plain)
	}
}

func centered(pn pane, w, h int) pane { return pn.sub((pn.w-w)/2, (pn.h-h)/2, w, h) }

func cleared(pn pane) pane {
	pn.clear()
	return pn
}

// drawTextOverlay shows what a line printed.
func drawTextOverlay(p *picture, body pane) {
	w := 40
	for _, l := range p.ui.text {
		w = max(w, textWidth(l)+4)
	}
	in := cleared(centered(body, min(body.w, w), min(body.h, len(p.ui.text)+2))).frame(p.ui.textTitle, "esc back")
	lines := make([]segment, len(p.ui.text))
	for i, l := range p.ui.text {
		lines[i].text = l
	}
	drawLines(p, in, lines)
}

// drawConfirm asks before a line that cannot be taken back.
func drawConfirm(p *picture, body pane) {
	w := min(60, body.w-4)
	lines := wrap(p.ui.textTitle, w)
	strongs := len(lines)
	lines = append(lines, "", "raftlab "+strings.TrimSpace(strings.TrimPrefix(p.ui.input.String(), "raftlab ")))
	if p.ui.preview != "" {
		lines = append(lines, wrap(p.ui.preview, w)...)
	}
	in := cleared(centered(body, min(body.w, w+4), len(lines)+2)).frame("SURE?", "y yes  n no")
	for y, l := range lines {
		st := plain
		if y < strongs {
			st = strong
		}
		in.text(1, y, l, st)
	}
}

// drawInput draws the prompt on the last line but one, and above it what the
// line would do and what Tab may put.
func drawInput(p *picture, pn pane) {
	y := pn.h - 2
	line := cleared(pn.rows(y, 1))
	title := p.ui.prompt.title
	x := line.text(1, 0, title, strong) + 1
	p.ui.input.draw(line, x, 0)
	above := pn.rows(0, y)
	say := func(s string, st style) {
		for _, l := range reversed(wrap(s, pn.w-2)) {
			if above.h <= 2 {
				return
			}
			row := cleared(above.rows(above.h-1, 1))
			row.text(1, 0, l, st)
			above = above.rows(0, above.h-1)
		}
	}
	if len(p.ui.hints) > 0 {
		say(fit(strings.Join(p.ui.hints, "  "), 3*(pn.w-2)), faint)
	}
	if p.ui.preview != "" {
		say(p.ui.preview, plain)
	}
	cleared(above.rows(above.h-1, 1)).rule(0, "", "")
}

func reversed(lines []string) []string {
	for i, j := 0, len(lines)-1; i < j; i, j = i+1, j-1 {
		lines[i], lines[j] = lines[j], lines[i]
	}
	return lines
}
