package cmd

func restartVerb() *verb {
	return &verb{
		name: "restart", args: "NODE..", usage: "Start nodes again with the data they have", category: categoryNodes, dry: true,
		min: 1, max: -1, words: []word{wordNode}, key: "r", run: doNodes,
		about: `A dead node is started, a running one is killed first. It comes back as a
follower of the term on its disk.`,
		examples: []example{
			{"raftlab restart 3", "bring S3 back"},
			{"raftlab restart dead", "bring back all that are dead"},
			{"raftlab restart all", "a power cut of the whole cluster"},
		},
	}
}
