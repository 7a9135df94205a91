package node

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/raftlab/raftlab/node/clock"
	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// A disk is what a node keeps its log and its snapshots on, with what the lab
// has made wrong with it ([wire.Disk]). While nothing is, all goes straight to
// the files.
//
// A process that is killed leaves what it has written to the system, synced or
// not. A power cut does not, and it is power cuts that a disk lies about. So of
// a disk with which something is wrong, what the log writes stays in this
// process's memory, in a [diskCache], until it is to be durable, and goes with the
// process. Files that are made anew, segments and snapshots, are written as they
// are: they have no name that counts before they are synced. Of the faults they
// know only the slow sync and the full disk.
//
// What each fault does, and what is left of a write that was not answered for
// ("waiting") and of one that was ("synced"), when the node is killed and when it
// is stopped or its disk is made another:
//
//	fault  does                                 kill                 stop, or another disk
//	none   nothing                              waiting: may be left all is written
//	slow   a sync takes its time, of lab time   waiting is lost      all is written, at once
//	fail   the next sync of the log fails; what                      nothing waits: the node has
//	       it was for is on no disk, and is not waiting is lost      ended, by itself, and so has
//	       tried again: the node stops                               the fault
//	lie    a sync of the log is done at once,   synced is lost, but  all is written and synced
//	       and nothing of it is on the disk     for what was pushed
//	                                            out of the cache
//	full   a write fails: the node stops, and   synced is there      nothing waits
//	       at its next start, too
//	torn   the next sync of the log writes a    waiting is lost, and all is written; the fault is
//	       part, ends inside a record, and      a part of it is torn over with the process
//	       hangs until then
//
// A flipped bit is none of these: it is turned around in the file, by the lab
// (package netlab), and is there for whoever reads it next. What is in a cache for
// that place is written over it.
//
// So all faults but a lie leave what was synced, and a lie leaves it while the
// process is not killed. A fault stays over restarts, but for fail and torn.
type disk struct {
	base wal.OpenFile
	poke func() // has the loop look at who is stalled

	sound atomic.Bool // nothing is wrong and the cache is empty

	mu      sync.Mutex
	fault   wire.Disk
	rand    *rand.Rand
	clock   *clock.Clock // nil until the lab has told it: then no sync takes its time
	over    bool         // the node ends in good order
	changed chan struct{}
	cache   diskCache
	stalls  map[*stall]struct{}
}

// A stall is a sync that waits for the lab clock, or for the disk to be another.
type stall struct {
	log bool
	due raft.Time // Never when no time ends it
}

// newDisk returns a disk over base, nil for the real one.
func newDisk(base wal.OpenFile, fault wire.Disk, poke func()) *disk {
	if base == nil {
		base = wal.OpenOnDisk
	}
	d := &disk{base: base, poke: poke, changed: make(chan struct{}), stalls: make(map[*stall]struct{})}
	d.become(fault)
	return d
}

// become takes a fault over. With mu.
func (d *disk) become(fault wire.Disk) {
	d.fault = fault
	d.rand = rand.New(rand.NewPCG(fault.Seed, 0))
	d.sound.Store(fault.Fault == wire.DiskOK)
	close(d.changed)
	d.changed = make(chan struct{})
}

// set makes it a disk with another fault, or with none. A sync under way goes on
// as one of the new disk. What a disk that has lied has in its cache is durable
// when set returns, unless it goes on lying.
func (d *disk) set(fault wire.Disk) error {
	if !fault.Valid() {
		return fmt.Errorf("a disk that is %q, with %v and %v, is none this node knows", fault.Fault, time.Duration(fault.Delay), time.Duration(fault.Jitter))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	if lied := d.fault.Fault == wire.DiskLie; !lied || fault.Fault != wire.DiskLie {
		err = d.cache.empty(d.base, lied)
	}
	if err == nil {
		d.become(fault)
	}
	return err
}

// follow has slow syncs take their time by c, and writes be torn, from now on.
func (d *disk) follow(c *clock.Clock) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clock = c
}

// release ends all waiting, for a node that ends in good order: a slow disk is
// waited for no longer, a write under way gets through, and a cache is written
// back, as by a drive that is switched off and not cut off.
func (d *disk) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return
	}
	d.over = true
	if d.fault.Fault == wire.DiskLie {
		// What cannot be written back now is what the next sync would say.
		_ = d.cache.empty(d.base, true)
	}
	close(d.changed)
	d.changed = make(chan struct{})
}

// lies tells whether what it calls durable is not.
func (d *disk) lies() bool {
	if d.sound.Load() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fault.Fault == wire.DiskLie
}

// stalled tells whether a sync of the log, and whether one of something else,
// waits for a time later than now, and which time ends the first of them.
func (d *disk) stalled(now raft.Time) (log, other bool, due raft.Time) {
	due = raft.Never
	if d.sound.Load() {
		return false, false, due
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for s := range d.stalls {
		if s.due <= now {
			continue
		}
		log, other, due = log || s.log, other || !s.log, min(due, s.due)
	}
	return log, other, due
}

// wait returns when due has come, when the disk has changed, or when the clock was
// set. With mu, which it lets go meanwhile.
func (d *disk) wait(log bool, due raft.Time) {
	var passed <-chan time.Time
	clock := d.clock.Changed()
	if left, comes := d.clock.Until(due); comes {
		if left == 0 {
			return
		}
		timer := time.NewTimer(left)
		defer timer.Stop()
		passed = timer.C
	}
	s := &stall{log: log, due: due}
	d.stalls[s] = struct{}{}
	changed := d.changed
	d.mu.Unlock()
	d.poke()
	select {
	case <-passed:
	case <-clock:
	case <-changed:
	}
	d.mu.Lock()
	delete(d.stalls, s)
}

// openFile is a [wal.OpenFile].
func (d *disk) openFile(path string, flag int) (wal.File, error) {
	f, err := d.base(path, flag)
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, disk: d, path: path, log: flag&(os.O_RDWR|os.O_WRONLY) != 0 && flag&os.O_CREATE == 0}, nil
}

type diskFile struct {
	wal.File
	disk *disk
	path string
	log  bool // a segment that the log is written to, and no file that is being made
}

func (f *diskFile) ReadAt(b []byte, off int64) (int, error) {
	d := f.disk
	if d.sound.Load() {
		return f.File.ReadAt(b, off)
	}
	d.mu.Lock()
	if !d.cache.has(f.path) {
		d.mu.Unlock()
		return f.File.ReadAt(b, off)
	}
	defer d.mu.Unlock()
	return d.cache.read(f.File, f.path, b, off)
}

func (f *diskFile) WriteAt(b []byte, off int64) (int, error) {
	d := f.disk
	if d.sound.Load() {
		return f.File.WriteAt(b, off)
	}
	d.mu.Lock()
	switch {
	case d.fault.Fault == wire.DiskFull:
		d.mu.Unlock()
		return 0, &fs.PathError{Op: "write", Path: f.path, Err: injectedError{syscall.ENOSPC}}
	case d.fault.Fault == wire.DiskOK || !f.log:
		d.mu.Unlock()
		return f.File.WriteAt(b, off)
	}
	defer d.mu.Unlock()
	if err := d.cache.write(f.File, f.path, b, off); err != nil {
		return 0, err
	}
	// A drive's cache is small, and what is pushed out of it has come to the disk.
	return len(b), d.cache.shrink(d.base, diskCacheMost)
}

func (f *diskFile) Sync() error {
	d := f.disk
	if d.sound.Load() {
		return f.File.Sync()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var begun raft.Time
	if d.clock != nil {
		begun = d.clock.Now()
	}
	takes, torn := raft.Duration(-1), false
	for {
		waits := d.clock != nil && !d.over // nothing is waited for before the node serves, or after
		switch {
		case d.fault.Fault == wire.DiskFail && f.log:
			d.cache.drop(f.path)
			return &fs.PathError{Op: "sync", Path: f.path, Err: injectedError{syscall.EIO}}
		case d.fault.Fault == wire.DiskLie && f.log && !d.over:
			return nil
		case d.fault.Fault == wire.DiskSlow && waits:
			if takes < 0 {
				takes = d.drawDelay()
			}
			if due := begun + raft.Time(takes); d.clock.Now() < due {
				d.wait(f.log, due)
				continue
			}
		case d.fault.Fault == wire.DiskTorn && waits && f.log && d.cache.has(f.path):
			if !torn {
				if err := d.cache.tear(f.File, f.path, d.rand); err != nil {
					return err
				}
				torn = true
			}
			d.wait(true, raft.Never)
			continue
		}
		if err := d.cache.flush(f.File, f.path); err != nil {
			return err
		}
		d.mu.Unlock()
		err := f.File.Sync()
		d.mu.Lock()
		return err
	}
}

// drawDelay draws how long a sync takes. With mu.
func (d *disk) drawDelay() raft.Duration {
	takes := d.fault.Delay
	if j := int64(d.fault.Jitter); j > 0 {
		takes += raft.Duration(d.rand.Int64N(2*j+1) - j)
	}
	return max(takes, 0)
}

// orderDisk makes the disk another. It may have to write back a cache, so the
// loop does not wait for it: the order comes a second time when it is done.
func (r *replica) orderDisk(o *order) error {
	switch {
	case o.done:
		return o.failed
	case o.Disk == nil:
		return errors.New("an order about the disk that does not say what it is to be like")
	}
	again := *o
	again.done = true
	r.background.Go(func() {
		again.failed = r.disk.set(*again.Disk)
		r.inbox.putOrder(again)
	})
	return errLater
}

// errLater says that an order's outcome comes later.
var errLater = errors.New("later")
