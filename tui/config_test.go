package tui

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/raftlab/raftlab/netlab"
)

// A decision takes more than half of each set (§6). The oracle counts by hand,
// over every way to say yes.
func TestDecideNeedsAMajorityOfEachSet(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	set := func() (ids []int) {
		for id := 1; id <= 7; id++ {
			if random.IntN(2) == 0 {
				ids = append(ids, id)
			}
		}
		return ids
	}
	for range 200 {
		v := voters{set(), set()}
		for yes := range 1 << 8 {
			says := func(id int) bool { return yes&(1<<id) != 0 }
			want := len(v.now) > 0
			for _, ids := range [][]int{v.now, v.old} {
				agree, against := 0, 0
				for _, id := range ids {
					if says(id) {
						agree++
					} else {
						against++
					}
				}
				want = want && (len(ids) == 0 || agree > against)
			}
			if got := v.decide(says); got != want {
				t.Fatalf("%+v with yes %08b: %v, want %v", v, yes, got, want)
			}
		}
	}
}

// Whatever of a change is heard, in whatever steps, it is known from where to
// where it goes; and that it was given up.
func TestChangeIsFollowed(t *testing.T) {
	old, next := []int{1, 2, 3}, []int{1, 2, 3, 4, 5}
	start := netlab.ConfigStatus{Committed: true, Voters: old}
	learners := netlab.ConfigStatus{Index: 7, Voters: old, Learners: []int{4, 5}}
	ahead := netlab.ConfigStatus{Index: 7, Committed: true, Voters: old, Learners: []int{4, 5}, Target: &netlab.TargetStatus{Voters: next}}
	joint := netlab.ConfigStatus{Index: 9, Voters: next, VotersOld: old}
	appended := netlab.ConfigStatus{Index: 10, Voters: next}
	done := netlab.ConfigStatus{Index: 10, Committed: true, Voters: next}
	for _, tt := range []struct {
		name    string
		heard   []netlab.ConfigStatus
		old     []int
		new     []int
		stepsAt int // the step it was last seen going on at
	}{
		{"nothing changes", []netlab.ConfigStatus{start, start}, nil, nil, 0},
		{"learners change no votes", []netlab.ConfigStatus{start, learners}, nil, nil, 0},
		{"it is ahead", []netlab.ConfigStatus{start, ahead}, old, next, 1},
		{"every step is heard", []netlab.ConfigStatus{start, ahead, joint, appended, done, done}, old, next, 4},
		{"the joint step is missed", []netlab.ConfigStatus{start, ahead, done}, old, next, 2},
		{"only the end is heard", []netlab.ConfigStatus{start, done, done}, old, next, 1},
		{"heard of at first when joint", []netlab.ConfigStatus{joint, done}, old, next, 1},
		{"heard of at first when over", []netlab.ConfigStatus{done}, nil, nil, 0},
		{"a new leader does not have C_old,new", []netlab.ConfigStatus{start, joint, start}, nil, nil, 0},
	} {
		var c change
		var was netlab.ConfigStatus
		at := time.Time{}
		for i, is := range tt.heard {
			now := epoch.Add(time.Duration(i) * time.Second)
			c.follow(&was, &is, now)
			was = is
			if i == tt.stepsAt {
				at = now
			}
		}
		if !slices.Equal(c.old, tt.old) || !slices.Equal(c.new, tt.new) {
			t.Errorf("%s: from %v to %v, want from %v to %v", tt.name, c.old, c.new, tt.old, tt.new)
		}
		if tt.new != nil && !c.at.Equal(at) {
			t.Errorf("%s: last seen going on at %v, want %v", tt.name, c.at.Sub(epoch), at.Sub(epoch))
		}
	}
}

// What is over stays long enough to be read, then goes.
func TestChangeIsShownForAWhileAfterItsEnd(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {changeStays - time.Millisecond, true}, {changeStays, false}} {
		got := draw(scene(gone), look{w: 80, h: 24, ascii: true}, func(p *picture) { p.now = epoch.Add(tt.after) })
		if shown := strings.Contains(got, "does not count any more"); shown != tt.want {
			t.Errorf("%v after: shown is %v, want %v", tt.after, shown, tt.want)
		}
	}
}

// large is a lab of n nodes, ids with gaps, in the middle of a change: half of
// them are to go.
func large(n int) (netlab.Update, netlab.Update) {
	var ids, next []int
	for i := range n {
		ids = append(ids, 3*i+1)
		if i%2 == 0 {
			next = append(next, 3*i+1)
		}
	}
	return after(steady(wholeNow, "1112222222", ids...), func(st *netlab.Status) {
		st.Config = netlab.ConfigStatus{Index: 11, Voters: next, VotersOld: ids}
		grow(&st.Nodes[0], 2, 1)
		configure(st.Config, &st.Nodes[0])
	})
}

// However many nodes and however narrow the screen: both tallies can be read,
// and the node that is picked is in sight.
func TestManyNodes(t *testing.T) {
	for _, n := range []int{3, 9, 13, 21} {
		for _, size := range [][2]int{{60, 16}, {80, 24}, {120, 40}, {200, 50}} {
			lk := look{w: size[0], h: size[1], ascii: true}
			picked := 3*(n-1) + 1
			got := ansi.Strip(draw(scene(func() (netlab.Update, netlab.Update) { return large(n) }), lk, func(p *picture) { p.ui.node = picked }))
			for _, want := range []string{"C_old", "C_new", "1 of " + strconv.Itoa(n), "1 of " + strconv.Itoa((n+1)/2), "> S" + strconv.Itoa(picked) + " "} {
				if !strings.Contains(got, want) {
					t.Errorf("%d nodes at %v: no %q in\n%s", n, size, want, got)
				}
			}
		}
	}
}

// Marks of votes stand by id whatever the ids are, over the voters alone.
func TestVotesWithGapsBetweenIDs(t *testing.T) {
	n := &netlab.NodeStatus{ID: 7, State: netlab.StateUp, Role: netlab.RoleCandidate, Voters: []int{1, 2, 5, 7},
		Votes: []netlab.VoteStatus{{From: 7, Granted: true}, {From: 2, Granted: true}, {From: 5}}}
	var g grid
	for _, tt := range []struct {
		w    int
		want string
	}{{9, ".2n7"}, {3, "2/4"}} {
		g.reset(tt.w, 1, true)
		drawVotes(&picture{lab: &labState{}, ui: &uiState{}}, g.all(), n)
		if got := strings.TrimSpace(ansi.Strip(string(g.appendTo(nil, ColorNone)))); got != tt.want {
			t.Errorf("in %d columns: %q, want %q", tt.w, got, tt.want)
		}
	}
}

// An entry that holds a configuration is known by its index and term: another
// one at the same index is none.
func TestConfigurationsAreKnownByIndexAndTerm(t *testing.T) {
	var l labState
	first, second := joint()
	l.apply(first, nil, epoch)
	l.apply(second, nil, epoch)
	p := picture{lab: &l}
	for _, tt := range []struct {
		index, term uint64
		want        rune
	}{{57, 3, 'C'}, {58, 3, 'J'}, {58, 4, 0}, {56, 3, 0}} {
		if got := p.configLetter(tt.index, tt.term); got != tt.want {
			t.Errorf("entry %d of term %d: %q, want %q", tt.index, tt.term, got, tt.want)
		}
	}
	// A copy that was handed out stays as it was.
	before := l.configs
	l.noteConfig(configEntry{1, 1, true})
	if before[0].index == 1 || l.configs[0].index != 1 {
		t.Error("the list was written to")
	}
	for i := range uint64(2 * keepConfigs) {
		l.noteConfig(configEntry{100 + i, 9, false})
	}
	if len(l.configs) != keepConfigs || l.configs[keepConfigs-1].index != 99+2*keepConfigs {
		t.Errorf("%d are kept, up to %d", len(l.configs), l.configs[len(l.configs)-1].index)
	}
}

// A leader of a smaller cluster than the lab has nodes is one all the same:
// learners and nodes that are out do not count.
func TestQuorumFollowsTheConfiguration(t *testing.T) {
	make := func() (netlab.Update, netlab.Update) {
		first, u := after(threeAndTwo(), func(st *netlab.Status) {
			for i := range st.Nodes {
				if id := st.Nodes[i].ID; id > 2 {
					st.Nodes[i].State = netlab.StateDead
				}
			}
		})
		return first, u
	}
	draw(scene(make), look{w: 80, h: 24}, func(p *picture) {
		p.derive()
		if word, _ := p.roleWord(0); word != "LEADER" || p.quorumLost() {
			t.Errorf("with 2 of 3 voters the leader is %q, quorum lost is %v", word, p.quorumLost())
		}
		p.nodes[1].State = netlab.StateDead
		if word, _ := p.roleWord(0); word != "LEADER?" || !p.quorumLost() {
			t.Errorf("with 1 of 3 voters the leader is %q, quorum lost is %v", word, p.quorumLost())
		}
	})
}

// The facts of a node: its configuration, its lease, whom it hands over to, what
// it is sent, and the flow to each peer.
func TestNodeFacts(t *testing.T) {
	for _, tt := range []struct {
		make func() (netlab.Update, netlab.Update)
		node int
		want []string
	}{
		{joint, 1, []string{"C_old S1-S3 and C_new S1-S5, by entry 58, not committed", "lease for 118ms", "entry 58 needs 2+3 copies, known are 2 of 3 old, 3 of 5 new (S1 S2 S4)", "replicate"}},
		{joint, 3, []string{"voters S1-S3, learners S4 S5, by entry 57"}},
		{jointVote, 2, []string{"votes: S2 yes S4 yes S5 yes", "has 1 of 3 old, 3 of 5 new, 2+3 win"}},
		{learning, 1, []string{"probes the log"}},
		{transferring, 1, []string{"hands over to S3"}},
		{receiving, 1, []string{"log 51-64", "snapshot of 1-50 (t3) 8.0 MiB", "snapshot 38%"}},
		{receiving, 3, []string{"log empty", "has no configuration yet", "is sent snapshot 50: 3.1 MiB of 8.0 MiB by S1"}},
		{compacted, 2, []string{"writing one"}},
		{compacted, 5, []string{"log empty behind the snapshot"}},
	} {
		draw(scene(tt.make), look{w: 120, h: 40}, func(p *picture) {
			p.derive()
			text := ""
			for _, l := range p.nodeFacts(p.node(tt.node)) {
				text += l.text + "\n"
			}
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("S%d: no %q in\n%s", tt.node, want, text)
				}
			}
		})
	}
}
