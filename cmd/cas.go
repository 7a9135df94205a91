package cmd

func casVerb() *verb {
	return &verb{
		name: "cas", args: "KEY OLD NEW", usage: "Write a key if its value is the old one (compare and set)", category: categoryData, dry: true,
		min: 3, max: 3, words: []word{wordKey, wordAny}, flags: kvFlags(),
		about: `With another value there it changes nothing and exits 4.`,
		examples: []example{
			{"raftlab cas cart 1 2", "2 if it was 1"},
		},
		run: func(c *call) error {
			return c.kv(kvOp{op: "cas", key: c.Args().Get(0), old: c.Args().Get(1), value: c.Args().Get(2)})
		},
	}
}
