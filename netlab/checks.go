package netlab

import (
	"fmt"
	"sync"

	"github.com/raftlab/raftlab/netlab/check"
	"github.com/raftlab/raftlab/netlab/proxy"
	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// SchemaCheck names the shape of a CheckReport.
const SchemaCheck = "raftlab.check/1"

// CheckReport is what the watchers of a lab have seen so far.
type CheckReport struct {
	Schema string `json:"schema"`
	Lab    string `json:"lab"`
	LabNS  int64  `json:"lab_ns"`
	// Stopped tells that it was read from the disk of a lab that does not run, or from a file.
	Stopped bool `json:"stopped,omitempty"`
	// OK tells that no promise was broken as far as is known.
	OK         bool            `json:"ok"`
	Properties []PropertyCheck `json:"properties"`
	Unknown    []UnknownCheck  `json:"unknown"` // what nobody can judge, in the order it became so
	Violations []Violation     `json:"violations"`
	// Stored is what the disks say of a lab that does not run.
	Stored *StoredCheck `json:"stored,omitempty"`
	// Linearizability is how what clients were told stands (§8).
	Linearizability *check.Linearizability `json:"linearizability,omitempty"`
}

// PropertyCheck is how one property of Raft stands.
type PropertyCheck struct {
	Property   string `json:"property"` // LeaderCompleteness
	Name       string `json:"name"`     // Leader Completeness
	Says       string `json:"says"`     // in the paper's words
	Source     string `json:"source"`   // where: Figure 3, §5.4
	Checked    uint64 `json:"checked"`  // how much was judged
	Counts     string `json:"counts"`   // what that counts: leaders, entries stored
	Unknown    uint64 `json:"unknown"`  // how much of the same could not be judged
	Violations uint64 `json:"violations"`
}

// UnknownCheck is something that could not be judged, and why.
type UnknownCheck struct {
	Node   int    `json:"node"` // 0: it is of no single node
	FromNS int64  `json:"from_ns"`
	ToNS   int64  `json:"to_ns"`
	Reason string `json:"reason"`
	Count  uint64 `json:"count"` // how often the same happened
}

// checks watch that Raft keeps its promises. mu comes after lab.mu, and after the
// network's locks: who holds it asks neither.
type checks struct {
	mu     sync.Mutex
	on     *check.Checker
	reader deed.Reader
	deed   deed.Deed
	who    map[int]conversation // by node: whose deeds count, also after its process has ended
	taken  int                  // of the Checker's violations
	fresh  []check.Violation    // that no event tells of yet
}

func newChecks() *checks {
	return &checks{on: check.New(check.Config{}), who: make(map[int]conversation)}
}

// preloaded tells of the logs that were written by hand before the first start.
func (k *checks) preloaded(c *Config) {
	for id, terms := range c.Preload {
		k.on.Preloaded(raft.NodeID(id), raft.Index(len(terms)))
	}
}

// earlier tells that the lab ran before this process took it up: what was seen
// then is not known any more.
func (k *checks) earlier(runs int) {
	if runs > 1 {
		k.on.NotKnown(check.Unknown{Reason: "what happened before the lab was taken up again: who watched then has ended"})
	}
}

// begin tells that c is the conversation with a node that has just started.
func (k *checks) begin(id int, c conversation, at raft.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.who[id] != nil {
		k.lost(id, at)
	}
	k.who[id] = c
}

// left tells that nothing more comes from c.
func (k *checks) left(id int, c conversation, at raft.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.who[id] == c {
		k.lost(id, at)
		delete(k.who, id)
	}
}

// lost: the node may have done what nobody was told of. With mu held.
func (k *checks) lost(id int, at raft.Time) {
	k.on.Lost(at, raft.NodeID(id), "it ended without a last word: what it did after its last report is not known")
}

// hear takes a node's deeds in. Its own clock says when they were done; own
// makes that lab time.
func (k *checks) hear(id int, c conversation, deeds []byte, own *nodeClock) error {
	if len(deeds) == 0 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.who[id] != c {
		return nil // of a life before the one that is told of
	}
	k.reader.Reset(deeds)
	for k.reader.More() {
		if err := k.reader.Next(&k.deed); err != nil {
			return fmt.Errorf("what S%d tells of its deeds makes no sense: %w", id, err)
		}
		k.deed.At = own.lab(k.deed.At)
		k.on.Deed(raft.NodeID(id), &k.deed)
	}
	k.take()
	return nil
}

// witness takes in what a simulated node does as it does it. It reports whether
// that breaks a promise.
func (k *checks) witness(id int, c conversation, deeds []deed.Deed, own *nodeClock) (broken bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.who[id] != c {
		return false
	}
	for i := range deeds {
		k.deed = deeds[i]
		k.deed.At = own.lab(k.deed.At)
		k.on.Deed(raft.NodeID(id), &k.deed)
	}
	return k.take()
}

// through tells that c is over, and that all that its node did was heard.
func (k *checks) through(id int, c conversation) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.who[id] == c {
		delete(k.who, id)
	}
}

// saw takes in a frame that leaves a node, if it says who leads or who votes for
// whom. It reports whether it breaks a promise. The network calls it, with a
// link's lock held.
func (k *checks) saw(f *proxy.Frame) (broken bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch f.Kind {
	case wire.KindAppend, wire.KindHeartbeat, wire.KindSnapshot:
		k.on.Leads(f.Left, f.ID, f.From, f.Term)
	case wire.KindVote:
		k.on.Votes(f.Left, f.ID, f.From, f.From, f.Term)
	case wire.KindVoteReply:
		if f.Summary.OK {
			k.on.Votes(f.Left, f.ID, f.From, f.To, f.Term)
		}
	}
	return k.take()
}

// take moves what the Checker has found to fresh. With mu held.
func (k *checks) take() bool {
	all := k.on.Violations()
	if k.taken == len(all) {
		return false
	}
	k.fresh = append(k.fresh, all[k.taken:]...)
	k.taken = len(all)
	return true
}

// wiped tells that nothing is left on a node's disk.
func (k *checks) wiped(id int, at raft.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.on.Wiped(at, raft.NodeID(id))
}

// lied tells that a node came to its end with a disk that lied.
func (k *checks) lied(id int, at raft.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.on.Expect(fmt.Sprintf("The disk of S%d had lied about what is synced when it ended (%s): Raft counts on what servers have on their disks.", id, check.Clock(at)))
}

// properties is how each of them stands.
func (k *checks) properties() []PropertyCheck {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := []PropertyCheck{}
	for _, p := range check.Properties() {
		t := k.on.Tally(p)
		out = append(out, PropertyCheck{
			Property: p.String(), Name: p.Name(), Says: p.Says(), Source: p.Source(), Counts: p.Counts(),
			Checked: t.Checked, Unknown: t.Unknown, Violations: t.Broken,
		})
	}
	return out
}

// watchFrame is told of frames that leave nodes.
func (l *lab) watchFrame(f *proxy.Frame) {
	if l.checks.saw(f) {
		l.spawn(func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.tellViolations()
		})
	}
}

// hearDeeds takes in what a node reports of its deeds, also after its process has
// ended. What makes no sense ends the conversation. With lab.mu held.
func (l *lab) hearDeeds(id int, m *member, c conversation, deeds []byte) {
	own := &nodeClock{}
	if m != nil {
		own = &m.own
	}
	if err := l.checks.hear(id, c, deeds, own); err != nil {
		l.log.Warn("node's report", "node", id, "error", err)
		c.close()
	}
	l.tellViolations()
}

// tellViolations makes events of the promises that were found broken. With
// lab.mu held.
func (l *lab) tellViolations() {
	k := l.checks
	k.mu.Lock()
	fresh := k.fresh
	k.fresh = nil
	k.mu.Unlock()
	for i := range fresh {
		f := &fresh[i]
		l.violate(Violation{
			Property: f.Property.String(), Name: f.Property.Name(), Term: uint64(f.Term), Index: uint64(f.Index),
			Nodes: ints(f.Nodes), LabNS: int64(f.At), Message: f.Message(), Text: f.Text, Frame: f.Frame, rule: f.Property.Source(),
		})
	}
}

// checkReport is what is known now.
func (l *lab) checkReport() *CheckReport {
	l.mu.Lock()
	l.tellViolations()
	violated := l.violated()
	l.mu.Unlock()
	k := l.checks
	r := &CheckReport{
		Schema: SchemaCheck, Lab: l.name, LabNS: int64(l.clock.Now()),
		Properties: k.properties(), Unknown: []UnknownCheck{}, Violations: violated, OK: len(violated) == 0,
		Linearizability: l.history.report(),
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, u := range k.on.Unknowns() {
		r.Unknown = append(r.Unknown, UnknownCheck{Node: int(u.Node), FromNS: int64(u.From), ToNS: int64(u.To), Reason: u.Reason, Count: u.Count})
	}
	return r
}
