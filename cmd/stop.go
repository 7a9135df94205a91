package cmd

func stopVerb() *verb {
	return &verb{
		name: "stop", args: "NODE..", usage: "End nodes in good order (SIGTERM)", category: categoryNodes, dry: true,
		min: 1, max: -1, words: []word{wordNode}, run: doNodes,
		about: `A stopped node writes what waits for its disk and closes its log; a killed one
loses what was not synced. Neither hands its leadership over: "raftlab transfer"
does. "raftlab restart" brings it back.`,
		examples: []example{
			{"raftlab stop 3", "as before maintenance"},
			{"raftlab stop all", "the whole cluster; then: raftlab restart dead"},
		},
	}
}
