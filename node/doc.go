// Package node is one replica process: a Raft core with a disk, a network, a
// state machine and clients around it.
//
// One goroutine owns the core ([replica.run]). Everything else runs beside it
// and talks to it through one [inbox]: readers of connections put in what they
// decoded, the log on disk says what is durable, the lab's orders arrive there
// too. Each turn takes all that waits, so batches form by themselves under
// load: one proposal for all requests, one frame for all entries, one write of
// the log, one sync, one system call a connection for all that leaves on it.
//
// What takes long runs beside the loop and does not stop it: a snapshot of the
// state machine is written of a frozen state while the store goes on taking
// commands, and a snapshot becomes the state machine, at the start or because the
// leader sent it, while heartbeats are answered and the log grows (§7).
//
// The process belongs to a lab. It dials the lab, registers, is told who its
// peers are, and reports what it does on the same connection. When that
// connection ends the process ends. Time comes from the lab clock alone: while
// the clock is held the core is given nothing, and nothing that waits is lost.
//
// The package knows nothing of how the network treats frames, nor of what a
// lab does with reports.
package node
