package raft

import (
	"fmt"
	"strings"
)

// Unsafe is a set of Raft's rules that are switched off on purpose, to see
// what each one protects. A server with any but the empty set keeps fewer
// promises than Raft's.
type Unsafe uint32

// The rules that can be switched off. Each is one branch where the rule is.
const (
	UnsafeCommitOldTerms Unsafe = 1 << iota
	UnsafeVoteStaleLogs
	UnsafeVoteTwice
	UnsafeForgetVote
	UnsafeSkipLogCheck
	UnsafeTruncateAlways
	UnsafeCommitUnmatched
	UnsafeAckBeforeFsync
	UnsafeDirectConfigChange
	UnsafeStaleReads
	UnsafeNoSessions
	UnsafeFixedTimeouts
	UnsafeNoNoop
	UnsafeNoPreVote
	UnsafeNoCheckQuorum
)

// UnsafeRule describes one of them.
type UnsafeRule struct {
	Rule      Unsafe
	Name      string // as it is written: "vote-twice"
	Section   string // where the rule stands that it breaks
	Breaks    string // what a server does then
	Endangers string // the property of Figure 3 or the promise that falls
}

// safety are those that endanger more than progress.
const safety = UnsafeFixedTimeouts - 1

// UnsafeRules lists all of them, those that endanger safety first.
func UnsafeRules() []UnsafeRule {
	return []UnsafeRule{
		{UnsafeCommitOldTerms, "commit-old-terms", "§5.4.2", "a leader commits entries of earlier terms by counting replicas", "Leader Completeness"},
		{UnsafeVoteStaleLogs, "vote-stale-logs", "§5.4.1", "a vote is given whatever the candidate's log", "Leader Completeness"},
		{UnsafeVoteTwice, "vote-twice", "§5.2", "a server votes for everyone who asks in a term", "Election Safety"},
		{UnsafeForgetVote, "forget-vote", "§5.2, Figure 2", "votedFor is not restored after a restart", "Election Safety"},
		{UnsafeSkipLogCheck, "skip-log-check", "§5.3", "entries are taken without comparing the term at prevLogIndex", "Log Matching"},
		{UnsafeTruncateAlways, "truncate-always", "§5.3", "every AppendEntries cuts the log behind its entries, conflict or not", "Leader Completeness"},
		{UnsafeCommitUnmatched, "commit-unmatched", "§5.3, Figure 2", "a follower takes leaderCommit as it is, not min with the last new entry", "State Machine Safety"},
		{UnsafeAckBeforeFsync, "ack-before-fsync", "Figure 2", "answers leave before term, vote and log are on stable storage", "Leader Completeness"},
		{UnsafeDirectConfigChange, "direct-config-change", "§6", "the configuration changes in one step, without C_old,new", "Election Safety"},
		{UnsafeStaleReads, "stale-reads", "§8, thesis §6.4", "reads are served without confirming the leadership", "Linearizability"},
		{UnsafeNoSessions, "no-sessions", "§8, thesis §6.3", "a repeated command is applied again", "Exactly-once"},
		{UnsafeFixedTimeouts, "fixed-timeouts", "§5.2", "all election timeouts are the same", "progress"},
		{UnsafeNoNoop, "no-noop", "§8", "a new leader appends no entry of its own", "progress"},
		{UnsafeNoPreVote, "no-pre-vote", "thesis §9.6", "terms are raised without asking first", "progress"},
		{UnsafeNoCheckQuorum, "no-check-quorum", "thesis §6.2", "a leader that no majority answers goes on", "progress"},
	}
}

// ParseUnsafe returns the rule called name.
func ParseUnsafe(name string) (Unsafe, error) {
	for _, r := range UnsafeRules() {
		if r.Name == name {
			return r.Rule, nil
		}
	}
	return 0, fmt.Errorf("raft: there is no unsafe rule %q", name)
}

// Has reports whether all of rules are switched off.
func (u Unsafe) Has(rules Unsafe) bool { return u&rules == rules }

// Safety reports whether u endangers more than progress.
func (u Unsafe) Safety() bool { return u&safety != 0 }

// Names lists the names of u's rules.
func (u Unsafe) Names() []string {
	var names []string
	for _, r := range UnsafeRules() {
		if u.Has(r.Rule) {
			names = append(names, r.Name)
		}
	}
	return names
}

// String is like "vote-twice,no-noop", "none".
func (u Unsafe) String() string {
	if u == 0 {
		return "none"
	}
	return strings.Join(u.Names(), ",")
}
