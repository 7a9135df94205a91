package cmd

func electVerb() *verb {
	return &verb{
		name: "elect", args: "NODE..", usage: "Make nodes time out now and stand for election", category: categoryNodes, dry: true,
		min: 1, max: -1, words: []word{wordNode}, key: "t", run: doNodes,
		about: `A node acts as if its election timer had run out: it raises its term, votes for
itself and asks the others (§5.2). It does not ask with PreVote first. Several
nodes stand at the same time, as in a split vote.`,
		examples: []example{
			{"raftlab elect 3", "S3 stands now; it wins unless its log is behind"},
			{"raftlab elect 4 6", "two candidates at once"},
		},
	}
}
