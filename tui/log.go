package tui

import (
	"strconv"

	"github.com/raftlab/raftlab/netlab"
)

// drawLog draws the entries lo to hi of a node's log, two columns each: the
// term's last digit, filled with the term's hue when the node knows the entry
// to be committed, and the commit bar | after the commit index. A letter in
// place of the digit is a configuration, a dot an entry that is missing, an
// underlined one is not the leader's. What a snapshot stands for is folded
// into [snap 40 t6].
func drawLog(p *picture, pn pane, x, y int, n *netlab.NodeStatus, lo, hi uint64) {
	st := plain
	if n.State == netlab.StateDead {
		st = faint
	}
	from := lo
	if first := firstOf(n); first > lo {
		from = min(first, hi+1)
		drawFold(pn.sub(x, y, 2*int(from-lo), 1), 0, n, st)
	}
	run := len(n.Log) - 1 // walks down with index
	for run > 0 && n.Log[run].First > from {
		run--
	}
	most := p.maxLast()
	for index := from; index <= hi; index++ {
		for run+1 < len(n.Log) && n.Log[run+1].First <= index {
			run++
		}
		at := x + 2*int(index-lo)
		has := run >= 0 && index >= n.Log[run].First && index < n.Log[run].First+n.Log[run].Count
		switch {
		case has:
			term := n.Log[run].Term
			s := plain
			if index <= n.Commit {
				s = filled(term)
			}
			if n.State == netlab.StateDead {
				s = s.with(dim)
			}
			gap := s
			if p.differs(n, index) {
				s = s.with(underline)
			}
			r := rune('0' + term%10)
			if letter := p.configLetter(index, term); letter != 0 {
				r, s = letter, s.with(bold)
			}
			pn.put(at, y, r, s)
			if index < n.Commit && index < hi {
				pn.put(at+1, y, ' ', gap)
			}
		case index <= n.LastIndex:
			pn.put(at, y, '?', faint) // the lab tells the newest terms of a long log only
		case index <= most:
			pn.put(at, y, '.', faint)
		}
		if index == n.Commit {
			pn.put(at+1, y, '|', strong)
		}
	}
	if n.Commit < lo && lo <= hi {
		pn.put(x-1, y, '|', faint)
	}
	if peer := p.peer(n.ID); peer != nil && peer.Flow == flowSnapshot && n.State == netlab.StateUp {
		if missing := max(from, n.LastIndex+1); missing <= hi {
			rest := x + 2*int(missing-lo)
			drawSending(pn.sub(rest, y, x+2*int(hi-lo)+1-rest, 1), 0, p.sending(peer), name(p.lead.ID))
		}
	}
}

// drawWholeLog squeezes the leader's log, or the longest one, into one line.
func drawWholeLog(p *picture, pn pane, y int) {
	n := p.lead
	for _, m := range p.nodes {
		better := n == nil || m.State == netlab.StateUp && n.State != netlab.StateUp
		if same := n == nil || m.State == n.State; p.lead == nil && (better || same && m.LastIndex > n.LastIndex) {
			n = m
		}
	}
	if n == nil || n.LastIndex == 0 {
		return
	}
	x := pn.text(2, y, "whole log "+name(n.ID)+" ", faint)
	first := firstOf(n)
	if first > 1 {
		const room = len("[snap 1234567 t12]")
		snap := pn.sub(x, y, min(room, len("[snap  t]")+len(strconv.FormatUint(n.SnapshotIndex, 10))+len(strconv.FormatUint(n.SnapshotTerm, 10))), 1)
		drawFold(snap, 0, n, faint)
		x += snap.w
	}
	entries := int(min(n.LastIndex+1-min(first, n.LastIndex+1), uint64(pn.w)))
	w := min(pn.w-x-3, entries)
	if entries == 0 || w < min(8, entries) {
		return
	}
	x = pn.text(x, y, "[", faint)
	for i := range w {
		// The last index of those that share the column.
		index := first - 1 + uint64(i+1)*(n.LastIndex+1-first)/uint64(w)
		term, ok := termAt(n.Log, index)
		r, s := rune('0'+term%10), plain
		if letter := p.configLetter(index, term); letter != 0 {
			r, s = letter, strong
		}
		switch {
		case !ok:
			r, s = '?', faint
		case index <= n.Commit:
			s = filled(term).with(s.attr)
		}
		pn.put(x+i, y, r, s)
	}
	x = pn.text(x+w, y, "]", faint)
	if tail := " " + strconv.FormatUint(first, 10) + "-" + strconv.FormatUint(n.LastIndex, 10); w > 0 && x+len(tail) < pn.w {
		pn.text(x, y, tail, faint)
	}
}
