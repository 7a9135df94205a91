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
		return previewPartition(line, s)
	case "kill", "stop", "pause", "wipe":
		return previewLoss(l.verb.name, l.args, s)
	case "disk", "clock":
		if len(l.args) > 0 {
			return previewNodes(line, s)
		}
	case "restart", "resume", "chaos":
		return previewNodes(line, s)
	case "add", "remove", "members":
		return previewChange(l.verb.name, l.args, slices.Contains(l.flags, "--learner"), s)
	case "transfer":
		return previewTransfer(l.args, s)
	case "cut", "blackhole", "reset", "slow", "lose", "duplicate", "reorder", "corrupt", "throttle":
		return previewFault(line, s)
	case "frame":
		if l.args[0] == netlab.FrameHold {
			return previewFault(line, s)
		}
	case "heal":
		return previewHeal(l.args, slices.Contains(l.flags, "--all"), s)
	case "undo":
		if s.Undo == "" {
			return "nothing is left to take back"
		}
		return "takes back: " + s.Undo
	}
	return ""
}

// previewFault says what becomes of the links that a line names, or why
// nothing does.
func previewFault(line string, s *netlab.Status) string {
	op, err := parseOp(line)
	if err != nil {
		return userError(err).Message
	}
	on, problem := linksNow(op.Links, s)
	if problem != "" {
		return problem
	}
	text, err := netlab.DescribeFault(&op, on, s)
	if err != nil {
		return userError(err).Message
	}
	return text
}

// linksNow resolves words for links against a status, without the choice that
// random leaves to the lab. The second result says what stands against it.
func linksNow(words []string, s *netlab.Status) (on [][2]int, problem string) {
	l, err := netlab.ParseLinks(words)
	if err != nil {
		return nil, userError(err).Message
	}
	from, problem := nodesNow([]string{l.From.String()}, s)
	if problem != "" {
		return nil, problem
	}
	to, problem := nodesNow([]string{l.To.String()}, s)
	if problem != "" {
		return nil, problem
	}
	add := func(a, b int) {
		if k := [2]int{a, b}; a != b && !slices.Contains(on, k) {
			on = append(on, k)
		}
	}
	for _, a := range from {
		for _, b := range to {
			add(a, b)
			if l.Both {
				add(b, a)
			}
		}
	}
	if len(on) == 0 {
		return nil, nodeName(from[0]) + " has no link to itself"
	}
	return on, ""
}

// previewHeal says what heal takes away.
func previewHeal(args []string, all bool, s *netlab.Status) string {
	if len(args) > 0 {
		id, isFault := netlab.ParseFault(args[0])
		if !isFault {
			return previewHealLinks(args, all, s)
		}
		for _, f := range s.Faults {
			if f.ID == id && len(f.Nodes) > 0 {
				return "takes away " + f.Text + ": " + nodeNames(f.Nodes)
			}
			if f.ID == id {
				return "takes away " + f.Text + ": " + netlab.LinkWords(f.Links, s.Links)
			}
		}
		return "there is no fault " + args[0]
	}
	var gone []string
	for _, f := range s.Faults {
		if all || shuts(f) {
			gone = append(gone, f.Text)
		}
	}
	var ids []int
	for _, n := range s.Nodes {
		ids = append(ids, n.ID)
	}
	var texts []string
	if len(gone) > 0 {
		texts = append(texts, "takes away "+strings.Join(gone, ", "))
	}
	if paused := inState(ids, s, netlab.StatePaused); all && len(paused) > 0 {
		texts = append(texts, "resumes "+nodeNames(paused))
	}
	if all && s.Chaos != nil {
		texts = append(texts, "stops chaos")
	}
	if len(texts) == 0 {
		return "there is nothing to heal"
	}
	return strings.Join(texts, ", ")
}

// previewHealLinks says what heal takes off the links that the words name.
func previewHealLinks(args []string, all bool, s *netlab.Status) string {
	on, problem := linksNow(args, s)
	if problem != "" {
		return problem
	}
	var gone []string
	for _, f := range s.Faults {
		has := func(k [2]int) bool { return slices.Contains(f.Links, k) }
		if (all || shuts(f)) && slices.ContainsFunc(on, has) {
			gone = append(gone, f.Text)
		}
	}
	if len(gone) == 0 {
		return "there is nothing to heal on these links"
	}
	return "takes away " + strings.Join(gone, ", ") + ": " + netlab.LinkWords(on, s.Links)
}

// shuts tells whether heal takes a fault away without --all.
func shuts(f netlab.FaultStatus) bool {
	return f.Verb == "partition" || f.Verb == "cut" || f.Verb == "blackhole" || f.Verb == "frame hold"
}

// beginsNode tells whether word could become a word for nodes, and is none yet.
func beginsNode(word string) bool {
	for _, w := range [...]string{netlab.WordLeader, netlab.WordFollowers, netlab.WordLearners, netlab.WordDead, netlab.WordRandom, netlab.WordAll, "s1"} {
		if w != strings.ToLower(word) && strings.HasPrefix(w, strings.ToLower(word)) {
			return true
		}
	}
	return false
}

// previewPartition resolves the sides as the lab would.
func previewPartition(line string, s *netlab.Status) string {
	op, err := parseOp(line)
	if err != nil {
		return userError(err).Message
	}
	var sides [][]int
	rest := make(map[int]bool)
	for _, n := range s.Nodes {
		rest[n.ID] = true
	}
	for _, side := range op.Sides {
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
	text := netlab.DescribePartition(sides, s)
	if op.For > 0 {
		text += ", for " + shortDuration(op.For)
	}
	return text
}

// previewLoss says what is left of the quorum without some nodes.
func previewLoss(verb string, args []string, s *netlab.Status) string {
	ids, problem := nodesNow(args, s)
	if problem != "" {
		return problem
	}
	left := make(map[int]bool)
	for _, n := range s.Nodes {
		if n.State == netlab.StateUp && !slices.Contains(ids, n.ID) {
			left[n.ID] = true
		}
	}
	text := fmt.Sprintf("%s %s: %d of %d run on", verb, nodeNames(ids), len(left), len(s.Nodes))
	switch {
	case !s.Config.Decides(func(id int) bool { return left[id] }):
		return text + fmt.Sprintf(", too few for a quorum of %s", quorumText(s))
	case slices.Contains(ids, s.Leader):
		return text + ", and have to elect a leader"
	}
	return text + ", still a quorum"
}

// previewChange says what the configuration becomes, and whether the nodes
// that run are enough for it and for the way there (§6).
func previewChange(verb string, args []string, learner bool, s *netlab.Status) string {
	now := s.Config
	if len(now.VotersOld) > 0 || now.Target != nil {
		return "a change is under way; another one has to wait for it"
	}
	next := slices.Clone(now.Voters)
	learners := slices.Clone(now.Learners)
	if verb == "remove" {
		ids, problem := nodesNow(args, s)
		if problem != "" {
			return problem
		}
		for _, id := range ids {
			if !slices.Contains(next, id) && !slices.Contains(learners, id) {
				return nodeName(id) + " is no member"
			}
		}
		out := func(id int) bool { return slices.Contains(ids, id) }
		next, learners = slices.DeleteFunc(next, out), slices.DeleteFunc(learners, out)
	} else {
		ids, problem := numbersNow(args, s)
		if problem != "" {
			return problem
		}
		switch {
		case verb == "members":
			next, learners = ids, nil
		case learner:
			learners = append(learners, ids...)
		default:
			next = append(next, ids...)
			learners = slices.DeleteFunc(learners, func(id int) bool { return slices.Contains(ids, id) })
		}
		for _, id := range ids {
			if verb == "add" && (slices.Contains(now.Voters, id) || learner && slices.Contains(now.Learners, id)) {
				return nodeName(id) + " is a member already"
			}
		}
	}
	if len(next) == 0 {
		return "no voter would be left"
	}
	slices.Sort(next)
	slices.Sort(learners)
	text := nodeNames(now.Voters) + " -> " + nodeNames(next)
	if len(learners) > 0 {
		text += ", learners " + nodeNames(learners)
	}
	if slices.Equal(next, now.Voters) {
		if slices.Equal(learners, now.Learners) {
			return text + ": nothing changes"
		}
		return text + ": the votes stay as they are"
	}
	return text + ": " + enough(now.Voters, next, s)
}

// enough says whether the running nodes of both sets of voters can decide. A
// node that the lab does not have yet is one that will run.
func enough(old, next []int, s *netlab.Status) string {
	running := func(ids []int) int {
		count := 0
		for _, id := range ids {
			at := slices.IndexFunc(s.Nodes, func(n netlab.NodeStatus) bool { return n.ID == id })
			if at < 0 || s.Nodes[at].State == netlab.StateUp {
				count++
			}
		}
		return count
	}
	have, needs := running(next), majority(len(next))
	text := fmt.Sprintf("quorum %d, %d of %d run", needs, have, len(next))
	switch {
	case running(old) < majority(len(old)):
		return text + fmt.Sprintf("; but the old members, %d of %d running, cannot decide to change", running(old), len(old))
	case have < needs:
		return text + ": too few, nothing could commit"
	case have == needs && len(next) > 1:
		return text + ": not one of them may fail"
	}
	return text
}

// numbersNow resolves words of which a number may be that of a new node.
func numbersNow(args []string, s *netlab.Status) ([]int, string) {
	parsed, err := netlab.ParseNodes(args)
	if err != nil {
		return nil, err.Error()
	}
	var ids []int
	for _, w := range parsed {
		more, problem := []int{w.ID}, ""
		if w.ID == 0 {
			more, problem = nodesNow([]string{w.Group}, s)
		} else if w.ID > netlab.NodesMax {
			problem = fmt.Sprintf("a lab has nodes 1 to %d", netlab.NodesMax)
		}
		if problem != "" {
			return nil, problem
		}
		ids = append(ids, more...)
	}
	slices.Sort(ids)
	return slices.Compact(ids), ""
}

// previewTransfer says who hands over to whom, and what stands against it.
func previewTransfer(args []string, s *netlab.Status) string {
	ids, problem := nodesNow(args, s)
	switch {
	case problem != "":
		return problem
	case len(ids) != 1:
		return "the leader hands over to one node"
	case s.Leader == 0:
		return "no node is the leader now"
	case ids[0] == s.Leader:
		return nodeName(s.Leader) + " leads already"
	}
	for _, n := range s.Nodes {
		switch {
		case n.ID != ids[0]:
		case n.State != netlab.StateUp:
			return fmt.Sprintf("%s is %s and cannot take over", nodeName(n.ID), n.State)
		case n.Role == netlab.RoleLearner:
			return nodeName(n.ID) + " is a learner and cannot lead"
		}
	}
	return fmt.Sprintf("%s hands over to %s", nodeName(s.Leader), nodeName(ids[0]))
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
		default:
			found := groupNow(w.Group, s)
			if len(found) == 0 {
				return nil, emptyGroup(w.Group)
			}
			for _, id := range found {
				add(id)
			}
		}
	}
	slices.Sort(ids)
	return ids, ""
}

// groupNow lists the nodes that a word for a group names in a status.
func groupNow(group string, s *netlab.Status) []int {
	var ids []int
	for _, n := range s.Nodes {
		learner := slices.Contains(s.Config.Learners, n.ID)
		in := group == netlab.WordAll
		switch group {
		case netlab.WordLeader:
			in = n.ID == s.Leader
		case netlab.WordFollowers:
			in = n.ID != s.Leader && !learner
		case netlab.WordLearners:
			in = learner
		case netlab.WordDead:
			in = n.State == netlab.StateDead
		}
		if in {
			ids = append(ids, n.ID)
		}
	}
	return ids
}

// emptyGroup says that a word for a group names nobody now.
func emptyGroup(group string) string {
	switch group {
	case netlab.WordLeader:
		return "no node is the leader now"
	case netlab.WordDead:
		return "no node is dead"
	}
	return "no node is a " + strings.TrimSuffix(group, "s") + " now"
}
