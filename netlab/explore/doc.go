// Package explore looks for what breaks Raft: it draws clusters, weather and
// what people do to them from seeds, plays each in virtual time with all checks
// on, and then wants the cluster to get on again. What fails is shrunk to the
// shortest scenario that still does.
//
// It knows no simulator: who calls it says how a lab is made. A plan is made of
// operations of a lab and of the command lines that ask for the same, so a plan
// is also a scenario.
//
//	draw.go     what a seed means
//	weather.go  the sorts of runs there are, and which of them a rule matters in
//	plan.go     what happens when, and the scenario that does the same
//	run.go      plays one plan
//	shrink.go   makes a plan that fails shorter
//	search.go   plays the plans of many seeds
package explore
