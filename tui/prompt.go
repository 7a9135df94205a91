package tui

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/raftlab/raftlab/netlab"
)

// palette opens an empty line.
func (m *model) palette(tea.KeyMsg) tea.Cmd { return m.ask("") }

// ask opens the prompt with a line of the command line to finish or to run.
func (m *model) ask(line string) tea.Cmd {
	m.open(promptLine, ":", line)
	return m.edited()
}

func (m *model) open(kind promptKind, title, text string) {
	m.ui.overlay = overlayInput
	m.ui.prompt = prompt{kind, title, m.ui.filter}
	m.ui.input.start(text)
	m.ui.hints, m.ui.preview = nil, ""
}

// edited looks at the line anew: what it would do, and what may come next.
func (m *model) edited() tea.Cmd {
	if m.ui.prompt.kind == promptFilter {
		m.ui.filter = strings.TrimSpace(m.ui.input.String())
		return nil
	}
	if m.ui.prompt.kind != promptLine {
		return nil
	}
	line := m.ui.input.String()
	m.ui.preview = m.opts.Preview(line, &m.lab.status)
	m.hintSeq++
	seq, complete := m.hintSeq, m.opts.Complete
	return func() tea.Msg { return hintsMsg{seq, complete(line)} }
}

func (m *model) takeHints(msg hintsMsg) {
	if msg.seq == m.hintSeq && m.ui.overlay == overlayInput {
		m.ui.hints = msg.words
	}
}

func (m *model) inputKey(k tea.KeyMsg) tea.Cmd {
	switch k.Type {
	case tea.KeyEsc:
		m.ui.overlay = overlayNone
		m.ui.filter = m.ui.prompt.filter
		return nil
	case tea.KeyEnter:
		return m.submit()
	case tea.KeyTab:
		if m.ui.prompt.kind == promptLine && m.ui.input.complete(m.ui.hints) {
			return m.edited()
		}
		return nil
	}
	if !m.ui.input.key(k) {
		return nil
	}
	return m.edited()
}

func (m *model) submit() tea.Cmd {
	line := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(m.ui.input.String()), "raftlab "))
	m.ui.overlay = overlayNone
	switch m.ui.prompt.kind {
	case promptFilter:
		m.ui.filter = line
		return nil
	case promptPick:
		id, err := strconv.Atoi(strings.TrimLeft(line, "sS"))
		if err != nil {
			m.fail(netlab.Errorf(netlab.ExitUsage, "%q is no node's number", line))
			return nil
		}
		m.pickNode(id)
		return nil
	}
	if line == "" {
		return nil
	}
	m.ui.input.remember()
	switch verb := verbOf(line); {
	case verb == "q" || verb == "quit":
		return tea.Quit
	case verb == "tui":
		m.say("this is it")
		return nil
	case m.opts.ReadOnly && !readingLine(line):
		m.fail(netlab.Errorf(netlab.ExitUsage, "this view is read-only: %s acts on the lab", verb).WithHint("raftlab tui, without --read-only"))
		return nil
	case verb == "down" || verb == "wipe" || verb == "remove" || verb == "members" && m.dropsSome(line):
		m.confirm(line)
		return nil
	case verb == "partition":
		clear(m.ui.marked)
	}
	return m.run(line, true)
}

// dropsSome tells whether a members line leaves out a node of now. It is taken
// to when it has words that are no numbers.
func (m *model) dropsSome(line string) bool {
	words := strings.Fields(line)[1:]
	var named []int
	for _, w := range words {
		switch id, err := strconv.Atoi(strings.TrimLeft(w, "sS")); {
		case strings.HasPrefix(w, "-"):
		case err != nil:
			return true
		default:
			named = append(named, id)
		}
	}
	for i := range m.lab.status.Nodes {
		if len(named) > 0 && !slices.Contains(named, m.lab.status.Nodes[i].ID) {
			return true
		}
	}
	return false
}

// readingLine tells the lines that change nothing.
func readingLine(line string) bool {
	switch verbOf(line) {
	case "members":
		return len(strings.Fields(line)) == 1
	case "status", "ls", "links", "faults", "frames", "log", "events", "get", "dump", "wait", "expect", "doctor", "version", "help":
		return true
	}
	return false
}

// fetchLog reads the end of the picked node's log.
func (m *model) fetchLog() tea.Cmd {
	n := m.node(m.ui.node)
	if n == nil {
		return nil
	}
	m.logSeq++
	seq, ctx, src, id := m.logSeq, m.ctx, m.opts.Source, n.ID
	from := firstOf(n)
	if n.LastIndex > 199+from {
		from = n.LastIndex - 199
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		log, err := src.Log(ctx, strconv.Itoa(id), from, 0)
		return logMsg{seq, log, err}
	}
}

func (m *model) fetchLogIfOpen() tea.Cmd {
	if m.ui.overlay != overlayNode {
		return nil
	}
	return m.fetchLog()
}

func (m *model) takeLog(msg logMsg) {
	switch {
	case msg.seq != m.logSeq:
	case msg.err != nil:
		m.fail(msg.err)
	default:
		m.ui.detail = msg.log
	}
}

// fetchData reads every node's state machine.
func (m *model) fetchData() tea.Cmd {
	m.dataSeq++
	seq, ctx, src := m.dataSeq, m.ctx, m.opts.Source
	type target struct {
		id   int
		dead bool
	}
	var targets []target
	for i := range m.lab.status.Nodes {
		n := &m.lab.status.Nodes[i]
		targets = append(targets, target{n.ID, n.State != netlab.StateUp})
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		dumps := make(map[int]dumpState, len(targets))
		for _, t := range targets {
			if t.dead {
				dumps[t.id] = dumpState{err: "not running"}
				continue
			}
			d, err := src.Dump(ctx, strconv.Itoa(t.id))
			if err != nil {
				dumps[t.id] = dumpState{err: err.Error()}
				continue
			}
			dumps[t.id] = dumpState{dump: d}
		}
		return dataMsg{seq, dumps}
	}
}

// takeData shows what was read, and reads again in a second while it is shown.
func (m *model) takeData(msg dataMsg) tea.Cmd {
	if msg.seq != m.dataSeq {
		return nil
	}
	m.ui.dumps = msg.dumps
	if m.ui.view != viewData {
		return nil
	}
	return tea.Tick(time.Second, func(time.Time) tea.Msg { return dataDueMsg{msg.seq} })
}
