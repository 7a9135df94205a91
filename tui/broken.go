package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/raftlab/raftlab/netlab"
)

// drawBroken is the line that stands in the place of the sentence while a promise
// of Raft is broken: the last one, and the key that tells more.
func drawBroken(pn pane, broken []netlab.Violation) {
	pn.restyle(func(style) style { return alarm })
	more := "  ! tells"
	if n := len(broken); n > 1 {
		more = "  ! tells all " + strconv.Itoa(n)
	}
	pn.right(pn.w-1, 0, more, alarm)
	pn.text(1, 0, fit("!! "+broken[len(broken)-1].Headline(), pn.w-2-textWidth(more)), alarm)
}

// broken shows the promises that were broken, the newest first.
func (m *model) broken(tea.KeyMsg) tea.Cmd {
	v := m.pic.lab.status.Violations
	if len(v) == 0 {
		s := "no promise of Raft was broken as far as was seen"
		if told := standingText(m.pic.lab.status.Linearizability); told != "" {
			s += ", " + told
		}
		m.say(s + "; \"check\" tells what was looked at")
		return nil
	}
	m.ui.overlay, m.ui.scroll = overlayText, 0
	m.ui.textTitle = brokenTitle(len(v))
	m.ui.text = m.pic.brokenText(min(m.pic.look.w-4, 96))
	return nil
}

// brokenTitle counts: one promise may have been broken many times.
func brokenTitle(n int) string {
	if n == 1 {
		return "PROMISE BROKEN"
	}
	return "PROMISE BROKEN x" + strconv.Itoa(n)
}

// brokenText tells of all that was broken, in lines of w columns.
func (p *picture) brokenText(w int) []string {
	var lines []string
	for _, v := range slices.Backward(p.lab.status.Violations) {
		if len(lines) > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, wrap("!! "+v.Message, w)...)
		lines = append(lines, wrap(brokenFacts(&v), w)...)
		for _, id := range v.Before {
			for i := range p.lab.events {
				if e := &p.lab.events[i]; e.ID == id {
					lines = append(lines, fit("  "+clockText(e.LabNS)+" "+who(e)+" "+e.Text, w))
				}
			}
		}
	}
	return lines
}

// brokenFacts is where it showed: "at 00:42.312, term 7, index 44, S1 S2, frame 4711; before it:".
func brokenFacts(v *netlab.Violation) string {
	facts := []string{"at " + clockText(v.LabNS)}
	if v.Term > 0 {
		facts = append(facts, fmt.Sprintf("term %d", v.Term))
	}
	if v.Index > 0 {
		facts = append(facts, fmt.Sprintf("index %d", v.Index))
	}
	if len(v.Nodes) > 0 {
		facts = append(facts, nameRanges(v.Nodes))
	}
	if v.Frame > 0 {
		facts = append(facts, fmt.Sprintf("frame %d", v.Frame))
	}
	s := strings.Join(facts, ", ")
	if len(v.Before) > 0 {
		s += "; before it:"
	}
	return s
}
