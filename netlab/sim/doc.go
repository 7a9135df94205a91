// Package sim is a cluster in virtual time: the same cores, state machine and
// link verdicts as in a lab of processes, on disks, clocks and wires that are
// simulated. One thread does one thing after the other, and all that chance
// decides comes from one seed, so the same seed and the same calls give the same
// history, on every machine.
//
// It has no operations, sentences or status: those are the lab's (package
// netlab), which drives a World as it drives processes. It starts no goroutine
// and reads no clock.
//
//	world.go     what happens when: one agenda for everything
//	agenda.go    the agenda
//	network.go   links: what becomes of a frame, and what can be done to one by hand
//	server.go    a process around a core: its life, its inputs, its duties
//	disk.go      what it has on its disk, and what can be wrong with that
//	snapshot.go  snapshots it takes
//	request.go   what clients ask it
//	client.go    a client, which finds the leader and asks again
//	state.go     what a server tells of itself
package sim
