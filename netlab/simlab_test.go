package netlab

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/netlab/check"
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

// A hundred seeds, each played twice: whatever chaos does, it does again.
func TestSeedsRepeatThemselves(t *testing.T) {
	seeds := 100
	if testing.Short() {
		seeds = 5
	}
	play := func(seed uint64) []string {
		c := simConfig(t, 3+int(seed%3)*2)
		c.Seed, c.RestartPolicy = seed, PolicyOnFailure
		s, err := NewSimLab(c, SimOptions{})
		if err != nil {
			t.Fatal(told(err))
		}
		defer s.Close()
		x := &simTest{s, t}
		x.do(Op{Verb: "load", Rate: 100, Clients: 4, Keys: 3})
		x.do(Op{Verb: "chaos", Chaos: &ChaosOptions{For: 6 * time.Second, Every: 500 * time.Millisecond, Hard: 5}, Await: true})
		x.do(Op{Verb: "load", Stop: true})
		x.do(Op{Verb: "heal", All: true})
		x.waits("leader != 0")
		if v := s.Status().Violations; len(v) > 0 {
			t.Errorf("seed %d: %s", seed, v[0].Message)
		}
		return x.trace()
	}
	events := 0
	for seed := range uint64(seeds) {
		once, again := play(seed+1), play(seed+1)
		events += len(once)
		for i := range min(len(once), len(again)) {
			if once[i] != again[i] {
				t.Fatalf("seed %d: event %d of %d is\n%s\nand then\n%s", seed+1, i+1, len(once), once[i], again[i])
			}
		}
		if len(once) != len(again) {
			t.Fatalf("seed %d: %d events, and then %d", seed+1, len(once), len(again))
		}
	}
	t.Logf("%d seeds, %d events each time", seeds, events)
}

// What can be done to a lab of processes can be done to a simulated one.
func TestSimLabTakesAllOperations(t *testing.T) {
	c := simConfig(t, 3)
	c.Preload = map[int][]uint64{1: {1, 1, 2}, 2: {1, 1}, 3: {1, 1, 2}}
	c.RestartPolicy = PolicyOnFailure
	s := newSimTest(t, c)
	s.waits("leader != 0")
	s.waits("all(nodes, .applied == commit)")
	if log, err := s.Log(t.Context(), "1"); err != nil || log.Entries[0].Command != "put k1=t1" {
		t.Errorf("the preloaded log is %+v, %v", log, err)
	}
	s.kv(KVOp{Op: "put", Key: "x", Value: "1"})
	s.kv(KVOp{Op: "incr", Key: "n"})
	s.kv(KVOp{Op: "cas", Key: "x", Old: "1", Value: "2"})
	for _, read := range []string{ReadLog, ReadIndex, ReadLease, ReadStale} {
		if r := s.kv(KVOp{Op: "get", Key: "x", Read: read}); r.Value != "2" {
			t.Errorf("a %s read gives %+v", read, r)
		}
	}
	if d, err := s.Dump(t.Context(), "leader"); err != nil || len(d.Pairs) == 0 {
		t.Errorf("dump: %+v %v", d, err)
	}

	// A breakpoint holds the clock with the change that makes it true.
	s.do(Op{Verb: "break", Cond: "leader-change"})
	s.do(Op{Verb: "transfer", Nodes: []string{"random"}})
	if st := s.Status(); !st.Clock.Held || st.Clock.Break == nil {
		t.Errorf("no breakpoint holds it: %+v", st.Clock)
	}
	if err := s.Sleep(t.Context(), time.Second); err == nil {
		t.Error("time passed while the clock was held")
	}
	s.do(Op{Verb: "break", Stop: true})
	res := s.do(Op{Verb: "step", Until: `len(filter(nodes, .role == "leader")) == 1`, Count: 100})
	if res.Until == nil || !res.Until.Holds {
		t.Errorf("steps: %+v", res)
	}
	if res := s.do(Op{Verb: "step", Count: 20}); len(res.Steps) != 20 {
		t.Errorf("%d steps of 20", len(res.Steps))
	}
	s.do(Op{Verb: "release"})
	s.do(Op{Verb: "speed", Rate: 0.1})
	before := s.Status()
	s.sleep(time.Second)
	after := s.Status()
	if passed := after.Clock.LabNS - before.Clock.LabNS; passed != int64(time.Second) {
		t.Errorf("a second in slow motion is %v", time.Duration(passed))
	}
	s.do(Op{Verb: "speed", Rate: 1})

	s.do(Op{Verb: "add", Nodes: []string{"4", "5"}})
	s.do(Op{Verb: "remove", Nodes: []string{"5"}})
	s.do(Op{Verb: "members", Nodes: []string{"1", "2", "3"}})
	if n := len(s.Status().Nodes); n != 3 {
		t.Errorf("%d nodes", n)
	}
	s.do(Op{Verb: "snapshot", Nodes: []string{"all"}})
	if res := s.do(Op{Verb: "restart", Rolling: true, Nodes: []string{"all"}}); len(res.Rolled) != 3 {
		t.Errorf("rolled: %+v", res)
	}
	s.do(Op{Verb: "wipe", Nodes: []string{"1"}})
	s.do(Op{Verb: "restart", Nodes: []string{"1"}})
	s.waits("S1.applied == commit")

	// Who ends by itself comes back.
	s.do(Op{Verb: "disk", Nodes: []string{"2"}, Disk: DiskFail})
	s.kv(KVOp{Op: "put", Key: "y", Value: "1"})
	s.waits("S2.starts >= 3 && S2.state == \"up\" && S2.applied == commit")
	s.do(Op{Verb: "clock", Nodes: []string{"3"}, Action: ClockSkew, Skew: 30 * time.Millisecond})
	s.do(Op{Verb: "clock", Nodes: []string{"2"}, Action: ClockRate, Rate: 1.5})
	s.sleep(2 * time.Second)

	// Single frames, by hand.
	s.do(Op{Verb: "frame", Action: FrameHold, Links: []string{"all"}})
	s.sleep(time.Second)
	held := 0
	for _, l := range s.Status().Links {
		held += l.OnHold
	}
	if held == 0 {
		t.Error("no frame is held")
	}
	s.do(Op{Verb: "frame", Action: FrameRelease, All: true})
	s.do(Op{Verb: "heal", All: true})
	s.do(Op{Verb: "kill", Nodes: []string{"all"}})
	if _, err := s.KV(t.Context(), KVOp{Op: "put", Key: "z", Value: "1", Timeout: time.Second}); err == nil {
		t.Error("a put works without a node")
	}
	s.do(Op{Verb: "restart", Nodes: []string{"all"}})
	s.do(Op{Verb: "stop", Nodes: []string{"1"}})
	s.do(Op{Verb: "pause", Nodes: []string{"2"}})
	s.do(Op{Verb: "resume", Nodes: []string{"2"}})
	s.do(Op{Verb: "restart", Nodes: []string{"dead"}})
	s.waits("leader != 0")
	seen := s.Check()
	if !seen.OK {
		t.Errorf("it broke a promise: %s", seen.Violations[0].Message)
	}
	for _, p := range seen.Properties {
		if p.Checked == 0 {
			t.Errorf("nobody looked at %s", p.Name)
		}
	}
	if l := seen.Linearizability; l == nil {
		t.Error("nobody judged what clients were told")
	}
	for _, line := range s.trace() {
		if strings.Contains(line, "SIG") || strings.Contains(line, "pid") {
			t.Errorf("it has no processes, and speaks of them: %s", line)
		}
	}
}

// The status says how the history stands, and says the same as long as the clock
// is held.
func TestStatusTellsHowTheHistoryStands(t *testing.T) {
	s := newSimTest(t, simConfig(t, 3))
	s.waits("leader != 0")
	if l := s.Status().Linearizability; l != nil {
		t.Errorf("nobody has asked for anything, and it stands at %+v", l)
	}
	s.kv(KVOp{Op: "put", Key: "x", Value: "1"})
	s.kv(KVOp{Op: "get", Key: "x"})
	s.sleep(time.Second)
	l := s.Status().Linearizability
	if l == nil || l.Verdict != check.VerdictOK || l.Judged != 2 || l.NotJudged != 0 || l.LastJudgedNS == 0 {
		t.Fatalf("after a put and a get it stands at %+v", l)
	}
	s.kv(KVOp{Op: "put", Key: "x", Value: "2"})
	s.do(Op{Verb: "hold"})
	s.l.history.judge(false)
	if now := s.Status().Linearizability; *now != *l {
		t.Errorf("held, it goes from %+v to %+v", l, now)
	}
	s.do(Op{Verb: "release"})
	s.kv(KVOp{Op: "put", Key: "x", Value: "3"})
	s.sleep(time.Second)
	if now := s.Status().Linearizability; now.Judged != 4 || now.LastJudgedNS <= l.LastJudgedNS {
		t.Errorf("after two more puts it stands at %+v", now)
	}
}
