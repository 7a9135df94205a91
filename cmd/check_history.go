package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/check"
)

// check returns the report that was asked for: of a file, of a lab that runs, or
// of what is left of one. A report may come with an error.
func (c *call) check() (*netlab.CheckReport, error) {
	if file := c.Args().First(); file != "" {
		if c.sh.dry {
			return nil, errDry
		}
		return netlab.CheckHistory(file)
	}
	lab, err := c.lab()
	var e *netlab.Error
	if errors.As(err, &e) && e.Code == netlab.ExitNoLab {
		home, herr := netlab.Home()
		if herr != nil {
			return nil, herr
		}
		if _, serr := os.Stat(filepath.Join(home, c.labName(), "lab.json")); serr != nil {
			return nil, err
		}
		c.talk("lab %q does not run: this is what its disks hold", c.labName())
		return netlab.CheckStored(c.Context.Context, home, c.labName())
	}
	if err != nil {
		return nil, err
	}
	return lab.Check(c.Context.Context)
}

// draw writes the picture of the history to a file, which it does not leave behind
// half.
func (c *call) draw(path string) error {
	home, err := netlab.Home()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".raftlab-*.html")
	if err != nil {
		return netlab.Errorf(netlab.ExitFailed, "write %s: %v", path, err)
	}
	shown, err := netlab.Picture(home, c.labName(), c.Args().First(), f)
	if err = errors.Join(err, f.Close()); err == nil {
		err = errors.Join(os.Chmod(f.Name(), 0o644), os.Rename(f.Name(), path))
	}
	if err != nil {
		os.Remove(f.Name())
		var known *netlab.Error
		if errors.As(err, &known) {
			return known
		}
		return netlab.Errorf(netlab.ExitFailed, "write %s: %v", path, err)
	}
	c.talk("%s drawn in %s", plural(shown, "operation"), path)
	return nil
}

// storedText says what the disks of a lab that does not run hold.
func storedText(s *netlab.StoredCheck, st style) string {
	if s == nil || len(s.Nodes) == 0 {
		return ""
	}
	t := &table{head: []string{"node", ">term", "vote", ">log from", ">to", ">snapshot", ""}}
	for _, n := range s.Nodes {
		if n.Problem != "" {
			t.add(nodeName(n.Node), "-", "-", "-", "-", "-", st.alarm("not read"))
			continue
		}
		vote, from, to := "-", u(n.FirstIndex), u(n.LastIndex)
		if n.Vote != 0 {
			vote = nodeName(n.Vote)
		}
		if n.FirstIndex > n.LastIndex {
			from, to = "-", "-"
		}
		t.add(nodeName(n.Node), u(n.Term), vote, from, to, some(n.SnapshotIndex), "")
	}
	var b strings.Builder
	if err := t.write(&b, st); err != nil {
		return err.Error() // a strings.Builder takes everything
	}
	fmt.Fprintf(&b, "\n%s compared with another disk's; %s with what a log makes of another; %s of clients looked for\n",
		plural(s.Compared, "entry"), plural(s.States, "state machine"), plural(s.Acknowledged, "answered write"))
	b.WriteString("A log may reach further back than its snapshot: segments are removed as a whole.\n")
	for _, n := range s.Nodes {
		if n.Problem != "" {
			b.WriteString(clean(n.Problem) + "\n") // it names the node
		}
		for _, note := range n.Notes {
			fmt.Fprintf(&b, "%s: %s\n", nodeName(n.Node), clean(note))
		}
	}
	return b.String()
}

// linearizabilityText says how what clients were told stands.
func linearizabilityText(l *check.Linearizability, st style) string {
	if l == nil {
		return ""
	}
	var b strings.Builder
	verdict := l.Verdict
	if verdict == check.VerdictViolated {
		verdict = st.alarm("VIOLATED")
	}
	fmt.Fprintf(&b, "\nLinearizability: %s", verdict)
	if l.Operations > 0 {
		fmt.Fprintf(&b, ", %s of clients judged on %s", plural(int(l.Judged), "operation"), plural(l.Keys, "key"))
		if l.LastJudgedNS > 0 {
			fmt.Fprintf(&b, ", the last one at %s", labTime(l.LastJudgedNS))
		}
	}
	b.WriteString("\n")
	line := func(n uint64, format string, args ...any) {
		if n > 0 {
			fmt.Fprintf(&b, "  "+format+"\n", args...)
		}
	}
	line(uint64(l.KeysViolated), "%s without an order that explains them", plural(l.KeysViolated, "key"))
	line(l.Waiting, "%d open or to be judged", l.Waiting)
	line(l.Lost, "%d got no answer: they count as done at any time since, or never", l.Lost)
	line(l.Failed, "%d had no effect and do not count", l.Failed)
	line(l.Undecided+l.NotJudged, "%d not judged", l.Undecided+l.NotJudged)
	for _, r := range l.Reasons {
		line(1, "%s", clean(r))
	}
	if s := l.Stale; s.Reads > 0 {
		line(1, "stale reads claim nothing: of %d, %d did not see what had been written", s.Reads, s.Behind)
		if o := s.Oldest; s.Behind > 0 {
			more := ""
			if o.AtLeast {
				more = "at least "
			}
			line(1, "the oldest, get %s of S%d at %s, was %s%s old", clean(o.Key), o.Node, labTime(o.LabNS), more, plural(o.Writes, "write"))
		}
	}
	return b.String()
}
