package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func chaosVerb() *verb {
	return &verb{
		name: "chaos", usage: "Do harm at random, by a plan that follows from a seed", category: categoryNet, dry: true,
		flags: []cli.Flag{
			&cli.DurationFlag{Name: "for", Usage: "`D` lab time until all is undone", DefaultText: "15 times --every"},
			&cli.DurationFlag{Name: "every", Usage: "`D` lab time for each fault to begin in", DefaultText: "2s, or twice the longest election timeout"},
			&cli.Uint64Flag{Name: "seed", Usage: "`NUMBER` what the plan is drawn from", DefaultText: "the lab's"},
			&cli.StringSliceFlag{Name: "kinds", Usage: "`KIND,..` what it may do, by kinds or families; \"raftlab chaos --kinds help\" lists them", DefaultText: "all that cost nothing"},
			&cli.IntFlag{Name: "hard", Usage: "`1-5` how long faults last and how much they do", Value: 3},
			&cli.IntFlag{Name: "most", Usage: "`N` nodes affected at once", DefaultText: "as many as a majority can do without"},
			&cli.BoolFlag{Name: "plan", Usage: "print the plan, and do nothing"},
			&cli.BoolFlag{Name: "stop", Usage: "stop the one at work; what it did is undone"},
			&cli.BoolFlag{Name: "background", Usage: "leave it to the lab and return"},
		},
		about: `The plan is made before it begins: the same seed, nodes and timers give the same
plan, on every machine and whatever the cluster does. A plan may name the leader:
that is who leads when the fault comes, and what undoes it is done to that node only.
Every fault is a line of this command line and stands among the events as one. At the
end all of them are undone, and also when it is stopped, by Ctrl-C or --stop;
"raftlab heal --all" stops it, too.

A fault is of the network, of a process, of a disk or, when named, of a clock, with
the same chance, and then of one kind in that family. "--kinds network,disk" names
families, "--kinds kill,disk-torn" kinds. Without --kinds it does what costs neither
an acknowledged write nor a right read while a majority is left in peace. A disk
that lies or a node that is wiped can cost writes, a wrong clock lease reads; those
have to be named, the former each by its own name or with "all".

It runs in the lab, on the lab clock: "raftlab hold" holds it.`,
		examples: []example{
			{"raftlab chaos", "a fault every 2 s for 30 s"},
			{"raftlab chaos --plan --seed 7", "what would be done"},
			{"raftlab chaos --seed 7 --kinds kill,pause --hard 5 --for 1m", "harder, by two kinds only"},
			{"raftlab chaos --kinds disk --most 1", "disks only, one at a time"},
			{"raftlab chaos --background", "until it ends, or: raftlab chaos --stop"},
		},
		run: doChaos,
	}
}

func doChaos(c *call) error {
	o := netlab.ChaosOptions{
		For: c.Duration("for"), Every: c.Duration("every"), Seed: c.Uint64("seed"), Hard: c.Int("hard"), Most: c.Int("most"),
	}
	for _, words := range c.StringSlice("kinds") {
		for _, k := range strings.FieldsFunc(words, func(r rune) bool { return r == ',' || r == ' ' }) {
			if k == "help" {
				return listChaosKinds(c)
			}
			o.Kinds = append(o.Kinds, k)
		}
	}
	switch {
	case c.Bool("stop") && (c.Bool("plan") || c.NumFlags() > 1 && setsChaos(c)):
		return usageErrorf("--stop stands alone: it ends the chaos that is at work").WithHint("raftlab chaos --stop")
	case c.IsSet("for") && o.For <= 0:
		return usageErrorf("--for must be longer than 0, not %s", shortDuration(o.For))
	case c.IsSet("every") && o.Every <= 0:
		return usageErrorf("--every must be longer than 0, not %s", shortDuration(o.Every))
	case c.IsSet("most") && o.Most < 1:
		return usageErrorf("--most must be 1 or more, not %d", o.Most)
	case o.Hard < 1 || o.Hard > 5:
		return usageErrorf("--hard is 1 to 5, not %d", o.Hard)
	}
	switch {
	case c.Bool("stop"):
		return c.do(netlab.Op{Verb: "chaos", Stop: true})
	case c.Bool("plan"):
		return planChaos(c, o)
	case c.Bool("background") || c.sh.embedded && !c.IsSet("for") || c.sh.taken != nil:
		return c.do(netlab.Op{Verb: "chaos", Chaos: &o})
	}
	return watchChaos(c, o)
}

// setsChaos tells whether the line says what chaos is to be like.
func setsChaos(c *call) bool {
	for _, name := range []string{"for", "every", "seed", "kinds", "hard", "most", "background"} {
		if c.IsSet(name) {
			return true
		}
	}
	return false
}

func planChaos(c *call, o netlab.ChaosOptions) error {
	lab, err := c.lab()
	if err != nil {
		return err
	}
	status, err := lab.Status(c.Context.Context)
	if err != nil {
		return err
	}
	plan, err := netlab.PlanChaos(o, status)
	if err != nil {
		return err
	}
	var lines []string
	for _, f := range plan.Faults {
		lines = append(lines, f.Line)
	}
	return c.emit(plan, lines, func(w io.Writer) error {
		if _, err := fmt.Fprintf(w, "%s\n\n", plan); err != nil {
			return err
		}
		t := &table{head: []string{">from", ">to", "does", "undone by"}}
		for _, f := range plan.Faults {
			undo, until := strings.Join(f.Undo, "; "), seconds(f.UntilNS)
			switch {
			case f.UntilNS == f.AtNS:
				undo, until = "-", "-"
			case undo == "":
				undo = "--for"
			}
			t.add(seconds(f.AtNS), until, f.Line, undo)
		}
		return t.write(w, c.style)
	})
}

func seconds(ns int64) string { return strconv.FormatFloat(float64(ns)/1e9, 'f', 3, 64) + " s" }

// watchChaos sets a nemesis to work and shows what it does until it is over.
func watchChaos(c *call, o netlab.ChaosOptions) error {
	lab, err := c.lab()
	if err != nil {
		return err
	}
	ctx := c.Context.Context
	drives, err := c.drives(lab)
	if err != nil {
		return err
	}
	res, err := lab.Do(ctx, netlab.Op{Verb: "chaos", Chaos: &o, Line: c.line, Await: drives})
	if err != nil && ctx.Err() == nil {
		return err
	}
	var last netlab.Event
	if err == nil {
		if !drives {
			c.talk("%s", res.Text)
		}
		for _, n := range res.Notes {
			c.talk("note: %s", n)
		}
		last, err = c.followChaos(lab, res.Event)
	}
	if ctx.Err() != nil {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), chaosEndWait)
		defer cancel()
		res, err := lab.Do(bounded, netlab.Op{Verb: "chaos", Stop: true, Line: c.line})
		if err != nil {
			return err
		}
		return errors.Join(c.printResult(res), context.Cause(ctx))
	}
	if err != nil {
		return err
	}
	return c.emit(last, nil, func(w io.Writer) error { return writeLines(w, []string{last.Text}) })
}

// chaosEndWait bounds the wait for all to be undone: processes are started.
const chaosEndWait = 30 * time.Second

// followChaos shows the lines of a nemesis that began with an event, and
// returns the event that ended it.
func (c *call) followChaos(lab *netlab.Client, began uint64) (netlab.Event, error) {
	ctx, cancel := context.WithCancel(c.Context.Context)
	defer cancel()
	var last netlab.Event
	shown, over := began, false
	err := lab.Stream(ctx, netlab.StreamOptions{EveryMS: 100}, func(u netlab.Update) error {
		var at uint64
		switch {
		case u.Status != nil:
			at, over = u.Status.LastEvent, u.Status.Chaos == nil
		case u.Lab != nil:
			at, over = u.Lab.LastEvent, u.Lab.Chaos == nil
		}
		if at <= shown && !over {
			return nil
		}
		// Asked for, not taken from the update: a reader that falls behind is not
		// sent all of them.
		events, err := lab.Events(ctx, netlab.EventQuery{After: shown})
		if err != nil {
			return err
		}
		for _, e := range events {
			shown = e.ID
			switch {
			case e.Kind == netlab.EventFault && strings.HasPrefix(e.Text, "chaos "):
				last = e
				if !strings.HasPrefix(e.Text, "chaos is ") && e.Line != "" {
					c.talk("%s  %s   (%s)", labTime(e.LabNS), e.Line, clean(e.Text))
				}
			case e.Line != "" && (e.Kind == netlab.EventFault || e.Kind == netlab.EventProcess):
				who := ""
				if e.Node != 0 {
					who = nodeName(e.Node) + " "
				}
				c.talk("%s  %-44s  %s%s", labTime(e.LabNS), e.Line, who, clean(e.Text))
			}
		}
		if over && strings.HasPrefix(last.Text, "chaos is ") {
			cancel()
		}
		return nil
	})
	if over && strings.HasPrefix(last.Text, "chaos is ") {
		return last, nil
	}
	return last, err
}

// listChaosKinds prints what chaos may do.
func listChaosKinds(c *call) error {
	type kind struct {
		Name   string `json:"name"`
		Family string `json:"family"`
		About  string `json:"about"`
		Costs  string `json:"costs,omitempty"` // reads, writes
	}
	var kinds []kind
	var names []string
	for _, k := range netlab.ChaosKinds() {
		kinds = append(kinds, kind{k.Name, k.Family, k.About, k.Costs})
		names = append(names, k.Name)
	}
	return c.emit(struct {
		Schema string `json:"schema"`
		Kinds  []kind `json:"kinds"`
	}{netlab.SchemaChaos, kinds}, names, func(w io.Writer) error {
		t := &table{head: []string{"family", "kind", "does", "can cost"}}
		for _, k := range kinds {
			costs := map[string]string{netlab.CostsReads: "stale lease reads", netlab.CostsWrites: "acknowledged writes"}[k.Costs]
			t.add(k.Family, k.Name, k.About, costs)
		}
		return t.write(w, c.style)
	})
}
