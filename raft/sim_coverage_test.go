package raft_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// What schedules reach is counted, and TestSim demands that it is enough: a
// simulation that never installs a snapshot has nothing to say about them.

// feature is something that may happen in a schedule.
type feature int

const (
	stepTaken feature = iota
	chaosTime
	elected
	electedByTransfer
	electionLost
	preVoteLost
	votesIgnored
	quorumLost
	truncated
	backedUp
	commitHeld
	committed
	crashed
	crashedJoint
	crashedInTransfer
	answeredByLog
	answeredByReadIndex
	answeredByLease
	readConfirmed
	leaseAsked
	readAtFollower
	readLost
	changeBegun
	changeRefused
	changeDropped
	jointCommitted
	changeCommitted
	configReverted
	leaderRemoved
	transferStarted
	transferFailed
	snapshotTaken
	compacted
	snapshotStarted
	snapshotCut
	snapshotKeptLog
	snapshotDroppedLog
	storageRead
	featureCount
)

// features say what each is called, and in how many schedules of a hundred it
// must have happened, at least.
var features = [featureCount]struct {
	name  string
	least float64
}{
	stepTaken:           {"steps", 100},
	chaosTime:           {"ms of chaos", 100},
	elected:             {"elections won", 90},
	electedByTransfer:   {"elections won on the leader's word", 1},
	electionLost:        {"elections without a winner", 20},
	preVoteLost:         {"pre-votes without a winner", 10},
	votesIgnored:        {"votes ignored (§6)", 5},
	quorumLost:          {"leaders that no majority answers", 5},
	truncated:           {"truncations", 5},
	backedUp:            {"steps back", 30},
	commitHeld:          {"commits held (§5.4.2)", 10},
	committed:           {"commits", 90},
	crashed:             {"crashes", 30},
	crashedJoint:        {"leaders crashed while joint", 1},
	crashedInTransfer:   {"crashes amid a snapshot's chunks", 0.3},
	answeredByLog:       {"answers through the log", 90},
	answeredByReadIndex: {"answers to ReadIndex", 30},
	answeredByLease:     {"answers on the lease", 5},
	readConfirmed:       {"reads confirmed by a majority", 30},
	leaseAsked:          {"lease reads served", 5},
	readAtFollower:      {"reads served by followers", 5},
	readLost:            {"reads lost with their leader", 5},
	changeBegun:         {"changes of members begun", 30},
	changeRefused:       {"changes refused", 10},
	changeDropped:       {"changes dropped", 1},
	jointCommitted:      {"C_old,new committed", 10},
	changeCommitted:     {"configurations committed", 20},
	configReverted:      {"configurations truncated", 0.3},
	leaderRemoved:       {"leaders that removed themselves", 1},
	transferStarted:     {"transfers", 10},
	transferFailed:      {"transfers that failed", 1},
	snapshotTaken:       {"snapshots taken", 30},
	compacted:           {"compactions", 20},
	snapshotStarted:     {"snapshots on their way", 5},
	snapshotCut:         {"transfers of snapshots cut short", 1},
	snapshotKeptLog:     {"snapshots installed, log kept", 0.1},
	snapshotDroppedLog:  {"snapshots installed, log dropped", 5},
	storageRead:         {"reads of the disk's log", 10},
}

// stats is what one schedule reached.
type stats struct {
	count [featureCount]int
	roles [4][4]int // how often a server went from one role to another
}

// coverage is what many schedules reached.
type coverage struct {
	stats
	schedules int
	with      [featureCount]int // schedules with this feature
}

func (c *coverage) add(s *stats) {
	c.schedules++
	for k, n := range s.count {
		c.count[k] += n
		if n > 0 {
			c.with[k]++
		}
	}
	c.addRoles(s)
}

func (c *coverage) merge(o *coverage) {
	c.schedules += o.schedules
	for k := range c.count {
		c.count[k] += o.count[k]
		c.with[k] += o.with[k]
	}
	c.addRoles(&o.stats)
}

func (c *coverage) addRoles(s *stats) {
	for from := range c.roles {
		for to := range c.roles[from] {
			c.roles[from][to] += s.roles[from][to]
		}
	}
}

// share is in how many schedules of a hundred a feature occurred.
func (c *coverage) share(f feature) float64 { return 100 * float64(c.with[f]) / float64(c.schedules) }

func (c coverage) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d schedules; on average, and in how many of a hundred:\n", c.schedules)
	for f, what := range features {
		fmt.Fprintf(&b, "%9.2f %5.1f%%  %s\n", float64(c.count[f])/float64(c.schedules), c.share(feature(f)), what.name)
	}
	fmt.Fprintf(&b, "from follower, precandidate, candidate, leader to each: %v", c.roles)
	return b.String()
}

// check demands that the schedules were about something.
func (c *coverage) check(t *testing.T) {
	for f, what := range features {
		if got := c.share(feature(f)); got < what.least {
			t.Errorf("%s in %.2f of a hundred schedules, want %v", what.name, got, what.least)
		}
	}
	c.checkFigure4(t)
}

// checkFigure4 demands that every transition of Figure 4 happened, with those
// of PreVote between follower and candidate, and no other.
func (c *coverage) checkFigure4(t *testing.T) {
	const fol, pre, can, lead = raft.Follower, raft.PreCandidate, raft.Candidate, raft.Leader
	figure4 := map[[2]raft.Role]bool{
		{fol, fol}: true, {fol, pre}: true, {fol, can}: true,
		{pre, fol}: true, {pre, pre}: true, {pre, can}: true,
		{can, fol}: true, {can, pre}: true, {can, can}: true, {can, lead}: true,
		{lead, fol}: true,
	}
	for from := fol; from <= lead; from++ {
		for to := fol; to <= lead; to++ {
			if n := c.roles[from][to]; (n > 0) != figure4[[2]raft.Role{from, to}] {
				t.Errorf("%d times from %v to %v", n, from, to)
			}
		}
	}
}

// count counts what srv's node reports.
func (s *sim) count(srv *simServer, events []raft.Event) {
	n := &s.stats.count
	for k := range events {
		e := &events[k]
		if s.trace != nil {
			s.say("%v: %v", srv.id, *e)
		}
		switch e.Kind {
		case raft.EventRole:
			s.stats.roles[srv.role][e.Role]++
			srv.role = e.Role
		case raft.EventTimeout:
			srv.forced = e.Forced
			switch srv.role {
			case raft.Candidate:
				n[electionLost]++
			case raft.PreCandidate:
				n[preVoteLost]++
			}
		case raft.EventElected:
			n[elected]++
			if srv.forced && !s.draw.stand {
				n[electedByTransfer]++
			}
		case raft.EventVoteRefused:
			if e.Reason == raft.ReasonLeaderHeard {
				n[votesIgnored]++
			}
		case raft.EventSteppedDown:
			switch e.Reason {
			case raft.ReasonQuorumLost:
				n[quorumLost]++
			case raft.ReasonRemoved:
				n[leaderRemoved]++
			}
		case raft.EventTruncated:
			n[truncated]++
		case raft.EventBackedUp:
			n[backedUp]++
		case raft.EventCommitHeld:
			n[commitHeld]++
		case raft.EventCommitted:
			n[committed]++
		case raft.EventConfigured:
			if e.Reverted {
				n[configReverted]++
			}
		case raft.EventConfigCommitted:
			if e.Config.Joint() {
				n[jointCommitted]++
			} else {
				n[changeCommitted]++
			}
		case raft.EventChangeDropped:
			n[changeDropped]++
		case raft.EventTransferStarted:
			n[transferStarted]++
		case raft.EventTransferFailed:
			n[transferFailed]++
		case raft.EventSnapshotTaken:
			n[snapshotTaken]++
		case raft.EventCompacted:
			n[compacted]++
		case raft.EventSnapshotReceived:
			n[snapshotStarted]++
			if srv.arriving {
				n[snapshotCut]++
			}
			srv.arriving = true
		case raft.EventSnapshotInstalled:
			srv.arriving = false
			if e.Granted {
				n[snapshotKeptLog]++
			} else {
				n[snapshotDroppedLog]++
			}
		}
	}
}

// finish counts what is known at the end.
func (s *sim) finish() {
	for _, srv := range s.servers {
		s.stats.count[storageRead] += srv.disk.reads
	}
}
