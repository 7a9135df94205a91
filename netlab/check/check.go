package check

import (
	"fmt"
	"slices"

	"github.com/raftlab/raftlab/node/deed"
	"github.com/raftlab/raftlab/raft"
)

// Config says how much a Checker remembers.
type Config struct {
	// Window is of how many indexes the entries are remembered: a power of two; 0
	// is 1<<18, which takes 9 MiB once there were so many; before that less.
	Window int
}

const windowDefault = 1 << 18

// The bounds of what is remembered beside the entries.
const (
	nodesMost      = 1 << 10 // ids above it are not watched
	runsMost       = 1 << 10 // terms of one log, or of what is committed
	reignsMost     = 256     // terms that had a leader
	violationsMost = 100     // told of in full
	perPropertyMax = 20      // of them, of one property
	contradictions = 1 << 12 // told from each other
	unknownsMost   = 200     // listed apart
)

// Checker is one cluster's. It is not safe for use by several goroutines at once.
type Checker struct {
	nodes   []*view // by id
	entries entryTable
	applied appliedTable
	commits commits
	reigns  []*reign // ascending by term
	given   []string // what was done to servers that Raft does not expect

	sessions sessions

	checked, unknown [propertyCount]uint64
	broken           [propertyCount]uint64
	told             map[contradiction]struct{}
	violations       []Violation
	unknowns         []Unknown
}

// New returns a Checker that knows nothing yet.
func New(c Config) *Checker {
	if c.Window == 0 {
		c.Window = windowDefault
	}
	return &Checker{
		entries:  newEntryTable(c.Window),
		applied:  newAppliedTable(c.Window),
		sessions: newSessions(),
		told:     make(map[contradiction]struct{}),
	}
}

// Violation is a promise that was broken: two things that cannot both be so.
type Violation struct {
	Property Property
	Term     raft.Term
	Index    raft.Index
	Nodes    []raft.NodeID // between whom, ascending
	At       raft.Time     // when the later of the two happened
	Frame    uint64        // the one that showed it, 0 when it was no frame
	Text     string        // both sides of the contradiction, in a sentence
}

// Message is the property in the paper's words, and how it was broken.
func (v *Violation) Message() string {
	return fmt.Sprintf("%s: %s (%s). %s", v.Property.Name(), v.Property.Says(), v.Property.Source(), v.Text)
}

// Unknown is something that nobody can judge.
type Unknown struct {
	Node     raft.NodeID // 0: it is of no single one
	From, To raft.Time
	Reason   string
	Count    uint64 // how often the same happened between From and To
}

// Tally is how a property stands.
type Tally struct {
	Checked uint64 // what was judged
	Unknown uint64 // what of the same kind could not be
	Broken  uint64 // contradictions, those that are not told of in full included
}

// Tally tells how p stands.
func (c *Checker) Tally(p Property) Tally {
	return Tally{Checked: c.checked[p], Unknown: c.unknown[p], Broken: c.broken[p]}
}

// Violations are all that were told of so far, in the order they were found.
// The list is only ever appended to.
func (c *Checker) Violations() []Violation { return c.violations }

// Unknowns are what could not be judged, in the order that became known.
func (c *Checker) Unknowns() []Unknown { return c.unknowns }

// contradiction tells violations from each other: of those alike but for their
// index the first says enough.
type contradiction struct {
	property Property
	term     raft.Term
	index    raft.Index
	a, b     raft.NodeID
}

// violation tells of a broken promise, unless the same was told of before.
// The text is made only then.
func (c *Checker) violation(v Violation, same contradiction, text func() string) {
	if same.a > same.b {
		same.a, same.b = same.b, same.a
	}
	same.property = v.Property
	if _, known := c.told[same]; known {
		return
	}
	c.broken[v.Property]++
	if len(c.told) < contradictions {
		c.told[same] = struct{}{}
	}
	if len(c.violations) >= violationsMost || c.broken[v.Property] > perPropertyMax {
		return
	}
	slices.Sort(v.Nodes)
	v.Nodes = slices.Compact(v.Nodes)
	v.Nodes = slices.DeleteFunc(v.Nodes, func(id raft.NodeID) bool { return id == 0 })
	v.Text = text()
	for _, g := range c.given {
		v.Text += " " + g
	}
	c.violations = append(c.violations, v)
}

// NotKnown adds something that cannot be judged.
func (c *Checker) NotKnown(u Unknown) {
	u.Count = max(u.Count, 1)
	if len(c.unknowns) >= unknownsMost {
		for i := range c.unknowns {
			k := &c.unknowns[i]
			if k.Node == u.Node && k.Reason == u.Reason {
				k.From, k.To, k.Count = min(k.From, u.From), max(k.To, u.To), k.Count+u.Count
				return
			}
		}
		// A reason that was never seen takes the place of one that was seen twice, if any.
		c.foldUnknowns()
	}
	if len(c.unknowns) < 2*unknownsMost {
		c.unknowns = append(c.unknowns, u)
	}
}

// foldUnknowns makes one of those that have the same reason and node.
func (c *Checker) foldUnknowns() {
	var out []Unknown
next:
	for _, u := range c.unknowns {
		for i := range out {
			if k := &out[i]; k.Node == u.Node && k.Reason == u.Reason {
				k.From, k.To, k.Count = min(k.From, u.From), max(k.To, u.To), k.Count+u.Count
				continue next
			}
		}
		out = append(out, u)
	}
	c.unknowns = out
}

// notCompared counts n things of a property that are not remembered any more, and
// tells of it once.
func (c *Checker) notCompared(p Property, id raft.NodeID, at raft.Time, n uint64, reason string) {
	c.unknown[p] += n
	for i := range c.unknowns {
		if k := &c.unknowns[i]; k.Node == id && k.Reason == reason {
			k.From, k.To, k.Count = min(k.From, at), max(k.To, at), k.Count+n
			return
		}
	}
	c.NotKnown(Unknown{Node: id, From: at, To: at, Reason: reason, Count: n})
}

// Expect tells what was done to a server that Raft counts on nobody doing, in a
// sentence: violations that follow may come of it, and say so.
func (c *Checker) Expect(text string) {
	if !slices.Contains(c.given, text) {
		c.given = append(c.given, text)
	}
	if len(c.given) > 3 {
		c.given = slices.Delete(c.given, 0, 1)
	}
}

// Wiped tells that all that server id had on its disk is gone. What is started
// under its name from now on is a new server, that has voted for nobody.
func (c *Checker) Wiped(at raft.Time, id raft.NodeID) {
	if v := c.view(id); v != nil {
		*v = view{id: id, newest: v.newest}
	}
	c.Expect(fmt.Sprintf("%v was wiped (%s): Raft counts on what servers have on their disks.", id, Clock(at)))
}

// Preloaded tells that the first last entries that server id starts with were
// written by hand: they need not come from a history that Raft allows.
func (c *Checker) Preloaded(id raft.NodeID, last raft.Index) {
	if v := c.view(id); v != nil {
		v.preloaded = last
	}
}

// Lost tells that server id ended without a last word: what it did after its
// last deed is not known. A server that said its last word lost nothing.
func (c *Checker) Lost(at raft.Time, id raft.NodeID, reason string) {
	v := c.view(id)
	if v == nil || !v.up {
		return
	}
	v.up = false
	c.NotKnown(Unknown{Node: id, From: min(v.newest, at), To: at, Reason: reason})
}

// Clock is a lab time as people read it: 00:42.312.
func Clock(at raft.Time) string {
	ms := int64(at) / 1_000_000
	return fmt.Sprintf("%02d:%02d.%03d", ms/60_000, ms/1000%60, ms%1000)
}

// view is what is known of one server.
type view struct {
	id      raft.NodeID
	up      bool
	restart bool // what is stored is what its disk had when it started
	role    raft.Role
	term    raft.Term
	newest  raft.Time // of its last deed

	log       log
	preloaded raft.Index
	commit    raft.Index
	applied   raft.Index
	configs   []configAt // those of the log that are known; the first counts at its beginning

	led   raft.Term // newest term in which its frames said that it leads
	votes [votesKept]vote
}

// configAt is the configuration that entry index brought, 0 the bootstrap one.
type configAt struct {
	index raft.Index
	raft.Configuration
}

// view returns what is known of id, nil for one that nobody can have.
func (c *Checker) view(id raft.NodeID) *view {
	if id < raft.NodeID(len(c.nodes)) {
		if v := c.nodes[id]; v != nil {
			return v
		}
	}
	if id == 0 || id > nodesMost {
		return nil
	}
	for raft.NodeID(len(c.nodes)) <= id {
		c.nodes = append(c.nodes, nil)
	}
	c.nodes[id] = &view{id: id}
	return c.nodes[id]
}

// Deed takes in what server id did next.
func (c *Checker) Deed(id raft.NodeID, d *deed.Deed) {
	v := c.view(id)
	if v == nil {
		return
	}
	v.newest = d.At
	switch d.Kind {
	case deed.Started:
		c.started(v, d)
	case deed.Became:
		v.restart = false
		v.role, v.term = d.Role, d.Term
		if d.Role == raft.Leader {
			c.reign(d.Term, v.id, d.At, 0)
		}
	case deed.Elected:
		c.elected(v, d)
	case deed.Stored:
		c.stored(v, d)
	case deed.Configured:
		c.configured(v, d)
	case deed.Truncated:
		c.truncated(v, d)
	case deed.Committed:
		c.committed(v, d)
	case deed.Installed:
		c.installed(v, d)
	case deed.SnapshotTaken:
		c.snapshot(v, d.At, d.Index, d.LogTerm, "took")
	case deed.Compacted:
		v.log.compact(d.Index, d.LogTerm)
	case deed.Applied:
		c.apply(v, d)
	case deed.Ended:
		v.up = false
	}
}

// started begins a life of a server: what it had in memory is gone.
func (c *Checker) started(v *view, d *deed.Deed) {
	v.up, v.restart = true, true
	v.role, v.term = raft.Follower, d.Term
	v.log.reset(d.First, d.LogTerm)
	v.commit, v.applied = d.Index, d.Index
	v.configs = v.configs[:0]
	if d.Config != nil {
		v.configs = append(v.configs, configAt{d.Index, d.Config.Clone()})
	}
	if d.Index > 0 {
		c.snapshot(v, d.At, d.Index, d.IndexTerm, "starts with")
	}
}

// installed looks at a snapshot that takes the place of a state machine (§7).
func (c *Checker) installed(v *view, d *deed.Deed) {
	c.snapshot(v, d.At, d.Index, d.LogTerm, "was sent")
	if !d.Keep {
		v.log.reset(d.Index, d.LogTerm)
		v.configs = v.configs[:0]
	} else {
		k := 0
		for k < len(v.configs) && v.configs[k].index <= d.Index {
			k++
		}
		v.configs = slices.Delete(v.configs, 0, k)
	}
	if d.Config != nil {
		v.configs = slices.Insert(v.configs, 0, configAt{d.Index, d.Config.Clone()})
	}
	v.commit, v.applied = max(v.commit, d.Index), d.Index
}
