package cmd

import "github.com/raftlab/raftlab/netlab"

func holdVerb() *verb {
	return &verb{
		name: "hold", usage: "Stop the lab clock: timers stand, messages wait, nothing is lost", category: categoryClock, dry: true,
		key: "space",
		examples: []example{
			{"raftlab hold", "freeze the whole lab"},
			{"raftlab release", "let it run on"},
		},
		run: func(c *call) error { return c.do(netlab.Op{Verb: "hold"}) },
	}
}
