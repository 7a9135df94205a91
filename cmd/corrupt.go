package cmd

import "github.com/raftlab/raftlab/netlab"

func corruptVerb() *verb {
	return faultVerb(verb{
		name: "corrupt", args: "LINKS PERCENT", usage: "Change a byte in a share of the messages on links",
		min: 2, max: 4, flags: faultFlags(),
		about: `The receiver finds out by the message's checksum (CRC-32C), refuses it, and says
so. 0 takes it away.`,
		examples: []example{
			{"raftlab corrupt all 1%", "every hundredth, everywhere"},
			{"raftlab corrupt 1 to 3 100% --kind append --next 1", "the next append from S1 to S3"},
		},
		run: func(c *call) error {
			links, share, err := c.lastPercent("the share that is corrupted", "raftlab corrupt all 1%")
			if err != nil {
				return err
			}
			return c.doFault(netlab.Op{Share: share}, links)
		},
	})
}
