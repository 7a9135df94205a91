package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/raftlab/raftlab/netlab/check"
	"github.com/raftlab/raftlab/node/kv"
	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// StoredCheck is what the disks of a lab that does not run say.
type StoredCheck struct {
	Nodes    []StoredNode `json:"nodes"`
	Compared int          `json:"compared"` // entries that were compared with another disk's
	States   int          `json:"states"`   // state machines that were compared with what a log makes of another
	// Acknowledged is how many writes that clients were told of were looked for.
	Acknowledged int `json:"acknowledged"`
}

// StoredNode is one node's disk.
type StoredNode struct {
	Node          int      `json:"node"`
	Dir           string   `json:"dir"`
	Term          uint64   `json:"term"`
	Vote          int      `json:"vote"`
	FirstIndex    uint64   `json:"first_index"` // of the log; more than last_index when it holds no entry
	LastIndex     uint64   `json:"last_index"`
	LastTerm      uint64   `json:"last_term"`
	SnapshotIndex uint64   `json:"snapshot_index"`
	SnapshotTerm  uint64   `json:"snapshot_term"`
	Notes         []string `json:"notes,omitempty"`
	Problem       string   `json:"problem,omitempty"` // why it was not compared
	Hint          string   `json:"hint,omitempty"`
}

// CheckStored compares what the nodes of a lab that does not run have on their
// disks, and judges its history. A lab of which not all could be read is an
// error beside the report, if nothing was found broken.
func CheckStored(ctx context.Context, home, name string) (*CheckReport, error) {
	d := dir(filepath.Join(home, name))
	m, err := d.readMeta()
	if err != nil {
		return nil, Errorf(ExitFailed, "lab %q: %v", name, err).WithHint("raftlab up --lab %s --replace makes it anew", name)
	}
	r := &CheckReport{Schema: SchemaCheck, Lab: name, Stopped: true, OK: true, Properties: []PropertyCheck{}, Unknown: []UnknownCheck{}, Violations: []Violation{}}
	c := &storedCheck{ctx: ctx, dir: d, meta: m, report: r, out: &StoredCheck{Nodes: []StoredNode{}}, seed: maphash.MakeSeed()}
	r.Stored = c.out
	var bad []error
	simulated := m.Config.Sim != ""
	if simulated {
		c.unknown(0, "the disks of a simulated lab end with it: only its history is left")
	}
	for _, n := range m.Nodes {
		if simulated {
			break
		}
		if err := c.read(n.ID); err != nil {
			bad = append(bad, err)
		}
	}
	found, compared := check.CompareStored(c.logs)
	c.out.Compared = compared
	for _, f := range found {
		c.broken(f)
	}
	if err := c.states(); err != nil {
		bad = append(bad, err)
	}
	reading, err := readHistory(d.historyOld(), d.history())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.unknown(0, "no client's operation was written down: there is no file "+d.history())
	case err != nil:
		bad = append(bad, err)
		fallthrough
	default:
		reading.Close()
		r.takeHistory(reading)
		if err == nil && !simulated && len(m.Config.settled().Unsafe) == 0 {
			c.acknowledged(reading)
		}
	}
	r.OK = len(r.Violations) == 0
	if !r.OK || len(bad) == 0 {
		return r, nil
	}
	r.OK = false
	e := toError("check", bad[0])
	if more := len(bad) - 1; more > 0 {
		e = &Error{Code: e.Code, Message: fmt.Sprintf("%s; and %d more could not be read", e.Message, more), Hint: e.Hint}
	}
	return r, e
}

// CheckHistory judges a history file.
func CheckHistory(path string) (*CheckReport, error) {
	r := &CheckReport{Schema: SchemaCheck, Stopped: true, Properties: []PropertyCheck{}, Unknown: []UnknownCheck{}, Violations: []Violation{}}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, Errorf(ExitUsage, "%s is a directory, a history is a file", path).WithHint("raftlab check %s", filepath.Join(path, "history"))
	}
	reading, err := readHistory(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Errorf(ExitUsage, "there is no file %s", path).WithHint("a lab writes its history to the file history in its directory; raftlab ls -o json names the directories")
	}
	if err != nil && len(reading.Operations) == 0 {
		return nil, err
	}
	reading.Close()
	r.takeHistory(reading)
	r.OK = len(r.Violations) == 0 && err == nil
	if !r.OK && len(r.Violations) > 0 {
		return r, nil
	}
	return r, err
}

// takeHistory makes what was read part of the report.
func (r *CheckReport) takeHistory(reading *check.Reading) {
	l := reading.History.Report()
	if reading.Torn > 0 {
		l.Reasons = append(l.Reasons, fmt.Sprintf("the last %d bytes of the history are no whole record: who wrote it was killed", reading.Torn))
	}
	if len(reading.Runs) > 0 {
		if before := reading.Runs[0].Before; before > 0 {
			l.Reasons = append(l.Reasons, fmt.Sprintf("%d operations before these are not in the history any more", before))
		}
		if r.Lab == "" {
			r.Lab = reading.Runs[0].Lab
		}
	}
	r.Linearizability = &l
	for i := range l.Findings {
		r.Violations = append(r.Violations, findingViolation(&l.Findings[i]))
	}
	r.LabNS = max(r.LabNS, l.LastJudgedNS)
}

// storedCheck reads the disks of a lab.
type storedCheck struct {
	ctx    context.Context
	dir    dir
	meta   *meta
	report *CheckReport
	out    *StoredCheck
	logs   []check.StoredLog
	seed   maphash.Seed
}

func (c *storedCheck) broken(f check.Contradiction) {
	c.report.Violations = append(c.report.Violations, Violation{
		Property: f.Property.String(), Term: uint64(f.Term), Index: uint64(f.Index), Nodes: f.Nodes, Message: f.Message,
	})
}

func (c *storedCheck) unknown(node int, reason string) {
	c.report.Unknown = append(c.report.Unknown, UnknownCheck{Node: node, Reason: reason, Count: 1})
}

// read reads one node's disk.
func (c *storedCheck) read(id int) error {
	data := c.dir.nodeData(id)
	n := StoredNode{Node: id, Dir: data}
	log := check.StoredLog{ID: id}
	found, err := wal.Inspect(data, 1, raft.Index(raft.Never), func(page []raft.Entry) error {
		for i := range page {
			log.Entries = append(log.Entries, check.StoredEntry{Term: page[i].Term, Digest: digest(c.seed, &page[i])})
		}
		return c.ctx.Err()
	})
	if err == nil && found.Empty {
		err = Errorf(ExitFailed, "S%d has stored nothing: there is no log in %s", id, data).
			WithHint("a node that was wiped gets its log from the leader: raftlab up, then raftlab restart %d", id)
	}
	if err != nil {
		e := storedError(fmt.Sprintf("S%d", id), err)
		n.Problem, n.Hint = e.Message, e.Hint
		c.out.Nodes = append(c.out.Nodes, n)
		return e
	}
	log.Base, log.BaseTerm, log.Hard, log.States, log.Snapshot = found.Base, found.BaseTerm, found.HardState, found.States, found.Snapshot
	c.logs = append(c.logs, log)
	n.Term, n.Vote = uint64(found.HardState.Term), int(found.HardState.Vote)
	n.FirstIndex, n.LastIndex = uint64(found.Base)+1, uint64(found.LastIndex)
	n.LastTerm = uint64(found.BaseTerm)
	if k := len(found.Runs); k > 0 {
		n.LastTerm = uint64(found.Runs[k-1].Term)
	}
	n.SnapshotIndex, n.SnapshotTerm = uint64(found.Snapshot.Index), uint64(found.Snapshot.Term)
	n.Notes = found.Notes
	c.out.Nodes = append(c.out.Nodes, n)
	return nil
}

func digest(seed maphash.Seed, e *raft.Entry) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteByte(byte(e.Kind))
	h.Write(e.Data)
	return h.Sum64()
}

// storedError is what a user is told of a directory that cannot be read. of is whose
// it is.
func storedError(of string, err error) *Error {
	var known *Error
	var damage *wal.DamageError
	var version *wal.VersionError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &damage):
		return Errorf(ExitFailed, "%s: %v", of, err).
			WithHint("nothing behind the damage can be trusted; a node that is wiped gets its log from the leader: raftlab wipe, then raftlab restart")
	case errors.As(err, &version):
		return Errorf(ExitFailed, "%s: %v", of, err).WithHint("use the raftlab that wrote it: raftlab version")
	case errors.Is(err, wal.ErrInUse):
		return Errorf(ExitConflict, "%s: %v", of, err).WithHint("a node that runs is asked itself: raftlab log")
	case errors.Is(err, context.Canceled):
		return Errorf(ExitFailed, "%s: interrupted", of)
	}
	return Errorf(ExitFailed, "%s: %v", of, err)
}

// states compares state machines: what a log makes of one node's snapshot, or of
// nothing, with the next node's snapshot. Equal states are equal bytes.
func (c *storedCheck) states() error {
	order := slices.Clone(c.logs)
	slices.SortFunc(order, func(a, b check.StoredLog) int { return int(a.Snapshot.Index) - int(b.Snapshot.Index) })
	var rules raft.Unsafe
	for _, name := range c.meta.Config.settled().Unsafe {
		rule, err := raft.ParseUnsafe(name)
		if err != nil {
			return toError("check", err)
		}
		rules |= rule
	}
	store, at, of := kv.New(), raft.Index(0), "what the log makes of nothing"
	store.SetUnsafe(rules)
	for _, l := range order {
		s := l.Snapshot
		if s.Index == 0 {
			continue
		}
		meta, r, err := wal.ReadSnapshot(c.dir.nodeData(l.ID))
		if err != nil {
			return storedError(fmt.Sprintf("S%d", l.ID), err)
		}
		bytesOf, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return storedError(fmt.Sprintf("S%d", l.ID), err)
		}
		reached, err := c.replay(store, at, meta.Index)
		if err != nil {
			return err
		}
		if reached {
			c.out.States++
			frozen := store.Freeze()
			var mine bytes.Buffer
			_, err := frozen.WriteTo(&mine)
			frozen.Release()
			if err != nil {
				return err
			}
			if !bytes.Equal(mine.Bytes(), bytesOf) {
				c.broken(check.Contradiction{Property: check.StateMachineSafety, Term: meta.Term, Index: meta.Index, Nodes: []int{l.ID},
					Message: fmt.Sprintf("the state machine in S%d's snapshot of entry %d is not %s, applied up to there", l.ID, meta.Index, of)})
			}
		}
		if store, err = kv.Restore(bytes.NewReader(bytesOf)); err != nil {
			return storedError(fmt.Sprintf("S%d: its snapshot of entry %d", l.ID, meta.Index), err)
		}
		store.SetUnsafe(rules)
		at, of = meta.Index, fmt.Sprintf("what the log makes of S%d's snapshot of entry %d", l.ID, meta.Index)
	}
	return nil
}

// replay applies the entries behind at up to end to a store, from a log that has
// them all and knows them as committed. There may be none.
func (c *storedCheck) replay(store *kv.Store, at, end raft.Index) (bool, error) {
	if at == end {
		return at > 0, nil
	}
	for _, l := range c.logs {
		if l.Base > at || l.Base+raft.Index(len(l.Entries)) < end || l.Snapshot.Index < end {
			continue
		}
		_, err := wal.Scan(c.dir.nodeData(l.ID), at+1, end+1, func(page []raft.Entry) error {
			for i := range page {
				if page[i].Kind == raft.EntryCommand {
					store.Apply(page[i].Index, page[i].Term, page[i].Data)
				}
			}
			return c.ctx.Err()
		})
		if err != nil {
			return false, storedError(fmt.Sprintf("S%d", l.ID), err)
		}
		return true, nil
	}
	return false, nil
}

// acknowledged looks for the writes that clients were told of: each is in some
// log, or folded into a snapshot.
func (c *storedCheck) acknowledged(reading *check.Reading) {
	if len(c.logs) < len(c.meta.Nodes) || len(c.logs) == 0 {
		c.unknown(0, "not all disks could be read, so a write that a client was told of may be on one of those")
		return
	}
	first := map[raft.Index]*check.Operation{}
	for _, op := range reading.Operations {
		if op.Outcome == check.Answered && op.Op != wire.OpGet && !op.Answer.Refused && op.Answer.Index > 0 {
			first[raft.Index(op.Answer.Index)] = op
		}
	}
	c.out.Acknowledged = len(first)
	reach := raft.Index(0)
	for _, l := range c.logs {
		reach = max(reach, l.Snapshot.Index, l.Base+raft.Index(len(l.Entries)))
	}
	lost, least := 0, raft.Index(0)
	for i := range first {
		if i > reach {
			if lost++; least == 0 || i < least {
				least = i
			}
		}
	}
	if lost > 0 {
		c.broken(check.Contradiction{Property: check.LeaderCompleteness, Index: least, Message: fmt.Sprintf(
			"%s was answered at index %d, and no disk has an entry of that index: the longest log ends at %d (%d such writes)", first[least].Text(), least, reach, lost)})
	}
}

// ReadDisk returns the entries from..to of the log in a node's directory, or in
// its data directory; to 0 is the last. Nothing is written.
func ReadDisk(ctx context.Context, path string, from, to uint64) (*Log, []string, error) {
	data := path
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, Errorf(ExitUsage, "there is no directory %s", path).WithHint("a node's is RAFTLAB_HOME/LAB/nodes/ID")
	case err != nil:
		return nil, nil, Errorf(ExitFailed, "%v", err)
	case !info.IsDir():
		return nil, nil, Errorf(ExitUsage, "%s is a file, a node's log is a directory", path).WithHint("raftlab log --disk %s", filepath.Dir(path))
	}
	if _, err := os.Stat(filepath.Join(path, "data")); err == nil {
		data = filepath.Join(path, "data")
	}
	out := &Log{Schema: SchemaLog, Source: SourceDisk, Entries: []LogEntry{}}
	if abs, err := filepath.Abs(data); err == nil && filepath.Base(filepath.Dir(filepath.Dir(abs))) == "nodes" {
		out.Node, _ = strconv.Atoi(filepath.Base(filepath.Dir(abs))) // 0 when it has another name
	}
	end := raft.Index(raft.Never)
	if to != 0 {
		end = raft.Index(to) + 1
	}
	found, err := wal.Inspect(data, raft.Index(max(from, 1)), end, func(page []raft.Entry) error {
		out.add(page)
		return ctx.Err()
	})
	if err == nil && found.Empty {
		err = Errorf(ExitFailed, "there is no log in %s: no file 00000001.wal", data).WithHint("a node's log is in RAFTLAB_HOME/LAB/nodes/ID/data")
	}
	if err != nil {
		return nil, nil, storedError("the log in "+data, err)
	}
	out.LastIndex, out.Base = uint64(found.LastIndex), uint64(found.Base)
	out.SnapshotIndex, out.SnapshotTerm = uint64(found.Snapshot.Index), uint64(found.Snapshot.Term)
	out.Commit = out.SnapshotIndex // the disk says of no other entry that it is committed
	if len(out.Entries) > 0 {
		out.FirstIndex = out.Entries[0].Index
	}
	notes := found.Notes
	if out.Base < out.SnapshotIndex && out.SnapshotIndex > 0 {
		notes = append(notes, fmt.Sprintf("the log reaches further back than the snapshot of entry %d: segments are removed as a whole", out.SnapshotIndex))
	}
	return out, notes, nil
}

// add appends a page of entries, in words.
func (l *Log) add(page []raft.Entry) {
	for _, e := range page {
		entry := LogEntry{Index: uint64(e.Index), Term: uint64(e.Term), Kind: e.Kind.String()}
		switch e.Kind {
		case raft.EntryCommand:
			entry.Command = kv.Describe(e.Data)
		case raft.EntryConfig:
			entry.Command = configText(e.Data)
		}
		l.Entries = append(l.Entries, entry)
	}
}

// Picture writes the page of a history: of the file, or of the lab of this name when
// file is "". It returns how many operations are shown.
func Picture(home, name, file string, out io.Writer) (int, error) {
	paths := []string{file}
	if file == "" {
		d := dir(filepath.Join(home, name))
		paths = []string{d.historyOld(), d.history()}
	}
	reading, err := readHistory(paths...)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, Errorf(ExitFailed, "there is no history to draw: no file %s", paths[len(paths)-1])
	}
	if err != nil && len(reading.Operations) == 0 {
		return 0, err
	}
	reading.Close()
	n, perr := reading.Picture(out)
	return n, errors.Join(err, perr)
}
