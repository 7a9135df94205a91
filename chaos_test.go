package main

import (
	"context"
	"flag"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

var chaosFor = flag.Duration("chaos.for", 8*time.Second, "how long TestChaos does harm")

// Goal: the lab's own nemesis, with all it knows, costs no acknowledged write,
// and leaves the lab as it was. Method: clients write and read under chaos that
// hits no more nodes at once than a majority can do without; then the history is
// judged by porcupine, the logs are compared, and the lab and its watchers are looked at.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("real processes for ten seconds: not with -short")
	}
	seed := *tortureSeed
	if seed == 0 {
		seed = rand.Uint64N(1e9) + 1
	}
	t.Logf("replay: go test . -run TestChaos -torture.seed=%d", seed)
	lab := startLab(t, netlab.Config{Nodes: 5, Seed: seed})
	ctx := t.Context()
	waitFor(t, lab, "quorum")

	h := newHistory()
	load, stop := context.WithCancel(ctx)
	var clients sync.WaitGroup
	for id := range 6 {
		clients.Go(func() { h.play(load, lab, id, rand.New(rand.NewPCG(seed, uint64(id)))) })
	}
	defer clients.Wait()
	defer stop()
	begun, err := lab.Do(ctx, netlab.Op{Verb: "chaos", Chaos: &netlab.ChaosOptions{For: *chaosFor, Every: 400 * time.Millisecond, Hard: 4}})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(begun.Text)
	chaosEnds(t, lab)
	waitFor(t, lab, "quorum")
	stop()
	clients.Wait()

	events, err := lab.Events(ctx, netlab.EventQuery{After: begun.Event})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Line != "" {
			t.Logf("%v %s: %s", time.Duration(e.LabNS).Truncate(time.Millisecond), e.Line, e.Text)
		}
	}
	status, err := lab.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range status.Nodes {
		if n.State != netlab.StateUp {
			t.Errorf("S%d is %s", n.ID, n.State)
		}
	}
	if len(status.Faults) > 0 || len(status.Partition) > 0 {
		t.Errorf("left behind: %+v, partition %v", status.Faults, status.Partition)
	}
	h.readAll(t, lab)
	waitFor(t, lab, "converged")
	h.check(t)
	compareLogs(t, lab)
	watched(t, lab)
}

// watched: the lab's watchers of Raft's properties have looked at all that
// happened, found nothing broken, and say of what they do not know why.
func watched(t *testing.T, lab *netlab.Client) {
	t.Helper()
	report, err := lab.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range report.Violations {
		t.Error(v.Message)
	}
	for _, p := range report.Properties {
		if p.Checked == 0 && p.Property != "ConfigurationSafety" || p.Unknown > 0 {
			t.Errorf("%s: %d %s were judged, %d not", p.Name, p.Checked, p.Counts, p.Unknown)
		}
	}
	for _, u := range report.Unknown {
		if u.Node == 0 || !strings.HasPrefix(u.Reason, "it ended without a last word") {
			t.Errorf("not known: %+v", u)
		}
	}
}

// chaosEnds waits until no nemesis is at work.
func chaosEnds(t *testing.T, lab *netlab.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var status netlab.Status
	over := false
	err := lab.Stream(ctx, netlab.StreamOptions{EveryMS: 100}, func(u netlab.Update) error {
		status.Apply(u)
		if over = status.Chaos == nil; over {
			cancel()
		}
		return nil
	})
	if !over {
		t.Fatalf("chaos goes on: %+v (%v)", status.Chaos, err)
	}
}
