package cmd

import (
	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func duplicateVerb() *verb {
	return faultVerb(verb{
		name: "duplicate", args: "LINKS PERCENT", usage: "Deliver a share of the messages on links twice",
		min: 2, max: 4,
		flags: faultFlags(&cli.DurationFlag{Name: "after", Usage: "`D` the second one comes so much lab time later", DefaultText: "at once"}),
		about: `The second one comes right behind the first; with --after later, and other
messages may come between. 0 takes it away.`,
		examples: []example{
			{"raftlab duplicate 1 2 5%", "between S1 and S2, both ways"},
			{"raftlab duplicate all 100% --kind append --request", "every AppendEntries that has entries"},
			{"raftlab duplicate leader 20% --after 50ms", "late copies"},
		},
		run: func(c *call) error {
			links, share, err := c.lastPercent("the share that arrives twice", "raftlab duplicate 1 2 5%")
			if err != nil {
				return err
			}
			after, err := c.positive("after")
			if err != nil {
				return err
			}
			return c.doFault(netlab.Op{Share: share, Delay: after}, links)
		},
	})
}
