// Package proxy is the lab's network: the TCP data plane between nodes. It
// carries out what package link decides and decides nothing itself.
//
// Every directed link is two connections: node i dials the proxy and says
// hello as link i→j, and the proxy dials node j, when the first frame has to
// get there, and says the same hello. What runs over them is whole Raft frames,
// in order. Each frame gets an id, a number on its link, and its times on the
// lab clock: left, due, arrived or dropped and why.
//
// A frame that is due at once goes straight: the goroutine that read it hands
// it on, with all others of the same read, in one write. A frame with a delay,
// or on a held clock, waits in its link's queue; one scheduler wakes the links
// whose first frame is due. At its due time a frame is judged again, so a wall
// stops what is under way. A link that holds more than its backlog stops
// reading, and TCP makes the sender wait; nothing is dropped for want of room.
//
// Only nodes of the lab get in: who does not say hello with the lab's token, or
// sends anything but Raft frames of its own link, loses that connection, with
// one line in the log, and nothing else suffers.
//
// A Raw is a link of its own for programs that do not speak frames: it carries
// bytes between any clients and a target, with the faults that leave a stream one.
package proxy
