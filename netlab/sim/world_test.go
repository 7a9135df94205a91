package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/netlab/check"
	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

const (
	ms     = 1_000_000
	second = 1000 * ms
)

// trace is a Watcher that writes everything down.
type trace struct {
	w     *World
	lines []string
	ended map[raft.NodeID]string
	check *check.Checker // nil: nobody checks
}

func (t *trace) say(format string, args ...any) {
	t.lines = append(t.lines, fmt.Sprintf("%d ", t.w.now)+fmt.Sprintf(format, args...))
}

func (t *trace) Did(id raft.NodeID, life int, events []raft.Event) {
	for i := range events {
		t.say("%v/%d %v", id, life, events[i].Kind)
	}
}

func (t *trace) Deeds(id raft.NodeID, deeds []deed.Deed) {
	for i := range deeds {
		t.say("%v deed %d: %d %d-%d", id, deeds[i].Kind, deeds[i].Term, deeds[i].First, deeds[i].Index)
		if t.check != nil {
			t.check.Deed(id, &deeds[i])
		}
	}
}

func (t *trace) Applied(id raft.NodeID, life int, e *raft.Entry, r *kv.Result) {
	t.say("%v/%d applies %d of %d: %v %q", id, life, e.Index, e.Term, r.Code, r.Value)
}

func (t *trace) Sent(raft.NodeID, raft.NodeID, uint64, *raft.Message) {}

func (t *trace) Landed(f *Frame) {
	t.say("frame %d %v>%v %v left %d: %s", f.ID, f.From, f.To, f.Kind, f.Left, f.Reason)
}

func (t *trace) Refused(id, from raft.NodeID) { t.say("%v refuses a frame of %v", id, from) }

func (t *trace) Ended(id raft.NodeID, life int, why string) {
	t.say("%v/%d ends: %s", id, life, why)
	t.ended[id] = why
}

// cluster is a World with servers in it.
type cluster struct {
	*World
	t     *testing.T
	trace *trace
	cfg   NodeConfig
	n     int
}

func newCluster(t *testing.T, n int, seed uint64, change func(*NodeConfig)) *cluster {
	t.Helper()
	tr := &trace{ended: make(map[raft.NodeID]string), check: check.New(check.Config{Window: 1 << 12})}
	c := &cluster{World: New(Options{Seed: seed, Watch: tr, Record: 4096}), t: t, trace: tr, n: n}
	tr.w = c.World
	var voters []raft.NodeID
	for id := raft.NodeID(1); id <= raft.NodeID(n); id++ {
		voters = append(voters, id)
	}
	c.cfg = NodeConfig{Raft: raft.Config{
		Members: raft.Configuration{Voters: voters}, Heartbeat: 50 * ms, ElectionMin: 150 * ms, ElectionMax: 300 * ms,
		TellCommitAfter: 6 * ms, PreVote: true, CheckQuorum: true, IgnoreVotes: true, Transfer: true,
	}}
	if change != nil {
		change(&c.cfg)
	}
	for _, id := range voters {
		c.must(c.Add(id))
	}
	for _, id := range voters {
		c.start(id)
	}
	return c
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) start(id raft.NodeID) []string {
	c.t.Helper()
	cfg := c.cfg
	cfg.Raft.Seed = c.rand.Uint64()
	notes, err := c.Start(id, cfg)
	c.must(err)
	return notes
}

// leader is who leads the highest term of those that go on, 0 when nobody does.
func (c *cluster) leader() (id raft.NodeID) {
	term := raft.Term(0)
	for _, o := range c.ids {
		if n := c.Core(o); n != nil && !c.server(o).paused && n.Role() == raft.Leader && n.Term() > term {
			id, term = o, n.Term()
		}
	}
	return id
}

func (c *cluster) nodes() []raft.NodeID {
	out := slices.Clone(c.ids)
	if l := c.leader(); l != 0 {
		i := slices.Index(out, l)
		out[0], out[i] = out[i], out[0]
	}
	return out
}

// until runs until so holds.
func (c *cluster) until(what string, most raft.Duration, so func() bool) {
	c.t.Helper()
	end := c.now + raft.Time(most)
	for !so() {
		at, any := c.Next()
		if !any || at > end {
			c.t.Fatalf("%s: not after %d ms", what, most/ms)
		}
		c.Step()
	}
}

func (c *cluster) awaitLeader() raft.NodeID {
	c.t.Helper()
	c.until("a leader", 5*second, func() bool { return c.leader() != 0 })
	return c.leader()
}

func (c *cluster) client(session uint64) *Client {
	return c.NewClient(ClientOptions{Nodes: c.nodes, Session: session, Seed: session})
}

// do carries an operation out and waits for its answer.
func (c *cluster) do(cl *Client, r wire.Request) (reply wire.Reply, err error) {
	c.t.Helper()
	done := false
	cl.Do(r, 5*second, func(r wire.Reply, e error) { reply, err, done = r, e, true })
	c.until("an answer", 6*second, func() bool { return done })
	return reply, err
}

func put(key, value string) wire.Request {
	return wire.Request{Op: wire.OpPut, Key: []byte(key), Value: []byte(value)}
}

func get(key string) wire.Request { return wire.Request{Op: wire.OpGet, Key: []byte(key)} }

func (c *cluster) mustPut(cl *Client, key, value string) {
	c.t.Helper()
	if r, err := c.do(cl, put(key, value)); err != nil || r.Code != wire.CodeOK {
		c.t.Fatalf("put %s: %+v, %v", key, r, err)
	}
}

func (c *cluster) mustGet(cl *Client, key, want string) {
	c.t.Helper()
	if r, err := c.do(cl, get(key)); err != nil || string(r.Value) != want {
		c.t.Fatalf("get %s: %q, %v, want %q", key, r.Value, err, want)
	}
}

// converged tells whether all that run have applied the same, all of it.
func (c *cluster) converged() bool {
	l := c.leader()
	if l == 0 {
		return false
	}
	last := c.Core(l).LastIndex()
	for _, id := range c.ids {
		if s := c.server(id); s.core != nil && (s.applied != last || s.core.LastIndex() != last) {
			return false
		}
	}
	return true
}

func (c *cluster) rules(from, to raft.NodeID, effects ...link.Effect) {
	c.t.Helper()
	var r link.Rules
	for i, e := range effects {
		r.Faults = append(r.Faults, link.Fault{ID: uint64(i + 1), Effect: e})
	}
	c.must(c.SetRules(from, to, r))
}

// cutOff cuts all links of a server.
func (c *cluster) cutOff(id raft.NodeID, effects ...link.Effect) {
	for _, o := range c.ids {
		if o != id {
			c.rules(id, o, effects...)
			c.rules(o, id, effects...)
		}
	}
}

func TestElectsAndReplicates(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 9, 21} {
		c := newCluster(t, n, uint64(n), nil)
		c.awaitLeader()
		cl := c.client(1)
		c.mustPut(cl, "x", "1")
		if r, err := c.do(cl, wire.Request{Op: wire.OpIncr, Key: []byte("x")}); err != nil || string(r.Value) != "2" {
			t.Fatalf("%d servers: incr: %q, %v", n, r.Value, err)
		}
		c.mustGet(cl, "x", "2")
		c.until("all have it", second, c.converged)
		for _, read := range []wire.Read{wire.ReadIndex, wire.ReadLease, wire.ReadStale} {
			r := get("x")
			r.Read = read
			if got, err := c.do(cl, r); err != nil || string(got.Value) != "2" {
				t.Errorf("%d servers: %v read: %q, %v", n, read, got.Value, err)
			}
		}
	}
}

func TestLeaderIsKilledAndComesBack(t *testing.T) {
	c := newCluster(t, 5, 1, nil)
	old := c.awaitLeader()
	cl := c.client(1)
	c.mustPut(cl, "x", "1")
	c.Kill(old)
	c.mustPut(cl, "x", "2")
	if l := c.leader(); l == old || l == 0 {
		t.Fatalf("%v leads", l)
	}
	c.start(old)
	c.until("it has caught up", second, c.converged)
	c.mustGet(cl, "x", "2")
}

func TestMinorityCommitsNothing(t *testing.T) {
	c := newCluster(t, 5, 2, nil)
	old := c.awaitLeader()
	cl := c.client(1)
	c.mustPut(cl, "x", "1")
	c.cutOff(old, link.Cut{})
	var lost *Unanswered
	var answered bool
	alone := c.NewClient(ClientOptions{Nodes: func() []raft.NodeID { return []raft.NodeID{old} }, Session: 9})
	alone.Do(put("x", "9"), second, func(_ wire.Reply, err error) { answered = true; lost, _ = err.(*Unanswered) })
	c.Run(c.now + 2*second)
	if !answered || lost == nil || !lost.Unknown {
		t.Fatalf("answered %v, %v", answered, lost)
	}
	c.mustGet(cl, "x", "1")
	c.cutOff(old)
	c.until("whole again", second, c.converged)
	c.mustGet(cl, "x", "1")
}

func TestPausedServerTakesInLater(t *testing.T) {
	c := newCluster(t, 3, 3, nil)
	l := c.awaitLeader()
	cl := c.client(1)
	c.Pause(l)
	c.mustPut(cl, "x", "1")
	next := c.leader()
	c.Resume(l)
	c.until("it follows", second, func() bool { return c.Core(l).Role() == raft.Follower && c.Core(l).Term() == c.Core(next).Term() })
	c.until("it has caught up", second, c.converged)
}

func TestSnapshotsAreTakenAndSent(t *testing.T) {
	c := newCluster(t, 3, 4, func(n *NodeConfig) { n.SnapshotBytes = 8 << 10 })
	l := c.awaitLeader()
	cl := c.client(1)
	c.mustPut(cl, "first", "1")
	behind := c.ids[0]
	if behind == l {
		behind = c.ids[1]
	}
	c.Kill(behind)
	for i := range 400 {
		c.mustPut(cl, fmt.Sprint("k", i), strings.Repeat("v", 100))
	}
	if s := c.State(l); s.SnapshotIndex == 0 || s.Base == 0 {
		t.Fatalf("the leader has snapshot %d and base %d", s.SnapshotIndex, s.Base)
	}
	c.start(behind)
	c.until("it has caught up", 5*second, c.converged)
	if s := c.State(behind); s.SnapshotIndex == 0 {
		t.Error("it got no snapshot")
	}
	c.Kill(behind)
	c.start(behind)
	c.until("it has caught up again", 5*second, c.converged)
	want, _, err := c.Pairs(l)
	c.must(err)
	got, _, err := c.Pairs(behind)
	c.must(err)
	if len(want) != 401 || fmt.Sprint(want) != fmt.Sprint(got) {
		t.Errorf("%d pairs, the leader has %d", len(got), len(want))
	}
	told := false
	c.mustPut(cl, "more", "1")
	c.Snapshot(l, func(index raft.Index, bytes int64, err error) {
		told = true
		if err != nil || index != c.server(l).applied || bytes == 0 {
			t.Errorf("snapshot %d, %d bytes, %v", index, bytes, err)
		}
	})
	c.until("a snapshot on demand", second, func() bool { return told })
}

func TestMembersChange(t *testing.T) {
	c := newCluster(t, 3, 5, nil)
	l := c.awaitLeader()
	cl := c.client(1)
	c.mustPut(cl, "x", "1")
	for _, id := range []raft.NodeID{4, 5} {
		c.must(c.Add(id))
		cfg := c.cfg
		cfg.Raft.Members = raft.Configuration{}
		cfg.Raft.Seed = uint64(id)
		_, err := c.Start(id, cfg)
		c.must(err)
	}
	c.must(c.ChangeMembers(l, raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4, 5}}))
	c.until("five voters", 5*second, func() bool {
		s := c.State(l)
		return len(s.Config.Voters) == 5 && !s.Config.Joint() && s.Commit >= s.ConfigIndex
	})
	c.must(c.ChangeMembers(l, raft.Configuration{Voters: []raft.NodeID{1, 2, 3, 4, 5, 6}[:3]}))
	c.until("three voters", 5*second, func() bool {
		if l := c.leader(); l != 0 {
			s := c.State(l)
			return len(s.Config.Voters) == 3 && !s.Config.Joint() && s.Commit >= s.ConfigIndex
		}
		return false
	})
	c.must(c.Remove(4))
	c.must(c.Remove(5))
	c.mustPut(cl, "x", "2")
}

func TestFramesByHand(t *testing.T) {
	c := newCluster(t, 3, 6, nil)
	l := c.awaitLeader()
	cl := c.client(1)
	c.mustPut(cl, "x", "1")
	c.until("all have it", second, c.converged)
	other := raft.NodeID(1)
	if l == 1 {
		other = 2
	}
	c.rules(l, other, link.Hold{})
	c.mustPut(cl, "x", "2")
	c.Run(c.now + 20*ms)
	held := slices.DeleteFunc(c.Held(nil), func(f Frame) bool { return !f.Held })
	if len(held) == 0 || held[0].From != l || held[0].To != other {
		t.Fatalf("held: %+v", held)
	}
	before := c.server(other).core.LastIndex()
	f, err := c.Deliver(held[0].ID)
	c.must(err)
	if !f.Done || f.Reason != "" || c.server(other).core.LastIndex() == before {
		t.Errorf("delivered: %+v, the log ends at %d", f, c.server(other).core.LastIndex())
	}
	if err := c.FrameAction(held[0].ID, Drop); err == nil {
		t.Error("a frame that has arrived is dropped")
	}
	copy, err := c.Inject(held[0].ID)
	c.must(err)
	c.rules(l, other)
	c.until("all have it", second, c.converged)
	r, ok := c.lastWord(copy)
	if !ok || !r.Done || r.CopyOf != held[0].ID || !r.Injected {
		t.Errorf("the copy: %+v, %v", r.Frame, ok)
	}
	for _, k := range c.Links(nil) {
		if k.Waiting < 0 || k.Held != 0 || k.Sent+k.Copies != k.Delivered+k.Dropped+uint64(k.Waiting) {
			t.Errorf("link %+v", k)
		}
	}
}

func TestFaultsOnLinks(t *testing.T) {
	c := newCluster(t, 3, 7, nil)
	l := c.awaitLeader()
	cl := c.client(1)
	for _, o := range c.ids {
		if o != l {
			c.rules(l, o, link.Duplicate{Share: 0.5, After: ms}, link.Corrupt{Share: 0.2}, link.Loss{Share: 0.1}, link.Delay{Mean: 5 * ms, Jitter: 3 * ms}, link.Reorder{Share: 0.2, By: 5 * ms})
		}
	}
	for i := range 100 {
		c.mustPut(cl, "x", fmt.Sprint(i))
	}
	count := map[string]int{}
	for _, line := range c.trace.lines {
		switch {
		case strings.Contains(line, " refuses "):
			count["refused"]++
		case strings.HasSuffix(line, ": "+string(link.DroppedByLoss)):
			count["lost"]++
		}
	}
	if count["refused"] == 0 || count["lost"] == 0 {
		t.Errorf("seen: %v", count)
	}
}

// TestSameSeedSameHistory: everything that happens comes from the seed.
func TestSameSeedSameHistory(t *testing.T) {
	for seed := uint64(1); seed <= 30; seed++ {
		var lines [2][]string
		for k := range lines {
			c := newCluster(t, 3+int(seed%3)*2, seed, func(n *NodeConfig) { n.SnapshotBytes = 4 << 10 })
			chaos(c, seed, 5*second)
			lines[k] = c.trace.lines
		}
		if !slices.Equal(lines[0], lines[1]) {
			t.Fatalf("seed %d: two runs differ", seed)
		}
	}
}

// chaos has random things happen to a cluster under load, and lets it come to
// rest. It returns how many increments were acknowledged, and how many asked for.
func chaos(c *cluster, seed uint64, length raft.Duration) (acknowledged, asked int) {
	c.t.Helper()
	r := rand.New(rand.NewPCG(seed, 99))
	end := c.now + raft.Time(length)
	for session := uint64(1); session <= 3; session++ {
		cl := c.client(session)
		var next func()
		next = func() {
			if c.now >= end {
				return
			}
			asked++
			cl.Do(wire.Request{Op: wire.OpIncr, Key: []byte("n")}, second, func(_ wire.Reply, err error) {
				if err == nil {
					acknowledged++
				}
				c.At(c.now+raft.Time(r.Int64N(20*ms)), next)
			})
		}
		next()
	}
	node := func() raft.NodeID { return c.ids[r.IntN(len(c.ids))] }
	for c.now < end {
		c.Run(c.now + raft.Time(r.Int64N(200*ms)))
		switch id := node(); r.IntN(9) {
		case 0:
			c.Kill(id)
		case 1:
			c.Stop(id)
		case 2, 3:
			if !c.Running(id) {
				c.start(id)
			}
		case 4:
			c.Pause(id)
		case 5:
			c.Resume(id)
		case 6:
			c.cutOff(id, link.Cut{})
		case 7:
			c.cutOff(id, link.Loss{Share: 0.2}, link.Delay{Mean: 10 * ms, Jitter: 5 * ms}, link.Duplicate{Share: 0.1, After: 3 * ms})
		case 8:
			c.must(c.SetDisk(id, wire.Disk{Fault: wire.DiskSlow, Delay: 20 * ms, Jitter: 10 * ms, Seed: r.Uint64()}))
		}
	}
	for _, id := range c.ids {
		c.cutOff(id)
		c.must(c.SetDisk(id, wire.Disk{}))
		c.Resume(id)
		if !c.Running(id) {
			c.start(id)
		}
	}
	c.Run(c.now + 2*second)
	c.until("all is the same again", 10*second, c.converged)
	return acknowledged, asked
}

// TestNothingAcknowledgedIsLost: every increment counts once if it was
// acknowledged, and once at most if it was not, on all servers alike.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	total := 0
	for seed := uint64(1); seed <= 40; seed++ {
		c := newCluster(t, 5, seed, func(n *NodeConfig) { n.SnapshotBytes = 4 << 10 })
		acknowledged, asked := chaos(c, seed, 5*second)
		total += acknowledged
		var first string
		for _, id := range c.ids {
			pairs, _, err := c.Pairs(id)
			c.must(err)
			if id == c.ids[0] {
				first = fmt.Sprint(pairs)
			} else if got := fmt.Sprint(pairs); got != first {
				t.Fatalf("seed %d: %v has %s, %v has %s", seed, id, got, c.ids[0], first)
			}
		}
		if v := c.trace.check.Violations(); len(v) > 0 {
			t.Fatalf("seed %d: %s", seed, v[0].Message())
		}
		value, _, _ := c.server(c.ids[0]).store.Get([]byte("n"))
		n := 0
		fmt.Sscan(string(value), &n)
		if n < acknowledged || n > asked {
			t.Fatalf("seed %d: the counter is %d: %d increments of %d were acknowledged", seed, n, acknowledged, asked)
		}
	}
	if total < 2000 {
		t.Errorf("only %d increments were acknowledged: nothing much was tested", total)
	}
}

// A state machine that takes a command twice breaks what clients are promised,
// and the checks see it.
func TestDoubleApplyIsSeen(t *testing.T) {
	c := newCluster(t, 3, 1, func(n *NodeConfig) { n.DoubleApply = 5 })
	c.awaitLeader()
	cl := c.client(1)
	for i := range 10 {
		if _, err := c.do(cl, wire.Request{Op: wire.OpIncr, Key: []byte("x")}); err != nil {
			t.Fatalf("incr %d: %v", i, err)
		}
	}
	if v := c.trace.check.Violations(); len(v) == 0 || v[0].Property != check.StateMachineSafety {
		t.Errorf("seen: %v", v)
	}
}

// The agenda gives back what was put in by time, and of the same time what was
// put in first: however much of it stands in the row.
func TestAgendaKeepsOrder(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		var a agenda
		var now raft.Time
		var want []event
		for range 2000 {
			for range r.IntN(4) {
				e := event{at: now + []raft.Time{0, 100_000, 100_000, 100_000, 50_000, soon, 7 * soon, raft.Time(r.Int64N(int64(3 * soon)))}[r.IntN(8)]}
				e.seq = a.push(e)
				i := len(want)
				for i > 0 && e.before(&want[i-1]) {
					i--
				}
				want = slices.Insert(want, i, e)
			}
			at, any := a.next()
			if any != (len(want) > 0) {
				t.Fatalf("seed %d: it says %v, %d events are in it", seed, any, len(want))
			}
			if !any {
				continue
			}
			if got := a.pop(); got != want[0] || at != got.at {
				t.Fatalf("seed %d: %+v, said to be at %d, want %+v", seed, got, at, want[0])
			}
			now, want = want[0].at, want[1:]
		}
	}
}

// A server that is removed leaves its disk, and one of its number goes on with it.
func TestRemovedServersLeaveTheirDisks(t *testing.T) {
	c := newCluster(t, 3, 1, nil)
	c.Run(2 * second)
	last := c.Core(3).LastIndex()
	c.must(c.Remove(3))
	if !c.HasData(3) {
		t.Error("nothing is left")
	}
	c.must(c.Add(3))
	c.start(3)
	if got := c.Core(3).LastIndex(); got != last {
		t.Errorf("it comes back with a log up to %d, want %d", got, last)
	}
	c.must(c.Remove(3))
	c.Forget(3)
	if c.HasData(3) {
		t.Error("it is forgotten and there")
	}
}

// A request that is given up ends at once, and has its say.
func TestGivenUp(t *testing.T) {
	c := newCluster(t, 3, 1, nil)
	c.Run(2 * second)
	for id := raft.NodeID(1); id <= 3; id++ {
		c.Pause(id)
	}
	var told []error
	client := c.NewClient(ClientOptions{Session: 1, Nodes: func() []raft.NodeID { return []raft.NodeID{1, 2, 3} }})
	giveUp := client.Do(wire.Request{Op: wire.OpPut, Key: []byte("x")}, 0, func(_ wire.Reply, err error) { told = append(told, err) })
	c.Run(c.Now() + second)
	giveUp()
	giveUp()
	c.Run(c.Now() + second)
	if len(told) != 1 {
		t.Fatalf("it is told %d times: %v", len(told), told)
	}
	if e, ok := told[0].(*Unanswered); !ok || !e.Unknown {
		t.Errorf("%v, want that it may still come", told[0])
	}
}
