// Package check watches Raft's safety properties from outside: those of Figure
// 3, and one vote a term, a commitIndex that never goes back, commands that take
// effect once, and configurations whose majorities meet.
//
// A [Checker] is fed what each server does ([Checker.Deed], in the order that
// server did it) and the frames that leave it ([Checker.Leads], [Checker.Votes]).
// Of different servers it may hear with any delay: what comes late is held
// against what is known already, and the other way round. It knows nothing of how
// a server works.
//
// Memory is bounded. An entry is its term and a digest, a log its terms run by
// run; the last [Config.Window] indexes are remembered one by one. What cannot
// be compared any more is counted as unknown, never as fine; so is what a server
// did between its last word and its end.
//
// The package does no I/O, starts no goroutine and reads no clock, so a lab of
// processes and a simulated one use it alike.
package check
