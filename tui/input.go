package tui

import (
	"strings"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"
)

// lineEditor edits one line of text, with a history.
type lineEditor struct {
	text    []rune
	at      int // the cursor stands before text[at]
	history []string
	back    int    // how far up the history; 0: the line being typed
	draft   string // that line while the history is looked at
}

func (e *lineEditor) String() string { return string(e.text) }

func (e *lineEditor) set(s string) {
	e.text = []rune(s)
	e.at = len(e.text)
}

// start begins a new line.
func (e *lineEditor) start(s string) {
	e.back, e.draft = 0, ""
	e.set(s)
}

// remember adds the line to the history, unless it repeats the last one.
func (e *lineEditor) remember() {
	s := strings.TrimSpace(e.String())
	if n := len(e.history); s != "" && (n == 0 || e.history[n-1] != s) {
		e.history = appendKeeping(e.history, s, 200)
	}
}

// key handles an editing key and tells whether it was one.
func (e *lineEditor) key(k tea.KeyMsg) bool {
	switch k.Type {
	case tea.KeyRunes, tea.KeySpace:
		e.insert(k.Runes)
	case tea.KeyLeft, tea.KeyCtrlB:
		e.at = max(0, e.at-1)
	case tea.KeyRight, tea.KeyCtrlF:
		e.at = min(len(e.text), e.at+1)
	case tea.KeyHome, tea.KeyCtrlA:
		e.at = 0
	case tea.KeyEnd, tea.KeyCtrlE:
		e.at = len(e.text)
	case tea.KeyBackspace, tea.KeyCtrlH:
		e.remove(e.at-1, e.at)
	case tea.KeyDelete, tea.KeyCtrlD:
		e.remove(e.at, e.at+1)
	case tea.KeyCtrlW:
		e.remove(e.wordStart(), e.at)
	case tea.KeyCtrlU:
		e.remove(0, e.at)
	case tea.KeyCtrlK:
		e.remove(e.at, len(e.text))
	case tea.KeyUp, tea.KeyCtrlP:
		e.recall(1)
	case tea.KeyDown, tea.KeyCtrlN:
		e.recall(-1)
	default:
		return false
	}
	return true
}

// insert puts runes at the cursor; pasted newlines and other controls become
// spaces, so that a paste never runs anything.
func (e *lineEditor) insert(runes []rune) {
	clean := make([]rune, 0, len(e.text)+len(runes))
	clean = append(clean, e.text[:e.at]...)
	for _, r := range runes {
		if unicode.IsControl(r) {
			r = ' '
		}
		clean = append(clean, r)
	}
	at := len(clean)
	e.text = append(clean, e.text[e.at:]...)
	e.at = at
}

func (e *lineEditor) remove(from, to int) {
	from, to = clamp(from, 0, len(e.text)), clamp(to, 0, len(e.text))
	if from >= to {
		return
	}
	e.text = append(e.text[:from:from], e.text[to:]...)
	e.at = from
}

func (e *lineEditor) wordStart() int {
	i := e.at
	for i > 0 && e.text[i-1] == ' ' {
		i--
	}
	for i > 0 && e.text[i-1] != ' ' {
		i--
	}
	return i
}

func (e *lineEditor) recall(by int) {
	to := clamp(e.back+by, 0, len(e.history))
	if to == e.back {
		return
	}
	if e.back == 0 {
		e.draft = e.String()
	}
	e.back = to
	if to == 0 {
		e.set(e.draft)
		return
	}
	e.set(e.history[len(e.history)-to])
}

// complete replaces the last word by what all of words begin with, or by the
// only one and a space, and tells whether that changed anything.
func (e *lineEditor) complete(words []string) bool {
	if len(words) == 0 || e.at != len(e.text) {
		return false
	}
	common := words[0]
	for _, w := range words[1:] {
		for !strings.HasPrefix(w, common) {
			common = common[:len(common)-1]
		}
	}
	line := e.String()
	start := strings.LastIndexByte(line, ' ') + 1
	if len(words) == 1 {
		common += " "
	}
	if !strings.HasPrefix(common, line[start:]) || common == line[start:] {
		return false
	}
	e.set(line[:start] + common)
	return true
}

// draw shows the line with its cursor, scrolled so that the cursor is in
// sight.
func (e *lineEditor) draw(pn pane, x, y int) {
	room := pn.w - x - 1
	from := 0
	for from < e.at && textWidth(string(e.text[from:e.at])) > room {
		from++
	}
	for i := from; i < len(e.text); i++ {
		st := plain
		if i == e.at {
			st = style{attr: reverse}
		}
		x = pn.text(x, y, string(e.text[i]), st)
	}
	if e.at == len(e.text) {
		pn.put(x, y, ' ', style{attr: reverse})
	}
}
