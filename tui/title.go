package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/check"
	"github.com/raftlab/raftlab/netlab/explain"
)

// segment is a piece of line 1. Pieces of a higher drop go first when the line
// is too short; one with a short form is put into that instead.
type segment struct {
	text  string
	style style
	drop  int
	short string
}

// drawTitle is line 1: what the lab is and how it goes, and at the right
// whether the clock runs, how fast, and the lab time.
func drawTitle(p *picture, pn pane) {
	st := &p.lab.status
	var parts []segment
	add := func(drop int, s string, sty style) { parts = append(parts, segment{text: s, style: sty, drop: drop}) }
	if len(st.Unsafe) > 0 {
		// First, so that nothing covers it: what is seen here is not what Raft does.
		parts = append(parts, segment{"!! UNSAFE " + strings.Join(st.Unsafe, ","), alarm, 5, unsafeShort(len(st.Unsafe))})
	}
	lab := len(parts)
	add(0, "raftlab "+st.Lab, strong)
	if p.lab.known {
		if st.Engine == netlab.EngineSim {
			add(4, "SIM", strong)
		}
		nodes := plural(len(st.Nodes), "node", "nodes")
		if n := len(p.config.Learners); n > 0 {
			nodes += " (" + plural(n, "learner", "learners") + ")"
		}
		add(6, nodes, plain)
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
			parts = append(parts, segment{"!! " + brokenTitle(n), alarm, 1, "!! BROKEN"})
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
		if x := st.Chaos; x != nil {
			parts = append(parts, segment{fmt.Sprintf("CHAOS %d/%d", x.Done+x.Skipped, x.Faults), strong, 3, "CHAOS"})
		}
		if s := p.changeText(); s != "" {
			add(2, s, strong)
		}
		add(10, "quorum "+p.voters.quorumText(), plain)
		if n := len(st.Faults); n > 0 {
			add(5, plural(n, "fault", "faults"), plain)
		}
		if net := p.netText(); net != "" {
			add(7, "net: "+net, plain)
		}
		if l := st.Load; l != nil {
			add(8, "writes "+count(l.PerSec)+"/s", plain)
		}
		if st.Profile != "" && st.Profile != "lan" {
			add(9, st.Profile, plain)
		}
		if s := standingText(st.Linearizability); s != "" {
			add(11, s, plain)
		}
	}
	right := p.clockState()
	room := pn.w - 2 - 2 - textWidth(right)
	for drop := 11; drop > 0 && segmentsWidth(parts) > room; drop-- {
		kept := parts[:0]
		for _, s := range parts {
			if s.drop == drop {
				if s.short == "" {
					continue
				}
				s.text, s.drop = s.short, 0
			}
			kept = append(kept, s)
		}
		parts = kept
	}
	if more := segmentsWidth(parts) - room; more > 0 { // the name goes before what is wrong
		parts[lab].text = fit(parts[lab].text, max(len("raftlab "), textWidth(parts[lab].text)-more))
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

// standingText says how what clients were told stands: "312 operations linearizable".
// One that is not is a promise broken, and told as such.
func standingText(l *netlab.Standing) string {
	switch {
	case l == nil || l.Verdict == check.VerdictViolated:
		return ""
	case l.Verdict == check.VerdictOK:
		return plural(int(l.Judged), "operation", "operations") + " linearizable"
	}
	return strconv.FormatUint(l.Judged, 10) + " of " + plural(int(l.Judged+l.NotJudged), "operation", "operations") + " judged"
}

func unsafeShort(rules int) string {
	if rules == 1 {
		return "!! UNSAFE"
	}
	return "!! UNSAFE x" + strconv.Itoa(rules)
}

// changeText says that the configuration changes: from how many voters to how
// many.
func (p *picture) changeText() string {
	switch t := p.config.Target; {
	case p.voters.joint():
		return "JOINT " + strconv.Itoa(len(p.voters.old)) + ">" + strconv.Itoa(len(p.voters.now))
	case t != nil && len(t.Voters) != len(p.voters.now):
		return "VOTERS " + strconv.Itoa(len(p.voters.now)) + ">" + strconv.Itoa(len(t.Voters))
	case t != nil:
		return "CHANGE AHEAD"
	}
	return ""
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
		if b := p.lab.status.Clock.Break; b != nil {
			state = "BREAK " + strconv.FormatUint(b.ID, 10)
		}
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
	slow, lossy, other, total := 0, 0, 0, 0
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
		if shown := count1(l.DelayMS > 0) + count1(l.Loss > 0) + count1(l.Cut); len(linkParts(l)) > shown {
			other++
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
	if other > 0 {
		parts = append(parts, links(other)+" faulty")
	}
	return strings.Join(parts, ", ")
}

func count1(b bool) int {
	if b {
		return 1
	}
	return 0
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
		drawBroken(pn, v)
		return
	}
	st := p.lab.status
	st.Clock.LabNS = p.time
	line := explain.Line(st.View(), pn.w-2)
	if faults := p.nodeFaultText(); faults != "" && textWidth(line)+1+textWidth(faults) <= pn.w-2 {
		line += " " + faults
	}
	pn.text(1, 0, fit(line, pn.w-2), plain)
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
