package netlab

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

func simConfig(t *testing.T, nodes int) Config {
	t.Helper()
	c, err := Profile(ProfileLAN)
	if err != nil {
		t.Fatal(err)
	}
	c.Nodes, c.Seed = nodes, 1
	return c
}

// sim is a SimLab whose operations work.
type simTest struct {
	*SimLab
	t *testing.T
}

func newSimTest(t *testing.T, c Config) *simTest {
	t.Helper()
	s, err := NewSimLab(c, SimOptions{Frames: 4096})
	if err != nil {
		t.Fatal(told(err))
	}
	t.Cleanup(s.Close)
	return &simTest{s, t}
}

func (s *simTest) do(op Op) *OpResult {
	s.t.Helper()
	res, err := s.Do(s.t.Context(), op)
	if err != nil {
		s.t.Fatalf("%s: %s", op.Verb, told(err))
	}
	return res
}

func (s *simTest) kv(op KVOp) *KVResult {
	s.t.Helper()
	res, err := s.KV(s.t.Context(), op)
	if err != nil {
		s.t.Fatalf("%s: %s", op.Op, told(err))
	}
	return res
}

func (s *simTest) waits(cond string) {
	s.t.Helper()
	res, err := s.Wait(s.t.Context(), Wait{Cond: cond, Timeout: time.Minute})
	if err != nil || !res.Holds {
		s.t.Fatalf("wait %s: %+v %s", cond, res, told(err))
	}
}

func (s *simTest) sleep(d time.Duration) {
	s.t.Helper()
	if err := s.Sleep(s.t.Context(), d); err != nil {
		s.t.Fatal(told(err))
	}
}

// trace is all events, as somebody else would read them.
func (s *simTest) trace() []string {
	events, gone := s.Events(0)
	if gone > 0 {
		s.t.Fatalf("%d events are not kept any more", gone)
	}
	var lines []string
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			s.t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	return lines
}

// Time passes while somebody waits, and not otherwise.
func TestDrivenTime(t *testing.T) {
	s := newSimTest(t, simConfig(t, 3))
	s.waits("leader != 0")
	before := s.Status().Clock.LabNS
	if again := s.Status().Clock.LabNS; again != before {
		t.Errorf("it shows %d, and %d a moment later", before, again)
	}
	s.sleep(10 * time.Minute)
	if after := s.Status().Clock.LabNS; after != before+int64(10*time.Minute) {
		t.Errorf("10 minutes after %d it shows %d", before, after)
	}
	if res := s.kv(KVOp{Op: "put", Key: "x", Value: "1"}); res.TookMS <= 0 {
		t.Errorf("a put takes no time: %+v", res)
	}
}

// Whatever is done to a simulated lab, it does the same again when the same is
// done to it again.
func TestSimLabRepeatsItself(t *testing.T) {
	play := func() []string {
		s := newSimTest(t, simConfig(t, 5))
		s.waits("leader != 0")
		s.do(Op{Verb: "load", Rate: 200, For: 5 * time.Second})
		s.do(Op{Verb: "slow", Links: []string{"all"}, Delay: 5 * time.Millisecond, Jitter: 5 * time.Millisecond})
		s.do(Op{Verb: "lose", Links: []string{"all"}, Loss: 0.05})
		s.do(Op{Verb: "kill", Nodes: []string{"leader"}})
		s.sleep(time.Second)
		s.do(Op{Verb: "restart", Nodes: []string{"dead"}})
		s.do(Op{Verb: "partition", Sides: [][]string{{"random"}}})
		s.sleep(2 * time.Second)
		s.do(Op{Verb: "heal", All: true})
		s.do(Op{Verb: "chaos", Chaos: &ChaosOptions{For: 10 * time.Second}, Await: true})
		s.waits("count(nodes, .commit == nodes[0].commit) == len(nodes)")
		return s.trace()
	}
	once, again := play(), play()
	for i := range min(len(once), len(again)) {
		if once[i] != again[i] {
			t.Fatalf("event %d of %d is\n%s\nand then\n%s", i+1, len(once), once[i], again[i])
		}
	}
	if !slices.Equal(once, again) {
		t.Errorf("%d events, and then %d", len(once), len(again))
	}
}
