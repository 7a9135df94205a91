package cmd

import (
	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func healVerb() *verb {
	return &verb{
		name: "heal", args: "[LINKS | FAULT]", usage: "Reopen partitions and cuts", category: categoryNet, dry: true,
		max: 3, words: []word{wordLinkOrFault, wordLink}, key: "h",
		flags: []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "take away everything that is set, on disks and clocks, too, and resume who is paused"}},
		about: `It reopens what a partition, a cut or a black hole has shut, lets go of messages
that are held, says what is still slow or lossy, and never restarts nodes. --all
takes away everything that is set, makes disks and clocks right, and lets paused
nodes go on: what is left then is nodes that are dead. With the name of a fault, as "raftlab faults" shows it, it takes away that one and no
other. With nothing to heal it exits 0.`,
		examples: []example{
			{"raftlab heal", "everything that was partitioned or cut"},
			{"raftlab heal 2 4", "only the links between S2 and S4"},
			{"raftlab heal f3", "one fault"},
			{"raftlab heal --all", "delays, losses, disks, clocks and all the rest, too"},
		},
		run: func(c *call) error {
			op := netlab.Op{Verb: "heal", All: c.Bool("all")}
			args := c.Args().Slice()
			if len(args) == 0 {
				return c.do(op)
			}
			id, isFault := netlab.ParseFault(args[0])
			switch {
			case isFault && len(args) > 1:
				return usageErrorf("heal takes one fault, so %s is too much", quoteWords(args[1:])).WithHint("raftlab heal --all")
			case isFault && op.All:
				return usageErrorf("heal takes away one fault or all of them, not both").WithHint("raftlab heal %s", args[0])
			case isFault:
				op.Fault = id
				return c.do(op)
			}
			var err error
			if op.Links, err = linkWords(args); err != nil {
				return err
			}
			return c.do(op)
		},
	}
}
