package netlab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The words that name nodes by what they are, resolved when an operation acts.
const (
	WordLeader    = "leader"
	WordFollowers = "followers"
	WordLearners  = "learners"
	WordDead      = "dead"
	WordRandom    = "random"
	WordAll       = "all"
)

// NodesMax bounds a lab's size: every node is a process, and n nodes have
// n(n-1) links.
const NodesMax = 21

// NodeWord is a word that names nodes: one by its ID, or, with ID 0, a group.
type NodeWord struct {
	ID    int
	Group string // leader, followers, learners, dead, random, all; "" when ID names the node
}

// String is the word in its shortest spelling.
func (w NodeWord) String() string {
	if w.Group != "" {
		return w.Group
	}
	return strconv.Itoa(w.ID)
}

// ParseNode reads a word that names nodes: 3, S3, s3, leader, followers,
// learners, dead, random, all. Whether the lab has such a node is not its question.
func ParseNode(word string) (NodeWord, error) {
	w := strings.ToLower(word)
	switch w {
	case WordLeader, WordFollowers, WordLearners, WordDead, WordRandom, WordAll:
		return NodeWord{Group: w}, nil
	}
	digits := strings.TrimPrefix(w, "s")
	if id, err := strconv.ParseUint(digits, 10, 31); err == nil && id > 0 && digits[0] != '+' {
		return NodeWord{ID: int(id)}, nil
	}
	return NodeWord{}, Errorf(ExitUsage, "%s is no node", quote(word)).
		WithHint("a node is 3 or S3, or one of: leader followers learners dead random all")
}

// ParseNodes reads words that name nodes, split by spaces or commas. There
// must be one at least.
func ParseNodes(words []string) ([]NodeWord, error) {
	var out []NodeWord
	for _, word := range fields(words) {
		w, err := ParseNode(word)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	if len(out) == 0 {
		return nil, Errorf(ExitUsage, "no node named").
			WithHint("a node is 3 or S3, or one of: leader followers learners dead random all")
	}
	return out, nil
}

// ParseFault reads the name of a fault, f3, as Status.Faults numbers them. ok is
// false when word is none.
func ParseFault(word string) (id int, ok bool) {
	digits, named := strings.CutPrefix(strings.ToLower(word), "f")
	n, err := strconv.ParseUint(digits, 10, 31)
	return int(n), named && err == nil && n > 0 && digits[0] != '+'
}

// Links are the directed links that some LINKS words name: those from a node
// of From to a node of To, and with Both those back as well. No link leads
// from a node to itself.
type Links struct {
	From, To NodeWord
	Both     bool
}

// linksHint shows every way to name links.
const linksHint = `links are "1 2" (both ways), "1 to 2" (one way), "1" (all links of S1) or "all"`

// ParseLinks reads the words of LINKS: "A B" (both ways), "A to B" (one way),
// "A" (all links of A) or "all". "A->B" is "A to B".
func ParseLinks(words []string) (Links, error) {
	var parts []string
	for _, w := range fields(words) {
		from, to, arrow := strings.Cut(w, "->")
		if !arrow {
			parts = append(parts, w)
			continue
		}
		for _, p := range []string{from, "to", to} {
			if p != "" {
				parts = append(parts, p)
			}
		}
	}
	oneWay := len(parts) == 3 && strings.EqualFold(parts[1], "to")
	if oneWay {
		parts = []string{parts[0], parts[2]}
	}
	if len(parts) == 0 || len(parts) > 2 {
		return Links{}, Errorf(ExitUsage, "%s names no links", quote(strings.Join(words, " "))).WithHint("%s", linksHint)
	}
	var nodes []NodeWord
	for _, p := range parts {
		w, err := ParseNode(p)
		if err != nil {
			return Links{}, err.(*Error).WithHint("%s", linksHint)
		}
		nodes = append(nodes, w)
	}
	l := Links{From: nodes[0], To: NodeWord{Group: WordAll}, Both: !oneWay}
	if len(nodes) == 2 {
		l.To = nodes[1]
	}
	if l.From.ID != 0 && l.From == l.To {
		return Links{}, Errorf(ExitUsage, "S%d has no link to itself", l.From.ID).WithHint("%s", linksHint)
	}
	return l, nil
}

// ParseSides reads the words of a partition: those up to "/" are a side, by
// spaces or commas. A word in two sides, or an empty side, is an error; nodes
// that no side names are not its question.
func ParseSides(words []string) ([][]string, error) {
	sides := [][]string{nil}
	seen := make(map[NodeWord]bool)
	for _, word := range fields(words) {
		for i, part := range strings.Split(word, "/") {
			if i > 0 {
				sides = append(sides, nil)
			}
			if part == "" {
				continue
			}
			w, err := ParseNode(part)
			if err != nil {
				return nil, err
			}
			last := &sides[len(sides)-1]
			if seen[w] && !slices.Contains(*last, w.String()) {
				return nil, twoSides(part)
			}
			if !seen[w] {
				seen[w] = true
				*last = append(*last, w.String())
			}
		}
	}
	for _, s := range sides {
		if len(s) == 0 {
			return nil, Errorf(ExitUsage, "a side of the partition names no node").WithHint("%s", sidesHint)
		}
	}
	return sides, nil
}

// sidesHint shows how sides are written.
const sidesHint = `"partition 2 4" parts {2 4} from the rest, "partition 1,2 / 3,4" makes {1 2} {3 4} and the rest`

func twoSides(word string) *Error {
	return Errorf(ExitUsage, "%s is on two sides: a node can be on one only", word).WithHint("%s", sidesHint)
}

// fields splits words at spaces and commas.
func fields(words []string) []string {
	var out []string
	for _, w := range words {
		out = append(out, strings.FieldsFunc(w, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })...)
	}
	return out
}

// quote shows a word a user wrote, with what a terminal would act on escaped.
func quote(word string) string {
	const shown = 64
	if r := []rune(word); len(r) > shown {
		word = string(r[:shown]) + "..."
	}
	return strconv.Quote(word)
}

// names lists nodes as the paper writes them, "S1 S3 S5"; "none" when there are none.
func names(ids []int) string {
	if len(ids) == 0 {
		return "none"
	}
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = fmt.Sprintf("S%d", id)
	}
	return strings.Join(s, " ")
}

// numbers lists ids, "1 3 5".
func numbers(ids []int) string {
	return strings.Trim(fmt.Sprint(ids), "[]")
}

// LinkWords names directed links as the words of LINKS do, as briefly as it
// can: all, 3 for all links of a node, 2 4 for both ways, 1 to 2. all are the
// links there are.
func LinkWords(links [][2]int, all []LinkStatus) string {
	on := make(map[[2]int]bool)
	for _, l := range links {
		on[l] = true
	}
	whole, of := len(on) > 2, make(map[int]int)
	for _, l := range all {
		if whole = whole && on[[2]int{l.From, l.To}]; l.From < l.To {
			of[l.From]++
			of[l.To]++
		}
	}
	if whole {
		return "all"
	}
	for id, others := range of {
		switch {
		case len(links) != others || others < 3:
		case !slices.ContainsFunc(links, func(l [2]int) bool { return l[0] != id }):
			return fmt.Sprintf("%d to all", id)
		case !slices.ContainsFunc(links, func(l [2]int) bool { return l[1] != id }):
			return fmt.Sprintf("all to %d", id)
		}
		if others > 1 && len(links) == 2*others && !slices.ContainsFunc(links, func(l [2]int) bool { return l[0] != id && l[1] != id }) {
			return strconv.Itoa(id)
		}
	}
	var out []string
	for _, l := range links {
		switch back := on[[2]int{l[1], l[0]}]; {
		case !back:
			out = append(out, fmt.Sprintf("%d to %d", l[0], l[1]))
		case l[0] < l[1]:
			out = append(out, fmt.Sprintf("%d %d", l[0], l[1]))
		}
	}
	return strings.Join(out, ", ")
}
