package cmd

import (
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

// changeTimeout is how long a change may take when nobody says otherwise.
const changeTimeout = 30 * time.Second

// changeFlags are on the verbs that change who is a member.
func changeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "no-wait", Usage: "return when the change has begun; \"raftlab members\" shows how it goes"},
		timeoutFlag(),
	}
}

func timeoutFlag() cli.Flag {
	return &cli.DurationFlag{Name: "timeout", Usage: "`D` stop waiting after so much lab time: exit code 5; what has begun goes on", Value: changeTimeout}
}

// change asks the lab for a change that takes its time, as its flags say.
func (c *call) change(op netlab.Op) error {
	op.NoWait, op.Timeout = c.Bool("no-wait"), c.Duration("timeout")
	switch {
	case op.Timeout <= 0:
		return usageErrorf("--timeout must be longer than 0, not %s", shortDuration(op.Timeout))
	case op.NoWait && c.IsSet("timeout"):
		return usageErrorf("--no-wait and --timeout exclude each other: there is nothing to wait for")
	}
	return c.do(op)
}
