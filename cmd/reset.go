package cmd

import "github.com/raftlab/raftlab/netlab"

func resetVerb() *verb {
	return faultVerb(verb{
		name: "reset", args: "LINKS", usage: "Break the connections of links",
		min: 1, max: 3, flags: faultFlags(),
		about: `A frame breaks its connection at both ends and is lost with all that is under way
there; the nodes connect anew. It is the next frame, unless --next, --every or
--chance says which.`,
		examples: []example{
			{"raftlab reset 1 to 2", "the next frame from S1 to S2"},
			{"raftlab reset leader --kind append --request --next 3", "each of the next three appends of the leader, on each link"},
			{"raftlab reset all --chance 1% --for 10s", "one frame in a hundred"},
		},
		run: func(c *call) error { return c.doFault(netlab.Op{}, c.Args().Slice()) },
	})
}
