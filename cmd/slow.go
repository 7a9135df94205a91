package cmd

import (
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

func slowVerb() *verb {
	return &verb{
		name: "slow", args: "LINKS DELAY[~JITTER]", usage: "Delay every message on links", category: categoryNet, dry: true,
		min: 2, max: 4, words: []word{wordLink}, key: "s",
		about: `DELAY is lab time each way; with ~JITTER each message takes DELAY plus or minus
up to JITTER, drawn from the lab's seed. A delay of 0 takes it away.`,
		examples: []example{
			{"raftlab slow 3 80ms", "all links of S3, each way"},
			{"raftlab slow 1 to 2 50ms~20ms", "30 to 70 ms from S1 to S2"},
			{"raftlab slow all 0", "no delays"},
		},
		run: func(c *call) error {
			args := c.Args().Slice()
			delay, jitter, err := parseDelay(args[len(args)-1])
			if err != nil {
				return err
			}
			links, err := linkWords(args[:len(args)-1])
			if err != nil {
				return err
			}
			return c.do(netlab.Op{Verb: "slow", Links: links, Delay: delay, Jitter: jitter})
		},
	}
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
