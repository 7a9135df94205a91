package netlab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/raftlab/raftlab/node"
	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// What can be done to a disk, as Op.Disk names it. The first is a disk with
// which nothing is wrong.
const (
	DiskOK   = "ok"
	DiskSlow = string(wire.DiskSlow)
	DiskFail = string(wire.DiskFail)
	DiskLie  = string(wire.DiskLie)
	DiskFull = string(wire.DiskFull)
	DiskTorn = string(wire.DiskTorn)
	DiskFlip = "flip" // a bit of a file, at once
)

const diskHint = "raftlab disk 3 slow 20ms~5ms; or fail, lie, full, torn, flip, ok"

// diskDelayMax bounds how long a sync is made to take.
const diskDelayMax = time.Hour

// DiskStatus is what is wrong with a node's disk.
type DiskStatus struct {
	Mode     string  `json:"mode"` // slow, fail, lie, full, torn
	Text     string  `json:"text"` // what that means, a clause
	DelayMS  float64 `json:"delay_ms,omitempty"`
	JitterMS float64 `json:"jitter_ms,omitempty"`
}

// nodeDisk is what the lab knows of a node's disk. Guarded by lab.mu.
type nodeDisk struct {
	wire.Disk
	given uint64 // how often something was drawn for it
	fault nodeFault
}

// spec is what was asked for, without what was drawn for it.
func (d *nodeDisk) spec() wire.Disk {
	spec := d.Disk
	spec.Seed = 0
	return spec
}

// status is nil when nothing is wrong.
func (d *nodeDisk) status() *DiskStatus {
	if d.Fault == wire.DiskOK {
		return nil
	}
	return &DiskStatus{Mode: string(d.Fault), Text: diskText(d.Disk), DelayMS: millis(d.Delay), JitterMS: millis(d.Jitter)}
}

// diskMode is what is wrong with a node's disk, in one word.
func diskMode(n *NodeStatus) string {
	if n.Disk == nil {
		return DiskOK
	}
	return n.Disk.Mode
}

// diskText says what a disk is like: a clause that goes on from its name.
func diskText(d wire.Disk) string {
	switch d.Fault {
	case wire.DiskSlow:
		return "a sync takes " + delayText(time.Duration(d.Delay), time.Duration(d.Jitter))
	case wire.DiskFail:
		return "the next sync of the log fails"
	case wire.DiskLie:
		return "a sync says that it is done and is not: a kill loses what it was for"
	case wire.DiskFull:
		return "no room is left: the next write fails"
	case wire.DiskTorn:
		return "the next write of the log gets there only in part, and a kill leaves it so"
	}
	return "nothing is wrong with it"
}

// DescribeDisk says what the disk that op asks for is like: a clause that goes on
// from its name. The error is an *Error.
func DescribeDisk(op *Op) (string, error) {
	switch {
	case op.Disk == DiskFlip && op.Offset != nil:
		return fmt.Sprintf("a bit of byte %d is flipped", *op.Offset), nil
	case op.Disk == DiskFlip && op.Index != 0:
		return fmt.Sprintf("a bit of entry %d is flipped", op.Index), nil
	case op.Disk == DiskFlip:
		return "a bit of any entry is flipped", nil
	}
	d, err := diskOf(op)
	if err != nil {
		return "", err
	}
	return diskText(d), nil
}

// setDisk makes the disks of nodes others. That of a dead node is what it will
// be started with.
func (l *lab) setDisk(ctx context.Context, op *Op) (*OpResult, error) {
	if op.Disk == DiskFlip {
		return l.flip(op)
	}
	want, err := diskOf(op)
	if err != nil {
		return nil, err
	}
	members, idle, err := l.pick(op, anyNode, "no node is a %s now", nil)
	if err != nil || idle != nil {
		return idle, err
	}
	res := &OpResult{}
	var changed, same []int
	var before []nodePast
	for _, m := range members {
		l.mu.Lock()
		was := m.disk
		l.mu.Unlock()
		did, late, err := l.giveDisk(ctx, m, want, op)
		if err != nil {
			return nil, err
		}
		if !did {
			same = append(same, m.id)
			continue
		}
		changed = append(changed, m.id)
		before = append(before, nodePast{m: m, disk: &was})
		if late {
			res.note(fmt.Sprintf("S%d is paused: its disk is so when it is resumed", m.id))
		}
		l.mu.Lock()
		res.Event = l.event(Event{Kind: EventFault, Node: m.id, Text: "disk: " + diskText(want), Line: op.Line})
		l.mu.Unlock()
	}
	res.Nodes = append(res.Nodes, changed...)
	var texts []string
	if len(changed) > 0 {
		texts = append(texts, fmt.Sprintf("%s of %s: %s", oneOrMany(len(changed), "the disk", "the disks"), names(changed), diskText(want)))
	}
	if len(same) > 0 {
		texts = append(texts, fmt.Sprintf("%s of %s %s so already: %s", oneOrMany(len(same), "the disk", "the disks"), names(same), oneOrMany(len(same), "is", "are"), diskText(want)))
	}
	res.Text = strings.Join(texts, "; ")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remember(past{by: op, text: res.Text, nodes: before})
	return res, nil
}

func oneOrMany(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// diskOf is the disk that op asks for.
func diskOf(op *Op) (wire.Disk, error) {
	d := wire.Disk{Fault: wire.DiskFault(op.Disk)}
	if op.Disk == DiskOK {
		d.Fault = wire.DiskOK
	}
	switch {
	case op.Disk == "" || !d.Valid():
		return d, Errorf(ExitUsage, "there is no disk that is %s", quote(op.Disk)).WithHint("%s", diskHint)
	case d.Fault != wire.DiskSlow && (op.Delay != 0 || op.Jitter != 0):
		return d, Errorf(ExitUsage, "a delay is for a slow disk, not for one that is %s", op.Disk).WithHint("%s", diskHint)
	case op.Delay < 0 || op.Delay > diskDelayMax:
		return d, Errorf(ExitUsage, "a sync takes 0 to %v, not %v", diskDelayMax, op.Delay).WithHint("raftlab disk 3 slow 20ms")
	case op.Jitter < 0 || op.Jitter > diskDelayMax:
		return d, Errorf(ExitUsage, "the jitter of a disk is 0 to %v, not %v", diskDelayMax, op.Jitter).WithHint("raftlab disk 3 slow 20ms~5ms")
	case d.Fault == wire.DiskSlow && op.Delay == 0 && op.Jitter == 0:
		d.Fault = wire.DiskOK
	}
	d.Delay, d.Jitter = raft.Duration(op.Delay), raft.Duration(op.Jitter)
	return d, nil
}

// giveDisk makes a node's disk another, and tells the node unless it is dead.
// It reports false when it was like that, and late when the node is paused, and
// hears of it when it goes on. With acting held.
func (l *lab) giveDisk(ctx context.Context, m *member, want wire.Disk, op *Op) (did, late bool, err error) {
	l.mu.Lock()
	was := m.disk
	if want == was.spec() {
		l.mu.Unlock()
		return false, false, nil
	}
	if want.Seed = 0; want.Fault != wire.DiskOK {
		want.Seed = mix(l.config.Seed, seedDisk, uint64(m.id), was.given)
	}
	state, c := m.status.State, m.conn
	if state == StateUp && c == nil {
		l.mu.Unlock()
		_, err := l.order(m, wire.Order{}) // which says why not
		return false, false, err
	}
	// Before the node hears of it, which may end by it before it answers.
	m.disk = nodeDisk{Disk: want, given: was.given + 1}
	if want.Fault != wire.DiskOK {
		m.disk.fault = l.newNodeFault(op)
	}
	m.status.Disk = m.disk.status()
	l.touch(m)
	given := m.disk
	l.mu.Unlock()
	defer func() {
		if err == nil {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if m.disk == given {
			m.disk, m.status.Disk = was, was.status()
			l.touch(m)
		}
	}()

	o := wire.Order{Verb: wire.OrderDisk, Disk: &want}
	switch {
	case state == StateDead:
	case state == StatePaused && c != nil:
		late = true
		if err := c.post(o); err != nil {
			return false, false, Errorf(ExitFailed, "order S%d: %v", m.id, err)
		}
	default:
		wait, err := l.order(m, o)
		if err != nil {
			return false, false, err
		}
		out, err := wait(ctx)
		if told := new(Error); errors.As(err, &told) && told.Code == ExitConflict {
			return true, false, nil // it has ended, by that or by something else, and is started with it
		}
		if err != nil {
			return false, false, err
		}
		if out.Error != "" {
			return false, false, Errorf(ExitFailed, "the disk of S%d does not change: %s", m.id, printable(out.Error, 512)).WithHint("raftlab status %d", m.id)
		}
	}
	return true, late, nil
}

// post sends an order whose outcome nobody waits for.
func (c *control) post(o wire.Order) (err error) {
	c.mu.Lock()
	c.next++
	c.frames, err = wire.AppendControl(c.frames, wire.KindOrder, c.next, &o)
	c.mu.Unlock()
	c.nudge()
	return err
}

// diskEnv tells a node that is started what is wrong with its disk. With lab.mu
// held.
func (m *member) diskEnv() []string {
	if m.disk.Fault == wire.DiskOK {
		return nil
	}
	text, err := json.Marshal(m.disk.Disk)
	if err != nil {
		panic(err) // words and numbers
	}
	return []string{node.EnvDisk + "=" + string(text)}
}

// spendDisk takes away the faults that come once: the process they were for has
// ended, for which a sync that failed is the cause. With lab.mu held.
func (m *member) spendDisk() {
	if m.disk.Fault == wire.DiskTorn || m.disk.Fault == wire.DiskFail && m.fatal != "" {
		m.disk.Disk = wire.Disk{}
		m.status.Disk = nil
	}
}

// healDisks makes all disks right again, and returns what those were like that
// were not. With acting held.
func (l *lab) healDisks(ctx context.Context) (healed []nodePast, err error) {
	l.mu.Lock()
	members := l.members
	l.mu.Unlock()
	for _, m := range members {
		l.mu.Lock()
		was := m.disk
		l.mu.Unlock()
		did, _, err := l.giveDisk(ctx, m, wire.Disk{}, &Op{})
		if err != nil {
			return healed, err
		}
		if did {
			healed = append(healed, nodePast{m: m, disk: &was})
		}
	}
	return healed, nil
}

// flip turns a bit around in the files of nodes, running or dead: that of an
// entry, or of a byte of a file, or of any entry. What it hits is damaged from
// now on; who reads it finds out.
func (l *lab) flip(op *Op) (*OpResult, error) {
	if op.Delay != 0 || op.Jitter != 0 {
		return nil, Errorf(ExitUsage, "a delay is for a slow disk, not for a bit that is flipped").WithHint("%s", diskHint)
	}
	if op.Offset != nil && (op.Index != 0 || *op.Offset < 0) {
		return nil, Errorf(ExitUsage, "a bit is flipped in an entry, or in a byte of a file, which begin at 0").WithHint("raftlab disk 3 flip 4096; raftlab disk 3 flip --index 7")
	}
	if op.File != "" && (op.Offset == nil || filepath.Base(op.File) != op.File) {
		return nil, Errorf(ExitUsage, "a file is named without its directory, and with the byte in it").WithHint("raftlab disk 3 flip 4096 --file 00000001.wal")
	}
	members, idle, err := l.pick(op, anyNode, "no node is a %s now", nil)
	if err != nil || idle != nil {
		return idle, err
	}
	res := &OpResult{}
	var texts []string
	for _, m := range members {
		text, err := l.flipOne(m, op)
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		state := m.status.State
		res.Event = l.event(Event{Kind: EventFault, Node: m.id, Text: "disk: " + text, Line: op.Line})
		l.mu.Unlock()
		res.Nodes = append(res.Nodes, m.id)
		texts = append(texts, fmt.Sprintf("S%d: %s", m.id, text))
		if state != StateDead {
			res.note(fmt.Sprintf("S%d finds out when it reads there, at the latest when it is started again", m.id))
		}
	}
	res.Text = strings.Join(texts, "; ")
	return res, nil
}

func (l *lab) flipOne(m *member, op *Op) (string, error) {
	l.mu.Lock()
	draw := mix(l.config.Seed, seedDisk, uint64(m.id), m.disk.given)
	m.disk.given++
	l.mu.Unlock()
	return l.engine.flip(m, op, draw)
}

// flipError says why no bit is flipped.
func flipError(m *member, index uint64, err error) error {
	var damage *wal.DamageError
	switch known := new(Error); {
	case errors.As(err, &known):
		return known
	case errors.As(err, &damage):
		return Errorf(ExitConflict, "S%d's log is damaged already: %s at offset %d", m.id, filepath.Base(damage.File), damage.Offset).WithHint("raftlab wipe %d", m.id)
	case errors.Is(err, wal.ErrDropped):
		return Errorf(ExitConflict, "entry %d is not in S%d's log any more: a snapshot stands for it", index, m.id).WithHint("raftlab log %d", m.id)
	}
	return Errorf(ExitConflict, "S%d: %s", m.id, printable(err.Error(), 512)).WithHint("raftlab log %d", m.id)
}
