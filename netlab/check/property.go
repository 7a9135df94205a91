package check

import "strings"

// Property is one of the promises that are watched.
type Property uint8

// The properties: those of Figure 3 in its order, then what they rest on and
// what clients are promised.
const (
	ElectionSafety Property = iota
	LeaderAppendOnly
	LogMatching
	LeaderCompleteness
	StateMachineSafety
	OneVote
	CommitMonotonic
	ExactlyOnce
	ConfigurationSafety

	propertyCount
)

// about is what is said of a property.
type about struct {
	name, says, source string
	counts             string // what is counted as checked
}

var properties = [propertyCount]about{
	ElectionSafety: {
		"Election Safety", "at most one leader can be elected in a given term", "Figure 3, §5.2", "leaders",
	},
	LeaderAppendOnly: {
		"Leader Append-Only", "a leader never overwrites or deletes entries in its log; it only appends new entries", "Figure 3, §5.3", "entries made by leaders",
	},
	LogMatching: {
		"Log Matching", "if two logs contain an entry with the same index and term, then the logs are identical in all entries up through the given index", "Figure 3, §5.3", "entries stored",
	},
	LeaderCompleteness: {
		"Leader Completeness", "if a log entry is committed in a given term, then that entry will be present in the logs of the leaders for all higher-numbered terms", "Figure 3, §5.4", "leaders' logs",
	},
	StateMachineSafety: {
		"State Machine Safety", "if a server has applied a log entry at a given index to its state machine, no other server will ever apply a different log entry for the same index", "Figure 3, §5.4.3", "entries applied",
	},
	OneVote: {
		"One vote a term", "each server will vote for at most one candidate in a given term", "§5.2", "votes",
	},
	CommitMonotonic: {
		"Commit never goes back", "commitIndex increases monotonically", "Figure 2", "commits",
	},
	ExactlyOnce: {
		"Exactly-once", "a command that a client repeats takes effect once", "§8, thesis §6.3", "commands with a session",
	},
	ConfigurationSafety: {
		"Configuration safety", "configurations that may count at the same time have no majorities apart from each other", "§6", "configurations",
	},
}

// Properties lists all of them.
func Properties() []Property {
	out := make([]Property, propertyCount)
	for i := range out {
		out[i] = Property(i)
	}
	return out
}

// Name is the property as the paper calls it: "Leader Append-Only".
func (p Property) Name() string { return properties[p].name }

// Says is what the property promises, in the paper's words where it has them.
func (p Property) Says() string { return properties[p].says }

// Source is where it stands: "Figure 3, §5.4".
func (p Property) Source() string { return properties[p].source }

// Counts is what is counted as checked: "leaders".
func (p Property) Counts() string { return properties[p].counts }

// String is the property as scripts name it: LeaderAppendOnly, the name without
// what is no letter.
func (p Property) String() string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(p.Name(), func(r rune) bool { return r == ' ' || r == '-' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
