package tui

import (
	"fmt"
	"strconv"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

func (p *picture) detailTitle() (left, right string) {
	return "NODE " + name(p.ui.node), "Enter: full"
}

// drawNodeCard is the picked node in a few lines.
func drawNodeCard(p *picture, pn pane) {
	n := p.node(p.ui.node)
	if n == nil {
		pn.text(1, 0, "no node picked: 1-9, up, down", faint)
		return
	}
	for y, l := range p.nodeFacts(n) {
		if y == pn.h {
			return
		}
		pn.text(1, y, fit(l.text, pn.w-2), l.style)
	}
}

// nodeFacts is all that is known of a node, most important first.
func (p *picture) nodeFacts(n *netlab.NodeStatus) []segment {
	i := p.place(n.ID)
	var out []segment
	add := func(st style, format string, args ...any) {
		out = append(out, segment{fmt.Sprintf(format, args...), st, 0})
	}
	word, _ := p.roleWord(i)
	head := fmt.Sprintf("%s of term %d", word, n.Term)
	if n.SinceNS > 0 && n.State == netlab.StateUp {
		head += " since " + clockText(n.SinceNS)
	}
	head += ", voted for " + name(n.Vote)
	if n.Leader > 0 && n.Leader != n.ID {
		head += ", follows " + name(n.Leader)
	}
	add(strong, "%s", head)
	switch n.State {
	case netlab.StateDead:
		s := "dead"
		if n.Starts > 0 && n.StateNS > 0 {
			s += " since " + clockText(n.StateNS) + ", " + ago(p.time-n.StateNS)
		}
		if n.Exit != "" {
			s += ": " + n.Exit
		}
		add(strong, "%s; below is the last it said", s)
	case netlab.StatePaused:
		add(strong, "paused (SIGSTOP) since %s, pid %d: its timer fires when it is resumed", clockText(n.StateNS), n.Pid)
	default:
		add(plain, "pid %d, up %s, started %s", n.Pid, shortTime(time.Duration(max(0, p.time-n.StateNS))), plural(n.Starts, "time", "times"))
	}
	add(plain, "log 1-%d, last term %d, durable %d, commit %d, applied %d", n.LastIndex, n.LastTerm, n.Durable, n.Commit, n.Applied)
	if n.SnapshotIndex > 0 {
		add(plain, "snapshot of 1-%d, term %d", n.SnapshotIndex, n.SnapshotTerm)
	}
	add(plain, "on disk %s, %s waiting", bytesText(n.DataBytes), plural(n.Pending, "request", "requests"))
	if left, length, ok := p.timer(i); ok {
		what := "election timer"
		if n.Role == netlab.RoleLeader {
			what = "next heartbeat in"
		}
		add(plain, "%s %s of %s", what, shortTime(p.sampledTimer(n.ID, left, length)), shortTime(length))
	}
	for _, s := range p.whyNot(i) {
		add(plain, "%s", s)
	}
	if len(n.Peers) > 0 {
		add(faint, "%-5s %8s %8s %8s  %-12s %s", "peer", "next", "match", "under way", "last answer", "state")
		for _, q := range n.Peers {
			add(plain, "%-5s %8d %8d %9d  %-12s %s", name(q.ID), q.Next, q.Match, q.Inflight, p.lastAck(n.ID, q), p.peerState(n.ID, q))
		}
	}
	if len(n.Votes) > 0 && (n.Role == netlab.RoleCandidate || n.Role == netlab.RolePreCandidate) {
		s := "votes:"
		for _, v := range n.Votes {
			if v.Granted {
				s += " " + name(v.From) + " yes"
			} else {
				s += " " + name(v.From) + " no"
			}
		}
		add(plain, "%s, %d win", s, p.lab.status.Quorum)
	}
	return out
}

func (p *picture) lastAck(leader int, q netlab.PeerStatus) string {
	last := q.LastAckNS
	// The node's word comes late; the network knows of answers since.
	fr := p.newest(func(fr *frame) bool {
		return fr.From == q.ID && fr.To == leader && fr.ArrivedNS != 0 && fr.Kind == kindAppendReply
	})
	if fr != nil {
		last = max(last, fr.ArrivedNS)
	}
	if last == 0 {
		return "never"
	}
	return ago(p.time - last)
}

func (p *picture) peerState(from int, q netlab.PeerStatus) string {
	i, j := p.place(from), p.place(q.ID)
	if i < 0 || j < 0 {
		return ""
	}
	switch {
	case p.nodes[j].State == netlab.StateDead:
		return "dead"
	case p.nodes[j].State == netlab.StatePaused:
		return "paused"
	case !p.open(i, j):
		if l := p.between(i, j); l != nil && l.Wall {
			return "behind the wall"
		}
		return "cut"
	case !p.open(j, i):
		return "answers are cut"
	case q.Probing:
		return "looking where the logs agree"
	}
	return "ok"
}

// whyNot says why entries of a leader's log are not committed, and which of a
// node's entries are not the leader's.
func (p *picture) whyNot(i int) []string {
	n := p.nodes[i]
	var out []string
	if first, last, ok := p.differing(n); ok {
		out = append(out, fmt.Sprintf("%s from the log of %s, leader of term %d: dropped when %s hears of it", differ(first, last), name(p.lead.ID), p.lead.Term, name(n.ID)))
	}
	if n.State != netlab.StateUp || n.Role != netlab.RoleLeader || n.Commit >= n.LastIndex {
		return out
	}
	next := n.Commit + 1
	have := []int{}
	if n.Durable >= next {
		have = append(have, n.ID)
	}
	for _, q := range n.Peers {
		if q.Match >= next {
			have = append(have, q.ID)
		}
	}
	s := fmt.Sprintf("why no commit: entry %d needs %d copies, known are %d", next, p.lab.status.Quorum, len(have))
	if len(have) > 0 {
		s += " (" + names(have) + ")"
	}
	if term, ok := termAt(n.Log, next); ok && term < n.Term && len(have) >= p.lab.status.Quorum {
		s += "; it is of term " + strconv.FormatUint(term, 10) + ", and only entries of term " + strconv.FormatUint(n.Term, 10) + " commit by counting (§5.4.2)"
	}
	return append(out, s)
}

// drawNodeDetail is the overlay: the facts, then the end of the log with what
// its entries say.
func drawNodeOverlay(p *picture, pn pane) {
	n := p.node(p.ui.node)
	if n == nil {
		return
	}
	in := pn.frame("NODE "+name(n.ID), "x kill  r restart  z pause  t time out   esc back")
	lines := p.nodeFacts(n)
	lines = append(lines, segment{})
	switch d := p.ui.detail; {
	case d == nil || d.Node != n.ID:
		lines = append(lines, segment{"reading its log ..", faint, 0})
	default:
		from := "as the node has it"
		if d.Source == "disk" {
			from = "as read from its disk"
		}
		lines = append(lines, segment{"log, newest first, " + from, faint, 0})
		for i := len(d.Entries) - 1; i >= 0; i-- {
			e := &d.Entries[i]
			state := "not committed"
			if e.Index <= d.Commit {
				state = "committed"
			}
			lines = append(lines, segment{fmt.Sprintf("%8d  t%-4d %-13s  %-8s %s", e.Index, e.Term, state, e.Kind, e.Command), plain, 0})
		}
	}
	drawLines(p, in, lines)
}

// drawLines draws lines from the scroll position on.
func drawLines(p *picture, in pane, lines []segment) {
	from := clamp(p.ui.scroll, 0, max(0, len(lines)-in.h))
	for y := 0; y < in.h && from+y < len(lines); y++ {
		in.text(1, y, fit(lines[from+y].text, in.w-2), lines[from+y].style)
	}
	if from+in.h < len(lines) {
		in.right(in.w-1, in.h-1, " "+strconv.Itoa(len(lines)-from-in.h)+" more (down) ", faint)
	}
}
