package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/raftlab/raftlab/raft"
)

// View is what [Headline] looks at.
type View struct {
	Nodes []Node // ascending by ID
	Now   raft.Time
	Held  bool
	// Open tells whether the network lets frames pass from a to b. nil: everywhere.
	Open func(a, b raft.NodeID) bool
}

// Node is one node as far as the sentences need it. Of one that is dead or
// paused, what it last was.
type Node struct {
	ID       raft.NodeID
	Dead     bool
	Paused   bool
	Role     raft.Role
	Term     raft.Term
	Leader   raft.NodeID
	Last     raft.Index
	Commit   raft.Index
	TimerEnd raft.Time
	Votes    []raft.Vote // a candidate's
	Since    raft.Time   // when it died or was paused
}

func (n Node) runs() bool { return !n.Dead && !n.Paused }

// Headline says what goes on, the most important first, in whole sentences.
// There is always one.
func Headline(v View) []string {
	var out []string
	for _, c := range v.clauses() {
		out = append(out, c.text)
	}
	return out
}

// Line is the headline for a line of some columns: all of it when it fits, else
// in fewer words, without the sentences there is no room for. The first is
// always there, also when it is longer than the line.
func Line(v View, columns int) string {
	if s := strings.Join(Headline(v), " "); len(s) <= columns {
		return s
	}
	line := ""
	for _, c := range v.clauses() {
		switch s := c.inShort(); {
		case c.shown:
		case line == "":
			line = s
		case len(line)+1+len(s) <= columns:
			line += " " + s
		}
	}
	return line
}

// clause is one sentence of the headline.
type clause struct {
	text  string
	short string // the same in fewer words; "": text is short already
	shown bool   // line 1 of the screen says it too: the first to go
}

func (c clause) inShort() string {
	if c.short != "" {
		return c.short
	}
	return c.text
}

func say(format string, args ...any) clause { return clause{text: fmt.Sprintf(format, args...)} }

// or gives the clause its short form.
func (c clause) or(format string, args ...any) clause {
	c.short = fmt.Sprintf(format, args...)
	return c
}

func (v View) clauses() []clause {
	var out []clause
	if v.Held {
		out = append(out, clause{text: "The lab clock is held: nothing moves, nothing is lost.", shown: true})
	}
	if len(v.Nodes) == 0 {
		return append(out, say("The lab has no nodes."))
	}
	leaders := v.leaders()
	if len(leaders) > 0 && v.reach(leaders[0]) >= v.quorum() {
		return append(out, v.led(leaders)...)
	}
	return append(out, v.leaderless(leaders)...)
}

func (v View) quorum() int { return len(v.Nodes)/2 + 1 }

// leaders are the running nodes that believe they lead, newest term first.
func (v View) leaders() []Node {
	var out []Node
	for _, n := range v.Nodes {
		if n.runs() && n.Role == raft.Leader {
			out = append(out, n)
		}
	}
	slices.SortStableFunc(out, func(a, b Node) int { return cmp.Compare(b.Term, a.Term) })
	return out
}

// reach counts the running nodes n can talk with in both directions, itself
// included: what it can win an election or commit an entry with.
func (v View) reach(n Node) int {
	count := 0
	for _, m := range v.Nodes {
		if m.ID == n.ID || m.runs() && v.open(n.ID, m.ID) && v.open(m.ID, n.ID) {
			count++
		}
	}
	return count
}

func (v View) open(a, b raft.NodeID) bool { return v.Open == nil || v.Open(a, b) }

// led: the newest leader reaches a quorum.
func (v View) led(leaders []Node) []clause {
	l, total := leaders[0], len(v.Nodes)
	var out []clause
	behind := v.following(l)
	switch {
	case total == 1:
		out = append(out, say("%v leads term %d; there is no other node.", l.ID, l.Term))
	case behind == total:
		out = append(out, say("%v leads term %d, all %d nodes follow.", l.ID, l.Term, total))
	case behind == 1:
		out = append(out, say("%v has won term %d; the others have not heard of it yet.", l.ID, l.Term))
	case behind < v.quorum():
		out = append(out, say("%v has won term %d; %d of %d nodes know of it so far.", l.ID, l.Term, behind, total))
	default:
		out = append(out, say("%v leads %d of %d nodes in term %d.", l.ID, behind, total, l.Term))
	}
	for _, s := range leaders[1:] {
		out = append(out, v.stale(s))
	}
	out = append(out, v.missing()...)
	out = append(out, v.candidates(l)...)
	return append(out, v.laggards(l)...)
}

// following counts the nodes that take l for the leader of its term.
func (v View) following(l Node) int {
	count := 0
	for _, n := range v.Nodes {
		if n.ID == l.ID || n.runs() && n.Term == l.Term && n.Leader == l.ID {
			count++
		}
	}
	return count
}

// stale: a node that believes it leads while a newer term has a leader, or that
// cannot reach a quorum.
func (v View) stale(n Node) clause {
	reach, total := v.reach(n), len(v.Nodes)
	if reach < v.quorum() {
		return say("%v still claims term %d, but it reaches only %d of %d nodes: nothing it accepts can commit.", n.ID, n.Term, reach, total).
			or("%v claims term %d, but %d of %d cannot commit.", n.ID, n.Term, reach, total)
	}
	return say("%v still claims term %d; it steps down when it hears of the newer term.", n.ID, n.Term).
		or("%v still claims term %d.", n.ID, n.Term)
}

// missing names the nodes whose process does not run.
func (v View) missing() []clause {
	var dead, paused []raft.NodeID
	for _, n := range v.Nodes {
		switch {
		case n.Dead:
			dead = append(dead, n.ID)
		case n.Paused:
			paused = append(paused, n.ID)
		}
	}
	var out []clause
	if len(dead) > 0 {
		out = append(out, say("%s %s dead.", And(dead), is(dead)))
	}
	if len(paused) > 0 {
		out = append(out, say("%s %s paused.", And(paused), is(paused)))
	}
	return out
}

func is(ids []raft.NodeID) string {
	if len(ids) == 1 {
		return "is"
	}
	return "are"
}

// candidates: nodes that stand although l leads.
func (v View) candidates(l Node) []clause {
	var out []clause
	for _, n := range v.Nodes {
		if !n.runs() || n.Role != raft.Candidate && n.Role != raft.PreCandidate {
			continue
		}
		if reach := v.reach(n); reach < v.quorum() {
			out = append(out, say("%v stands, but it reaches only %d of %d nodes and cannot win.", n.ID, reach, len(v.Nodes)).
				or("%v stands, but cannot win.", n.ID))
		} else if n.Role == raft.Candidate && n.Term > l.Term {
			out = append(out, say("%v stands in term %d and will depose %v.", n.ID, n.Term, l.ID))
		}
	}
	return out
}

// laggards names the follower that is furthest behind the leader's commit.
func (v View) laggards(l Node) []clause {
	var worst Node
	var gap raft.Index
	for _, n := range v.Nodes {
		if n.ID != l.ID && n.runs() && n.Last < l.Commit && l.Commit-n.Last > gap {
			worst, gap = n, l.Commit-n.Last
		}
	}
	if gap < 2 {
		return nil // a message's worth, always on its way
	}
	return []clause{say("%v is %d entries behind.", worst.ID, gap)}
}

// leaderless: nobody leads, or who claims to cannot commit.
func (v View) leaderless(leaders []Node) []clause {
	var out []clause
	if len(leaders) == 0 {
		out = v.fallen()
	}
	running, best := 0, 0
	for _, n := range v.Nodes {
		if n.runs() {
			running++
			best = max(best, v.reach(n))
		}
	}
	total, quorum := len(v.Nodes), v.quorum()
	switch {
	case running == 0:
		return append([]clause{say("No node runs.")}, v.missing()...)
	case running < quorum:
		out = append(out, say("No leader is possible: %d of %d nodes run, %d are needed.", running, total, quorum))
		out = append(out, v.missing()...)
	case best < quorum:
		out = append(out, say("No leader is possible: at most %d of %d nodes can talk to each other, %d are needed.", best, total, quorum).
			or("No leader is possible: at most %d of %d nodes can talk, %d are needed.", best, total, quorum))
		out = append(out, v.missing()...)
	default:
		out = append(out, v.election()...)
	}
	for _, l := range leaders {
		out = append(out, v.stale(l))
	}
	return out
}

// fallen: the last leader, when its process does not run any more.
func (v View) fallen() []clause {
	var last Node
	for _, n := range v.Nodes {
		if !n.runs() && n.Role == raft.Leader && n.Term > last.Term {
			last = n
		}
	}
	if last.ID == 0 {
		return nil
	}
	for _, n := range v.Nodes {
		// A later term had a leader: the fall of this one is old news.
		if n.Term > last.Term && n.Leader != 0 && n.Leader != last.ID {
			return nil
		}
	}
	how := "died" // killed, or by itself
	if last.Paused {
		how = "was paused"
	}
	ago := Length(raft.Duration(max(0, v.Now-last.Since)))
	return []clause{say("%v, leader of term %d, %s %s ago.", last.ID, last.Term, how, ago).or("%v %s %s ago.", last.ID, how, ago)}
}

// election: a leader is possible and not there yet.
func (v View) election() []clause {
	var standing, asking []Node
	for _, n := range v.Nodes {
		if !n.runs() {
			continue
		}
		switch n.Role {
		case raft.Candidate:
			standing = append(standing, n)
		case raft.PreCandidate:
			asking = append(asking, n)
		}
	}
	slices.SortStableFunc(standing, func(a, b Node) int { return cmp.Compare(b.Term, a.Term) })
	switch {
	case len(standing) == 1:
		n := standing[0]
		return []clause{say("%v stands in term %d: %d of %d votes, %d are needed.", n.ID, n.Term, granted(n), len(v.Nodes), v.quorum()).
			or("%v stands in term %d: %d of %d votes, %d needed.", n.ID, n.Term, granted(n), len(v.Nodes), v.quorum())}
	case len(standing) > 1:
		a, b := standing[0], standing[1]
		if a.Term != b.Term {
			return []clause{say("%v stands in term %d, which overrides %v's candidacy in term %d.", a.ID, a.Term, b.ID, b.Term)}
		}
		who, tally := []raft.NodeID{}, ""
		for i, n := range standing {
			if n.Term != a.Term {
				break
			}
			who = append(who, n.ID)
			if i > 0 {
				tally += " to "
			}
			tally += fmt.Sprint(granted(n))
		}
		return []clause{say("%s stand in term %d: %s votes, %d are needed.", And(who), a.Term, tally, v.quorum()).
			or("%s stand in term %d: %s votes, %d needed.", And(who), a.Term, tally, v.quorum())}
	case len(asking) > 0:
		n := asking[0]
		return []clause{say("%v asks whether it could win term %d (pre-vote): %d of %d say yes, %d are needed.", n.ID, n.Term+1, granted(n), len(v.Nodes), v.quorum()).
			or("%v asks if it could win term %d: %d of %d say yes.", n.ID, n.Term+1, granted(n), len(v.Nodes))}
	}
	var first Node
	for _, n := range v.Nodes {
		if n.runs() && n.Role != raft.Leader && n.TimerEnd > 0 && (first.ID == 0 || n.TimerEnd < first.TimerEnd) {
			first = n
		}
	}
	if first.ID == 0 {
		return []clause{say("No leader yet.")}
	}
	if first.TimerEnd <= v.Now {
		return []clause{say("No leader: %v's election timer has run out.", first.ID).or("%v times out now.", first.ID)}
	}
	left := Length(raft.Duration(first.TimerEnd - v.Now))
	return []clause{say("No leader: %v's election timer runs out first, in %s.", first.ID, left).or("%v times out first, in %s.", first.ID, left)}
}

// granted counts a candidate's votes, its own included.
func granted(n Node) int {
	count, own := 0, false
	for _, b := range n.Votes {
		if b.Granted {
			count++
			own = own || b.From == n.ID
		}
	}
	if !own {
		count++
	}
	return count
}
