package tui

import (
	"slices"
	"strconv"
	"strings"

	"github.com/aymanbagabas/go-osc52/v2"
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/raftlab/raftlab/netlab"
)

// key routes a key to the overlay that is open, or to the action it is bound
// to.
func (m *model) key(k tea.KeyMsg) tea.Cmd {
	typing := m.ui.overlay == overlayInput || m.ui.overlay == overlayHelp
	if k.Paste && !typing {
		return nil // pasted text is not a row of commands
	}
	if k.Type == tea.KeyRunes && len(k.Runes) > 1 && !k.Paste && !typing {
		// Keys typed faster than they are read arrive as one.
		var cmds []tea.Cmd
		for _, r := range k.Runes {
			cmds = append(cmds, m.key(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: k.Alt}))
		}
		return tea.Batch(cmds...)
	}
	if key.Matches(k, m.scr.keys.Abort) {
		return m.quit(k)
	}
	if key.Matches(k, m.scr.keys.Suspend) {
		return m.suspend(k)
	}
	switch m.ui.overlay {
	case overlayInput:
		return m.inputKey(k)
	case overlayHelp:
		return m.helpKey(k)
	case overlayConfirm:
		return m.confirmKey(k)
	case overlayText:
		return m.scrollKey(k)
	case overlayNode:
		switch k.Type {
		case tea.KeyUp, tea.KeyDown, tea.KeyPgUp, tea.KeyPgDown, tea.KeyEnter:
			return m.scrollKey(k)
		}
	case overlayMessage, overlayEvent:
		if k.Type == tea.KeyEnter {
			return m.back(k)
		}
	}
	if a := m.actionOf(k); a != nil {
		return m.perform(*a, k)
	}
	return nil
}

// actionOf is what a key does now: what the overlay that is open makes of it,
// else what it does everywhere.
func (m *model) actionOf(k tea.KeyMsg) *action {
	for _, in := range []overlay{m.ui.overlay, overlayNone} {
		for i := range m.scr.actions {
			if a := &m.scr.actions[i]; a.in == in && key.Matches(k, a.key) {
				return a
			}
		}
	}
	return nil
}

// perform does what a key is bound to, if that can be done now.
func (m *model) perform(a action, k tea.KeyMsg) tea.Cmd {
	if a.acts {
		switch {
		case m.opts.ReadOnly:
			m.fail(netlab.Errorf(netlab.ExitUsage, "this view is read-only: %s acts on the lab", a.key.Help().Desc).WithHint("raftlab tui, without --read-only"))
			return nil
		case !m.lab.conn.up:
			m.fail(netlab.Errorf(netlab.ExitNoLab, "not connected: %s needs the lab", a.key.Help().Desc))
			return nil
		}
	}
	return a.do(m, k)
}

// picked are the nodes an action is about: those marked, else the picked one.
func (m *model) picked() []int {
	var ids []int
	for i := range m.lab.status.Nodes {
		if id := m.lab.status.Nodes[i].ID; m.ui.marked[id] {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 && m.ui.node > 0 {
		ids = append(ids, m.ui.node)
	}
	return ids
}

// onNodes runs a verb on the picked nodes and takes the marks off.
func (m *model) onNodes(verb string) tea.Cmd {
	ids := m.picked()
	if len(ids) == 0 {
		return nil
	}
	clear(m.ui.marked)
	return m.run(verb+" "+numbers(ids), false)
}

func (m *model) kill(tea.KeyMsg) tea.Cmd    { return m.onNodes("kill") }
func (m *model) restart(tea.KeyMsg) tea.Cmd { return m.onNodes("restart") }
func (m *model) elect(tea.KeyMsg) tea.Cmd   { return m.onNodes("elect") }

func (m *model) transfer(tea.KeyMsg) tea.Cmd { return m.onNodes("transfer") }
func (m *model) snapshot(tea.KeyMsg) tea.Cmd { return m.onNodes("snapshot") }

// add opens the prompt with the number after the highest there is.
func (m *model) add(tea.KeyMsg) tea.Cmd {
	next := 1
	for i := range m.lab.status.Nodes {
		next = max(next, m.lab.status.Nodes[i].ID+1)
	}
	return m.ask("add " + strconv.Itoa(next))
}

// remove asks: the process of a node that leaves ends.
func (m *model) remove(tea.KeyMsg) tea.Cmd {
	if ids := m.picked(); len(ids) > 0 {
		m.confirm("remove " + numbers(ids))
	}
	return nil
}

// pause pauses the picked nodes; when all of them are paused it resumes them.
func (m *model) pause(tea.KeyMsg) tea.Cmd {
	verb := "resume"
	for _, id := range m.picked() {
		if n := m.node(id); n != nil && n.State != netlab.StatePaused {
			verb = "pause"
		}
	}
	return m.onNodes(verb)
}

func (m *model) node(id int) *netlab.NodeStatus {
	for i := range m.lab.status.Nodes {
		if m.lab.status.Nodes[i].ID == id {
			return &m.lab.status.Nodes[i]
		}
	}
	return nil
}

// links are the words for the links an action is about: the picked cell of the
// matrix in that view, else all links of the picked node, or the one between
// two that are marked.
func (m *model) links() string {
	if m.ui.view == viewLinks {
		if i, j := m.pic.pickedLink(); i >= 0 {
			if i == j {
				return strconv.Itoa(m.pic.nodes[i].ID)
			}
			return strconv.Itoa(m.pic.nodes[i].ID) + " to " + strconv.Itoa(m.pic.nodes[j].ID)
		}
	}
	ids := m.picked()
	if len(ids) > 2 {
		ids = ids[:1]
	}
	return numbers(ids)
}

func (m *model) partition(tea.KeyMsg) tea.Cmd {
	return m.ask("partition " + numbers(m.picked()))
}
func (m *model) cut(tea.KeyMsg) tea.Cmd  { return m.ask("cut " + m.links()) }
func (m *model) slow(tea.KeyMsg) tea.Cmd { return m.ask("slow " + m.links() + " 20ms") }
func (m *model) lose(tea.KeyMsg) tea.Cmd { return m.ask("lose " + m.links() + " 10%") }
func (m *model) put(tea.KeyMsg) tea.Cmd  { return m.ask("put ") }

// heal acts at once: unlike the other network actions it has nothing to choose.
func (m *model) heal(tea.KeyMsg) tea.Cmd {
	if m.ui.view == viewLinks {
		return m.run("heal "+m.links(), false)
	}
	return m.run("heal", false)
}

// undo takes back what somebody set on the network last, whoever it was.
func (m *model) undo(tea.KeyMsg) tea.Cmd { return m.run("undo", false) }

// load turns the lab's background writes on or off.
func (m *model) load(tea.KeyMsg) tea.Cmd {
	if m.lab.status.Load != nil {
		return m.run("load stop", false)
	}
	return m.run("load", false)
}

func (m *model) hold(tea.KeyMsg) tea.Cmd {
	if m.lab.clock.held {
		return m.run("release", false)
	}
	return m.run("hold", false)
}

func (m *model) step(tea.KeyMsg) tea.Cmd { return m.run("step", false) }

// clockRates are the steps of [ and ].
var clockRates = []float64{0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10}

func (m *model) slower(tea.KeyMsg) tea.Cmd { return m.stepRate(-1) }
func (m *model) faster(tea.KeyMsg) tea.Cmd { return m.stepRate(1) }

// stepRate goes to the next rate in a direction, from the one asked for last.
func (m *model) stepRate(by int) tea.Cmd {
	now := m.rate
	if now == 0 {
		now = m.lab.clock.rate
	}
	next := now
	for _, r := range clockRates {
		if by > 0 && r > now*1.001 {
			next = r
			break
		}
		if by < 0 && r < now*0.999 {
			next = r
		}
	}
	if next == now {
		m.say("the lab clock runs at " + rateText(now) + " already; any rate: :speed RATE")
		return nil
	}
	m.rate = next
	return m.run("speed "+rateText(next), false)
}

func (m *model) quit(tea.KeyMsg) tea.Cmd    { return tea.Quit }
func (m *model) suspend(tea.KeyMsg) tea.Cmd { return tea.Suspend }

// down asks, then stops the lab.
func (m *model) down(tea.KeyMsg) tea.Cmd {
	m.confirm("down")
	return nil
}

func (m *model) pick(k tea.KeyMsg) tea.Cmd {
	m.pickNode(int(k.Runes[0] - '0'))
	return m.fetchLogIfOpen()
}

func (m *model) pickNode(id int) {
	if m.node(id) == nil {
		m.fail(netlab.Errorf(netlab.ExitUsage, "there is no node %d in this lab", id))
		return
	}
	m.ui.node = id
}

func (m *model) number(tea.KeyMsg) tea.Cmd {
	m.open(promptPick, "node:", "")
	return nil
}

func (m *model) mark(tea.KeyMsg) tea.Cmd {
	if m.ui.node == 0 {
		return nil
	}
	if m.ui.marked[m.ui.node] {
		delete(m.ui.marked, m.ui.node)
	} else {
		m.ui.marked[m.ui.node] = true
	}
	return nil
}

func (m *model) prev(k tea.KeyMsg) tea.Cmd { return m.move(-1, 0) }
func (m *model) next(k tea.KeyMsg) tea.Cmd { return m.move(1, 0) }

// move moves what is picked in this view: a node, a message, an event, a link.
func (m *model) move(dy, dx int) tea.Cmd {
	switch {
	case m.ui.overlay == overlayMessage || m.ui.overlay == overlayNone && m.ui.view == viewMessages:
		if n := len(m.pic.messages); n > 0 {
			m.ui.msgID = m.pic.messages[clamp(m.pic.pickedMessage()+dy, 0, n-1)].ID
		}
	case m.ui.overlay == overlayEvent || m.ui.view == viewEvents:
		rows := m.pic.eventRows(keepEvents)
		if _, at := m.pic.pickedEvent(); len(rows) > 0 {
			m.ui.eventID = rows[clamp(at+dy, 0, len(rows)-1)].ID
		}
	case m.ui.view == viewLinks:
		if i, j := m.pic.pickedLink(); i >= 0 {
			last := len(m.pic.nodes) - 1
			m.ui.linkFrom = m.pic.nodes[clamp(i+dy, 0, last)].ID
			m.ui.linkTo = m.pic.nodes[clamp(j+dx, 0, last)].ID
		}
	case m.ui.view == viewData:
		m.ui.scroll = max(0, m.ui.scroll+dy)
	default:
		if n := len(m.pic.nodes); n > 0 {
			m.ui.node = m.pic.nodes[clamp(m.pic.place(m.ui.node)+dy, 0, n-1)].ID
		}
	}
	return nil
}

func (m *model) scrollLeft(tea.KeyMsg) tea.Cmd {
	if m.ui.view == viewLinks {
		return m.move(0, -1)
	}
	m.scrollLog(5)
	return nil
}

func (m *model) scrollRight(tea.KeyMsg) tea.Cmd {
	if m.ui.view == viewLinks {
		return m.move(0, 1)
	}
	m.scrollLog(-5)
	return nil
}

func (m *model) scrollFirst(tea.KeyMsg) tea.Cmd { m.scrollLog(int(m.pic.maxLast())); return nil }
func (m *model) scrollLast(tea.KeyMsg) tea.Cmd  { m.ui.logBack = 0; return nil }

func (m *model) scrollLog(by int) {
	back := int(m.ui.logBack) + by
	m.ui.logBack = uint64(clamp(back, 0, max(0, int(m.pic.maxLast()-min(m.pic.logFloor(), m.pic.maxLast()))-4)))
}

func (m *model) showNodes(tea.KeyMsg) tea.Cmd    { return m.show(viewNodes) }
func (m *model) showMessages(tea.KeyMsg) tea.Cmd { return m.show(viewMessages) }
func (m *model) showLinks(tea.KeyMsg) tea.Cmd    { return m.show(viewLinks) }
func (m *model) showEvents(tea.KeyMsg) tea.Cmd   { return m.show(viewEvents) }
func (m *model) showData(tea.KeyMsg) tea.Cmd     { return m.show(viewData) }

// show opens a view, or goes home from it.
func (m *model) show(v view) tea.Cmd {
	if m.ui.view == v {
		v = viewHome
	}
	m.ui.view, m.ui.overlay, m.ui.scroll = v, overlayNone, 0
	m.ui.msgID, m.ui.eventID = 0, 0
	if v == viewData {
		return m.fetchData()
	}
	return nil
}

func (m *model) openDetail(k tea.KeyMsg) tea.Cmd {
	switch m.ui.view {
	case viewMessages:
		return m.inspect(k)
	case viewEvents:
		m.ui.eventID, _ = m.pic.pickedEvent()
		m.ui.overlay = overlayEvent
		return nil
	case viewLinks:
		return m.ask("slow " + m.links() + " 20ms")
	}
	m.ui.overlay, m.ui.scroll, m.ui.detail = overlayNode, 0, nil
	return m.fetchLog()
}

func (m *model) inspect(tea.KeyMsg) tea.Cmd {
	if len(m.pic.messages) > 0 {
		m.ui.msgID = m.pic.messages[m.pic.pickedMessage()].ID
	}
	m.ui.overlay = overlayMessage
	return nil
}

func (m *model) filter(tea.KeyMsg) tea.Cmd {
	m.open(promptFilter, "/", m.ui.filter)
	return nil
}

func (m *model) fold(tea.KeyMsg) tea.Cmd {
	m.ui.showMinor = !m.ui.showMinor
	return nil
}

func (m *model) beats(tea.KeyMsg) tea.Cmd {
	m.ui.beats = (m.ui.beats + 1) % 3
	m.say([...]string{"heartbeats are shown while there are few", "heartbeats are shown", "heartbeats are hidden"}[m.ui.beats])
	return nil
}

// back closes what lies on top: the overlay, the error, the view, the filter,
// the marks. A line that runs is ended before the view is left, one that waits
// for the cluster after all else.
func (m *model) back(tea.KeyMsg) tea.Cmd {
	switch {
	case m.ui.overlay != overlayNone:
		m.ui.overlay = overlayNone
	case m.ui.notice.bad:
		m.ui.notice = notice{}
	case m.end(false):
	case m.ui.notice.text != "":
		m.ui.notice = notice{}
	case m.ui.filter != "":
		m.ui.filter = ""
	case m.ui.view != viewHome:
		m.ui.view = viewHome
	case len(m.ui.marked) > 0:
		clear(m.ui.marked)
	default:
		m.end(true)
	}
	return nil
}

// end ends the newest running line, of those that run beside the others or of
// those that do not, and tells whether there was one.
func (m *model) end(aside bool) bool {
	for _, r := range slices.Backward(m.jobs) {
		if r.aside == aside {
			r.end()
			return true
		}
	}
	return false
}

// copyLine puts the command line of the picked or the newest event on the
// clipboard, by the terminal (OSC 52).
func (m *model) copyLine(tea.KeyMsg) tea.Cmd {
	line := m.lineToCopy()
	if line == "" {
		m.say("no event here was caused by a command line")
		return nil
	}
	return m.copy(line, line)
}

// copy puts text on the clipboard and says so of it in some words.
func (m *model) copy(text, words string) tea.Cmd {
	m.say("copied, if the terminal allows it: " + words)
	out := m.opts.Output
	return func() tea.Msg {
		if _, err := osc52.New(text).WriteTo(out); err != nil {
			return failMsg{err}
		}
		return nil
	}
}

func (m *model) lineToCopy() string {
	for _, ev := range slices.Backward(m.lab.events) {
		if ev.Line != "" && (m.ui.eventID == 0 || ev.ID == m.ui.eventID) {
			return commandLine(ev.Line)
		}
	}
	return ""
}

func (m *model) scrollKey(k tea.KeyMsg) tea.Cmd {
	switch k.String() {
	case "up", "k":
		m.ui.scroll = max(0, m.ui.scroll-1)
	case "down", "j":
		m.ui.scroll++
	case "pgup":
		m.ui.scroll = max(0, m.ui.scroll-m.look.h/2)
	case "pgdown", " ":
		m.ui.scroll += m.look.h / 2
	case "esc", "q", "enter":
		m.ui.overlay = overlayNone
	}
	return nil
}

func (m *model) help(tea.KeyMsg) tea.Cmd {
	m.ui.overlay, m.ui.helpAt = overlayHelp, 0
	m.ui.helpFilter.start("")
	return nil
}

func (m *model) helpKey(k tea.KeyMsg) tea.Cmd {
	items := m.scr.helpItems(m.ui.helpFilter.String())
	switch k.Type {
	case tea.KeyEsc:
		m.ui.overlay = overlayNone
	case tea.KeyUp:
		m.ui.helpAt = max(0, m.ui.helpAt-1)
	case tea.KeyDown:
		m.ui.helpAt = clamp(m.ui.helpAt+1, 0, max(0, len(items)-1))
	case tea.KeyPgUp:
		m.ui.helpAt = max(0, m.ui.helpAt-10)
	case tea.KeyPgDown:
		m.ui.helpAt = clamp(m.ui.helpAt+10, 0, max(0, len(items)-1))
	case tea.KeyEnter:
		if m.ui.helpAt >= len(items) {
			return nil
		}
		it := items[m.ui.helpAt]
		m.ui.overlay = overlayNone
		switch {
		case it.action >= 0:
			a := m.scr.actions[it.action]
			if a.in == overlayMessage {
				return m.inspect(k) // first it is to be seen which message
			}
			if key.Matches(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{'1'}}, a.key) {
				return m.number(k) // "1-9" is done by asking which
			}
			return m.perform(a, k)
		case it.line != "":
			return m.ask(it.line)
		}
	default:
		if m.ui.helpFilter.key(k) {
			m.ui.helpAt = 0
		}
	}
	return nil
}

// confirm asks before line runs.
func (m *model) confirm(line string) {
	m.ui.input.start(line)
	m.ui.overlay = overlayConfirm
	switch verbOf(line) {
	case "down":
		m.ui.textTitle = "This stops the lab and all its nodes, for everyone who watches it."
	case "remove":
		m.ui.textTitle = "This takes nodes out of the cluster: once it has decided so, each one's process ends."
	case "members":
		m.ui.textTitle = "Nodes that are not named leave the cluster: once it has decided so, each one's process ends."
	default:
		m.ui.textTitle = "This deletes what the nodes have on disk: entries only they stored are gone."
	}
	m.ui.preview = m.opts.Preview(line, &m.lab.status)
}

func (m *model) confirmKey(k tea.KeyMsg) tea.Cmd {
	switch strings.ToLower(k.String()) {
	case "y":
		m.ui.overlay = overlayNone
		clear(m.ui.marked)
		return m.run(m.ui.input.String(), true)
	case "n", "esc", "q":
		m.ui.overlay = overlayNone
	}
	return nil
}
