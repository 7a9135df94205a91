package cmd

import (
	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func healVerb() *verb {
	return &verb{
		name: "heal", args: "[LINKS]", usage: "Reopen partitions and cuts", category: categoryNet, dry: true,
		max: 3, words: []word{wordLink}, key: "h",
		flags: []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "take delays and losses away as well"}},
		about: `It says what is still slow or lossy, and never restarts nodes. With nothing to
heal it exits 0.`,
		examples: []example{
			{"raftlab heal", "everything that was partitioned or cut"},
			{"raftlab heal 2 4", "only the links between S2 and S4"},
			{"raftlab heal --all", "delays and losses too"},
		},
		run: func(c *call) error {
			op := netlab.Op{Verb: "heal", All: c.Bool("all")}
			if c.Args().Present() {
				links, err := linkWords(c.Args().Slice())
				if err != nil {
					return err
				}
				op.Links = links
			}
			return c.do(op)
		},
	}
}
