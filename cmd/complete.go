package cmd

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/netlab/cond"
	"github.com/raftlab/raftlab/raft"
	"github.com/urfave/cli/v2"
)

// completeLimit bounds how long completion may ask the lab.
const completeLimit = 100 * time.Millisecond

func completeVerb() *verb {
	return &verb{
		name: "__complete", args: "WORD..", usage: "Candidates for the last word of a command line", category: categoryTool,
		max: -1, hidden: true, terminal: true,
		run: func(c *call) error {
			words := c.Args().Slice()
			var b strings.Builder
			for _, cand := range completeWords(c.Context.Context, c.sh.lab, words) {
				b.WriteString(cand.word)
				if cand.about != "" {
					b.WriteString("\t" + cand.about)
				}
				b.WriteString("\n")
			}
			_, err := io.WriteString(c.sh.stdout, b.String())
			return err
		},
	}
}

// A candidate is what a word may become.
type candidate struct{ word, about string }

// completeWords returns what the last of words may become. It asks the running
// lab for its nodes and keys, and goes by what is always right when there is
// none or it is slow.
func completeWords(ctx context.Context, lab string, words []string) []candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	all := verbs()
	var v *verb
	level, flags, args := all, sharedFlags(), []string(nil)
	var pending cli.Flag // a flag that waits for its value
	for _, w := range before {
		switch {
		case pending != nil:
			if pending.Names()[0] == "lab" {
				lab = w
			}
			pending = nil
		case looksLikeFlag(w):
			name, value, hasValue := strings.Cut(strings.TrimLeft(w, "-"), "=")
			f := findFlag(flags, name, strings.HasPrefix(w, "--"))
			if f != nil && takesValue(f) && !hasValue {
				pending = f
			}
			if f != nil && hasValue && f.Names()[0] == "lab" {
				lab = value
			}
		case level != nil:
			v = find(level, w)
			if v == nil {
				return nil
			}
			flags, level = append(slices.Clone(v.flags), sharedFlags()...), v.subs
			if len(level) == 0 {
				level = nil
			}
		default:
			args = append(args, w)
		}
	}
	var out []candidate
	switch {
	case pending != nil:
		out = flagValues(v, pending)
		if _, list := pending.(*cli.StringSliceFlag); list {
			out = listed(out, last)
		}
	case strings.HasPrefix(last, "-") && v != nil:
		out = flagNames(flags)
	case level != nil:
		for _, v := range level {
			if !v.hidden {
				out = append(out, candidate{v.name, v.usage})
			}
		}
	case v.max >= 0 && len(args) >= v.max:
		return nil
	default:
		ctx, cancel := context.WithTimeout(ctx, completeLimit)
		defer cancel()
		out = argValues(ctx, lab, v.word(len(args)), args)
	}
	return slices.DeleteFunc(out, func(c candidate) bool { return !strings.HasPrefix(c.word, last) })
}

func flagNames(flags []cli.Flag) []candidate {
	var out []candidate
	for _, f := range flags {
		if !isHidden(f) {
			out = append(out, candidate{flagTitle(f), flagUsage(f)})
		}
	}
	return out
}

// flagValues are the values of flags that have few.
func flagValues(v *verb, f cli.Flag) []candidate {
	words := func(s ...string) (out []candidate) {
		for _, w := range s {
			out = append(out, candidate{word: w})
		}
		return out
	}
	switch f.Names()[0] {
	case "output":
		return words("table", "json", "jsonl", "name")
	case "color":
		return words("auto", "always", "never")
	case "profile":
		var out []candidate
		for _, p := range netlab.Profiles() {
			out = append(out, candidate{p.Name, p.About})
		}
		return append(out, candidate{"help", "list them all, and regions"})
	case "kinds":
		var out []candidate
		for _, k := range netlab.ChaosKinds() {
			if !slices.ContainsFunc(out, func(c candidate) bool { return c.word == k.Family }) {
				out = append(out, candidate{k.Family, "all of this family, but for what can cost acknowledged writes"})
			}
			out = append(out, candidate{k.Name, k.About})
		}
		return append(out, candidate{"all", "all kinds, whatever they can cost"}, candidate{"help", "list them all"})
	case "read":
		return reads
	case "kind":
		if v != nil && v.name == "events" {
			return words(eventKinds...)
		}
		return kindCandidates()
	case "distribution":
		return words(netlab.Distributions()...)
	case "unsafe":
		var out []candidate
		for _, r := range raft.UnsafeRules() {
			out = append(out, candidate{r.Name, r.Breaks})
		}
		return append(out, candidate{"help", "list them all"})
	case "policy", "restart-policy":
		return []candidate{{netlab.PolicyNever, "they stay dead"}, {netlab.PolicyOnFailure, "they are restarted, with a back-off"}}
	case "motion":
		return words("full", "less", "none")
	case "lab":
		return labNames()
	case "node":
		return nodeCandidates(nil)
	}
	return nil
}

// listed are the candidates for the last name of a list with commas.
func listed(all []candidate, last string) []candidate {
	before := last[:strings.LastIndexByte(last, ',')+1]
	var out []candidate
	for _, c := range all {
		if !slices.Contains(strings.Split(before, ","), c.word) {
			out = append(out, candidate{before + c.word, c.about})
		}
	}
	return out
}

func labNames() []candidate {
	home, err := netlab.Home()
	if err != nil {
		return nil // completion has nobody to tell
	}
	labs, err := netlab.List(home)
	if err != nil {
		return nil
	}
	var out []candidate
	for _, l := range labs {
		out = append(out, candidate{l.Name, plural(l.Nodes, "node")})
	}
	return out
}

// argValues are the values of arguments.
func argValues(ctx context.Context, lab string, kind word, before []string) []candidate {
	switch kind {
	case wordNode:
		return nodeCandidates(askStatus(ctx, lab))
	case wordNodeOrDisk:
		return modesOrNodes(ctx, lab, diskModes(), before)
	case wordNodeOrClock:
		return modesOrNodes(ctx, lab, clockModes(), before)
	case wordNewNode:
		return newNodeCandidates(askStatus(ctx, lab), before)
	case wordSide:
		return append(nodeCandidates(askStatus(ctx, lab)), candidate{"/", "the next side"})
	case wordLinkOrFault:
		s := askStatus(ctx, lab)
		return append(faultCandidates(s), nodeCandidates(s)...)
	case wordFrame:
		return frameCandidates(ctx, lab)
	case wordFrameAction:
		return frameActions(ctx, lab, before)
	case wordLink:
		out := nodeCandidates(askStatus(ctx, lab))
		if len(before) > 0 && before[0] == netlab.FrameHold {
			before = before[1:] // the links are behind it
		}
		if len(before) == 1 {
			out = append(out, candidate{"to", "one way"})
		}
		return out
	case wordCond, wordBreak:
		var out []candidate
		if kind == wordBreak {
			for _, n := range netlab.NamedBreaks() {
				out = append(out, candidate{n.Name, n.About})
			}
		}
		for name, stands := range cond.Words {
			out = append(out, candidate{name, stands})
		}
		slices.SortFunc(out, func(a, b candidate) int { return strings.Compare(a.word, b.word) })
		return out
	case wordKey:
		return keyCandidates(ctx, lab)
	case wordVerb:
		var out []candidate
		for _, v := range verbs() {
			if !v.hidden {
				out = append(out, candidate{v.name, v.usage})
			}
		}
		return out
	case wordShell:
		return []candidate{{word: "bash"}, {word: "zsh"}, {word: "fish"}, {word: "powershell"}}
	case wordStop:
		return []candidate{{"stop", "end the background writes"}}
	case wordDemo:
		return demoCandidates()
	}
	return nil
}

// nodeCandidates are the words for nodes; with a status also their numbers.
func nodeCandidates(s *netlab.Status) []candidate {
	var out []candidate
	if s != nil {
		for _, n := range s.Nodes {
			about := n.State
			if n.State == netlab.StateUp {
				about = n.Role
			}
			out = append(out, candidate{strconv.Itoa(n.ID), about})
		}
	}
	return append(out,
		candidate{netlab.WordLeader, "who leads now"}, candidate{netlab.WordFollowers, "all other voters"}, candidate{netlab.WordLearners, "those without a vote"},
		candidate{netlab.WordDead, "those whose process has ended"}, candidate{netlab.WordRandom, "any node"}, candidate{netlab.WordAll, "every node"})
}

// kindCandidates are the words for kinds of frames.
func kindCandidates() []candidate {
	about := make(map[string]string)
	for _, w := range netlab.KindWords() {
		about[w.Word] = w.About
	}
	var out []candidate
	for _, name := range netlab.KindNames() {
		out = append(out, candidate{name, about[name]})
	}
	return out
}

// faultCandidates are the names of what is set on the network.
func faultCandidates(s *netlab.Status) []candidate {
	if s == nil {
		return nil
	}
	var out []candidate
	for _, f := range s.Faults {
		out = append(out, candidate{faultName(f), f.Text + ": " + netlab.LinkWords(f.Links, s.Links)})
	}
	return out
}

// modesOrNodes are nodes, and behind one also what they can be made; nothing
// behind that.
func modesOrNodes(ctx context.Context, lab string, modes []candidate, before []string) []candidate {
	if slices.ContainsFunc(modes, func(m candidate) bool { return slices.Contains(before, m.word) }) {
		return nil
	}
	nodes := nodeCandidates(askStatus(ctx, lab))
	if len(before) == 0 {
		return nodes
	}
	return append(slices.Clone(modes), nodes...)
}

// newNodeCandidates are the numbers of nodes that could be added: learners,
// who would become voters, and the lowest that are free.
func newNodeCandidates(s *netlab.Status, before []string) []candidate {
	if s == nil {
		return nil
	}
	var out []candidate
	taken := make(map[int]bool)
	for _, n := range s.Nodes {
		taken[n.ID] = true
		if slices.Contains(s.Config.Learners, n.ID) {
			out = append(out, candidate{strconv.Itoa(n.ID), "a learner: it would vote"})
		}
	}
	free := 0
	for id := 1; id <= netlab.NodesMax && free < 3; id++ {
		if !taken[id] {
			out = append(out, candidate{strconv.Itoa(id), "a new node"})
			free++
		}
	}
	return slices.DeleteFunc(out, func(c candidate) bool { return slices.Contains(before, c.word) })
}

// askLab runs ask with a client of the running lab; an error, also of ask,
// means that completion goes on with what it knows.
func askLab(lab string, ask func(*netlab.Client) error) error {
	home, err := netlab.Home()
	if err != nil {
		return err
	}
	if lab == "" {
		lab = netlab.DefaultName
	}
	client, err := netlab.Connect(home, lab)
	if err != nil {
		return err
	}
	defer client.Close()
	return ask(client)
}

// askStatus returns the lab's status, nil when there is none in time.
func askStatus(ctx context.Context, lab string) (s *netlab.Status) {
	err := askLab(lab, func(c *netlab.Client) (err error) {
		s, err = c.Status(ctx)
		return err
	})
	if err != nil {
		return nil
	}
	return s
}

// keyCandidates are the keys the leader's state machine holds.
func keyCandidates(ctx context.Context, lab string) []candidate {
	var out []candidate
	err := askLab(lab, func(c *netlab.Client) error {
		d, err := c.Dump(ctx, "")
		if err != nil {
			return err
		}
		for _, p := range d.Pairs {
			if quoteWord(p.Key) == p.Key {
				out = append(out, candidate{p.Key, clean(p.Value)})
			}
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return out
}
