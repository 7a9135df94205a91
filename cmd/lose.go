package cmd

import (
	"strconv"
	"strings"

	"github.com/raftlab/raftlab/netlab"
)

func loseVerb() *verb {
	return &verb{
		name: "lose", args: "LINKS PERCENT", usage: "Lose a share of the messages on links", category: categoryNet, dry: true,
		min: 2, max: 4, words: []word{wordLink}, key: "o",
		about: `Which messages are lost follows from the lab's seed and each message's number on
its link. 0 takes the loss away.`,
		examples: []example{
			{"raftlab lose all 10", "every tenth message, everywhere"},
			{"raftlab lose 2 to 4 50%", "half of what S2 sends to S4"},
			{"raftlab lose all 0", "no loss"},
		},
		run: func(c *call) error {
			args := c.Args().Slice()
			word := args[len(args)-1]
			percent, err := strconv.ParseFloat(strings.TrimSuffix(word, "%"), 64)
			if err != nil || !(percent >= 0 && percent <= 100) {
				return usageErrorf("the last word is the loss in percent, 0 to 100, and %q is not that", clean(word)).
					WithHint("for example:  raftlab lose 2 to 4 50")
			}
			links, err := linkWords(args[:len(args)-1])
			if err != nil {
				return err
			}
			return c.do(netlab.Op{Verb: "lose", Links: links, Loss: percent / 100})
		},
	}
}
