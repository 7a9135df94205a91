package tui

import "strconv"

// Hue means term and nothing else. Everything else is said by words and by the
// four attributes, so that the view reads the same without colour.

// attr is a set of text attributes.
type attr uint8

const (
	bold attr = 1 << iota
	dim
	underline
	reverse
)

// color indexes the palette: 0 is the terminal's own, black is for text on a
// term's fill, the rest are the terms' hues.
type color uint8

const (
	colorDefault color = iota
	colorBlack
	colorWhite
	colorTerm // the first of len(termHues)
)

// termHues are the fills of terms, by term mod 6. Black text on each has a
// contrast of 4.6:1 or better, whatever the terminal's background, and no two
// look alike (CIE76 ≥ 15) under normal, protan, deutan and tritan vision.
var termHues = [6]struct {
	index   uint8 // of the 256-colour table
	r, g, b uint8 // the same colour
}{
	{81, 0x5f, 0xd7, 0xff},
	{166, 0xd7, 0x5f, 0x00},
	{98, 0x87, 0x5f, 0xd7},
	{150, 0xaf, 0xd7, 0x87},
	{132, 0xaf, 0x5f, 0x87},
	{220, 0xff, 0xd7, 0x00},
}

// termHues16 are the fills where there are 16 colours: cyan, yellow, magenta,
// white, blue. Red and green are left out: they are the pair most people
// confuse, and red says alarm.
var termHues16 = [5]uint8{6, 3, 5, 7, 4}

// style is how a cell looks.
type style struct {
	fg, bg color
	attr   attr
}

var (
	plain  = style{}
	strong = style{attr: bold}
	faint  = style{attr: dim}
	// alarm is for what needs a person: quorum lost, two leaders, a promise
	// broken. No red: it is too near to a term's hue for deutan eyes.
	alarm = style{attr: bold | reverse}
)

// filled is a cell of an entry or message of this term. In ColorNone the
// encoder turns a fill into reverse.
func filled(term uint64) style {
	return style{fg: colorBlack, bg: colorTerm + color(term%uint64(len(termHues)))}
}

// with adds attributes.
func (s style) with(a attr) style {
	s.attr |= a
	return s
}

// appendSGR appends the control sequence that sets s from whatever was set
// before. term fills of more than 16 colours need the term itself only mod 6;
// 16 colours fold the six hues into five.
func (s style) appendSGR(dst []byte, c Color) []byte {
	dst = append(dst, "\x1b[0"...)
	a := s.attr
	if c == ColorNone && s.bg >= colorTerm {
		a ^= reverse
	}
	for i, code := range [...]string{";1", ";2", ";4", ";7"} {
		if a&(1<<i) != 0 {
			dst = append(dst, code...)
		}
	}
	if c != ColorNone {
		dst = appendColor(dst, s.fg, s.bg, c)
	}
	return append(dst, 'm')
}

func appendColor(dst []byte, fg, bg color, c Color) []byte {
	if bg >= colorTerm {
		i := bg - colorTerm
		switch c {
		case Color16:
			hue := termHues16[int(i)%len(termHues16)]
			dst = append(dst, ";4"...)
			dst = append(dst, '0'+hue)
			if hue == 4 {
				fg = colorWhite // black on blue cannot be read
			}
		case Color256:
			dst = append(dst, ";48;5;"...)
			dst = strconv.AppendUint(dst, uint64(termHues[i].index), 10)
		default:
			dst = append(dst, ";48;2;"...)
			dst = strconv.AppendUint(dst, uint64(termHues[i].r), 10)
			dst = append(dst, ';')
			dst = strconv.AppendUint(dst, uint64(termHues[i].g), 10)
			dst = append(dst, ';')
			dst = strconv.AppendUint(dst, uint64(termHues[i].b), 10)
		}
	}
	switch fg {
	case colorBlack:
		if c == Color16 {
			return append(dst, ";30"...)
		}
		return append(dst, ";38;5;16"...)
	case colorWhite:
		return append(dst, ";97"...)
	}
	return dst
}
