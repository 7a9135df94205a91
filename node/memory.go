package node

import (
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/raftlab/raftlab/raft"
)

const (
	// restAfter is how long nothing may be written, in real time, before a node
	// gives back the memory that load has left behind; restBytes how much must
	// have been written to make that worth a collection.
	restAfter = 2 * time.Second
	restBytes = 4 << 20
)

// resting notices when load has passed.
type resting struct {
	alone bool // the process is this node's
	bytes int
	last  time.Time
}

func (s *resting) wrote(entries []raft.Entry) {
	for i := range entries {
		s.bytes += len(entries[i].Data)
	}
	if s.bytes >= restBytes {
		s.last = time.Now()
	}
}

// wake is when a turn is wanted to look again.
func (s *resting) wake() (time.Time, bool) {
	return s.last.Add(restAfter), s.alone && s.bytes >= restBytes
}

// check gives memory back when it is time to.
func (s *resting) check(r *replica, real time.Time) {
	at, ok := s.wake()
	if !ok || real.Before(at) {
		return
	}
	s.bytes = 0
	for _, p := range r.peers {
		p.out.trim()
	}
	go debug.FreeOSMemory() // ends by itself, within milliseconds
}

// tune sets the collector for a process that is one node of several on a
// machine: most of what is allocated under load lives for milliseconds, so
// collecting late is cheap in memory and saves much of the work; the limit
// keeps "late" from meaning "large".
//
// One goroutine, one disk and a few connections have no use for many
// processors; with more of them the scheduler and the collector only look
// further for work.
func tune() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(min(runtime.GOMAXPROCS(0), processors))
	}
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
}

const (
	processors  = 4
	gcPercent   = 200
	memoryLimit = 48 << 20
)
