package cmd

import (
	"fmt"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// nodeFaultLines say what is wrong with disks and clocks, what nodes came back
// without, and what becomes of nodes that end by themselves.
func nodeFaultLines(s *netlab.Status) []string {
	var out []string
	for _, n := range s.Nodes {
		if n.Disk != nil {
			out = append(out, fmt.Sprintf("%s's disk (%s): %s", nodeName(n.ID), n.Disk.Mode, n.Disk.Text))
		}
	}
	for _, n := range s.Nodes {
		var parts []string
		if n.ClockRate != 0 && n.ClockRate != 1 {
			parts = append(parts, fmt.Sprintf("runs %s times as fast as the lab's", number(n.ClockRate)))
		}
		if skew := shownLength(max(n.SkewNS, -n.SkewNS)); n.SkewNS > 0 {
			parts = append(parts, "is "+skew+" ahead")
		} else if n.SkewNS < 0 {
			parts = append(parts, "is "+skew+" behind")
		}
		if len(parts) > 0 {
			out = append(out, nodeName(n.ID)+"'s clock "+strings.Join(parts, " and "))
		}
	}
	for _, n := range s.Nodes {
		if n.Forgot != "" {
			out = append(out, fmt.Sprintf("%s came back with less than it had said: %s", nodeName(n.ID), clean(n.Forgot)))
		}
	}
	if s.Restart == netlab.PolicyOnFailure {
		out = append(out, "nodes that end by themselves are restarted (restart policy "+s.Restart+")")
	}
	return out
}

// comesBack says when a dead node is restarted by itself, "" when it is not.
func comesBack(n netlab.NodeStatus, s *netlab.Status) string {
	if n.RestartNS == 0 {
		return ""
	}
	left := time.Duration(max(n.RestartNS-s.Clock.LabNS, 0))
	return fmt.Sprintf("; restarted in %s", left.Round(10*time.Millisecond))
}
