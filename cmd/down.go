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

// downTimeout bounds how long a lab may take to end.
const downTimeout = 15 * time.Second

func downVerb() *verb {
	return &verb{
		name: "down", usage: "End a lab and delete its data", category: categoryLab,
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "every lab of this machine's user"},
			&cli.BoolFlag{Name: "keep-data", Usage: "keep the nodes' data; raftlab up goes on with it"},
		},
		about: `Without a lab to end it exits 0. What a lab left behind whose process is gone is
cleared as well.`,
		examples: []example{
			{"raftlab down", "the lab named default, or RAFTLAB_LAB"},
			{"raftlab down --all", "all of them"},
		},
		run: down,
	}
}

func down(c *call) error {
	home, err := netlab.Home()
	if err != nil {
		return err
	}
	labs, err := netlab.List(home)
	if err != nil {
		return err
	}
	if c.Bool("all") && c.IsSet("lab") {
		return usageErrorf("--all and --lab exclude each other").WithHint("%s", hintUsage(c.verb))
	}
	if !c.Bool("all") {
		if err := netlab.CheckName(c.labName()); err != nil {
			return err
		}
		labs = keepLab(labs, c.labName())
	}
	var ended []string
	var failed error
	for _, info := range labs {
		if err := endLab(c, home, info); err != nil {
			failed = errors.Join(failed, fmt.Errorf("end lab %s: %w", info.Name, err))
			continue
		}
		ended = append(ended, info.Name)
	}
	if failed != nil {
		if len(labs) == 1 {
			return errors.Unwrap(failed.(interface{ Unwrap() []error }).Unwrap()[0])
		}
		return failed
	}
	if len(ended) == 0 && !c.quiet() && c.format == formatTable {
		c.talk("there is no lab to end")
	}
	return c.emit(struct {
		Ended []string `json:"ended"`
	}{append([]string{}, ended...)}, ended, func(w io.Writer) error {
		var lines []string
		for _, name := range ended {
			lines = append(lines, "lab "+name+" is ended")
		}
		return writeLines(w, lines)
	})
}

func keepLab(labs []netlab.Info, name string) []netlab.Info {
	for _, l := range labs {
		if l.Name == name {
			return []netlab.Info{l}
		}
	}
	return nil
}

// endLab ends a running lab, and clears what one without a process left.
func endLab(c *call, home string, info netlab.Info) error {
	return endLabIn(c.Context.Context, home, info, c.verb.name == "down" && c.Bool("keep-data"))
}

func endLabIn(ctx context.Context, home string, info netlab.Info, keepData bool) error {
	if !info.Running {
		if keepData {
			return netlab.Keep(ctx, home, info.Name)
		}
		return netlab.Clear(ctx, home, info.Name)
	}
	client, err := netlab.Connect(home, info.Name)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, downTimeout)
	defer cancel()
	err = client.Down(ctx, keepData)
	if ctx.Err() == context.DeadlineExceeded {
		return netlab.Errorf(netlab.ExitTimeout, "lab %s has not ended within %s", info.Name, shortDuration(downTimeout)).
			WithHint("its process hangs: kill -9 %d, then raftlab down --lab %s", info.Pid, info.Name)
	}
	return err
}
