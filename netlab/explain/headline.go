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
	Break string // what the breakpoint saw that holds the clock; "" when none does
	// Open tells whether the network lets frames pass from a to b. nil: everywhere.
	Open func(a, b raft.NodeID) bool

	// Config is the configuration that counts, and ConfigIndex its entry; without
	// any voter it is all nodes. Target is what the leader catches learners up for.
	Config      raft.Configuration
	ConfigIndex raft.Index
	Committed   bool // Config is
	Target      *raft.Configuration
	Unsafe      []string // the rules that are switched off
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
	LastTerm raft.Term // of the log's last entry
	Commit   raft.Index
	TimerEnd raft.Time
	Votes    []raft.Vote // a candidate's
	Since    raft.Time   // when it died or was paused

	TransferTo    raft.NodeID     // whom a leader hands over to
	Peers         []raft.Progress // a leader's
	SnapshotBytes int64           // size of its snapshot
	LostQuorum    bool            // it gave up the leadership of its term: no majority answered
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
	switch {
	case v.Held && v.Break != "":
		out = append(out, say("Stopped at %s.", v.Break))
	case v.Held:
		out = append(out, clause{text: "The lab clock is held: nothing moves, nothing is lost.", shown: true})
	}
	if len(v.Nodes) == 0 {
		return append(out, say("The lab has no nodes."))
	}
	if len(v.Config.Voters) == 0 {
		for _, n := range v.Nodes {
			v.Config.Voters = append(v.Config.Voters, n.ID)
		}
		v.Committed = true
	}
	leaders := v.leaders()
	leads := len(leaders) > 0 && v.reach(leaders[0]).won()
	if len(v.Unsafe) > 0 {
		// Why nobody leads is worth more of a short line than the names of the rules.
		out = append(out, clause{text: fmt.Sprintf("Unsafe on purpose: %s.", strings.Join(v.Unsafe, ", ")), shown: !leads})
	}
	if leads {
		return append(out, v.led(leaders)...)
	}
	return append(out, v.leaderless(leaders)...)
}

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

// reach counts the running voters n can talk with in both directions, itself
// included: what it can win an election or commit an entry with.
func (v View) reach(n Node) tally {
	return v.count(func(m Node) bool {
		return m.ID == n.ID || m.runs() && v.open(n.ID, m.ID) && v.open(m.ID, n.ID)
	})
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
	case behind == 1 && total > len(v.strangers())+1:
		out = append(out, say("%v has won term %d; the others have not heard of it yet.", l.ID, l.Term))
	case !v.count(func(n Node) bool { return v.follows(n, l) }).won():
		out = append(out, say("%v has won term %d; %d of %d nodes know of it so far.", l.ID, l.Term, behind, total))
	default:
		out = append(out, say("%v leads %d of %d nodes in term %d.", l.ID, behind, total, l.Term))
	}
	out = append(out, v.handover(l)...)
	for _, s := range leaders[1:] {
		out = append(out, v.stale(s))
	}
	out = append(out, v.change(l)...)
	out = append(out, v.missing()...)
	out = append(out, v.candidates(l)...)
	out = append(out, v.snapshots(l)...)
	out = append(out, v.stepped()...)
	out = append(out, v.laggards(l)...)
	return append(out, v.outside()...)
}

// following counts the nodes that take l for the leader of its term.
func (v View) following(l Node) int {
	count := 0
	for _, n := range v.Nodes {
		if v.follows(n, l) {
			count++
		}
	}
	return count
}

func (v View) follows(n, l Node) bool {
	return n.ID == l.ID || n.runs() && n.Term == l.Term && n.Leader == l.ID
}

// stale: a node that believes it leads while a newer term has a leader, or that
// cannot reach a quorum.
func (v View) stale(n Node) clause {
	if reach := v.reach(n); !reach.won() {
		return say("%v still claims term %d, but it reaches only %s: nothing it accepts can commit.", n.ID, n.Term, reach).
			or("%v claims term %d, but %s cannot commit.", n.ID, n.Term, reach.short())
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
		if reach := v.reach(n); !reach.won() {
			out = append(out, say("%v stands, but it reaches only %s and cannot win.", n.ID, reach).
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
		if n.ID != l.ID && n.runs() && n.Last < l.Commit && l.Commit-n.Last > gap && !l.sends(n.ID) && v.Config.Has(n.ID) {
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
	running, best := v.count(Node.runs), tally{}
	for _, n := range v.Nodes {
		if r := v.reach(n); n.runs() && v.Config.Voter(n.ID) && (len(best.sets) == 0 || best.under(r)) {
			best = r
		}
	}
	switch {
	case !slices.ContainsFunc(v.Nodes, Node.runs):
		return append([]clause{say("No node runs.")}, v.missing()...)
	case !running.won():
		out = append(out, say("No leader is possible: %s run, %s needed.", running, running.needed()))
		out = append(out, v.missing()...)
	case !best.won():
		out = append(out, say("No leader is possible: at most %s can talk to each other, %s needed.", best, best.needed()).
			or("No leader is possible: at most %s can talk, %s needed.", best, best.needed()))
		out = append(out, v.missing()...)
	default:
		out = append(out, v.election()...)
	}
	out = append(out, v.stepped()...)
	for _, l := range leaders {
		out = append(out, v.stale(l))
	}
	if len(leaders) > 0 {
		out = append(out, v.change(leaders[0])...)
	} else if v.Config.Joint() {
		out = append(out, v.change(Node{})...)
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
		// A later term had a leader, as somebody knows or as an entry in a log shows,
		// which only the leader of its term makes: the fall of this one is old news.
		if n.LastTerm > last.Term || n.Term > last.Term && n.Leader != 0 && n.Leader != last.ID {
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
		got := v.granted(n)
		return []clause{say("%v stands in term %d: %s, %s needed.", n.ID, n.Term, got.of("votes"), got.needed()).
			or("%v stands in term %d: %s, %s needed.", n.ID, n.Term, got.of("votes"), got.bare())}
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
			tally += fmt.Sprint(v.granted(n).have())
		}
		got := v.granted(a)
		return []clause{say("%s stand in term %d: %s votes, %s needed.", And(who), a.Term, tally, got.needed()).
			or("%s stand in term %d: %s votes, %s needed.", And(who), a.Term, tally, got.bare())}
	case len(asking) > 0:
		n := asking[0]
		got := v.granted(n)
		return []clause{say("%v asks whether it could win term %d (pre-vote): %s say yes, %s needed.", n.ID, n.Term+1, got.of(""), got.needed()).
			or("%v asks if it could win term %d: %s say yes.", n.ID, n.Term+1, got.of(""))}
	}
	var first Node
	for _, n := range v.Nodes {
		if n.runs() && n.Role != raft.Leader && n.TimerEnd > 0 && v.Config.Voter(n.ID) && (first.ID == 0 || n.TimerEnd < first.TimerEnd) {
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
func (v View) granted(n Node) tally {
	return v.count(func(m Node) bool {
		return m.ID == n.ID || slices.ContainsFunc(n.Votes, func(b raft.Vote) bool { return b.Granted && b.From == m.ID })
	})
}
