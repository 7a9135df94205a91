package cmd

import "github.com/raftlab/raftlab/netlab"

func undoVerb() *verb {
	return &verb{
		name: "undo", usage: "Take back the last change to the network", category: categoryNet, dry: true, key: "u",
		about: `What stood before it is set again, partitions included. It can be repeated, to
go further back, and says each time what it took back. heal can be undone, too.
With nothing to undo it exits 0.`,
		examples: []example{{"raftlab undo", "as if the last cut, slow, partition, heal .. had not been"}},
		run:      func(c *call) error { return c.do(netlab.Op{Verb: "undo"}) },
	}
}
