package netlab

import "fmt"

// The exit codes that scripts rely on.
const (
	ExitFailed   = 1 // it did not work
	ExitUsage    = 2 // asked wrongly
	ExitNoLab    = 3 // no such lab, or lost it
	ExitConflict = 4 // exists already, is dead already, is not the leader
	ExitTimeout  = 5 // wait or put timed out
	ExitCheck    = 6 // a check or an expect failed
)

// Error is what a user is told: the fact with its reason, the next step, and
// the exit code. It crosses the control API as it is.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`    // a command to run, or how to ask rightly
	Stopped bool   `json:"stopped,omitempty"` // with ExitNoLab: somebody stopped the lab on purpose
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an Error without a hint.
func Errorf(code int, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint returns e with the next step.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}
