package netlab

import (
	"context"

	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// The engines, as the status has them.
const (
	EngineProcess = "process" // each node is a process
	EngineSim     = "sim"     // the lab is simulated, in virtual time
)

// engine is what a lab's nodes run on. All else of a lab, its operations, their
// sentences, its faults and events, is the same on any.
type engine interface {
	name() string // as the status has it

	// open makes what all else needs, the network first of all. It starts nothing.
	open() (wires, error)
	// run does the engine's own work until ctx ends.
	run(ctx context.Context) error
	// end ends all lives, gently where they let it. With acting held.
	end()
	// hangUp ends what is left of conversations with nodes, after they were ended.
	hangUp() error
	// close ends the rest of what open made, after all tasks have ended.
	close()

	// launch starts a life of a node. It may register before launch returns; live
	// follows it from then on, and returns when it has ended.
	launch(m *member) (c *child, live func(), err error)
	// newClient returns a client with a session of its own that looks for the cluster
	// at nodes, of which the first leads if any is known to.
	newClient(session, seed uint64, nodes func() []int) kvClient

	disks
	stepper
}

// disks are what nodes have stored. Those of nodes that run may change meanwhile.
type disks interface {
	hasData(id int) (bool, error)
	wipe(id int) error
	// forget deletes all there is of a node that is not in the lab any more.
	forget(id int) error
	// preload writes what a node finds when it starts for the first time.
	preload(id int, state raft.HardState, entries []raft.Entry) error
	// scan reads the entries from..end of a log, end excluded, a page at a time. The
	// error is fs.ErrNotExist when the node has stored nothing.
	scan(id int, from, end raft.Index, page func([]raft.Entry) error) (raft.Restored, error)
	// flip turns a bit around where op says, or draw where it does not.
	flip(m *member, op *Op, draw uint64) (text string, err error)
}

// stepper lets a held lab go on. With steps.mu held.
type stepper interface {
	// settle waits until nothing that nodes have said before the hold is on its way
	// to the network. It returns the time of the node that heard of the hold last, or
	// of the lab if that is later, and who they are.
	settle(ctx context.Context) (at raft.Time, nodes []int, err error)
	// next goes one step. It returns the event that all that came of it follows.
	next(ctx context.Context, line string) (*Step, uint64, error)
}

// kvClient asks the cluster; [client.Client] says how.
type kvClient interface {
	Do(ctx context.Context, r wire.Request) (wire.Reply, error)
	Close()
}

// life is how a node that runs is told to do otherwise.
type life interface {
	kill() error      // at once; errors.Is(err, os.ErrProcessDone) when it has ended
	terminate() error // when it has put its things away
	pause() error
	resume() error
}

// child is one life of a node.
type child struct {
	life
	pid int // 0: it is no process
	// gone is closed when it has ended and the lab has taken note of it. exit and
	// last may be read then.
	gone chan struct{}
	exit string // "exit status 1", "signal: killed"
	last string // the last that it had to say
}

// why is how it ended and what it said last.
func (c *child) why() string {
	if c.last == "" {
		return c.exit
	}
	return c.exit + ": " + c.last
}

// who is how it is told from others, in brackets behind its node's name; "" when
// there is nothing to tell.
func (c *child) who() string { return pidText(c.pid) }
