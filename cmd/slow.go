package cmd

import (
	"slices"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func slowVerb() *verb {
	return faultVerb(verb{
		name: "slow", args: "LINKS DELAY[~JITTER] [DISTRIBUTION]", usage: "Delay every message on links",
		min: 2, max: 5, key: "s",
		flags: faultFlags(&cli.StringFlag{Name: "distribution", Usage: "`NAME` the same as the last word"}),
		about: `DELAY is lab time each way; with ~JITTER each message takes DELAY plus or minus
up to JITTER, drawn from the lab's seed. With the word normal, exponential or
pareto behind it the delays are distributed so, and JITTER is their standard
deviation. Messages keep their order. A delay of 0 takes it away.`,
		examples: []example{
			{"raftlab slow 3 80ms", "all links of S3, each way"},
			{"raftlab slow 1 to 2 50ms~20ms", "30 to 70 ms from S1 to S2"},
			{"raftlab slow all 20ms~10ms pareto", "most a little, a few very long"},
			{"raftlab slow leader to 4 1s --kind append", "only what carries entries"},
			{"raftlab slow all 0", "no delays"},
		},
		run: func(c *call) error {
			args := c.Args().Slice()
			op := netlab.Op{Distribution: c.String("distribution")}
			if last := args[len(args)-1]; slices.Contains(netlab.Distributions(), strings.ToLower(last)) {
				if op.Distribution != "" && op.Distribution != last {
					return usageErrorf("the delay is distributed %s or %s, not both", last, clean(op.Distribution)).WithHint("%s", hintUsage(c.verb))
				}
				op.Distribution = strings.ToLower(last)
				args = args[:len(args)-1]
			}
			if d := op.Distribution; d != "" && !slices.Contains(netlab.Distributions(), d) {
				e := usageErrorf("a delay is not distributed %q", clean(d))
				return e.WithHint("distributions: %s", strings.Join(netlab.Distributions(), " "))
			}
			if len(args) < 2 {
				return usageErrorf("slow needs LINKS DELAY").WithHint("%s", hintUsage(c.verb))
			}
			var err error
			if op.Delay, op.Jitter, err = parseDelay(args[len(args)-1]); err != nil {
				return err
			}
			return c.doFault(op, args[:len(args)-1])
		},
	})
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
