package tui

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/raftlab/raftlab/netlab"
)

func drawn(w int, f func(pane)) string {
	var g grid
	g.reset(w, 1, true)
	f(g.all())
	return ansi.Strip(string(g.appendTo(nil, ColorNone)))
}

func TestFoldSaysAsMuchAsFits(t *testing.T) {
	n := &netlab.NodeStatus{FirstIndex: 41, SnapshotIndex: 40, SnapshotTerm: 6}
	for _, tt := range []struct {
		w    int
		want string
	}{
		{0, ""}, {2, "[]"}, {4, "[40]"}, {8, "[40 t6 ]"}, {12, "[snap 40 t6]"}, {16, "[snapshot 40 t6]"}, {20, "[snapshot 40 t6 ===]"},
	} {
		if got := drawn(tt.w, func(pn pane) { drawFold(pn, 0, n, plain) }); got != tt.want {
			t.Errorf("%d columns: %q, want %q", tt.w, got, tt.want)
		}
	}
}

func TestSnapshotOnItsWaySaysHowFar(t *testing.T) {
	s := sending{index: 40, offset: 2 << 20, size: 4 << 20}
	for _, tt := range []struct {
		w    int
		s    sending
		want string
	}{
		{60, s, "[#########.........] snapshot 40: 2.0 MiB of 4.0 MiB from S1"},
		{40, s, "[###...] snapshot 40: 2.0 MiB of 4.0 MiB"},
		{14, s, "[####....] 50%"},
		{10, s, "[##..] 50%"},
		{9, s, ""},
		{40, sending{index: 40, offset: 2 << 20}, "snapshot 40: 2.0 MiB from S1"},
	} {
		got := strings.TrimSpace(drawn(tt.w, func(pn pane) { drawSending(pn, 0, tt.s, "S1") }))
		if got != tt.want {
			t.Errorf("%d columns: %q, want %q", tt.w, got, tt.want)
		}
	}
}

// Logs are scrolled back to where they begin, not into what snapshots stand
// for; and entries the lab does not tell the terms of are not shown as missing.
func TestWindowOfACompactedLog(t *testing.T) {
	p := picture{lab: &labState{}, ui: &uiState{logBack: 1 << 40}}
	n := &netlab.NodeStatus{ID: 1, FirstIndex: 901, LastIndex: 1000, SnapshotIndex: 900, SnapshotTerm: 2, Commit: 1000,
		Log: []netlab.TermRun{{Term: 3, First: 951, Count: 50}}}
	empty := &netlab.NodeStatus{ID: 2, FirstIndex: 1}
	p.nodes = []*netlab.NodeStatus{n, empty}
	if lo, hi := p.window(20); lo != 895 || hi != 914 {
		t.Errorf("scrolled to the start the window is %d-%d, want 895-914", lo, hi)
	}
	if got, want := drawn(80, func(pn pane) { drawLog(&p, pn, 0, 0, n, 895, 914) }), "[900 t2 ===]? ? ?"; !strings.HasPrefix(got, want) {
		t.Errorf("drawn as %q, want it to begin with %q", got, want)
	}
	p.ui.logBack = 0
	if lo, hi := p.window(20); lo != 982 || hi != 1001 {
		t.Errorf("at the end the window is %d-%d, want 982-1001", lo, hi)
	}
}

// What a leader has compacted cannot be compared, so it does not differ.
func TestCompactedEntriesDoNotDiffer(t *testing.T) {
	lead := &netlab.NodeStatus{ID: 1, FirstIndex: 51, LastIndex: 60, Log: []netlab.TermRun{{Term: 3, First: 51, Count: 10}}}
	n := &netlab.NodeStatus{ID: 2, LastIndex: 62, Log: []netlab.TermRun{{Term: 1, First: 1, Count: 52}, {Term: 3, First: 53, Count: 10}}}
	p := picture{lab: &labState{}, lead: lead}
	for _, tt := range []struct {
		index uint64
		want  bool
	}{{1, false}, {50, false}, {51, true}, {52, true}, {53, false}, {61, true}, {63, false}} {
		if got := p.differs(n, tt.index); got != tt.want {
			t.Errorf("entry %d: %v, want %v", tt.index, got, tt.want)
		}
	}
}

// When snapshots stand for all there is, the title does not name entries.
func TestTitleOfEmptyLogs(t *testing.T) {
	make := func() (netlab.Update, netlab.Update) {
		return after(steady(wholeNow, "11122", 1, 2, 3), func(st *netlab.Status) {
			for i := range st.Nodes {
				compactLog(&st.Nodes[i], 5, 140)
			}
		})
	}
	if got := ansi.Strip(draw(scene(make), look{w: 80, h: 24, ascii: true}, nil)); !strings.Contains(got, "LOG empty after 5") {
		t.Errorf("no title of empty logs:\n%s", got)
	}
}
