package cmd

import (
	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func addVerb() *verb {
	return &verb{
		name: "add", args: "NODE..", usage: "Start new nodes and make them members", category: categoryMembers, dry: true,
		min: 1, max: -1, words: []word{wordNewNode}, key: "a",
		flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "learner", Usage: "without a vote: they receive the log and count for nothing (thesis §4.2.1)"},
		}, changeFlags()...),
		about: `A new node is a learner first: the leader brings it up to date before its vote
counts (thesis §4.2.1). Then the log takes two entries (§6): C_old,new, under
which every decision needs a majority of the old members and one of the new, and
C_new. Several nodes join in one change. A learner that is added again becomes a
voter.`,
		examples: []example{
			{"raftlab add 6", "a sixth node; it votes once it has caught up"},
			{"raftlab add 4 5", "from three to five in one change"},
			{"raftlab add 7 --learner", "a copy of the log without a vote"},
		},
		run: func(c *call) error {
			words, err := newNodeWords(c.Args().Slice())
			if err != nil {
				return err
			}
			return c.change(netlab.Op{Verb: "add", Nodes: words, Learner: c.Bool("learner")})
		},
	}
}

// newNodeWords reads the numbers of nodes that need not be there yet.
func newNodeWords(args []string) ([]string, error) {
	parsed, err := netlab.ParseNodes(args)
	if err != nil {
		return nil, err
	}
	words := make([]string, len(parsed))
	for i, w := range parsed {
		switch {
		case w.Group != "":
			return nil, usageErrorf("add wants the numbers of new nodes, and %s names nodes that are there", w.Group).
				WithHint("for example:  raftlab add 6")
		case w.ID > netlab.NodesMax:
			return nil, usageErrorf("a lab has nodes 1 to %d, so there can be no node %d", netlab.NodesMax, w.ID).
				WithHint("for example:  raftlab add 6")
		}
		words[i] = w.String()
	}
	return words, nil
}
