package tui

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/raftlab/raftlab/netlab"
)

// Source is where the view reads the lab. [netlab.Client] is one.
type Source interface {
	// Stream calls fn with a whole status first, then with what changes, until
	// ctx ends, fn fails or the lab is lost. Called again it starts over.
	Stream(ctx context.Context, opts netlab.StreamOptions, fn func(netlab.Update) error) error
	Events(ctx context.Context, q netlab.EventQuery) ([]netlab.Event, error)
	Log(ctx context.Context, node string, from, to uint64) (*netlab.Log, error)
	Dump(ctx context.Context, node string) (*netlab.Dump, error)
}

// Result is what a line answered.
type Result struct {
	// Out is what the line printed on standard output. One line is shown above
	// the footer, more in a box.
	Out string
	// Notes is what it said on standard error beside that.
	Notes string
}

// Verb is one command of the command line, for the palette and the help.
type Verb struct {
	Name  string // "partition"
	Usage string // "Split the cluster into groups that cannot talk"
	Args  string // "SIDE [/ SIDE]..", "" when it takes none
}

// Options is what Run needs. Source and Exec are required.
type Options struct {
	Lab    string // its name, for the title until the lab tells
	Source Source

	// Exec runs a line of the command line (without "raftlab") in this lab and
	// returns what it printed. A *netlab.Error carries its hint to the user. It is
	// called from a goroutine of its own, one line at a time; lines that wait for
	// the cluster, as add and remove do, run beside the others.
	Exec func(ctx context.Context, line string) (Result, error)
	// Complete returns what the last word of line may become; nil: no completion.
	// It is called outside the update loop and may ask the lab.
	Complete func(line string) []string
	// Preview says in one line what line would do, "" when there is nothing to
	// say or line is not finished; nil: no previews. It must be quick and pure.
	Preview func(line string, st *netlab.Status) string
	// Verbs is the table of commands, in the order the help shows them.
	Verbs []Verb

	Passing  bool   // the lab ends with what shows it: nothing is said of how to come back
	ReadOnly bool   // keys that act on the lab are refused
	ASCII    bool   // draw frames and bars with ASCII only; also when the locale is not UTF-8
	Color    Color  // how many colours; ColorAuto asks the environment
	FPS      int    // frames a second; 0: 15, or 5 over SSH
	Motion   Motion // how much moves
	Version  string // shown in the help

	Input  io.Reader // nil: os.Stdin, or the terminal itself when that is none
	Output io.Writer // nil: os.Stdout
	// Env looks up the environment; nil: os.LookupEnv.
	Env func(string) (string, bool)
}

// Color says how cells are coloured.
type Color int

// The colour profiles. ColorNone keeps bold, underline and reverse.
const (
	ColorAuto Color = iota
	ColorNone
	Color16
	Color256
	ColorTrue
)

// Motion says how much of the screen moves.
type Motion int

// The motions.
const (
	MotionFull Motion = iota // letters travel, timers count down
	MotionLess               // the same at 5 frames a second at most
	MotionNone               // nothing travels: messages in flight are said in words; 2 frames a second
)

func (o *Options) fill() error {
	if o.Source == nil || o.Exec == nil {
		return errors.New("tui: Options need a Source and an Exec")
	}
	if o.Output == nil {
		o.Output = os.Stdout
	}
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	if o.Complete == nil {
		o.Complete = func(string) []string { return nil }
	}
	if o.Preview == nil {
		o.Preview = func(string, *netlab.Status) string { return "" }
	}
	return nil
}
