// Package examples holds the scenarios that `raftlab demo` knows: one file a
// lesson, each asserting what it shows.
package examples

import "embed"

// Scenarios are the .lab files of this directory.
//
//go:embed *.lab
var Scenarios embed.FS
