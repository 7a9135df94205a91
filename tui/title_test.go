package tui

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/raftlab/raftlab/netlab"
)

// A cut stands in the title at every size, beside a partition too: without it a
// link that carries nothing looks like a fault of Raft.
func TestTitleNamesCuts(t *testing.T) {
	split := func() (netlab.Update, netlab.Update) {
		first, second := split()
		first.Status.Links[0].Cut = true
		for i := range second.Links {
			second.Links[i].Cut = second.Links[i].From == 1 && second.Links[i].To == 2
		}
		return first, second
	}
	for _, w := range []int{80, 120, 200} {
		picture := ansi.Strip(draw(scene(split), look{w: w, h: 24, ascii: true}, nil))
		title, _, _ := strings.Cut(picture, "\n")
		if !strings.Contains(title, "SPLIT 3|2") || !strings.Contains(title, "1 CUT") {
			t.Errorf("%d columns: %q names no partition or no cut", w, title)
		}
	}
}
