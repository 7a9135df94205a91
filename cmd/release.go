package cmd

import "github.com/raftlab/raftlab/netlab"

func releaseVerb() *verb {
	return &verb{
		name: "release", usage: "Let a held lab clock run on", category: categoryClock, dry: true, key: "space",
		examples: []example{{"raftlab release", "at the rate it had before"}},
		run:      func(c *call) error { return c.do(netlab.Op{Verb: "release"}) },
	}
}
