package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

func elected(t *testing.T, n int, tm timing, rate float64, seed uint64) *cluster {
	t.Helper()
	c, err := newCluster(n, tm, rate, seed)
	if err == nil {
		err = c.elect()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cluster) leaderID() uint64 { return c.leader.raw.BasicStatus().ID }

// With one seed everything happens again at the same moment; with others,
// others are elected at other times.
func TestTheSameSeedIsTheSameRun(t *testing.T) {
	type outcome struct {
		at     time.Duration
		leader uint64
		counts counts
	}
	play := func(seed uint64) outcome {
		c := elected(t, 5, timings[0], 100, seed)
		at := c.now
		if err := c.run(c.now + 3*time.Second); err != nil {
			t.Fatal(err)
		}
		return outcome{at, c.leaderID(), c.counts}
	}
	seen := make(map[outcome]bool)
	for seed := range uint64(10) {
		first, again := play(seed), play(seed)
		if first != again {
			t.Errorf("seed %d: %+v, then %+v", seed, first, again)
		}
		seen[first] = true
	}
	if len(seen) < 5 {
		t.Errorf("10 seeds made %d different runs", len(seen))
	}
}

// An idle leader sends every follower a heartbeat as often as said, each is
// answered, and nobody else stands for election.
func TestAnIdleClusterHeartbeats(t *testing.T) {
	for _, tm := range timings {
		for _, n := range []int{1, 3, 5, 51} {
			c := elected(t, n, tm, 0, 1)
			lo, hi := tm.elections()
			if c.now < lo || c.now > 2*hi {
				t.Errorf("%s, %d nodes: elected after %v, timeouts are %v-%v", tm.Name, n, c.now, lo, hi)
			}
			before := c.counts
			if err := c.run(c.now + 10*time.Second); err != nil {
				t.Fatal(err)
			}
			beats := uint64(10 * time.Second / tm.heartbeat())
			each := 2 * uint64(n-1)
			if got := c.counts.Messages - before.Messages; got < (beats-1)*each || got > (beats+1)*each {
				t.Errorf("%s, %d nodes: %d messages, want %d", tm.Name, n, got, beats*each)
			}
			if c.counts.Elections != 1 || c.counts.Applied != uint64(n) {
				t.Errorf("%s, %d nodes: %+v", tm.Name, n, c.counts)
			}
		}
	}
}

// All nodes apply all proposals, and their storage stays small.
func TestAllProposalsAreApplied(t *testing.T) {
	c := elected(t, 3, timings[1], 10_000, 1)
	if err := c.run(c.now + 2*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := c.counts.Proposals; got != 20_000 {
		t.Errorf("%d proposals in 2 s at 10000 a second", got)
	}
	c.proposeAt = never
	if err := c.run(c.now + time.Second); err != nil {
		t.Fatal(err)
	}
	if got, want := c.counts.Applied, 3*(1+c.counts.Proposals); got != want {
		t.Errorf("%d entries applied, want %d", got, want)
	}
	for i, n := range c.nodes {
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
	var q queue
	in, out := time.Duration(0), time.Duration(0)
	for range 10_000 {
		for range r.IntN(20) {
			q.add(letter{at: in})
			in++
		}
		for range r.IntN(20) {
			if q.n == 0 {
				break
			}
			head := q.first().at
			if l := q.take(); l.at != out || head != out {
				t.Fatalf("took %d, looked at %d, want %d", l.at, head, out)
			}
			out++
		}
		if q.n != int(in-out) {
			t.Fatalf("%d are in it, want %d", q.n, in-out)
		}
	}
}
