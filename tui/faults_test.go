package tui

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/raftlab/raftlab/netlab"
)

// The view of the links says in words what is set on the one that is picked,
// and lists all faults, at any size that has a line left for them.
func TestLinkViewListsFaults(t *testing.T) {
	for _, size := range [][2]int{{60, 16}, {80, 24}, {120, 40}, {200, 50}} {
		t.Run(sizeName(size[0], size[1]), func(t *testing.T) {
			got := ansi.Strip(draw(scene(faulty), look{w: size[0], h: size[1], ascii: true, color: ColorNone}, func(p *picture) {
				p.ui.view, p.ui.linkFrom, p.ui.linkTo = viewLinks, 3, 1
			})) + "\n"
			golden(t, "view-links-"+sizeName(size[0], size[1])+".txt", got)
		})
	}
}

// With more nodes than a matrix has room for the faults are there all the same.
func TestLinkViewOfManyNodes(t *testing.T) {
	st := scene(func() (netlab.Update, netlab.Update) { return large(21) })
	st.change(func(l *labState) {
		l.status.Faults = []netlab.FaultStatus{{ID: 5, Verb: "slow", Text: "slow 20ms", Links: [][2]int{{1, 4}}}}
	})
	got := ansi.Strip(draw(st, look{w: 80, h: 24, ascii: true, color: ColorNone}, func(p *picture) {
		p.ui.view, p.ui.linkFrom, p.ui.linkTo = viewLinks, 1, 4
	}))
	for _, want := range []string{"S1 to S4: ", "f5   slow 20ms ", " 1 to 4"} {
		if !strings.Contains(got, want) {
			t.Errorf("the screen does not say %q:\n%s", want, got)
		}
	}
}
