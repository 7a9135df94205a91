package cmd

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/cond"
	"github.com/urfave/cli/v2"
)

func stepVerb() *verb {
	return &verb{
		name: "step", args: "[N]", usage: "Let a held lab do one thing: deliver a message, or let a timer run out", category: categoryClock, dry: true,
		max: 1, key: ".",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "until", Usage: "`COND` go on until it holds, at most N steps; quotes keep it one word"},
			&cli.DurationFlag{Name: "timeout", Usage: "`D` with --until, give up after so much real time: exit code 5", Value: 30 * time.Second},
		},
		about: `The lab clock moves to what comes next, a message that reaches a node or a node's
timer, and stands again. What is told is what it was and what came of it. What had
reached a node before the clock was held, and what clients ask meanwhile, are
steps, too. A breakpoint that comes true ends it. See also: raftlab help wait.`,
		examples: []example{
			{"raftlab hold", "first of all"},
			{"raftlab step", "one thing"},
			{"raftlab step 10", "ten, one after the other"},
			{"raftlab step --until leader", "until somebody leads"},
			{"raftlab step --until 'S3.commit >= 2' --timeout 5s", "or for 5 s, whichever is first"},
		},
		run: func(c *call) error {
			count, until, err := parseStep(c)
			if err != nil {
				return err
			}
			lab, err := c.lab()
			if err != nil {
				return err
			}
			ctx := c.Context.Context
			if until != "" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.Duration("timeout"))
				defer cancel()
			}
			return c.goOn(ctx, lab, count, until)
		},
	}
}

// parseStep reads how many steps, 0 being as many as it takes, and until when.
func parseStep(c *call) (count int, until string, err error) {
	until = strings.TrimSpace(c.String("until"))
	switch word := c.Args().First(); {
	case word != "":
		count, err = strconv.Atoi(word)
		if err != nil {
			return 0, "", usageErrorf("%q is no number of steps", clean(word)).WithHint("%s", hintUsage(c.verb))
		}
		if count < 1 {
			return 0, "", usageErrorf("a lab goes on by 1 step or more, not %d", count).WithHint("raftlab step 5")
		}
	case until == "":
		count = 1
	}
	if c.IsSet("until") {
		if _, err := cond.Compile(until); err != nil {
			return 0, "", condError(err)
		}
	}
	if d := c.Duration("timeout"); d <= 0 {
		return 0, "", usageErrorf("--timeout must be longer than 0, not %s", shortDuration(d))
	}
	return count, until, nil
}

// goOn asks for one step after the other, so that each is seen when it is done
// and Ctrl-C comes between two.
func (c *call) goOn(ctx context.Context, lab *netlab.Client, count int, until string) error {
	all := struct {
		Steps []netlab.Step      `json:"steps"`
		Until *netlab.WaitResult `json:"until,omitempty"`
		Break *netlab.BreakHit   `json:"break,omitempty"`
	}{Steps: []netlab.Step{}}
	line := c.line
	var ended error
	for count == 0 || len(all.Steps) < count {
		res, err := lab.Do(ctx, netlab.Op{Verb: "step", Count: 1, Until: until, Line: line})
		if err != nil {
			if ctx.Err() == nil || c.Context.Context.Err() != nil {
				return err
			}
			ended = notSo(len(all.Steps), "in "+shortDuration(c.Duration("timeout")), until, all.Until)
			break
		}
		line = ""
		all.Steps = append(all.Steps, res.Steps...)
		all.Until, all.Break = res.Until, res.Break
		if err := c.printSteps(res); err != nil {
			return err
		}
		if res.Break != nil || until != "" && res.Until.Holds {
			break
		}
	}
	if ended == nil && until != "" && all.Break == nil && !all.Until.Holds {
		ended = notSo(len(all.Steps), "", until, all.Until)
	}
	if c.format == formatJSON {
		if err := writeJSON(c.sh.stdout, all); err != nil {
			return err
		}
	}
	if ended == nil && c.format == formatTable && !c.quiet() {
		switch {
		case all.Break != nil:
			fmt.Fprintf(c.sh.stdout, "%s\n", c.style.bold(breakText(all.Break)))
		case until != "":
			fmt.Fprintf(c.sh.stdout, "%s  %s, after %s\n", labTime(all.Until.LabNS), clean(until), plural(len(all.Steps), "step"))
		}
	}
	return ended
}

// notSo is the error of steps that did not make a condition hold.
func notSo(steps int, within, until string, last *netlab.WaitResult) error {
	saw := "not so"
	if last != nil {
		saw = seen(last)
	}
	return netlab.Errorf(netlab.ExitTimeout, "%s for %s, and it does not hold; seen: %s",
		strings.TrimSpace("went "+plural(steps, "step")+" "+within), clean(until), clean(saw)).
		WithHint("see why:  raftlab status")
}

// printSteps prints what each step was, and what came of it.
func (c *call) printSteps(res *netlab.OpResult) error {
	if c.quiet() || c.format == formatName || c.format == formatJSON {
		return nil
	}
	var b strings.Builder
	for i := range res.Steps {
		s := &res.Steps[i]
		if c.format == formatJSONL {
			if err := writeJSONLine(&b, s); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(&b, "%s  %s\n", c.style.dim(labTime(s.LabNS)), clean(s.Text))
		for _, e := range s.Events {
			if e.Kind == netlab.EventBreak {
				continue // told at the end
			}
			who := "lab"
			if e.Node != 0 {
				who = nodeName(e.Node)
			}
			fmt.Fprintf(&b, "%s  %-3s %s\n", strings.Repeat(" ", len(labTime(s.LabNS))), who, clean(e.Text))
		}
	}
	if c.format == formatTable {
		for _, n := range res.Notes {
			if res.Break == nil {
				c.talk("note: %s", n)
			}
		}
	}
	_, err := io.WriteString(c.sh.stdout, b.String())
	return err
}
