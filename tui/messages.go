package tui

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// The kinds of frames, as netlab.Frame.Kind names them.
const (
	kindVote         = "vote"
	kindVoteReply    = "vote-reply"
	kindPreVote      = "prevote"
	kindPreVoteReply = "prevote-reply"
	kindAppend       = "append"
	kindAppendReply  = "append-reply"
	kindHeartbeat    = "heartbeat"

	kindSnapshot       = "snapshot"
	kindSnapshotReply  = "snapshot-reply"
	kindTimeoutNow     = "timeout-now"
	kindReadIndex      = "read-index"
	kindReadIndexReply = "read-index-reply"
)

// row is a message as the panes show it, or several that say the same.
type row struct {
	*frame           // the newest of them
	state   flight   // the same for all
	count   int      // how many it stands for
	to      []int    // whom they went to; more than one only when lost
	flights []*frame // those in flight, newest first
}

type flight int

const (
	flying flight = iota // in the network now, long enough to be watched
	past                 // delivered
	lost                 // dropped
)

// hiddenCount says what the rows leave out.
type hiddenCount struct {
	beats    float64 // routine messages a second
	leftOut  float64 // frames a second the lab did not send
	filtered int     // messages the filter refuses
	hide     bool    // heartbeats are hidden
}

const (
	maxRows    = 64
	maxQueue   = keepFrames + keepHeld // in the view of the messages, where each that waits has its row
	maxFlights = 8
	// noisyBeats is how many heartbeats and answers in a second of real time
	// are too many to read.
	noisyBeats = 20
)

// gatherMessages folds the frames known into rows, newest first.
func (p *picture) gatherMessages() {
	p.messages = p.messages[:0]
	p.hidden = hiddenCount{}
	_, beats, leftOut, _ := p.lab.traffic.perSecond()
	p.hidden.beats, p.hidden.leftOut = beats, leftOut
	switch p.ui.beats {
	case beatsHidden:
		p.hidden.hide = true
	case beatsAuto:
		p.hidden.hide = beats*p.lab.clock.rate > noisyBeats
	}
	frames, routine := p.lab.frames.list, p.lab.beats.list
	if p.hidden.hide {
		routine = nil
	}
	for len(frames)+len(routine) > 0 {
		var fr *frame
		if n, m := len(frames), len(routine); m == 0 || n > 0 && frames[n-1].LeftNS >= routine[m-1].LeftNS {
			fr, frames = &frames[n-1], frames[:n-1]
		} else {
			fr, routine = &routine[m-1], routine[:m-1]
			if fr.DroppedNS != 0 {
				continue // it is among frames as well
			}
		}
		if p.ui.filter != "" && !matches(p.ui.filter, messageText(fr)) {
			p.hidden.filtered++
			continue
		}
		p.addRow(fr)
	}
	// The store keeps them as they were heard of, which is late for some.
	slices.SortStableFunc(p.messages, func(a, b row) int { return cmp.Compare(b.LeftNS, a.LeftNS) })
}

func (p *picture) addRow(fr *frame) {
	state := past
	switch {
	case fr.DroppedNS != 0:
		state = lost
	case fr.ArrivedNS == 0:
		if p.time > fr.DueNS+int64(time.Second) && fr.DueNS > 0 && !fr.Held {
			return // its end was among those the lab left out
		}
		if !p.watchable(fr) {
			return // it will have arrived by the next frame
		}
		if fr.Held && p.onHold(fr.From, fr.To) == 0 {
			return // let go, which the lab left out
		}
		state = flying
	}
	rows := maxRows
	oneByOne := p.ui.view == viewMessages || p.ui.overlay == overlayMessage
	if oneByOne {
		rows = maxQueue
	}
	// What waits can be acted on, each by itself, and what became of it is seen.
	apart := oneByOne && (fr.ID == p.ui.msgID || state == flying && (fr.Held || p.lab.clock.held))
	for i := range p.messages {
		r := &p.messages[i]
		if apart || r.state != state || r.From != fr.From || r.Kind != fr.Kind || r.Term != fr.Term || r.OK != fr.OK || r.Reason != fr.Reason {
			continue
		}
		if state == lost {
			if !slices.Contains(r.to, fr.To) {
				r.to = append(r.to, fr.To)
			}
		} else if r.To != fr.To {
			continue
		}
		r.count++
		if state == flying && len(r.flights) < maxFlights {
			r.flights = append(r.flights, fr)
		}
		return
	}
	if len(p.messages) == rows {
		return
	}
	p.messages = append(p.messages, row{})
	r := &p.messages[len(p.messages)-1]
	*r = row{frame: fr, state: state, count: 1, to: []int{fr.To}}
	if state == flying {
		r.flights = []*frame{fr}
	}
}

// onHold is how many frames wait on a link until somebody lets them go.
func (p *picture) onHold(from, to int) int {
	links := p.lab.status.Links
	i, ok := slices.BinarySearchFunc(links, [2]int{from, to}, func(l netlab.LinkStatus, ends [2]int) int {
		return cmp.Or(cmp.Compare(l.From, ends[0]), cmp.Compare(l.To, ends[1]))
	})
	if !ok {
		return 0
	}
	return links[i].OnHold
}

// watchable: a flight that lasts more than two frames of the screen can be
// drawn where it is. A shorter one would be drawn where it no longer is.
func (p *picture) watchable(fr *frame) bool {
	if p.lab.clock.held || fr.Held {
		return true
	}
	rate := p.lab.clock.rate
	return rate > 0 && float64(fr.DueNS-fr.LeftNS)/rate > 2*float64(p.look.frame)
}

// share is how far along its way a message in flight is, 0 to 1, or where a
// lost one stopped.
func (p *picture) share(r *row, fr *frame) float64 {
	at := p.time
	if fr.Held {
		return 0.5
	}
	if r.state == lost {
		switch {
		case strings.Contains(fr.Reason, "dead"):
			return 1
		case fr.DueNS <= fr.LeftNS || fr.DroppedNS <= fr.LeftNS:
			return 0.5
		}
		at = fr.DroppedNS
	}
	if fr.DueNS <= fr.LeftNS {
		return 1
	}
	return min(1, max(0, float64(at-fr.LeftNS)/float64(fr.DueNS-fr.LeftNS)))
}

// letter is the message on its way, as short as it gets: A44, h, V, a43, v, n.
// What asks is a capital, what answers a small letter.
func letter(fr *frame) string {
	switch fr.Kind {
	case kindAppend:
		return "A" + strconv.FormatUint(fr.PrevIndex+uint64(fr.Entries), 10)
	case kindHeartbeat:
		return "h"
	case kindVote:
		return "V"
	case kindPreVote:
		return "P"
	case kindSnapshot:
		return "S" + strconv.FormatUint(fr.PrevIndex, 10)
	case kindTimeoutNow:
		return "T"
	case kindReadIndex:
		return "I"
	case kindAppendReply:
		if fr.OK {
			return "a" + strconv.FormatUint(fr.Match, 10)
		}
		return "r"
	case kindSnapshotReply:
		switch {
		case fr.Done:
			return "s" + strconv.FormatUint(fr.PrevIndex, 10)
		case fr.OK:
			return "s"
		}
		return "r"
	case kindReadIndexReply:
		return "i" + strconv.FormatUint(fr.Match, 10)
	case kindVoteReply, kindPreVoteReply:
		if fr.OK {
			return "v"
		}
		return "n"
	}
	return "?"
}

// messageText is what a filter looks at.
func messageText(fr *frame) string {
	return name(fr.From) + " " + name(fr.To) + " " + fr.Kind + " " + fr.Short() + " term " + strconv.FormatUint(fr.Term, 10) + " " + fr.Reason
}

// matches tells whether text has every word of filter.
func matches(filter, text string) bool {
	text = strings.ToLower(text)
	for _, w := range strings.Fields(strings.ToLower(filter)) {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// when says how long a message took, is taking, or why it was lost.
func (p *picture) when(r *row, long bool) string {
	fr := r.frame
	var s string
	switch r.state {
	case flying:
		took := time.Duration(max(0, p.time-fr.LeftNS))
		whole := time.Duration(fr.DueNS - fr.LeftNS)
		switch {
		case fr.Held:
			s = "held"
			if long && fr.Fault > 0 {
				s += " by f" + strconv.Itoa(fr.Fault)
			}
		case took >= whole && p.lab.clock.held:
			s = "arrives on release"
		case took > whole:
			s = "arriving"
		default:
			s = millis(took) + " of " + millis(whole) + " ms"
		}
	case past:
		s = millis(time.Duration(fr.ArrivedNS-fr.LeftNS)) + " ms"
		if long {
			s = "took " + s
		}
	case lost:
		s = fr.Reason
		switch {
		case !long:
		case fr.Reason == "wall":
			s = "lost at the wall"
		default:
			s = "lost: " + fr.Reason
		}
	}
	if r.count > 1 {
		s += " x" + strconv.Itoa(r.count)
	}
	return s
}

func (p *picture) messagesTitle() (left, right string) {
	left = "MESSAGES"
	if sent, _, _, ok := p.lab.traffic.perSecond(); ok {
		left += " " + count(sent) + "/s"
	}
	flight := 0
	for i := range p.lab.status.Links {
		flight += p.lab.status.Links[i].Held
	}
	left += ", " + strconv.Itoa(flight) + " in flight"
	return left, p.hiddenText()
}

// hiddenText says what is left out, "" when nothing is.
func (p *picture) hiddenText() string {
	var parts []string
	if p.hidden.hide && p.hidden.beats > 0 {
		parts = append(parts, count(p.hidden.beats)+"/s heartbeats, answers hidden (b)")
	}
	if p.hidden.leftOut >= 1 {
		parts = append(parts, count(p.hidden.leftOut)+"/s too fast to list")
	}
	if p.ui.filter != "" {
		parts = append(parts, "filter "+strconv.Quote(p.ui.filter)+" hides "+strconv.Itoa(p.hidden.filtered))
	}
	return strings.Join(parts, ", ")
}

// drawMessages lists the messages, newest first. from is the first row shown,
// pick the picked one or -1.
func drawMessages(p *picture, pn pane, from, pick int) {
	if len(p.messages) == 0 {
		pn.text(1, 0, p.noMessages(), faint)
		return
	}
	rows := p.messages[min(from, len(p.messages)):]
	rows = rows[:min(len(rows), pn.h)]
	c := messageColumnsFor(p, pn.w, rows)
	for y := range rows {
		drawMessage(p, pn.rows(y, 1), c, &rows[y], from+y == pick)
	}
}

// messageColumns says how wide the columns of the messages pane are: a mark,
// when it left, who sent it, its way, to whom, what it is, how it fared, its
// term. They are the same for all rows shown.
type messageColumns struct {
	stamp, from, path, to, what int
	long                        bool // how it fared in more words, the term at the end
	term                        bool // and that spelled out
}

func messageColumnsFor(p *picture, w int, rows []row) messageColumns {
	c := messageColumns{to: 4, what: 14, long: w >= 74, term: w >= 100}
	fared, end := 16, 0
	switch {
	case w < 56:
		fared = 7
	case c.long:
		c.what, fared = 12, 21
	}
	for i := range rows {
		r := &rows[i]
		if w >= 56 {
			c.stamp = max(c.stamp, len(stamp(r.LeftNS, p.time))+1)
		}
		c.from = max(c.from, len(name(r.From))+1)
		c.to = max(c.to, len(r.receivers())+1)
		c.what = max(c.what, len(c.words(r.frame))+1)
		end = max(end, len(c.termText(r.frame))+2)
	}
	c.path = clamp(w-1-c.stamp-c.from-1-c.to-c.what-fared-end, 6, 30)
	return c
}

// words is what the message is, with its term unless that stands at the end.
func (c messageColumns) words(fr *frame) string {
	if c.long {
		return fr.Short()
	}
	return fr.Short() + " t" + strconv.FormatUint(fr.Term, 10)
}

// termText is the term at the end of the row, "" where words has it.
func (c messageColumns) termText(fr *frame) string {
	switch term := strconv.FormatUint(fr.Term, 10); {
	case c.term:
		return "term " + term
	case c.long:
		return "t" + term
	}
	return ""
}

// receivers names whom the messages of a row went to: S1, S1,2,3 or 8 nodes.
func (r *row) receivers() string {
	if len(r.to) < 2 {
		return name(r.To)
	}
	ids := slices.Sorted(slices.Values(r.to))
	s := name(ids[0])
	for _, id := range ids[1:] {
		s += "," + strconv.Itoa(id)
	}
	if len(s) > 7 {
		return strconv.Itoa(len(ids)) + " nodes"
	}
	return s
}

func (p *picture) noMessages() string {
	switch {
	case !p.lab.known:
		return ""
	case p.ui.filter != "" && p.hidden.filtered > 0:
		return "no message fits the filter"
	case p.hidden.hide:
		return "nothing but heartbeats (b shows them)"
	}
	return "no messages since you came"
}

func drawMessage(p *picture, pn pane, c messageColumns, r *row, picked bool) {
	st := plain
	if r.state != flying && p.now.Sub(r.seen) > 500*time.Millisecond {
		st = faint
	}
	mark := ' '
	if picked {
		mark, st = '>', strong
	}
	pn.put(0, 0, mark, strong)
	x := 1
	if c.stamp > 0 {
		pn.text(x, 0, stamp(r.LeftNS, p.time), st)
		x += c.stamp
	}
	pn.text(x, 0, name(r.From), st.with(bold))
	x += c.from
	drawPath(p, pn.sub(x, 0, c.path, 1), r)
	x += c.path + 1
	pn.text(x, 0, r.receivers(), st)
	x += c.to
	pn.text(x, 0, c.words(r.frame), st)
	x += c.what
	end := pn.w
	if s := c.termText(r.frame); s != "" {
		end = pn.right(pn.w-1, 0, s, st) - 1
	}
	pn.text(x, 0, fit(p.when(r, c.long), end-x), st)
}

// drawPath draws the way from sender to receiver: --A44---> in flight,
// ====a43> delivered, --hX lost.
func drawPath(p *picture, pn pane, r *row) {
	last := pn.w - 1
	switch r.state {
	case past:
		pn.fill(0, last, 0, pn.glyph(glyphPast), faint)
		pn.put(last, 0, '>', faint)
		s := letter(r.frame)
		pn.text(max(0, last-len(s)), 0, s, filled(r.Term))
	case lost:
		s := letter(r.frame)
		at := clamp(int(p.share(r, r.frame)*float64(last)), 1, max(1, last-1))
		pn.fill(0, at, 0, pn.glyph(glyphPath), faint)
		pn.text(max(0, at-len(s)), 0, s, filled(r.Term))
		pn.put(at, 0, 'X', strong)
		if r.Reason == "wall" {
			pn.put(at+1, 0, pn.glyph(glyphWallV), plain)
		}
	case flying:
		pn.fill(0, last, 0, pn.glyph(glyphPath), faint)
		pn.put(last, 0, '>', plain)
		if p.look.motion == MotionNone {
			return
		}
		free := 0 // from the left: newest first, and none over another
		for _, fr := range r.flights {
			s := letter(fr)
			at := clamp(int(p.share(r, fr)*float64(last)+0.5)-len(s)+1, 0, max(0, last-len(s)))
			if at >= free {
				pn.text(at, 0, s, filled(fr.Term))
				free = at + len(s) + 1
			}
		}
	}
}
