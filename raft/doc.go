// Package raft is the consensus algorithm of Ongaro and Ousterhout's "In
// Search of an Understandable Consensus Algorithm (Extended Version)" (cited
// as §n) and of Ongaro's dissertation (cited as thesis §n), and nothing else.
//
// A [Node] is one server's consensus state. It is a state machine driven from
// outside: messages, proposals, the time and word from the disk come in;
// [Ready] says what the caller owes it. The package does no I/O, starts no
// goroutine, takes no lock, reads no clock, draws no global randomness and
// writes no log: the same inputs give the same outputs, whether they come from
// sockets or from a simulation.
//
// Names are those of Figure 2. Rules cite the section they come from: election.go
// has §5.2, §5.4.1 and thesis §9.6, replication.go §5.3, commit.go §5.4.2.
// testdata tells how servers talk, scene by scene.
//
// Members are fixed, and the log is never compacted.
package raft
