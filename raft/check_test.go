package raft_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/raftlab/raftlab/raft"
)

// checker watches servers from outside and says when one of the properties of
// Figure 3 is broken, or a rule they rest on: one vote a term, a commitIndex
// that never goes back, answers that are on disk, configurations whose
// majorities overlap. It knows nothing of how a Node works; it sees roles,
// terms and logs, what leaves a server, and the disks.
type checker struct {
	servers   []*server
	bootstrap raft.Configuration
	views     []view // by ID
	leaders   map[raft.Term]reign
	newest    raft.Term   // of leaders
	entries   [][]entryAt // by index-1
	commits   []commit    // by index-1
	applied   raft.Index  // so many of them, by somebody
	changes   []configAt  // the configurations among those applied, ascending
	votes     map[ballotID]raft.NodeID
	err       error

	watcher *watcher // nil: nobody watches from outside
	// forged tells that servers are broken on purpose.
	forged bool
	// blind leaves everything to the watcher.
	blind bool

	// lenient leaves the rules alone and looks only at what they protect: for
	// clusters that break a rule on purpose.
	lenient bool
}

// view is how a server looked after its last step.
type view struct {
	life     int
	role     raft.Role
	term     raft.Term
	last     raft.Index
	lastTerm raft.Term
	commit   raft.Index
	applied  raft.Index // by the state machine
	shown    int        // how many of server.applied were looked at

	// The log as handed to the disk, from some committed entry on, and its
	// configurations: the first is the one that counts at the base.
	base     raft.Index
	baseTerm raft.Term
	log      []raft.Entry
	configs  []configAt
}

// configAt is the configuration that entry index brought; 0 is the bootstrap one.
type configAt struct {
	index raft.Index
	raft.Configuration
}

// reign is a term's leader and its log when it was elected.
type reign struct {
	leader raft.NodeID
	base   raft.Index
	last   raft.Index
	runs   []raft.TermRun
}

// entryAt is what a log has at an index, and the term of the entry before.
type entryAt struct {
	term, prevTerm raft.Term
	kind           raft.EntryKind
	data           []byte
}

type ballotID struct {
	voter raft.NodeID
	term  raft.Term
}

// commit is an entry known to be committed.
type commit struct {
	term    raft.Term
	in      raft.Term // in which it became so
	applied bool
	digest  uint64 // of the state machines that have applied it
}

func newChecker(servers []*server) *checker {
	c := &checker{
		servers: servers,
		views:   make([]view, len(servers)+1),
		leaders: map[raft.Term]reign{},
		votes:   map[ballotID]raft.NodeID{},
		watcher: newWatcher(len(servers)),
	}
	for _, s := range servers {
		if len(s.cfg.Members.Voters) > 0 {
			c.bootstrap = s.cfg.Members
		}
	}
	return c
}

var (
	// Figure 3.
	errElectionSafety     = errors.New("Election Safety")
	errLeaderAppendOnly   = errors.New("Leader Append-Only")
	errLogMatching        = errors.New("Log Matching")
	errLeaderCompleteness = errors.New("Leader Completeness")
	errStateMachineSafety = errors.New("State Machine Safety")

	// The rules they rest on.
	errVoteOnce      = errors.New("one vote a term")
	errVotedIn       = errors.New("a leader has the votes of its majorities")
	errCandidate     = errors.New("only voters stand")
	errForward       = errors.New("currentTerm and commitIndex never go back")
	errOnDisk        = errors.New("persist before answering")
	errCommitStored  = errors.New("committed means stored by a majority")
	errKeepLog       = errors.New("a log that has a snapshot's last entry keeps what follows it, any other goes")
	errConfiguration = errors.New("configurations that may count at a time share majorities")
)

// fail takes note of a broken property, if it is the first.
func (c *checker) fail(property error, format string, args ...any) {
	if c.err == nil && !c.blind {
		c.err = fmt.Errorf("%w: %s", property, fmt.Sprintf(format, args...))
	}
}

// failRule does so for a rule.
func (c *checker) failRule(rule error, format string, args ...any) {
	if !c.lenient {
		c.fail(rule, format, args...)
	}
}

// stepped looks at s after one of its steps.
func (c *checker) stepped(s *server) {
	v, n := &c.views[s.id], s.node
	if v.life != s.life {
		c.started(s)
	}
	role, term, last, commit := n.Role(), n.Term(), n.LastIndex(), n.Commit()
	switch {
	case role == raft.Follower:
	case role == raft.Leader && v.role == raft.Leader && v.term == term:
		c.stillLeads(s, v)
	case role == raft.Leader:
		c.elected(s)
	case role != v.role || term != v.term:
		c.stands(s)
	}
	if term < v.term || commit < v.commit {
		c.failRule(errForward, "%v went from term %d to %d, from commitIndex %d to %d", s.id, v.term, term, v.commit, commit)
	}
	for i := v.commit + 1; i <= commit; i++ {
		c.committed(s, i)
	}
	for ; v.shown < len(s.applied); v.shown++ {
		c.apply(s, s.applied[v.shown])
	}
	v.role, v.term, v.last, v.commit = role, term, last, commit
	v.lastTerm, _ = n.TermOf(last)
	c.watcher.arrive()
	if err := c.watcher.err(); err != nil && c.watched() {
		c.fail(err, "%v", s.id)
	}
}

// watched tells that what is seen from outside counts: nobody breaks rules here.
func (c *checker) watched() bool { return !c.lenient && c.servers[0].cfg.Unsafe == 0 && !c.forged }

// started looks at a server that comes up: its log is what its disk holds.
func (c *checker) started(s *server) {
	d := &s.disk
	meta := d.newest().meta
	first := configAt{0, s.cfg.Members}
	if meta.Index > 0 {
		first = configAt{meta.Index, meta.Config}
	}
	c.views[s.id] = view{
		life: s.life, term: d.state.Term, commit: meta.Index,
		base: d.base, baseTerm: d.baseTerm, configs: []configAt{first},
	}
	c.watcher.started(s)
	c.extend(s, d.entries)
	c.born(s)
}

// born looks at a state machine that has just been made from a snapshot: it
// must be of what is committed, and the state the others had there (§7).
func (c *checker) born(s *server) {
	v, meta := &c.views[s.id], s.born.meta
	v.applied, v.shown = meta.Index, 0
	if meta.Index == 0 {
		return
	}
	if int(meta.Index) > len(c.commits) || !c.commits[meta.Index-1].applied {
		c.fail(errStateMachineSafety, "%v has a snapshot of entry %d, which nobody has applied", s.id, meta.Index)
		return
	}
	switch known := c.commits[meta.Index-1]; {
	case known.term != meta.Term:
		c.fail(errStateMachineSafety, "%v has a snapshot of entry %d of term %d, term %d is committed there", s.id, meta.Index, meta.Term, known.term)
	case known.digest != s.born.digest:
		c.fail(errStateMachineSafety, "%v has a snapshot of entry %d that is another state than others had there", s.id, meta.Index)
	}
	want := c.bootstrap
	for _, k := range c.changes {
		if k.index <= meta.Index {
			want = k.Configuration
		}
	}
	if !meta.Config.Equal(want) {
		c.failRule(errConfiguration, "%v has a snapshot of entry %d with the configuration %v, it was %v", s.id, meta.Index, meta.Config, want)
	}
}

// configuration is the newest one that is applied.
func (c *checker) configuration() raft.Configuration {
	if n := len(c.changes); n > 0 {
		return c.changes[n-1].Configuration
	}
	return c.bootstrap
}

// stands looks at a candidate or precandidate: it is a voter of its newest
// configuration, or of an older one that may still count (§6, thesis §4.2.2).
func (c *checker) stands(s *server) {
	v := &c.views[s.id]
	last := s.node.LastIndex()
	if term, _ := s.node.TermOf(last); !v.endsAt(last, term) {
		return // it has not shown all of its log yet
	}
	for k := len(v.configs) - 1; k >= 0; k-- {
		if v.configs[k].Voter(s.id) {
			return
		}
		if v.configs[k].index <= s.node.Commit() {
			break
		}
	}
	c.failRule(errCandidate, "%v is %v of term %d, the voters are %v", s.id, s.node.Role(), s.node.Term(), v.config())
}

// stillLeads: "a leader never overwrites or deletes entries in its log; it only
// appends new entries" (§5.3). Those a snapshot stands for may go (§7).
func (c *checker) stillLeads(s *server, before *view) {
	term, ok := s.node.TermOf(before.last)
	if (!ok || term != before.lastTerm) && before.last > s.node.Status().Base {
		c.fail(errLeaderAppendOnly, "%v, leader of term %d, had entry %d of term %d and now has %d of term %d there",
			s.id, before.term, before.last, before.lastTerm, s.node.LastIndex(), term)
	}
}

// elected: "at most one leader can be elected in a given term" (§5.2), by
// majorities of the configuration in its log (§6), and it has all that is
// committed in earlier terms (§5.4).
func (c *checker) elected(s *server) {
	term := s.node.Term()
	if other, ok := c.leaders[term]; ok && other.leader != s.id {
		c.fail(errElectionSafety, "%v and %v both lead term %d", other.leader, s.id, term)
		return
	}
	config := c.views[s.id].config()
	if !quorumOf(config, func(id raft.NodeID) bool { return id == s.id || c.votes[ballotID{id, term}] == s.id }) {
		c.failRule(errVotedIn, "%v leads term %d without a majority's votes in %v", s.id, term, config)
	}
	st := s.node.Status()
	r := reign{leader: s.id, base: st.Base, last: st.LastIndex, runs: st.Runs}
	c.leaders[term] = r
	c.newest = max(c.newest, term)
	for k, e := range c.commits {
		if e.in < term {
			c.complete(term, r, raft.Index(k+1), e)
		}
	}
}

// complete: "if a log entry is committed in a given term, then that entry will
// be present in the logs of the leaders for all higher-numbered terms" (§5.4).
// What a log does not reach back to, its snapshot stands for.
func (c *checker) complete(term raft.Term, r reign, i raft.Index, e commit) {
	if own := r.termOf(i); own != e.term && i > r.base {
		c.fail(errLeaderCompleteness, "entry %d of term %d was committed in term %d; %v, leader of term %d, has term %d there (0: nothing)",
			i, e.term, e.in, r.leader, term, own)
	}
}

func (r reign) termOf(i raft.Index) raft.Term {
	if i <= r.last {
		for k := len(r.runs) - 1; k >= 0; k-- {
			if r.runs[k].First <= i {
				return r.runs[k].Term
			}
		}
	}
	return 0
}

// committed takes note of what s believes to be committed.
func (c *checker) committed(s *server, i raft.Index) {
	term, ok := s.node.TermOf(i)
	if int(i) <= len(c.commits) {
		// What s has only in a snapshot is looked at with that.
		if known := c.commits[i-1]; ok && known.term != term {
			c.fail(errStateMachineSafety, "%v commits entry %d of term %d, term %d is committed there", s.id, i, term, known.term)
		}
		return
	}
	if !ok {
		c.fail(errStateMachineSafety, "%v calls entry %d committed, which is not in its log, and by nobody else", s.id, i)
	}
	e := commit{term: term, in: s.node.Term()}
	c.commits = append(c.commits, e)
	if !c.stored(s, i, term) {
		c.failRule(errCommitStored, "%v commits entry %d of term %d, which is not on a majority's disks in %v", s.id, i, term, c.views[s.id].config())
	}
	if e.in >= c.newest {
		return
	}
	for in, r := range c.leaders {
		if in > e.in {
			c.complete(in, r, i, e)
		}
	}
}

// stored reports whether entry i of term is on the disks of a majority in the
// configuration of s. That is the newest it has shown; one that it made since
// may count already.
func (c *checker) stored(s *server, i raft.Index, term raft.Term) bool {
	has := func(id raft.NodeID) bool { return c.servers[id-1].disk.stores(i, term) }
	return quorumOf(c.views[s.id].config(), has) || quorumOf(s.node.Status().Config, has)
}

// apply: "if a server has applied a log entry at a given index to its state
// machine, no other server will ever apply a different log entry for the same
// index" (§5.4.3); and state machines that apply the same are the same.
func (c *checker) apply(s *server, e applied) {
	c.watcher.apply(s, &e)
	v := &c.views[s.id]
	i := v.applied + 1
	switch {
	case e.Index != i:
		c.fail(errStateMachineSafety, "%v applies entry %d where %d is next", s.id, e.Index, i)
		return
	case int(i) > len(c.commits):
		c.fail(errStateMachineSafety, "%v applies entry %d, which nobody calls committed", s.id, i)
		return
	}
	v.applied = i
	known := &c.commits[i-1]
	switch {
	case known.term != e.Term:
		c.fail(errStateMachineSafety, "%v applies entry %d of term %d, term %d is committed there", s.id, i, e.Term, known.term)
	case known.applied && known.digest != e.digest:
		c.fail(errStateMachineSafety, "%v has another state than others after entry %d", s.id, i)
	case !known.applied:
		known.applied, known.digest, c.applied = true, e.digest, i
		if e.Kind == raft.EntryConfig {
			c.changes = append(c.changes, configOf(e.Entry))
		}
	}
}

// handedOut looks at a Ready of s that was taken: what it does to the log, and
// the snapshot it installs.
func (c *checker) handedOut(s *server, r raft.Ready) {
	c.watcher.handedOut(s, &r)
	switch {
	case r.Install == nil:
		c.extend(s, r.Entries)
	case r.Install.KeepLog: // they may be what it keeps
		c.extend(s, r.Entries)
		c.installed(s, r.Install)
	default:
		c.installed(s, r.Install)
		c.extend(s, r.Entries)
	}
}

// installed: "if existing log entry has same index and term as snapshot's last
// included entry, retain log entries following it", else "discard the entire
// log" (Figure 13).
func (c *checker) installed(s *server, in *raft.Install) {
	v := &c.views[s.id]
	term, ok := v.termOf(in.Meta.Index)
	if has := ok && term == in.Meta.Term; has != in.KeepLog {
		c.failRule(errKeepLog, "%v installs a snapshot of entry %d of term %d and keeps its log: %v; it has the entry: %v",
			s.id, in.Meta.Index, in.Meta.Term, in.KeepLog, has)
	}
	if !in.KeepLog {
		v.base, v.baseTerm, v.log = in.Meta.Index, in.Meta.Term, nil
		v.configs = []configAt{{in.Meta.Index, in.Meta.Config}}
	}
	c.born(s)
}

// extend takes entries that s hands to its disk, or finds there, into the view
// of its log.
func (c *checker) extend(s *server, entries []raft.Entry) {
	if len(entries) == 0 {
		return
	}
	v := &c.views[s.id]
	keep := entries[0].Index - 1
	prev, ok := v.termOf(keep)
	if !ok {
		c.fail(errLogMatching, "%v hands out entry %d, its log is %d to %d", s.id, keep+1, v.base+1, v.base+raft.Index(len(v.log)))
		return
	}
	v.log = v.log[:keep-v.base]
	for len(v.configs) > 1 && v.configs[len(v.configs)-1].index > keep {
		v.configs = v.configs[:len(v.configs)-1]
	}
	for _, e := range entries {
		c.entry(s, prev, e)
		v.log = append(v.log, e)
		prev = e.Term
	}
}

func (v *view) termOf(i raft.Index) (raft.Term, bool) {
	switch {
	case i == v.base:
		return v.baseTerm, true
	case i < v.base || i > v.base+raft.Index(len(v.log)):
		return 0, false
	}
	return v.log[i-v.base-1].Term, true
}

// endsAt reports whether the log that was shown is all of one that ends there.
func (v *view) endsAt(last raft.Index, term raft.Term) bool {
	own, ok := v.termOf(last)
	return ok && own == term && last == v.base+raft.Index(len(v.log))
}

// config is the newest configuration in the log, committed or not (§6).
func (v *view) config() raft.Configuration { return v.configs[len(v.configs)-1].Configuration }

// entry: "if two logs contain an entry with the same index and term, then the
// logs are identical in all entries up through the given index" (§5.3). By
// induction it is enough that such entries are the same and follow the same term.
func (c *checker) entry(s *server, prevTerm raft.Term, e raft.Entry) {
	v := &c.views[s.id]
	for int(e.Index) > len(c.entries) {
		c.entries = append(c.entries, nil)
	}
	known := false
	for _, k := range c.entries[e.Index-1] {
		if k.term != e.Term {
			continue
		}
		known = true
		if k.prevTerm != prevTerm || k.kind != e.Kind || !bytes.Equal(k.data, e.Data) {
			c.fail(errLogMatching, "entry %d of term %d is %v %q after term %d on %v, and elsewhere %v %q after term %d",
				e.Index, e.Term, e.Kind, e.Data, prevTerm, s.id, k.kind, k.data, k.prevTerm)
		}
	}
	if !known {
		c.entries[e.Index-1] = append(c.entries[e.Index-1], entryAt{e.Term, prevTerm, e.Kind, e.Data})
	}
	if e.Kind == raft.EntryConfig && e.Index > v.configs[0].index {
		config := configOf(e)
		if !known {
			c.follows(s, config)
		}
		v.configs = append(v.configs, config)
	}
}

// follows: a configuration is made only behind one that is committed, or whose
// majorities it shares (§6). Of those not committed, and the last that is, each
// may be the newest somewhere, so all of them must share majorities: as C_old
// and C_old,new do, and C_old,new and C_new, and any two with the same voters.
func (c *checker) follows(s *server, next configAt) {
	v := &c.views[s.id]
	for k := len(v.configs) - 1; k >= 0; k-- {
		before := v.configs[k]
		if !shareMajorities(before.Configuration, next.Configuration) {
			c.failRule(errConfiguration, "%v makes %v, entry %d, while %v, entry %d, may count; commitIndex is %d",
				s.id, next.Configuration, next.index, before.Configuration, before.index, s.node.Commit())
		}
		if before.index <= s.node.Commit() {
			return
		}
	}
}

// shareMajorities reports whether every majority of a meets every majority of
// b, because both need one of the same servers.
func shareMajorities(a, b raft.Configuration) bool {
	for _, x := range [...][]raft.NodeID{a.Voters, a.VotersOld} {
		for _, y := range [...][]raft.NodeID{b.Voters, b.VotersOld} {
			if len(x) > 0 && slices.Equal(x, y) {
				return true
			}
		}
	}
	return false
}

func configOf(e raft.Entry) configAt {
	config, err := raft.DecodeConfiguration(e.Data)
	if err != nil {
		panic(fmt.Sprintf("entry %v: %v", e, err))
	}
	return configAt{e.Index, config}
}

// quorumOf reports whether a majority of config's voters says yes, and while it
// is joint one of the old voters, too (§6).
func quorumOf(config raft.Configuration, yes func(raft.NodeID) bool) bool {
	return majorityOf(config.Voters, yes) && (!config.Joint() || majorityOf(config.VotersOld, yes))
}

func majorityOf(ids []raft.NodeID, yes func(raft.NodeID) bool) bool {
	n := 0
	for _, id := range ids {
		if yes(id) {
			n++
		}
	}
	return 2*n > len(ids)
}

// leaves looks at a message at the moment it leaves s, which may have been
// started anew since.
func (c *checker) leaves(s *server, m raft.Message) {
	c.watcher.leaves(&m)
	d := &s.disk
	switch body := m.Body.(type) {
	case *raft.RequestVote:
		// The log it stands with may be cut again by a leader of the same term, in a
		// write that is done together with this one.
		if !body.PreVote && d.state.Term < m.Term {
			c.failRule(errOnDisk, "%v stands in term %d, on its disk is %v", s.id, m.Term, d.state)
		}
	case *raft.RequestVoteReply:
		if body.PreVote || !body.Granted {
			return
		}
		id := ballotID{s.id, m.Term}
		if other, ok := c.votes[id]; ok && other != m.To {
			c.failRule(errVoteOnce, "%v votes for %v and %v in term %d", s.id, other, m.To, m.Term)
		}
		c.votes[id] = m.To
		if d.state.Term < m.Term || d.state.Term == m.Term && d.state.Vote != m.To {
			c.failRule(errOnDisk, "%v votes for %v in term %d, on its disk is %v", s.id, m.To, m.Term, d.state)
		}
	case *raft.AppendEntriesReply:
		if d.state.Term < m.Term {
			c.failRule(errOnDisk, "%v answers in term %d, on its disk is %v", s.id, m.Term, d.state)
		}
		if body.Success && d.state.Term == m.Term && d.last() < body.Match {
			c.failRule(errOnDisk, "%v acknowledges entry %d, its disk ends at %d", s.id, body.Match, d.last())
		}
	case *raft.InstallSnapshotReply:
		if d.state.Term < m.Term {
			c.failRule(errOnDisk, "%v answers in term %d, on its disk is %v", s.id, m.Term, d.state)
		}
		if body.Done && d.last() < body.Index {
			c.failRule(errOnDisk, "%v acknowledges snapshot %d, its disk ends at %d", s.id, body.Index, d.last())
		}
	}
}
