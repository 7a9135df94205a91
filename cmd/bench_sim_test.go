package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// It measures all it promises, in the shape that scripts rely on. How fast it
// is is no question of a test.
func TestBenchSim(t *testing.T) {
	var out, errs bytes.Buffer
	if code := Run(t.Context(), []string{"bench", "sim", "-n", "3", "--for", "10ms", "--rate", "100", "--seed", "7", "-o", "json"}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("it exits %d: %s", code, errs.String())
	}
	var got simJSON
	dec := json.NewDecoder(&out)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != netlab.SchemaBench || got.Bench != "sim" || got.Rate != 100 || got.Seed != 7 || got.Turns != simTurns {
		t.Errorf("it is %+v", got)
	}
	works := []*simWork{simBare, simIdle, simLoad, simFaults}
	if len(got.Figures) != len(works) {
		t.Fatalf("%d figures", len(got.Figures))
	}
	for i, r := range got.Figures {
		w := works[i]
		if r.Work != w.name || r.Checks != w.checks || r.Nodes != 3 {
			t.Errorf("figure %d is of %s, %d nodes", i, r.Work, r.Nodes)
		}
		if r.Lowest <= 0 || r.Ratio < r.Lowest || r.Highest < r.Ratio || r.Growth != 1 || r.Frames <= 0 || r.Events <= r.Frames || r.VirtualS <= 0 {
			t.Errorf("%s: %+v", w.name, r)
		}
		if r.Writes > 0 != w.load || r.Compared > 0 && !w.checks || r.Faults > 0 && !w.faults {
			t.Errorf("%s: %+v", w.name, r)
		}
	}
}

// A table has all sizes, idle and loaded.
func TestBenchSimTable(t *testing.T) {
	var out, errs bytes.Buffer
	if code := Run(t.Context(), []string{"bench", "sim", "--for", "1ms"}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("it exits %d: %s", code, errs.String())
	}
	if rows := strings.Count(out.String(), "\n"); rows != 1+4*len(simSizes) {
		t.Errorf("%d lines:\n%s", rows, out.String())
	}
}

func TestBenchSimIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	var out, errs bytes.Buffer
	if code := Run(ctx, []string{"bench", "sim", "--for", "10m"}, strings.NewReader(""), &out, &errs); code == 0 || out.Len() > 0 {
		t.Errorf("it exits %d, prints %q", code, out.String())
	}
}

// The same seed is the same load and the same faults, all kinds of them, and
// nothing is broken by them: at the end everything is answered and all nodes are
// as far as each other.
func TestSimClusterIsDeterministic(t *testing.T) {
	const length = 20 * raft.Time(time.Second)
	play := func(seed uint64) simCounts {
		c, err := newSimCluster(5, simFaults, 50, seed)
		if err != nil {
			t.Fatal(err)
		}
		if c.run(c.Now() + length); c.err != nil {
			t.Fatalf("seed %d: %v", seed, c.err)
		}
		counts := c.counts
		if counts.Faults < 10 || counts.Kills < 1 || counts.Reigns < 1 || counts.Compared < 1000 || counts.Writes < 800 || counts.Reads < 200 || counts.Lost > 0 {
			t.Errorf("seed %d: %+v", seed, counts)
		}
		if c.judge(true); c.err != nil {
			t.Fatalf("seed %d: %v", seed, c.err)
		}
		if r := c.history.Report(); r.Judged < 1000 || r.Violated > 0 {
			t.Errorf("seed %d: of the history it says %+v", seed, r)
		}
		return counts
	}
	var seen []simCounts
	for seed := range uint64(2) {
		first, again := play(seed), play(seed)
		if first != again {
			t.Errorf("seed %d: %+v, then %+v", seed, first, again)
		}
		if slices.Contains(seen, first) {
			t.Errorf("seed %d plays as another does", seed)
		}
		seen = append(seen, first)
	}
}

// What the checks find ends the measurement with what they say, and exit code 6.
func TestSimClusterTellsWhatIsBroken(t *testing.T) {
	tests := []struct {
		name, says string
		do         func(*simCluster)
	}{
		{"two leaders of a term", "Election Safety", func(c *simCluster) {
			for _, id := range c.nodes[:2] {
				(&simWatch{c}).Deeds(id, []deed.Deed{{Kind: deed.Became, At: c.Now(), Term: 99, Role: raft.Leader}})
			}
		}},
		{"a read of what nobody wrote", "not linearizable", func(c *simCluster) {
			c.request(wire.OpGet)
			open := c.history.OpenOperations()
			c.answered(open[len(open)-1].ID, wire.OpGet, &wire.Reply{Found: true, Value: []byte("made up")}, nil)
			c.judge(true)
		}},
	}
	for _, tt := range tests {
		c, err := newSimCluster(3, simLoad, 50, 1)
		if err != nil {
			t.Fatal(err)
		}
		c.run(c.Now() + raft.Time(time.Second))
		tt.do(c)
		var coded *netlab.Error
		if !errors.As(c.err, &coded) || coded.Code != netlab.ExitCheck || !strings.Contains(c.err.Error(), tt.says) {
			t.Errorf("%s: it says %v", tt.name, c.err)
		}
		events := c.counts.Events
		if c.run(c.Now() + raft.Time(time.Second)); c.counts.Events != events {
			t.Errorf("%s: it goes on", tt.name)
		}
	}
}
