package wire

import "github.com/raftlab/raftlab/raft"

// Disk is what is wrong with a node's disk: OrderDisk, and in its environment
// when it starts. The zero value is a disk with which nothing is.
type Disk struct {
	Fault  DiskFault     `msgpack:"fault" json:"fault"`
	Delay  raft.Duration `msgpack:"delay" json:"delay,omitempty"`   // DiskSlow: how long a sync takes, in lab time,
	Jitter raft.Duration `msgpack:"jitter" json:"jitter,omitempty"` // give or take up to this, which is drawn
	Seed   uint64        `msgpack:"seed" json:"seed,omitempty"`     // of all that is drawn
}

// DiskFault names what is wrong with a disk.
type DiskFault string

const (
	DiskOK DiskFault = ""
	// DiskSlow: a sync takes a while. What it is to make durable is not on the
	// disk before.
	DiskSlow DiskFault = "slow"
	// DiskFail: the next sync of the log fails. What it was to make durable is not
	// on the disk.
	DiskFail DiskFault = "fail"
	// DiskLie: a sync of the log says that it is done, and all stays in a cache
	// that a power cut empties.
	DiskLie DiskFault = "lie"
	// DiskFull: there is no room for what is written, be it over something else.
	DiskFull DiskFault = "full"
	// DiskTorn: the next write of the log gets to the disk in part, and its sync
	// does not end: the power fails while it is under way.
	DiskTorn DiskFault = "torn"
)

// Valid tells whether a disk can be like that.
func (d Disk) Valid() bool {
	switch d.Fault {
	case DiskOK, DiskFail, DiskLie, DiskFull, DiskTorn:
		return d.Delay == 0 && d.Jitter == 0
	case DiskSlow:
		return d.Delay >= 0 && d.Jitter >= 0
	}
	return false
}
