package explore

import (
	"context"
	"fmt"
	"strings"

	"github.com/raftlab/raftlab/raft"
)

// Proof shows that a rule of Raft protects what it is said to: without it, a
// plan breaks just that.
type Proof struct {
	Rule  raft.UnsafeRule
	Seeds uint64 // were played until one did, this one included
	Found Found
	Short *Shrunk
}

// Prove looks for what each unsafe rule breaks, in the seeds from 1 on, of which
// most are played for each rule. each is told how one came out; may be nil. The
// error names a rule of which nothing was found.
func Prove(ctx context.Context, make Maker, workers int, most uint64, shrink int, each func(*Proof)) ([]Proof, error) {
	var out []Proof
	for _, rule := range raft.UnsafeRules() {
		s := &Search{
			Options: Options{Unsafe: []string{rule.Name}}, From: 1, To: most, Workers: workers, Make: make, Want: rule.Endangers,
		}
		report, err := s.Run(ctx)
		if err != nil {
			return out, err
		}
		if report.Found == nil {
			return out, fmt.Errorf("without %s, %s holds in all of %d seeds (found instead: %v)", rule.Name, rule.Endangers, most, report.Others)
		}
		p := Proof{Rule: rule, Seeds: report.Found.Seed, Found: *report.Found}
		if p.Short, err = Shrink(ctx, make, report.Found.Plan, report.Found.Failure, shrink); err != nil {
			return out, err
		}
		// The same cluster and the same lines, with the rule in force, must go well.
		kept := p.Short.Plan.upTo(len(p.Short.Plan.Steps))
		kept.Config.Unsafe = nil
		r, err := Run(ctx, make, kept, "")
		if err != nil {
			return out, err
		}
		if r.Failure != nil {
			return out, fmt.Errorf("seed %d with %s in force: %w", report.Found.Seed, rule.Name, r.Failure)
		}
		out = append(out, p)
		if each != nil {
			each(&p)
		}
	}
	return out, nil
}

// Table is the proofs as a page of documentation. It has nothing in it that
// differs from one machine to another.
func Table(proofs []Proof) string {
	var b strings.Builder
	b.WriteString("# What each rule of Raft protects\n\n")
	b.WriteString("Made by `raftlab explore --table`, which looks for it: a rule is switched off, seeds\n")
	b.WriteString("are played in virtual time until what it protects is broken, and what broke it is\n")
	b.WriteString("shrunk. The same lines with the rule in force break nothing.\n\n")
	b.WriteString("| rule that is off | where it stands | what falls | seeds until then | lines |\n|---|---|---|---:|---:|\n")
	for i := range proofs {
		p := &proofs[i]
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %d | %d |\n", p.Rule.Name, p.Rule.Name, p.Rule.Section, p.Rule.Endangers, p.Seeds, p.Short.Plan.Lines())
	}
	for i := range proofs {
		p := &proofs[i]
		fmt.Fprintf(&b, "\n## %s\n\nWithout it %s.\n\n> %s\n\n```text\n%s```\n", p.Rule.Name, p.Rule.Breaks, p.Short.Failure.Text, p.Short.Plan.body())
	}
	return b.String()
}

// body is the scenario without the comments at its head.
func (p *Plan) body() string {
	text := p.Scenario("")
	_, body, _ := strings.Cut(text, "\n\n")
	return body
}
