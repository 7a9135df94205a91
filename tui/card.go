package tui

import (
	"strconv"
	"strings"

	"github.com/raftlab/raftlab/netlab"
)

// drawCard is what a terminal too small for the panes shows: what matters
// most, line by line, and the size that is needed.
func drawCard(p *picture, pn pane) {
	if pn.h == 0 {
		return
	}
	st := &p.lab.status
	need := "needs " + strconv.Itoa(minW) + "x" + strconv.Itoa(minH) + ", is " + strconv.Itoa(pn.w) + "x" + strconv.Itoa(pn.h) + ", q quits"
	lines := []segment{{text: "raftlab " + st.Lab + "  " + p.clockState(), style: strong}}
	add := func(s string, sty style) { lines = append(lines, segment{text: s, style: sty}) }
	if p.lab.known {
		if len(st.Unsafe) > 0 {
			add("!! UNSAFE "+strings.Join(st.Unsafe, ","), alarm)
		}
		lead := "no leader"
		if p.lead != nil {
			lead = "leader " + name(p.lead.ID)
		}
		add(lead+", term "+strconv.FormatUint(st.Term, 10)+", commit "+strconv.FormatUint(st.Commit, 10), plain)
		if p.quorumLost() {
			add("!! NO QUORUM", alarm)
		}
		if len(st.Violations) > 0 {
			add("!! "+st.Violations[len(st.Violations)-1].Headline(), alarm)
		}
		if s := p.changeText(); s != "" {
			add(s+", quorum "+p.voters.quorumText(), strong)
		}
		for i, n := range p.nodes {
			word, sty := p.roleWord(i)
			s := name(n.ID) + " " + word
			if n.State != netlab.StateDead {
				s += " t" + strconv.FormatUint(n.Term, 10) + " " + strconv.FormatUint(n.LastIndex, 10) + "/" + strconv.FormatUint(n.Commit, 10)
			}
			add(s, style{attr: sty.attr &^ reverse})
		}
	}
	for y, l := range lines {
		if y == pn.h-1 {
			break
		}
		pn.text(0, y, fit(l.text, pn.w), l.style)
	}
	pn.text(0, pn.h-1, fit(need, pn.w), strong)
}
