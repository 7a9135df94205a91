package cmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/raftlab/raftlab/netlab"
)

// previewNodes says what disk, clock, restart, resume and chaos would do.
func previewNodes(line string, s *netlab.Status) string {
	op, err := parseOp(line)
	if err != nil {
		return userError(err).Message
	}
	if op.Verb == "chaos" {
		return previewChaos(&op, s)
	}
	if op.Policy != "" {
		return "nodes that end by themselves: restart policy " + op.Policy
	}
	ids, problem := nodesNow(op.Nodes, s)
	if problem != "" {
		return problem
	}
	switch op.Verb {
	case "disk":
		text, err := netlab.DescribeDisk(&op)
		if err != nil {
			return userError(err).Message
		}
		return "disk of " + nodeNames(ids) + ": " + text
	case "clock":
		text, err := netlab.DescribeClock(&op)
		if err != nil {
			return userError(err).Message
		}
		return "clock of " + nodeNames(ids) + ": " + text
	case "resume":
		return previewResume(ids, s)
	}
	return previewRestart(ids, op.Rolling, s)
}

// inState are those of the nodes that are in one of these states now.
func inState(ids []int, s *netlab.Status, states ...string) (out []int) {
	for _, n := range s.Nodes {
		if slices.Contains(ids, n.ID) && slices.Contains(states, n.State) {
			out = append(out, n.ID)
		}
	}
	return out
}

func previewResume(ids []int, s *netlab.Status) string {
	paused := inState(ids, s, netlab.StatePaused)
	if len(paused) == 0 {
		return "none of them is paused"
	}
	return "resume " + nodeNames(paused)
}

func previewRestart(ids []int, rolling bool, s *netlab.Status) string {
	if rolling {
		text := nodeNames(ids) + ": one after the other, each back before the next"
		if slices.Contains(ids, s.Leader) && len(ids) > 1 {
			text += ", " + nodeName(s.Leader) + " last"
		}
		return text
	}
	var texts []string
	if dead := inState(ids, s, netlab.StateDead); len(dead) > 0 {
		texts = append(texts, "start "+nodeNames(dead))
	}
	if alive := inState(ids, s, netlab.StateUp, netlab.StatePaused); len(alive) > 0 {
		texts = append(texts, "kill and start "+nodeNames(alive))
	}
	return strings.Join(texts, ", ")
}

func previewChaos(op *netlab.Op, s *netlab.Status) string {
	switch x := s.Chaos; {
	case op.Stop && x == nil:
		return "no chaos is at work"
	case op.Stop:
		return fmt.Sprintf("undoes what chaos did, after %d of %d faults", x.Done, x.Faults)
	case x != nil:
		return "chaos is at work already"
	}
	var o netlab.ChaosOptions
	if op.Chaos != nil {
		o = *op.Chaos
	}
	plan, err := netlab.PlanChaos(o, s)
	if err != nil {
		return userError(err).Message
	}
	return plan.String()
}
