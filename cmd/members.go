package cmd

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/raft"
)

func membersVerb() *verb {
	return &verb{
		name: "members", args: "[NODE..]", usage: "Show who the members are, or make them these", category: categoryMembers, dry: true,
		max: -1, words: []word{wordNode}, flags: changeFlags(),
		about: `Without NODE it shows the configuration in force, which is the newest in the
leader's log, committed or not (§6): who votes, while it is joint the old voters
and the new ones with the count in each, learners, and how far the leader has come
with everyone. With NODE the voters become exactly these, from any set to any
other: new nodes are started, those that are out end.`,
		examples: []example{
			{"raftlab members", "the configuration, and both counts while it is joint"},
			{"raftlab members 1 2 3 6 7", "S4 and S5 make room for S6 and S7 in one change"},
			{"raftlab members --json | jq .config", "for scripts"},
		},
		run: func(c *call) error {
			if c.Args().Present() {
				words, err := nodeWords(c.Args().Slice())
				if err != nil {
					return err
				}
				return c.change(netlab.Op{Verb: "members", Nodes: words})
			}
			lab, err := c.lab()
			if err != nil {
				return err
			}
			s, err := lab.Status(c.Context.Context)
			if err != nil {
				return err
			}
			return c.printMembers(s)
		},
	}
}

// The sets of a configuration a node can be in, as JSON names them.
const (
	setVoters    = "voters"
	setVotersOld = "voters_old"
	setLearners  = "learners"
	setTarget    = "target"
)

// membersJSON is what -o json tells of the members.
type membersJSON struct {
	Schema  string              `json:"schema"`
	Lab     string              `json:"lab"`
	Term    uint64              `json:"term"`
	Leader  int                 `json:"leader"`
	Unsafe  []string            `json:"unsafe"` // rules that are switched off
	Config  netlab.ConfigStatus `json:"config"`
	Index   uint64              `json:"index"` // the entry the tallies are of; 0 without a leader
	Tallies []tally             `json:"tallies"`
	Nodes   []memberJSON        `json:"nodes"`
}

// A tally is how many of a set of voters store an entry durably, as far as the
// leader knows, and how many it takes.
type tally struct {
	Set   string `json:"set"`
	Nodes []int  `json:"nodes"`
	Hold  []int  `json:"hold"`
	Needs int    `json:"needs"`
}

type memberJSON struct {
	ID    int      `json:"id"`
	Sets  []string `json:"sets"` // of the configuration it is in
	State string   `json:"state"`
	Role  string   `json:"role"`

	// What the leader knows of it; nothing without a leader.
	Match          uint64 `json:"match"`
	Next           uint64 `json:"next"`
	Flow           string `json:"flow"`
	AnsweredNS     int64  `json:"answered_ns"` // lab time, 0 for not yet
	SnapshotIndex  uint64 `json:"snapshot_index,omitempty"`
	SnapshotOffset int64  `json:"snapshot_offset,omitempty"`
}

// majority is how many of n decide.
func majority(n int) int { return n/2 + 1 }

// membersOf takes from the status what it says of the members.
func membersOf(s *netlab.Status) membersJSON {
	m := membersJSON{
		Schema: "raftlab.members/1", Lab: s.Lab, Term: s.Term, Leader: s.Leader, Unsafe: slices.Concat([]string{}, s.Unsafe), Config: s.Config,
		Tallies: []tally{}, Nodes: []memberJSON{},
	}
	peers := make(map[int]netlab.PeerStatus)
	for _, n := range s.Nodes {
		if n.ID != s.Leader {
			continue
		}
		// The leader counts itself once its own disk has the entry (thesis §10.2.1).
		peers[n.ID] = netlab.PeerStatus{Match: n.Durable, Next: n.LastIndex + 1, LastAckNS: s.Clock.LabNS}
		for _, p := range n.Peers {
			if p.Match == 0 && p.Flow == raft.FlowProbe.String() {
				p.LastAckNS = 0 // the time it became a peer, until it answers
			}
			peers[p.ID] = p
		}
		if m.Index = n.LastIndex; !s.Config.Committed && s.Config.Index != 0 {
			m.Index = s.Config.Index
		}
	}
	for _, set := range []struct {
		name  string
		nodes []int
	}{{setVotersOld, s.Config.VotersOld}, {setVoters, s.Config.Voters}} {
		if len(set.nodes) == 0 {
			continue
		}
		t := tally{Set: set.name, Nodes: set.nodes, Hold: []int{}, Needs: majority(len(set.nodes))}
		for _, id := range set.nodes {
			if p, ok := peers[id]; ok && p.Match >= m.Index {
				t.Hold = append(t.Hold, id)
			}
		}
		m.Tallies = append(m.Tallies, t)
	}
	for _, n := range s.Nodes {
		p := peers[n.ID]
		m.Nodes = append(m.Nodes, memberJSON{
			ID: n.ID, Sets: setsOf(n.ID, s.Config), State: n.State, Role: n.Role,
			Match: p.Match, Next: p.Next, Flow: p.Flow, AnsweredNS: p.LastAckNS,
			SnapshotIndex: p.SnapshotIndex, SnapshotOffset: p.SnapshotOffset,
		})
	}
	return m
}

// setsOf names the sets of c that a node is in.
func setsOf(id int, c netlab.ConfigStatus) []string {
	sets := []string{}
	for _, set := range []struct {
		name  string
		nodes []int
	}{{setVotersOld, c.VotersOld}, {setVoters, c.Voters}, {setLearners, c.Learners}} {
		if slices.Contains(set.nodes, id) {
			sets = append(sets, set.name)
		}
	}
	if c.Target != nil && (slices.Contains(c.Target.Voters, id) || slices.Contains(c.Target.Learners, id)) {
		sets = append(sets, setTarget)
	}
	return sets
}

func (c *call) printMembers(s *netlab.Status) error {
	m := membersOf(s)
	var ids []string
	for _, n := range m.Nodes {
		if slices.ContainsFunc(n.Sets, func(set string) bool { return set != setTarget }) {
			ids = append(ids, strconv.Itoa(n.ID))
		}
	}
	return c.emit(m, ids, func(w io.Writer) error { return membersTable(w, s, m, c.style) })
}

// membersTable writes the members for people: where the configuration stands,
// the count of each set of voters, a row for each node.
func membersTable(w io.Writer, s *netlab.Status, m membersJSON, st style) error {
	var b strings.Builder
	leader := "leader " + nodeName(m.Leader)
	if m.Leader == 0 {
		leader = st.alarm("NO LEADER")
	}
	fmt.Fprintf(&b, "%s  term %d  %s  %s\n\n", st.bold("lab "+m.Lab), m.Term, leader, configState(m.Config))
	if lines := unsafeLines(s, st); len(lines) > 0 {
		b.WriteString(strings.Join(lines, "\n") + "\n\n")
	}
	if err := tallyTable(&b, m); err != nil {
		return err
	}
	b.WriteString("\n")
	t := &table{head: []string{"id", "votes in", "state", "role", ">match", ">next", "flow", ">answered"}}
	for _, n := range s.Nodes {
		at := slices.IndexFunc(m.Nodes, func(k memberJSON) bool { return k.ID == n.ID })
		match, next, flow, answered := leaderKnows(m, m.Nodes[at], s.Clock.LabNS)
		t.add(nodeName(n.ID), votesIn(n.ID, m.Config), stateCell(n, st), roleCell(n, s, st), match, next, flow, answered)
	}
	if err := t.write(&b, st); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// configState says which entry the configuration is of and whether it is
// committed.
func configState(c netlab.ConfigStatus) string {
	name := "configuration"
	if len(c.VotersOld) > 0 {
		name = "C_old,new"
	}
	switch {
	case len(c.Voters) == 0:
		return "nobody has said yet who the members are"
	case c.Index == 0:
		return "the configuration the lab began with"
	case c.Committed:
		return fmt.Sprintf("%s of entry %d, committed", name, c.Index)
	}
	return fmt.Sprintf("%s of entry %d, not committed yet", name, c.Index)
}

// tallyTable writes a line for each set of the configuration: who, and of
// voters how many hold the entry that matters now.
func tallyTable(w io.Writer, m membersJSON) error {
	names := map[string]string{setVoters: "voters", setVotersOld: "C_old"}
	if len(m.Config.VotersOld) > 0 {
		names[setVoters] = "C_new"
	}
	t := &table{head: []string{"set", "nodes", "count"}}
	for _, y := range m.Tallies {
		count := fmt.Sprintf("%d of %d are needed", y.Needs, len(y.Nodes))
		if m.Index != 0 {
			count = fmt.Sprintf("%d of %d hold entry %d, %d %s needed", len(y.Hold), len(y.Nodes), m.Index, y.Needs, are(y.Needs))
		}
		t.add(names[y.Set], nodeNames(y.Nodes), count)
	}
	if len(m.Config.Learners) > 0 {
		t.add("learners", nodeNames(m.Config.Learners), "do not count")
	}
	if next := m.Config.Target; next != nil {
		what := "voters, once all have caught up (thesis §4.2.1)"
		if len(next.Learners) > 0 {
			what = "voters, beside learners " + nodeNames(next.Learners) + ", once all have caught up (thesis §4.2.1)"
		}
		t.add("to come", nodeNames(next.Voters), what)
	}
	return t.write(w, style{})
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// votesIn says in which sets a node's vote counts.
func votesIn(id int, c netlab.ConfigStatus) string {
	old, now, learner := slices.Contains(c.VotersOld, id), slices.Contains(c.Voters, id), slices.Contains(c.Learners, id)
	switch {
	case old && now:
		return "C_old C_new"
	case old:
		return "C_old"
	case now && len(c.VotersOld) > 0:
		return "C_new"
	case now:
		return "yes"
	case learner:
		return "no: learner"
	}
	return "no: not in it"
}

// leaderKnows are the cells of what the leader knows of a node.
func leaderKnows(m membersJSON, n memberJSON, now int64) (match, next, flow, answered string) {
	if m.Leader == 0 || n.ID != m.Leader && n.Flow == "" {
		return "-", "-", "-", "-"
	}
	match, next = u(n.Match), u(n.Next)
	if n.ID == m.Leader {
		return match, next, "-", "-"
	}
	flow = n.Flow
	if n.SnapshotIndex > 0 {
		flow = fmt.Sprintf("%s %d, %s of it sent", n.Flow, n.SnapshotIndex, size(n.SnapshotOffset))
	}
	answered = "not yet"
	if n.AnsweredNS > 0 {
		answered = shortDuration(time.Duration(max(now-n.AnsweredNS, 0)).Round(time.Millisecond)) + " ago"
	}
	return match, next, flow, answered
}
