package tui

import (
	"strconv"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// drawFaults lists all that is set on links, disks and clocks, the latest
// first, as "raftlab faults" does: what each is, where, how often it acted, and
// how long it stays.
func drawFaults(p *picture, pn pane) {
	if pn.h < 1 {
		return
	}
	faults := p.lab.status.Faults
	if len(faults) == 0 {
		pn.text(1, 0, "no fault is set", faint)
		return
	}
	const idW, hitsW, leftW = 5, 6, 7
	onW := clamp(pn.w/6, 9, 20)
	pn.w = min(pn.w, 110) // a line the eye can follow
	textW := pn.w - 1 - idW - onW - 2 - hitsW - leftW - 2
	hits, left := 1+idW+textW+onW+1+hitsW, pn.w-1
	pn.text(1, 0, fit(`set now; ":heal f3" ends one`, idW+textW-1), faint)
	pn.text(1+idW+textW, 0, "on", faint)
	pn.right(hits, 0, "hits", faint)
	pn.right(left, 0, "for", faint)
	rows := pn.rows(1, pn.h-1)
	shown := len(faults)
	if shown > rows.h {
		shown = max(0, rows.h-1)
	}
	for y := range shown {
		f := &faults[len(faults)-1-y]
		rows.text(1, y, "f"+strconv.Itoa(f.ID), strong)
		rows.text(1+idW, y, fit(f.Text, textW-1), plain)
		on := netlab.LinkWords(f.Links, p.lab.status.Links)
		if len(f.Nodes) > 0 {
			on = names(f.Nodes)
		} else if f.Verb != "partition" {
			rows.right(hits, y, count(float64(f.Hits)), plain)
		}
		rows.text(1+idW+textW, y, fit(on, onW), plain)
		if f.UntilNS > 0 {
			rows.right(left, y, shortTime(time.Duration(max(0, f.UntilNS-p.time))), plain)
		}
	}
	if more := len(faults) - shown; more > 0 {
		rows.text(1, shown, "and "+strconv.Itoa(more)+" more: raftlab faults", faint)
	}
}
