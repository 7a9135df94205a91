package tui

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/raftlab/raftlab/netlab"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Each scene at each size a person is likely to have, in ASCII and without
// colour: what is in these files is what such a person reads.
func TestScreens(t *testing.T) {
	for _, sc := range scenes {
		for _, size := range [][2]int{{40, 12}, {60, 16}, {80, 24}, {120, 40}, {200, 50}} {
			name := sc.name + "-" + sizeName(size[0], size[1])
			t.Run(name, func(t *testing.T) {
				got := ansi.Strip(draw(scene(sc.make), look{w: size[0], h: size[1], ascii: true, color: ColorNone}, nil)) + "\n"
				golden(t, name+".txt", got)
			})
		}
	}
}

// golden compares a screen with a file under testdata, which -update rewrites.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("screen differs from %s (-update rewrites it); got:\n%s", file, got)
	}
}

// A screen is exactly as large as the terminal whatever its size: one line too
// many and the title is lost.
func TestScreenIsExactlyAsLargeAsTheTerminal(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	overlays := []overlay{overlayNone, overlayHelp, overlayNode, overlayMessage, overlayEvent, overlayText, overlayConfirm, overlayInput}
	views := []view{viewHome, viewNodes, viewMessages, viewLinks, viewEvents, viewData}
	for range 500 {
		w, h := 1+random.IntN(250), 1+random.IntN(80)
		st := scene(scenes[random.IntN(len(scenes))].make)
		if random.IntN(8) == 0 {
			st.change(func(l *labState) { l.lose(epoch.Add(-3*time.Second), "gone", random.IntN(2) == 0) })
		}
		got := draw(st, look{w: w, h: h, ascii: random.IntN(2) == 0, color: Color(1 + random.IntN(4))}, func(p *picture) {
			p.ui.overlay, p.ui.view = overlays[random.IntN(len(overlays))], views[random.IntN(len(views))]
			p.ui.node = random.IntN(11)
			p.ui.logBack = uint64(random.IntN(200))
			p.ui.scroll = random.IntN(50)
			p.ui.linkFrom, p.ui.linkTo = random.IntN(9), random.IntN(9)
			p.ui.text = []string{"one", strings.Repeat("wide 世界 ", 20)}
			p.ui.input.set("put x " + strings.Repeat("é世", random.IntN(60)))
			p.ui.notice = notice{text: strings.Repeat("something happened ", random.IntN(12)), hint: "do this", bad: random.IntN(2) == 0}
			p.ui.dumps = map[int]dumpState{1: {dump: &netlab.Dump{Pairs: []netlab.DumpPair{{Key: "世界", Value: "\x1b[2J"}}}}, 2: {err: "dead"}}
		})
		lines := strings.Split(got, "\n")
		if len(lines) != h {
			t.Fatalf("%dx%d: %d lines", w, h, len(lines))
		}
		for y, l := range lines {
			if n := ansi.StringWidth(l); n != w {
				t.Fatalf("%dx%d: line %d is %d columns wide: %q", w, h, y, n, l)
			}
		}
		if strings.Contains(got, "\x1b[2J") {
			t.Fatalf("%dx%d: a user's value reached the terminal as a command", w, h)
		}
	}
}

// The largest screen with nine nodes and as much heard of as is kept: an
// election, and a change of the configuration over compacted logs.
func BenchmarkRender(b *testing.B) {
	for _, sc := range []struct {
		name string
		make func() (netlab.Update, netlab.Update)
	}{{"election", killed}, {"joint", func() (netlab.Update, netlab.Update) {
		first, u := large(9)
		for i := range u.Nodes {
			compactLog(&u.Nodes[i], 5, 3<<20)
		}
		return first, u
	}}} {
		b.Run(sc.name, func(b *testing.B) { benchmarkRender(b, scene(sc.make)) })
	}
}

func benchmarkRender(b *testing.B, st *store) {
	st.change(func(l *labState) {
		for i := range 5000 {
			l.addEvents([]netlab.Event{{ID: uint64(100 + i), Kind: netlab.EventAppend, Node: 1 + i%9, Minor: i%3 > 0, Text: "appends entry from S4", LabNS: l.clock.labNS}})
			l.addFrame(netlab.Frame{ID: uint64(1e6 + i), From: 4, To: 1 + i%9, Kind: "append", Term: 8, Entries: 1, PrevIndex: uint64(i), LeftNS: l.clock.labNS, DueNS: l.clock.labNS + 1e6}, epoch)
		}
	})
	var lab labState
	ui := uiState{node: 4, marked: map[int]bool{}}
	p := &picture{lab: &lab, ui: &ui, look: look{w: 200, h: 50, color: Color256, frame: time.Second / 15}, now: epoch}
	s := screen{keys: newKeyMap()}
	s.actions = s.keys.actions()
	b.ReportAllocs()
	for b.Loop() {
		lab.version = 0
		st.copyTo(&lab)
		s.render(p)
	}
}
