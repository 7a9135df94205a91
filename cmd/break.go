package cmd

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/cond"
	"github.com/urfave/cli/v2"
)

func breakVerb() *verb {
	var named strings.Builder
	for _, n := range netlab.NamedBreaks() {
		fmt.Fprintf(&named, "  %-15s %s\n", n.Name, n.About)
	}
	return &verb{
		name: "break", args: "[COND]", usage: "Hold the lab when a condition comes true; without one, list the breakpoints", category: categoryClock, dry: true,
		max: -1, words: []word{wordBreak},
		flags: []cli.Flag{&cli.BoolFlag{Name: "clear", Usage: "take a breakpoint away, by its number; without one, all"}},
		about: `COND is looked at whenever a node reports a change. One that is true already has
to come true anew. By name there are

` + named.String() + `
and any condition of wait, like
  S1.term >= 2        count(nodes, .role == "leader") == 2
Under load numbers jump: ask for >= rather than ==.`,
		examples: []example{
			{"raftlab break split-vote", "hold when an election fails"},
			{"raftlab break 'S3.commit >= 10'", "quotes keep the shell off > and <"},
			{"raftlab break", "list them"},
			{"raftlab break --clear 1", "take the first away"},
			{"raftlab break --clear", "take all away"},
		},
		run: func(c *call) error {
			text := strings.TrimSpace(strings.Join(c.Args().Slice(), " "))
			switch {
			case c.Bool("clear"):
				return c.clearBreaks(text)
			case text == "":
				return c.listBreaks()
			}
			if err := checkBreak(text); err != nil {
				return err
			}
			return c.do(netlab.Op{Verb: "break", Cond: text})
		},
	}
}

// checkBreak says what is wrong with a breakpoint before the lab is asked.
func checkBreak(text string) error {
	var known []string
	for _, n := range netlab.NamedBreaks() {
		if n.Name == text {
			return nil
		}
		known = append(known, n.Name)
	}
	hint := "breakpoints by name: " + strings.Join(known, " ") + "   more: raftlab help break"
	_, err := cond.Compile(text)
	if err == nil {
		return nil
	}
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyz-_") == "" {
		for word := range cond.Words {
			known = append(known, word)
		}
		slices.Sort(known)
		e := usageErrorf("there is no breakpoint called %q", clean(text))
		if s := nearest(strings.ReplaceAll(text, "_", "-"), known); s != "" {
			e = usageErrorf("there is no breakpoint called %q; did you mean %s?", clean(text), s)
		}
		return e.WithHint("%s", hint)
	}
	e := usageErrorf("%v", err)
	if syntax := new(cond.SyntaxError); errors.As(err, &syntax) {
		e = usageErrorf("%v", syntax)
	}
	return e.WithHint("%s", hint)
}

func (c *call) clearBreaks(text string) error {
	op := netlab.Op{Verb: "break", Stop: true}
	if text != "" {
		id, err := strconv.ParseUint(text, 10, 63)
		if err != nil || id == 0 {
			return usageErrorf("%q is no breakpoint's number", clean(text)).WithHint("raftlab break lists them")
		}
		op.ID = id
	}
	return c.do(op)
}

func (c *call) listBreaks() error {
	lab, err := c.lab()
	if err != nil {
		return err
	}
	s, err := lab.Status(c.Context.Context)
	if err != nil {
		return err
	}
	breaks := append([]netlab.BreakStatus{}, s.Breaks...)
	var ids []string
	for _, b := range breaks {
		ids = append(ids, u(b.ID))
	}
	return c.emit(struct {
		Breaks []netlab.BreakStatus `json:"breaks"`
	}{breaks}, ids, func(w io.Writer) error {
		if len(breaks) == 0 {
			return writeLines(w, []string{"no breakpoints"})
		}
		t := &table{head: []string{">id", "holds the lab when", ">hits", "last"}}
		for _, b := range breaks {
			last := "-"
			if b.Last != nil {
				last = labTime(b.Last.LabNS) + "  " + clean(b.Last.Seen)
			}
			what := clean(b.Cond)
			if b.Holds {
				what += " (true now)"
			}
			t.add(u(b.ID), what, u(b.Hits), last)
		}
		return t.write(w, c.style)
	})
}

// breakText says which breakpoint holds a lab, and why.
func breakText(b *netlab.BreakHit) string {
	return fmt.Sprintf("breakpoint %d, %s: %s", b.ID, clean(b.Cond), clean(b.Seen))
}
