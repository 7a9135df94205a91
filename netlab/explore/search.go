package explore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Search plays the plans of many seeds.
type Search struct {
	Options
	From, To uint64 // seeds, both included
	// Shard and Shards: of the seeds, those whose number leaves Shard-1 when
	// divided by Shards. 0 Shards are one.
	Shard, Shards uint64
	Workers       int // how many at a time
	Make          Maker

	// Want is the property that is looked for; "" is any. A seed by which another
	// one is broken is counted, and no reason to stop.
	Want string
	// Each is told every seed that was played, from several goroutines at once; may
	// be nil.
	Each func(seed uint64, r Result)
}

// Found is a seed by which something is broken.
type Found struct {
	Seed    uint64
	Draw    *Draw
	Plan    *Plan
	Failure *Failure
}

// Report is what a search came to.
type Report struct {
	Seeds  uint64         // played
	Lab    time.Duration  // lab time in them
	Found  *Found         // the lowest seed that breaks what was looked for, nil when none does
	Others map[string]int // what else was broken, how often, in lower seeds
}

// Run plays all seeds, or until the lowest that breaks something is known. The
// error is one of drawing, or ctx's; then the report is of what was done by then.
func (s *Search) Run(ctx context.Context) (*Report, error) {
	shards, shard := max(s.Shards, 1), max(s.Shard, 1)
	var (
		next    atomic.Uint64
		lowest  atomic.Uint64 // no seed above it need be played
		mu      sync.Mutex
		report  = &Report{Others: make(map[string]int)}
		others  []Found
		failed  error
		workers sync.WaitGroup
	)
	lowest.Store(s.To)
	// Seeds of a shard: the first that fits, and every so many after it.
	first := s.From + (shard-1+shards-s.From%shards)%shards
	for range max(s.Workers, 1) {
		workers.Go(func() {
			for {
				n := next.Add(1) - 1
				seed := first + n*shards
				if seed < first || seed > lowest.Load() || ctx.Err() != nil {
					return
				}
				draw, r, plan, err := s.play(ctx, seed)
				mu.Lock()
				switch {
				case err != nil:
					failed = errors.Join(failed, err)
					lowest.Store(0)
				default:
					report.Seeds++
					report.Lab += r.Lab
					if f := r.Failure; f != nil {
						found := Found{seed, draw, plan, f}
						if s.Want != "" && f.Property != s.Want {
							others = append(others, found)
						} else if report.Found == nil || seed < report.Found.Seed {
							report.Found = &found
							lowest.Store(min(lowest.Load(), seed))
						}
					}
				}
				mu.Unlock()
				if err == nil && s.Each != nil {
					s.Each(seed, r)
				}
			}
		})
	}
	workers.Wait()
	for _, o := range others {
		if report.Found == nil || o.Seed < report.Found.Seed {
			report.Others[o.Failure.Property]++
		}
	}
	if failed == nil && ctx.Err() != nil {
		failed = context.Cause(ctx)
	}
	return report, failed
}

func (s *Search) play(ctx context.Context, seed uint64) (*Draw, Result, *Plan, error) {
	draw, err := New(seed, s.Options)
	if err != nil {
		return nil, Result{}, nil, err
	}
	plan, err := draw.Plan()
	if err != nil {
		return nil, Result{}, nil, err
	}
	r, err := Run(ctx, s.Make, plan, s.Want)
	return draw, r, plan, err
}
