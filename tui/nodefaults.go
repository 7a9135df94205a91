package tui

import (
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// nodeFaults is what is wrong with a node's disk and clock, shortest first.
func nodeFaults(n *netlab.NodeStatus) (short, long []string) {
	if d := n.Disk; d != nil {
		short = append(short, "disk: "+d.Mode)
		long = append(long, "disk: "+d.Text)
	}
	rated := n.ClockRate != 0 && n.ClockRate != 1
	if !rated && n.SkewNS == 0 {
		return short, long
	}
	var parts []string
	if rated {
		rate := strconv.FormatFloat(n.ClockRate, 'g', 4, 64)
		short = append(short, "clock x"+rate)
		parts = append(parts, "runs "+rate+" times as fast as the lab's")
	} else {
		short = append(short, "clock "+signed(n.SkewNS))
	}
	if n.SkewNS != 0 {
		word := " ahead"
		if n.SkewNS < 0 {
			word = " behind"
		}
		parts = append(parts, "is "+shortTime(time.Duration(max(n.SkewNS, -n.SkewNS)))+word)
	}
	return short, append(long, "clock: "+strings.Join(parts, ", "))
}

// nodeFaultText is what is wrong with disks and clocks, in few words: "Disks: S2
// lie, S3 slow. Clocks: S4 x1.2."
func (p *picture) nodeFaultText() string {
	var kinds [2][]string // of disks, of clocks
	for _, n := range p.nodes {
		short, _ := nodeFaults(n)
		for _, s := range short {
			if mode, disk := strings.CutPrefix(s, "disk: "); disk {
				kinds[0] = append(kinds[0], name(n.ID)+" "+mode)
			} else {
				kinds[1] = append(kinds[1], name(n.ID)+" "+strings.TrimPrefix(s, "clock "))
			}
		}
	}
	var texts []string
	for i, what := range [...]string{"Disk", "Clock"} {
		switch len(kinds[i]) {
		case 0:
			continue
		case 1:
		default:
			what += "s"
		}
		texts = append(texts, what+": "+strings.Join(kinds[i], ", ")+".")
	}
	return strings.Join(texts, " ")
}

func signed(ns int64) string {
	if ns < 0 {
		return "-" + shortTime(time.Duration(-ns))
	}
	return "+" + shortTime(time.Duration(ns))
}
