package cmd

func benchVerb() *verb {
	return &verb{
		name: "bench", args: "WHAT", usage: "Measure what labs on this machine can do", category: categoryTool,
		max: -1, terminal: true, subs: []*verb{benchLoadVerb()},
		examples: []example{{"raftlab bench load --for 5s", "writes a second, latency, the servers' CPU"}},
	}
}
