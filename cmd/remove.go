package cmd

import "github.com/raftlab/raftlab/netlab"

func removeVerb() *verb {
	return &verb{
		name: "remove", args: "NODE..", usage: "Take nodes out of the cluster and end them", category: categoryMembers, dry: true,
		min: 1, max: -1, words: []word{wordNode}, key: "d", flags: changeFlags(),
		about: `The members change through C_old,new to C_new (§6); a removed node's process ends
once C_new is committed. A leader may be removed: it leads until then, although
it counts for nothing in C_new, and steps down.`,
		examples: []example{
			{"raftlab remove 5", "S5 is out; its process ends"},
			{"raftlab remove 4 5", "from five to three in one change"},
			{"raftlab remove leader", "whoever leads now steps down when it is out"},
		},
		run: func(c *call) error {
			words, err := nodeWords(c.Args().Slice())
			if err != nil {
				return err
			}
			return c.change(netlab.Op{Verb: "remove", Nodes: words})
		},
	}
}
