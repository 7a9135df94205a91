package cmd

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// signalled is the cause of a context that ended by a signal.
type signalled struct{ signal syscall.Signal }

func (s signalled) Error() string { return "ended by signal: " + s.signal.String() }

// exitCode is what a shell reports of a process that a signal ended.
func (s signalled) exitCode() int { return 128 + int(s.signal) }

// Signals returns a context that ends with the first interrupt or termination
// signal, or when the terminal goes, which Run then reports as 130, 143 or 129.
// After the first, signals do what they do by default, so a second Ctrl-C ends
// the process at once.
//
// A reader of our output that goes, as head does, does not end the process by
// SIGPIPE: a lab of its own would stay behind. The write fails instead, and Run
// makes an end of it as of an interrupt.
func Signals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signal.Notify(ch, syscall.SIGHUP)
	}
	// Sockets whose other end is gone raise it as well, so it tells nothing.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case sig := <-ch:
			signal.Stop(ch)
			if s, ok := sig.(syscall.Signal); ok {
				cancel(signalled{s})
			} else {
				cancel(nil)
			}
		case <-ctx.Done():
			signal.Stop(ch)
		}
	}()
	return ctx, func() { cancel(nil); <-done }
}

// endedBy tells which signal ended ctx, when one did.
func endedBy(ctx context.Context) (signalled, bool) {
	var s signalled
	ok := errors.As(context.Cause(ctx), &s)
	return s, ok
}
