package cmd

func snapshotVerb() *verb {
	return &verb{
		name: "snapshot", args: "NODE..", usage: "Fold the applied log of nodes into a snapshot", category: categoryNodes, dry: true,
		min: 1, max: -1, words: []word{wordNode}, key: "n", run: doNodes,
		about: `A node writes its state machine to disk and drops the entries it stands for (§7).
A follower that needs one of those is sent the snapshot instead. Nodes do it by
themselves when their log has grown to what "raftlab up --snapshot-size" says.`,
		examples: []example{
			{"raftlab snapshot leader", "the leader's log begins anew"},
			{"raftlab snapshot all", "every node on its own"},
		},
	}
}
