package cmd

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/raftlab/raftlab/netlab"
	"github.com/raftlab/raftlab/raft"
	"github.com/urfave/cli/v2"
)

func unsafeFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "unsafe", Usage: "`RULE,..` switch rules of Raft off, to see what they protect; \"raftlab up --unsafe help\" lists them"}
}

// errUnsafeHelp is the answer to --unsafe help: a list and no lab.
var errUnsafeHelp = errors.New("the unsafe rules are listed")

// parseUnsafe reads the names of rules and returns each once, in the order in
// which raft lists them.
func parseUnsafe(words []string) ([]string, error) {
	var set raft.Unsafe
	for _, word := range words {
		for _, name := range strings.FieldsFunc(word, func(r rune) bool { return r == ',' || r == ' ' }) {
			name = strings.ToLower(name)
			if name == "help" {
				return nil, errUnsafeHelp
			}
			rule, err := raft.ParseUnsafe(name)
			if err != nil {
				return nil, unknownRule(name)
			}
			set |= rule
		}
	}
	return set.Names(), nil
}

// unknownRule says that there is no such rule, and which one was likely meant.
func unknownRule(name string) error {
	var known []string
	for _, r := range raft.UnsafeRules() {
		known = append(known, r.Name)
	}
	e := usageErrorf("there is no unsafe rule %q", clean(name))
	if s := nearest(name, known); s != "" {
		e = usageErrorf("there is no unsafe rule %q; did you mean %s?", clean(name), s)
	}
	return e.WithHint("all of them:  raftlab up --unsafe help")
}

// ruleJSON is what -o json tells of an unsafe rule.
type ruleJSON struct {
	Name      string `json:"name"`
	Section   string `json:"section"`
	Breaks    string `json:"breaks"`
	Endangers string `json:"endangers"`
}

// listUnsafe prints all unsafe rules.
func listUnsafe(c *call) error {
	var rules []ruleJSON
	var names []string
	for _, r := range raft.UnsafeRules() {
		rules = append(rules, ruleJSON{r.Name, r.Section, r.Breaks, r.Endangers})
		names = append(names, r.Name)
	}
	return c.emit(struct {
		Schema string     `json:"schema"`
		Rules  []ruleJSON `json:"rules"`
	}{"raftlab.unsafe/1", rules}, names, func(w io.Writer) error {
		t := &table{head: []string{"rule", "breaks", "endangers", "what happens then"}}
		for _, r := range rules {
			t.add(r.Name, r.Section, r.Endangers, r.Breaks)
		}
		return t.write(w, c.style)
	})
}

// unsafeLines say loudly which rules are off, a line each.
func unsafeLines(s *netlab.Status, st style) []string {
	var lines []string
	for _, r := range raft.UnsafeRules() {
		for _, name := range s.Unsafe {
			if name == r.Name {
				lines = append(lines, fmt.Sprintf("%s %s: %s (%s); %s is at stake", st.alarm("!! UNSAFE"), r.Name, r.Breaks, r.Section, r.Endangers))
			}
		}
	}
	return lines
}
