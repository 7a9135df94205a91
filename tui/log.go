package tui

import (
	"strconv"

	"github.com/raftlab/raftlab/netlab"
)

// drawLog draws the entries lo to hi of a node's log, two columns each: the
// term's last digit, filled with the term's hue when the node knows the entry
// to be committed, and the commit bar | after the commit index. A dot is an
// entry that is missing; an underlined one is not the leader's.
func drawLog(p *picture, pn pane, x, y int, n *netlab.NodeStatus, lo, hi uint64) {
	run := len(n.Log) - 1 // walks down with index
	for run > 0 && n.Log[run].First > lo {
		run--
	}
	most := p.maxLast()
	for index := lo; index <= hi; index++ {
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
			pn.put(at, y, rune('0'+term%10), s)
			if index < n.Commit && index < hi {
				pn.put(at+1, y, ' ', gap)
			}
		case index <= n.SnapshotIndex:
			pn.put(at, y, 's', faint)
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
	x := pn.text(2, y, "whole log "+name(n.ID)+" [", faint)
	w := pn.w - x - 2
	if w < 8 {
		return
	}
	if n.LastIndex < uint64(w) {
		w = int(n.LastIndex)
	}
	for i := range w {
		// The last index of those that share the column.
		index := uint64(i+1) * n.LastIndex / uint64(w)
		term, ok := termAt(n.Log, index)
		switch s := filled(term); {
		case !ok:
			pn.put(x+i, y, 's', faint)
		case index <= n.Commit:
			pn.put(x+i, y, rune('0'+term%10), s)
		default:
			pn.put(x+i, y, rune('0'+term%10), plain)
		}
	}
	x = pn.text(x+w, y, "]", faint)
	if tail := " 1-" + strconv.FormatUint(n.LastIndex, 10); x+len(tail) < pn.w {
		pn.text(x, y, tail, faint)
	}
}
