package cmd

import "github.com/raftlab/raftlab/netlab"

func blackholeVerb() *verb {
	return faultVerb(verb{
		name: "blackhole", args: "LINKS", usage: "Let all that is sent on links vanish",
		min: 1, max: 3, flags: faultFlags(),
		about: `To the nodes it is what a cut is: frames leave and never arrive. "raftlab heal"
ends it.`,
		examples: []example{
			{"raftlab blackhole 3", "all links of S3"},
			{"raftlab blackhole 3 to all --for 5s", "what S3 sends, for five seconds of lab time"},
		},
		run: func(c *call) error { return c.doFault(netlab.Op{}, c.Args().Slice()) },
	})
}
