package cmd

func pauseVerb() *verb {
	return &verb{
		name: "pause", args: "NODE..", usage: "Stop the processes of nodes (SIGSTOP)", category: categoryNodes, dry: true,
		min: 1, max: -1, words: []word{wordNode}, key: "z", run: doNodes,
		about: `A paused node does not know that time passes: a paused leader still believes it
leads when it is resumed. To stop time for everybody use "raftlab hold".`,
		examples: []example{{"raftlab pause leader", "the others elect a new one; then: raftlab resume all"}},
	}
}
