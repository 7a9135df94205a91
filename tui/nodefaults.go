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

func signed(ns int64) string {
	if ns < 0 {
		return "-" + shortTime(time.Duration(-ns))
	}
	return "+" + shortTime(time.Duration(ns))
}
