//go:build unix

package netlab

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These tests break the disks, processes and clocks of real labs.

// While clients write, one disk after the other is broken in every way. Nothing
// that was acknowledged is lost: the others have it.
func TestBrokenDisksUnderLoad(t *testing.T) {
	s := startLab(t, testConfig(t))
	s.waits(t, "quorum")
	w := s.write(t)
	leader := func() string { return strconv.Itoa(s.see(t).Leader) }
	follower := func() string { return strconv.Itoa(s.see(t).Leader%3 + 1) }
	back := func(node string) {
		t.Helper()
		s.does(t, Op{Verb: "disk", Nodes: []string{node}, Disk: DiskOK})
		s.does(t, Op{Verb: "restart", Nodes: []string{node}})
		s.waits(t, "quorum")
		s.waits(t, "S"+node+".commit >= commit - 20")
	}
	ends := func(node, why string) {
		t.Helper()
		s.waits(t, "S"+node+`.state == "dead"`)
		if exit := s.see(t).node(number(t, node)).Exit; !strings.Contains(exit, why) {
			t.Errorf("S%s ended with %q, want %q", node, exit, why)
		}
	}

	n := leader()
	s.does(t, Op{Verb: "disk", Nodes: []string{n}, Disk: DiskSlow, Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond})
	w.step(t, "the leader's disk is slow")
	s.does(t, Op{Verb: "kill", Nodes: []string{n}})
	s.waits(t, "quorum")
	back(n)
	w.step(t, "and it was killed")

	for _, mode := range []struct{ disk, exit string }{{DiskFail, "input/output error"}, {DiskFull, "the disk is full"}} {
		n = leader()
		s.does(t, Op{Verb: "disk", Nodes: []string{n}, Disk: mode.disk})
		ends(n, mode.exit)
		if mode.disk == DiskFull {
			_, err := s.Do(t.Context(), Op{Verb: "restart", Nodes: []string{n}})
			e := checkMessage(t, err, ExitFailed, "S"+n+" ended as soon as it was started: the disk is full: ")
			if strings.Contains(e.Hint, "wipe") || !strings.Contains(e.Hint, "raftlab disk "+n+" ok") {
				t.Errorf("the hint is %q", e.Hint)
			}
		} else if d := s.see(t).node(number(t, n)).Disk; d != nil {
			t.Errorf("a sync that failed is to fail again: %+v", d)
		}
		s.waits(t, "quorum")
		back(n)
		w.step(t, "the leader's disk: "+mode.disk)
	}

	n = follower()
	s.does(t, Op{Verb: "disk", Nodes: []string{n}, Disk: DiskTorn})
	s.waits(t, "S"+n+".durable < commit - 60")
	s.does(t, Op{Verb: "kill", Nodes: []string{n}})
	back(n)
	if !s.tells(t, n, "cut a torn tail") {
		t.Errorf("S%s says nothing of a torn tail", n)
	}
	w.step(t, "a torn write")

	n = follower()
	s.does(t, Op{Verb: "disk", Nodes: []string{n}, Disk: DiskLie})
	from := s.see(t).Commit
	s.waits(t, "S"+n+".durable > "+strconv.FormatUint(from+20, 10))
	s.does(t, Op{Verb: "kill", Nodes: []string{n}})
	back(n)
	if forgot := s.see(t).node(number(t, n)).Forgot; !strings.Contains(forgot, "on its disk") || !s.tells(t, n, "comes back with less than it had said") {
		t.Errorf("after a lie and a kill it lacks %q", forgot)
	}
	w.step(t, "a lie")

	n = follower()
	res := s.does(t, Op{Verb: "disk", Nodes: []string{n}, Disk: DiskFlip, Index: 2})
	if len(res.Notes) != 1 || !strings.Contains(res.Notes[0], "finds out when it reads there") {
		t.Errorf("flip says %+v", res)
	}
	_, err := s.Do(t.Context(), Op{Verb: "restart", Nodes: []string{n}})
	e := checkMessage(t, err, ExitFailed, "S"+n+" ended as soon as it was started: open the log of S"+n)
	if !strings.Contains(e.Hint, "raftlab wipe "+n) {
		t.Errorf("the hint is %q", e.Hint)
	}
	ends(n, "00000001.wal at offset ")
	s.does(t, Op{Verb: "wipe", Nodes: []string{n}})
	back(n)
	w.step(t, "a flipped bit, wiped")

	w.check(t, s)
	s.waits(t, "converged")
	if faults := s.see(t).Faults; len(faults) != 0 {
		t.Errorf("faults %+v", faults)
	}
}

func number(t *testing.T, word string) int {
	t.Helper()
	n, err := strconv.Atoi(word)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// tells reports whether an event of a node has this text in it.
func (s *started) tells(t *testing.T, node, text string) bool {
	t.Helper()
	list, err := s.Events(t.Context(), EventQuery{})
	if err != nil {
		t.Fatal(told(err))
	}
	return slices.ContainsFunc(list, func(e Event) bool { return strconv.Itoa(e.Node) == node && strings.Contains(e.Text, text) })
}

// A cluster whose disks all lie loses what was acknowledged, and says so.
func TestLiesOfAllDisksAreReported(t *testing.T) {
	s := startLab(t, testConfig(t))
	s.waits(t, "quorum")
	put := func(key string) uint64 {
		t.Helper()
		r, err := s.KV(t.Context(), KVOp{Op: "put", Key: key, Value: "1"})
		if err != nil {
			t.Fatal(told(err))
		}
		return r.Index
	}
	safe := put("safe")
	s.waits(t, "all(nodes, .durable >= "+strconv.FormatUint(safe, 10)+")")
	s.does(t, Op{Verb: "disk", Nodes: []string{"all"}, Disk: DiskLie})
	lost := put("lost")
	s.waits(t, "all(nodes, .durable >= "+strconv.FormatUint(lost, 10)+")")
	s.does(t, Op{Verb: "kill", Nodes: []string{"all"}})
	res := s.does(t, Op{Verb: "restart", Nodes: []string{"all"}})
	if len(res.Notes) != 3 {
		t.Errorf("restart notes %q", res.Notes)
	}
	s.waits(t, "quorum")
	s.waits(t, `all(nodes, .disk == "lie" and .forgot != "")`)
	if r, err := s.KV(t.Context(), KVOp{Op: "get", Key: "lost"}); err != nil || r.Found {
		t.Errorf("get lost: %+v, %s", r, told(err))
	}
	if r, err := s.KV(t.Context(), KVOp{Op: "get", Key: "safe"}); err != nil || !r.Found {
		t.Errorf("get safe: %+v, %s", r, told(err))
	}
	// Stopped in good order, even liars lose nothing.
	kept := put("kept")
	s.waits(t, "all(nodes, .durable >= "+strconv.FormatUint(kept, 10)+")")
	s.does(t, Op{Verb: "stop", Nodes: []string{"all"}})
	if res := s.does(t, Op{Verb: "restart", Nodes: []string{"dead"}}); len(res.Notes) != 0 {
		t.Errorf("after a stop: %q", res.Notes)
	}
	s.waits(t, "quorum")
	if r, err := s.KV(t.Context(), KVOp{Op: "get", Key: "kept"}); err != nil || !r.Found {
		t.Errorf("get kept: %+v, %s", r, told(err))
	}
}

// What is written and not synced is lost by a kill, and not by a stop.
func TestStopAndKill(t *testing.T) {
	s := startLab(t, testConfig(t))
	s.waits(t, "quorum")
	for _, verb := range []string{"kill", "stop"} {
		n := strconv.Itoa(s.see(t).Leader%3 + 1)
		s.does(t, Op{Verb: "disk", Nodes: []string{n}, Disk: DiskSlow, Delay: time.Hour})
		r, err := s.KV(t.Context(), KVOp{Op: "put", Key: verb, Value: "1"})
		if err != nil {
			t.Fatal(told(err))
		}
		s.waits(t, "S"+n+".last_index >= "+strconv.FormatUint(r.Index, 10))
		if verb == "stop" {
			s.does(t, Op{Verb: "pause", Nodes: []string{n}}) // it is resumed for it
		}
		res := s.does(t, Op{Verb: verb, Nodes: []string{n}})
		log, err := s.Log(t.Context(), n, 0, 0)
		if err != nil {
			t.Fatal(told(err))
		}
		if there := log.LastIndex >= r.Index; there != (verb == "stop") || log.Source != SourceDisk {
			t.Errorf("after a %s S%s's log ends at %d, entry %d was not synced", verb, n, log.LastIndex, r.Index)
		}
		if now := s.see(t).node(number(t, n)); now.State != StateDead || now.Exit != "" || len(res.Notes) != 0 {
			t.Errorf("S%s is %s, exit %q; %+v", n, now.State, now.Exit, res)
		}
		_, err = s.Do(t.Context(), Op{Verb: verb, Nodes: []string{n}})
		checkMessage(t, err, ExitConflict, "S"+n+" is dead already")
		s.does(t, Op{Verb: "disk", Nodes: []string{n}, Disk: DiskOK})
		s.does(t, Op{Verb: "restart", Nodes: []string{n}})
		s.waits(t, "converged")
	}
	res := s.does(t, Op{Verb: "stop", Nodes: []string{"all"}})
	if !strings.HasPrefix(res.Text, "S1 S2 S3 stopped") || len(res.Notes) != 1 {
		t.Errorf("stop all says %+v", res)
	}
	if res := s.does(t, Op{Verb: "stop", Nodes: []string{"all"}}); res.Text != "every node is dead already" {
		t.Errorf("and then %+v", res)
	}
}

// Nodes that end by themselves come back when the policy says so, and those that
// somebody ended do not.
func TestRestartPolicy(t *testing.T) {
	config := testConfig(t)
	config.RestartPolicy = PolicyOnFailure
	config.Speed = 5
	s := startLab(t, config)
	s.waits(t, "quorum")
	if p := s.see(t).Restart; p != PolicyOnFailure {
		t.Errorf("the policy is %q", p)
	}
	starts := func(n string) int { return s.see(t).node(number(t, n)).Starts }

	t.Run("a disk that fails once", func(t *testing.T) {
		n := strconv.Itoa(s.see(t).Leader)
		s.does(t, Op{Verb: "disk", Nodes: []string{n}, Disk: DiskFail})
		if _, err := s.KV(t.Context(), KVOp{Op: "put", Key: "x", Value: "1", Timeout: 20 * time.Second}); err != nil {
			t.Fatal(told(err))
		}
		s.waits(t, "S"+n+".starts == 2 and S"+n+`.state == "up"`)
		s.waits(t, "quorum")
		if !s.tells(t, n, "restarted by itself") {
			t.Error("there is no event of it")
		}
	})
	t.Run("a signal from elsewhere", func(t *testing.T) {
		n := s.see(t).node(1)
		if err := syscall.Kill(n.Pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.waits(t, "S1.starts == "+strconv.Itoa(n.Starts+1)+` and S1.state == "up"`)
		s.waits(t, "quorum")
	})
	t.Run("a disk that stays full, ever later, and called off", func(t *testing.T) {
		s.does(t, Op{Verb: "disk", Nodes: []string{"2"}, Disk: DiskFull})
		if _, err := s.KV(t.Context(), KVOp{Op: "put", Key: "y", Value: "1", Timeout: 20 * time.Second}); err != nil {
			t.Fatal(told(err))
		}
		s.waits(t, "S2.starts >= 4")
		if !s.tells(t, "2", "time 2 in a row") {
			t.Error("nobody counts")
		}
		s.waits(t, `S2.state == "dead"`)
		for s.see(t).node(2).RestartNS == 0 { // between its end and the next start
			s.waits(t, `S2.state == "dead"`)
		}
		res, err := s.Do(t.Context(), Op{Verb: "kill", Nodes: []string{"2"}})
		if err != nil || res.Text != "S2 stays dead: it is not restarted" && !strings.HasPrefix(res.Text, "S2 killed") {
			t.Errorf("kill says %+v, %s", res, told(err))
		}
		before := starts("2")
		s.does(t, Op{Verb: "disk", Nodes: []string{"2"}, Disk: DiskOK})
		s.does(t, Op{Verb: "restart", Nodes: []string{"2"}})
		s.waits(t, "quorum")
		if after := starts("2"); after != before+1 {
			t.Errorf("it was started %d times since it was to stay dead", after-before)
		}
	})
	t.Run("kill and stop", func(t *testing.T) {
		for _, verb := range []string{"kill", "stop"} {
			s.does(t, Op{Verb: verb, Nodes: []string{"3"}})
			if n := s.see(t).node(3); n.RestartNS != 0 || n.State != StateDead {
				t.Errorf("after %s: %s, to be restarted at %d", verb, n.State, n.RestartNS)
			}
			s.does(t, Op{Verb: "restart", Nodes: []string{"3"}})
		}
	})
	t.Run("never", func(t *testing.T) {
		s.does(t, Op{Verb: "restart", Policy: PolicyNever})
		n := s.see(t).node(3)
		if err := syscall.Kill(n.Pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.waits(t, `S3.state == "dead"`)
		res := s.does(t, Op{Verb: "restart", Policy: PolicyOnFailure})
		if len(res.Notes) != 1 || !strings.Contains(res.Notes[0], "S3 is dead already and not restarted by that") || s.see(t).node(3).RestartNS != 0 {
			t.Errorf("%+v", res)
		}
		if res := s.does(t, Op{Verb: "restart", Policy: PolicyOnFailure}); res.Event != 0 {
			t.Errorf("again: %+v", res)
		}
		_, err := s.Do(t.Context(), Op{Verb: "restart", Policy: "always"})
		checkMessage(t, err, ExitUsage, `there is no restart policy "always"`)
		_, err = s.Do(t.Context(), Op{Verb: "restart", Policy: PolicyNever, Nodes: []string{"3"}})
		checkMessage(t, err, ExitUsage, "that of the whole lab")
	})
}

// Each node is restarted in its turn while clients write, the leader last, and
// nothing is lost.
func TestRollingRestart(t *testing.T) {
	s := startLab(t, testConfig(t))
	s.waits(t, "quorum")
	w := s.write(t)
	before := s.see(t)
	res := s.does(t, Op{Verb: "restart", Nodes: []string{"all"}, Rolling: true})
	now := s.see(t)
	if len(res.Rolled) != 3 || len(res.Nodes) != 3 || !strings.Contains(res.Text, "restarted one after the other") {
		t.Fatalf("%+v", res)
	}
	last := res.Rolled[2]
	if now.Term == before.Term+1 && (last.Node != before.Leader || last.HandedTo == 0) { // else the machine was too busy for the leader
		t.Errorf("S%d led; the steps were %+v", before.Leader, res.Rolled)
	}
	for _, r := range res.Rolled {
		if n := now.node(r.Node); n.Starts != 2 || r.TookNS <= 0 || r.DowntimeNS <= 0 {
			t.Errorf("S%d was started %d times: %v", r.Node, n.Starts, r)
		}
		if !s.tells(t, strconv.Itoa(r.Node), "rolling restart: ") {
			t.Errorf("no event tells of S%d", r.Node)
		}
		t.Log(r)
	}
	w.step(t, "three nodes, one after the other")

	t.Run("not without a quorum", func(t *testing.T) {
		dead := strconv.Itoa(s.see(t).Leader%3 + 1)
		s.does(t, Op{Verb: "kill", Nodes: []string{dead}})
		s.waits(t, "leader")
		_, err := s.Do(t.Context(), Op{Verb: "restart", Nodes: []string{"leader"}, Rolling: true})
		checkMessage(t, err, ExitConflict, "only 1 of 3 nodes run, 2 are needed: it is not restarted while others are down")
		// The dead one first is what helps, and may be asked for.
		if res := s.does(t, Op{Verb: "restart", Nodes: []string{dead, "leader"}, Rolling: true}); len(res.Rolled) != 2 {
			t.Errorf("%+v", res)
		}
		s.waits(t, "quorum")
	})
	t.Run("held, and with a policy", func(t *testing.T) {
		s.does(t, Op{Verb: "hold"})
		_, err := s.Do(t.Context(), Op{Verb: "restart", Nodes: []string{"all"}, Rolling: true})
		checkMessage(t, err, ExitConflict, "the lab clock is held")
		s.does(t, Op{Verb: "release"})
		_, err = s.Do(t.Context(), Op{Verb: "restart", Nodes: []string{"all"}, Rolling: true, Policy: PolicyNever})
		checkMessage(t, err, ExitUsage, "goes with no node")
		_, err = s.Do(t.Context(), Op{Verb: "restart", Nodes: []string{"all"}, Rolling: true, Timeout: -1})
		checkMessage(t, err, ExitUsage, "the timeout is longer than 0")
	})
	t.Run("whoever asked may leave", func(t *testing.T) {
		s.waits(t, "quorum")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Do(ctx, Op{Verb: "restart", Nodes: []string{"all"}, Rolling: true}); err == nil {
			t.Error("it went on")
		}
		s.waits(t, `all(nodes, .state == "up")`)
		s.waits(t, "quorum")
	})
	w.check(t, s)
}

// A leader with a slow clock believes in its lease for too long.
func TestSlowClockBreaksTheLease(t *testing.T) {
	config := testConfig(t)
	config.Heartbeat, config.ElectionMin, config.ElectionMax = 200*time.Millisecond, time.Second, 2*time.Second
	s := startLab(t, config)
	s.waits(t, "quorum")
	put := func(value string) {
		t.Helper()
		if _, err := s.KV(t.Context(), KVOp{Op: "put", Key: "x", Value: value, Timeout: 20 * time.Second}); err != nil {
			t.Fatal(told(err))
		}
	}
	put("old")
	old := s.see(t).Leader
	node := strconv.Itoa(old)
	read := KVOp{Op: "get", Key: "x", Node: node, Read: ReadLease}
	if r, err := s.KV(t.Context(), read); err != nil || r.Value != "old" {
		t.Fatalf("a lease read: %+v, %s", r, told(err))
	}
	s.does(t, Op{Verb: "hold"})
	s.does(t, Op{Verb: "clock", Nodes: []string{node}, Action: ClockRate, Rate: 0.01})
	s.does(t, Op{Verb: "partition", Sides: [][]string{{node}}})
	held := s.see(t).node(old)
	s.does(t, Op{Verb: "release"})
	s.waits(t, "leader != 0 and leader != "+node)
	put("new")
	if r, err := s.KV(t.Context(), read); err != nil || r.Value != "old" {
		t.Errorf("a lease read on a slow clock: %+v, %s", r, told(err))
	}
	now := s.see(t)
	n := now.node(old)
	if n.ClockRate != 0.01 || n.SkewNS >= 0 || n.LeaseEndNS < now.Clock.LabNS || held.LeaseEndNS == 0 {
		t.Errorf("rate %g, ahead by %d, lease until %d of %d", n.ClockRate, n.SkewNS, n.LeaseEndNS, now.Clock.LabNS)
	}
	s.does(t, Op{Verb: "heal", All: true})
	s.waits(t, "converged")
	s.waits(t, "S"+node+".clock_rate == 1 and S"+node+".skew_ns == 0")
	read.Node = "leader"
	if r, err := s.KV(t.Context(), read); err != nil || r.Value != "new" {
		t.Errorf("a lease read at the leader: %+v, %s", r, told(err))
	}
}

// A clock that runs ahead times out first.
func TestClockAheadTimesOutFirst(t *testing.T) {
	config := testConfig(t)
	config.Heartbeat, config.ElectionMin, config.ElectionMax = time.Second, 10*time.Second, 11*time.Second
	config.PreVote = false
	s := startLab(t, config)
	s.does(t, Op{Verb: "clock", Nodes: []string{"3"}, Action: ClockSkew, Skew: 20 * time.Second})
	s.waits(t, "leader == 3")
	if now := s.see(t); now.Clock.LabNS > int64(8*time.Second) || now.node(3).SkewNS != int64(20*time.Second) {
		t.Errorf("S3 leads at %d, ahead by %d", now.Clock.LabNS, now.node(3).SkewNS)
	}
}
