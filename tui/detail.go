package tui

import (
	"fmt"
	"slices"
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

// wantFacts is how many lines a leader's facts take in most states, the same
// while they change so that nothing jumps.
func (p *picture) wantFacts() int { return 8 + len(p.nodes) }

// nodeFacts is all that is known of a node, most important first.
func (p *picture) nodeFacts(n *netlab.NodeStatus) []segment {
	i := p.place(n.ID)
	var out []segment
	add := func(st style, format string, args ...any) {
		out = append(out, segment{text: fmt.Sprintf(format, args...), style: st})
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
		how, pid := "", ""
		if n.Pid != 0 { // of a simulated node there is none
			how, pid = " (SIGSTOP)", fmt.Sprintf(", pid %d", n.Pid)
		}
		add(strong, "paused%s since %s%s: its timer fires when it is resumed", how, clockText(n.StateNS), pid)
	default:
		pid := ""
		if n.Pid != 0 {
			pid = fmt.Sprintf("pid %d, ", n.Pid)
		}
		add(plain, "%sup %s, started %s", pid, shortTime(time.Duration(max(0, p.time-n.StateNS))), plural(n.Starts, "time", "times"))
	}
	switch first := firstOf(n); {
	case n.LastIndex == 0:
		add(plain, "log empty")
	case first > n.LastIndex:
		add(plain, "log empty behind the snapshot, commit %d, applied %d", n.Commit, n.Applied)
	default:
		add(plain, "log %d-%d (t%d), durable %d, commit %d, applied %d", first, n.LastIndex, n.LastTerm, n.Durable, n.Commit, n.Applied)
	}
	add(plain, "%s", configText(n))
	disk := "on disk " + bytesText(n.DataBytes)
	if n.SnapshotIndex > 0 {
		disk += fmt.Sprintf(", snapshot of 1-%d (t%d) %s", n.SnapshotIndex, n.SnapshotTerm, bytesText(n.SnapshotSize))
	} else {
		disk += ", no snapshot"
	}
	if n.Snapshotting {
		disk += ", writing one"
	}
	if n.Pending > 0 {
		disk += ", " + plural(n.Pending, "request waits", "requests wait")
	}
	add(plain, "%s", disk)
	_, faults := nodeFaults(n)
	for _, fault := range faults {
		add(strong, "%s", fault)
	}
	if n.Forgot != "" {
		add(strong, "came back with less than it had said: %s", n.Forgot)
	}
	switch left, length, ok := p.timer(i); {
	case n.Role == netlab.RoleLeader && length > 0:
		next := "within " + shortTime(length)
		if ok {
			next = "in " + shortTime(p.sampledTimer(n.ID, left, length)) + " of " + shortTime(length)
		}
		add(plain, "next heartbeat %s%s", next, p.lease(n))
	case ok:
		add(plain, "election timer %s of %s", shortTime(p.sampledTimer(n.ID, left, length)), shortTime(length))
	}
	if n.State == netlab.StateUp && n.Role == netlab.RoleLeader && n.TransferTo > 0 {
		add(strong, "hands over to %s: takes no writes until it leads, or an election timeout is over", name(n.TransferTo))
	}
	if peer := p.peer(n.ID); peer != nil && peer.Flow == flowSnapshot {
		add(plain, "is sent %s by %s", p.sending(peer).text(), name(p.lead.ID))
	}
	for _, s := range p.whyNot(i) {
		add(plain, "%s", s)
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
		v := p.votersOf(n)
		add(plain, "%s", s)
		add(plain, "has %s, %s win", v.counted(func(id int) bool { return voteMark(n, id) == '+' }), v.quorumText())
	}
	if len(n.Peers) > 0 {
		add(faint, peerFormat, "peer", "next", "match", "under way", "last answer", "flow")
		for _, q := range n.Peers {
			add(plain, peerFormat, name(q.ID), strconv.FormatUint(q.Next, 10), strconv.FormatUint(q.Match, 10), strconv.Itoa(q.Inflight), p.lastAck(n.ID, q), p.peerState(n.ID, q))
		}
	}
	return out
}

// peerFormat is a row of a leader's table of its peers.
const peerFormat = "%-4s %7s %7s %9s  %-11s %s"

// configText is a node's newest configuration, which it goes by (§6).
func configText(n *netlab.NodeStatus) string {
	if len(n.Voters) == 0 {
		return "has no configuration yet: it has to hear from a leader"
	}
	s := "voters " + nameRanges(n.Voters)
	if len(n.VotersOld) > 0 {
		s = "C_old " + nameRanges(n.VotersOld) + " and C_new " + nameRanges(n.Voters)
	}
	if len(n.Learners) > 0 {
		s += ", learners " + nameRanges(n.Learners)
	}
	switch {
	case n.ConfigIndex == 0:
		return s + ", since the start"
	case n.ConfigIndex == n.SnapshotIndex:
		return s + ", by the snapshot"
	case n.ConfigIndex > n.Commit:
		return s + fmt.Sprintf(", by entry %d, not committed", n.ConfigIndex)
	}
	return s + fmt.Sprintf(", by entry %d", n.ConfigIndex)
}

// lease is how long a leader may still read on its lease (thesis §6.4.1).
func (p *picture) lease(n *netlab.NodeStatus) string {
	if n.Role != netlab.RoleLeader || n.LeaseEndNS == 0 {
		return ""
	}
	if n.LeaseEndNS <= p.time {
		return "; lease over"
	}
	return "; lease for " + shortTime(time.Duration(n.LeaseEndNS-p.time))
}

func (p *picture) lastAck(leader int, q netlab.PeerStatus) string {
	last := q.LastAckNS
	// The node's word comes late; the network knows of answers since.
	fr := p.newest(func(fr *frame) bool {
		return fr.From == q.ID && fr.To == leader && fr.ArrivedNS != 0 && (fr.Kind == kindAppendReply || fr.Kind == kindSnapshotReply)
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
	case q.Flow == flowSnapshot:
		return "snapshot " + p.sending(&q).share()
	case q.Probing || q.Flow == flowProbe:
		return "probes the log"
	case q.Flow == "":
		return "ok"
	}
	return q.Flow
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
	stores := func(id int) bool {
		if id == n.ID {
			return n.Durable >= next
		}
		i := slices.IndexFunc(n.Peers, func(q netlab.PeerStatus) bool { return q.ID == id })
		return i >= 0 && n.Peers[i].Match >= next
	}
	v := p.votersOf(n)
	s := fmt.Sprintf("why no commit: entry %d needs %s copies, known are %s", next, v.quorumText(), v.counted(stores))
	if have := slices.DeleteFunc(v.all(), func(id int) bool { return !stores(id) }); len(have) > 0 {
		s += " (" + nameRanges(have) + ")"
	}
	if term, ok := termAt(n.Log, next); ok && term < n.Term && v.decide(stores) {
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
	in := pn.frame("NODE "+name(n.ID), "esc back")
	lines := p.nodeFacts(n)
	lines = append(lines, segment{})
	switch d := p.ui.detail; {
	case d == nil || d.Node != n.ID:
		lines = append(lines, segment{text: "reading its log ..", style: faint})
	default:
		from := "as the node has it"
		if d.Source == "disk" {
			from = "as read from its disk"
		}
		lines = append(lines, segment{text: "log, newest first, " + from, style: faint})
		if len(d.Entries) == 0 {
			lines = append(lines, segment{text: "no entries", style: faint})
		}
		for i := len(d.Entries) - 1; i >= 0; i-- {
			e := &d.Entries[i]
			state := "not committed"
			if e.Index <= d.Commit {
				state = "committed"
			}
			lines = append(lines, segment{text: fmt.Sprintf("%8d  t%-4d %-13s  %-8s %s", e.Index, e.Term, state, e.Kind, e.Command)})
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
