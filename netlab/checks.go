package netlab

import "github.com/raftlab/raftlab/netlab/check"

// SchemaCheck names the shape of a CheckReport.
const SchemaCheck = "raftlab.check/1"

// CheckReport is what the watchers of a lab have seen so far.
type CheckReport struct {
	Schema string `json:"schema"`
	Lab    string `json:"lab"`
	LabNS  int64  `json:"lab_ns"`
	// OK tells that no promise was broken as far as is known.
	OK         bool            `json:"ok"`
	Properties []PropertyCheck `json:"properties"`
	Unknown    []UnknownCheck  `json:"unknown"` // what nobody can judge, in the order it became so
	Violations []Violation     `json:"violations"`
	// Linearizability is how what clients were told stands (§8).
	Linearizability *check.Linearizability `json:"linearizability,omitempty"`
}

// PropertyCheck is how one property of Raft stands.
type PropertyCheck struct {
	Property   string `json:"property"` // LeaderCompleteness
	Name       string `json:"name"`     // Leader Completeness
	Says       string `json:"says"`     // in the paper's words
	Source     string `json:"source"`   // where: Figure 3, §5.4
	Checked    uint64 `json:"checked"`  // how much was judged
	Counts     string `json:"counts"`   // what that counts: leaders, entries stored
	Unknown    uint64 `json:"unknown"`  // how much of the same could not be judged
	Violations uint64 `json:"violations"`
}

// UnknownCheck is something that could not be judged, and why.
type UnknownCheck struct {
	Node   int    `json:"node"` // 0: it is of no single node
	FromNS int64  `json:"from_ns"`
	ToNS   int64  `json:"to_ns"`
	Reason string `json:"reason"`
	Count  uint64 `json:"count"` // how often the same happened
}

// checkReport is what is known now.
func (l *lab) checkReport() *CheckReport {
	r := &CheckReport{
		Schema: SchemaCheck, Lab: l.name, LabNS: int64(l.clock.Now()),
		OK: true, Properties: []PropertyCheck{}, Unknown: []UnknownCheck{},
		Linearizability: l.history.report(),
	}
	l.mu.Lock()
	r.Violations = l.violated()
	l.mu.Unlock()
	r.OK = len(r.Violations) == 0
	for _, p := range check.Properties() {
		r.Properties = append(r.Properties, PropertyCheck{
			Property: p.String(), Name: p.Name(), Says: p.Says(), Source: p.Source(), Counts: p.Counts(),
		})
	}
	return r
}
