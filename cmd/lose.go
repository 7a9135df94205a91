package cmd

import (
	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func loseVerb() *verb {
	return faultVerb(verb{
		name: "lose", args: "LINKS PERCENT", usage: "Lose a share of the messages on links",
		min: 2, max: 4, key: "o",
		flags: faultFlags(&cli.Float64Flag{Name: "burst", Usage: "`N` lose N frames in a row, on average"}),
		about: `Which messages are lost follows from the lab's seed and each message's number on
its link. With --burst they are lost one after the other, so many on average, and
PERCENT of all in the long run (Gilbert and Elliott). 0 takes the loss away.`,
		examples: []example{
			{"raftlab lose all 10", "every tenth message, everywhere"},
			{"raftlab lose 2 to 4 50%", "half of what S2 sends to S4"},
			{"raftlab lose all 10% --burst 5", "as many, but five in a row"},
			{"raftlab lose leader 100% --kind append --reply --next 2", "the next two answers on each of its links"},
			{"raftlab lose all 0", "no loss"},
		},
		run: func(c *call) error {
			links, share, err := c.lastPercent("the loss", "raftlab lose 2 to 4 50")
			if err != nil {
				return err
			}
			burst := c.Float64("burst")
			if c.IsSet("burst") && !(burst >= 1) {
				return usageErrorf("--burst wants how many frames are lost in a row, 1 or more, not %s", number(burst))
			}
			return c.doFault(netlab.Op{Loss: share, Burst: burst}, links)
		},
	})
}
