package cmd

import (
	"github.com/urfave/cli/v2"
)

// A verb is one row of the table in verbs.go.
type verb struct {
	name     string
	args     string // as help shows them: "NODE.."
	usage    string // one line, no full stop
	category string
	about    string // what one line cannot say; paragraphs, wrapped by hand
	examples []example
	flags    []cli.Flag // beside the shared ones
	subs     []*verb
	key      string // what the terminal UI's key for it is, if it has one

	min, max int    // how many arguments it takes; max < 0: any number
	words    []word // what each argument is; the last one stands for all that follow

	hidden    bool
	terminal  bool // needs a terminal or a process of its own: not for scenario lines and the palette
	dry       bool // run does nothing before it connects to the lab, so a line can be checked by running it that far
	run       func(*call) error
	fullTitle string // "bench load", set for subs
}

// An example is a line that works, and what it does.
type example struct{ line, does string }

// A word says what an argument is, which is how it is completed.
type word int

const (
	wordAny word = iota
	wordNode
	wordNewNode
	wordNodeOrDisk
	wordNodeOrClock
	wordSide
	wordLink
	wordLinkOrFault
	wordFrame
	wordFrameAction
	wordCond
	wordBreak
	wordKey
	wordVerb
	wordDemo
	wordFile
	wordShell
	wordStop
)

// title is the verb as it is typed.
func (v *verb) title() string {
	if v.fullTitle != "" {
		return v.fullTitle
	}
	return v.name
}

// synopsis is the verb with its arguments, as usage lines show it.
func (v *verb) synopsis() string {
	s := "raftlab " + v.title()
	if v.args != "" {
		s += " " + v.args
	}
	return s
}

// word says what argument i is.
func (v *verb) word(i int) word {
	if len(v.words) == 0 {
		return wordAny
	}
	return v.words[min(i, len(v.words)-1)]
}

// find returns the verb of that name, or nil.
func find(verbs []*verb, name string) *verb {
	for _, v := range verbs {
		if v.name == name {
			return v
		}
	}
	return nil
}

// command turns a verb into what the command-line library runs. The words it
// is given have been ordered by parseLine.
func (sh *shell) command(v *verb, typed string) *cli.Command {
	c := &cli.Command{
		Name:            v.name,
		Usage:           v.usage,
		ArgsUsage:       v.args,
		Category:        v.category,
		Hidden:          v.hidden,
		Flags:           append(append([]cli.Flag{}, v.flags...), sharedFlags()...),
		HideHelp:        true, // a command named h would take the word h from every verb
		HideHelpCommand: true,
		OnUsageError:    func(_ *cli.Context, err error, _ bool) error { return badValue(v, err) },
		Action:          func(c *cli.Context) error { return sh.act(c, v, typed) },
	}
	for _, sub := range v.subs {
		c.Subcommands = append(c.Subcommands, sh.command(sub, typed))
	}
	return c
}

// sharedFlags are on every command.
func sharedFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "lab", Usage: "`NAME` which lab; RAFTLAB_LAB sets it for many commands", DefaultText: "default"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FORMAT` table, json, jsonl or name; RAFTLAB_OUTPUT sets it for many commands", DefaultText: "table"},
		&cli.BoolFlag{Name: "json", Usage: "the same as -o json"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no talk; of data the names only"},
		&cli.StringFlag{Name: "color", Usage: "`WHEN` auto, always or never", Value: "auto"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "say more"},
		&cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show this"},
	}
}
