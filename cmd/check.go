package cmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/raftlab/raftlab/netlab"
)

func checkVerb() *verb {
	return &verb{
		name: "check", args: "[FILE]", max: 1, words: []word{wordFile}, usage: "Tell whether Raft has kept its promises so far", category: categoryWatch, dry: true,
		about: `Every lab watches all the time what its nodes store, commit and apply, and
who leads and votes. Check says how much of that was judged by each property of
Raft, what nobody can judge and why, and what was broken. What clients asked and
were told is written down, too, and judged for linearizability by porcupine (§8).

Of a lab that does not run, what its nodes have on their disks is compared, and its
history judged once more. FILE is a history: a lab keeps one in its directory.
--html draws it, with what was done to the lab.

The exit code is 6 when a promise was broken.`,
		examples: []example{
			{"raftlab check", "all properties"},
			{"raftlab check --html history.html", "and draw what clients saw"},
			{"raftlab check -o json | jq '.violations'", "for scripts"},
		},
		flags: []cli.Flag{&cli.StringFlag{Name: "html", Usage: "`FILE` to draw the history to"}},
		run:   runCheck,
	}
}

func runCheck(c *call) error {
	report, err := c.check()
	if report == nil {
		return err
	}
	if told := c.tellCheck(report); told != nil && err == nil || told != nil && len(report.Violations) > 0 {
		err = told
	}
	if out := c.String("html"); out != "" {
		if drawn := c.draw(out); err == nil {
			err = drawn
		}
	}
	return err
}

// tellCheck prints a report, and makes what was broken the error.
func (c *call) tellCheck(r *netlab.CheckReport) error {
	var names []string
	for _, v := range r.Violations {
		names = append(names, v.Property)
	}
	if err := c.emit(r, names, func(w io.Writer) error { return checkTable(w, r, c.style) }); err != nil {
		return err
	}
	return checkError(r)
}

// checkError is the error of a report that is not all well, nil of one that is.
func checkError(r *netlab.CheckReport) error {
	if n := len(r.Violations); n > 0 {
		broken := netlab.Errorf(netlab.ExitCheck, "a promise of Raft is broken")
		if n > 1 {
			broken = netlab.Errorf(netlab.ExitCheck, "promises of Raft are broken, %d times", n)
		}
		if r.Stopped {
			return broken.WithHint("raftlab check --html FILE draws what clients saw; raftlab log --disk DIR shows a node's log")
		}
		return broken.WithHint("raftlab events -v shows what happened before, by the numbers above")
	}
	return nil
}

// checkTable writes a report for people.
func checkTable(w io.Writer, r *netlab.CheckReport, st style) error {
	var b strings.Builder
	if len(r.Properties) > 0 {
		t := &table{head: []string{"property", ">checked", "", ">unknown", ">broken"}}
		for _, p := range r.Properties {
			broken := "-"
			if p.Violations > 0 {
				broken = st.alarm(u(p.Violations))
			}
			t.add(p.Name, u(p.Checked), p.Counts, some(p.Unknown), broken)
		}
		if err := t.write(&b, st); err != nil {
			return err
		}
	}
	b.WriteString(storedText(r.Stored, st))
	b.WriteString(linearizabilityText(r.Linearizability, st))
	if len(r.Unknown) > 0 {
		b.WriteString("\nnot known:\n")
		for _, x := range r.Unknown {
			b.WriteString("  " + unknownLine(&x) + "\n")
		}
	}
	for _, v := range r.Violations {
		fmt.Fprintf(&b, "\n%s  %s\n", labTime(v.LabNS), st.alarm("!! "+clean(v.Headline())))
		fmt.Fprintf(&b, "  %s\n", clean(violationFacts(&v)))
	}
	if r.OK {
		b.WriteString("\nno promise of Raft was broken as far as was seen\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// violationFacts are where a violation showed, and what happened before it.
func violationFacts(v *netlab.Violation) string {
	var facts []string
	if v.Term > 0 {
		facts = append(facts, "term "+u(v.Term))
	}
	if v.Index > 0 {
		facts = append(facts, "index "+u(v.Index))
	}
	if len(v.Nodes) > 0 {
		facts = append(facts, nodeNames(v.Nodes))
	}
	if v.Frame > 0 {
		facts = append(facts, "frame "+u(v.Frame))
	}
	if v.Event > 0 {
		facts = append(facts, "event "+u(v.Event))
	}
	if len(v.Before) > 0 {
		ids := make([]string, len(v.Before))
		for i, id := range v.Before {
			ids[i] = u(id)
		}
		facts = append(facts, "after the events "+strings.Join(ids, " "))
	}
	return strings.Join(facts, ", ")
}

// some is a number that is a dash when there is nothing to count.
func some(n uint64) string {
	if n == 0 {
		return "-"
	}
	return u(n)
}

// unknownLine is "S2 00:12.345-00:12.360  killed: …".
func unknownLine(x *netlab.UnknownCheck) string {
	line := clean(x.Reason)
	switch {
	case x.ToNS > x.FromNS:
		line = labTime(x.FromNS) + " to " + labTime(x.ToNS) + "  " + line
	case x.FromNS > 0: // of disks it is at no time
		line = labTime(x.FromNS) + "  " + line
	}
	if x.Node != 0 {
		line = nodeName(x.Node) + "  " + line
	}
	if x.Count > 1 {
		line += fmt.Sprintf(" (%d times)", x.Count)
	}
	return line
}
