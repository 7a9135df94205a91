// Package cond is the condition language of `wait` and `expect`:
// github.com/expr-lang/expr over a lab's status.
//
//	leader == 3
//	S1.term >= 2
//	count(nodes, .role == "leader") == 2
//	all(nodes, .commit == 7)
//	S4.terms == "1114455666"
//	kv("x") == "1"
//	config.joint                                  C_old,new counts (§6)
//	config.voters == [1, 2, 3] and config.committed
//	4 in config.learners, S4.role == "learner"
//	S2.snapshot_index >= 900, S2.first_index > 1  its log is folded up to there (§7)
//	S4.flow == "snapshot"                         how the leader sends to S4
//	len(faults) == 0                              nothing is set on the network
//	sum(links, .on_hold) == 2                     two frames are held
//
// Names are those of status JSON; config is the configuration that counts, with
// voters (C_new while joint), voters_old, learners, index, committed, joint, and
// how many of each set decide: quorum, quorum_old.
//
// Three plain words stand for the common ones: leader, quorum (a leader that a
// majority of the voters follows, while the configuration is joint of both sets)
// and converged. It knows no lab: it is given an [Env].
package cond

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"sort"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// maxNodes is how many of S1, S2, … a condition may name.
const maxNodes = 21

// maxLength bounds a condition's text.
const maxLength = 4096

// Words are the plain words and what each stands for.
var Words = map[string]string{
	"leader": `leader != 0`,
	"quorum": `leader != 0` +
		` && count(nodes, .id in config.voters && .state == "up" && .leader == leader && .term == term) >= config.quorum` +
		` && count(nodes, .id in config.voters_old && .state == "up" && .leader == leader && .term == term) >= config.quorum_old`,
	"converged": `leader != 0 && all(nodes, .state != "up" || !.member || (.last_index == last_index && .commit == last_index && .applied == last_index))`,
}

// Env is what a condition speaks of: one moment of a lab. Names in conditions
// are those of status JSON.
type Env struct {
	Leader, Term, Commit, Quorum int
	Held                         bool
	Rate                         float64
	LabNS                        int
	Partition                    [][]int
	Config                       Config
	Nodes                        []Node // ascending by ID
	Links                        []Link
	Faults                       []Fault // what is set on the network, in the order it was set
	Broke                        string  // the breakpoint that holds the clock, as it was set; "" when none does
	Breaks                       []Break // in the order they were set
	Violations                   []Violation
	// KV reads a key through the log; "" when it is missing. nil: not available.
	KV func(key string) (string, error)
}

// Config is the configuration of an Env that counts (§6).
type Config struct {
	Index     int   `expr:"index"`
	Committed bool  `expr:"committed"`
	Joint     bool  `expr:"joint"`
	Voters    []int `expr:"voters"` // C_new while joint
	VotersOld []int `expr:"voters_old"`
	Learners  []int `expr:"learners"`
	Quorum    int   `expr:"quorum"`     // how many of Voters decide
	QuorumOld int   `expr:"quorum_old"` // how many of VotersOld, 0 unless joint
}

// Node is one node of an Env.
type Node struct {
	ID        int    `expr:"id"`
	State     string `expr:"state"`
	Role      string `expr:"role"`
	Term      int    `expr:"term"`
	Vote      int    `expr:"vote"`
	Leader    int    `expr:"leader"`
	LastIndex int    `expr:"last_index"`
	LastTerm  int    `expr:"last_term"`
	Commit    int    `expr:"commit"`
	Applied   int    `expr:"applied"`
	Pending   int    `expr:"pending"`
	Starts    int    `expr:"starts"`
	Terms     string `expr:"terms"` // the log's terms, a digit an entry, or with dots from term 10 on

	Member        bool   `expr:"member"` // the configuration has it
	ConfigIndex   int    `expr:"config_index"`
	FirstIndex    int    `expr:"first_index"` // of its log; more than 1 once entries are dropped
	SnapshotIndex int    `expr:"snapshot_index"`
	TransferTo    int    `expr:"transfer_to"`
	Flow          string `expr:"flow"` // how the leader sends to it: probe, replicate, snapshot; "" for nobody's

	Durable   int     `expr:"durable"` // last index on its disk, as far as it knows
	Disk      string  `expr:"disk"`    // what is wrong with its disk: ok, slow, fail, lie, full, torn
	Exit      string  `expr:"exit"`    // why it is dead, when nobody asked for it
	Forgot    string  `expr:"forgot"`  // what it lacked, when it was started, of what it had said is on its disk
	ClockRate float64 `expr:"clock_rate"`
	SkewNS    int     `expr:"skew_ns"`
}

// Link is one directed link of an Env.
type Link struct {
	From      int     `expr:"from"`
	To        int     `expr:"to"`
	Cut       bool    `expr:"cut"`
	Wall      bool    `expr:"wall"`
	DelayMS   float64 `expr:"delay_ms"`
	JitterMS  float64 `expr:"jitter_ms"`
	Loss      float64 `expr:"loss"`
	Duplicate float64 `expr:"duplicate"`
	Reorder   float64 `expr:"reorder"`
	Corrupt   float64 `expr:"corrupt"`
	RateBytes int     `expr:"rate_bytes"`
	Held      int     `expr:"held"`    // frames waiting
	OnHold    int     `expr:"on_hold"` // those that wait until somebody lets them go
	Set       string  `expr:"set"`     // what is set on it, in words
	Sent      int     `expr:"sent"`
	Delivered int     `expr:"delivered"`
	Dropped   int     `expr:"dropped"`
	Copies    int     `expr:"copies"` // messages that arrived once more, by duplicate
}

// Fault is one thing that is set on the network of an Env.
type Fault struct {
	ID      int      `expr:"id"`
	Verb    string   `expr:"verb"`
	Text    string   `expr:"text"`
	Links   [][2]int `expr:"links"`
	UntilNS int      `expr:"until_ns"` // 0 when it does not end by itself
	Seen    int      `expr:"seen"`     // frames it was for
	Hits    int      `expr:"hits"`     // those it did something to
}

// Break is one breakpoint of an Env.
type Break struct {
	ID    int    `expr:"id"`
	Cond  string `expr:"cond"`
	Holds bool   `expr:"holds"` // what it looks for is so now
	Hits  int    `expr:"hits"`  // how often that came
}

// Violation is one broken promise of an Env.
type Violation struct {
	Property string `expr:"property"`
	Term     int    `expr:"term"`
	Index    int    `expr:"index"`

	Text string `expr:"-"` // what it was, for Seen
}

// Help shows what conditions are like.
const Help = `a condition is one of: leader, quorum, converged; or like S1.term >= 2, leader == 3, kv("x") == "1"`

// SyntaxError says what is wrong with a condition, and from which column on.
type SyntaxError struct {
	Cond   string
	Column int // from 1
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("condition %q, column %d: %s", e.Cond, e.Column, e.Reason)
}

// Cond is a compiled condition. It may be evaluated from several goroutines.
type Cond struct {
	src     string
	program *vm.Program
	speaks  []string // "leader", "S1.term", "nodes.role": what it looks at, in order
}

// Compile reads a condition. What it names and how it compares is checked
// here; the error is a *SyntaxError.
func Compile(src string) (*Cond, error) {
	src = strings.TrimSpace(src)
	if src == "" {
		return nil, &SyntaxError{src, 1, "it is empty; try: leader, quorum, converged, or leader == 3"}
	}
	if len(src) > maxLength {
		return nil, &SyntaxError{src[:40] + "…", maxLength, fmt.Sprintf("it is longer than %d bytes", maxLength)}
	}
	text := src
	if w, ok := Words[src]; ok {
		text = w
	}
	shape := Env{KV: func(string) (string, error) { return "", nil }}
	for id := 1; id <= maxNodes; id++ {
		shape.Nodes = append(shape.Nodes, Node{ID: id})
	}
	program, err := expr.Compile(text, expr.Env(shape.names()), expr.AsBool())
	if err != nil {
		return nil, syntaxError(src, err)
	}
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, syntaxError(src, err)
	}
	return &Cond{src: src, program: program, speaks: spoken(tree.Node)}, nil
}

func syntaxError(src string, err error) *SyntaxError {
	var at *file.Error
	if errors.As(err, &at) {
		return &SyntaxError{src, at.Column + 1, plain(at.Message)}
	}
	reason, _, _ := strings.Cut(err.Error(), "\n")
	return &SyntaxError{src, 1, reason}
}

// token is how the parser calls a word that it has no use for.
var token = regexp.MustCompile(`^unexpected token (\w+)(?:\((".*")\))?`)

// plain says in words what the parser says in its own.
func plain(reason string) string {
	switch m := token.FindStringSubmatch(reason); {
	case m == nil:
		return reason
	case m[1] == "EOF":
		return "it ends where more is expected"
	default:
		return m[2] + " does not belong here; expected the end, or an operator such as == or and"
	}
}

// String is the condition as it was written.
func (c *Cond) String() string { return c.src }

// UsesKV tells whether evaluating reads keys, which costs an operation each.
func (c *Cond) UsesKV() bool {
	for _, s := range c.speaks {
		if s == "kv" {
			return true
		}
	}
	return false
}

// Eval tells whether the condition holds in env. It fails when the condition
// names a node that env does not have, or when reading a key failed.
func (c *Cond) Eval(env *Env) (bool, error) {
	names := env.names()
	for _, s := range c.speaks {
		name, _, _ := strings.Cut(s, ".")
		if _, ok := names[name]; !ok && isNode(name) {
			return false, fmt.Errorf("condition %q: %s is not in this lab, it has %s", c.src, name, env.nodeNames())
		}
	}
	out, err := expr.Run(c.program, names)
	if err != nil {
		reason, _, _ := strings.Cut(err.Error(), "\n")
		return false, fmt.Errorf("condition %q: %s", c.src, reason)
	}
	return out.(bool), nil
}

func isNode(name string) bool {
	return len(name) > 1 && name[0] == 'S' && strings.Trim(name[1:], "0123456789") == ""
}

// names is env as the expression sees it.
func (env *Env) names() map[string]any {
	last := 0
	for _, n := range env.Nodes {
		if n.ID == env.Leader {
			last = n.LastIndex
		}
	}
	m := map[string]any{
		"leader": env.Leader, "term": env.Term, "commit": env.Commit, "quorum": env.Quorum,
		"config": env.Config, "held": env.Held, "rate": env.Rate, "lab_ns": env.LabNS, "last_index": last,
		"partition": env.Partition, "nodes": env.Nodes, "links": env.Links, "faults": env.Faults, "violations": env.Violations,
		"broke": env.Broke, "breaks": env.Breaks,
		"kv": func(key string) (string, error) {
			if env.KV == nil {
				return "", errors.New("keys can't be read here")
			}
			return env.KV(key)
		},
	}
	for _, n := range env.Nodes {
		m[fmt.Sprintf("S%d", n.ID)] = n
	}
	return m
}

// Seen says how the things the condition speaks of are in env, for the
// sentence that tells why it does not hold: "leader 0; role S1 follower, S2
// candidate".
func (c *Cond) Seen(env *Env) string {
	names := env.names()
	var out []string
	for _, s := range c.speaks {
		name, field, _ := strings.Cut(s, ".")
		value, ok := names[name]
		switch {
		case !ok || name == "kv":
			continue
		case name == "nodes" && field == "id":
			continue
		case name == "config" && field != "":
			out = append(out, fmt.Sprintf("%s %v", s, fieldOf(env.Config, field)))
		case name == "nodes" && field != "" && fieldOf(Node{}, field) == "?":
			continue // it is one of links or faults
		case name == "nodes" && field != "":
			var each []string
			for _, n := range env.Nodes {
				each = append(each, fmt.Sprintf("S%d %v", n.ID, fieldOf(n, field)))
			}
			out = append(out, field+" "+strings.Join(each, ", "))
		case isNode(name):
			if field == "" {
				continue
			}
			out = append(out, fmt.Sprintf("%s %v", s, fieldOf(value, field)))
		case name == "violations":
			out = append(out, env.violationsText())
		case name == "faults":
			out = append(out, env.faultsText())
		case name == "broke":
			out = append(out, env.brokeText())
		case name == "breaks":
			out = append(out, fmt.Sprintf("%d breakpoints", len(env.Breaks)))
		case name == "links":
			out = append(out, env.linksText())
		case name == "nodes" || name == "config":
			continue
		default:
			out = append(out, fmt.Sprintf("%s %v", name, value))
		}
	}
	return strings.Join(out, "; ")
}

// violationsText says what was broken first.
func (env *Env) violationsText() string {
	switch n := len(env.Violations); n {
	case 0:
		return "no violations"
	case 1:
		return "1 violation: " + env.Violations[0].Text
	default:
		return fmt.Sprintf("%d violations, the first: %s", n, env.Violations[0].Text)
	}
}

func (env *Env) brokeText() string {
	if env.Broke == "" {
		return "no breakpoint holds the clock"
	}
	return "broke " + env.Broke
}

// faultsText says what is set on the network.
func (env *Env) faultsText() string {
	if len(env.Faults) == 0 {
		return "no faults"
	}
	var each []string
	for _, f := range env.Faults {
		each = append(each, fmt.Sprintf("f%d %s (hits %d)", f.ID, f.Text, f.Hits))
	}
	return strings.Join(each, ", ")
}

// linksShown is how many links a sentence has room for.
const linksShown = 4

// linksText says which links have something set, and on how many messages wait.
func (env *Env) linksText() string {
	var each []string
	more := 0
	for _, k := range env.Links {
		s := k.Set
		if k.Wall {
			s = strings.TrimSuffix("wall, "+s, ", ")
		}
		if k.OnHold > 0 {
			s = strings.TrimPrefix(fmt.Sprintf("%s, %d on hold", s, k.OnHold), ", ")
		}
		switch {
		case s == "":
		case len(each) == linksShown:
			more++
		default:
			each = append(each, fmt.Sprintf("S%d to S%d %s", k.From, k.To, s))
		}
	}
	switch {
	case len(each) == 0:
		return "nothing is set on a link"
	case more > 0:
		return fmt.Sprintf("%s, and %d more", strings.Join(each, ", "), more)
	}
	return strings.Join(each, ", ")
}

// fieldOf is a field of a struct by the name that conditions have for it.
func fieldOf(v any, name string) any {
	t := reflect.TypeOf(v)
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("expr") == name {
			return reflect.ValueOf(v).Field(i).Interface()
		}
	}
	return "?"
}

// nodeNames is "S1 to S5", or "S1 S2 S6" where numbers are left out.
func (env *Env) nodeNames() string {
	if n := len(env.Nodes); n > 1 && env.Nodes[0].ID == 1 && env.Nodes[n-1].ID == n {
		return fmt.Sprintf("S1 to S%d", n)
	}
	var each []string
	for _, n := range env.Nodes {
		each = append(each, fmt.Sprintf("S%d", n.ID))
	}
	return strings.Join(each, " ")
}

// spoken lists what an expression looks at, each once, in reading order.
func spoken(root ast.Node) []string {
	v := &speech{at: make(map[string]int), member: make(map[ast.Node]bool)}
	ast.Walk(&root, v)
	var out []string
	for s := range v.at {
		if _, ok := v.at[s+"."]; !ok {
			out = append(out, s)
		}
	}
	sort.Slice(out, func(i, j int) bool { return v.at[out[i]] < v.at[out[j]] })
	return out
}

type speech struct {
	at     map[string]int
	member map[ast.Node]bool
}

// Visit sees children before their parents (ast.Walk is post-order).
func (v *speech) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		v.add(n.Value, n.Location().From)
	case *ast.MemberNode:
		property, ok := n.Property.(*ast.StringNode)
		if !ok {
			return
		}
		switch base := n.Node.(type) {
		case *ast.PointerNode:
			v.add("nodes."+property.Value, n.Location().From)
		case *ast.IdentifierNode:
			v.add(base.Value+"."+property.Value, base.Location().From)
		}
	}
}

func (v *speech) add(s string, at int) {
	if first, ok := v.at[s]; !ok || at < first {
		v.at[s] = at
	}
}
