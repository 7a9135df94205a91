package cmd

import "github.com/urfave/cli/v2"

func getVerb() *verb {
	return &verb{
		name: "get", args: "KEY", usage: "Read a key", category: categoryData, dry: true,
		min: 1, max: 1, words: []word{wordKey},
		flags: append(kvFlags(),
			&cli.StringFlag{Name: "read", Usage: "`HOW` log (through the log: the newest value) or stale (what the node has applied)", DefaultText: "log, with --node stale"},
		),
		about: `A key that is not there prints nothing and exits 1.`,
		examples: []example{
			{"raftlab get cart", "linearizable, through the log"},
			{"raftlab get cart --node 4", "what S4 knows, which may be old"},
		},
		run: func(c *call) error {
			op := kvOp{op: "get", key: c.Args().First(), read: c.String("read")}
			switch {
			case op.read == "" && c.IsSet("node"):
				op.read = "stale" // a node is asked for what it knows itself
			case op.read == "":
				op.read = "log"
			case op.read != "log" && op.read != "stale":
				return usageErrorf("--read is log or stale, not %q", clean(op.read)).WithHint("raftlab help get")
			}
			return c.kv(op)
		},
	}
}
