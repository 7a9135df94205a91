package explore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/cond"
	"github.com/raftlab/raftlab/raft"
)

// fakeLab breaks a property when lines come in an order that breaks it.
type fakeLab struct {
	now    time.Duration
	lines  []string
	breaks func(*fakeLab) (property, text string)
	panics string
}

func (f *fakeLab) did(line string) {
	f.lines = append(f.lines, line)
	if line == f.panics {
		panic("out of luck")
	}
}

func (f *fakeLab) Do(_ context.Context, op netlab.Op) (*netlab.OpResult, error) {
	f.did(bare(op.Line))
	if op.Verb == "restart" {
		return nil, netlab.Errorf(netlab.ExitConflict, "no node is dead")
	}
	return &netlab.OpResult{}, nil
}

func (f *fakeLab) KV(_ context.Context, op netlab.KVOp) (*netlab.KVResult, error) {
	f.did(bare(op.Line))
	return nil, netlab.Errorf(netlab.ExitTimeout, "no answer")
}

func (f *fakeLab) Wait(context.Context, netlab.Wait) (*netlab.WaitResult, error) {
	return &netlab.WaitResult{Holds: true}, nil
}

func (f *fakeLab) Judge(context.Context, *cond.Cond) (*netlab.WaitResult, error) {
	return &netlab.WaitResult{Holds: true}, nil
}

func (f *fakeLab) Sleep(_ context.Context, d time.Duration) error {
	f.now += d
	return nil
}

func (f *fakeLab) Violations(bool) []netlab.Violation {
	if property, text := f.breaks(f); property != "" {
		return []netlab.Violation{{Property: property, Message: text}}
	}
	return nil
}

func (f *fakeLab) Close() {}

// fakes makes labs that break when they have seen what breaks wants.
func fakes(breaks func(*fakeLab) (string, string)) Maker {
	return func(netlab.Config) (Lab, error) { return &fakeLab{breaks: breaks}, nil }
}

// inOrder tells whether lines that begin with these words came in this order.
func (f *fakeLab) inOrder(words ...string) bool {
	for _, line := range f.lines {
		if len(words) > 0 && strings.HasPrefix(line, words[0]) {
			words = words[1:]
		}
	}
	return len(words) == 0
}

func TestDrawsAreAlikeAndPlansMakeSense(t *testing.T) {
	seen := make(map[string]bool)
	for seed := uint64(1); seed <= 300; seed++ {
		draw, err := New(seed, Options{})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		again, err := New(seed, Options{})
		if err != nil || draw.String() != again.String() {
			t.Fatalf("seed %d is drawn as %v and as %v, %v", seed, draw, again, err)
		}
		seen[draw.Weather] = true
		p, err := draw.Plan()
		if err != nil {
			t.Fatalf("%v: %v", draw, err)
		}
		q, err := again.Plan()
		if err != nil || p.Scenario("x") != q.Scenario("x") {
			t.Fatalf("%v: two plans, %v", draw, err)
		}
		if len(p.Steps) < 5 {
			t.Errorf("%v: %d steps", draw, len(p.Steps))
		}
		for i := range p.Steps {
			s := &p.Steps[i]
			set := 0
			for _, is := range []bool{s.Op != nil, s.KV != nil, s.Wait != nil} {
				if is {
					set++
				}
			}
			if set != 1 || s.Line == "" || s.After < 0 {
				t.Errorf("%v: step %+v", draw, s)
			}
		}
	}
	for _, w := range weathers() {
		if seen[w.name] == w.fixed {
			t.Errorf("weather %s: drawn %v, fixed %v", w.name, seen[w.name], w.fixed)
		}
	}
}

func TestEveryRuleHasItsWeather(t *testing.T) {
	for _, name := range allRules() {
		o := Options{Unsafe: []string{name}}
		list, err := o.weathers()
		if err != nil || len(list) == 0 {
			t.Errorf("%s: %d weathers, %v", name, len(list), err)
		}
	}
	if _, err := New(1, Options{Weather: "sunny"}); err == nil {
		t.Error("it is sunny")
	}
}

func TestShrinkFindsTheLinesThatMatter(t *testing.T) {
	draw, err := New(3, Options{Weather: "mixed"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := draw.Plan()
	if err != nil {
		t.Fatal(err)
	}
	p.Steps = slices.Insert(p.Steps, len(p.Steps)/2, do("kill 2", netlab.Op{Verb: "kill"}), do("noise", netlab.Op{Verb: "note"}), do("wipe 2", netlab.Op{Verb: "wipe"}))
	p.Steps[len(p.Steps)/2].After += 137 * time.Millisecond
	lab := fakes(func(f *fakeLab) (string, string) {
		if f.inOrder("kill 2", "wipe 2") && f.now >= 100*time.Millisecond {
			return "LogMatching", "they differ"
		}
		return "", ""
	})
	r, err := Run(t.Context(), lab, p, "")
	if err != nil || r.Failure == nil || r.Failure.Property != "Log Matching" {
		t.Fatalf("%+v, %v", r.Failure, err)
	}
	s, err := Shrink(t.Context(), lab, p, r.Failure, 1000)
	if err != nil {
		t.Fatal(err)
	}
	text := s.Plan.Scenario("they differ")
	if len(s.Plan.Steps) != 2 || s.Plan.Config.Nodes != 1 || !strings.Contains(text, "try kill 2\n") || !strings.Contains(text, "try wipe 2\nexpect len(violations) == 0\n") || !strings.HasPrefix(text, "# they differ\n") {
		t.Errorf("%d runs later:\n%s", s.Runs, text)
	}
	if s.Plan.Lines() > 5 {
		t.Errorf("%d lines", s.Plan.Lines())
	}
	total := time.Duration(0)
	for _, step := range s.Plan.Steps {
		total += step.After
	}
	if total < 100*time.Millisecond || total > 250*time.Millisecond {
		t.Errorf("it takes %v, 100 ms is enough", total)
	}
}

// A run that fails otherwise than the one to be shrunk is another bug.
func TestShrinkKeepsTheProperty(t *testing.T) {
	p := &Plan{Config: baseConfig(), Steps: []Step{do("a", netlab.Op{}), do("b", netlab.Op{}), do("c", netlab.Op{})}}
	lab := fakes(func(f *fakeLab) (string, string) {
		switch {
		case f.inOrder("a", "b", "c"):
			return "ElectionSafety", "two leaders"
		case f.inOrder("c"):
			return "LogMatching", "they differ"
		}
		return "", ""
	})
	s, err := Shrink(t.Context(), lab, p, &Failure{Property: "Election Safety", Step: 3}, 100)
	if err != nil || len(s.Plan.Steps) != 3 || s.Failure.Property != "Election Safety" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestPanicsAndMistakesAreFound(t *testing.T) {
	p := &Plan{Config: baseConfig(), Steps: []Step{do("a", netlab.Op{})}}
	quiet := func(*fakeLab) (string, string) { return "", "" }
	r, err := Run(t.Context(), func(netlab.Config) (Lab, error) { return &fakeLab{breaks: quiet, panics: "a"}, nil }, p, "")
	if err != nil || r.Failure == nil || r.Failure.Property != Panicked || !strings.Contains(r.Failure.Text, "out of luck") {
		t.Errorf("%+v, %v", r.Failure, err)
	}
	r, err = Run(t.Context(), func(netlab.Config) (Lab, error) { return nil, errors.New("no such lab") }, p, "")
	if err != nil || r.Failure == nil || r.Failure.Property != Invalid {
		t.Errorf("%+v, %v", r.Failure, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&Search{From: 1, To: 5, Workers: 2, Make: fakes(quiet)}).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a search that is broken off: %v", err)
	}
}

// The shards of a range have every seed of it once.
func TestShardsSplitTheSeeds(t *testing.T) {
	quiet := fakes(func(*fakeLab) (string, string) { return "", "" })
	for _, tt := range []struct{ from, to, shards uint64 }{{1, 20, 1}, {1, 20, 3}, {7, 19, 4}, {5, 6, 8}} {
		var mu sync.Mutex
		seen := make(map[uint64]int)
		total := uint64(0)
		for shard := uint64(1); shard <= tt.shards; shard++ {
			s := &Search{From: tt.from, To: tt.to, Shard: shard, Shards: tt.shards, Workers: 3, Make: quiet, Each: func(seed uint64, _ Result) {
				mu.Lock()
				seen[seed]++
				mu.Unlock()
			}}
			report, err := s.Run(t.Context())
			if err != nil || report.Found != nil {
				t.Fatalf("%+v, %v", report, err)
			}
			total += report.Seeds
		}
		for seed := tt.from; seed <= tt.to; seed++ {
			if seen[seed] != 1 {
				t.Errorf("%+v: seed %d was played %d times", tt, seed, seen[seed])
			}
		}
		if total != tt.to-tt.from+1 || len(seen) != int(total) {
			t.Errorf("%+v: %d seeds were played", tt, total)
		}
	}
}

// However many work at it, the seed that is found is the lowest.
func TestLowestSeedIsFound(t *testing.T) {
	for workers := 1; workers <= 8; workers++ {
		make := func(c netlab.Config) (Lab, error) {
			return &fakeLab{breaks: func(*fakeLab) (string, string) {
				switch {
				case c.Seed >= 40 && c.Seed%3 == 1:
					return "ElectionSafety", fmt.Sprint(c.Seed)
				case c.Seed%10 == 5:
					return "LogMatching", fmt.Sprint(c.Seed)
				}
				return "", ""
			}}, nil
		}
		report, err := (&Search{From: 1, To: 100, Workers: workers, Make: make, Want: "Election Safety"}).Run(t.Context())
		if err != nil || report.Found == nil || report.Found.Seed != 40 || report.Others["Log Matching"] != 4 {
			t.Fatalf("%d workers: %+v, %v", workers, report, err)
		}
		report, err = (&Search{From: 1, To: 100, Workers: workers, Make: make}).Run(t.Context())
		if err != nil || report.Found == nil || report.Found.Seed != 5 {
			t.Fatalf("%d workers: %+v, %v", workers, report, err)
		}
	}
}

// allRules are the names of all unsafe rules.
func allRules() (names []string) {
	for _, r := range raft.UnsafeRules() {
		names = append(names, r.Name)
	}
	return names
}
