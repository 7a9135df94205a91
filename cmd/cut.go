package cmd

import "github.com/raftlab/raftlab/netlab"

func cutVerb() *verb {
	return faultVerb(verb{
		name: "cut", args: "LINKS", usage: "Let nothing pass on links",
		min: 1, max: 3, key: "c", flags: faultFlags(),
		about: `What is under way when the cut comes is lost, too. "raftlab heal" reopens it.`,
		examples: []example{
			{"raftlab cut 2 4", "both ways between S2 and S4"},
			{"raftlab cut 2 to 4", "one way: S4 no longer hears S2"},
			{"raftlab cut leader --for 2s", "all links of the leader, for two seconds of lab time"},
			{"raftlab cut all to 3 --kind vote --request", "nobody's request for a vote reaches S3"},
		},
		run: func(c *call) error { return c.doFault(netlab.Op{}, c.Args().Slice()) },
	})
}
