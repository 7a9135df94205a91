package main

import (
	"fmt"
	"math"
	"time"
)

const (
	flight     = 100 * time.Microsecond // of every message
	valueBytes = 256                    // of every proposal
	never      = time.Duration(math.MaxInt64)

	electionWithin = time.Minute // virtual; more than that is a mistake in the loop
)

// loop is a cluster in virtual time: no goroutines, no wall clock.
type loop interface {
	// run does all that happens before until.
	run(until time.Duration) error
	// propose has proposals come from now on, at the rate the loop was made with.
	propose()
	now() time.Duration
	counts() counts
}

// counts are what has happened so far.
type counts struct {
	Timers    uint64 // that ran out: every tick, to a core that knows time as ticks
	Messages  uint64 // that arrived
	Proposals uint64
	Applied   uint64 // entries, by all nodes together
	Elections uint64 // won
}

func (c counts) events() uint64 { return c.Timers + c.Messages + c.Proposals }

func (c counts) minus(d counts) counts {
	return counts{c.Timers - d.Timers, c.Messages - d.Messages, c.Proposals - d.Proposals, c.Applied - d.Applied, c.Elections - d.Elections}
}

// elect runs a loop of so many nodes until all of them have applied the first
// entry of a leader, and has proposals come then.
func elect(l loop, nodes int) error {
	for l.counts().Applied < uint64(nodes) {
		if l.now() > electionWithin {
			return fmt.Errorf("no leader within %v of virtual time", electionWithin)
		}
		if err := l.run(l.now() + 10*time.Millisecond); err != nil {
			return err
		}
	}
	l.propose()
	return nil
}

// A subject is one of the things compared.
type subject struct {
	name      string
	tick      time.Duration // 0: its core has no ticks
	heartbeat time.Duration
	elections [2]time.Duration // the shortest and the longest timeout
	open      func(nodes int, rate float64, seed uint64) (loop, error)
}

var subjects = []*subject{
	etcdSubject("etcd-fine", timing{10 * time.Millisecond, 5, 15}),
	etcdSubject("etcd-coarse", timing{50 * time.Millisecond, 1, 3}),
	etcdSubject("etcd-default", timing{100 * time.Millisecond, 1, 10}),
	{
		name: "raftlab", heartbeat: time.Duration(heartbeat), elections: [2]time.Duration{time.Duration(electionMin), time.Duration(electionMax)},
		open: func(nodes int, rate float64, seed uint64) (loop, error) { return newRaftlabLoop(nodes, rate, seed) },
	},
}

func etcdSubject(name string, t timing) *subject {
	ticks := func(n int) time.Duration { return time.Duration(n) * t.tick }
	return &subject{
		name: name, tick: t.tick, heartbeat: ticks(t.heartbeat), elections: [2]time.Duration{ticks(t.election), ticks(2*t.election - 1)},
		open: func(nodes int, rate float64, seed uint64) (loop, error) { return newEtcdLoop(nodes, t, rate, seed) },
	}
}

func (s *subject) String() string {
	of := "no ticks"
	if s.tick > 0 {
		of = fmt.Sprintf("a tick of %v", s.tick)
	}
	return fmt.Sprintf("%s: %s, heartbeats every %v, election timeouts of %v-%v", s.name, of, s.heartbeat, s.elections[0], s.elections[1])
}
