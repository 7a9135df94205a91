//go:build unix

package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// These tests run real labs: a process for the lab and one for each node.

func testConfig(t *testing.T) Config {
	t.Helper()
	config, err := Profile(ProfileLAN)
	if err != nil {
		t.Fatal(err)
	}
	config.Nodes, config.Seed = 3, 1
	return config
}

// started is a lab that was started, and what was said meanwhile.
type started struct {
	*Client
	existed bool
	said    []string
}

func up(t *testing.T, o StartOptions) (*started, error) {
	t.Helper()
	if o.Home == "" {
		o.Home = t.TempDir()
	}
	if o.Name == "" {
		o.Name = "test"
	}
	s := new(started)
	o.Progress = func(text string) { s.said = append(s.said, text) }
	var err error
	s.Client, s.existed, err = Start(t.Context(), o)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Down(ctx, false); err != nil {
			t.Errorf("down: %s", told(err))
		}
		s.Close()
	})
	return s, nil
}

// startLab starts a lab in a home of its own and takes it down afterwards.
func startLab(t *testing.T, config Config) *started {
	t.Helper()
	s, err := up(t, StartOptions{Config: config})
	if err != nil {
		t.Fatal(told(err))
	}
	if s.existed || len(s.said) > 0 {
		t.Fatalf("a new lab: existed %v, said %q", s.existed, s.said)
	}
	return s
}

// waits fails unless the condition comes true soon.
func (s *started) waits(t *testing.T, cond string) {
	t.Helper()
	r, err := s.Wait(t.Context(), Wait{Cond: cond, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatalf("wait %s: %s", cond, told(err))
	}
	if !r.Holds {
		t.Fatalf("wait %s: it is %s", cond, r.Seen)
	}
}

func (s *started) does(t *testing.T, op Op) *OpResult {
	t.Helper()
	res, err := s.Do(t.Context(), op)
	if err != nil {
		t.Fatalf("%s %v: %s", op.Verb, op.Nodes, told(err))
	}
	return res
}

func (s *started) see(t *testing.T) *Status {
	t.Helper()
	status, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(told(err))
	}
	return status
}

// pids are the lab's and then its nodes'.
func (s *started) pids(t *testing.T) (lab int, nodes []int) {
	t.Helper()
	m, err := s.dir.readMeta()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range s.see(t).Nodes {
		nodes = append(nodes, n.Pid)
	}
	return m.Pid, nodes
}

// gone fails unless a process is gone, or a zombie, within a second or so. A
// process that nobody waits for stays a zombie where init does not reap.
func gone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Second)
	for running(pid) {
		if time.Now().After(deadline) {
			t.Errorf("process %d still runs", pid)
			return
		}
		<-time.After(5 * time.Millisecond)
	}
}

func running(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	if _, after, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(after, "Z") {
		return true
	}
	// Its last thread closes its sockets, and the first one may be gone before.
	threads, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	return err == nil && len(threads) > 1
}

// stopped tells whether all threads of a process stand; where the system has no
// way to tell, they do.
func stopped(pid int) bool {
	threads, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if _, after, _ := strings.Cut(string(stat), ") "); err == nil && !strings.HasPrefix(after, "T") {
			return false
		}
	}
	return true
}

func TestLab(t *testing.T) {
	s := startLab(t, testConfig(t))
	s.waits(t, "quorum")

	t.Run("a put is applied and can be read everywhere", func(t *testing.T) {
		r, err := s.KV(t.Context(), KVOp{Op: "put", Key: "x", Value: "1", Line: "raftlab put x 1"})
		if err != nil {
			t.Fatal(told(err))
		}
		if r.Index == 0 || r.Term == 0 || r.Leader != s.see(t).Leader || r.Value != "1" {
			t.Errorf("put = %+v", r)
		}
		s.waits(t, "converged")
		for node := 1; node <= 3; node++ {
			r, err := s.KV(t.Context(), KVOp{Op: "get", Key: "x", Node: strconv.Itoa(node)})
			if err != nil {
				t.Fatal(told(err))
			}
			if !r.Found || r.Value != "1" || r.Node != node {
				t.Errorf("get at S%d = %+v", node, r)
			}
			d, err := s.Dump(t.Context(), strconv.Itoa(node))
			if err != nil {
				t.Fatal(told(err))
			}
			if len(d.Pairs) != 1 || d.Pairs[0].Key != "x" || d.Pairs[0].Value != "1" || d.Pairs[0].Index != 2 {
				t.Errorf("dump of S%d = %+v", node, d)
			}
		}
		s.waits(t, `kv("x") == "1"`)
	})
	t.Run("cas and incr say why not", func(t *testing.T) {
		_, err := s.KV(t.Context(), KVOp{Op: "cas", Key: "x", Old: "7", Value: "8"})
		checkMessage(t, err, ExitConflict, "cas x: ")
		if _, err := s.KV(t.Context(), KVOp{Op: "cas", Key: "x", Old: "1", Value: "one"}); err != nil {
			t.Error(told(err))
		}
		_, err = s.KV(t.Context(), KVOp{Op: "incr", Key: "x"})
		checkMessage(t, err, ExitFailed, "incr x: ")
		if r, err := s.KV(t.Context(), KVOp{Op: "incr", Key: "n"}); err != nil || r.Value != "1" {
			t.Errorf("incr = %+v, %v", r, err)
		}
	})
	t.Run("a log is the same from the node and from its disk", func(t *testing.T) {
		s.waits(t, "converged")
		live, err := s.Log(t.Context(), "3", 0, 0)
		if err != nil {
			t.Fatal(told(err))
		}
		s.does(t, Op{Verb: "kill", Nodes: []string{"3"}})
		dead, err := s.Log(t.Context(), "3", 0, 0)
		if err != nil {
			t.Fatal(told(err))
		}
		if live.Source != SourceNode || dead.Source != SourceDisk || live.LastIndex < 2 || live.FirstIndex != 1 {
			t.Errorf("sources %s and %s, last %d", live.Source, dead.Source, live.LastIndex)
		}
		if !slices.Equal(live.Entries, dead.Entries[:len(live.Entries)]) || live.Entries[1].Command != "put x=1" {
			t.Errorf("node says\n%+v\ndisk says\n%+v", live.Entries, dead.Entries)
		}
		part, err := s.Log(t.Context(), "3", 2, 2)
		if err != nil || len(part.Entries) != 1 || part.FirstIndex != 2 {
			t.Errorf("log 2..2 = %+v, %v", part, err)
		}
		_, err = s.Dump(t.Context(), "3")
		checkMessage(t, err, ExitConflict, "S3 is dead")
	})
	t.Run("a node that was killed comes back with its data", func(t *testing.T) {
		before := s.see(t).Nodes[2]
		if before.State != StateDead || before.Pid != 0 || before.Exit != "" || before.LastIndex == 0 {
			t.Errorf("killed: %+v", before)
		}
		res := s.does(t, Op{Verb: "restart", Nodes: []string{"S3"}, Line: "raftlab restart S3"})
		if res.Text != "S3 restarted with its data" {
			t.Errorf("restart says %q", res.Text)
		}
		s.waits(t, "converged")
		after := s.see(t).Nodes[2]
		if after.State != StateUp || after.Starts != 2 || after.LastIndex < before.LastIndex {
			t.Errorf("restarted: %+v", after)
		}
	})
	t.Run("a node that dies by itself is dead, with the reason", func(t *testing.T) {
		pid := s.see(t).Nodes[0].Pid
		if err := syscall.Kill(pid, syscall.SIGABRT); err != nil {
			t.Fatal(err)
		}
		s.waits(t, `S1.state == "dead"`)
		if n := s.see(t).Nodes[0]; !strings.Contains(n.Exit, "exit status 2") || !strings.Contains(n.Exit, "SIGABRT") {
			t.Errorf("exit %q, want status and last words", n.Exit)
		}
		s.does(t, Op{Verb: "restart", Nodes: []string{"1"}})
	})
	t.Run("a paused node stands, and goes on", func(t *testing.T) {
		s.waits(t, "quorum")
		follower := strconv.Itoa(s.see(t).Leader%3 + 1)
		s.does(t, Op{Verb: "pause", Nodes: []string{follower}})
		s.waits(t, "S"+follower+`.state == "paused" && leader != 0`)
		s.does(t, Op{Verb: "resume", Nodes: []string{follower}})
		s.waits(t, "converged")
	})
	t.Run("a wiped node has nothing, and is sent the log again", func(t *testing.T) {
		s.waits(t, "converged")
		res := s.does(t, Op{Verb: "wipe", Nodes: []string{"2"}})
		if !strings.HasPrefix(res.Text, "S2 killed and wiped (pid ") {
			t.Errorf("wipe says %q", res.Text)
		}
		if n := s.see(t).Nodes[1]; n.LastIndex != 0 || n.State != StateDead {
			t.Errorf("wiped: %+v", n)
		}
		if log, err := s.Log(t.Context(), "2", 0, 0); err != nil || len(log.Entries) != 0 {
			t.Errorf("log of a wiped node = %+v, %v", log, err)
		}
		s.does(t, Op{Verb: "restart", Nodes: []string{"2"}})
		s.waits(t, "converged")
		s.waits(t, "S2.last_index > 0")
	})
	t.Run("several nodes time out at once, also while the clock is held", func(t *testing.T) {
		s.waits(t, "quorum")
		s.does(t, Op{Verb: "hold"})
		leader := s.see(t).Leader
		var others []string
		for id := 1; id <= 3; id++ {
			if id != leader {
				others = append(others, strconv.Itoa(id))
			}
		}
		term := s.see(t).Term
		s.does(t, Op{Verb: "elect", Nodes: others})
		now := s.see(t)
		for _, n := range now.Nodes {
			if n.ID != leader && (n.Role != RoleCandidate || n.Term != term+1) {
				t.Errorf("S%d is %s in term %d, want candidate in term %d", n.ID, n.Role, n.Term, term+1)
			}
		}
		if again := s.see(t); again.Clock.LabNS != now.Clock.LabNS {
			t.Errorf("held, and yet it is %d after %d", again.Clock.LabNS, now.Clock.LabNS)
		}
		_, err := s.Do(t.Context(), Op{Verb: "elect", Nodes: []string{strconv.Itoa(leader)}})
		checkMessage(t, err, ExitConflict, "leads term")
		s.does(t, Op{Verb: "release"})
		s.waits(t, "quorum")
	})
	t.Run("several deeds are one line, also while the clock is held", func(t *testing.T) {
		s.does(t, Op{Verb: "kill", Nodes: []string{"1"}})
		s.does(t, Op{Verb: "hold"})
		if res := s.does(t, Op{Verb: "restart", Nodes: []string{"all"}}); res.Text != "S1 restarted with its data, S2 S3 killed and restarted with their data" {
			t.Errorf("restart says %q", res.Text)
		}
		s.waits(t, `all(nodes, .state == "up")`)
		res := s.does(t, Op{Verb: "kill", Nodes: []string{"2,3"}})
		if res.Text != "S2 S3 killed" || len(res.Notes) != 1 || !strings.Contains(res.Notes[0], "1 of 3 nodes run, the quorum is 2") {
			t.Errorf("kill says %q %q", res.Text, res.Notes)
		}
		s.does(t, Op{Verb: "restart", Nodes: []string{"2", "3"}})
		s.does(t, Op{Verb: "release"})
		s.waits(t, "quorum")
	})
	t.Run("background writes count what they do", func(t *testing.T) {
		s.does(t, Op{Verb: "load", Rate: 500, Clients: 2, Keys: 3})
		s.waits(t, "S1.commit > 40")
		if l := s.see(t).Load; l == nil || l.Rate != 500 || l.Clients != 2 || l.Done == 0 {
			t.Errorf("load %+v", l)
		}
		if res := s.does(t, Op{Verb: "load", Stop: true}); !strings.Contains(res.Text, " done, 0 failed") {
			t.Errorf("stop says %q", res.Text)
		}
		if s.see(t).Load != nil {
			t.Error("stopped, and there it is")
		}
		s.does(t, Op{Verb: "load", Rate: 100, For: 50 * time.Millisecond})
		var status Status
		ended := errors.New("ended")
		err := s.Stream(t.Context(), StreamOptions{}, func(u Update) error {
			if status.Apply(u); status.Load != nil {
				return nil
			}
			return ended
		})
		// A machine that has no time for them in 50 ms does not catch up with them.
		if last := status.LoadLast; !errors.Is(err, ended) || last == nil || last.Done+last.Failed > 5 || last.Rate != 100 {
			t.Errorf("up to 5 writes came out as %+v, %v", last, err)
		}
		s.waits(t, "converged")
	})
	t.Run("what is no text is refused, not changed", func(t *testing.T) {
		for _, op := range []KVOp{{Op: "put", Key: "\xff", Value: "1"}, {Op: "put", Key: "a", Value: "\xfe"}, {Op: "cas", Key: "a", Old: "\x80", Value: "1"}} {
			op.Timeout = time.Second
			_, err := s.KV(t.Context(), op)
			if e := checkMessage(t, err, ExitUsage, "is not UTF-8"); !strings.Contains(e.Hint, "base64") {
				t.Errorf("hint %q", e.Hint)
			}
		}
	})
	t.Run("a value of 1 MiB passes, however it is escaped", func(t *testing.T) {
		value := strings.Repeat("\x01", 1<<20)
		for _, op := range []KVOp{{Op: "put", Key: "big", Value: value}, {Op: "get", Key: "big"}} {
			op.Timeout = 10 * time.Second
			r, err := s.KV(t.Context(), op)
			if err != nil || r.Value != value {
				t.Errorf("%s: %s", op.Op, told(err))
			}
		}
	})
	t.Run("events are numbered without gaps", func(t *testing.T) {
		list, err := s.Events(t.Context(), EventQuery{})
		if err != nil {
			t.Fatal(told(err))
		}
		lines := 0
		for i, e := range list {
			if e.ID != uint64(i+1) || e.Text == "" || e.Schema != SchemaEvent {
				t.Fatalf("event %d is %+v", i+1, e)
			}
			lines += count(e.Line != "")
		}
		if lines < 2 {
			t.Errorf("%d events have the line that caused them", lines)
		}
		newest, err := s.Events(t.Context(), EventQuery{Limit: 3})
		if err != nil || len(newest) != 3 || newest[0].ID < list[len(list)-1].ID-2 {
			t.Errorf("the newest 3 are %+v, %v", newest, err)
		}
	})
	t.Run("the stream ends when the lab does, and down waits for it", func(t *testing.T) {
		lab, nodes := s.pids(t)
		ended := make(chan error, 1)
		first := make(chan struct{})
		var once sync.Once
		go func() {
			ended <- s.Stream(context.Background(), StreamOptions{Frames: true}, func(Update) error {
				once.Do(func() { close(first) })
				return nil
			})
		}()
		<-first
		if err := s.Down(t.Context(), false); err != nil {
			t.Fatal(told(err))
		}
		for _, pid := range append(nodes, lab) {
			gone(t, pid)
		}
		var e *Error
		if err := <-ended; !errors.As(err, &e) || e.Code != ExitNoLab || !e.Stopped {
			t.Errorf("the stream ended with %s, want that the lab was stopped", told(err))
		}
		if _, err := os.Stat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the directory is still there: %v", err)
		}
		_, err := s.Status(t.Context())
		checkMessage(t, err, ExitNoLab, `lab "test" was taken down`)
		if err := s.Down(t.Context(), false); err != nil {
			t.Errorf("down again: %s", told(err))
		}
	})
}

func TestUpTwice(t *testing.T) {
	config := testConfig(t)
	s := startLab(t, config)
	home := filepath.Dir(s.Dir())
	lab, _ := s.pids(t)

	same, err := up(t, StartOptions{Home: home, Config: config})
	if err != nil {
		t.Fatal(told(err))
	}
	if now, _ := same.pids(t); !same.existed || now != lab {
		t.Errorf("equal settings: existed %v, pid %d, want the same lab %d", same.existed, now, lab)
	}
	other := config
	other.Nodes = 1
	_, err = up(t, StartOptions{Home: home, Config: other})
	if e := checkMessage(t, err, ExitConflict, `lab "test" runs with other settings: it has 3 nodes, not 1`); e.Hint != "raftlab up --lab test --replace ends it first; raftlab up --lab NAME goes beside it" {
		t.Errorf("hint %q", e.Hint)
	}
	replaced, err := up(t, StartOptions{Home: home, Config: other, Replace: true})
	if err != nil {
		t.Fatal(told(err))
	}
	if n := len(replaced.see(t).Nodes); n != 1 || len(replaced.said) != 1 {
		t.Errorf("replaced: %d nodes, said %q", n, replaced.said)
	}
	gone(t, lab)

	// Two at the same time: one starts it, the other finds it.
	config.Nodes = 2
	var both sync.WaitGroup
	var clients [2]*Client
	var existed [2]bool
	var errs [2]error
	for i := range 2 {
		both.Go(func() {
			clients[i], existed[i], errs[i] = Start(t.Context(), StartOptions{Home: home, Name: "other", Config: config})
		})
	}
	both.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("start %d of two: %s", i, told(err))
		}
		defer clients[i].Close()
	}
	if existed[0] == existed[1] {
		t.Errorf("of two at once, existed is %v", existed)
	}
	labs, err := List(home)
	if err != nil || len(labs) != 2 || !labs[0].Running || !labs[1].Running || labs[0].Name != "other" || labs[0].Nodes != 2 {
		t.Errorf("labs %+v, %v", labs, err)
	}
	if err := clients[0].Down(t.Context(), false); err != nil {
		t.Error(told(err))
	}
}

// SIGKILL leaves no orphans, not even a stopped one, and the next up sees and
// says what happened.
func TestKilledLab(t *testing.T) {
	config := testConfig(t)
	s := startLab(t, config)
	home := filepath.Dir(s.Dir())
	s.does(t, Op{Verb: "pause", Nodes: []string{"2"}})
	lab, nodes := s.pids(t)
	if err := syscall.Kill(lab, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, pid := range nodes {
		gone(t, pid)
	}
	t.Logf("nodes gone after %v", time.Since(began))
	gone(t, lab)

	_, err := s.Status(t.Context())
	checkMessage(t, err, ExitNoLab, "is gone: ended without")
	_, err = Connect(home, "test")
	if e := checkMessage(t, err, ExitNoLab, `lab "test" is not running: its process (pid `); !strings.Contains(e.Hint, "raftlab up --lab test") {
		t.Errorf("hint %q", e.Hint)
	}
	labs, err := List(home)
	if err != nil || len(labs) != 1 || labs[0].Running || !strings.Contains(labs[0].Note, "is gone") {
		t.Errorf("labs %+v, %v", labs, err)
	}
	again, err := up(t, StartOptions{Home: home, Config: config})
	if err != nil {
		t.Fatal(told(err))
	}
	if again.existed || len(again.said) != 1 || !strings.Contains(again.said[0], "going on with the data of lab \"test\", whose process") {
		t.Errorf("existed %v, said %q", again.existed, again.said)
	}
}

// A lab whose process is stopped takes connections and never answers. Whoever
// asks hears that in bounded time, and down ends it all the same.
func TestHungLab(t *testing.T) {
	s := startLab(t, testConfig(t))
	home := filepath.Dir(s.Dir())
	lab, nodes := s.pids(t)
	if err := syscall.Kill(lab, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for !stopped(lab) { // the signal is sent, but on a busy machine not obeyed yet
		<-time.After(5 * time.Millisecond)
	}
	var asking sync.WaitGroup
	for name, ask := range map[string]func() error{
		"status": func() error { _, err := s.Status(t.Context()); return err },
		"stream": func() error { return s.Stream(t.Context(), StreamOptions{}, func(Update) error { return nil }) },
		"wait": func() error {
			_, err := s.Wait(t.Context(), Wait{Cond: "leader == 99", Timeout: time.Hour})
			return err
		},
	} {
		asking.Go(func() {
			err := ask()
			var e *Error
			if !errors.As(err, &e) || e.Code != ExitTimeout || !strings.Contains(e.Message, fmt.Sprintf("its process (pid %d) hangs", lab)) ||
				!strings.Contains(e.Hint, "raftlab down --lab test") {
				t.Errorf("%s: %s", name, told(err))
			}
		})
	}
	asking.Wait()
	if err := s.Down(t.Context(), false); err != nil {
		t.Fatal(told(err))
	}
	gone(t, lab)
	for _, pid := range nodes {
		gone(t, pid)
	}
	if left, err := os.ReadDir(home); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// An interrupt while a lab starts leaves nothing of it.
func TestStartGivenUp(t *testing.T) {
	for _, at := range []time.Duration{0, 5 * time.Millisecond, 50 * time.Millisecond} {
		home := t.TempDir()
		ctx, cancel := context.WithTimeout(t.Context(), at)
		c, _, err := Start(ctx, StartOptions{Home: home, Name: "test", Config: testConfig(t)})
		cancel()
		if err == nil { // it was faster
			err = c.Down(t.Context(), false)
			if cerr := c.Close(); err != nil || cerr != nil {
				t.Fatal(told(err), cerr)
			}
		}
		if left, err := os.ReadDir(home); err != nil || len(left) != 0 {
			t.Errorf("given up after %v: left behind %v, %v", at, left, err)
		}
	}
}

// What lab.json names as its socket is neither asked nor removed when it cannot
// be this lab's: the directory may be a copy, or the file damaged.
func TestForeignSocket(t *testing.T) {
	home := t.TempDir()
	d := dir(filepath.Join(home, "copy"))
	precious := filepath.Join(home, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, socket := range []string{precious, filepath.Join(home, "other", "raftlab.sock"), "/", ""} {
		if err := os.MkdirAll(string(d), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := d.writeMeta(&meta{Name: "other", Socket: socket, Config: testConfig(t), Pid: 1}); err != nil {
			t.Fatal(err)
		}
		if m, err := d.readMeta(); err != nil || m.Socket != "" {
			t.Errorf("%q: taken for its socket: %q, %v", socket, m.Socket, err)
		}
		if err := Clear(t.Context(), home, "copy"); err != nil {
			t.Errorf("%q: %s", socket, told(err))
		}
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

// A lab that is stopped with its data kept, or by a signal, goes on where it
// was, under the same settings only.
func TestKeptData(t *testing.T) {
	config := testConfig(t)
	s := startLab(t, config)
	home := filepath.Dir(s.Dir())
	if _, err := s.KV(t.Context(), KVOp{Op: "put", Key: "x", Value: "kept"}); err != nil {
		t.Fatal(told(err))
	}
	lab, nodes := s.pids(t)
	if err := syscall.Kill(lab, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for _, pid := range append(nodes, lab) {
		gone(t, pid)
	}
	other := config
	other.Nodes = 5
	_, err := up(t, StartOptions{Home: home, Config: other})
	checkMessage(t, err, ExitConflict, `lab "test" was stopped and its data kept, with other settings: it has 3 nodes, not 5`)
	for i := range 2 {
		again, err := up(t, StartOptions{Home: home, Config: config})
		if err != nil {
			t.Fatal(told(err))
		}
		if len(again.said) != 1 || !strings.Contains(again.said[0], "going on with the data kept") {
			t.Errorf("said %q", again.said)
		}
		if r, err := again.KV(t.Context(), KVOp{Op: "get", Key: "x"}); err != nil || r.Value != "kept" {
			t.Errorf("get = %+v, %v", r, err)
		}
		// A session of an earlier run must not answer for this one.
		if r, err := again.KV(t.Context(), KVOp{Op: "incr", Key: "n"}); err != nil || r.Value != strconv.Itoa(i+1) {
			t.Errorf("incr in run %d = %+v, %v", i+2, r, err)
		}
		if err := again.Down(t.Context(), true); err != nil {
			t.Fatal(told(err))
		}
	}
}

// A lab may die while it is asked to end: its data is marked as kept all the same.
func TestDownOfADeadLabKeepsData(t *testing.T) {
	config := testConfig(t)
	config.Nodes = 1
	s := startLab(t, config)
	home := filepath.Dir(s.Dir())
	lab, nodes := s.pids(t)
	if err := syscall.Kill(lab, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, pid := range append(nodes, lab) {
		gone(t, pid)
	}
	if err := s.Down(t.Context(), true); err != nil {
		t.Fatal(told(err))
	}
	again, err := up(t, StartOptions{Home: home, Config: config})
	if err != nil {
		t.Fatal(told(err))
	}
	if len(again.said) != 1 || !strings.Contains(again.said[0], "going on with the data kept") {
		t.Errorf("said %q", again.said)
	}
}

func TestLabsThatDoNotComeUp(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		name    string
		change  func(*testing.T, *StartOptions)
		code    int
		message string
		hint    string
	}{
		{"a port that is taken", func(_ *testing.T, o *StartOptions) { o.Config.Listen = taken.Addr().String() },
			ExitConflict, "listen on " + taken.Addr().String() + ": another program has this port", "raftlab up --listen 127.0.0.1:0"},
		{"a node that dies at once", func(t *testing.T, _ *StartOptions) { t.Setenv(envSick, "2") },
			ExitFailed, "S2 ended as soon as it was started: exit status 3: this node is sick on purpose", "node.log"},
		{"a program that is none", func(t *testing.T, o *StartOptions) {
			o.Executable = filepath.Join(o.Home, "nothing")
			if err := os.WriteFile(o.Executable, []byte("#!/bin/sh\necho no lab today >&2\nexit 1\n"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, ExitFailed, `the process of lab "test" ended as soon as it was started: no lab today`, "lab.log"},
		{"a program that is not there", func(_ *testing.T, o *StartOptions) { o.Executable = filepath.Join(o.Home, "nowhere") },
			ExitFailed, "put the program where it survives", ""},
		{"a name that is no directory's", func(_ *testing.T, o *StartOptions) { o.Name = "../x" }, ExitUsage, `"../x" is no name for a lab`, "letters"},
		{"a directory that is no lab's", func(t *testing.T, o *StartOptions) {
			if err := os.MkdirAll(filepath.Join(o.Home, "test", "photos"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, ExitConflict, "is there and is no lab's directory", "move it away"},
		{"a home that is a file", func(t *testing.T, o *StartOptions) {
			o.Home = filepath.Join(o.Home, "file")
			if err := os.WriteFile(o.Home, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, ExitFailed, "the directory of all labs is to be ", "set RAFTLAB_HOME"},
		{"somebody's files, even with --replace", func(t *testing.T, o *StartOptions) {
			o.Replace = true
			if err := os.MkdirAll(filepath.Join(o.Home, "test", "photos"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, ExitConflict, "is there and is no lab's directory: it holds \"photos\"", "move it away"},
		{"a port that is none", func(_ *testing.T, o *StartOptions) { o.Config.Listen = "127.0.0.1:99999" },
			ExitUsage, `"127.0.0.1:99999" is no address to listen on`, "raftlab up --listen 127.0.0.1:7070"},
		{"settings that make no sense", func(_ *testing.T, o *StartOptions) { o.Config.Nodes = 1000 }, ExitUsage, "a lab has 1 to 21 nodes", "-n 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := StartOptions{Home: t.TempDir(), Name: "test", Config: testConfig(t)}
			c.change(t, &o)
			_, err := up(t, o)
			if e := checkMessage(t, err, c.code, c.message); !strings.Contains(e.Hint, c.hint) {
				t.Errorf("hint %q, want it to say %q", e.Hint, c.hint)
			}
			if c.code != ExitUsage && c.hint != "move it away" {
				if labs, err := List(o.Home); err == nil && len(labs) > 0 && labs[0].Running {
					t.Error("it runs all the same")
				}
			}
		})
	}
}

// What did not come up does not stand in the way of the next try.
func TestUpAfterAFailure(t *testing.T) {
	o := StartOptions{Home: t.TempDir(), Config: testConfig(t)}
	t.Setenv(envSick, "1")
	if _, err := up(t, o); err == nil {
		t.Fatal("it came up with a sick node")
	}
	t.Setenv(envSick, "")
	s, err := up(t, o)
	if err != nil {
		t.Fatal(told(err))
	}
	if len(s.said) != 1 || !strings.Contains(s.said[0], "did not come up") {
		t.Errorf("said %q", s.said)
	}
	// A node whose program is gone, or falls sick later, is a node that is dead.
	s.waits(t, "quorum")
	if err := os.Rename(s.dir.binary(), s.dir.binary()+".away"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Do(t.Context(), Op{Verb: "restart", Nodes: []string{"1"}})
	if e := checkMessage(t, err, ExitFailed, "start S1: "); !strings.Contains(e.Hint, s.dir.binary()) {
		t.Errorf("hint %q", e.Hint)
	}
	if err := os.Rename(s.dir.binary()+".away", s.dir.binary()); err != nil {
		t.Fatal(err)
	}
	s.does(t, Op{Verb: "restart", Nodes: []string{"1"}})
	data := s.dir.nodeData(1)
	s.does(t, Op{Verb: "kill", Nodes: []string{"1"}})
	files, err := filepath.Glob(filepath.Join(data, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no data: %v", err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 100 {
			damage(t, f)
		}
	}
	_, err = s.Do(t.Context(), Op{Verb: "restart", Nodes: []string{"1"}})
	e := checkMessage(t, err, ExitFailed, "S1 ended as soon as it was started: ")
	if !strings.Contains(e.Message, "damaged") || !strings.Contains(e.Message, "offset") || !strings.Contains(e.Hint, "raftlab wipe 1") {
		t.Errorf("a damaged log: %s", told(e))
	}
	if n := s.see(t).Nodes[0]; n.State != StateDead || !strings.Contains(n.Exit, "damaged") {
		t.Errorf("S1 %+v", n)
	}
	_, err = s.Log(t.Context(), "1", 0, 0)
	checkMessage(t, err, ExitFailed, "damaged")
	s.does(t, Op{Verb: "wipe", Nodes: []string{"1"}})
	s.does(t, Op{Verb: "restart", Nodes: []string{"1"}})
	s.waits(t, "converged")
}

// damage flips a bit of the first record, which later ones prove was whole.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[40] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPreloadedLab(t *testing.T) {
	config := testConfig(t)
	config.Preload = map[int][]uint64{1: {1, 1, 2, 3}, 2: {1, 1, 2}, 3: {1, 1}}
	config.Terms = map[int]uint64{2: 5}
	s := startLab(t, config)
	// By its log only S1 or S2 can lead; nobody's term is under S2's 5 then.
	s.waits(t, "term > 5")
	s.waits(t, "converged")
	log, err := s.Log(t.Context(), "3", 0, 0)
	if err != nil {
		t.Fatal(told(err))
	}
	if log.Entries[0] != (LogEntry{Index: 1, Term: 1, Kind: "command", Command: "put k1=t1"}) {
		t.Errorf("first entry %+v", log.Entries[0])
	}
	if r, err := s.KV(t.Context(), KVOp{Op: "get", Key: "k2"}); err != nil || r.Value != "t1" {
		t.Errorf("get k2 = %+v, %v", r, err)
	}
}

// A path too long for a socket gets one elsewhere, and leaves nothing there.
func TestLongPath(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	home := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	s, err := up(t, StartOptions{Home: home, Config: testConfig(t)})
	if err != nil {
		if strings.Contains(err.Error(), "no path short enough") {
			t.Skip("the directory for temporary files is too long as well")
		}
		t.Fatal(told(err))
	}
	m, err := s.dir.readMeta()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(m.Socket)
	if err != nil || info.Mode().Perm() != 0o600 || !strings.HasPrefix(m.Socket, tmp) {
		t.Errorf("socket %s: %v, %v", m.Socket, info, err)
	}
	if err := s.Down(t.Context(), false); err != nil {
		t.Fatal(told(err))
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
