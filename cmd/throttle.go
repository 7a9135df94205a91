package cmd

import (
	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

func throttleVerb() *verb {
	return faultVerb(verb{
		name: "throttle", args: "LINKS RATE", usage: "Let links carry so many bytes a second",
		min: 2, max: 4,
		flags: faultFlags(&cli.StringFlag{Name: "burst", Usage: "`SIZE` so many bytes may go at once after a pause", DefaultText: "none"}),
		about: `A second is one of lab time. What is too much waits in the network; when very
much waits there the sender has to, too. 0 takes the limit away.`,
		examples: []example{
			{"raftlab throttle leader 64KiB/s", "each link of the leader, each way"},
			{"raftlab throttle 1 to 3 1MB/s --burst 64KiB", "the first 64 KiB at once"},
			{"raftlab throttle all 0", "no limits"},
		},
		run: func(c *call) error {
			args := c.Args().Slice()
			word := args[len(args)-1]
			rate, ok := parseRate(word)
			if !ok {
				return usageErrorf("the last word is a rate in bytes a second, and %q is none; it is like 64KiB/s or 1MB/s", clean(word)).
					WithHint("for example:  raftlab throttle 3 64KiB/s")
			}
			burst := int64(0)
			if c.IsSet("burst") {
				if burst, ok = parseSize(c.String("burst")); !ok || burst == 0 {
					return usageErrorf("--burst wants a size like 64KiB, not %q", clean(c.String("burst")))
				}
			}
			return c.doFault(netlab.Op{Bytes: rate, Burst: float64(burst)}, args[:len(args)-1])
		},
	})
}
