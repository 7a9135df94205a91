// Package quietterm keeps the libraries of the terminal UI from talking to the
// terminal before main runs.
//
// Importing bubbletea makes lipgloss ask the terminal for its background
// colour in an init function, in every command of the binary: the question
// shows up as bytes on stdout, swallows what was typed ahead, and on a terminal
// that does not answer costs five seconds. The library asks nothing of a
// terminal called "dumb", so this package calls it that while packages
// initialize, and [Restore] gives the real name back.
//
// It relies on the order in which Go initializes packages: of those whose
// imports are ready, the one with the first import path goes first. This package
// imports nothing but os, so it is ready as soon as os is, and before any
// package that needs more, as everything that speaks to a terminal does.
// A test on a pseudo-terminal holds that in place (cmd: TestVersionAsksTheTerminalNothing).
package quietterm

import "os"

var term, known = os.LookupEnv("TERM")

func init() {
	_ = os.Setenv("TERM", "dumb") // fails for no name and value that are constants
}

// Restore gives TERM its value back. main calls it first.
func Restore() {
	if known {
		_ = os.Setenv("TERM", term)
		return
	}
	_ = os.Unsetenv("TERM")
}
