// Package netlab is the lab: it starts and ends node processes, joins them by
// a network it controls, owns the clock they live by, keeps what happened, and
// serves all of it over HTTP. The command line and the terminal UI are clients
// of that API ([Client]) and nothing else.
package netlab
