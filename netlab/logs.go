package netlab

import (
	"context"
	"errors"
	"io/fs"

	"github.com/raftlab/raftlab/node/wal"
	"github.com/raftlab/raftlab/node/wire"
	"github.com/raftlab/raftlab/raft"
)

// The sources of a Log.
const (
	SourceNode = "node"
	SourceDisk = "disk"
)

// readLog returns the entries from..to of a node's log, to 0 being the last. A
// node that runs is asked; of one that does not, the disk is read. What was
// dropped is not there: Base and the snapshot's fields say up to where.
func (l *lab) readLog(ctx context.Context, word string, from, to uint64) (*Log, error) {
	m, state, err := l.one(word)
	if err != nil {
		return nil, err
	}
	if from > to && to != 0 {
		return nil, Errorf(ExitUsage, "a log from %d to %d holds nothing", from, to).WithHint("raftlab log %d --from %d --to %d", m.id, to, from)
	}
	out := &Log{Schema: SchemaLog, Node: m.id, Source: SourceNode, Entries: []LogEntry{}}
	l.mu.Lock()
	out.Base = m.status.FirstIndex - 1
	out.SnapshotIndex, out.SnapshotTerm = m.status.SnapshotIndex, m.status.SnapshotTerm
	l.mu.Unlock()
	if state == StateUp {
		err = l.logOfNode(ctx, m, max(from, 1), to, out)
	} else {
		out.Source = SourceDisk
		err = l.logOnDisk(ctx, m, max(from, 1), to, out)
	}
	if err != nil {
		return nil, err
	}
	if len(out.Entries) > 0 {
		out.FirstIndex = out.Entries[0].Index
	}
	return out, nil
}

// logOfNode asks the node, page by page.
func (l *lab) logOfNode(ctx context.Context, m *member, from, to uint64, out *Log) error {
	for {
		wait, err := l.order(m, wire.Order{Verb: wire.OrderLog, From: raft.Index(from), To: raft.Index(to)})
		if err != nil {
			return err
		}
		page, err := wait(ctx)
		if err != nil {
			return err
		}
		if page.Error != "" {
			return Errorf(ExitFailed, "read the log of S%d: %s", m.id, page.Error)
		}
		out.LastIndex, out.Commit = uint64(page.LastIndex), uint64(page.Commit)
		for _, e := range page.Entries {
			out.Entries = append(out.Entries, LogEntry{Index: uint64(e.Index), Term: uint64(e.Term), Kind: e.Kind, Command: e.Command})
		}
		if page.FirstIndex > 0 {
			out.Base = uint64(page.FirstIndex) - 1
		}
		if n := len(page.Entries); n > 0 {
			// Not from + n: entries the log does not hold any more are left out.
			from = uint64(page.Entries[n-1].Index) + 1
		}
		if len(page.Entries) == 0 || from > out.LastIndex || to != 0 && from > to {
			return nil
		}
	}
}

// logOnDisk reads what a node that does not run has on its disk. Its commit
// index is what it last said.
func (l *lab) logOnDisk(ctx context.Context, m *member, from, to uint64, out *Log) error {
	if to == 0 {
		to = uint64(raft.Never) - 1
	}
	l.mu.Lock()
	out.Commit = m.status.Commit
	l.mu.Unlock()
	restored, err := l.engine.scan(m.id, raft.Index(from), raft.Index(to)+1, func(page []raft.Entry) error {
		out.add(page)
		return ctx.Err()
	})
	var damage *wal.DamageError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		out.Base, out.SnapshotIndex, out.SnapshotTerm = 0, 0, 0
		return nil // wiped: an empty log
	case errors.As(err, &damage):
		return Errorf(ExitFailed, "read the log of S%d: %v", m.id, err).
			WithHint("\"raftlab wipe %d\" and \"raftlab restart %d\" bring it back empty; the leader sends it the log again", m.id, m.id)
	case err != nil:
		return Errorf(ExitFailed, "read the log of S%d: %v", m.id, err)
	}
	out.LastIndex, out.Base = uint64(restored.LastIndex), uint64(restored.Base)
	out.SnapshotIndex, out.SnapshotTerm = uint64(restored.Snapshot.Index), uint64(restored.Snapshot.Term)
	return nil
}

// configText is what an entry of a configuration says.
func configText(data []byte) string {
	c, err := raft.DecodeConfiguration(data)
	if err != nil {
		return err.Error()
	}
	return c.String()
}

// dump returns the state machine of a node that runs.
func (l *lab) dump(ctx context.Context, word string) (*Dump, error) {
	if word == "" {
		word = WordLeader
	}
	m, _, err := l.one(word)
	if err != nil {
		return nil, err
	}
	wait, err := l.order(m, wire.Order{Verb: wire.OrderDump})
	if err != nil {
		return nil, err
	}
	out, err := wait(ctx)
	if err != nil {
		return nil, err
	}
	if out.Error != "" {
		return nil, Errorf(ExitFailed, "read the keys of S%d: %s", m.id, out.Error)
	}
	d := &Dump{Node: m.id, Applied: uint64(out.Applied), Pairs: []DumpPair{}}
	for _, p := range out.Pairs {
		d.Pairs = append(d.Pairs, DumpPair{Key: p.Key, Value: p.Value, Index: uint64(p.Index)})
	}
	return d, nil
}

// one resolves a word that must name one node.
func (l *lab) one(word string) (*member, string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	members, err := l.resolve([]string{word}, anyNode)
	if err != nil {
		return nil, "", err
	}
	if len(members) != 1 {
		return nil, "", Errorf(ExitUsage, "%s names %d nodes, one is wanted", quote(word), len(members)).
			WithHint("a node is 3 or S3, or one of: leader random")
	}
	return members[0], members[0].status.State, nil
}
