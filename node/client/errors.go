package client

import (
	"errors"
	"fmt"
	"time"
)

// ErrClosed is why a request ends when its Client is closed, and what a closed
// Client says to a new one.
var ErrClosed = errors.New("the client is closed")

// UnknownError is a write that was sent and whose answer did not come. It may
// or may not have been applied, or may still be; after this error the client
// does not send it again.
type UnknownError struct {
	What   string        // `put "x"`
	After  time.Duration // since it was started
	Err    error         // why the client gave up: the context's error, ErrClosed
	Reason error         // what stood in the way last; nil when nothing did but time
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("%s may or may not have been applied: no answer for %v%s", e.What, round(e.After), because(e.Reason))
}

func (e *UnknownError) Unwrap() error { return e.Err }

// UndoneError is a request that surely had no effect: a write that no leader
// took, or a read without an answer.
type UndoneError struct {
	What   string
	After  time.Duration
	Err    error // as in UnknownError
	Reason error // as in UnknownError
}

func (e *UndoneError) Error() string {
	return fmt.Sprintf("%s was not done: no leader answered for %v%s", e.What, round(e.After), because(e.Reason))
}

func (e *UndoneError) Unwrap() error { return e.Err }

// RefusedError is a request that makes no sense, or too large a one. It had no effect.
type RefusedError struct {
	Reason string // with the operation in front
}

func (e *RefusedError) Error() string { return e.Reason }

func because(reason error) string {
	if reason == nil {
		return ""
	}
	return " (" + reason.Error() + ")"
}

func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
