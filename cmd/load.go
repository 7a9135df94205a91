package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func loadVerb() *verb {
	return &verb{
		name: "load", args: "[stop]", usage: "Write all the time, as many clients would", category: categoryData, dry: true,
		max: 1, words: []word{wordStop}, key: "W",
		flags: []cli.Flag{
			&cli.Float64Flag{Name: "rate", Usage: "`N` writes a second in all", Value: 50},
			&cli.IntFlag{Name: "clients", Usage: "`N` clients, each with a session of its own", Value: 8},
			&cli.DurationFlag{Name: "for", Usage: "`D` end after so much lab time", DefaultText: "30s; with --background until stopped"},
			&cli.IntFlag{Name: "keys", Usage: "`N` different keys to write", Value: 10},
			&cli.BoolFlag{Name: "background", Usage: "leave it to the lab and return"},
		},
		about: `The writers run in the lab. In front it shows how they do, and Ctrl-C stops
them. "raftlab bench load" measures how fast a lab can be.`,
		examples: []example{
			{"raftlab load", "50 writes a second for 30 s"},
			{"raftlab load --rate 200 --background", "until: raftlab load stop"},
		},
		run: load,
	}
}

func load(c *call) error {
	switch c.Args().First() {
	case "":
	case "stop":
		return c.do(netlab.Op{Verb: "load", Stop: true})
	default:
		return usageErrorf("load takes no argument but stop, got %q", clean(c.Args().First())).WithHint("%s", hintUsage(c.verb))
	}
	background := c.Bool("background") || c.sh.embedded && !c.IsSet("for")
	op := netlab.Op{Verb: "load", Rate: c.Float64("rate"), Clients: c.Int("clients"), Keys: c.Int("keys"), For: c.Duration("for")}
	switch {
	case !(op.Rate > 0):
		return usageErrorf("--rate must be more than 0, not %s", number(op.Rate))
	case op.Clients < 1:
		return usageErrorf("--clients must be 1 or more, not %d", op.Clients)
	case op.Keys < 1:
		return usageErrorf("--keys must be 1 or more, not %d", op.Keys)
	case op.For < 0 || c.IsSet("for") && op.For == 0:
		return usageErrorf("--for must be longer than 0, not %s", shortDuration(op.For))
	}
	if !c.IsSet("for") && !background {
		op.For = 30 * time.Second
	}
	if background {
		return c.do(op)
	}
	op.Line = c.line
	lab, err := c.lab()
	if err != nil {
		return err
	}
	if op.Await, err = c.drives(lab); err != nil {
		return err
	}
	res, err := lab.Do(c.Context.Context, op)
	if err != nil && c.Context.Context.Err() == nil {
		return err
	}
	var last netlab.LoadStatus
	if op.Await && err == nil {
		status, err := lab.Status(c.Context.Context)
		if err != nil {
			return err
		}
		if status.LoadLast != nil {
			last = *status.LoadLast
		}
	} else if err == nil {
		c.talk("%s", res.Text)
		last, err = watchLoad(c, lab)
	}
	if ctx := c.Context.Context; ctx.Err() != nil {
		return stopLoad(c, lab)
	}
	if err != nil {
		return err
	}
	return c.emit(last, nil, func(w io.Writer) error {
		return writeLines(w, []string{fmt.Sprintf("%d writes done, %d failed", last.Done, last.Failed)})
	})
}

// drives tells whether time has to pass in the lab for a line that takes some:
// nobody watches what a scenario does meanwhile, and the time of a lab that is
// driven stands while it is only watched.
func (c *call) drives(lab *netlab.Client) (bool, error) {
	if c.sh.embedded {
		return true, nil
	}
	status, err := lab.Status(c.Context.Context)
	if err != nil {
		return false, err
	}
	return status.Clock.Driven, nil
}

// stopLoad ends the writers after an interrupt, and returns the interrupt.
func stopLoad(c *call, lab *netlab.Client) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context.Context), 2*time.Second)
	defer cancel()
	res, err := lab.Do(ctx, netlab.Op{Verb: "load", Stop: true, Line: c.line})
	if err != nil {
		return err
	}
	return errors.Join(c.printResult(res), context.Cause(c.Context.Context))
}

// watchLoad shows how the lab's writers do until they end, or the context
// does, and returns their last state.
func watchLoad(c *call, lab *netlab.Client) (netlab.LoadStatus, error) {
	ctx, cancel := context.WithCancel(c.Context.Context)
	defer cancel()
	var last netlab.LoadStatus
	var status netlab.Status
	ended, live, shown := false, isTerminal(c.sh.stderr), int64(0)
	err := lab.Stream(ctx, netlab.StreamOptions{EveryMS: 250}, func(u netlab.Update) error {
		status.Apply(u)
		if status.Load == nil {
			ended = true
			if status.LoadLast != nil { // what happened after the last look at it
				last = *status.LoadLast
			}
			cancel()
			return nil
		}
		last = *status.Load
		line := fmt.Sprintf("%s  %.0f writes/s, %d done, %d failed", labTime(status.Clock.LabNS), last.PerSec, last.Done, last.Failed)
		switch {
		case c.quiet():
		case live:
			fmt.Fprintf(c.sh.stderr, "\r%s\x1b[K", line)
		case status.Clock.LabNS-shown >= int64(time.Second):
			c.talk("%s", line)
			shown = status.Clock.LabNS
		}
		return nil
	})
	if live && !c.quiet() {
		fmt.Fprintln(c.sh.stderr)
	}
	if ended {
		return last, nil
	}
	return last, err
}
