package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// Run is one node, from the opening of its log to the end of all it started.
// It returns nil when ctx ends it. Otherwise the error is a [*LabError] when
// the lab cannot be reached or is lost, or a [*DiskError] when the log is
// damaged or the disk fails, which the lab is told too.
func Run(ctx context.Context, o Options) (result error) {
	if err := o.check(); err != nil {
		return err
	}
	if o.Alone {
		tune()
	}
	r := &replica{
		id: o.ID, dir: o.Dir, log: o.Logger.With("node", uint64(o.ID)),
		inbox: newInbox(), telemetry: newTelemetry(),
		rest: newResting(o.Alone, time.Now()), heap: heapLimit{alone: o.Alone},
	}
	r.heap.follow()
	raftLn, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("open the Raft port of %v: %w", o.ID, err)
	}
	defer raftLn.Close()
	clientLn, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("open the client port of %v: %w", o.ID, err)
	}
	defer clientLn.Close()

	lab, err := dialLab(ctx, &o)
	if err != nil {
		return err
	}
	defer lab.conn.Close()
	r.disk = newDisk(o.openFile, o.Disk, r.inbox.poke)
	defer context.AfterFunc(ctx, r.disk.release)()
	log, recovered, openErr := wal.Open(o.Dir, wal.Options{OnDurable: r.synced, OpenFile: r.disk.openFile})
	register := wire.Register{
		Node: o.ID, Pid: os.Getpid(), Notes: recovered.Notes,
		RaftAddr: raftLn.Addr().String(), ClientAddr: clientLn.Addr().String(),
	}
	if err := lab.send(wire.KindRegister, 1, register); err != nil {
		return err
	}
	if openErr != nil {
		err := &DiskError{Node: o.ID, Dir: o.Dir, Op: "open", Err: openErr}
		return errors.Join(err, lab.refuse(err))
	}
	r.wal, r.lab = log, lab
	defer func() {
		r.disk.release()
		if err := log.Close(); err != nil && result == nil {
			result = &DiskError{Node: o.ID, Dir: o.Dir, Op: "close", Err: err}
		}
	}()
	config, err := lab.configuration(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if err := r.configure(config, recovered.Restored); err != nil {
		return errors.Join(err, lab.refuse(err))
	}
	return r.serve(ctx, raftLn, clientLn, config.Peers)
}

// configure makes the core and the state machine from what the lab said and the
// disk has.
func (r *replica) configure(c wire.Configure, from raft.Restored) error {
	r.token = c.Token
	r.clock = clock.New(c.Clock)
	r.disk.follow(r.clock)
	r.peers = make(map[raft.NodeID]*peer)
	r.book = make(map[raft.NodeID]string)
	r.heartbeat, r.electionMax = c.Heartbeat, c.ElectionMax
	r.snapshots.limit = c.SnapshotBytes
	core, err := r.newCore(&c, from)
	if err != nil {
		return fmt.Errorf("configure %v as the lab says: %w", r.id, err)
	}
	r.core = core
	if err := r.witnessStart(&c, &from); err != nil {
		return err
	}
	r.store = kv.New()
	r.store.SetUnsafe(r.unsafe)
	if from.Snapshot.Index > 0 {
		r.replaceState(from.Snapshot, 0)
	}
	return nil
}

// newCore makes the core.
func (r *replica) newCore(c *wire.Configure, from raft.Restored) (*raft.Node, error) {
	config, err := CoreConfig(r.id, c)
	if err != nil {
		return nil, err
	}
	r.unsafe = config.Unsafe
	return raft.New(config, storage{r.wal, r}, from, r.clock.Now())
}

// CoreConfig is what a node's core is made with, as the lab says. Its Bootstrap
// is empty for a node that joins a cluster.
func CoreConfig(id raft.NodeID, c *wire.Configure) (raft.Config, error) {
	config := raft.Config{
		ID: id, Members: raft.Configuration{Voters: slices.Sorted(slices.Values(c.Bootstrap))},
		Heartbeat: c.Heartbeat, ElectionMin: c.ElectionMin, ElectionMax: c.ElectionMax,
		PreVote: c.PreVote, CheckQuorum: c.CheckQuorum, IgnoreVotes: c.IgnoreVotes, Transfer: c.Transfer,
		Seed: c.Seed,
		// Soon enough to look like at once, late enough for a client's next write.
		TellCommitAfter: c.Heartbeat / 8,
	}
	for _, name := range c.Unsafe {
		rule, err := raft.ParseUnsafe(name)
		if err != nil {
			return config, err
		}
		config.Unsafe |= rule
	}
	return config, nil
}

// serve runs the loop and everything beside it. The loop ends first, so that
// clients and lab still hear its last word; then the rest is stopped and
// waited for.
func (r *replica) serve(ctx context.Context, raftLn, clientLn net.Listener, book []wire.Peer) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	beside, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var running sync.WaitGroup
	start := func(f func(context.Context) error) {
		running.Go(func() {
			if err := f(beside); err != nil {
				end(err)
			}
		})
	}
	raftPort := &port{name: "raft", ln: raftLn, log: r.log, handle: r.receive}
	clientPort := &port{name: "client", ln: clientLn, log: r.log, handle: r.serveClient}
	start(func(ctx context.Context) error { return r.lab.listen(ctx, r) })
	start(func(ctx context.Context) error { return r.lab.report(ctx, r.telemetry) })
	start(raftPort.serve)
	start(clientPort.serve)
	r.connect = func(p *peer) {
		ctx, cancel := context.WithCancel(beside)
		p.end = cancel
		running.Go(func() { p.run(ctx) })
	}
	r.address(book)
	defer context.AfterFunc(beside, r.lab.expire)()

	r.shown.changed() // what it starts as
	err := r.run(ctx)
	r.disk.release() // what runs beside may wait for it
	r.witness.Ended(r.clock.Now())
	r.telemetry.did(&r.witness)
	if err != nil {
		r.telemetry.end(err)
	} else if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		err = cause
	}
	r.inbox.close()
	stop()
	running.Wait()
	r.background.Wait()
	var lost *LabError
	if err != nil && !errors.As(err, &lost) {
		return errors.Join(err, r.lab.hangUp())
	}
	return err
}

// expire bounds what is still said and heard.
func (l *labConn) expire() {
	now := time.Now()
	l.conn.SetReadDeadline(now)
	l.conn.SetWriteDeadline(now.Add(farewell))
}
