package cmd

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/raftlab/raftlab/netlab"
)

func frameVerb() *verb {
	return &verb{
		name: "frame", args: "hold LINKS | FRAME ACTION | all ACTION", usage: "Hold, release, drop or repeat single messages", category: categoryNet, dry: true,
		min: 2, max: 4, words: []word{wordFrame, wordFrameAction, wordLink}, flags: faultFlags(),
		about: `"frame hold" holds all messages on links that the flags leave: each waits in the
network until somebody lets it go, and those behind it pass it. FRAME is a number
that "raftlab frames" shows; ACTION is

  release  it goes on now; in which order they go is yours
  drop     it is lost
  hold     it waits, if it is still under way
  inject   what was recorded is sent once more, as it was

"all" are those that are held. "raftlab heal" lets go of all of them and ends the
holding.`,
		examples: []example{
			{"raftlab frame hold 1 to 3 --kind append", "all appends from S1 to S3, from now on"},
			{"raftlab frame hold all --kind vote --reply", "nobody hears of a vote"},
			{"raftlab frames --held", "the queue"},
			{"raftlab frame 4711 release", "one of them"},
			{"raftlab frame all drop", "all of them; what comes later is held again"},
			{"raftlab frame 4711 inject", "the same message once more"},
		},
		run: func(c *call) error {
			args := c.Args().Slice()
			if args[0] == netlab.FrameHold {
				return c.doOnLinks(netlab.Op{Verb: "frame", Action: netlab.FrameHold}, args[1:])
			}
			op := netlab.Op{Verb: "frame", Action: strings.ToLower(args[1])}
			var err error
			if op.All = args[0] == netlab.WordAll; !op.All {
				if op.Frame, err = strconv.ParseUint(args[0], 10, 63); err != nil || op.Frame == 0 {
					return usageErrorf("%q is no frame: it is a number from \"raftlab frames\", all, or hold with links behind it", clean(args[0])).
						WithHint("%s", hintUsage(c.verb))
				}
			}
			switch {
			case len(args) > 2:
				return usageErrorf("frame %s takes one action, so %s is too much", args[0], quoteWords(args[2:])).WithHint("%s", hintUsage(c.verb))
			case !slices.Contains(netlab.FrameActions(), op.Action):
				return usageErrorf("%q cannot be done to a frame", clean(args[1])).WithHint("it can be: %s", strings.Join(netlab.FrameActions(), " "))
			}
			for _, f := range c.verb.flags {
				if name := f.Names()[0]; c.IsSet(name) {
					return usageErrorf("--%s goes with \"frame hold LINKS\": one frame is one frame", name).WithHint("raftlab frame hold 1 to 3 --kind append")
				}
			}
			return c.do(op)
		},
	}
}

// frameCandidates are what the first word of frame can be.
func frameCandidates(ctx context.Context, lab string) []candidate {
	out := []candidate{{netlab.FrameHold, "all messages on links, from now on"}, {netlab.WordAll, "those that are held"}}
	_ = askLab(lab, func(c *netlab.Client) error { // without a lab there are no numbers to offer
		page, err := c.Frames(ctx, netlab.FrameQuery{Held: true, Limit: 20})
		if err != nil {
			return err
		}
		for i := range page.Frames {
			f := &page.Frames[i]
			out = append(out, candidate{u(f.ID), nodeName(f.From) + " to " + nodeName(f.To) + " " + f.Short()})
		}
		return nil
	})
	return out
}

// frameActions are what the second word can be: what to do, or behind hold links.
func frameActions(ctx context.Context, lab string, before []string) []candidate {
	switch before[0] {
	case netlab.FrameHold:
		return argValues(ctx, lab, wordLink, nil)
	case netlab.WordAll:
		return []candidate{{netlab.FrameRelease, "they go on"}, {netlab.FrameDrop, "they are lost"}}
	}
	return []candidate{
		{netlab.FrameRelease, "it goes on"}, {netlab.FrameDrop, "it is lost"},
		{netlab.FrameHold, "it waits"}, {netlab.FrameInject, "it is sent once more"},
	}
}
