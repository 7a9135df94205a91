package netlab

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/raftlab/raftlab/netlab/cond"
	"github.com/raftlab/raftlab/raft"
)

// SimLab is a simulated lab inside this process, without a directory, a socket or
// a goroutine of its own: its time passes during calls of its methods, as fast as
// the machine can, and nothing in it depends on anything but its configuration and
// these calls. It is for one goroutine at a time; there may be as many labs side by
// side as one likes.
type SimLab struct {
	l   *lab
	sim *simulation
}

// SimOptions are what a SimLab leaves out to be faster.
type SimOptions struct {
	// Frames is how many records of frames are kept for Frames and for what is done
	// to single frames; 0 keeps none, and nothing can.
	Frames int
	// Events is how many events are kept; 0 is as many as any lab keeps.
	Events int
}

// NewSimLab makes a lab and starts its nodes. It ends with Close.
func NewSimLab(c Config, o SimOptions) (*SimLab, error) {
	c.Sim = SimDriven
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Listen != "" {
		return nil, Errorf(ExitUsage, "a lab inside another program serves no control API").WithHint("raftlab up --sim --listen %s", c.Listen)
	}
	l := &lab{name: EngineSim, config: c.withSeed().settled(), run: 1, log: slog.New(slog.DiscardHandler)}
	if o.Events > 0 {
		l.events = newEventStore(o.Events)
	}
	l.ctx, l.stop = context.WithCancelCause(context.Background())
	s := newSimulation(l, true, o.Frames)
	s.inline = true
	l.engine, l.tasks = s, s.tasks
	if err := l.build(true); err != nil {
		return nil, err
	}
	lab := &SimLab{l: l, sim: s}
	l.warn()
	if err := l.start(true); err != nil {
		lab.Close()
		return nil, err
	}
	return lab, nil
}

// Close ends the lab.
func (s *SimLab) Close() {
	l := s.l
	l.stop(nil)
	_ = l.takeApart()
	s.sim.tasks.run(s.sim.tasks.idle)
}

// do has the lab do something, and time pass until it is done.
func (s *SimLab) do(ctx context.Context, f func() error) (err error) {
	if stopped := s.l.request(ctx, func() { err = f() }); stopped != nil {
		return stopped
	}
	return err
}

// Do carries out an operation.
func (s *SimLab) Do(ctx context.Context, op Op) (res *OpResult, err error) {
	err = s.do(ctx, func() error {
		res, err = s.l.do(ctx, &op)
		return err
	})
	return res, err
}

// KV carries out a client's operation.
func (s *SimLab) KV(ctx context.Context, op KVOp) (res *KVResult, err error) {
	err = s.do(ctx, func() error {
		res, err = s.l.kv(ctx, &op)
		return err
	})
	return res, err
}

// Wait waits for a condition as w asks.
func (s *SimLab) Wait(ctx context.Context, w Wait) (res *WaitResult, err error) {
	err = s.do(ctx, func() error {
		res, err = s.l.wait(ctx, &w)
		return err
	})
	return res, err
}

// Sleep lets lab time pass. It fails when the lab clock is held.
func (s *SimLab) Sleep(ctx context.Context, d time.Duration) error {
	return s.do(ctx, func() error {
		if s.l.clock.Held() {
			return errors.New("the lab clock is held, so no time passes to sleep")
		}
		if !s.l.reach(ctx, s.l.clock.Now()+raft.Time(d)) {
			return context.Cause(ctx)
		}
		return nil
	})
}

// Status is a picture of the lab as it is now.
func (s *SimLab) Status() (st *Status) {
	_ = s.do(context.Background(), func() error { // only a closed lab has none
		st = s.l.status()
		return nil
	})
	return st
}

// Judge tells whether a condition holds now, and if not what is seen instead. It
// may not read keys.
func (s *SimLab) Judge(ctx context.Context, c *cond.Cond) (res *WaitResult, err error) {
	err = s.do(ctx, func() error {
		res, err = s.l.judge(c)
		return err
	})
	return res, err
}

// Violations are the promises that were broken so far, in the order that was
// found. With final the history of clients is judged to its end first, which no
// operation may be under way for any more.
func (s *SimLab) Violations(final bool) []Violation {
	if final {
		s.l.history.judge(true)
	}
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	return s.l.violated()
}

// Events returns the events after an ID, and how many of those are not kept any
// more.
func (s *SimLab) Events(after uint64) (events []Event, gone uint64) {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	return s.l.events.after(after, eventsKept)
}

// Check is how Raft's promises stand.
func (s *SimLab) Check() (r *CheckReport) {
	_ = s.do(context.Background(), func() error { // only a closed lab has none
		r = s.l.checkReport()
		return nil
	})
	return r
}

// Log reads a node's log.
func (s *SimLab) Log(ctx context.Context, node string) (log *Log, err error) {
	err = s.do(ctx, func() error {
		log, err = s.l.readLog(ctx, node, 0, 0)
		return err
	})
	return log, err
}

// Dump reads a node's state machine.
func (s *SimLab) Dump(ctx context.Context, node string) (d *Dump, err error) {
	err = s.do(ctx, func() error {
		d, err = s.l.dump(ctx, node)
		return err
	})
	return d, err
}
