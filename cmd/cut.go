package cmd

import "github.com/raftlab/raftlab/netlab"

func cutVerb() *verb {
	return &verb{
		name: "cut", args: "LINKS", usage: "Let nothing pass on links", category: categoryNet, dry: true,
		min: 1, max: 3, words: []word{wordLink}, key: "c",
		examples: []example{
			{"raftlab cut 2 4", "both ways between S2 and S4"},
			{"raftlab cut 2 to 4", "one way: S4 no longer hears S2"},
			{"raftlab cut leader", "all links of the leader"},
		},
		run: func(c *call) error {
			links, err := linkWords(c.Args().Slice())
			if err != nil {
				return err
			}
			return c.do(netlab.Op{Verb: "cut", Links: links})
		},
	}
}
