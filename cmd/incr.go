package cmd

func incrVerb() *verb {
	return &verb{
		name: "incr", args: "KEY", usage: "Add one to a key's number", category: categoryData, dry: true,
		min: 1, max: 1, words: []word{wordKey}, flags: kvFlags(),
		about: `A missing key counts as 0. A retry counts once: the lab's clients have sessions
(thesis §6.3).`,
		examples: []example{{"raftlab incr visits", "prints the new number"}},
		run:      func(c *call) error { return c.kv(kvOp{op: "incr", key: c.Args().First()}) },
	}
}
