package netlab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab/cond"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// breaksMax bounds the breakpoints: all of them are looked at whenever a node
// reports.
const breaksMax = 32

// breaks are a lab's breakpoints. Guarded by lab.mu.
type breaks struct {
	list     []*breakpoint
	last     uint64    // id of the newest
	hits     uint64    // of all there were
	hit      *BreakHit // the last of them
	stopped  *BreakHit // the one that holds the clock
	watching bool      // somebody looks when it is no node that reports
	cut      []truncation
}

// breakpoint holds the clock when what it looks for comes.
type breakpoint struct {
	id    uint64
	cond  string
	about string
	look  look
	holds bool
	hits  uint64
	last  *BreakHit
}

// look tells whether what a breakpoint looks for is so, and what it sees then.
// It is asked about one moment after the other.
type look func(m *moment) (holds bool, seen string)

// moment is what breakpoints look at.
type moment struct {
	*Status
	truncated []truncation // since the last moment
	env       *cond.Env    // of Status, made when somebody needs it
}

func (m *moment) environment() *cond.Env {
	if m.env == nil {
		m.env = environment(m.Status)
	}
	return m.env
}

// truncation is entries that a node has dropped from its log.
type truncation struct {
	node        int
	first, last raft.Index
}

// NamedBreak is a breakpoint that is known by name.
type NamedBreak struct {
	Name  string
	About string // what it looks for
	make  func() look
}

// NamedBreaks are the breakpoints that are known by name.
func NamedBreaks() []NamedBreak {
	return []NamedBreak{
		{"two-leaders", "two nodes lead at the same time, each in a term of its own (§5.2: at most one a term)", func() look { return twoLeaders }},
		{"truncated", "a node drops entries that conflict with its leader's (§5.3)", func() look { return truncated }},
		{"split-vote", "the votes of the newest term are spread so that nobody can win it (§5.2)", func() look { return splitVote }},
		{"commit-stalled", "a leader has entries to commit, and for an election timeout none has been", commitStalled},
		{"leader-change", "another node leads than before", leaderChange},
	}
}

// setBreak sets a breakpoint, or takes some away.
func (l *lab) setBreak(ctx context.Context, op *Op) (*OpResult, error) {
	if op.Stop {
		return l.takeBreaks(op)
	}
	b, err := newBreak(op.Cond)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	all := &l.breaks
	for _, o := range all.list {
		if o.cond == b.cond {
			return &OpResult{Text: fmt.Sprintf("breakpoint %d is set already: %s", o.id, o.cond)}, nil
		}
	}
	if len(all.list) == breaksMax {
		return nil, Errorf(ExitConflict, "there are %d breakpoints already, as many as a lab takes", breaksMax).WithHint("raftlab break --clear 1")
	}
	// One that speaks of what is not in this lab will never hold: said now.
	if _, named := namedBreak(b.cond); !named {
		c, err := cond.Compile(b.cond)
		if err == nil {
			_, err = c.Eval(environment(l.wholeStatus()))
		}
		if err != nil {
			return nil, Errorf(ExitUsage, "%v", err).WithHint("raftlab status")
		}
	}
	b.holds, _ = b.look(&moment{Status: l.wholeStatus()})
	all.last++
	b.id = all.last
	all.list = append(slices.Clip(all.list), b)
	if !all.watching {
		all.watching = true
		l.spawn(l.watchBreaks)
	}
	res := &OpResult{Text: fmt.Sprintf("breakpoint %d: the lab is held when this comes true: %s", b.id, b.cond)}
	if b.holds {
		res.note("it is true now: it counts once it was not and is again")
	}
	res.Event = l.event(Event{Kind: EventBreak, Text: res.Text, Line: op.Line})
	return res, nil
}

// newBreak reads what a breakpoint looks for.
func newBreak(text string) (*breakpoint, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, Errorf(ExitUsage, "a breakpoint without a condition").WithHint("%s", breakHelp())
	}
	if n, ok := namedBreak(text); ok {
		return &breakpoint{cond: n.Name, about: n.About, look: n.make()}, nil
	}
	c, err := cond.Compile(text)
	if err != nil {
		return nil, Errorf(ExitUsage, "%v", err).WithHint("%s", breakHelp())
	}
	if c.UsesKV() {
		return nil, Errorf(ExitUsage, "condition %s reads a key: that is an operation, and a breakpoint is looked at whenever a node reports", quote(text)).
			WithHint("ask for what the read would show: a commit index, the terms of a log")
	}
	return &breakpoint{cond: text, look: func(m *moment) (bool, string) {
		holds, err := c.Eval(m.environment())
		if err != nil || !holds { // a node that it names has left the lab
			return false, ""
		}
		return true, c.Seen(m.environment())
	}}, nil
}

func namedBreak(name string) (NamedBreak, bool) {
	i := slices.IndexFunc(NamedBreaks(), func(n NamedBreak) bool { return n.Name == name })
	if i < 0 {
		return NamedBreak{}, false
	}
	return NamedBreaks()[i], true
}

func breakHelp() string {
	var names []string
	for _, n := range NamedBreaks() {
		names = append(names, n.Name)
	}
	return "breakpoints: " + strings.Join(names, ", ") + "; or any condition, like S1.term >= 2"
}

// takeBreaks takes one breakpoint away, or all.
func (l *lab) takeBreaks(op *Op) (*OpResult, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := &l.breaks
	if op.ID == 0 {
		n := l.clearBreaks()
		if n == 0 {
			return &OpResult{Text: "there are no breakpoints"}, nil
		}
		res := &OpResult{Text: fmt.Sprintf("%d breakpoints are taken away", n)}
		if n == 1 {
			res.Text = "the breakpoint is taken away"
		}
		res.Event = l.event(Event{Kind: EventBreak, Text: res.Text, Line: op.Line})
		return res, nil
	}
	i := slices.IndexFunc(all.list, func(b *breakpoint) bool { return b.id == op.ID })
	if i < 0 {
		if len(all.list) == 0 {
			return nil, Errorf(ExitConflict, "there is no breakpoint %d: there are none", op.ID).WithHint("raftlab break two-leaders")
		}
		var ids []string
		for _, b := range all.list {
			ids = append(ids, fmt.Sprint(b.id))
		}
		return nil, Errorf(ExitConflict, "there is no breakpoint %d, only %s", op.ID, strings.Join(ids, " ")).WithHint("raftlab break")
	}
	b := all.list[i]
	all.list = slices.Delete(slices.Clone(all.list), i, i+1)
	res := &OpResult{Text: fmt.Sprintf("breakpoint %d is taken away: %s", b.id, b.cond)}
	res.Event = l.event(Event{Kind: EventBreak, Text: res.Text, Line: op.Line})
	return res, nil
}

// clearBreaks takes all breakpoints away and returns how many there were. A
// clock that one of them holds stays held. With lab.mu held.
func (l *lab) clearBreaks() int {
	n := len(l.breaks.list)
	l.breaks.list = nil
	if n > 0 {
		l.touchLab()
	}
	return n
}

// status is the breakpoints as the status has them, nil when there are none.
func (b *breaks) status() []BreakStatus {
	var out []BreakStatus
	for _, p := range b.list {
		out = append(out, BreakStatus{ID: p.id, Cond: p.cond, About: p.about, Holds: p.holds, Hits: p.hits, Last: p.last})
	}
	return out
}

// learn keeps a fact that a breakpoint looks for.
func (b *breaks) learn(node int, f *wire.Fact) {
	if len(b.list) > 0 && f.Kind == raft.EventTruncated {
		b.cut = append(b.cut, truncation{node, f.First, f.Index})
	}
}

// checkBreaks looks at all breakpoints, and holds the clock when something came
// that one of them looks for. With lab.mu held.
func (l *lab) checkBreaks() {
	all := &l.breaks
	if len(all.list) == 0 {
		return
	}
	m := &moment{Status: l.wholeStatus(), truncated: all.cut}
	all.cut = nil
	for _, b := range all.list {
		holds, seen := b.look(m)
		comes := holds && !b.holds
		b.holds = holds
		if !comes {
			continue
		}
		b.hits++
		all.hits++
		b.last = &BreakHit{ID: b.id, Cond: b.cond, Seen: seen, LabNS: int64(l.clock.Now())}
		all.hit = b.last
		l.stopAt(b.last)
	}
}

// stopAt holds the clock for a breakpoint. With lab.mu held.
func (l *lab) stopAt(hit *BreakHit) {
	text := fmt.Sprintf("breakpoint %d, %s: %s", hit.ID, hit.Cond, hit.Seen)
	if l.breaks.stopped == nil {
		l.breaks.stopped = hit
	}
	if l.clock.Held() { // stepped into
		l.event(Event{Kind: EventBreak, Text: text})
		return
	}
	setting := l.clock.Adjust(l.clock.Setting().Rate, true)
	hit.LabNS = int64(setting.At)
	for _, m := range l.members {
		m.held = false
	}
	l.tellClock(setting)
	l.event(Event{Kind: EventBreak, Text: text + ". The lab clock is held"})
	rests := l.comesToRest()
	l.spawn(func() {
		defer rests()
		ctx, cancel := l.within(l.ctx, holdPatience)
		defer cancel()
		if late := l.stand(ctx); late != 0 && l.ctx.Err() == nil {
			l.log.Warn("node does not say that it stands", "node", late)
		}
	})
}

// lookAtBreaks looks at all breakpoints.
func (l *lab) lookAtBreaks() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checkBreaks()
}

// watchBreaks looks at the breakpoints when something changes that no node
// reports: a process, the network, the time. It ends with the last of them.
func (l *lab) watchBreaks() {
	for {
		l.mu.Lock()
		changed := l.changed()
		l.checkBreaks()
		if len(l.breaks.list) == 0 {
			l.breaks.watching = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		if l.await(l.ctx, wake{on: channels{changed}, after: condEvery}) != nil {
			return
		}
	}
}

// breakHits counts how often any breakpoint came true, brokeSince is the last
// since then, nil for none.
func (l *lab) breakHits() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.breaks.hits
}

func (l *lab) brokeSince(hits uint64) *BreakHit {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.breaks.hits == hits {
		return nil
	}
	return l.breaks.hit
}

func twoLeaders(m *moment) (bool, string) {
	var seen []string
	for i := range m.Nodes {
		if n := &m.Nodes[i]; n.State != StateDead && n.Role == RoleLeader {
			seen = append(seen, fmt.Sprintf("S%d leads term %d", n.ID, n.Term))
		}
	}
	return len(seen) > 1, strings.Join(seen, ", ")
}

func truncated(m *moment) (bool, string) {
	var seen []string
	for _, t := range m.truncated {
		what := fmt.Sprintf("entry %d", t.first)
		if t.last > t.first {
			what = fmt.Sprintf("entries %d-%d", t.first, t.last)
		}
		seen = append(seen, fmt.Sprintf("S%d drops %s", t.node, what))
	}
	return len(seen) > 0, strings.Join(seen, ", ")
}

// splitVote: nobody leads the newest term, votes in it went to several, and
// none of those would win with all that can still come.
func splitVote(m *moment) (bool, string) {
	votes := make(map[int]int)
	var who []int
	for i := range m.Nodes {
		n := &m.Nodes[i]
		if n.Term != m.Term || n.Vote == 0 {
			continue
		}
		if n.Role == RoleLeader {
			return false, ""
		}
		if votes[n.Vote]++; votes[n.Vote] == 1 {
			who = append(who, n.Vote)
		}
	}
	if len(who) < 2 {
		return false, ""
	}
	slices.Sort(who)
	var seen []string
	for _, c := range who {
		if m.Config.Decides(func(id int) bool {
			n := m.node(id)
			return n != nil && (n.Term == m.Term && n.Vote == c || n.State != StateDead && (n.Term < m.Term || n.Vote == 0))
		}) {
			return false, ""
		}
		of := "votes"
		if votes[c] == 1 {
			of = "vote"
		}
		seen = append(seen, fmt.Sprintf("%d %s for S%d", votes[c], of, c))
	}
	return true, fmt.Sprintf("term %d has %s", m.Term, strings.Join(seen, ", "))
}

// commitStalled: the leader's log goes on behind its commit index, which has
// not moved for the longest election timeout of lab time.
func commitStalled() look {
	var leader int
	var term, commit uint64
	since, stalled := int64(0), false
	return func(m *moment) (bool, string) {
		n := m.node(m.Leader)
		if n == nil || n.LastIndex <= n.Commit {
			stalled = false
			return false, ""
		}
		if !stalled || n.ID != leader || n.Term != term || n.Commit != commit {
			leader, term, commit, since, stalled = n.ID, n.Term, n.Commit, m.Clock.LabNS, true
		}
		lag := m.Clock.LabNS - since
		if lag < m.Timing.ElectionMaxNS {
			return false, ""
		}
		return true, fmt.Sprintf("S%d leads term %d and has entries up to %d, of which none behind %d has committed for %v",
			n.ID, n.Term, n.LastIndex, n.Commit, time.Duration(lag).Round(time.Millisecond))
	}
}

// leaderChange: another node leads than the last that did. The first moment only
// tells who that was.
func leaderChange() look {
	before, first := 0, true
	return func(m *moment) (bool, string) {
		was := before
		changed := m.Leader != 0 && m.Leader != before && !first
		if m.Leader != 0 {
			before = m.Leader
		}
		first = false
		switch {
		case !changed:
			return false, ""
		case was == 0:
			return true, fmt.Sprintf("S%d leads term %d", m.Leader, m.Term)
		}
		return true, fmt.Sprintf("S%d leads term %d, before that S%d did", m.Leader, m.Term, was)
	}
}
