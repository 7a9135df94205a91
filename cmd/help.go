package cmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// The categories, in the order help shows them.
const (
	categoryLab     = "The lab"
	categoryWatch   = "Watch"
	categoryNodes   = "Nodes"
	categoryMembers = "The members"
	categoryClock   = "The lab clock"
	categoryNet     = "The network"
	categoryData    = "Data"
	categoryScript  = "Scenarios"
	categoryTool    = "The tool"
)

func categories() []string {
	return []string{categoryLab, categoryWatch, categoryNodes, categoryMembers, categoryClock, categoryNet, categoryData, categoryScript, categoryTool}
}

func helpVerb() *verb {
	return &verb{
		name: "help", args: "[COMMAND]", usage: "Show what a command does, with examples", category: categoryTool,
		max: 2, words: []word{wordVerb},
		examples: []example{
			{"raftlab help", "all commands, a line each"},
			{"raftlab help partition", "one command in full; raftlab partition --help is the same"},
		},
		run: func(c *call) error {
			level, v := verbs(), (*verb)(nil)
			for _, name := range c.Args().Slice() {
				next, err := findVerb(level, v, name)
				if err != nil {
					return err
				}
				v, level = next, next.subs
			}
			if v == nil {
				return printHelp(c)
			}
			return printVerbHelp(c, v)
		},
	}
}

// printHelp lists all verbs.
func printHelp(c *call) error {
	var b strings.Builder
	b.WriteString(`raftlab runs a Raft cluster of real processes on this machine and lets you break it.

  raftlab up -n 5          start a lab of five nodes in the background
  raftlab partition 2 4    cut nodes 2 and 4 off from the others
  raftlab tui              watch and steer it
  raftlab down             end it
`)
	all := verbs()
	for _, category := range categories() {
		fmt.Fprintf(&b, "\n%s:\n", category)
		for _, v := range all {
			if v.category == category && !v.hidden {
				fmt.Fprintf(&b, "  %-11s %s\n", v.name, v.usage)
			}
		}
	}
	b.WriteString(`
NODE is 3, S3, leader, followers, learners, dead, random or all. LINKS is A B (both
ways), A to B (one way), A (all links of A) or all. A SIDE is nodes; / stands
between two sides.
Every command: --lab NAME  -o table|json|jsonl|name  --json  -q  --color auto|always|never  -v
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such lab, 4 conflict, 5 timed out, 6 a check failed.
More on one: raftlab help COMMAND
`)
	_, err := io.WriteString(c.sh.stdout, b.String())
	return err
}

// printVerbHelp shows one verb in full.
func printVerbHelp(c *call, v *verb) error {
	_, err := io.WriteString(c.sh.stdout, verbHelp(v))
	return err
}

func verbHelp(v *verb) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n  %s%s\n", v.usage, v.synopsis(), ifAny(v.flags, " [flags]"))
	if v.about != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(v.about))
	}
	if len(v.subs) > 0 {
		b.WriteString("\n")
		for _, s := range v.subs {
			fmt.Fprintf(&b, "  %-11s %s\n", s.name, s.usage)
		}
	}
	if len(v.examples) > 0 {
		b.WriteString("\nExamples:\n")
		width := 0
		for _, e := range v.examples {
			width = max(width, len(e.line))
		}
		for _, e := range v.examples {
			fmt.Fprintf(&b, "  %-*s  %s\n", width, e.line, e.does)
		}
	}
	if v.key != "" {
		fmt.Fprintf(&b, "\nIn the terminal UI: %s\n", v.key)
	}
	writeFlags(&b, "\nFlags:\n", v.flags)
	writeFlags(&b, "\nFlags of every command:\n", sharedFlags())
	return b.String()
}

func ifAny(flags []cli.Flag, s string) string {
	for _, f := range flags {
		if !isHidden(f) {
			return s
		}
	}
	return ""
}

// writeFlags lists flags with their values, meanings and defaults.
func writeFlags(b *strings.Builder, title string, flags []cli.Flag) {
	var rows [][2]string
	width := 0
	for _, f := range flags {
		if isHidden(f) {
			continue
		}
		left := ""
		for _, n := range f.Names() {
			if len(n) == 1 {
				left = "-" + n + ", "
			}
		}
		if left == "" {
			left = "    "
		}
		if n := f.Names()[0]; len(n) > 1 {
			left += "--" + n
		} else {
			left = strings.TrimSuffix(left, ", ")
		}
		if p := flagPlaceholder(f); p != "" {
			left += " " + p
		}
		right := flagUsage(f)
		if d := flagDefault(f); d != "" {
			right += " (default " + d + ")"
		}
		rows = append(rows, [2]string{left, right})
		width = max(width, len(left))
	}
	if len(rows) == 0 {
		return
	}
	b.WriteString(title)
	for _, r := range rows {
		fmt.Fprintf(b, "  %-*s  %s\n", width, r[0], r[1])
	}
}

// flagPlaceholder is the word between backquotes in a flag's usage.
func flagPlaceholder(f cli.Flag) string {
	if !takesValue(f) {
		return ""
	}
	parts := strings.SplitN(f.(cli.DocGenerationFlag).GetUsage(), "`", 3)
	if len(parts) == 3 {
		return parts[1]
	}
	return "VALUE"
}

// flagUsage is what a flag does: its usage behind the placeholder.
func flagUsage(f cli.Flag) string {
	usage := f.(cli.DocGenerationFlag).GetUsage()
	if parts := strings.SplitN(usage, "`", 3); len(parts) == 3 && parts[0] == "" {
		return strings.TrimSpace(parts[2])
	}
	return usage
}

func flagDefault(f cli.Flag) string {
	switch f := f.(type) {
	case *cli.BoolFlag:
		return ""
	case *cli.StringFlag:
		if f.DefaultText != "" {
			return f.DefaultText
		}
		return f.Value
	case *cli.IntFlag:
		if f.Value == 0 {
			return f.DefaultText
		}
	case *cli.DurationFlag:
		if f.DefaultText != "" {
			return f.DefaultText
		}
		if f.Value == 0 {
			return ""
		}
		return shortDuration(f.Value)
	}
	return f.(cli.DocGenerationFlag).GetDefaultText()
}
