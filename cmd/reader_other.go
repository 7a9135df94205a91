//go:build !unix

package cmd

import (
	"io"
	"syscall"
)

const sigpipe = syscall.SIGPIPE

// watchReader needs poll, which this system does not have: a stream whose
// reader has gone ends with its next line.
func watchReader(io.Writer, func()) (stop func()) { return func() {} }
