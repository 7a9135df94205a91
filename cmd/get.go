package cmd

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// reads are the ways to answer a get (thesis §6.4).
var reads = []candidate{
	{"log", "through the log"},
	{"index", "ReadIndex: the leader asks a majority whether it still leads"},
	{"lease", "the leader answers by its clock alone"},
	{"stale", "what the node has applied, which may be old"},
}

func getVerb() *verb {
	return &verb{
		name: "get", args: "KEY", usage: "Read a key", category: categoryData, dry: true,
		min: 1, max: 1, words: []word{wordKey},
		flags: append(kvFlags(),
			&cli.StringFlag{Name: "read", Usage: "`HOW` log, index, lease or stale", DefaultText: "log, with --node stale"},
			&cli.StringFlag{Name: "is", Usage: "`VALUE` fail with exit code 6 unless the key has this value"},
		),
		about: `A key that is not there prints nothing and exits 1. Ways to read (thesis §6.4):
  log     an entry in the log: the newest value, at the price of a write
  index   the leader notes its commit index, asks a majority whether it still leads
          and answers when it has applied that far; a follower asks its leader. The
          newest value, without an entry in the log
  lease   the leader does not ask while its lease holds, which it has of its last
          heartbeats' answers: the newest value only as long as no node's clock runs
          much faster than the leader's. No other node answers it
  stale   what the node has applied, whoever leads: it may be old`,
		examples: []example{
			{"raftlab get cart", "linearizable, through the log"},
			{"raftlab get cart --read index --node 4", "linearizable, from a follower"},
			{"raftlab get cart --node 4", "what S4 knows, which may be old"},
			{"raftlab get cart --is 3", "in scenarios and scripts: assert what is read"},
		},
		run: func(c *call) error {
			op := kvOp{op: "get", key: c.Args().First(), read: c.String("read")}
			switch {
			case op.read == "" && c.IsSet("node"):
				op.read = "stale" // a node is asked for what it knows itself
			case op.read == "":
				op.read = "log"
			case !slices.ContainsFunc(reads, func(r candidate) bool { return r.word == op.read }):
				return unknownRead(op.read)
			}
			return c.kv(op)
		},
	}
}

func unknownRead(word string) error {
	var known []string
	for _, r := range reads {
		known = append(known, r.word)
	}
	e := usageErrorf("--read is log, index, lease or stale, not %q", clean(word))
	if s := nearest(strings.ToLower(word), known); s != "" {
		e = usageErrorf("--read is log, index, lease or stale, not %q; did you mean %s?", clean(word), s)
	}
	return e.WithHint("raftlab help get")
}
