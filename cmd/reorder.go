package cmd

import (
	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func reorderVerb() *verb {
	return faultVerb(verb{
		name: "reorder", args: "LINKS PERCENT", usage: "Let messages overtake a share of those on links",
		min: 2, max: 4,
		flags: faultFlags(&cli.DurationFlag{Name: "by", Usage: "`D` they take so much lab time longer", DefaultText: "as long again, 10ms at least"}),
		about: `Links keep the order of messages, as TCP does, but for these: such a message
takes longer, and those behind it do not wait for it. 0 takes it away.`,
		examples: []example{
			{"raftlab reorder all 5%", "every twentieth comes too late"},
			{"raftlab reorder 1 to 3 100% --kind append --every 2 --by 20ms", "every second append comes behind the one after it"},
		},
		run: func(c *call) error {
			links, share, err := c.lastPercent("the share that is overtaken", "raftlab reorder all 5%")
			if err != nil {
				return err
			}
			by, err := c.positive("by")
			if err != nil {
				return err
			}
			return c.doFault(netlab.Op{Share: share, Delay: by}, links)
		},
	})
}
