package tui

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/raftlab/raftlab/netlab"
)

// model is the program: it routes messages, keeps what the viewer picked, and
// draws a picture when there is a reason to.
type model struct {
	ctx   context.Context
	opts  Options
	store *store
	now   func() time.Time

	lab  labState
	ui   uiState
	pic  picture
	scr  screen
	look look
	text string // the screen as last drawn

	ticker  int  // the generation of the one running ticker; messages of others are stale
	asleep  bool // nothing moves: it waits for the lab instead
	blurred bool // the terminal's focus is elsewhere
	stirred time.Time
	sampled time.Time

	queue   []job // lines to run, one after the other
	jobs    []running
	seq     int
	rate    float64 // the clock rate asked for last, while its answer is out
	noted   uint64  // up to this event what was said has been shown
	dataSeq int
	hintSeq int
	logSeq  int
}

// job is a line to run.
type job struct {
	seq   int
	line  string
	typed bool // in the palette: all it prints is shown
}

// running is a line that runs. One that waits for the cluster runs beside the
// others: who adds a node may want to kill the leader meanwhile.
type running struct {
	job
	aside bool
	end   context.CancelFunc
}

// waitingVerb tells the commands that take as long as the cluster takes.
func waitingVerb(verb string) bool {
	switch verb {
	case "add", "remove", "members", "transfer", "wait", "expect":
		return true
	}
	return false
}

// The messages of the program.
type (
	tickMsg struct{ ticker int } // a frame is due
	stirMsg struct{ ticker int } // something came while nothing moved
	doneMsg struct {             // a line has run
		seq int
		res Result
		err error
	}
	hintsMsg struct { // what Tab may put
		seq   int
		words []string
	}
	logMsg struct { // a node's log
		seq int
		log *netlab.Log
		err error
	}
	dataMsg struct { // the nodes' state machines
		seq   int
		dumps map[int]dumpState
	}
	dataDueMsg struct{ seq int }
	failMsg    struct{ err error }
)

func newModel(ctx context.Context, opts Options, st *store, lk look) *model {
	m := &model{ctx: ctx, opts: opts, store: st, now: time.Now, look: lk}
	m.scr.keys = newKeyMap()
	m.scr.actions = m.scr.keys.actions()
	m.scr.readOnly, m.scr.verbs, m.scr.version = opts.ReadOnly, opts.Verbs, opts.Version
	m.ui.marked = map[int]bool{}
	m.ui.dumps = map[int]dumpState{}
	return m
}

func (m *model) Init() tea.Cmd {
	m.redraw()
	return m.tick()
}

func (m *model) View() string { return m.text }

// Update routes. Whatever a person did is drawn at once; what the lab did waits
// for the next frame.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tickMsg:
		if msg.ticker != m.ticker {
			return m, nil
		}
		return m, m.frame()
	case stirMsg:
		if msg.ticker != m.ticker {
			m.store.stir() // it took what the waiter of today waits for
			return m, nil
		}
		return m, m.frame()
	case tea.WindowSizeMsg:
		m.look.w, m.look.h = msg.Width, msg.Height
	case tea.KeyMsg:
		cmd = m.key(msg)
		if m.asleep { // what a key says goes by with time
			cmd = tea.Batch(cmd, m.restartTicker())
		}
	case tea.FocusMsg:
		m.blurred = false
		cmd = m.restartTicker()
	case tea.BlurMsg:
		m.blurred = true
	case tea.ResumeMsg:
		cmd = m.restartTicker()
	case doneMsg:
		cmd = m.done(msg)
	case failMsg:
		m.fail(msg.err)
	case hintsMsg:
		m.takeHints(msg)
	case logMsg:
		m.takeLog(msg)
	case dataMsg:
		cmd = m.takeData(msg)
	case dataDueMsg:
		if msg.seq == m.dataSeq && m.ui.view == viewData {
			cmd = m.fetchData()
		}
	default:
		return m, nil
	}
	m.redraw()
	return m, cmd
}

// frame takes what is new and draws it if there is a reason to, then waits for
// the next frame, or for the lab when nothing moves.
func (m *model) frame() tea.Cmd {
	now := m.now()
	if m.store.copyTo(&m.lab) {
		m.stirred = now
		m.settle()
		m.hear()
	}
	moving := m.moving()
	lately := now.Sub(m.stirred) < time.Second // colours fade, samples settle
	if n := &m.ui.notice; !n.bad && n.text != "" && !n.until.IsZero() {
		if now.After(n.until) {
			*n = notice{}
		}
		lately = true
	}
	m.redraw()
	m.asleep = !moving && !lately && m.lab.conn.up
	if m.asleep {
		return m.wait()
	}
	return m.tick()
}

// moving tells whether the screen changes with time alone.
func (m *model) moving() bool {
	return m.lab.known && m.lab.conn.up && !m.lab.clock.held
}

// interval is how long a frame stands.
func (m *model) interval() time.Duration {
	switch {
	case !m.lab.conn.up && m.lab.known:
		return time.Second / 2 // only the seconds since the loss change
	case m.blurred || m.look.motion == MotionNone:
		return max(m.look.frame, time.Second/2)
	}
	return m.look.frame
}

func (m *model) tick() tea.Cmd {
	ticker := m.ticker
	return tea.Tick(m.interval(), func(time.Time) tea.Msg { return tickMsg{ticker} })
}

// wait ends when the lab has something new.
func (m *model) wait() tea.Cmd {
	ticker, changed, done := m.ticker, m.store.changed, m.ctx.Done()
	return func() tea.Msg {
		select {
		case <-changed:
		case <-done:
		}
		return stirMsg{ticker}
	}
}

// restartTicker makes the running ticker stale and starts another at once.
func (m *model) restartTicker() tea.Cmd {
	m.ticker++
	m.asleep = false
	m.stirred = m.now()
	return m.tick()
}

// settle keeps what is picked among what there is. When the picked node has
// gone, the one that stands in its place now is picked.
func (m *model) settle() {
	nodes := m.lab.status.Nodes
	if !m.lab.known || len(nodes) == 0 {
		return
	}
	for id := range m.ui.marked {
		if m.node(id) == nil {
			delete(m.ui.marked, id)
		}
	}
	if m.node(m.ui.node) != nil {
		return
	}
	gone := m.ui.node
	m.ui.node = nodes[len(nodes)-1].ID
	for i := len(nodes) - 1; i >= 0 && nodes[i].ID > gone; i-- {
		m.ui.node = nodes[i].ID
	}
	if gone == 0 && m.lab.status.Leader > 0 {
		m.ui.node = m.lab.status.Leader
	}
	if gone > 0 && m.ui.overlay == overlayNode {
		m.ui.overlay = overlayNone
		m.say(name(gone) + " is no longer in the lab")
	}
}

// ReadingTime is how long a sentence stands so that an audience can read it.
func ReadingTime(text string) time.Duration {
	return 1500*time.Millisecond + time.Duration(textWidth(text))*45*time.Millisecond
}

// hear shows what a scenario says, whole, where the eyes are; among the events
// it would be cut and gone before it is read.
func (m *model) hear() {
	events := m.lab.events
	if m.noted > m.lab.lastEvent {
		m.noted = 0 // another lab
	}
	const fresh = int64(5 * time.Second) // for a view that comes later than the words
	for i := len(events) - 1; i >= 0 && events[i].ID > m.noted; i-- {
		ev := &events[i]
		if ev.Kind != netlab.EventNote || ev.Node != 0 || m.noted == 0 && m.lab.now(m.now())-ev.LabNS > fresh {
			continue
		}
		if !m.ui.notice.bad {
			m.ui.notice = notice{text: ev.Text, until: m.now().Add(ReadingTime(ev.Text))}
		}
		break
	}
	m.noted = m.lab.lastEvent
}

// redraw draws the picture as of now.
func (m *model) redraw() {
	now := m.now()
	p := &m.pic
	p.lab, p.ui, p.look, p.now = &m.lab, &m.ui, m.look, now
	if now.Sub(m.sampled) >= 200*time.Millisecond || !m.moving() {
		m.sampled = now
		m.sampleTimers()
	}
	m.text = m.scr.render(p)
}

func (m *model) sampleTimers() {
	m.pic.derive()
	m.ui.timers = m.ui.timers[:0]
	for i, n := range m.pic.nodes {
		left, _, ok := m.pic.timer(i)
		m.ui.timers = append(m.ui.timers, timerSample{n.ID, int64(left), ok})
	}
}

// say shows the answer of a line, or a refusal, above the footer.
func (m *model) say(text string) {
	m.ui.notice = notice{text: text, until: m.now().Add(6 * time.Second)}
}

// fail shows an error with its next step. It stays until it is dismissed or a
// later line succeeds; errors before it are counted.
func (m *model) fail(err error) {
	n := notice{text: err.Error(), bad: true}
	var e *netlab.Error
	if errors.As(err, &e) {
		n.text, n.hint = e.Message, e.Hint
	}
	if m.ui.notice.bad {
		n.more = m.ui.notice.more + 1
	}
	m.ui.notice = n
}

// run runs a line of the command line, or queues it behind the one that runs.
func (m *model) run(line string, typed bool) tea.Cmd {
	m.seq++
	j := job{m.seq, strings.TrimSpace(line), typed}
	if waitingVerb(verbOf(j.line)) {
		return m.start(j, true)
	}
	m.queue = append(m.queue, j)
	for _, r := range m.jobs {
		if !r.aside {
			m.say("waiting for: " + r.line + " (esc ends it)")
			return nil
		}
	}
	return m.runNext()
}

func (m *model) runNext() tea.Cmd {
	if len(m.queue) == 0 {
		return nil
	}
	j := m.queue[0]
	m.queue = m.queue[1:]
	return m.start(j, false)
}

func (m *model) start(j job, aside bool) tea.Cmd {
	ctx, cancel := context.WithCancel(m.ctx)
	m.jobs = append(m.jobs, running{j, aside, cancel})
	if !m.ui.notice.bad {
		m.ui.notice = notice{text: "raftlab " + j.line + " .."}
	}
	exec := m.opts.Exec
	return func() tea.Msg {
		defer cancel()
		res, err := exec(ctx, j.line)
		return doneMsg{j.seq, res, err}
	}
}

// done takes the answer of a line and starts the next.
func (m *model) done(msg doneMsg) tea.Cmd {
	at := slices.IndexFunc(m.jobs, func(r running) bool { return r.seq == msg.seq })
	if at < 0 {
		return nil
	}
	r := m.jobs[at]
	m.jobs = slices.Delete(m.jobs, at, at+1)
	var next tea.Cmd
	if !r.aside {
		m.rate = 0
		next = m.runNext()
	}
	if msg.err != nil {
		switch {
		case !errors.Is(msg.err, context.Canceled):
			m.fail(msg.err)
		case r.aside:
			m.say("no longer waiting for: " + r.line + " (what has begun goes on)")
		default:
			m.say("ended: " + r.line)
		}
		return next
	}
	m.answer(r.job, msg.res)
	if verbOf(r.line) == "down" {
		m.store.change(func(l *labState) { l.lose(m.now(), "stopped by down", true) })
	}
	return tea.Batch(next, m.restartTicker())
}

func (m *model) answer(j job, res Result) {
	out := strings.TrimRight(res.Out, "\n")
	notes := strings.Join(strings.Fields(strings.ReplaceAll(res.Notes, "\n", " ")), " ")
	lines := strings.Split(out, "\n")
	if j.typed && len(lines) > 1 && m.ui.overlay == overlayNone {
		m.ui.overlay, m.ui.textTitle, m.ui.text, m.ui.scroll = overlayText, "raftlab "+j.line, lines, 0
		m.ui.notice = notice{}
		return
	}
	text := lines[0]
	if text == "" {
		text = "done: " + j.line
		if notes != "" {
			text, notes = notes, ""
		}
	}
	if len(lines) > 1 {
		text += " .."
	}
	if notes != "" {
		text += "  " + notes
	}
	m.say(text)
}
