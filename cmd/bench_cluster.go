package cmd

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/check"
	"github.com/raftlab/raftlab/netlab/link"
	"github.com/raftlab/raftlab/netlab/sim"
	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// What bench sim's clusters are like, all in virtual time.
const (
	simKeys      = 64
	simValue     = 256
	simClients   = 4
	simPerRead   = 4                // writes to a read
	simPatience  = 10 * time.Second // of a client
	simSnapshots = 256 << 10        // bytes of a log at which a snapshot is taken
	simElection  = time.Minute      // within it somebody leads
	simJudged    = 1024             // operations after which what can be judged is
)

// simWork is what a cluster is put to.
type simWork struct {
	name   string
	checks bool
	load   bool
	faults bool
}

var (
	simBare   = &simWork{name: "idle, no checks"}
	simIdle   = &simWork{name: "idle", checks: true}
	simLoad   = &simWork{name: "load", checks: true, load: true}
	simFaults = &simWork{name: "load and faults", checks: true, load: true, faults: true}
)

// simCounts are what has happened so far.
type simCounts struct {
	Events   uint64 // steps of the simulation
	Frames   uint64 // that arrived
	Writes   uint64 // acknowledged
	Reads    uint64 // answered
	Lost     uint64 // requests given up
	Faults   uint64 // begun
	Kills    uint64
	Reigns   uint64 // elections won
	Compared uint64 // what the checks judged
}

func (c simCounts) minus(d simCounts) simCounts {
	return simCounts{
		c.Events - d.Events, c.Frames - d.Frames, c.Writes - d.Writes, c.Reads - d.Reads, c.Lost - d.Lost,
		c.Faults - d.Faults, c.Kills - d.Kills, c.Reigns - d.Reigns, c.Compared - d.Compared,
	}
}

// simCluster is a cluster in virtual time with the checks of a lab, its clients
// and its weather.
type simCluster struct {
	*sim.World
	nodes   []raft.NodeID // ascending
	order   []raft.NodeID // in which clients try them
	raft    raft.Config
	random  *rand.Rand
	counts  simCounts
	checker *check.Checker
	history *check.History

	every   raft.Time // between two writes
	clients []*sim.Client
	asked   uint64
	called  int // since the history was judged last
	err     error
}

// newSimCluster starts n nodes and lets them elect a leader.
func newSimCluster(n int, work *simWork, rate float64, seed uint64) (*simCluster, error) {
	c := &simCluster{random: rand.New(rand.NewPCG(seed, 0x62656e6368))}
	o := sim.Options{Seed: seed}
	if work.checks {
		c.checker, c.history = check.New(check.Config{}), check.NewHistory(true)
		o.Watch = &simWatch{c}
	}
	c.World = sim.New(o)
	lan, err := netlab.Profile(netlab.ProfileLAN)
	if err != nil {
		return nil, err
	}
	for id := range n {
		c.nodes = append(c.nodes, raft.NodeID(id+1))
		if err := c.Add(raft.NodeID(id + 1)); err != nil {
			return nil, err
		}
	}
	c.order = slices.Clone(c.nodes)
	c.raft = raft.Config{
		Members:   raft.Configuration{Voters: c.nodes},
		Heartbeat: raft.Duration(lan.Heartbeat), ElectionMin: raft.Duration(lan.ElectionMin), ElectionMax: raft.Duration(lan.ElectionMax),
		PreVote: lan.PreVote, CheckQuorum: lan.CheckQuorum, IgnoreVotes: lan.IgnoreVotes, Transfer: lan.Transfer,
		TellCommitAfter: raft.Duration(lan.Heartbeat) / 8, // as a node's
	}
	for _, id := range c.nodes {
		c.start(id)
	}
	for c.leader() == 0 && c.err == nil {
		if c.Now() > raft.Time(simElection) {
			return nil, fmt.Errorf("no leader within %v of virtual time", simElection)
		}
		c.run(c.Now() + raft.Time(c.raft.Heartbeat))
	}
	if work.load {
		c.every = raft.Time(float64(time.Second) / rate)
		for k := range simClients {
			c.clients = append(c.clients, c.NewClient(sim.ClientOptions{Nodes: c.nodesToAsk, Session: uint64(k + 1), Seed: seed}))
		}
		c.At(c.Now(), c.ask)
	}
	if work.faults {
		c.calm()
	}
	return c, c.err
}

func (c *simCluster) start(id raft.NodeID) {
	config := sim.NodeConfig{Raft: c.raft, SnapshotBytes: simSnapshots}
	config.Raft.Seed = c.random.Uint64()
	if _, err := c.Start(id, config); err != nil {
		c.err = cmp.Or(c.err, fmt.Errorf("start %v: %w", id, err))
	}
}

// run goes on to a time, unless something is wrong.
func (c *simCluster) run(until raft.Time) {
	for c.err == nil {
		if at, any := c.Next(); !any || at > until {
			c.Advance(until)
			return
		}
		did, _ := c.Step()
		c.counts.Events++
		if did.Kind == sim.Arrived {
			c.counts.Frames++
		}
	}
}

// leader is who leads the highest term, 0 when nobody does.
func (c *simCluster) leader() (leader raft.NodeID) {
	var term raft.Term
	for _, id := range c.nodes {
		if n := c.Core(id); n != nil && n.Role() == raft.Leader && n.Term() > term {
			leader, term = id, n.Term()
		}
	}
	return leader
}

// nodesToAsk are the nodes in the order in which a client tries them.
func (c *simCluster) nodesToAsk() []raft.NodeID {
	if leader := c.leader(); leader != 0 && c.order[0] != leader {
		i := slices.Index(c.order, leader)
		c.order[0], c.order[i] = c.order[i], c.order[0]
	}
	return c.order
}

// ask has a client write, every few writes read as well, and comes back.
func (c *simCluster) ask() {
	c.At(c.Now()+c.every, c.ask)
	c.asked++
	c.request(wire.OpPut)
	if c.asked%simPerRead == 0 {
		c.request(wire.OpGet)
	}
}

func (c *simCluster) request(op wire.Op) {
	client := c.clients[c.random.IntN(len(c.clients))]
	key := binary.BigEndian.AppendUint64(make([]byte, 0, benchKeySize), c.random.Uint64N(simKeys))
	req := wire.Request{Op: op, Key: key, Read: wire.ReadIndex}
	if op == wire.OpPut {
		req.Read, req.Value = 0, binary.BigEndian.AppendUint64(make([]byte, 0, simValue), c.asked)[:simValue]
	}
	id := uint64(0)
	if c.history != nil {
		id = c.history.Invoke("bench", check.Request{Op: op, Read: req.Read, Key: string(key), Value: string(req.Value)}, int64(c.Now()))
	}
	client.Do(req, raft.Duration(simPatience), func(r wire.Reply, err error) { c.answered(id, op, &r, err) })
}

func (c *simCluster) answered(id uint64, op wire.Op, r *wire.Reply, err error) {
	switch {
	case err != nil:
		c.counts.Lost++
	case op == wire.OpPut:
		c.counts.Writes++
	default:
		c.counts.Reads++
	}
	if c.history == nil {
		return
	}
	var unanswered *sim.Unanswered
	switch now := int64(c.Now()); {
	case err == nil:
		c.history.Return(id, check.Answer{Refused: r.Code == wire.CodeFailed, Found: r.Found, Value: string(r.Value), Index: uint64(r.Index), Node: int(r.Node)}, now)
	case errors.As(err, &unanswered) && !unanswered.Unknown:
		c.history.Fail(id, now)
	default:
		c.history.Lose(id, now)
	}
	if c.called++; c.called >= simJudged {
		c.judge(false)
	}
}

// judge looks for what contradicts what clients were told.
func (c *simCluster) judge(final bool) {
	if c.history == nil {
		return
	}
	c.called = 0
	if found := c.history.Judge(final); len(found) > 0 {
		c.err = cmp.Or(c.err, error(netlab.Errorf(netlab.ExitCheck, "what clients were told is not linearizable: %s", found[0].Message)))
	}
}

// calm is the time between two faults.
func (c *simCluster) calm() {
	c.At(c.Now()+c.some(250*time.Millisecond, 750*time.Millisecond), func() {
		c.counts.Faults++
		end := c.fault()
		c.At(c.Now()+c.some(250*time.Millisecond, time.Second), func() {
			end()
			c.calm()
		})
	})
}

func (c *simCluster) some(least, most time.Duration) raft.Time {
	return raft.Time(least) + raft.Time(c.random.Int64N(int64(most-least)))
}

// fault begins one that leaves a majority together, and returns what ends it.
func (c *simCluster) fault() (end func()) {
	switch c.random.IntN(4) {
	case 0:
		return c.onAllLinks(link.Loss{Share: .05 + .25*c.random.Float64()})
	case 1:
		return c.onAllLinks(link.Delay{Mean: 5_000_000, Jitter: 5_000_000})
	case 2:
		victim := c.nodes[c.random.IntN(len(c.nodes))]
		if leader := c.leader(); leader != 0 && c.random.IntN(2) == 0 {
			victim = leader
		}
		c.counts.Kills++
		c.Kill(victim)
		return func() { c.start(victim) }
	}
	cut := slices.Clone(c.nodes)
	c.random.Shuffle(len(cut), func(i, j int) { cut[i], cut[j] = cut[j], cut[i] })
	cut = cut[:c.random.IntN((len(cut)-1)/2+1)]
	return c.onLinks(link.Rules{Wall: true}, func(from, to raft.NodeID) bool {
		return slices.Contains(cut, from) != slices.Contains(cut, to)
	})
}

func (c *simCluster) onAllLinks(e link.Effect) (end func()) {
	return c.onLinks(link.Rules{Faults: []link.Fault{{Effect: e}}}, func(_, _ raft.NodeID) bool { return true })
}

// onLinks sets rules on the links that fit, and returns what takes them off.
func (c *simCluster) onLinks(r link.Rules, fits func(from, to raft.NodeID) bool) (end func()) {
	set := func(r link.Rules) {
		for _, from := range c.nodes {
			for _, to := range c.nodes {
				if from != to && fits(from, to) {
					c.err = cmp.Or(c.err, c.SetRules(from, to, r))
				}
			}
		}
	}
	set(r)
	return func() { set(link.Rules{}) }
}

// simWatch is told what a cluster does.
type simWatch struct{ c *simCluster }

// Deeds has what a node did checked, as a lab does.
func (s *simWatch) Deeds(id raft.NodeID, deeds []deed.Deed) {
	c := s.c
	for i := range deeds {
		c.counts.Compared++
		if deeds[i].Kind == deed.Elected {
			c.counts.Reigns++
		}
		c.checker.Deed(id, &deeds[i])
	}
	c.look()
}

// Sent has the messages checked that say who leads and who votes for whom.
func (s *simWatch) Sent(_, _ raft.NodeID, frame uint64, m *raft.Message) {
	s.c.checker.Message(s.c.Now(), frame, m)
	s.c.look()
}

// look ends the measurement when the checks have found something.
func (c *simCluster) look() {
	if v := c.checker.Violations(); len(v) > 0 {
		c.err = cmp.Or(c.err, error(netlab.Errorf(netlab.ExitCheck, "a promise of Raft is broken: %s", v[0].Message())))
	}
}

// Ended tells of a node that its disk has ended, which no fault here does.
func (s *simWatch) Ended(id raft.NodeID, _ int, why string) {
	s.c.err = cmp.Or(s.c.err, fmt.Errorf("%v ends by itself: %s", id, why))
}

func (*simWatch) Did(raft.NodeID, int, []raft.Event)                {}
func (*simWatch) Applied(raft.NodeID, int, *raft.Entry, *kv.Result) {}
func (*simWatch) Landed(*sim.Frame)                                 {}
func (*simWatch) Refused(id, from raft.NodeID)                      {}
