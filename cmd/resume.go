package cmd

func resumeVerb() *verb {
	return &verb{
		name: "resume", args: "NODE..", usage: "Let paused nodes run on (SIGCONT)", category: categoryNodes, dry: true,
		min: 1, max: -1, words: []word{wordNode}, key: "z", run: doNodes,
		examples: []example{{"raftlab resume all", "every node that is paused"}},
	}
}
