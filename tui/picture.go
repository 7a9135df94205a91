package tui

import (
	"cmp"
	"slices"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// look is how the screen is to be drawn.
type look struct {
	w, h   int
	ascii  bool
	color  Color
	frame  time.Duration // how long one frame stands
	motion Motion
}

// picture is everything a screen is drawn from. Drawing reads no clock and
// changes nothing but the picture's own derived part.
type picture struct {
	lab  *labState
	ui   *uiState
	look look
	now  time.Time // real
	time int64     // the lab clock at now

	// Derived from the above by derive.
	nodes    []*netlab.NodeStatus // in the order they are shown: by side, then by id
	side     []int                // the side of each of nodes
	sides    [][]int              // ids by side, as shown
	dense    []int                // place in nodes by id, -1 for none
	link     []*netlab.LinkStatus // by place of from * len(nodes) + place of to
	lead     *netlab.NodeStatus   // the leader of the highest term that has one, nil when there is none
	config   netlab.ConfigStatus  // the configuration in force
	voters   voters               // its voters
	everyone []int
	bars     []bar // of a change of the configuration
	messages []row // what the messages pane, the sequence and the cluster show
	hidden   hiddenCount
}

// derive fills the derived part. It reuses what was allocated for the last
// picture.
func (p *picture) derive() {
	st := &p.lab.status
	p.time = p.lab.now(p.now)
	p.lead = nil
	for i := range st.Nodes {
		n := &st.Nodes[i]
		if n.State == netlab.StateUp && n.Role == netlab.RoleLeader && (p.lead == nil || n.Term > p.lead.Term) {
			p.lead = n
		}
	}
	p.deriveConfig()
	p.orderNodes(st)
	p.indexLinks(st)
	p.deriveBars()
	p.gatherMessages()
}

// orderNodes sorts the nodes by side: first the side with the most voters, the
// one that can go on, then by lowest id. Inside a side ids ascend, always, so
// that eyes can stay where they are.
func (p *picture) orderNodes(st *netlab.Status) {
	p.sides = p.sides[:0]
	for _, s := range st.Partition {
		s = slices.Clone(s)
		slices.Sort(s)
		p.sides = append(p.sides, s)
	}
	slices.SortStableFunc(p.sides, func(a, b []int) int {
		return cmp.Or(cmp.Compare(countYes(b, p.voters.has), countYes(a, p.voters.has)), cmp.Compare(len(b), len(a)), slices.Compare(a, b))
	})
	sideOf := func(id int) int {
		for i, s := range p.sides {
			if slices.Contains(s, id) {
				return i
			}
		}
		return len(p.sides)
	}
	p.nodes, p.side = p.nodes[:0], p.side[:0]
	maxID := 0
	for side := 0; side <= len(p.sides); side++ {
		for i := range st.Nodes {
			n := &st.Nodes[i]
			maxID = max(maxID, n.ID)
			if sideOf(n.ID) == side {
				p.nodes = append(p.nodes, n)
				p.side = append(p.side, side)
			}
		}
	}
	p.dense = p.dense[:0]
	for range maxID + 1 {
		p.dense = append(p.dense, -1)
	}
	for i, n := range p.nodes {
		if n.ID >= 0 {
			p.dense[n.ID] = i
		}
	}
}

func (p *picture) indexLinks(st *netlab.Status) {
	n := len(p.nodes)
	p.link = p.link[:0]
	for range n * n {
		p.link = append(p.link, nil)
	}
	for i := range st.Links {
		l := &st.Links[i]
		if from, to := p.place(l.From), p.place(l.To); from >= 0 && to >= 0 {
			p.link[from*n+to] = l
		}
	}
}

// place is where the node of this id stands in nodes, -1 when there is none.
func (p *picture) place(id int) int {
	if id < 0 || id >= len(p.dense) {
		return -1
	}
	return p.dense[id]
}

func (p *picture) node(id int) *netlab.NodeStatus {
	if i := p.place(id); i >= 0 {
		return p.nodes[i]
	}
	return nil
}

// between is the link from place i to place j, nil when the lab told of none.
func (p *picture) between(i, j int) *netlab.LinkStatus { return p.link[i*len(p.nodes)+j] }

// open tells whether the network lets frames pass from place i to place j.
func (p *picture) open(i, j int) bool {
	l := p.between(i, j)
	return l != nil && !l.Cut && !l.Wall
}

// talks tells whether the nodes at i and j run and reach each other both ways.
func (p *picture) talks(i, j int) bool {
	return p.nodes[i].State == netlab.StateUp && p.nodes[j].State == netlab.StateUp && p.open(i, j) && p.open(j, i)
}

// quorumLost: no voter can gather a majority, so no leader can be and nothing
// can commit.
func (p *picture) quorumLost() bool {
	if len(p.nodes) == 0 {
		return false
	}
	for i, n := range p.nodes {
		// A leader outside of C_new counts, too: it leads until that is committed (§6).
		if n.State == netlab.StateUp && (p.votersOf(n).has(n.ID) || n == p.lead) && p.quorum(i) {
			return false
		}
	}
	return true
}

// claims tells whether the node leads a term that is not the highest any
// leader has, or leads without reaching a quorum.
func (p *picture) claims(i int) bool {
	n := p.nodes[i]
	return p.lead != nil && n.Term < p.lead.Term || !p.quorum(i)
}

// roleWord is the role as the panes show it.
func (p *picture) roleWord(i int) (string, style) {
	n := p.nodes[i]
	switch n.State {
	case netlab.StateDead:
		switch {
		case n.Starts == 0:
			return "starting", faint
		case n.Exit != "":
			return "DEAD exit", strong
		}
		return "DEAD -9", faint
	case netlab.StatePaused:
		return "PAUSED", strong
	}
	switch n.Role {
	case netlab.RoleLeader:
		if p.claims(i) {
			return "LEADER?", style{attr: bold | underline}
		}
		if n.TransferTo > 0 {
			return "LEADER>" + name(n.TransferTo), style{attr: bold | reverse}
		}
		return "LEADER", style{attr: bold | reverse}
	case netlab.RoleCandidate:
		return "CANDIDATE", strong
	case netlab.RolePreCandidate:
		return "PREVOTE", strong
	}
	// Who votes is said by the configuration in force, which a follower may not
	// have yet.
	switch {
	case p.learns(n.ID):
		return netlab.RoleLearner, plain
	case p.outside(n.ID):
		return "outside", faint
	}
	return netlab.RoleFollower, plain
}

// timer is how much time a node's timer has left, and its whole length. ok is
// false when none runs (in a process that is dead), or when what is left is
// not known: then length alone may be.
func (p *picture) timer(i int) (left, length time.Duration, ok bool) {
	n := p.nodes[i]
	if n.State == netlab.StateDead || n.TimerEndNS == 0 || n.TimerEndNS <= n.TimerStartNS {
		return 0, 0, false
	}
	length = time.Duration(n.TimerEndNS - n.TimerStartNS)
	end := n.TimerEndNS
	if n.State == netlab.StateUp && n.Role == netlab.RoleLeader && end < p.time {
		// A leader's timer starts again with each heartbeat, and reports of that
		// come late. The network saw the heartbeat leave.
		if fr := p.newest(func(fr *frame) bool { return fr.From == n.ID && fr.Kind == kindHeartbeat }); fr != nil {
			end = max(end, fr.LeftNS+int64(length))
		}
		if end < p.time {
			return 0, length, false
		}
	}
	left = time.Duration(clamp64(end-p.time, 0, int64(length)))
	return left, length, true
}

// newest is the last frame heard of that f wants, nil when there is none.
func (p *picture) newest(f func(*frame) bool) *frame {
	var found *frame
	for _, list := range [...][]frame{p.lab.beats.list, p.lab.frames.list} {
		for i := len(list) - 1; i >= 0; i-- {
			if f(&list[i]) {
				if found == nil || list[i].LeftNS > found.LeftNS {
					found = &list[i]
				}
				break
			}
		}
	}
	return found
}

func clamp64(v, lo, hi int64) int64 { return max(lo, min(v, hi)) }

// termAt is the term of the entry at index in n's log; ok is false when the
// log has none there. Runs ascend.
func termAt(runs []netlab.TermRun, index uint64) (term uint64, ok bool) {
	i, found := slices.BinarySearchFunc(runs, index, func(r netlab.TermRun, index uint64) int { return cmp.Compare(r.First, index) })
	if !found {
		i--
	}
	if i >= 0 {
		return runs[i].Term, index < runs[i].First+runs[i].Count
	}
	return 0, false
}

// differs tells whether n's entry at index is not the one the leader of the
// highest term has there: equal index and term is the same entry (Log
// Matching, §5.3). Of entries the leader has no more, or does not tell of, that
// is not known.
func (p *picture) differs(n *netlab.NodeStatus, index uint64) bool {
	if p.lead == nil || p.lead == n {
		return false
	}
	own, ok := termAt(n.Log, index)
	if !ok {
		return false
	}
	theirs, ok := termAt(p.lead.Log, index)
	if !ok {
		return index > p.lead.LastIndex
	}
	return own != theirs
}
