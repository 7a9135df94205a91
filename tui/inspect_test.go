package tui

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/charmbracelet/x/ansi"

	"github.com/raftlab/raftlab/netlab"
)

// queued is a lab that holds three appends from S2 to S3, all of one kind, and
// then tells of their fates.
func queued() (netlab.Update, netlab.Update) {
	before, after := faulty()
	now := before.Status.Clock.LabNS
	for i := range before.Status.Links {
		if l := &before.Status.Links[i]; l.From == 2 && l.To == 3 {
			l.OnHold, l.Held = 3, 3
		}
	}
	after.Frames = nil
	for i := range 3 {
		at := now - int64(3-i)*1000*msNS
		after.Frames = append(after.Frames, netlab.Frame{ID: uint64(41 + i), From: 2, To: 3, Kind: "append", Term: 1,
			PrevIndex: uint64(4 + i), Entries: 1, LeftNS: at, DueNS: at, Held: true, Fault: 4})
	}
	return before, after
}

// inspectModel is the program on that lab, with a message's detail open.
func inspectModel(t *testing.T, lab *fakeLab, change func(*Options)) *model {
	t.Helper()
	m := newTestModel(t, lab, change)
	m.store.change(func(l *labState) {
		first, then := queued()
		l.forget()
		l.apply(first, nil, epoch)
		l.apply(then, nil, epoch)
	})
	m.frame()
	press(m, "i")
	return m
}

func footerOf(m *model) string {
	lines := strings.Split(screenOf(m), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// The queue of held messages is one row where many kinds stand side by side; in
// a message's detail and in the view of the messages each has its own, and is
// dropped, let go and sent again in whatever order.
func TestHeldMessagesOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := &fakeLab{}
		m := inspectModel(t, lab, nil)
		press(m, "<esc>")
		if s := screenOf(m); !strings.Contains(s, "held by f4 x3") {
			t.Errorf("at home they are folded:\n%s", s)
		}
		press(m, "M")
		if s := screenOf(m); strings.Count(s, "held by f4") != 3 || strings.Contains(s, " x3") {
			t.Errorf("in their view each has a row:\n%s", s)
		}
		press(m, "i")
		if s := screenOf(m); !strings.Contains(s, "MESSAGE S2 to S3  append  #43") {
			t.Errorf("the newest first:\n%s", s)
		}
		if f := footerOf(m); f != "up down next one  d drop  b let go  s send again  y copy JSON  esc back" {
			t.Errorf("footer %q", f)
		}
		press(m, "<down>", "b", "<down>", "d", "<up>", "<up>", "s")
		if want := []string{"frame 42 release", "frame 41 drop", "frame 43 inject"}; !slices.Equal(lab.lines, want) {
			t.Errorf("ran %q, want %q", lab.lines, want)
		}

		// What has been acted on stays in sight, with what became of it.
		m.store.change(func(l *labState) {
			_, then := queued()
			then.Frames = then.Frames[2:]
			now := l.status.Clock.LabNS
			then.Frames[0].Held, then.Frames[0].Fault = false, 0
			then.Frames[0].DroppedNS, then.Frames[0].Reason = now, "by hand"
			l.apply(then, nil, epoch)
		})
		m.frame()
		if s := screenOf(m); !strings.Contains(s, "#43") || !strings.Contains(s, "by hand") {
			t.Errorf("dropped:\n%s", s)
		}
		if f := footerOf(m); f != "up down next one  s send again  y copy JSON  esc back" {
			t.Errorf("of what is lost the footer is %q", f)
		}
	})
}

// Elsewhere the keys do what they always do, and the help leads to them.
func TestMessageKeysBelongToItsDetail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := &fakeLab{}
		m := inspectModel(t, lab, nil)
		press(m, "<esc>", "d")
		if m.ui.overlay != overlayConfirm || len(lab.lines) != 0 {
			t.Errorf("d at home: overlay %v, ran %q", m.ui.overlay, lab.lines)
		}
		press(m, "n", "?", "detail: drop", "<enter>")
		if m.ui.overlay != overlayMessage || len(lab.lines) != 0 {
			t.Errorf("from the help: overlay %v, ran %q", m.ui.overlay, lab.lines)
		}
		var out bytes.Buffer
		m.opts.Output = &out
		press(m, "y")
		if s := screenOf(m); !strings.Contains(s, "copied, if the terminal allows it: frame 43 as JSON") || out.Len() == 0 {
			t.Errorf("copied %q:\n%s", out.String(), s)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		lab := &fakeLab{}
		m := inspectModel(t, lab, func(o *Options) { o.ReadOnly = true })
		press(m, "d")
		if f := footerOf(m); len(lab.lines) != 0 || strings.Contains(f, "drop") || !strings.Contains(f, "y copy JSON") {
			t.Errorf("reading only it ran %q, footer %q", lab.lines, f)
		}
	})
}

// A message that is held is not forgotten for others that come after it, and
// one that nobody knows the end of not kept.
func TestHeldMessagesAreKept(t *testing.T) {
	var l, seen labState
	first, then := queued()
	l.apply(first, nil, epoch)
	l.apply(then, nil, epoch)
	for i := range 10 * keepFrames {
		l.addFrame(netlab.Frame{ID: uint64(100 + i), From: 1, To: 2, Kind: "vote", LeftNS: int64(i), ArrivedNS: int64(i)}, epoch)
	}
	held := func() (ids []uint64) {
		l.version++
		l.copyTo(&seen)
		for _, fr := range seen.frames.list {
			if fr.Held {
				ids = append(ids, fr.ID)
			}
		}
		return ids
	}
	if got := held(); !slices.Equal(got, []uint64{41, 42, 43}) || len(seen.frames.list) != keepFrames+3 {
		t.Errorf("held %v of %d", got, len(seen.frames.list))
	}
	for i := range 4 * keepFrames {
		l.addFrame(netlab.Frame{ID: uint64(10_000 + i), From: 2, To: 3, Kind: "append", Held: true}, epoch)
	}
	if n := len(held()); n > keepFrames+keepHeld {
		t.Errorf("%d are kept", n)
	}
	// A whole status comes with all that are under way: the others are not any more.
	first.Frames = then.Frames[1:2]
	l.apply(first, nil, epoch)
	if got := held(); !slices.Equal(got, []uint64{42}) {
		t.Errorf("held %v", got)
	}
	if s := ansi.Strip(draw(&store{lab: l}, look{w: 120, h: 40}, nil)); !strings.Contains(s, "append 6 t1   held") {
		t.Errorf("not shown:\n%s", s)
	}
	for i := range l.status.Links {
		l.status.Links[i].OnHold = 0
	}
	l.version++
	if s := ansi.Strip(draw(&store{lab: l}, look{w: 120, h: 40}, nil)); strings.Contains(s, "append 6 t1") {
		t.Errorf("nothing is held there any more:\n%s", s)
	}
}
