package raft_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/raftlab/raftlab/raft"
)

// maxServers is how many servers a schedule has at most, members or not.
const maxServers = 10

// draw is what a schedule is drawn with, from its seed: the cluster, its
// weather, and who does what to it.
type draw struct {
	seed            uint64
	weather         string
	servers, spares int         // members at the start, and servers that may become members
	config          raft.Config // of all servers; ID, Members and Seed are each one's own

	lossPct, dupPct  int
	delay, diskDelay raft.Duration // the longest
	lazyPct          int           // of inputs, after which the Ready is taken later
	chaos            raft.Duration
	steps            int // how many there are at most in the chaos

	faultEvery raft.Duration // on average; 0: never
	aimPct     int           // of faults, those that are for the leader

	// Which faults there are. stand: servers are told to stand for election.
	crash, cut, slow, pause, stand bool

	operateEvery     raft.Duration // on average; 0: never
	change, transfer bool          // what an operator does
	snapshotEvery    int           // entries; 0: never

	clients             int
	thinkTime, patience raft.Duration // on average
	readPct             int
	leasePct            int // of reads that do not go through the log
}

// String is all of it in one line, the seed first.
func (d draw) String() string {
	c := d.config
	return fmt.Sprintf("seed %d %s: %d servers and %d more", d.seed, d.weather, d.servers, d.spares) +
		fmt.Sprintf("; preVote %v checkQuorum %v ignoreVotes %v transfer %v unsafe %v", c.PreVote, c.CheckQuorum, c.IgnoreVotes, c.Transfer, c.Unsafe) +
		fmt.Sprintf("; inflight %d appendBytes %d chunkBytes %d cachedBytes %d tellAfter %d ms", c.MaxInflight, c.MaxAppendBytes, c.MaxChunkBytes, c.MaxCachedBytes, c.TellCommitAfter/ms) +
		fmt.Sprintf("; loss %d%% dup %d%% delay %d ms disk %d ms lazy %d%%", d.lossPct, d.dupPct, d.delay/ms, d.diskDelay/ms, d.lazyPct) +
		fmt.Sprintf("; chaos %d ms, a fault every %d ms, %d%% for the leader: crash %v cut %v slow %v pause %v stand %v", d.chaos/ms, d.faultEvery/ms, d.aimPct, d.crash, d.cut, d.slow, d.pause, d.stand) +
		fmt.Sprintf("; an operator every %d ms: change %v transfer %v; a snapshot every %d entries", d.operateEvery/ms, d.change, d.transfer, d.snapshotEvery) +
		fmt.Sprintf("; %d clients think %d ms and wait %d ms, reads %d%%, on the lease %d%%", d.clients, d.thinkTime/ms, d.patience/ms, d.readPct, d.leasePct)
}

// drawSchedule draws the schedule of a seed. adjust, if any, changes what was
// drawn, to look closer at something.
func drawSchedule(seed uint64, adjust ...func(*draw)) draw {
	r := rand.New(rand.NewPCG(seed, 1))
	d := draw{
		seed:    seed,
		weather: "mixed",
		servers: oneOf(r, 1, 2, 3, 3, 3, 4, 5, 5, 6, 7),
		config: raft.Config{
			Heartbeat: 20 * ms, ElectionMin: 60 * ms, ElectionMax: 120 * ms,
			PreVote: coin(r), CheckQuorum: coin(r), IgnoreVotes: coin(r), Transfer: coin(r),
			TellCommitAfter: oneOf[raft.Duration](r, 0, 2, 15) * ms,
			MaxInflight:     oneOf(r, 1, 2, 8, 64),
			MaxAppendBytes:  oneOf(r, 1, 200, 1000, 1<<20),
			MaxChunkBytes:   oneOf(r, 10, 30, 100, 1<<20),
			MaxCachedBytes:  oneOf(r, 1, 500, 1<<20),
		},
		lossPct:       oneOf(r, 0, 2, 10, 30),
		dupPct:        oneOf(r, 0, 5, 20),
		delay:         oneOf[raft.Duration](r, 1, 10, 10, 40, 120) * ms,
		diskDelay:     oneOf[raft.Duration](r, 1, 5, 30, 200) * ms,
		lazyPct:       oneOf(r, 0, 30, 80),
		chaos:         oneOf[raft.Duration](r, 500, 1000, 2000) * ms,
		steps:         1500,
		faultEvery:    oneOf[raft.Duration](r, 30, 100, 200, 400) * ms,
		aimPct:        oneOf(r, 10, 30, 60),
		crash:         r.IntN(4) > 0,
		cut:           r.IntN(4) > 0,
		slow:          coin(r),
		pause:         r.IntN(3) == 0,
		stand:         r.IntN(3) == 0,
		operateEvery:  oneOf[raft.Duration](r, 30, 100, 300) * ms,
		change:        r.IntN(3) > 0,
		transfer:      coin(r),
		snapshotEvery: oneOf(r, 0, 3, 8, 20),
		clients:       oneOf(r, 1, 2, 3, 5),
		thinkTime:     oneOf[raft.Duration](r, 2, 10, 30) * ms,
		patience:      oneOf[raft.Duration](r, 30, 100, 300) * ms,
		readPct:       oneOf(r, 10, 40, 70),
	}
	if d.change {
		d.spares = r.IntN(4)
	}
	switch r.IntN(6) {
	case 0:
		// Entries trickle one by one, and leaders are short-lived.
		d.weather = "Figure 8"
		d.servers, d.config.MaxInflight, d.config.MaxAppendBytes, d.crash = 5, 1, 1, true
		d.faultEvery, d.thinkTime, d.diskDelay, d.chaos = 50*ms, 50*ms, 5*ms, 2000*ms
	case 1:
		// Leaders are cut off and do not know it, while clients go on.
		d.weather = "old leaders"
		d.servers, d.spares, d.change = oneOf(r, 3, 5), 0, false
		d.cut, d.lossPct, d.delay, d.diskDelay = true, min(d.lossPct, 2), min(d.delay, 5*ms), min(d.diskDelay, 5*ms)
		d.clients, d.thinkTime, d.patience, d.readPct = 6, oneOf[raft.Duration](r, 4, 20)*ms, 30*ms, 85
		d.faultEvery, d.aimPct = 60*ms, 60
	case 2, 3:
		// Little goes wrong, so that what takes several steps comes to its end.
		d.weather = "fair"
		d.lossPct, d.delay, d.diskDelay = min(d.lossPct, 2), min(d.delay, 10*ms), min(d.diskDelay, 5*ms)
		d.faultEvery *= 4
	}
	// A lease counts on nobody who overrides it (thesis §6.4.1).
	if d.config.IgnoreVotes && coin(r) {
		d.leasePct, d.stand = oneOf(r, 30, 90), false
	}
	for _, f := range adjust {
		f(&d)
	}
	return d
}

func coin(r *rand.Rand) bool { return r.IntN(2) == 0 }

func oneOf[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }
