package explore

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/raft"
)

// traced is a lab whose events are kept when it ends.
type traced struct {
	*netlab.SimLab
	into *bytes.Buffer
}

func (l traced) Close() {
	events, _ := l.Events(0)
	for i := range events {
		data, err := json.Marshal(&events[i])
		if err != nil {
			panic(err)
		}
		l.into.Write(append(data, '\n'))
	}
	l.SimLab.Close()
}

// TestSameSeedSameEvents: a seed says all about a run, byte for byte.
func TestSameSeedSameEvents(t *testing.T) {
	seeds := uint64(100)
	if testing.Short() {
		seeds = 5
	}
	for seed := uint64(1); seed <= seeds; seed++ {
		var traces [2]bytes.Buffer
		for k := range traces {
			make := func(c netlab.Config) (Lab, error) {
				lab, err := netlab.NewSimLab(c, netlab.SimOptions{})
				return traced{lab, &traces[k]}, err
			}
			report, err := (&Search{From: seed, To: seed, Make: make}).Run(t.Context())
			if err != nil || report.Found != nil {
				t.Fatalf("seed %d: %+v, %v", seed, report, err)
			}
		}
		if traces[0].Len() == 0 || !bytes.Equal(traces[0].Bytes(), traces[1].Bytes()) {
			t.Errorf("seed %d: two runs tell of other events, %d and %d bytes", seed, traces[0].Len(), traces[1].Len())
		}
	}
}

// TestRulesAreFound: each rule that is off is found to be, as what it protects.
// How long that may take is about three times what it took when this was written.
func TestRulesAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes many runs")
	}
	for _, rule := range raft.UnsafeRules() {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			s := &Search{Options: Options{Unsafe: []string{rule.Name}}, From: 1, To: 600, Workers: 1, Make: InMemory, Want: rule.Endangers}
			report, err := s.Run(t.Context())
			if err != nil || report.Found == nil {
				t.Fatalf("%+v, %v", report, err)
			}
			t.Logf("seed %d: %s", report.Found.Seed, report.Found.Failure.Text)
		})
	}
}
