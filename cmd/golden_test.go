package cmd

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/netlab"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file under testdata, which -update rewrites.
func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./cmd -update writes it", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", path, got, want)
	}
}

func TestHelp(t *testing.T) {
	for _, v := range flat(verbs()) {
		if v.hidden {
			continue
		}
		t.Run(v.title(), func(t *testing.T) {
			var out, errs bytes.Buffer
			if code := Run(context.Background(), append([]string{"help"}, strings.Fields(v.title())...), strings.NewReader(""), &out, &errs); code != 0 || errs.Len() > 0 {
				t.Fatalf("help exits %d, says %q", code, errs.String())
			}
			golden(t, "help/"+strings.ReplaceAll(v.title(), " ", "-")+".txt", out.String())
		})
	}
	golden(t, "help/all.txt", func() string {
		var out bytes.Buffer
		Run(context.Background(), nil, strings.NewReader(""), &out, &out)
		return out.String()
	}())
}

// splitLab is the lab of the first screen of the design: S1 leads a majority,
// S2 still claims an older term behind the wall.
func splitLab() *netlab.Status {
	s := &netlab.Status{
		Schema: netlab.SchemaStatus, Lab: "default", Term: 7, Leader: 1, Quorum: 3, Commit: 43,
		Clock: netlab.ClockStatus{LabNS: 42_312_000_000, Rate: 1}, Partition: [][]int{{2, 4}, {1, 3, 5}},
	}
	node := func(id int, role string, term uint64, leader int, last, commit uint64) {
		s.Nodes = append(s.Nodes, netlab.NodeStatus{
			ID: id, State: netlab.StateUp, Pid: 4120 + id, Role: role, Term: term, Vote: leader, Leader: leader,
			LastIndex: last, LastTerm: term, Commit: commit, Applied: commit,
			Log: []netlab.TermRun{{Term: 5, First: 1, Count: 31}, {Term: term, First: 32, Count: last - 31}},
		})
	}
	node(1, netlab.RoleLeader, 7, 1, 44, 43)
	node(2, netlab.RoleLeader, 6, 2, 43, 40)
	node(3, netlab.RoleFollower, 7, 1, 43, 42)
	node(4, netlab.RoleFollower, 6, 2, 42, 40)
	node(5, netlab.RoleFollower, 7, 1, 43, 42)
	weak := func(id int) bool { return id == 2 || id == 4 }
	for from := 1; from <= 5; from++ {
		for to := 1; to <= 5; to++ {
			if from != to {
				s.Links = append(s.Links, netlab.LinkStatus{From: from, To: to, DelayMS: 20, Wall: weak(from) != weak(to), Cut: from == 3 && to == 5})
			}
		}
	}
	s.Links[0].Loss = 0.055
	return s
}

func TestStatusTable(t *testing.T) {
	var b strings.Builder
	if err := statusTable(&b, splitLab(), style{}, true); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.txt", b.String())
}

func TestStatusTableOfAnIllLab(t *testing.T) {
	s := splitLab()
	s.Leader, s.Clock.Held, s.Clock.Rate = 0, true, 0.1
	s.Partition, s.Links = nil, nil
	s.Nodes[0].State, s.Nodes[0].Pid, s.Nodes[0].Exit = netlab.StateDead, 0, "log damaged\x1b[2J"
	s.Nodes[2].State = netlab.StatePaused
	s.Nodes[4].Role = netlab.RoleCandidate
	s.Load = &netlab.LoadStatus{Rate: 50, Clients: 1, Done: 120, Failed: 3, PerSec: 49.76}
	s.Violations = []netlab.Violation{{Property: "ElectionSafety", Message: "S1 and S2 both lead term 7"}}
	var b strings.Builder
	if err := statusTable(&b, s, style{}, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "status-ill.txt", b.String())
}

func TestEventLines(t *testing.T) {
	for _, tc := range []struct {
		event netlab.Event
		want  string
	}{
		{netlab.Event{LabNS: 41_870_000_000, Node: 1, Text: "won term 7"}, "00:41.870 S1  won term 7"},
		{netlab.Event{LabNS: 41_502_000_000, Kind: netlab.EventFault, Text: "partition", Line: "raftlab partition 2 4"}, "00:41.502 net partition  (you: raftlab partition 2 4)"},
		{netlab.Event{LabNS: 3_600_000_000_000, Kind: netlab.EventClock, Text: "held"}, "1:00:00.000 clk held"},
		{netlab.Event{Node: 12, Kind: netlab.EventViolation, Text: "two leaders"}, "00:00.000 S12 !! two leaders"},
		{netlab.Event{Kind: netlab.EventNote, Text: "a\x1b[2J\nb"}, `00:00.000 lab a\x1b[2J\nb`},
	} {
		if got := eventLine(tc.event, style{}); got != tc.want {
			t.Errorf("eventLine = %q, want %q", got, tc.want)
		}
	}
}

func TestPreviewSaysWhatALineWouldDo(t *testing.T) {
	s := splitLab()
	for _, tc := range []struct{ line, want string }{
		{"partition 2 4", "{2 4} | {1 3 5}: S1 keeps its quorum, S2 S4 lose theirs"},
		{"partition leader", "{1} | {2 3 4 5}: S1 leads on, without a quorum; S2 S3 S4 S5 can elect another"},
		{"partition 1 / leader", "S1 is on two sides"},
		{"partition 1 / 1", "1 is on two sides: a node can be on one only"},
		{"partition 9", "node 9 is not in this lab"},
		{"kill leader", "kill S1: 4 of 5 run on, and have to elect a leader"},
		{"kill 3 4 5", "kill S3 S4 S5: 2 of 5 run on, too few for a quorum of 3"},
		{"pause 2", "pause S2: 4 of 5 run on, still a quorum"},
		{"wipe random", "a node drawn at random"},
		{"cut 2 to 4", "what S2 sends to S4"},
		{"cut 2->4", "what S2 sends to S4"},
		{"slow 3 80ms", "all links of S3, both ways"},
		{"lose all 5", "all links"},
		{"cut 2 4", "S2 and S4, both ways"},
		{"put a", "put KEY VALUE: Write a key through Raft"},
		{"kill", "kill NODE..: End nodes at once, as a power cut would"},
		{"kill lea", ""},
		{"kill S", ""},
		{"kill lea ", `"lea" is no node`},
		{"kill dead", "no node is dead"},
		{"put a b", ""},
		{"partit", ""},
		{"put 'a", ""},
		{"", ""},
	} {
		if got := preview(tc.line, s); got != tc.want {
			t.Errorf("preview(%q) = %q, want %q", tc.line, got, tc.want)
		}
	}
	if got := preview("kill 1", nil); got != "" {
		t.Errorf("preview without a status = %q", got)
	}
}

func TestScenarioLinesAreCheckedWithoutALab(t *testing.T) {
	t.Setenv("RAFTLAB_HOME", t.TempDir())
	for _, tc := range []struct{ line, want string }{
		{"up -n 3 --no-wait", ""},
		{"up -n 30", "a lab has 1 to 21 nodes, not 30: each is a process, and every two have a link each way"},
		{"kill leader", ""},
		{"kill S", `"S" is no node`},
		{"slow 1 2 x", `the last word is the delay, and "x" is none; it is like 80ms or 80ms~20ms`},
		{"down", ""},
		{"down x", "down takes no arguments, got x"},
		{"status --watch", "status --watch works on the command line only, not inside a scenario or the palette"},
		{"tui", "tui works on the command line only, not inside a scenario or the palette"},
		{"get a --read slow", `--read is log or stale, not "slow"`},
	} {
		err := checkLine(words(tc.line))
		if got := errText(err); got != tc.want {
			t.Errorf("checkLine(%q) = %q, want %q", tc.line, got, tc.want)
		}
	}
	if left, err := os.ReadDir(os.Getenv("RAFTLAB_HOME")); err != nil || len(left) > 0 {
		t.Errorf("checking left %v, %v", left, err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestOwnLabNames(t *testing.T) {
	for _, tc := range []struct{ file, want string }{
		{"examples/leader-crash.lab", "run-leader-crash"},
		{"my scene (2).lab", "run-my-scene--2-"},
		{strings.Repeat("x", 80) + ".lab", "run-" + strings.Repeat("x", 59)},
	} {
		got := ownLabName("run-", scenarioName(tc.file))
		if got != tc.want {
			t.Errorf("name of %q is %q, want %q", tc.file, got, tc.want)
		}
		if err := netlab.CheckName(got); err != nil {
			t.Error(err)
		}
	}
}
