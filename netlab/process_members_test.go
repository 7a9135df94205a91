//go:build unix

package netlab

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// These tests change the members of real labs.

// writer puts one key after the other through the gateway and remembers which
// puts were acknowledged, and the longest time between two of them.
type writer struct {
	stop context.CancelFunc
	done chan struct{}

	mu    sync.Mutex
	acked []string
	last  time.Time     // one was
	gap   time.Duration // the longest since it was last taken
	next  chan struct{} // closed with the next one; nil when nobody waits for that
}

func (s *started) write(t *testing.T) *writer {
	ctx, cancel := context.WithCancel(t.Context())
	w := &writer{stop: cancel, done: make(chan struct{}), last: time.Now()}
	go func() {
		defer close(w.done)
		for n := 0; ctx.Err() == nil; n++ {
			key := "w" + strconv.Itoa(n)
			_, err := s.KV(ctx, KVOp{Op: "put", Key: key, Value: "1", Timeout: 20 * time.Second})
			switch {
			case err == nil:
				w.ack(key)
			case ctx.Err() == nil:
				t.Errorf("put %s: %s", key, told(err))
			}
		}
	}()
	return w
}

func (w *writer) ack(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.acked, w.gap, w.last = append(w.acked, key), max(w.gap, now.Sub(w.last)), now
	if w.next != nil {
		close(w.next)
		w.next = nil
	}
}

// step waits for two more writes, the second of which was begun after now, and
// tells how long none was acknowledged since the step before.
func (w *writer) step(t *testing.T, what string) {
	t.Helper()
	for range 2 {
		w.mu.Lock()
		if w.next == nil {
			w.next = make(chan struct{})
		}
		next := w.next
		w.mu.Unlock()
		select {
		case <-next:
		case <-w.done:
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t.Logf("%s: no write was acknowledged for %v at most", what, w.gap.Round(time.Millisecond))
	w.gap = 0
}

// check ends the writer and looks for all it was promised.
func (w *writer) check(t *testing.T, s *started) {
	t.Helper()
	w.stop()
	<-w.done
	d, err := s.Dump(t.Context(), "leader")
	if err != nil {
		t.Fatal(told(err))
	}
	there := make(map[string]bool)
	for _, p := range d.Pairs {
		there[p.Key] = true
	}
	for _, key := range w.acked {
		if !there[key] {
			t.Errorf("%s was acknowledged and is gone", key)
		}
	}
	if len(w.acked) < 4 {
		t.Errorf("only %d writes were acknowledged", len(w.acked))
	}
	t.Logf("%d writes were acknowledged, none is lost", len(w.acked))
}

// asks does an operation beside the test.
func (s *started) asks(t *testing.T, op Op) (wait func() *OpResult) {
	type outcome struct {
		res *OpResult
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		res, err := s.Do(t.Context(), op)
		done <- outcome{res, err}
	}()
	return func() *OpResult {
		t.Helper()
		o := <-done
		if o.err != nil {
			t.Fatalf("%s %v: %s", op.Verb, op.Nodes, told(o.err))
		}
		return o.res
	}
}

// 3 to 5 to 3 nodes while writes go on, and the leader dies in both phases: with
// C_old,new in its own log alone, and with C_new in its log and on its way.
func TestThreeToFiveToThree(t *testing.T) {
	config := testConfig(t)
	// A round trip of 60 ms is what a phase takes at least, and what a new node
	// may take to catch up.
	config.Delay = 30 * time.Millisecond
	s := startLab(t, config)
	s.waits(t, "quorum")
	w := s.write(t)
	s.does(t, Op{Verb: "load", Rate: 100, Clients: 4})

	added := s.asks(t, Op{Verb: "add", Nodes: []string{"4", "5"}})
	s.waits(t, "config.joint")
	old := strconv.Itoa(s.see(t).Leader)
	// What left before the wall stood does not pass it, either.
	s.does(t, Op{Verb: "partition", Sides: [][]string{{old}}})
	s.does(t, Op{Verb: "kill", Nodes: []string{old}})
	s.does(t, Op{Verb: "heal"})
	s.does(t, Op{Verb: "restart", Nodes: []string{old}})
	res := added()
	if c := s.see(t).Config; !slices.Equal(c.Voters, []int{1, 2, 3, 4, 5}) || c.Joint() || !strings.HasPrefix(res.Text, "S4 S5 added: the members are S1 S2 S3 S4 S5 (entry ") {
		t.Errorf("%q, and the configuration is %+v", res.Text, c)
	}
	w.step(t, "3 to 5, the leader killed with C_old,new in its log alone")
	s.waits(t, "quorum")
	s.waits(t, `all(nodes, .state == "up")`)

	removed := s.asks(t, Op{Verb: "members", Nodes: []string{"1", "2", "3"}})
	s.waits(t, "not config.joint and not config.committed and config.voters == [1, 2, 3] and leader != 0")
	s.does(t, Op{Verb: "kill", Nodes: []string{"leader"}})
	res = removed()
	if !strings.HasPrefix(res.Text, "S4 S5 removed: the members are S1 S2 S3 (entry ") {
		t.Errorf("members says %q", res.Text)
	}
	if now := s.see(t); len(now.Nodes) != 3 || len(now.Links) != 6 || now.Quorum != 2 {
		t.Errorf("%d nodes, %d links, quorum %d", len(now.Nodes), len(now.Links), now.Quorum)
	}
	w.step(t, "5 to 3, the leader killed with C_new on its way")
	s.does(t, Op{Verb: "load", Stop: true})
	s.waits(t, "quorum")
	w.check(t, s)
}

// A server that comes back under its number has not forgotten its vote: a
// candidate that was cut off while it was away asks it in the same term, which
// has a leader (§5.2).
func TestNodeThatIsAddedAgainVotesOnce(t *testing.T) {
	config := testConfig(t)
	config.Nodes, config.Delay = 5, 60*time.Millisecond
	config.ElectionMin, config.ElectionMax = 30*time.Second, 60*time.Second
	s := startLab(t, config)
	for _, cut := range [][]string{{"1", "2"}, {"2", "5"}, {"2", "to", "3"}, {"1", "to", "4"}} {
		s.does(t, Op{Verb: "cut", Links: cut})
	}
	s.does(t, Op{Verb: "elect", Nodes: []string{"1", "2"}})
	s.waits(t, "S1.role == 'leader' and S2.role == 'candidate' and S3.vote == 1 and S4.vote == 2")
	s.does(t, Op{Verb: "heal", Links: []string{"1", "4"}})
	s.does(t, Op{Verb: "remove", Nodes: []string{"3"}})
	// The new links from and to S3 are whole: S2 asks it until it answers.
	res := s.does(t, Op{Verb: "add", Nodes: []string{"3"}})
	if !slices.ContainsFunc(res.Notes, func(n string) bool { return strings.HasPrefix(n, "S3 goes on with the log and the vote from before") }) {
		t.Errorf("notes %q do not say that S3 is no new server", res.Notes)
	}
	for _, n := range s.see(t).Nodes {
		if n.Role == RoleLeader && n.ID != 1 || n.ID == 3 && n.Vote != 1 {
			t.Errorf("S%d is %s in term %d, where S1 leads, and voted for S%d", n.ID, n.Role, n.Term, n.Vote)
		}
	}
}

// Servers that are added again vote for nobody who lacks what they had: a
// candidate that was cut off while they were away counts them as those it knew,
// and could decide against what is committed (§5.4.1).
func TestNodesThatAreAddedAgainKnowWhatTheyHad(t *testing.T) {
	config := testConfig(t)
	config.Nodes, config.Delay = 5, 150*time.Millisecond
	config.ElectionMin, config.ElectionMax = 30*time.Second, 60*time.Second
	s := startLab(t, config)
	s.does(t, Op{Verb: "elect", Nodes: []string{"1"}})
	s.waits(t, "leader == 1")
	s.waits(t, "converged")
	s.does(t, Op{Verb: "partition", Sides: [][]string{{"2"}}})
	s.does(t, Op{Verb: "members", Nodes: []string{"1", "2", "6"}})
	if _, err := s.KV(t.Context(), KVOp{Op: "put", Key: "kept", Value: "1"}); err != nil {
		t.Fatal(told(err))
	}
	s.does(t, Op{Verb: "members", Nodes: []string{"1", "2", "3", "4", "6"}, NoWait: true})
	s.does(t, Op{Verb: "elect", Nodes: []string{"2"}})
	s.waits(t, "S2.term == 2 and S3.term == 2 and S4.term == 2")
	s.does(t, Op{Verb: "heal"})
	s.waits(t, "S1.term == 2") // it led until it heard of that
	s.does(t, Op{Verb: "elect", Nodes: []string{"1"}})
	s.waits(t, "leader != 0")
	if r, err := s.KV(t.Context(), KVOp{Op: "get", Key: "kept"}); err != nil || !r.Found {
		t.Errorf("what was committed is gone: %+v, %v", r, err)
	}
	list, err := s.Events(t.Context(), EventQuery{})
	if err != nil {
		t.Fatal(told(err))
	}
	for _, e := range list {
		if e.Node == 2 && strings.HasPrefix(e.Text, "won term") {
			t.Errorf("S2, which does not have what is committed, %s", e.Text)
		}
	}
}

// A node that was wiped returns while writes go on, although the entries it
// needs are gone: it is sent a snapshot.
func TestWipedNodeReturnsBySnapshot(t *testing.T) {
	config := testConfig(t)
	config.SnapshotBytes = SnapshotBytesMin
	s := startLab(t, config)
	s.waits(t, "quorum")
	w := s.write(t)
	s.does(t, Op{Verb: "load", Rate: 500, Clients: 4, Keys: 1000})
	s.waits(t, "all(nodes, .first_index > 1)")
	lost := strconv.Itoa(s.see(t).Leader%3 + 1)
	s.does(t, Op{Verb: "wipe", Nodes: []string{lost}})
	s.does(t, Op{Verb: "restart", Nodes: []string{lost}})
	s.waits(t, fmt.Sprintf("S%s.snapshot_index > 0 and S%[1]s.commit > 0", lost))
	s.does(t, Op{Verb: "load", Stop: true})
	w.check(t, s)
	s.waits(t, "converged")
	list, err := s.Events(t.Context(), EventQuery{})
	if err != nil {
		t.Fatal(told(err))
	}
	if !slices.ContainsFunc(list, func(e Event) bool {
		return e.Kind == EventSnapshot && strconv.Itoa(e.Node) == lost && strings.Contains(e.Text, "takes over")
	}) {
		t.Errorf("S%s came back without a snapshot", lost)
	}

	t.Run("its log begins behind the snapshot, alive and dead", func(t *testing.T) {
		live, err := s.Log(t.Context(), lost, 0, 0)
		if err != nil {
			t.Fatal(told(err))
		}
		s.does(t, Op{Verb: "kill", Nodes: []string{lost}})
		dead, err := s.Log(t.Context(), lost, 0, 0)
		if err != nil {
			t.Fatal(told(err))
		}
		if live.Base == 0 || live.SnapshotIndex < live.Base || live.SnapshotTerm == 0 || live.LastIndex > live.Base && live.FirstIndex != live.Base+1 {
			t.Errorf("the node says its log is %d to %d, behind %d, snapshot %d", live.FirstIndex, live.LastIndex, live.Base, live.SnapshotIndex)
		}
		if dead.Source != SourceDisk || dead.SnapshotIndex != live.SnapshotIndex || dead.SnapshotTerm != live.SnapshotTerm || dead.LastIndex != live.LastIndex {
			t.Errorf("the disk says %d to %d, behind %d, snapshot %d; the node said %d to %d, behind %d, snapshot %d",
				dead.FirstIndex, dead.LastIndex, dead.Base, dead.SnapshotIndex, live.FirstIndex, live.LastIndex, live.Base, live.SnapshotIndex)
		}
		s.does(t, Op{Verb: "restart", Nodes: []string{lost}})
		s.waits(t, "converged")
	})
	t.Run("a snapshot by order, and a hand-over", func(t *testing.T) {
		res := s.does(t, Op{Verb: "snapshot", Nodes: []string{"leader"}})
		now := s.see(t)
		if n := now.node(now.Leader); !strings.HasPrefix(res.Text, fmt.Sprintf("S%d has a snapshot up to %d (", now.Leader, n.SnapshotIndex)) || n.SnapshotSize == 0 {
			t.Errorf("snapshot says %q of %+v", res.Text, n)
		}
		heir := now.Leader%3 + 1
		res = s.does(t, Op{Verb: "transfer", Nodes: []string{strconv.Itoa(heir)}})
		if !strings.HasPrefix(res.Text, fmt.Sprintf("S%d leads term %d: S%d handed over in ", heir, now.Term+1, now.Leader)) {
			t.Errorf("transfer says %q", res.Text)
		}
	})
	t.Run("four ways to read", func(t *testing.T) {
		s.waits(t, "quorum")
		follower := s.see(t).Leader%3 + 1
		for _, op := range []KVOp{
			{Read: ReadLog}, {Read: ReadIndex}, {Read: ReadLease}, {Read: ReadStale},
			{Read: ReadIndex, Node: strconv.Itoa(follower)}, {Read: ReadLease, Node: "leader"}, {Node: strconv.Itoa(follower)},
		} {
			op.Op, op.Key = "get", "w0"
			r, err := s.KV(t.Context(), op)
			if err != nil || r.Value != "1" || op.Node == strconv.Itoa(follower) && r.Node != follower {
				t.Errorf("read %s at %q: %+v, %s", op.Read, op.Node, r, told(err))
			}
		}
		_, err := s.KV(t.Context(), KVOp{Op: "get", Key: "w0", Read: ReadLease, Node: strconv.Itoa(follower)})
		if e := checkMessage(t, err, ExitConflict, fmt.Sprintf("get w0: S%d does not lead, and only a leader has a lease", follower)); !strings.Contains(e.Hint, "--read index") {
			t.Errorf("hint %q", e.Hint)
		}
	})
}

// Nodes come under any number and go, the leader with them; what the lab is
// then outlives its process, however that ends.
func TestMembersAreKept(t *testing.T) {
	config := testConfig(t)
	config.Nodes = 1
	t.Setenv(envSick, "4")
	s := startLab(t, config)
	home := filepath.Dir(s.Dir())
	s.waits(t, "quorum")

	_, err := s.Do(t.Context(), Op{Verb: "add", Nodes: []string{"3", "4"}})
	checkMessage(t, err, ExitFailed, "S4 ended as soon as it was started: exit status 3: this node is sick on purpose")
	if now := s.see(t); len(now.Nodes) != 1 || len(now.Config.Learners) != 0 {
		t.Errorf("after an add that failed: %d nodes, %+v", len(now.Nodes), now.Config)
	}

	if res := s.does(t, Op{Verb: "add", Nodes: []string{"7", "S3"}, Learner: true}); !strings.HasPrefix(res.Text, "S3 S7 added without a vote: the members are S1 learners S3 S7 (entry ") {
		t.Errorf("add says %q", res.Text)
	}
	s.waits(t, `S3.role == "learner" and S7.role == "learner" and 7 in config.learners`)
	if res := s.does(t, Op{Verb: "add", Nodes: []string{"learners"}}); !strings.HasPrefix(res.Text, "S3 S7 given a vote: the members are S1 S3 S7 (entry ") {
		t.Errorf("add says %q", res.Text)
	}
	s.waits(t, "quorum")
	if _, err := s.KV(t.Context(), KVOp{Op: "put", Key: "x", Value: "kept"}); err != nil {
		t.Fatal(told(err))
	}
	if res := s.does(t, Op{Verb: "remove", Nodes: []string{"leader"}}); !strings.HasPrefix(res.Text, "S1 removed: the members are S3 S7 (entry ") {
		t.Errorf("remove says %q", res.Text)
	}
	_, err = s.Status(t.Context())
	if err != nil {
		t.Fatal(told(err))
	}
	s.waits(t, "quorum")

	// A removal that nobody waits for is under way when the lab dies.
	s.does(t, Op{Verb: "add", Nodes: []string{"1"}})
	s.waits(t, "quorum")
	s.does(t, Op{Verb: "hold"})
	s.does(t, Op{Verb: "remove", Nodes: []string{"3"}, NoWait: true})
	lab, nodes := s.pids(t)
	if err := syscall.Kill(lab, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, pid := range append(nodes, lab) {
		gone(t, pid)
	}
	if labs, err := List(home); err != nil || len(labs) != 1 || labs[0].Nodes != 3 {
		t.Errorf("labs %+v, %v", labs, err)
	}
	for _, keep := range []bool{true, false} {
		again, err := up(t, StartOptions{Home: home, Config: config})
		if err != nil {
			t.Fatal(told(err))
		}
		again.waits(t, "quorum")
		if r, err := again.KV(t.Context(), KVOp{Op: "get", Key: "x"}); err != nil || r.Value != "kept" {
			t.Errorf("get = %+v, %s", r, told(err))
		}
		now := again.see(t)
		var ids []int
		for _, n := range now.Nodes {
			ids = append(ids, n.ID)
		}
		// Whether the entry got to disk before the lab died is chance: then it is
		// carried out, and S3 ends; else S3 is a member still.
		again.waits(t, "not config.joint and config.committed")
		if c := again.see(t).Config; slices.Contains(c.Voters, 3) {
			again.does(t, Op{Verb: "remove", Nodes: []string{"3"}})
		}
		again.waits(t, "len(nodes) == 2 and config.voters == [1, 7]")
		if !keep && !slices.Equal(ids, []int{1, 7}) {
			t.Errorf("kept nodes %v, want S1 and S7", ids)
		}
		if err := again.Down(t.Context(), keep); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(told(err))
		}
	}
}
