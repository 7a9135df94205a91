package cmd

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func framesVerb() *verb {
	return &verb{
		name: "frames", usage: "Show the messages in the network, one by one", category: categoryNet, dry: true,
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on until Ctrl-C, from now on"},
			&cli.StringSliceFlag{Name: "from", Usage: "`NODE,..` only what these nodes send"},
			&cli.StringSliceFlag{Name: "to", Usage: "`NODE,..` only what these nodes are sent"},
			&cli.StringSliceFlag{Name: "kind", Usage: "`KIND,..` only messages of these kinds"},
			&cli.BoolFlag{Name: "held", Usage: "only those that wait until somebody lets them go"},
			&cli.IntFlag{Name: "limit", Usage: "`N` the newest N", DefaultText: "100; with --held all"},
		},
		about: `A row for each message: its number, when it left, from whom to whom, what it
says, its term, and what became of it. The lab keeps a record of the last 8192.
With -f a message that takes its time has a row when it leaves and another when
it arrives or is lost. "raftlab frame" acts on one by its number.`,
		examples: []example{
			{"raftlab frames --kind vote,prevote", "the last election"},
			{"raftlab frames -f --from leader", "what the leader sends, from now on"},
			{"raftlab frames --held", "what \"raftlab frame hold\" has caught"},
			{"raftlab frames -f -o jsonl | jq -c '[.from,.to,.kind,.reason]'", "for scripts"},
		},
		run: frames,
	}
}

func frames(c *call) error {
	q := netlab.FrameQuery{Held: c.Bool("held"), Limit: c.Int("limit")}
	var err error
	if q.Kinds, err = kindWords(c.StringSlice("kind")); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		to   *[]string
	}{{"from", &q.From}, {"to", &q.To}} {
		if !c.IsSet(f.name) {
			continue
		}
		if *f.to, err = nodeWords(c.StringSlice(f.name)); err != nil {
			return err
		}
	}
	follow := c.Bool("follow")
	switch {
	case c.IsSet("limit") && q.Limit < 1:
		return usageErrorf("--limit must be 1 or more, not %d", q.Limit)
	case follow && c.IsSet("limit"):
		return usageErrorf("--limit is for what was; -f goes on until Ctrl-C")
	case follow && q.Held:
		return usageErrorf("--held is for what waits now; -f shows a message when it is held, too").WithHint("raftlab frames -f")
	case follow && c.sh.embedded:
		return usageErrorf("frames -f works on the command line only, not inside a scenario or the palette")
	}
	if q.Held && q.Limit == 0 {
		q.Limit = 1 << 20
	}
	lab, err := c.lab()
	if err != nil {
		return err
	}
	if follow {
		return followFrames(c, lab, q)
	}
	page, err := lab.Frames(c.Context.Context, q)
	if err != nil {
		return err
	}
	if c.format == formatJSONL {
		for _, f := range page.Frames {
			if err := writeJSONLine(c.sh.stdout, f); err != nil {
				return err
			}
		}
		return nil
	}
	var names []string
	for _, f := range page.Frames {
		names = append(names, u(f.ID))
	}
	return c.emit(page, names, func(w io.Writer) error {
		t := &table{head: frameHead}
		for i := range page.Frames {
			t.add(frameCells(&page.Frames[i])...)
		}
		return t.write(w, c.style)
	})
}

// kindWords reads words for kinds of frames, so that a wrong one is told before
// the lab is asked.
func kindWords(words []string) ([]string, error) {
	kinds, way, err := netlab.ParseKinds(words)
	if err == nil {
		err = netlab.Match{Kinds: kinds, Way: way}.Validate()
	}
	if way != "" {
		kinds = append(kinds, way)
	}
	return kinds, err
}

var frameHead = []string{"frame", "left", "from", "to", "what", ">term", ">bytes", "fate"}

func frameCells(f *netlab.Frame) []string {
	return []string{u(f.ID), labTime(f.LeftNS), nodeName(f.From), nodeName(f.To), f.Short(), u(f.Term), fmt.Sprint(f.Bytes), frameFate(f)}
}

// frameFate is what became of a message.
func frameFate(f *netlab.Frame) string {
	after := func(ns int64) string { return time.Duration(ns - f.LeftNS).Round(time.Microsecond).String() }
	s := ""
	switch {
	case f.Held:
		s = "held"
	case f.DroppedNS != 0 || f.Reason != "":
		s = "lost: " + clean(f.Reason)
	case f.ArrivedNS != 0:
		s = "arrived in " + after(f.ArrivedNS)
	case f.DueNS > f.LeftNS:
		s = "under way, takes " + after(f.DueNS)
	default:
		s = "under way"
	}
	if f.Fault > 0 {
		s += fmt.Sprintf(" by f%d", f.Fault)
	}
	switch {
	case f.Injected:
		s += fmt.Sprintf(", frame %d once more, by hand", f.CopyOf)
	case f.CopyOf > 0:
		s += fmt.Sprintf(", frame %d once more", f.CopyOf)
	}
	if f.Corrupt {
		s += ", corrupt"
	}
	return s
}

// framesEvery is how often, in real time, a lab is asked for new frames.
const framesEvery = 50 * time.Millisecond

// followFrames prints frames as they leave and as they end.
func followFrames(c *call, lab *netlab.Client, q netlab.FrameQuery) error {
	if c.format == formatJSON {
		c.format = formatJSONL // of a stream only lines can be read
	}
	ctx, cancel := context.WithCancelCause(c.Context.Context)
	defer cancel(nil)
	stop := watchReader(c.sh.stdout, func() { cancel(signalled{sigpipe}) })
	defer stop()
	one := netlab.FrameQuery{Limit: 1}
	page, err := lab.Frames(ctx, one) // for the place to follow from
	q.Follow = true
	tick := time.NewTicker(framesEvery)
	defer tick.Stop()
	for err == nil {
		q.After = page.Next
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if page, err = lab.Frames(ctx, q); err == nil {
			err = printFrames(c, page)
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause // says more than what the lab's client makes of it
	}
	return err
}

func printFrames(c *call, page *netlab.FramePage) error {
	var b strings.Builder
	for i := range page.Frames {
		f := &page.Frames[i]
		switch {
		case c.format == formatJSONL:
			if err := writeJSONLine(&b, f); err != nil {
				return err
			}
		case c.format == formatName || c.quiet():
			fmt.Fprintln(&b, f.ID)
		default:
			cells := frameCells(f)
			fmt.Fprintf(&b, "%8s  %s  %-3s > %-3s  %-14s t%-3s %6s B  %s\n", cells[0], c.style.dim(cells[1]), cells[2], cells[3], cells[4], cells[5], cells[6], cells[7])
		}
	}
	if page.Missed > 0 {
		c.talk("%d records came too fast to be shown", page.Missed)
	}
	_, err := io.WriteString(c.sh.stdout, b.String())
	return err
}
