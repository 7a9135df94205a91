package explore

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftlab/raftlab/netlab"
)

// Plan is what happens when, in a cluster that is made for it.
type Plan struct {
	Config netlab.Config
	Steps  []Step
	Draw   string // what it was drawn as, for whoever reads its scenario
}

// Step is one line of a plan. Exactly one of Op, KV and Wait is set.
type Step struct {
	After time.Duration // lab time since the step before
	Line  string        // the same as people type it
	Op    *netlab.Op
	KV    *netlab.KVOp
	Wait  *netlab.Wait // has to hold

	Patient bool // Wait need not be seen the moment it comes true
	// Given: Wait is how things have to stand for what follows to mean anything. When
	// it does not come about, nothing is said about the cluster.
	Given bool
}

// must tells whether a plan fails when the step does. What else is refused
// because of the lab's state, as to kill a leader while there is none, is part of
// the game.
func (s *Step) must() bool { return s.Wait != nil }

func do(line string, op netlab.Op) Step      { return Step{Line: line, Op: &op} }
func ask(line string, op netlab.KVOp) Step   { return Step{Line: line, KV: &op} }
func demand(line string, w netlab.Wait) Step { return Step{Line: line, Wait: &w} }

func given(line string, w netlab.Wait) Step { return Step{Line: line, Wait: &w, Given: true} }

// convergeWithin is how long a cluster may take, once all faults are gone and
// all its servers run, until it has a leader and all logs are the same.
const convergeWithin = 60 * time.Second

// settle is what comes after all that was drawn: the faults go, all servers come
// up, and the cluster has to get on.
func settle() []Step {
	converge := demand(fmt.Sprintf("expect converged within %v", short(convergeWithin)), netlab.Wait{Cond: "converged", Within: convergeWithin})
	converge.Patient = true
	return []Step{
		do("load stop", netlab.Op{Verb: "load", Stop: true}),
		do("heal --all", netlab.Op{Verb: "heal", All: true}),
		do("resume all", netlab.Op{Verb: "resume", Nodes: []string{"all"}}),
		do("restart dead", netlab.Op{Verb: "restart", Nodes: []string{"dead"}}),
		converge,
	}
}

// timed is a step and when it comes.
type timed struct {
	at time.Duration
	Step
}

// Plan is what a draw comes to.
func (w *Draw) Plan() (*Plan, error) {
	p := &Plan{Config: w.Config, Draw: w.String()}
	if len(w.script) > 0 {
		p.Steps = slices.Clone(w.script)
		return p, nil
	}
	var all []timed
	add := func(at time.Duration, s Step) { all = append(all, timed{at, s}) }
	for _, s := range w.before {
		add(0, s)
	}
	if w.Load.Verb != "" {
		op := w.Load
		add(0, do(loadLine(&op), op))
	}
	if w.Chaos.Every > 0 {
		o := w.Chaos
		o.For, o.Seed = w.Length, max(w.Seed, 1)
		plan, err := netlab.PlanChaos(o, status(&w.Config))
		if err != nil {
			return nil, err
		}
		for i := range plan.Faults {
			f := &plan.Faults[i]
			op, undo := f.Ops()
			add(time.Duration(f.AtNS), do(bare(f.Line), op))
			for k, u := range undo {
				add(time.Duration(f.UntilNS), do(bare(f.Undo[k]), u))
			}
		}
	}
	w.operator(add)
	w.readers(add)
	slices.SortStableFunc(all, func(a, b timed) int { return cmp.Compare(a.at, b.at) })
	now := time.Duration(0)
	for _, t := range all {
		t.After, now = t.at-now, t.at
		p.Steps = append(p.Steps, t.Step)
	}
	end := settle()
	end[0].After = max(w.Length-now, 0)
	p.Steps = append(p.Steps, end...)
	return p, nil
}

// operator adds what an operator does.
func (w *Draw) operator(add func(time.Duration, Step)) {
	if w.Operate == 0 {
		return
	}
	d := newDice(w.Seed ^ 0x6f70)
	most := min(w.Config.Nodes+3, netlab.NodesMax)
	for at := d.upTo(2 * w.Operate); at < w.Length; at += d.upTo(2*w.Operate) + time.Millisecond {
		switch oneOf(d, w.Deeds...) {
		case "transfer":
			add(at, do("transfer random", netlab.Op{Verb: "transfer", Nodes: []string{"random"}, Timeout: 100 * time.Millisecond}))
		case "snapshot":
			add(at, do("snapshot random", netlab.Op{Verb: "snapshot", Nodes: []string{"random"}}))
		case "elect":
			add(at, do("elect random", netlab.Op{Verb: "elect", Nodes: []string{"random"}}))
		case "members":
			var ids []string
			for id := 1; id <= most; id++ {
				if d.coin() {
					ids = append(ids, strconv.Itoa(id))
				}
			}
			if len(ids) == 0 {
				continue
			}
			add(at, do("members "+strings.Join(ids, " ")+" --no-wait", netlab.Op{Verb: "members", Nodes: ids, NoWait: true}))
		}
	}
}

// readers add reads at this node and that.
func (w *Draw) readers(add func(time.Duration, Step)) {
	if w.Reads == 0 || w.Load.Verb == "" {
		return
	}
	d := newDice(w.Seed ^ 0x7264)
	const patience = 50 * time.Millisecond
	for at := d.upTo(2 * w.Reads); at < w.Length; at += d.upTo(2*w.Reads) + time.Millisecond {
		op := netlab.KVOp{Op: "get", Key: fmt.Sprintf("load%d", 1+d.below(w.Load.Keys)), Read: w.Read, Timeout: patience}
		if w.Read != netlab.ReadLog {
			op.Node = strconv.Itoa(1 + d.below(w.Config.Nodes))
		}
		line := "get " + op.Key + " --read " + op.Read
		if op.Node != "" {
			line += " --node " + op.Node
		}
		add(at, ask(line+" --timeout "+short(patience), op))
	}
}

// status is what a plan of chaos looks at, of a lab that is not there yet.
func status(c *netlab.Config) *netlab.Status {
	s := &netlab.Status{Seed: c.Seed, Timing: netlab.Timing{
		HeartbeatNS: int64(c.Heartbeat), ElectionMinNS: int64(c.ElectionMin), ElectionMaxNS: int64(c.ElectionMax),
	}}
	for id := 1; id <= c.Nodes; id++ {
		s.Nodes = append(s.Nodes, netlab.NodeStatus{ID: id})
		s.Config.Voters = append(s.Config.Voters, id)
	}
	return s
}

// bare is a line as it stands in a scenario.
func bare(line string) string { return strings.TrimPrefix(line, "raftlab ") }

// Scenario is the plan as a file that does the same. title is its first line.
func (p *Plan) Scenario(title string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", title)
	if p.Draw != "" {
		fmt.Fprintf(&b, "#\n# drawn as %s\n", p.Draw)
	}
	fmt.Fprintf(&b, "\n%s\n", upLine(&p.Config))
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.After > 0 {
			fmt.Fprintf(&b, "sleep %v\n", short(s.After))
		}
		if !s.must() {
			b.WriteString("try ")
		}
		fmt.Fprintf(&b, "%s\n", s.Line)
	}
	b.WriteString("expect len(violations) == 0\n")
	return b.String()
}

// Lines is how many lines a scenario of the plan has that do something.
func (p *Plan) Lines() int {
	n := 2 // up, and what is expected
	for i := range p.Steps {
		if n++; p.Steps[i].After > 0 {
			n++
		}
	}
	return n
}

// upLine is what makes a lab like this: what is not as by default.
func upLine(c *netlab.Config) string {
	base := baseConfig()
	words := []string{"up", "-n", strconv.Itoa(c.Nodes), "--seed", strconv.FormatUint(c.Seed, 10)}
	if c.Heartbeat != base.Heartbeat {
		words = append(words, "--heartbeat", short(c.Heartbeat))
	}
	if c.ElectionMin != base.ElectionMin || c.ElectionMax != base.ElectionMax {
		words = append(words, "--election", short(c.ElectionMin)+"-"+short(c.ElectionMax))
	}
	for _, f := range []struct {
		on   bool
		flag string
	}{{c.PreVote, "--no-pre-vote"}, {c.CheckQuorum, "--no-check-quorum"}, {c.IgnoreVotes, "--no-ignore-votes"}, {c.Transfer, "--no-transfer"}} {
		if !f.on {
			words = append(words, f.flag)
		}
	}
	if c.SnapshotBytes != base.SnapshotBytes {
		words = append(words, "--snapshot-size", strconv.FormatInt(c.SnapshotBytes, 10))
	}
	if len(c.Unsafe) > 0 {
		words = append(words, "--unsafe", strings.Join(c.Unsafe, ","))
	}
	return strings.Join(append(words, "--no-wait"), " ")
}

// short is a length of time without zeros behind: 2m, not 2m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
