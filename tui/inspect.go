package tui

import (
	"encoding/json"
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/raftlab/raftlab/netlab"
)

// pickedMessage is the row of the picked message; the newest when it is gone.
func (p *picture) pickedMessage() int {
	for i := range p.messages {
		if p.messages[i].ID == p.ui.msgID {
			return i
		}
	}
	return 0
}

// picked is the picked message, nil when there is none at all.
func (p *picture) picked() *row {
	if len(p.messages) == 0 {
		return nil
	}
	return &p.messages[p.pickedMessage()]
}

// onFrame runs an action of frame on the picked message, which stays picked.
func (m *model) onFrame(act string) tea.Cmd {
	r := m.pic.picked()
	if r == nil {
		return nil
	}
	m.ui.msgID = r.ID
	return m.run(fmt.Sprintf("frame %d %s", r.ID, act), false)
}

func (m *model) dropFrame(tea.KeyMsg) tea.Cmd { return m.onFrame(netlab.FrameDrop) }
func (m *model) sendAgain(tea.KeyMsg) tea.Cmd { return m.onFrame(netlab.FrameInject) }

// holdFrame holds the picked message back, or lets it go when it is held.
func (m *model) holdFrame(tea.KeyMsg) tea.Cmd {
	if r := m.pic.picked(); r != nil && r.Held {
		return m.onFrame(netlab.FrameRelease)
	}
	return m.onFrame(netlab.FrameHold)
}

// copyFrame puts the picked message on the clipboard, as the API tells it.
func (m *model) copyFrame(tea.KeyMsg) tea.Cmd {
	r := m.pic.picked()
	if r == nil {
		return nil
	}
	text, err := json.Marshal(r.Frame)
	if err != nil {
		m.fail(err)
		return nil
	}
	return m.copy(string(text), fmt.Sprintf("frame %d as JSON", r.ID))
}

// pickedEvent is the id of the picked event, and its row.
func (p *picture) pickedEvent() (id uint64, at int) {
	rows := p.eventRows(keepEvents)
	for i, r := range rows {
		if r.ID == p.ui.eventID {
			return r.ID, i
		}
	}
	if len(rows) > 0 {
		return rows[0].ID, 0
	}
	return 0, 0
}

// drawMessageOverlay is a message with every field.
func drawMessageOverlay(p *picture, pn pane) {
	if len(p.messages) == 0 {
		in := pn.frame("MESSAGE", "esc back")
		in.text(1, 0, p.noMessages(), faint)
		return
	}
	r := &p.messages[p.pickedMessage()]
	fr := r.frame
	in := pn.frame(fmt.Sprintf("MESSAGE %s to %s  %s  #%d", name(fr.From), name(fr.To), fr.Kind, fr.ID), "esc back")
	drawPath(p, in.sub(1, 0, min(60, in.w-2), 1), r)
	var lines []segment
	add := func(format string, args ...any) {
		lines = append(lines, segment{text: fmt.Sprintf(format, args...)})
	}
	add("%s, term %d, %d bytes, number %d on its link", fr.Short(), fr.Term, fr.Bytes, fr.Number)
	switch fr.Kind {
	case kindAppend, kindHeartbeat:
		add("after entry %d of term %d; carries %s; leader's commit index %d", fr.PrevIndex, fr.PrevTerm, plural(fr.Entries, "entry", "entries"), fr.Commit)
	case kindSnapshot:
		add("stands for entries 1-%d, the last of term %d; carries %s of it from %s on", fr.PrevIndex, fr.PrevTerm, bytesText(int64(fr.Data)), bytesText(fr.Offset))
		if fr.Done {
			add("these are its last bytes: %s can put it in the place of its log (§7)", name(fr.To))
		}
	case kindSnapshotReply:
		switch {
		case fr.Done:
			add("has all that the snapshot of 1-%d stands for", fr.PrevIndex)
		case fr.OK:
			add("has %s of the snapshot of 1-%d, wants what follows", bytesText(fr.Offset), fr.PrevIndex)
		default:
			add("refused: the request's term is over, or its bytes do not follow those it has")
		}
	case kindTimeoutNow:
		add("%s is to stand for election at once: %s hands over to it (thesis §3.10)", name(fr.To), name(fr.From))
	case kindReadIndex:
		add("asks for the index that a client's read at %s has to wait for (thesis §6.4)", name(fr.From))
	case kindReadIndexReply:
		add("still leads: the read may be served once entry %d is applied (thesis §6.4)", fr.Match)
	case kindVote, kindPreVote:
		add("the candidate's log ends at %d, term %d", fr.LastIndex, fr.LastTerm)
	case kindAppendReply:
		if fr.OK {
			add("logs agree up to %d", fr.Match)
		} else {
			add("refused: the request's term is over, or the entry before it is missing")
		}
	}
	add("left %s   due %s", clockText(fr.LeftNS), clockText(fr.DueNS))
	switch r.state {
	case flying:
		add("in flight: %s", p.when(r, true))
	case past:
		add("arrived %s, in %s", clockText(fr.ArrivedNS), shortTime(time.Duration(fr.ArrivedNS-fr.LeftNS)))
	case lost:
		add("dropped %s: %s", clockText(fr.DroppedNS), fr.Reason)
	}
	if i, j := p.place(fr.From), p.place(fr.To); i >= 0 && j >= 0 && i != j {
		if l := p.between(i, j); l != nil {
			add("link: %s", linkRule(l))
		}
	}
	if r.count > 1 {
		add("%d of this kind are folded into this row; this is the newest", r.count)
	}
	if to := p.node(fr.To); to != nil && fr.Term < to.Term {
		add("%s is in term %d already: a message of term %d is refused (§5.1)", name(fr.To), to.Term, fr.Term)
	}
	for y, l := range lines {
		in.text(1, y+2, fit(l.text, in.w-2), l.style)
	}
}

// linkRule is what is set on a link, in words.
func linkRule(l *netlab.LinkStatus) string {
	switch {
	case l.Wall:
		return "a wall stands between its ends"
	case l.Cut:
		return "cut"
	}
	s := "open"
	if l.Set != "" {
		s += ", " + l.Set
	}
	s += fmt.Sprintf("; %d sent, %d delivered, %d lost, %d under way", l.Sent, l.Delivered, l.Dropped, l.Held)
	if l.OnHold > 0 {
		s += fmt.Sprintf(", %d of these held", l.OnHold)
	}
	return s
}

// drawEventOverlay is an event with the rule of Raft behind it.
func drawEventOverlay(p *picture, pn pane) {
	id, _ := p.pickedEvent()
	var ev *netlab.Event
	for i := range p.lab.events {
		if p.lab.events[i].ID == id {
			ev = &p.lab.events[i]
		}
	}
	if ev == nil {
		pn.frame("EVENT", "esc back").text(1, 0, "nothing happened yet", faint)
		return
	}
	in := pn.frame(fmt.Sprintf("EVENT %d", ev.ID), "esc back")
	y := 0
	say := func(st style, s string) {
		for _, l := range wrap(s, in.w-2) {
			in.text(1, y, l, st)
			y++
		}
	}
	say(strong, who(ev)+" "+ev.Text)
	say(plain, "at "+clockText(ev.LabNS)+" lab time, "+ev.At.Format("15:04:05.000")+" by the wall clock")
	if ev.Rule != "" {
		say(plain, "rule: "+ev.Rule)
	}
	if ev.Line != "" {
		say(plain, "you: "+commandLine(ev.Line)+"   (y copies it)")
	}
	facts := "kind " + ev.Kind
	if ev.Peer > 0 {
		facts += ", peer " + name(ev.Peer)
	}
	if ev.Term > 0 {
		facts += fmt.Sprintf(", term %d", ev.Term)
	}
	if ev.Index > 0 {
		first := ev.First
		if first == 0 {
			first = ev.Index
		}
		facts += ", index " + indexes(first, ev.Index)
	}
	say(faint, facts)
}
