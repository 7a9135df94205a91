package netlab

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

func refusesOp(t *testing.T, l *lab, op Op, code int, text string) {
	t.Helper()
	_, err := l.do(t.Context(), &op)
	var e *Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, text) || e.Hint == "" {
		t.Errorf("%+v: %s, want code %d, %q and a hint", op, told(err), code, text)
	}
}

func at(offset int64) *int64 { return &offset }

func TestDisksThatCannotBe(t *testing.T) {
	l := fakeLab(t, 3)
	node := []string{"3"}
	for _, test := range []struct {
		op   Op
		text string
	}{
		{Op{Nodes: node}, `there is no disk that is ""`},
		{Op{Nodes: node, Disk: "tired"}, `there is no disk that is "tired"`},
		{Op{Nodes: []string{"9"}, Disk: DiskLie}, "node 9 is not in this lab"},
		{Op{Disk: DiskLie}, "no node named"},
		{Op{Nodes: node, Disk: DiskSlow, Delay: -1}, "a sync takes 0 to 1h"},
		{Op{Nodes: node, Disk: DiskSlow, Delay: 2 * time.Hour}, "a sync takes 0 to 1h"},
		{Op{Nodes: node, Disk: DiskSlow, Jitter: -1}, "the jitter of a disk"},
		{Op{Nodes: node, Disk: DiskLie, Delay: 1}, "a delay is for a slow disk"},
		{Op{Nodes: node, Disk: DiskFlip, Delay: 1}, "a delay is for a slow disk"},
		{Op{Nodes: node, Disk: DiskFlip, Offset: at(-1)}, "which begin at 0"},
		{Op{Nodes: node, Disk: DiskFlip, Offset: at(1), Index: 1}, "in an entry, or in a byte"},
		{Op{Nodes: node, Disk: DiskFlip, File: "00000001.wal"}, "with the byte in it"},
		{Op{Nodes: node, Disk: DiskFlip, File: "../x.wal", Offset: at(1)}, "without its directory"},
	} {
		test.op.Verb = "disk"
		refusesOp(t, l, test.op, ExitUsage, test.text)
	}
	for _, s := range l.status().Nodes {
		if s.Disk != nil {
			t.Errorf("the disk of S%d is %+v", s.ID, s.Disk)
		}
	}
}

// The disk of a dead node is what it will be started with, that of a running one
// what it is told; a node that has not registered can be told nothing.
func TestDiskOfADeadNodeAndOfARunningOne(t *testing.T) {
	l := fakeLab(t, 3)
	orders := make(chan wire.Disk, 4)
	l.say(1, wire.State{Role: raft.Follower, Term: 1})
	l.obeys(t, 1, func(o wire.Order) wire.Outcome {
		orders <- *o.Disk
		return wire.Outcome{}
	})
	refusesOp(t, l, Op{Verb: "disk", Nodes: []string{"2"}, Disk: DiskLie}, ExitConflict, "S2 has not registered")
	l.become(3, StateDead)
	slow := Op{Verb: "disk", Nodes: []string{"1", "3"}, Disk: DiskSlow, Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond, Line: "raftlab disk 1 3 slow 20ms~5ms"}
	if res := l.must(t, slow); res.Text != "the disks of S1 S3: a sync takes 20ms~5ms" || res.Event == 0 || !slices.Equal(res.Nodes, []int{1, 3}) {
		t.Errorf("%+v", res)
	}
	d := <-orders
	if d.Fault != wire.DiskSlow || d.Delay != raft.Duration(20*time.Millisecond) || d.Jitter != raft.Duration(5*time.Millisecond) || d.Seed == 0 {
		t.Errorf("S1 is told %+v", d)
	}
	if env := l.member(3).diskEnv(); len(env) != 1 || !strings.Contains(env[0], `"fault":"slow","delay":20000000,"jitter":5000000`) {
		t.Errorf("S3 is started with %q", env)
	}
	if res := l.must(t, slow); res.Text != "the disks of S1 S3 are so already: a sync takes 20ms~5ms" || res.Event != 0 {
		t.Errorf("once more: %+v", res)
	}
	s := l.status()
	if d := s.Nodes[0].Disk; d == nil || *d != (DiskStatus{Mode: DiskSlow, Text: "a sync takes 20ms~5ms", DelayMS: 20, JitterMS: 5}) || s.Nodes[1].Disk != nil {
		t.Errorf("status %+v", d)
	}
	if f := s.Faults; len(f) != 2 || f[0].Text != "disk slow 20ms~5ms" || f[0].Line != slow.Line || !slices.Equal(f[1].Nodes, []int{3}) {
		t.Errorf("faults %+v", f)
	}

	// heal takes one away by its number, and with --all every one.
	res := l.must(t, Op{Verb: "heal", Fault: s.Faults[0].ID})
	if res.Text != "the disk of S1: nothing is wrong with it" || <-orders != (wire.Disk{}) {
		t.Errorf("heal of one: %+v", res)
	}
	if res := l.must(t, Op{Verb: "heal"}); !strings.Contains(res.Text, "nothing to heal") || l.status().Nodes[2].Disk == nil {
		t.Errorf("heal: %+v", res)
	}
	if res := l.must(t, Op{Verb: "heal", All: true}); res.Text != "healed: the disk of S3" || len(l.status().Faults) != 0 || l.member(3).diskEnv() != nil {
		t.Errorf("heal --all: %+v", res)
	}
	refusesOp(t, l, Op{Verb: "heal", Fault: s.Faults[1].ID}, ExitConflict, "is off already")
}

func TestPausedNodeHearsOfItsDiskLater(t *testing.T) {
	l := fakeLab(t, 1)
	l.say(1, wire.State{})
	l.become(1, StatePaused)
	res := l.must(t, Op{Verb: "disk", Nodes: []string{"1"}, Disk: DiskFull})
	if len(res.Notes) != 1 || !strings.Contains(res.Notes[0], "S1 is paused") || len(l.talk(1).frames) == 0 {
		t.Errorf("%+v", res)
	}
}

func TestOrderAboutADiskThatANodeRefuses(t *testing.T) {
	l := fakeLab(t, 1)
	l.say(1, wire.State{})
	l.obeys(t, 1, func(wire.Order) wire.Outcome { return wire.Outcome{Error: "no\x1b[2J"} })
	refusesOp(t, l, Op{Verb: "disk", Nodes: []string{"1"}, Disk: DiskFull}, ExitFailed, `does not change: no\x1b[2J`)
	if l.status().Nodes[0].Disk != nil {
		t.Error("it is shown as full")
	}
}

func TestFaultsOfADiskThatComeOnce(t *testing.T) {
	for _, test := range []struct {
		fault wire.DiskFault
		fatal string
		stays bool
	}{{wire.DiskTorn, "", false}, {wire.DiskFail, "", true}, {wire.DiskFail, "sync", false}, {wire.DiskLie, "x", true}, {wire.DiskFull, "x", true}, {wire.DiskSlow, "", true}} {
		m := newMember(1)
		m.disk.Fault, m.fatal = test.fault, test.fatal
		m.status.Disk = m.disk.status()
		m.spendDisk()
		if (m.disk.Fault != wire.DiskOK) != test.stays || (m.status.Disk != nil) != test.stays {
			t.Errorf("%s after an end by %q: %+v", test.fault, test.fatal, m.disk)
		}
	}
}

// What a node comes back with is held against what it had said.
func TestNodeThatComesBackWithLess(t *testing.T) {
	for _, test := range []struct {
		name   string
		before wire.State
		disk   wire.DiskFault
		now    wire.State
		want   string
	}{
		{"with all", wire.State{Last: 9, Durable: 9, Commit: 9, Term: 3}, "", wire.State{Last: 9, Term: 3}, ""},
		{"with more", wire.State{Last: 9, Durable: 7, Commit: 7, Term: 3}, "", wire.State{Last: 8, Term: 3}, ""},
		{"without what was not synced", wire.State{Last: 9, Durable: 7, Commit: 8, Term: 3}, "", wire.State{Last: 7, Term: 2}, ""},
		{"without entries", wire.State{Last: 9, Durable: 9, Commit: 7, Term: 3}, "", wire.State{Last: 8, Term: 3},
			"its log ends at 8, and it had said that entries up to 9 are on its disk"},
		{"without committed ones", wire.State{Last: 9, Durable: 9, Commit: 8, Term: 3}, wire.DiskLie, wire.State{Last: 5, Term: 2},
			"its log ends at 5, and it had said that entries up to 9 are on its disk, 3 of them committed; it is back in term 2 from term 3, and may vote a second time; its disk lies about what is synced"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := fakeLab(t, 1)
			l.say(1, test.before)
			m := l.member(1)
			m.disk.Fault = test.disk
			l.mu.Lock()
			m.conn, m.up, m.joined = nil, false, make(chan struct{})
			l.mu.Unlock()
			l.say(1, test.now)
			s := l.status()
			if s.Nodes[0].Forgot != test.want {
				t.Errorf("it lacks %q, want %q", s.Nodes[0].Forgot, test.want)
			}
			e, _ := l.events.after(0, 100)
			said := slices.ContainsFunc(e, func(e Event) bool {
				return e.Node == 1 && e.Kind == EventNote && e.Text == "comes back with less than it had said: "+test.want && e.Rule != ""
			})
			if said != (test.want != "") {
				t.Errorf("events %+v", e)
			}
			res := &OpResult{}
			l.forgotNotes(l.members, res)
			if len(res.Notes) != count(test.want != "") {
				t.Errorf("notes %q", res.Notes)
			}
		})
	}
}

// A flipped bit is where it was asked for, and nowhere else, and the log is refused.
func TestFlip(t *testing.T) {
	l := fakeLab(t, 2)
	l.become(1, StateDead)
	l.become(2, StateDead)
	data := l.dir.nodeData(1)
	entries := []raft.Entry{{Index: 1, Term: 1, Data: []byte("one")}, {Index: 2, Term: 1, Data: []byte("two")}}
	if err := wal.Create(data, raft.HardState{Term: 1}, entries); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(data, "00000001.wal")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	where, err := wal.Locate(data, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		op       Op
		from, to int64
		text     string
	}{
		{Op{Index: 2}, where.From, where.To, ", in entry 2"},
		{Op{}, 64, where.To, ", in entry "},
		{Op{Offset: at(70)}, 70, 71, "of byte 70 of 00000001.wal is flipped"},
		{Op{Offset: at(16), File: "00000001.wal"}, 16, 17, "of byte 16 of 00000001.wal is flipped"},
	} {
		test.op.Verb, test.op.Disk, test.op.Nodes = "disk", DiskFlip, []string{"1"}
		res := l.must(t, test.op)
		bad, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var flipped []int64
		for i := range bad {
			if x := bad[i] ^ good[i]; x != 0 {
				flipped = append(flipped, int64(i))
				if x&(x-1) != 0 {
					t.Errorf("more than a bit of byte %d", i)
				}
			}
		}
		if len(flipped) != 1 || flipped[0] < test.from || flipped[0] >= test.to || !strings.Contains(res.Text, test.text) || res.Event == 0 {
			t.Errorf("%+v flips %v, want one of %d to %d; %+v", test.op, flipped, test.from, test.to, res)
		}
		var damage *wal.DamageError
		if _, err := wal.Scan(data, 1, 3, func([]raft.Entry) error { return nil }); !errors.As(err, &damage) {
			t.Errorf("the log is %v", err)
		}
		refusesOp(t, l, Op{Verb: "disk", Disk: DiskFlip, Nodes: []string{"1"}}, ExitConflict, "damaged already: 00000001.wal")
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		op   Op
		code int
		text string
	}{
		{Op{Nodes: []string{"1"}, Index: 3}, ExitConflict, "a log that ends at 2"},
		{Op{Nodes: []string{"1"}, Offset: at(1 << 40)}, ExitUsage, "so it has no byte 1099511627776"},
		{Op{Nodes: []string{"1"}, Offset: at(1), File: "nothing.wal"}, ExitUsage, `has no log or snapshot in a file "nothing.wal"`},
		{Op{Nodes: []string{"1"}, Offset: at(1), File: "lock"}, ExitUsage, `in a file "lock"`},
		{Op{Nodes: []string{"2"}}, ExitConflict, "the log of S2 holds no entry"},
	} {
		test.op.Verb, test.op.Disk = "disk", DiskFlip
		refusesOp(t, l, test.op, test.code, test.text)
	}
}
