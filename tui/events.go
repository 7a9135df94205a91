package tui

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// eventRow is an event as the pane shows it, or a stretch of routine ones.
type eventRow struct {
	*netlab.Event
	folded int    // how many it stands for, 0: itself alone
	oldest uint64 // the id of the oldest of them
	also   []int  // the nodes that said the same after it
}

// busyStreak is how many steps of replication in a row are too many to list:
// one write of a client in a cluster of nine is less.
const busyStreak = 24

// lateRows is how many rows an event may be heard of too late: the nodes report
// each on its own, a few events at a time.
const lateRows = 32

// eventRows lists the newest events, folded, newest first, at most n. They
// stand in the order in which they happened, so that a cause is below its
// effect, not in the order in which the lab heard of them.
func (p *picture) eventRows(n int) []eventRow {
	rows := p.heardRows(2*n + lateRows)
	slices.SortStableFunc(rows, func(a, b eventRow) int { return cmp.Compare(b.LabNS, a.LabNS) })
	if !p.ui.showMinor {
		rows = joinEchoes(rows)
	}
	return rows[:min(n, len(rows))]
}

// echoSpan is how long after the first other nodes may say the same.
const echoSpan = int64(time.Second)

// joinEchoes makes one row of what several nodes say alike, as all of them do
// of a new leader or a new configuration. It stands where the first said it.
func joinEchoes(rows []eventRow) []eventRow {
	const near = 24 // rows
	kept := len(rows)
	for i := len(rows) - 1; i >= 0; i-- {
		r := &rows[i]
		first := -1
		for k := kept; k < min(kept+near, len(rows)) && first < 0 && r.folded <= 1 && r.Node > 0; k++ {
			o := &rows[k]
			if o.Kind == r.Kind && o.folded <= 1 && o.Term == r.Term && o.Text == r.Text && r.LabNS-o.LabNS <= echoSpan &&
				o.Line == "" && r.Line == "" && o.Node > 0 && o.Node != r.Node && !slices.Contains(o.also, r.Node) {
				first = k
			}
		}
		if first >= 0 {
			rows[first].also = append(rows[first].also, r.Node)
			continue
		}
		kept--
		rows[kept] = *r
	}
	return rows[kept:]
}

// heardRows lists the newest events as they were heard of: routine ones folded
// to a count, a stream of writes to its newest commit and a count.
func (p *picture) heardRows(n int) []eventRow {
	rows := make([]eventRow, 0, min(n, 64))
	next := func(i int) int { // the next older event the filter lets pass
		for i--; i >= 0 && p.ui.filter != "" && !matches(p.ui.filter, eventText(&p.lab.events[i])); i-- {
		}
		return i
	}
	quiet := 0 // from here on the streak is known to be short
	for i := next(len(p.lab.events)); i >= 0 && len(rows) < n; {
		ev := &p.lab.events[i]
		if p.ui.showMinor || !routineEvent(ev) {
			rows = append(rows, eventRow{Event: ev, oldest: ev.ID})
			i = next(i)
			continue
		}
		if quiet == 0 || i < quiet {
			var r eventRow
			length, end := 0, i
			for k := i; k >= 0 && routineEvent(&p.lab.events[k]); k = next(k) {
				if e := &p.lab.events[k]; r.Event == nil || r.Minor && !e.Minor {
					r.Event = e
				}
				length, end = length+1, k
			}
			if length > busyStreak {
				r.folded, r.oldest = length, p.lab.events[end].ID
				rows = append(rows, r)
				i = next(end)
				continue
			}
			quiet = end
		}
		if k := len(rows) - 1; ev.Minor && k >= 0 && rows[k].folded > 0 && rows[k].oldest == ev.ID+1 {
			rows[k].folded++
			rows[k].oldest = ev.ID
		} else if ev.Minor {
			rows = append(rows, eventRow{Event: ev, folded: 1, oldest: ev.ID})
		} else {
			rows = append(rows, eventRow{Event: ev, oldest: ev.ID})
		}
		i = next(i)
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
	case ev.Kind == netlab.EventClock || ev.Kind == netlab.EventBreak:
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
	case r.Minor:
		st = faint
	}
	if picked {
		pn.put(0, 0, '>', strong)
		st = st.with(bold)
	}
	s := stamp(r.LabNS, p.time)
	x := pn.text(1, 0, s, faint) + 1
	if r.folded > 1 && r.Minor {
		pn.text(x, 0, "..", faint)
		pn.text(x+whoWidth, 0, strconv.Itoa(r.folded)+" routine events: appends, commits, reads (f unfolds)", st)
		return
	}
	pn.text(x, 0, who(r.Event), st)
	x += whoWidth
	end := pn.w - 1
	text := r.Text
	if r.folded > 1 {
		more := "and " + strconv.Itoa(r.folded-1) + " more steps (f unfolds)"
		pn.right(end, 0, more, faint)
		end -= textWidth(more) + 2
	}
	if r.Kind == netlab.EventViolation {
		text = "!! " + p.violationText(r.Event, end-x)
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
	if len(r.also) > 0 {
		also := "; " + nameRanges(slices.Sorted(slices.Values(r.also))) + " too"
		text = fit(text, end-x-textWidth(also)) + also
	}
	pn.text(x, 0, fit(text, end-x), st)
}

// violationText is what a violation's event says. Where there is no room for the
// promise and what broke it, the latter counts.
func (p *picture) violationText(e *netlab.Event, w int) string {
	if textWidth("!! "+e.Text) > w {
		for i := range p.lab.status.Violations {
			if v := &p.lab.status.Violations[i]; v.Event == e.ID {
				return v.Headline()
			}
		}
	}
	return e.Text
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
	case netlab.EventClock, netlab.EventBreak:
		return 'T'
	case netlab.EventConfig:
		switch ev.Config {
		case netlab.ConfigJoint:
			return 'J'
		case netlab.ConfigSimple:
			return 'M'
		}
	case netlab.EventTransfer:
		return 'O'
	case netlab.EventSnapshot:
		if !ev.Minor {
			return 's'
		}
	}
	return 0
}

func processMark(ev *netlab.Event) byte {
	switch verbOf(ev.Line) {
	case "kill", "stop":
		return 'K'
	case "wipe":
		return 'W'
	case "pause":
		return 'Z'
	case "restart", "resume":
		return 'R'
	case "add", "remove", "members":
		return 'M'
	}
	for _, w := range [...]struct {
		word   string
		letter byte
	}{{"removed", 'M'}, {"kill", 'K'}, {"ended", 'K'}, {"died", 'K'}, {"paused", 'Z'}, {"resum", 'R'}, {"restart", 'R'}} {
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
	case "undo":
		return 'U'
	case "cut", "blackhole":
		return 'X'
	case "slow", "throttle":
		return 'S'
	case "duplicate", "reorder", "corrupt", "reset", "frame":
		return 'F'
	case "lose":
		return 'L'
	case "disk", "disk:":
		return 'D'
	case "clock":
		return 'T'
	case "chaos":
		return 'N'
	}
	return 0
}
