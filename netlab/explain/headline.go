package explain

import (
	"cmp"
	"fmt"
	"slices"

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

// Headline says what goes on, the most important clause first. Each is a whole
// sentence; a view prints as many as fit. There is always one.
func Headline(v View) []string {
	var out []string
	if v.Held {
		out = append(out, "The lab clock is held: nothing moves, nothing is lost.")
	}
	if len(v.Nodes) == 0 {
		return append(out, "The lab has no nodes.")
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
func (v View) led(leaders []Node) []string {
	l, total := leaders[0], len(v.Nodes)
	var out []string
	behind := v.following(l)
	switch {
	case behind == total:
		out = append(out, fmt.Sprintf("%v leads term %d, all %d nodes follow.", l.ID, l.Term, total))
	case behind < v.quorum():
		out = append(out, fmt.Sprintf("%v has won term %d; %d of %d nodes have heard of it so far.", l.ID, l.Term, behind, total))
	default:
		out = append(out, fmt.Sprintf("%v leads term %d with %d of %d nodes behind it.", l.ID, l.Term, behind, total))
	}
	for _, s := range leaders[1:] {
		out = append(out, v.stale(s))
	}
	out = append(out, v.missing()...)
	out = append(out, v.candidates(l)...)
	if s := v.laggards(l); s != "" {
		out = append(out, s)
	}
	return out
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
func (v View) stale(n Node) string {
	reach, total := v.reach(n), len(v.Nodes)
	if reach < v.quorum() {
		return fmt.Sprintf("%v still claims term %d, but it reaches only %d of %d nodes: nothing it accepts can commit.", n.ID, n.Term, reach, total)
	}
	return fmt.Sprintf("%v still claims term %d; it steps down when it hears of the newer term.", n.ID, n.Term)
}

// missing names the nodes whose process does not run.
func (v View) missing() []string {
	var dead, paused []raft.NodeID
	for _, n := range v.Nodes {
		switch {
		case n.Dead:
			dead = append(dead, n.ID)
		case n.Paused:
			paused = append(paused, n.ID)
		}
	}
	var out []string
	if len(dead) > 0 {
		out = append(out, fmt.Sprintf("%s %s dead.", And(dead), is(dead)))
	}
	if len(paused) > 0 {
		out = append(out, fmt.Sprintf("%s %s paused.", And(paused), is(paused)))
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
func (v View) candidates(l Node) []string {
	var out []string
	for _, n := range v.Nodes {
		if !n.runs() || n.Role != raft.Candidate && n.Role != raft.PreCandidate {
			continue
		}
		if reach := v.reach(n); reach < v.quorum() {
			out = append(out, fmt.Sprintf("%v stands, but it reaches only %d of %d nodes and cannot win.", n.ID, reach, len(v.Nodes)))
		} else if n.Role == raft.Candidate && n.Term > l.Term {
			out = append(out, fmt.Sprintf("%v stands in term %d and will depose %v.", n.ID, n.Term, l.ID))
		}
	}
	return out
}

// laggards names the follower that is furthest behind the leader's commit.
func (v View) laggards(l Node) string {
	var worst Node
	var gap raft.Index
	for _, n := range v.Nodes {
		if n.ID != l.ID && n.runs() && n.Last < l.Commit && l.Commit-n.Last > gap {
			worst, gap = n, l.Commit-n.Last
		}
	}
	if gap < 2 {
		return "" // a message's worth, always on its way
	}
	return fmt.Sprintf("%v is %d entries behind.", worst.ID, gap)
}

// leaderless: nobody leads, or who claims to cannot commit.
func (v View) leaderless(leaders []Node) []string {
	var out []string
	if s := v.fallen(); s != "" && len(leaders) == 0 {
		out = append(out, s)
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
		return append([]string{"No node runs."}, v.missing()...)
	case running < quorum:
		out = append(out, fmt.Sprintf("No leader is possible: %d of %d nodes run, %d are needed.", running, total, quorum))
		out = append(out, v.missing()...)
	case best < quorum:
		out = append(out, fmt.Sprintf("No leader is possible: at most %d of %d nodes can talk to each other, %d are needed.", best, total, quorum))
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
func (v View) fallen() string {
	var last Node
	for _, n := range v.Nodes {
		if !n.runs() && n.Role == raft.Leader && n.Term > last.Term {
			last = n
		}
	}
	if last.ID == 0 {
		return ""
	}
	for _, n := range v.Nodes {
		// A later term had a leader: the fall of this one is old news.
		if n.Term > last.Term && n.Leader != 0 && n.Leader != last.ID {
			return ""
		}
	}
	how := "was killed"
	if last.Paused {
		how = "was paused"
	}
	return fmt.Sprintf("%v, leader of term %d, %s %s ago.", last.ID, last.Term, how, Length(raft.Duration(max(0, v.Now-last.Since))))
}

// election: a leader is possible and not there yet.
func (v View) election() []string {
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
		return []string{fmt.Sprintf("%v stands in term %d and has %d of %d votes, %d win.", n.ID, n.Term, granted(n), len(v.Nodes), v.quorum())}
	case len(standing) > 1:
		a, b := standing[0], standing[1]
		if a.Term != b.Term {
			return []string{fmt.Sprintf("%v stands in term %d, which overrides %v's candidacy in term %d.", a.ID, a.Term, b.ID, b.Term)}
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
		return []string{fmt.Sprintf("%s stand in term %d: %s votes, %d win.", And(who), a.Term, tally, v.quorum())}
	case len(asking) > 0:
		n := asking[0]
		return []string{fmt.Sprintf("%v asks whether it could win term %d (pre-vote): %d of %d say yes, %d are needed.", n.ID, n.Term+1, granted(n), len(v.Nodes), v.quorum())}
	}
	var first Node
	for _, n := range v.Nodes {
		if n.runs() && n.Role != raft.Leader && n.TimerEnd > 0 && (first.ID == 0 || n.TimerEnd < first.TimerEnd) {
			first = n
		}
	}
	if first.ID == 0 {
		return []string{"No leader yet."}
	}
	if first.TimerEnd <= v.Now {
		return []string{fmt.Sprintf("No leader: %v's election timer has run out.", first.ID)}
	}
	return []string{fmt.Sprintf("No leader: %v's election timer runs out first, in %s.", first.ID, Length(raft.Duration(first.TimerEnd-v.Now)))}
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
