package tui

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/raftlab/raftlab/netlab"
)

// Whatever kinds of messages stand in the pane, and however many receivers a
// row stands for, its columns line up and nothing in them is cut.
func TestMessagesLineUp(t *testing.T) {
	lost := func(from int, to []int, kind string) row {
		return row{frame: &frame{Frame: netlab.Frame{From: from, To: to[0], Kind: kind, Term: 12, Reason: "wall", DroppedNS: 1}}, state: lost, count: 130, to: to}
	}
	rows := []row{
		lost(4, []int{3, 1, 2}, kindHeartbeat),
		lost(4, []int{5, 6, 7, 8, 9}, kindPreVote),
		lost(10, []int{21}, kindPreVoteReply),
		{frame: &frame{Frame: netlab.Frame{From: 1, To: 2, Kind: kindAppend, PrevIndex: 1499, Entries: 4, Term: 12, ArrivedNS: 300 * msNS, DueNS: 300 * msNS}}, state: past, count: 1, to: []int{2}},
	}
	for _, w := range []int{62, 80, 136} {
		p := &picture{lab: &labState{}, ui: &uiState{}, look: look{frame: time.Second / 15}}
		var g grid
		g.reset(w, len(rows), true)
		c := messageColumnsFor(p, w, rows)
		to, what := -1, -1
		for y := range rows {
			drawMessage(p, g.all().rows(y, 1), c, &rows[y], false)
		}
		for y, line := range strings.Split(string(g.appendTo(nil, ColorNone)), "\n") {
			line = ansi.Strip(line)
			words := [...][2]string{{"S1,2,3", "heartbeat"}, {"5 nodes", "prevote?"}, {"S21", "NO prevote"}, {"S2", "append 1500-1503"}}[y]
			i, j := strings.Index(line, words[0]), strings.Index(line, words[1])
			if y == 0 {
				to, what = i, j
			}
			if i < 0 || i != to || j != what {
				t.Errorf("%d columns: %q and %q stand at %d and %d, want %d and %d:\n%s", w, words[0], words[1], i, j, to, what, line)
			}
			if fared := [...]string{"wall x130", "wall x130", "wall x130", "300 ms"}[y]; !strings.Contains(line, fared) {
				t.Errorf("%d columns: %q is cut:\n%s", w, fared, line)
			}
		}
	}
}
