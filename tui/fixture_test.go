package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

const msNS = int64(time.Millisecond)

// epoch is the real time of all pictures in tests.
var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// runs turns "1114" into the term runs of a log of four entries.
func runs(terms string) []netlab.TermRun {
	var out []netlab.TermRun
	for i, r := range terms {
		term := uint64(r - '0')
		if n := len(out); n > 0 && out[n-1].Term == term {
			out[n-1].Count++
			continue
		}
		out = append(out, netlab.TermRun{Term: term, First: uint64(i + 1), Count: 1})
	}
	return out
}

// follower is a node that is up, with a log of these terms.
func follower(id int, terms string, term uint64, vote int, commit uint64, left, length, nowNS int64) netlab.NodeStatus {
	n := netlab.NodeStatus{
		ID: id, State: netlab.StateUp, Pid: 4120 + id, Role: netlab.RoleFollower, Term: term, Vote: vote, Leader: vote,
		Commit: commit, Applied: commit, Log: runs(terms), LastIndex: uint64(len(terms)), Durable: uint64(len(terms)),
		TimerEndNS: nowNS + left*msNS, TimerStartNS: nowNS + (left-length)*msNS,
		DataBytes: 96 << 10, Starts: 1, SinceNS: 1000 * msNS, StateNS: 200 * msNS, SeenNS: nowNS,
	}
	if n.LastIndex > 0 {
		n.LastTerm = uint64(terms[len(terms)-1] - '0')
	}
	return n
}

// allVote makes all nodes of a lab the voters it began with.
func allVote(st *netlab.Status) {
	st.Config = netlab.ConfigStatus{Committed: true}
	for i := range st.Nodes {
		st.Config.Voters = append(st.Config.Voters, st.Nodes[i].ID)
	}
	for i := range st.Nodes {
		st.Nodes[i].Voters = st.Config.Voters
	}
}

func mesh(n int, set func(l *netlab.LinkStatus)) []netlab.LinkStatus {
	var ids []int
	for id := 1; id <= n; id++ {
		ids = append(ids, id)
	}
	return meshOf(ids, set)
}

func meshOf(ids []int, set func(l *netlab.LinkStatus)) []netlab.LinkStatus {
	var out []netlab.LinkStatus
	for _, i := range ids {
		for _, j := range ids {
			if i == j {
				continue
			}
			l := netlab.LinkStatus{From: i, To: j, Sent: 310, Delivered: 310, FlightNS: 210_000}
			if set != nil {
				set(&l)
			}
			out = append(out, l)
		}
	}
	return out
}

// split is five nodes, 2 and 4 behind a wall with the old leader, all links
// slow: the first sketch of the design.
func split() (netlab.Update, netlab.Update) {
	const now = int64(42_312) * 1e6
	log := strings.Repeat("5", 31) + strings.Repeat("6", 9)
	st := &netlab.Status{
		Schema: netlab.SchemaStatus, Lab: "default", Engine: "process", Term: 7, Leader: 1, Quorum: 3, Commit: 43,
		Clock:     netlab.ClockStatus{LabNS: now, Rate: 1},
		Timing:    netlab.Timing{HeartbeatNS: 50 * msNS, ElectionMinNS: 150 * msNS, ElectionMaxNS: 300 * msNS, PreVote: true},
		Partition: [][]int{{2, 4}, {1, 3, 5}}, Profile: "lan",
		Load:      &netlab.LoadStatus{Rate: 12, PerSec: 12, Clients: 1},
		LastEvent: 6,
	}
	s1 := follower(1, log+"7777", 7, 1, 43, 31, 50, now)
	s1.Role = netlab.RoleLeader
	s1.Peers = []netlab.PeerStatus{
		{ID: 2, Next: 41, Match: 40, Inflight: 1, LastAckNS: now - 800*msNS, Probing: true},
		{ID: 3, Next: 45, Match: 43, Inflight: 1, LastAckNS: now - 20*msNS},
		{ID: 4, Next: 41, Match: 40, LastAckNS: now - 800*msNS, Probing: true},
		{ID: 5, Next: 45, Match: 43, Inflight: 1, LastAckNS: now - 20*msNS},
	}
	s2 := follower(2, log+"666", 6, 2, 40, 22, 50, now)
	s2.Role, s2.Pending = netlab.RoleLeader, 3
	s2.Peers = []netlab.PeerStatus{{ID: 1, Next: 41, Match: 40}, {ID: 3, Next: 41, Match: 40}, {ID: 4, Next: 44, Match: 42}, {ID: 5, Next: 41, Match: 40}}
	st.Nodes = []netlab.NodeStatus{
		s1, s2,
		follower(3, log+"777", 7, 1, 42, 212, 280, now),
		follower(4, log+"66", 6, 2, 40, 160, 290, now),
		follower(5, log+"777", 7, 1, 42, 187, 290, now),
	}
	allVote(st)
	side := map[int]int{1: 0, 3: 0, 5: 0, 2: 1, 4: 1}
	st.Links = mesh(5, func(l *netlab.LinkStatus) {
		l.DelayMS, l.FlightNS = 200, 200_300_000
		l.Wall = side[l.From] != side[l.To]
		if l.Wall {
			l.Dropped, l.Delivered = 11, l.Delivered-11
		} else if l.From == 1 {
			l.Held = 1
		}
	})
	before := *st
	before.Partition, before.LastEvent = nil, 0
	before.Links = mesh(5, func(l *netlab.LinkStatus) { l.DelayMS = 200; l.Sent = 300 })
	before.Clock.LabNS = now - 1000*msNS
	more := netlab.Update{
		Lab:   &netlab.LabChange{Term: 7, Leader: 1, Commit: 43, Quorum: 3, Config: st.Config, Clock: st.Clock, Partition: st.Partition, Load: st.Load, LastEvent: 6},
		Links: st.Links, Nodes: st.Nodes,
		Events: []netlab.Event{
			{ID: 1, LabNS: 31_000 * msNS, Kind: netlab.EventElected, Node: 2, Term: 6, Text: "won term 6 with the votes of S2 S3 S4 (3 of 5)"},
			{ID: 2, LabNS: 41_502 * msNS, Kind: netlab.EventFault, Text: "partition {2 4} | {1 3 5}: 12 directed links walled", Line: "raftlab partition 2 4"},
			{ID: 3, LabNS: 41_870 * msNS, Kind: netlab.EventElected, Node: 1, Term: 7, Text: "won term 7 with the votes of S1 S3 S5 (3 of 5)",
				Rule: "Candidates: votes from a majority make a leader (§5.2)"},
			{ID: 4, LabNS: 41_900 * msNS, Kind: netlab.EventAppend, Node: 3, Minor: true, Text: "appends entry 41 from S1"},
			{ID: 5, LabNS: 41_930 * msNS, Kind: netlab.EventCommit, Node: 3, Minor: true, Text: "commits 41"},
			{ID: 6, LabNS: 42_290 * msNS, Kind: netlab.EventCommit, Node: 1, Term: 7, First: 43, Index: 43, Text: "committed 43: stored on S1 S3 S5 (3 of 5)"},
		},
		Frames: []netlab.Frame{
			{ID: 10, From: 3, To: 1, Kind: "append-reply", Term: 7, OK: true, Match: 43, LeftNS: now - 410*msNS, DueNS: now - 210*msNS, ArrivedNS: now - 210*msNS + 700_000},
			{ID: 11, From: 4, To: 2, Kind: "append-reply", Term: 6, OK: true, Match: 42, LeftNS: now - 600*msNS, DueNS: now - 400*msNS, ArrivedNS: now - 399*msNS},
			{ID: 12, From: 2, To: 1, Kind: "heartbeat", Term: 6, LeftNS: now - 28*msNS, DueNS: now - 28*msNS, DroppedNS: now - 28*msNS, Reason: "wall"},
			{ID: 13, From: 2, To: 3, Kind: "heartbeat", Term: 6, LeftNS: now - 28*msNS, DueNS: now - 28*msNS, DroppedNS: now - 28*msNS, Reason: "wall"},
			{ID: 14, From: 1, To: 5, Kind: "append", Term: 7, PrevIndex: 43, PrevTerm: 7, Entries: 1, Bytes: 118, LeftNS: now - 81*msNS, DueNS: now + 119*msNS},
			{ID: 15, From: 1, To: 3, Kind: "append", Term: 7, PrevIndex: 43, PrevTerm: 7, Entries: 1, Bytes: 118, LeftNS: now - 81*msNS, DueNS: now + 119*msNS},
		},
	}
	before.Term, before.Leader = 6, 2
	return netlab.Update{Status: &before, Events: more.Events[:1]}, more
}

// killed is nine nodes whose leader was killed; two candidates share the
// votes: the second sketch.
func killed() (netlab.Update, netlab.Update) {
	const now = int64(17_940) * 1e6
	log := strings.Repeat("6", 118)
	full := log + strings.Repeat("7", 11)
	st := &netlab.Status{
		Lab: "nine", Term: 8, Quorum: 5, Commit: 128, Leader: 1,
		Clock:  netlab.ClockStatus{LabNS: now - 400*msNS, Rate: 1},
		Timing: netlab.Timing{HeartbeatNS: 50 * msNS, ElectionMinNS: 150 * msNS, ElectionMaxNS: 300 * msNS},
	}
	for id := 1; id <= 9; id++ {
		st.Nodes = append(st.Nodes, follower(id, full, 7, 1, 128, 200, 300, now-400*msNS))
	}
	allVote(st)
	st.Nodes[0].Role = netlab.RoleLeader
	st.Links = mesh(9, func(l *netlab.LinkStatus) {
		if l.From == 3 || l.To == 3 {
			l.DelayMS, l.FlightNS = 80, 80_200_000
		}
	})
	changed := make([]netlab.NodeStatus, 9)
	copy(changed, st.Nodes)
	for i := range changed {
		n := &changed[i]
		n.Leader = 0
		n.TimerEndNS, n.TimerStartNS = now+int64(180+11*i)*msNS, now+int64(180+11*i-300)*msNS
	}
	changed[0].State, changed[0].Pid, changed[0].Term = netlab.StateDead, 0, 7
	changed[0].StateNS = now - 310*msNS
	for _, id := range []int{2, 4, 5, 6, 7, 8, 9} {
		changed[id-1].Term = 8
		changed[id-1].Vote = 4
	}
	for _, id := range []int{5, 7, 8} {
		changed[id-1].Vote = 8
	}
	vote := func(ids ...int) (out []netlab.VoteStatus) {
		for _, id := range ids {
			out = append(out, netlab.VoteStatus{From: id, Granted: true})
		}
		return out
	}
	changed[3].Role, changed[3].Votes = netlab.RoleCandidate, append(vote(4, 2, 6, 9), netlab.VoteStatus{From: 8})
	changed[7].Role, changed[7].Votes = netlab.RoleCandidate, vote(8, 5, 7)
	changed[2].LastIndex, changed[2].Log, changed[2].Commit = 126, runs(full[:126]), 125
	u := netlab.Update{
		Lab:   &netlab.LabChange{Term: 8, Commit: 128, Quorum: 5, Config: st.Config, Clock: netlab.ClockStatus{LabNS: now, Rate: 1}, LastEvent: 5},
		Nodes: changed,
		Events: []netlab.Event{
			{ID: 1, LabNS: 16_002 * msNS, Kind: netlab.EventFault, Text: "slow 3 80ms: all links of S3 now take 80 ms each way", Line: "slow 3 80ms"},
			{ID: 2, LabNS: 17_629 * msNS, Kind: netlab.EventCommit, Node: 1, Term: 7, First: 128, Index: 128, Text: "committed 128: stored on S1 S2 S4-S9 (8 of 9)"},
			{ID: 3, LabNS: 17_630 * msNS, Kind: netlab.EventProcess, Node: 1, Text: "killed with SIGKILL (pid 4121)", Line: "kill leader"},
			{ID: 4, LabNS: 17_921 * msNS, Kind: netlab.EventTimeout, Node: 4, Term: 8, Text: "election timeout (291 ms without a leader): term 7 -> 8, votes for itself, asks everyone"},
			{ID: 5, LabNS: 17_922 * msNS, Kind: netlab.EventVote, Node: 9, Peer: 4, Term: 8, Text: "votes for S4 in term 8: first to ask, and S4's log (129, term 7) is as new as S9's own (129, term 7)"},
		},
	}
	id := uint64(100)
	send := func(from, to int, kind string, leftMS int64, flightUS int64, f func(*netlab.Frame)) {
		id++
		fr := netlab.Frame{ID: id, From: from, To: to, Kind: kind, Term: 8, LeftNS: leftMS * msNS, DueNS: leftMS*msNS + flightUS*1000, LastIndex: 129, LastTerm: 7}
		if fr.DueNS <= now {
			fr.ArrivedNS = fr.DueNS
		}
		if f != nil {
			f(&fr)
		}
		u.Frames = append(u.Frames, fr)
	}
	send(4, 3, "vote", 17_921, 400_000, nil)
	send(4, 9, "vote", 17_921, 210, nil)
	send(4, 8, "vote", 17_921, 190, nil)
	send(4, 1, "vote", 17_921, 190, func(f *netlab.Frame) { f.ArrivedNS, f.DroppedNS, f.Reason = 0, f.DueNS, "dead node" })
	send(9, 4, "vote-reply", 17_922, 180, func(f *netlab.Frame) { f.OK = true })
	send(6, 4, "vote-reply", 17_922, 220, func(f *netlab.Frame) { f.OK = true })
	send(2, 4, "vote-reply", 17_922, 170, func(f *netlab.Frame) { f.OK = true })
	send(8, 4, "vote-reply", 17_923, 200, nil)
	send(5, 8, "vote-reply", 17_923, 190, func(f *netlab.Frame) { f.OK = true })
	st.Term = 7
	first := []netlab.Event{{ID: 1, LabNS: 9_000 * msNS, Kind: netlab.EventElected, Node: 1, Term: 7, Text: "won term 7 with the votes of S1 S2 S4 S5 S6 (5 of 9)"}}
	for i := range u.Events {
		u.Events[i].ID++
	}
	return netlab.Update{Status: st, Events: first}, u
}

// quiet is three nodes and nothing going on.
func quiet() (netlab.Update, netlab.Update) {
	const now = int64(8_000) * 1e6
	st := &netlab.Status{Lab: "small", Term: 1, Leader: 2, Quorum: 2, Commit: 5, Clock: netlab.ClockStatus{LabNS: now, Rate: 1}}
	for id := 1; id <= 3; id++ {
		st.Nodes = append(st.Nodes, follower(id, "11111", 1, 2, 5, int64(150+id*20), 290, now))
	}
	allVote(st)
	st.Nodes[1].Role = netlab.RoleLeader
	st.Links = mesh(3, nil)
	return netlab.Update{Status: st}, netlab.Update{
		Events: []netlab.Event{{ID: 1, LabNS: 300 * msNS, Kind: netlab.EventElected, Node: 2, Term: 1, Text: "won term 1 with the votes of S2 S3 (2 of 3)"}},
	}
}

var scenes = []struct {
	name string
	make func() (netlab.Update, netlab.Update)
}{
	{"quiet3", quiet}, {"split5", split}, {"killed9", killed},
	{"learner5", learning}, {"joint5", joint}, {"jointvote5", jointVote}, {"snapshot3", receiving}, {"compacted5", compacted},
	{"transfer3", transferring}, {"unsafe3", unsafe}, {"broken5", brokenPromise}, {"gone4", gone}, {"faulty3", faulty},
}

// scene folds a scene into a store as its reader would, the second update
// arriving at epoch.
func scene(make func() (netlab.Update, netlab.Update)) *store {
	st := newStore("default")
	first, second := make()
	gap := time.Duration(0)
	if second.Lab != nil && first.Status != nil {
		gap = time.Duration(second.Lab.Clock.LabNS - first.Status.Clock.LabNS)
	}
	st.change(func(l *labState) {
		l.apply(first, nil, epoch.Add(-gap))
		l.apply(second, nil, epoch)
	})
	return st
}

// draw renders the lab in a store as of epoch.
func draw(st *store, lk look, change func(*picture)) string {
	var lab labState
	st.copyTo(&lab)
	ui := uiState{node: lab.status.Nodes[0].ID, marked: map[int]bool{}}
	if lab.status.Leader > 0 {
		ui.node = lab.status.Leader
	}
	p := &picture{lab: &lab, ui: &ui, look: lk, now: epoch}
	if lk.frame == 0 {
		p.look.frame = time.Second / 15
	}
	if change != nil {
		change(p)
	}
	s := screen{keys: newKeyMap()}
	s.actions = s.keys.actions()
	return s.render(p)
}

func sizeName(w, h int) string { return fmt.Sprintf("%dx%d", w, h) }
