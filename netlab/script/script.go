// Package script reads and runs scenario files.
//
// A scenario is the lines of a command line, one a line, and a few words of
// its own:
//
//	say TEXT                          tell the audience
//	sleep D                           let D of lab time pass
//	expect COND [within D | for D]    fail unless the condition holds
//	! LINE                            LINE must fail, and not for being wrongly typed
//	try LINE                          LINE may fail, but not for being wrongly typed
//	# …                               a comment; the first one is the scenario's title
//	# needs: processes, WHY           it cannot play in a simulated lab
//
// Quotes join words as in a shell. The text of say and the conditions of wait,
// expect and break are taken as they stand.
package script

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/cond"
)

// Script is a scenario that parsed.
type Script struct {
	Name  string // the file's
	Title string // its first comment
	Lines []Line
	Needs *Need // nil when any lab will do
}

// Need is a comment that says what kind of lab a scenario needs.
type Need struct {
	Line int    // in the file
	Why  string // as it stands there; may be empty
}

// need reads a comment that is one.
func need(comment string, line int) (*Need, error) {
	what, ok := strings.CutPrefix(strings.TrimSpace(comment), "needs:")
	if !ok {
		return nil, nil
	}
	kind, why, _ := strings.Cut(what, ",")
	if strings.TrimSpace(kind) != "processes" {
		return nil, fmt.Errorf("a scenario can need processes, not %q; expected # needs: processes, WHY", strings.TrimSpace(kind))
	}
	return &Need{line, strings.TrimSpace(why)}, nil
}

// Line is one step of a scenario.
type Line struct {
	Number int    // in the file, from 1
	Text   string // as it stands there, without white space around it
	Fails  bool   // "! …": the step must fail
	May    bool   // "try …": it may fail
	Args   []string
}

// The words that a scenario has beyond the command line's.
const (
	say    = "say"
	sleep  = "sleep"
	expect = "expect"
	wait   = "wait"
	stopAt = "break"
	try    = "try"
)

// maxLine bounds a line's length in bytes.
const maxLine = 64 << 10

// Error is a line that cannot be right: where, what, and what was expected.
type Error struct {
	File   string
	Line   int
	Reason string
	Err    error // what the reason was made of: it may know the next step
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }
func (e *Error) Unwrap() error { return e.Err }

// Parse reads a whole scenario. check judges one command line without running
// it; its sentence becomes the line's. Errors are *Error, or the reader's.
func Parse(name string, src io.Reader, check func(args []string) error) (*Script, error) {
	s := &Script{Name: name}
	in := bufio.NewScanner(src)
	in.Buffer(nil, maxLine)
	number := 0
	for in.Scan() {
		number++
		text := strings.TrimSpace(in.Text())
		if comment, ok := strings.CutPrefix(text, "#"); ok {
			n, err := need(comment, number)
			if err != nil {
				return nil, &Error{name, number, err.Error(), err}
			}
			if n != nil {
				s.Needs = n
				continue
			}
			if s.Title == "" && len(s.Lines) == 0 {
				s.Title = strings.TrimSpace(comment)
			}
			continue
		}
		if text == "" {
			continue
		}
		line, err := parseLine(text, check)
		if err != nil {
			return nil, &Error{name, number, err.Error(), err}
		}
		line.Number = number
		s.Lines = append(s.Lines, line)
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, &Error{name, number + 1, fmt.Sprintf("the line is longer than %d bytes", maxLine), nil}
	case err != nil:
		return nil, fmt.Errorf("read scenario %s: %w", name, err)
	case len(s.Lines) == 0:
		return nil, &Error{name, max(number, 1), "the scenario has no lines; expected commands such as: up -n 3", nil}
	}
	return s, nil
}

func parseLine(text string, check func([]string) error) (Line, error) {
	line := Line{Text: text}
	rest, fails := strings.CutPrefix(text, "!")
	rest, may := strings.CutPrefix(strings.TrimSpace(rest), try+" ")
	if fails && may || may && strings.HasPrefix(strings.TrimSpace(rest), "!") {
		return line, errors.New("a line that may fail cannot be one that must; expected ! or try")
	}
	line.Fails, line.May = fails, may
	rest = strings.TrimSpace(rest)
	verb, tail, _ := strings.Cut(rest, " ")
	tail = strings.TrimSpace(tail)
	var err error
	switch verb {
	case "", try:
		return line, errors.New("nothing behind ! or try; expected a line that must or may fail")
	case say:
		if fails || may {
			return line, errors.New("say cannot fail; expected a command behind ! and try")
		}
		line.Args = []string{say, tail}
		return line, nil
	case sleep:
		if fails || may {
			return line, errors.New("sleep cannot fail; expected a command behind ! and try")
		}
		if _, err := parseDuration(tail); err != nil {
			return line, fmt.Errorf("sleep %s: %w", tail, err)
		}
		line.Args = []string{sleep, tail}
		return line, nil
	case expect:
		line.Args, err = expectArgs(tail)
	case wait:
		line.Args, err = waitArgs(tail)
	case stopAt:
		if line.Args = []string{stopAt, unquote(tail)}; tail == "" || strings.HasPrefix(tail, "-") {
			line.Args, err = Split(rest)
		}
	default:
		line.Args, err = Split(rest)
	}
	if err != nil {
		return line, err
	}
	if err := check(line.Args); err != nil {
		return line, err
	}
	return line, nil
}

// expectArgs splits "COND [within D | for D]".
func expectArgs(tail string) ([]string, error) {
	args := []string{expect, tail}
	for _, word := range []string{"within", "for"} {
		i := strings.LastIndex(tail, " "+word+" ")
		if i < 0 {
			continue
		}
		d := strings.TrimSpace(tail[i+len(word)+2:])
		if strings.ContainsAny(d, " \"')") {
			continue // part of the condition
		}
		if _, err := parseDuration(d); err != nil {
			return nil, fmt.Errorf("expect … %s %s: %w", word, d, err)
		}
		args = []string{expect, strings.TrimSpace(tail[:i]), word, d}
	}
	args[1] = unquote(args[1])
	_, err := cond.Compile(args[1])
	return args, err
}

// waitArgs splits "COND [--timeout D]".
func waitArgs(tail string) ([]string, error) {
	args := []string{wait, tail}
	if i := strings.LastIndex(tail, "--timeout"); i >= 0 {
		flag := strings.FieldsFunc(tail[i:], func(r rune) bool { return r == ' ' || r == '=' })
		if len(flag) != 2 {
			return nil, errors.New("expected --timeout D at the end, such as --timeout 5s")
		}
		if _, err := parseDuration(flag[1]); err != nil {
			return nil, fmt.Errorf("wait … --timeout %s: %w", flag[1], err)
		}
		args = []string{wait, strings.TrimSpace(tail[:i]), "--timeout", flag[1]}
	}
	args[1] = unquote(args[1])
	_, err := cond.Compile(args[1])
	return args, err
}

// unquote takes the shell's quotes off a condition that was copied with them.
func unquote(s string) string {
	if len(s) > 1 && s[0] == '\'' && strings.IndexByte(s[1:], '\'') == len(s)-2 {
		return s[1 : len(s)-1]
	}
	return s
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New("expected a length of time, such as 500ms or 2s")
	}
	return d, nil
}

// Split cuts a line into words as a shell does: white space separates, single
// and double quotes join, a backslash outside single quotes takes the next
// character as it is.
func Split(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	open, quote, escaped := false, rune(0), false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			open, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			open, quote = true, r
		case r == ' ' || r == '\t':
			if open {
				words = append(words, word.String())
				word.Reset()
				open = false
			}
		default:
			open = true
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c is not closed", quote)
	}
	if escaped {
		return nil, errors.New("nothing behind the last backslash")
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}

// Stage is where a scenario plays.
type Stage interface {
	// Exec runs one command line.
	Exec(ctx context.Context, args []string) error
	// Say tells the audience something.
	Say(ctx context.Context, text string) error
	// Sleep lets lab time pass.
	Sleep(ctx context.Context, d time.Duration) error
}

// Failure is the step at which a scenario did not come out. It unwraps to the
// command's own error, or is one of its own when a step that must fail did not.
type Failure struct {
	File string
	Line Line
	Err  error
}

func (f *Failure) Error() string {
	return fmt.Sprintf("%s:%d: %s: %v", f.File, f.Line.Number, f.Line.Text, f.Err)
}

func (f *Failure) Unwrap() error { return f.Err }

// Run plays a scenario to its end or to the first step that does not come out;
// then the error is a *Failure. before, when not nil, is told each step first.
func Run(ctx context.Context, s *Script, stage Stage, before func(Line)) error {
	for _, line := range s.Lines {
		if err := ctx.Err(); err != nil {
			return err
		}
		if before != nil {
			before(line)
		}
		if err := run(ctx, line, stage); err != nil {
			return &Failure{s.Name, line, err}
		}
	}
	return nil
}

func run(ctx context.Context, line Line, stage Stage) error {
	switch line.Args[0] {
	case say:
		return stage.Say(ctx, line.Args[1])
	case sleep:
		d, err := parseDuration(line.Args[1])
		if err != nil {
			return err
		}
		return stage.Sleep(ctx, d)
	}
	err := stage.Exec(ctx, line.Args)
	switch {
	case line.May && err == nil:
		return nil
	case line.May:
	case !line.Fails:
		return err
	case err == nil:
		return netlab.Errorf(netlab.ExitCheck, "it worked, and was expected to fail")
	}
	var told *netlab.Error
	if ctx.Err() != nil || errors.As(err, &told) && told.Code == netlab.ExitUsage {
		return err // interrupted, or never tried: not the failure that was expected
	}
	return nil
}
