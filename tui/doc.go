// Package tui is the live view of a lab in a terminal: what the nodes are,
// what their logs hold, what travels between them and why, and keys to act on
// all of it.
//
// It is a client of the lab and nothing else. A reader goroutine folds the
// lab's stream into a [store]; the program takes a picture of it a few times a
// second; render draws a picture into a grid of cells. Drawing is a pure
// function of the picture, so screens are tested as text. Everything a key does
// to the lab is a line of the command line, run by [Options.Exec].
//
// It shows only what the lab reported: positions and times of messages are the
// network's own, and what was left out is counted.
package tui
