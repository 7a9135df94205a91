// Command raftlab runs Raft clusters of real processes on one machine, breaks
// the network between them on request, and shows what Raft makes of it.
package main

import (
	"context"
	"os"

	"github.com/raftlab/raftlab/cmd"
	"github.com/raftlab/raftlab/cmd/quietterm"
)

func main() {
	quietterm.Restore()
	ctx, stop := cmd.Signals(context.Background())
	code := cmd.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
