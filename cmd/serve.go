package cmd

import (
	"fmt"
	"log/slog"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/node"
	"github.com/urfave/cli/v2"
)

// labVerb is the lab's own process. `raftlab up` starts it.
func labVerb() *verb {
	return &verb{
		name: "lab", usage: "The process of a lab; raftlab up starts it", category: categoryLab, hidden: true, terminal: true,
		flags: []cli.Flag{&cli.StringFlag{Name: "dir", Usage: "`DIR` the lab's, named as it is"}},
		run: func(c *call) error {
			dir := c.String("dir")
			if dir == "" {
				return usageErrorf("lab is started by raftlab up, which names its directory").WithHint("raftlab up")
			}
			ready, _ := asFile(c.sh.stdout) // the pipe to raftlab up, closed once the lab is up
			if ready == nil {
				return usageErrorf("lab is a process of its own; raftlab up starts it").WithHint("raftlab up")
			}
			return netlab.Serve(c.Context.Context, netlab.ServeOptions{Dir: dir, Ready: ready})
		},
	}
}

// nodeVerb is a node's process. The lab starts it.
func nodeVerb() *verb {
	return &verb{
		name: "node", usage: "The process of a node; the lab starts it", category: categoryLab, hidden: true, terminal: true,
		run: func(c *call) error {
			options, err := node.FromEnv()
			if err != nil {
				return fmt.Errorf("start a node: %w", err)
			}
			options.Logger = slog.New(slog.NewTextHandler(c.sh.stderr, nil))
			return node.Run(c.Context.Context, options)
		},
	}
}
