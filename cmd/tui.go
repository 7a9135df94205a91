package cmd

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/script"
	"github.com/raftlab/raftlab/tui"
	"github.com/urfave/cli/v2"
)

func tuiVerb() *verb {
	return &verb{
		name: "tui", usage: "Watch and steer a lab in the terminal", category: categoryWatch, terminal: true,
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "read-only", Usage: "refuse everything that acts on the lab"},
			&cli.IntFlag{Name: "fps", Usage: "`N` frames a second; RAFTLAB_FPS sets it too", DefaultText: "15, over SSH 5"},
			&cli.StringFlag{Name: "motion", Usage: "`HOW` what moves: full, less or none; RAFTLAB_MOTION sets it too", DefaultText: "full"},
			&cli.BoolFlag{Name: "ascii", Usage: "draw with ASCII only; RAFTLAB_ASCII sets it too"},
		},
		about: `? shows all keys, : takes the words of this command line, q leaves. Leaving does
not stop the lab.`,
		examples: []example{{"raftlab tui", "the lab named default, or RAFTLAB_LAB"}, {"raftlab tui --motion none", "calm, for slow connections"}},
		run: func(c *call) error {
			if _, err := tuiLook(c); err != nil {
				return err
			}
			if err := terminalFor(c); err != nil {
				return err
			}
			client, err := c.lab()
			if err != nil {
				return err
			}
			return runTUI(c, client)
		},
	}
}

// terminalFor says why the terminal UI cannot run here, nil when it can.
func terminalFor(c *call) error {
	why := ""
	stdin, isFile := c.sh.stdin.(*os.File)
	switch {
	case !isTerminal(c.sh.stdout):
		why = "stdout is none"
	case !isFile || !isTerminal(stdin):
		why = "stdin is none"
	case os.Getenv("TERM") == "dumb":
		why = "TERM=dumb cannot be drawn on"
	default:
		return nil
	}
	return netlab.Errorf(netlab.ExitFailed, "the terminal UI needs a terminal, and %s", why).
		WithHint("without one:  raftlab status --watch        raftlab events -f")
}

// look is how the terminal UI is to be drawn.
type look struct {
	readOnly, ascii bool
	fps             int
	motion          tui.Motion
	color           tui.Color
}

// tuiLook takes flags first, then the environment.
func tuiLook(c *call) (look, error) {
	l := look{readOnly: c.Bool("read-only"), ascii: c.Bool("ascii") || isTrue(os.Getenv("RAFTLAB_ASCII"))}
	if c.String("color") == "never" {
		l.color = tui.ColorNone
	}
	fps, origin := "", "--fps"
	if c.IsSet("fps") {
		fps = strconv.Itoa(c.Int("fps"))
	} else if env := os.Getenv("RAFTLAB_FPS"); env != "" {
		fps, origin = env, "RAFTLAB_FPS"
	}
	if fps != "" {
		n, err := strconv.Atoi(fps)
		if err != nil || n < 1 || n > 60 {
			return l, usageErrorf("%s is 1 to 60 frames a second, not %q", origin, clean(fps))
		}
		l.fps = n
	}
	motion, origin := c.String("motion"), "--motion"
	if !c.IsSet("motion") {
		motion, origin = os.Getenv("RAFTLAB_MOTION"), "RAFTLAB_MOTION"
	}
	switch motion {
	case "", "full":
		l.motion = tui.MotionFull
	case "less":
		l.motion = tui.MotionLess
	case "none":
		l.motion = tui.MotionNone
	default:
		return l, usageErrorf("%s is full, less or none, not %q", origin, clean(motion))
	}
	return l, nil
}

func isTrue(s string) bool { return s != "" && s != "0" && s != "false" }

// runTUI shows the lab until the reader leaves.
func runTUI(c *call, client *netlab.Client) error {
	l, err := tuiLook(c)
	if err != nil {
		return err
	}
	lab := c.labName()
	options := tui.Options{
		Lab: lab, Source: client,
		Exec:     func(ctx context.Context, line string) (tui.Result, error) { return execLine(ctx, lab, line) },
		Complete: func(line string) []string { return completeLine(c.Context.Context, lab, line) },
		Preview:  preview,
		Passing:  c.named != "", ReadOnly: l.readOnly, ASCII: l.ascii, Color: l.color, FPS: l.fps, Motion: l.motion,
		Version: netlab.Version(),
	}
	for _, v := range verbs() {
		if !v.hidden && !v.terminal {
			options.Verbs = append(options.Verbs, tui.Verb{Name: v.name, Usage: v.usage, Args: v.args})
		}
	}
	return tui.Run(c.Context.Context, options)
}

// execLine runs a line of the palette in a lab and returns what it printed.
// Nothing of it reaches the terminal.
func execLine(ctx context.Context, lab, line string) (tui.Result, error) {
	words, err := script.Split(line)
	if err != nil {
		return tui.Result{}, usageErrorf("%v", err)
	}
	if len(words) > 0 && words[0] == "raftlab" {
		words = words[1:]
	}
	if len(words) == 0 {
		return tui.Result{}, nil
	}
	var out, notes bytes.Buffer
	sh := &shell{stdin: strings.NewReader(""), stdout: &out, stderr: &notes, lab: lab, embedded: true, typed: "raftlab " + quoteWords(words)}
	if err := sh.exec(ctx, words); err != nil {
		return tui.Result{Out: out.String(), Notes: notes.String()}, userError(err)
	}
	return tui.Result{Out: out.String(), Notes: notes.String()}, nil
}

// completeLine returns what the last word of a palette line may become.
func completeLine(ctx context.Context, lab, line string) []string {
	words, err := script.Split(line)
	if err != nil {
		return nil // a quote is still open
	}
	if line == "" || strings.HasSuffix(line, " ") {
		words = append(words, "")
	}
	var out []string
	for _, cand := range completeWords(ctx, lab, words) {
		out = append(out, cand.word)
	}
	return out
}
