package cmd

import (
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

func expectVerb() *verb {
	return &verb{
		name: "expect", args: "COND [within D | for D]", usage: "Fail unless a condition holds: exit code 6", category: categoryWatch, dry: true,
		min: 1, max: -1, words: []word{wordCond},
		about: `Without more it must hold now; within D it must come true, for D it must stay
true. D is lab time.

` + condAbout,
		examples: []example{
			{"raftlab expect 'leader == 3'", "now"},
			{"raftlab expect converged within 2s", "comes true"},
			{"raftlab expect 'leader == 1' for 1s", "stays true"},
		},
		run: func(c *call) error {
			w, err := parseExpect(c.Args().Slice())
			if err != nil {
				return err
			}
			res, err := c.judge(w)
			if err != nil {
				return err
			}
			if !res.Holds {
				return netlab.Errorf(netlab.ExitCheck, "expected %s; seen: %s", clean(strings.Join(c.Args().Slice(), " ")), clean(seen(res))).
					WithHint("see why:  raftlab status        raftlab events")
			}
			return c.printJudged(w.Cond, res)
		},
	}
}

// parseExpect splits COND [within D | for D].
func parseExpect(args []string) (netlab.Wait, error) {
	w := netlab.Wait{Cond: strings.Join(args, " ")}
	words := strings.Fields(w.Cond)
	if len(words) < 3 {
		return w, nil
	}
	last, word := words[len(words)-1], words[len(words)-2]
	if word != "within" && word != "for" {
		return w, nil
	}
	d, err := time.ParseDuration(last)
	if err != nil || d <= 0 {
		return w, usageErrorf("%s wants a length of lab time like 500ms or 2s, not %q", word, clean(last)).
			WithHint("for example:  raftlab expect converged within 2s")
	}
	w.Cond = strings.TrimSpace(w.Cond[:strings.LastIndex(w.Cond, word)])
	if word == "within" {
		w.Within = d
	} else {
		w.For = d
	}
	return w, nil
}
