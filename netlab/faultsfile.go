package netlab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A profile of the user's own is a file of lines "name = value" and of lines
// of the command line that set faults; a file of faults has only the latter.
// Empty lines, and what is behind a #, say nothing.

// startVerbs set what can be so before any node runs.
var startVerbs = []string{
	"partition", "cut", "slow", "lose", "duplicate", "reorder", "corrupt", "throttle", "reset", "blackhole", "frame",
	"disk", "clock", "hold", "speed",
}

// fileLineMax bounds a line of a file, and fileLinesMax their number.
const (
	fileLineMax  = 4 << 10
	fileLinesMax = 1000
)

// readLines calls f with every line of a file that says something, and with
// where it is: FILE:LINE. Its error is told with that.
func readLines(name string, src io.Reader, f func(at, line string) error) error {
	in := bufio.NewScanner(src)
	in.Buffer(nil, fileLineMax)
	number := 0
	for in.Scan() {
		number++
		if number > fileLinesMax {
			return Errorf(ExitUsage, "%s:%d: the file has more than %d lines", name, number, fileLinesMax)
		}
		line, _, _ := strings.Cut(in.Text(), "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		at := fmt.Sprintf("%s:%d", name, number)
		if err := f(at, line); err != nil {
			told := lineError(at, line, err)
			told.Code = ExitUsage
			return told
		}
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return Errorf(ExitUsage, "%s:%d: the line is longer than %d bytes", name, number+1, fileLineMax)
	case err != nil:
		return Errorf(ExitFailed, "read %s: %v", name, err)
	}
	return nil
}

// lineError says what is wrong with a line, and where that is, if anybody knows.
func lineError(at, line string, err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		e = Errorf(ExitUsage, "%v", err)
	}
	text := printable(line, 80) + ": " + e.Message
	if at != "" {
		text = at + ": " + text
	}
	return &Error{Code: e.Code, Message: text, Hint: e.Hint}
}

// ReadFaults reads a file of faults. parse reads one line of the command line.
// The error is an *Error with the file, the line and the reason.
func ReadFaults(name string, src io.Reader, parse func(line string) (Op, error)) ([]Op, error) {
	var ops []Op
	err := readLines(name, src, func(at, line string) error {
		op, err := startOp(at, line, parse)
		if err == nil {
			ops = append(ops, op)
		}
		return err
	})
	return ops, err
}

// startOp reads a line that sets a fault before any node runs.
func startOp(at, line string, parse func(string) (Op, error)) (Op, error) {
	op, err := parse(line)
	if err != nil {
		return op, err
	}
	op.At = at
	return op, op.checkStart()
}

// checkStart says why an operation cannot be done before the nodes run.
func (op *Op) checkStart() error {
	if !slices.Contains(startVerbs, op.Verb) || op.Verb == "frame" && op.Action != FrameHold {
		return Errorf(ExitUsage, "%s is nothing that a lab can be started with", printable(op.Verb, 32)).
			WithHint("it can be started with: %s", strings.Join(startVerbs, " "))
	}
	for _, w := range op.nodeWords() {
		switch strings.ToLower(w) {
		case WordLeader, WordFollowers, WordLearners, WordDead:
			return Errorf(ExitUsage, "nobody is the %s before the nodes run: name nodes by their numbers", strings.TrimSuffix(strings.ToLower(w), "s"))
		}
	}
	return nil
}

// nodeWords are all words of an operation that may name nodes.
func (op *Op) nodeWords() []string {
	return slices.Concat(op.Nodes, op.Links, slices.Concat(op.Sides...))
}

// validateStart says what is wrong with what the lab is to be started with.
func (c *Config) validateStart() error {
	for i := range c.Start {
		op := &c.Start[i]
		err := op.checkStart()
		for _, w := range op.nodeWords() {
			if node, perr := ParseNode(w); err == nil && perr == nil && node.ID > c.Nodes {
				err = Errorf(ExitUsage, "node %d is not in a lab of %d", node.ID, c.Nodes).WithHint("raftlab up -n %d", min(node.ID, NodesMax))
			}
		}
		if err != nil {
			return lineError(op.At, op.Line, err)
		}
	}
	return nil
}

// startState does what the lab is to be started with. No node runs yet.
func (l *lab) startState() error {
	for i := range l.config.Start {
		op := l.config.Start[i]
		if _, err := l.do(context.WithoutCancel(l.ctx), &op); err != nil {
			return lineError("", op.Line, toError("start the lab", err))
		}
	}
	return nil
}

// ReadProfile reads a profile of the user's own. It begins as the profile that
// its line "profile = NAME" names, or as lan. parse reads one line of the command
// line. The error is an *Error with the file, the line and the reason.
func ReadProfile(name string, src io.Reader, parse func(line string) (Op, error)) (Config, error) {
	c, err := Profile(ProfileLAN)
	if err != nil {
		return c, err
	}
	f := &profileFile{Config: &c, seen: make(map[string]bool)}
	var timersAt, timers string // the last line that sets one
	err = readLines(name, src, func(at, line string) error {
		key, value, isSetting := strings.Cut(line, "=")
		if key = strings.TrimSpace(key); isSetting && !strings.ContainsAny(key, " \t") {
			if key == "heartbeat" || key == "election" {
				timersAt, timers = at, line
			}
			return f.setting(key, strings.TrimSpace(value))
		}
		op, err := startOp(at, line, parse)
		c.Start = append(c.Start, op)
		return err
	})
	if err != nil {
		return c, err
	}
	c.Profile = name
	if !f.seen["election"] && f.changed {
		heartbeat := c.Heartbeat
		c.fit()
		if f.seen["heartbeat"] {
			c.Heartbeat = heartbeat
		}
	} else if f.seen["election"] && !f.seen["heartbeat"] {
		c.Heartbeat = max((c.ElectionMin / 3).Truncate(time.Millisecond), 1)
	}
	err = c.validateTimers()
	if trip := c.roundTrip(); err == nil && c.ElectionMax <= trip {
		err = Errorf(ExitUsage, "nobody can win an election: a round trip takes up to %v, and every timer runs out within %v (§5.6 wants the timeouts much longer)", trip, c.ElectionMax).
			WithHint("without a line election the profile gets timeouts that fit")
	}
	if err != nil {
		return c, lineError(timersAt, timers, err)
	}
	return c, c.Validate()
}

// profileFile is a profile while its lines are read.
type profileFile struct {
	*Config
	seen    map[string]bool // settings
	changed bool            // what decides which timers fit
}

// profileSettings are the settings that a profile knows.
const profileSettings = "profile nodes heartbeat election speed delay loss duplicate reorder regions"

func (f *profileFile) setting(key, value string) error {
	if f.seen[key] {
		return Errorf(ExitUsage, "%s is set twice", key)
	}
	if key == "profile" && (len(f.seen) > 0 || len(f.Start) > 0) {
		return Errorf(ExitUsage, "the line profile comes first: the others change what it stands for")
	}
	f.seen[key] = true
	var err error
	switch key {
	case "profile":
		var base Config
		if base, err = Profile(value); err == nil {
			*f.Config = base
		}
	case "nodes":
		f.Nodes, err = strconv.Atoi(value)
		if err != nil {
			err = wants(key, "a number like 5", value)
		}
	case "heartbeat":
		f.Heartbeat, err = aDuration(key, value)
	case "election":
		least, most, isRange := strings.Cut(value, "-")
		if !isRange {
			most = least
		}
		if f.ElectionMin, err = aDuration(key, strings.TrimSpace(least)); err == nil {
			f.ElectionMax, err = aDuration(key, strings.TrimSpace(most))
		}
	case "speed":
		if f.Speed, err = strconv.ParseFloat(value, 64); err != nil {
			err = wants(key, "a rate like 0.5", value)
		}
	case "delay":
		err = f.delay(value)
	case "loss":
		err = f.loss(value)
	case "duplicate":
		f.Duplicate, err = aShare(key, value)
	case "reorder":
		f.Reorder, err = aShare(key, value)
	case "regions":
		f.changed = true
		f.Regions, err = parseRegions(value)
	default:
		return Errorf(ExitUsage, "a profile has no setting %s", quote(key)).WithHint("its settings: %s", profileSettings)
	}
	if err != nil {
		return err
	}
	if key == "nodes" || key == "speed" || key == "delay" || key == "loss" || key == "duplicate" || key == "reorder" {
		return f.Config.validateAlone()
	}
	return nil
}

// validateAlone checks what does not depend on later lines.
func (c *Config) validateAlone() error {
	rest := *c
	rest.Heartbeat, rest.ElectionMin, rest.ElectionMax, rest.Start = 1, 2, 3, nil
	return rest.Validate()
}

// delay reads "40ms", "40ms~5ms" or "40ms~5ms normal".
func (f *profileFile) delay(value string) (err error) {
	f.changed = true
	delay, shape, _ := strings.Cut(value, " ")
	mean, jitter, hasJitter := strings.Cut(delay, "~")
	f.Jitter, f.Distribution = 0, strings.TrimSpace(shape)
	if f.Delay, err = aDuration("delay", mean); err == nil && hasJitter {
		f.Jitter, err = aDuration("delay", jitter)
	}
	return err
}

// loss reads "5%" or "5% bursts of 3".
func (f *profileFile) loss(value string) (err error) {
	share, burst, hasBurst := strings.Cut(value, "bursts of")
	f.Burst = 0
	if f.Loss, err = aShare("loss", strings.TrimSpace(share)); err == nil && hasBurst {
		if f.Burst, err = strconv.ParseFloat(strings.TrimSpace(burst), 64); err != nil {
			err = wants("loss", "a share like 5%, or 5% bursts of 3", value)
		}
	}
	return err
}

func aDuration(key, value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil {
		return 0, wants(key, "a time like 50ms", value)
	}
	return d, nil
}

func aShare(key, value string) (float64, error) {
	percent, err := strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64)
	if err != nil {
		return 0, wants(key, "a share like 5%", value)
	}
	if !(percent >= 0 && percent <= 100) {
		return 0, Errorf(ExitUsage, "%s is 0 to 100 %%, not %s", key, value)
	}
	return percent / 100, nil
}

func wants(key, what, got string) *Error {
	return Errorf(ExitUsage, "%s wants %s, not %s", key, what, quote(got))
}
