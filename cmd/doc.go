// Package cmd is the command line. [Run] takes the words after the program's
// name, calls the lab, prints, and returns the exit code; it never exits itself.
//
// All verbs stand in one table (verbs.go). The shell, scenario lines, the
// terminal UI's palette, completion and help are made from it, so a verb means
// the same everywhere. A verb parses its words, calls package netlab, and
// prints: data on stdout, talk on stderr. It knows no rule of Raft and keeps no
// state between runs.
package cmd
