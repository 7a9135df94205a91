package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/cond"
	"github.com/raftlab/raftlab/netlab/script"
	"github.com/raftlab/raftlab/tui"
	"github.com/urfave/cli/v2"
)

// scenarioFlags are on run and demo.
func scenarioFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "keep", Usage: "leave the lab running at the end"},
		&cli.BoolFlag{Name: "tui", Usage: "watch it in the terminal UI"},
		&cli.Uint64Flag{Name: "seed", Usage: "`NUMBER` what labs start from whose up line names no seed", DefaultText: "drawn"},
		&cli.BoolFlag{Name: "sim", Usage: "play it in a simulated lab: its time passes as fast as the machine can"},
	}
}

// play runs a scenario in a lab of its own, named after it, unless --lab names
// one. What an earlier run left there is replaced; at the end the lab goes,
// unless it was there before or --keep is given.
func play(c *call, s *script.Script, ownLab string) (err error) {
	st := &stage{c: c, lab: ownLab}
	if c.IsSet("lab") {
		st.lab = c.labName()
	}
	if err := netlab.CheckName(st.lab); err != nil {
		return err
	}
	if n := s.Needs; c.Bool("sim") && n != nil {
		why := ""
		if n.Why != "" {
			why = ": " + clean(n.Why)
		}
		return usageErrorf("%s: line %d: the scenario needs a lab of processes%s", clean(s.Name), n.Line, why).
			WithHint("%s plays it without --sim", c.verb.synopsisOf(c.Args().First()))
	}
	if c.Bool("tui") {
		if err := terminalFor(c); err != nil {
			return err
		}
	}
	if st.seed = c.Uint64("seed"); st.seed == 0 && c.Bool("sim") {
		st.seed = rand.Uint64N(1e9) + 1 // so that it can be played again
	}
	home, err := netlab.Home()
	if err != nil {
		return err
	}
	labs, err := netlab.List(home)
	if err != nil {
		return err
	}
	left := keepLab(labs, st.lab)
	if len(left) > 0 && !c.IsSet("lab") {
		if err := endLab(c, home, left[0]); err != nil {
			return fmt.Errorf("end lab %s, left by an earlier run: %w", st.lab, err)
		}
		left = nil
	}
	if !c.Bool("keep") && len(left) == 0 {
		defer func() {
			if derr := st.takeDown(home); derr != nil && err == nil {
				err = derr
			}
		}()
	}
	begin := time.Now()
	if c.Bool("tui") {
		err = st.playBeside(s)
	} else {
		err = script.Run(c.Context.Context, s, st, st.announce)
	}
	return st.report(s, err, time.Since(begin))
}

// A stage runs the lines of a scenario in one lab and prints what happens.
type stage struct {
	c    *call
	lab  string
	seed uint64 // of labs that name none, 0 when they draw one each
	last script.Line
	done int
	left bool // the reader went before the end
	mute bool // the terminal UI has the terminal, and a reader who needs time
}

// transcript is where the course of the scenario goes: it is what people run
// it for; scripts that ask for JSON get the outcome on stdout instead.
func (st *stage) transcript() io.Writer {
	switch {
	case st.mute || st.c.format == formatName:
		return io.Discard
	case st.c.format != formatTable:
		return st.c.sh.stderr
	}
	return st.c.sh.stdout
}

// announce shows a line before it runs. What is said shows itself.
func (st *stage) announce(l script.Line) {
	st.last = l
	st.done++
	if l.Args[0] != "say" && !st.c.quiet() {
		fmt.Fprintln(st.transcript(), st.c.style.dim("> "+clean(l.Text)))
	}
}

// Exec runs one line of the command line.
func (st *stage) Exec(ctx context.Context, args []string) error {
	var out bytes.Buffer
	sh := &shell{
		stdin: strings.NewReader(""), stdout: &out, stderr: io.Discard,
		lab: st.lab, embedded: true, driven: st.c.Bool("sim"), seed: st.seed,
	}
	err := sh.exec(ctx, args)
	if !st.c.quiet() {
		for line := range strings.Lines(out.String()) {
			if _, werr := fmt.Fprintln(st.transcript(), "  "+strings.TrimRight(line, "\n")); werr != nil {
				return werr
			}
		}
	}
	if told := new(netlab.Error); errors.As(err, &told) && (st.last.Fails || st.last.May) && told.Code != netlab.ExitUsage && !st.c.quiet() {
		how := "fails, as it must"
		if st.last.May {
			how = "fails, as it may"
		}
		_, werr := fmt.Fprintf(st.transcript(), "  %s: %s\n", how, clean(told.Message))
		return errors.Join(err, werr)
	}
	return err
}

// Say prints text and makes it an event of the lab, if that is up yet.
func (st *stage) Say(ctx context.Context, text string) error {
	if _, err := fmt.Fprintln(st.transcript(), st.c.style.bold(clean(text))); err != nil {
		return err
	}
	err := st.ask(func(lab *netlab.Client) error {
		if _, err := lab.Do(ctx, netlab.Op{Verb: "note", Text: text}); err != nil || !st.mute {
			return err
		}
		return hush(ctx, lab, tui.ReadingTime(text))
	})
	if told := new(netlab.Error); errors.As(err, &told) && told.Code == netlab.ExitNoLab {
		return nil // said before `up` or after `down`: only the reader hears it
	}
	return err
}

// hush holds the lab clock while somebody reads, so that nothing is missed. It
// ends early when the clock is released by hand. A clock that is held anyway
// stays so.
func hush(ctx context.Context, lab *netlab.Client, length time.Duration) error {
	s, err := lab.Status(ctx)
	if err != nil {
		return err
	}
	if !s.Clock.Held {
		if _, err := lab.Do(ctx, netlab.Op{Verb: "hold"}); err != nil {
			return err
		}
	}
	end := time.NewTimer(length)
	defer end.Stop()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
			if now, err := lab.Status(ctx); err != nil || !now.Clock.Held {
				return err
			}
		case <-end.C:
			if s.Clock.Held {
				return nil
			}
			_, err := lab.Do(ctx, netlab.Op{Verb: "release"})
			return err
		}
	}
}

// Sleep lets lab time pass.
func (st *stage) Sleep(ctx context.Context, d time.Duration) error {
	return st.ask(func(lab *netlab.Client) error {
		s, err := lab.Status(ctx)
		if err != nil {
			return err
		}
		if s.Clock.Held {
			return netlab.Errorf(netlab.ExitConflict, "the lab clock is held, so no time passes to sleep").WithHint("put a line `release` before it")
		}
		_, err = lab.Wait(ctx, netlab.Wait{Cond: "true", For: d})
		return err
	})
}

// ask runs fn with a client of the scenario's lab.
func (st *stage) ask(fn func(*netlab.Client) error) error {
	home, err := netlab.Home()
	if err != nil {
		return err
	}
	client, err := netlab.Connect(home, st.lab)
	if err != nil {
		return err
	}
	defer client.Close()
	return fn(client)
}

// takeDown ends the scenario's lab, also after an interrupt.
func (st *stage) takeDown(home string) error {
	labs, err := netlab.List(home)
	if err != nil {
		return err
	}
	for _, info := range keepLab(labs, st.lab) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(st.c.Context.Context), downTimeout)
		defer cancel()
		return endLabIn(ctx, home, info, false)
	}
	return nil
}

// outcome is what -o json tells of a scenario.
type outcome struct {
	Schema string  `json:"schema"`
	File   string  `json:"file"`
	Title  string  `json:"title"`
	Lab    string  `json:"lab"`
	Passed bool    `json:"passed"`
	Lines  int     `json:"lines"` // that ran
	Line   int     `json:"line,omitempty"`
	Error  string  `json:"error,omitempty"`
	TookMS float64 `json:"took_ms"`
}

// report says how the scenario came out, and words its failure: file, line,
// what was expected, what was seen.
func (st *stage) report(s *script.Script, err error, took time.Duration) error {
	c := st.c
	if st.left || err != nil && c.Context.Context.Err() != nil {
		return err
	}
	var failure *script.Failure
	if errors.As(err, &failure) {
		cause := userError(failure.Err)
		hint := cause.Hint
		if c.Bool("sim") && !c.IsSet("seed") {
			hint = strings.TrimPrefix(hint+fmt.Sprintf("\nthe same again:  %s --sim --seed %d", c.verb.synopsisOf(c.Args().First()), st.seed), "\n")
		}
		if !c.Bool("keep") && !c.IsSet("lab") {
			hint = strings.TrimPrefix(hint+"\nto look at the lab afterwards:  "+c.verb.synopsisOf(c.Args().First())+" --keep", "\n")
		}
		err = &netlab.Error{Code: cause.Code, Hint: hint,
			Message: fmt.Sprintf("%s:%d: %s: %s", failure.File, failure.Line.Number, clean(failure.Line.Text), cause.Message)}
	}
	if c.format == formatJSON || c.format == formatJSONL {
		o := outcome{
			Schema: "raftlab.run/1", File: s.Name, Title: s.Title, Lab: st.lab, Passed: err == nil,
			Lines: st.done, TookMS: float64(took.Microseconds()) / 1000,
		}
		if err != nil {
			o.Line, o.Error = st.last.Number, err.Error()
		}
		write := writeJSON
		if c.format == formatJSONL {
			write = writeJSONLine
		}
		return errors.Join(err, write(c.sh.stdout, o))
	}
	if err == nil && c.format == formatTable && !c.quiet() {
		_, err = fmt.Fprintf(c.sh.stdout, "%s: all as expected, %s in %.1f s\n", scenarioName(s.Name), plural(st.done, "line"), took.Seconds())
	}
	return err
}

// synopsisOf is the verb with one argument, as it would be typed.
func (v *verb) synopsisOf(arg string) string { return "raftlab " + v.title() + " " + quoteWord(arg) }

// scenarioName is a scenario file's name without folder and ending.
func scenarioName(file string) string {
	return strings.TrimSuffix(filepath.Base(file), ".lab")
}

// ownLabName makes a lab's name of a scenario's, replacing what names of labs
// cannot hold.
func ownLabName(prefix, scenario string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '-'
	}, prefix+scenario)
	return name[:min(len(name), 63)]
}

// parseScenario reads a scenario and checks every line of it before any runs.
func parseScenario(name string, src io.Reader) (*script.Script, error) {
	s, err := script.Parse(name, src, checkLine)
	var wrong *script.Error
	if errors.As(err, &wrong) {
		told := usageErrorf("%v", wrong)
		if line, ok := errors.AsType[*netlab.Error](wrong.Err); ok && line.Hint != "" && line.Hint != "raftlab help" {
			return nil, told.WithHint("%s", line.Hint)
		}
		if _, ok := errors.AsType[*cond.SyntaxError](wrong.Err); ok {
			return nil, told.WithHint("%s", cond.Help)
		}
		return nil, told.WithHint("the words of a scenario are those of the command line, and say, sleep, expect, ! and try:  raftlab help")
	}
	return s, err
}

// checkLine tells what is wrong with a line of the command line without
// running it. It runs the verb up to the point where it would turn to the lab.
func checkLine(args []string) error {
	sh := &shell{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, embedded: true, dry: true}
	err := sh.exec(context.Background(), args)
	if errors.Is(err, errDry) {
		return nil
	}
	return err
}

// playBeside runs the scenario while the terminal UI shows its lab, and leaves
// the UI when the reader does. The UI shows what is said, and how it ended.
func (st *stage) playBeside(s *script.Script) error {
	c := st.c
	ctx, cancel := context.WithCancelCause(c.Context.Context)
	defer cancel(nil)
	st.mute = true
	ended := make(chan error, 1)
	up := make(chan struct{}, 1)
	go func() {
		err := script.Run(ctx, s, &upStage{stage: st, up: up}, st.announce)
		ended <- errors.Join(err, st.tellEnd(ctx, s, err))
	}()
	select {
	case err := <-ended: // it ended before there was a lab to show
		return err
	case <-up:
	}
	sh := *c.sh
	sh.lab = st.lab
	view := &call{Context: c.Context, sh: &sh, verb: c.verb, line: c.line, format: c.format, style: c.style, named: st.lab}
	client, err := view.lab()
	if err != nil {
		cancel(nil)
		return errors.Join(err, ignoreEnd(<-ended))
	}
	defer client.Close()
	uiErr := runTUI(view, client)
	select {
	case err := <-ended:
		return errors.Join(err, uiErr)
	default:
	}
	// What a line says that is broken off is no outcome.
	cancel(errLeft)
	<-ended
	st.left = true
	c.talk("left before the scenario's end, at line %d: %s", st.last.Number, clean(st.last.Text))
	return uiErr
}

// tellEnd says in the UI that the scenario is over, and how it came out.
func (st *stage) tellEnd(ctx context.Context, s *script.Script, err error) error {
	text := fmt.Sprintf("%s is over, all as expected (q leaves)", scenarioName(s.Name))
	var failure *script.Failure
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.As(err, &failure):
		text = fmt.Sprintf("%s failed at line %d: %s", scenarioName(s.Name), failure.Line.Number, userError(failure.Err).Message)
	}
	err = st.ask(func(lab *netlab.Client) error {
		_, err := lab.Do(ctx, netlab.Op{Verb: "note", Text: clean(text)})
		return err
	})
	if told := new(netlab.Error); errors.As(err, &told) && told.Code == netlab.ExitNoLab || ctx.Err() != nil {
		return nil // it ended with `down`, or the reader has left
	}
	return err
}

// errLeft is the cause when a reader leaves the UI in the middle of a scenario.
var errLeft = fmt.Errorf("the terminal UI was left: %w", context.Canceled)

// ignoreEnd drops the error that a cancelled scenario ends with.
func ignoreEnd(err error) error {
	if interruption(err) {
		return nil
	}
	return err
}

// upStage is a stage that tells when the scenario's lab is there to be shown.
type upStage struct {
	*stage
	up chan<- struct{}
}

// Exec runs the line, then signals the first `up` that worked.
func (u *upStage) Exec(ctx context.Context, args []string) error {
	err := u.stage.Exec(ctx, args)
	if err == nil && args[0] == "up" {
		select {
		case u.up <- struct{}{}:
		default:
		}
	}
	return err
}
