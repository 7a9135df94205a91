package cmd

func putVerb() *verb {
	return &verb{
		name: "put", args: "KEY VALUE", usage: "Write a key through Raft", category: categoryData, dry: true,
		min: 2, max: 2, words: []word{wordKey, wordAny}, flags: kvFlags(), key: "w",
		about: `It returns when the entry is committed and applied.`,
		examples: []example{
			{"raftlab put cart 1", "cart=1"},
			{"raftlab put cart 1 --timeout 500ms", "give up after half a second: exit code 5"},
		},
		run: func(c *call) error {
			return c.kv(kvOp{op: "put", key: c.Args().Get(0), value: c.Args().Get(1)})
		},
	}
}
