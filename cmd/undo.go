package cmd

import "github.com/raftlab/raftlab/netlab"

func undoVerb() *verb {
	return &verb{
		name: "undo", usage: "Take back the last change to the network or to nodes", category: categoryNet, dry: true, key: "u",
		about: `What stood before it is set again, partitions included: disks and clocks as they
were, what was killed or stopped is restarted with its data, what was paused goes
on. It can be repeated, to go further back, and says each time what it took back.
heal can be undone, too. What cannot be taken back is passed over: a restart, a
wipe, a flipped bit; so is what chaos does, which undoes it itself. With nothing to
undo it exits 0.`,
		examples: []example{{"raftlab undo", "as if the last cut, slow, partition, heal .. had not been"}},
		run:      func(c *call) error { return c.do(netlab.Op{Verb: "undo"}) },
	}
}
