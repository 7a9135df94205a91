package cmd

import (
	"fmt"
	"io"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func logVerb() *verb {
	return &verb{
		name: "log", args: "NODE | --disk DIR", usage: "Show a node's Raft log", category: categoryWatch, dry: true,
		max: 1, words: []word{wordNode},
		flags: []cli.Flag{
			&cli.Uint64Flag{Name: "from", Usage: "`INDEX` first one", DefaultText: "the log's first"},
			&cli.Uint64Flag{Name: "to", Usage: "`INDEX` last one", DefaultText: "the log's last"},
			&cli.StringFlag{Name: "disk", Usage: "`DIR` of a node that does not run, to read instead of asking a lab"},
		},
		about: `The log of a dead or paused node is read from its disk. Where entries are folded
into a snapshot (§7), the first line says what it stands for.

--disk reads any node's directory, of any lab and without one, and writes nothing
there. Which entries are committed no disk says, but of those in a snapshot.`,
		examples: []example{
			{"raftlab log leader", "all of it"},
			{"raftlab log 3 --from 40", "from index 40 on"},
			{"raftlab log --disk ~/.local/state/raftlab/default/nodes/2", "of a lab that was stopped with its data kept"},
		},
		run: func(c *call) error {
			from, to := c.Uint64("from"), c.Uint64("to")
			if to != 0 && from > to {
				return usageErrorf("--from %d is behind --to %d", from, to)
			}
			if c.IsSet("disk") {
				return diskLog(c, c.String("disk"), from, to)
			}
			if c.NArg() == 0 {
				return usageErrorf("log wants a node, or --disk and a directory")
			}
			words, err := nodeWords(c.Args().Slice())
			if err != nil {
				return err
			}
			lab, err := c.lab()
			if err != nil {
				return err
			}
			l, err := lab.Log(c.Context.Context, words[0], from, to)
			if err != nil {
				return err
			}
			return printLog(c, l)
		},
	}
}

// diskLog shows the log in a directory.
func diskLog(c *call, dir string, from, to uint64) error {
	if c.NArg() > 0 {
		return usageErrorf("log shows the node %s or the directory %s, not both", c.Args().First(), dir)
	}
	if c.sh.dry {
		return errDry
	}
	l, notes, err := netlab.ReadDisk(c.Context.Context, dir, from, to)
	if err != nil {
		return err
	}
	if err := printLog(c, l); err != nil {
		return err
	}
	for _, n := range notes {
		c.talk("%s", clean(n))
	}
	return nil
}

func printLog(c *call, l *netlab.Log) error {
	if c.format == formatJSONL {
		for _, e := range l.Entries {
			if err := writeJSONLine(c.sh.stdout, e); err != nil {
				return err
			}
		}
		return nil
	}
	var indices []string
	for _, e := range l.Entries {
		indices = append(indices, u(e.Index))
	}
	return c.emit(l, indices, func(w io.Writer) error {
		from := ""
		if l.Source == "disk" {
			from = ", read from its disk"
		}
		unsure := "no"
		if c.IsSet("disk") {
			unsure = "?" // it takes a leader to say
			c.talk("log in %s: %s", c.String("disk"), logExtent(l))
		} else {
			c.talk("log of %s: %s, committed up to %d%s", nodeName(l.Node), logExtent(l), l.Commit, from)
		}
		if len(l.Entries) == 0 && l.Base == 0 {
			return nil
		}
		t := &table{head: []string{">index", ">term", "kind", "committed", "command"}}
		if l.Base > 0 && (len(l.Entries) == 0 || l.FirstIndex == l.Base+1) {
			t.add(span(1, l.Base), "", "snapshot", "yes", foldedInto(l))
		}
		for _, e := range l.Entries {
			committed := "yes"
			if e.Index > l.Commit {
				committed = unsure
			}
			t.add(u(e.Index), u(e.Term), e.Kind, committed, clean(e.Command))
		}
		return t.write(w, c.style)
	})
}

// logExtent says how much of the log there is: "44 entries", "entries 41 to 44".
func logExtent(l *netlab.Log) string {
	switch {
	case l.Base == 0:
		return plural(int(l.LastIndex), "entry")
	case l.LastIndex <= l.Base:
		return "no entries behind " + u(l.Base)
	case l.LastIndex == l.Base+1:
		return "entry " + u(l.LastIndex)
	}
	return fmt.Sprintf("entries %d to %d", l.Base+1, l.LastIndex)
}

func span(first, last uint64) string {
	if first == last {
		return u(first)
	}
	return u(first) + "-" + u(last)
}

// foldedInto says which snapshot stands for the entries that are dropped.
func foldedInto(l *netlab.Log) string {
	text := fmt.Sprintf("folded into the snapshot of index %d, term %d", l.SnapshotIndex, l.SnapshotTerm)
	if l.SnapshotIndex > l.Base {
		text += fmt.Sprintf(", which stands for %s, too", span(l.Base+1, l.SnapshotIndex))
	}
	return text
}
