package tui

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/raftlab/raftlab/netlab"
)

// fakeLab is a lab that answers what a test says.
type fakeLab struct {
	mu     sync.Mutex
	lines  []string // what was run
	answer func(line string) (Result, error)
	stream func(ctx context.Context, try int, f func(netlab.Update) error) error
	tries  int
	asked  []netlab.EventQuery
	events []netlab.Event
}

func (f *fakeLab) exec(_ context.Context, line string) (Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, line)
	if f.answer != nil {
		return f.answer(line)
	}
	return Result{Out: "did " + line + "\n"}, nil
}

func (f *fakeLab) Stream(ctx context.Context, _ netlab.StreamOptions, fn func(netlab.Update) error) error {
	f.mu.Lock()
	f.tries++
	try := f.tries
	f.mu.Unlock()
	return f.stream(ctx, try, fn)
}

func (f *fakeLab) Events(_ context.Context, q netlab.EventQuery) ([]netlab.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, q)
	var out []netlab.Event
	for _, ev := range f.events {
		if ev.ID > q.After {
			out = append(out, ev)
		}
	}
	return out, nil
}

func (f *fakeLab) Log(_ context.Context, node string, from, _ uint64) (*netlab.Log, error) {
	return &netlab.Log{Node: int(node[0] - '0'), LastIndex: 44, Commit: 43, Source: "node",
		Entries: []netlab.LogEntry{{Index: 44, Term: 7, Kind: "command", Command: "put cart=4"}}}, nil
}

func (f *fakeLab) Dump(_ context.Context, node string) (*netlab.Dump, error) {
	if node == "4" {
		return nil, netlab.Errorf(netlab.ExitFailed, "S4 does not answer")
	}
	return &netlab.Dump{Node: int(node[0] - '0'), Applied: 43, Pairs: []netlab.DumpPair{{Key: "cart", Value: "3", Index: 43}}}, nil
}

// newTestModel is the program on the split scene, connected. It wants a
// synctest bubble around it.
func newTestModel(t *testing.T, lab *fakeLab, change func(*Options)) *model {
	t.Helper()
	opts := Options{Source: lab, Exec: lab.exec, Env: func(string) (string, bool) { return "", false },
		Complete: func(line string) []string {
			var out []string
			for _, w := range []string{"partition", "pause", "put"} {
				if strings.HasPrefix(w, line) {
					out = append(out, w)
				}
			}
			return out
		},
		Preview: func(line string, _ *netlab.Status) string { return "would run " + line },
		Verbs:   []Verb{{Name: "partition", Usage: "Split the cluster", Args: "SIDE [/ SIDE].."}},
	}
	if change != nil {
		change(&opts)
	}
	if err := opts.fill(); err != nil {
		t.Fatal(err)
	}
	// In a bubble time stands once a test has returned: let its tickers end.
	t.Cleanup(func() { time.Sleep(5 * time.Second) })
	m := newModel(t.Context(), opts, scene(split), look{w: 80, h: 24, ascii: true, color: ColorNone, frame: time.Second / 15})
	m.now = func() time.Time { return epoch }
	m.Init()
	m.Update(tickMsg{m.ticker})
	return m
}

// press sends keys as a person does: words in <> are named keys.
func press(m *model, keys ...string) {
	named := map[string]tea.KeyType{"<enter>": tea.KeyEnter, "<esc>": tea.KeyEsc, "<tab>": tea.KeyTab, "<up>": tea.KeyUp, "<down>": tea.KeyDown,
		"<left>": tea.KeyLeft, "<right>": tea.KeyRight, "<home>": tea.KeyHome, "<end>": tea.KeyEnd, "<back>": tea.KeyBackspace, "<C-u>": tea.KeyCtrlU}
	for _, k := range keys {
		msg := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)}
		if t, ok := named[k]; ok {
			msg = tea.KeyMsg{Type: t}
		} else if k == " " {
			msg = tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}}
		}
		_, cmd := m.Update(msg)
		settle(m, cmd)
	}
}

// settle, in a synctest bubble, runs a command and what follows from it, except the ticker.
func settle(m *model, cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	done := make(chan tea.Msg, 1)
	go func() { done <- cmd() }()
	var msg tea.Msg
	select {
	case msg = <-done:
	case <-time.After(30 * time.Millisecond): // of the bubble: nothing else can go on, so it is a ticker
		return
	}
	if batch, ok := msg.(tea.BatchMsg); ok {
		for _, c := range batch {
			settle(m, c)
		}
		return
	}
	if msg == nil {
		return
	}
	if _, tick := msg.(tickMsg); tick {
		return
	}
	_, next := m.Update(msg)
	settle(m, next)
}

func screenOf(m *model) string { return ansi.Strip(m.View()) }

func TestKeysRunLines(t *testing.T) {
	tests := []struct {
		name string
		keys []string
		want []string
	}{
		{"x kills the picked node, the leader at first", []string{"x"}, []string{"kill 1"}},
		{"digits pick", []string{"4", "r"}, []string{"restart 4"}},
		{"down goes by what is on the screen: S3 is below S1", []string{"<down>", "x"}, []string{"kill 3"}},
		{"keys typed fast arrive as one", []string{"5x"}, []string{"kill 5"}},
		{"marked nodes act together, once", []string{"2m4m", "x", "x"}, []string{"kill 2 4", "kill 4"}},
		{"z pauses", []string{"z"}, []string{"pause 1"}},
		{"t lets a timer run out", []string{"3t"}, []string{"elect 3"}},
		{"l hands over to the picked node", []string{"3l"}, []string{"transfer 3"}},
		{"n takes snapshots", []string{"3m5m", "n"}, []string{"snapshot 3 5"}},
		{"a asks, filled with the next number", []string{"a", "<enter>"}, []string{"add 6"}},
		{"d asks, for the data goes", []string{"4d"}, nil},
		{"n takes it back", []string{"4d", "n"}, nil},
		{"y removes", []string{"4d", "y"}, []string{"remove 4"}},
		{"marked nodes leave together", []string{"2m4m", "d", "y", "x"}, []string{"remove 2 4", "kill 4"}},
		{"the palette's remove asks, too", []string{":", "remove 4", "<enter>", "n"}, nil},
		{"members asks when somebody has to go", []string{":", "members 1 2 3 4", "<enter>"}, nil},
		{"and not when nobody has", []string{":", "members S1 2 3 4 5 6 --no-wait", "<enter>", ":", "members", "<enter>"}, []string{"members S1 2 3 4 5 6 --no-wait", "members"}},
		{"p asks, filled with the picked node", []string{"p", "<enter>"}, []string{"partition 1"}},
		{"p asks, filled with the marked nodes", []string{"2m4m", "p", "<enter>"}, []string{"partition 2 4"}},
		{"esc takes the prompt back", []string{"p", "<esc>"}, nil},
		{"the prompt can be edited", []string{"p", "<back>", "2 4", "<enter>"}, []string{"partition 2 4"}},
		{"c s o have their prompts", []string{"c", "<enter>", "s", "<enter>", "o", "<enter>"},
			[]string{"cut 1", "slow 1 20ms", "lose 1 10%"}},
		{"h heals at once", []string{"h"}, []string{"heal"}},
		{"u takes back at once", []string{"u"}, []string{"undo"}},
		{"in the matrix the picked link is healed", []string{"L", "<right>", "h"}, []string{"heal 1 to 3"}},
		{"in the matrix the picked link counts", []string{"L", "<right>", "c", "<enter>"}, []string{"cut 1 to 3"}},
		{"w puts", []string{"w", "x 1", "<enter>"}, []string{"put x 1"}},
		{"W stops writes that run", []string{"W"}, []string{"load stop"}},
		{"space holds", []string{" "}, []string{"hold"}},
		{"brackets change the rate", []string{"[", "]"}, []string{"speed 0.5", "speed 2"}},
		{"the palette takes the command line's words", []string{":", "raftlab slow all 20ms", "<enter>"}, []string{"slow all 20ms"}},
		{"tab completes a word", []string{":", "part", "<tab>", "3", "<enter>"}, []string{"partition 3"}},
		{"up brings the last line back", []string{":", "put x 1", "<enter>", ":", "<up>", "<enter>"}, []string{"put x 1", "put x 1"}},
		{"wipe asks", []string{":", "wipe 3", "<enter>", "n"}, nil},
		{"and is done on y", []string{":", "wipe 3", "<enter>", "y"}, []string{"wipe 3"}},
		{"Q asks and stops the lab", []string{"Q", "y"}, []string{"down"}},
		{"help finds a key and does it", []string{"?", "time", " ", "out", "<enter>"}, []string{"elect 1"}},
		{"help runs what it names", []string{"?", "SIGKILL", "<enter>"}, []string{"kill 1"}},
		{"help opens the palette for a command", []string{"?", "Split", "<enter>", "2 4", "<enter>"}, []string{"partition 2 4"}},
		{"keys act while a node's detail is open", []string{"3", "<enter>", "x"}, []string{"kill 3"}},
		{"g picks by number", []string{"g", "5", "<enter>", "x"}, []string{"kill 5"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lab := &fakeLab{}
				m := newTestModel(t, lab, nil)
				press(m, tt.keys...)
				if !slices.Equal(lab.lines, tt.want) {
					t.Errorf("keys %q ran %q, want %q; screen:\n%s", tt.keys, lab.lines, tt.want, screenOf(m))
				}
			})
		})
	}
}

func TestPasteIsNotARowOfCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := &fakeLab{}
		m := newTestModel(t, lab, nil)
		m.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("xxQy"), Paste: true})
		if len(lab.lines) > 0 || m.ui.overlay != overlayNone {
			t.Errorf("a paste ran %q", lab.lines)
		}
		press(m, ":")
		m.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("put x 1\nkill all\n"), Paste: true})
		if got := m.ui.input.String(); got != "put x 1 kill all " || len(lab.lines) > 0 {
			t.Errorf("pasted into the palette: %q, ran %q", got, lab.lines)
		}
	})
}

func TestErrorsStayUntilDismissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		lab := &fakeLab{}
		lab.answer = func(line string) (Result, error) {
			if fail {
				return Result{}, netlab.Errorf(netlab.ExitConflict, "S1 is dead already").WithHint("raftlab restart 1")
			}
			return Result{Out: "S1 killed\n"}, nil
		}
		m := newTestModel(t, lab, nil)
		press(m, "x", "x")
		now := epoch.Add(time.Hour)
		m.now = func() time.Time { return now }
		m.Update(tickMsg{m.ticker})
		for _, want := range []string{"error: S1 is dead already (and 1 error before it)", "hint: raftlab restart 1"} {
			if !strings.Contains(screenOf(m), want) {
				t.Errorf("an hour later the screen lacks %q:\n%s", want, screenOf(m))
			}
		}
		press(m, "<esc>")
		if strings.Contains(screenOf(m), "error:") {
			t.Error("esc did not dismiss the error")
		}
		fail = false
		press(m, "x")
		if !strings.Contains(screenOf(m), "S1 killed") {
			t.Errorf("the answer is not shown:\n%s", screenOf(m))
		}
		now = now.Add(10 * time.Second)
		m.Update(tickMsg{m.ticker})
		if strings.Contains(screenOf(m), "S1 killed") {
			t.Error("an answer stays for ever")
		}
	})
}

func TestReadOnlyRefusesWhatActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := &fakeLab{}
		m := newTestModel(t, lab, func(o *Options) { o.ReadOnly = true })
		press(m, "x", "<esc>", " ", "<esc>", "d", "<esc>", "a", "<esc>", ":", "heal", "<enter>", "<esc>", ":", "members 1", "<enter>", "<esc>",
			":", "members", "<enter>", "<esc>", ":", "status", "<enter>")
		if want := []string{"members", "status"}; !slices.Equal(lab.lines, want) {
			t.Errorf("ran %q, want %q", lab.lines, want)
		}
	})
}

// Who adds a node may want to kill the leader while it catches up: lines that
// wait for the cluster hold no other up. Of the others one runs at a time.
func TestLinesThatWaitHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := &fakeLab{}
		m := newTestModel(t, lab, nil)
		started := make(chan string, 9)
		ended := map[string]chan error{"add 6": make(chan error), "kill 1": make(chan error), "kill 3": make(chan error)}
		m.opts.Exec = func(ctx context.Context, line string) (Result, error) {
			started <- line
			select {
			case err := <-ended[line]:
				return Result{Out: "did " + line}, err
			case <-ctx.Done():
				return Result{}, ctx.Err()
			}
		}
		answers := make(chan doneMsg, 9)
		var spawn func(cmd tea.Cmd)
		spawn = func(cmd tea.Cmd) {
			if cmd == nil {
				return
			}
			go func() {
				switch msg := cmd().(type) {
				case tea.BatchMsg:
					for _, c := range msg {
						spawn(c)
					}
				case doneMsg:
					answers <- msg
				}
			}()
		}
		send := func(k string) {
			msg := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)}
			switch k {
			case "<enter>":
				msg = tea.KeyMsg{Type: tea.KeyEnter}
			case "<esc>":
				msg = tea.KeyMsg{Type: tea.KeyEsc}
			}
			_, cmd := m.Update(msg)
			spawn(cmd)
			synctest.Wait()
		}
		take := func() {
			_, cmd := m.Update(<-answers)
			spawn(cmd)
			synctest.Wait()
		}
		send("a")
		send("<enter>")
		send("x")
		send("3")
		send("x")
		if got := []string{<-started, <-started}; len(started) > 0 || got[0] != "add 6" || got[1] != "kill 1" {
			t.Fatalf("%q run, and %d more", got, len(started))
		}
		if !strings.Contains(screenOf(m), "waiting for: kill 1") {
			t.Errorf("it is not said what is waited for:\n%s", screenOf(m))
		}
		ended["kill 1"] <- nil
		take()
		if got := m.jobs[len(m.jobs)-1].line; got != "kill 3" {
			t.Errorf("%q runs next, want kill 3", got)
		}
		for range 3 { // what runs goes first, what waits last, after whatever is open
			send("<esc>")
		}
		take()
		if len(m.jobs) != 1 || m.jobs[0].line != "add 6" {
			t.Fatalf("%d lines run after the first was ended", len(m.jobs))
		}
		for range 3 {
			send("<esc>")
		}
		take()
		if len(m.jobs) > 0 || !strings.Contains(screenOf(m), "no longer waiting for: add 6 (what has begun goes on)") {
			t.Errorf("%d lines run; screen:\n%s", len(m.jobs), screenOf(m))
		}
	})
}

// What a removal does to the quorum is said before it is done.
func TestConfirmShowsThePreview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestModel(t, &fakeLab{}, nil)
		press(m, "4d")
		for _, want := range []string{"raftlab remove 4", "process ends", "would run remove 4", "y yes  n no"} {
			if !strings.Contains(strings.Join(strings.Fields(screenOf(m)), " "), strings.Join(strings.Fields(want), " ")) {
				t.Errorf("no %q in\n%s", want, screenOf(m))
			}
		}
	})
}

// Nodes that come and go leave alone what is picked; when the picked one goes,
// the one in its place is picked.
func TestPicksSurviveNodesThatComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestModel(t, &fakeLab{}, nil)
		take := func(u netlab.Update) {
			m.store.change(func(l *labState) { l.apply(u, nil, epoch) })
			m.Update(tickMsg{m.ticker})
		}
		press(m, "3m5m")
		m.ui.linkFrom, m.ui.linkTo = 5, 3
		take(netlab.Update{Gone: []int{2, 3}})
		if m.ui.node != 5 || len(m.ui.marked) != 1 || !m.ui.marked[5] {
			t.Errorf("without S2 and S3: node %d, marked %v", m.ui.node, m.ui.marked)
		}
		if from, to := m.pic.pickedLink(); m.pic.nodes[from].ID != 5 || to != 0 {
			t.Errorf("the picked link is from place %d to %d", from, to)
		}
		take(netlab.Update{Nodes: []netlab.NodeStatus{follower(3, "77", 7, 1, 1, 100, 200, 0), follower(9, "77", 7, 1, 1, 100, 200, 0)}})
		if m.ui.node != 5 || len(m.ui.marked) != 1 {
			t.Errorf("with S3 and S9: node %d, marked %v", m.ui.node, m.ui.marked)
		}
		press(m, "<enter>")
		take(netlab.Update{Gone: []int{5}})
		if m.ui.node != 9 || m.ui.overlay != overlayNone || !strings.Contains(screenOf(m), "S5 is no longer in the lab") {
			t.Errorf("without S5: node %d, overlay %v:\n%s", m.ui.node, m.ui.overlay, screenOf(m))
		}
		take(netlab.Update{Gone: []int{9}})
		if m.ui.node != 4 {
			t.Errorf("without S9, the last: node %d", m.ui.node)
		}
	})
}

// The rate of messages counts what was sent, not what links of removed nodes
// had counted.
func TestTrafficWhenNodesGo(t *testing.T) {
	first, _ := quiet()
	var l labState
	l.apply(first, nil, epoch)
	for i := 1; i <= 20; i++ {
		now := epoch.Add(time.Duration(i) * 100 * time.Millisecond)
		u := netlab.Update{Lab: &netlab.LabChange{Clock: netlab.ClockStatus{LabNS: 8_000*msNS + int64(i)*100*msNS, Rate: 1}}}
		for _, k := range l.status.Links {
			k.Sent += 5
			u.Links = append(u.Links, k)
		}
		if i == 10 {
			u.Gone, u.Links = []int{3}, nil
		}
		l.apply(u, nil, now)
		if sent, _, _, ok := l.traffic.perSecond(); ok && (sent < 50 || sent > 301) {
			t.Fatalf("step %d: %v messages a second", i, sent)
		}
	}
	if sent, _, _, _ := l.traffic.perSecond(); int(sent+0.5) != 100 && int(sent+0.5) != 95 {
		t.Errorf("on two links %v messages a second, want about 100", sent)
	}
}

// A lost lab leaves its last picture, dated, and refuses what acts.
func TestLostLabKeepsItsPicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := &fakeLab{}
		m := newTestModel(t, lab, nil)
		m.store.change(func(l *labState) { l.lose(epoch, "connection refused", false) })
		m.now = func() time.Time { return epoch.Add(3 * time.Second) }
		m.Update(tickMsg{m.ticker})
		got := screenOf(m)
		for _, want := range []string{"NO CONNECTION 3 s, picture of 00:42.312, retry 1", "S1 LEADER", "committed 43"} {
			if !strings.Contains(got, want) {
				t.Errorf("screen lacks %q:\n%s", want, got)
			}
		}
		press(m, "x")
		if len(lab.lines) > 0 || !strings.Contains(screenOf(m), "not connected: kill needs the lab") {
			t.Errorf("x ran %q; screen:\n%s", lab.lines, screenOf(m))
		}
		press(m, "<esc>")
		m.store.change(func(l *labState) { l.lose(epoch, "it was taken down", true) })
		m.Update(tickMsg{m.ticker})
		if !strings.Contains(screenOf(m), "The lab was stopped: it was taken down.") {
			t.Errorf("no card:\n%s", screenOf(m))
		}
	})
}

// While the lab clock is held and nothing comes, no frame is drawn at all.
func TestHeldLabCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := &fakeLab{}
		m := newTestModel(t, lab, nil)
		m.now = time.Now
		m.store.change(func(l *labState) {
			l.apply(netlab.Update{Lab: &netlab.LabChange{Term: 7, Leader: 1, Commit: 43, Clock: netlab.ClockStatus{LabNS: 42_312 * msNS, Rate: 1, Held: true}, LastEvent: 6}}, nil, time.Now())
		})
		frames := 0
		cmd := m.frame()
		for start := time.Now(); time.Since(start) < 5*time.Second; frames++ {
			out := make(chan tea.Msg, 1)
			go func() { out <- cmd() }()
			select {
			case msg := <-out:
				_, cmd = m.Update(msg)
			case <-time.After(10 * time.Second):
				// Asleep, as it should be; now something comes.
				m.store.change(func(*labState) {})
				if msg := <-out; msg != (stirMsg{m.ticker}) {
					t.Fatalf("woken by %#v", msg)
				}
			}
		}
		if frames > 20 {
			t.Errorf("%d frames while nothing changed", frames)
		}
	})
}

// Of two that wait for the lab, an old one and today's, the old one may be the
// one that is woken. What it took must reach the other.
func TestStaleWaiterPassesTheNewsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestModel(t, &fakeLab{}, nil)
		old := m.wait()
		m.restartTicker()
		today := m.wait()
		for len(m.store.changed) > 0 {
			<-m.store.changed
		}
		m.store.stir()
		stale := old()
		m.Update(stale)
		if got := today(); got != (stirMsg{m.ticker}) {
			t.Errorf("woken by %#v", got)
		}
	})
}

// What a scenario says stands whole above the footer while an audience reads
// it, and what was said long before the view came does not.
func TestWhatIsSaidIsShownWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const said = "S1 leads. A wall goes up: S1 and S2 on one side, the other three on the other, and nobody passes."
		m := newTestModel(t, &fakeLab{}, nil)
		now := epoch
		m.now = func() time.Time { return now }
		note := func(id uint64, text string) {
			ev := netlab.Event{ID: id, LabNS: 42_312 * msNS, Kind: netlab.EventNote, Text: text}
			m.store.change(func(l *labState) { l.apply(netlab.Update{Events: []netlab.Event{ev}}, nil, now) })
			m.Update(tickMsg{m.ticker})
		}
		note(7, said)
		if text := strings.Join(strings.Fields(screenOf(m)), " "); !strings.Contains(text, said) {
			t.Errorf("what was said is cut:\n%s", screenOf(m))
		}
		now = now.Add(ReadingTime(said) + time.Millisecond)
		m.Update(tickMsg{m.ticker})
		if m.ui.notice.text != "" {
			t.Error("what was said stays longer than it takes to read")
		}

		m.noted, now = 0, epoch.Add(time.Second) // as if the view had just come
		m.hear()
		if m.ui.notice.text == "" {
			t.Error("what was said a moment before the view came is not shown")
		}
		m.ui.notice = notice{}
		m.noted, now = 0, now.Add(time.Minute)
		m.hear()
		if m.ui.notice.text != "" {
			t.Error("what was said a minute ago is shown as if it were new")
		}
	})
}

// The nodes report each on its own: the lab may hear of an answer before it
// hears of the question.
func TestEventsStandInTheOrderTheyHappened(t *testing.T) {
	p := &picture{lab: &labState{}, ui: &uiState{}}
	for i, ms := range []int64{10, 30, 20, 40} {
		p.lab.addEvents([]netlab.Event{{ID: uint64(i + 1), LabNS: ms * msNS, Kind: netlab.EventVote}})
	}
	var got []uint64
	for _, r := range p.eventRows(3) {
		got = append(got, r.ID)
	}
	if want := []uint64{4, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("rows of events %v, want %v", got, want)
	}
}

func TestEscTakesTheFilterBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestModel(t, &fakeLab{}, nil)
		press(m, "/", "won", "<enter>", "/", "xyz")
		if !strings.Contains(screenOf(m), "no event fits the filter") {
			t.Errorf("the filter does not act as it is typed:\n%s", screenOf(m))
		}
		press(m, "<esc>")
		if s := screenOf(m); !strings.Contains(s, "won term 7") || strings.Contains(s, "committed 43:") {
			t.Errorf("after esc the filter is not the one before:\n%s", s)
		}
	})
}

func TestStaleTickersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestModel(t, &fakeLab{}, nil)
		old := tickMsg{m.ticker}
		m.Update(tea.FocusMsg{})
		if _, cmd := m.Update(old); cmd != nil {
			t.Error("a stale ticker went on: two of them run now")
		}
	})
}

func TestDetailShowsTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestModel(t, &fakeLab{}, nil)
		press(m, "<enter>")
		for _, want := range []string{"NODE S1", "LEADER of term 7", "why no commit: entry 44 needs 3 copies, known are 1 of 5 (S1)", "put cart=4", "not committed"} {
			if !strings.Contains(screenOf(m), want) {
				t.Errorf("detail lacks %q:\n%s", want, screenOf(m))
			}
		}
	})
}

func TestDataComparesNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestModel(t, &fakeLab{}, nil)
		press(m, "D")
		for _, want := range []string{"cart", "3 @43", "S4 does", "1 key, 0 differ"} {
			if !strings.Contains(screenOf(m), want) {
				t.Errorf("data view lacks %q:\n%s", want, screenOf(m))
			}
		}
	})
}

// The reader asks for the events from before it came, notices the loss, comes
// back, and takes a lab of the same name with fewer events for a new one.
func TestReaderFollowsTheLab(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := split()
		lab := &fakeLab{events: []netlab.Event{{ID: 1, Kind: netlab.EventElected, Node: 2, Term: 6, Text: "won"}, {ID: 2, Kind: netlab.EventNote, Text: "said"}}}
		up := make(chan bool)
		lab.stream = func(ctx context.Context, try int, f func(netlab.Update) error) error {
			switch try {
			case 1:
				status := *first.Status
				status.LastEvent = 2
				if err := f(netlab.Update{Status: &status}); err != nil {
					return err
				}
				second := second
				second.Events = []netlab.Event{{ID: 3, Text: "third"}}
				if err := f(second); err != nil {
					return err
				}
				return errors.New("reset by peer")
			case 2:
				return netlab.Errorf(netlab.ExitNoLab, "no such lab")
			}
			q, _ := quiet()
			if err := f(q); err != nil {
				return err
			}
			close(up)
			<-ctx.Done()
			return ctx.Err()
		}
		st := newStore("default")
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r := reader{source: lab, store: st, every: time.Second}; r.run(ctx) })
		synctest.Wait()
		var l labState
		st.copyTo(&l)
		if len(l.events) != 3 || l.conn.up || l.conn.cause != "reset by peer" || l.status.Term != 7 {
			t.Errorf("after the loss: %d events, conn %+v, term %d", len(l.events), l.conn, l.status.Term)
		}
		<-up
		synctest.Wait()
		st.copyTo(&l)
		if !l.conn.up || l.status.Lab != "small" || len(l.events) != 0 {
			t.Errorf("after coming back: conn %+v, lab %q, %d events", l.conn, l.status.Lab, len(l.events))
		}
		cancel()
		wg.Wait()
	})
}

func TestLabClockIsExtrapolated(t *testing.T) {
	var c labClock
	c.set(netlab.ClockStatus{LabNS: 1000 * msNS, Rate: 0.1}, epoch)
	at := func(d time.Duration) int64 { return c.at(epoch.Add(d)) / msNS }
	if got := at(time.Second); got != 1100 {
		t.Errorf("a second later at rate 0.1: %d ms, want 1100", got)
	}
	// A reading that took 50 ms to come does not set the clock back.
	c.set(netlab.ClockStatus{LabNS: 1095 * msNS, Rate: 0.1}, epoch.Add(time.Second))
	if got := at(time.Second); got != 1100 {
		t.Errorf("after a late reading: %d ms, want 1100", got)
	}
	c.set(netlab.ClockStatus{LabNS: 1102 * msNS, Rate: 0.1, Held: true}, epoch.Add(time.Second))
	if got := at(time.Hour); got != 1102 {
		t.Errorf("held for an hour: %d ms, want 1102", got)
	}
}

// Only flights that last more than two frames of the screen may be drawn under
// way: the others have arrived by the time they are seen.
func TestOnlyLongFlightsAreDrawnInFlight(t *testing.T) {
	for _, tt := range []struct {
		flight time.Duration
		rate   float64
		want   bool
	}{{200 * time.Microsecond, 1, false}, {20 * time.Millisecond, 1, false}, {20 * time.Millisecond, 0.1, true}, {200 * time.Millisecond, 1, true}, {200 * time.Millisecond, 10, false}} {
		p := picture{lab: &labState{clock: labClock{rate: tt.rate}}, look: look{frame: time.Second / 15}}
		fr := &frame{Frame: netlab.Frame{LeftNS: 0, DueNS: int64(tt.flight)}}
		if got := p.watchable(fr); got != tt.want {
			t.Errorf("%v at rate %v: in flight %v, want %v", tt.flight, tt.rate, got, tt.want)
		}
	}
}

func TestStoryOutlivesAFloodOfWrites(t *testing.T) {
	var l labState
	l.addEvents([]netlab.Event{{ID: 1, Kind: netlab.EventElected, Node: 1, Term: 1, Text: "won term 1"}})
	for id := uint64(2); id < 50_000; id++ {
		l.addEvents([]netlab.Event{{ID: id, Kind: netlab.EventCommit, Node: 1, Text: "committed"}})
	}
	p := picture{lab: &l, ui: &uiState{}}
	rows := p.eventRows(10)
	if len(rows) != 2 || rows[1].ID != 1 || rows[0].folded != 49_998 {
		for _, r := range rows {
			t.Logf("%d folds %d: %s", r.ID, r.folded, r.Text)
		}
		t.Errorf("%d rows, want one for the 49 998 commits, and the election", len(rows))
	}
}

func TestEnvironmentDecidesTheColours(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want Color
	}{
		{map[string]string{"TERM": "xterm-256color"}, Color256},
		{map[string]string{"TERM": "xterm-256color", "COLORTERM": "truecolor"}, ColorTrue},
		{map[string]string{"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, ColorNone},
		{map[string]string{"TERM": "tmux-256color", "COLORTERM": "truecolor"}, Color256},
		{map[string]string{"TERM": "xterm"}, Color16},
		{map[string]string{"TERM": "vt220"}, ColorNone},
	} {
		if got := colorOf(func(k string) string { return tt.env[k] }); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.env, got, tt.want)
		}
	}
}
