package cmd

import (
	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func transferVerb() *verb {
	return &verb{
		name: "transfer", args: "NODE", usage: "Have the leader hand over to a node", category: categoryNodes, dry: true,
		min: 1, max: 1, words: []word{wordNode}, key: "l", flags: []cli.Flag{timeoutFlag()},
		about: `The leader takes no more writes, brings the node's log up to its own and tells it
to stand for election at once (thesis §3.10). When the node has not taken over
within an election timeout, the leader goes on. "raftlab elect" does without the
leader's help.`,
		examples: []example{
			{"raftlab transfer 3", "S3 leads next"},
			{"raftlab transfer random", "any voter that is not the leader"},
		},
		run: func(c *call) error {
			words, err := nodeWords(c.Args().Slice())
			if err != nil {
				return err
			}
			if len(words) != 1 {
				return usageErrorf("transfer hands over to one node, not to %s", plural(len(words), "node")).WithHint("%s", hintUsage(c.verb))
			}
			return c.change(netlab.Op{Verb: "transfer", Nodes: words})
		},
	}
}
