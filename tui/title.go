package tui

import (
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab/explain"
)

// segment is a piece of line 1. Pieces of a higher drop go first when the line
// is too short.
type segment struct {
	text  string
	style style
	drop  int
}

// drawTitle is line 1: what the lab is and how it goes, and at the right
// whether the clock runs, how fast, and the lab time.
func drawTitle(p *picture, pn pane) {
	st := &p.lab.status
	parts := []segment{{"raftlab " + st.Lab, strong, 0}}
	add := func(drop int, s string, sty style) { parts = append(parts, segment{s, sty, drop}) }
	if p.lab.known {
		add(5, plural(len(st.Nodes), "node", "nodes"), plain)
		add(0, "term "+strconv.FormatUint(st.Term, 10), plain)
		if p.lead != nil {
			s := "leader " + name(p.lead.ID)
			if p.claims(p.place(p.lead.ID)) {
				s += "?"
			}
			add(1, s, plain)
		} else {
			s := "NO LEADER"
			if p.lab.leaderlessNS > 0 && p.time > p.lab.leaderlessNS {
				s += " for " + shortTime(time.Duration(p.time-p.lab.leaderlessNS))
			}
			add(1, s, strong)
		}
		add(4, "commit "+strconv.FormatUint(st.Commit, 10), plain)
		if n := len(st.Violations); n > 0 {
			add(0, "!! "+plural(n, "PROMISE BROKEN", "PROMISES BROKEN"), alarm)
		}
		if p.quorumLost() {
			add(1, "!! NO QUORUM", alarm)
		}
		if len(p.sides) > 1 {
			add(2, p.splitText(), strong)
		}
		if n := p.cuts(); n > 0 {
			add(3, strconv.Itoa(n)+" CUT", strong)
		}
		if len(st.Unsafe) > 0 {
			add(1, "UNSAFE "+strings.Join(st.Unsafe, ","), alarm)
		}
		add(9, "quorum "+strconv.Itoa(st.Quorum), plain)
		if net := p.netText(); net != "" {
			add(6, "net: "+net, plain)
		}
		if l := st.Load; l != nil {
			add(7, "writes "+count(l.PerSec)+"/s", plain)
		}
		if st.Profile != "" && st.Profile != "lan" {
			add(8, st.Profile, plain)
		}
	}
	right := p.clockState()
	room := pn.w - 2 - 2 - textWidth(right)
	for drop := 9; drop > 0 && segmentsWidth(parts) > room; drop-- {
		kept := parts[:0]
		for _, s := range parts {
			if s.drop != drop {
				kept = append(kept, s)
			}
		}
		parts = kept
	}
	x := 1
	for _, s := range parts {
		x = pn.text(x, 0, s.text, s.style) + 2
	}
	state := strong
	if !p.lab.conn.up && p.lab.known {
		state = alarm
	}
	pn.right(pn.w-1, 0, right, state)
}

func segmentsWidth(parts []segment) int {
	w := 0
	for _, s := range parts {
		w += textWidth(s.text) + 2
	}
	return max(0, w-2)
}

// splitText names the sizes of the sides: SPLIT 3|2.
func (p *picture) splitText() string {
	var b strings.Builder
	b.WriteString("SPLIT ")
	for i, s := range p.sides {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(strconv.Itoa(len(s)))
	}
	return b.String()
}

// clockState is LIVE, HELD or what became of the connection, the clock's rate
// unless it is 1, and the lab time.
func (p *picture) clockState() string {
	at := clockText(p.time)
	c := &p.lab.conn
	switch {
	case c.ended:
		return "LAB ENDED at " + at
	case !c.up && !c.lost.IsZero() && p.lab.known:
		gone := int(p.now.Sub(c.lost) / time.Second)
		return "NO CONNECTION " + strconv.Itoa(gone) + " s, picture of " + at + ", retry " + strconv.Itoa(c.tries)
	case !p.lab.known:
		return "connecting"
	}
	state := "LIVE"
	if p.lab.clock.held {
		state = "HELD"
	}
	if r := p.lab.clock.rate; r != 1 {
		state += " x" + rateText(r)
	}
	return state + "  " + at
}

// cuts counts the directed links that are cut.
func (p *picture) cuts() int {
	n := 0
	for _, l := range p.link {
		if l != nil && l.Cut {
			n++
		}
	}
	return n
}

// netText says in short what is set on the network beside partition and cuts.
func (p *picture) netText() string {
	slow, lossy, total := 0, 0, 0
	var delay, loss float64
	sameDelay, sameLoss := true, true
	for _, l := range p.link {
		if l == nil {
			continue
		}
		total++
		if l.DelayMS > 0 {
			sameDelay = sameDelay && (slow == 0 || delay == l.DelayMS)
			slow, delay = slow+1, l.DelayMS
		}
		if l.Loss > 0 {
			sameLoss = sameLoss && (lossy == 0 || loss == l.Loss)
			lossy, loss = lossy+1, l.Loss
		}
	}
	links := func(n int) string {
		if n == total {
			return "all links"
		}
		return plural(n, "link", "links")
	}
	var parts []string
	if slow > 0 {
		s := links(slow) + " slow"
		if sameDelay {
			s = links(slow) + " " + millisFloat(delay) + "ms"
		}
		parts = append(parts, s)
	}
	if lossy > 0 {
		s := links(lossy) + " lossy"
		if sameLoss {
			s = links(lossy) + " lose " + percent(loss)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}

// drawSentence is line 2: what goes on, in as many words as fit.
func drawSentence(p *picture, pn pane) {
	if !p.lab.known {
		s := "waiting for the lab to answer"
		if p.lab.conn.cause != "" {
			s = p.lab.conn.cause + " (trying again)"
		}
		pn.text(1, 0, fit(s, pn.w-2), plain)
		return
	}
	if v := p.lab.status.Violations; len(v) > 0 {
		last := v[len(v)-1]
		pn.text(1, 0, fit("!! "+last.Property+": "+last.Message, pn.w-2), alarm)
		return
	}
	st := p.lab.status
	st.Clock.LabNS = p.time
	pn.text(1, 0, fit(explain.Line(st.View(), pn.w-2), pn.w-2), plain)
}

// fit cuts s to w columns and says so with dots.
func fit(s string, w int) string {
	if textWidth(s) <= w {
		return s
	}
	width := 0
	for i, r := range s {
		n := textWidth(string(r))
		if width+n > w-2 {
			return s[:i] + ".."[:max(0, min(2, w-width))]
		}
		width += n
	}
	return s
}
