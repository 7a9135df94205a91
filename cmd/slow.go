package cmd

import (
	"slices"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/link"
	"github.com/urfave/cli/v2"
)

func slowVerb() *verb {
	return faultVerb(verb{
		name: "slow", args: "LINKS DELAY[~JITTER] [DISTRIBUTION] | LINKS table DELAY,DELAY..", usage: "Delay every message on links",
		min: 2, max: 5, key: "s",
		flags: faultFlags(&cli.StringFlag{Name: "distribution", Usage: "`NAME` the same as the last word"}),
		about: `DELAY is lab time each way; with ~JITTER each message takes DELAY plus or minus
up to JITTER, drawn from the lab's seed. With the word normal, exponential or
pareto behind it the delays are distributed so, and JITTER is their standard
deviation. "table" and delays with commas between them draws from these, each as
likely as any other: what you measured, or one in so many. Messages keep their
order. A delay of 0 takes it away.`,
		examples: []example{
			{"raftlab slow 3 80ms", "all links of S3, each way"},
			{"raftlab slow 1 to 2 50ms~20ms", "30 to 70 ms from S1 to S2"},
			{"raftlab slow all 20ms~10ms pareto", "most a little, a few very long"},
			{"raftlab slow 1 to 2 table 5ms,5ms,5ms,80ms", "5 ms, and every fourth 80 on average"},
			{"raftlab slow leader to 4 1s --kind append", "only what carries entries"},
			{"raftlab slow all 0", "no delays"},
		},
		run: func(c *call) error {
			op, links, err := parseSlow(c.Args().Slice(), c.String("distribution"))
			if err != nil {
				return err
			}
			if len(links) == 0 {
				return usageErrorf("slow needs LINKS DELAY").WithHint("%s", hintUsage(c.verb))
			}
			return c.doFault(op, links)
		},
	})
}

// parseSlow splits the arguments of slow into the delay and the words for links
// before it. named is the value of --distribution.
func parseSlow(args []string, named string) (op netlab.Op, links []string, err error) {
	shape := strings.ToLower(named)
	if shape != "" && !slices.Contains(netlab.Distributions(), shape) {
		return op, nil, usageErrorf("a delay is not distributed %q", clean(named)).
			WithHint("distributions: %s", strings.Join(netlab.Distributions(), " "))
	}
	last := len(args) - 1
	if last > 0 && strings.EqualFold(args[last-1], tableWord) {
		op.Distribution = tableWord
		if op.Table, err = parseTable(args[last]); err != nil {
			return op, nil, err
		}
		links = args[:last-1]
	} else {
		if slices.Contains(netlab.Distributions(), strings.ToLower(args[last])) {
			op.Distribution = strings.ToLower(args[last])
			last--
		}
		if last < 0 {
			return op, nil, nil
		}
		if op.Distribution == tableWord || shape == tableWord && op.Distribution == "" {
			return op, nil, usageErrorf("a table of delays says which: no values are behind the word table").
				WithHint("for example:  raftlab slow 3 table 5ms,5ms,5ms,80ms")
		}
		if op.Delay, op.Jitter, err = parseDelay(args[last]); err != nil {
			return op, nil, err
		}
		links = args[:last]
	}
	switch {
	case shape == "" || shape == op.Distribution:
	case op.Distribution != "":
		return op, nil, usageErrorf("the delay is distributed %s or %s, not both", op.Distribution, shape).
			WithHint("leave one of them out")
	default:
		op.Distribution = shape
	}
	return op, links, nil
}

// tableWord is the distribution that has values of its own.
var tableWord = link.Table.String()

// parseTable reads DELAY,DELAY..
func parseTable(word string) ([]time.Duration, error) {
	var out []time.Duration
	for _, w := range strings.Split(word, ",") {
		d, err := time.ParseDuration(w)
		if err != nil || d < 0 {
			return nil, usageErrorf("a table is delays with commas between them, and %q is none", clean(w)).
				WithHint("for example:  raftlab slow 3 table 5ms,5ms,5ms,80ms")
		}
		out = append(out, d)
	}
	return out, nil
}

// parseDelay reads DELAY[~JITTER].
func parseDelay(word string) (delay, jitter time.Duration, err error) {
	d, j, hasJitter := strings.Cut(word, "~")
	if delay, err = time.ParseDuration(d); err != nil || delay < 0 {
		return 0, 0, notDelay(word)
	}
	if hasJitter {
		if jitter, err = time.ParseDuration(j); err != nil || jitter < 0 {
			return 0, 0, notDelay(word)
		}
	}
	return delay, jitter, nil
}

func notDelay(word string) error {
	return usageErrorf("the last word is the delay, and %q is none; it is like 80ms or 80ms~20ms", clean(word)).
		WithHint("for example:  raftlab slow 3 80ms")
}
