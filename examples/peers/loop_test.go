package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

func elected(t *testing.T, s *subject, n int, rate float64, seed uint64) loop {
	t.Helper()
	l, err := s.open(n, rate, seed)
	if err == nil {
		err = elect(l, n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func runFor(t *testing.T, l loop, d time.Duration) {
	t.Helper()
	if err := l.run(l.now() + d); err != nil {
		t.Fatal(err)
	}
}

// With one seed everything happens again at the same moment; with others,
// others are elected at other times.
func TestTheSameSeedIsTheSameRun(t *testing.T) {
	for _, s := range subjects {
		type outcome struct {
			at     time.Duration
			counts counts
		}
		play := func(seed uint64) outcome {
			l := elected(t, s, 5, 100, seed)
			at := l.now()
			runFor(t, l, 3*time.Second)
			return outcome{at, l.counts()}
		}
		seen := make(map[outcome]bool)
		for seed := range uint64(20) {
			first, again := play(seed), play(seed)
			if first != again {
				t.Errorf("%s, seed %d: %+v, then %+v", s.name, seed, first, again)
			}
			seen[first] = true
		}
		if len(seen) < 3 {
			t.Errorf("%s: 20 seeds made %d different runs", s.name, len(seen))
		}
	}
}

// An idle leader sends every follower a heartbeat as often as said, each is
// answered, and nobody else stands for election.
func TestAnIdleClusterHeartbeats(t *testing.T) {
	for _, s := range subjects {
		for _, n := range []int{1, 3, 5, 51} {
			l := elected(t, s, n, 0, 1)
			if at := l.now(); at < s.elections[0] || at > 2*s.elections[1] {
				t.Errorf("%s, %d nodes: elected after %v, timeouts are %v", s.name, n, at, s.elections)
			}
			before := l.counts()
			runFor(t, l, 10*time.Second)
			beats := uint64(10 * time.Second / s.heartbeat)
			each := 2 * uint64(n-1)
			if got := l.counts().minus(before).Messages; got < (beats-1)*each || got > (beats+1)*each {
				t.Errorf("%s, %d nodes: %d messages, want %d", s.name, n, got, beats*each)
			}
			if c := l.counts(); c.Elections != 1 || c.Applied != uint64(n) {
				t.Errorf("%s, %d nodes: %+v", s.name, n, c)
			}
		}
	}
}

// All nodes apply all proposals.
func TestAllProposalsAreApplied(t *testing.T) {
	for _, s := range subjects {
		l := elected(t, s, 3, 10_000, 1)
		runFor(t, l, 2*time.Second)
		if got := l.counts().Proposals; got != 20_000 {
			t.Errorf("%s: %d proposals in 2 s at 10000 a second", s.name, got)
		}
		switch l := l.(type) {
		case *etcdLoop:
			l.proposeAt = never
		case *raftlabLoop:
			l.proposeAt = never
		}
		runFor(t, l, time.Second)
		if got, want := l.counts().Applied, 3*(1+l.counts().Proposals); got != want {
			t.Errorf("%s: %d entries applied, want %d", s.name, got, want)
		}
	}
}

// However long a loop runs, its storage stays small.
func TestStorageIsCompacted(t *testing.T) {
	l := elected(t, subjects[1], 3, 10_000, 1)
	runFor(t, l, 2*time.Second)
	for i, n := range l.(*etcdLoop).nodes {
		first, err := n.storage.FirstIndex()
		if err != nil {
			t.Fatal(err)
		}
		if kept := n.applied + 1 - first; kept > 2*keepEntries {
			t.Errorf("node %d keeps %d entries", i+1, kept)
		}
	}
}

// The queue gives back what went in, in that order, however it wraps around.
func TestQueue(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var q queue[time.Duration]
	in, out := time.Duration(0), time.Duration(0)
	for range 10_000 {
		for range r.IntN(20) {
			q.add(in, in)
			in++
		}
		for range r.IntN(20) {
			if q.n == 0 {
				break
			}
			head := q.first().at
			if m := q.take(); m != out || head != out {
				t.Fatalf("took %d, looked at %d, want %d", m, head, out)
			}
			out++
		}
		if q.n != int(in-out) {
			t.Fatalf("%d are in it, want %d", q.n, in-out)
		}
	}
}
