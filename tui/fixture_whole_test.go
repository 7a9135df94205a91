package tui

import (
	"slices"
	"strings"

	"github.com/raftlab/raftlab/netlab"
)

// The scenes of what surrounds replication: changes of the configuration (§6),
// snapshots (§7), a leadership handed over (thesis §3.10).

// steady is a lab of these nodes whose leader, the first, has committed a log of
// these terms and everyone follows.
func steady(nowNS int64, log string, ids ...int) *netlab.Status {
	term := uint64(log[len(log)-1] - '0')
	st := &netlab.Status{
		Lab: "default", Term: term, Leader: ids[0], Quorum: majority(len(ids)), Commit: uint64(len(log)), Profile: "lan",
		Clock:  netlab.ClockStatus{LabNS: nowNS, Rate: 1},
		Timing: netlab.Timing{HeartbeatNS: 50 * msNS, ElectionMinNS: 150 * msNS, ElectionMaxNS: 300 * msNS, PreVote: true, CheckQuorum: true},
		Config: netlab.ConfigStatus{Committed: true, Voters: ids},
		Links:  meshOf(ids, nil),
	}
	for i, id := range ids {
		n := follower(id, log, term, ids[0], uint64(len(log)), int64(200+13*i), int64(280+3*i), nowNS)
		n.Voters, n.FirstIndex = ids, 1
		st.Nodes = append(st.Nodes, n)
	}
	lead := &st.Nodes[0]
	lead.Role, lead.Leader, lead.LeaseEndNS = netlab.RoleLeader, ids[0], nowNS+118*msNS
	lead.TimerEndNS, lead.TimerStartNS = nowNS+31*msNS, nowNS-19*msNS
	for _, id := range ids[1:] {
		lead.Peers = append(lead.Peers, netlab.PeerStatus{ID: id, Next: uint64(len(log)) + 1, Match: uint64(len(log)), Flow: flowReplicate, LastAckNS: nowNS - 19*msNS})
	}
	return st
}

// after is the update that makes a status of an earlier one, and that one.
func after(st *netlab.Status, change func(*netlab.Status)) (netlab.Update, netlab.Update) {
	before := *st
	before.Nodes, before.Links = slices.Clone(st.Nodes), slices.Clone(st.Links)
	before.Nodes[0].Peers = slices.Clone(st.Nodes[0].Peers)
	change(st)
	u := netlab.Update{
		Lab: &netlab.LabChange{
			Term: st.Term, Leader: st.Leader, Commit: st.Commit, Quorum: st.Quorum, Config: st.Config,
			Clock: st.Clock, Partition: st.Partition, LastEvent: st.LastEvent,
		},
		Nodes: st.Nodes, Links: st.Links,
	}
	return netlab.Update{Status: &before}, u
}

// configure gives nodes a configuration, which is of the entry at index.
func configure(c netlab.ConfigStatus, nodes ...*netlab.NodeStatus) {
	for _, n := range nodes {
		n.Voters, n.VotersOld, n.Learners, n.ConfigIndex = c.Voters, c.VotersOld, c.Learners, c.Index
	}
}

// grow adds entries of a term to a node's log.
func grow(n *netlab.NodeStatus, term uint64, count uint64) {
	if k := len(n.Log); k > 0 && n.Log[k-1].Term == term {
		n.Log = slices.Clone(n.Log)
		n.Log[k-1].Count += count
	} else {
		n.Log = append(slices.Clone(n.Log), netlab.TermRun{Term: term, First: n.LastIndex + 1, Count: count})
	}
	n.LastIndex += count
	n.LastTerm, n.Durable = term, n.LastIndex
}

// fresh is a node that was started a moment ago and knows nothing.
func fresh(id int, nowNS int64) netlab.NodeStatus {
	return netlab.NodeStatus{ID: id, State: netlab.StateUp, Pid: 4120 + id, Role: netlab.RoleLearner, FirstIndex: 1, Starts: 1, StateNS: nowNS - 900*msNS, SinceNS: nowNS - 900*msNS, SeenNS: nowNS}
}

const wholeNow = int64(91_204) * 1e6

// threeAndTwo are three members and the new nodes 4 and 5, learners by entry 57.
func threeAndTwo() *netlab.Status {
	st := steady(wholeNow, strings.Repeat("1", 20)+strings.Repeat("3", 36), 1, 2, 3)
	st.Config = netlab.ConfigStatus{Index: 57, Committed: true, Voters: []int{1, 2, 3}, Learners: []int{4, 5}}
	st.Nodes = append(st.Nodes, fresh(4, wholeNow), fresh(5, wholeNow))
	for i := range st.Nodes[:3] {
		n := &st.Nodes[i]
		grow(n, 3, 1)
		n.Commit, n.Applied = 57, 57
	}
	for i := range st.Nodes {
		configure(st.Config, &st.Nodes[i])
	}
	lead := &st.Nodes[0]
	for i := range lead.Peers {
		lead.Peers[i].Match, lead.Peers[i].Next = 57, 58
	}
	lead.Peers = append(lead.Peers,
		netlab.PeerStatus{ID: 4, Match: 57, Next: 58, Flow: flowReplicate, LastAckNS: wholeNow - 19*msNS},
		netlab.PeerStatus{ID: 5, Match: 57, Next: 58, Flow: flowReplicate, LastAckNS: wholeNow - 19*msNS})
	for _, i := range []int{3, 4} {
		n := &st.Nodes[i]
		n.Term, n.Leader = 3, 1
		grow(n, 1, 20)
		grow(n, 3, 37)
		n.Commit, n.Applied = 57, 57
	}
	st.Commit = 57
	st.Links = mesh(5, nil)
	return st
}

// learning is the same while the new nodes are still brought up to date.
func learning() (netlab.Update, netlab.Update) {
	first, u := after(threeAndTwo(), func(st *netlab.Status) {
		st.Config.Target = &netlab.TargetStatus{Voters: []int{1, 2, 3, 4, 5}}
		s4, s5 := &st.Nodes[3], &st.Nodes[4]
		*s4, *s5 = fresh(4, wholeNow), fresh(5, wholeNow)
		s4.Term, s4.Leader, s5.Term, s5.Leader = 3, 1, 3, 1
		grow(s4, 1, 20)
		grow(s4, 3, 25)
		s4.Commit, s4.Applied = 45, 45
		peers := st.Nodes[0].Peers
		peers[2].Match, peers[2].Next, peers[2].Inflight = 45, 58, 1
		peers[3].Match, peers[3].Next, peers[3].Flow, peers[3].Probing, peers[3].LastAckNS = 0, 58, flowProbe, true, 0
	})
	u.Events = []netlab.Event{
		{ID: 1, LabNS: wholeNow - 910*msNS, Kind: netlab.EventProcess, Node: 4, Text: "started (pid 4124)", Line: "raftlab add 4 5"},
		{ID: 2, LabNS: wholeNow - 900*msNS, Kind: netlab.EventProcess, Node: 5, Text: "started (pid 4125)", Line: "raftlab add 4 5"},
		{ID: 3, LabNS: wholeNow - 700*msNS, Kind: netlab.EventConfig, Node: 1, Term: 3, Index: 57, Config: netlab.ConfigSimple, Text: "configuration 57 takes effect: S1 S2 S3 learners S4 S5"},
		{ID: 4, LabNS: wholeNow - 690*msNS, Kind: netlab.EventConfig, Node: 1, Term: 3, Text: "brings S4 S5 up to date before they vote"},
	}
	return first, u
}

// joint is the moment after: C_old,new is in the log of S1, S2 and S4.
func joint() (netlab.Update, netlab.Update) {
	first, u := after(threeAndTwo(), func(st *netlab.Status) {
		c := netlab.ConfigStatus{Index: 58, Voters: []int{1, 2, 3, 4, 5}, VotersOld: []int{1, 2, 3}}
		st.Config, st.Quorum = c, 3
		for _, i := range []int{0, 1, 3} {
			grow(&st.Nodes[i], 3, 1)
			configure(c, &st.Nodes[i])
		}
		for i := range st.Nodes[0].Peers {
			q := &st.Nodes[0].Peers[i]
			q.Next = 59
			if q.ID == 2 || q.ID == 4 {
				q.Match = 58
			} else {
				q.Inflight = 1
			}
		}
		for i := range st.Links {
			st.Links[i].DelayMS, st.Links[i].FlightNS = 200, 200_300_000
		}
	})
	u.Events = []netlab.Event{
		{ID: 1, LabNS: wholeNow - 400*msNS, Kind: netlab.EventConfig, Node: 1, Peer: 4, Term: 3, Index: 57, Text: "S4 has caught up: its last round took 21 ms"},
		{ID: 2, LabNS: wholeNow - 230*msNS, Kind: netlab.EventConfig, Node: 1, Term: 3, Index: 58, Config: netlab.ConfigJoint, Text: "C_old,new of entry 58 takes effect: a majority of S1-S3 and one of S1-S5 decide from here on"},
		{ID: 3, LabNS: wholeNow - 25*msNS, Kind: netlab.EventConfig, Node: 4, Term: 3, Index: 58, Config: netlab.ConfigJoint, Text: "C_old,new of entry 58 takes effect"},
	}
	u.Frames = []netlab.Frame{
		{ID: 1, From: 1, To: 3, Kind: kindAppend, Term: 3, PrevIndex: 57, PrevTerm: 3, Entries: 1, LeftNS: wholeNow - 120*msNS, DueNS: wholeNow + 80*msNS},
		{ID: 2, From: 1, To: 5, Kind: kindAppend, Term: 3, PrevIndex: 57, PrevTerm: 3, Entries: 1, LeftNS: wholeNow - 120*msNS, DueNS: wholeNow + 80*msNS},
		{ID: 3, From: 2, To: 1, Kind: kindAppendReply, Term: 3, OK: true, Match: 58, LeftNS: wholeNow - 230*msNS, DueNS: wholeNow - 30*msNS, ArrivedNS: wholeNow - 29*msNS},
	}
	return first, u
}

// jointVote is the same after S1 was killed: S2 stands and needs both
// majorities.
func jointVote() (netlab.Update, netlab.Update) {
	_, before := joint()
	st := threeAndTwo()
	first, u := after(st, func(st *netlab.Status) {
		st.Nodes, st.Links, st.Config, st.Quorum = before.Nodes, before.Links, before.Lab.Config, before.Lab.Quorum
		st.Term, st.Leader = 4, 0
		s1 := &st.Nodes[0]
		s1.State, s1.Pid, s1.StateNS = netlab.StateDead, 0, wholeNow-350*msNS
		for i := range st.Nodes[1:] {
			n := &st.Nodes[i+1]
			n.Term, n.Leader, n.Vote = 4, 0, 2
		}
		st.Nodes[2].Vote, st.Nodes[2].Term = 1, 3
		s2 := &st.Nodes[1]
		s2.Role, s2.Votes = netlab.RoleCandidate, []netlab.VoteStatus{{From: 2, Granted: true}, {From: 4, Granted: true}, {From: 5, Granted: true}}
	})
	u.Events = []netlab.Event{
		{ID: 1, LabNS: wholeNow - 350*msNS, Kind: netlab.EventProcess, Node: 1, Text: "killed with SIGKILL (pid 4121)", Line: "raftlab kill leader"},
		{ID: 2, LabNS: wholeNow - 60*msNS, Kind: netlab.EventTimeout, Node: 2, Term: 4, Text: "election timeout: 291 ms without word of a leader"},
		{ID: 3, LabNS: wholeNow - 30*msNS, Kind: netlab.EventVote, Node: 5, Peer: 2, Term: 4, Text: "votes for S2 in term 4: first to ask, and its log (58, term 3) is as new as its own"},
	}
	u.Frames = []netlab.Frame{
		{ID: 1, From: 2, To: 3, Kind: kindVote, Term: 4, LastIndex: 58, LastTerm: 3, LeftNS: wholeNow - 60*msNS, DueNS: wholeNow + 140*msNS},
		{ID: 2, From: 5, To: 2, Kind: kindVoteReply, Term: 4, OK: true, LeftNS: wholeNow - 230*msNS, DueNS: wholeNow - 30*msNS, ArrivedNS: wholeNow - 29*msNS},
	}
	return first, u
}

// compactLog puts a snapshot in the place of a node's log up to index.
func compactLog(n *netlab.NodeStatus, index uint64, size int64) {
	n.SnapshotIndex, n.SnapshotSize = index, size
	n.SnapshotTerm, _ = termAt(n.Log, index)
	n.FirstIndex = index + 1
	var rest []netlab.TermRun
	for _, r := range n.Log {
		if end := r.First + r.Count; end > n.FirstIndex {
			first := max(r.First, n.FirstIndex)
			rest = append(rest, netlab.TermRun{Term: r.Term, First: first, Count: end - first})
		}
	}
	n.Log = rest
}

// compacted is five nodes with a snapshot each, taken at different places; S5
// has one of all it has.
func compacted() (netlab.Update, netlab.Update) {
	first, u := after(steady(wholeNow, strings.Repeat("1", 20)+strings.Repeat("3", 44), 1, 2, 3, 4, 5), func(st *netlab.Status) {
		for i, index := range []uint64{50, 50, 60, 20, 64} {
			compactLog(&st.Nodes[i], index, 3<<20+int64(i)<<10)
		}
		st.Nodes[1].Snapshotting = true
		st.Nodes[3].Commit, st.Nodes[3].Applied = 62, 62
	})
	u.Events = []netlab.Event{
		{ID: 1, LabNS: wholeNow - 900*msNS, Kind: netlab.EventSnapshot, Node: 1, Term: 3, Index: 50, Text: "took a snapshot of all up to 50 (term 3): 3.0 MiB", Line: "raftlab snapshot 1"},
		{ID: 2, LabNS: wholeNow - 900*msNS, Kind: netlab.EventSnapshot, Node: 1, Term: 3, Index: 50, Minor: true, Text: "drops the log up to 50: the snapshot stands for it"},
	}
	return first, u
}

// receiving is three nodes; S3 was wiped and gets a snapshot.
func receiving() (netlab.Update, netlab.Update) {
	first, u := after(steady(wholeNow, strings.Repeat("1", 20)+strings.Repeat("3", 44), 1, 2, 3), func(st *netlab.Status) {
		compactLog(&st.Nodes[0], 50, 8<<20)
		compactLog(&st.Nodes[1], 40, 7<<20)
		s3 := &st.Nodes[2]
		*s3 = fresh(3, wholeNow)
		s3.Role, s3.Term, s3.Leader, s3.Starts = netlab.RoleFollower, 3, 1, 2
		s3.TimerEndNS, s3.TimerStartNS = wholeNow+230*msNS, wholeNow-60*msNS
		q := &st.Nodes[0].Peers[1]
		q.Match, q.Next, q.Flow, q.SnapshotIndex, q.SnapshotOffset, q.Inflight = 0, 51, flowSnapshot, 50, 3<<20+100<<10, 2
		for i := range st.Links {
			st.Links[i].DelayMS, st.Links[i].FlightNS = 200, 200_300_000
		}
	})
	u.Events = []netlab.Event{
		{ID: 1, LabNS: wholeNow - 5100*msNS, Kind: netlab.EventProcess, Node: 3, Text: "wiped: its data is deleted", Line: "raftlab wipe 3"},
		{ID: 2, LabNS: wholeNow - 900*msNS, Kind: netlab.EventProcess, Node: 3, Text: "restarted (pid 4123)", Line: "raftlab restart 3"},
		{ID: 3, LabNS: wholeNow - 600*msNS, Kind: netlab.EventSnapshot, Node: 1, Peer: 3, Term: 3, Index: 50, Text: "S3 needs entries from 1 on, and the log begins at 51: sends the snapshot of 1-50 instead"},
	}
	chunk := func(id uint64, offset int64, leftMS int64) netlab.Frame {
		return netlab.Frame{ID: id, From: 1, To: 3, Kind: kindSnapshot, Term: 3, PrevIndex: 50, PrevTerm: 3, Offset: offset, Data: 1 << 20, Bytes: 1<<20 + 60,
			LeftNS: wholeNow - leftMS*msNS, DueNS: wholeNow + (200-leftMS)*msNS}
	}
	u.Frames = []netlab.Frame{
		chunk(1, 4<<20, 20), chunk(2, 3<<20, 120),
		{ID: 3, From: 3, To: 1, Kind: kindSnapshotReply, Term: 3, PrevIndex: 50, Offset: 3 << 20, OK: true, LeftNS: wholeNow - 320*msNS, DueNS: wholeNow - 120*msNS, ArrivedNS: wholeNow - 119*msNS},
		{ID: 4, From: 2, To: 1, Kind: kindReadIndex, Term: 3, LeftNS: wholeNow - 500*msNS, DueNS: wholeNow - 300*msNS, ArrivedNS: wholeNow - 300*msNS},
		{ID: 5, From: 1, To: 2, Kind: kindReadIndexReply, Term: 3, Match: 64, OK: true, LeftNS: wholeNow - 100*msNS, DueNS: wholeNow + 100*msNS},
	}
	return first, u
}

// transferring is a leader that hands over.
func transferring() (netlab.Update, netlab.Update) {
	first, u := after(steady(wholeNow, "1111122222", 1, 2, 3), func(st *netlab.Status) {
		st.Nodes[0].TransferTo = 3
		for i := range st.Links {
			st.Links[i].DelayMS, st.Links[i].FlightNS = 200, 200_300_000
		}
	})
	u.Events = []netlab.Event{
		{ID: 1, LabNS: wholeNow - 60*msNS, Kind: netlab.EventTransfer, Node: 1, Peer: 3, Term: 2, Text: "hands over to S3: takes no new commands, and brings its log up to its own", Line: "raftlab transfer 3"},
		{ID: 2, LabNS: wholeNow - 60*msNS, Kind: netlab.EventTransfer, Node: 1, Peer: 3, Term: 2, Text: "tells S3, whose log is as its own, to stand for election at once"},
	}
	u.Frames = []netlab.Frame{{ID: 1, From: 1, To: 3, Kind: kindTimeoutNow, Term: 2, LeftNS: wholeNow - 60*msNS, DueNS: wholeNow + 140*msNS}}
	return first, u
}

// unsafe is a lab that runs without two rules of Raft.
func unsafe() (netlab.Update, netlab.Update) {
	st := steady(wholeNow, "1111122222", 1, 2, 3)
	st.Unsafe = []string{"vote-twice", "ack-before-fsync"}
	return after(st, func(*netlab.Status) {})
}

// gone is what is left of five nodes with gaps between their numbers once S3
// was removed.
func gone() (netlab.Update, netlab.Update) {
	st := steady(wholeNow, strings.Repeat("1", 20)+strings.Repeat("2", 6), 1, 2, 3, 5, 7)
	before, u := after(st, func(st *netlab.Status) {
		c := netlab.ConfigStatus{Index: 28, Committed: true, Voters: []int{1, 2, 5, 7}}
		st.Config, st.Quorum, st.Commit = c, 3, 28
		st.Nodes = slices.Delete(st.Nodes, 2, 3)
		st.Nodes[0].Peers = slices.Delete(slices.Clone(st.Nodes[0].Peers), 1, 2)
		for i := range st.Nodes {
			n := &st.Nodes[i]
			grow(n, 2, 2)
			n.Commit, n.Applied = 28, 28
			configure(c, n)
		}
		for i := range st.Nodes[0].Peers {
			st.Nodes[0].Peers[i].Match, st.Nodes[0].Peers[i].Next = 28, 29
		}
		st.Links = meshOf([]int{1, 2, 5, 7}, nil)
	})
	u.Gone = []int{3}
	u.Events = []netlab.Event{
		{ID: 1, LabNS: wholeNow - 900*msNS, Kind: netlab.EventConfig, Node: 1, Term: 2, Index: 27, Config: netlab.ConfigJoint, Text: "C_old,new of entry 27 takes effect", Line: "raftlab remove 3"},
		{ID: 2, LabNS: wholeNow - 890*msNS, Kind: netlab.EventConfig, Node: 1, Term: 2, Index: 28, Config: netlab.ConfigSimple, Text: "C_new of entry 28 takes effect: S1 S2 S5 S7"},
		{ID: 3, LabNS: wholeNow - 700*msNS, Kind: netlab.EventProcess, Node: 3, Text: "is no member any more: ended, its data is deleted"},
	}
	return before, u
}
