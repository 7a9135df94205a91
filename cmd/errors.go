package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
)

// usageErrorf is for lines that cannot be run: exit code 2.
func usageErrorf(format string, args ...any) *netlab.Error {
	return netlab.Errorf(netlab.ExitUsage, format, args...)
}

// hintUsage shows how the verb is used.
func hintUsage(v *verb) string {
	return "usage: " + v.synopsis() + "        more: raftlab help " + v.title()
}

// userError turns any error into what a user is told.
func userError(err error) *netlab.Error {
	if e, ok := errors.AsType[*netlab.Error](err); ok {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return netlab.Errorf(netlab.ExitTimeout, "%v", err)
	}
	return netlab.Errorf(netlab.ExitFailed, "%v", err)
}

// printError writes what went wrong and the next step to stderr.
func printError(w io.Writer, e *netlab.Error, asJSON bool) {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(e) // stderr is the last place there is; nobody is left to tell
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "raftlab: %s\n", e.Message)
	for line := range strings.Lines(e.Hint) {
		fmt.Fprintf(&b, "  %s\n", strings.TrimRight(line, "\n"))
	}
	_, _ = io.WriteString(w, b.String()) // as above
}

var flagValueError = regexp.MustCompile(`^(?s)invalid value "(.*)" for flag -([^:]+): (.*)$`)

// badValue words the library's error about a flag's value.
func badValue(v *verb, err error) error {
	m := flagValueError.FindStringSubmatch(err.Error())
	if m == nil {
		return usageErrorf("%v", err).WithHint("%s", hintUsage(v))
	}
	value, name := m[1], m[2]
	for _, f := range append(append([]cli.Flag{}, v.flags...), sharedFlags()...) {
		if f.Names()[0] != name {
			continue
		}
		return usageErrorf("%s wants %s, not %q", flagTitle(f), valueKind(f), value).WithHint("raftlab help %s", v.title())
	}
	return usageErrorf("%v", err).WithHint("%s", hintUsage(v))
}

// valueKind names what a flag's value must be.
func valueKind(f cli.Flag) string {
	switch f.(type) {
	case *cli.IntFlag, *cli.Int64Flag:
		return "a whole number"
	case *cli.UintFlag, *cli.Uint64Flag:
		return "a whole number, 0 or more"
	case *cli.Float64Flag:
		return "a number"
	case *cli.DurationFlag:
		return "a length of time like 500ms, 2s or 1m"
	}
	return "another value"
}
