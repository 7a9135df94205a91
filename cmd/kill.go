package cmd

func killVerb() *verb {
	return &verb{
		name: "kill", args: "NODE..", usage: "End nodes at once, as a power cut would", category: categoryNodes, dry: true,
		min: 1, max: -1, words: []word{wordNode}, key: "x", run: doNodes,
		about: `A killed node loses what its disk had not yet stored for good. Its log stays;
"raftlab restart" brings it back. "raftlab stop" ends a node in good order, and loses
nothing.`,
		examples: []example{
			{"raftlab kill leader", "whoever leads now"},
			{"raftlab kill 2 4", "two nodes at once"},
			{"raftlab kill random", "any running node"},
		},
	}
}
