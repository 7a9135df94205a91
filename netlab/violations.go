package netlab

import (
	"slices"
	"strings"
)

// violationsKept bounds how many broken promises are told of one by one. A lab
// that is broken breaks more of them all the time; the first ones say why.
const violationsKept = 100

// violations are the promises that were broken.
type violations struct {
	list []Violation
	all  uint64
}

// violate takes note of a broken promise: it is an event, and in the status from
// now on, with the events that may have led to it. With lab.mu held.
func (l *lab) violate(v Violation) {
	if v.Nodes == nil {
		v.Nodes = []int{}
	}
	if v.LabNS == 0 {
		v.LabNS = int64(l.clock.Now())
	}
	if v.Name == "" {
		v.Name = v.Property
	}
	if v.Text == "" {
		v.Text = v.Message
	}
	if !strings.HasPrefix(v.Message, v.Name) {
		v.Message = v.Name + ": " + v.Message
	}
	v.Before = l.leadingUp(v.Nodes)
	e := Event{Kind: EventViolation, Term: v.Term, Index: v.Index, Text: v.Message, Rule: v.rule}
	if len(v.Nodes) > 0 {
		e.Node = v.Nodes[0]
	}
	if len(v.Nodes) > 1 {
		e.Peer = v.Nodes[1]
	}
	v.Event = l.event(e)
	l.broken.all++
	if len(l.broken.list) < violationsKept {
		l.broken.list = append(l.broken.list, v)
	}
	l.log.Error("a promise is broken", "property", v.Property, "term", v.Term, "index", v.Index, "nodes", v.Nodes, "message", v.Message)
}

// The events before a violation that are named with it: the last so many of a
// kind that can have led to it, looked for among the last so many.
const (
	beforeMost = 12
	beforeSeek = 5000
)

// leadingUp are the last events that have to do with these nodes, or with the
// lab as a whole, oldest first. With lab.mu held.
func (l *lab) leadingUp(nodes []int) []uint64 {
	ids := []uint64{}
	about := func(id int) bool { return slices.Contains(nodes, id) }
	oldest := max(l.events.oldest(), l.events.last-min(l.events.last, beforeSeek))
	for id := l.events.last; id >= oldest && id > 0 && len(ids) < beforeMost; id-- {
		e := &l.events.ring[(id-1)%uint64(l.events.keep)]
		if e.Minor {
			continue
		}
		switch e.Kind {
		case EventRole, EventTimeout, EventTerm, EventVote, EventElected, EventTruncate, EventCommit, EventConfig, EventSnapshot:
			if about(e.Node) {
				ids = append(ids, id)
			}
		case EventProcess, EventFault:
			if e.Node == 0 || about(e.Node) {
				ids = append(ids, id)
			}
		}
	}
	slices.Reverse(ids)
	return ids
}

// Headline is a violation in a line: LEADER COMPLETENESS BROKEN: Entry 7 ….
func (v *Violation) Headline() string {
	name, text := v.Name, v.Text
	if name == "" {
		name = v.Property
	}
	if text == "" {
		text = v.Message
	}
	return strings.ToUpper(name) + " BROKEN: " + text
}

// violated returns what was broken so far. What is in it never changes. With
// lab.mu held.
func (l *lab) violated() []Violation {
	return append([]Violation{}, l.broken.list...)
}
