package cmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/script"
)

// preview says what a palette line would do to the lab that s shows, "" when
// there is nothing to say or the line is not finished. It asks nobody.
func preview(line string, s *netlab.Status) string {
	words, err := script.Split(line)
	if err != nil || s == nil {
		return ""
	}
	l, err := parseLine(verbs(), words)
	if err != nil {
		return ""
	}
	if len(l.args) < l.verb.min {
		return strings.TrimSpace(l.verb.title()+" "+l.verb.args) + ": " + l.verb.usage
	}
	if last := len(l.args) - 1; last >= 0 && !strings.HasSuffix(line, " ") && beginsNode(l.args[last]) {
		return "" // it is still being typed
	}
	switch l.verb.name {
	case "partition":
		return previewPartition(l.args, s)
	case "kill", "pause", "wipe":
		return previewLoss(l.verb.name, l.args, s)
	case "cut", "slow", "lose":
		args := l.args
		if l.verb.name != "cut" {
			args = args[:len(args)-1]
		}
		return previewLinks(args)
	}
	return ""
}

// beginsNode tells whether word could become a word for nodes, and is none yet.
func beginsNode(word string) bool {
	for _, w := range [...]string{netlab.WordLeader, netlab.WordFollowers, netlab.WordDead, netlab.WordRandom, netlab.WordAll, "s1"} {
		if w != strings.ToLower(word) && strings.HasPrefix(w, strings.ToLower(word)) {
			return true
		}
	}
	return false
}

// previewPartition resolves the sides as the lab would.
func previewPartition(args []string, s *netlab.Status) string {
	words, err := netlab.ParseSides(args)
	if err != nil {
		return err.Error()
	}
	var sides [][]int
	rest := make(map[int]bool)
	for _, n := range s.Nodes {
		rest[n.ID] = true
	}
	for _, side := range words {
		ids, err := nodesNow(side, s)
		if err != "" {
			return err
		}
		for _, id := range ids {
			if !rest[id] {
				return fmt.Sprintf("S%d is on two sides", id)
			}
			delete(rest, id)
		}
		sides = append(sides, ids)
	}
	if len(rest) > 0 {
		var ids []int
		for id := range rest {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		sides = append(sides, ids)
	}
	return netlab.DescribePartition(sides, s)
}

// previewLoss says what is left of the quorum without some nodes.
func previewLoss(verb string, args []string, s *netlab.Status) string {
	ids, problem := nodesNow(args, s)
	if problem != "" {
		return problem
	}
	running, leader := 0, false
	for _, n := range s.Nodes {
		if n.State == netlab.StateUp && !slices.Contains(ids, n.ID) {
			running++
		}
		leader = leader || n.ID == s.Leader && slices.Contains(ids, n.ID)
	}
	text := fmt.Sprintf("%s %s: %d of %d run on", verb, nodeNames(ids), running, len(s.Nodes))
	switch {
	case running < s.Quorum:
		return text + fmt.Sprintf(", too few for a quorum of %d", s.Quorum)
	case leader:
		return text + ", and have to elect a leader"
	}
	return text + ", still a quorum"
}

// previewLinks says which links the words name.
func previewLinks(args []string) string {
	l, err := netlab.ParseLinks(args)
	if err != nil {
		return ""
	}
	name := func(w netlab.NodeWord) string {
		if w.ID != 0 {
			return nodeName(w.ID)
		}
		return w.Group
	}
	switch {
	case !l.Both:
		return fmt.Sprintf("what %s sends to %s", name(l.From), name(l.To))
	case l.From.Group == netlab.WordAll:
		return "all links"
	case l.To.Group == netlab.WordAll:
		return "all links of " + name(l.From) + ", both ways"
	}
	return fmt.Sprintf("%s and %s, both ways", name(l.From), name(l.To))
}

// nodesNow resolves node words against a status, without the choice that
// random leaves to the lab. The second result says what stands against it.
func nodesNow(words []string, s *netlab.Status) ([]int, string) {
	parsed, err := netlab.ParseNodes(words)
	if err != nil {
		return nil, err.Error()
	}
	var ids []int
	add := func(id int) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, w := range parsed {
		switch {
		case w.ID != 0:
			if !slices.ContainsFunc(s.Nodes, func(n netlab.NodeStatus) bool { return n.ID == w.ID }) {
				return nil, fmt.Sprintf("node %d is not in this lab", w.ID)
			}
			add(w.ID)
		case w.Group == netlab.WordRandom:
			return nil, "a node drawn at random"
		case w.Group == netlab.WordLeader && s.Leader == 0:
			return nil, "no node is the leader now"
		case w.Group == netlab.WordDead && !slices.ContainsFunc(s.Nodes, func(n netlab.NodeStatus) bool { return n.State == netlab.StateDead }):
			return nil, "no node is dead"
		case w.Group == netlab.WordDead:
			for _, n := range s.Nodes {
				if n.State == netlab.StateDead {
					add(n.ID)
				}
			}
		default:
			for _, n := range s.Nodes {
				if w.Group == netlab.WordAll || (n.ID == s.Leader) == (w.Group == netlab.WordLeader) {
					add(n.ID)
				}
			}
		}
	}
	slices.Sort(ids)
	return ids, ""
}
