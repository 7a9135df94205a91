package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

// Run runs one command line: args are the words after the program's name. It
// prints to stdout and stderr and returns the exit code (DESIGN §9).
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	sh := &shell{stdin: stdin, stdout: stdout, stderr: stderr, lab: os.Getenv("RAFTLAB_LAB"), output: os.Getenv("RAFTLAB_OUTPUT")}
	return sh.run(ctx, args)
}

// A shell is one way into the table of verbs: a process's command line, the
// lines of one scenario, or one line of the terminal UI's palette.
type shell struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lab            string          // of lines that name none; "" is "default"
	output         string          // the format of lines that name none; "" is table
	seed           uint64          // of labs that lines start and that name none; 0: each draws one
	driven         bool            // labs that lines start are simulated, and time passes as lines want it
	embedded       bool            // lines come from a scenario or the palette, not from a terminal
	dry            bool            // only check lines: stop where a verb turns to the lab
	typed          string          // the line as its writer typed it, when that is not args
	taken          func(netlab.Op) // takes what a line would ask the lab for; nil: the lab is asked
}

// errDry ends a dry run: nothing is wrong with the line.
var errDry = errors.New("not run")

// run executes a line and reports its error as people and scripts expect it.
func (sh *shell) run(ctx context.Context, args []string) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := &watchedWriter{w: sh.stdout, failed: func(err error) {
		if errors.Is(err, syscall.EPIPE) {
			cancel(signalled{sigpipe}) // nobody reads: what is still to do has no use
		}
	}}
	inner := *sh
	inner.stdout = out
	err := inner.exec(ctx, args)
	if err == nil {
		err = out.err
	}
	if err == nil {
		return 0
	}
	if errors.Is(err, syscall.EPIPE) {
		// Whoever read the output has gone, as head does: the code is as if
		// SIGPIPE had ended the process.
		return signalled{sigpipe}.exitCode()
	}
	if s := new(signalled); errors.As(err, s) {
		return s.exitCode()
	}
	if s, ok := endedBy(ctx); ok {
		return s.exitCode()
	}
	e := userError(err)
	printError(sh.stderr, e, wantsJSON(args, sh.output))
	return e.Code
}

// interruption tells whether err only says that a context ended.
func interruption(err error) bool {
	return errors.Is(err, context.Canceled) || errors.As(err, new(signalled))
}

// exec executes a line: finds the verb, orders the words, runs it.
func (sh *shell) exec(ctx context.Context, args []string) error {
	all := verbs()
	l, err := parseLine(all, args)
	if err != nil {
		return err
	}
	typed := sh.typed
	if typed == "" {
		typed = "raftlab " + quoteWords(args)
	}
	app := &cli.App{
		Name:            "raftlab",
		Reader:          sh.stdin,
		Writer:          sh.stdout,
		ErrWriter:       sh.stderr,
		HideHelp:        true,
		HideHelpCommand: true,
		HideVersion:     true,
		ExitErrHandler:  func(*cli.Context, error) {}, // main alone exits
		CommandNotFound: func(c *cli.Context, name string) {
			panic("verb " + name + " passed parseLine and is not in the tree")
		},
		Commands: []*cli.Command{sh.command(l.root, typed)},
	}
	return app.RunContext(ctx, append([]string{"raftlab"}, l.words()...))
}

// act is what every verb does before and after its own work.
func (sh *shell) act(c *cli.Context, v *verb, typed string) error {
	call := &call{Context: c, sh: sh, verb: v, line: typed}
	if err := call.settle(); err != nil {
		return err
	}
	if v.run == nil {
		return usageErrorf("%s needs one of: %s", v.title(), strings.Join(names(v.subs), ", ")).WithHint("raftlab help %s", v.title())
	}
	if v.terminal && sh.embedded {
		return usageErrorf("%s works on the command line only, not inside a scenario or the palette", v.title())
	}
	if err := countArgs(v, c.Args().Slice()); err != nil {
		return err
	}
	if sh.dry && !v.dry {
		return errDry
	}
	err := v.run(call)
	if call.client != nil {
		if cerr := call.client.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("leave the lab: %w", cerr)
		}
	}
	return err
}

// countArgs holds a verb to the number of arguments it takes.
func countArgs(v *verb, args []string) error {
	switch {
	case len(args) < v.min:
		return usageErrorf("%s needs %s", v.title(), v.args).WithHint("%s", hintUsage(v))
	case v.max >= 0 && len(args) > v.max:
		if v.max == 0 {
			return usageErrorf("%s takes no arguments, got %s", v.title(), quoteWords(args)).WithHint("%s", hintUsage(v))
		}
		return usageErrorf("%s takes %s, so %s is too much", v.title(), v.args, quoteWords(args[v.max:])).WithHint("%s", hintUsage(v))
	}
	return nil
}

// A call is one run of one verb.
type call struct {
	*cli.Context
	sh   *shell
	verb *verb
	line string // as typed, for events

	format format
	style  style
	client *netlab.Client
	named  string // the lab, when neither flags nor environment decide
}

// settle works out from flags and environment how to print.
func (c *call) settle() error {
	f := c.sh.output
	if c.IsSet("output") {
		f = c.String("output")
	}
	if c.Bool("json") {
		f = "json"
	}
	var err error
	if c.format, err = parseFormat(f); err != nil {
		return err
	}
	c.style, err = parseStyle(c.String("color"), c.sh.stdout)
	return err
}

// quiet tells whether to leave out the talk.
func (c *call) quiet() bool { return c.Bool("quiet") }

// talk writes a line for people to stderr, unless they asked for quiet.
func (c *call) talk(format string, args ...any) {
	if !c.quiet() {
		fmt.Fprintf(c.sh.stderr, format+"\n", args...)
	}
}

// labName is the lab this call is about.
func (c *call) labName() string {
	if c.named != "" {
		return c.named
	}
	if c.IsSet("lab") {
		return c.String("lab")
	}
	if c.sh.lab != "" {
		return c.sh.lab
	}
	return "default"
}

// lab connects to the lab. It is closed when the verb is done.
func (c *call) lab() (*netlab.Client, error) {
	if c.client != nil {
		return c.client, nil
	}
	if c.sh.dry {
		return nil, errDry
	}
	home, err := netlab.Home()
	if err != nil {
		return nil, err
	}
	c.client, err = netlab.Connect(home, c.labName())
	return c.client, err
}

// watchedWriter remembers and tells the first error of its writer, so that
// output that nobody could receive is not reported as success.
type watchedWriter struct {
	w      io.Writer
	err    error
	failed func(error)
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("write the output: %w", err)
		w.failed(err)
	}
	return n, err
}

// Unwrap gives the writer below, for those who ask what it is.
func (w *watchedWriter) Unwrap() io.Writer { return w.w }

// quoteWords joins words to a line that a POSIX shell reads as the same words.
func quoteWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quoteWord(w)
	}
	return strings.Join(quoted, " ")
}

const plainRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,:=@%+~"

func quoteWord(w string) string {
	if w != "" && strings.Trim(w, plainRunes) == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

func names(verbs []*verb) []string {
	var s []string
	for _, v := range verbs {
		if !v.hidden {
			s = append(s, v.name)
		}
	}
	return s
}
