package wire

import "github.com/raftlab/raftlab/raft"

// Step is the one thing that a node with a held clock is to take in: OrderStep.
// The node moves its clock to At, takes it, does all that follows from it until its
// disk has nothing left to do, and answers with what waits for it then.
type Step struct {
	At   raft.Time `msgpack:"at"` // an earlier time than the node's own leaves its clock alone
	Take Take      `msgpack:"take"`
	// TakeMessage: whose frame, and the number its sender gave it. With Number 0 it
	// is the one of From's that has waited longest, with From 0 as well whoever's.
	From   raft.NodeID `msgpack:"from,omitempty"`
	Number uint64      `msgpack:"number,omitempty"`
}

// Take says what a node takes in.
type Take uint8

const (
	// TakeNothing only asks what waits.
	TakeNothing Take = iota
	// TakeTimer does what is due at Step.At.
	TakeTimer
	// TakeMessage takes one message in, and waits for it if it has not come yet.
	TakeMessage
	// TakeDisk hears what the disk has done since the clock was held.
	TakeDisk
	// TakeRequest takes the client's request that has waited longest.
	TakeRequest
)

// Waiting is what waits for a node whose clock is held.
type Waiting struct {
	At    raft.Time  `msgpack:"at"`  // of the node's clock
	Due   raft.Time  `msgpack:"due"` // its next deadline, raft.Never when it has none
	Timer raft.Timer `msgpack:"timer"`
	Sync  bool       `msgpack:"sync,omitempty"` // it is not a timer's, but when a slow disk has done a sync

	Disk     bool            `msgpack:"disk"` // the disk has done what the node has not heard of
	Messages int             `msgpack:"messages"`
	Message  *WaitingMessage `msgpack:"message"` // the one that has waited longest, nil when there is none
	Requests int             `msgpack:"requests"`
	Request  string          `msgpack:"request"` // the one that has waited longest, as people read it: "put x=1"

	// Sent is the number of the last frame the node gave to each of its links.
	Sent []LinkEnd `msgpack:"sent"`
	// Fruitless, after TakeRequest: the request was refused or sent on to the
	// leader; nothing in the node changed.
	Fruitless bool `msgpack:"fruitless"`
}

// WaitingMessage is a message that has come to a node and waits there.
type WaitingMessage struct {
	From    raft.NodeID `msgpack:"from"`
	Number  uint64      `msgpack:"number"`
	Kind    Kind        `msgpack:"kind"`
	Term    raft.Term   `msgpack:"term"`
	Summary Summary     `msgpack:"summary"`
}

// LinkEnd is how far the frames of a link have come.
type LinkEnd struct {
	To     raft.NodeID `msgpack:"to"`
	Number uint64      `msgpack:"number"`
}
