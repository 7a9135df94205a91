package cmd

import (
	"errors"
	"io/fs"
	"os"

	"github.com/raftlab/raftlab/netlab"
)

func runVerb() *verb {
	return &verb{
		name: "run", args: "FILE.lab", usage: "Play a scenario file", category: categoryScript,
		min: 1, max: 1, words: []word{wordFile}, flags: scenarioFlags(), terminal: true,
		about: `A scenario holds lines of this command line without "raftlab", and
  say TEXT              tell the reader something
  sleep D               let lab time pass
  expect COND ...       fail unless it holds: exit code 6
  ! LINE                LINE must fail
  try LINE              LINE may fail
  # ...                 a comment
It runs in a lab of its own, run-NAME, which ends with it. All lines are checked
before the first one runs.
With --tui what is said stands above the footer and the lab clock is held while
it is read; space goes on at once.

With --sim its labs are simulated, and sleep, wait and expect pass virtual time,
as fast as the machine can. The same lines with the same --seed of up give the
same events each time. A scenario that cannot do without processes says so in a
comment, # needs: processes, WHY.`,
		examples: []example{
			{"raftlab run examples/leader-crash.lab", "play it and show each line"},
			{"raftlab run my.lab --tui", "watch it, with time to read what is said"},
			{"raftlab run my.lab --keep", "leave its lab running to look at"},
			{"raftlab run my.lab --sim", "minutes of lab time in seconds, the same each time"},
		},
		run: func(c *call) error {
			name := c.Args().First()
			f, err := os.Open(name)
			if errors.Is(err, fs.ErrNotExist) {
				return netlab.Errorf(netlab.ExitFailed, "there is no file %s", quoteWord(name)).WithHint("built-in scenarios:  raftlab demo --list")
			}
			if err != nil {
				return err
			}
			defer f.Close()
			s, err := parseScenario(name, f)
			if err != nil {
				return err
			}
			return play(c, s, ownLabName("run-", scenarioName(name)))
		},
	}
}
