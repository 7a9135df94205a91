package explore

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/check"
	"github.com/raftlab/raftlab/netlab/cond"
)

// Lab is a lab in virtual time, of which only what is asked makes time pass.
type Lab interface {
	Do(ctx context.Context, op netlab.Op) (*netlab.OpResult, error)
	KV(ctx context.Context, op netlab.KVOp) (*netlab.KVResult, error)
	Wait(ctx context.Context, w netlab.Wait) (*netlab.WaitResult, error)
	Sleep(ctx context.Context, d time.Duration) error
	Judge(ctx context.Context, c *cond.Cond) (*netlab.WaitResult, error)
	// Violations are the promises that were broken so far, in the order they
	// were. With final all that is left to judge is judged first.
	Violations(final bool) []netlab.Violation
	Close()
}

// Maker makes a lab. Its nodes have just been started.
type Maker func(netlab.Config) (Lab, error)

// Failure is what is wrong with how a plan went.
type Failure struct {
	// Property is that which was broken, as raft.UnsafeRule.Endangers names it;
	// Panicked for a panic, Invalid for a plan the lab does not understand, which
	// is a mistake in drawing it.
	Property string
	Text     string
	Step     int // the step by which it was found; len(Steps) is the end
}

const (
	Progress = "progress"
	Panicked = "panic"
	Invalid  = "invalid plan"
)

func (f *Failure) Error() string { return f.Property + ": " + f.Text }

// Result tells how a plan went.
type Result struct {
	Failure *Failure // nil: well
	Lab     time.Duration
	Void    bool // what was to be given did not come about
}

// Run plays a plan until want is broken, any property when that is "", or to its
// end. What else was broken by then is told when want is not. The error is ctx's.
func Run(ctx context.Context, make Maker, p *Plan, want string) (r Result, err error) {
	at := 0
	defer func() {
		if v := recover(); v != nil {
			r.Failure = &Failure{Panicked, fmt.Sprintf("%v\n%s", v, debug.Stack()), at}
		}
	}()
	lab, err := make(p.Config)
	if err != nil {
		return Result{Failure: &Failure{Invalid, err.Error(), 0}}, nil
	}
	defer lab.Close()
	for at = range p.Steps {
		s := &p.Steps[at]
		if s.After > 0 {
			if err := lab.Sleep(ctx, s.After); err != nil {
				return r, cause(ctx, err)
			}
			r.Lab += s.After
			// What went wrong meanwhile is what there is to tell, not what comes of it.
			if r.Failure = broken(lab, at, want, false); r.Failure != nil {
				return r, nil
			}
		}
		failure, err := s.play(ctx, lab)
		if err != nil {
			return r, cause(ctx, err)
		}
		if failure != nil && s.Given {
			r.Failure, r.Void = broken(lab, at, want, true), true
			return r, nil
		}
		if r.Failure = broken(lab, at, want, false); r.Failure == nil && failure != nil {
			failure.Step = at
			if r.Failure = broken(lab, at, want, true); r.Failure == nil {
				r.Failure = failure
			}
		}
		if r.Failure != nil {
			return r, nil
		}
	}
	at = len(p.Steps)
	r.Failure = broken(lab, at, want, true)
	return r, nil
}

// cause is why a run was broken off: a lab in virtual time has no reason of its own.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// broken is how what is wanted was broken, nil when it was not. At the end it is
// whatever was broken first.
func broken(lab Lab, step int, want string, final bool) *Failure {
	list := lab.Violations(final)
	for i := range list {
		if name := propertyName(list[i].Property); want == "" || name == want {
			return &Failure{name, list[i].Message, step}
		}
	}
	if final && len(list) > 0 {
		return &Failure{propertyName(list[0].Property), list[0].Message, step}
	}
	return nil
}

// propertyName is a property's name as people read it, of its name in JSON.
func propertyName(id string) string {
	for _, p := range check.Properties() {
		if p.String() == id {
			return p.Name()
		}
	}
	return id // Linearizability is the same in both
}

// play does one step.
func (s *Step) play(ctx context.Context, lab Lab) (*Failure, error) {
	var err error
	switch {
	case s.Op != nil:
		op := *s.Op
		op.Line = "raftlab " + s.Line
		_, err = lab.Do(ctx, op)
	case s.KV != nil:
		op := *s.KV
		op.Line = "raftlab " + s.Line
		_, err = lab.KV(ctx, op)
	default:
		wait := lab.Wait
		if s.Patient {
			wait = func(ctx context.Context, w netlab.Wait) (*netlab.WaitResult, error) { return patient(ctx, lab, w) }
		}
		r, werr := wait(ctx, *s.Wait)
		if err = werr; err == nil && !r.Holds {
			return &Failure{Property: Progress, Text: fmt.Sprintf("%s: it does not: %s", s.Line, r.Seen)}, nil
		}
	}
	if ctx.Err() != nil {
		return nil, err
	}
	// A line that makes no sense is a mistake in drawing it, or the node that it
	// names has left; a lab says the same to both.
	return nil, nil
}

// lookEvery is how often, in lab time, a patient wait looks.
const lookEvery = 20 * time.Millisecond

// patient waits as w asks, and looks now and then instead of at everything that
// changes, which takes most of the time that a short run takes.
func patient(ctx context.Context, lab Lab, w netlab.Wait) (*netlab.WaitResult, error) {
	c, err := cond.Compile(w.Cond)
	if err != nil {
		return nil, err
	}
	for left := w.Within; ; left -= lookEvery {
		r, err := lab.Judge(ctx, c)
		if err != nil || r.Holds || left <= 0 {
			return r, err
		}
		if err := lab.Sleep(ctx, min(lookEvery, left)); err != nil {
			return nil, err
		}
	}
}
