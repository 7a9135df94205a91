package raft_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/raftlab/raftlab/raft"
)

// cluster is servers on a network that keeps every message until a test says
// what becomes of it. Time stands still but for timers a test lets run out,
// and each server has its own. The checker watches.
type cluster struct {
	tb      testing.TB
	servers []*member
	net     []raft.Message // sent and not delivered yet, oldest first
	cut     map[[2]raft.NodeID]bool
	check   *checker
	forging bool // the test makes up answers, so the disks do not bear them out
	quiet   bool
	out     strings.Builder // what happened: an event or a delivery a line
}

// member is a server of a cluster.
type member struct {
	*server
	now    raft.Time
	slow   bool // the disk waits for sync
	events []raft.Event
	reads  []raft.Read
}

// newCluster makes n servers. adjust, if any, changes their configurations.
func newCluster(tb testing.TB, n int, adjust ...func(*raft.Config)) *cluster {
	c := &cluster{tb: tb, cut: map[[2]raft.NodeID]bool{}}
	var plain []*server
	for _, id := range configuration(n).Voters {
		cfg := raft.Config{
			ID: id, Members: configuration(n),
			Heartbeat: 50 * ms, ElectionMin: 150 * ms, ElectionMax: 300 * ms, Seed: 1,
		}
		for _, f := range adjust {
			f(&cfg)
		}
		m := &member{server: &server{id: id, cfg: cfg}}
		c.servers = append(c.servers, m)
		plain = append(plain, m.server)
	}
	c.check = newChecker(plain)
	return c
}

func withPreVote(cfg *raft.Config)     { cfg.PreVote = true }
func withCheckQuorum(cfg *raft.Config) { cfg.CheckQuorum = true }
func withIgnoreVotes(cfg *raft.Config) { cfg.IgnoreVotes = true }
func withTransfer(cfg *raft.Config)    { cfg.Transfer = true }

// voters makes the first n servers the cluster; the others have no
// configuration and wait to be told of one.
func voters(n int) func(*raft.Config) {
	return func(cfg *raft.Config) {
		cfg.Members = raft.Configuration{}
		if int(cfg.ID) <= n {
			cfg.Members = configuration(n)
		}
	}
}

// configuration is the one of the servers 1 to n.
func configuration(n int) (c raft.Configuration) {
	for id := 1; id <= n; id++ {
		c.Voters = append(c.Voters, raft.NodeID(id))
	}
	return c
}

// preload gives server id a log of these terms, a digit an entry, and a
// currentTerm, 0 for its last entry's.
func (c *cluster) preload(id raft.NodeID, terms string, term raft.Term) {
	d := &c.at(id).disk
	d.entries = entriesOf(terms)
	d.state = raft.HardState{Term: term}
	if n := len(d.entries); term == 0 && n > 0 {
		d.state.Term = d.entries[n-1].Term
	}
}

// entriesOf makes entries of these terms. Equal index and term is the same entry.
func entriesOf(terms string) (entries []raft.Entry) {
	for k, r := range terms {
		term := raft.Term(r - '0')
		entries = append(entries, raft.Entry{
			Index: raft.Index(k + 1), Term: term, Kind: raft.EntryCommand, Data: fmt.Appendf(nil, "%d/%d", k+1, term),
		})
	}
	return entries
}

// start brings all servers up.
func (c *cluster) start() *cluster {
	for _, m := range c.servers {
		c.restart(m.id)
	}
	return c
}

func (c *cluster) at(id raft.NodeID) *member { return c.servers[id-1] }

// node is the consensus state of id.
func (c *cluster) node(id raft.NodeID) *raft.Node { return c.at(id).node }

func (c *cluster) say(format string, args ...any) {
	if !c.quiet {
		fmt.Fprintf(&c.out, format+"\n", args...)
	}
}

func (c *cluster) restart(id raft.NodeID) {
	m := c.at(id)
	if err := m.start(m.now); err != nil {
		c.tb.Fatal(err)
	}
	c.check.stepped(m.server)
	c.process(m)
}

// crash takes id down; what it had not synced is gone.
func (c *cluster) crash(id raft.NodeID) { c.at(id).crash(0, 0) }

// process does all that m's node asks for.
func (c *cluster) process(m *member) {
	c.check.stepped(m.server)
	for m.node.HasReady() {
		r := m.node.Ready()
		if r.Err != nil {
			c.say("%v: stops: %v", m.id, r.Err)
			m.crash(0, 0)
			return
		}
		for _, e := range r.Events {
			c.say("%v: %v", m.id, e)
			e.Nodes = append([]raft.NodeID(nil), e.Nodes...)
			m.events = append(m.events, e)
		}
		for _, read := range r.Reads {
			m.reads = append(m.reads, read)
			if read.OK {
				c.say("%v: read %d may be served at %d", m.id, read.ID, read.Index)
			} else {
				c.say("%v: read %d is lost", m.id, read.ID)
			}
		}
		leaving := m.take(r)
		c.check.handedOut(m.server, r)
		c.send(m, leaving)
		if len(r.Committed) > 0 || r.Install != nil {
			m.node.Applied(m.machine.index)
		}
		if !m.slow && len(m.writes) > 0 {
			c.send(m, m.sync(m.now, len(m.writes)))
		}
		c.check.stepped(m.server)
	}
	if c.check.err != nil && !c.forging {
		c.tb.Fatal(c.check.err)
	}
}

func (c *cluster) send(m *member, messages []raft.Message) {
	for _, msg := range messages {
		c.check.leaves(m.server, msg)
		c.net = append(c.net, msg)
	}
}

// sync lets a slow disk finish all it has.
func (c *cluster) sync(id raft.NodeID) {
	m := c.at(id)
	if len(m.writes) > 0 {
		c.send(m, m.sync(m.now, len(m.writes)))
	}
	c.process(m)
}

// timeout lets id's timer run out: the election timer, or a leader's heartbeat timer.
func (c *cluster) timeout(id raft.NodeID) {
	m := c.at(id)
	if end := m.node.Status().TimerEnd; end != raft.Never {
		m.now = max(m.now, end)
	}
	m.node.Tick(m.now)
	c.process(m)
}

// campaign makes id stand for election.
func (c *cluster) campaign(id raft.NodeID) {
	m := c.at(id)
	if err := m.node.Campaign(m.now); err != nil {
		c.tb.Fatal(err)
	}
	c.process(m)
}

// elect makes id stand and settles.
func (c *cluster) elect(id raft.NodeID) {
	c.tb.Helper()
	c.campaign(id)
	c.settle()
	if c.node(id).Role() != raft.Leader {
		c.tb.Fatalf("%v stood and is %v of term %d", id, c.node(id).Role(), c.node(id).Term())
	}
}

// propose gives id commands.
func (c *cluster) propose(id raft.NodeID, data ...string) {
	c.tb.Helper()
	m := c.at(id)
	var all [][]byte
	for _, d := range data {
		all = append(all, []byte(d))
	}
	if _, err := m.node.Propose(m.now, raft.EntryCommand, all...); err != nil {
		c.tb.Fatalf("propose to %v: %v", id, err)
	}
	c.process(m)
}

// change has leader id make next the configuration.
func (c *cluster) change(id raft.NodeID, next raft.Configuration) error {
	m := c.at(id)
	err := m.node.ChangeMembers(m.now, next)
	c.process(m)
	return err
}

// transfer has leader id hand over to another.
func (c *cluster) transfer(id, to raft.NodeID) error {
	m := c.at(id)
	err := m.node.TransferLeadership(m.now, to)
	c.process(m)
	return err
}

// read asks id for a read.
func (c *cluster) read(id raft.NodeID, lease bool, number uint64) error {
	m := c.at(id)
	err := m.node.Read(m.now, lease, number)
	c.process(m)
	return err
}

// snapshot folds what id has applied into a snapshot, up to which its log goes,
// but for the last keep entries.
func (c *cluster) snapshot(id raft.NodeID, keep raft.Index) {
	m := c.at(id)
	meta := m.node.SnapshotMeta(m.machine.index)
	through := meta.Index - min(keep, meta.Index)
	m.snapshotTaken(m.now, snapshot{meta, m.machine.snapshot()}, through, through)
	c.process(m)
}

// advance lets time pass for id, and for everybody when id is 0.
func (c *cluster) advance(id raft.NodeID, by raft.Duration) {
	for _, m := range c.servers {
		if id == 0 || m.id == id {
			m.now += raft.Time(by)
			if m.node != nil {
				m.node.Tick(m.now)
				c.process(m)
			}
		}
	}
}

// which picks messages.
type which func(raft.Message) bool

func from(id raft.NodeID) which { return func(m raft.Message) bool { return m.From == id } }
func to(id raft.NodeID) which   { return func(m raft.Message) bool { return m.To == id } }

func picks(m raft.Message, all []which) bool {
	for _, w := range all {
		if !w(m) {
			return false
		}
	}
	return true
}

// deliver delivers those of the messages now on the network that all of w pick.
func (c *cluster) deliver(w ...which) {
	for _, msg := range c.remove(w...) {
		c.deliverOne(msg)
	}
}

// drop loses those of the messages now on the network that all of w pick.
func (c *cluster) drop(w ...which) {
	for _, msg := range c.remove(w...) {
		c.say("lost: %v", msg)
	}
}

func (c *cluster) remove(w ...which) (picked []raft.Message) {
	var rest []raft.Message
	for _, msg := range c.net {
		if picks(msg, w) {
			picked = append(picked, msg)
		} else {
			rest = append(rest, msg)
		}
	}
	c.net = rest
	return picked
}

func (c *cluster) deliverOne(msg raft.Message) {
	m := c.at(msg.To)
	if m.node == nil || c.cut[[2]raft.NodeID{msg.From, msg.To}] {
		c.say("lost: %v", msg)
		return
	}
	c.say("%v", msg)
	if err := m.node.Step(m.now, msg); err != nil {
		c.tb.Fatalf("%v: %v", m.id, err)
	}
	c.process(m)
}

// settle delivers messages until there are none.
func (c *cluster) settle() {
	for len(c.net) > 0 {
		msg := c.net[0]
		c.net = c.net[1:]
		c.deliverOne(msg)
	}
}

// beat is a heartbeat of leader id and what follows from it.
func (c *cluster) beat(id raft.NodeID) {
	c.timeout(id)
	c.settle()
}

// isolate cuts every link between the given servers and the others.
func (c *cluster) isolate(ids ...raft.NodeID) {
	side := map[raft.NodeID]bool{}
	for _, id := range ids {
		side[id] = true
	}
	for _, a := range c.servers {
		for _, b := range c.servers {
			c.cut[[2]raft.NodeID{a.id, b.id}] = side[a.id] != side[b.id]
		}
	}
}

func (c *cluster) heal() { clear(c.cut) }

// terms is id's log, a digit an entry, with a bar behind what is committed. What
// a snapshot stands for is [5/3]: up to entry 5, of term 3.
func (c *cluster) terms(id raft.NodeID) string {
	m := c.at(id)
	if m.node == nil {
		return folded(m.disk.base, m.disk.baseTerm) + termsOf(m.disk.entries, 0)
	}
	status := m.node.Status()
	var entries []raft.Entry
	for i := status.Base + 1; i <= m.node.LastIndex(); i++ {
		term, _ := m.node.TermOf(i)
		entries = append(entries, raft.Entry{Index: i, Term: term})
	}
	text := folded(status.Base, status.BaseTerm)
	if status.Base > 0 && status.Base == status.Commit {
		text += "|"
	}
	return text + termsOf(entries, m.node.Commit())
}

func folded(index raft.Index, term raft.Term) string {
	if index == 0 {
		return ""
	}
	return fmt.Sprintf("[%d/%d]", index, term)
}

func termsOf(entries []raft.Entry, commit raft.Index) string {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(strconv.FormatUint(uint64(e.Term), 10))
		if e.Index == commit {
			b.WriteByte('|')
		}
	}
	return b.String()
}

// wantTerms checks logs as terms shows them.
func (c *cluster) wantTerms(want map[raft.NodeID]string) {
	c.tb.Helper()
	for id := raft.NodeID(1); int(id) <= len(c.servers); id++ {
		if w, ok := want[id]; ok && c.terms(id) != w {
			c.tb.Errorf("log of %v is %s, want %s", id, c.terms(id), w)
		}
	}
}

// events returns id's events of one kind.
func (c *cluster) events(id raft.NodeID, kind raft.EventKind) (found []raft.Event) {
	for _, e := range c.at(id).events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}
