package cmd

import (
	"strconv"
	"strings"

	"github.com/raftlab/raftlab/netlab"
)

func speedVerb() *verb {
	return &verb{
		name: "speed", args: "RATE", usage: "Run the lab clock faster or slower than real time", category: categoryClock, dry: true,
		min: 1, max: 1, key: "[ and ]",
		about: `Timers, delays and every other length of lab time follow. 1 is real time.`,
		examples: []example{
			{"raftlab speed 0.01", "a hundred times slower: messages can be watched"},
			{"raftlab speed 1", "real time"},
		},
		run: func(c *call) error {
			word := c.Args().First()
			rate, err := strconv.ParseFloat(strings.TrimSuffix(word, "x"), 64)
			if err != nil {
				return usageErrorf("%q is no rate; it is a number like 0.1, 1 or 2", clean(word)).WithHint("%s", hintUsage(c.verb))
			}
			if !(rate >= netlab.SpeedMin && rate <= netlab.SpeedMax) {
				e := usageErrorf("the lab clock runs at %g to %g times real time, not %s", float64(netlab.SpeedMin), float64(netlab.SpeedMax), word)
				if rate == 0 {
					return e.WithHint("to stop it:  raftlab hold")
				}
				return e.WithHint("raftlab speed 0.1")
			}
			return c.do(netlab.Op{Verb: "speed", Rate: rate})
		},
	}
}
