package tui

// The smallest terminal the panes are made for. Below it stands a card.
const (
	minW, minH = 60, 16
)

// screen draws pictures. It keeps its grid from one to the next.
type screen struct {
	grid     grid
	out      []byte
	keys     keyMap
	actions  []action
	readOnly bool
	verbs    []Verb
	version  string
}

// render draws p and returns it as lines with control sequences: exactly
// look.h lines of exactly look.w columns.
func (s *screen) render(p *picture) string {
	p.derive()
	s.grid.reset(p.look.w, p.look.h, p.look.ascii)
	s.draw(p, s.grid.all())
	s.out = s.grid.appendTo(s.out[:0], p.look.color)
	return string(s.out)
}

func (s *screen) draw(p *picture, pn pane) {
	if pn.w < minW || pn.h < minH {
		drawCard(p, pn)
		return
	}
	drawTitle(p, pn.rows(0, 1))
	drawSentence(p, pn.rows(1, 1))
	body := pn.rows(2, pn.h-3)
	if p.lab.known {
		s.drawView(p, body)
	}
	if !p.lab.conn.up && p.lab.known {
		pn.rows(1, pn.h-2).restyle(func(st style) style { return st.with(dim) })
	}
	s.drawOverlay(p, pn, body)
	if p.ui.overlay != overlayInput && p.ui.overlay != overlayConfirm {
		drawNotice(p, body)
	}
	drawFooter(p, pn.rows(pn.h-1, 1), &s.keys, s.actions, s.readOnly)
}

func (s *screen) drawView(p *picture, pn pane) {
	switch p.ui.view {
	case viewNodes:
		drawNodes(p, pn.frame(p.nodesTitle(p.columns(pn.w-2))))
	case viewMessages:
		in := pn.frame(p.messagesTitle())
		pick := p.pickedMessage()
		drawMessages(p, in, scrollTo(pick, in.h), pick)
	case viewLinks:
		drawLinkView(p, pn.frame("LINKS", p.linkWords()))
	case viewEvents:
		in := pn.frame(p.eventsTitle())
		pick, at := p.pickedEvent()
		drawEvents(p, in, scrollTo(at, in.h), pick)
	case viewData:
		drawData(p, pn.frame("DATA", "what each node has applied"))
	default:
		switch {
		case pn.w >= 160 && pn.h >= 36:
			drawThree(p, pn)
		case pn.w >= 100 && pn.h >= 26:
			drawTwo(p, pn)
		default:
			drawOne(p, pn)
		}
	}
}

// scrollTo is the first row to show so that row at is in sight of h rows.
func scrollTo(at, h int) int { return max(0, at-h+1) }

// drawOne is one column: nodes, messages, events, tape. What matters most gets
// its lines first: the nodes, three events, the tape, messages; what is left is
// shared.
func drawOne(p *picture, pn pane) {
	free := pn.h
	nodes := min(p.wantNodes(pn.w, free)+1, free-2)
	free -= nodes
	events := min(4, free)
	free -= events
	tape := min(1, free)
	free -= tape
	links := 0
	if want := p.wantLinks() + 1; free-want >= 12 && p.linkWidth(pn.w) > 0 {
		links = want
		free -= links
	}
	messages := 0
	if free >= 3 {
		messages = min((free+events+1)/2, free)
		free -= messages
	}
	events += free

	y := 0
	next := func(h int) pane {
		p := pn.rows(y, h)
		y += h
		return p
	}
	ruled(next(nodes), func(in pane) { drawNodes(p, in) })(p.nodesTitle(p.columns(pn.w)))
	if messages > 0 {
		ruled(next(messages), func(in pane) { drawMessages(p, in, 0, -1) })(p.messagesTitle())
	}
	if links > 0 {
		ruled(next(links), func(in pane) { drawLinks(p, in, false) })("LINKS", p.linkWords())
	}
	left, right := p.eventsTitle()
	if messages == 0 {
		// The messages had no room: their title says the most of it here.
		right, _ = p.messagesTitle()
	}
	ruled(next(events), func(in pane) { drawEvents(p, in, 0, 0) })(left, right)
	if tape > 0 {
		drawTape(p, next(tape))
	}
}

// ruled draws a pane under a title line instead of in a box.
func ruled(pn pane, draw func(pane)) func(title, right string) {
	return func(title, right string) {
		pn.rule(0, title, right)
		draw(pn.rows(1, pn.h-1))
	}
}

// drawTwo is nodes above, links beside messages, events below.
func drawTwo(p *picture, pn pane) {
	tape := 2
	free := pn.h - tape
	nodes := min(p.wantNodes(pn.w-2, free)+2, free-5)
	free -= nodes
	events := min(7, max(5, free/3))
	middle := free - events
	if most := max(p.wantLinks()+2, 12) + 6; middle > most {
		middle = most
		events = free - middle
	}
	if middle < 5 {
		middle, events = 0, free
	}
	drawNodes(p, pn.rows(0, nodes).frame(p.nodesTitle(p.columns(pn.w-2))))
	y := nodes
	if middle > 0 {
		row := pn.rows(y, middle)
		w := 57
		if cw := p.linkWidth(w - 2); cw > 0 && cw*len(p.nodes)+12 < w {
			w = max(48, cw*len(p.nodes)+12)
		}
		drawLinks(p, row.sub(0, 0, w, middle).frame("LINKS", p.linkWords()), false)
		drawMessages(p, row.sub(w, 0, pn.w-w, middle).frame(p.messagesTitle()), 0, -1)
		y += middle
	}
	left, right := p.eventsTitle()
	if middle == 0 {
		right, _ = p.messagesTitle()
	}
	drawEvents(p, pn.rows(y, events).frame(left, right), 0, 0)
	drawTape(p, pn.rows(pn.h-tape, tape))
}

// drawThree adds the picture of the cluster, the sequence diagram and the
// picked node in detail.
func drawThree(p *picture, pn pane) {
	tape := 2
	free := pn.h - tape
	events := clamp(free/6, 6, 12)
	free -= events
	top := pn.rows(0, free)
	leftW := clamp(pn.w*32/100, 52, 72)
	left, right := top.sub(0, 0, leftW, free), top.sub(leftW, 0, pn.w-leftW, free)

	cluster := clamp(free*3/5, 16, 30)
	drawCluster(p, left.rows(0, cluster).frame(p.clusterTitle()))
	drawSequence(p, left.rows(cluster, free-cluster).frame("SEQUENCE", "time runs down"))

	nodes := min(p.wantNodes(right.w-2, free)+2, free-14)
	drawNodes(p, right.rows(0, nodes).frame(p.nodesTitle(p.columns(right.w-2))))
	rest := right.rows(nodes, free-nodes)
	links := clamp(max(p.wantLinks(), p.wantFacts())+2, 8, max(8, rest.h-8))
	detailW := rest.w / 2
	row := rest.rows(0, links)
	title, note := p.detailTitle()
	drawNodeCard(p, row.sub(0, 0, detailW, links).frame(title, note))
	drawLinks(p, row.sub(detailW, 0, rest.w-detailW, links).frame("LINKS", p.linkWords()), false)
	drawMessages(p, rest.rows(links, rest.h-links).frame(p.messagesTitle()), 0, -1)

	drawEvents(p, pn.rows(pn.h-tape-events, events).frame(p.eventsTitle()), 0, 0)
	drawTape(p, pn.rows(pn.h-tape, tape))
}

// linkWords is what the links' title says: what is set, in short.
func (p *picture) linkWords() string {
	if s := p.netText(); s != "" {
		return s
	}
	return "row sends to column"
}
