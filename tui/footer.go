package tui

import (
	"strings"

	"github.com/raftlab/raftlab/netlab"
)

// hint is a key and a word for it in the footer.
type hint struct{ key, word string }

// footerHints picks the keys that make sense now.
func (p *picture) footerHints(k *keyMap, actions []action, readOnly bool) []hint {
	switch p.ui.overlay {
	case overlayHelp:
		return []hint{{"type", "to filter"}, {"up down", "pick"}, {"enter", "do it"}, {"esc", "back"}}
	case overlayInput:
		hs := []hint{{"enter", "run"}, {"tab", "complete"}, {"up", "history"}, {"esc", "cancel"}}
		if p.ui.prompt.kind != promptLine {
			hs = []hint{{"enter", "done"}, {"esc", "cancel"}}
		}
		return hs
	case overlayConfirm:
		return []hint{{"y", "yes"}, {"n", "no"}}
	case overlayText:
		return []hint{{"up down", "scroll"}, {"esc", "back"}}
	case overlayNode:
		hs := []hint{{"esc", "back"}}
		for _, a := range actions {
			if a.foot == footNode && !readOnly {
				hs = append(hs, p.hint(k, a))
			}
		}
		return append(hs, hint{"up down", "scroll"})
	case overlayMessage:
		hs := []hint{{"up down", "next one"}}
		for _, a := range actions {
			if a.in == overlayMessage && !(a.acts && readOnly) && p.offers(k, a) {
				hs = append(hs, p.hint(k, a))
			}
		}
		return append(hs, hint{"esc", "back"})
	case overlayEvent:
		return []hint{{"up down", "next one"}, {"esc", "back"}}
	}
	if p.lab.conn.ended {
		return []hint{{"q", "quit"}, {"E", "events"}, {"enter", "node"}}
	}
	var hs []hint
	switch p.ui.view {
	case viewHome:
	case viewLinks:
		hs = []hint{{"arrows", "pick a link"}, {"esc", "back"}}
	case viewEvents:
		hs = []hint{{"up down", "pick"}, {"enter", "why"}, {"f", "fold"}, {"/", "filter"}, {"y", "copy line"}, {"esc", "back"}}
	case viewMessages:
		hs = []hint{{"up down", "pick"}, {"i", "inspect"}, {"b", "heartbeats"}, {"/", "filter"}, {"esc", "back"}}
	default:
		hs = []hint{{"up down", "pick"}, {"esc", "back"}}
	}
	for _, a := range actions {
		if a.key.Help() == k.Step.Help() && !p.lab.clock.held {
			continue // only a held lab goes on by steps
		}
		if a.foot == footNone || a.in != overlayNone || a.acts && readOnly || p.ui.view != viewHome && a.acts && !(p.ui.view == viewLinks && k.onLinks(a)) {
			continue
		}
		hs = append(hs, p.hint(k, a))
	}
	return hs
}

// onLinks tells whether an action is about the picked link.
func (k *keyMap) onLinks(a action) bool {
	help := a.key.Help()
	return help == k.Cut.Help() || help == k.Slow.Help() || help == k.Lose.Help() || help == k.Heal.Help() || help == k.Undo.Help()
}

// offers tells whether an action on the picked message can be done to it.
func (p *picture) offers(k *keyMap, a action) bool {
	r := p.picked()
	if r == nil {
		return false
	}
	if help := a.key.Help(); help == k.DropFrame.Help() || help == k.HoldFrame.Help() {
		return r.state == flying
	}
	return true
}

// hint is what the footer says of an action: what its key does now.
func (p *picture) hint(k *keyMap, a action) hint {
	help := a.key.Help()
	word := help.Desc
	switch help {
	case k.Pause.Help():
		if n := p.node(p.ui.node); n != nil && n.State == netlab.StatePaused {
			word = "resume"
		}
	case k.Hold.Help():
		if p.lab.clock.held {
			word = "release"
		}
	case k.HoldFrame.Help():
		if r := p.picked(); r != nil && r.Held {
			word = "let go"
		}
	}
	return hint{help.Key, word}
}

// footerDrop is the order in which hints go when the line is too short.
var footerDrop = []string{"o", "n", "c", "u", "l", "d", "s", "t", "a", "q", "h", "z", "r", "p", "w", ".", "space", "x"}

func drawFooter(p *picture, pn pane, k *keyMap, actions []action, readOnly bool) {
	hs := p.footerHints(k, actions, readOnly)
	width := func() int {
		w := 1
		for _, h := range hs {
			w += textWidth(h.key) + 1 + textWidth(h.word) + 2
		}
		return w - 2
	}
	if p.ui.view == viewHome && p.ui.overlay == overlayNone {
		for _, drop := range footerDrop {
			if width() <= pn.w-1 {
				break
			}
			for i, h := range hs {
				if h.key == drop {
					hs = append(hs[:i], hs[i+1:]...)
					break
				}
			}
		}
	}
	x := 1
	for _, h := range hs {
		if x+textWidth(h.key)+1+textWidth(h.word) > pn.w {
			break
		}
		x = pn.text(x, 0, h.key, strong) + 1
		x = pn.text(x, 0, h.word, faint) + 2
	}
}

// drawNotice shows what the last line answered, above the footer.
func drawNotice(p *picture, pn pane) {
	n := &p.ui.notice
	if n.text == "" || pn.h < 3 {
		return
	}
	text, st := n.text, strong
	if n.bad {
		text = "error: " + text
		if n.more > 0 {
			text += " (and " + plural(n.more, "error", "errors") + " before it)"
		}
	}
	lines := wrap(text, pn.w-2)
	if n.hint != "" {
		lines = append(lines, wrap("hint: "+n.hint, pn.w-2)...)
	}
	if most := max(1, pn.h/2); len(lines) > most {
		lines = lines[:most]
	}
	for i, s := range lines {
		line := pn.rows(pn.h-len(lines)+i, 1)
		line.clear()
		if n.bad && i == 0 {
			line.text(1, 0, s, st.with(reverse))
			continue
		}
		line.text(1, 0, s, st)
	}
}

// wrap breaks s into lines of at most w columns, at spaces where it can.
func wrap(s string, w int) []string {
	var lines []string
	for _, par := range strings.Split(strings.TrimRight(s, "\n"), "\n") {
		lines = append(lines, wrapLine(par, max(1, w))...)
	}
	return lines
}

func wrapLine(s string, w int) []string {
	var lines []string
	for textWidth(s) > w {
		width, cut, space := 0, 0, 0
		for i, r := range s {
			width += textWidth(string(r))
			if width > w {
				break
			}
			if r == ' ' && i > 0 {
				space = i
			}
			cut = i + len(string(r))
		}
		if space > 0 {
			cut = space
		}
		if cut == 0 { // not even one rune fits
			cut = len(string([]rune(s)[0]))
		}
		lines = append(lines, s[:cut])
		s = strings.TrimPrefix(s[cut:], " ")
	}
	return append(lines, s)
}
