package node

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/raft"
)

const (
	// A node gives back the memory that load has left behind when no more than
	// quietBytes went to or from its disk in a restAfter of real time, and restBytes
	// since it last did: less is not worth a collection.
	restAfter  = 2 * time.Second
	restBytes  = 4 << 20
	quietBytes = 256 << 10
)

// resting notices when load has passed. Starting up counts as load.
type resting struct {
	alone  bool      // the process is this node's
	total  int       // bytes moved since memory was given back
	recent int       // of it, since the last look
	look   time.Time // when to look next, once total is enough
}

func newResting(alone bool, now time.Time) resting {
	return resting{alone: alone, total: restBytes, look: now.Add(restAfter)}
}

// moved counts bytes that went to or from the disk. It tells whether they are
// another restBytes.
func (s *resting) moved(n int, now func() time.Time) bool {
	before := s.total
	s.total += n
	s.recent += n
	if before < restBytes && s.total >= restBytes {
		s.look = now().Add(restAfter)
	}
	return before/restBytes != s.total/restBytes
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

// moved counts bytes that went to or from the disk.
func (r *replica) moved(bytes int) {
	if r.rest.moved(bytes, time.Now) {
		r.heap.follow()
	}
}

// storage is what the core reads back from the log on disk. Snapshots that are
// sent count as load: each chunk is memory for a moment.
type storage struct {
	*wal.WAL
	r *replica
}

func (s storage) SnapshotChunk(index raft.Index, offset int64, maxBytes int) ([]byte, bool, error) {
	data, done, err := s.WAL.SnapshotChunk(index, offset, maxBytes)
	s.r.moved(len(data))
	return data, done, err
}

func dataBytes(entries []raft.Entry) int {
	n := 0
	for i := range entries {
		n += len(entries[i].Data)
	}
	return n
}

// giveBack returns to the system what is not in use.
func (r *replica) giveBack() {
	for _, p := range r.peers {
		p.out.trim()
	}
	r.background.Go(func() { // the loop goes on while it collects
		debug.FreeOSMemory()
		r.heap.follow()
		if err := releaseImage(); err != nil {
			r.log.Debug("the program's own pages stay mapped", "error", err)
		}
	})
}

// tune sets the collector for a process that is one node of several on a
// machine: most of what is allocated under load lives for milliseconds, so
// collecting late is cheap in memory and saves much of the work; the limit
// keeps "late" from meaning "large", and moves with what the node has to keep.
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
}

const (
	processors = 4
	gcPercent  = 200
	// memoryLimit is for a node that keeps little.
	memoryLimit = 48 << 20
)

// heapLimit moves the collector's limit with what lives in the process. A limit
// below that would have it collect without end.
type heapLimit struct {
	alone bool // the process is this node's

	mu       sync.Mutex
	expected int64 // will live soon
	limit    int64 // as it is set
}

// follow sets the limit by what lived after the last collection.
func (h *heapLimit) follow() {
	if !h.alone {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	h.mu.Lock()
	defer h.mu.Unlock()
	if limit := limitFor(int64(live[0].Value.Uint64()) + h.expected); h.off(limit) {
		h.limit = limit
		debug.SetMemoryLimit(limit)
	}
}

// limitFor is the limit of a process in which so many bytes live.
func limitFor(live int64) int64 { return max(memoryLimit, live+live/2) }

// off tells whether the limit as it is set is far enough from what it should be
// to be moved, which stops everything for a moment.
func (h *heapLimit) off(limit int64) bool {
	d := limit - h.limit
	return d > h.limit/8 || -d > h.limit/8
}

// expect makes room for a state machine whose snapshot has so many bytes. The
// function it returns is called when it is all there.
func (h *heapLimit) expect(size int64) (there func()) {
	if !h.alone {
		return func() {}
	}
	h.mu.Lock()
	h.expected += size
	h.mu.Unlock()
	h.follow()
	return func() {
		if size >= restBytes {
			runtime.GC() // what lives has to be known, or the limit is too low
		}
		h.mu.Lock()
		h.expected -= size
		h.mu.Unlock()
		h.follow()
	}
}
