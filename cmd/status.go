package cmd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/check"
	"github.com/raftlab/raftlab/netlab/explain"
	"github.com/urfave/cli/v2"
)

func statusVerb() *verb {
	return &verb{
		name: "status", args: "[NODE..]", usage: "Show nodes, links and the lab clock", category: categoryWatch, dry: true,
		max: -1, words: []word{wordNode},
		flags: []cli.Flag{&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "go on showing it until Ctrl-C; with -o jsonl an object at each change"}},
		about: `LEADER? is a node that leads a term which is no longer the highest. -v adds the
traffic of every link.`,
		examples: []example{
			{"raftlab status", "the whole lab"},
			{"raftlab status leader", "one node"},
			{"raftlab status --watch", "live, without the terminal UI"},
			{"raftlab status --json | jq .leader", "for scripts"},
		},
		run: func(c *call) error {
			words, err := netlab.ParseNodes(c.Args().Slice())
			if c.Args().Present() && err != nil {
				return err
			}
			if c.Bool("watch") {
				if c.sh.embedded {
					return usageErrorf("status --watch works on the command line only, not inside a scenario or the palette")
				}
				return watchStatus(c, words)
			}
			lab, err := c.lab()
			if err != nil {
				return err
			}
			status, err := lab.Status(c.Context.Context)
			if err != nil {
				return err
			}
			if status, err = pick(status, words); err != nil {
				return err
			}
			return c.printStatus(status)
		},
	}
}

// pick returns the status with only the nodes that words name; with all of
// them when there are no words.
func pick(s *netlab.Status, words []netlab.NodeWord) (*netlab.Status, error) {
	if len(words) == 0 {
		return s, nil
	}
	keep := make(map[int]bool)
	for _, w := range words {
		switch {
		case w.Group == netlab.WordRandom:
			return nil, usageErrorf("status shows nodes you name; random is for verbs that act").WithHint("raftlab status all")
		case w.Group == netlab.WordLeader:
			if s.Leader == 0 {
				return nil, netlab.Errorf(netlab.ExitConflict, "no node is the leader now").WithHint("raftlab wait leader")
			}
			keep[s.Leader] = true
		case w.ID != 0:
			if !slices.ContainsFunc(s.Nodes, func(n netlab.NodeStatus) bool { return n.ID == w.ID }) {
				return nil, usageErrorf("node %d is not in this lab", w.ID).WithHint("its nodes are %s", allNodes(s))
			}
			keep[w.ID] = true
		default:
			for _, id := range groupNow(w.Group, s) {
				keep[id] = true
			}
		}
	}
	part := *s
	part.Nodes = slices.Clone(s.Nodes)
	part.Nodes = slices.DeleteFunc(part.Nodes, func(n netlab.NodeStatus) bool { return !keep[n.ID] })
	return &part, nil
}

func allNodes(s *netlab.Status) string {
	ids := make([]string, len(s.Nodes))
	for i, n := range s.Nodes {
		ids[i] = strconv.Itoa(n.ID)
	}
	return strings.Join(ids, " ")
}

func (c *call) printStatus(s *netlab.Status) error {
	ids := make([]string, len(s.Nodes))
	for i, n := range s.Nodes {
		ids[i] = strconv.Itoa(n.ID)
	}
	return c.emit(s, ids, func(w io.Writer) error { return statusTable(w, s, c.style, c.Bool("verbose")) })
}

// statusTable writes the lab for people: a line of the whole, the sentence of
// what goes on, a row for each node, and what the network does to links.
func statusTable(w io.Writer, s *netlab.Status, st style, links bool) error {
	var b strings.Builder
	leader := "leader " + nodeName(s.Leader)
	if s.Leader == 0 {
		leader = st.alarm("NO LEADER")
	}
	name := st.bold("lab " + s.Lab)
	if s.Engine == netlab.EngineSim {
		name += " (simulated)"
	}
	fmt.Fprintf(&b, "%s  %s  term %d  %s  commit %d  quorum %s  %s%s\n",
		name, plural(len(s.Nodes), "node"), s.Term, leader, s.Commit, quorumText(s), labTime(s.Clock.LabNS), clockState(s.Clock))
	for _, line := range unsafeLines(s, st) {
		b.WriteString(line + "\n")
	}
	for _, v := range s.Violations {
		fmt.Fprintf(&b, "%s\n", st.alarm("!! "+clean(v.Headline())))
	}
	if len(s.Violations) > 0 {
		b.WriteString("raftlab check tells more\n")
	}
	view := s.View()
	view.Unsafe = nil // said above, louder
	if head := explain.Headline(view); len(head) > 0 {
		b.WriteString(strings.Join(head, " ") + "\n")
	}
	if line := configLine(s); line != "" {
		b.WriteString(line + "\n")
	}
	b.WriteString("\n")
	t := &table{head: []string{"id", "state", "role", ">term", "vote", ">last", ">commit", ">applied", ">snap"}}
	processes := s.Engine != netlab.EngineSim
	if processes {
		t.head = append(t.head, ">pid")
	}
	t.head = append(t.head, "log")
	for _, n := range s.Nodes {
		row := []string{nodeName(n.ID), stateCell(n, st), roleCell(n, s, st), u(n.Term), nodeName(n.Vote), u(n.LastIndex), u(n.Commit), u(n.Applied), snapshotCell(n)}
		if processes {
			pid := "-"
			if n.Pid != 0 {
				pid = strconv.Itoa(n.Pid)
			}
			row = append(row, pid)
		}
		t.add(append(row, logCell(n))...)
	}
	if err := t.write(&b, st); err != nil {
		return err
	}
	for _, n := range s.Nodes {
		if n.State == netlab.StateDead && n.Exit != "" {
			fmt.Fprintf(&b, "\n%s ended by itself: %s%s\n", nodeName(n.ID), clean(n.Exit), comesBack(n, s))
		}
	}
	if lines := nodeFaultLines(s); len(lines) > 0 {
		b.WriteString("\n" + strings.Join(lines, "\n") + "\n")
	}
	if l := s.Linearizability; l != nil {
		b.WriteString("\n" + standingText(l, st) + "\n")
	}
	if len(s.Partition) > 0 {
		sides := make([]string, len(s.Partition))
		for i, side := range s.Partition {
			sides[i] = nodeNames(side)
		}
		fmt.Fprintf(&b, "\npartition%s: %s\n", wallUntil(s), strings.Join(sides, " | "))
	}
	if faults := faultLines(s); len(faults) > 0 {
		b.WriteString("\n")
		for _, f := range faults {
			b.WriteString(f + "\n")
		}
	}
	if l := s.Load; l != nil {
		fmt.Fprintf(&b, "\nload: %s of %s writes/s by %s, %d done, %d failed\n", number(float64(int(l.PerSec*10))/10), number(l.Rate), plural(l.Clients, "client"), l.Done, l.Failed)
	}
	if x := s.Chaos; x != nil {
		fmt.Fprintf(&b, "\nchaos: %d of %s done, until %s, seed %d\n", x.Done, plural(x.Faults, "fault"), labTime(x.UntilNS), x.Seed)
		for _, line := range x.Now {
			b.WriteString("  now: " + clean(line) + "\n")
		}
	}
	if links {
		b.WriteString("\n")
		if err := linkTable(&b, s.Links, st); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// standingText says how what clients were told stands.
func standingText(l *netlab.Standing, st style) string {
	verdict := l.Verdict
	if verdict == check.VerdictViolated {
		verdict = st.alarm("not linearizable")
	}
	s := fmt.Sprintf("clients: %s, %s judged, the last one at %s", verdict, plural(int(l.Judged), "operation"), labTime(l.LastJudgedNS))
	if l.NotJudged > 0 {
		s += fmt.Sprintf("; %d not judged", l.NotJudged)
	}
	return s
}

func u(n uint64) string { return strconv.FormatUint(n, 10) }

// plural is "1 node", "3 nodes", "2 entries".
func plural(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "ry"):
		noun = strings.TrimSuffix(noun, "y") + "ies"
	default:
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

func clockState(c netlab.ClockStatus) string {
	switch {
	case c.Held && c.Break != nil:
		return fmt.Sprintf("  HELD by breakpoint %d", c.Break.ID)
	case c.Held:
		return "  HELD"
	case c.Rate != 1:
		return "  x" + number(c.Rate)
	}
	return ""
}

// quorumText is how many decide: of a joint configuration, how many of each set (§6).
func quorumText(s *netlab.Status) string {
	if len(s.Config.VotersOld) == 0 {
		return strconv.Itoa(s.Quorum)
	}
	return fmt.Sprintf("%d old + %d new", majority(len(s.Config.VotersOld)), majority(len(s.Config.Voters)))
}

// configLine says who the members are, when they are not simply all nodes of
// the lab: "C_old,new at 12: old S1 S2 S3 | new S1 S2 S3 S4 S5 | learners S6, not committed".
func configLine(s *netlab.Status) string {
	c := s.Config
	plain := len(c.VotersOld) == 0 && len(c.Learners) == 0 && c.Target == nil && (c.Committed || c.Index == 0)
	if len(c.Voters) == 0 || plain && !slices.ContainsFunc(s.Nodes, func(n netlab.NodeStatus) bool { return !slices.Contains(c.Voters, n.ID) }) {
		return ""
	}
	var parts []string
	if len(c.VotersOld) > 0 {
		parts = append(parts, "old "+nodeNames(c.VotersOld), "new "+nodeNames(c.Voters))
	} else {
		parts = append(parts, "voters "+nodeNames(c.Voters))
	}
	if len(c.Learners) > 0 {
		parts = append(parts, "learners "+nodeNames(c.Learners))
	}
	line := strings.Join(parts, " | ") + "; " + configState(c)
	if c.Target != nil {
		line += "; to come, once they have caught up: voters " + nodeNames(c.Target.Voters)
	}
	return line
}

// snapshotCell is the last index the node's snapshot stands for.
func snapshotCell(n netlab.NodeStatus) string {
	switch {
	case n.Snapshotting:
		return "writing"
	case n.SnapshotIndex == 0:
		return "-"
	}
	return u(n.SnapshotIndex)
}

func stateCell(n netlab.NodeStatus, st style) string {
	switch n.State {
	case netlab.StateUp:
		return "up"
	case netlab.StateDead:
		if n.Exit != "" {
			return st.alarm("DEAD")
		}
		return st.dim("DEAD")
	}
	return st.dim(strings.ToUpper(n.State))
}

// roleCell writes a role as every view of raftlab does: leaders stand out, and
// one of an old term carries a question mark.
func roleCell(n netlab.NodeStatus, s *netlab.Status, st style) string {
	switch n.Role {
	case netlab.RoleLeader:
		if n.State == netlab.StateDead {
			return "leader"
		}
		if n.ID != s.Leader {
			return st.bold("LEADER?")
		}
		return st.bold("LEADER")
	case netlab.RoleCandidate:
		return st.bold("CANDIDATE")
	case netlab.RolePreCandidate:
		return st.bold("PREVOTE")
	case "":
		return "-"
	}
	return n.Role
}

// logCell is a log as runs of terms: t1×3 t4×2 is three entries of term 1, then
// two of term 4; of a long one the end. Where the first entries are dropped it
// says with which index the log begins.
func logCell(n netlab.NodeStatus) string {
	const shown = 6
	runs := n.Log
	s := ""
	if n.FirstIndex > 1 {
		s = "from " + u(n.FirstIndex) + ": "
	}
	if len(runs) > shown {
		s += "… "
		runs = runs[len(runs)-shown:]
	}
	parts := make([]string, len(runs))
	for i, r := range runs {
		parts[i] = fmt.Sprintf("t%d×%d", r.Term, r.Count)
	}
	return s + strings.Join(parts, " ")
}

// wallUntil says when the partition in force ends by itself, "" when it does not.
func wallUntil(s *netlab.Status) string {
	for _, f := range slices.Backward(s.Faults) {
		if f.Verb == "partition" {
			if f.UntilNS > 0 {
				return " until " + labTime(f.UntilNS)
			}
			break
		}
	}
	return ""
}

// faultLines say what is set on the network beside a partition.
func faultLines(s *netlab.Status) []string {
	var order []string
	on := make(map[string][][2]int) // what several set alike is one line
	for _, f := range s.Faults {
		if f.Verb == "partition" || len(f.Links) == 0 {
			continue
		}
		text := f.Text
		if f.UntilNS > 0 {
			text += " until " + labTime(f.UntilNS)
		}
		if on[text] == nil {
			order = append(order, text)
		}
		on[text] = append(on[text], f.Links...)
	}
	for i, text := range order {
		links := on[text]
		slices.SortFunc(links, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
		order[i] = text + ": " + netlab.LinkWords(slices.Compact(links), s.Links)
	}
	return order
}

// linkName is a directed link as the words of LINKS name it.
func linkName(l netlab.LinkStatus) string { return fmt.Sprintf("%d to %d", l.From, l.To) }

// linkTable writes a row for each directed link.
func linkTable(w io.Writer, links []netlab.LinkStatus, st style) error {
	t := &table{head: []string{"link", "set", ">sent", ">delivered", ">dropped", ">waiting", ">held", ">flight"}}
	for _, l := range links {
		what := l.Set
		if l.Wall {
			what = strings.TrimSuffix("wall, "+what, ", ")
		}
		flight := "-"
		if l.FlightNS > 0 {
			flight = time.Duration(l.FlightNS).Round(time.Microsecond).String()
		}
		t.add(linkName(l), what, u(l.Sent), u(l.Delivered), u(l.Dropped), strconv.Itoa(l.Held), strconv.Itoa(l.OnHold), flight)
	}
	return t.write(w, st)
}

// watchStatus shows the status again at each change: on a terminal in place,
// elsewhere one after the other.
func watchStatus(c *call, words []netlab.NodeWord) error {
	lab, err := c.lab()
	if err != nil {
		return err
	}
	var status netlab.Status
	inPlace := c.format == formatTable && !c.quiet() && isTerminal(c.sh.stdout)
	rows := 0
	return c.stream(lab, 250*time.Millisecond, func(_ context.Context, u netlab.Update) error {
		status.Apply(u)
		part, err := pick(&status, words)
		if err != nil {
			return err
		}
		if c.format == formatJSON {
			return writeJSONLine(c.sh.stdout, part) // of a stream only lines can be read
		}
		if !inPlace {
			return c.printStatus(part)
		}
		var b strings.Builder
		if err := statusTable(&b, part, c.style, c.Bool("verbose")); err != nil {
			return err
		}
		rows, err = redraw(c.sh.stdout, b.String(), rows)
		return err
	})
}

// redraw writes text over what redraw wrote before, rows lines high.
func redraw(w io.Writer, text string, rows int) (int, error) {
	var b strings.Builder
	if rows > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", rows)
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for _, l := range lines {
		b.WriteString("\r" + l + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	_, err := io.WriteString(w, b.String())
	return len(lines), err
}

// stream gives f the lab's updates, at most one in every, until the lab or the
// call ends, or the reader of stdout has gone: a stream that has nothing to
// write would not notice.
func (c *call) stream(lab *netlab.Client, every time.Duration, f func(context.Context, netlab.Update) error) error {
	ctx, cancel := context.WithCancelCause(c.Context.Context)
	defer cancel(nil)
	stop := watchReader(c.sh.stdout, func() { cancel(signalled{sigpipe}) })
	defer stop()
	err := lab.Stream(ctx, netlab.StreamOptions{EveryMS: int(every / time.Millisecond)}, func(u netlab.Update) error { return f(ctx, u) })
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause // says more than what the lab's client makes of it
	}
	return err
}
