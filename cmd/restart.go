package cmd

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func restartVerb() *verb {
	return &verb{
		name: "restart", args: "NODE.. | --policy POLICY", usage: "Start nodes again with the data they have", category: categoryNodes, dry: true,
		min: 0, max: -1, words: []word{wordNode}, key: "r",
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "rolling", Usage: "one after the other, the leader last; the next when the one before is back and caught up"},
			&cli.StringFlag{Name: "policy", Usage: "`POLICY` what becomes of nodes that end by themselves: never or on-failure"},
			timeoutFlag(),
		},
		about: `A dead node is started, a running one is killed first. It comes back as a
follower of the term on its disk.

--rolling stops and starts one node after the other (SIGTERM), and goes on when that
one has committed what the others have and a leader is there. The leader hands over
before its turn, unless transfer is off. All the while a probe writes; the longest
of its writes tells how long clients had to wait at each step.

--policy on-failure has nodes that end by themselves restarted: those that crash,
whose disk fails, or that something else than raftlab kills. What raftlab was told
to kill, stop or wipe stays dead. A node that does not last is restarted after
100ms, then 200ms and so on up to a minute, in lab time.`,
		examples: []example{
			{"raftlab restart 3", "bring S3 back"},
			{"raftlab restart dead", "bring back all that are dead"},
			{"raftlab restart all", "a power cut of the whole cluster"},
			{"raftlab restart --rolling all", "maintenance: every node in its turn"},
			{"raftlab restart --policy on-failure", "as a supervisor would"},
		},
		run: restart,
	}
}

func restart(c *call) error {
	policy, rolling, nodes := c.String("policy"), c.Bool("rolling"), c.Args().Slice()
	switch {
	case c.IsSet("policy") && (rolling || len(nodes) > 0):
		return usageErrorf("--policy is for the whole lab: it goes with no node and not with --rolling").WithHint("raftlab restart --policy %s", clean(policy))
	case c.IsSet("policy"):
		return c.do(netlab.Op{Verb: "restart", Policy: policy})
	case c.IsSet("timeout") && !rolling:
		return usageErrorf("--timeout goes with --rolling").WithHint("%s", hintUsage(c.verb))
	}
	words, err := nodeWords(nodes)
	if err != nil {
		return err
	}
	op := netlab.Op{Verb: "restart", Nodes: words}
	if !rolling {
		return c.do(op)
	}
	if op.Timeout = c.Duration("timeout"); op.Timeout <= 0 {
		return usageErrorf("--timeout must be longer than 0, not %s", shortDuration(op.Timeout))
	}
	if op.Rolling = true; c.sh.taken != nil {
		return c.do(op)
	}
	op.Line = c.line
	lab, err := c.lab()
	if err != nil {
		return err
	}
	steps := newSteps(c)
	defer steps.stop()
	steps.begin("one node after the other")
	res, err := lab.Do(c.Context.Context, op)
	if err != nil {
		steps.fail()
		return err
	}
	steps.done()
	return c.printRolled(res)
}

// printRolled shows how each step of a rolling restart went.
func (c *call) printRolled(res *netlab.OpResult) error {
	if len(res.Rolled) == 0 {
		return c.printResult(res)
	}
	var ids []string
	for _, id := range res.Nodes {
		ids = append(ids, strconv.Itoa(id))
	}
	err := c.emit(res, ids, func(w io.Writer) error {
		t := &table{head: []string{"node", ">back after", ">longest write", "leader"}}
		for _, s := range res.Rolled {
			leads := ""
			if s.HandedTo != 0 {
				leads = fmt.Sprintf("handed over to %s before", nodeName(s.HandedTo))
			}
			t.add(nodeName(s.Node), shownLength(s.TookNS), shownLength(s.DowntimeNS), leads)
		}
		if err := t.write(w, c.style); err != nil {
			return err
		}
		return writeLines(w, []string{res.Text})
	})
	if err != nil || c.format != formatTable {
		return err
	}
	for _, n := range res.Notes {
		c.talk("note: %s", n)
	}
	return nil
}

// shownLength is a length of lab time with as many digits as matter.
func shownLength(ns int64) string {
	d := time.Duration(ns)
	unit := time.Microsecond
	for unit < time.Second && d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit).String()
}
