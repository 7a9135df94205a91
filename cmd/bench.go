package cmd

func benchVerb() *verb {
	return &verb{
		name: "bench", args: "WHAT", usage: "Measure what this machine's labs can do", category: categoryTool,
		max: -1, subs: []*verb{},
		examples: []example{{"raftlab bench load", "writes a second, latency, CPU"}},
	}
}
