package cmd

func benchVerb() *verb {
	return &verb{
		name: "bench", args: "WHAT", usage: "Measure what labs on this machine can do", category: categoryTool,
		max: -1, terminal: true, subs: []*verb{benchLoadVerb(), benchProxyVerb(), benchSimVerb()},
		examples: []example{
			{"raftlab bench load --for 5s", "writes a second, latency, the servers' CPU"},
			{"raftlab bench proxy", "what a hop through the lab's network adds"},
			{"raftlab bench sim", "how fast a simulated lab runs"},
		},
	}
}
