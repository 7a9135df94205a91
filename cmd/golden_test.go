package cmd

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/netlab"
	"github.com/urfave/cli/v2"
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
		Config: netlab.ConfigStatus{Committed: true, Voters: []int{1, 2, 3, 4, 5}, VotersOld: []int{}, Learners: []int{}},
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
	var slow, cut, wall [][2]int
	for i := range s.Links {
		l := &s.Links[i]
		ends := [2]int{l.From, l.To}
		slow, l.Set = append(slow, ends), "slow 20ms"
		if l.Cut {
			cut, l.Set = append(cut, ends), l.Set+", cut"
		}
		if l.Wall {
			wall = append(wall, ends)
		}
	}
	s.Links[0].Set += ", lose 5.5%"
	s.Undo = "raftlab slow all 20ms"
	s.Faults = []netlab.FaultStatus{
		{ID: 1, Verb: "slow", Text: "slow 20ms", Links: slow, Line: "raftlab slow all 20ms", Hits: 1204},
		{ID: 2, Verb: "lose", Text: "lose 5.5%", Links: [][2]int{{1, 2}}, Line: "raftlab lose 1 to 2 5.5%", Hits: 3},
		{ID: 4, Verb: "cut", Text: "cut", Links: cut, Line: "raftlab cut 3 to 5\x1b[2J", UntilNS: s.Clock.LabNS + 1_500_000_000},
		{ID: 7, Verb: "partition", Text: "partition 2 4 / 1 3 5", Links: wall, Line: "raftlab partition 2 4"},
	}
	return s
}

func TestStatusTable(t *testing.T) {
	var b strings.Builder
	if err := statusTable(&b, splitLab(), style{}, true); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.txt", b.String())
}

func TestFaultTable(t *testing.T) {
	s := splitLab()
	s.Faults = append(s.Faults,
		netlab.FaultStatus{ID: 9, Verb: "frame hold", Text: "frame hold --kind append", Links: [][2]int{{1, 3}, {3, 1}, {4, 1}}, Hits: 2},
		netlab.FaultStatus{ID: 10, Verb: "corrupt", Text: "corrupt 1%", Links: [][2]int{{1, 3}, {2, 3}, {3, 1}, {3, 2}, {3, 4}, {3, 5}, {4, 3}, {5, 3}}})
	var b strings.Builder
	if err := faultTable(&b, s, style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "faults.txt", b.String())
	b.Reset()
	if err := faultTable(&b, &netlab.Status{}, style{}); err != nil || b.String() != "nothing is set on the network\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// A row for each fate that a frame can have.
func TestFrameTable(t *testing.T) {
	frame := func(id uint64, f netlab.Frame) netlab.Frame {
		f.ID, f.From, f.To, f.Term, f.Bytes, f.LeftNS = id, 1, 3, 7, 118, 42_304_100_000
		return f
	}
	var b strings.Builder
	table := &table{head: frameHead}
	for _, f := range []netlab.Frame{
		frame(1, netlab.Frame{Kind: "append", PrevIndex: 43, Entries: 1, DueNS: 42_324_100_000}),
		frame(2, netlab.Frame{Kind: "append", PrevIndex: 43, Entries: 3, ArrivedNS: 42_324_412_000}),
		frame(3, netlab.Frame{Kind: "heartbeat", DroppedNS: 42_304_100_000, Reason: "wall"}),
		frame(4, netlab.Frame{Kind: "vote", DroppedNS: 42_304_100_000, Reason: "cut", Fault: 3}),
		frame(5, netlab.Frame{Kind: "vote-reply", OK: true, Held: true, Fault: 4}),
		frame(6, netlab.Frame{Kind: "prevote-reply", Held: true}),
		frame(7, netlab.Frame{Kind: "append-reply", OK: true, Match: 44, ArrivedNS: 42_304_300_000, CopyOf: 6}),
		frame(8, netlab.Frame{Kind: "append-reply", ArrivedNS: 42_304_300_000, CopyOf: 6, Injected: true}),
		frame(9, netlab.Frame{Kind: "snapshot", PrevIndex: 900, Offset: 3 << 20, ArrivedNS: 42_304_300_000, Corrupt: true}),
		frame(10, netlab.Frame{Kind: "timeout-now"}),
	} {
		table.add(frameCells(&f)...)
	}
	if err := table.write(&b, style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "frames.txt", b.String())
}

func TestStatusTableOfAnIllLab(t *testing.T) {
	s := splitLab()
	s.Leader, s.Clock.Held, s.Clock.Rate = 0, true, 0.1
	s.Partition, s.Links, s.Faults = nil, nil, nil
	s.Nodes[0].State, s.Nodes[0].Pid, s.Nodes[0].Exit = netlab.StateDead, 0, "log damaged\x1b[2J"
	s.Nodes[2].State = netlab.StatePaused
	s.Nodes[4].Role = netlab.RoleCandidate
	s.Load = &netlab.LoadStatus{Rate: 50, Clients: 1, Done: 120, Failed: 3, PerSec: 49.76}
	s.Violations = []netlab.Violation{{Property: "ElectionSafety", Name: "Election Safety", Message: "S1 and S2 both lead term 7"}}
	var b strings.Builder
	if err := statusTable(&b, s, style{}, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "status-ill.txt", b.String())
}

// jointLab is in the middle of a change from three voters to five, S6 is a
// learner that is sent a snapshot.
func jointLab() *netlab.Status {
	s := &netlab.Status{
		Schema: netlab.SchemaStatus, Lab: "default", Term: 3, Leader: 1, Quorum: 3, Commit: 1203,
		Clock: netlab.ClockStatus{LabNS: 42_312_000_000, Rate: 1}, Unsafe: []string{"vote-twice", "no-noop"},
		Config: netlab.ConfigStatus{Index: 1204, Voters: []int{1, 2, 3, 4, 5}, VotersOld: []int{1, 2, 3}, Learners: []int{6}},
	}
	for id := 1; id <= 6; id++ {
		n := netlab.NodeStatus{
			ID: id, State: netlab.StateUp, Pid: 4120 + id, Role: netlab.RoleFollower, Term: 3, Vote: 1, Leader: 1,
			LastIndex: 1204, LastTerm: 3, Commit: 1203, Applied: 1203, Durable: 1204, SnapshotIndex: 1000, SnapshotTerm: 2, FirstIndex: 951,
			Log: []netlab.TermRun{{Term: 2, First: 951, Count: 200}, {Term: 3, First: 1151, Count: 54}},
		}
		switch id {
		case 1:
			n.Role = netlab.RoleLeader
			for p := 2; p <= 5; p++ {
				n.Peers = append(n.Peers, netlab.PeerStatus{ID: p, Next: 1205, Match: 1204, Flow: "replicate", LastAckNS: s.Clock.LabNS - 12_000_000})
			}
			n.Peers[1].Match, n.Peers[3].Match = 1203, 1203
			n.Peers = append(n.Peers, netlab.PeerStatus{ID: 6, Next: 1, Flow: "snapshot", SnapshotIndex: 1000, SnapshotOffset: 5 << 19})
		case 4:
			n.State, n.Snapshotting = netlab.StatePaused, true
		case 6:
			n.Role, n.Vote, n.LastIndex, n.LastTerm, n.Commit, n.Applied, n.Durable = netlab.RoleLearner, 0, 0, 0, 0, 0, 0
			n.SnapshotIndex, n.SnapshotTerm, n.FirstIndex, n.Log = 0, 0, 1, nil
		}
		s.Nodes = append(s.Nodes, n)
	}
	return s
}

func TestStatusTableOfAJointConfiguration(t *testing.T) {
	var b strings.Builder
	if err := statusTable(&b, jointLab(), style{}, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "status-joint.txt", b.String())
}

func TestMembersTable(t *testing.T) {
	catching := jointLab()
	catching.Config = netlab.ConfigStatus{
		Committed: true, Index: 7, Voters: []int{1, 2, 3}, VotersOld: []int{}, Learners: []int{4, 5},
		Target: &netlab.TargetStatus{Voters: []int{1, 2, 3, 4, 5}, Learners: []int{}},
	}
	leaderless := splitLab()
	leaderless.Leader = 0
	for _, tc := range []struct {
		file string
		s    *netlab.Status
	}{
		{"members.txt", splitLab()}, {"members-joint.txt", jointLab()}, {"members-catching-up.txt", catching}, {"members-leaderless.txt", leaderless},
	} {
		var b strings.Builder
		if err := membersTable(&b, tc.s, membersOf(tc.s), style{}); err != nil {
			t.Fatal(err)
		}
		golden(t, tc.file, b.String())
	}
}

func TestTalliesCountEachSetOfVoters(t *testing.T) {
	m := membersOf(jointLab())
	want := []tally{
		{Set: setVotersOld, Nodes: []int{1, 2, 3}, Hold: []int{1, 2}, Needs: 2},
		{Set: setVoters, Nodes: []int{1, 2, 3, 4, 5}, Hold: []int{1, 2, 4}, Needs: 3},
	}
	if !reflect.DeepEqual(m.Tallies, want) || m.Index != 1204 {
		t.Errorf("tallies of entry %d: %+v, want %+v of entry 1204", m.Index, m.Tallies, want)
	}
}

func TestLogOfASnapshottedNode(t *testing.T) {
	for _, tc := range []struct {
		name string
		log  netlab.Log
		want string
	}{
		{
			"the log begins right behind the snapshot",
			netlab.Log{LastIndex: 7, Commit: 7, FirstIndex: 6, Base: 5, SnapshotIndex: 5, SnapshotTerm: 3, Entries: []netlab.LogEntry{{Index: 6, Term: 3, Kind: "command", Command: "put x=7"}}},
			"index  term  kind      committed  command\n" +
				"  1-5        snapshot  yes        folded into the snapshot of index 5, term 3\n" +
				"    6     3  command   yes        put x=7\n",
		},
		{
			"it keeps entries the snapshot stands for, too",
			netlab.Log{LastIndex: 6, Commit: 6, FirstIndex: 2, Base: 1, SnapshotIndex: 6, SnapshotTerm: 3, Entries: []netlab.LogEntry{{Index: 2, Term: 1, Kind: "noop"}}},
			"index  term  kind      committed  command\n" +
				"    1        snapshot  yes        folded into the snapshot of index 6, term 3, which stands for 2-6, too\n" +
				"    2     1  noop      yes\n",
		},
		{
			"nothing is left but the snapshot",
			netlab.Log{LastIndex: 5, Commit: 5, Base: 5, SnapshotIndex: 5, SnapshotTerm: 3},
			"index  term  kind      committed  command\n" +
				"  1-5        snapshot  yes        folded into the snapshot of index 5, term 3\n",
		},
		{
			"a part that does not reach down to it",
			netlab.Log{LastIndex: 9, Commit: 9, FirstIndex: 8, Base: 5, SnapshotIndex: 5, SnapshotTerm: 3, Entries: []netlab.LogEntry{{Index: 8, Term: 3, Kind: "noop"}}},
			"index  term  kind  committed  command\n" +
				"    8     3  noop  yes\n",
		},
	} {
		var out strings.Builder
		c := &call{sh: &shell{stdout: &out, stderr: io.Discard}, Context: quietContext(t)}
		if err := printLog(c, &tc.log); err != nil {
			t.Fatal(err)
		}
		if out.String() != tc.want {
			t.Errorf("%s:\n%swant:\n%s", tc.name, out.String(), tc.want)
		}
	}
}

// quietContext is that of a line without flags.
func quietContext(t *testing.T) *cli.Context {
	t.Helper()
	return cli.NewContext(cli.NewApp(), flag.NewFlagSet("", flag.ContinueOnError), nil)
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
		{"add 6", "S1 S2 S3 S4 S5 -> S1 S2 S3 S4 S5 S6: quorum 4, 6 of 6 run"},
		{"add 6 7 --learner", "S1 S2 S3 S4 S5 -> S1 S2 S3 S4 S5, learners S6 S7: the votes stay as they are"},
		{"add 3", "S3 is a member already"},
		{"add 99", "a lab has nodes 1 to 21"},
		{"remove 2 3", "S1 S2 S3 S4 S5 -> S1 S4 S5: quorum 2, 3 of 3 run"},
		{"remove leader", "S1 S2 S3 S4 S5 -> S2 S3 S4 S5: quorum 3, 4 of 4 run"},
		{"remove all", "no voter would be left"},
		{"remove 6", "node 6 is not in this lab"},
		{"members 1 2 3", "S1 S2 S3 S4 S5 -> S1 S2 S3: quorum 2, 3 of 3 run"},
		{"members 4 6 7", "S1 S2 S3 S4 S5 -> S4 S6 S7: quorum 2, 3 of 3 run"},
		{"members all", "S1 S2 S3 S4 S5 -> S1 S2 S3 S4 S5: nothing changes"},
		{"transfer 3", "S1 hands over to S3"},
		{"transfer leader", "S1 leads already"},
		{"partition 2 4 --for 90s", "{2 4} | {1 3 5}: S1 keeps its quorum, S2 S4 lose theirs, for 1m30s"},
		{"partition 2 4 --for 0s", "--for must be longer than 0, not 0s"},
		{"cut 2 to 4", "S2 to S4: cut: nothing passes"},
		{"cut 2->4", "S2 to S4: cut: nothing passes"},
		{"cut 2 9", "node 9 is not in this lab"},
		{"cut 2 2", "S2 has no link to itself"},
		{"cut 1 to leader", "S1 has no link to itself"},
		{"slow 3 80ms", "all links of S3: take 80ms"},
		{"slow all 0", "all 20 links: no longer delayed"},
		{"slow 1 to 3 20ms~5ms pareto", "S1 to S3: take 20ms~5ms, distributed pareto"},
		{"slow 1 to 3 table 5ms,5ms,80ms", "S1 to S3: take 5ms, 5ms or 80ms"},
		{"slow 1 to 3 20", `the last word is the delay, and "20" is none; it is like 80ms or 80ms~20ms`},
		{"lose all 5", "all 20 links: lose 5 % of their frames"},
		{"lose 1 110%", `the last word is the loss in percent, 0 to 100, and "110%" is not that`},
		{"lose 1 to 3 10% --burst 4", "S1 to S3: lose 10 % of their frames, 4 in a row on average"},
		{"duplicate 2 4 5%", "S2 and S4, both ways: deliver 5 % of their frames twice"},
		{"reorder 1 to 2 5% --by 30ms", "S1 to S2: let others overtake 5 % of their frames, which take 30ms longer"},
		{"corrupt 1 to 2 5%", "S1 to S2: corrupt 5 % of their frames, which the receiver refuses"},
		{"cut 2 4 --kind append,request --next 3 --for 2s", "S2 and S4, both ways: cut for some frames (only append, only requests, the next 3; for 2s)"},
		{"cut 2 4 --kind apend", `no frame is of kind "apend"`},
		{"throttle leader to 4 64KiB/s", "S1 to S4: carry 64KiB/s at most"},
		{"throttle random 64KiB/s", "a node drawn at random"},
		{"blackhole 2 to all", "S2 to all others: a black hole: frames go in, and none comes out"},
		{"reset all", "all 20 links: a frame breaks the connection, and is lost with it (the next 1)"},
		{"frame hold 1 to 3 --kind vote", "S1 to S3: frames are held until somebody lets them go (only vote)"},
		{"frame 17 drop", ""},
		{"heal", "takes away cut, partition 2 4 / 1 3 5"},
		{"heal --all", "takes away slow 20ms, lose 5.5%, cut, partition 2 4 / 1 3 5"},
		{"heal 2 4", "there is nothing to heal on these links"},
		{"heal 3 5", "takes away cut: 3 5"},
		{"heal 1 to 2 --all", "takes away slow 20ms, lose 5.5%, partition 2 4 / 1 3 5: 1 to 2"},
		{"heal 1 7", "node 7 is not in this lab"},
		{"heal f2", "takes away lose 5.5%: 1 to 2"},
		{"heal f3", "there is no fault f3"},
		{"undo", "takes back: raftlab slow all 20ms"},
		{"stop 3", "stop S3: 4 of 5 run on, still a quorum"},
		{"disk 3 slow 20ms~5ms", "disk of S3: a sync takes 20ms~5ms"},
		{"disk 1 2 full", "disk of S1 S2: no room is left: the next write fails"},
		{"disk 3 flip --index 7", "disk of S3: a bit of entry 7 is flipped"},
		{"disk 3 flip 4096", "disk of S3: a bit of byte 4096 is flipped"},
		{"disk leader ok", "disk of S1: nothing is wrong with it"},
		{"disk 3 tired", `a disk cannot be "tired", only: slow, fail, lie, full, torn, flip, ok`},
		{"disk 9 lie", "node 9 is not in this lab"},
		{"disk", ""},
		{"clock leader rate 0.1", "clock of S1: runs 0.1 times as fast as the lab's"},
		{"clock 2 skew -30ms", "clock of S2: is 30ms behind"},
		{"clock all ok", "clock of S1 S2 S3 S4 S5: shows lab time"},
		{"clock 2 rate 0", `a clock's rate is a number from 0.001 to 1000, and "0" is not`},
		{"clock", ""},
		{"restart 3", "kill and start S3"},
		{"restart --rolling all", "S1 S2 S3 S4 S5: one after the other, each back before the next, S1 last"},
		{"restart --policy on-failure", "nodes that end by themselves: restart policy on-failure"},
		{"resume all", "none of them is paused"},
		{"chaos --seed 3", "15 faults within 30s, at most 2 of 5 nodes affected at once, hardness 3, seed 3"},
		{"chaos --seed 3 --for 10s", "5 faults within 10s, at most 2 of 5 nodes affected at once, hardness 3, seed 3"},
		{"chaos --kinds burn", `chaos knows no fault "burn"`},
		{"chaos --stop", "no chaos is at work"},
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
	s.Nodes[1].State, s.Nodes[3].State = netlab.StatePaused, netlab.StateDead
	s.Faults = append(s.Faults, netlab.FaultStatus{ID: 9, Verb: "disk", Text: "disk full", Nodes: []int{4}})
	s.Chaos = &netlab.ChaosStatus{Faults: 14, Done: 3}
	for line, want := range map[string]string{
		"heal f9":      "takes away disk full: S4",
		"heal --all":   "takes away slow 20ms, lose 5.5%, cut, partition 2 4 / 1 3 5, disk full, resumes S2, stops chaos",
		"resume all":   "resume S2",
		"restart all":  "start S4, kill and start S1 S2 S3 S5",
		"chaos":        "chaos is at work already",
		"chaos --stop": "undoes what chaos did, after 3 of 14 faults",
	} {
		if got := preview(line, s); got != want {
			t.Errorf("preview(%q) = %q, want %q", line, got, want)
		}
	}
	if got := preview("kill 1", nil); got != "" {
		t.Errorf("preview without a status = %q", got)
	}
}

func TestPreviewOfAChangeCountsWhoRuns(t *testing.T) {
	for _, tc := range []struct {
		name string
		dead []int
		line string
		want string
	}{
		{"enough are left", []int{5}, "remove 5", "S1 S2 S3 S4 S5 -> S1 S2 S3 S4: quorum 3, 4 of 4 run"},
		{"just enough are left", []int{5}, "remove 4", "S1 S2 S3 S4 S5 -> S1 S2 S3 S5: quorum 3, 3 of 4 run: not one of them may fail"},
		{"the new ones are too few", []int{4, 5}, "members 1 4 5", "S1 S2 S3 S4 S5 -> S1 S4 S5: quorum 2, 1 of 3 run: too few, nothing could commit"},
		{"the old ones cannot decide", []int{3, 4, 5}, "remove 3 4 5", "S1 S2 S3 S4 S5 -> S1 S2: quorum 2, 2 of 2 run; but the old members, 2 of 5 running, cannot decide to change"},
		{"a dead node cannot take over", []int{3}, "transfer 3", "S3 is dead and cannot take over"},
	} {
		s := splitLab()
		for _, id := range tc.dead {
			s.Nodes[id-1].State = netlab.StateDead
		}
		if got := preview(tc.line, s); got != tc.want {
			t.Errorf("%s: preview(%q) = %q, want %q", tc.name, tc.line, got, tc.want)
		}
	}
	joint := jointLab()
	for line, want := range map[string]string{
		"add 7":      "a change is under way; another one has to wait for it",
		"transfer 6": "S6 is a learner and cannot lead",
	} {
		if got := preview(line, joint); got != want {
			t.Errorf("preview(%q) = %q, want %q", line, got, want)
		}
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
		{"get a --read slow", `--read is log, index, lease or stale, not "slow"`},
		{"get a --read lese", `--read is log, index, lease or stale, not "lese"; did you mean lease?`},
		{"get a --read lease", ""},
		{"up --unsafe forget-vote,no-noop --no-transfer --snapshot-size 64KiB", ""},
		{"up --unsafe forget-vot", `there is no unsafe rule "forget-vot"; did you mean forget-vote?`},
		{"up --snapshot-size big", `--snapshot-size wants a number of bytes like 64MiB or 4096, or 0 for never, not "big"`},
		{"add 6 7 --learner --timeout 5s", ""},
		{"add leader", "add wants the numbers of new nodes, and leader names nodes that are there"},
		{"add 22", "a lab has nodes 1 to 21, so there can be no node 22"},
		{"add 6 --no-wait --timeout 5s", "--no-wait and --timeout exclude each other: there is nothing to wait for"},
		{"remove leader --timeout 0s", "--timeout must be longer than 0, not 0s"},
		{"members", ""},
		{"members 1 2 3", ""},
		{"members S", `"S" is no node`},
		{"transfer 3", ""},
		{"transfer 3,4", "transfer hands over to one node, not to 2 nodes"},
		{"snapshot all", ""},
		{"events --kind config,snapshots", `no event is of kind "snapshots"; did you mean snapshot?`},
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
