package tui

import (
	"strconv"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// cell is one column of one line. A rune two columns wide is followed by a
// cell whose rune is 0.
type cell struct {
	r rune
	style
}

// grid is a screen being drawn. Whatever is drawn outside of it is cut off, so
// a screen is always exactly as large as the terminal.
type grid struct {
	w, h  int
	ascii bool
	cells []cell
}

func (g *grid) reset(w, h int, ascii bool) {
	g.w, g.h, g.ascii = max(w, 0), max(h, 0), ascii
	if n := g.w * g.h; cap(g.cells) < n {
		g.cells = make([]cell, n)
	} else {
		g.cells = g.cells[:n]
	}
	for i := range g.cells {
		g.cells[i] = cell{r: ' '}
	}
}

// all is the whole grid as a pane.
func (g *grid) all() pane { return pane{g: g, w: g.w, h: g.h} }

// appendTo writes the grid as lines with control sequences, without a newline
// after the last.
func (g *grid) appendTo(dst []byte, c Color) []byte {
	for y := range g.h {
		if y > 0 {
			dst = append(dst, '\n')
		}
		var now style
		for _, cl := range g.cells[y*g.w : (y+1)*g.w] {
			if cl.r == 0 {
				continue
			}
			if cl.style != now {
				now = cl.style
				dst = now.appendSGR(dst, c)
			}
			dst = appendRune(dst, cl.r)
		}
		if now != plain {
			dst = append(dst, "\x1b[0m"...)
		}
	}
	return dst
}

func appendRune(dst []byte, r rune) []byte {
	if r < 0x80 {
		return append(dst, byte(r))
	}
	return append(dst, string(r)...)
}

// pane is a rectangle of a grid. Its methods take coordinates relative to it
// and draw nothing outside of it.
type pane struct {
	g          *grid
	x, y, w, h int
}

// sub is a part of p, cut to fit.
func (p pane) sub(x, y, w, h int) pane {
	x0, y0 := clamp(x, 0, p.w), clamp(y, 0, p.h)
	x1, y1 := clamp(x+w, x0, p.w), clamp(y+h, y0, p.h)
	return pane{g: p.g, x: p.x + x0, y: p.y + y0, w: x1 - x0, h: y1 - y0}
}

// rows is p from line y on, n lines high.
func (p pane) rows(y, n int) pane { return p.sub(0, y, p.w, n) }

// put sets one cell. Runes that are not one column wide go through text.
func (p pane) put(x, y int, r rune, s style) {
	if x < 0 || y < 0 || x >= p.w || y >= p.h {
		return
	}
	p.clearWide(x, y)
	p.g.cells[(p.y+y)*p.g.w+p.x+x] = cell{r, s}
}

// clearWide blanks the other half of a wide rune of which (x, y) is about to
// be overwritten.
func (p pane) clearWide(x, y int) {
	row := p.g.cells[(p.y+y)*p.g.w : (p.y+y+1)*p.g.w]
	at := p.x + x
	if row[at].r == 0 && at > 0 {
		row[at-1].r = ' '
	}
	if at+1 < len(row) && row[at+1].r == 0 {
		row[at+1].r = ' '
	}
}

// text draws s at (x, y) and returns the column after it, also when it was
// cut. Control characters are drawn as their Go escapes, so that no user's
// value reaches the terminal as a command; a wide rune that does not fit whole
// is left out.
func (p pane) text(x, y int, s string, st style) int {
	for _, r := range s {
		if r >= 0x20 && r < 0x7f {
			p.put(x, y, r, st)
			x++
			continue
		}
		x = p.rune(x, y, r, st)
	}
	return x
}

func (p pane) rune(x, y int, r rune, st style) int {
	switch w := runeWidth(r); {
	case p.g.ascii && plainRune[r] != 0:
		p.put(x, y, plainRune[r], st)
		return x + 1
	case w < 0 || w > 0 && p.g.ascii:
		q := strconv.QuoteRuneToASCII(r)
		for _, c := range q[1 : len(q)-1] {
			p.put(x, y, c, st)
			x++
		}
		return x
	case w == 0:
		return x
	case w == 2:
		if x >= 0 && y >= 0 && y < p.h && x+1 < p.w {
			p.put(x, y, ' ', st)
			p.put(x+1, y, ' ', st)
			i := (p.y+y)*p.g.w + p.x + x
			p.g.cells[i].r, p.g.cells[i+1].r = r, 0
		}
		return x + 2
	}
	p.put(x, y, r, st)
	return x + 1
}

// plainRune is what stands in ASCII for the signs that sentences use.
var plainRune = map[rune]rune{'§': '#', '–': '-', '…': '.', '→': '>', '×': 'x', '≤': '<', '≥': '>', '·': '.'}

// runeWidth is how many columns r takes: -1 when it must not reach a terminal,
// 0 when it is left out (a combining mark would make widths a matter of the
// terminal's taste).
func runeWidth(r rune) int {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0, r == unicode.ReplacementChar:
		return -1
	case unicode.Is(unicode.Bidi_Control, r), r == 0x2028, r == 0x2029:
		return -1
	}
	return narrow.RuneWidth(r)
}

// narrow measures ambiguous runes as one column, as terminals do by default,
// whatever the locale says.
var narrow = &runewidth.Condition{}

// textWidth is how many columns text takes for s.
func textWidth(s string) int {
	w := 0
	for _, r := range s {
		switch n := runeWidth(r); {
		case n < 0:
			w += len(strconv.QuoteRuneToASCII(r)) - 2
		default:
			w += n
		}
	}
	return w
}

// right draws s so that it ends before column x1 and returns where it starts.
func (p pane) right(x1, y int, s string, st style) int {
	x := x1 - textWidth(s)
	p.text(x, y, s, st)
	return x
}

// fill draws r from x to x1 (not included).
func (p pane) fill(x, x1, y int, r rune, st style) {
	for ; x < x1; x++ {
		p.put(x, y, r, st)
	}
}

// restyle changes the style of every cell.
func (p pane) restyle(change func(style) style) {
	for y := range p.h {
		row := p.g.cells[(p.y+y)*p.g.w+p.x:][:p.w]
		for i := range row {
			row[i].style = change(row[i].style)
		}
	}
}

// clear blanks the pane.
func (p pane) clear() {
	for y := range p.h {
		p.fill(0, p.w, y, ' ', plain)
	}
}

// The runes of frames and bars, with what stands for them in ASCII.
type glyph struct{ utf, ascii rune }

var (
	glyphH     = glyph{'─', '-'}
	glyphV     = glyph{'│', '|'}
	glyphNW    = glyph{'┌', '+'}
	glyphNE    = glyph{'┐', '+'}
	glyphSW    = glyph{'└', '+'}
	glyphSE    = glyph{'┘', '+'}
	glyphWallH = glyph{'═', '='}
	glyphWallV = glyph{'║', '#'}
	glyphBar   = glyph{'█', '#'}
	glyphRest  = glyph{'░', '.'}
	glyphPath  = glyph{'─', '-'}
	glyphPast  = glyph{'═', '='}
	glyphDots  = glyph{'·', '.'}
)

func (p pane) glyph(g glyph) rune {
	if p.g.ascii {
		return g.ascii
	}
	return g.utf
}

// rule draws a title line across the pane: ─TITLE────────right─
func (p pane) rule(y int, title, right string) {
	p.fill(0, p.w, y, p.glyph(glyphH), faint)
	p.titles(1, p.w-1, y, title, right)
}

// titles puts title at the left and right at the right of a frame's line. The
// title wins when both do not fit.
func (p pane) titles(x0, x1, y int, title, right string) {
	if title != "" {
		title = " " + title + " "
	}
	end := p.sub(0, 0, max(x1, 0), p.h).text(x0, y, title, strong)
	if right != "" && end+textWidth(right)+3 <= x1 {
		p.right(x1, y, " "+right+" ", faint)
	}
}

// frame draws a box around the pane and returns its inside.
func (p pane) frame(title, right string) pane {
	if p.w < 2 || p.h < 2 {
		return p.sub(0, 0, 0, 0)
	}
	for _, y := range [...]int{0, p.h - 1} {
		p.fill(1, p.w-1, y, p.glyph(glyphH), faint)
	}
	for y := 1; y < p.h-1; y++ {
		p.put(0, y, p.glyph(glyphV), faint)
		p.put(p.w-1, y, p.glyph(glyphV), faint)
	}
	p.put(0, 0, p.glyph(glyphNW), faint)
	p.put(p.w-1, 0, p.glyph(glyphNE), faint)
	p.put(0, p.h-1, p.glyph(glyphSW), faint)
	p.put(p.w-1, p.h-1, p.glyph(glyphSE), faint)
	p.titles(2, p.w-2, 0, title, right)
	return p.sub(1, 1, p.w-2, p.h-2)
}

func clamp(v, lo, hi int) int { return max(lo, min(v, hi)) }
