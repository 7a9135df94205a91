package netlab

// violationsKept bounds how many broken promises are told of one by one. A lab
// that is broken breaks more of them all the time; the first ones say why.
const violationsKept = 100

// violations are the promises that were broken.
type violations struct {
	list []Violation
	all  uint64
}

// violate takes note of a broken promise: it is an event, and in the status from
// now on. With lab.mu held.
func (l *lab) violate(v Violation) {
	if v.Nodes == nil {
		v.Nodes = []int{}
	}
	if v.LabNS == 0 {
		v.LabNS = int64(l.clock.Now())
	}
	l.broken.all++
	if len(l.broken.list) < violationsKept {
		l.broken.list = append(l.broken.list, v)
	}
	e := Event{Kind: EventViolation, Term: v.Term, Index: v.Index, Text: v.Property + ": " + v.Message}
	if len(v.Nodes) == 1 {
		e.Node = v.Nodes[0]
	}
	l.event(e)
	l.log.Error("a promise is broken", "property", v.Property, "term", v.Term, "index", v.Index, "nodes", v.Nodes, "message", v.Message)
}

// violated returns what was broken so far. What is in it never changes. With
// lab.mu held.
func (l *lab) violated() []Violation {
	return append([]Violation{}, l.broken.list...)
}
