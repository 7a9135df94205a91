package cmd

import (
	"reflect"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// Every line of a plan is one that somebody could type, and asks the lab for
// what the plan does.
func TestChaosLinesAreOfTheCommandLine(t *testing.T) {
	var kinds []string
	for _, k := range netlab.ChaosKinds() {
		kinds = append(kinds, k.Name)
	}
	seen := make(map[string]bool)
	for seed := uint64(1); seed <= 1000; seed++ {
		s := &netlab.Status{Timing: netlab.Timing{ElectionMinNS: int64(150 * time.Millisecond)}}
		for id := 1; id <= 3+int(seed%5); id++ {
			s.Nodes = append(s.Nodes, netlab.NodeStatus{ID: id})
			s.Config.Voters = append(s.Config.Voters, id)
		}
		plan, err := netlab.PlanChaos(netlab.ChaosOptions{Seed: seed, Kinds: kinds, Hard: 1 + int(seed%5), For: 500 * time.Millisecond, Every: 500 * time.Millisecond}, s)
		if err != nil {
			t.Fatal(err)
		}
		for i := range plan.Faults {
			f := &plan.Faults[i]
			do, undo := f.Ops()
			check := func(line string, want netlab.Op) {
				if seen[line] {
					return
				}
				seen[line] = true
				got, err := parseOp(line)
				if err != nil {
					t.Errorf("%s: %v", line, err)
					return
				}
				if got.Line != line {
					t.Errorf("%s is typed as %s", line, got.Line)
				}
				got.Line = ""
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s asks for\n%+v, the plan does\n%+v", line, got, want)
				}
			}
			check(f.Line, do)
			if len(undo) != len(f.Undo) {
				t.Errorf("%s is undone by %q, which are %d operations", f.Line, f.Undo, len(undo))
				continue
			}
			for i, line := range f.Undo {
				check(line, undo[i])
			}
		}
	}
}
