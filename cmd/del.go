package cmd

func delVerb() *verb {
	return &verb{
		name: "del", args: "KEY", usage: "Delete a key", category: categoryData, dry: true,
		min: 1, max: 1, words: []word{wordKey}, flags: kvFlags(),
		examples: []example{{"raftlab del cart", "also when it is not there"}},
		run:      func(c *call) error { return c.kv(kvOp{op: "del", key: c.Args().First()}) },
	}
}
