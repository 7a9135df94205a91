package cmd

import (
	"fmt"
	"slices"
	"strings"
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
	lab, err := c.lab()
	if err != nil {
		return err
	}
	s, err := lab.Status(c.Context.Context)
	if err != nil {
		return err
	}
	warning := fewRun(op, s)
	if warning != "" && c.format == formatTable {
		c.talk("note: %s", warning)
	}
	op.Line = c.line
	res, err := lab.Do(c.Context.Context, op)
	if err != nil {
		if c.Context.Context.Err() != nil && c.format == formatTable {
			c.talk("note: if the change has begun it goes on; \"raftlab members\" shows how")
		}
		return err
	}
	if warning != "" { // said before, when it was news
		res.Notes = slices.DeleteFunc(res.Notes, func(n string) bool { return strings.HasPrefix(n, "of the voters to come") })
	}
	return c.printResult(res)
}

// fewRun is a warning that of the voters to come too few run, "" when enough do
// or when it is for the lab to say what is wrong with op.
func fewRun(op netlab.Op, s *netlab.Status) string {
	next := netlab.ConfigStatus{Voters: s.Config.Voters}
	ids, problem := numbersNow(op.Nodes, s)
	switch {
	case problem != "" || op.Learner:
		return ""
	case op.Verb == "members":
		next.Voters = ids
	case op.Verb == "add":
		next.Voters = slices.Concat(next.Voters, ids)
	default:
		next.Voters = slices.DeleteFunc(slices.Clone(next.Voters), func(id int) bool { return slices.Contains(ids, id) })
	}
	runs := func(id int) bool { // a node that is not there yet will
		at := slices.IndexFunc(s.Nodes, func(n netlab.NodeStatus) bool { return n.ID == id })
		return at < 0 || s.Nodes[at].State == netlab.StateUp
	}
	if len(next.Voters) == 0 || slices.Equal(next.Voters, s.Config.Voters) || next.Decides(runs) || !s.Config.Decides(runs) {
		return ""
	}
	return fmt.Sprintf("too few of the voters to come, %s, run: nothing can commit until more of them do (§6)", nodeNames(next.Voters))
}
