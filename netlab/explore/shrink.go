package explore

import (
	"context"
	"slices"
	"time"
)

// Shrunk is a plan that fails as another one did, and is shorter.
type Shrunk struct {
	Plan    *Plan
	Failure *Failure
	Runs    int // plans that were played for it
}

// Shrink looks for the shortest plan that still breaks what p breaks: it leaves
// out steps, makes waits shorter, and takes away what is special about the
// cluster, as long as that goes and most plans have not been played.
func Shrink(ctx context.Context, make Maker, p *Plan, f *Failure, most int) (*Shrunk, error) {
	s := &shrinker{ctx: ctx, make: make, most: most, best: Shrunk{Plan: p, Failure: f}}
	if f.Step < len(p.Steps) {
		s.tryIt(p.upTo(f.Step + 1))
	}
	for again := true; again && s.err == nil && s.best.Runs < s.most; {
		before := s.size()
		s.steps()
		s.cluster()
		s.waits()
		again = s.size() < before
	}
	return &s.best, s.err
}

type shrinker struct {
	ctx  context.Context
	make Maker
	most int
	best Shrunk
	err  error
}

// size is what is made smaller: lines first, then time, then what is special.
func (s *shrinker) size() int {
	p := s.best.Plan
	n := p.Lines()*1_000_000 + len(upLine(&p.Config)) + p.Config.Nodes
	for i := range p.Steps {
		n += int(p.Steps[i].After / time.Millisecond)
	}
	return n
}

// tryIt keeps a plan when it breaks the same.
func (s *shrinker) tryIt(p *Plan) bool {
	if s.err != nil || s.best.Runs >= s.most {
		return false
	}
	s.best.Runs++
	r, err := Run(s.ctx, s.make, p, s.best.Failure.Property)
	if err != nil {
		s.err = err
		return false
	}
	if r.Failure == nil || r.Failure.Property != s.best.Failure.Property {
		return false
	}
	if r.Failure.Step+1 < len(p.Steps) {
		p = p.upTo(r.Failure.Step + 1)
	}
	if r.Failure.Property == Progress && len(p.Config.Unsafe) > 0 && !s.getsOn(p) {
		return false
	}
	s.best.Plan, s.best.Failure = p, r.Failure
	return true
}

// getsOn tells whether a plan goes well when all rules are in force. Of one that
// does not, as when too few servers are left, it says nothing that a rule was off.
func (s *shrinker) getsOn(p *Plan) bool {
	q := p.upTo(len(p.Steps))
	q.Config.Unsafe = nil
	s.best.Runs++
	r, err := Run(s.ctx, s.make, q, "")
	if err != nil {
		s.err = err
	}
	return err == nil && r.Failure == nil && !r.Void
}

// upTo is the plan's first n steps.
func (p *Plan) upTo(n int) *Plan {
	q := *p
	q.Steps = slices.Clone(p.Steps[:n])
	return &q
}

// without is the plan without the steps from..to. What comes behind them comes
// when it did, or with hurry at once.
func (p *Plan) without(from, to int, hurry bool) *Plan {
	q := *p
	q.Steps = slices.Concat(p.Steps[:from], p.Steps[to:])
	if from < len(q.Steps) && !hurry {
		for _, s := range p.Steps[from:to] {
			q.Steps[from].After += s.After
		}
	}
	return &q
}

// steps leaves out as many as it can: halves, quarters, and so on down to single
// ones (delta debugging, Zeller and Hildebrandt 2002).
func (s *shrinker) steps() {
	for size := max(len(s.best.Plan.Steps)/2, 1); ; size /= 2 {
		for from := len(s.best.Plan.Steps) - size; from > -size; from -= size {
			p := s.best.Plan
			lo, hi := max(from, 0), min(max(from, 0)+size, len(p.Steps))
			if lo >= hi {
				continue
			}
			if !s.tryIt(p.without(lo, hi, true)) {
				s.tryIt(p.without(lo, hi, false))
			}
		}
		if size <= 1 {
			return
		}
	}
}

// waits makes the time between steps shorter: none, or half of it, or a round number.
func (s *shrinker) waits() {
	for i := 0; i < len(s.best.Plan.Steps); i++ {
		for _, shorter := range []func(time.Duration) time.Duration{
			func(time.Duration) time.Duration { return 0 },
			func(d time.Duration) time.Duration { return (d / 2).Truncate(time.Millisecond) },
			func(d time.Duration) time.Duration { return d.Truncate(100 * time.Millisecond) },
			func(d time.Duration) time.Duration { return d.Truncate(10 * time.Millisecond) },
		} {
			if i >= len(s.best.Plan.Steps) {
				return
			}
			was := s.best.Plan.Steps[i].After
			d := shorter(was)
			if d >= was {
				continue
			}
			q := s.best.Plan.upTo(len(s.best.Plan.Steps))
			q.Steps[i].After = d
			if s.tryIt(q) && d == 0 {
				break
			}
		}
	}
}

// cluster takes away what is special about it.
func (s *shrinker) cluster() {
	base := baseConfig()
	change := func(f func(*Plan)) {
		q := s.best.Plan.upTo(len(s.best.Plan.Steps))
		f(q)
		if upLine(&q.Config) != upLine(&s.best.Plan.Config) {
			s.tryIt(q)
		}
	}
	change(func(p *Plan) {
		p.Config.PreVote, p.Config.CheckQuorum, p.Config.IgnoreVotes, p.Config.Transfer = true, true, true, true
	})
	for _, f := range []func(*Plan){
		func(p *Plan) { p.Config.PreVote = true },
		func(p *Plan) { p.Config.CheckQuorum = true },
		func(p *Plan) { p.Config.IgnoreVotes = true },
		func(p *Plan) { p.Config.Transfer = true },
		func(p *Plan) { p.Config.SnapshotBytes = base.SnapshotBytes },
		func(p *Plan) {
			p.Config.Heartbeat, p.Config.ElectionMin, p.Config.ElectionMax = base.Heartbeat, base.ElectionMin, base.ElectionMax
		},
	} {
		change(f)
	}
	for n := 1; n < s.best.Plan.Config.Nodes; n++ {
		change(func(p *Plan) { p.Config.Nodes = n })
	}
}
