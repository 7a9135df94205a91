package node

import (
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/raftlab/raftlab/raft"
)

const (
	// A node gives back the memory that load has left behind when no more than
	// quietBytes were written in a restAfter of real time, and restBytes since it
	// last did: less is not worth a collection.
	restAfter  = 2 * time.Second
	restBytes  = 4 << 20
	quietBytes = 256 << 10
)

// resting notices when load has passed. Starting up counts as load.
type resting struct {
	alone  bool      // the process is this node's
	total  int       // written since memory was given back
	recent int       // of it, since the last look
	look   time.Time // when to look next, once total is enough
}

func newResting(alone bool, now time.Time) resting {
	return resting{alone: alone, total: restBytes, look: now.Add(restAfter)}
}

func (s *resting) wrote(entries []raft.Entry, now func() time.Time) {
	n := 0
	for i := range entries {
		n += len(entries[i].Data)
	}
	if s.total < restBytes && s.total+n >= restBytes {
		s.look = now().Add(restAfter)
	}
	s.total += n
	s.recent += n
}

// wake is when a turn is wanted to look.
func (s *resting) wake() (time.Time, bool) { return s.look, s.alone && s.total >= restBytes }

// passed tells, at a look, whether load has passed. It says so once.
func (s *resting) passed(now time.Time) bool {
	if at, ok := s.wake(); !ok || now.Before(at) {
		return false
	}
	quiet := s.recent <= quietBytes
	s.recent, s.look = 0, now.Add(restAfter)
	if quiet {
		s.total = 0
	}
	return quiet
}

// giveBack returns to the system what is not in use.
func (r *replica) giveBack() {
	for _, p := range r.peers {
		p.out.trim()
	}
	r.background.Go(func() { // the loop goes on while it collects
		debug.FreeOSMemory()
		if err := releaseImage(); err != nil {
			r.log.Debug("the program's own pages stay mapped", "error", err)
		}
	})
}

// tune sets the collector for a process that is one node of several on a
// machine: most of what is allocated under load lives for milliseconds, so
// collecting late is cheap in memory and saves much of the work; the limit
// keeps "late" from meaning "large".
//
// A node shares the machine with the other nodes and the network of its lab, so
// it takes a quarter of the processors, and one of two: measured there against
// two, a put costs the nodes 675 µs instead of 850 when it is alone, 12.5 instead
// of 14 among 256, and takes less time as well. A sync holds the one
// processor for some 50 µs until the runtime takes it away; what leaves before
// and after a sync does not wait for that.
func tune() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(min(max(runtime.GOMAXPROCS(0)/4, 1), processors))
	}
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
}

const (
	processors  = 4
	gcPercent   = 200
	memoryLimit = 48 << 20
)
