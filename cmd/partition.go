package cmd

import (
	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func partitionVerb() *verb {
	return &verb{
		name: "partition", args: "SIDE [/ SIDE]..", usage: "Split the cluster into sides that cannot talk", category: categoryNet, dry: true,
		min: 1, max: -1, words: []word{wordSide}, key: "p",
		flags: []cli.Flag{&cli.DurationFlag{Name: "for", Usage: "`D` end it after so much lab time"}},
		about: `Words up to / are one side; nodes that no side names form one more. A new
partition replaces the old one; cuts, delays and losses are separate layers and
stay. "raftlab heal" reopens it.`,
		examples: []example{
			{"raftlab partition 2 4", "S2 and S4 on one side, everyone else on the other"},
			{"raftlab partition leader", "the leader alone"},
			{"raftlab partition 1,2 / 3,4", "three sides: 1 2, 3 4, the rest"},
		},
		run: func(c *call) error {
			sides, err := netlab.ParseSides(c.Args().Slice())
			if err != nil {
				return err
			}
			length, err := c.positive("for")
			if err != nil {
				return err
			}
			return c.do(netlab.Op{Verb: "partition", Sides: sides, For: length})
		},
	}
}
