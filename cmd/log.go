package cmd

import (
	"io"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func logVerb() *verb {
	return &verb{
		name: "log", args: "NODE", usage: "Show a node's Raft log", category: categoryWatch, dry: true,
		min: 1, max: 1, words: []word{wordNode},
		flags: []cli.Flag{
			&cli.Uint64Flag{Name: "from", Usage: "`INDEX` first one", DefaultText: "the log's first"},
			&cli.Uint64Flag{Name: "to", Usage: "`INDEX` last one", DefaultText: "the log's last"},
		},
		about: `The log of a dead or paused node is read from its disk.`,
		examples: []example{
			{"raftlab log leader", "all of it"},
			{"raftlab log 3 --from 40", "from index 40 on"},
		},
		run: func(c *call) error {
			words, err := nodeWords(c.Args().Slice())
			if err != nil {
				return err
			}
			from, to := c.Uint64("from"), c.Uint64("to")
			if to != 0 && from > to {
				return usageErrorf("--from %d is behind --to %d", from, to)
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
		c.talk("log of %s: %s, committed up to %d%s", nodeName(l.Node), plural(int(l.LastIndex), "entry"), l.Commit, from)
		if len(l.Entries) == 0 {
			return nil
		}
		t := &table{head: []string{">index", ">term", "kind", "committed", "command"}}
		for _, e := range l.Entries {
			committed := "yes"
			if e.Index > l.Commit {
				committed = "no"
			}
			t.add(u(e.Index), u(e.Term), e.Kind, committed, clean(e.Command))
		}
		return t.write(w, c.style)
	})
}
