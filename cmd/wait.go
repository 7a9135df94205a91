package cmd

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/cond"
	"github.com/urfave/cli/v2"
)

const condAbout = `COND is leader, quorum or converged, or an expression over the status such as
  leader == 3                                 S1.term >= 2
  count(nodes, .role == "leader") == 2        all(nodes, .commit == 7)
  S4.terms == "1114455666"                    kv("x") == "1"
  held                                        broke == "split-vote"`

func waitVerb() *verb {
	return &verb{
		name: "wait", args: "COND", usage: "Wait until a condition holds", category: categoryWatch, dry: true,
		min: 1, max: -1, words: []word{wordCond},
		flags:    []cli.Flag{&cli.DurationFlag{Name: "timeout", Usage: "`D` give up after so much real time: exit code 5", Value: 10 * time.Second}},
		about:    condAbout,
		examples: []example{{"raftlab wait leader", "somebody leads"}, {"raftlab wait 'S3.commit >= 10' --timeout 30s", "quotes keep the shell off > and <"}},
		run: func(c *call) error {
			timeout := c.Duration("timeout")
			if timeout <= 0 {
				return usageErrorf("--timeout must be longer than 0, not %s", shortDuration(timeout))
			}
			src := strings.Join(c.Args().Slice(), " ")
			res, err := c.judge(netlab.Wait{Cond: src, Timeout: timeout})
			if err != nil {
				return err
			}
			if !res.Holds {
				return netlab.Errorf(netlab.ExitTimeout, "waited %s for %s; seen: %s", shortDuration(timeout), clean(src), clean(seen(res))).
					WithHint("see why:  raftlab status")
			}
			return c.printJudged(src, res)
		},
	}
}

// judge asks the lab whether a condition holds. A condition that cannot be
// read is told before the lab is asked.
func (c *call) judge(w netlab.Wait) (*netlab.WaitResult, error) {
	if _, err := cond.Compile(w.Cond); err != nil {
		return nil, condError(err)
	}
	lab, err := c.lab()
	if err != nil {
		return nil, err
	}
	return lab.Wait(c.Context.Context, w)
}

func condError(err error) error {
	e := usageErrorf("%v", err)
	if syntax := new(cond.SyntaxError); errors.As(err, &syntax) {
		e = usageErrorf("%v", syntax)
	}
	return e.WithHint("for example:  raftlab wait 'leader == 3'        more: raftlab help wait")
}

func seen(res *netlab.WaitResult) string {
	if res.Seen == "" {
		return "not so"
	}
	return res.Seen
}

// printJudged says that a condition holds: for scripts the exit code is enough.
func (c *call) printJudged(src string, res *netlab.WaitResult) error {
	if c.format == formatName || c.quiet() {
		return nil
	}
	return c.emit(struct {
		Cond  string `json:"cond"`
		Holds bool   `json:"holds"`
		LabNS int64  `json:"lab_ns"`
	}{src, res.Holds, res.LabNS}, nil, func(w io.Writer) error {
		if c.sh.embedded { // the line stands above
			return writeLines(w, []string{labTime(res.LabNS) + "  holds"})
		}
		return writeLines(w, []string{labTime(res.LabNS) + "  " + clean(src)})
	})
}
