package tui

import (
	"strconv"
	"strings"

	"github.com/raftlab/raftlab/netlab"
)

// eventRow is an event as the pane shows it, or a stretch of routine ones.
type eventRow struct {
	*netlab.Event
	folded int    // how many it stands for, 0: itself alone
	oldest uint64 // the id of the oldest of them
}

// eventRows lists the newest events, folded, newest first, at most n.
func (p *picture) eventRows(n int) []eventRow {
	rows := make([]eventRow, 0, min(n, 64))
	streak := 0 // steps of replication in a row that were shown
	for i := len(p.lab.events) - 1; i >= 0; i-- {
		ev := &p.lab.events[i]
		if p.ui.filter != "" && !matches(p.ui.filter, eventText(ev)) {
			continue
		}
		fold := ev.Minor
		switch {
		case !routineEvent(ev):
			streak = 0
		case !ev.Minor:
			// One write is worth its two lines, a stream of them is not.
			streak++
			fold = streak > 2
		}
		k := len(rows)
		if fold && !p.ui.showMinor && k > 0 && rows[k-1].folded > 0 {
			rows[k-1].folded++
			rows[k-1].oldest = ev.ID
			continue
		}
		if k == n {
			break
		}
		r := eventRow{Event: ev, oldest: ev.ID}
		if fold && !p.ui.showMinor {
			r.folded = 1
		}
		rows = append(rows, r)
	}
	if p.ui.filter == "" {
		p.countFolded(rows)
	}
	return rows
}

// countFolded counts what a fold stands for by the ids around it, which have
// no gaps: so it counts those too that were left out or are not kept.
func (p *picture) countFolded(rows []eventRow) {
	for k := range rows {
		r := &rows[k]
		if r.folded == 0 {
			continue
		}
		newer := p.lab.lastEvent + 1
		if k > 0 {
			newer = rows[k-1].oldest
		}
		older := r.oldest - 1
		if k+1 < len(rows) {
			older = rows[k+1].ID
		}
		r.folded = int(newer - older - 1)
	}
}

func eventText(ev *netlab.Event) string {
	return ev.Kind + " " + who(ev) + " " + ev.Text + " " + ev.Line
}

// who an event is about.
func who(ev *netlab.Event) string {
	switch {
	case ev.Node > 0:
		return name(ev.Node)
	case ev.Kind == netlab.EventClock:
		return "clk"
	case ev.Kind == netlab.EventFault:
		return "net"
	}
	return "lab"
}

func (p *picture) eventsTitle() (left, right string) {
	left = "EVENTS"
	if p.ui.filter != "" {
		right = "filter " + strconv.Quote(p.ui.filter)
	} else if p.lab.missed > 0 {
		right = strconv.FormatUint(p.lab.missed, 10) + " routine ones left out"
	}
	return left, right
}

// drawEvents lists events, newest first. from is the first row shown, pick the
// picked event's id or 0.
func drawEvents(p *picture, pn pane, from int, pick uint64) {
	rows := p.eventRows(from + pn.h)
	if len(rows) == 0 {
		s := "nothing happened yet"
		if p.ui.filter != "" {
			s = "no event fits the filter"
		}
		if p.lab.known {
			pn.text(1, 0, s, faint)
		}
		return
	}
	if from >= len(rows) {
		return
	}
	whoWidth := 4
	for _, n := range p.nodes {
		whoWidth = max(whoWidth, len(name(n.ID))+1)
	}
	for y, r := range rows[from:] {
		drawEvent(p, pn.rows(y, 1), r, whoWidth, pick != 0 && r.ID == pick)
	}
}

func drawEvent(p *picture, pn pane, r eventRow, whoWidth int, picked bool) {
	st := plain
	switch {
	case r.Kind == netlab.EventViolation:
		st = alarm
	case r.folded > 0 || r.Minor:
		st = faint
	}
	if picked {
		pn.put(0, 0, '>', strong)
		st = st.with(bold)
	}
	s := stamp(r.LabNS, p.time)
	x := pn.text(1, 0, s, faint) + 1
	if r.folded > 1 {
		pn.text(x, 0, "..", faint)
		pn.text(x+whoWidth, 0, strconv.Itoa(r.folded)+" routine steps: appends and commits (f unfolds)", st)
		return
	}
	pn.text(x, 0, who(r.Event), st)
	x += whoWidth
	end := pn.w - 1
	text := r.Text
	if r.Kind == netlab.EventViolation {
		text = "!! " + text
	}
	if r.Line != "" {
		you := "(you: " + commandLine(r.Line) + ")"
		// The cause stays readable at the cost of the sentence's end, but never
		// takes more than half of the line.
		if room := end - x - textWidth(you) - 2; room >= min(textWidth(text), (end-x)/2) {
			pn.right(end, 0, you, faint)
			end = x + room
		}
	}
	pn.text(x, 0, fit(text, end-x), st)
}

// markOf is the letter of an event on the tape, 0 for none.
func markOf(ev *netlab.Event) byte {
	switch ev.Kind {
	case netlab.EventViolation:
		return '!'
	case netlab.EventElected:
		return 'V'
	case netlab.EventTimeout:
		return 'C'
	case netlab.EventClient:
		if strings.HasPrefix(ev.Text, "get") || verbOf(ev.Line) == "get" {
			return 0
		}
		return 'w'
	case netlab.EventProcess:
		return processMark(ev)
	case netlab.EventFault:
		return faultMark(verbOf(ev.Line), ev.Text)
	case netlab.EventClock:
		return 'T'
	}
	return 0
}

func processMark(ev *netlab.Event) byte {
	switch verbOf(ev.Line) {
	case "kill":
		return 'K'
	case "wipe":
		return 'W'
	case "pause":
		return 'Z'
	case "restart", "resume":
		return 'R'
	}
	for _, w := range [...]struct {
		word   string
		letter byte
	}{{"kill", 'K'}, {"ended", 'K'}, {"died", 'K'}, {"paused", 'Z'}, {"resum", 'R'}, {"start", 'R'}} {
		if strings.Contains(ev.Text, w.word) {
			return w.letter
		}
	}
	return 0
}

func faultMark(verb, text string) byte {
	if verb == "" {
		verb, _, _ = strings.Cut(text, " ")
	}
	switch verb {
	case "partition":
		return 'P'
	case "heal":
		return 'H'
	case "cut":
		return 'X'
	case "slow":
		return 'S'
	case "lose":
		return 'L'
	}
	return 0
}
