package tui

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/charmbracelet/x/ansi"

	"github.com/raftlab/raftlab/netlab"
)

// stopped is the split lab, held by a breakpoint.
func stopped(by *netlab.BreakHit) func() (netlab.Update, netlab.Update) {
	return func() (netlab.Update, netlab.Update) {
		first, then := split()
		for _, u := range []*netlab.Update{&first, &then} {
			if u.Status != nil {
				u.Status.Clock.Held, u.Status.Clock.Break = true, by
			}
			if u.Lab != nil {
				u.Lab.Clock.Held, u.Lab.Clock.Break = true, by
			}
		}
		return first, then
	}
}

// A lab that a breakpoint holds says so in the title, and what was seen in the
// sentence below it; the footer offers the step, which a lab that runs does not.
func TestBreakIsABanner(t *testing.T) {
	hit := &netlab.BreakHit{ID: 3, Cond: "two-leaders", Seen: "S1 leads term 7, S2 leads term 6"}
	for _, lk := range []look{{w: 120, h: 40}, {w: 80, h: 24}} {
		lines := strings.Split(draw(scene(stopped(hit)), lk, nil), "\n")
		if !strings.Contains(lines[0], "BREAK 3") {
			t.Errorf("%v: title %q", lk, lines[0])
		}
		if want := "Stopped at breakpoint 3, two-leaders: S1 leads term 7, S2 leads term 6."; !strings.Contains(lines[1], want) {
			t.Errorf("%v: sentence %q", lk, lines[1])
		}
		held := strings.Split(draw(scene(stopped(nil)), lk, nil), "\n")
		if strings.Contains(held[0], "BREAK") || !strings.Contains(held[0], "HELD") {
			t.Errorf("%v: held by hand it says %q", lk, held[0])
		}
	}
	footer := func(make func() (netlab.Update, netlab.Update)) string {
		lines := strings.Split(strings.TrimRight(draw(scene(make), look{w: 200, h: 50}, nil), "\n"), "\n")
		return ansi.Strip(lines[len(lines)-1])
	}
	if f := footer(stopped(nil)); !strings.Contains(f, ". step") {
		t.Errorf("held: footer %q", f)
	}
	if f := footer(split); strings.Contains(f, ". step") {
		t.Errorf("running: footer %q", f)
	}
}

func TestStepKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := &fakeLab{}
		m := newTestModel(t, lab, nil)
		press(m, ".", ".")
		if want := []string{"step", "step"}; !slices.Equal(lab.lines, want) {
			t.Errorf("ran %q, want %q", lab.lines, want)
		}
	})
}
