package cmd

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

// aboutLimits is said of every verb that sets a fault on links.
const aboutLimits = `The flags limit it to some frames; without any it is for all of them. --kind takes
the names that "raftlab frames" shows and words for several: append, heartbeat,
vote, prevote, snapshot, read and transfer mean what asks and what answers;
--request or --reply leaves only the one or the other. "raftlab faults" lists
what is set, "raftlab undo" takes it back.`

// faultFlags limit a fault on links to some frames and to some time.
func faultFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.StringSliceFlag{Name: "kind", Usage: "`KIND,..` only frames of these kinds"},
		&cli.BoolFlag{Name: "request", Usage: "only frames that ask"},
		&cli.BoolFlag{Name: "reply", Usage: "only frames that answer"},
		&cli.StringFlag{Name: "term", Usage: "`T` only frames of this term"},
		&cli.StringFlag{Name: "index", Usage: "`I-J` only frames about entries I to J; I- is from I on"},
		&cli.StringFlag{Name: "every", Usage: "`K` of these only every Kth on each link"},
		&cli.StringFlag{Name: "chance", Usage: "`PERCENT` each of these with this probability"},
		&cli.StringFlag{Name: "next", Usage: "`K` only the next K of these on each link"},
		&cli.DurationFlag{Name: "for", Usage: "`D` end it after so much lab time"},
	)
}

// faultVerb is a verb that sets a fault on links.
func faultVerb(v verb) *verb {
	v.category, v.dry, v.words = categoryNet, true, []word{wordLink}
	if v.about != "" {
		v.about += "\n\n"
	}
	v.about += aboutLimits
	return &v
}

// doFault asks for a fault on the links that words name, limited as the flags say.
func (c *call) doFault(op netlab.Op, words []string) error {
	op.Verb = c.verb.name
	return c.doOnLinks(op, words)
}

func (c *call) doOnLinks(op netlab.Op, words []string) error {
	var err error
	if op.Links, err = linkWords(words); err != nil {
		return err
	}
	if op.Match, err = c.match(); err != nil {
		return err
	}
	if op.For, err = c.positive("for"); err != nil {
		return err
	}
	if err := op.CheckFault(); err != nil {
		return err
	}
	return c.do(op)
}

// match is what the flags limit a fault to, nil for nothing.
func (c *call) match() (*netlab.Match, error) {
	var m netlab.Match
	var err error
	kinds := c.StringSlice("kind")
	for _, way := range []string{netlab.WayRequest, netlab.WayReply} {
		if c.Bool(way) {
			kinds = append(kinds, way)
		}
	}
	if m.Kinds, m.Way, err = netlab.ParseKinds(kinds); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name string
		to   *uint64
		what string
	}{
		{"term", &m.Term, "a term"}, {"every", &m.Every, "how many frames make one"}, {"next", &m.Next, "a number of frames"},
	} {
		if !c.IsSet(f.name) {
			continue
		}
		if *f.to, err = strconv.ParseUint(c.String(f.name), 10, 63); err != nil || *f.to == 0 {
			return nil, usageErrorf("--%s wants %s, 1 or more, not %q", f.name, f.what, clean(c.String(f.name))).WithHint("raftlab help %s", c.verb.title())
		}
	}
	if c.IsSet("index") {
		if m.From, m.To, err = parseIndexes(c.String("index")); err != nil {
			return nil, err
		}
	}
	if c.IsSet("chance") {
		var ok bool
		if m.Prob, ok = parsePercent(c.String("chance")); !ok || m.Prob == 0 {
			return nil, usageErrorf("--chance wants a probability in percent, more than 0 and at most 100, not %q", clean(c.String("chance"))).WithHint("--chance 30%%")
		}
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if m.Empty() {
		return nil, nil
	}
	return &m, nil
}

// parseIndexes reads I, I-J or I-; to 0 is no end.
func parseIndexes(word string) (from, to uint64, err error) {
	first, last, isRange := strings.Cut(word, "-")
	from, err = strconv.ParseUint(first, 10, 63)
	switch {
	case err == nil && !isRange:
		to = from
	case err == nil && last != "":
		to, err = strconv.ParseUint(last, 10, 63)
	}
	if err != nil || from == 0 || isRange && last != "" && to == 0 {
		return 0, 0, usageErrorf("--index wants entries of the log, from 1 on, not %q", clean(word)).WithHint("--index 7, --index 7-9 or --index 7-")
	}
	return from, to, nil
}

// parsePercent reads 5% or 5 as a share. ok is false when word is none from 0
// to 100 percent.
func parsePercent(word string) (share float64, ok bool) {
	percent, err := strconv.ParseFloat(strings.TrimSuffix(word, "%"), 64)
	if err != nil || !(percent >= 0 && percent <= 100) {
		return 0, false
	}
	return percent / 100, true
}

// lastPercent is the last argument of a verb, which says of which share of the
// frames something happens, and the words for links before it.
func (c *call) lastPercent(what, example string) (links []string, share float64, err error) {
	args := c.Args().Slice()
	word := args[len(args)-1]
	share, ok := parsePercent(word)
	if !ok {
		return nil, 0, usageErrorf("the last word is %s in percent, 0 to 100, and %q is not that", what, clean(word)).
			WithHint("for example:  %s", example)
	}
	return args[:len(args)-1], share, nil
}

// positive is the value of a flag for a length of time, 0 when it is left out.
func (c *call) positive(name string) (time.Duration, error) {
	d := c.Duration(name)
	if c.IsSet(name) && d <= 0 {
		return 0, usageErrorf("--%s must be longer than 0, not %s", name, shortDuration(d))
	}
	return d, nil
}

// parseRate reads 64KiB/s, 1000: bytes a second.
func parseRate(word string) (int64, bool) {
	n, ok := parseSize(strings.TrimSuffix(word, "/s"))
	return n, ok && n < math.MaxInt64/4
}
