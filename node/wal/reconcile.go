package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"sort"

	"github.com/raftlab/raftlab/raft"
)

// reconcile finds the newest snapshot that is whole, and settles what the log
// is behind it. Snapshot and log together must say all that either ever said:
//
//   - The log reaches back to the snapshot. Where it does not, entries are lost.
//   - A newer snapshot that is damaged is done without only if the log has the
//     entry which that one ended with: then it has all that is in it.
//   - A log without the entry which the snapshot ends with is what the
//     snapshot's installation did not get to drop (§7, Figure 13 step 7).
func (l *loader) reconcile(snapshots []snapshotName) error {
	log := &l.restored
	var lost []*DamageError // of the newer ones, the newest first
	var lostNames []snapshotName
	var newest *snapfile
	k := len(snapshots) - 1
	for ; k >= 0; k-- {
		s, err := verifySnapshot(snapshots[k], l.open)
		var damage *DamageError
		if errors.As(err, &damage) {
			lost, lostNames = append(lost, damage), append(lostNames, snapshots[k])
			continue
		}
		if err != nil {
			return err
		}
		newest = s
		break
	}
	reach, joined := raft.Index(0), true
	if newest != nil {
		reach, joined = newest.meta.Index, has(log, newest.meta.Index, newest.meta.Term)
	}
	for i, name := range lostNames {
		if log.Base > reach || !joined || !has(log, name.index, name.term) {
			return &DamageError{File: name.path, Offset: lost[i].Offset,
				Reason: lost[i].Reason + ", and what is left of the log and of older snapshots does not say the same"}
		}
	}
	if log.Base > reach {
		return &DamageError{File: segmentPath(filepath.Dir(l.segments[0].path), l.first), Offset: segmentHeader,
			Reason: fmt.Sprintf("the log begins behind entry %d, and there is no snapshot that goes so far", log.Base)}
	}
	for i, name := range lostNames {
		l.remarks = append(l.remarks, fmt.Sprintf("removed %s, which is damaged at offset %d: %s; the log says the same from %s on",
			filepath.Base(name.path), lost[i].Offset, lost[i].Reason, beginning(newest)))
		l.surplus = append(l.surplus, name.path)
	}
	if newest == nil {
		return nil
	}
	oldest := max(k+1-snapshotsKept, 0)
	l.kept = snapshots[oldest : k+1]
	for _, name := range snapshots[:oldest] {
		l.surplus = append(l.surplus, name.path)
	}
	log.Snapshot = newest.meta
	if joined {
		return nil
	}
	if log.LastIndex > log.Base {
		l.remarks = append(l.remarks, fmt.Sprintf("dropped entries %d to %d: %s, whose installation was interrupted, replaces them",
			log.Base+1, log.LastIndex, filepath.Base(newest.path)))
	}
	l.restart, l.index = true, index{next: newest.meta.Index + 1}
	*log = raft.Restored{HardState: log.HardState, Snapshot: newest.meta,
		Base: newest.meta.Index, BaseTerm: newest.meta.Term, LastIndex: newest.meta.Index}
	return nil
}

// beginning says where one has to begin to read the log.
func beginning(s *snapfile) string {
	if s == nil {
		return "its first entry"
	}
	return filepath.Base(s.path)
}

// has tells whether the log has entry i, its base included, and of this term.
func has(log *raft.Restored, i raft.Index, term raft.Term) bool {
	if i == log.Base {
		return term == log.BaseTerm
	}
	if i < log.Base || i > log.LastIndex {
		return false
	}
	k := sort.Search(len(log.Runs), func(k int) bool { return log.Runs[k].First > i }) - 1
	return log.Runs[k].Term == term
}
