package cmd

func wipeVerb() *verb {
	return &verb{
		name: "wipe", args: "NODE..", usage: "Delete the data of nodes; live ones are killed first", category: categoryNodes, dry: true,
		min: 1, max: -1, words: []word{wordNode}, run: doNodes,
		about: `"raftlab restart" then brings the node back with nothing: no log, no term, and no
memory of its votes. Raft does not allow for that; the answer says when it could
cost committed entries.`,
		examples: []example{{"raftlab wipe 3", "S3 forgets everything"}},
	}
}
