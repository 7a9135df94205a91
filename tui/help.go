package tui

import "strconv"

// helpItem is a line of the help: a key, a command or a sign's meaning.
type helpItem struct {
	key, text string
	action    int    // index into actions, -1 for none
	line      string // what the palette is opened with, "" for none
}

// helpItems are those that fit the filter: keys, then commands, then signs.
func (s *screen) helpItems(filter string) []helpItem {
	var out []helpItem
	add := func(it helpItem) {
		if filter == "" || matches(filter, it.key+" "+it.text) {
			out = append(out, it)
		}
	}
	for i, a := range s.actions {
		add(helpItem{a.key.Help().Key, a.long, i, ""})
	}
	for _, v := range s.verbs {
		key := ":" + v.Name
		if v.Args != "" {
			key += " " + v.Args
		}
		add(helpItem{key, v.Usage, -1, v.Name + " "})
	}
	for _, sign := range signs {
		add(helpItem{sign[0], sign[1], -1, ""})
	}
	return out
}

// signs is what the screen's signs mean.
var signs = [][2]string{
	{"LEADER?", "leads an older term or reaches no quorum: cannot commit"},
	{"LEADER>S3", "hands over to S3, takes no writes (thesis §3.10)"},
	{"learner", "gets the log, has no vote and does not count"},
	{"outside", "in no set of the configuration: does not count"},
	{"C_old C_new", "who decides while the voters change: both (§6)"},
	{"S1+ S2. S3n", "has the entry or voted for it, not yet, refused"},
	{"JOINT 3>5", "C_old of 3 and C_new of 5 voters decide together"},
	{"!! UNSAFE", "rules of Raft are switched off in this lab"},
	{"PREVOTE", "asks if it could win, its term not raised (thesis §9.6)"},
	{"5 6 7", "log cells: last digits of the entries' terms"},
	{"J C", "log cells: C_old,new; another configuration"},
	{"[snap 40 t6]", "entries a snapshot stands for: up to 40, of term 6"},
	{"[##..] 38%", "in place of a log: so much of a snapshot has arrived"},
	{"filled", "the node knows that entry committed; | ends them"},
	{"underlined", "not the entry the newest leader has there"},
	{".", "a missing entry"},
	{"m n", "below a log: the leader's matchIndex, nextIndex for it"},
	{"[hb### ]", "to a leader's next heartbeat; others': election timeout"},
	{"--A44-->", "in flight, drawn where it is now"},
	{"==a43>", "delivered; x37: so many of its kind"},
	{"--hX", "lost where the X stands"},
	{"A h V P", "append, heartbeat, vote?, prevote?"},
	{"a r v n", "ok up to that index, rejected, yes, no"},
	{"S s", "a piece of a snapshot, its answer (§7)"},
	{"T", "stand for election now: a leader hands over"},
	{"I i", "which index must a read wait for? that one"},
	{"tape", "terms over time; V won, C timed out, K kill, R (re)start"},
	{"tape marks", "P partition, H heal, U undo, X cut, S slow, L lose"},
	{"tape marks", "F another fault on links, D disk, N chaos, w write"},
	{"tape marks", "J C_old,new, M new members, O hand over, s snapshot"},
	{"tape marks", "Z pause, W wipe, T clock, ! broken promise, ? no lab"},
	{"t5 S3 last cmt", "a node's term, its vote in it, last index, commit index"},
}

func (s *screen) drawHelp(p *picture, pn pane) {
	pn.clear()
	title := "HELP"
	if s.version != "" {
		title += "  raftlab " + s.version
	}
	in := pn.frame(title, "type to filter, Enter does it, esc back")
	x := in.text(1, 0, "find:", faint) + 1
	p.ui.helpFilter.draw(in, x, 0)
	items := s.helpItems(p.ui.helpFilter.String())
	list := in.rows(2, in.h-2)
	if len(items) == 0 {
		list.text(1, 0, "nothing fits", faint)
		return
	}
	at := clamp(p.ui.helpAt, 0, len(items)-1)
	from := scrollTo(at, list.h)
	keyW := 12
	for _, it := range items {
		keyW = max(keyW, min(textWidth(it.key)+2, max(14, list.w/4)))
	}
	for y := 0; y < list.h && from+y < len(items); y++ {
		it := items[from+y]
		st := plain
		if from+y == at {
			list.put(0, y, '>', strong)
			st = strong
		}
		list.sub(2, y, keyW-1, 1).text(0, 0, fit(it.key, keyW-1), strong)
		list.text(2+keyW, y, fit(it.text, list.w-keyW-3), st)
	}
	if more := len(items) - from - list.h; more > 0 {
		in.right(in.w-1, 0, strconv.Itoa(more)+" more below", faint)
	}
}
